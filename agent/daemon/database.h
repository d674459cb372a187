/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One sqlite file that this process alone has open, and its prepared statements. Results of sqlite
 * become errnos; -EUCLEAN means that the file itself is damaged, or is not what it should be. What
 * is in the tables is history*.c's matter.
 */
#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct database;

/*
 * Opens a file that is there, for this process alone: -EBUSY when another has it. Nothing is
 * written yet. Until database_keep() a close leaves the file as it is, its write-ahead log beside
 * it.
 */
int database_open(const char *path, struct database **ret) _must_check_;
struct database *database_close(struct database *database);
DEFINE_CLEANUP(struct database *, database_close)

/* From here on it is written to: turns the write-ahead log on, and a close puts the log away. */
int database_keep(struct database *database) _must_check_;

/* 0: sound; -EUCLEAN: damaged; another errno: nobody knows. Reads the whole file. */
int database_check(struct database *database) _must_check_;

/* Statements without parameters; what they yield is dropped. */
int database_run(struct database *database, const char *sql) _must_check_;

/* The number that a statement yields. */
int database_number(struct database *database, const char *sql, int64_t *ret) _must_check_;

/* Prepares the statements that query_of() hands out, by their place in `sql`. */
int database_prepare(struct database *database, const char *const *sql, size_t count) _must_check_;

/* ---- transactions -------------------------------------------------------------------------- */

int database_begin(struct database *database) _must_check_;
int database_commit(struct database *database) _must_check_;

/* Takes back what was begun and not committed, if there is such: an error on the way may have ended
 * the transaction already. */
void database_roll_back(struct database *database);

static inline void roll_backp(struct database **database)
{
	database_roll_back(*database);
}

/* ---- statements ---------------------------------------------------------------------------- */

/* One use of a prepared statement. Parameters are given in order and must outlive it; what goes
 * wrong with them shows at the next step. */
struct query {
	struct database *database;
	sqlite3_stmt *statement;
	int bound;
	int result;
};

struct query query_of(struct database *database, size_t statement);
void query_done(struct query *query);

void query_text(struct query *query, const char *text); /* NULL: unknown */
void query_number(struct query *query, uint64_t number);
void query_known_number(struct query *query, bool is_known, uint64_t number);

/* 0: no more rows. QUERY_ROW: the columns can be read. */
#define QUERY_ROW 1
int query_step(struct query *query) _must_check_;

/* To the end, dropping rows. */
int query_run(struct query *query) _must_check_;

/* Rows that the statement has changed. */
uint64_t query_changes(const struct query *query);

/* A number or a text of the row, "" and 0 where there is none. A text is good until the next step.
 */
uint64_t query_column_number(const struct query *query, int column);
const char *query_column_text(const struct query *query, int column);
