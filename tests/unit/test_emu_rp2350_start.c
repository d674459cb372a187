/* SPDX-License-Identifier: MIT */
/*
 * How the emulated RP2350 leaves its boot mode, and what it would start from flash.
 */
#include <errno.h>
#include <string.h>

#include "unit/emu_rp2350_talker.h"

static const struct rp2040_options plain;

/* --- leaving ----------------------------------------------------------------------------- */

static int reboot2(struct talker *talker, uint32_t flags, uint32_t msec, uint32_t p0)
{
	return talker_talk(talker, REBOOT2, 16, (uint32_t[4]){ flags, msec, p0 }, NULL, 0);
}

static struct talker *begin_with_program(void **state)
{
	static uint8_t image[8192];
	rp2350_make_program(image, sizeof(image), BLOCK_ARM);
	return rp2350_begin_well(
		state, (struct rp2040_options){ .image = image, .image_bytes = sizeof(image) });
}

static void test_reboot_into_the_application(void **state)
{
	struct talker *talker = begin_with_program(state);
	uint8_t bytes[64];
	uint64_t since = bench_now_nsec(talker->bench);
	assert_int_equal(reboot2(talker, 0x100, 500, 0), 0);
	assert_int_equal(talker_simple(talker, EXIT_XIP), -EPIPE);
	rp2350_assert_refused(talker, 7);
	talker_read_at(talker, RP2350_RAM, bytes, 64);
	rp2350_assert_refused(talker, 7);
	assert_int_equal(talker_erase(talker, FLASH, 4096), -EPIPE);
	rp2350_assert_refused(talker, 7);
	assert_true(bench_await_mode(talker->board, RP2040_AWAY, 1000));
	talker_assert_took(talker, since, 0.5);
	assert_int_equal(usb_pause(talker->device, 1000), -ENODEV);
	talker->device = usb_close(talker->device);
	assert_true(bench_await_mode(talker->board, RP2040_APPLICATION, 1000));
	struct usb_address address = bench_address(talker->board);
	assert_int_equal(usb_open(&address, &talker->device), 0);
	rp2350_assert_string(talker, 3, RP2350_ID_TEXT);
	assert_int_equal(usb_control(talker->device, 0x80, 6, 0x100, 0, bytes, 64, 100), 18);
	assert_memory_equal(bytes + 8, "\x8a\x2e\x09\x00", 4);
}

static void test_flash_update_starts_from_flash(void **state)
{
	struct talker *talker = begin_with_program(state);
	assert_int_equal(reboot2(talker, 0x4, 10, FLASH), 0);
	assert_true(bench_await_mode(talker->board, RP2040_APPLICATION, 1000));
}

static void test_reboot_into_boot_mode(void **state)
{
	struct talker *talker = begin_with_program(state);
	assert_int_equal(reboot2(talker, 0x2, 10, 0x01), 0);
	bench_advance(talker->bench, 20 * NSEC_PER_MSEC);
	talker->device = usb_close(talker->device);
	assert_true(bench_await_mode(talker->board, RP2040_BOOT, 1000));
	struct usb_address address = bench_address(talker->board);
	assert_int_equal(usb_open(&address, &talker->device), 0);
	assert_int_equal(usb_claim(talker->device, 1), -ENOENT);
	assert_int_equal(usb_claim(talker->device, 0), 0);
	assert_int_equal(talker_simple(talker, EXIT_XIP), 0);
}

static void test_reboot_into_memory(void **state)
{
	struct talker *talker = begin_with_program(state);
	assert_int_equal(reboot2(talker, 0x3, 10, RP2350_RAM), 0);
	assert_true(bench_await_mode(talker->board, RP2040_LOST, 1000));
}

static void test_reboots_that_are_refused(void **state)
{
	static const uint32_t flags[] = { 0xd, 0x1, 0x5, 0x30, 0x40, 0x200, 0x80000000 };
	struct talker *talker = begin_with_program(state);
	for (size_t index = 0; index < ELEMENTSOF(flags); index++) {
		assert_int_equal(reboot2(talker, flags[index], 10, 0), -EPIPE);
		rp2350_assert_refused(talker, 10);
	}
	bench_advance(talker->bench, NSEC_PER_SEC);
	assert_int_equal(rp2040_mode(bench_rp2040(talker->board)), RP2040_BOOT);
	assert_int_equal(talker_simple(talker, EXIT_XIP), 0);
}

/* --- what it would start ----------------------------------------------------------------- */

static enum rp2040_boot state_of(struct talker *talker, const uint8_t *bytes, size_t length)
{
	size_t size;
	struct rp2040 *board = bench_rp2040(talker->board);
	uint8_t *flash = rp2040_flash(board, &size);
	memset(flash, 0xff, size);
	memcpy(flash, bytes, length);
	return rp2040_flash_state(board);
}

