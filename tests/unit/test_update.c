/* SPDX-License-Identifier: MIT */
/* New images that find their boards by themselves: which files are heard of, which rules they are
 * for, and who gets a job. */
#include "unit/expect.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "daemon/update.h"
#include "unit/mind_story.h"

#define UUID    "154aab036e6a"
#define ANOTHER "154aab036e6b"

struct scene {
	struct mind_story mind;
	struct monitor *monitor;
	struct update *update;
};

static void ignore(void *context, const struct device *device)
{
	(void)context, (void)device;
}

static void ignore_overrun(void *context)
{
	(void)context;
}

static void on_job(void *context, const struct job *job)
{
	struct scene *scene = context;
	if (job->state == JOB_DONE)
		update_job_ended(scene->update, job);
}

static int scene_new(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));
	const struct monitor_calls calls = { ignore, ignore, ignore_overrun, NULL };
	*state = scene;
	mind_begin(&scene->mind);
	scene->mind.on_job = on_job;
	scene->mind.context = scene;
	if (monitor_new(scene->mind.event, &calls, &scene->monitor) < 0)
		return -1;
	const struct update_settings settings = { .event = scene->mind.event,
		.conduct = scene->mind.conduct,
		.monitor = scene->monitor,
		.directory = scene->mind.firmware_path };
	return update_new(&settings, &scene->update);
}

static int scene_free(void **state)
{
	struct scene *scene = *state;
	update_free(scene->update);
	monitor_free(scene->monitor);
	mind_end(&scene->mind);
	free(scene);
	return 0;
}

static struct policy_rule *given_an_updated_node(struct scene *scene)
{
	struct policy_rule *rule = given_a_node(&scene->mind, "toolhead", UUID);
	rule->on_update = true;
	return rule;
}

static void in_force(struct scene *scene)
{
	update_set_policy(scene->update, scene->mind.policy);
}

static void put_file(const char *directory, const char *name, const char *content)
{
	_cleanup_(freep) char *path = text_format("%s/%s", directory, name);
	_cleanup_(fclosep) FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(content, file);
}

static void put(struct scene *scene, const char *name)
{
	put_file(scene->mind.firmware_path, name, "new");
	settle(&scene->mind);
}

static size_t job_count(const struct scene *scene)
{
	return queue_count(conduct_queue(scene->mind.conduct));
}

/* ---- which files -------------------------------------------------------------------------- */

static void a_new_image_begins_a_job_for_its_board(void **state)
{
	struct scene *scene = *state;
	struct wire_job job;
	given_an_updated_node(scene);
	in_force(scene);
	put(scene, "klipper.bin");
	_cleanup_(closep) int worker = await_worker(&scene->mind, &job);
	(void)worker;
	assert_int_equal(job.mode, MODE_KATAPULT);
	assert_string_equal(job.can, "can0");
	assert_string_equal(job.can_uuid, UUID);
	assert_int_equal(job_count(scene), 1);
}

static void another_file_does_not(void **state)
{
	struct scene *scene = *state;
	given_an_updated_node(scene);
	in_force(scene);
	put(scene, "other.bin");
	put(scene, ".klipper.bin.part");
	assert_int_equal(job_count(scene), 0);
}

static void nor_does_one_whose_rule_does_not_say_so(void **state)
{
	struct scene *scene = *state;
	given_an_updated_node(scene)->on_update = false;
	in_force(scene);
	put(scene, "klipper.bin");
	assert_int_equal(job_count(scene), 0);
}

static void one_that_is_moved_in_counts_when_it_is_there(void **state)
{
	struct scene *scene = *state;
	_cleanup_(freep) char *from = text_format("%s/klipper.tmp", scene->mind.firmware_path);
	_cleanup_(freep) char *to = text_format("%s/klipper.bin", scene->mind.firmware_path);
	given_an_updated_node(scene);
	in_force(scene);
	put(scene, "klipper.tmp");
	assert_int_equal(job_count(scene), 0);
	assert_int_equal(rename(from, to), 0);
	settle(&scene->mind);
	assert_int_equal(job_count(scene), 1);
}

static void one_that_is_still_written_does_not_count(void **state)
{
	struct scene *scene = *state;
	_cleanup_(freep) char *path = text_format("%s/klipper.bin", scene->mind.firmware_path);
	given_an_updated_node(scene);
	in_force(scene);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(write(fd, "half", 4), 4);
	settle(&scene->mind);
	assert_int_equal(job_count(scene), 0);
	safe_close(fd);
	settle(&scene->mind);
	assert_int_equal(job_count(scene), 1);
}

