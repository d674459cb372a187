/* SPDX-License-Identifier: MIT */
/* The judgement; see judge.h. */
#include <errno.h>
#include <inttypes.h>

#include "base/names.h"
#include "base/text.h"
#include "daemon/judge.h"
#include "daemon/judge_application.h"
#include "daemon/store.h"
#include "model/identity.h"

void judgement_done(struct judgement *judgement)
{
	free(judgement->image_path);
	image_free(judgement->image);
	reasons_done(&judgement->reasons);
	*judgement = (struct judgement){ 0 };
}

/* Where nobody has looked yet. */
static enum transport reach_of(const struct device *device)
{
	if (device_is_node(device))
		return TRANSPORT_CAN;
	if (device_is_line(device))
		return TRANSPORT_UART;
	return device->mode == MODE_NONE ? TRANSPORT_UNKNOWN : TRANSPORT_USB;
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
	bool is_rom = device->mode == MODE_RP2040_BOOT || device->mode == MODE_RP2350_BOOT ||
		      device->mode == MODE_PICO_SDK; /* which makes way for it */
	if (!is_rom || !known->has_application_start ||
		known->application_start == chip_memory(CHIP_RP2040)->flash.start)
		return 0;
	return reasons_add(reasons, REASON_UNSUPPORTED,
		"rule \"%s\" is for a board that starts its application at 0x%08" PRIx32
		", behind a boot loader, and in this boot mode plugflash writes whole boards only: "
		"flash it through its boot loader, or take application_start out of the policy",
		rule->name, known->application_start);
}

/* ---- what is known, with the policy's word ------------------------------------------------ */

/* What speaks against the policy's word, before "stm32f407". */
static const char *known_by(enum chip_origin origin)
{
	static const char *const texts[_CHIP_ORIGIN_MAX] = {
		[CHIP_ORIGIN_UNSAID] = "the board is",
		[CHIP_FROM_DESCRIPTORS] = "its descriptors are those of",
		[CHIP_FROM_SIGHTING] = "the application that it ran a moment ago is for",
		[CHIP_FROM_OWN_WRITE] = "what was being written to it is for",
		[CHIP_FROM_FIRMWARE] = "the firmware in its flash is for",
		[CHIP_FROM_POLICY] = "the policy states",
	};
	return texts[origin];
}

static int refuse_statement(const struct policy_rule *rule, enum chip stated,
	const struct board_facts *known, int answer, struct reasons *reasons)
{
	const char *entry = rule->stated_chip ? "chip in the rule" : "the entry of the board";
	bool can_be_forced = known->chip_origin == CHIP_FROM_FIRMWARE ||
			     known->chip_origin == CHIP_FROM_OWN_WRITE;
	_cleanup_(freep) char *possible = chip_set_text(known->possible_chips);
	if (!possible)
		return -ENOMEM;
	if (answer == IDENTITY_EXCLUDED)
		return reasons_add(reasons, REASON_IDENTITY_CONTRADICTED,
			"the policy states that the board has an %s (rule \"%s\"), and by its "
			"descriptors it may only be %s: correct %s, or use the board that is meant",
			chip_name(stated), rule->name, possible, entry);
	return reasons_add(reasons, REASON_IDENTITY_CONTRADICTED,
		"the policy states that the board has an %s (rule \"%s\"), and %s an %s: correct "
		"%s, or use the board that is meant%s",
		chip_name(stated), rule->name, known_by(known->chip_origin), chip_name(known->chip),
		entry,
		can_be_forced ? "; if that firmware is the mistake, say force = true in the rule"
			      : "");
}

static int take_chip(struct board_facts *known, const struct policy_rule *rule,
	const struct policy_board *board, struct reasons *reasons)
{
	enum chip stated = rule->stated_chip ? rule->stated_chip : board ? board->chip : 0;
	int r = stated ? identity_state(known, stated, rule->force) : 0;
	return r > 0 ? refuse_statement(rule, stated, known, r, reasons) : r;
}

