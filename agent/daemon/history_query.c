/* SPDX-License-Identifier: MIT */
/* Looking back on jobs, and what becomes of old ones; see history.h. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "daemon/history.h"
#include "daemon/history_parts.h"

const char *const *history_field_names(size_t *ret_count)
{
	*ret_count = JOB_RECORD_FIELDS;
	return job_record_fields;
}

/* ---- rows -------------------------------------------------------------------------------- */

struct fields {
	struct history_field items[JOB_RECORD_FIELDS];
	size_t count;
	char *made_plain[JOB_RECORD_FIELDS];
	size_t made_plain_count;
};

static void fields_done(struct fields *fields)
{
	for (size_t i = 0; i < fields->made_plain_count; i++)
		free(fields->made_plain[i]);
}

/* What was stored was plain text; what a disk makes of it over the years need not be. */
static const char *plain(struct fields *fields, const char *text)
{
	if (text_is_plain(text))
		return text;
	size_t capacity = strlen(text) + 1;
	char *copy = malloc(capacity);
	if (!copy)
		return NULL;
	text_copy_plain(copy, capacity, text);
	fields->made_plain[fields->made_plain_count++] = copy;
	return copy;
}

static int tell(const struct query *query,
	int (*on_job)(void *context, const struct history_field *fields, size_t count),
	void *context)
{
	_cleanup_(fields_done) struct fields fields;
	fields.count = fields.made_plain_count = 0;
	for (size_t i = 0; i < JOB_RECORD_FIELDS; i++) {
		int type = sqlite3_column_type(query->statement, (int)i);
		struct history_field field = { .name = job_record_fields[i] };
		field.is_number = type == SQLITE_INTEGER;
		if (field.is_number)
			field.number = query_column_number(query, (int)i);
		else if (type == SQLITE_TEXT)
			field.text = plain(&fields, query_column_text(query, (int)i));
		else
			continue;
		if (!field.is_number && !field.text)
			return -ENOMEM;
		fields.items[fields.count++] = field;
	}
	return on_job(context, fields.items, fields.count);
}

/* ---- searches ---------------------------------------------------------------------------- */

/* Where a search back to some time may end. The clock may have been set back in between: each job's
 * begin is looked at nevertheless. */
static int first_since(struct history *history, uint64_t since_usec, uint64_t *ret)
{
	*ret = 0;
	if (since_usec == 0)
		return 0;
	_cleanup_(query_done) struct query query = query_of(history->database, FIRST_JOB_SINCE);
	query_number(&query, since_usec);
	int r = query_step(&query);
	if (r == QUERY_ROW)
		*ret = query_column_number(&query, 0);
	return r < 0 ? r : 0;
}

static enum history_statement statement_for(const struct history_filter *filter)
{
	if (filter->board)
		return filter->only_failed ? QUERY_FAILED_BOARD : QUERY_BOARD;
	if (filter->place)
		return filter->only_failed ? QUERY_FAILED_PLACE : QUERY_PLACE;
	return filter->only_failed ? QUERY_FAILED : QUERY_ALL;
}

static uint64_t at_most(uint64_t number, uint64_t most)
{
	return number < most ? number : most;
}

static struct query search(
	struct history *history, const struct history_filter *filter, uint64_t first)
{
	uint64_t before = filter->before_job_id ? filter->before_job_id : INT64_MAX;
	unsigned rows = filter->rows;
	if (filter->job_id > first)
		first = filter->job_id;
	if (filter->job_id && filter->job_id < before)
		before = filter->job_id + 1;
	if (rows == 0 || rows > HISTORY_ROWS_MAX)
		rows = HISTORY_ROWS_MAX;

	struct query query = query_of(history->database, statement_for(filter));
	query_number(&query, at_most(before, INT64_MAX));
	query_number(&query, at_most(first, INT64_MAX));
	query_number(&query, at_most(filter->since_usec, INT64_MAX));
	query_number(&query, rows);
	if (filter->place || filter->board)
		query_text(&query, filter->place);
	if (filter->board)
		query_text(&query, filter->board);
	return query;
}

int history_query(struct history *history, const struct history_filter *filter,
	int (*on_job)(void *context, const struct history_field *fields, size_t count),
	void *context)
{
	uint64_t first;
	int r = first_since(history, filter->since_usec, &first);
	if (r < 0)
		return r;
	_cleanup_(query_done) struct query query = search(history, filter, first);
	while ((r = query_step(&query)) == QUERY_ROW) {
		r = tell(&query, on_job, context);
		if (r < 0)
			return r;
	}
	return r;
}

int history_count_flashed(struct history *history, const char *rule, uint64_t since_usec,
	uint64_t until_usec, uint64_t *ret)
{
	_cleanup_(query_done) struct query query = query_of(history->database, COUNT_FLASHED);
	query_text(&query, rule);
	query_number(&query, at_most(since_usec, INT64_MAX));
	query_number(&query, at_most(until_usec, INT64_MAX));
	int r = query_step(&query);
	if (r == QUERY_ROW)
		*ret = query_column_number(&query, 0);
	return r < 0 ? r : 0;
}

