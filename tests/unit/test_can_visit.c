/* SPDX-License-Identifier: MIT */
/*
 * Visits to nodes of a CAN bus, in virtual time: looked at, written, written again, started; and
 * what is not done to whom.
 */
#include "unit/katapult_story.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/can_stream.h"
#include "backend/can_words.h"
#include "backend/katapult_frame.h"

static const struct story_board node = {
	.chip = STM32_G0B1_512K, .on_can = true, .old_bytes = STORY_KLIPPER_BYTES
};

/* Stays in Katapult. */
static const struct story_board blank_node = { .chip = STM32_G0B1_512K, .on_can = true };

static const struct bus_node *node_of(const struct katapult_story *story)
{
	return &bench_resident(story->board)->can;
}

static void a_node_is_looked_at_written_and_started(void **state)
{
	(void)state;
	_cleanup_(katapult_story_freep) struct katapult_story *story = katapult_story_new(&node);
	struct katapult_visit visit = katapult_story_visit(story, false);
	katapult_story_expect_flashed(story, &visit);
	assert_true(visit.is_restarted);
	assert_int_equal(visit.facts.reach, TRANSPORT_CAN);
	assert_int_equal(visit.facts.can_bitrate, 1000000);
	assert_int_equal(visit.facts.application_start, story->base + story->offset);
	assert_int_equal(story->keeps, 1);
	assert_memory_equal(story->kept, story->old, story->old_length);
	assert_int_equal(katapult_story_counters(story)->wedges, 0);
	assert_int_equal(node_of(story)->counters.lost, 0);
	assert_int_equal(katapult_story_line(story)->unsent, 0);
}

static void the_same_image_again_is_only_read(void **state)
{
	(void)state;
	_cleanup_(katapult_story_freep) struct katapult_story *story = katapult_story_new(&node);
	struct katapult_visit visit = katapult_story_write(story, false);
	katapult_story_expect_flashed(story, &visit);
	uint64_t erases = katapult_story_erases(story);
	visit = katapult_story_write(story, false);
	katapult_story_expect_flashed(story, &visit);
	assert_int_equal(katapult_story_erases(story), erases);
}

static void other_chips_are_written_as_well(void **state)
{
	(void)state;
	static const enum stm32_chip chips[] = { STM32_F072, STM32_F103, STM32_F446, STM32_H723 };
	for (size_t i = 0; i < ELEMENTSOF(chips); i++) {
		struct story_board board = node;
		board.chip = chips[i];
		_cleanup_(katapult_story_freep) struct katapult_story *story =
			katapult_story_new(&board);
		struct katapult_visit visit = katapult_story_visit(story, false);
		katapult_story_expect_flashed(story, &visit);
		assert_int_equal(node_of(story)->counters.lost, 0);
	}
}

/* ---- whom nobody speaks to ---------------------------------------------------------------- */

static void expect_silence(struct katapult_story *story, enum reason_code code, const char *words)
{
	uint64_t frames = bench_bus(story->bench)->host_frames;
	struct katapult_visit visit = katapult_story_visit(story, false);
	katapult_story_expect_reason(&visit, code, words);
	assert_int_equal(bench_bus(story->bench)->host_frames, frames);
	assert_true(katapult_story_is_as_before(story));
}

static void where_klippers_host_talks_nobody_else_does(void **state)
{
	(void)state;
	_cleanup_(katapult_story_freep) struct katapult_story *story = katapult_story_new(&node);
	bench_use_bus(story->bench, 2);
	expect_silence(story, REASON_BOARD_BUSY, "systemctl stop klipper");
}

static void an_interface_that_is_down_is_named(void **state)
{
	(void)state;
	_cleanup_(katapult_story_freep) struct katapult_story *story = katapult_story_new(&node);
	bench_set_bus_up(story->bench, false);
	expect_silence(story, REASON_BUS_DOWN, "can0 is down");
}

static void a_node_that_is_off_leaves_a_bus_where_nobody_acknowledges(void **state)
{
	(void)state;
	_cleanup_(katapult_story_freep) struct katapult_story *story = katapult_story_new(&node);
	bench_unplug(story->board);
	struct katapult_visit visit = katapult_story_look(story);
	katapult_story_expect_reason(&visit, REASON_BUS_BLOCKED, "no node acknowledges");
	assert_int_equal(bench_bus(story->bench)->state, CAN_BUS_IS_PASSIVE);
}

static void at_another_rate_the_controller_leaves_the_bus(void **state)
{
	(void)state;
	struct story_board board = node;
	board.bus.host_bitrate = 500000;
	_cleanup_(katapult_story_freep) struct katapult_story *story = katapult_story_new(&board);
	struct katapult_visit visit = katapult_story_look(story);
	katapult_story_expect_reason(&visit, REASON_BUS_DOWN, "taken itself off the bus");
	assert_int_equal(bench_bus(story->bench)->state, CAN_BUS_IS_OFF);
}

