/* SPDX-License-Identifier: MIT */
/*
 * Stories about boards in DFU that misbehave, cables that are pulled and flash that forgets: a
 * visit ends verified or with a reason, and nothing unproved is ever left to start.
 */
#include "unit/dfu_story.h"

#include <errno.h>

#include "model/link_address.h"

#define UNPLUGS 200u

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

/* ---- manners of ROMs ---------------------------------------------------------------------- */

static void a_rom_may_block_answer_or_stall_while_it_works(void **state)
{
	(void)state;
	static const enum stm32_chip chips[] = { STM32_F429_1MB, STM32_F072, STM32_G0B1_128K,
		STM32_H723, STM32_H743 };
	static const enum stm32_busy manners[] = { STM32_BUSY_BLOCKS, STM32_BUSY_ANSWERS,
		STM32_BUSY_STALLS };
	for (size_t i = 0; i < ELEMENTSOF(chips) * ELEMENTSOF(manners); i++) {
		enum stm32_chip chip = chips[i % ELEMENTSOF(chips)];
		enum stm32_busy busy = manners[i / ELEMENTSOF(chips)];
		_cleanup_(dfu_story_freep) struct dfu_story *story =
			BOARD(.chip = chip, .busy = busy,
				/* Long enough for the work, as a ROM that stalls must announce. */
				.polls = { .given = busy == STM32_BUSY_STALLS,
					.set_address = 1,
					.erase = 2500,
					.write = 60 });
		struct dfu_visit visit = dfu_story_visit(story, false);
		dfu_story_expect_flashed(story, &visit);
		assert_true(visit.is_restarted);
	}
}

static void a_rom_may_announce_far_too_little(void **state)
{
	(void)state;
	static const enum stm32_busy manners[] = { STM32_BUSY_BLOCKS, STM32_BUSY_ANSWERS };
	for (size_t i = 0; i < ELEMENTSOF(manners); i++) {
		_cleanup_(dfu_story_freep) struct dfu_story *story = BOARD(.chip = STM32_F429_1MB,
			.busy = manners[i], .polls = { .given = true });
		struct dfu_visit visit = dfu_story_visit(story, false);
		dfu_story_expect_flashed(story, &visit);
	}
}

static void block_numbers_may_count_in_either_way(void **state)
{
	(void)state;
	static const enum stm32_multiplier ways[] = { STM32_BY_TRANSFER, STM32_BY_LENGTH };
	for (size_t i = 0; i < 4; i++) {
		_cleanup_(dfu_story_freep) struct dfu_story *story = BOARD(.chip = STM32_F446,
			.upload_multiplier = ways[i % 2], .dnload_multiplier = ways[i / 2]);
		struct dfu_visit visit = dfu_story_visit(story, false);
		dfu_story_expect_flashed(story, &visit);
	}
}

static void every_way_to_leave_is_understood(void **state)
{
	(void)state;
	static const enum stm32_leave ways[] = { STM32_LEAVE_ANSWERS, STM32_LEAVE_VANISHES,
		STM32_LEAVE_AT_ONCE, STM32_LEAVE_STALLS };
	for (size_t i = 0; i < ELEMENTSOF(ways); i++) {
		_cleanup_(dfu_story_freep) struct dfu_story *story =
			BOARD(.chip = STM32_G0B1_128K, .leave = ways[i]);
		struct dfu_visit visit = dfu_story_visit(story, false);
		dfu_story_expect_flashed(story, &visit);
		assert_true(visit.is_restarted);
	}
}

static void a_board_that_stays_is_a_failure_that_says_so(void **state)
{
	(void)state;
	_cleanup_(dfu_story_freep) struct dfu_story *story =
		BOARD(.chip = STM32_F446, .leave = STM32_LEAVE_STAYS);
	struct dfu_visit visit = dfu_story_visit(story, false);
	assert_int_equal(visit.failure.code, REASON_BOARD_SILENT);
	assert_non_null(strstr(visit.failure.sentence, "stays in DFU"));
	assert_true(dfu_story_holds_image(story));
	assert_true(stm32_counters(story->chip)->bus_resets > 0);
}

