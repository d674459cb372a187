/* SPDX-License-Identifier: MIT */
/*
 * How the emulated Katapult writes: the rules of each family, what they cost, and what becomes of
 * an interruption.
 */
#include <errno.h>
#include <string.h>

#include "unit/emu_katapult_talker.h"

#define G0_APP  (KT_FLASH + 0x2000)
#define F4_APP  (KT_FLASH + 0x8000)
#define H7_APP  (KT_FLASH + 0x20000)
#define LPC_APP 0x4000u

static struct kt the_kt;
static uint8_t image[0x20000];

static struct kt *set_up(void **state, enum stm32_chip chip)
{
	kt_plug(&the_kt, state, &(struct stm32_options){ .chip = chip });
	kt_start(&the_kt);
	kt_fill(image, sizeof(image), 3);
	return &the_kt;
}

/* The same with an old application, which does not start: its first word is 0. */
static struct kt *set_up_occupied(void **state, enum stm32_chip chip, uint32_t at, size_t length)
{
	struct kt *kt = set_up(state, chip);
	uint8_t *flash = (uint8_t *)kt_flash(kt, at);
	kt_fill(flash, length, 77);
	memset(flash, 0, 4);
	return kt;
}

static const struct stm32_counters *chip_counters(struct kt *kt)
{
	return stm32_counters(bench_stm32(kt->board));
}

static bool is_blank(const uint8_t *bytes, size_t length)
{
	for (size_t index = 0; index < length; index++)
		if (bytes[index] != 0xff)
			return false;
	return true;
}

static uint64_t nsec_of_block(struct kt *kt, uint32_t address, const uint8_t *block)
{
	uint64_t since = bench_now_nsec(kt->bench);
	assert_int_equal(kt_block(kt, address, block), KATA_ACK);
	return bench_now_nsec(kt->bench) - since;
}

static void assert_took(uint64_t nsec, uint64_t usec)
{
	assert_in_range(nsec / NSEC_PER_USEC, usec, usec + 400);
}

/* --- STM32 ------------------------------------------------------------------------------- */

static void test_units_and_their_erasure(void **state)
{
	static const struct {
		enum stm32_chip chip;
		uint32_t application, unit;
		unsigned erase_usec, program_usec;
	} cases[] = {
		{ STM32_F103, KT_FLASH + 0x2000, 1024, 30000, 1712 },
		{ STM32_F072, KT_FLASH + 0x2000, 2048, 30000, 1712 },
		{ STM32_G0B1_512K, G0_APP, 2048, 22000, 680 },
		{ STM32_G431, G0_APP, 2048, 22000, 664 },
		{ STM32_F446, F4_APP, 0x4000, 250000, 256 },
		{ STM32_H723, H7_APP, 0x20000, 1750000, 580 },
	};
	for (size_t index = 0; index < ELEMENTSOF(cases); index++) {
		uint32_t app = cases[index].application, unit = cases[index].unit;
		struct kt *kt = set_up_occupied(state, cases[index].chip, app, unit + KT_BLOCK);
		assert_took(nsec_of_block(kt, app, image),
			cases[index].erase_usec + cases[index].program_usec);
		assert_memory_equal(kt_flash(kt, app), image, KT_BLOCK);
		assert_true(is_blank(kt_flash(kt, app + KT_BLOCK), unit - KT_BLOCK));
		assert_false(is_blank(kt_flash(kt, app + unit), KT_BLOCK));
		assert_took(nsec_of_block(kt, app + KT_BLOCK, image + KT_BLOCK),
			cases[index].program_usec);
		assert_int_equal(chip_counters(kt)->erases, 1);
		assert_int_equal(chip_counters(kt)->programs, 2);
		if (index + 1 < ELEMENTSOF(cases))
			kt_tear_down(state);
	}
}

static void test_a_blank_unit_is_not_erased(void **state)
{
	uint32_t pages;
	struct kt *kt = set_up(state, STM32_G0B1_512K);
	assert_int_equal(kt_block(kt, G0_APP, image), KATA_ACK);
	assert_int_equal(chip_counters(kt)->erases, 0);
	assert_int_equal(kt_eof(kt, &pages), KATA_ACK);
	assert_int_equal(pages, 1);
}

