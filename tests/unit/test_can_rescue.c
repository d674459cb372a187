/* SPDX-License-Identifier: MIT */
/* A bus comes up: who is asked, who is looked at, and who gets a job. The hands are played by the
 * story, and so are the printers. */
#include "unit/expect.h"

#include <sys/socket.h>

#include "daemon/can_rescue.h"
#include "unit/mind_story.h"

#define UUID    "154aab036e6a"
#define ANOTHER "154aab036e6b"

#define QUIET                                             \
	"{\"id\":1,\"result\":{\"state\":\"ready\"}}\x03" \
	"{\"id\":2,\"result\":{\"status\":{\"print_stats\":{\"state\":\"standby\"}}}}\x03"
#define PRINTING                                          \
	"{\"id\":1,\"result\":{\"state\":\"ready\"}}\x03" \
	"{\"id\":2,\"result\":{\"status\":{\"print_stats\":{\"state\":\"printing\"}}}}\x03"

struct scene {
	struct mind_story mind;
	char printer_path[128];
	int printer;
	struct can_rescue *rescue;
};

static int scene_new(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));
	*state = scene;
	mind_begin(&scene->mind);
	scene->printer = -1;
	snprintf(scene->printer_path, sizeof(scene->printer_path), "%s/klippy",
		scene->mind.directory);
	return can_rescue_new(
		scene->mind.event, scene->mind.worker_path, scene->mind.conduct, &scene->rescue);
}

static int scene_free(void **state)
{
	struct scene *scene = *state;
	can_rescue_free(scene->rescue);
	mind_end(&scene->mind);
	safe_close(scene->printer);
	free(scene);
	return 0;
}

/* ---- what the policy says ----------------------------------------------------------------- */

static void given_a_toolhead(struct scene *scene, bool flash_present)
{
	given_a_node(&scene->mind, "toolhead", UUID)->flash_present = flash_present;
}

static void given_a_printer(struct scene *scene)
{
	struct policy_printer *printer = policy_add_printer(scene->mind.policy);
	printer->name = strdup("voron");
	printer->socket = strdup(scene->printer_path);
	scene->printer = listen_at(scene->printer_path, SOCK_STREAM);
}

/* ---- the hands ---------------------------------------------------------------------------- */

static struct can_sight sight_of(const char *uuid, enum can_node_kind kind)
{
	struct can_sight sight = { .interface.name = "can0", .was_asked = true };
	strcpy(sight.nodes[0].uuid, uuid);
	sight.nodes[0].kind = kind;
	sight.node_count = 1;
	return sight;
}

static void hand_over(struct scene *scene, int worker, const struct can_sight *sight)
{
	_cleanup_(buffer_done) struct buffer bytes = { 0 };
	struct wire_message keep = { .type = WIRE_KEEP, .keep.kind = KEEP_CAN };
	const struct wire_message evidence = { .type = WIRE_EVIDENCE,
		.evidence = { .reach = TRANSPORT_CAN } };
	can_sight_encode(sight, &bytes);
	keep.keep.total_bytes = keep.keep.length = (uint32_t)bytes.length;
	assert_true(bytes.length <= sizeof(keep.keep.bytes));
	memcpy(keep.keep.bytes, bytes.data, bytes.length);
	assert_int_equal(wire_send(worker, &keep, -1), 0);
	assert_int_equal(wire_send(worker, &evidence, -1), 0);
	settle(&scene->mind);
}

static void look(struct scene *scene, bool was_present)
{
	can_rescue_look(scene->rescue, scene->mind.policy, "can0", was_present);
}

/* ---- who is rescued ----------------------------------------------------------------------- */

