/* SPDX-License-Identifier: MIT */
/* Visits to an RP2350: what it says of itself, and what is different in writing it. */
#include "unit/picoboot_story.h"

#include <stdlib.h>

#include "unit/make_image.h"

#define KLIPPER_BYTES 45000u
#define SECTOR        4096u
#define HEAD_SECTORS  2u

#define COMMAND_EXEC      0x08
#define COMMAND_REBOOT2   0x0a
#define COMMAND_OTP_WRITE 0x0d

static const struct rp2040_options pico_2 = {
	.chip = RP2040_CHIP_RP2350,
	.unique_id = { 0x4a, 0x1e, 0x08, 0x09, 0xb6, 0x0f, 0x3c, 0xd2 },
	.unique_id_given = true,
};
#define PICO_2_ID "4A1E0809B60F3CD2"

static uint8_t *flash_of(struct story *story)
{
	size_t bytes;
	return rp2040_flash(bench_rp2040(story->board), &bytes);
}

static const struct rp2040_counters *counters_of(struct story *story)
{
	return rp2040_counters(bench_rp2040(story->board));
}

static struct story *blank_story(size_t length)
{
	return story_new(&pico_2, length, 1);
}

/* A board that holds the image of `seed` already. */
static struct story *story_with_image(size_t length, uint32_t seed)
{
	_cleanup_(freep) uint8_t *bytes = make_rp2350_bin(length, seed);
	struct rp2040_options options = pico_2;
	options.image = bytes;
	options.image_bytes = length;
	return story_new(&options, length, seed);
}

static int inject(struct story *story, const struct rp2040_fault *fault)
{
	int number = bench_fault(story->board, fault);
	assert_true(number >= 0);
	return number;
}

/* ---- without faults ------------------------------------------------------------------------ */

static void a_blank_board_is_flashed(void **unused)
{
	(void)unused;
	_cleanup_(story_freep) struct story *story = blank_story(KLIPPER_BYTES);
	struct visit visit = story_visit(story, false);
	story_expect_flashed(story, &visit);
	assert_true(visit.is_restarted && story->boot_page_programmed);
	assert_int_equal(visit.facts.chip, CHIP_RP2350);
	assert_int_equal(visit.facts.rom_revision, 2);
	assert_int_equal(visit.facts.content, CONTENT_BLANK);
	assert_int_equal(visit.facts.flash_size_bytes, 0);
	assert_string_equal(visit.facts.unique_id, PICO_2_ID);
	assert_false(visit.facts.is_partitioned);
	assert_int_equal(visit.facts.refusals, 0);
	assert_int_equal(visit.tally.units_erased, 11);
	assert_int_equal(visit.tally.recoveries, 0);
	const struct rp2040_counters *counters = counters_of(story);
	assert_int_equal(counters->short_packets_amid, 0);
	assert_int_equal(counters->pages_overprogrammed, 0);
	assert_int_equal(counters->commands_lost_to_abort, 0);
	assert_int_equal(counters->commands_by_id[COMMAND_REBOOT2], 1);
	assert_int_equal(counters->commands_by_id[COMMAND_OTP_WRITE], 0);
	assert_int_equal(counters->executions, 0);
}

static void every_revision_is_flashed(void **unused)
{
	(void)unused;
	for (unsigned revision = 2; revision <= 4; revision++) {
		struct rp2040_options options = pico_2;
		options.rom_revision = revision;
		_cleanup_(story_freep) struct story *story = story_new(&options, KLIPPER_BYTES, 1);
		struct visit visit = story_visit(story, false);
		story_expect_flashed(story, &visit);
		assert_int_equal(visit.facts.rom_revision, revision);
	}
}

static void a_probe_tells_size_and_content(void **unused)
{
	(void)unused;
	for (size_t size = 1u << 20; size <= 16u << 20; size *= 2) {
		_cleanup_(freep) uint8_t *bytes = make_rp2350_bin(KLIPPER_BYTES, 7);
		struct rp2040_options options = pico_2;
		options.image = bytes;
		options.image_bytes = KLIPPER_BYTES;
		options.flash_bytes = size;
		_cleanup_(story_freep) struct story *story = story_new(&options, KLIPPER_BYTES, 7);
		struct visit visit = story_visit(story, false);
		story_expect_flashed(story, &visit);
		assert_int_equal(visit.facts.flash_size_bytes, size);
		assert_int_equal(visit.facts.content, CONTENT_BOOTABLE);
	}
}

static void an_identical_image_is_only_read(void **unused)
{
	(void)unused;
	_cleanup_(story_freep) struct story *story = story_with_image(KLIPPER_BYTES, 3);
	struct visit visit = story_visit(story, false);
	story_expect_flashed(story, &visit);
	assert_int_equal(story->erases, 0);
	assert_int_equal(story->programs, 0);
	assert_int_equal(visit.tally.units_identical, 11);
}

