/* SPDX-License-Identifier: MIT */
/* Visits to an RP2040, one story each: what is written, what is left alone, what is recovered from.
 */
#include "unit/picoboot_story.h"

#include <errno.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "unit/make_image.h"

#define KLIPPER_BYTES 45000u
#define SECTOR        4096u

static const uint8_t *flash_of(struct story *story)
{
	size_t bytes;
	return rp2040_flash(bench_rp2040(story->board), &bytes);
}

static const struct rp2040_counters *counters_of(struct story *story)
{
	return rp2040_counters(bench_rp2040(story->board));
}

/* A board that holds the image of `seed` already, so that a visit finds something to compare. */
static struct story *story_with_image(size_t length, uint32_t seed)
{
	_cleanup_(freep) uint8_t *bytes = make_bin(length, seed);
	struct rp2040_options options = { .image = bytes, .image_bytes = length };
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
	_cleanup_(story_freep) struct story *story = story_new(NULL, KLIPPER_BYTES, 1);
	struct visit visit = story_visit(story, false);
	story_expect_flashed(story, &visit);
	assert_true(visit.is_restarted);
	assert_int_equal(visit.facts.chip, CHIP_RP2040);
	assert_int_equal(visit.facts.rom_revision, 3);
	assert_int_equal(visit.facts.content, CONTENT_BLANK);
	assert_int_equal(visit.facts.flash_size_bytes, 0);
	assert_int_equal(visit.tally.units_total, 11);
	assert_int_equal(visit.tally.units_erased, 11);
	assert_int_equal(visit.tally.recoveries, 0);
	assert_int_equal(counters_of(story)->short_packets_amid, 0);
	assert_int_equal(counters_of(story)->pages_overprogrammed, 0);
	assert_int_equal(counters_of(story)->commands_lost_to_abort, 0);
	assert_int_equal(counters_of(story)->commands_lost_to_busy, 0);
}

static void a_probe_tells_size_and_content(void **unused)
{
	(void)unused;
	for (size_t size = 1u << 20; size <= 16u << 20; size *= 2) {
		_cleanup_(freep) uint8_t *bytes = make_bin(KLIPPER_BYTES, 7);
		struct rp2040_options options = {
			.image = bytes,
			.image_bytes = KLIPPER_BYTES,
			.flash_bytes = size,
			.rom_revision = 1,
		};
		_cleanup_(story_freep) struct story *story = story_new(&options, KLIPPER_BYTES, 7);
		struct visit visit = story_visit(story, false);
		assert_int_equal(visit.result, 0);
		assert_int_equal(visit.facts.flash_size_bytes, size);
		assert_int_equal(visit.facts.content, CONTENT_BOOTABLE);
		assert_int_equal(visit.facts.rom_revision, 1);
	}
}

/* The letters lie right before the code that the reset vector leads to, also over a page's edge. */
static void a_probe_sees_katapult(void **unused)
{
	(void)unused;
	static const uint32_t codes[] = { 0x1a8, 0xa00, 0xa04 };
	for (size_t i = 0; i <= ELEMENTSOF(codes); i++) {
		_cleanup_(freep) uint8_t *bytes = make_bin(8192, 7);
		bool is_there = i < ELEMENTSOF(codes);
		write_u32(bytes + 260, STORY_START + (is_there ? codes[i] : 0xa00) + 1);
		if (is_there)
			memcpy(bytes + codes[i] - 8, "CanBoot!", 8);
		struct rp2040_options options = { .image = bytes, .image_bytes = 8192 };
		_cleanup_(story_freep) struct story *story = story_new(&options, KLIPPER_BYTES, 7);
		struct visit visit = story_visit(story, false);
		assert_int_equal(visit.facts.bootloader,
			is_there ? BOOTLOADER_KATAPULT : BOOTLOADER_UNKNOWN);
		assert_int_equal(visit.facts.bootloader_end, is_there ? STORY_START + 0x4000 : 0);
	}
}

