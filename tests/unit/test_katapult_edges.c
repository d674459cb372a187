/* SPDX-License-Identifier: MIT */
/* Katapults with the faults that they are known to have, odd builds, and liars. */
#include "unit/katapult_story.h"

#include <errno.h>

#define OLD_BYTES 20480u

static struct katapult_story *g0_that(struct kata_options katapult, size_t old_bytes)
{
	const struct story_board options = {
		.chip = STM32_G0B1_128K, .old_bytes = old_bytes, .katapult = katapult
	};
	return katapult_story_new(&options);
}

/* Not a byte of it was read or written. */
static void expect_untouched(const struct katapult_story *story)
{
	const struct kata_counters *counters = katapult_story_counters(story);
	assert_true(katapult_story_is_as_before(story));
	assert_int_equal(counters->blocks_read, 0);
	assert_int_equal(counters->blocks_sent + counters->blocks_refused, 0);
	assert_int_equal(counters->completes, 0);
	assert_int_equal(counters->crashes, 0);
	assert_int_equal(counters->wedges, 0);
}

/* ---- answers ------------------------------------------------------------------------------ */

/* Its counter has moved on: it takes neither the block again nor anything else. */
static void an_lpc_that_was_not_heard_needs_a_reset(void **state)
{
	(void)state;
	const struct story_board lpc = { .chip = STM32_LPC1769, .old_bytes = OLD_BYTES };
	for (unsigned nth = 1; nth < 320; nth += 29) {
		_cleanup_(katapult_story_freep) struct katapult_story *story =
			katapult_story_new(&lpc);
		katapult_story_mute(story, KATA_SEND_BLOCK, nth);
		struct katapult_visit visit = katapult_story_visit(story, false);
		katapult_story_expect_reason(&visit, REASON_BOARD_SILENT, "needs a reset");
		assert_int_equal(katapult_story_counters(story)->completes, 0);
		assert_int_equal(katapult_story_counters(story)->wedges, 0);
		katapult_story_reset_twice(story);
		visit = katapult_story_visit(story, false);
		katapult_story_expect_flashed(story, &visit);
	}
}

/* Elsewhere the block is said once more, and its page is not written twice. */
static void others_are_asked_again(void **state)
{
	(void)state;
	static const struct story_board boards[] = {
		{ .is_rp2040 = true, .old_bytes = OLD_BYTES },
		{ .chip = STM32_G0B1_128K, .old_bytes = OLD_BYTES },
		{ .chip = STM32_G0B1_128K, .baud = 250000, .old_bytes = OLD_BYTES },
	};
	static const enum kata_command commands[] = { KATA_CONNECT, KATA_SEND_BLOCK, KATA_EOF,
		KATA_REQUEST_BLOCK };
	for (unsigned i = 0; i < 8 * ELEMENTSOF(boards); i++) {
		_cleanup_(katapult_story_freep) struct katapult_story *story =
			katapult_story_new(&boards[i % ELEMENTSOF(boards)]);
		katapult_story_mute(story, commands[i % 4], i < 12 ? 1 : i);
		struct katapult_visit visit = katapult_story_visit(story, false);
		katapult_story_expect_flashed(story, &visit);
		assert_true(visit.is_restarted);
		if (story->options.is_rp2040)
			assert_int_equal(
				rp2040_counters(bench_rp2040(story->board))->pages_overprogrammed,
				0);
	}
}

static void busy_is_waited_for(void **state)
{
	(void)state;
	static const enum kata_command commands[] = { KATA_CONNECT, KATA_SEND_BLOCK, KATA_EOF,
		KATA_REQUEST_BLOCK };
	for (size_t i = 0; i < ELEMENTSOF(commands); i++) {
		_cleanup_(katapult_story_freep) struct katapult_story *story =
			g0_that((struct kata_options){ 0 }, OLD_BYTES);
		katapult_story_answer(story, commands[i], 0, KATA_BUSY, 5);
		struct katapult_visit visit = katapult_story_visit(story, false);
		katapult_story_expect_flashed(story, &visit);
		assert_int_equal(katapult_story_counters(story)->busies, 5);
	}
}