static void patterns_and_auto_mean_what_they_mean_elsewhere(void **state)
{
	struct scene *scene = *state;
	struct policy_rule *rule = given_an_updated_node(scene);
	free(rule->image);
	rule->image = strdup("klipper-*.bin");
	rule = given_a_node(&scene->mind, "hotend", ANOTHER);
	free(rule->image);
	rule->image = strdup("auto");
	rule->on_update = true;
	in_force(scene);
	put(scene, "katapult.bin");
	assert_int_equal(job_count(scene), 1);
	put(scene, "klipper-1.bin");
	assert_int_equal(job_count(scene), 2);
}

/* "make clean" takes the directory away, and make brings it back. */
static void a_directory_that_comes_back_is_watched_again(void **state)
{
	struct scene *scene = *state;
	struct policy_rule *rule = given_an_updated_node(scene);
	_cleanup_(freep) char *out = text_format("%s/out", scene->mind.directory);
	free(rule->image);
	rule->image = text_format("%s/klipper.bin", out);
	assert_int_equal(mkdir(out, 0755), 0);
	in_force(scene);
	assert_int_equal(rmdir(out), 0);
	settle(&scene->mind);
	assert_int_equal(mkdir(out, 0755), 0);
	settle(&scene->mind);
	put_file(out, "klipper.bin", "new");
	settle(&scene->mind);
	assert_int_equal(job_count(scene), 1);
}

/* ---- how often ---------------------------------------------------------------------------- */

static void refuse(struct scene *scene, int worker)
{
	const struct wire_message outcome = { .type = WIRE_OUTCOME,
		.outcome = { .outcome = OUTCOME_FAILED,
			.reason = REASON_BOARD_SILENT,
			.sentence = "it does not answer" } };
	assert_int_equal(wire_send(worker, &outcome, -1), 0);
	settle(&scene->mind);
}

static void what_fails_is_not_tried_again_before_the_next_change(void **state)
{
	struct scene *scene = *state;
	struct wire_job job;
	given_an_updated_node(scene);
	in_force(scene);
	put(scene, "klipper.bin");
	_cleanup_(closep) int first = await_worker(&scene->mind, &job);
	refuse(scene, first);
	assert_int_equal(job_count(scene), 1);
	assert_false(has_news(scene->mind.listener));
	put(scene, "klipper.bin");
	_cleanup_(closep) int second = await_worker(&scene->mind, &job);
	(void)second;
	assert_int_equal(job_count(scene), 2);
}

static void a_board_that_is_busy_gets_its_turn_once(void **state)
{
	struct scene *scene = *state;
	struct wire_job job;
	given_an_updated_node(scene);
	in_force(scene);
	put(scene, "klipper.bin");
	_cleanup_(closep) int first = await_worker(&scene->mind, &job);
	put(scene, "klipper.bin");
	put(scene, "klipper.bin");
	assert_int_equal(job_count(scene), 1);
	refuse(scene, first);
	_cleanup_(closep) int second = await_worker(&scene->mind, &job);
	assert_int_equal(job_count(scene), 2);
	refuse(scene, second);
	assert_int_equal(job_count(scene), 2);
}

static void every_board_of_the_image_gets_it(void **state)
{
	struct scene *scene = *state;
	struct wire_job one, other;
	given_an_updated_node(scene);
	given_a_node(&scene->mind, "hotend", ANOTHER)->on_update = true;
	in_force(scene);
	put(scene, "klipper.bin");
	_cleanup_(closep) int first = await_worker(&scene->mind, &one);
	(void)first;
	_cleanup_(closep) int second = await_worker(&scene->mind, &other);
	(void)second;
	assert_string_equal(one.can_uuid, UUID);
	assert_string_equal(other.can_uuid, ANOTHER);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, scene_new, scene_free)

int main(void)
{
	const struct CMUnitTest stories[] = {
		STORY(a_new_image_begins_a_job_for_its_board),
		STORY(another_file_does_not),
		STORY(nor_does_one_whose_rule_does_not_say_so),
		STORY(one_that_is_moved_in_counts_when_it_is_there),
		STORY(one_that_is_still_written_does_not_count),
		STORY(patterns_and_auto_mean_what_they_mean_elsewhere),
		STORY(a_directory_that_comes_back_is_watched_again),
		STORY(what_fails_is_not_tried_again_before_the_next_change),
		STORY(a_board_that_is_busy_gets_its_turn_once),
		STORY(every_board_of_the_image_gets_it),
	};
	return cmocka_run_group_tests(stories, NULL, NULL);
}
