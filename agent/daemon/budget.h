/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a place may still do. An attempt is counted when it begins, so that a power cut counts too;
 * a good end clears the count. Pure: works on a place's record, stores nothing.
 */
#include <stdbool.h>
#include <stdint.h>

#include "daemon/history.h"
#include "model/policy.h"

/* Unless the policy's limits say otherwise. */
#define BUDGET_ATTEMPTS 5
#define BUDGET_RETURNS  3

/* Counts an attempt to write this image. False: there is none left; the place is then in quarantine
 * as of `now_usec` (CLOCK_REALTIME), and nothing was counted. */
bool budget_begin(struct place_record *record, const struct policy_limits *limits,
	const struct digest *digest, uint64_t now_usec) _must_check_;

/* How an attempt ended. `is_return`: the same board had ended well here just before. */
struct budget_end {
	bool is_good;
	bool is_return;
};

/* Draws the consequence of an attempt's end; a spent budget puts the place into quarantine. */
void budget_end(struct place_record *record, const struct policy_limits *limits,
	struct budget_end end, uint64_t now_usec);
