/* SPDX-License-Identifier: MIT */
/*
 * What starts around the emulated Katapult: cold, by a double reset, after COMPLETE, when an
 * application asks for it; and the same board with a UART instead of USB.
 */
#include <errno.h>
#include <string.h>

#include "unit/emu_katapult_talker.h"
#include "unit/emu_stm32_talker.h"

#define APP_BYTES 0x1000u
#define APP       (KT_FLASH + 0x8000)

static struct kt the_kt;
static uint8_t image[0x9000];

/* A Katapult, and an application behind it. */
static struct stm32_options with_application(void)
{
	memset(image, 0xff, sizeof(image));
	rom_make_katapult(image, 0x1000, KT_SMALL);
	rom_make_image(image + 0x8000, APP_BYTES, APP, KT_SMALL);
	return (struct stm32_options){
		.chip = STM32_F446,
		.image = image,
		.image_bytes = sizeof(image),
	};
}

static void expect_mode(struct kt *kt, enum stm32_mode mode)
{
	assert_true(bench_await_stm32(kt->board, mode, 3000));
}

/* Opens the port as Linux does, sets the rate, lowers DTR. */
static void touch(struct kt *kt)
{
	assert_int_equal(kt_open(kt), 0);
	assert_int_equal(serial_set_line(kt->serial, 1200, false), -EIO);
	assert_int_equal(serial_pause(kt->serial, 1000), -ENODEV);
	kt_close(kt);
}

/* --- starting ---------------------------------------------------------------------------- */

static void test_a_cold_start_waits_for_a_second_reset(void **state)
{
	struct stm32_options options = with_application();
	kt_plug_image(&the_kt, state, &options);
	assert_int_equal(kt_mode(&the_kt), STM32_APPLICATION);
	/* Half a second of its own, then the application's start, then the host. */
	assert_in_range(bench_now_nsec(the_kt.bench), 2030 * NSEC_PER_MSEC, 2060 * NSEC_PER_MSEC);
	kt_tear_down(state);
	options.resident.katapult.without_double_reset = true;
	kt_plug_image(&the_kt, state, &options);
	assert_in_range(bench_now_nsec(the_kt.bench), 1530 * NSEC_PER_MSEC, 1560 * NSEC_PER_MSEC);
}

static void test_a_double_reset(void **state)
{
	static const struct {
		unsigned msec;
		enum stm32_mode mode;
	} cases[] = {
		{ 5, STM32_APPLICATION },
		{ 15, STM32_KATAPULT },
		{ 400, STM32_KATAPULT },
		{ 520, STM32_APPLICATION },
	};
	struct stm32_options options = with_application();
	for (size_t index = 0; index < ELEMENTSOF(cases); index++) {
		kt_plug_image(&the_kt, state, &options);
		bench_stm32_reset(the_kt.board, false);
		bench_advance(the_kt.bench, cases[index].msec * NSEC_PER_MSEC);
		bench_stm32_reset(the_kt.board, false);
		expect_mode(&the_kt, cases[index].mode);
		if (index + 1 < ELEMENTSOF(cases))
			kt_tear_down(state);
	}
}

static void test_a_double_reset_saves_from_a_crash(void **state)
{
	struct stm32_options options = with_application();
	options.application_crashes = true;
	kt_plug_image(&the_kt, state, &options);
	assert_int_equal(kt_mode(&the_kt), STM32_LOST);
	bench_stm32_reset(the_kt.board, false);
	bench_advance(the_kt.bench, 100 * NSEC_PER_MSEC);
	bench_stm32_reset(the_kt.board, false);
	expect_mode(&the_kt, STM32_KATAPULT);
}

static void test_the_first_word_decides(void **state)
{
	static const struct {
		uint32_t word;
		enum stm32_mode mode;
	} cases[] = {
		{ 0, STM32_KATAPULT },
		{ 0xffffffff, STM32_KATAPULT },
		{ 0x12345678, STM32_LOST },
		{ KT_SMALL, STM32_APPLICATION },
	};
	struct stm32_options options = with_application();
	for (size_t index = 0; index < ELEMENTSOF(cases); index++) {
		for (unsigned byte = 0; byte < 4; byte++)
			image[0x8000 + byte] = (uint8_t)(cases[index].word >> 8 * byte);
		kt_plug_image(&the_kt, state, &options);
		assert_int_equal(kt_mode(&the_kt), cases[index].mode);
		if (index + 1 < ELEMENTSOF(cases))
			kt_tear_down(state);
	}
}

/* --- COMPLETE ---------------------------------------------------------------------------- */

