/* SPDX-License-Identifier: MIT */
/* What tells two RP2040s apart: the flash chip's id, read by code that runs on the board. */
#include "unit/picoboot_story.h"

#include <stdlib.h>

#include "unit/make_image.h"

#define IMAGE_BYTES    45000u
#define COMMAND_EXEC   0x08
#define EDDY_ID        "504450610847861C"
#define EXECS_OF_PROBE 2

static const struct rp2040_options eddy = {
	.unique_id = { 0x50, 0x44, 0x50, 0x61, 0x08, 0x47, 0x86, 0x1c },
	.unique_id_given = true,
};

static const struct rp2040_counters *counters_of(struct story *story)
{
	return rp2040_counters(bench_rp2040(story->board));
}

static void the_id_is_the_flash_chips(void **unused)
{
	(void)unused;
	_cleanup_(story_freep) struct story *story = story_new(&eddy, IMAGE_BYTES, 1);
	struct visit visit = story_visit(story, false);
	story_expect_flashed(story, &visit);
	assert_string_equal(visit.facts.unique_id, EDDY_ID);
	assert_int_equal(counters_of(story)->executions, EXECS_OF_PROBE);
	assert_int_equal(visit.tally.recoveries, 0);
	/* Nothing of it is left in the ROM's way. */
	assert_int_equal(counters_of(story)->commands_lost_to_abort, 0);
	assert_int_equal(counters_of(story)->commands_lost_to_busy, 0);
}

static void a_look_changes_no_flash(void **unused)
{
	(void)unused;
	_cleanup_(story_freep) struct story *story = story_new(&eddy, IMAGE_BYTES, 1);
	struct visit first = story_write(story, false);
	assert_int_equal(first.result, 0);
	uint64_t pages = counters_of(story)->pages_programmed;
	struct visit second = story_write(story, false);
	assert_int_equal(second.result, 0);
	assert_int_equal(counters_of(story)->pages_programmed, pages);
	assert_string_equal(second.facts.unique_id, EDDY_ID);
}

static void a_chip_without_an_id_is_one_of_many(void **unused)
{
	(void)unused;
	for (unsigned value = 0; value <= 0xff; value += 0xff) {
		struct rp2040_options options = { .unique_id_given = true };
		memset(options.unique_id, (int)value, sizeof options.unique_id);
		_cleanup_(story_freep) struct story *story = story_new(&options, IMAGE_BYTES, 1);
		struct visit visit = story_visit(story, false);
		story_expect_flashed(story, &visit);
		assert_string_equal(visit.facts.unique_id, "");
	}
}

/* A board on which the code does not get through is flashed all the same, and is told apart from
 * none. */
static void without_its_answer_the_board_is_one_of_many(void **unused)
{
	(void)unused;
	static const struct rp2040_fault faults[] = {
		{ .kind = RP2040_FAULT_STALL, .endpoint = 0x03 },
		{ .kind = RP2040_FAULT_STALL, .endpoint = 0x84 },
		{ .kind = RP2040_FAULT_WIRE_ERROR },
		{ .kind = RP2040_FAULT_LATE, .msec = 1500 },
	};
	for (size_t i = 0; i < ELEMENTSOF(faults); i++) {
		for (unsigned nth = 1; nth <= EXECS_OF_PROBE; nth++) {
			_cleanup_(story_freep) struct story *story =
				story_new(&eddy, IMAGE_BYTES, 1);
			struct rp2040_fault fault = faults[i];
			fault.trigger = RP2040_AT_COMMAND;
			fault.command = COMMAND_EXEC;
			fault.nth = nth;
			int number = bench_fault(story->board, &fault);
			assert_true(number >= 0);
			struct visit visit = story_visit(story, false);
			assert_true(bench_fault_fired(story->board, number));
			story_expect_flashed(story, &visit);
			assert_string_equal(visit.facts.unique_id, "");
		}
	}
}

/* Who answers nothing any more is no board that anybody should write to; only its power helps. */
static void a_board_that_hangs_there_is_refused(void **unused)
{
	(void)unused;
	_cleanup_(story_freep) struct story *story = story_new(&eddy, IMAGE_BYTES, 1);
	struct rp2040_fault fault = {
		.kind = RP2040_FAULT_HANG,
		.trigger = RP2040_AT_COMMAND,
		.command = COMMAND_EXEC,
	};
	assert_true(bench_fault(story->board, &fault) >= 0);
	struct visit visit = story_visit(story, false);
	assert_int_equal(visit.failure.code, REASON_BOARD_SILENT);
	assert_false(visit.is_probed);
	assert_true(story_is_as_before(story));
	story_expect_cured_by_replug(story);
}

static void a_board_that_leaves_meanwhile_has_left(void **unused)
{
	(void)unused;
	_cleanup_(story_freep) struct story *story = story_new(&eddy, IMAGE_BYTES, 1);
	struct rp2040_fault fault = {
		.kind = RP2040_FAULT_UNPLUG,
		.trigger = RP2040_AT_COMMAND,
		.command = COMMAND_EXEC,
	};
	assert_true(bench_fault(story->board, &fault) >= 0);
	struct visit visit = story_visit(story, false);
	assert_int_equal(visit.failure.code, REASON_BOARD_LEFT);
	assert_true(story_is_as_before(story));
	story_expect_cured_by_replug(story);
}

static void the_id_costs_milliseconds(void **unused)
{
	(void)unused;
	_cleanup_(story_freep) struct story *story = story_new(&eddy, IMAGE_BYTES, 1);
	struct visit visit = story_visit(story, false);
	print_message("# FIGURE a look at a blank RP2040, its id included: %.1f ms\n",
		(double)visit.probe_nsec / 1e6);
	assert_true(visit.probe_nsec < 20000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_id_is_the_flash_chips),
		cmocka_unit_test(a_look_changes_no_flash),
		cmocka_unit_test(a_chip_without_an_id_is_one_of_many),
		cmocka_unit_test(without_its_answer_the_board_is_one_of_many),
		cmocka_unit_test(a_board_that_hangs_there_is_refused),
		cmocka_unit_test(a_board_that_leaves_meanwhile_has_left),
		cmocka_unit_test(the_id_costs_milliseconds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