static void noise_is_no_application(void **unused)
{
	(void)unused;
	struct rp2040_options options = { .random_flash = true, .seed = 5 };
	_cleanup_(story_freep) struct story *story = story_new(&options, KLIPPER_BYTES, 1);
	struct visit visit = story_visit(story, false);
	assert_int_equal(visit.facts.content, CONTENT_UNBOOTABLE);
	assert_int_equal(visit.facts.flash_size_bytes, 0);
	story_expect_flashed(story, &visit);
}

static void an_identical_image_is_only_read(void **unused)
{
	(void)unused;
	_cleanup_(story_freep) struct story *story = story_with_image(KLIPPER_BYTES, 3);
	struct visit visit = story_visit(story, false);
	story_expect_flashed(story, &visit);
	assert_int_equal(story->erases, 0);
	assert_int_equal(story->programs, 0);
	assert_int_equal(visit.tally.units_erased, 0);
	assert_int_equal(visit.tally.units_identical, 11);
	/* once, page by page, and not a page more */
	assert_int_equal(visit.tally.bytes_read, (KLIPPER_BYTES + 255) / 256 * 256);
}

static void force_rewrites_what_is_identical(void **unused)
{
	(void)unused;
	_cleanup_(story_freep) struct story *story = story_with_image(KLIPPER_BYTES, 3);
	struct visit visit = story_visit(story, true);
	story_expect_flashed(story, &visit);
	assert_int_equal(visit.tally.units_erased, 11);
}

static void one_different_sector_costs_two(void **unused)
{
	(void)unused;
	_cleanup_(story_freep) struct story *story = story_with_image(KLIPPER_BYTES, 3);
	story->bytes[5 * SECTOR + 17] ^= 0x5a;
	_cleanup_(freep) uint8_t *bytes = malloc(KLIPPER_BYTES);
	memcpy(bytes, story->bytes, KLIPPER_BYTES);
	story_set_image(story, bytes, KLIPPER_BYTES);
	struct visit visit = story_visit(story, false);
	story_expect_flashed(story, &visit);
	assert_int_equal(visit.tally.units_erased, 2); /* its own and the boot sector */
	assert_int_equal(visit.tally.units_identical, 9);
}

static void only_the_boot_page_differs(void **unused)
{
	(void)unused;
	_cleanup_(story_freep) struct story *story = story_with_image(KLIPPER_BYTES, 3);
	_cleanup_(freep) uint8_t *bytes = malloc(KLIPPER_BYTES);
	memcpy(bytes, story->bytes, KLIPPER_BYTES);
	bytes[11] ^= 0x10;
	make_boot2_valid(bytes);
	story_set_image(story, bytes, KLIPPER_BYTES);
	struct visit visit = story_visit(story, false);
	story_expect_flashed(story, &visit);
	assert_int_equal(visit.tally.units_erased, 1);
}

static void what_lies_beside_the_image_survives(void **unused)
{
	(void)unused;
	static const size_t lengths[] = { 512, 1000, 4096, 4097, 8191, 44999, 45056 };
	for (size_t i = 0; i < ELEMENTSOF(lengths); i++) {
		struct rp2040_options options = { .random_flash = true, .seed = 5 + i };
		_cleanup_(story_freep) struct story *story = story_new(&options, lengths[i], 1);
		struct visit visit = story_visit(story, false);
		story_expect_flashed(story, &visit);
		assert_memory_equal(flash_of(story) + lengths[i], story->before + lengths[i],
			story->flash_bytes - lengths[i]);
	}
}

static void blank_pages_are_not_written(void **unused)
{
	(void)unused;
	_cleanup_(story_freep) struct story *story = story_new(NULL, KLIPPER_BYTES, 1);
	_cleanup_(freep) uint8_t *bytes = malloc(KLIPPER_BYTES);
	memcpy(bytes, story->bytes, KLIPPER_BYTES);
	for (size_t page = 4; page < KLIPPER_BYTES / 256; page += 2)
		memset(bytes + page * 256, 0xff, 256);
	story_set_image(story, bytes, KLIPPER_BYTES);
	struct visit visit = story_visit(story, false);
	story_expect_flashed(story, &visit);
	assert_int_equal(story->programs, 4 + (KLIPPER_BYTES / 256 - 4) / 2 + 1);
}