static void a_node_that_is_stuck_in_katapult_gets_a_job(void **state)
{
	struct scene *scene = *state;
	struct wire_job job;
	given_a_toolhead(scene, false);
	look(scene, false);
	_cleanup_(closep) int looks = await_worker(&scene->mind, &job);
	assert_int_equal(job.mode, MODE_CAN);
	assert_string_equal(job.can, "can0");
	assert_int_equal(job.expected_count, 1);
	assert_string_equal(job.expected[0], UUID);
	const struct can_sight sight = sight_of(UUID, CAN_NODE_KATAPULT);
	hand_over(scene, looks, &sight);
	_cleanup_(closep) int flashes = await_worker(&scene->mind, &job);
	(void)flashes; /* stays open until the end */
	assert_int_equal(job.mode, MODE_KATAPULT);
	assert_string_equal(job.can, "can0");
	assert_string_equal(job.can_uuid, UUID);
	assert_string_equal(only_job(&scene->mind)->device->place, "can0-" UUID);
}

static void one_that_runs_is_left_alone(void **state)
{
	struct scene *scene = *state;
	struct wire_job job;
	given_a_toolhead(scene, false);
	look(scene, false);
	_cleanup_(closep) int looks = await_worker(&scene->mind, &job);
	const struct can_sight sight = sight_of(UUID, CAN_NODE_KLIPPER);
	hand_over(scene, looks, &sight);
	assert_int_equal(queue_count(conduct_queue(scene->mind.conduct)), 0);
}

static void so_is_one_that_no_rule_means(void **state)
{
	struct scene *scene = *state;
	struct wire_job job;
	given_a_toolhead(scene, false);
	look(scene, false);
	_cleanup_(closep) int looks = await_worker(&scene->mind, &job);
	const struct can_sight sight = sight_of(ANOTHER, CAN_NODE_KATAPULT);
	hand_over(scene, looks, &sight);
	assert_int_equal(queue_count(conduct_queue(scene->mind.conduct)), 0);
}

static void who_was_there_before_the_service_was_not_plugged_in(void **state)
{
	struct scene *scene = *state;
	struct wire_job job;
	given_a_toolhead(scene, false);
	look(scene, true);
	_cleanup_(closep) int looks = await_worker(&scene->mind, &job);
	const struct can_sight sight = sight_of(UUID, CAN_NODE_KATAPULT);
	hand_over(scene, looks, &sight);
	assert_int_equal(queue_count(conduct_queue(scene->mind.conduct)), 0);
}

static void unless_its_rule_says_present(void **state)
{
	struct scene *scene = *state;
	struct wire_job job;
	given_a_toolhead(scene, true);
	look(scene, true);
	_cleanup_(closep) int looks = await_worker(&scene->mind, &job);
	const struct can_sight sight = sight_of(UUID, CAN_NODE_KATAPULT);
	hand_over(scene, looks, &sight);
	_cleanup_(closep) int flashes = await_worker(&scene->mind, &job);
	(void)flashes; /* stays open until the end */
	assert_string_equal(job.can_uuid, UUID);
}

static void nobody_looks_where_nobody_can_be(void **state)
{
	struct scene *scene = *state;
	given_a_toolhead(scene, false);
	can_rescue_look(scene->rescue, scene->mind.policy, "can1", false);
	settle(&scene->mind);
	assert_false(has_news(scene->mind.listener));
}

/* ---- who must not be disturbed ------------------------------------------------------------ */

static void answer_as_printer(struct scene *scene, const char *words)
{
	run_until(&scene->mind, scene->printer);
	_cleanup_(closep) int client = accept4(scene->printer, NULL, NULL, SOCK_CLOEXEC);
	assert_int_equal(send(client, words, strlen(words), MSG_NOSIGNAL), strlen(words));
	settle(&scene->mind);
}

static void while_a_printer_prints_no_worker_is_started(void **state)
{
	struct scene *scene = *state;
	given_a_toolhead(scene, false);
	given_a_printer(scene);
	look(scene, false);
	answer_as_printer(scene, PRINTING);
	assert_false(has_news(scene->mind.listener));
	/* And the bus is free again. */
	assert_int_equal(conduct_hold_bus(scene->mind.conduct, "can0"), 0);
}

