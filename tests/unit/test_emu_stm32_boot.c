/* SPDX-License-Identifier: MIT */
/*
 * What the emulated STM32 starts: after a leave, at power-on, after a reset; and how its boot
 * loader takes leave.
 */
#include <errno.h>
#include <string.h>

#include "unit/emu_stm32_talker.h"

#define F4_STACK 0x20020000u
#define G0_STACK 0x20024000u

static struct talker the_talker;
static uint8_t image[0x10000];

static struct talker *set_up(void **state, const struct stm32_options *options)
{
	rom_set_up(&the_talker, state, options);
	return &the_talker;
}

/* Plugged in without BOOT0: whatever flash starts. */
static struct talker *plug_released(void **state, struct stm32_options options)
{
	*state = &the_talker;
	options.boot0_released = true;
	rom_plug(&the_talker, &options);
	return &the_talker;
}

static enum stm32_mode mode_of(struct talker *talker)
{
	return stm32_mode(bench_stm32(talker->board));
}

static unsigned product_of(struct talker *talker)
{
	uint8_t bytes[18];
	talker->device = usb_close(talker->device);
	assert_int_equal(rom_open(talker), 0);
	assert_int_equal(usb_control(talker->device, 0x80, 6, 0x100, 0, bytes, 18, SOON_MSEC), 18);
	return bytes[10] | (unsigned)bytes[11] << 8;
}

static void read_text(struct talker *talker, uint16_t index, char text[128])
{
	uint8_t bytes[255];
	int got = usb_control(
		talker->device, 0x80, 6, 0x300 | index, 0x409, bytes, sizeof(bytes), SOON_MSEC);
	assert_true(got >= 2);
	for (int at = 2; at < got; at += 2)
		text[at / 2 - 1] = (char)bytes[at];
	text[got / 2 - 1] = '\0';
}

static int leave_to(struct talker *talker, uint32_t address)
{
	assert_int_equal(rom_set_address(talker, address), DNLOAD_IDLE);
	assert_int_equal(rom_download(talker, 2, NULL, 0), 0);
	return rom_get_status(talker);
}

/* --- leaving ----------------------------------------------------------------------------- */

static void test_an_f4_says_good_bye(void **state)
{
	char text[128];
	rom_make_image(image, 0x1000, FLASH + 0x8000, F4_STACK);
	struct talker *talker = set_up(
		state, &(struct stm32_options){
			       .image = image, .image_bytes = 0x1000, .image_offset = 0x8000 });
	assert_int_equal(leave_to(talker, FLASH + 0x8000), MANIFEST);
	assert_int_equal(usb_pause(talker->device, 1000), -ENODEV);
	assert_true(bench_await_stm32(talker->board, STM32_APPLICATION, 2000));
	assert_int_equal(product_of(talker), 0x614e);
	read_text(talker, 1, text);
	assert_string_equal(text, "Klipper");
	read_text(talker, 2, text);
	assert_string_equal(text, "stm32f429xx");
	read_text(talker, 3, text);
	assert_string_equal(text, "2B0007000C50425539393020");
	assert_int_equal(rom_counters(talker)->leaves, 1);
}

static void test_other_ways_to_leave(void **state)
{
	static const struct {
		enum stm32_leave leave;
		int answer;
		bool gone;
	} ways[] = {
		{ STM32_LEAVE_ANSWERS, MANIFEST, true },
		{ STM32_LEAVE_VANISHES, -EIO, true },
		{ STM32_LEAVE_AT_ONCE, -EIO, true },
		{ STM32_LEAVE_STALLS, -EPIPE, true },
		{ STM32_LEAVE_STAYS, MANIFEST, false },
	};
	rom_make_image(image, 0x1000, FLASH, G0_STACK);
	for (size_t index = 0; index < ELEMENTSOF(ways); index++) {
		struct talker *talker =
			set_up(state, &(struct stm32_options){ .chip = STM32_G0B1_512K,
					      .image = image,
					      .image_bytes = 0x1000,
					      .leave = ways[index].leave });
		assert_int_equal(leave_to(talker, FLASH), ways[index].answer);
		bench_advance(talker->bench, NSEC_PER_SEC);
		assert_int_equal(mode_of(talker), ways[index].gone ? STM32_APPLICATION : STM32_DFU);
		if (!ways[index].gone) {
			assert_int_equal(rom_get_status(talker), MANIFEST);
			assert_int_equal(usb_reset(talker->device), 0);
			assert_int_equal(rom_get_status(talker), IDLE);
		}
		rom_tear_down(state);
	}
	rom_plug(&the_talker, NULL);
}