static void an_image_without_boot_page_is_refused(void **unused)
{
	(void)unused;
	_cleanup_(story_freep) struct story *story = story_with_image(KLIPPER_BYTES, 3);
	_cleanup_(reasons_done) struct reasons reasons = { 0 };
	_cleanup_(freep) uint8_t *bytes = make_offset_bin(STORY_START + 0x4000, 8192, 4);
	story->image = image_free(story->image);
	assert_int_equal(image_parse(bytes, 8192, &reasons, &story->image), 0);
	assert_int_equal(image_place(story->image, STORY_START + 0x4000, &reasons), 0);
	struct visit visit = story_visit(story, false);
	assert_int_equal(visit.failure.code, REASON_NO_BOOT2);
	assert_int_equal(story->erases, 0);
}

static void an_image_larger_than_the_chip_never_starts(void **unused)
{
	(void)unused;
	/* Blank, so that nobody can know the size before; and with an application, so that one can.
	 */
	struct rp2040_options blank = { .flash_bytes = 512u << 10 };
	_cleanup_(story_freep) struct story *story = story_new(&blank, 700u << 10, 1);
	struct visit visit = story_visit(story, false);
	assert_int_equal(visit.failure.code, REASON_TOO_LARGE);
	assert_int_equal(rp2040_flash_state(bench_rp2040(story->board)), RP2040_FALLS_BACK);
	story = story_free(story);

	_cleanup_(freep) uint8_t *old = make_bin(KLIPPER_BYTES, 7);
	struct rp2040_options full = {
		.flash_bytes = 1u << 20,
		.image = old,
		.image_bytes = KLIPPER_BYTES,
	};
	story = story_new(&full, 1200u << 10, 1);
	visit = story_visit(story, false);
	assert_int_equal(visit.failure.code, REASON_TOO_LARGE);
	assert_true(story_is_as_before(story));
}

static void the_interface_is_found_where_it_is(void **unused)
{
	(void)unused;
	struct rp2040_options options = { .disable_mask = 1 };
	_cleanup_(story_freep) struct story *story = story_new(&options, KLIPPER_BYTES, 1);
	struct visit visit = story_visit(story, false);
	story_expect_flashed(story, &visit);

	options.disable_mask = 2;
	_cleanup_(story_freep) struct story *hidden = NULL;
	story = story_free(story);
	hidden = story_new(&options, KLIPPER_BYTES, 1);
	visit = story_visit(hidden, false);
	assert_int_equal(visit.result, -ENOENT);
	assert_int_equal(visit.failure.code, REASON_BOARD_ERROR);
}

static void a_stop_leaves_the_board_in_boot_mode(void **unused)
{
	(void)unused;
	bool stopped_untouched = false, stopped_in_between = false;
	for (unsigned call = 1; call < 40; call++) {
		_cleanup_(story_freep) struct story *story = story_with_image(KLIPPER_BYTES, 3);
		_cleanup_(freep) uint8_t *bytes = make_bin(KLIPPER_BYTES, 4);
		story_set_image(story, bytes, KLIPPER_BYTES);
		story->stop_after = call;
		struct visit visit = story_visit(story, false);
		if (visit.result == 0)
			break;
		assert_int_equal(visit.result, -ECANCELED);
		assert_int_equal(visit.failure.code, REASON_CANCELLED);
		assert_int_equal(story->calls, call);
		if (story->erases == 0) {
			assert_true(story_is_as_before(story));
			stopped_untouched = true;
		} else {
			assert_int_equal(
				rp2040_flash_state(bench_rp2040(story->board)), RP2040_FALLS_BACK);
			stopped_in_between = true;
		}
		story->stop_after = 0;
		story_expect_cured_by_replug(story);
	}
	assert_true(stopped_untouched && stopped_in_between);
}

static void a_visit_after_a_stop_needs_no_replug(void **unused)
{
	(void)unused;
	_cleanup_(story_freep) struct story *story = story_new(NULL, 200000, 3);
	story->stop_after_bytes = 100000;
	struct visit visit = story_visit(story, false);
	assert_int_equal(visit.result, -ECANCELED);
	story->stop_after_bytes = 0;
	visit = story_visit(story, false);
	story_expect_flashed(story, &visit);
	assert_true(visit.tally.units_identical > 0); /* it goes on where it was */
}

