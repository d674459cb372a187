/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The book of boards, in the history's file and by its rules: what is stored is on the disk, an
 * error means that nothing of the call is. It holds every board that a policy names, and of the
 * others a bounded number: a device that shows another serial each time fills no disk.
 */
#include "daemon/history.h"
#include "model/passport.h"

/* Boards that no policy names; those that were never written are forgotten first, then the oldest.
 */
#define PASSPORTS_UNNAMED_MAX 1000

/* Of one kind, for one board; the oldest are forgotten. */
#define PASSPORTS_TIES_MAX 16

/* Adds what an encounter has taught. Times are CLOCK_REALTIME. One transaction. */
int passports_store(struct history *history, const struct lesson *lesson, uint64_t now_usec)
	_must_check_;

/* What the book says of the board in DFU. 0: nothing; PASSPORTS_CLAIM: `*ret`. */
#define PASSPORTS_CLAIM 1
int passports_claim(struct history *history, const struct device *device,
	struct passport_claim *ret) _must_check_;

struct passport_tie {
	const char *kind, *value, *learnt; /* plain texts */
	uint64_t first_usec, last_usec, count;
};

struct passport {
	const char *id, *chip, *place; /* "" = unknown; the place is the last one */
	uint64_t first_usec, last_usec;
	const struct passport_tie *ties; /* by kind, the newest of each first */
	size_t tie_count;
};

/* All boards, the last one met first. Negative: what the callback returned, or an errno. */
int passports_list(struct history *history,
	int (*on_board)(void *context, const struct passport *passport), void *context)
	_must_check_;
