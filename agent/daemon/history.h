/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What has happened, on disk: every job, what is meant to be written and is not proved yet (the
 * write-intents), and what each place has left of its budget. One sqlite file that only the mind
 * opens; people ask over the bus.
 *
 * What is stored is on the disk when the function returns (WAL, synchronous=FULL). An error means
 * that nothing of this call is stored; the file stays sound.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/queue.h"

struct history;

/*
 * Opens or makes `path`, brings its schema up to date and checks it. 0; HISTORY_SET_ASIDE: the file
 * was damaged, is now called `*ret_aside` (to be freed), and a new one was begun. Negative errno:
 * none can be had; -EBUSY: another service holds it, -EPROTONOSUPPORT: written by a newer
 * plugflash.
 *
 * Jobs are numbered from above `last_job_id`, if that is higher than what the file holds. After a
 * damaged file nobody knows what was given out: then from above the seconds since 1970.
 */
#define HISTORY_SET_ASIDE 1
int history_open(const char *path, uint64_t last_job_id, struct history **ret, char **ret_aside)
	_must_check_;
struct history *history_close(struct history *history);
DEFINE_CLEANUP(struct history *, history_close)

/* The next job's number, another one with each call. Nothing is stored by this. */
uint64_t history_next_id(struct history *history);

/* Stores the job as it is now: its first words, and at last its outcome. */
int history_store(struct history *history, const struct job *job) _must_check_;

/* ---- intents and budgets ------------------------------------------------------------------- */

/* What a place has behind it. An attempt is counted with its intent, before the first byte. */
struct place_record {
	bool has_digest;
	struct digest digest; /* of the image that the numbers are about */
	uint32_t attempts; /* begun since the last good end */
	uint32_t returns; /* good ends after which the same board was back at once */
	uint64_t quarantined_usec; /* CLOCK_REALTIME; 0: it is not */
	char why[256]; /* plain text; "" unless quarantined */
};

/* A place that nothing is known of has an empty record. */
int history_place(struct history *history, const char *place, struct place_record *ret)
	_must_check_;
int history_store_place(
	struct history *history, const char *place, const struct place_record *record) _must_check_;

/* All quarantined places, in order. Negative: what the callback returned, or an errno. */
int history_quarantined(struct history *history,
	int (*on_place)(void *context, const char *place, const struct place_record *record),
	void *context) _must_check_;

/* A write that was permitted and has not been proved. One a place, the newest. */
struct intent {
	uint64_t job_id;
	struct digest digest;
	enum board_mode mode; /* MODE_NONE: stored by an older plugflash */
	char boot_serial[128]; /* that the board showed in that mode */
	uint64_t stored_realtime_usec; /* 0: stored by an older plugflash */
	struct board_facts facts;
};

/* Stores the job, its intent and the place's record in one transaction, before the first erase. */
int history_store_intent(struct history *history, const struct job *job,
	const struct place_record *record) _must_check_;

/* Stores the ended job and the place's record; with `is_proved`, the place's intent is gone too.
 * One transaction. */
int history_store_end(struct history *history, const struct job *job,
	const struct place_record *record, bool is_proved) _must_check_;

/* 0: none. HISTORY_INTENT: `*ret`. */
#define HISTORY_INTENT 1
int history_intent(struct history *history, const char *place, struct intent *ret) _must_check_;

/* Forgets the place's intent, when there is one. */
int history_drop_intent(struct history *history, const char *place) _must_check_;

/* Jobs that have no end belong to a service that died: closes them as interrupted. The callback is
 * told of each, oldest first. */
int history_close_unfinished(struct history *history,
	void (*on_job)(void *context, uint64_t job_id, const char *place), void *context)
	_must_check_;

/* Boards written (outcome flashed) by a rule, in jobs that began in this span, ends included. */
int history_count_flashed(struct history *history, const char *rule, uint64_t since_usec,
	uint64_t until_usec, uint64_t *ret) _must_check_;

/* Did a job that began in this span ask the application on this place for its boot loader, and has
 * none come to an end of its own since? HISTORY_CALLED or 0. */
#define HISTORY_CALLED 1
int history_was_called(struct history *history, const char *place, uint64_t since_usec,
	uint64_t until_usec) _must_check_;

/* ---- looking back -------------------------------------------------------------------------- */

/* Deletes jobs that are older than `days` or beyond the newest `jobs`; 0: no such limit. The newest
 * HISTORY_KEPT_ALWAYS stay, lest a clock that jumps ahead wipes everything out. At most
 * HISTORY_RETIRED_AT_ONCE go, so that nobody waits for long; HISTORY_MORE: there may be more. */
#define HISTORY_KEPT_ALWAYS     1000
#define HISTORY_RETIRED_AT_ONCE 100
#define HISTORY_MORE            1
int history_retire(struct history *history, unsigned days, uint64_t jobs) _must_check_;

#define HISTORY_ROWS_MAX 500

/* Each that is set must hold. */
struct history_filter {
	uint64_t job_id; /* 0: any */
	uint64_t before_job_id; /* only older ones: the next page; 0: from the newest */
	const char *board; /* the policy's name for it, or its unique id; NULL: any */
	const char *place; /* NULL: any */
	uint64_t since_usec; /* CLOCK_REALTIME at the job's begin; 0: any */
	bool only_failed; /* refused, failed or interrupted */
	unsigned rows; /* 0 or more than HISTORY_ROWS_MAX: HISTORY_ROWS_MAX */
};

/* One fact of a job. What is not known is left out. */
struct history_field {
	const char *name; /* as on the bus and in JSON: "image_sha256", "write_usec" */
	bool is_number;
	uint64_t number;
	const char *text;
};

/* Newest first. Negative: what the callback returned, or an errno. */
int history_query(struct history *history, const struct history_filter *filter,
	int (*on_job)(void *context, const struct history_field *fields, size_t count),
	void *context) _must_check_;

/* The names of all fields, in the order of columns: for tables. */
const char *const *history_field_names(size_t *ret_count);
