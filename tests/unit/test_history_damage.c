/* SPDX-License-Identifier: MIT */
/*
 * Stories about history files that are not what they were: damaged ones are set aside and a new one
 * is begun, and whatever else is wrong leaves the file alone.
 */
#include "unit/history_story.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/file.h"
#include "daemon/passports.h"

#define FILE_MAX (8u << 20)

struct content {
	uint8_t *data;
	size_t length;
};

static void content_done(struct content *content)
{
	free(content->data);
}

static struct content read_all(const char *path)
{
	struct content content = { 0 };
	assert_int_equal(file_read(path, FILE_MAX, &content.data, &content.length), 0);
	return content;
}

static void write_all(const char *path, const void *data, size_t length)
{
	_cleanup_(fclosep) FILE *file = fopen(path, "we");
	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, length, file), length);
}

static void expect_content(const char *path, const void *data, size_t length)
{
	_cleanup_(content_done) struct content content = read_all(path);
	assert_int_equal(content.length, length);
	assert_memory_equal(content.data, data, length);
}

static char *log_of(const char *path)
{
	return text_format("%s-wal", path);
}

static struct lesson a_lesson(void)
{
	return (struct lesson){
		.id = "2B0007000C50425539393020",
		.count = 1,
		.ties = { { TIE_DFU_SERIAL, PROVENANCE_COMPUTED, "203739645542" } },
	};
}

/* A history with something in every table. */
static void fill(struct room *room)
{
	const struct place_record record = { .attempts = 1, .quarantined_usec = 1, .why = "no" };
	for (uint64_t id = 1; id <= 60; id++) {
		struct job job = id % 3 ? job_ended(id, place_left, OUTCOME_FLASHED)
					: job_begun(id, place_right);
		assert_int_equal(history_store(room->history, &job), 0);
	}
	struct job job = job_permitted(61, place_left);
	assert_int_equal(history_store_intent(room->history, &job, &record), 0);
	struct lesson lesson = a_lesson();
	for (unsigned i = 0; i < 20; i++, lesson.id[0]++)
		assert_int_equal(passports_store(room->history, &lesson, 1000 + i), 0);
}

static void make_filled(struct room *room)
{
	assert_int_equal(room_open(room), 0);
	fill(room);
	room_close(room);
}

/* As a power cut leaves them: the log holds what is not in the file yet. */
static void read_cut(struct room *room, struct content *ret_file, struct content *ret_log)
{
	_cleanup_(freep) char *log = log_of(room->path);
	assert_int_equal(room_open(room), 0);
	fill(room);
	*ret_file = read_all(room->path);
	*ret_log = read_all(log);
	room_close(room);
	room_clear(room);
	assert_true(ret_log->length > 0);
}

/* ---- using whatever was opened ----------------------------------------------------------- */

static int on_job(void *context, const struct history_field *fields, size_t count)
{
	(void)context;
	for (size_t i = 0; i < count; i++)
		assert_true(fields[i].is_number || text_is_plain(fields[i].text));
	return 0;
}

static int on_place(void *context, const char *place, const struct place_record *record)
{
	(void)context, (void)place;
	assert_true(text_is_plain(record->why));
	return 0;
}

static int on_board(void *context, const struct passport *passport)
{
	(void)context;
	assert_true(text_is_plain(passport->id) && text_is_plain(passport->place));
	for (size_t i = 0; i < passport->tie_count; i++)
		assert_true(text_is_plain(passport->ties[i].value));
	return 0;
}

static void on_unfinished(void *context, uint64_t job_id, const char *place)
{
	(void)context, (void)job_id, (void)place;
}

/* Damage that a check does not see may show as an error, and in no worse way. */
static void use_it_all(struct history *history)
{
	const struct history_filter all = { 0 }, board = { .board = "eddy" },
				    since = { .since_usec = 1, .place = place_left };
	struct job job = job_permitted(history_next_id(history), place_left);
	struct place_record record;
	struct intent intent;
	uint64_t count;
	const struct device device = { .place = (char *)"", .serial = (char *)"203739645542" };
	const struct lesson lesson = a_lesson();
	struct passport_claim claim;
	(void)!passports_list(history, on_board, NULL);
	(void)!passports_claim(history, &device, &claim);
	(void)!passports_store(history, &lesson, 1);
	(void)!history_query(history, &all, on_job, NULL);
	(void)!history_query(history, &board, on_job, NULL);
	(void)!history_query(history, &since, on_job, NULL);
	(void)!history_place(history, place_left, &record);
	(void)!history_quarantined(history, on_place, NULL);
	(void)!history_intent(history, place_left, &intent);
	(void)!history_count_flashed(history, "bench", 0, INT64_MAX, &count);
	(void)!history_was_called(history, place_left, 0, INT64_MAX);
	(void)!history_close_unfinished(history, on_unfinished, NULL);
	record = (struct place_record){ 0 };
	(void)!history_store_intent(history, &job, &record);
	(void)!history_retire(history, 1, 1);
}

