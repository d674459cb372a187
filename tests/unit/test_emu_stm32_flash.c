/* SPDX-License-Identifier: MIT */
/*
 * The flash of the emulated STM32: how each family programs, what protection swallows, and what a
 * part keeps when its power fails.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "unit/emu_stm32_talker.h"

static struct talker the_talker;

static struct talker *set_up(void **state, const struct stm32_options *options)
{
	rom_set_up(&the_talker, state, options);
	return &the_talker;
}

static struct talker *chip(void **state, enum stm32_chip chip)
{
	return set_up(state, &(struct stm32_options){ .chip = chip });
}

/* --- rules ------------------------------------------------------------------------------- */

static void test_an_f4_clears_bits(void **state)
{
	struct talker *talker = chip(state, STM32_F407);
	assert_int_equal(rom_write(talker, 2, "\xf0\xf1", 2), DNLOAD_IDLE);
	assert_int_equal(rom_counters(talker)->overprograms, 0);
	assert_int_equal(rom_write(talker, 2, "\x3c", 1), DNLOAD_IDLE);
	assert_memory_equal(rom_flash(talker), "\x30\xf1\xff", 3);
	assert_int_equal(rom_counters(talker)->overprograms, 1);
	assert_int_equal(rom_counters(talker)->bytes_programmed, 3);
}

static void test_an_f0_refuses_what_is_not_erased(void **state)
{
	struct talker *talker = chip(state, STM32_F072);
	assert_int_equal(rom_write(talker, 2, "\x12\x34\x56\x78", 4), DNLOAD_IDLE);
	assert_int_equal(rom_write(talker, 2, "\x00\x00\x56\x78", 4), ERROR);
	assert_int_equal(talker->status, WRITE);
	assert_memory_equal(rom_flash(talker), "\x00\x00\x56\x78\xff", 5);
	assert_int_equal(rom_counters(talker)->overprograms, 1);
}

static void test_a_g0_refuses_a_unit_that_is_not_erased(void **state)
{
	struct talker *talker = chip(state, STM32_G0B1_128K);
	assert_int_equal(rom_write(talker, 2, "abcdefgh", 8), DNLOAD_IDLE);
	assert_int_equal(rom_write(talker, 2, "\0\0\0\0\0\0\0\0", 8), ERROR);
	assert_int_equal(talker->status, WRITE);
	assert_memory_equal(rom_flash(talker), "abcdefgh", 8);
	rom_tear_down(state);
	talker = set_up(state, &(struct stm32_options){
				       .chip = STM32_G0B1_128K, .refusal = STM32_REFUSAL_SILENT });
	assert_int_equal(rom_write(talker, 2, "abcdefgh", 8), DNLOAD_IDLE);
	assert_int_equal(rom_write(talker, 2, "\0\0\0\0\0\0\0\0ijklmnop", 16), DNLOAD_IDLE);
	assert_memory_equal(rom_flash(talker), "abcdefghijklmnop", 16);
	assert_int_equal(rom_counters(talker)->overprograms, 1);
}

/* What is missing of a unit comes from the block before. */
static void test_part_of_a_unit(void **state)
{
	struct talker *talker = chip(state, STM32_H723);
	uint8_t block[64];
	memset(block, 'a', sizeof(block));
	assert_int_equal(rom_write(talker, 2, block, sizeof(block)), DNLOAD_IDLE);
	assert_int_equal(rom_write(talker, 3, "bcd", 3), DNLOAD_IDLE);
	assert_memory_equal(rom_flash(talker) + 1024, "bcdaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xff", 33);
	assert_int_equal(rom_set_address(talker, FLASH + 0x20004), DNLOAD_IDLE);
	assert_int_equal(rom_write(talker, 2, block, 32), ERROR);
	assert_int_equal(talker->status, WRITE);
}

static void test_an_erase_takes_the_whole_sector(void **state)
{
	static uint8_t image[0x30000];
	struct talker *talker = set_up(
		state, &(struct stm32_options){
			       .chip = STM32_F446, .image = image, .image_bytes = sizeof(image) });
	struct stm32 *board = bench_stm32(talker->board);
	assert_int_equal(rom_erase(talker, FLASH + 0x1ffff), DNLOAD_IDLE);
	assert_int_equal(rom_erase(talker, FLASH + 0x4000), DNLOAD_IDLE);
	const uint8_t *flash = rom_flash(talker);
	assert_int_equal(flash[0xffff], 0);
	assert_int_equal(flash[0x10000], 0xff);
	assert_int_equal(flash[0x1ffff], 0xff);
	assert_int_equal(flash[0x20000], 0);
	size_t count;
	const uint32_t *erased = stm32_erased(board, &count);
	assert_int_equal(count, 2);
	assert_int_equal(erased[0], FLASH + 0x10000);
	assert_int_equal(erased[1], FLASH + 0x4000);
	const uint32_t *counts = stm32_erase_counts(board, &count);
	assert_int_equal(count, 8);
	assert_int_equal(counts[1], 1);
	assert_int_equal(counts[4], 1);
	struct stm32_range sector;
	assert_true(stm32_sector(board, FLASH + 0x7ffff, &sector));
	assert_int_equal(sector.address, FLASH + 0x60000);
	assert_int_equal(sector.bytes, 0x20000);
	assert_false(stm32_sector(board, FLASH + 0x80000, &sector));
}