static void clearing_a_status_is_only_done_where_it_is_legal(void **state)
{
	(void)state;
	static const enum stm32_clear ways[] = { STM32_CLEAR_TO_ERROR, STM32_CLEAR_STALLS };
	static const enum stm32_initial states[] = { STM32_INITIAL_IDLE, STM32_INITIAL_ERROR };
	for (size_t i = 0; i < 4; i++) {
		_cleanup_(dfu_story_freep) struct dfu_story *story =
			BOARD(.chip = STM32_F446, .clear = ways[i % 2], .initial = states[i / 2]);
		struct dfu_visit visit = dfu_story_visit(story, false);
		dfu_story_expect_flashed(story, &visit);
		assert_int_equal(stm32_counters(story->chip)->stalls, 0);
	}
}

/* An image that reaches into the second bank of an H743, whose ROM then stays busy for ever. */
static void an_h743_that_is_wedged_is_set_free(void **state)
{
	(void)state;
	static const uint32_t offset = 0xf0000, length = 0x30000;
	const struct stm32_options options = {
		.chip = STM32_H743, .random_flash = true, .seed = 3
	};
	_cleanup_(dfu_story_freep) struct dfu_story *story =
		dfu_story_new(&options, 0, KLIPPER_BYTES, 2);
	_cleanup_(freep) uint8_t *bytes = story_klipper("stm32h743xx", offset, length, 2);
	dfu_story_set_image(story, bytes, length, offset);
	struct dfu_visit visit = dfu_story_visit(story, false);
	/* What lies before it in its first unit is somebody else's. */
	assert_int_equal(visit.failure.code, REASON_OVERLAPS_BOOTLOADER);
	assert_true(dfu_story_is_as_before(story));

	_cleanup_(freep) uint8_t *aligned = story_klipper("stm32h743xx", 0x100000, length, 2);
	dfu_story_set_image(story, aligned, length, 0x100000);
	visit = dfu_story_write(story, false);
	dfu_story_expect_flashed(story, &visit);
	assert_true(stm32_counters(story->chip)->requests[4] > 0); /* CLRSTATUS */
}

/* ---- protection --------------------------------------------------------------------------- */

static void a_protected_first_sector_is_found_before_anything_is_lost(void **state)
{
	(void)state;
	_cleanup_(dfu_story_freep) struct dfu_story *story =
		BOARD(.chip = STM32_F429_1MB, .write_protected = { { STM32_FLASH_BASE, 16384 } });
	struct dfu_visit visit = dfu_story_visit(story, false);
	assert_int_equal(visit.failure.code, REASON_WRITE_PROTECTED);
	assert_non_null(strstr(visit.failure.sentence, "its flash was not changed"));
	assert_true(dfu_story_is_as_before(story));
}

static void a_protected_sector_elsewhere_is_found_and_nothing_is_started(void **state)
{
	(void)state;
	_cleanup_(dfu_story_freep) struct dfu_story *story = BOARD(.chip = STM32_F429_1MB,
		.write_protected = { { STM32_FLASH_BASE + 16384, 16384 } });
	struct dfu_visit visit = dfu_story_visit(story, false);
	assert_int_equal(visit.failure.code, REASON_WRITE_PROTECTED);
	assert_non_null(strstr(visit.failure.sentence, "0x08004000"));
	assert_non_null(strstr(visit.failure.sentence, "BOOT0"));
	assert_false(story->vectors_programmed);
	assert_int_equal(stm32_counters(story->chip)->leaves, 0);
	dfu_story_expect_safe(story);
}

/* ---- faults ------------------------------------------------------------------------------- */

static void expect_ended_well_or_named(struct dfu_story *story, const struct dfu_visit *visit)
{
	if (visit->result == 0)
		dfu_story_expect_flashed(story, visit);
	else
		dfu_story_expect_safe(story);
}

static const struct {
	enum stm32_chip chip;
	bool blank;
} patients[] = { { STM32_F429_1MB, false }, { STM32_G0B1_128K, false }, { STM32_F072, false },
	{ STM32_H723, false } };

