/* SPDX-License-Identifier: MIT */
/*
 * The two loaders of plain DFU 1.1 that Klipper users meet: Smoothieboard's and stm32duino's.
 */
#include <errno.h>
#include <string.h>

#include "unit/emu_stm32_talker.h"

static struct talker the_talker;

static struct talker *set_up(void **state, enum stm32_chip chip)
{
	rom_set_up(&the_talker, state, &(struct stm32_options){ .chip = chip });
	return &the_talker;
}

static unsigned product_of(struct talker *talker)
{
	uint8_t bytes[18];
	assert_int_equal(usb_control(talker->device, 0x80, 6, 0x100, 0, bytes, 18, SOON_MSEC), 18);
	return bytes[10] | (unsigned)bytes[11] << 8;
}

static void test_smoothie_describes_itself(void **state)
{
	static const uint8_t functional[9] = { 9, 0x21, 0x0b, 0xf4, 1, 0, 2, 1, 1 };
	struct talker *talker = set_up(state, STM32_SMOOTHIE);
	uint8_t bytes[64];
	assert_int_equal(product_of(talker), 0x6015);
	assert_int_equal(usb_control(talker->device, 0x80, 6, 0x100, 0, bytes, 18, SOON_MSEC), 18);
	assert_int_equal(bytes[16], 0);
	assert_int_equal(usb_control(talker->device, 0x80, 6, 0x200, 0, bytes, 64, SOON_MSEC), 27);
	assert_memory_equal(bytes + 18, functional, 9);
}

static void test_smoothie_takes_blocks(void **state)
{
	static uint8_t image[512 * 20], back[512];
	struct talker *talker = set_up(state, STM32_SMOOTHIE);
	rom_make_image(image, sizeof(image), 0x4000, 0x10008000);
	for (uint16_t index = 0; index < 20; index++) {
		assert_int_equal(rom_download(talker, index, image + 512 * index, 512), 512);
		assert_int_equal(rom_get_status(talker), DNBUSY);
		assert_int_equal(talker->poll, 500);
		assert_int_equal(rom_get_status(talker), DNLOAD_IDLE);
		assert_int_equal(talker->poll, 500);
	}
	assert_memory_equal(rom_flash(talker) + 0x4000, image, sizeof(image));
	assert_int_equal(rom_counters(talker)->erases, 3);
	assert_int_equal(rom_order(talker, ABORT, 0), 0);
	assert_int_equal(rom_upload(talker, 7, back, 512), 512);
	assert_memory_equal(back, image + 512 * 7, 512);
}

static void test_smoothie_waits_for_a_reset(void **state)
{
	static uint8_t image[512];
	struct talker *talker = set_up(state, STM32_SMOOTHIE);
	rom_make_image(image, sizeof(image), 0x4000, 0x10008000);
	assert_int_equal(rom_download(talker, 0, NULL, 0), -EPIPE);
	assert_int_equal(rom_order(talker, CLRSTATUS, 0), 0);
	assert_int_equal(rom_write(talker, 0, image, sizeof(image)), DNLOAD_IDLE);
	assert_int_equal(rom_download(talker, 1, NULL, 0), 0);
	assert_int_equal(rom_get_status(talker), MANIFEST);
	bench_advance(talker->bench, 500 * NSEC_PER_MSEC);
	assert_int_equal(rom_get_status(talker), MANIFEST_WAIT_RESET);
	assert_int_equal(rom_order(talker, ABORT, 0), -EPIPE);
	assert_int_equal(rom_get_status(talker), MANIFEST_WAIT_RESET);
	assert_int_equal(usb_reset(talker->device), -ENODEV);
	assert_true(bench_await_stm32(talker->board, STM32_APPLICATION, 2000));
	talker->device = usb_close(talker->device);
	assert_int_equal(rom_open(talker), 0);
	assert_int_equal(product_of(talker), 0x614e);
}

static void test_a_reset_without_an_application(void **state)
{
	struct talker *talker = set_up(state, STM32_SMOOTHIE);
	assert_int_equal(usb_reset(talker->device), 0);
	assert_int_equal(rom_get_status(talker), IDLE);
}

static void test_maple_writes_inside_get_status(void **state)
{
	static uint8_t image[3072];
	struct talker *talker = set_up(state, STM32_MAPLE);
	rom_make_image(image, sizeof(image), FLASH + 0x2000, 0x20005000);
	assert_int_equal(usb_control(talker->device, 0x01, 11, 2, 0, NULL, 0, SOON_MSEC), 0);
	for (uint16_t index = 0; index < 3; index++) {
		uint64_t since = bench_now_nsec(talker->bench);
		assert_int_equal(rom_download(talker, 77, image + 1024 * index, 1024), 1024);
		assert_int_equal(rom_get_status(talker), DNLOAD_IDLE);
		assert_true(bench_now_nsec(talker->bench) - since > 57 * NSEC_PER_MSEC);
	}
	assert_memory_equal(rom_flash(talker) + 0x2000, image, sizeof(image));
	assert_int_equal(rom_counters(talker)->erases, 3);
	assert_int_equal(rom_download(talker, 3, NULL, 0), 0);
	assert_int_equal(rom_get_status(talker), MANIFEST_WAIT_RESET);
	assert_int_equal(usb_reset(talker->device), -ENODEV);
	assert_true(bench_await_stm32(talker->board, STM32_APPLICATION, 2000));
}

static void test_maple_forgets_where_it_was(void **state)
{
	uint8_t page[1024];
	struct talker *talker = set_up(state, STM32_MAPLE);
	assert_int_equal(usb_control(talker->device, 0x01, 11, 2, 0, NULL, 0, SOON_MSEC), 0);
	memset(page, 'a', sizeof(page));
	assert_int_equal(rom_download(talker, 0, page, sizeof(page)), 1024);
	assert_int_equal(rom_get_status(talker), DNLOAD_IDLE);
	assert_int_equal(rom_get_status(talker), IDLE);
	memset(page, 'b', sizeof(page));
	assert_int_equal(rom_download(talker, 1, page, sizeof(page)), 1024);
	assert_int_equal(rom_get_status(talker), DNLOAD_IDLE);
	assert_int_equal(rom_flash(talker)[0x2000], 'b');
	assert_int_equal(rom_flash(talker)[0x2400], 0xff);
}

static void test_maple_has_no_room_in_ram(void **state)
{
	uint8_t page[1024] = { 0 };
	struct talker *talker = set_up(state, STM32_MAPLE);
	assert_int_equal(rom_download(talker, 0, page, sizeof(page)), 1024);
	assert_int_equal(rom_get_status(talker), ERROR);
	assert_int_equal(talker->status, VENDOR);
	assert_int_equal(usb_control(talker->device, 0x01, 11, 1, 0, NULL, 0, SOON_MSEC), 0);
	assert_int_equal(rom_download(talker, 0, page, sizeof(page)), 1024);
	assert_int_equal(rom_get_status(talker), DNLOAD_IDLE);
	assert_int_equal(rom_flash(talker)[0x5000], 0);
}

#define TEST(function) cmocka_unit_test_teardown(function, rom_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_smoothie_describes_itself),
		TEST(test_smoothie_takes_blocks),
		TEST(test_smoothie_waits_for_a_reset),
		TEST(test_a_reset_without_an_application),
		TEST(test_maple_writes_inside_get_status),
		TEST(test_maple_forgets_where_it_was),
		TEST(test_maple_has_no_room_in_ram),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