static void test_complete_starts_what_was_written(void **state)
{
	uint32_t pages;
	rom_make_image(image, APP_BYTES, APP, KT_SMALL);
	kt_plug(&the_kt, state, &(struct stm32_options){ .chip = STM32_F446 });
	kt_start(&the_kt);
	kt_blocks(&the_kt, APP, image, APP_BYTES);
	assert_int_equal(kt_eof(&the_kt, &pages), KATA_ACK);
	assert_int_equal(pages, 1);
	uint64_t since = bench_now_nsec(the_kt.bench);
	assert_int_equal(kt_complete(&the_kt), KATA_ACK);
	/* It serves for another tenth of a second, then the host takes a little to notice. */
	assert_int_equal(kt_connect(&the_kt), KATA_ACK);
	assert_int_equal(serial_pause(the_kt.serial, 1000), -ENODEV);
	assert_in_range(
		bench_now_nsec(the_kt.bench) - since, 100 * NSEC_PER_MSEC, 125 * NSEC_PER_MSEC);
	kt_close(&the_kt);
	expect_mode(&the_kt, STM32_APPLICATION);
}

static void test_complete_starts_whatever_is_there(void **state)
{
	static const uint8_t zeros[KT_BLOCK];
	kt_plug(&the_kt, state, &(struct stm32_options){ .chip = STM32_G0B1_512K });
	kt_start(&the_kt);
	assert_int_equal(kt_block(&the_kt, KT_FLASH + 0x2000, zeros), KATA_ACK);
	assert_int_equal(kt_complete(&the_kt), KATA_ACK);
	expect_mode(&the_kt, STM32_LOST);
	kt_close(&the_kt);
	bench_stm32_reset(the_kt.board, false);
	expect_mode(&the_kt, STM32_KATAPULT);
}

/* --- the touch --------------------------------------------------------------------------- */

static void test_a_touch_leads_to_a_katapult(void **state)
{
	struct stm32_options options = with_application();
	kt_plug_image(&the_kt, state, &options);
	uint64_t arrival = bench_address(the_kt.board).arrival;
	touch(&the_kt);
	expect_mode(&the_kt, STM32_KATAPULT);
	assert_int_equal(bench_resident(the_kt.board)->klipper.counters.touches, 1);
	/* The new arrival is another one, at the same place. */
	struct serial_address before = bench_tty(the_kt.board);
	before.usb_arrival = arrival;
	assert_int_equal(serial_open(&before, 250000, &the_kt.serial), -ENODEV);
	assert_int_equal(kt_open(&the_kt), 0);
	assert_int_equal(kt_connect(&the_kt), KATA_ACK);
	/* Katapult itself does not listen to it. */
	assert_int_equal(serial_set_line(the_kt.serial, 1200, false), 0);
	assert_int_equal(kt_connect(&the_kt), KATA_ACK);
}

static void test_either_order_is_a_touch(void **state)
{
	struct stm32_options options = with_application();
	kt_plug_image(&the_kt, state, &options);
	assert_int_equal(kt_open(&the_kt), 0);
	assert_int_equal(serial_set_line(the_kt.serial, UART_BAUD, false), 0);
	assert_int_equal(serial_set_line(the_kt.serial, 1200, true), -EIO);
	assert_int_equal(serial_pause(the_kt.serial, 500), -ENODEV);
	kt_close(&the_kt);
	expect_mode(&the_kt, STM32_KATAPULT);
}

static void test_a_touch_leads_into_the_rom(void **state)
{
	static const struct {
		enum stm32_chip chip;
		enum stm32_mode mode;
	} cases[] = {
		{ STM32_F446, STM32_DFU },
		{ STM32_G0B1_512K, STM32_DFU },
		{ STM32_F103, STM32_APPLICATION },
	};
	rom_make_image(image, APP_BYTES, KT_FLASH, KT_SMALL);
	for (size_t index = 0; index < ELEMENTSOF(cases); index++) {
		kt_plug_image(&the_kt, state,
			&(struct stm32_options){ .chip = cases[index].chip,
				.image = image,
				.image_bytes = APP_BYTES });
		assert_int_equal(kt_open(&the_kt), 0);
		assert_int_equal(serial_set_line(the_kt.serial, 1200, false),
			cases[index].mode == STM32_DFU ? -EIO : 0);
		kt_close(&the_kt);
		bench_advance(the_kt.bench, NSEC_PER_SEC);
		assert_int_equal(kt_mode(&the_kt), cases[index].mode);
		if (index + 1 < ELEMENTSOF(cases))
			kt_tear_down(state);
	}
}

