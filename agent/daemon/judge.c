/* SPDX-License-Identifier: MIT */
/* The judgement; see judge.h. */
#include <errno.h>
#include <inttypes.h>

#include "base/names.h"
#include "base/text.h"
#include "daemon/judge.h"
#include "daemon/store.h"

void judgement_done(struct judgement *judgement)
{
	free(judgement->image_path);
	image_free(judgement->image);
	reasons_done(&judgement->reasons);
	*judgement = (struct judgement){ 0 };
}

/* The boot modes that we know are all reached by USB. */
static enum transport mode_reach(enum board_mode mode)
{
	return mode == MODE_NONE ? TRANSPORT_UNKNOWN : TRANSPORT_USB;
}

static void take_flash_size(struct board_facts *known, uint64_t stated)
{
	if (known->flash_size_bytes == 0)
		known->flash_size_bytes = stated;
}

static void take_application_start(struct board_facts *known, bool is_stated, uint32_t stated)
{
	if (known->has_application_start || !is_stated)
		return;
	known->has_application_start = true;
	known->application_start = stated;
}

/* What the ROM of an RP2 chip starts lies at the start of the flash. */
static int judge_way(const struct policy_rule *rule, const struct board_facts *known,
	const struct device *device, struct reasons *reasons)
{
	bool is_rom = device->mode == MODE_RP2040_BOOT || device->mode == MODE_RP2350_BOOT;
	if (!is_rom || !known->has_application_start ||
		known->application_start == chip_memory(CHIP_RP2040)->flash.start)
		return 0;
	return reasons_add(reasons, REASON_UNSUPPORTED,
		"rule \"%s\" is for a board that starts its application at 0x%08" PRIx32
		", behind a boot loader, and in this boot mode plugflash writes whole boards only: "
		"flash it through its boot loader, or take application_start out of the policy",
		rule->name, known->application_start);
}

/* What the policy states fills what the probe could not see; it never overrides it. */
static struct board_facts with_policy(const struct board_facts *facts, const struct device *device,
	const struct policy *policy, const struct policy_rule *rule)
{
	struct board_facts known = *facts;
	const struct policy_board *board = rule->board ? policy_board(policy, rule->board) : NULL;
	if (known.reach == TRANSPORT_UNKNOWN)
		known.reach = mode_reach(device->mode);
	take_flash_size(&known, rule->flash_size_bytes);
	take_application_start(&known, rule->has_application_start, rule->application_start);
	if (board) {
		take_flash_size(&known, board->flash_size_bytes);
		take_application_start(
			&known, board->has_application_start, board->application_start);
	}
	return known;
}

static int judge_image(const struct policy *policy, struct store *store,
	const struct device *device, const struct board_facts *facts, struct judgement *judgement)
{
	_cleanup_(firmware_done) struct firmware firmware = { 0 };
	const struct policy_rule *rule = judgement->rule;
	struct board_facts known = with_policy(facts, device, policy, rule);
	int r = store_choose(store, policy, rule, &known, &judgement->reasons, &firmware);
	if (r < 0)
		return r;
	/* Why there is no image stands in the reasons. */
	judgement->image_path = TAKE_PTR(firmware.path);
	judgement->image = TAKE_PTR(firmware.image);
	return judge_way(rule, &known, device, &judgement->reasons);
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

int judge(const struct policy *policy, struct store *store, const struct device *device,
	const struct board_facts *facts, struct judgement *ret)
{
	_cleanup_(judgement_done) struct judgement judgement = { 0 };
	judgement.verdict = policy_decide(policy, device, facts, &judgement.rule);
	int r = 0;
	if (judgement.verdict == VERDICT_FLASH)
		r = judge_image(policy, store, device, facts, &judgement);
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