static void a_name_that_nobody_has_is_silent_though_others_are_there(void **state)
{
	(void)state;
	_cleanup_(katapult_story_freep) struct katapult_story *story = katapult_story_new(&node);
	katapult_story_plug_beside(story, STM32_G0B1_512K, 7);
	strcpy(story->uuid, "0123456789ab");
	struct katapult_visit visit = katapult_story_visit(story, false);
	katapult_story_expect_reason(&visit, REASON_BOARD_SILENT, "does not answer");
	assert_true(katapult_story_is_as_before(story));
	assert_int_equal(node_of(story)->counters.numbered, 0);
}

static void who_says_another_name_than_it_hears_is_not_written(void **state)
{
	(void)state;
	_cleanup_(katapult_story_freep) struct katapult_story *story = katapult_story_new(&node);
	struct bus_node *its = &bench_resident(story->board)->can;
	its->uuid[0] ^= 1;
	text_hex(its->uuid, BUS_NODE_UUID_BYTES, story->uuid);
	struct katapult_visit visit = katapult_story_visit(story, false);
	katapult_story_expect_reason(&visit, REASON_BOARD_CHANGED, "nothing was written");
	assert_true(katapult_story_is_as_before(story));
}

/* ---- nodes that come late ----------------------------------------------------------------- */

static void come_late(void *context)
{
	struct katapult_story *story = context;
	bench_advance(story->bench, NSEC_PER_SEC);
	bench_replug(story->board, false);
}

static void look_meanwhile(void *context)
{
	struct katapult_story *story = context;
	struct katapult_visit visit = katapult_story_look(story);
	assert_int_equal(visit.result, 0);
}

/* While the only node of a bus resets nobody acknowledges, and the queue is full. */
static void a_node_that_is_alone_may_take_its_time_to_come_back(void **state)
{
	(void)state;
	_cleanup_(katapult_story_freep) struct katapult_story *story =
		katapult_story_new(&blank_node);
	const struct bench_side sides[] = {
		{ .run = look_meanwhile, .context = story },
		{ .run = come_late, .context = story },
	};
	bench_unplug(story->board);
	bench_side_by_side(story->bench, sides, ELEMENTSOF(sides));
	assert_int_equal(katapult_story_counters(story)->wedges, 0);
}

/* Also behind errors of the bus that came before it. */
static void what_came_and_was_not_read_is_thrown_away(void **state)
{
	(void)state;
	uint8_t frame[KATAPULT_FRAME_MAX], bytes[CAN_PAYLOAD];
	size_t length = katapult_frame(KATAPULT_CONNECT, NULL, 0, frame);
	_cleanup_(katapult_story_freep) struct katapult_story *story =
		katapult_story_new(&blank_node);
	const struct can_word word = can_word_number_katapult(story->uuid, 160);
	struct can_stream stream;
	bench_unplug(story->board);
	assert_int_equal(can_stream_open(&stream, STORY_BUS, 160), 0);
	assert_int_equal(can_send(stream.can, CAN_ADMIN, word.bytes, word.length, 100), 0);
	bench_replug(story->board, false);
	/* There is no room for more behind the errors of meanwhile. */
	for (unsigned i = 0; i < 100; i++) {
		struct can_frame_seen seen;
		assert_int_equal(can_receive(stream.can, &seen, 0), 0);
		assert_true(seen.is_error);
	}
	assert_int_equal(stream_write(&stream.stream, frame, length, 100), 0);
	bench_advance(story->bench, 20 * NSEC_PER_MSEC);
	assert_int_equal(stream_discard_input(&stream.stream), 0);
	assert_true(stream.errors.no_acknowledge > 0);
	assert_int_equal(stream_read(&stream.stream, bytes, sizeof(bytes), 100), -ETIMEDOUT);
	assert_int_equal(stream_write(&stream.stream, frame, length, 100), 0);
	assert_int_equal(stream_read(&stream.stream, bytes, sizeof(bytes), 100), CAN_PAYLOAD);
	can_stream_done(&stream);
}

/* ---- in Klipper --------------------------------------------------------------------------- */

static void a_node_that_runs_klipper_says_so(void **state)
{
	(void)state;
	_cleanup_(katapult_story_freep) struct katapult_story *story = katapult_story_new(&node);
	katapult_story_reset(story);
	assert_true(katapult_story_await_application(story));
	struct katapult_visit visit = katapult_story_look(story);
	katapult_story_expect_reason(&visit, REASON_RUNS_APPLICATION, "runs Klipper");
}

