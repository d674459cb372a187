/* SPDX-License-Identifier: MIT */
/* Looks at whole buses, in virtual time: who is there, what is wrong, and how little is said. */
#include "unit/katapult_story.h"

#include <errno.h>

#include "model/can_health.h"
#include "port/can.h"

static const struct story_board node = {
	.chip = STM32_G0B1_512K, .on_can = true, .old_bytes = STORY_KLIPPER_BYTES
};

static void on_keep(
	void *context, enum keepsake kind, uint32_t address, const uint8_t *bytes, size_t length)
{
	(void)address;
	assert_int_equal(kind, KEEP_CAN);
	assert_int_equal(can_sight_decode(bytes, length, context), 0);
}

static int go_on(void *context, enum job_phase phase, uint64_t done, uint64_t total)
{
	(void)context, (void)phase, (void)done, (void)total;
	return 0;
}

static void look(struct katapult_story *story, const char (*expected)[CAN_UUID_TEXT], size_t count,
	struct can_sight *ret)
{
	const struct backend *backend = backend_for_mode(MODE_CAN);
	const struct backend_watch watch = {
		.on_progress = go_on, .on_keep = on_keep, .context = ret
	};
	const struct board_address address = {
		.can = STORY_BUS, .expected = expected, .expected_count = count
	};
	struct backend_session *session = NULL;
	struct backend_failure failure;
	struct board_facts facts;
	uint64_t since = bench_now_nsec(story->bench);
	if (backend->open(&address, &watch, &session, &failure) < 0 ||
		backend->probe(session, &facts, &failure) < 0)
		fail_msg("%s", failure.sentence);
	assert_null(backend->close(session));
	assert_in_range(bench_now_nsec(story->bench) - since, 0, 10 * NSEC_PER_SEC);
}

static enum can_health health_of(const struct can_sight *sight)
{
	struct can_diagnosis diagnosis;
	can_diagnose(sight, NULL, &diagnosis);
	return diagnosis.health;
}

static const struct can_node *find(const struct can_sight *sight, const char *uuid)
{
	for (size_t i = 0; i < sight->node_count; i++)
		if (text_equal(sight->nodes[i].uuid, uuid))
			return &sight->nodes[i];
	fail_msg("no node %s", uuid);
	return NULL;
}

static void a_katapult_and_a_klipper_say_what_they_are(void **state)
{
	(void)state;
	struct can_sight sight;
	char uuid[CAN_UUID_TEXT];
	_cleanup_(katapult_story_freep) struct katapult_story *story = katapult_story_new(&node);
	katapult_story_reset(story);
	assert_true(katapult_story_await_application(story));
	struct bench_board *loader = katapult_story_plug_beside(story, STM32_G0B1_512K, 7);
	text_hex(bench_resident(loader)->can.uuid, BUS_NODE_UUID_BYTES, uuid);
	look(story, NULL, 0, &sight);
	assert_int_equal(sight.node_count, 2);
	const struct can_node *klipper = find(&sight, story->uuid), *katapult = find(&sight, uuid);
	assert_int_equal(klipper->kind, CAN_NODE_KLIPPER);
	assert_true(klipper->is_asked && katapult->is_asked);
	assert_string_equal(klipper->running.version, "v0.13.0-1-g0a1b2c3d");
	assert_int_equal(katapult->kind, CAN_NODE_KATAPULT);
	assert_int_equal(katapult->application_start, story->base + story->offset);
	assert_string_equal(katapult->bootloader_version, KATA_VERSION);
	assert_int_equal(bench_resident(loader)->katapult.counters.wedges, 0);
	/* Both answered the query, under one number. */
	assert_int_equal(health_of(&sight), CAN_COLLIDING);
}

