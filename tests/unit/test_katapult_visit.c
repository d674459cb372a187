/* SPDX-License-Identifier: MIT */
/* Stories about boards in Katapult that are looked at and written, and of cables that are pulled.
 */
#include "unit/katapult_story.h"

#include <errno.h>

#define UNPLUGS 120u

static const struct story_board boards[] = {
	{ .chip = STM32_G0B1_128K },
	{ .chip = STM32_F072 },
	{ .chip = STM32_F446 },
	{ .chip = STM32_F429_1MB },
	{ .chip = STM32_H723 },
	{ .chip = STM32_F103 },
	{ .chip = STM32_LPC1769 },
	{ .is_rp2040 = true },
	{ .chip = STM32_G0B1_128K, .baud = 250000 },
};

static struct katapult_story *story_of(const struct story_board *options, size_t old_bytes)
{
	struct story_board its = *options;
	its.old_bytes = old_bytes;
	return katapult_story_new(&its);
}

static void every_family_is_written_and_starts(void **state)
{
	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(boards); i++) {
		_cleanup_(katapult_story_freep) struct katapult_story *story =
			story_of(&boards[i], 0);
		struct katapult_visit visit = katapult_story_visit(story, false);
		katapult_story_expect_flashed(story, &visit);
		assert_true(visit.is_restarted);
		assert_int_equal(story->keeps, 0);
		assert_int_equal(visit.facts.content, CONTENT_BLANK);
		assert_int_equal(katapult_story_counters(story)->wedges, 0);
	}
}

static void what_was_there_is_kept_and_replaced(void **state)
{
	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(boards); i++) {
		/* Its last block is not whole. */
		_cleanup_(katapult_story_freep) struct katapult_story *story =
			story_of(&boards[i], 20000);
		struct katapult_visit visit = katapult_story_visit(story, false);
		katapult_story_expect_flashed(story, &visit);
		assert_true(visit.is_restarted);
		assert_int_equal(story->keeps, 1);
		assert_int_equal(story->kept_address, story->base + story->offset);
		assert_in_range(story->kept_bytes, 20000, 20000 + 63);
		assert_memory_equal(story->kept, story->old, 20000);
		for (size_t at = 20000; at < story->kept_bytes; at++)
			assert_int_equal(story->kept[at], 0xff);
		assert_int_equal(visit.facts.content, CONTENT_BOOTABLE);
		assert_string_equal(visit.facts.running.version, "v0.13.0-1-g0a1b2c3d");
	}
}

static void what_a_look_tells(void **state)
{
	(void)state;
	static const enum chip chips[] = { CHIP_STM32G0B1, CHIP_STM32F072, CHIP_STM32F446,
		CHIP_STM32F429, CHIP_STM32H723, CHIP_STM32F103, CHIP_LPC1769, CHIP_RP2040,
		CHIP_STM32G0B1 };
	for (size_t i = 0; i < ELEMENTSOF(boards); i++) {
		_cleanup_(katapult_story_freep) struct katapult_story *story =
			story_of(&boards[i], 0);
		uint32_t start = story->base + story->offset;
		struct katapult_visit visit = katapult_story_look(story);
		assert_int_equal(visit.result, 0);
		assert_int_equal(visit.facts.chip, chips[i]);
		assert_int_equal(visit.facts.bootloader, BOOTLOADER_KATAPULT);
		assert_true(visit.facts.has_application_start);
		assert_int_equal(visit.facts.application_start, start);
		assert_int_equal(visit.facts.bootloader_end, start);
		/* Katapult does not say: the least that the chip has is taken for granted. */
		assert_int_equal(visit.facts.flash_size_bytes, 0);
		assert_int_equal(
			visit.facts.reach, boards[i].baud ? TRANSPORT_UART : TRANSPORT_USB);
		assert_true(katapult_story_is_as_before(story));
	}
}

/* ---- what may go wrong -------------------------------------------------------------------- */

static void plug_in_again(struct katapult_story *story)
{
	bench_unplug(story->board);
	bench_advance(story->bench, NSEC_PER_SEC);
	bench_replug(story->board, false);
	bench_advance(story->bench, 2 * NSEC_PER_SEC);
	if (!katapult_story_is_in_katapult(story))
		katapult_story_reset_twice(story);
}

