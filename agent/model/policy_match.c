/* SPDX-License-Identifier: MIT */
/* The decision: rules held against a board; see policy.h. */
#include <fnmatch.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "model/can_uuid.h"
#include "model/policy.h"
#include "model/serial.h"
#include "model/stm32_serial.h"

/* A board that rules are held against: what all of them ask is answered once. */
struct candidate {
	const struct device *device;
	const struct board_facts *facts;
	size_t place_length;
	size_t port_length;
	bool serial_is_own;
	enum provenance known; /* how it is known which board it is */
	bool is_twin; /* what it shows in DFU follows from the ids of several boards */
	char can_uuid[CAN_UUID_TEXT]; /* "" = unknown */
};

/* Does the serial that the board shows in DFU follow from the id of another board, too? */
static bool has_twin(const struct policy *policy, const struct device *device, const char *id)
{
	size_t others = 0;
	if (!*device->serial || serial_is_shared(device->serial))
		return false;
	for (size_t i = 0; i < policy->board_count; i++) {
		const char *serial = policy->boards[i].serial;
		bool is_other = serial && strcasecmp(serial, id) != 0;
		others += is_other && stm32_serial_compare(serial, device->serial) == STM32_AGREES;
	}
	return others > (*id ? 0 : 1);
}

/* By whom it is known is only noted where a mode does not show it (identity.h). */
static enum provenance known_by(const struct candidate *candidate)
{
	const struct board_facts *facts = candidate->facts;
	bool is_shown = candidate->device->mode != MODE_DFU;
	if (!facts || !*facts->unique_id)
		return candidate->serial_is_own ? PROVENANCE_SHOWN : PROVENANCE_NONE;
	if (candidate->is_twin && facts->id_origin == PROVENANCE_COMPUTED)
		return PROVENANCE_SEEN;
	return is_shown ? PROVENANCE_SHOWN : facts->id_origin;
}

static struct candidate candidate_of(
	const struct policy *policy, const struct device *device, const struct board_facts *facts)
{
	struct candidate candidate = {
		.device = device,
		.facts = facts,
		.place_length = strlen(device->place),
		.port_length = strlen(device->port),
		.serial_is_own = device->mode != MODE_RP2040_BOOT && device->mode != MODE_DFU &&
				 *device->serial && !serial_is_shared(device->serial),
	};
	const char *id = facts ? facts->unique_id : "";
	if (device->mode == MODE_DFU && facts)
		candidate.is_twin = has_twin(policy, device, id);
	candidate.known = known_by(&candidate);
	if (!*id && candidate.serial_is_own)
		id = device->serial;
	(void)can_uuid_from_serial(id, candidate.can_uuid);
	return candidate;
}

static enum match weaker(enum match left, enum match right)
{
	return left < right ? left : right;
}

/* A hand may have been quicker: then it is the other board's chip. */
static bool is_said_by_weak_sighting(const struct board_facts *facts, enum chip wanted)
{
	return facts && facts->chip_origin == CHIP_FROM_SIGHTING &&
	       facts->id_origin <= PROVENANCE_SEEN && facts->possible_chips & chip_bit(wanted);
}

/* Nobody has looked: the mode promises a chip, and only the probe proves it. */
static enum match match_chip(
	enum chip wanted, const struct device *device, const struct board_facts *facts)
{
	enum chip chip = facts ? facts->chip : mode_chip(device->mode);
	if (wanted == CHIP_UNKNOWN)
		return MATCH_YES;
	if (device->mode != MODE_NONE && !mode_allows_chip(device->mode, wanted))
		return MATCH_NO;
	if (chip == CHIP_UNKNOWN && facts && facts->possible_chips)
		return facts->possible_chips & chip_bit(wanted) ? MATCH_MAYBE : MATCH_NO;
	if (chip == CHIP_UNKNOWN)
		return MATCH_MAYBE;
	if (chip != wanted)
		return is_said_by_weak_sighting(facts, wanted) ? MATCH_MAYBE : MATCH_NO;
	return facts ? MATCH_YES : MATCH_MAYBE;
}

/* A chip id of an RP2350; a board whose maker gave it other texts (OTP "white label") may show any
 * serial. */
static bool looks_like_chip_id(const char *serial)
{
	return strlen(serial) == 16 && board_id_is_valid(serial);
}

/*
 * Does the board carry this serial? The id that a probe read from the chip decides; before that the
 * serial of the USB device may, where it is the board's own. In boot mode an RP2040 shows its ROM's
 * (usb_boot_device.c) and an RP2350 the one of its application (nsboot_usb_client.c).
 */
