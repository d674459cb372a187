/* SPDX-License-Identifier: MIT */
/* The judgement; see judge.h. */
#include <errno.h>

#include "base/names.h"
#include "base/text.h"
#include "daemon/judge.h"
#include "daemon/store.h"
#include "model/fitness.h"

void judgement_done(struct judgement *judgement)
{
	free(judgement->image_path);
	image_free(judgement->image);
	reasons_done(&judgement->reasons);
	*judgement = (struct judgement){ 0 };
}

/* What the policy states fills what the probe could not see; it never overrides it. */
static struct board_facts with_policy(const struct board_facts *facts, const struct policy *policy,
	const struct policy_rule *rule)
{
	struct board_facts known = *facts;
	const struct policy_board *board = rule->board ? policy_board(policy, rule->board) : NULL;
	if (known.flash_size_bytes == 0)
		known.flash_size_bytes = rule->flash_size_bytes;
	if (known.flash_size_bytes == 0 && board)
		known.flash_size_bytes = board->flash_size_bytes;
	return known;
}

static int judge_image(const struct policy *policy, const char *firmware_directory,
	const struct board_facts *facts, struct judgement *judgement)
{
	const struct policy_rule *rule = judgement->rule;
	int r = store_find(
		firmware_directory, rule->image, &judgement->reasons, &judgement->image_path);
	if (r != 0)
		return r < 0 ? r : 0;
	r = store_load(judgement->image_path, facts->chip, &judgement->reasons, &judgement->image);
	if (r != 0)
		return r < 0 ? r : 0;
	struct board_facts known = with_policy(facts, policy, rule);
	return fitness_judge(judgement->image, &known, &judgement->reasons);
}

static int explain_unknown(const struct policy *policy, const struct device *device,
	const struct board_facts *facts, struct judgement *judgement)
{
	const char *why = NULL;
	policy_match(policy, judgement->rule, device, facts, &why);
	return reasons_add(&judgement->reasons, REASON_IDENTITY_UNKNOWN,
		"rule \"%s\" (%s:%u) may or may not mean this board: %s", judgement->rule->name,
		judgement->rule->origin.file, judgement->rule->origin.line,
		why ? why : "nobody can tell");
}

int judge(const struct policy *policy, const char *firmware_directory, const struct device *device,
	const struct board_facts *facts, struct judgement *ret)
{
	_cleanup_(judgement_done) struct judgement judgement = { 0 };
	judgement.verdict = policy_decide(policy, device, facts, &judgement.rule);
	int r = 0;
	if (judgement.verdict == VERDICT_FLASH)
		r = judge_image(policy, firmware_directory, facts, &judgement);
	else if (judgement.verdict == VERDICT_UNKNOWN)
		r = explain_unknown(policy, device, facts, &judgement);
	if (r < 0)
		return r;
	*ret = judgement;
	judgement = (struct judgement){ 0 };
	return 0;
}

const char *judge_example(enum board_mode mode)
{
	switch (mode) {
	case MODE_RP2040_BOOT:
	case MODE_RP2350_BOOT:
		return NAME_EXAMPLES_DIRECTORY "/bench-hold-boot-and-plug.conf";
	default:
		return NULL;
	}
}

static char *no_rule_sentence(const struct device *device)
{
	const char *example = judge_example(device->mode);
	if (!example)
		return text_format("no rule covers it, and no example policy does; left alone");
	return text_format("no rule covers it; left alone. To have it flashed, copy %s to %s, "
			   "adapt it and reload plugflashd",
		example, NAME_POLICY_DIRECTORY_ADMIN);
}

char *judgement_sentence(const struct judgement *judgement, const struct device *device)
{
	const char *rule = judgement->rule ? judgement->rule->name : "";
	switch (judgement->verdict) {
	case VERDICT_NO_RULE:
		return no_rule_sentence(device);
	case VERDICT_IGNORE:
		return text_format("rule \"%s\" says to ignore it", rule);
	case VERDICT_PRESENT:
		return text_format(
			"rule \"%s\" covers it, but it was there before plugflashd looked; "
			"plug it again, or say present = true in the rule",
			rule);
	case VERDICT_PROBE:
		return text_format("rule \"%s\" may cover it; it will be looked at first", rule);
	case VERDICT_UNKNOWN:
	case VERDICT_FLASH:
	case VERDICT_QUARANTINE:
		break;
	}
	if (judgement->reasons.count > 0)
		return reasons_text(&judgement->reasons);
	return text_format("rule \"%s\" writes %s, and it fits", rule, judgement->image_path);
}
