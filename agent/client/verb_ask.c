/* SPDX-License-Identifier: MIT */
/* The verbs that ask the service one thing and show it: status, list, jobs, reload. */
#include <errno.h>

#include "base/names.h"
#include "base/text.h"
#include "client/service.h"
#include "client/verb.h"
#include "client/view.h"

#define OUTCOMES_SHOWN 5 /* by status; jobs shows all */

static bool has_ended(const cJSON *job)
{
	return !view_is_running(job);
}

/* Calls and puts the answer under a key; those elements only for which `wanted` is true. */
static int ask(sd_bus *bus, const char *method, bool (*wanted)(const cJSON *), cJSON *answer,
	const char *key, struct problem *problem)
{
	_cleanup_(json_deletep) cJSON *reply = NULL;
	int r = service_call(bus, method, NULL, &reply, problem);
	if (r < 0)
		return r;
	return json_put(answer, key, wanted ? json_filter(reply, wanted) : TAKE_PTR(reply));
}

/* ---- status ----------------------------------------------------------------------------- */

static void show_policy(const struct output *output, const cJSON *service)
{
	_cleanup_(freep) char *rules = output_count(json_number(service, "rules"), "rule", "rules");
	_cleanup_(freep) char *boards =
		output_count(json_number(service, "boards"), "named board", "named boards");
	fprintf(output->stream, "policy    %s, %s\n", rules ? rules : "", boards ? boards : "");
	const char *problem = json_text(service, "policy_problem");
	if (*problem) {
		output_tinted(output, TINT_BAD,
			"          the files on disk are not in force: %s\n", problem);
		fputs("          correct them, then \"plugflash check\" and \"sudo plugflash "
		      "reload\"\n",
			output->stream);
	} else if (json_number(service, "rules") == 0) {
		fputs("          without rules nothing is written; examples are in "
		      "" NAME_EXAMPLES_DIRECTORY "\n",
			output->stream);
	}
}

static cJSON *last_of(const cJSON *jobs, size_t wanted)
{
	_cleanup_(json_deletep) cJSON *ended = json_filter(jobs, has_ended);
	while (ended && (size_t)cJSON_GetArraySize(ended) > wanted)
		cJSON_DeleteItemFromArray(ended, 0);
	return TAKE_PTR(ended);
}

static void show_jobs(const struct output *output, const char *title, const cJSON *jobs)
{
	if (!jobs || !jobs->child)
		return;
	output_tinted(output, TINT_STRONG, "\n%s\n", title);
	view_jobs(output, jobs);
}

/* What the service cannot or must not do because of what was before. */
static void show_past(const struct output *output, const cJSON *service)
{
	const cJSON *place;
	if (cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(service, "history")))
		output_tinted(output, TINT_BAD,
			"history   cannot be had, so nothing is written; see the journal\n");
	cJSON_ArrayForEach(place, json_list(service, "quarantined"))
	{
		output_tinted(output, TINT_BAD, "quarantine  %s: %s\n", json_text(place, "place"),
			json_text(place, "why"));
		fprintf(output->stream,
			"            when the cause is found: plugflash release %s\n",
			json_text(place, "place"));
	}
}

static void show_status(const struct output *output, const cJSON *answer)
{
	const cJSON *service = json_list(answer, "service");
	const cJSON *boards = json_list(answer, "boards");
	const cJSON *jobs = json_list(answer, "jobs");
	fputs("service   ", output->stream);
	output_tinted(
		output, TINT_GOOD, "plugflashd %s is running\n", json_text(service, "version"));
	show_policy(output, service);
	fprintf(output->stream, "firmware  %s\n", json_text(service, "firmware_directory"));
	show_past(output, service);
	if (boards && boards->child) {
		output_tinted(output, TINT_STRONG, "\nBoards in boot mode\n");
		view_boards(output, boards);
	} else {
		fputs("boards    none in boot mode\n", output->stream);
	}
	_cleanup_(json_deletep) cJSON *running = json_filter(jobs, view_is_running);
	_cleanup_(json_deletep) cJSON *ended = last_of(jobs, OUTCOMES_SHOWN);
	show_jobs(output, "Running jobs", running);
	show_jobs(output, "Last outcomes", ended);
}