static void test_a_detach_leaves_too(void **state)
{
	rom_make_image(image, 0x1000, FLASH, F4_STACK);
	struct talker *talker =
		set_up(state, &(struct stm32_options){ .image = image, .image_bytes = 0x1000 });
	assert_int_equal(rom_order(talker, DETACH, 1000), 0);
	assert_true(bench_await_stm32(talker->board, STM32_APPLICATION, 2000));
}

static void test_a_leave_into_nothing(void **state)
{
	struct talker *talker = set_up(state, NULL);
	assert_int_equal(leave_to(talker, FLASH), MANIFEST);
	assert_true(bench_await_stm32(talker->board, STM32_LOST, 1000));
	assert_int_equal(usb_pause(talker->device, 1000), -ENODEV);
}

/* --- vectors ----------------------------------------------------------------------------- */

static void test_vectors(void **state)
{
	static const struct {
		uint32_t base, stack;
		enum stm32_start start;
	} cases[] = {
		{ FLASH, 0x20030000, STM32_STARTS_APPLICATION },
		{ FLASH, 0x10010000, STM32_STARTS_APPLICATION },
		{ FLASH, 0x20000000, STM32_STARTS_NOTHING },
		{ FLASH, 0x20030004, STM32_STARTS_NOTHING },
		{ FLASH, 0x2001fffe, STM32_STARTS_NOTHING },
		{ FLASH, 0xffffffff, STM32_STARTS_NOTHING },
		{ FLASH + 1, 0x20030000, STM32_STARTS_NOTHING },
		{ FLASH + 0x8000, 0x20030000, STM32_STARTS_NOTHING },
		{ FLASH + 0x100000, 0x20030000, STM32_STARTS_NOTHING },
	};
	(void)state;
	for (size_t index = 0; index < ELEMENTSOF(cases); index++) {
		_cleanup_(stm32_freep) struct stm32 *board = NULL;
		rom_make_image(image, 0x1000, cases[index].base, cases[index].stack);
		assert_int_equal(
			stm32_new(&(struct stm32_options){ .image = image, .image_bytes = 0x1000 },
				&board),
			0);
		assert_int_equal(stm32_flash_state(board), cases[index].start);
	}
}

static void test_an_application_without_usb(void **state)
{
	rom_make_image(image, 0x1000, FLASH, F4_STACK);
	struct talker *talker = plug_released(state,
		(struct stm32_options){
			.image = image, .image_bytes = 0x1000, .application_is_silent = true });
	assert_int_equal(mode_of(talker), STM32_SILENT);
	bench_stm32_reset(talker->board, true);
	assert_true(bench_await_stm32(talker->board, STM32_DFU, 2000));
	rom_tear_down(state);
	talker = plug_released(state,
		(struct stm32_options){
			.image = image, .image_bytes = 0x1000, .application_crashes = true });
	assert_int_equal(mode_of(talker), STM32_LOST);
}

static void test_a_blank_f4_is_lost_without_boot0(void **state)
{
	struct talker *talker = plug_released(state, (struct stm32_options){ 0 });
	assert_int_equal(mode_of(talker), STM32_LOST);
	bench_unplug(talker->board);
	bench_replug(talker->board, true);
	assert_int_equal(mode_of(talker), STM32_DFU);
}

/* --- the empty check --------------------------------------------------------------------- */

static void test_the_empty_check(void **state)
{
	rom_make_image(image, 0x1000, FLASH, G0_STACK);
	struct talker *talker =
		plug_released(state, (struct stm32_options){ .chip = STM32_G0B1_512K });
	assert_int_equal(mode_of(talker), STM32_DFU);
	assert_int_equal(rom_open(talker), 0);
	for (uint16_t block = 0; block < 4; block++)
		assert_int_equal(
			rom_write(talker, 2 + block, image + 1024 * block, 1024), DNLOAD_IDLE);
	assert_int_equal(leave_to(talker, FLASH), -EIO);
	assert_true(bench_await_stm32(talker->board, STM32_APPLICATION, 2000));
	bench_stm32_reset(talker->board, false);
	assert_true(bench_await_stm32(talker->board, STM32_DFU, 2000));
	bench_unplug(talker->board);
	bench_replug(talker->board, false);
	assert_int_equal(mode_of(talker), STM32_APPLICATION);
}

static void test_a_boot0_that_is_ignored(void **state)
{
	rom_make_image(image, 0x1000, FLASH, G0_STACK);
	struct stm32_options options = { .chip = STM32_G0B1_512K, .boot0_ignored = true };
	*state = &the_talker;
	rom_plug(&the_talker, &options);
	assert_int_equal(mode_of(&the_talker), STM32_DFU);
	rom_tear_down(state);
	options.image = image;
	options.image_bytes = 0x1000;
	rom_plug(&the_talker, &options);
	assert_int_equal(mode_of(&the_talker), STM32_APPLICATION);
}