static void somebody_is_told_once_a_second(void **unused)
{
	(void)unused;
	_cleanup_(story_freep) struct story *story = story_new(NULL, 1u << 20, 3);
	struct visit visit = story_visit(story, false);
	story_expect_flashed(story, &visit);
	assert_true(story->longest_silence_nsec < 1000000000);
}

static void the_neighbour_is_not_touched(void **unused)
{
	(void)unused;
	_cleanup_(story_freep) struct story *story = story_new(NULL, KLIPPER_BYTES, 3);
	struct rp2040_options options = { .random_flash = true, .seed = 99 };
	struct bench_board *neighbour =
		bench_plug(story->bench, "/sys/devices/emu/usb1/1-2", &options);
	rp2040_reset_counters(bench_rp2040(neighbour));
	struct visit visit = story_visit(story, false);
	story_expect_flashed(story, &visit);
	assert_int_equal(rp2040_counters(bench_rp2040(neighbour))->commands, 0);
	assert_int_equal(rp2040_counters(bench_rp2040(neighbour))->bulk_bytes, 0);
}

static void the_drive_works_again_after_a_visit(void **unused)
{
	(void)unused;
	_cleanup_(story_freep) struct story *story = story_new(NULL, KLIPPER_BYTES, 3);
	uint64_t before = counters_of(story)->commands_by_id[1];
	struct visit visit = story_write(story, false);
	assert_int_equal(visit.result, 0);
	assert_int_equal(counters_of(story)->commands_by_id[1], before + 2);
}

/* ---- with faults --------------------------------------------------------------------------- */

static void an_erase_that_did_nothing_is_noticed(void **unused)
{
	(void)unused;
	for (unsigned nth = 1; nth <= 11; nth++) {
		struct rp2040_options options = { .random_flash = true, .seed = 5 };
		_cleanup_(story_freep) struct story *story = story_new(&options, KLIPPER_BYTES, 1);
		int fault = inject(story, &(struct rp2040_fault){
						  .kind = RP2040_FAULT_LOST_ERASE,
						  .trigger = RP2040_AT_SECTOR,
						  .nth = nth,
					  });
		struct visit visit = story_visit(story, false);
		assert_true(bench_fault_fired(story->board, fault));
		story_expect_flashed(story, &visit);
		assert_int_equal(visit.tally.recoveries, 0);
	}
}

