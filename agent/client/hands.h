/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A worker of our own, for a person who may open the board themselves: it looks, and writes
 * nothing. The service has no part in it.
 */
#include "client/problem.h"
#include "model/wire.h"

/* What it found. */
struct sight {
	struct board_facts facts;
	char *dictionary; /* Klipper's, as JSON; NULL: the board handed out none */
	size_t dictionary_bytes;
};

void sight_done(struct sight *sight);

/* Has a worker look at the board of `job`. 0, or negative with `problem` set. */
int hands_look(const struct wire_job *job, struct sight *ret, struct problem *problem) _must_check_;