static void test_every_layout_adds_up(void **state)
{
	static const uint32_t kib[STM32_CHIPS] = { 1024, 2048, 512, 1024, 1024, 512, 128, 32, 128,
		256, 512, 128, 512, 1024, 2048, 512, 128, 128, 512 };
	(void)state;
	for (enum stm32_chip chip = 0; chip < STM32_CHIPS; chip++) {
		_cleanup_(stm32_freep) struct stm32 *board = NULL;
		size_t bytes;
		assert_int_equal(stm32_new(&(struct stm32_options){ .chip = chip }, &board), 0);
		stm32_flash(board, &bytes);
		assert_int_equal(bytes, kib[chip] * 1024);
		assert_non_null(stm32_chip_name(chip));
		assert_non_null(stm32_mcu_name(chip));
	}
}

/* --- the orders that a host should never give -------------------------------------------- */

static void test_mass_erase(void **state)
{
	static uint8_t image[4096];
	struct talker *talker = set_up(
		state, &(struct stm32_options){ .image = image, .image_bytes = sizeof(image) });
	uint64_t since = bench_now_nsec(talker->bench);
	assert_int_equal(rom_write(talker, 0, "\x41", 1), DNLOAD_IDLE);
	rom_assert_took(talker, since, 16);
	assert_int_equal(rom_flash(talker)[0], 0xff);
	assert_int_equal(rom_counters(talker)->mass_erases, 1);
	assert_int_equal(rom_counters(talker)->erases, 0);
}

static void test_read_unprotect(void **state)
{
	static uint8_t image[4096];
	struct talker *talker = set_up(state, &(struct stm32_options){ .image = image,
						      .image_bytes = sizeof(image),
						      .protection = STM32_PROTECTED });
	uint8_t bytes[64];
	assert_int_equal(rom_set_address(talker, FLASH), DNLOAD_IDLE);
	assert_int_equal(rom_erase(talker, FLASH), ERROR);
	assert_int_equal(talker->status, VENDOR);
	assert_int_equal(rom_order(talker, CLRSTATUS, 0), 0);
	assert_int_equal(rom_write(talker, 2, bytes, 64), ERROR);
	assert_int_equal(talker->status, VENDOR);
	assert_int_equal(rom_order(talker, CLRSTATUS, 0), 0);
	assert_int_equal(rom_upload(talker, 2, bytes, 64), -EPIPE);
	assert_int_equal(rom_get_status(talker), ERROR);
	assert_int_equal(talker->status, VENDOR);
	assert_int_equal(rom_order(talker, CLRSTATUS, 0), 0);
	assert_int_equal(rom_flash(talker)[0], 0);
	assert_true(rom_write(talker, 0, "\x92", 1) < 0);
	assert_int_equal(rom_flash(talker)[0], 0xff);
	assert_int_equal(rom_counters(talker)->read_unprotects, 1);
	talker->device = usb_close(talker->device);
	assert_true(bench_await_stm32(talker->board, STM32_DFU, 2000));
	assert_int_equal(rom_open(talker), 0);
	assert_int_equal(rom_order(talker, CLRSTATUS, 0), 0);
	assert_int_equal(rom_upload(talker, 2, bytes, 64), 64);
}

static void test_strict_protection(void **state)
{
	struct talker *talker =
		set_up(state, &(struct stm32_options){ .protection = STM32_PROTECTED_STRICTLY });
	assert_int_equal(rom_set_address(talker, FLASH), ERROR);
	assert_int_equal(talker->status, VENDOR);
}

static void test_option_bytes(void **state)
{
	struct talker *talker = chip(state, STM32_F446);
	uint8_t bytes[16];
	assert_int_equal(rom_read(talker, 0x1fffc000, bytes, 16), 16);
	assert_int_equal(rom_set_address(talker, 0x1fff7800), DNLOAD_IDLE);
	assert_int_equal(rom_write(talker, 2, bytes, 16), DNLOAD_IDLE);
	assert_int_equal(rom_set_address(talker, 0xffff0000), DNLOAD_IDLE);
	assert_int_equal(rom_write(talker, 2, bytes, 4), DNLOAD_IDLE);
	assert_int_equal(rom_counters(talker)->option_writes, 2);
	assert_int_equal(rom_set_address(talker, 0x1fffc000), DNLOAD_IDLE);
	assert_true(rom_write(talker, 2, bytes, 16) < 0);
	assert_int_equal(rom_counters(talker)->option_writes, 3);
}