/* Opens what lies in the room, uses it, and empties the room. True: it was set aside. */
static bool try_it(struct room *room, bool may_be_newer)
{
	int r = room_open(room);
	if (r == -EPROTONOSUPPORT && may_be_newer) {
		room_clear(room);
		return false;
	}
	if (r != 0 && r != HISTORY_SET_ASIDE)
		fail_msg("neither opened nor set aside: %d", r);
	use_it_all(room->history);
	assert_int_equal(r == HISTORY_SET_ASIDE, room_files(room, "history.db.damaged-") > 0);
	room_close(room);
	room_clear(room);
	return r == HISTORY_SET_ASIDE;
}

/* ---- damage ------------------------------------------------------------------------------ */

static void garbage_is_set_aside_whole_and_never_over_an_older_one(void **state)
{
	struct room *room = *state;
	for (unsigned i = 0; i < 3; i++) {
		char garbage[5000];
		memset(garbage, (int)('a' + i), sizeof(garbage));
		write_all(room->path, garbage, sizeof(garbage));
		assert_int_equal(room_open(room), HISTORY_SET_ASIDE);
		assert_non_null(strstr(room->aside, "/history.db.damaged-2"));
		assert_int_equal(room_files(room, "history.db.damaged-"), i + 1);
		expect_content(room->aside, garbage, sizeof(garbage));
		fill(room);
		room_close(room);
	}
}

static void numbers_after_damage_were_never_given_out_before(void **state)
{
	struct room *room = *state;
	uint64_t now = clock_usec(CLOCK_REALTIME) / USEC_PER_SEC;
	write_all(room->path, "nothing that I know", 19);
	assert_int_equal(room_open(room), HISTORY_SET_ASIDE);
	uint64_t first = history_next_id(room->history);
	assert_true(first > now);
	room_reopen(room);
	assert_true(history_next_id(room->history) >= first);
}

static void a_log_goes_where_its_file_goes(void **state)
{
	struct room *room = *state;
	_cleanup_(content_done) struct content file = { 0 }, log = { 0 };
	_cleanup_(freep) char *log_path = log_of(room->path);
	make_filled(room);
	assert_int_equal(room_open(room), 0);
	const struct place_record record = { .attempts = 2 };
	assert_int_equal(history_store_place(room->history, place_left, &record), 0);
	file = read_all(room->path);
	log = read_all(log_path);
	room_close(room);
	memset(file.data, 'x', 100);
	write_all(room->path, file.data, file.length);
	write_all(log_path, log.data, log.length);
	assert_int_equal(room_open(room), HISTORY_SET_ASIDE);
	_cleanup_(freep) char *log_aside = log_of(room->aside);
	expect_content(room->aside, file.data, file.length);
	expect_content(log_aside, log.data, log.length);
	const struct history_filter all = { 0 };
	expect_jobs(room->history, &all, "");
}

static void a_log_without_its_file_is_not_thrown_away(void **state)
{
	struct room *room = *state;
	_cleanup_(content_done) struct content file = { 0 }, log = { 0 };
	_cleanup_(freep) char *log_path = log_of(room->path);
	read_cut(room, &file, &log);
	for (int is_empty = 0; is_empty <= 1; is_empty++) {
		if (is_empty)
			write_all(room->path, "", 0);
		write_all(log_path, log.data, log.length);
		assert_int_equal(room_open(room), HISTORY_SET_ASIDE);
		_cleanup_(freep) char *log_aside = log_of(room->aside);
		expect_content(log_aside, log.data, log.length);
		room_close(room);
		room_clear(room);
	}
}