static void test_what_starts(void **state)
{
	static uint8_t bytes[32768];
	struct talker *talker = rp2350_begin_raw(state, plain);
	assert_int_equal(state_of(talker, bytes, 0), RP2040_FALLS_BACK);
	rp2350_make_program(bytes, sizeof(bytes), BLOCK_ARM);
	assert_int_equal(state_of(talker, bytes, sizeof(bytes)), RP2040_BOOTS);
	assert_int_equal(state_of(talker, bytes, 0x123), RP2040_FALLS_BACK);
	rp2350_put_words(bytes, (uint32_t[2]){ 0x20082000, 0x100001f6 }, 2);
	assert_int_equal(state_of(talker, bytes, sizeof(bytes)), RP2040_CRASHES);
	rp2350_put_words(bytes, (uint32_t[2]){ 0x20082004, 0x100001f7 }, 2);
	assert_int_equal(state_of(talker, bytes, sizeof(bytes)), RP2040_CRASHES);
	rp2350_put_words(bytes, (uint32_t[2]){ 0x20081ffe, 0x100001f7 }, 2);
	assert_int_equal(state_of(talker, bytes, sizeof(bytes)), RP2040_CRASHES);
	static const uint32_t others[] = { 0x00210142, 0x10220142, 0x10210143, 0x10210243 };
	for (size_t index = 0; index < ELEMENTSOF(others); index++) {
		rp2350_make_program(bytes, sizeof(bytes), others[index]);
		assert_int_equal(state_of(talker, bytes, sizeof(bytes)), RP2040_FALLS_BACK);
	}
	rp2350_make_program(bytes, sizeof(bytes), BLOCK_ARM);
	rp2350_put_words(bytes + RP2350_BLOCK + 8, (uint32_t[1]){ BLOCK_LAST(2) }, 1);
	assert_int_equal(state_of(talker, bytes, sizeof(bytes)), RP2040_FALLS_BACK);
	rp2350_make_program(bytes, sizeof(bytes), BLOCK_RISCV);
	assert_int_equal(state_of(talker, bytes, sizeof(bytes)), RP2040_BOOTS);
	talker_make_image(bytes, sizeof(bytes));
	assert_int_equal(state_of(talker, bytes, sizeof(bytes)), RP2040_FALLS_BACK);
}

/* Two blocks that point at each other; one of them torn is no loop. */
static void test_a_loop_of_two(void **state)
{
	static uint8_t bytes[32768];
	uint32_t first[] = { BLOCK_START, BLOCK_ARM, BLOCK_LAST(1), 0x6000 - RP2350_BLOCK,
		BLOCK_END };
	uint32_t second[] = { BLOCK_START, 0x000001fe, BLOCK_LAST(1), -(0x6000u - RP2350_BLOCK),
		BLOCK_END };
	struct talker *talker = rp2350_begin_raw(state, plain);
	rp2350_make_program(bytes, sizeof(bytes), BLOCK_ARM);
	rp2350_put_words(bytes + RP2350_BLOCK, first, 5);
	assert_int_equal(state_of(talker, bytes, sizeof(bytes)), RP2040_FALLS_BACK);
	rp2350_put_words(bytes + 0x6000, second, 5);
	assert_int_equal(state_of(talker, bytes, sizeof(bytes)), RP2040_BOOTS);
	assert_int_equal(state_of(talker, bytes, 0x6010), RP2040_FALLS_BACK);
	second[3] = 0;
	rp2350_put_words(bytes + 0x6000, second, 5);
	assert_int_equal(state_of(talker, bytes, sizeof(bytes)), RP2040_FALLS_BACK);
	second[3] = 0x200000;
	rp2350_put_words(bytes + 0x6000, second, 5);
	assert_int_equal(state_of(talker, bytes, sizeof(bytes)), RP2040_FALLS_BACK);
}

/* What an older program has left behind the torn start of this one. */
static void test_the_second_slot(void **state)
{
	static uint8_t bytes[32768];
	struct talker *talker = rp2350_begin_raw(state, plain);
	memset(bytes, 0xff, sizeof(bytes));
	rp2350_make_program(bytes + 4096, 8192, BLOCK_ARM);
	assert_int_equal(state_of(talker, bytes, sizeof(bytes)), RP2040_BOOTS);
	memset(bytes + 4096, 0xff, 256);
	assert_int_equal(state_of(talker, bytes, sizeof(bytes)), RP2040_CRASHES);
	memset(bytes, 0xff, sizeof(bytes));
	rp2350_make_program(bytes + 8192, 8192, BLOCK_ARM);
	assert_int_equal(state_of(talker, bytes, sizeof(bytes)), RP2040_FALLS_BACK);
}

static void test_a_program_in_a_partition(void **state)
{
	static uint8_t image[8192];
	size_t size;
	rp2350_make_program(image, sizeof(image), BLOCK_ARM);
	struct talker *talker = rp2350_begin_well(
		state, (struct rp2040_options){
			       .partitions = true, .image = image, .image_bytes = sizeof(image) });
	struct rp2040 *board = bench_rp2040(talker->board);
	assert_int_equal(rp2040_flash_state(board), RP2040_BOOTS);
	assert_memory_equal(rp2040_flash(board, &size) + RP2350_PARTITION, image, sizeof(image));
	assert_int_equal(talker_erase(talker, FLASH + RP2350_PARTITION, 4096), 0);
	assert_int_equal(rp2040_flash_state(board), RP2040_FALLS_BACK);
	assert_int_equal(reboot2(talker, 0, 10, 0), 0);
	assert_true(bench_await_mode(talker->board, RP2040_AWAY, 100));
	assert_true(bench_await_mode(talker->board, RP2040_BOOT, 1000));
}

#define TEST(function) cmocka_unit_test_teardown(function, talker_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_reboot_into_the_application),
		TEST(test_flash_update_starts_from_flash),
		TEST(test_reboot_into_boot_mode),
		TEST(test_reboot_into_memory),
		TEST(test_reboots_that_are_refused),
		TEST(test_what_starts),
		TEST(test_a_loop_of_two),
		TEST(test_the_second_slot),
		TEST(test_a_program_in_a_partition),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
