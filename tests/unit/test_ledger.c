/* SPDX-License-Identifier: MIT */
/* What the mind does when its history turns out damaged while it is in use. */
#include "unit/history_story.h"

#include "base/file.h"
#include "daemon/ledger.h"

#define FILE_MAX (8u << 20)
#define PAGE     4096
/* More than sqlite keeps in memory, so that it must read again what it has seen before. */
#define JOBS 5000

struct scene {
	struct room *room;
	struct ledger *ledger;
	uint8_t *file;
	size_t length;
	struct job job;
};

static const struct policy_limits limits = { .attempts = 1000 };

static int scene_new(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));
	if (!scene || room_new((void **)&scene->room) < 0)
		return -1;
	*state = scene;
	return 0;
}

static int scene_free(void **state)
{
	struct scene *scene = *state;
	ledger_free(scene->ledger);
	free(scene->file);
	room_free((void **)&scene->room);
	free(scene);
	return 0;
}

static void write_file(const struct scene *scene)
{
	_cleanup_(fclosep) FILE *file = fopen(scene->room->path, "r+e");
	assert_non_null(file);
	assert_int_equal(fwrite(scene->file, 1, scene->length, file), scene->length);
}

static void given_a_large_history(struct scene *scene)
{
	assert_int_equal(room_open(scene->room), 0);
	for (uint64_t id = 1; id <= JOBS; id++) {
		struct job job = job_ended(id, id % 2 ? place_left : place_right, OUTCOME_FLASHED);
		assert_int_equal(history_store(scene->room->history, &job), 0);
	}
	room_close(scene->room);
	assert_int_equal(ledger_new(scene->room->path, &scene->ledger), 0);
	assert_non_null(ledger_history(scene->ledger));
	assert_int_equal(file_read(scene->room->path, FILE_MAX, &scene->file, &scene->length), 0);
}

/* Everything behind the first page; what the file was can be written again. */
static void damage_the_file(const struct scene *scene)
{
	struct scene damaged = { .room = scene->room, .length = scene->length };
	damaged.file = malloc(scene->length);
	assert_non_null(damaged.file);
	memset(damaged.file, 0xA5, scene->length);
	memcpy(damaged.file, scene->file, PAGE);
	write_file(&damaged);
	free(damaged.file);
}

/* Whether the next job may write; if not, then because that cannot be recorded. */
static bool may_write(struct scene *scene)
{
	_cleanup_(reasons_done) struct reasons reasons = { 0 };
	scene->job = job_permitted(ledger_next_id(scene->ledger), place_left);
	int r = ledger_permit(scene->ledger, &limits, &scene->job, &reasons);
	assert_in_range(r, 0, LEDGER_REFUSED);
	if (r == LEDGER_REFUSED)
		expect_only_reason(&reasons, REASON_NOT_RECORDED, "a new history");
	return r == 0;
}

static void use_until_damage_shows(struct scene *scene)
{
	for (unsigned i = 0; may_write(scene); i++)
		assert_true(i < 100);
}

/* With its log, if it has one. */
static size_t set_aside(const struct scene *scene)
{
	return room_files(scene->room, "history.db.damaged-");
}

static void damage_that_shows_in_use_is_set_aside_when_no_job_is_in_flight(void **state)
{
	struct scene *scene = *state;
	given_a_large_history(scene);
	ledger_mend(scene->ledger);
	assert_true(may_write(scene));
	damage_the_file(scene);
	use_until_damage_shows(scene);
	/* A job may be in flight still: its intent is in this file. */
	assert_false(may_write(scene));
	assert_int_equal(set_aside(scene), 0);

	ledger_mend(scene->ledger);
	size_t files = set_aside(scene);
	assert_in_range(files, 1, 2);
	uint64_t last = scene->job.id;
	assert_true(may_write(scene));
	assert_true(scene->job.id > last);
	_cleanup_(freep) char *row = row_of(ledger_history(scene->ledger), scene->job.id);
	assert_non_null(strstr(row, "decision=write "));
	ledger_mend(scene->ledger);
	assert_int_equal(set_aside(scene), files);
}

static void the_end_of_a_job_that_could_not_be_stored_goes_into_the_new_file(void **state)
{
	struct scene *scene = *state;
	given_a_large_history(scene);
	assert_true(may_write(scene));
	struct job job = scene->job;
	damage_the_file(scene);
	use_until_damage_shows(scene);
	job.state = JOB_DONE;
	job.outcome = OUTCOME_FLASHED;
	job.verification = VERIFY_READBACK;
	ledger_mend(scene->ledger);
	assert_int_equal(ledger_end(scene->ledger, &limits, &job, false), 0);
	_cleanup_(freep) char *row = row_of(ledger_history(scene->ledger), job.id);
	assert_non_null(strstr(row, "outcome=flashed "));
}

/* As after a cable that was loose for a moment. */
static void a_file_that_is_sound_after_all_is_kept(void **state)
{
	struct scene *scene = *state;
	given_a_large_history(scene);
	assert_true(may_write(scene));
	uint64_t job_id = scene->job.id;
	damage_the_file(scene);
	use_until_damage_shows(scene);
	write_file(scene);
	ledger_mend(scene->ledger);
	assert_int_equal(set_aside(scene), 0);
	assert_true(may_write(scene));
	/* Ours, and not one of a service that died. */
	_cleanup_(freep) char *row = row_of(ledger_history(scene->ledger), job_id);
	assert_non_null(strstr(row, "decision=write "));
	assert_null(strstr(row, "outcome="));
}

#define STORY(function) cmocka_unit_test_setup_teardown(function, scene_new, scene_free)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(damage_that_shows_in_use_is_set_aside_when_no_job_is_in_flight),
		STORY(the_end_of_a_job_that_could_not_be_stored_goes_into_the_new_file),
		STORY(a_file_that_is_sound_after_all_is_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