int verb_status(struct request *request)
{
	_cleanup_(service_closep) sd_bus *bus = NULL;
	_cleanup_(json_deletep) cJSON *answer = cJSON_CreateObject();
	int r = answer ? service_open(&bus, &request->problem) : -ENOMEM;
	if (r >= 0)
		r = ask(bus, "Status", NULL, answer, "service", &request->problem);
	if (r >= 0)
		r = ask(bus, "ListDevices", view_is_board, answer, "boards", &request->problem);
	if (r >= 0)
		r = ask(bus, "ListJobs", NULL, answer, "jobs", &request->problem);
	if (r < 0)
		return r;
	if (request->json)
		return json_print(request->output->stream, answer, false);
	show_status(request->output, answer);
	return EXIT_YES;
}

/* ---- boards that do not say their chip -------------------------------------------------- */

/* The service knows it, if it has looked at this arrival. A board that has left meanwhile shows
 * nothing. */
static int add_chip(sd_bus *bus, cJSON *device)
{
	static const char *const keys[] = { "chip", "chip_from", "possible_chips" };
	_cleanup_(problem_done) struct problem ignored = { 0 };
	_cleanup_(json_deletep) cJSON *explanation = NULL;
	if (service_call(bus, "Explain", json_text(device, "place"), &explanation, &ignored) < 0)
		return 0;
	for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
		cJSON *value = cJSON_DetachItemFromObjectCaseSensitive(explanation, keys[i]);
		if (value)
			TRY(json_put(device, keys[i], value));
	}
	return 0;
}

static int add_chips(sd_bus *bus, const cJSON *devices)
{
	cJSON *device;
	cJSON_ArrayForEach(device, devices)
	{
		if (text_equal(json_text(device, "mode"), "dfu"))
			TRY(add_chip(bus, device));
	}
	return 0;
}

/* ---- list and jobs ---------------------------------------------------------------------- */

int verb_list(struct request *request)
{
	const char *key = request->all ? "devices" : "boards";
	_cleanup_(service_closep) sd_bus *bus = NULL;
	_cleanup_(json_deletep) cJSON *answer = cJSON_CreateObject();
	int r = answer ? service_open(&bus, &request->problem) : -ENOMEM;
	if (r >= 0)
		r = ask(bus, "ListDevices", request->all ? NULL : view_is_board, answer, key,
			&request->problem);
	if (r >= 0)
		r = add_chips(bus, json_list(answer, key));
	if (r < 0)
		return r;
	if (request->json)
		return json_print(request->output->stream, answer, false);
	const cJSON *devices = json_list(answer, key);
	if (devices && devices->child)
		view_boards(request->output, devices);
	else if (request->all)
		fputs("No USB device is plugged in.\n", request->output->stream);
	else
		fputs("No board in boot mode is plugged in; \"plugflash list --all\" shows every "
		      "USB device.\n",
			request->output->stream);
	return EXIT_YES;
}

int verb_jobs(struct request *request)
{
	_cleanup_(service_closep) sd_bus *bus = NULL;
	_cleanup_(json_deletep) cJSON *answer = cJSON_CreateObject();
	int r = answer ? service_open(&bus, &request->problem) : -ENOMEM;
	if (r >= 0)
		r = ask(bus, "ListJobs", NULL, answer, "jobs", &request->problem);
	if (r < 0)
		return r;
	if (request->json)
		return json_print(request->output->stream, answer, false);
	const cJSON *jobs = json_list(answer, "jobs");
	if (jobs && jobs->child)
		view_jobs(request->output, jobs);
	else
		fputs("No job since plugflashd was started.\n", request->output->stream);
	return EXIT_YES;
}

/* ---- reload ----------------------------------------------------------------------------- */

int verb_reload(struct request *request)
{
	_cleanup_(service_closep) sd_bus *bus = NULL;
	_cleanup_(json_deletep) cJSON *nothing = NULL, *answer = cJSON_CreateObject();
	int r = answer ? service_open(&bus, &request->problem) : -ENOMEM;
	if (r >= 0)
		r = service_call(bus, "Reload", NULL, &nothing, &request->problem);
	if (r >= 0)
		r = ask(bus, "Status", NULL, answer, "service", &request->problem);
	if (r < 0)
		return r;
	if (request->json)
		return json_print(request->output->stream, answer, false);
	show_policy(request->output, json_list(answer, "service"));
	return EXIT_YES;
}
