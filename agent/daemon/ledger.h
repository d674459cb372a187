/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The mind's book-keeping: the history as far as one can be had, and what it means for the next
 * write. While there is none, boards are looked at and explained, and nothing is written; it is
 * tried again whenever it is needed, and told once.
 */
#include <stdbool.h>
#include <stdint.h>

#include "daemon/history.h"
#include "daemon/judge.h"
#include "daemon/queue.h"
#include "model/identity.h"
#include "model/policy.h"

struct ledger;

int ledger_new(const char *history_file, struct ledger **ret) _must_check_;
struct ledger *ledger_free(struct ledger *ledger);
DEFINE_CLEANUP(struct ledger *, ledger_free)

/* Opens the history if need be, and closes what a service that died has left open in it. NULL: none
 * can be had. */
struct history *ledger_history(struct ledger *ledger);

/* A number that no other job has, also when there is no history. */
uint64_t ledger_next_id(struct ledger *ledger);

/*
 * The whole judgement of a board: policy, image and fitness (judge()), and then what the past has
 * to say: quarantine, a rule's limit, no history. A board that was there before us is taken for one
 * that just came while its place has an unfinished write of this very board and this very image,
 * and minutes after an application on its place was asked for its boot loader.
 * `facts` NULL: nobody has looked. 0 or -ENOMEM.
 */
int ledger_judge(struct ledger *ledger, const struct policy *policy, struct store *store,
	const struct device *device, const struct board_facts *facts, struct judgement *ret)
	_must_check_;

/* The place's unfinished write, if there is one and it can be had; and what it says of which board
 * it was, for as long as the intent lives. */
bool ledger_intent(struct ledger *ledger, const char *place, struct intent *ret);
struct own_write ledger_own_write(const struct intent *intent);

/* Is an unfinished write at this place one of this very board, as far as is known? What is in its
 * flash then may start, and is nothing that anybody has proved. */
bool ledger_has_open_write(
	struct ledger *ledger, const struct device *device, const struct board_facts *facts);

/* What the book of boards says of the serial that a board in DFU shows (passports.h), if that is
 * one that names a board, and the book can be had. */
bool ledger_passport(
	struct ledger *ledger, const struct device *device, struct passport_claim *ret);

/* While no job is in flight: a history that has turned out damaged is looked at anew, as at the
 * start, and set aside if that is so. */
void ledger_mend(struct ledger *ledger);

/* The job as it is now. What cannot be stored is told, and matters before the first write. */
void ledger_note(struct ledger *ledger, const struct job *job);

/*
 * Stores the intent of a job that has its image, and counts the attempt; only then may it write. 0;
 * LEDGER_REFUSED: `reasons` says why; -ENOMEM.
 */
#define LEDGER_REFUSED 1
int ledger_permit(struct ledger *ledger, const struct policy_limits *limits, const struct job *job,
	struct reasons *reasons) _must_check_;

/* Stores how the job ended and what that means for its place, and then, if that can be stored, what
 * was learnt of the board. Negative errno: the end is not stored. */
int ledger_end(struct ledger *ledger, const struct policy_limits *limits, const struct job *job,
	bool is_return) _must_check_;

/* Deletes what is older or more than the limits say, a little at a time. */
void ledger_retire(struct ledger *ledger, const struct policy_limits *limits);

/* 0; -ENOENT: the place is in no quarantine; other negative errno: not stored. */
int ledger_release(struct ledger *ledger, const char *place) _must_check_;