static void test_a_block_may_come_again(void **state)
{
	uint32_t pages;
	struct kt *kt = set_up(state, STM32_F446);
	assert_int_equal(kt_block(kt, F4_APP, image), KATA_ACK);
	assert_int_equal(kt_block(kt, F4_APP, image), KATA_ACK);
	assert_int_equal(chip_counters(kt)->programs, 1);
	assert_int_equal(kt_block(kt, F4_APP + KT_BLOCK, image + KT_BLOCK), KATA_ACK);
	assert_int_equal(kt_block(kt, F4_APP + KT_BLOCK, image + KT_BLOCK), KATA_ACK);
	assert_int_equal(chip_counters(kt)->programs, 2);
	assert_int_equal(kt_counters(kt)->blocks_repeated, 2);
	/* Equal, but the rest is not blank any more. */
	assert_int_equal(kt_block(kt, F4_APP, image), KATA_ACK);
	assert_int_equal(chip_counters(kt)->erases, 1);
	assert_true(is_blank(kt_flash(kt, F4_APP + KT_BLOCK), KT_BLOCK));
	assert_int_equal(kt_eof(kt, &pages), KATA_ACK);
	assert_int_equal(pages, 2);
}

static void test_order_matters_inside_a_unit(void **state)
{
	struct kt *kt = set_up_occupied(state, STM32_G0B1_512K, G0_APP, 0x2000);
	assert_int_equal(kt_block(kt, G0_APP + KT_BLOCK, image), KATA_ERROR);
	assert_int_equal(kt_block(kt, G0_APP + 0x1000, image), KATA_ACK);
	assert_int_equal(kt_block(kt, G0_APP, image), KATA_ACK);
	/* Forward over a gap is fine, back into it too: it is blank. */
	assert_int_equal(kt_block(kt, G0_APP + 3 * KT_BLOCK, image), KATA_ACK);
	assert_int_equal(kt_block(kt, G0_APP + 2 * KT_BLOCK, image), KATA_ACK);
	assert_int_equal(kt_block(kt, G0_APP + 2 * KT_BLOCK, image + KT_BLOCK), KATA_ERROR);
	assert_int_equal(kt_counters(kt)->blocks_refused, 2);
}

static void test_addresses_that_are_refused(void **state)
{
	uint8_t payload[68] = { 0x00, 0x00, 0x00, 0x08 };
	struct kt *kt = set_up(state, STM32_F446);
	assert_int_equal(kt_block(kt, KT_FLASH, image), KATA_ERROR);
	assert_int_equal(kt_block(kt, F4_APP - KT_BLOCK, image), KATA_ERROR);
	assert_int_equal(kt_block(kt, F4_APP + 32, image), KATA_ERROR);
	payload[1] = 0x80;
	assert_int_equal(kt_command(kt, KATA_SEND_BLOCK, payload, 16), KATA_ERROR);
	assert_int_equal(kt_command(kt, KATA_SEND_BLOCK, payload, 0), KATA_ERROR);
	assert_int_equal(chip_counters(kt)->programs, 0);
	/* Behind the end of flash nothing is checked: the processor reads there and crashes. */
	kt_send_frame(kt, KATA_SEND_BLOCK, (uint8_t[68]){ 0x00, 0x00, 0x08, 0x08 }, 17);
	assert_int_equal(kt_receive(kt, KT_SOON_MSEC), -ETIMEDOUT);
	assert_int_equal(kt_counters(kt)->crashes, 1);
}