/* In the very first erase, and while the first unit is written, a first word may be there. */
static void the_cable_may_be_pulled_anywhere(void **state)
{
	(void)state;
	static const struct story_board pulled[] = {
		{ .chip = STM32_G0B1_128K },
		{ .is_rp2040 = true },
		{ .chip = STM32_F446 },
		{ .chip = STM32_LPC1769 },
	};
	unsigned risky = 0;
	for (unsigned i = 0; i < UNPLUGS; i++) {
		_cleanup_(katapult_story_freep) struct katapult_story *story =
			story_of(&pulled[i % ELEMENTSOF(pulled)], 20480);
		katapult_story_unplug_after(story, (1 + i) * 9 * NSEC_PER_MSEC);
		struct katapult_visit visit = katapult_story_visit(story, false);
		if (visit.result == 0)
			continue;
		assert_int_equal(visit.failure.code, REASON_BOARD_LEFT);
		bool is_risky = katapult_story_would_start(story) &&
				!katapult_story_is_as_before(story) &&
				!katapult_story_holds_image(story);
		if (is_risky)
			assert_non_null(
				strstr(visit.failure.sentence, "two quick presses of reset"));
		risky += is_risky;
		plug_in_again(story);
		visit = katapult_story_visit(story, false);
		katapult_story_expect_flashed(story, &visit);
		assert_true(visit.is_restarted);
	}
	print_message("# FIGURE %u unplugs: %u in the erase or the writing of the first unit\n",
		UNPLUGS, risky);
}

/* The zeros go out after a stop, too: it must not start what is half written. */
static void a_stop_leaves_no_application(void **state)
{
	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(boards); i++) {
		_cleanup_(katapult_story_freep) struct katapult_story *story =
			story_of(&boards[i], 20480);
		/* Reading, writing and reading back are a call a block each. */
		for (unsigned stop = 200; stop < 2000; stop += 90) {
			story->stop_after = stop;
			struct katapult_visit visit = katapult_story_visit(story, true);
			if (visit.is_restarted) {
				katapult_story_reset_twice(story);
				continue;
			}
			assert_int_equal(visit.result, -ECANCELED);
			assert_int_equal(visit.failure.code, REASON_CANCELLED);
			if (katapult_story_would_start(story) &&
				!katapult_story_is_as_before(story) &&
				!katapult_story_holds_image(story))
				fail_msg("%s: %u", katapult_story_name(story), stop);
			assert_null(strstr(visit.failure.sentence, "half written"));
			assert_int_equal(katapult_story_counters(story)->completes, 0);
		}
		story->stop_after = 0;
		struct katapult_visit visit = katapult_story_visit(story, false);
		katapult_story_expect_flashed(story, &visit);
	}
}

/* A worker that says nothing for too long is ended, and a page may take long: every block says so.
 */
static void every_block_is_a_sign_of_life(void **state)
{
	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(boards); i++) {
		_cleanup_(katapult_story_freep) struct katapult_story *story =
			story_of(&boards[i], 0);
		struct katapult_visit visit = katapult_story_write(story, false);
		katapult_story_expect_flashed(story, &visit);
		const struct kata_counters *counters = katapult_story_counters(story);
		assert_true(story->calls >= counters->blocks_sent + counters->blocks_read);
	}
}

/* Also when what is half written is made none, and nobody is asked. */
static void a_stop_is_no_reason_to_fall_silent(void **state)
{
	(void)state;
	const struct story_board rp2040 = { .is_rp2040 = true };
	_cleanup_(katapult_story_freep) struct katapult_story *story = story_of(&rp2040, 0);
	struct katapult_visit visit = katapult_story_write(story, false);
	katapult_story_expect_flashed(story, &visit);
	unsigned proofs = (unsigned)((story->length + 255) / 256 * 4);
	unsigned at_start = story->calls - proofs - 10;
	story = katapult_story_free(story);

	story = story_of(&rp2040, 0);
	story->stop_after = at_start;
	visit = katapult_story_write(story, false);
	katapult_story_expect_reason(&visit, REASON_CANCELLED, "Katapult stays in charge");
	assert_false(katapult_story_would_start(story));
	assert_in_range(story->calls, at_start + 4, at_start + 8);
}

int main(void)
{
	const struct CMUnitTest stories[] = {
		cmocka_unit_test(every_family_is_written_and_starts),
		cmocka_unit_test(what_was_there_is_kept_and_replaced),
		cmocka_unit_test(what_a_look_tells),
		cmocka_unit_test(the_cable_may_be_pulled_anywhere),
		cmocka_unit_test(a_stop_leaves_no_application),
		cmocka_unit_test(every_block_is_a_sign_of_life),
		cmocka_unit_test(a_stop_is_no_reason_to_fall_silent),
	};
	return cmocka_run_group_tests(stories, NULL, NULL);
}