int history_was_called(
	struct history *history, const char *place, uint64_t since_usec, uint64_t until_usec)
{
	_cleanup_(query_done) struct query query = query_of(history->database, WAS_CALLED);
	query_text(&query, place);
	query_number(&query, at_most(since_usec, INT64_MAX));
	query_number(&query, at_most(until_usec, INT64_MAX));
	int r = query_step(&query);
	return r == QUERY_ROW ? HISTORY_CALLED : r;
}

/* ---- jobs without an end ----------------------------------------------------------------- */

struct unfinished {
	uint64_t job_id;
	char *place;
};

struct unfinished_list {
	struct unfinished *items;
	size_t count;
};

static void unfinished_list_done(struct unfinished_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i].place);
	free(list->items);
}

static int find_unfinished(struct history *history, struct unfinished_list *list)
{
	_cleanup_(query_done) struct query query = query_of(history->database, FIND_UNFINISHED);
	int r;
	while ((r = query_step(&query)) == QUERY_ROW) {
		struct unfinished *grown =
			reallocarray(list->items, list->count + 1, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		list->items = grown;
		char *place = strdup(query_column_text(&query, 1));
		if (!place)
			return -ENOMEM;
		grown[list->count++] = (struct unfinished){
			.job_id = query_column_number(&query, 0),
			.place = place,
		};
	}
	return r;
}

static int close_unfinished(struct history *history)
{
	_cleanup_(query_done) struct query query = query_of(history->database, CLOSE_UNFINISHED);
	query_text(&query, outcome_name(OUTCOME_INTERRUPTED));
	query_text(&query, reason_name(REASON_SERVICE_LOST));
	query_text(&query, "the service, or the power, went away in the middle of the job; plug "
			   "the board again");
	return query_run(&query);
}

/* Told after it is stored: what is told once is not found again. */
int history_close_unfinished(struct history *history,
	void (*on_job)(void *context, uint64_t job_id, const char *place), void *context)
{
	_cleanup_(unfinished_list_done) struct unfinished_list list = { 0 };
	int r = find_unfinished(history, &list);
	if (r >= 0 && list.count > 0)
		r = close_unfinished(history);
	for (size_t i = 0; i < list.count && r >= 0; i++)
		on_job(context, list.items[i].job_id, list.items[i].place);
	return r;
}

/* ---- the end of old jobs ----------------------------------------------------------------- */

#define USEC_PER_DAY (86400 * USEC_PER_SEC)

/* A statement's only number; `if_none` when it has no row. */
static int number_of(struct query query, uint64_t if_none, uint64_t *ret)
{
	_cleanup_(query_done) struct query own = query;
	int r = query_step(&own);
	*ret = r == QUERY_ROW ? query_column_number(&own, 0) : if_none;
	return r < 0 ? r : 0;
}

/* The oldest of those that stay in any case; 0: all do. */
static int first_kept(struct history *history, uint64_t *ret)
{
	struct query query = query_of(history->database, KEPT_JOB);
	query_number(&query, HISTORY_KEPT_ALWAYS - 1);
	return number_of(query, 0, ret);
}

static int retire_old(struct history *history, unsigned days, uint64_t kept, uint64_t *room)
{
	uint64_t now_usec = clock_usec(CLOCK_REALTIME), span_usec = days * USEC_PER_DAY;
	if (days == 0 || now_usec <= span_usec)
		return 0;
	_cleanup_(query_done) struct query query = query_of(history->database, RETIRE_OLD);
	query_number(&query, now_usec - span_usec);
	query_number(&query, kept);
	query_number(&query, *room);
	int r = query_run(&query);
	*room -= r < 0 ? 0 : query_changes(&query);
	return r;
}

static int retire_many(struct history *history, uint64_t jobs, uint64_t kept, uint64_t *room)
{
	uint64_t count;
	int r = jobs ? number_of(query_of(history->database, COUNT_JOBS), 0, &count) : 0;
	if (r < 0 || jobs == 0 || count <= jobs)
		return r;
	_cleanup_(query_done) struct query query = query_of(history->database, RETIRE_MANY);
	query_number(&query, kept);
	query_number(&query, at_most(count - jobs, *room));
	r = query_run(&query);
	*room -= r < 0 ? 0 : query_changes(&query);
	return r;
}

int history_retire(struct history *history, unsigned days, uint64_t jobs)
{
	_cleanup_(roll_backp) struct database *database = history->database;
	uint64_t kept, room = HISTORY_RETIRED_AT_ONCE;
	int r = first_kept(history, &kept);
	if (r < 0 || kept == 0)
		return r;
	r = database_begin(database);
	if (r >= 0)
		r = retire_old(history, days, kept, &room);
	if (r >= 0)
		r = retire_many(history, jobs, kept, &room);
	if (r >= 0)
		r = database_commit(database);
	if (r < 0)
		return r;
	return room == 0 ? HISTORY_MORE : 0;
}