/* One such fault at the nth request of a kind, or at the nth operation. */
static void with_faults(
	struct stm32_fault fault, enum stm32_trigger trigger, unsigned points, bool must_succeed)
{
	fault.trigger = trigger;
	for (unsigned i = 0; i < points * ELEMENTSOF(patients); i++) {
		_cleanup_(dfu_story_freep) struct dfu_story *story =
			BOARD(.chip = patients[i % ELEMENTSOF(patients)].chip, .seed = i);
		fault.nth = 1 + i / ELEMENTSOF(patients);
		assert_true(bench_stm32_fault(story->board, &fault) >= 0);
		struct dfu_visit visit = dfu_story_visit(story, false);
		if (must_succeed)
			dfu_story_expect_flashed(story, &visit);
		expect_ended_well_or_named(story, &visit);
		if (visit.result < 0)
			dfu_story_expect_cured_by_replug(story);
	}
}

static void a_request_that_stalls_once_is_gone_over_again(void **state)
{
	(void)state;
	const struct stm32_fault fault = { .kind = STM32_FAULT_STALL };
	with_faults(fault, STM32_AT_DNLOAD, 30, true);
	with_faults(fault, STM32_AT_UPLOAD, 30, true);
	with_faults(fault, STM32_AT_GETSTATUS, 40, true);
}

static void a_request_that_is_lost_on_the_wire_is_gone_over_again(void **state)
{
	(void)state;
	struct stm32_fault fault = { .kind = STM32_FAULT_WIRE_ERROR };
	for (fault.value = 0; fault.value < 2; fault.value++) {
		with_faults(fault, STM32_AT_DNLOAD, 30, true);
		with_faults(fault, STM32_AT_UPLOAD, 30, true);
		with_faults(fault, STM32_AT_GETSTATUS, 40, true);
	}
}

static void an_operation_that_fails_once_is_gone_over_again(void **state)
{
	(void)state;
	for (uint8_t status = 1; status < 16; status++) {
		/* errVENDOR means that the chip is protected: nobody insists then. */
		const struct stm32_fault fault = { .kind = STM32_FAULT_ERROR_STATUS,
			.value = status };
		with_faults(fault, STM32_AT_ERASE, 2, status != 11);
		with_faults(fault, STM32_AT_PROGRAM, 4, status != 11);
	}
}

static void what_reads_back_wrongly_is_written_again(void **state)
{
	(void)state;
	const struct stm32_fault flip = { .kind = STM32_FAULT_FLIP_BIT, .byte = 17, .bit = 3 };
	with_faults(flip, STM32_AT_PROGRAM, 23, true);
	const struct stm32_fault lost_program = { .kind = STM32_FAULT_LOST_PROGRAM };
	with_faults(lost_program, STM32_AT_PROGRAM, 23, true);
	const struct stm32_fault lost_erase = { .kind = STM32_FAULT_LOST_ERASE };
	with_faults(lost_erase, STM32_AT_ERASE, 4, true);
	const struct stm32_fault wrong_read = {
		.kind = STM32_FAULT_WRONG_READ, .byte = 100, .bit = 1
	};
	with_faults(wrong_read, STM32_AT_UPLOAD, 40, false);
}

static void a_cell_that_is_stuck_is_never_started(void **state)
{
	(void)state;
	static const uint32_t targets[] = { 0x08000000, 0x08000005, 0x08000400, 0x08005001,
		0x0800a000 };
	for (size_t i = 0; i < ELEMENTSOF(targets); i++)
		for (uint8_t bit = 0; bit < 8; bit += 7) {
			_cleanup_(dfu_story_freep) struct dfu_story *story =
				BOARD(.chip = STM32_F429_1MB);
			uint8_t wanted = story->bytes[targets[i] - STM32_FLASH_BASE];
			const struct stm32_fault fault = { .kind = STM32_FAULT_STUCK_BIT,
				.target = targets[i],
				.bit = bit,
				.value = !(wanted >> bit & 1) };
			assert_true(bench_stm32_fault(story->board, &fault) >= 0);
			struct dfu_visit visit = dfu_story_visit(story, false);
			assert_int_equal(visit.result, -EIO);
			assert_int_equal(stm32_counters(story->chip)->leaves, 0);
			dfu_story_expect_safe(story);
		}
}