static void a_page_that_was_not_programmed_is_noticed(void **unused)
{
	(void)unused;
	static const enum rp2040_fault_kind kinds[] = {
		RP2040_FAULT_LOST_PROGRAM,
		RP2040_FAULT_FLIP_BIT,
	};
	for (size_t kind = 0; kind < ELEMENTSOF(kinds); kind++) {
		for (unsigned nth = 1; nth <= 176; nth += 7) {
			_cleanup_(story_freep) struct story *story =
				story_new(NULL, KLIPPER_BYTES, 1);
			int fault = inject(story, &(struct rp2040_fault){
							  .kind = kinds[kind],
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
}

static void a_worn_out_bit_fails_and_leaves_boot_mode(void **unused)
{
	(void)unused;
	/* In the boot page, in the rest of its sector, and far behind. The bit is stuck at what the
	 * image does not want there. */
	static const uint32_t targets[] = { 8, 300, 20000 };
	for (size_t i = 0; i < ELEMENTSOF(targets); i++) {
		_cleanup_(story_freep) struct story *story = story_new(NULL, KLIPPER_BYTES, 1);
		uint8_t wanted = story->bytes[targets[i]] >> 2 & 1;
		inject(story, &(struct rp2040_fault){
				      .kind = RP2040_FAULT_STUCK_BIT,
				      .target = STORY_START + targets[i],
				      .bit = 2,
				      .value = !wanted,
			      });
		struct visit visit = story_visit(story, false);
		assert_true(visit.result < 0);
		bool is_boot_page = targets[i] < 256;
		if (!is_boot_page || wanted == 0)
			assert_int_equal(visit.failure.code, REASON_VERIFY_FAILED);
		assert_int_equal(rp2040_flash_state(bench_rp2040(story->board)), RP2040_FALLS_BACK);
	}
}

static void expect_recovery(const struct rp2040_fault *fault)
{
	_cleanup_(story_freep) struct story *story = story_new(NULL, KLIPPER_BYTES, 1);
	int number = inject(story, fault);
	struct visit visit = story_visit(story, false);
	assert_true(bench_fault_fired(story->board, number));
	story_expect_flashed(story, &visit);
	assert_true(visit.tally.recoveries > 0);
}

static void a_stall_in_mid_write_is_recovered_from(void **unused)
{
	(void)unused;
	expect_recovery(&(struct rp2040_fault){
		.kind = RP2040_FAULT_STALL,
		.trigger = RP2040_AT_PAGE,
		.nth = 60,
		.endpoint = 0x03,
	});
	expect_recovery(&(struct rp2040_fault){
		.kind = RP2040_FAULT_STALL,
		.trigger = RP2040_AT_PAGE,
		.nth = 60,
		.endpoint = 0x84,
	});
	expect_recovery(&(struct rp2040_fault){
		.kind = RP2040_FAULT_STALL,
		.trigger = RP2040_AT_SECTOR,
		.nth = 4,
		.endpoint = 0x84,
	});
}

static void a_board_that_fell_silent_is_reset(void **unused)
{
	(void)unused;
	expect_recovery(&(struct rp2040_fault){
		.kind = RP2040_FAULT_WIRE_ERROR,
		.trigger = RP2040_AT_PAGE,
		.nth = 100,
	});
	expect_recovery(&(struct rp2040_fault){
		.kind = RP2040_FAULT_WIRE_ERROR,
		.trigger = RP2040_AT_SECTOR,
		.nth = 3,
	});
}

static void a_hang_that_passes_is_lived_through(void **unused)
{
	(void)unused;
	/* It is healed just when the backend is about to give up waiting; whether a recovery was
	 * under way already is a matter of chance. */
	for (unsigned page = 1; page < 176; page += 25) {
		_cleanup_(story_freep) struct story *story = story_new(NULL, KLIPPER_BYTES, 1);
		story->heal_fault = inject(story, &(struct rp2040_fault){
							  .kind = RP2040_FAULT_HANG,
							  .trigger = RP2040_AT_PAGE,
							  .nth = page,
						  });
		story->heal_at_call = 3;
		struct visit visit = story_visit(story, false);
		assert_true(story->calls_since_fault >= story->heal_at_call);
		story_expect_flashed(story, &visit);
	}
}

static void a_hang_that_nothing_cures_is_given_up(void **unused)
{
	(void)unused;
	static const enum rp2040_fault_kind kinds[] = { RP2040_FAULT_HANG, RP2040_FAULT_HANG_ALL };
	for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
		_cleanup_(story_freep) struct story *story = story_new(NULL, KLIPPER_BYTES, 1);
		inject(story, &(struct rp2040_fault){
				      .kind = kinds[i],
				      .trigger = RP2040_AT_PAGE,
				      .nth = 100,
			      });
		struct visit visit = story_visit(story, false);
		assert_true(visit.result < 0);
		/* Within what the mind takes for silence. */
		print_message("given up after %.1f s\n", (double)visit.write_nsec / 1e9);
		assert_true(visit.write_nsec < 30ull * 1000000000);
		story_expect_cured_by_replug(story);
	}
}

static void a_slow_board_is_waited_for(void **unused)
{
	(void)unused;
	_cleanup_(story_freep) struct story *story = story_new(NULL, KLIPPER_BYTES, 1);
	inject(story, &(struct rp2040_fault){
			      .kind = RP2040_FAULT_LATE,
			      .trigger = RP2040_AT_COMMAND,
			      .nth = 8,
			      .msec = 400,
		      });
	struct visit visit = story_visit(story, false);
	story_expect_flashed(story, &visit);
}

static void a_dead_board_is_given_up(void **unused)
{
	(void)unused;
	_cleanup_(story_freep) struct story *story = story_new(NULL, KLIPPER_BYTES, 1);
	inject(story, &(struct rp2040_fault){
			      .kind = RP2040_FAULT_DIE,
			      .trigger = RP2040_AT_PAGE,
			      .nth = 60,
		      });
	uint64_t start = bench_now_nsec(story->bench);
	struct visit visit = story_visit(story, false);
	assert_true(visit.result < 0);
	assert_true(bench_now_nsec(story->bench) - start < 90ull * 1000000000);
	assert_int_equal(rp2040_flash_state(bench_rp2040(story->board)), RP2040_FALLS_BACK);
}

static void leaving_at_the_restart_is_what_was_asked_for(void **unused)
{
	(void)unused;
	_cleanup_(story_freep) struct story *story = story_new(NULL, KLIPPER_BYTES, 1);
	inject(story, &(struct rp2040_fault){
			      .kind = RP2040_FAULT_POWER_CYCLE,
			      .trigger = RP2040_AT_COMMAND,
			      .command = 0x02,
			      .msec = 100,
		      });
	struct visit visit = story_visit(story, false);
	story_expect_flashed(story, &visit);
	assert_true(visit.is_restarted);
}

static void a_board_that_left_before_go_is_not_written(void **unused)
{
	(void)unused;
	_cleanup_(story_freep) struct story *story = story_with_image(KLIPPER_BYTES, 3);
	const struct backend *backend = backend_for_mode(MODE_RP2040_BOOT);
	struct board_address address = { .usb = bench_address(story->board) };
	struct backend_session *session;
	struct backend_failure failure;
	struct backend_watch watch = { 0 };
	struct job_tally tally;
	assert_int_equal(backend->open(&address, &watch, &session, &failure), 0);
	bench_unplug(story->board);
	bench_advance(story->bench, 500000000);
	bench_replug(story->board, true);
	assert_true(bench_await_present(story->board, 3000));
	struct backend_write write = { .image = story->image, .force = true };
	assert_int_equal(backend->write(session, &write, &tally, &failure), -ENODEV);
	assert_int_equal(failure.code, REASON_BOARD_CHANGED);
	backend->close(session);
	assert_true(story_is_as_before(story));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_blank_board_is_flashed),
		cmocka_unit_test(a_probe_tells_size_and_content),
		cmocka_unit_test(a_probe_sees_katapult),
		cmocka_unit_test(noise_is_no_application),
		cmocka_unit_test(an_identical_image_is_only_read),
		cmocka_unit_test(force_rewrites_what_is_identical),
		cmocka_unit_test(one_different_sector_costs_two),
		cmocka_unit_test(only_the_boot_page_differs),
		cmocka_unit_test(what_lies_beside_the_image_survives),
		cmocka_unit_test(blank_pages_are_not_written),
		cmocka_unit_test(an_image_without_boot_page_is_refused),
		cmocka_unit_test(an_image_larger_than_the_chip_never_starts),
		cmocka_unit_test(the_interface_is_found_where_it_is),
		cmocka_unit_test(a_stop_leaves_the_board_in_boot_mode),
		cmocka_unit_test(a_visit_after_a_stop_needs_no_replug),
		cmocka_unit_test(somebody_is_told_once_a_second),
		cmocka_unit_test(the_neighbour_is_not_touched),
		cmocka_unit_test(the_drive_works_again_after_a_visit),
		cmocka_unit_test(an_erase_that_did_nothing_is_noticed),
		cmocka_unit_test(a_page_that_was_not_programmed_is_noticed),
		cmocka_unit_test(a_worn_out_bit_fails_and_leaves_boot_mode),
		cmocka_unit_test(a_stall_in_mid_write_is_recovered_from),
		cmocka_unit_test(a_board_that_fell_silent_is_reset),
		cmocka_unit_test(a_hang_that_passes_is_lived_through),
		cmocka_unit_test(a_hang_that_nothing_cures_is_given_up),
		cmocka_unit_test(a_slow_board_is_waited_for),
		cmocka_unit_test(a_dead_board_is_given_up),
		cmocka_unit_test(leaving_at_the_restart_is_what_was_asked_for),
		cmocka_unit_test(a_board_that_left_before_go_is_not_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