static enum match match_serial(
	const char *serial, const struct candidate *candidate, const char **ret_why)
{
	const struct device *device = candidate->device;
	const struct board_facts *facts = candidate->facts;
	*ret_why = "the board's serial is another";
	if (facts && *facts->unique_id)
		return strcasecmp(serial, facts->unique_id) == 0 ? MATCH_YES : MATCH_NO;
	bool is_own = candidate->serial_is_own;
	if (is_own && strcasecmp(serial, device->serial) == 0)
		return MATCH_YES;
	if (is_own && (device->mode != MODE_RP2350_BOOT || looks_like_chip_id(device->serial)))
		return MATCH_NO;
	*ret_why = facts ? "the board shows no id of its own, so nobody can tell which one it is; "
			   "match it by path instead"
			 : "which board it is shows only when it is looked at";
	return MATCH_MAYBE;
}

static bool is_one_place(const char *path)
{
	return path && !strpbrk(path, "*?[\\");
}

/*
 * In DFU the serial is made of the chip's id and is not it: it tells of another board, and can
 * confirm that one is at its place. What the chip itself was seen to have as its id decides.
 */
static enum match match_dfu_serial(const struct policy_rule *rule, const char *serial,
	const struct candidate *candidate, const char **ret_why)
{
	const struct board_facts *facts = candidate->facts;
	*ret_why = "the board's serial is another";
	if (facts && *facts->unique_id)
		return strcasecmp(serial, facts->unique_id) == 0 ? MATCH_YES : MATCH_NO;
	switch (stm32_serial_compare(serial, candidate->device->serial)) {
	case STM32_CONTRADICTS:
		return MATCH_NO;
	case STM32_AGREES:
		if (is_one_place(rule->path))
			return MATCH_YES;
		*ret_why =
			"in DFU the board's serial agrees, which is no proof; name its one place "
			"in path beside it, or have its running Klipper enter DFU, where it is seen";
		return MATCH_MAYBE;
	case STM32_UNDECIDED:
		break;
	}
	*ret_why =
		"in DFU the board shows no serial of its own, so nobody can tell which one it "
		"is; match it by path instead, or have its running Klipper enter DFU, where it is seen";
	return MATCH_MAYBE;
}

/* The firmware in flash may be the mistake that is to be mended: what it says stands against the
 * policy's word (daemon/judge.c), and does not make it another board. */
static bool is_said_by_firmware_alone(const struct board_facts *facts, enum chip wanted)
{
	return facts && facts->chip_origin == CHIP_FROM_FIRMWARE &&
	       facts->possible_chips & chip_bit(wanted);
}

/* The uuid follows from the id that a board has shown. */
static enum match match_can_uuid(
	const char *uuid, const struct candidate *candidate, const char **ret_why)
{
	*ret_why = "the board's CAN uuid is another";
	if (*candidate->can_uuid)
		return strcasecmp(uuid, candidate->can_uuid) == 0 ? MATCH_YES : MATCH_NO;
	if (candidate->device->mode == MODE_DFU)
		*ret_why = "in DFU a board does not show its CAN uuid; match it by path, or have "
			   "its Klipper enter DFU over USB, where the id is seen that it follows "
			   "from";
	else if (!candidate->facts)
		*ret_why = "which board it is shows only when it is looked at";
	else
		*ret_why = "the board shows no id that a CAN uuid follows from; match it by path, "
			   "or give the serial that it shows";
	return MATCH_MAYBE;
}

/* A uuid that follows from the serial says nothing more (rulebook_check.c holds the two against
 * each other). */
static enum match match_names(const struct policy_rule *rule, const struct policy_board *board,
	const struct candidate *candidate, const char **ret_why)
{
	char implied[CAN_UUID_TEXT];
	enum match serial = board->can_uuid ? MATCH_YES : MATCH_MAYBE;
	if (board->serial)
		serial = candidate->device->mode == MODE_DFU
				 ? match_dfu_serial(rule, board->serial, candidate, ret_why)
				 : match_serial(board->serial, candidate, ret_why);
	if (!board->can_uuid || serial == MATCH_NO ||
		(board->serial && can_uuid_from_serial(board->serial, implied)))
		return serial;
	const char *why = NULL;
	enum match uuid = match_can_uuid(board->can_uuid, candidate, &why);
	if (uuid < serial || serial == MATCH_YES)
		*ret_why = why;
	return weaker(serial, uuid);
}

