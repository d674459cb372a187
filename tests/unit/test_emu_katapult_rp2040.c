/* SPDX-License-Identifier: MIT */
/*
 * The emulated Katapult on an RP2040: pages that are written late, its bounds, what starts, and
 * Klipper behind it.
 */
#include <errno.h>
#include <string.h>

#include "unit/emu_katapult_talker.h"
#include "unit/make_image.h"

#define BASE       RP2040_FLASH_BASE
#define APP_OFFSET 0x4000u
#define APP        (BASE + APP_OFFSET)
#define APP_BYTES  0x2000u
#define ENTRY      0x200u

static struct kt the_kt;
static uint8_t image[APP_OFFSET + APP_BYTES];

/* boot2, vectors, and the letters before the code. */
static void make_loader(void)
{
	_cleanup_(freep) uint8_t *bin = make_bin(0x1000, 1);
	const uint8_t entry[4] = { ENTRY % 256 + 1, ENTRY / 256, 0x00, 0x10 };
	memset(image, 0xff, sizeof(image));
	memcpy(image, bin, 0x1000);
	memcpy(image + 0x104, entry, sizeof(entry));
	memcpy(image + ENTRY - 8, "CanBoot!", 8);
}

static void make_application(void)
{
	_cleanup_(freep) uint8_t *bin = make_offset_bin(APP, APP_BYTES, 2);
	memcpy(image + APP_OFFSET, bin, APP_BYTES);
}

static void plug(void **state, struct rp2040_options options)
{
	*state = &the_kt;
	options.image = image;
	options.image_bytes = sizeof(image);
	options.button_released = true;
	options.klipper = true;
	the_kt = (struct kt){ .bench = bench_new() };
	the_kt.board = bench_plug(the_kt.bench, KT_PLACE, &options);
}

static struct kt *set_up(void **state)
{
	make_loader();
	plug(state, (struct rp2040_options){ 0 });
	assert_int_equal(rp2040_mode(bench_rp2040(the_kt.board)), RP2040_KATAPULT);
	assert_int_equal(kt_open(&the_kt), 0);
	make_application();
	return &the_kt;
}

static const uint8_t *flash(struct kt *kt, uint32_t address)
{
	size_t size;
	return rp2040_flash(bench_rp2040(kt->board), &size) + (address - BASE);
}

static uint64_t sectors_erased(struct kt *kt)
{
	return rp2040_counters(bench_rp2040(kt->board))->sectors_erased;
}

static bool is_blank(const uint8_t *bytes, size_t length)
{
	for (size_t index = 0; index < length; index++)
		if (bytes[index] != 0xff)
			return false;
	return true;
}

static void test_who_it_is(void **state)
{
	struct kt *kt = set_up(state);
	const struct hub_port *port = bench_port(kt->board);
	assert_int_equal(port->descriptor[10] | port->descriptor[11] << 8, 0x6177);
	assert_string_equal(port->manufacturer, "katapult");
	assert_string_equal(port->product, "rp2040");
	assert_int_equal(strlen(port->serial), 16);
	/* No packet is held back here. */
	assert_int_equal(kt_connect(kt), KATA_ACK);
	assert_int_equal(kt_word(kt->answer + 12), APP);
	assert_string_equal((const char *)kt->answer + 20, "rp2040");
}

static void test_a_page_is_written_late(void **state)
{
	uint8_t block[KT_BLOCK];
	uint32_t pages;
	struct kt *kt = set_up(state);
	kt_blocks(kt, APP, image + APP_OFFSET, 256);
	assert_int_equal(sectors_erased(kt), 0);
	assert_true(is_blank(flash(kt, APP), 256));
	assert_int_equal(kt_read(kt, APP, block), KATA_ACK);
	assert_true(is_blank(block, KT_BLOCK));
	kt_blocks(kt, APP + 256, image + APP_OFFSET + 256, KT_BLOCK);
	assert_int_equal(sectors_erased(kt), 1);
	assert_memory_equal(flash(kt, APP), image + APP_OFFSET, 256);
	assert_true(is_blank(flash(kt, APP + 256), 256));
	assert_int_equal(kt_eof(kt, &pages), KATA_ACK);
	assert_int_equal(pages, 2);
	assert_memory_equal(flash(kt, APP + 256), image + APP_OFFSET + 256, KT_BLOCK);
	assert_true(is_blank(flash(kt, APP + 256 + KT_BLOCK), 256 - KT_BLOCK));
}

