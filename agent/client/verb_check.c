/* SPDX-License-Identifier: MIT */
/*
 * Is everything in order? The service reads the policy files anew and says what it thinks of them;
 * the rest is looked at from here, so that it works when the service does not.
 */
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "client/finding.h"
#include "client/installation.h"
#include "client/service.h"
#include "client/verb.h"

/* Sentences of the service about files: they say themselves what to do. */
static int add_sentences(const cJSON *policy, const char *key, enum finding state, cJSON *findings)
{
	const cJSON *sentence;
	int r = 0;
	cJSON_ArrayForEach(sentence, json_list(policy, key))
	{
		const char *text = cJSON_GetStringValue(sentence);
		if (r == 0)
			r = finding_add(findings, state, "policy", NULL, "%s", text ? text : "");
	}
	return r;
}

static int judge_policy(const cJSON *policy, const cJSON *status, cJSON *findings)
{
	int r = add_sentences(policy, "errors", FINDING_PROBLEM, findings);
	if (r == 0)
		r = add_sentences(policy, "warnings", FINDING_WARNING, findings);
	if (r < 0 || !json_flag(policy, "valid"))
		return r;
	_cleanup_(freep) char *rules =
		output_count(json_number(policy, "rules"), "rule is", "rules are");
	if (!rules)
		return -ENOMEM;
	bool in_force = !*json_text(status, "policy_problem") &&
			json_number(status, "rules") == json_number(policy, "rules");
	if (!in_force)
		return finding_add(findings, FINDING_WARNING, "policy", "sudo plugflash reload",
			"%s valid on disk, but these files are not loaded yet", rules);
	return finding_add(findings, FINDING_OK, "policy", NULL, "%s valid and in force", rules);
}

/* The service and its policies; what cannot be asked is a finding, too. */
static int check_service(sd_bus *bus, cJSON *answer, cJSON *findings, struct problem *problem)
{
	_cleanup_(json_deletep) cJSON *status = NULL, *policy = NULL;
	int r = bus ? service_call(bus, "Status", NULL, &status, problem) : -EREMOTEIO;
	if (r >= 0)
		r = service_call(bus, "Check", NULL, &policy, problem);
	if (r < 0)
		return problem->sentence ? finding_add(findings, FINDING_PROBLEM, "service", NULL,
						   "%s", problem->sentence)
					 : -ENOMEM;
	r = finding_add(findings, FINDING_OK, "service", NULL, "plugflashd %s answers",
		json_text(status, "version"));
	if (r == 0)
		r = judge_policy(policy, status, findings);
	if (r == 0)
		r = json_put(answer, "service", TAKE_PTR(status));
	return r < 0 ? r : json_put(answer, "policy", TAKE_PTR(policy));
}

/* ---- for people ------------------------------------------------------------------------- */

static enum tint state_tint(const cJSON *finding)
{
	const char *state = json_text(finding, "state");
	if (text_equal(state, "ok"))
		return TINT_GOOD;
	return text_equal(state, "problem") ? TINT_BAD : TINT_WARNING;
}

static char *advice_note(const cJSON *finding)
{
	const char *advice = json_text(finding, "advice");
	return *advice ? text_format("→ %s", advice) : NULL;
}

static void show(const struct output *output, const cJSON *findings, bool good)
{
	static const struct column columns[] = {
		{ .title = "STATE", .key = "state", .tint = state_tint },
		{ .title = "CHECK", .key = "check" },
		{ .title = "FINDING", .key = "sentence" },
	};
	output_table(output, columns, ELEMENTSOF(columns), findings, advice_note);
	fputc('\n', output->stream);
	output_tinted(output, good ? TINT_GOOD : TINT_BAD, "%s\n",
		good ? "Nothing is wrong." : "Something is wrong; see the problems above.");
}

int verb_check(struct request *request)
{
	/* Not the request's: that nobody answers is part of the answer. */
	_cleanup_(problem_done) struct problem problem = { 0 };
	_cleanup_(service_closep) sd_bus *bus = NULL;
	_cleanup_(json_deletep) cJSON *answer = cJSON_CreateObject();
	cJSON *findings = answer ? cJSON_AddArrayToObject(answer, "findings") : NULL;
	if (!findings)
		return -ENOMEM;
	(void)!service_open(&bus, &problem);
	int r = check_service(bus, answer, findings, &problem);
	if (r == 0)
		r = installation_check(bus,
			json_text(json_list(answer, "service"), "firmware_directory"), findings);
	bool good = r == 0 && !finding_is_bad(findings);
	if (r == 0)
		r = json_put(answer, "ok", cJSON_CreateBool(good));
	if (r < 0)
		return r;
	if (request->json)
		json_print(request->output->stream, answer, false);
	else
		show(request->output, findings, good);
	return good ? EXIT_YES : EXIT_NO;
}