static void an_empty_file_is_a_new_one(void **state)
{
	struct room *room = *state;
	write_all(room->path, "", 0);
	assert_int_equal(room_open(room), 0);
	assert_int_equal(history_next_id(room->history), 1);
}

static void cut_short_anywhere_it_opens_or_is_set_aside(void **state)
{
	struct room *room = *state;
	make_filled(room);
	_cleanup_(content_done) struct content whole = read_all(room->path);
	room_clear(room);
	unsigned aside = 0, tries = 0;
	for (size_t length = 1; length < whole.length; length += length < 200 ? 7 : 509, tries++) {
		write_all(room->path, whole.data, length);
		aside += try_it(room, false);
	}
	assert_true(tries > 100);
	assert_true(aside + 5 >= tries); /* some bytes of a page mean nothing */
}

static void with_any_byte_turned_it_opens_or_is_set_aside(void **state)
{
	struct room *room = *state;
	make_filled(room);
	_cleanup_(content_done) struct content whole = read_all(room->path);
	room_clear(room);
	for (size_t i = 0; i < whole.length; i += i < 300 ? 1 : 131) {
		static const uint8_t masks[] = { 0x01, 0x80, 0xff };
		uint8_t mask = masks[i % 3], byte = whole.data[i];
		whole.data[i] ^= mask;
		write_all(room->path, whole.data, whole.length);
		bool is_version = i >= 60 && i < 64;
		(void)try_it(room, is_version);
		whole.data[i] = byte;
	}
}

static void with_any_byte_of_its_log_turned_it_opens_or_is_set_aside(void **state)
{
	struct room *room = *state;
	_cleanup_(content_done) struct content file = { 0 }, log = { 0 };
	_cleanup_(freep) char *log_path = log_of(room->path);
	read_cut(room, &file, &log);
	for (size_t i = 0; i < log.length; i += i < 100 ? 1 : 1009) {
		log.data[i] ^= 0x41;
		write_all(room->path, file.data, file.length);
		write_all(log_path, log.data, log.length);
		(void)try_it(room, false);
		log.data[i] ^= 0x41;
	}
	for (size_t length = 0; length < log.length; length += 1777) {
		write_all(room->path, file.data, file.length);
		write_all(log_path, log.data, length);
		(void)try_it(room, false);
	}
}

static void tables_that_are_not_ours_are_damage(void **state)
{
	static const char *const strangers[] = {
		"CREATE TABLE recipes (name TEXT)",
		"PRAGMA user_version = 1",
		"PRAGMA application_id = 0x706c7567; PRAGMA user_version = 1",
		"PRAGMA application_id = 0x706c7567; PRAGMA user_version = 2; CREATE TABLE jobs (a)",
		"PRAGMA application_id = 0x706c7567; PRAGMA user_version = 4711",
	};
	for (size_t i = 0; i < ELEMENTSOF(strangers); i++) {
		struct room *room = *state;
		sql(room->path, strangers[i]);
		assert_int_equal(room_open(room), HISTORY_SET_ASIDE);
		fill(room);
		room_close(room);
		room_clear(room);
	}
}

/* ---- what is no damage ------------------------------------------------------------------- */

#define WITHOUT_STEP_4                               \
	"ALTER TABLE intents DROP COLUMN id_origin;" \
	"DROP TABLE boards; DROP TABLE ties;"
#define WITHOUT_STEP_3                                    \
	WITHOUT_STEP_4                                    \
	"ALTER TABLE intents DROP COLUMN mode;"           \
	"ALTER TABLE intents DROP COLUMN boot_serial;"    \
	"ALTER TABLE intents DROP COLUMN possible_chips;" \
	"ALTER TABLE intents DROP COLUMN stored_realtime_usec;"

/* What an older plugflash was writing is still known, and that it did not say in which mode. */
static void an_intent_of_the_second_version_is_brought_up_to_date(void **state)
{
	struct room *room = *state;
	struct intent intent;
	make_filled(room);
	sql(room->path, WITHOUT_STEP_3 "PRAGMA user_version = 2");
	assert_int_equal(room_open(room), 0);
	assert_int_equal(history_intent(room->history, place_left, &intent), HISTORY_INTENT);
	assert_int_equal(intent.facts.chip, CHIP_RP2040);
	assert_int_equal(intent.mode, MODE_NONE);
	assert_string_equal(intent.boot_serial, "");
	assert_true(intent.facts.possible_chips == 0);
}