static void test_an_h7_that_refuses_what_is_occupied(void **state)
{
	struct stm32_options options = { .chip = STM32_H743 };
	options.resident.katapult.refuses_occupied = true;
	kt_plug(&the_kt, state, &options);
	kt_start(&the_kt);
	uint8_t *flash = (uint8_t *)kt_flash(&the_kt, H7_APP);
	memset(flash + 0x1000, 0, 1);
	assert_int_equal(kt_block(&the_kt, H7_APP, image), KATA_ERROR);
	assert_int_equal(kt_block(&the_kt, H7_APP, image), KATA_ERROR);
	memset(flash + 0x1000, 0xff, 1);
	assert_int_equal(kt_block(&the_kt, H7_APP, image), KATA_ACK);
}

static void test_the_chip_compares_what_it_wrote(void **state)
{
	struct kt *kt = set_up(state, STM32_G0B1_512K);
	kt_arm(kt, (struct stm32_fault){ STM32_FAULT_FLIP_BIT, .byte = 9 });
	assert_int_equal(kt_block(kt, G0_APP, image), KATA_ERROR);
	kt_arm(kt, (struct stm32_fault){ .kind = STM32_FAULT_LOST_PROGRAM });
	assert_int_equal(kt_block(kt, G0_APP, image), KATA_ERROR);
	assert_int_equal(kt_block(kt, G0_APP, image), KATA_ACK);
}

static void test_a_poisoned_start_comes_last(void **state)
{
	static const uint8_t zeros[KT_BLOCK];
	static const enum stm32_chip chips[] = { STM32_F446, STM32_G0B1_512K, STM32_F103 };
	for (size_t index = 0; index < ELEMENTSOF(chips); index++) {
		struct kt *kt = set_up(state, chips[index]);
		uint32_t app = bench_resident(kt->board)->katapult.kind.application, pages;
		struct stm32_range unit;
		memset(image, 0xff, 4);
		kt_fill((uint8_t *)kt_flash(kt, app), 0x5000, 9);
		assert_int_equal(kt_block(kt, app, zeros), KATA_ACK);
		assert_true(stm32_sector(bench_stm32(kt->board), app, &unit));
		kt_blocks(kt, app + unit.bytes, image + unit.bytes, 0x5000 - unit.bytes);
		kt_blocks(kt, app, image, unit.bytes);
		assert_int_equal(kt_eof(kt, &pages), KATA_ACK);
		assert_memory_equal(kt_flash(kt, app), image, 0x5000);
		if (index + 1 < ELEMENTSOF(chips))
			kt_tear_down(state);
	}
}

/* --- LPC176x ----------------------------------------------------------------------------- */

static void test_an_lpc_counts_strictly(void **state)
{
	uint32_t pages;
	struct kt *kt = set_up_occupied(state, STM32_LPC1769, LPC_APP, 0x3000);
	memset(image, 0, 4); /* which would not be started */
	assert_int_equal(kt_block(kt, LPC_APP, image), KATA_ACK);
	assert_int_equal(kt_block(kt, LPC_APP, image), KATA_ERROR);
	assert_int_equal(kt_block(kt, LPC_APP + 0x1000, image), KATA_ERROR);
	assert_int_equal(kt_counters(kt)->blocks_sent, 1);
	assert_int_equal(chip_counters(kt)->programs, 0);
	kt_blocks(kt, LPC_APP + KT_BLOCK, image + KT_BLOCK, 3 * KT_BLOCK);
	assert_memory_equal(kt_flash(kt, LPC_APP), image, 256);
	assert_true(is_blank(kt_flash(kt, LPC_APP + 256), 0x1000 - 256));
	/* Where the counter stands on a page it may jump. */
	kt_blocks(kt, LPC_APP + 0x1000, image, 2 * KT_BLOCK);
	assert_int_equal(kt_block(kt, LPC_APP, image), KATA_ERROR);
	assert_int_equal(kt_eof(kt, &pages), KATA_ACK);
	assert_int_equal(pages, 2);
	assert_memory_equal(kt_flash(kt, LPC_APP + 0x1000), image, 2 * KT_BLOCK);
	assert_true(is_blank(kt_flash(kt, LPC_APP + 0x1000 + 2 * KT_BLOCK), 2 * KT_BLOCK));
	assert_int_equal(kt_block(kt, LPC_APP, image), KATA_ERROR);
	bench_stm32_reset(kt->board, false);
	assert_true(bench_await_stm32(kt->board, STM32_KATAPULT, 3000));
	kt_close(kt);
	assert_int_equal(kt_open(kt), 0);
	assert_int_equal(kt_block(kt, LPC_APP, image), KATA_ACK);
}

