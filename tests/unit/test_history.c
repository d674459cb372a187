/* SPDX-License-Identifier: MIT */
/* Stories about the history: what was stored is found again, and only that. */
#include "unit/history_story.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/clock.h"

static int room_with_history(void **state)
{
	return room_new(state) < 0 || room_open(*state) < 0 ? -1 : 0;
}

static void store(struct room *room, struct job job)
{
	assert_int_equal(history_store(room->history, &job), 0);
}

static void expect_words(const char *row, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!strstr(row, words[i]))
			fail_msg("no \"%s\" in: %s", words[i], row);
}

#define EXPECT_WORDS(row, ...)                                    \
	expect_words((row), (const char *const[]){ __VA_ARGS__ }, \
		sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *))

/* ---- jobs -------------------------------------------------------------------------------- */

static void a_new_file_is_for_its_owner_alone_and_is_empty(void **state)
{
	struct room *room = *state;
	struct stat status;
	const struct history_filter all = { 0 };
	assert_int_equal(stat(room->path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	expect_jobs(room->history, &all, "");
	assert_int_equal(room_files(room, "history.db-shm"), 0);
}

static void a_job_that_has_begun_says_only_what_is_known(void **state)
{
	struct room *room = *state;
	store(room, job_begun(7, place_left));
	_cleanup_(freep) char *row = row_of(room->history, 7);
	assert_string_equal(row, "job=7 place=pci-0000:00:14.0-usb-0:1 port=1-2 mode=rp2040-boot "
				 "vid_pid=2e8a:0003 serial=E0C9125B0D9B "
				 "began_realtime_usec=1700000007000000 ");
}

static void an_ended_job_says_everything_that_became_known(void **state)
{
	struct room *room = *state;
	struct job job = job_ended(7, place_left, OUTCOME_FLASHED);
	job.resumes = 5;
	job.tally = (struct job_tally){ .units_total = 40,
		.units_identical = 30,
		.units_erased = 10,
		.bytes_read = 163840,
		.bytes_written = 40960,
		.recoveries = 1 };
	job.phase_usec[PHASE_COMPARE] = 200000;
	job.phase_usec[PHASE_WRITE] = 1300000;
	job.phase_usec[PHASE_FINISH] = 40000;
	job.application_usec = 800000;
	job.application = (char *)"2e8a:000a";
	store(room, job_begun(7, place_left));
	store(room, job);
	room_reopen(room);
	_cleanup_(freep) char *row = row_of(room->history, 7);
	EXPECT_WORDS(row, "chip=rp2040 rom_revision=3 flash_size_bytes=2097152 ",
		"flash_content=bootable unique_id=E66058388348892B board=eddy decision=write ",
		"rule=bench image=/var/lib/plugflash/firmware/blink.uf2 image_sha256=a5a5a5a5",
		" resumes=5 units_total=40 units_identical=30 units_erased=10 bytes_read=163840 ",
		"bytes_written=40960 recoveries=1 probe_usec=14000 compare_usec=200000 ",
		"write_usec=1300000 finish_usec=40000 application_usec=800000 verify=readback ",
		"outcome=flashed sentence=so it went application=2e8a:000a ",
		"ended_realtime_usec=1700000009500000 duration_usec=2500000 ");
	assert_null(strstr(row, "image_version"));
	assert_null(strstr(row, "reason"));
}

static void a_refused_job_was_decided_and_not_written(void **state)
{
	struct room *room = *state;
	store(room, job_ended(1, place_left, OUTCOME_REFUSED));
	_cleanup_(freep) char *row = row_of(room->history, 1);
	EXPECT_WORDS(row, "decision=refuse ", "outcome=refused reason=board-left ");
	assert_null(strstr(row, "units_"));
	assert_null(strstr(row, "verify="));
}

static void a_job_that_awaits_its_application_has_not_ended(void **state)
{
	struct room *room = *state;
	struct job job = job_permitted(1, place_left);
	job.state = JOB_AWAITING;
	job.outcome = OUTCOME_FLASHED;
	store(room, job);
	_cleanup_(freep) char *row = row_of(room->history, 1);
	assert_null(strstr(row, "outcome="));
	assert_non_null(strstr(row, "decision=write "));
}

static void every_field_has_its_name_in_order(void **state)
{
	struct room *room = *state;
	size_t count;
	const char *const *names = history_field_names(&count);
	store(room, job_begun(1, place_left));
	room_close(room);
	for (size_t i = 0; i < count; i++) {
		_cleanup_(freep) char *text = text_format("UPDATE jobs SET %s = 4711", names[i]);
		_cleanup_(freep) char *expected = text_format("%s=4711 ", names[i]);
		sql(room->path, text);
		assert_int_equal(room_open(room), 0);
		_cleanup_(freep) char *row = row_of(room->history, i == 0 ? 4711 : 4711);
		if (!strstr(row, expected))
			fail_msg("no %s in: %s", expected, row);
		room_close(room);
	}
	assert_true(count >= 37);
}

/* ---- numbers ----------------------------------------------------------------------------- */

static void numbers_go_on_after_a_restart(void **state)
{
	struct room *room = *state;
	assert_int_equal(history_next_id(room->history), 1);
	assert_int_equal(history_next_id(room->history), 2);
	store(room, job_begun(2, place_left));
	room_reopen(room);
	assert_int_equal(history_next_id(room->history), 3);
}

static void numbers_of_before_the_file_never_come_again(void **state)
{
	struct room *room = *state;
	room_close(room);
	assert_int_equal(history_open(room->path, 41, &room->history, &room->aside), 0);
	assert_int_equal(history_next_id(room->history), 42);
	room_reopen(room); /* nothing was stored, and nobody says 41 any more */
	assert_int_equal(history_next_id(room->history), 42);
	store(room, job_begun(50, place_left));
	assert_int_equal(history_next_id(room->history), 51);
}

/* ---- searches ---------------------------------------------------------------------------- */

static void store_a_day(struct room *room)
{
	store(room, job_ended(1, place_left, OUTCOME_FLASHED));
	store(room, job_ended(2, place_right, OUTCOME_FAILED));
	store(room, job_ended(3, place_left, OUTCOME_REFUSED));
	store(room, job_ended(4, place_left, OUTCOME_IDENTICAL));
	store(room, job_ended(5, place_right, OUTCOME_INTERRUPTED));
	struct job other = job_ended(6, place_right, OUTCOME_FLASHED);
	other.board = (char *)"octopus";
	strcpy(other.facts.unique_id, "504450610847861C");
	store(room, other);
	store(room, job_begun(7, place_left));
}

static void the_newest_come_first(void **state)
{
	struct room *room = *state;
	store_a_day(room);
	const struct history_filter all = { 0 }, two = { .rows = 2 }, many = { .rows = 5000 };
	expect_jobs(room->history, &all, "7 6 5 4 3 2 1");
	expect_jobs(room->history, &two, "7 6");
	expect_jobs(room->history, &many, "7 6 5 4 3 2 1");
}

static void a_board_is_found_by_its_name_and_by_its_id(void **state)
{
	struct room *room = *state;
	store_a_day(room);
	const struct history_filter by_name = { .board = "eddy" };
	const struct history_filter by_id = { .board = "e66058388348892b" };
	const struct history_filter other = { .board = "octopus" };
	const struct history_filter stranger = { .board = "nobody" };
	expect_jobs(room->history, &by_name, "4 1");
	expect_jobs(room->history, &by_id, "5 4 3 2 1");
	expect_jobs(room->history, &other, "6");
	expect_jobs(room->history, &stranger, "");
}

static void a_board_that_is_called_like_its_id_is_found_once(void **state)
{
	struct room *room = *state;
	struct job job = job_ended(1, place_left, OUTCOME_FLASHED);
	job.board = job.facts.unique_id;
	store(room, job);
	store(room, job_ended(2, place_left, OUTCOME_FLASHED));
	const struct history_filter filter = { .board = "E66058388348892B" };
	expect_jobs(room->history, &filter, "2 1");
}

static void filters_hold_together(void **state)
{
	struct room *room = *state;
	store_a_day(room);
	const struct history_filter place = { .place = place_right };
	const struct history_filter failed = { .only_failed = true };
	const struct history_filter failed_there = { .place = place_right, .only_failed = true };
	const struct history_filter of_board = {
		.board = "E66058388348892B", .place = place_left, .only_failed = true
	};
	const struct history_filter since = { .since_usec = 1700000005000000ull };
	const struct history_filter since_there = { .since_usec = 1700000005000000ull,
		.place = place_left };
	const struct history_filter one = { .job_id = 3, .place = place_left };
	const struct history_filter not_that = { .job_id = 3, .place = place_right };
	const struct history_filter tomorrow = { .since_usec = 1800000000000000ull };
	expect_jobs(room->history, &place, "6 5 2");
	expect_jobs(room->history, &failed, "5 3 2");
	expect_jobs(room->history, &failed_there, "5 2");
	expect_jobs(room->history, &of_board, "3");
	expect_jobs(room->history, &since, "7 6 5");
	expect_jobs(room->history, &since_there, "7");
	expect_jobs(room->history, &one, "3");
	expect_jobs(room->history, &not_that, "");
	expect_jobs(room->history, &tomorrow, "");
}

static void a_clock_that_was_set_back_hides_nothing(void **state)
{
	struct room *room = *state;
	struct job early = job_ended(2, place_left, OUTCOME_FLASHED);
	early.started_realtime_usec = 5;
	store(room, job_ended(1, place_left, OUTCOME_FLASHED));
	store(room, early);
	store(room, job_ended(3, place_left, OUTCOME_FLASHED));
	const struct history_filter since = { .since_usec = 1700000000000000ull };
	expect_jobs(room->history, &since, "3 1");
}

static void fill(struct room *room, uint64_t first, uint64_t last, uint64_t began_usec)
{
	room_close(room);
	_cleanup_(freep) char *text = text_format(
		"WITH RECURSIVE n(i) AS (SELECT %u UNION ALL SELECT i + 1 FROM n WHERE i < %u) "
		"INSERT INTO jobs (job, place, began_realtime_usec) "
		"SELECT i, 'somewhere', %llu FROM n",
		(unsigned)first, (unsigned)last, (unsigned long long)began_usec);
	assert_non_null(text);
	sql(room->path, text);
	assert_int_equal(room_open(room), 0);
}

static void of_many_jobs_since_then_the_newest_are_found(void **state)
{
	struct room *room = *state;
	fill(room, 1, 10, 1000);
	fill(room, 11, 12000, 2000);
	fill(room, 12001, 12003, 1000);
	const struct history_filter since = { .since_usec = 2000, .rows = 3 };
	const struct history_filter oldest_page = { .since_usec = 2000, .before_job_id = 13 };
	expect_jobs(room->history, &since, "12000 11999 11998");
	expect_jobs(room->history, &oldest_page, "12 11");
}

static void one_page_follows_another(void **state)
{
	struct room *room = *state;
	store_a_day(room);
	const struct history_filter first = { .board = "E66058388348892B", .rows = 2 };
	const struct history_filter second = {
		.board = "E66058388348892B", .rows = 2, .before_job_id = 4
	};
	const struct history_filter last = {
		.board = "E66058388348892B", .rows = 2, .before_job_id = 2
	};
	const struct history_filter beyond = { .before_job_id = UINT64_MAX, .rows = 1 };
	const struct history_filter none = { .job_id = UINT64_MAX };
	expect_jobs(room->history, &first, "5 4");
	expect_jobs(room->history, &second, "3 2");
	expect_jobs(room->history, &last, "1");
	expect_jobs(room->history, &beyond, "7");
	expect_jobs(room->history, &none, "");
}

static void no_answer_is_longer_than_the_longest(void **state)
{
	struct room *room = *state;
	for (uint64_t id = 1; id <= HISTORY_ROWS_MAX + 20; id++)
		store(room, job_begun(id, place_left));
	const struct history_filter all = { 0 }, more = { .rows = HISTORY_ROWS_MAX + 1 };
	_cleanup_(freep) char *found = jobs_found(room->history, &all);
	_cleanup_(freep) char *again = jobs_found(room->history, &more);
	size_t spaces = 0;
	for (const char *c = found; *c; c++)
		spaces += *c == ' ';
	assert_int_equal(spaces, HISTORY_ROWS_MAX - 1);
	assert_string_equal(found, again);
}

static int refuse(void *context, const struct history_field *fields, size_t count)
{
	(void)fields, (void)count;
	++*(int *)context;
	return -EXFULL;
}

static void a_listener_that_has_enough_ends_the_search(void **state)
{
	struct room *room = *state;
	store_a_day(room);
	const struct history_filter all = { 0 };
	int calls = 0;
	assert_int_equal(history_query(room->history, &all, refuse, &calls), -EXFULL);
	assert_int_equal(calls, 1);
	store(room, job_begun(8, place_left)); /* nothing is left open */
}

static uint64_t flashed(
	struct room *room, const char *rule, uint64_t since_usec, uint64_t until_usec)
{
	uint64_t count;
	assert_int_equal(
		history_count_flashed(room->history, rule, since_usec, until_usec, &count), 0);
	return count;
}

static void flashed_boards_are_counted_by_rule(void **state)
{
	struct room *room = *state;
	store_a_day(room);
	assert_int_equal(flashed(room, "bench", 0, INT64_MAX), 2);
	assert_int_equal(flashed(room, "bench", 1700000006000000ull, INT64_MAX), 1);
	assert_int_equal(flashed(room, "other", 0, INT64_MAX), 0);
}

/* The clock was years ahead for a minute. */
static void boards_flashed_in_the_future_do_not_count(void **state)
{
	struct room *room = *state;
	uint64_t hour_usec = 3600 * USEC_PER_SEC, year_usec = 8766 * hour_usec;
	uint64_t now_usec = clock_usec(CLOCK_REALTIME);
	const uint64_t began[] = { now_usec - 2 * hour_usec, now_usec - hour_usec / 2,
		now_usec + 5 * year_usec, now_usec };
	for (size_t i = 0; i < ELEMENTSOF(began); i++) {
		struct job job = job_ended(i + 1, place_left, OUTCOME_FLASHED);
		job.started_realtime_usec = began[i];
		store(room, job);
	}
	assert_int_equal(flashed(room, "bench", now_usec - hour_usec, now_usec), 2);
	assert_int_equal(flashed(room, "bench", 0, now_usec), 3);
	/* And while it is, the hour is another one. */
	uint64_t ahead_usec = now_usec + 5 * year_usec;
	assert_int_equal(flashed(room, "bench", ahead_usec - hour_usec, ahead_usec), 1);
}

/* ---- the service died -------------------------------------------------------------------- */

static void on_unfinished(void *context, uint64_t job_id, const char *place)
{
	assert_int_equal(text_append(context, "%u at %s\n", (unsigned)job_id, place), 0);
}

static void jobs_of_a_service_that_died_are_closed_once(void **state)
{
	struct room *room = *state;
	_cleanup_(freep) char *told = strdup("");
	store(room, job_ended(1, "a", OUTCOME_FLASHED));
	store(room, job_permitted(3, "b"));
	store(room, job_begun(2, "c"));
	room_reopen(room);
	assert_int_equal(history_close_unfinished(room->history, on_unfinished, &told), 0);
	assert_string_equal(told, "2 at c\n3 at b\n");
	assert_int_equal(history_close_unfinished(room->history, on_unfinished, &told), 0);
	assert_string_equal(told, "2 at c\n3 at b\n");
	_cleanup_(freep) char *row = row_of(room->history, 3);
	EXPECT_WORDS(row, "outcome=interrupted reason=service-lost sentence=", "decision=write ");
	assert_null(strstr(row, "ended_realtime_usec"));
	const struct history_filter failed = { .only_failed = true };
	expect_jobs(room->history, &failed, "3 2");
}

/* ---- the end of old jobs ----------------------------------------------------------------- */

static uint64_t oldest(struct room *room)
{
	for (uint64_t id = 1; id < 10000; id++) {
		_cleanup_(freep) char *row = row_of(room->history, id);
		if (*row)
			return id;
	}
	return 0;
}

static void jobs_beyond_the_limit_go_a_few_at_a_time(void **state)
{
	struct room *room = *state;
	fill(room, 1, 2700, clock_usec(CLOCK_REALTIME));
	assert_int_equal(history_retire(room->history, 0, 0), 0);
	assert_int_equal(history_retire(room->history, 0, 2700), 0);
	assert_int_equal(oldest(room), 1);
	assert_int_equal(history_retire(room->history, 0, 2550), HISTORY_MORE);
	assert_int_equal(oldest(room), 1 + HISTORY_RETIRED_AT_ONCE);
	assert_int_equal(history_retire(room->history, 0, 2550), 0);
	assert_int_equal(oldest(room), 151);
	assert_int_equal(history_retire(room->history, 0, 2550), 0);
	assert_int_equal(oldest(room), 151);
}

static void a_clock_that_jumps_ahead_does_not_wipe_everything_out(void **state)
{
	struct room *room = *state;
	/* As if these were long past: all are too old, and too many. */
	fill(room, 1, 1800, 1000000);
	while (history_retire(room->history, 1, 1) == HISTORY_MORE)
		continue;
	assert_int_equal(oldest(room), 1800 - HISTORY_KEPT_ALWAYS + 1);
	room_reopen(room);
	assert_int_equal(history_next_id(room->history), 1801);
}

static void old_jobs_go_and_younger_ones_stay(void **state)
{
	struct room *room = *state;
	uint64_t now_usec = clock_usec(CLOCK_REALTIME), day_usec = 86400 * USEC_PER_SEC;
	fill(room, 1, 200, now_usec - 40 * day_usec);
	fill(room, 201, 1500, now_usec - 20 * day_usec);
	assert_int_equal(history_retire(room->history, 50, 0), 0);
	assert_int_equal(oldest(room), 1);
	while (history_retire(room->history, 30, 0) == HISTORY_MORE)
		continue;
	assert_int_equal(oldest(room), 201);
}

/* Jobs of a minute in 1970, of one in five years, and of now, in a file that keeps thirty days. */
static void jobs_around_a_wrong_minute_stay(void **state)
{
	struct room *room = *state;
	uint64_t now_usec = clock_usec(CLOCK_REALTIME), day_usec = 86400 * USEC_PER_SEC;
	fill(room, 1, 50, now_usec - day_usec);
	fill(room, 51, 60, 1000000);
	fill(room, 61, 70, now_usec + 5 * 365 * day_usec);
	fill(room, 71, 1300, now_usec - day_usec);
	fill(room, 1301, 1310, 1000000);
	while (history_retire(room->history, 30, 0) == HISTORY_MORE)
		continue;
	const struct history_filter early = { .before_job_id = 72 };
	_cleanup_(freep) char *found = jobs_found(room->history, &early);
	EXPECT_WORDS(found, "71 70 69", "62 61 50 49", "2 1");
	const struct history_filter newest = { .rows = 11 };
	expect_jobs(
		room->history, &newest, "1310 1309 1308 1307 1306 1305 1304 1303 1302 1301 1300");
}

/* ---- boards that were asked for their boot loader ------------------------------------------ */

static bool was_called(const struct room *room)
{
	int r = history_was_called(room->history, place_left, 1, INT64_MAX);
	assert_true(r >= 0);
	return r == HISTORY_CALLED;
}

static void a_board_that_was_called_is_known_until_a_job_has_ended_there(void **state)
{
	struct room *room = *state;
	struct job called = job_ended(1, place_left, OUTCOME_ENTERED);
	called.device->mode = MODE_KLIPPER;
	called.reason = REASON_NONE;
	assert_false(was_called(room));
	assert_int_equal(history_store(room->history, &called), 0);
	assert_true(was_called(room));
	assert_int_equal(history_was_called(room->history, place_right, 1, INT64_MAX), 0);
	assert_int_equal(history_was_called(room->history, place_left, 1, 2), 0);

	struct job loader = job_ended(2, place_left, OUTCOME_INTERRUPTED);
	loader.device->mode = MODE_KATAPULT;
	loader.reason = REASON_CANCELLED;
	assert_int_equal(history_store(room->history, &loader), 0);
	assert_true(was_called(room));
	loader.reason = REASON_BOARD_LEFT;
	assert_int_equal(history_store(room->history, &loader), 0);
	assert_false(was_called(room));
}

#define STORY(function) cmocka_unit_test_setup_teardown(function, room_with_history, room_free)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(a_new_file_is_for_its_owner_alone_and_is_empty),
		STORY(a_job_that_has_begun_says_only_what_is_known),
		STORY(an_ended_job_says_everything_that_became_known),
		STORY(a_refused_job_was_decided_and_not_written),
		STORY(a_job_that_awaits_its_application_has_not_ended),
		STORY(every_field_has_its_name_in_order),
		STORY(numbers_go_on_after_a_restart),
		STORY(numbers_of_before_the_file_never_come_again),
		STORY(the_newest_come_first),
		STORY(a_board_is_found_by_its_name_and_by_its_id),
		STORY(a_board_that_is_called_like_its_id_is_found_once),
		STORY(filters_hold_together),
		STORY(a_clock_that_was_set_back_hides_nothing),
		STORY(of_many_jobs_since_then_the_newest_are_found),
		STORY(one_page_follows_another),
		STORY(no_answer_is_longer_than_the_longest),
		STORY(a_listener_that_has_enough_ends_the_search),
		STORY(flashed_boards_are_counted_by_rule),
		STORY(boards_flashed_in_the_future_do_not_count),
		STORY(jobs_of_a_service_that_died_are_closed_once),
		STORY(a_board_that_was_called_is_known_until_a_job_has_ended_there),
		STORY(jobs_beyond_the_limit_go_a_few_at_a_time),
		STORY(a_clock_that_jumps_ahead_does_not_wipe_everything_out),
		STORY(old_jobs_go_and_younger_ones_stay),
		STORY(jobs_around_a_wrong_minute_stay),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
