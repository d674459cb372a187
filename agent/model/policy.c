/* SPDX-License-Identifier: MIT */
/* Policy values and the decision; see policy.h. */
#include <errno.h>
#include <fnmatch.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "model/policy.h"
#include "model/stm32_serial.h"

struct policy *policy_new(void)
{
	return calloc(1, sizeof(struct policy));
}

static void policy_board_done(struct policy_board *board)
{
	free(board->name);
	free(board->printer);
	free(board->serial);
	free(board->can_uuid);
	free(board->tty);
	free(board->origin.file);
}

static void policy_printer_done(struct policy_printer *printer)
{
	free(printer->name);
	free(printer->socket);
	free(printer->origin.file);
}

static void policy_rule_done(struct policy_rule *rule)
{
	free(rule->name);
	free(rule->path);
	free(rule->board);
	free(rule->image);
	terms_done(&rule->terms);
	free(rule->origin.file);
}

struct policy *policy_free(struct policy *policy)
{
	if (!policy)
		return NULL;
	for (size_t i = 0; i < policy->board_count; i++)
		policy_board_done(&policy->boards[i]);
	for (size_t i = 0; i < policy->printer_count; i++)
		policy_printer_done(&policy->printers[i]);
	for (size_t i = 0; i < policy->rule_count; i++)
		policy_rule_done(&policy->rules[i]);
	for (size_t i = 0; i < policy->directory_count; i++)
		free(policy->directories[i]);
	name_index_done(&policy->boards_by_name);
	free(policy->directories);
	free(policy->boards);
	free(policy->printers);
	free(policy->rules);
	free(policy);
	return NULL;
}

/* A board more moves the others. */
static void forget_index(struct policy *policy)
{
	name_index_done(&policy->boards_by_name);
	for (size_t i = 0; i < policy->rule_count; i++)
		policy->rules[i].declared = NULL;
}

struct policy_board *policy_add_board(struct policy *policy)
{
	if (policy->boards_by_name.entries)
		forget_index(policy);
	struct policy_board *grown =
		reallocarray(policy->boards, policy->board_count + 1, sizeof(*grown));
	if (!grown)
		return NULL;
	policy->boards = grown;
	struct policy_board *board = &grown[policy->board_count++];
	*board = (struct policy_board){ 0 };
	return board;
}

struct policy_printer *policy_add_printer(struct policy *policy)
{
	struct policy_printer *grown =
		reallocarray(policy->printers, policy->printer_count + 1, sizeof(*grown));
	if (!grown)
		return NULL;
	policy->printers = grown;
	struct policy_printer *printer = &grown[policy->printer_count++];
	*printer = (struct policy_printer){ 0 };
	return printer;
}