static void a_board_that_hangs_or_dies_is_given_up_with_a_reason(void **state)
{
	(void)state;
	static const enum stm32_trigger triggers[] = { STM32_AT_DNLOAD, STM32_AT_GETSTATUS,
		STM32_AT_UPLOAD };
	for (size_t i = 0; i < ELEMENTSOF(triggers); i++) {
		const struct stm32_fault hang = { .kind = STM32_FAULT_HANG };
		with_faults(hang, triggers[i], 6, false);
		for (unsigned nth = 1; nth < 8; nth++) {
			_cleanup_(dfu_story_freep) struct dfu_story *story =
				BOARD(.chip = STM32_F446);
			const struct stm32_fault death = {
				.kind = STM32_FAULT_DIE, .trigger = triggers[i], .nth = nth
			};
			assert_true(bench_stm32_fault(story->board, &death) >= 0);
			struct dfu_visit visit = dfu_story_visit(story, false);
			/* Resetting the port of a dead device makes it disappear. */
			assert_true(visit.failure.code == REASON_BOARD_SILENT ||
				    visit.failure.code == REASON_BOARD_LEFT);
			dfu_story_expect_safe(story);
		}
	}
}

/* The head comes last, and its block is read once more: nothing else looks at it after that. */
static void a_block_that_reads_wrongly_at_last_is_written_anew(void **state)
{
	(void)state;
	_cleanup_(dfu_story_freep) struct dfu_story *calm = BOARD(.chip = STM32_F446);
	struct dfu_visit visit = dfu_story_write(calm, false);
	dfu_story_expect_flashed(calm, &visit);
	uint64_t uploads = stm32_counters(calm->chip)->requests[2 /* UPLOAD */];
	uint32_t units_erased = visit.tally.units_erased;
	calm = dfu_story_free(calm);

	_cleanup_(dfu_story_freep) struct dfu_story *story = BOARD(.chip = STM32_F446);
	const struct stm32_fault fault = {
		.kind = STM32_FAULT_WRONG_READ,
		.trigger = STM32_AT_UPLOAD,
		.nth = uploads,
		.byte = 1000,
	};
	assert_true(bench_stm32_fault(story->board, &fault) >= 0);
	visit = dfu_story_write(story, false);
	dfu_story_expect_flashed(story, &visit);
	assert_int_equal(visit.tally.units_erased, units_erased + 1);
}

/* The mind waits for 45 seconds until there is evidence, and a port may have to be reset thrice. */
static void a_dead_board_is_given_up_in_time(void **state)
{
	(void)state;
	for (unsigned nth = 1; nth < 6; nth++) {
		_cleanup_(dfu_story_freep) struct dfu_story *story = BOARD(.chip = STM32_F446);
		const struct stm32_fault hang = {
			.kind = STM32_FAULT_HANG, .trigger = STM32_AT_GETSTATUS, .nth = nth
		};
		assert_true(bench_stm32_fault(story->board, &hang) >= 0);
		uint64_t start = bench_now_nsec(story->bench);
		struct dfu_visit visit = dfu_story_look(story);
		assert_int_equal(visit.failure.code, REASON_BOARD_LEFT);
		assert_true(bench_now_nsec(story->bench) - start < 15 * NSEC_PER_SEC);
	}
}

static void a_bus_reset_in_between_is_survived(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		_cleanup_(dfu_story_freep) struct dfu_story *story =
			BOARD(.chip = patients[i % ELEMENTSOF(patients)].chip);
		const struct stm32_fault fault = {
			.kind = STM32_FAULT_REENUMERATE, .trigger = STM32_AT_DNLOAD, .nth = 1 + i
		};
		assert_true(bench_stm32_fault(story->board, &fault) >= 0);
		struct dfu_visit visit = dfu_story_visit(story, false);
		if (visit.result == 0)
			continue;
		assert_int_equal(visit.failure.code, REASON_BOARD_LEFT);
		assert_true(bench_await_stm32(story->board, STM32_DFU, 3000));
		assert_true(bench_await_present(story->board, 3000));
		visit = dfu_story_visit(story, false);
		dfu_story_expect_flashed(story, &visit);
	}
}

