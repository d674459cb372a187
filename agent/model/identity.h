/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Which chip has a board that does not say it? A board in DFU shows a dozen signs, and several
 * chips show the same ones. What else is known completes them: what was seen on its socket a moment
 * ago, what we were writing to it, what its firmware says of itself. What the policy states comes
 * later (daemon/judge.c): it fills a gap, and is held against all of this.
 */
#include "model/board.h"
#include "model/device.h"

#define SIGHTING_TEXT 64

/* The application that left a socket just before this board came to it. */
struct sighting {
	uint16_t vid;
	uint16_t pid;
	char serial[SIGHTING_TEXT];
	char product[SIGHTING_TEXT];
	char manufacturer[SIGHTING_TEXT];
	bool was_requested; /* we had asked this very board to enter its boot loader */
};

/* A write of ours that was begun on this socket and not proved, and what was known then. */
struct own_write {
	enum board_mode mode;
	const char *boot_serial; /* that the board showed */
	enum chip chip; /* that it was decided to have */
	const char *unique_id; /* "" = unknown */
	enum provenance id_origin; /* how that was learnt then */
	bool is_recent; /* begun minutes ago, not days: nobody has put another board there since */
};

/* What the book of boards says of the serial that a board shows in DFU (model/passport.h). */
struct passport_claim {
	char unique_id[BOARD_ID_TEXT];
	enum provenance provenance; /* of the tie between the two */
	bool names_board; /* is strong enough to say which board it is, where nobody else does */
};

/* Each NULL when there is none. */
struct identity_clues {
	const struct sighting *sighting;
	const struct own_write *own_write;
	const struct passport_claim *passport;
};

/* Completes what a probe saw: which board it is and how that is known and, for boards in DFU and
 * those that run a program of the Pico SDK, which chip it has; others say their chip themselves. */
void identity_complete(
	struct board_facts *facts, const struct device *device, const struct identity_clues *clues);

/* One sentence that names both sides of a dispute and the way out; NULL when memory is short. */
char *identity_dispute_text(const struct id_dispute *dispute) _must_check_;

/* Is it the board that was being written? By the serial of its boot ROM; where many show the same,
 * only for a while, and while nothing that starts is in its flash, as a broken-off write leaves it.
 */
bool identity_is_own_write(const struct own_write *write, const struct device *device,
	const struct board_facts *facts);

/* What the policy states of the chip: it fills a gap, and is held against everything else. 0; the
 * board cannot have it; or something else that is known says another one. `is_forced`: what only
 * its firmware says, or said before we wrote to it, may be the mistake, and yields. */
#define IDENTITY_EXCLUDED     1
#define IDENTITY_CONTRADICTED 2
int identity_state(struct board_facts *facts, enum chip stated, bool is_forced) _must_check_;