/* How its id was learnt was not noted: the weakest is believed. */
static void an_intent_of_the_third_version_is_brought_up_to_date(void **state)
{
	struct room *room = *state;
	struct intent intent;
	make_filled(room);
	sql(room->path, WITHOUT_STEP_4 "PRAGMA user_version = 3");
	assert_int_equal(room_open(room), 0);
	assert_int_equal(history_intent(room->history, place_left, &intent), HISTORY_INTENT);
	assert_string_equal(intent.facts.unique_id, "E66058388348892B");
	assert_int_equal(intent.facts.id_origin, PROVENANCE_SEEN);
}

static void a_file_of_the_first_version_is_brought_up_to_date(void **state)
{
	struct room *room = *state;
	struct place_record record = { .attempts = 3 };
	struct intent intent;
	make_filled(room);
	sql(room->path, WITHOUT_STEP_3 "DROP TABLE places; PRAGMA user_version = 1");
	assert_int_equal(room_open(room), 0);
	assert_int_equal(history_intent(room->history, place_left, &intent), HISTORY_INTENT);
	assert_int_equal(history_place(room->history, place_left, &record), 0);
	assert_int_equal(record.attempts, 0);
	record.attempts = 2;
	assert_int_equal(history_store_place(room->history, place_left, &record), 0);
	room_reopen(room);
	assert_int_equal(history_place(room->history, place_left, &record), 0);
	assert_int_equal(record.attempts, 2);
	assert_int_equal(history_next_id(room->history), 62);
}

static void a_newer_file_is_left_as_it_is(void **state)
{
	struct room *room = *state;
	make_filled(room);
	sql(room->path, "CREATE TABLE more (a); PRAGMA user_version = 5");
	_cleanup_(content_done) struct content before = read_all(room->path);
	assert_int_equal(room_open(room), -EPROTONOSUPPORT);
	assert_null(room->aside);
	expect_content(room->path, before.data, before.length);
	assert_int_equal(room_files(room, "history.db.damaged"), 0);
}

static void only_one_may_have_it_open(void **state)
{
	struct room *room = *state;
	struct history *second = NULL;
	char *aside = NULL;
	assert_int_equal(room_open(room), 0);
	assert_int_equal(history_open(room->path, 0, &second, &aside), -EBUSY);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(history_open(room->path, 0, &second, &aside) == -EBUSY ? 0 : 1);
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_null(second);
	fill(room); /* the first one has noticed nothing */
	room_reopen(room);
}

static void what_is_no_file_is_refused(void **state)
{
	struct room *room = *state;
	_cleanup_(freep) char *elsewhere = text_format("%s/elsewhere", room->directory);
	_cleanup_(freep) char *log = log_of(room->path);
	assert_int_equal(symlink(elsewhere, room->path), 0);
	assert_int_equal(room_open(room), -ELOOP);
	assert_int_equal(access(elsewhere, F_OK), -1);
	assert_int_equal(unlink(room->path), 0);

	assert_int_equal(symlink(elsewhere, log), 0);
	assert_int_equal(room_open(room), -ELOOP);
	assert_int_equal(unlink(log), 0);

	assert_int_equal(mkdir(room->path, 0700), 0);
	assert_int_equal(room_open(room), -EISDIR);
	assert_int_equal(rmdir(room->path), 0);

	struct history *history = NULL;
	char *aside = NULL;
	assert_int_equal(history_open("/nowhere/history.db", 0, &history, &aside), -ENOENT);
}

static void its_directory_may_be_reached_through_a_link(void **state)
{
	struct room *room = *state;
	_cleanup_(freep) char *link = text_format("%s/link", room->directory);
	_cleanup_(freep) char *path = text_format("%s/link/history.db", room->directory);
	char *aside = NULL;
	assert_int_equal(symlink(room->directory, link), 0);
	assert_int_equal(history_open(path, 0, &room->history, &aside), 0);
	fill(room);
	room_close(room);
	assert_int_equal(room_files(room, "history.db"), 1);
}

/* A process in which `resource` has come to its end. */
static struct rlimit exhaust(int resource, rlim_t left)
{
	struct rlimit before;
	assert_int_equal(getrlimit(resource, &before), 0);
	const struct rlimit none = { .rlim_cur = left, .rlim_max = before.rlim_max };
	assert_int_equal(setrlimit(resource, &none), 0);
	return before;
}