int policy_add_directory(struct policy *policy, const char *path)
{
	size_t length = strlen(path);
	while (length > 1 && path[length - 1] == '/')
		length--;
	char **grown =
		reallocarray(policy->directories, policy->directory_count + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	policy->directories = grown;
	grown[policy->directory_count] = strndup(path, length);
	return grown[policy->directory_count] ? (policy->directory_count++, 0) : -ENOMEM;
}

struct policy_rule *policy_add_rule(struct policy *policy)
{
	struct policy_rule *grown =
		reallocarray(policy->rules, policy->rule_count + 1, sizeof(*grown));
	if (!grown)
		return NULL;
	policy->rules = grown;
	struct policy_rule *rule = &grown[policy->rule_count++];
	*rule = (struct policy_rule){ 0 };
	return rule;
}

/* ---- looking over ------------------------------------------------------------------------ */

/* Behind the last byte that means more than itself; none, when a backslash takes meaning away. */
static size_t tail_of(const char *glob)
{
	size_t length = strlen(glob), tail = 0;
	if (strchr(glob, '\\'))
		return 0;
	while (tail < length && !strchr("*?[]", glob[length - 1 - tail]))
		tail++;
	return tail;
}

static void look_over(struct policy *policy, struct policy_rule *rule)
{
	if (rule->board)
		rule->declared = policy_board(policy, rule->board);
	if (!rule->path)
		return;
	rule->path_head = strcspn(rule->path, "*?[\\");
	rule->path_tail = tail_of(rule->path);
}

int policy_index(struct policy *policy)
{
	forget_index(policy);
	int r = name_index_init(&policy->boards_by_name, policy->board_count);
	if (r < 0)
		return r;
	for (size_t i = 0; i < policy->board_count; i++)
		name_index_add(&policy->boards_by_name, policy->boards[i].name, i);
	name_index_sort(&policy->boards_by_name);
	for (size_t i = 0; i < policy->rule_count; i++)
		look_over(policy, &policy->rules[i]);
	return 0;
}

const struct policy_board *policy_board(const struct policy *policy, const char *name)
{
	size_t place;
	if (!name)
		return NULL;
	if (policy->boards_by_name.entries)
		return name_index_find(&policy->boards_by_name, name, &place)
			       ? &policy->boards[place]
			       : NULL;
	for (size_t i = 0; i < policy->board_count; i++)
		if (text_equal(policy->boards[i].name, name))
			return &policy->boards[i];
	return NULL;
}

const struct policy_printer *policy_printer(const struct policy *policy, const char *name)
{
	for (size_t i = 0; i < policy->printer_count; i++)
		if (text_equal(policy->printers[i].name, name))
			return &policy->printers[i];
	return NULL;
}

const struct policy_printer *policy_printer_of(const struct policy *policy, const char *board)
{
	const struct policy_board *known = policy_board(policy, board);
	return known ? policy_printer(policy, known->printer) : NULL;
}

/* ---- matching ---------------------------------------------------------------------------- */

bool policy_serial_is_shared(const char *serial)
{
	/* RP2040 boot ROM B2, B0, B1: the ROM's revision. Firmware without flash access on RP2040.
	 * Factory firmware; Klipper's "12345". */
	static const char *const shared[] = {
		"E0C9125B0D9B",
		"E0C912D24340",
		"E0C912952D54",
		"EEEEEEEEEEEEEEEE",
		"12345",
		"000000000001",
		"0123456789ABCDEF",
	};
	for (size_t i = 0; i < ELEMENTSOF(shared); i++)
		if (strcasecmp(serial, shared[i]) == 0)
			return true;
	return stm32_serial_is_shared(serial);
}

/* A board that rules are held against: what all of them ask is answered once. */
struct candidate {
	const struct device *device;
	const struct board_facts *facts;
	size_t place_length;
	size_t port_length;
	bool serial_is_own;
};

static struct candidate candidate_of(const struct device *device, const struct board_facts *facts)
{
	return (struct candidate){
		.device = device,
		.facts = facts,
		.place_length = strlen(device->place),
		.port_length = strlen(device->port),
		.serial_is_own = device->mode != MODE_RP2040_BOOT && device->mode != MODE_DFU &&
				 *device->serial && !policy_serial_is_shared(device->serial),
	};
}

static enum match weaker(enum match left, enum match right)
{
	return left < right ? left : right;
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
		return MATCH_NO;
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

static enum match match_dfu_board(const struct policy_rule *rule, const struct policy_board *board,
	const struct candidate *candidate, const char **ret_why)
{
	enum match chip = match_chip(board->chip, candidate->device, candidate->facts);
	enum match serial = MATCH_MAYBE;
	*ret_why =
		"in DFU a board does not show its CAN uuid; match it by path, or give its serial";
	if (board->serial)
		serial = match_dfu_serial(rule, board->serial, candidate, ret_why);
	/* Which board it is is known then, and so is its chip. */
	if (chip != MATCH_NO)
		return serial;
	if (serial == MATCH_YES && is_said_by_firmware_alone(candidate->facts, board->chip))
		return MATCH_YES;
	*ret_why = "the board's chip is another";
	return MATCH_NO;
}

static enum match match_other_board(
	const struct policy_board *board, const struct candidate *candidate, const char **ret_why)
{
	enum match match = match_chip(board->chip, candidate->device, candidate->facts);
	if (match == MATCH_NO) {
		*ret_why = "the board's chip is another";
		return MATCH_NO;
	}
	enum match serial = MATCH_MAYBE;
	*ret_why = "this mode does not show what the policy knows the board by; give its serial";
	if (board->serial)
		serial = match_serial(board->serial, candidate, ret_why);
	if (serial == MATCH_MAYBE && candidate->device->mode == MODE_NONE) {
		*ret_why = "not in a boot mode";
		return MATCH_NO;
	}
	return weaker(match, serial);
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

static enum match match_board(const struct policy_rule *rule, const struct policy_board *board,
	const struct candidate *candidate, const char **ret_why)
{
	return candidate->device->mode == MODE_DFU
		       ? match_dfu_board(rule, board, candidate, ret_why)
		       : match_other_board(board, candidate, ret_why);
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
	if (device->mode == MODE_KLIPPER && !rule->ignore && rule->enter == ENTER_NO) {
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
	if (device_is_line(device))
		return weaker(match, match_line(board, candidate, ret_why));
	return board ? weaker(match, match_board(rule, board, candidate, ret_why)) : match;
}

enum match policy_match(const struct policy *policy, const struct policy_rule *rule,
	const struct device *device, const struct board_facts *facts, const char **ret_why)
{
	const struct candidate candidate = candidate_of(device, facts);
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
	const struct candidate candidate = candidate_of(device, facts);
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
