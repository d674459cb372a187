/* SPDX-License-Identifier: MIT */
/* The book of boards; see passports.h. */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "daemon/history_parts.h"
#include "daemon/passports.h"

/* ---- writing ----------------------------------------------------------------------------- */

static bool has_tie(const struct lesson *lesson, enum tie_kind kind)
{
	for (size_t i = 0; i < lesson->count; i++)
		if (lesson->ties[i].kind == kind)
			return true;
	return false;
}

static const char *place_of(const struct lesson *lesson)
{
	for (size_t i = 0; i < lesson->count; i++)
		if (lesson->ties[i].kind == TIE_PLACE)
			return lesson->ties[i].value;
	return "";
}

/* 0: not in the book. */
static int find_board(struct history *history, const char *id, uint64_t *ret)
{
	_cleanup_(query_done) struct query query = query_of(history->database, FIND_BOARD);
	query_text(&query, id);
	int r = query_step(&query);
	*ret = r == QUERY_ROW ? query_column_number(&query, 0) : 0;
	return r < 0 ? r : 0;
}

static int run_with(
	struct history *history, enum history_statement statement, uint64_t first, uint64_t second)
{
	_cleanup_(query_done) struct query query = query_of(history->database, statement);
	query_number(&query, first);
	if (second)
		query_number(&query, second);
	return query_run(&query);
}

static int rename_board(struct history *history, uint64_t board, const char *id)
{
	_cleanup_(query_done) struct query query = query_of(history->database, RENAME_BOARD);
	query_number(&query, board);
	query_text(&query, id);
	return query_run(&query);
}

static int forget_board(struct history *history, uint64_t board)
{
	int r = run_with(history, DROP_TIES, board, 0);
	return r < 0 ? r : run_with(history, DROP_BOARD, board, 0);
}

/* What was known only by its CAN uuid has shown its id now. */
static int join_uuid(struct history *history, const struct lesson *lesson)
{
	uint64_t by_uuid = 0, by_id = 0;
	if (!*lesson->can_uuid || text_equal(lesson->can_uuid, lesson->id))
		return 0;
	int r = find_board(history, lesson->can_uuid, &by_uuid);
	if (r >= 0)
		r = find_board(history, lesson->id, &by_id);
	if (r < 0 || by_uuid == 0)
		return r;
	if (by_id == 0)
		return rename_board(history, by_uuid, lesson->id);
	r = run_with(history, MOVE_TIES, by_id, by_uuid);
	return r < 0 ? r : forget_board(history, by_uuid);
}

static int store_board(
	struct history *history, const struct lesson *lesson, uint64_t now_usec, uint64_t *ret)
{
	_cleanup_(query_done) struct query query = query_of(history->database, STORE_BOARD);
	query_text(&query, lesson->id);
	query_text(&query, lesson->chip != CHIP_UNKNOWN ? chip_name(lesson->chip) : NULL);
	query_text(&query, place_of(lesson));
	query_number(&query, has_tie(lesson, TIE_NAME));
	query_number(&query, has_tie(lesson, TIE_IMAGE));
	query_number(&query, now_usec);
	int r = query_run(&query);
	if (r >= 0)
		r = find_board(history, lesson->id, ret);
	return r >= 0 && *ret == 0 ? -EUCLEAN : r;
}

/* How well a tie was known at its best is what counts. */
static int strongest(
	struct history *history, uint64_t board, const struct tie *tie, enum provenance *ret)
{
	_cleanup_(query_done) struct query query = query_of(history->database, FIND_TIE);
	query_number(&query, board);
	query_text(&query, tie_kind_name(tie->kind));
	query_text(&query, tie->value);
	int r = query_step(&query);
	*ret = tie->learnt;
	if (r <= 0)
		return r;
	int known = provenance_from_name(query_column_text(&query, 0));
	if (known > (int)tie->learnt)
		*ret = (enum provenance)known;
	return 0;
}

static int store_tie(
	struct history *history, uint64_t board, const struct tie *tie, uint64_t now_usec)
{
	enum provenance learnt;
	int r = strongest(history, board, tie, &learnt);
	if (r < 0)
		return r;
	_cleanup_(query_done) struct query query = query_of(history->database, STORE_TIE);
	query_number(&query, board);
	query_text(&query, tie_kind_name(tie->kind));
	query_text(&query, tie->value);
	query_text(&query, provenance_name(learnt));
	query_number(&query, now_usec);
	return query_run(&query);
}

static int trim_ties(struct history *history, uint64_t board, enum tie_kind kind)
{
	_cleanup_(query_done) struct query query = query_of(history->database, TRIM_TIES);
	query_number(&query, board);
	query_text(&query, tie_kind_name(kind));
	query_number(&query, PASSPORTS_TIES_MAX);
	return query_run(&query);
}

static int store_ties(
	struct history *history, uint64_t board, const struct lesson *lesson, uint64_t now_usec)
{
	int r = 0;
	for (size_t i = 0; i < lesson->count && r >= 0; i++) {
		r = store_tie(history, board, &lesson->ties[i], now_usec);
		if (r >= 0)
			r = trim_ties(history, board, lesson->ties[i].kind);
	}
	return r;
}