static void test_an_earlier_page_is_written_over(void **state)
{
	uint32_t pages;
	uint8_t zeros[256] = { 0 };
	struct kt *kt = set_up(state);
	kt_blocks(kt, APP, image + APP_OFFSET, 4 * 256);
	kt_blocks(kt, APP + 256, zeros, 256);
	assert_int_equal(kt_eof(kt, &pages), KATA_ACK);
	assert_int_equal(pages, 5);
	assert_memory_equal(flash(kt, APP + 256), zeros, 256);
	assert_int_equal(rp2040_counters(bench_rp2040(kt->board))->pages_overprogrammed, 0);
	kt_blocks(kt, APP + 256, image + APP_OFFSET + 256, 256);
	assert_int_equal(kt_eof(kt, &pages), KATA_ACK);
	assert_memory_equal(flash(kt, APP + 256), zeros, 256);
	/* The start of a sector erases it again, whatever was behind. */
	kt_blocks(kt, APP, image + APP_OFFSET, 256);
	assert_int_equal(kt_eof(kt, &pages), KATA_ACK);
	assert_true(is_blank(flash(kt, APP + 256), 4096 - 256));
}

static void test_bounds(void **state)
{
	uint8_t block[KT_BLOCK] = { 0 };
	struct kt *kt = set_up(state);
	assert_int_equal(kt_block(kt, APP - KT_BLOCK, block), KATA_ERROR);
	assert_int_equal(kt_block(kt, BASE + 0x200000, block), KATA_ERROR);
	assert_int_equal(kt_block(kt, BASE + 0x200000 - KT_BLOCK, block), KATA_ACK);
	assert_int_equal(kt_read(kt, 0x20000000, block), KATA_ACK);
	assert_int_equal(kt_read(kt, 0, block), KATA_ACK);
	assert_int_equal(kt_read(kt, BASE + 0x1f8, block), KATA_ACK);
	assert_memory_equal(block, "CanBoot!", 8);
	assert_int_equal(kt_read(kt, 0x20100000, block), -ETIMEDOUT);
	assert_int_equal(kt_counters(kt)->crashes, 1);
}

static void test_what_a_page_costs(void **state)
{
	uint32_t pages;
	struct kt *kt = set_up(state);
	uint64_t since = bench_now_nsec(kt->bench);
	kt_blocks(kt, APP, image + APP_OFFSET, APP_BYTES);
	assert_int_equal(kt_eof(kt, &pages), KATA_ACK);
	assert_int_equal(pages, APP_BYTES / 256);
	const struct rp2040_ledger *ledger = rp2040_ledger(bench_rp2040(kt->board));
	assert_int_equal(ledger->erase_nsec, 2 * 45 * NSEC_PER_MSEC);
	assert_int_equal(ledger->program_nsec, APP_BYTES / 256 * 661 * NSEC_PER_USEC);
	assert_in_range(
		bench_now_nsec(kt->bench) - since, 130 * NSEC_PER_MSEC, 145 * NSEC_PER_MSEC);
}