/* A Klipper keeps its number for ever, and answers no query then. */
static void a_node_that_has_a_number_is_asked_by_its_name(void **state)
{
	(void)state;
	struct can_sight sight;
	char expected[2][CAN_UUID_TEXT] = { "", "38c9bdae9652" };
	_cleanup_(katapult_story_freep) struct katapult_story *story = katapult_story_new(&node);
	katapult_story_reset(story);
	assert_true(katapult_story_await_application(story));
	look(story, NULL, 0, &sight);
	assert_int_equal(health_of(&sight), CAN_WELL);
	look(story, NULL, 0, &sight);
	assert_int_equal(sight.node_count, 0);
	assert_int_equal(health_of(&sight), CAN_QUIET);
	strcpy(expected[0], story->uuid);
	look(story, (const char(*)[CAN_UUID_TEXT])expected, 2, &sight);
	assert_true(find(&sight, story->uuid)->is_asked);
	assert_int_equal(find(&sight, expected[1])->kind, CAN_NODE_SILENT);
	assert_int_equal(health_of(&sight), CAN_NODE_MISSING);
	assert_int_equal(bench_resident(story->board)->can.counters.conflicts, 0);
}

/* ---- the lock ----------------------------------------------------------------------------- */

struct moment {
	struct katapult_story *story;
	bool has_ended;
};

static void look_at_all(void *context)
{
	struct moment *moment = context;
	struct can_sight sight;
	look(moment->story, NULL, 0, &sight);
	assert_true(find(&sight, moment->story->uuid)->is_asked);
	moment->has_ended = true;
}

static void want_a_share(void *context)
{
	struct moment *moment = context;
	_cleanup_(can_closep) struct can *can = NULL;
	unsigned share, times = 0;
	assert_int_equal(can_open(STORY_BUS, &can), 0);
	while (can_lock_share(can, &share) == -EBUSY) {
		assert_false(moment->has_ended);
		bench_advance(moment->story->bench, 10 * NSEC_PER_MSEC);
		times++;
	}
	assert_true(moment->has_ended && times > 10);
}

/* A node that is written must not get another number in the middle of it. */
static void nobody_gets_a_share_before_a_look_has_ended(void **state)
{
	(void)state;
	_cleanup_(katapult_story_freep) struct katapult_story *story = katapult_story_new(&node);
	struct moment moment = { .story = story };
	const struct bench_side sides[] = {
		{ .run = look_at_all, .context = &moment },
		{ .run = want_a_share, .context = &moment },
	};
	katapult_story_reset(story);
	assert_true(katapult_story_await_application(story));
	bench_side_by_side(story->bench, sides, ELEMENTSOF(sides));
}

/* ---- how little is said -------------------------------------------------------------------- */

static void where_klippers_host_talks_one_frame_is_all(void **state)
{
	(void)state;
	struct can_sight sight;
	_cleanup_(katapult_story_freep) struct katapult_story *story = katapult_story_new(&node);
	bench_use_bus(story->bench, 3);
	look(story, NULL, 0, &sight);
	assert_int_equal(bench_bus(story->bench)->host_frames, 1);
	assert_int_equal(bench_resident(story->board)->can.counters.numbered, 0);
	assert_int_equal(sight.listeners, 3);
	assert_int_equal(health_of(&sight), CAN_IN_USE);
}

static void each_trouble_of_a_bus_has_its_name(void **state)
{
	(void)state;
	struct can_sight sight;
	_cleanup_(katapult_story_freep) struct katapult_story *story = katapult_story_new(&node);
	bench_unplug(story->board);
	look(story, NULL, 0, &sight);
	assert_int_equal(health_of(&sight), CAN_UNACKNOWLEDGED);
	assert_int_equal(sight.interface.controller, CAN_ERROR_PASSIVE);
	bench_set_bus_up(story->bench, false);
	look(story, NULL, 0, &sight);
	assert_int_equal(health_of(&sight), CAN_DOWN);
	katapult_story_free(TAKE_PTR(story));

	struct story_board wrong = node;
	wrong.bus.host_bitrate = 500000;
	story = katapult_story_new(&wrong);
	look(story, NULL, 0, &sight);
	assert_int_equal(health_of(&sight), CAN_WRONG_BITRATE);
	assert_int_equal(sight.interface.controller, CAN_BUS_OFF);
	katapult_story_free(TAKE_PTR(story));

	struct story_board bridge = node;
	bridge.bus.is_bridge = true;
	story = katapult_story_new(&bridge);
	look(story, NULL, 0, &sight);
	assert_int_equal(health_of(&sight), CAN_WELL);
	struct can_diagnosis diagnosis;
	can_diagnose(&sight, NULL, &diagnosis);
	assert_true(diagnosis.is_blind);
}

/* ---- beside Klipper's host ---------------------------------------------------------------- */