static void klipper_says_what_it_is_and_makes_way_for_katapult(void **state)
{
	(void)state;
	const struct backend *klipper = backend_for_mode(MODE_KLIPPER);
	const struct backend_watch watch = { 0 };
	struct backend_session *session = NULL;
	struct backend_failure failure;
	struct board_facts facts;
	_cleanup_(katapult_story_freep) struct katapult_story *story = katapult_story_new(&node);
	const struct board_address address = katapult_story_address(story);
	katapult_story_reset(story);
	assert_true(katapult_story_await_application(story));
	assert_int_equal(klipper->open(&address, &watch, &session, &failure), 0);
	assert_int_equal(klipper->probe(session, &facts, &failure), 0);
	assert_string_equal(facts.running.version, "v0.13.0-1-g0a1b2c3d");
	assert_int_equal(klipper->enter(session, &failure), 0);
	assert_null(klipper->close(session));
	struct katapult_visit visit = katapult_story_visit(story, false);
	katapult_story_expect_flashed(story, &visit);
	assert_int_equal(katapult_story_counters(story)->wedges, 0);
}

/* ---- a bridge ----------------------------------------------------------------------------- */

#define BRIDGE_NET "/1-1/1-1:1.0/net"

static void remove_bridge(char **path)
{
	static const char *const parts[] = { ("/1-1/1-1:1.0/net/" STORY_BUS), "/1-1/1-1:1.0/net",
		"/1-1/1-1:1.0", "/1-1", "" };
	for (size_t i = 0; i < ELEMENTSOF(parts); i++) {
		_cleanup_(freep) char *part = text_format("%s%s", *path, parts[i]);
		(void)!rmdir(part);
	}
}

static void make_directory(const char *path, const char *part)
{
	_cleanup_(freep) char *directory = text_format("%s%s", path, part);
	assert_int_equal(mkdir(directory, 0700), 0);
}

/* It is a USB device, and the interface below it is the way to itself. */
static void a_bridge_is_spoken_to_through_its_own_interface(void **state)
{
	(void)state;
	char directory[] = "/tmp/bridge-XXXXXX";
	_cleanup_(remove_bridge) char *path = mkdtemp(directory);
	assert_non_null(path);
	make_directory(path, "/1-1");
	make_directory(path, "/1-1/1-1:1.0");
	struct story_board board = node;
	board.bus.is_bridge = true;
	_cleanup_(katapult_story_freep) struct katapult_story *story = katapult_story_new(&board);
	_cleanup_(freep) char *syspath = text_format("%s/1-1", path);
	const struct board_address address = { .usb.syspath = syspath, .can_uuid = story->uuid };
	const struct backend *klipper = backend_for_mode(MODE_KLIPPER);
	const struct backend_watch watch = { 0 };
	struct backend_session *session = NULL;
	struct backend_failure failure;
	struct board_facts facts;
	katapult_story_reset(story);
	assert_true(katapult_story_await_application(story));
	assert_int_equal(klipper->open(&address, &watch, &session, &failure), -ENODEV);
	assert_int_equal(failure.code, REASON_BUS_DOWN);

	make_directory(path, BRIDGE_NET);
	make_directory(path, BRIDGE_NET "/" STORY_BUS);
	assert_int_equal(klipper->open(&address, &watch, &session, &failure), 0);
	assert_int_equal(klipper->probe(session, &facts, &failure), 0);
	assert_string_equal(facts.running.version, "v0.13.0-1-g0a1b2c3d");
	/* What Linux has set means nothing to it. */
	assert_int_equal(facts.can_bitrate, 0);
	assert_int_equal(klipper->enter(session, &failure), 0);
	assert_null(klipper->close(session));
}

int main(void)
{
	const struct CMUnitTest stories[] = {
		cmocka_unit_test(a_node_is_looked_at_written_and_started),
		cmocka_unit_test(the_same_image_again_is_only_read),
		cmocka_unit_test(other_chips_are_written_as_well),
		cmocka_unit_test(where_klippers_host_talks_nobody_else_does),
		cmocka_unit_test(an_interface_that_is_down_is_named),
		cmocka_unit_test(a_node_that_is_off_leaves_a_bus_where_nobody_acknowledges),
		cmocka_unit_test(at_another_rate_the_controller_leaves_the_bus),
		cmocka_unit_test(a_name_that_nobody_has_is_silent_though_others_are_there),
		cmocka_unit_test(who_says_another_name_than_it_hears_is_not_written),
		cmocka_unit_test(a_node_that_is_alone_may_take_its_time_to_come_back),
		cmocka_unit_test(what_came_and_was_not_read_is_thrown_away),
		cmocka_unit_test(a_node_that_runs_klipper_says_so),
		cmocka_unit_test(klipper_says_what_it_is_and_makes_way_for_katapult),
		cmocka_unit_test(a_bridge_is_spoken_to_through_its_own_interface),
	};
	return cmocka_run_group_tests(stories, NULL, NULL);
}