static void one_different_sector_costs_the_head_too(void **unused)
{
	(void)unused;
	_cleanup_(story_freep) struct story *story = story_with_image(KLIPPER_BYTES, 3);
	flash_of(story)[20000] ^= 0x55;
	memcpy(story->before, flash_of(story), story->flash_bytes);
	struct visit visit = story_visit(story, false);
	story_expect_flashed(story, &visit);
	assert_int_equal(story->erases, HEAD_SECTORS + 1);
}

static void only_the_boot_page_differs(void **unused)
{
	(void)unused;
	_cleanup_(story_freep) struct story *story = story_with_image(KLIPPER_BYTES, 3);
	memset(flash_of(story) + story->boot_page, 0, 256);
	memcpy(story->before, flash_of(story), story->flash_bytes);
	struct visit visit = story_visit(story, false);
	story_expect_flashed(story, &visit);
	assert_int_equal(story->erases, HEAD_SECTORS);
}

/* Wherever the ROM looks for a program, an old one must not be found. */
static void an_old_block_beside_a_short_image_does_not_stay(void **unused)
{
	(void)unused;
	static const size_t places[] = { 0x0c00, 0x1000, 0x1ffc - MADE_BLOCK_BYTES };
	for (size_t i = 0; i < ELEMENTSOF(places); i++) {
		_cleanup_(story_freep) struct story *story = blank_story(3000);
		uint32_t item = MADE_TYPE_ARM;
		make_rp2350_block(flash_of(story) + places[i], &item, 1, 0);
		flash_of(story)[HEAD_SECTORS * SECTOR] = 0x42;
		memcpy(story->before, flash_of(story), story->flash_bytes);
		struct visit visit = story_visit(story, false);
		story_expect_flashed(story, &visit);
		for (size_t at = 3000; at < HEAD_SECTORS * SECTOR; at++)
			assert_int_equal(flash_of(story)[at], 0xff);
		assert_int_equal(flash_of(story)[HEAD_SECTORS * SECTOR], 0x42);
	}
}

static void what_lies_behind_the_head_survives(void **unused)
{
	(void)unused;
	static const size_t lengths[] = { 512, 4096, 8192, 8193, 44999, 45056 };
	for (size_t i = 0; i < ELEMENTSOF(lengths); i++) {
		struct rp2040_options options = pico_2;
		options.random_flash = true;
		options.seed = 5 + i;
		_cleanup_(story_freep) struct story *story = story_new(&options, lengths[i], 1);
		size_t from =
			lengths[i] < HEAD_SECTORS * SECTOR ? HEAD_SECTORS * SECTOR : lengths[i];
		struct visit visit = story_visit(story, false);
		story_expect_flashed(story, &visit);
		assert_memory_equal(
			flash_of(story) + from, story->before + from, story->flash_bytes - from);
	}
}

static void an_image_for_an_rp2040_is_refused(void **unused)
{
	(void)unused;
	_cleanup_(story_freep) struct story *story = story_with_image(KLIPPER_BYTES, 3);
	_cleanup_(freep) uint8_t *bytes = make_bin(KLIPPER_BYTES, 3);
	story_set_image(story, bytes, KLIPPER_BYTES);
	struct visit visit = story_visit(story, false);
	assert_int_equal(visit.failure.code, REASON_NO_IMAGE_DEF);
	assert_int_equal(story->erases, 0);
}

/* As if its USB id were an RP2040's. */
static void a_rom_that_contradicts_the_usb_id_is_no_chip_that_we_know(void **unused)
{
	(void)unused;
	_cleanup_(story_freep) struct story *story = blank_story(KLIPPER_BYTES);
	story->kind = RP2040_CHIP_RP2040;
	struct visit visit = story_visit(story, false);
	assert_true(visit.is_probed);
	assert_int_equal(visit.facts.chip, CHIP_UNKNOWN);
	assert_int_equal(visit.failure.code, REASON_CHIP_UNKNOWN);
	assert_int_equal(counters_of(story)->commands_by_id[COMMAND_EXEC], 0);
	assert_int_equal(story->erases, 0);
}

static void an_image_larger_than_the_chip_never_starts(void **unused)
{
	(void)unused;
	struct rp2040_options blank = pico_2;
	blank.flash_bytes = 512u << 10;
	_cleanup_(story_freep) struct story *story = story_new(&blank, 700u << 10, 1);
	struct visit visit = story_visit(story, false);
	assert_int_equal(visit.failure.code, REASON_TOO_LARGE);
	assert_int_equal(rp2040_flash_state(bench_rp2040(story->board)), RP2040_FALLS_BACK);
}