static void a_quiet_one_is_asked_before(void **state)
{
	struct scene *scene = *state;
	struct wire_job job;
	given_a_toolhead(scene, false);
	given_a_printer(scene);
	look(scene, false);
	settle(&scene->mind);
	assert_false(has_news(scene->mind.listener));
	answer_as_printer(scene, QUIET);
	_cleanup_(closep) int looks = await_worker(&scene->mind, &job);
	(void)looks; /* stays open until the end */
	assert_int_equal(job.mode, MODE_CAN);
}

static uint64_t flash_by_hand(struct scene *scene)
{
	_cleanup_(device_freep) struct device *node = device_new_node("can0", UUID, MODE_KATAPULT);
	_cleanup_(judgement_done) struct judgement judgement = { 0 };
	uint64_t id = 0;
	assert_int_equal(conduct_flash(scene->mind.conduct, node, &judgement, &id), 0);
	assert_int_equal(judgement.verdict, VERDICT_PROBE);
	return id;
}

static void a_job_waits_until_the_look_is_over(void **state)
{
	struct scene *scene = *state;
	struct wire_job job;
	given_a_toolhead(scene, false);
	look(scene, false);
	_cleanup_(closep) int looks = await_worker(&scene->mind, &job);
	flash_by_hand(scene);
	settle(&scene->mind);
	assert_int_equal(only_job(&scene->mind)->state, JOB_QUEUED);
	assert_false(has_news(scene->mind.listener));
	const struct can_sight sight = sight_of(UUID, CAN_NODE_KLIPPER);
	hand_over(scene, looks, &sight);
	_cleanup_(closep) int flashes = await_worker(&scene->mind, &job);
	(void)flashes; /* stays open until the end */
	assert_string_equal(job.can_uuid, UUID);
}

static void and_nobody_looks_while_there_is_a_job(void **state)
{
	struct scene *scene = *state;
	struct wire_job job;
	given_a_toolhead(scene, false);
	flash_by_hand(scene);
	_cleanup_(closep) int flashes = await_worker(&scene->mind, &job);
	(void)flashes; /* stays open until the end */
	look(scene, false);
	settle(&scene->mind);
	assert_false(has_news(scene->mind.listener));
}

/* ---- hands that are not to be trusted ------------------------------------------------------ */

static void a_sight_of_another_bus_is_none(void **state)
{
	struct scene *scene = *state;
	struct wire_job job;
	given_a_toolhead(scene, false);
	look(scene, false);
	_cleanup_(closep) int looks = await_worker(&scene->mind, &job);
	struct can_sight sight = sight_of(UUID, CAN_NODE_KATAPULT);
	strcpy(sight.interface.name, "can1");
	hand_over(scene, looks, &sight);
	assert_int_equal(queue_count(conduct_queue(scene->mind.conduct)), 0);
	assert_int_equal(conduct_hold_bus(scene->mind.conduct, "can0"), 0);
}

static void hands_that_die_free_the_bus(void **state)
{
	struct scene *scene = *state;
	struct wire_job job;
	given_a_toolhead(scene, false);
	look(scene, false);
	safe_close(await_worker(&scene->mind, &job));
	settle(&scene->mind);
	assert_int_equal(conduct_hold_bus(scene->mind.conduct, "can0"), 0);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, scene_new, scene_free)

int main(void)
{
	const struct CMUnitTest stories[] = {
		STORY(a_node_that_is_stuck_in_katapult_gets_a_job),
		STORY(one_that_runs_is_left_alone),
		STORY(so_is_one_that_no_rule_means),
		STORY(who_was_there_before_the_service_was_not_plugged_in),
		STORY(unless_its_rule_says_present),
		STORY(nobody_looks_where_nobody_can_be),
		STORY(while_a_printer_prints_no_worker_is_started),
		STORY(a_quiet_one_is_asked_before),
		STORY(a_job_waits_until_the_look_is_over),
		STORY(and_nobody_looks_while_there_is_a_job),
		STORY(a_sight_of_another_bus_is_none),
		STORY(hands_that_die_free_the_bus),
	};
	return cmocka_run_group_tests(stories, NULL, NULL);
}