static void test_klipper_behind_it(void **state)
{
	uint32_t pages;
	struct kt *kt = set_up(state);
	kt_blocks(kt, APP, image + APP_OFFSET, APP_BYTES);
	assert_int_equal(kt_eof(kt, &pages), KATA_ACK);
	assert_int_equal(kt_complete(kt), KATA_ACK);
	assert_int_equal(serial_pause(kt->serial, 500), -ENODEV);
	kt_close(kt);
	assert_true(bench_await_mode(kt->board, RP2040_APPLICATION, 2000));
	assert_string_equal(bench_port(kt->board)->manufacturer, "Klipper");
	assert_string_equal(bench_port(kt->board)->product, "rp2040");
	assert_int_equal(kt_open(kt), 0);
	kt_send_hex(kt, "01881100f17c9903");
	kt_expect_hex(kt, "05109e817e");
	assert_int_equal(serial_set_line(kt->serial, 1200, false), -EIO);
	assert_int_equal(serial_pause(kt->serial, 500), -ENODEV);
	kt_close(kt);
	assert_true(bench_await_mode(kt->board, RP2040_KATAPULT, 2000));
	/* Without a request it starts by itself; within half a second another reset keeps it. */
	bench_rp2040_reset(kt->board, false);
	assert_true(bench_await_mode(kt->board, RP2040_APPLICATION, 2000));
	bench_rp2040_reset(kt->board, false);
	bench_advance(kt->bench, 200 * NSEC_PER_MSEC);
	bench_rp2040_reset(kt->board, false);
	assert_true(bench_await_mode(kt->board, RP2040_KATAPULT, 2000));
}

static void test_klipper_alone_goes_to_the_rom(void **state)
{
	_cleanup_(freep) uint8_t *bin = make_bin(0x1000, 1);
	memset(image, 0xff, sizeof(image));
	memcpy(image, bin, 0x1000);
	plug(state, (struct rp2040_options){ 0 });
	assert_int_equal(rp2040_mode(bench_rp2040(the_kt.board)), RP2040_APPLICATION);
	assert_int_equal(kt_open(&the_kt), 0);
	assert_int_equal(serial_set_line(the_kt.serial, 1200, false), -EIO);
	kt_close(&the_kt);
	assert_true(bench_await_mode(the_kt.board, RP2040_BOOT, 2000));
}

static void test_a_half_written_application_crashes(void **state)
{
	struct kt *kt = set_up(state);
	memset(image + APP_OFFSET, 0x55, 256);
	kt_blocks(kt, APP, image + APP_OFFSET, 5 * KT_BLOCK);
	kt_close(kt);
	bench_unplug(kt->board);
	bench_advance(kt->bench, NSEC_PER_SEC);
	rp2040_power_on(bench_rp2040(kt->board), bench_now_nsec(kt->bench), false);
	bench_advance(kt->bench, 2 * NSEC_PER_SEC);
	assert_int_equal(rp2040_mode(bench_rp2040(kt->board)), RP2040_LOST);
	bench_rp2040_reset(kt->board, false);
	bench_advance(kt->bench, 100 * NSEC_PER_MSEC);
	bench_rp2040_reset(kt->board, false);
	assert_true(bench_await_mode(kt->board, RP2040_KATAPULT, 2000));
}

static void test_faults(void **state)
{
	struct kt *kt = set_up(state);
	bench_fault(kt->board,
		&(struct rp2040_fault){ RP2040_FAULT_ANSWER, .trigger = RP2040_AT_COMMAND,
			.command = KATA_SEND_BLOCK, .nth = 2, .value = KATA_BUSY });
	assert_int_equal(kt_block(kt, APP, image), KATA_ACK);
	assert_int_equal(kt_block(kt, APP + KT_BLOCK, image), KATA_BUSY);
	assert_int_equal(kt_block(kt, APP + KT_BLOCK, image), KATA_ACK);
	bench_fault(kt->board, &(struct rp2040_fault){ RP2040_FAULT_UNPLUG,
				       .trigger = RP2040_AT_PAGE, .address = APP });
	kt_send_frame(kt, KATA_EOF, NULL, 0);
	assert_int_equal(kt_receive(kt, KT_SOON_MSEC), -ENODEV);
}

#define TEST(function) cmocka_unit_test_teardown(function, kt_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_who_it_is),
		TEST(test_a_page_is_written_late),
		TEST(test_an_earlier_page_is_written_over),
		TEST(test_bounds),
		TEST(test_what_a_page_costs),
		TEST(test_klipper_behind_it),
		TEST(test_klipper_alone_goes_to_the_rom),
		TEST(test_a_half_written_application_crashes),
		TEST(test_faults),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