/* ---- how well it must be known ----------------------------------------------------------- */

/* What an answer rests on: the id that is known or, in DFU and without one, the serial there. */
static enum provenance support_of(const struct policy_rule *rule, const struct policy_board *board,
	const struct candidate *candidate, enum match match)
{
	const struct board_facts *facts = candidate->facts;
	const char *shown = candidate->device->serial;
	bool is_dfu = candidate->device->mode == MODE_DFU;
	enum provenance known = candidate->known;
	if (match == MATCH_NO && is_dfu && board->serial &&
		stm32_serial_compare(board->serial, shown) == STM32_CONTRADICTS)
		return PROVENANCE_SHOWN;
	if (is_dfu && (!facts || !*facts->unique_id))
		known = candidate->is_twin ? PROVENANCE_DECLARED : PROVENANCE_COMPUTED;
	if (match == MATCH_YES && is_one_place(rule->path) && known < PROVENANCE_DECLARED)
		known = PROVENANCE_DECLARED;
	return known;
}

/* What was seen on the place just before is too little alone, unless the rule says otherwise: a
 * hand may have been quicker, and neither yes nor no is sure. */
static enum match match_known(const struct policy_rule *rule, const struct policy_board *board,
	const struct candidate *candidate, enum match match, const char **ret_why)
{
	enum provenance least = rule->provenance ? rule->provenance : PROVENANCE_DECLARED;
	enum provenance known =
		match == MATCH_MAYBE ? PROVENANCE_NONE : support_of(rule, board, candidate, match);
	if (match == MATCH_MAYBE || known >= least)
		return match;
	if (rule->provenance > PROVENANCE_DECLARED)
		*ret_why = "which board it is is known less well than the rule's provenance asks "
			   "for; have its running Klipper enter its boot loader by plugflash";
	else
		*ret_why = candidate->is_twin
				   ? "several boards of the policy show this serial in DFU; name "
				     "its one place in path beside it"
				   : "which board it is is only known by what left this place "
				     "just before, and many boards show its serial in DFU; name "
				     "its one place in path, or say provenance = \"seen\" in match";
	return MATCH_MAYBE;
}

static enum match match_dfu_board(const struct policy_rule *rule, const struct policy_board *board,
	const struct candidate *candidate, const char **ret_why)
{
	enum match chip = match_chip(board->chip, candidate->device, candidate->facts);
	enum match names = match_names(rule, board, candidate, ret_why);
	names = match_known(rule, board, candidate, names, ret_why);
	/* Which board it is is known then, and so is its chip. */
	if (chip != MATCH_NO)
		return names;
	if (names == MATCH_YES && is_said_by_firmware_alone(candidate->facts, board->chip))
		return MATCH_YES;
	*ret_why = "the board's chip is another";
	return MATCH_NO;
}

static enum match match_other_board(const struct policy_rule *rule,
	const struct policy_board *board, const struct candidate *candidate, const char **ret_why)
{
	enum match match = match_chip(board->chip, candidate->device, candidate->facts);
	if (match == MATCH_NO) {
		*ret_why = "the board's chip is another";
		return MATCH_NO;
	}
	enum match names = match_names(rule, board, candidate, ret_why);
	names = match_known(rule, board, candidate, names, ret_why);
	if (names == MATCH_MAYBE && candidate->device->mode == MODE_NONE) {
		*ret_why = "not in a boot mode";
		return MATCH_NO;
	}
	return weaker(match, names);
}

/* A line shows nothing of the board at its end: what the policy says of it is all there is, and a
 * rule that does not name it does not mean it. */
static enum match match_line(
	const struct policy_board *board, const struct candidate *candidate, const char **ret_why)
{
	*ret_why = "only a rule for a board with this tty means a board on a serial line";
	if (!board || !text_equal(board->tty, candidate->device->syspath))
		return MATCH_NO;
	*ret_why = "the board's chip is another";
	return match_chip(board->chip, candidate->device, candidate->facts);
}

/* A node has answered to its name, which is all that it shows. */
static enum match match_node(
	const struct policy_board *board, const struct candidate *candidate, const char **ret_why)
{
	char uuid[CAN_UUID_TEXT];
	const struct device *device = candidate->device;
	*ret_why = "only a rule for a board with this can_uuid means a node of a CAN bus";
	if (!board || !policy_board_uuid(board, uuid) || strcasecmp(uuid, device->can_uuid) != 0)
		return MATCH_NO;
	*ret_why = "the board is on another bus";
	if (board->bus && !text_equal(board->bus, device->can))
		return MATCH_NO;
	*ret_why = "the board's chip is another";
	return match_chip(board->chip, device, candidate->facts);
}

