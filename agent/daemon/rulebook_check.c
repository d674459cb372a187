/* SPDX-License-Identifier: MIT */
/* What shows only when all files are read: names twice, and names of nothing; see rulebook.h. */
#include <errno.h>
#include <strings.h>

#include "base/name_index.h"
#include "daemon/rulebook.h"
#include "model/can_uuid.h"

static int complain_twice(struct reasons *errors, const struct policy_origin *second,
	const struct policy_origin *first, const char *what, const char *name)
{
	return reasons_add(errors, REASON_POLICY_INVALID,
		"%s:%u: %s \"%s\" exists already (%s:%u); rename one", second->file, second->line,
		what, name, first->file, first->line);
}

static int check_board(
	const struct policy *policy, const struct policy_board *board, struct reasons *errors)
{
	const struct policy_board *first = policy_board(policy, board->name);
	int r = 0;
	if (first && first < board)
		r = complain_twice(errors, &board->origin, &first->origin, "board", board->name);
	if (r >= 0 && board->bus && !board->can_uuid && !board->serial)
		r = reasons_add(errors, REASON_POLICY_INVALID,
			"%s:%u: board \"%s\" is on bus \"%s\" and has no can_uuid to be called by; add "
			"can_uuid = \"…\", as \"canbus_query.py\" shows it",
			board->origin.file, board->origin.line, board->name ? board->name : "",
			board->bus);
	if (r >= 0 && board->printer && !policy_printer(policy, board->printer))
		r = reasons_add(errors, REASON_POLICY_INVALID,
			"%s:%u: board \"%s\" belongs to printer \"%s\", which no file declares; "
			"add it to printers = ( … )",
			board->origin.file, board->origin.line, board->name ? board->name : "",
			board->printer);
	return r;
}

static int check_printer(
	const struct policy *policy, const struct policy_printer *printer, struct reasons *errors)
{
	const struct policy_printer *first = policy_printer(policy, printer->name);
	if (!first || first == printer)
		return 0;
	return complain_twice(errors, &printer->origin, &first->origin, "printer", printer->name);
}

static int check_bus(
	const struct policy *policy, const struct policy_bus *bus, struct reasons *errors)
{
	const struct policy_bus *first = bus->interface ? policy_bus(policy, bus->interface) : NULL;
	if (!first || first == bus)
		return 0;
	return complain_twice(errors, &bus->origin, &first->origin, "bus", bus->interface);
}

/* The one follows from the other, so that both can be stated only if they are of one board. */
static int check_board_ids(const struct policy *policy, struct reasons *errors)
{
	for (size_t i = 0; i < policy->board_count; i++) {
		const struct policy_board *board = &policy->boards[i];
		char uuid[CAN_UUID_TEXT];
		bool contradicts = board->serial && board->can_uuid &&
				   can_uuid_from_serial(board->serial, uuid) &&
				   strcasecmp(uuid, board->can_uuid) != 0;
		if (contradicts &&
			reasons_add(errors, REASON_POLICY_INVALID,
				"%s:%u: the can_uuid %s of board \"%s\" is not that of its serial "
				"%s, whose can_uuid is %s; correct one of them, or take one out",
				board->origin.file, board->origin.line, board->can_uuid,
				board->name ? board->name : "", board->serial, uuid) < 0)
			return -ENOMEM;
	}
	return 0;
}

static bool contradicts_board(const struct policy *policy, const struct policy_rule *rule)
{
	const struct policy_board *board = rule->board ? policy_board(policy, rule->board) : NULL;
	return board && board->chip != CHIP_UNKNOWN && rule->stated_chip != CHIP_UNKNOWN &&
	       board->chip != rule->stated_chip;
}

static int check_rule(const struct policy *policy, size_t place, const struct name_index *rules,
	struct reasons *errors)
{
	const struct policy_rule *rule = &policy->rules[place];
	size_t first;
	int r = 0;
	if (rule->name && name_index_find(rules, rule->name, &first) && first < place)
		r = complain_twice(
			errors, &rule->origin, &policy->rules[first].origin, "rule", rule->name);
	if (r >= 0 && rule->board && !policy_board(policy, rule->board))
		r = reasons_add(errors, REASON_POLICY_INVALID,
			"%s:%u: rule \"%s\" matches board \"%s\", which no file declares; "
			"add it to boards = ( … )",
			rule->origin.file, rule->origin.line, rule->name ? rule->name : "",
			rule->board);
	if (r >= 0 && rule->on_update && !rule->board)
		r = reasons_add(errors, REASON_POLICY_INVALID,
			"%s:%u: rule \"%s\" is for new images, too, and names no board, so that "
			"nobody knows whom to flash; add board = \"…\" to its match, or take on_update "
			"out",
			rule->origin.file, rule->origin.line, rule->name ? rule->name : "");
	if (r >= 0 && contradicts_board(policy, rule))
		r = reasons_add(errors, REASON_POLICY_INVALID,
			"%s:%u: rule \"%s\" states another chip than the entry of its board \"%s\"; "
			"take chip out of flash = { }, or correct one of them",
			rule->origin.file, rule->origin.line, rule->name ? rule->name : "",
			rule->board);
	return r;
}

int rulebook_check(struct policy *policy, struct reasons *errors)
{
	_cleanup_(name_index_done) struct name_index rules = { 0 };
	int r = policy_index(policy);
	if (r >= 0)
		r = name_index_init(&rules, policy->rule_count);
	if (r < 0)
		return r;
	for (size_t i = 0; i < policy->rule_count; i++)
		name_index_add(&rules, policy->rules[i].name, i);
	name_index_sort(&rules);

	r = check_board_ids(policy, errors);
	for (size_t i = 0; i < policy->printer_count && r >= 0; i++)
		r = check_printer(policy, &policy->printers[i], errors);
	for (size_t i = 0; i < policy->bus_count && r >= 0; i++)
		r = check_bus(policy, &policy->buses[i], errors);
	for (size_t i = 0; i < policy->board_count && r >= 0; i++)
		r = check_board(policy, &policy->boards[i], errors);
	for (size_t i = 0; i < policy->rule_count && r >= 0; i++)
		r = check_rule(policy, i, &rules, errors);
	return r;
}