static void busy_for_ever_is_told(void **state)
{
	(void)state;
	_cleanup_(katapult_story_freep) struct katapult_story *story =
		g0_that((struct kata_options){ 0 }, OLD_BYTES);
	katapult_story_answer(story, KATA_SEND_BLOCK, 100, KATA_BUSY, 250);
	struct katapult_visit visit = katapult_story_visit(story, false);
	katapult_story_expect_reason(&visit, REASON_BOARD_SILENT, "busy, again and again");
	assert_int_equal(katapult_story_counters(story)->completes, 0);
}

/* ---- faults of Katapult ------------------------------------------------------------------- */

static void an_h7_that_cannot_erase_has_a_way_out(void **state)
{
	(void)state;
	struct story_board h7 = { .chip = STM32_H723,
		.old_bytes = STORY_KLIPPER_BYTES,
		.katapult = { .refuses_occupied = true } };
	_cleanup_(katapult_story_freep) struct katapult_story *story = katapult_story_new(&h7);
	struct katapult_visit visit = katapult_story_visit(story, false);
	katapult_story_expect_reason(&visit, REASON_BOARD_ERROR, "katapult#128");
	katapult_story_expect_reason(&visit, REASON_BOARD_ERROR, "its flash was not changed");
	katapult_story_expect_reason(&visit, REASON_BOARD_ERROR, "erase the whole chip over DFU");
	assert_true(katapult_story_is_as_before(story));
	assert_int_equal(story->keeps, 1);
	assert_int_equal(katapult_story_counters(story)->completes, 0);
	story = katapult_story_free(story);

	h7.old_bytes = 0;
	story = katapult_story_new(&h7);
	visit = katapult_story_visit(story, false);
	katapult_story_expect_flashed(story, &visit);
}

/* Its flash is protected, say. */
static void a_block_that_is_refused_is_told(void **state)
{
	(void)state;
	for (unsigned nth = 1; nth < 300; nth += 90) {
		_cleanup_(katapult_story_freep) struct katapult_story *story =
			g0_that((struct kata_options){ 0 }, OLD_BYTES);
		katapult_story_answer(story, KATA_SEND_BLOCK, nth, KATA_ERROR, 1);
		struct katapult_visit visit = katapult_story_visit(story, false);
		katapult_story_expect_reason(&visit, REASON_BOARD_ERROR, "refused a command");
		assert_int_equal(katapult_story_counters(story)->completes, 0);
		assert_int_equal(katapult_story_would_start(story), nth == 1);
		if (nth == 1)
			assert_true(katapult_story_is_as_before(story));
	}
}

/* ---- odd builds --------------------------------------------------------------------------- */

static void every_build_is_understood(void **state)
{
	(void)state;
	static const struct kata_options builds[] = {
		{ .protocol_1_0 = true },
		{ .protocol_1_0 = true, .manufacturer = "CanBoot" },
		{ .version = "" },
		{ .version = "?" },
		{ .version = "v0.0.1" },
		{ .version = "v0.0.1-110-gb0bf421-dirty-and-with-a-very-long-tail-behind-it-that-no-one-needs" },
		{ .serial = "12345" },
		{ .protocol = 0x00ffffff },
		{ .block_bytes = 32 },
		{ .without_double_reset = true },
		{ .ends_short = true },
		{ .without_withholding = true },
		{ .canbus = true },
		/* "stm32g0b1xx" fills its words but for one byte; these fill theirs. */
		{ .mcu = "stm32g0b1xxx", .protocol_1_0 = true },
		{ .mcu = "stm32g0b1", .protocol_1_0 = true },
	};
	for (size_t i = 0; i < ELEMENTSOF(builds); i++) {
		_cleanup_(katapult_story_freep) struct katapult_story *story =
			g0_that(builds[i], 0);
		struct katapult_visit visit = katapult_story_visit(story, false);
		if (builds[i].mcu && strlen(builds[i].mcu) == 12) {
			katapult_story_expect_reason(&visit, REASON_CHIP_UNKNOWN, "by hand");
			continue;
		}
		if (visit.result < 0)
			fail_msg("build %zu: %s", i, visit.failure.sentence);
		katapult_story_expect_flashed(story, &visit);
		assert_true(visit.is_restarted);
	}
}

