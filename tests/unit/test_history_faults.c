/* SPDX-License-Identifier: MIT */
/*
 * Stories about the history on a disk that fills up, fails, or loses what was not synced, at every
 * write in turn: what was said to be stored is there, and nothing is there by halves.
 */
#include "unit/history_story.h"

#include <errno.h>

#include "unit/fault_vfs.h"

/* How far a job has come, as its words go to disk. */
enum stage {
	STAGE_NOTHING,
	STAGE_BEGUN,
	STAGE_INTENT,
	STAGE_END,
};

static int faulty_room(void **state)
{
	fault_vfs_install();
	return room_new(state);
}

static int sound_again(void **state)
{
	fault_vfs_disarm();
	int r = room_free(state);
	fault_vfs_remove();
	return r;
}

static int store_stage(struct history *history, enum stage stage)
{
	struct job begun = job_begun(1, place_left), permitted = job_permitted(1, place_left);
	struct job ended = job_ended(1, place_left, OUTCOME_FLASHED);
	const struct place_record begins = {
		.has_digest = true, .digest = permitted.digest, .attempts = 1
	};
	const struct place_record clear = { 0 };
	switch (stage) {
	case STAGE_BEGUN:
		return history_store(history, &begun);
	case STAGE_INTENT:
		return history_store_intent(history, &permitted, &begins);
	case STAGE_END:
		return history_store_end(history, &ended, &clear, true);
	case STAGE_NOTHING:
		break;
	}
	return 0;
}

static bool is_complete(const struct intent *intent, const struct place_record *record)
{
	struct job job = job_permitted(1, place_left);
	return intent->job_id == 1 && record->attempts == 1 && record->has_digest &&
	       memcmp(&intent->digest, &job.digest, sizeof(job.digest)) == 0 &&
	       intent->facts.chip == job.facts.chip &&
	       intent->facts.flash_size_bytes == job.facts.flash_size_bytes &&
	       text_equal(intent->facts.unique_id, job.facts.unique_id);
}

/* What the file says; fails for what no stage looks like. */
static enum stage stage_in(struct history *history)
{
	_cleanup_(freep) char *row = row_of(history, 1);
	bool is_permitted = strstr(row, "decision=write"), has_ended = strstr(row, "outcome=");
	struct place_record record;
	struct intent intent;
	assert_int_equal(history_place(history, place_left, &record), 0);
	int has_intent = history_intent(history, place_left, &intent);
	assert_true(has_intent >= 0);
	if (has_intent && is_permitted && !has_ended && is_complete(&intent, &record))
		return STAGE_INTENT;
	if (!has_intent && is_permitted && has_ended && record.attempts == 0)
		return STAGE_END;
	if (!has_intent && !is_permitted && !has_ended && record.attempts == 0)
		return *row ? STAGE_BEGUN : STAGE_NOTHING;
	fail_msg("half of something: %s, intent %d, attempts %u", row, has_intent, record.attempts);
	return STAGE_NOTHING;
}

/* ---- a disk that fails ------------------------------------------------------------------- */

struct failing {
	enum fault_kind kind;
	bool for_good; /* until someone makes room */
	bool restarts; /* the service, before it tries again */
};

static const struct failing failings[] = {
	{ FAULT_FULL, false, false },
	{ FAULT_FULL, false, true },
	{ FAULT_FULL, true, false },
	{ FAULT_FULL, true, true },
	{ FAULT_IO, false, false },
	{ FAULT_IO, false, true },
	{ FAULT_IO, true, false },
	{ FAULT_IO, true, true },
};

/* The call has failed. Whoever stays sees it undone, whoever comes anew may find it done. */
static void look_after_failure(struct room *room, const struct failing *failing, enum stage stage)
{
	if (failing->restarts)
		room_reopen(room);
	enum stage found = stage_in(room->history);
	if (!failing->restarts)
		assert_int_equal(found, stage - 1);
	else
		assert_true(found == stage || found == stage - 1);
}

static bool one_job_with_a_failure(struct room *room, const struct failing *failing, unsigned nth)
{
	const int expected = failing->kind == FAULT_FULL ? -ENOSPC : -EIO;
	bool has_failed = false;
	assert_int_equal(room_open(room), 0);
	fault_vfs_arm(failing->kind, nth, failing->for_good);
	for (enum stage stage = STAGE_BEGUN; stage <= STAGE_END; stage++) {
		int r = store_stage(room->history, stage);
		if (r < 0) {
			assert_int_equal(r, expected);
			has_failed |= fault_vfs_disarm();
			look_after_failure(room, failing, stage);
			assert_int_equal(store_stage(room->history, stage), 0);
		}
		assert_int_equal(stage_in(room->history), stage);
	}
	room_close(room); /* may fail too: the log is put away */
	has_failed |= fault_vfs_disarm();
	assert_int_equal(room_open(room), 0);
	assert_int_equal(stage_in(room->history), STAGE_END);
	room_close(room);
	room_clear(room);
	return has_failed;
}