static void test_an_lpc_does_not_compare(void **state)
{
	struct kt *kt = set_up(state, STM32_LPC1769);
	kt_arm(kt, (struct stm32_fault){ STM32_FAULT_FLIP_BIT, .byte = 9 });
	kt_blocks(kt, LPC_APP, image, 256);
	assert_memory_not_equal(kt_flash(kt, LPC_APP), image, 256);
	/* Not even whether there is such flash. */
	assert_int_equal(kt_block(kt, 0x80000, image), KATA_ACK);
	kt_blocks(kt, 0x80040, image, 2 * KT_BLOCK);
	assert_int_equal(kt_block(kt, 0x800c0, image), KATA_ERROR);
}

/* --- reading ----------------------------------------------------------------------------- */

static void test_everything_can_be_read(void **state)
{
	uint8_t block[KT_BLOCK];
	struct kt *kt = set_up_occupied(state, STM32_F446, F4_APP, 0x4000);
	assert_int_equal(kt_read(kt, KT_FLASH + 0xc0, block), KATA_ACK);
	assert_memory_equal(block + 0x38, "CanBoot!", 8);
	assert_int_equal(kt_read(kt, F4_APP + 0x1234, block), KATA_ACK);
	assert_memory_equal(block, kt_flash(kt, F4_APP + 0x1234), KT_BLOCK);
	assert_int_equal(kt_read(kt, 0xc0, block), KATA_ACK);
	assert_memory_equal(block + 0x38, "CanBoot!", 8);
	assert_int_equal(kt_read(kt, 0x20000000, block), KATA_ACK);
	assert_int_equal(kt_read(kt, 0x1fff7a10, block), KATA_ACK);
	assert_int_equal(block[0], 0x2b);
	assert_int_equal(kt_counters(kt)->blocks_read, 5);
}

static void test_a_read_of_nothing_is_the_end(void **state)
{
	uint8_t block[KT_BLOCK];
	struct kt *kt = set_up(state, STM32_F446);
	assert_int_equal(kt_read(kt, 0x08080000, block), -ETIMEDOUT);
	assert_int_equal(kt_counters(kt)->crashes, 1);
	assert_int_equal(kt_connect(kt), -ETIMEDOUT);
	kt_close(kt);
	bench_stm32_reset(kt->board, false);
	assert_true(bench_await_stm32(kt->board, STM32_KATAPULT, 3000));
	assert_int_equal(kt_open(kt), 0);
	assert_int_equal(kt_connect(kt), KATA_ACK);
}

/* --- the books --------------------------------------------------------------------------- */

static void test_what_was_never_read_back(void **state)
{
	uint8_t block[KT_BLOCK];
	uint32_t pages;
	struct kt *kt = set_up(state, STM32_G0B1_512K);
	kt_blocks(kt, G0_APP, image, 2 * KT_BLOCK);
	assert_int_equal(kt_eof(kt, &pages), KATA_ACK);
	assert_int_equal(kt_read(kt, G0_APP, block), KATA_ACK);
	assert_int_equal(kt_complete(kt), KATA_ACK);
	assert_int_equal(kt_counters(kt)->unverified_completes, 1);
	uint64_t digest = bench_resident(kt->board)->katapult.complete_digest;
	kt_tear_down(state);
	kt = set_up(state, STM32_G0B1_512K);
	kt_blocks(kt, G0_APP, image, 2 * KT_BLOCK);
	assert_int_equal(kt_read(kt, G0_APP, block), KATA_ACK);
	assert_int_equal(kt_read(kt, G0_APP + KT_BLOCK, block), KATA_ACK);
	assert_int_equal(kt_complete(kt), KATA_ACK);
	assert_int_equal(kt_counters(kt)->unverified_completes, 0);
	assert_int_equal(bench_resident(kt->board)->katapult.complete_digest, digest);
}

