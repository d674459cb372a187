/* SPDX-License-Identifier: MIT */
/* Boards as nodes; see can_names.h. */
#include <string.h>

#include "base/text.h"
#include "daemon/can_names.h"

const char *can_names_bus(const struct policy *policy, const struct can_links *links,
	const struct policy_board *board)
{
	if (board->bus)
		return board->bus;
	if (policy->bus_count > 0)
		return policy->bus_count == 1 ? policy->buses[0].interface : NULL;
	return links && can_links_count(links) == 1 ? can_links_at(links, 0)->name : NULL;
}

bool can_names_expected(const struct policy *policy, const char *interface,
	const struct policy_board *board, char ret_uuid[CAN_UUID_TEXT])
{
	const char *bus = can_names_bus(policy, NULL, board);
	bool is_here = bus ? text_equal(bus, interface) : policy->bus_count == 0;
	bool is_node = board->bus || board->can_uuid;
	return is_here && is_node && policy_board_uuid(board, ret_uuid);
}

bool can_names_anybody_on(const struct policy *policy, const char *interface)
{
	for (size_t i = 0; i < policy->board_count; i++) {
		const struct policy_board *board = &policy->boards[i];
		if (board->bus ? text_equal(board->bus, interface) : board->can_uuid != NULL)
			return true;
	}
	return false;
}
