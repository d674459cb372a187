/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Boards of a policy as nodes of CAN buses: on which bus they are, and who is looked for where.
 */
#include <stdbool.h>

#include "daemon/can_links.h"
#include "model/can_uuid.h"
#include "model/policy.h"

/* The bus that it is on: the one that it names, or the only one that the policy knows, or the only
 * one that there is (`links` may be NULL). NULL: nobody can tell. */
const char *can_names_bus(const struct policy *policy, const struct can_links *links,
	const struct policy_board *board);

/* Ought it to answer on this bus, and by which uuid? Not, where the policy knows several buses and
 * does not say on which of them it is; and one that has a serial alone may well be on USB. */
bool can_names_expected(const struct policy *policy, const char *interface,
	const struct policy_board *board, char ret_uuid[CAN_UUID_TEXT]);

/* Might some board of the policy be on this bus? */
bool can_names_anybody_on(const struct policy *policy, const char *interface);