/* ---- liars -------------------------------------------------------------------------------- */

static void an_unknown_chip_is_not_read(void **state)
{
	(void)state;
	static const char *const names[] = { "", "toaster", "linux", "stm32", "stm32f999xx",
		"\x1b[31mstm32g0b1xx", "stm32g0b1xx\n", "unknown", "samd21g18", "%s%n",
		"stm32g0b1xxstm32g0b1xxstm32g0b1xxstm32g0b1xxstm32g0b1xxstm32g0b1xxstm32g0b1xx" };
	for (size_t i = 0; i < ELEMENTSOF(names); i++) {
		_cleanup_(katapult_story_freep) struct katapult_story *story =
			g0_that((struct kata_options){ .mcu = names[i] }, OLD_BYTES);
		struct katapult_visit visit = katapult_story_visit(story, false);
		assert_true(visit.is_probed);
		assert_int_equal(visit.facts.content, CONTENT_UNKNOWN);
		assert_int_equal(story->keeps, 0);
		katapult_story_expect_reason(
			&visit, REASON_CHIP_UNKNOWN, "flash the board by hand");
		expect_untouched(story);
	}
}

static void a_start_where_none_can_be_is_refused(void **state)
{
	(void)state;
	static const uint32_t starts[] = { 0, 4, 0x08000000, 0x08002004, 0x08002040, 0x08002400,
		0x08020000, 0x08040000, 0x07ffff00, 0x20000000, 0x1fff0000, 0xfffff800,
		0xffffffff };
	for (size_t i = 0; i < ELEMENTSOF(starts); i++) {
		_cleanup_(katapult_story_freep) struct katapult_story *story = g0_that(
			(struct kata_options){
				.lies = true,
				.told_application = starts[i],
				.told_block_bytes = 64,
			},
			OLD_BYTES);
		struct katapult_visit visit = katapult_story_visit(story, false);
		katapult_story_expect_reason(
			&visit, REASON_BOARD_ERROR, "its application starts at 0x");
		assert_int_equal(story->keeps, 0);
		expect_untouched(story);
	}
}

static void a_block_of_no_size_is_refused(void **state)
{
	(void)state;
	static const uint32_t sizes[] = { 0, 1, 2, 65, 96, 1024, 65536, 0x80000000, 0xffffffff };
	for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
		_cleanup_(katapult_story_freep) struct katapult_story *story = g0_that(
			(struct kata_options){
				.lies = true,
				.told_application = 0x08002000,
				.told_block_bytes = sizes[i],
			},
			OLD_BYTES);
		struct katapult_visit visit = katapult_story_visit(story, false);
		assert_false(visit.is_open);
		katapult_story_expect_reason(&visit, REASON_BOARD_ERROR, "no Katapult answers");
		expect_untouched(story);
	}
}

/* A size that it does not have ends in a reason, and never in an application. */
static void a_block_of_another_size_is_told(void **state)
{
	(void)state;
	static const uint32_t sizes[] = { 4, 32, 128, 256, 512 };
	for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
		_cleanup_(katapult_story_freep) struct katapult_story *story = g0_that(
			(struct kata_options){
				.lies = true,
				.told_application = 0x08002000,
				.told_block_bytes = sizes[i],
			},
			0);
		struct katapult_visit visit = katapult_story_visit(story, false);
		assert_true(visit.result < 0);
		assert_true(katapult_story_is_as_before(story));
		assert_int_equal(katapult_story_counters(story)->completes, 0);
	}
}

/* ---- how far is read ---------------------------------------------------------------------- */