#define KLIPPYS_FRAMES 2000u
#define KLIPPYS_NUMBER 0x108u

struct neighbours {
	struct katapult_story *story;
	struct can_sight sight;
	struct katapult_visit visit;
	unsigned ours, most_ours, klippys;
};

/* Always has the next frame ready: as much goes out as the bus carries. */
static void talk_without_end(void *context)
{
	static const uint8_t bytes[CAN_PAYLOAD] = { 0x08, 0x10 };
	(void)context;
	_cleanup_(can_closep) struct can *can = NULL;
	assert_int_equal(can_open(STORY_BUS, &can), 0);
	for (unsigned i = 0; i < KLIPPYS_FRAMES; i++)
		assert_int_equal(can_send(can, KLIPPYS_NUMBER, bytes, sizeof(bytes), 1000), 0);
}

/* Hears the bus in its order. */
static void count_frames(void *context)
{
	struct neighbours *neighbours = context;
	struct can_frame_seen frame;
	_cleanup_(can_closep) struct can *can = NULL;
	assert_int_equal(can_open(STORY_BUS, &can), 0);
	assert_int_equal(can_listen(can, NULL, 0, false), 0);
	unsigned in_a_row = 0;
	while (can_receive(can, &frame, 1000) == 0) {
		bool is_klippys = frame.number == KLIPPYS_NUMBER;
		if (frame.number & 1)
			continue; /* a node's */
		in_a_row = is_klippys ? 0 : in_a_row + 1;
		neighbours->klippys += is_klippys;
		neighbours->ours += !is_klippys;
		if (in_a_row > neighbours->most_ours)
			neighbours->most_ours = in_a_row;
	}
}

static void look_beside(void *context)
{
	struct neighbours *neighbours = context;
	look(neighbours->story, NULL, 0, &neighbours->sight);
}

static void visit_beside(void *context)
{
	struct neighbours *neighbours = context;
	neighbours->visit = katapult_story_visit(neighbours->story, false);
}

static void live_beside(struct neighbours *neighbours, void (*what)(void *context))
{
	const struct bench_side sides[] = {
		{ .run = count_frames, .context = neighbours },
		{ .run = talk_without_end },
		{ .run = what, .context = neighbours },
	};
	bench_use_bus(neighbours->story->bench, 2);
	bench_side_by_side(neighbours->story->bench, sides, ELEMENTSOF(sides));
	assert_int_equal(neighbours->klippys, KLIPPYS_FRAMES);
	assert_int_equal(bench_resident(neighbours->story->board)->can.counters.numbered, 0);
}

static void klippers_host_waits_for_one_frame_of_ours_at_most(void **state)
{
	(void)state;
	_cleanup_(katapult_story_freep) struct katapult_story *story = katapult_story_new(&node);
	struct neighbours neighbours = { .story = story };
	live_beside(&neighbours, look_beside);
	assert_int_equal(neighbours.ours, 1);
	assert_int_equal(neighbours.most_ours, 1);
	assert_int_equal(health_of(&neighbours.sight), CAN_IN_USE);
}

static void and_for_none_of_a_refusal(void **state)
{
	(void)state;
	_cleanup_(katapult_story_freep) struct katapult_story *story = katapult_story_new(&node);
	struct neighbours neighbours = { .story = story };
	live_beside(&neighbours, visit_beside);
	assert_int_equal(neighbours.ours, 0);
	katapult_story_expect_reason(
		&neighbours.visit, REASON_BOARD_BUSY, "systemctl stop klipper");
}

int main(void)
{
	const struct CMUnitTest stories[] = {
		cmocka_unit_test(a_katapult_and_a_klipper_say_what_they_are),
		cmocka_unit_test(a_node_that_has_a_number_is_asked_by_its_name),
		cmocka_unit_test(nobody_gets_a_share_before_a_look_has_ended),
		cmocka_unit_test(where_klippers_host_talks_one_frame_is_all),
		cmocka_unit_test(each_trouble_of_a_bus_has_its_name),
		cmocka_unit_test(klippers_host_waits_for_one_frame_of_ours_at_most),
		cmocka_unit_test(and_for_none_of_a_refusal),
	};
	return cmocka_run_group_tests(stories, NULL, NULL);
}