/* --- Katapult ---------------------------------------------------------------------------- */

static void test_a_katapult_without_its_application(void **state)
{
	char text[128];
	rom_make_katapult(image, 0x1000, F4_STACK);
	struct talker *talker = plug_released(
		state, (struct stm32_options){
			       .chip = STM32_F446, .image = image, .image_bytes = 0x1000 });
	assert_int_equal(mode_of(talker), STM32_KATAPULT);
	assert_int_equal(product_of(talker), 0x6177);
	read_text(talker, 1, text);
	assert_string_equal(text, "katapult");
	read_text(talker, 2, text);
	assert_string_equal(text, "stm32f446xx");
}

static void test_a_katapult_with_its_application(void **state)
{
	static const uint8_t touch[7] = { 0xb0, 0x04, 0, 0, 0, 0, 8 };
	memset(image, 0xff, sizeof(image));
	rom_make_katapult(image, 0x1000, F4_STACK);
	rom_make_image(image + 0x8000, 0x1000, FLASH + 0x8000, F4_STACK);
	struct talker *talker = plug_released(
		state, (struct stm32_options){
			       .chip = STM32_F446, .image = image, .image_bytes = 0x9000 });
	assert_int_equal(mode_of(talker), STM32_APPLICATION);
	assert_int_equal(rom_open(talker), 0);
	assert_int_equal(usb_control(talker->device, 0x21, 0x22, 1, 0, NULL, 0, SOON_MSEC), 0);
	assert_int_equal(
		usb_control(talker->device, 0x21, 0x20, 0, 0, (void *)touch, 7, SOON_MSEC), 7);
	assert_int_equal(usb_control(talker->device, 0x21, 0x22, 0, 0, NULL, 0, SOON_MSEC), -EIO);
	assert_true(bench_await_stm32(talker->board, STM32_KATAPULT, 2000));
}

static void test_a_touch_without_a_katapult(void **state)
{
	static const uint8_t touch[7] = { 0xb0, 0x04, 0, 0, 0, 0, 8 };
	rom_make_image(image, 0x1000, FLASH, F4_STACK);
	struct stm32_options options = { .image = image, .image_bytes = 0x1000 };
	struct talker *talker = plug_released(state, options);
	assert_int_equal(rom_open(talker), 0);
	assert_int_equal(
		usb_control(talker->device, 0x21, 0x20, 0, 0, (void *)touch, 7, SOON_MSEC), -EIO);
	assert_true(bench_await_stm32(talker->board, STM32_DFU, 2000));
	rom_tear_down(state);
	options.touch = STM32_TOUCH_NONE;
	talker = plug_released(state, options);
	assert_int_equal(rom_open(talker), 0);
	assert_int_equal(
		usb_control(talker->device, 0x21, 0x20, 0, 0, (void *)touch, 7, SOON_MSEC), 7);
	assert_int_equal(mode_of(talker), STM32_APPLICATION);
}

static void test_a_katapult_elsewhere(void **state)
{
	memset(image, 0xff, sizeof(image));
	rom_make_katapult(image, 0x1000, F4_STACK);
	rom_make_image(image + 0x4000, 0x1000, FLASH + 0x4000, F4_STACK);
	struct stm32_options options = { .image = image, .image_bytes = 0x5000 };
	_cleanup_(stm32_freep) struct stm32 *usual = NULL, *other = NULL;
	(void)state;
	assert_int_equal(stm32_new(&options, &usual), 0);
	assert_int_equal(stm32_flash_state(usual), STM32_STARTS_KATAPULT);
	options.katapult_offset = 0x4000;
	assert_int_equal(stm32_new(&options, &other), 0);
	assert_int_equal(stm32_flash_state(other), STM32_STARTS_APPLICATION);
}

#define TEST(function) cmocka_unit_test_teardown(function, rom_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_an_f4_says_good_bye),
		TEST(test_other_ways_to_leave),
		TEST(test_a_detach_leaves_too),
		TEST(test_a_leave_into_nothing),
		cmocka_unit_test(test_vectors),
		TEST(test_an_application_without_usb),
		TEST(test_a_blank_f4_is_lost_without_boot0),
		TEST(test_the_empty_check),
		TEST(test_a_boot0_that_is_ignored),
		TEST(test_a_katapult_without_its_application),
		TEST(test_a_katapult_with_its_application),
		TEST(test_a_touch_without_a_katapult),
		cmocka_unit_test(test_a_katapult_elsewhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