/* What the policy states fills what the probe could not see; it never overrides it. */
static int take_policy(struct board_facts *known, const struct device *device,
	const struct policy *policy, const struct policy_rule *rule, struct reasons *reasons)
{
	const struct policy_board *board = rule->board ? policy_board(policy, rule->board) : NULL;
	int r = take_chip(known, rule, board, reasons);
	if (known->reach == TRANSPORT_UNKNOWN)
		known->reach = reach_of(device);
	/* Its boot ROM claims what the larger chip of this die has. */
	if (device->mode == MODE_DFU && known->chip == CHIP_STM32H750)
		known->flash_size_bytes = 0;
	take_flash_size(known, rule->flash_size_bytes);
	take_application_start(known, rule->has_application_start, rule->application_start);
	if (board) {
		take_flash_size(known, board->flash_size_bytes);
		take_application_start(
			known, board->has_application_start, board->application_start);
	}
	return r;
}

static int judge_application(const struct application *application, struct judgement *judgement)
{
	judgement->is_running = application_is_right(application);
	judgement->is_again = judgement->is_running && application->rule->force;
	if (judgement->is_running && !judgement->is_again)
		return 0;
	int r = judge_way(
		application->rule, application->known, application->device, &judgement->reasons);
	return r < 0 ? r : application_judge_entry(application, &judgement->reasons);
}

static int judge_image(const struct policy *policy, struct store *store,
	const struct device *device, const struct board_facts *facts, struct judgement *judgement)
{
	_cleanup_(firmware_done) struct firmware firmware = { 0 };
	const struct policy_rule *rule = judgement->rule;
	struct board_facts known = *facts;
	int r = take_policy(&known, device, policy, rule, &judgement->reasons);
	judgement->chip = known.chip;
	judgement->chip_origin = known.chip_origin;
	/* Of a board of which nobody knows what it is, no image is worth a word. */
	if (r < 0 || judgement->reasons.count > 0)
		return r;
	r = store_choose(store, policy, rule, &known, &judgement->reasons, &firmware);
	if (r < 0)
		return r;
	/* Why there is no image stands in the reasons. */
	judgement->image_path = TAKE_PTR(firmware.path);
	judgement->image = TAKE_PTR(firmware.image);
	judgement->speaks =
		firmware.says.has_klipper ? firmware.says.klipper.transport : TRANSPORT_UNKNOWN;
	if (mode_can_be_asked(device->mode) && judgement->image)
		return judge_application(
			&(struct application){ policy, rule, device, &known, &firmware.says },
			judgement);
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

/* Whatever the rule would write: of a board of which two things are said one is wrong. */
static int refuse_dispute(const struct board_facts *facts, struct judgement *judgement)
{
	_cleanup_(freep) char *sentence = identity_dispute_text(&facts->dispute);
	return sentence ? reasons_add(
				  &judgement->reasons, REASON_IDENTITY_CONTRADICTED, "%s", sentence)
			: -ENOMEM;
}

int judge(const struct policy *policy, struct store *store, const struct device *device,
	const struct board_facts *facts, struct judgement *ret)
{
	_cleanup_(judgement_done) struct judgement judgement = { 0 };
	judgement.verdict = policy_decide(policy, device, facts, &judgement.rule);
	int r = 0;
	bool is_judged = judgement.verdict == VERDICT_FLASH || judgement.verdict == VERDICT_UNKNOWN;
	if (is_judged && facts && facts->dispute.one != WITNESS_NONE)
		r = refuse_dispute(facts, &judgement);
	else if (judgement.verdict == VERDICT_FLASH)
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
	case MODE_PICO_SDK:
		return NAME_EXAMPLES_DIRECTORY "/bench-hold-boot-and-plug.conf";
	case MODE_DFU:
		return NAME_EXAMPLES_DIRECTORY "/stm32-mainboard.conf";
	case MODE_KATAPULT:
	case MODE_KLIPPER:
		return NAME_EXAMPLES_DIRECTORY "/klipper-printer.conf";
	case MODE_CAN:
		return NAME_EXAMPLES_DIRECTORY "/can-toolboard.conf";
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
