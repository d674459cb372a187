/* SPDX-License-Identifier: MIT */
/*
 * Stories about boards in DFU at the edges: sizes that do not go together, ROMs that are caught in
 * the middle of something, orders that come at the very end.
 */
#include "unit/dfu_story.h"

#include "base/bytes.h"
#include "port/usb.h"

static struct dfu_story *board(const struct stm32_options *manners)
{
	struct stm32_options options = *manners;
	_cleanup_(freep) uint8_t *old =
		story_klipper(stm32_mcu_name(options.chip), 0, KLIPPER_BYTES, 1);
	options.image = old;
	options.image_bytes = KLIPPER_BYTES;
	return dfu_story_new(&options, 0, KLIPPER_BYTES, 2);
}

#define BOARD(...) board(&(struct stm32_options){ __VA_ARGS__ })

/* A device that says it is an F413, whose flash is no whole number of powers of two. */
static void a_transfer_size_that_no_sector_is_made_of_is_refused(void **state)
{
	(void)state;
	static const uint16_t sizes[] = { 3072, 48, 16, 8 };
	for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
		_cleanup_(dfu_story_freep) struct dfu_story *story = BOARD(.chip = STM32_F446,
			.transfer_bytes = sizes[i],
			.alternate_texts = {
				"@Internal Flash  /0x08000000/04*016Kg,01*064Kg,011*128Kg" });
		struct dfu_visit visit = dfu_story_visit(story, false);
		assert_int_equal(visit.failure.code, REASON_BOARD_ERROR);
		assert_true(dfu_story_is_as_before(story));
	}
}

static void a_rom_that_stalls_may_announce_too_little(void **state)
{
	(void)state;
	_cleanup_(dfu_story_freep) struct dfu_story *story =
		BOARD(.chip = STM32_G0B1_128K, .busy = STM32_BUSY_STALLS,
			.polls = { .given = true, .set_address = 1, .erase = 8, .write = 5 });
	struct dfu_visit visit = dfu_story_visit(story, false);
	dfu_story_expect_flashed(story, &visit);
	assert_int_equal(visit.tally.recoveries, 0);
}

/* Where the image goes is blank, and behind it lies something in the same sector. */
static void what_lies_beside_survives_a_block_that_goes_wrong(void **state)
{
	(void)state;
	static const uint8_t settings[64] = { 1, 2, 3 };
	const struct stm32_options options = { .chip = STM32_F429_1MB,
		.image = settings,
		.image_bytes = sizeof(settings),
		.image_offset = 0xb800 };
	_cleanup_(dfu_story_freep) struct dfu_story *story =
		dfu_story_new(&options, 0, KLIPPER_BYTES, 2);
	const struct stm32_fault fault = { .kind = STM32_FAULT_FLIP_BIT,
		.trigger = STM32_AT_PROGRAM,
		.nth = 20,
		.byte = 17,
		.bit = 3 };
	assert_true(bench_stm32_fault(story->board, &fault) >= 0);
	struct dfu_visit visit = dfu_story_visit(story, false);
	dfu_story_expect_flashed(story, &visit);
	assert_int_equal(story->erases, 1);
}

/* Somebody says stop just as the vector table was written. */
static void a_stop_at_the_very_end_takes_the_vectors_back_once(void **state)
{
	(void)state;
	unsigned calls;
	{
		_cleanup_(dfu_story_freep) struct dfu_story *whole = BOARD(.chip = STM32_F429_1MB);
		struct dfu_visit visit = dfu_story_write(whole, false);
		assert_int_equal(visit.result, 0);
		calls = whole->calls;
	}
	/* The last two: the head was written, the head was read back. */
	for (unsigned before = 0; before < 2; before++) {
		_cleanup_(dfu_story_freep) struct dfu_story *story = BOARD(.chip = STM32_F429_1MB);
		story->stop_after = calls - before;
		struct dfu_visit visit = dfu_story_visit(story, false);
		assert_int_equal(visit.failure.code, REASON_CANCELLED);
		dfu_story_expect_safe(story);
		assert_int_equal(stm32_flash_state(story->chip), STM32_STARTS_NOTHING);
		assert_in_range(story->erases, 4, 4);
	}
}

/* Pages of 1 KiB under blocks of 2 KiB, and the rest of the last page is somebody else's. */
static void an_f042_is_written(void **state)
{
	(void)state;
	static const size_t lengths[] = { 30000, 30720, 31744, 32768 };
	for (size_t i = 0; i < ELEMENTSOF(lengths); i++) {
		const struct stm32_options options = {
			.chip = STM32_F042, .random_flash = true, .seed = 3
		};
		_cleanup_(dfu_story_freep) struct dfu_story *story =
			dfu_story_new(&options, 0, lengths[i], 2);
		const struct stm32_fault fault = {
			.kind = STM32_FAULT_UNPLUG, .trigger = STM32_AT_PROGRAM, .nth = 5
		};
		struct dfu_visit visit = dfu_story_write(story, false);
		dfu_story_expect_flashed(story, &visit);
		story = dfu_story_new(&options, 0, lengths[i], 3); /* which frees the one before */
		assert_true(bench_stm32_fault(story->board, &fault) >= 0);
		visit = dfu_story_write(story, false);
		assert_non_null(strstr(visit.failure.sentence, "comes back in DFU mode by itself"));
	}
}