static void test_a_dfu_board_has_no_tty(void **state)
{
	*state = &the_kt;
	the_kt = (struct kt){ .bench = bench_new() };
	the_kt.board = bench_plug_stm32(the_kt.bench, KT_PLACE, NULL);
	assert_int_equal(kt_mode(&the_kt), STM32_DFU);
	assert_int_equal(kt_open(&the_kt), -ENODEV);
}

/* --- the tty ----------------------------------------------------------------------------- */

static void test_a_tty_belongs_to_one(void **state)
{
	kt_plug(&the_kt, state, &(struct stm32_options){ .chip = STM32_F446 });
	struct serial_address address = bench_tty(the_kt.board);
	struct serial *other = NULL;
	bench_hold_tty(the_kt.board, true);
	assert_int_equal(kt_open(&the_kt), -EBUSY);
	bench_hold_tty(the_kt.board, false);
	assert_int_equal(kt_open(&the_kt), 0);
	assert_true(bench_resident(the_kt.board)->cdc.dtr);
	assert_int_equal(serial_open(&address, 250000, &other), -EBUSY);
	kt_close(&the_kt);
	assert_false(bench_resident(the_kt.board)->cdc.dtr);
	assert_int_equal(bench_counters(the_kt.bench)->ttys_open, 0);
}

static void test_a_tty_leaves(void **state)
{
	uint8_t byte;
	kt_plug(&the_kt, state, &(struct stm32_options){ .chip = STM32_F446 });
	assert_int_equal(kt_open(&the_kt), 0);
	bench_unplug(the_kt.board);
	assert_int_equal(serial_read(the_kt.serial, &byte, 1, KT_SOON_MSEC), -ENODEV);
	assert_int_equal(serial_write(the_kt.serial, &byte, 1, KT_SOON_MSEC), -ENODEV);
	assert_int_equal(serial_set_line(the_kt.serial, 1200, true), -ENODEV);
	assert_int_equal(serial_discard_input(the_kt.serial), -ENODEV);
	assert_int_equal(serial_pause(the_kt.serial, 1), -ENODEV);
}

/* --- a UART ------------------------------------------------------------------------------ */

static void test_a_katapult_on_a_uart(void **state)
{
	uint32_t pages;
	uint8_t block[KT_BLOCK];
	rom_make_image(image, APP_BYTES, APP, KT_SMALL);
	kt_plug_uart(&the_kt, state, &(struct stm32_options){ .chip = STM32_F446 });
	kt_start(&the_kt);
	uint64_t since = bench_now_nsec(the_kt.bench);
	assert_int_equal(kt_read(&the_kt, APP, block), KATA_ACK);
	/* 92 bytes of 40 microseconds. */
	assert_in_range(
		bench_now_nsec(the_kt.bench) - since, 3680 * NSEC_PER_USEC, 3780 * NSEC_PER_USEC);
	kt_blocks(&the_kt, APP, image, APP_BYTES);
	assert_int_equal(kt_eof(&the_kt, &pages), KATA_ACK);
	assert_int_equal(kt_complete(&the_kt), KATA_ACK);
	expect_mode(&the_kt, STM32_APPLICATION);
	assert_memory_equal(kt_flash(&the_kt, APP), image, APP_BYTES);
	/* The tty is still the same one. */
	assert_int_equal(serial_discard_input(the_kt.serial), 0);
	kt_send_hex(&the_kt, "01881100f17c9903");
	kt_expect_hex(&the_kt, "05109e817e");
}

static void test_bytes_are_lost_while_flash_works(void **state)
{
	uint8_t payload[68] = { 0x00, 0x80, 0x00, 0x08 };
	kt_plug_uart(&the_kt, state, &(struct stm32_options){ .chip = STM32_F446 });
	kt_start(&the_kt);
	kt_send_frame(&the_kt, KATA_SEND_BLOCK, payload, 17);
	payload[0] = 0x40;
	kt_send_frame(&the_kt, KATA_SEND_BLOCK, payload, 17);
	assert_int_equal(kt_receive(&the_kt, KT_SOON_MSEC), KATA_ACK);
	assert_true(bench_resident(the_kt.board)->uart.lost > 0);
	(void)!kt_connect(&the_kt);
	(void)!kt_connect(&the_kt);
	assert_int_equal(kt_counters(&the_kt)->wedges, 1);
}

