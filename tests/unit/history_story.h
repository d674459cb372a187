/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the stories of the history share: a directory of its own for each, jobs in the states that
 * matter, and rows as text that can be read aloud.
 */
#include "unit/expect.h"

#include <stdlib.h>

#include "daemon/history.h"

struct room {
	char directory[64];
	char path[96];
	struct history *history;
	char *aside; /* what a damaged file is called now */
};

int room_new(void **state);
int room_free(void **state);

/* Opens the history of this room; what history_open() said. */
int room_open(struct room *room);
void room_close(struct room *room);

/* Closes and opens: what is on disk is what counts. It must be sound. */
void room_reopen(struct room *room);

/* Empties the room of all files. */
void room_clear(struct room *room);
size_t room_files(const struct room *room, const char *prefix);

/* Where jobs are. The texts live as long as the program. */
extern const char *const place_left;
extern const char *const place_right;

/* A job at a place that has just begun; probed; permitted; ended. Its texts are constants. */
struct job job_begun(uint64_t id, const char *place);
struct job job_probed(uint64_t id, const char *place);
struct job job_permitted(uint64_t id, const char *place);
struct job job_ended(uint64_t id, const char *place, enum job_outcome outcome);

/* "job=1 place=… …" with a space behind every field, "" when there is none; the caller frees. */
char *row_of(struct history *history, uint64_t job_id);

/* "9 8 5": the jobs that a filter finds, in order; the caller frees. */
char *jobs_found(struct history *history, const struct history_filter *filter);

void expect_jobs(
	struct history *history, const struct history_filter *filter, const char *expected);

/* Runs SQL on a file that nobody has open. */
void sql(const char *path, const char *text);
