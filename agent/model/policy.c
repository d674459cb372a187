/* SPDX-License-Identifier: MIT */
/* Policy values: made, looked over, found; see policy.h. What they mean for a board is in
 * policy_match.c. */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "model/policy.h"
#include "model/serial.h"

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
	free(board->bus);
	free(board->origin.file);
}

static void policy_printer_done(struct policy_printer *printer)
{
	free(printer->name);
	free(printer->socket);
	free(printer->origin.file);
}

static void policy_bus_done(struct policy_bus *bus)
{
	free(bus->interface);
	free(bus->origin.file);
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
	for (size_t i = 0; i < policy->bus_count; i++)
		policy_bus_done(&policy->buses[i]);
	for (size_t i = 0; i < policy->rule_count; i++)
		policy_rule_done(&policy->rules[i]);
	for (size_t i = 0; i < policy->directory_count; i++)
		free(policy->directories[i]);
	name_index_done(&policy->boards_by_name);
	free(policy->directories);
	free(policy->boards);
	free(policy->printers);
	free(policy->buses);
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

struct policy_bus *policy_add_bus(struct policy *policy)
{
	struct policy_bus *grown =
		reallocarray(policy->buses, policy->bus_count + 1, sizeof(*grown));
	if (!grown)
		return NULL;
	policy->buses = grown;
	struct policy_bus *bus = &grown[policy->bus_count++];
	*bus = (struct policy_bus){ 0 };
	return bus;
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

bool policy_serial_is_shared(const char *serial)
{
	return serial_is_shared(serial);
}

const struct policy_bus *policy_bus(const struct policy *policy, const char *interface)
{
	for (size_t i = 0; i < policy->bus_count; i++)
		if (text_equal(policy->buses[i].interface, interface))
			return &policy->buses[i];
	return NULL;
}

bool policy_board_uuid(const struct policy_board *board, char ret[CAN_UUID_TEXT])
{
	if (!board->can_uuid)
		return board->serial && can_uuid_from_serial(board->serial, ret);
	if (!can_uuid_is_valid(board->can_uuid))
		return false;
	for (size_t i = 0; i < CAN_UUID_TEXT; i++)
		ret[i] = (char)tolower((unsigned char)board->can_uuid[i]);
	return true;
}