/* The host before was killed in the middle of an erase. */
static void a_board_that_is_still_busy_is_waited_for(void **state)
{
	(void)state;
	static const enum stm32_busy manners[] = { STM32_BUSY_BLOCKS, STM32_BUSY_ANSWERS };
	for (size_t i = 0; i < ELEMENTSOF(manners); i++) {
		_cleanup_(dfu_story_freep) struct dfu_story *story =
			BOARD(.chip = STM32_H723, .busy = manners[i], .polls = { .given = true });
		struct usb_address address = bench_address(story->board);
		struct usb_device *device = NULL;
		uint8_t erase[5] = { 0x41, 0x00, 0x00, 0x04, 0x08 }, status[6];
		assert_int_equal(usb_open(&address, &device), 0);
		assert_int_equal(usb_claim(device, 0), 0);
		assert_int_equal(usb_control(device, 0x21, 1, 0, 0, erase, 5, 1000), 5);
		assert_int_equal(usb_control(device, 0xa1, 3, 0, 0, status, 6, 1000), 6);
		usb_close(device);
		bench_advance(story->bench, 10 * NSEC_PER_MSEC);
		uint64_t resets = stm32_counters(story->chip)->bus_resets;
		struct dfu_visit visit = dfu_story_write(story, false);
		dfu_story_expect_flashed(story, &visit);
		assert_int_equal(stm32_counters(story->chip)->bus_resets, resets);
	}
}

/* Its application begins in the middle of a sector, which is blank there. */
static void a_loader_in_the_sector_of_the_image_is_never_risked(void **state)
{
	(void)state;
	_cleanup_(freep) uint8_t *loader = story_katapult(0x2000);
	const struct stm32_options options = {
		.chip = STM32_F446, .image = loader, .image_bytes = KATAPULT_BYTES
	};
	_cleanup_(dfu_story_freep) struct dfu_story *story =
		dfu_story_new(&options, 0x2000, KLIPPER_BYTES, 2);
	struct dfu_visit visit = dfu_story_visit(story, false);
	assert_int_equal(visit.failure.code, REASON_OVERLAPS_BOOTLOADER);
	assert_true(dfu_story_is_as_before(story));
}

/* A rule may want a board that is refused to leave: its pins float. */
static void a_read_protected_board_can_be_told_to_leave(void **state)
{
	(void)state;
	_cleanup_(dfu_story_freep) struct dfu_story *story =
		BOARD(.chip = STM32_F429_1MB, .protection = STM32_PROTECTED);
	struct board_address address = { .usb = bench_address(story->board) };
	const struct backend *backend = backend_for_mode(MODE_DFU);
	const struct backend_watch watch = { 0 };
	struct backend_session *session = NULL;
	struct backend_failure failure = { 0 };
	struct board_facts facts;
	assert_int_equal(backend->open(&address, &watch, &session, &failure), 0);
	assert_int_equal(backend->probe(session, &facts, &failure), 0);
	assert_true(facts.is_read_protected);
	assert_int_equal(backend->restart(session, &failure), 0);
	assert_null(backend->close(session));
	assert_true(bench_await_stm32(story->board, STM32_APPLICATION, 3000));
}

/* Its stack lies in an H7's SRAM4, which is in no list of what an STM32 has. */
static void a_boot_loader_with_an_odd_stack_is_not_taken_for_none(void **state)
{
	(void)state;
	_cleanup_(freep) uint8_t *loader = story_katapult(0x20000);
	write_u32(loader, 0x38010000);
	const struct stm32_options options = {
		.chip = STM32_H743, .image = loader, .image_bytes = KATAPULT_BYTES
	};
	_cleanup_(dfu_story_freep) struct dfu_story *story =
		dfu_story_new(&options, 0, KLIPPER_BYTES, 2);
	struct dfu_visit visit = dfu_story_look(story);
	assert_int_equal(visit.result, 0);
	assert_int_not_equal(visit.facts.bootloader, BOOTLOADER_NONE);
}

int main(void)
{
	const struct CMUnitTest stories[] = {
		cmocka_unit_test(a_transfer_size_that_no_sector_is_made_of_is_refused),
		cmocka_unit_test(a_rom_that_stalls_may_announce_too_little),
		cmocka_unit_test(what_lies_beside_survives_a_block_that_goes_wrong),
		cmocka_unit_test(a_stop_at_the_very_end_takes_the_vectors_back_once),
		cmocka_unit_test(an_f042_is_written),
		cmocka_unit_test(a_board_that_is_still_busy_is_waited_for),
		cmocka_unit_test(a_loader_in_the_sector_of_the_image_is_never_risked),
		cmocka_unit_test(a_read_protected_board_can_be_told_to_leave),
		cmocka_unit_test(a_boot_loader_with_an_odd_stack_is_not_taken_for_none),
	};
	return cmocka_run_group_tests(stories, NULL, NULL);
}