static void test_the_ledger(void **state)
{
	uint64_t since;
	struct kt *kt = set_up_occupied(state, STM32_G0B1_512K, G0_APP, 0x4000);
	stm32_reset_counters(bench_stm32(kt->board));
	since = bench_now_nsec(kt->bench);
	kt_blocks(kt, G0_APP, image, 0x1000);
	const struct stm32_ledger *ledger = stm32_ledger(bench_stm32(kt->board));
	assert_int_equal(ledger->erase_nsec, 2 * 22 * NSEC_PER_MSEC);
	assert_int_equal(ledger->program_nsec, 64 * 8 * 85 * NSEC_PER_USEC);
	assert_int_equal(ledger->turn_nsec, 64 * KATA_COMMAND_NSEC);
	assert_int_equal(ledger->wire_nsec, 64 * 3 * PACKET_NSEC);
	assert_int_equal(ledger->union_nsec,
		ledger->erase_nsec + ledger->program_nsec + ledger->turn_nsec + ledger->wire_nsec);
	assert_in_range(bench_now_nsec(kt->bench) - since, ledger->union_nsec,
		ledger->union_nsec + NSEC_PER_MSEC);
}

/* --- interruptions ----------------------------------------------------------------------- */

static void test_power_that_fails_at_a_block(void **state)
{
	uint8_t payload[68] = { 0x00, 0x21, 0x00, 0x08 };
	struct kt *kt = set_up_occupied(state, STM32_G0B1_512K, G0_APP, 0x1000);
	int fault = kt_arm(kt, (struct stm32_fault){ STM32_FAULT_POWER_CYCLE,
				       .trigger = STM32_AT_BLOCK, .nth = 5, .msec = 300 });
	kt_blocks(kt, G0_APP, image, 4 * KT_BLOCK);
	kt_send_frame(kt, KATA_SEND_BLOCK, payload, 17);
	assert_int_equal(kt_receive(kt, KT_SOON_MSEC), -ENODEV);
	assert_true(bench_fault_fired(kt->board, fault));
	kt_close(kt);
	/* What was written begins with something, which is started, and crashes. */
	bench_advance(kt->bench, 2 * NSEC_PER_SEC);
	assert_int_equal(kt_mode(kt), STM32_LOST);
}

static void test_power_that_fails_in_an_erase(void **state)
{
	struct kt *kt = set_up_occupied(state, STM32_F446, F4_APP, 0x4000);
	kt_arm(kt, (struct stm32_fault){ STM32_FAULT_UNPLUG, .trigger = STM32_AT_ERASE,
			   .after_nsec = 100 * NSEC_PER_MSEC });
	kt_send_frame(kt, KATA_SEND_BLOCK, (uint8_t[68]){ 0x00, 0x80, 0x00, 0x08 }, 17);
	assert_int_equal(kt_receive(kt, KT_LONG_MSEC), -ENODEV);
	const uint8_t *flash = kt_flash(kt, F4_APP);
	assert_false(is_blank(flash, 0x4000));
	assert_int_equal(kt_mode(kt), STM32_OFF);
}

#define TEST(function) cmocka_unit_test_teardown(function, kt_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_units_and_their_erasure),
		TEST(test_a_blank_unit_is_not_erased),
		TEST(test_a_block_may_come_again),
		TEST(test_order_matters_inside_a_unit),
		TEST(test_addresses_that_are_refused),
		TEST(test_an_h7_that_refuses_what_is_occupied),
		TEST(test_the_chip_compares_what_it_wrote),
		TEST(test_a_poisoned_start_comes_last),
		TEST(test_an_lpc_counts_strictly),
		TEST(test_an_lpc_does_not_compare),
		TEST(test_everything_can_be_read),
		TEST(test_a_read_of_nothing_is_the_end),
		TEST(test_what_was_never_read_back),
		TEST(test_the_ledger),
		TEST(test_power_that_fails_at_a_block),
		TEST(test_power_that_fails_in_an_erase),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