static void expect_kept(const struct story_board *board, size_t bytes)
{
	_cleanup_(katapult_story_freep) struct katapult_story *story = katapult_story_new(board);
	struct katapult_visit visit = katapult_story_look(story);
	assert_int_equal(visit.result, 0);
	assert_int_equal(story->keeps, bytes > 0);
	if (bytes > 0) {
		assert_int_equal(story->kept_bytes, bytes);
		assert_memory_equal(story->kept, story->old, bytes);
	}
	assert_int_equal(katapult_story_counters(story)->crashes, 0);
	assert_true(katapult_story_is_as_before(story));
}

static void a_program_is_kept_when_all_of_it_is_seen(void **state)
{
	(void)state;
	/* It has 32 KiB, whatever it is called: to the last byte. */
	expect_kept(&(struct story_board){ .chip = STM32_F042,
			    .offset = 0x2000,
			    .image_bytes = 8192,
			    .old_bytes = 0x6000 },
		0x6000);
	/* Some parts have more than 64 KiB: who knows what is behind? */
	expect_kept(&(struct story_board){ .chip = STM32_F072, .old_bytes = 0xe000 }, 0);
	expect_kept(&(struct story_board){ .chip = STM32_F072, .old_bytes = 0x10000 }, 0);
	expect_kept(&(struct story_board){ .chip = STM32_F072, .old_bytes = 0xd000 }, 0xd000);
	expect_kept(&(struct story_board){ .chip = STM32_G0B1_128K, .old_bytes = 0x1e000 }, 0);
	/* No program is that long. */
	expect_kept(&(struct story_board){ .chip = STM32_F446, .old_bytes = 0x38000 }, 0);
	expect_kept(&(struct story_board){ .is_rp2040 = true, .old_bytes = 0x80000 }, 0);
	expect_kept(&(struct story_board){ .is_rp2040 = true, .old_bytes = 0x3f000 }, 0x3f000);
	expect_kept(&(struct story_board){ .chip = STM32_G0B1_128K }, 0);
}

/* A gap in a program is not its end while it is short. */
static void a_gap_is_part_of_the_program(void **state)
{
	(void)state;
	_cleanup_(katapult_story_freep) struct katapult_story *story =
		g0_that((struct kata_options){ 0 }, OLD_BYTES);
	memset(katapult_story_flash(story) + 0x3000, 0xff, 0x7c0);
	memset(story->old + 0x3000, 0xff, 0x7c0);
	struct katapult_visit visit = katapult_story_look(story);
	assert_int_equal(visit.result, 0);
	assert_int_equal(story->kept_bytes, OLD_BYTES);
	assert_memory_equal(story->kept, story->old, OLD_BYTES);
}

static void an_image_that_is_too_large_is_refused(void **state)
{
	(void)state;
	const struct story_board small = {
		.chip = STM32_F072, .image_bytes = 0xe004, .old_bytes = OLD_BYTES
	};
	_cleanup_(katapult_story_freep) struct katapult_story *story = katapult_story_new(&small);
	struct katapult_visit visit = katapult_story_visit(story, false);
	katapult_story_expect_reason(&visit, REASON_TOO_LARGE, "56 KiB");
	assert_true(katapult_story_is_as_before(story));
}

int main(void)
{
	const struct CMUnitTest stories[] = {
		cmocka_unit_test(an_lpc_that_was_not_heard_needs_a_reset),
		cmocka_unit_test(others_are_asked_again),
		cmocka_unit_test(busy_is_waited_for),
		cmocka_unit_test(busy_for_ever_is_told),
		cmocka_unit_test(an_h7_that_cannot_erase_has_a_way_out),
		cmocka_unit_test(a_block_that_is_refused_is_told),
		cmocka_unit_test(every_build_is_understood),
		cmocka_unit_test(an_unknown_chip_is_not_read),
		cmocka_unit_test(a_start_where_none_can_be_is_refused),
		cmocka_unit_test(a_block_of_no_size_is_refused),
		cmocka_unit_test(a_block_of_another_size_is_told),
		cmocka_unit_test(a_program_is_kept_when_all_of_it_is_seen),
		cmocka_unit_test(a_gap_is_part_of_the_program),
		cmocka_unit_test(an_image_that_is_too_large_is_refused),
	};
	return cmocka_run_group_tests(stories, NULL, NULL);
}