/* One more has come, so one has to go; not the one that has just come. */
static int trim_boards(struct history *history, uint64_t newest)
{
	uint64_t worst = 0;
	_cleanup_(query_done) struct query query = query_of(history->database, WORST_BOARD);
	query_number(&query, newest);
	query_number(&query, PASSPORTS_UNNAMED_MAX);
	int r = query_step(&query);
	if (r == QUERY_ROW)
		worst = query_column_number(&query, 0);
	query_done(&query);
	return r < 0 || worst == 0 ? r : forget_board(history, worst);
}

int passports_store(struct history *history, const struct lesson *lesson, uint64_t now_usec)
{
	_cleanup_(roll_backp) struct database *database = history->database;
	uint64_t board = 0;
	int r = database_begin(database);
	if (r >= 0)
		r = join_uuid(history, lesson);
	if (r >= 0)
		r = store_board(history, lesson, now_usec, &board);
	if (r >= 0)
		r = store_ties(history, board, lesson, now_usec);
	if (r >= 0)
		r = trim_boards(history, board);
	return r < 0 ? r : database_commit(database);
}

/* ---- asking ------------------------------------------------------------------------------ */

int passports_claim(
	struct history *history, const struct device *device, struct passport_claim *ret)
{
	struct testimony testimony = { 0 };
	_cleanup_(freep) char *serial = strdup(device->serial);
	if (!serial)
		return -ENOMEM;
	for (char *digit = serial; *digit; digit++)
		*digit = (char)toupper((unsigned char)*digit);
	_cleanup_(query_done) struct query query = query_of(history->database, FIND_DFU_TIES);
	query_text(&query, serial);
	int r;
	while ((r = query_step(&query)) == QUERY_ROW) {
		int learnt = provenance_from_name(query_column_text(&query, 1));
		if (learnt < 0)
			return -EUCLEAN;
		testimony_add(&testimony, query_column_text(&query, 0), (enum provenance)learnt,
			text_equal(query_column_text(&query, 2), device->place));
	}
	if (r < 0 || !testimony_claims(&testimony))
		return r;
	*ret = testimony.claim;
	return PASSPORTS_CLAIM;
}

/* ---- listing ----------------------------------------------------------------------------- */

/* Texts that a row has shown are gone with the next one; what is not plain any more is made so. */
struct ties {
	struct passport_tie *items;
	size_t count;
};

static void tie_done(struct passport_tie *tie)
{
	free((void *)tie->kind);
	free((void *)tie->value);
	free((void *)tie->learnt);
}

static void ties_done(struct ties *ties)
{
	for (size_t i = 0; i < ties->count; i++)
		tie_done(&ties->items[i]);
	free(ties->items);
}

static char *plain_column(const struct query *query, int column)
{
	const char *text = query_column_text(query, column);
	size_t capacity = strlen(text) + 1;
	char *copy = malloc(capacity);
	if (copy)
		text_copy_plain(copy, capacity, text);
	return copy;
}

static int add_row(struct ties *ties, const struct query *query)
{
	struct passport_tie *grown =
		reallocarray(ties->items, ties->count + 1, sizeof(*ties->items));
	if (!grown)
		return -ENOMEM;
	ties->items = grown;
	struct passport_tie *tie = &grown[ties->count++];
	*tie = (struct passport_tie){
		.kind = plain_column(query, 0),
		.value = plain_column(query, 1),
		.learnt = plain_column(query, 2),
		.first_usec = query_column_number(query, 3),
		.last_usec = query_column_number(query, 4),
		.count = query_column_number(query, 5),
	};
	return tie->kind && tie->value && tie->learnt ? 0 : -ENOMEM;
}

static int read_ties(struct history *history, uint64_t board, struct ties *ties)
{
	_cleanup_(query_done) struct query query = query_of(history->database, LIST_TIES);
	query_number(&query, board);
	int r;
	while ((r = query_step(&query)) == QUERY_ROW) {
		r = add_row(ties, &query);
		if (r < 0)
			return r;
	}
	return r;
}

static int tell_board(struct history *history, const struct query *query,
	int (*on_board)(void *context, const struct passport *passport), void *context)
{
	_cleanup_(ties_done) struct ties ties = { 0 };
	_cleanup_(freep) char *id = plain_column(query, 1), *chip = plain_column(query, 2);
	_cleanup_(freep) char *place = plain_column(query, 3);
	int r = id && chip && place ? read_ties(history, query_column_number(query, 0), &ties)
				    : -ENOMEM;
	const struct passport passport = {
		.id = id,
		.chip = chip,
		.place = place,
		.first_usec = query_column_number(query, 4),
		.last_usec = query_column_number(query, 5),
		.ties = ties.items,
		.tie_count = ties.count,
	};
	return r < 0 ? r : on_board(context, &passport);
}

int passports_list(struct history *history,
	int (*on_board)(void *context, const struct passport *passport), void *context)
{
	_cleanup_(query_done) struct query query = query_of(history->database, LIST_BOARDS);
	int r;
	while ((r = query_step(&query)) == QUERY_ROW) {
		r = tell_board(history, &query, on_board, context);
		if (r < 0)
			return r;
	}
	return r;
}