static void test_a_second_answer_needs_room(void **state)
{
	uint8_t got[KT_FRAME_MOST];
	kt_plug_uart(&the_kt, state, &(struct stm32_options){ .chip = STM32_F446 });
	kt_start(&the_kt);
	kt_send_hex(&the_kt, "01881401002000085bde9903 01881401002000085bde9903");
	assert_int_equal(kt_gather(&the_kt, got, sizeof(got), KT_SOON_MSEC), 80);
	assert_int_equal(bench_resident(the_kt.board)->line.unsent, 1);
	/* When the first is nearly through, there is. */
	kt_send_hex(&the_kt, "01881401002000085bde9903");
	while (bench_resident(the_kt.board)->line.to_send_count > 28 ||
		!bench_resident(the_kt.board)->line.bytes[LINE_TO_HOST])
		bench_advance(the_kt.bench, 10 * NSEC_PER_USEC);
	bench_advance(the_kt.bench, 5 * NSEC_PER_MSEC);
	assert_int_equal(bench_resident(the_kt.board)->line.unsent, 1);
}

static void test_a_version_too_long_for_a_uart(void **state)
{
	struct stm32_options options = { .chip = STM32_F446 };
	options.resident.katapult.version =
		"v0.0.1-110-gb0bf421-dirty-20251007_101112-on-a-host-with-a-long-name";
	kt_plug_uart(&the_kt, state, &options);
	assert_int_equal(kt_open(&the_kt), 0);
	assert_int_equal(kt_connect(&the_kt), -ETIMEDOUT);
	assert_int_equal(kt_command(&the_kt, 0x90, NULL, 0), KATA_ERROR);
}

static void test_another_rate_is_noise(void **state)
{
	struct serial_address address;
	kt_plug_uart(&the_kt, state, &(struct stm32_options){ .chip = STM32_F446 });
	address = bench_tty(the_kt.board);
	assert_int_equal(serial_open(&address, 115200, &the_kt.serial), 0);
	assert_int_equal(kt_connect(&the_kt) == KATA_ACK, false);
	assert_int_equal(kt_counters(&the_kt)->frames, 0);
}

static void test_words_that_ask_for_a_katapult(void **state)
{
	struct stm32_options options = with_application();
	kt_plug_uart(&the_kt, state, &options);
	assert_int_equal(kt_mode(&the_kt), STM32_APPLICATION);
	assert_int_equal(kt_open(&the_kt), 0);
	kt_send_hex(&the_kt, "7e201c20");
	kt_send(&the_kt, "Request Serial Bootloader!!", 27);
	kt_send_hex(&the_kt, "207e");
	kt_expect_silence(&the_kt);
	expect_mode(&the_kt, STM32_KATAPULT);
	assert_int_equal(kt_connect(&the_kt), KATA_ACK);
	assert_int_equal(bench_resident(the_kt.board)->klipper.counters.magics, 1);
}

static void test_words_that_nobody_understands(void **state)
{
	rom_make_image(image, APP_BYTES, KT_FLASH, KT_SMALL);
	kt_plug_uart(&the_kt, state,
		&(struct stm32_options){
			.chip = STM32_F446, .image = image, .image_bytes = APP_BYTES });
	assert_int_equal(kt_mode(&the_kt), STM32_APPLICATION);
	assert_int_equal(kt_open(&the_kt), 0);
	kt_send_hex(&the_kt, "7e201c20");
	kt_send(&the_kt, "Request Serial Bootloader!!", 27);
	kt_send_hex(&the_kt, "207e");
	bench_advance(the_kt.bench, NSEC_PER_SEC);
	assert_int_equal(kt_mode(&the_kt), STM32_APPLICATION);
	kt_send_hex(&the_kt, "08100100285e9f7e");
	assert_int_equal(kt_gather(&the_kt, the_kt.answer, KT_FRAME_MOST, KT_SOON_MSEC), 8 + 5);
}

#define TEST(function) cmocka_unit_test_teardown(function, kt_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_cold_start_waits_for_a_second_reset),
		TEST(test_a_double_reset),
		TEST(test_a_double_reset_saves_from_a_crash),
		TEST(test_the_first_word_decides),
		TEST(test_complete_starts_what_was_written),
		TEST(test_complete_starts_whatever_is_there),
		TEST(test_a_touch_leads_to_a_katapult),
		TEST(test_either_order_is_a_touch),
		TEST(test_a_touch_leads_into_the_rom),
		TEST(test_a_dfu_board_has_no_tty),
		TEST(test_a_tty_belongs_to_one),
		TEST(test_a_tty_leaves),
		TEST(test_a_katapult_on_a_uart),
		TEST(test_bytes_are_lost_while_flash_works),
		TEST(test_a_second_answer_needs_room),
		TEST(test_a_version_too_long_for_a_uart),
		TEST(test_another_rate_is_noise),
		TEST(test_words_that_ask_for_a_katapult),
		TEST(test_words_that_nobody_understands),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