static void partitions_are_seen_and_stay(void **unused)
{
	(void)unused;
	struct rp2040_options options = pico_2;
	options.partitions = true;
	_cleanup_(story_freep) struct story *story = story_new(&options, KLIPPER_BYTES, 1);
	struct visit visit = story_visit(story, false);
	assert_true(visit.facts.is_partitioned);
	/* The judgement would not have come this far; the ROM refuses too. */
	assert_true(visit.result < 0);
	assert_non_null(strstr(visit.failure.sentence, "not permitted"));
	assert_true(story_is_as_before(story));
}

/* ---- with faults --------------------------------------------------------------------------- */

static void an_erase_that_did_nothing_is_noticed(void **unused)
{
	(void)unused;
	for (unsigned nth = 1; nth <= 11; nth++) {
		struct rp2040_options options = pico_2;
		options.random_flash = true;
		options.seed = 5;
		_cleanup_(story_freep) struct story *story = story_new(&options, KLIPPER_BYTES, 1);
		int fault = inject(story, &(struct rp2040_fault){
						  .kind = RP2040_FAULT_LOST_ERASE,
						  .trigger = RP2040_AT_SECTOR,
						  .nth = nth,
					  });
		struct visit visit = story_visit(story, false);
		assert_true(bench_fault_fired(story->board, fault));
		story_expect_flashed(story, &visit);
	}
}

static void a_page_that_was_not_programmed_is_noticed(void **unused)
{
	(void)unused;
	for (unsigned nth = 1; nth <= 176; nth += 7) {
		_cleanup_(story_freep) struct story *story = blank_story(KLIPPER_BYTES);
		int fault = inject(story,
			&(struct rp2040_fault){
				.kind = nth % 2 ? RP2040_FAULT_LOST_PROGRAM : RP2040_FAULT_FLIP_BIT,
				.trigger = RP2040_AT_PAGE,
				.nth = nth,
				.byte = (uint8_t)(nth * 3),
				.bit = (uint8_t)(nth % 8),
			});
		struct visit visit = story_visit(story, false);
		assert_true(bench_fault_fired(story->board, fault));
		story_expect_flashed(story, &visit);
	}
}

static void a_worn_out_bit_fails_and_leaves_boot_mode(void **unused)
{
	(void)unused;
	/* In the first page, in the boot page, in the second sector, and far behind. */
	static const uint32_t targets[] = { 40, MADE_RP2350_BLOCK + 1, 5000, 20000 };
	for (size_t i = 0; i < ELEMENTSOF(targets); i++) {
		_cleanup_(story_freep) struct story *story = blank_story(KLIPPER_BYTES);
		inject(story, &(struct rp2040_fault){
				      .kind = RP2040_FAULT_STUCK_BIT,
				      .target = STORY_START + targets[i],
				      .bit = 2,
				      .value = !(story->bytes[targets[i]] >> 2 & 1),
			      });
		struct visit visit = story_visit(story, false);
		assert_true(visit.result < 0);
		assert_int_equal(rp2040_flash_state(bench_rp2040(story->board)), RP2040_FALLS_BACK);
	}
}

static void a_stall_of_either_pipe_is_recovered_from(void **unused)
{
	(void)unused;
	static const uint8_t endpoints[] = { 0x03, 0x84 };
	for (size_t i = 0; i < ELEMENTSOF(endpoints); i++) {
		for (unsigned nth = 1; nth <= 40; nth += 3) {
			_cleanup_(story_freep) struct story *story = blank_story(KLIPPER_BYTES);
			inject(story, &(struct rp2040_fault){
					      .kind = RP2040_FAULT_STALL,
					      .endpoint = endpoints[i],
					      .trigger = RP2040_AT_COMMAND,
					      .nth = nth,
				      });
			struct visit visit = story_visit(story, false);
			story_expect_flashed(story, &visit);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_blank_board_is_flashed),
		cmocka_unit_test(every_revision_is_flashed),
		cmocka_unit_test(a_probe_tells_size_and_content),
		cmocka_unit_test(an_identical_image_is_only_read),
		cmocka_unit_test(one_different_sector_costs_the_head_too),
		cmocka_unit_test(only_the_boot_page_differs),
		cmocka_unit_test(an_old_block_beside_a_short_image_does_not_stay),
		cmocka_unit_test(what_lies_behind_the_head_survives),
		cmocka_unit_test(an_image_for_an_rp2040_is_refused),
		cmocka_unit_test(a_rom_that_contradicts_the_usb_id_is_no_chip_that_we_know),
		cmocka_unit_test(an_image_larger_than_the_chip_never_starts),
		cmocka_unit_test(partitions_are_seen_and_stay),
		cmocka_unit_test(an_erase_that_did_nothing_is_noticed),
		cmocka_unit_test(a_page_that_was_not_programmed_is_noticed),
		cmocka_unit_test(a_worn_out_bit_fails_and_leaves_boot_mode),
		cmocka_unit_test(a_stall_of_either_pipe_is_recovered_from),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