static void every_write_may_fail_and_nothing_is_lost(void **state)
{
	struct room *room = *state;
	for (size_t i = 0; i < ELEMENTSOF(failings); i++) {
		unsigned nth = 1;
		while (one_job_with_a_failure(room, &failings[i], nth))
			nth++;
		assert_true(nth > 10);
	}
}

/* While it is made, migrated and put away. */
static bool one_opening_with_a_failure(
	struct room *room, const struct failing *failing, unsigned nth)
{
	fault_vfs_arm(failing->kind, nth, failing->for_good);
	int r = room_open(room);
	if (r != 0 && r != -ENOSPC && r != -EIO)
		fail_msg("failure %u of kind %d: %d", nth, failing->kind, r);
	if (r == 0)
		room_close(room);
	bool has_failed = fault_vfs_disarm();
	assert_int_equal(room_open(room), 0);
	assert_int_equal(store_stage(room->history, STAGE_BEGUN), 0);
	room_close(room);
	room_clear(room);
	return has_failed;
}

static void every_write_of_a_new_file_may_fail(void **state)
{
	struct room *room = *state;
	for (size_t i = 0; i < ELEMENTSOF(failings); i++) {
		unsigned nth = 1;
		while (one_opening_with_a_failure(room, &failings[i], nth))
			nth++;
		assert_true(nth > 10);
	}
}

/* A power cut that nobody has cleaned up after: the log holds all. */
static void leave_log(struct room *room)
{
	assert_int_equal(room_open(room), 0);
	assert_int_equal(store_stage(room->history, STAGE_BEGUN), 0);
	assert_int_equal(store_stage(room->history, STAGE_INTENT), 0);
	fault_vfs_arm(FAULT_IO, 1, true);
	room_close(room);
	assert_true(fault_vfs_disarm());
	assert_int_equal(room_files(room, "history.db-wal"), 1);
}

static void what_cannot_be_read_is_not_damaged(void **state)
{
	struct room *room = *state;
	bool has_failed = true;
	unsigned nth = 0;
	leave_log(room);
	while (has_failed) {
		fault_vfs_arm(FAULT_READ, ++nth, false);
		int r = room_open(room);
		has_failed = fault_vfs_disarm();
		assert_int_equal(room_files(room, "history.db.damaged"), 0);
		if (r != 0 && r != -EIO)
			fail_msg("read %u: %d", nth, r);
		if (r == 0) {
			assert_int_equal(stage_in(room->history), STAGE_INTENT);
			fault_vfs_arm(FAULT_IO, 1, true);
			room_close(room);
			(void)fault_vfs_disarm();
		}
	}
	assert_true(nth > 5);
}

/* ---- a disk that loses what was not synced ----------------------------------------------- */

struct cut {
	enum stage stored; /* and said to be so */
	enum stage stored_when_cut;
	bool is_cut;
};

static void on_cut(void *context)
{
	struct cut *cut = context;
	cut->stored_when_cut = cut->stored;
	cut->is_cut = true;
}

static void live_through_a_job(struct room *room, struct cut *cut)
{
	assert_int_equal(room_open(room), 0);
	for (enum stage stage = STAGE_BEGUN; stage <= STAGE_END; stage++) {
		assert_int_equal(store_stage(room->history, stage), 0);
		cut->stored = stage;
	}
	room_close(room);
}

static bool one_job_with_a_power_cut(struct room *room, struct room *after, unsigned nth)
{
	struct cut cut = { 0 };
	fault_vfs_survive(after->directory, nth, on_cut, &cut);
	live_through_a_job(room, &cut);
	fault_vfs_survive(NULL, 0, NULL, NULL);
	if (!cut.is_cut)
		cut.stored_when_cut = STAGE_END;

	assert_int_equal(room_open(after), 0);
	enum stage found = stage_in(after->history);
	assert_true(found == cut.stored_when_cut || found == cut.stored_when_cut + 1);
	assert_int_equal(store_stage(after->history, STAGE_INTENT), 0);
	assert_int_equal(stage_in(after->history), STAGE_INTENT);
	room_close(after);
	room_clear(after);
	room_clear(room);
	return cut.is_cut;
}

static void a_power_cut_after_every_sync_loses_nothing_that_was_stored(void **state)
{
	void *other;
	assert_int_equal(room_new(&other), 0);
	unsigned nth = 0;
	while (one_job_with_a_power_cut(*state, other, nth))
		nth++;
	assert_true(nth > 5);
	assert_int_equal(room_free(&other), 0);
}

#define STORY(function) cmocka_unit_test_setup_teardown(function, faulty_room, sound_again)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(every_write_may_fail_and_nothing_is_lost),
		STORY(every_write_of_a_new_file_may_fail),
		STORY(what_cannot_be_read_is_not_damaged),
		STORY(a_power_cut_after_every_sync_loses_nothing_that_was_stored),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
