/* SPDX-License-Identifier: MIT */
/*
 * How long a visit takes, in virtual time and with the real chips' times: no longer than the flash
 * and the wire need for what is done. The ledger of the board counts a nanosecond in which flash or
 * wire was busy; what is left is the host's waiting.
 */
#include "unit/dfu_story.h"

/* Of chip and wire. */
#define MOST_PERCENT 105u

static struct dfu_story *board(enum stm32_chip chip, size_t length)
{
	_cleanup_(freep) uint8_t *old = story_klipper(stm32_mcu_name(chip), 0, length, 1);
	/* Code that is the same in both, between dictionary and reset handler. */
	for (size_t i = 0x2000; i < 0x7000; i++)
		old[i] ^= 0x55;
	const struct stm32_options options = { .chip = chip, .image = old, .image_bytes = length };
	struct dfu_story *story = dfu_story_new(&options, 0, length, 2);
	stm32_reset_counters(story->chip);
	return story;
}

static void expect_no_waiting(
	const struct dfu_story *story, const struct dfu_visit *visit, const char *what)
{
	const struct stm32_ledger *ledger = stm32_ledger(story->chip);
	uint64_t took = visit->probe_nsec + visit->write_nsec;
	print_message("# FIGURE %s: %u ms, of which flash and wire %u ms\n", what,
		(unsigned)(took / NSEC_PER_MSEC), (unsigned)(ledger->union_nsec / NSEC_PER_MSEC));
	assert_in_range(took, 1, ledger->union_nsec * MOST_PERCENT / 100);
}

static const struct {
	enum stm32_chip chip;
	size_t length;
} cases[] = {
	{ STM32_F429_1MB, KLIPPER_BYTES },
	{ STM32_F429_1MB, 1u << 20 },
	{ STM32_F446, KLIPPER_BYTES },
	{ STM32_F072, KLIPPER_BYTES },
	{ STM32_G0B1_512K, KLIPPER_BYTES },
	{ STM32_G0B1_512K, 512u << 10 },
	{ STM32_H723, KLIPPER_BYTES },
	{ STM32_H743, KLIPPER_BYTES },
};

static void a_job_takes_what_flash_and_wire_need(void **state)
{
	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		_cleanup_(dfu_story_freep) struct dfu_story *story =
			board(cases[i].chip, cases[i].length);
		struct dfu_visit visit = dfu_story_write(story, false);
		assert_int_equal(visit.result, 0);
		assert_true(dfu_story_holds_image(story));
		char what[64];
		snprintf(what, sizeof(what), "%s, %zu KiB", stm32_chip_name(cases[i].chip),
			cases[i].length >> 10);
		expect_no_waiting(story, &visit, what);
	}
}

/* No more is read, erased and written than has to be. */
static void nothing_is_done_twice(void **state)
{
	(void)state;
	_cleanup_(dfu_story_freep) struct dfu_story *story = board(STM32_F429_1MB, KLIPPER_BYTES);
	struct dfu_visit visit = dfu_story_write(story, false);
	assert_int_equal(visit.result, 0);
	const struct stm32_counters *counters = stm32_counters(story->chip);
	const uint64_t touched = 3 * 16384;
	assert_int_equal(counters->erases, 3);
	assert_in_range(counters->bytes_programmed, KLIPPER_BYTES, KLIPPER_BYTES + 2048);
	/* Read to compare, read back; the head is looked at twice more. */
	assert_in_range(counters->bytes_uploaded, 2 * KLIPPER_BYTES, 2 * touched + 3 * 2048);
}

int main(void)
{
	const struct CMUnitTest stories[] = {
		cmocka_unit_test(a_job_takes_what_flash_and_wire_need),
		cmocka_unit_test(nothing_is_done_twice),
	};
	return cmocka_run_group_tests(stories, NULL, NULL);
}