static void no_more_open_files_is_no_damage(void **state)
{
	struct room *room = *state;
	make_filled(room);
	int lowest = dup(0);
	assert_true(lowest >= 0);
	close(lowest);
	for (rlim_t left = 0; left < 2; left++) {
		struct rlimit before = exhaust(RLIMIT_NOFILE, (rlim_t)lowest + left);
		int r = room_open(room);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
		assert_int_equal(r, -EMFILE);
		assert_int_equal(room_files(room, "history.db.damaged"), 0);
	}
	assert_int_equal(room_open(room), 0);
	assert_int_equal(history_next_id(room->history), 62);
}

static void a_damaged_file_stays_while_no_new_one_can_be_begun(void **state)
{
	struct room *room = *state;
	char garbage[100] = "not a database";
	write_all(room->path, garbage, sizeof(garbage));
	struct rlimit before = exhaust(RLIMIT_FSIZE, 0);
	int r = room_open(room);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(r, -EIO);
	assert_null(room->aside);
	assert_int_equal(room_files(room, ""), 1);
	expect_content(room->path, garbage, sizeof(garbage));
	assert_int_equal(room_open(room), HISTORY_SET_ASIDE);
	expect_content(room->aside, garbage, sizeof(garbage));
}

static void a_full_disk_is_no_damage_and_passes(void **state)
{
	struct room *room = *state;
	struct place_record record = { .attempts = 7 };
	struct job job = job_permitted(62, place_right);
	struct intent intent;
	make_filled(room);
	assert_int_equal(room_open(room), 0);
	struct rlimit before = exhaust(RLIMIT_FSIZE, 0);
	int first = history_store_intent(room->history, &job, &record);
	int second = history_store(room->history, &job);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(first, -EIO);
	assert_int_equal(second, -EIO);
	assert_int_equal(history_intent(room->history, place_right, &intent), 0);
	assert_int_equal(history_store_intent(room->history, &job, &record), 0);
	room_reopen(room);
	assert_int_equal(history_intent(room->history, place_right, &intent), HISTORY_INTENT);
}

/* As a service without privileges: root may write everywhere. */
static int open_as_nobody(struct room *room)
{
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		int r = setgid(65534) < 0 || setuid(65534) < 0 ? -EPERM : room_open(room);
		_exit(r == -EACCES ? 0 : 1);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void no_permission_is_no_damage(void **state)
{
	struct room *room = *state;
	if (getuid() != 0)
		skip();
	make_filled(room);
	assert_int_equal(chmod(room->directory, 0755), 0);
	assert_int_equal(open_as_nobody(room), 0); /* may not be read */
	assert_int_equal(chmod(room->path, 0644), 0);
	assert_int_equal(open_as_nobody(room), 0); /* may not be written */
	assert_int_equal(room_files(room, ""), 1);
}

#define STORY(function) cmocka_unit_test_setup_teardown(function, room_new, room_free)

int main(void)
{
	signal(SIGXFSZ, SIG_IGN);
	const struct CMUnitTest tests[] = {
		STORY(garbage_is_set_aside_whole_and_never_over_an_older_one),
		STORY(numbers_after_damage_were_never_given_out_before),
		STORY(a_log_goes_where_its_file_goes),
		STORY(a_log_without_its_file_is_not_thrown_away),
		STORY(an_empty_file_is_a_new_one),
		STORY(cut_short_anywhere_it_opens_or_is_set_aside),
		STORY(with_any_byte_turned_it_opens_or_is_set_aside),
		STORY(with_any_byte_of_its_log_turned_it_opens_or_is_set_aside),
		STORY(tables_that_are_not_ours_are_damage),
		STORY(an_intent_of_the_second_version_is_brought_up_to_date),
		STORY(an_intent_of_the_third_version_is_brought_up_to_date),
		STORY(a_file_of_the_first_version_is_brought_up_to_date),
		STORY(a_newer_file_is_left_as_it_is),
		STORY(only_one_may_have_it_open),
		STORY(what_is_no_file_is_refused),
		STORY(its_directory_may_be_reached_through_a_link),
		STORY(no_more_open_files_is_no_damage),
		STORY(a_damaged_file_stays_while_no_new_one_can_be_begun),
		STORY(a_full_disk_is_no_damage_and_passes),
		STORY(no_permission_is_no_damage),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