static void test_protected_sectors_swallow(void **state)
{
	static uint8_t image[0x8000];
	struct talker *talker =
		set_up(state, &(struct stm32_options){ .chip = STM32_F446,
				      .image = image,
				      .image_bytes = sizeof(image),
				      .write_protected = { { FLASH + 0x4000, 0x4000 } } });
	uint64_t since = bench_now_nsec(talker->bench);
	assert_int_equal(rom_erase(talker, FLASH + 0x4000), DNLOAD_IDLE);
	rom_assert_took(talker, since, 0.4);
	assert_int_equal(rom_flash(talker)[0x4000], 0);
	assert_int_equal(rom_erase(talker, FLASH), DNLOAD_IDLE);
	assert_int_equal(rom_set_address(talker, FLASH + 0x3ffe), DNLOAD_IDLE);
	assert_int_equal(rom_write(talker, 2, "abcd", 4), DNLOAD_IDLE);
	assert_memory_equal(rom_flash(talker) + 0x3ffe, "ab\0\0", 4);
	assert_int_equal(rom_counters(talker)->protected_operations, 2);
}

/* --- power ------------------------------------------------------------------------------- */

static void unplug_at(struct talker *talker, enum stm32_trigger trigger, uint64_t after_nsec)
{
	rom_arm(talker,
		(struct stm32_fault){
			.kind = STM32_FAULT_UNPLUG, .trigger = trigger, .after_nsec = after_nsec });
}

static void test_power_lost_amid_an_erase(void **state)
{
	static uint8_t image[0x8000];
	struct talker *talker = set_up(
		state, &(struct stm32_options){
			       .chip = STM32_F446, .image = image, .image_bytes = sizeof(image) });
	unplug_at(talker, STM32_AT_ERASE, 100 * NSEC_PER_MSEC);
	assert_true(rom_erase(talker, FLASH) < 0);
	size_t set = 0;
	for (size_t at = 0; at < 0x4000; at++)
		set += (size_t)__builtin_popcount(rom_flash(talker)[at]);
	assert_in_range(set, 0x4000 * 8 * 23 / 100, 0x4000 * 8 * 27 / 100);
	assert_int_equal(rom_flash(talker)[0x4000], 0);
}

static void test_power_lost_amid_a_block(void **state)
{
	static uint8_t zeros[2048];
	struct talker *talker = chip(state, STM32_F446);
	unplug_at(talker, STM32_AT_PROGRAM, 1000 * 16 * NSEC_PER_USEC + 8 * NSEC_PER_USEC);
	assert_true(rom_write(talker, 2, zeros, sizeof(zeros)) < 0);
	assert_memory_equal(rom_flash(talker), zeros, 1000);
	assert_int_equal(rom_flash(talker)[1001], 0xff);
	rom_tear_down(state);
	talker = chip(state, STM32_G0B1_128K);
	unplug_at(talker, STM32_AT_PROGRAM, 10 * 85 * NSEC_PER_USEC + 40 * NSEC_PER_USEC);
	assert_true(rom_write(talker, 2, zeros, 1024) < 0);
	const uint8_t *flash = rom_flash(talker);
	assert_memory_equal(flash, zeros, 80);
	assert_true(memcmp(flash + 80, zeros, 8) && memcmp(flash + 80, flash + 88, 8));
	assert_int_equal(flash[88], 0xff);
}

static void test_two_torn_boards_are_the_same(void **state)
{
	static uint8_t kept[2][0x4000];
	for (unsigned round = 0; round < 2; round++) {
		struct talker *talker = set_up(
			state, &(struct stm32_options){
				       .chip = STM32_F446, .seed = 7, .random_flash = true });
		unplug_at(talker, STM32_AT_ERASE, 200 * NSEC_PER_MSEC);
		assert_true(rom_erase(talker, FLASH) < 0);
		memcpy(kept[round], rom_flash(talker), sizeof(kept[round]));
		rom_tear_down(state);
	}
	assert_memory_equal(kept[0], kept[1], sizeof(kept[0]));
	rom_plug(&the_talker, NULL);
}

static void test_the_mirror(void **state)
{
	static uint8_t file[128 * 1024];
	char path[] = "/tmp/plugflash-mirror-XXXXXX";
	_cleanup_(closep) int fd = mkstemp(path);
	assert_true(fd >= 0);
	struct talker *talker =
		set_up(state, &(struct stm32_options){ .chip = STM32_F072, .mirror = path });
	assert_int_equal(rom_write(talker, 2, "abcd", 4), DNLOAD_IDLE);
	assert_int_equal(pread(fd, file, sizeof(file), 0), sizeof(file));
	assert_memory_equal(file, rom_flash(talker), sizeof(file));
	assert_memory_equal(file, "abcd", 4);
	unlink(path);
}

#define TEST(function) cmocka_unit_test_teardown(function, rom_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_an_f4_clears_bits),
		TEST(test_an_f0_refuses_what_is_not_erased),
		TEST(test_a_g0_refuses_a_unit_that_is_not_erased),
		TEST(test_part_of_a_unit),
		TEST(test_an_erase_takes_the_whole_sector),
		cmocka_unit_test(test_every_layout_adds_up),
		TEST(test_mass_erase),
		TEST(test_read_unprotect),
		TEST(test_strict_protection),
		TEST(test_option_bytes),
		TEST(test_protected_sectors_swallow),
		TEST(test_power_lost_amid_an_erase),
		TEST(test_power_lost_amid_a_block),
		TEST(test_two_torn_boards_are_the_same),
		TEST(test_the_mirror),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