static enum match match_board(const struct policy_rule *rule, const struct policy_board *board,
	const struct candidate *candidate, const char **ret_why)
{
	return candidate->device->mode == MODE_DFU
		       ? match_dfu_board(rule, board, candidate, ret_why)
		       : match_other_board(rule, board, candidate, ret_why);
}

/* fnmatch() is slow, and most paths differ in their first or last bytes. */
static bool matches_path(const struct policy_rule *rule, const char *text, size_t length)
{
	size_t head = rule->path_head, tail = rule->path_tail;
	if (length < head || memcmp(rule->path, text, head) != 0)
		return false;
	if (length < tail ||
		memcmp(rule->path + strlen(rule->path) - tail, text + length - tail, tail) != 0)
		return false;
	return fnmatch(rule->path, text, 0) == 0;
}

static const char *why_chip_is_open(const struct board_facts *facts)
{
	return facts && facts->possible_chips
		       ? "the board shows only that it may have this chip; match it by path, and "
			 "state chip in flash = { } of the rule"
		       : "the chip is not known";
}

static enum match match_rule(const struct policy *policy, const struct policy_rule *rule,
	const struct candidate *candidate, const char **ret_why)
{
	const struct device *device = candidate->device;
	*ret_why = NULL;
	if (rule->mode != MODE_NONE && rule->mode != device->mode) {
		*ret_why = "mode is another";
		return MATCH_NO;
	}
	if (mode_can_be_asked(device->mode) && !rule->ignore && rule->enter == ENTER_NO) {
		*ret_why = "it runs its application, and the rule does not say "
			   "enter_bootloader = true";
		return MATCH_NO;
	}
	if (rule->has_id && (rule->vid != device->vid || rule->pid != device->pid)) {
		*ret_why = "vid_pid is another";
		return MATCH_NO;
	}
	if (rule->path && !matches_path(rule, device->place, candidate->place_length) &&
		!matches_path(rule, device->port, candidate->port_length)) {
		*ret_why = "path does not match the place";
		return MATCH_NO;
	}
	enum match match = match_chip(rule->chip, device, candidate->facts);
	if (match == MATCH_NO) {
		*ret_why = "chip is another";
		return MATCH_NO;
	}
	if (match == MATCH_MAYBE)
		*ret_why = why_chip_is_open(candidate->facts);
	const struct policy_board *board =
		rule->declared ? rule->declared : policy_board(policy, rule->board);
	const char *why = NULL;
	if (!board && !device_is_standing(device))
		return match;
	enum match is_board = device_is_line(device)   ? match_line(board, candidate, &why)
			      : device_is_node(device) ? match_node(board, candidate, &why)
						       : match_board(rule, board, candidate, &why);
	if (is_board != MATCH_YES)
		*ret_why = why;
	return weaker(match, is_board);
}

enum match policy_match(const struct policy *policy, const struct policy_rule *rule,
	const struct device *device, const struct board_facts *facts, const char **ret_why)
{
	const struct candidate candidate = candidate_of(policy, device, facts);
	return match_rule(policy, rule, &candidate, ret_why);
}

static enum verdict verdict_of(const struct policy_rule *rule, enum match match,
	const struct device *device, const struct board_facts *facts)
{
	bool only_reported = device->was_present && !rule->ignore && !rule->flash_present;
	if (match == MATCH_MAYBE && facts)
		return VERDICT_UNKNOWN;
	/* Not even looked at: a probe takes the board away from whoever uses it. */
	if (only_reported)
		return VERDICT_PRESENT;
	if (match == MATCH_MAYBE)
		return VERDICT_PROBE;
	if (rule->ignore)
		return VERDICT_IGNORE;
	return facts ? VERDICT_FLASH : VERDICT_PROBE;
}

enum verdict policy_decide(const struct policy *policy, const struct device *device,
	const struct board_facts *facts, const struct policy_rule **ret_rule)
{
	const struct candidate candidate = candidate_of(policy, device, facts);
	*ret_rule = NULL;
	for (size_t i = 0; i < policy->rule_count; i++) {
		const char *why;
		enum match match = match_rule(policy, &policy->rules[i], &candidate, &why);
		if (match == MATCH_NO)
			continue;
		*ret_rule = &policy->rules[i];
		return verdict_of(&policy->rules[i], match, device, facts);
	}
	return VERDICT_NO_RULE;
}