/* ---- cables and orders -------------------------------------------------------------------- */

static void the_cable_may_be_pulled_at_any_byte(void **state)
{
	(void)state;
	for (unsigned i = 0; i < UNPLUGS; i++) {
		_cleanup_(dfu_story_freep) struct dfu_story *story =
			BOARD(.chip = patients[i % ELEMENTSOF(patients)].chip, .seed = i);
		/* About 45 KB are read, written and read again. */
		const struct stm32_fault fault = { .kind = STM32_FAULT_UNPLUG,
			.trigger = STM32_AT_BYTE,
			.nth = i * 140000u / UNPLUGS };
		assert_true(bench_stm32_fault(story->board, &fault) >= 0);
		struct dfu_visit visit = dfu_story_visit(story, false);
		expect_ended_well_or_named(story, &visit);
		if (visit.result < 0) {
			assert_int_equal(visit.failure.code, REASON_BOARD_LEFT);
			dfu_story_expect_cured_by_replug(story);
		}
	}
}

static void power_may_fail_in_the_middle_of_an_operation(void **state)
{
	(void)state;
	static const enum stm32_trigger triggers[] = { STM32_AT_ERASE, STM32_AT_PROGRAM };
	for (unsigned i = 0; i < 120; i++) {
		_cleanup_(dfu_story_freep) struct dfu_story *story =
			BOARD(.chip = patients[i % ELEMENTSOF(patients)].chip, .seed = i);
		const struct stm32_fault fault = { .kind = STM32_FAULT_UNPLUG,
			.trigger = triggers[i / 4 % 2],
			.nth = 1 + i / 8,
			.after_nsec = (1 + i % 7) * 3 * NSEC_PER_MSEC };
		assert_true(bench_stm32_fault(story->board, &fault) >= 0);
		struct dfu_visit visit = dfu_story_visit(story, false);
		/* That it left when it was told to start may have been the cable. */
		if (visit.result < 0 || stm32_mode(story->chip) == STM32_OFF)
			dfu_story_expect_cured_by_replug(story);
		else
			dfu_story_expect_flashed(story, &visit);
	}
}

static void what_was_done_before_a_break_is_not_done_again(void **state)
{
	(void)state;
	_cleanup_(dfu_story_freep) struct dfu_story *story = BOARD(.chip = STM32_G0B1_128K);
	const struct stm32_fault fault = {
		.kind = STM32_FAULT_UNPLUG, .trigger = STM32_AT_PROGRAM, .nth = 12
	};
	assert_true(bench_stm32_fault(story->board, &fault) >= 0);
	struct dfu_visit visit = dfu_story_visit(story, false);
	assert_int_equal(visit.failure.code, REASON_BOARD_LEFT);
	assert_non_null(strstr(visit.failure.sentence, "comes back in DFU mode by itself"));
	bench_replug(story->board, false); /* and nobody holds BOOT0: the empty check */
	assert_true(bench_await_stm32(story->board, STM32_DFU, 3000));
	assert_true(bench_await_present(story->board, 3000));
	visit = dfu_story_visit(story, false);
	dfu_story_expect_flashed(story, &visit);
	assert_in_range(story->erases, 0, 1); /* what was being programmed then */
	assert_in_range(story->programs, 1, 8);
}

static void a_stop_is_obeyed_and_leaves_nothing_that_starts(void **state)
{
	(void)state;
	for (unsigned call = 1; call < 60; call++) {
		_cleanup_(dfu_story_freep) struct dfu_story *story = BOARD(.chip = STM32_G0B1_128K);
		story->stop_after = call * 3;
		struct dfu_visit visit = dfu_story_visit(story, false);
		story->stop_after = 0;
		if (visit.result == 0)
			continue;
		assert_int_equal(visit.failure.code, REASON_CANCELLED);
		dfu_story_expect_safe(story);
		visit = dfu_story_visit(story, false);
		dfu_story_expect_flashed(story, &visit);
	}
}

static void another_arrival_is_not_written(void **state)
{
	(void)state;
	_cleanup_(dfu_story_freep) struct dfu_story *story = BOARD(.chip = STM32_F446);
	struct board_address address = { .usb = bench_address(story->board) };
	const struct backend *backend = backend_for_mode(MODE_DFU);
	const struct backend_watch watch = { 0 };
	struct backend_session *session = NULL;
	struct backend_failure failure = { 0 };
	struct board_facts facts;
	struct job_tally tally = { 0 };
	assert_int_equal(backend->open(&address, &watch, &session, &failure), 0);
	assert_int_equal(backend->probe(session, &facts, &failure), 0);
	bench_unplug(story->board);
	bench_advance(story->bench, NSEC_PER_SEC);
	bench_replug(story->board, true);
	const struct backend_write write = { .image = story->image };
	assert_int_equal(backend->write(session, &write, &tally, &failure), -ENODEV);
	assert_int_equal(failure.code, REASON_BOARD_CHANGED);
	assert_null(backend->close(session));
	assert_true(dfu_story_is_as_before(story));
}

static void a_cable_pulled_before_the_start_is_no_start(void **state)
{
	(void)state;
	_cleanup_(dfu_story_freep) struct dfu_story *story = BOARD(.chip = STM32_F446);
	struct dfu_visit visit = dfu_story_write(story, false);
	dfu_story_expect_flashed(story, &visit);
	const struct backend *backend = backend_for_mode(MODE_DFU);
	const struct backend_watch watch = { 0 };
	struct board_address address = { .usb = bench_address(story->board) };
	struct backend_session *session = NULL;
	struct backend_failure failure = { 0 };
	struct board_facts facts;
	assert_int_equal(backend->open(&address, &watch, &session, &failure), 0);
	assert_int_equal(backend->probe(session, &facts, &failure), 0);
	bench_unplug(story->board);
	bench_advance(story->bench, NSEC_PER_SEC);
	assert_int_equal(backend->restart(session, &failure), -ENODEV);
	assert_int_equal(failure.code, REASON_BOARD_LEFT);
	assert_null(backend->close(session));
}

int main(void)
{
	const struct CMUnitTest stories[] = {
		cmocka_unit_test(a_rom_may_block_answer_or_stall_while_it_works),
		cmocka_unit_test(a_rom_may_announce_far_too_little),
		cmocka_unit_test(block_numbers_may_count_in_either_way),
		cmocka_unit_test(every_way_to_leave_is_understood),
		cmocka_unit_test(a_board_that_stays_is_a_failure_that_says_so),
		cmocka_unit_test(clearing_a_status_is_only_done_where_it_is_legal),
		cmocka_unit_test(an_h743_that_is_wedged_is_set_free),
		cmocka_unit_test(a_protected_first_sector_is_found_before_anything_is_lost),
		cmocka_unit_test(a_protected_sector_elsewhere_is_found_and_nothing_is_started),
		cmocka_unit_test(a_request_that_stalls_once_is_gone_over_again),
		cmocka_unit_test(a_request_that_is_lost_on_the_wire_is_gone_over_again),
		cmocka_unit_test(an_operation_that_fails_once_is_gone_over_again),
		cmocka_unit_test(what_reads_back_wrongly_is_written_again),
		cmocka_unit_test(a_cell_that_is_stuck_is_never_started),
		cmocka_unit_test(a_board_that_hangs_or_dies_is_given_up_with_a_reason),
		cmocka_unit_test(a_block_that_reads_wrongly_at_last_is_written_anew),
		cmocka_unit_test(a_dead_board_is_given_up_in_time),
		cmocka_unit_test(a_bus_reset_in_between_is_survived),
		cmocka_unit_test(the_cable_may_be_pulled_at_any_byte),
		cmocka_unit_test(power_may_fail_in_the_middle_of_an_operation),
		cmocka_unit_test(what_was_done_before_a_break_is_not_done_again),
		cmocka_unit_test(a_stop_is_obeyed_and_leaves_nothing_that_starts),
		cmocka_unit_test(another_arrival_is_not_written),
		cmocka_unit_test(a_cable_pulled_before_the_start_is_no_start),
	};
	return cmocka_run_group_tests(stories, NULL, NULL);
}
