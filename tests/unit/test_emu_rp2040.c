/* SPDX-License-Identifier: MIT */
/*
 * The emulated RP2040 against the description of the real one: every trap that a host can fall into
 * is shown here by a talker of the test's own, so that a host that passes has met them all.
 */
#include <errno.h>
#include <string.h>

#include "unit/emu_talker.h"

/* --- descriptors and requests ------------------------------------------------------------ */

static void test_descriptors(void **state)
{
	static const uint8_t device[18] = { 0x12, 0x01, 0x10, 0x01, 0, 0, 0, 0x40, 0x8a, 0x2e, 0x03,
		0, 0, 0x01, 1, 2, 3, 1 };
	static const uint8_t serial[] = "E\0000\000C\0009\0001\0002\0005\000B\0000\000D\0009\000B";
	struct talker *talker = *state;
	uint8_t bytes[255];
	assert_int_equal(usb_control(talker->device, 0x80, 6, 0x100, 0, bytes, 64, 100), 18);
	assert_memory_equal(bytes, device, 18);
	assert_int_equal(usb_control(talker->device, 0x80, 6, 0x303, 0x409, bytes, 255, 100), 26);
	assert_memory_equal(bytes + 2, serial, 24);
	assert_int_equal(usb_control(talker->device, 0x80, 6, 0x304, 0x409, bytes, 255, 100), 2);
	assert_int_equal(usb_control(talker->device, 0x80, 6, 0x600, 0, bytes, 10, 100), -EPIPE);
	const uint8_t *configuration;
	size_t length;
	assert_int_equal(usb_configuration(talker->device, &configuration, &length), 0);
	assert_int_equal(length, 55);
	assert_int_equal(configuration[4], 2);
	assert_int_equal(configuration[32 + 2], 1);
	assert_int_equal(configuration[32 + 5], 0xff);
}

static void test_requests_that_stall(void **state)
{
	struct talker *talker = *state;
	uint8_t bytes[64];
	assert_int_equal(usb_control(talker->device, 0x01, 11, 0, 1, NULL, 0, 100), -EPIPE);
	assert_int_equal(usb_control(talker->device, 0xc1, 0x42, 0, 1, bytes, 15, 100), -EPIPE);
	assert_int_equal(usb_control(talker->device, 0xc1, 0x42, 0, 1, bytes, 17, 100), -EPIPE);
	assert_int_equal(usb_control(talker->device, 0xc1, 0x42, 0, 0, bytes, 16, 100), -EPIPE);
	assert_int_equal(usb_control(talker->device, 0xc1, 0x42, 0, 0xff01, bytes, 16, 100), 16);
}

static void test_without_mass_storage(void **state)
{
	static struct talker talker;
	talker_set_up_with(&talker, &(struct rp2040_options){ .disable_mask = 1 });
	*state = &talker;
	struct usb_address address = bench_address(talker.board);
	assert_int_equal(usb_open(&address, &talker.device), 0);
	assert_int_equal(usb_claim(talker.device, 1), -ENOENT);
	assert_int_equal(usb_claim(talker.device, 0), 0);
	uint8_t bytes[16];
	assert_int_equal(usb_control(talker.device, 0xc1, 0x42, 0, 0, bytes, 16, 100), 16);
	assert_int_equal(talker_simple(&talker, EXIT_XIP), 0);
}

/* --- time -------------------------------------------------------------------------------- */

static void test_a_mebibyte_in_its_time(void **state)
{
	static uint8_t image[1 << 20], back[1 << 20];
	struct talker *talker = *state;
	talker_make_image(image, sizeof(image));
	assert_int_equal(talker_simple(talker, EXIT_XIP), 0);
	uint64_t start = bench_now_nsec(talker->bench), since = start;
	assert_int_equal(talker_erase(talker, FLASH, sizeof(image)), 0);
	talker_assert_took(talker, since, 11.5);
	since = bench_now_nsec(talker->bench);
	assert_int_equal(talker_write_at(talker, FLASH, image, sizeof(image)), 0);
	talker_assert_took(talker, since, 4.5);
	since = bench_now_nsec(talker->bench);
	assert_int_equal(talker_read_at(talker, FLASH, back, sizeof(back)), 0);
	talker_assert_took(talker, since, 2.46);
	assert_memory_equal(image, back, sizeof(image));
	const struct rp2040_ledger *ledger = rp2040_ledger(bench_rp2040(talker->board));
	talker_assert_took(talker, start, (double)ledger->union_nsec / 1e9);
}

static void test_status_is_served_while_busy(void **state)
{
	struct talker *talker = *state;
	uint32_t code;
	bool in_progress;
	assert_int_equal(talker_simple(talker, EXIT_XIP), 0);
	assert_int_equal(
		talker_send_command(talker, ERASE, 8, 0, (uint32_t[4]){ FLASH, 8192 }), 32);
	bench_advance(talker->bench, 50 * NSEC_PER_MSEC);
	talker_get_status(talker, &code, &in_progress);
	assert_true(in_progress);
	assert_int_equal(talker_acknowledge(talker, ERASE, 39), SILENT);
	assert_int_equal(talker_acknowledge(talker, ERASE, 2), 0);
	talker_get_status(talker, &code, &in_progress);
	assert_false(in_progress);
}

/* --- traps ------------------------------------------------------------------------------- */

static void test_nothing_happens_without_exit_xip(void **state)
{
	static const uint8_t image[256] = { 1, 2, 3 };
	struct talker *talker = *state;
	uint8_t back[256];
	uint64_t since = bench_now_nsec(talker->bench);
	assert_int_equal(talker_erase(talker, FLASH, 65536), 0);
	assert_int_equal(talker_write_at(talker, FLASH, image, sizeof(image)), 0);
	assert_int_equal(talker_read_at(talker, FLASH, back, sizeof(back)), 0);
	assert_true(bench_now_nsec(talker->bench) - since < 2 * NSEC_PER_MSEC);
	assert_int_equal(back[0], 0);
	assert_int_equal(talker_flash(talker)[0], 0xff);
	assert_int_equal(talker_counters(talker)->sectors_erased, 0);
}

static void test_failed_erase_looks_well(void **state)
{
	struct talker *talker = *state;
	assert_int_equal(talker_simple(talker, EXIT_XIP), 0);
	assert_int_equal(talker_erase(talker, FLASH + 256, 4096), 0);
	assert_int_equal(talker_status_code(talker), 0);
	assert_int_equal(talker_erase(talker, 0x20000000, 4096), 0);
	assert_int_equal(talker_status_code(talker), 0);
	assert_int_equal(talker_counters(talker)->sectors_erased, 0);
}

static void test_failed_write_stalls_one_endpoint(void **state)
{
	static uint8_t page[256];
	struct talker *talker = *state;
	assert_int_equal(talker_simple(talker, EXIT_XIP), 0);
	assert_int_equal(talker_write_at(talker, FLASH + 1, page, sizeof(page)), SILENT);
	assert_true(talker_is_halted(talker, OUT));
	assert_false(talker_is_halted(talker, IN));
	assert_int_equal(talker_status_code(talker), 5);
	assert_int_equal(talker_acknowledge(talker, WRITE, ACK_MSEC), SILENT);
	assert_int_equal(usb_clear_halt(talker->device, OUT), 0);
	assert_int_equal(talker_simple(talker, EXIT_XIP), 0);
}

static void test_read_past_the_end_of_rom(void **state)
{
	struct talker *talker = *state;
	uint8_t rom[512];
	assert_int_equal(talker_read_at(talker, 0x10, rom, 4), 0);
	assert_memory_equal(rom, "Mu\1\3", 4);
	assert_int_equal(talker_read_at(talker, 0x1f00, rom, sizeof(rom)), -EPIPE);
	assert_false(talker_is_halted(talker, OUT));
	assert_true(talker_is_halted(talker, IN));
	assert_int_equal(talker_status_code(talker), 4);
}

static void test_checks_of_a_command(void **state)
{
	static const struct {
		uint8_t id, size;
		uint32_t transfer, code;
	} bad[] = { { 0x0a, 0, 0, 1 }, { 0x7f, 0, 0, 1 }, { ERASE, 7, 0, 2 }, { EXIT_XIP, 1, 0, 2 },
		{ ERASE, 8, 1, 3 }, { WRITE, 8, 255, 3 }, { EXCLUSIVE, 1, 1, 3 } };
	struct talker *talker = *state;
	for (size_t index = 0; index < ELEMENTSOF(bad); index++) {
		talker_send_command(talker, bad[index].id, bad[index].size, bad[index].transfer,
			(uint32_t[4]){ FLASH, 256 });
		assert_true(talker_is_halted(talker, OUT) && talker_is_halted(talker, IN));
		assert_int_equal(talker_status_code(talker), bad[index].code);
		assert_int_equal(usb_clear_halt(talker->device, IN), 0);
		assert_int_equal(usb_clear_halt(talker->device, OUT), 0);
	}
	uint8_t nonsense[32] = { 0 };
	talker_bulk(talker, OUT, nonsense, sizeof(nonsense), ACK_MSEC);
	assert_true(talker_is_halted(talker, OUT) && talker_is_halted(talker, IN));
	assert_int_equal(talker_status_code(talker), 3);
}

static void test_missed_ack_eats_a_command(void **state)
{
	struct talker *talker = *state;
	uint8_t page[256];
	const uint32_t where[4] = { 0x20000000, sizeof(page) };
	assert_int_equal(talker_send_command(talker, READ, 8, sizeof(page), where), 32);
	assert_int_equal(talker_bulk(talker, IN, page, sizeof(page), ACK_MSEC), 256);
	assert_int_equal(talker_send_command(talker, EXIT_XIP, 0, 0, (uint32_t[4]){ 0 }), 32);
	assert_int_equal(talker_acknowledge(talker, EXIT_XIP, ACK_MSEC), SILENT);
	assert_int_equal(talker_simple(talker, EXIT_XIP), 0);
}

static void test_half_a_read_blocks_until_reset(void **state)
{
	struct talker *talker = *state;
	uint8_t page[128];
	const uint32_t where[4] = { 0x20000000, 256 };
	assert_int_equal(talker_send_command(talker, READ, 8, 256, where), 32);
	assert_int_equal(talker_bulk(talker, IN, page, sizeof(page), ACK_MSEC), 128);
	assert_int_equal(talker_send_command(talker, EXIT_XIP, 0, 0, where), SILENT);
	assert_int_equal(talker_interface_reset(talker), 0);
	assert_int_equal(talker_simple(talker, EXIT_XIP), 0);
}

static void test_no_second_command_before_the_ack(void **state)
{
	struct talker *talker = *state;
	assert_int_equal(talker_send_command(talker, EXIT_XIP, 0, 0, (uint32_t[4]){ 0 }), 32);
	assert_int_equal(talker_send_command(talker, EXIT_XIP, 0, 0, (uint32_t[4]){ 0 }), SILENT);
	assert_int_equal(talker_acknowledge(talker, EXIT_XIP, ACK_MSEC), 0);
	assert_int_equal(talker_simple(talker, EXIT_XIP), 0);
}

/* The task ends soon, its acknowledgement comes late, the abort stays, the chip is still busy. */
static void test_interface_reset_amid_an_erase(void **state)
{
	struct talker *talker = *state;
	assert_int_equal(talker_simple(talker, EXIT_XIP), 0);
	assert_int_equal(
		talker_send_command(talker, ERASE, 8, 0, (uint32_t[4]){ FLASH, 65536 }), 32);
	bench_advance(talker->bench, 10 * NSEC_PER_MSEC);
	assert_int_equal(talker_interface_reset(talker), 0);
	assert_int_equal(talker_acknowledge(talker, ERASE, 20), 0);
	assert_int_equal(talker_acknowledge(talker, ERASE, 20), SILENT);
	assert_int_equal(talker_simple(talker, EXIT_XIP), 0);
	assert_int_equal(talker_erase(talker, FLASH + 4096, 4096), 0);
	assert_int_equal(talker_counters(talker)->sectors_erased, 1);
	assert_int_equal(talker_counters(talker)->commands_lost_to_busy, 1);
	assert_int_equal(talker_erase(talker, FLASH + 4096, 4096), 0);
	assert_int_equal(talker_counters(talker)->sectors_erased, 2);
}

/* After a stall the host starts with DATA0, the device does not: the packet is lost in silence. */
static void test_interface_reset_keeps_toggles(void **state)
{
	struct talker *talker = *state;
	uint8_t nonsense[32] = { 0 };
	talker_bulk(talker, OUT, nonsense, sizeof(nonsense), ACK_MSEC);
	assert_int_equal(talker_bulk(talker, OUT, nonsense, sizeof(nonsense), ACK_MSEC), -EPIPE);
	assert_int_equal(talker_interface_reset(talker), 0);
	assert_int_equal(talker_send_command(talker, EXIT_XIP, 0, 0, (uint32_t[4]){ 0 }), 32);
	assert_int_equal(talker_acknowledge(talker, EXIT_XIP, ACK_MSEC), SILENT);
	assert_int_equal(usb_clear_halt(talker->device, OUT), 0);
	assert_int_equal(talker_simple(talker, EXIT_XIP), 0);
}

/* --- flash ------------------------------------------------------------------------------- */

static void test_programming_only_clears_bits(void **state)
{
	static uint8_t page[256];
	struct talker *talker = *state;
	assert_int_equal(talker_simple(talker, EXIT_XIP), 0);
	memset(page, 0xf0, sizeof(page));
	assert_int_equal(talker_write_at(talker, FLASH, page, 100), 0);
	assert_int_equal(talker_flash(talker)[99], 0xf0);
	assert_int_equal(talker_flash(talker)[100], 0x00);
	assert_int_equal(talker_flash(talker)[256], 0xff);
	memset(page, 0x3c, sizeof(page));
	assert_int_equal(talker_write_at(talker, FLASH, page, sizeof(page)), 0);
	assert_int_equal(talker_flash(talker)[0], 0x30);
	assert_int_equal(talker_counters(talker)->pages_overprogrammed, 1);
}

static void test_addresses_wrap_and_corrupt(void **state)
{
	static const uint8_t page[256];
	struct talker *talker = *state;
	assert_int_equal(talker_simple(talker, EXIT_XIP), 0);
	assert_int_equal(talker_write_at(talker, FLASH + (2u << 20), page, sizeof(page)), 0);
	assert_int_equal(talker_flash(talker)[0], 0);
	assert_int_equal(talker_erase(talker, FLASH + (16u << 20), 4096), 0);
	assert_int_equal(talker_flash(talker)[0], 0);
	assert_int_equal(
		talker_write_at(talker, FLASH + (32u << 20) + 4096, page, sizeof(page)), 0);
	assert_int_equal(talker_flash(talker)[4096], 0);
}

/* --- leaving ----------------------------------------------------------------------------- */

static void test_reboot_into_the_application(void **state)
{
	static uint8_t image[4096];
	static struct talker talker;
	talker_make_image(image, sizeof(image));
	talker_set_up_with(
		&talker, &(struct rp2040_options){ .image = image,
				 .image_bytes = sizeof(image),
				 .unique_id = { 0xe6, 0x60, 0x38, 0xb7, 0x13, 0x59, 0x6a, 0x2f } });
	*state = &talker;
	assert_int_equal(talker_open_board(&talker), 0);
	assert_int_equal(talker_reboot(&talker, 500), 0);
	uint64_t since = bench_now_nsec(talker.bench);
	assert_int_equal(talker_read_at(&talker, 0, image, 256), -EPIPE);
	assert_int_equal(talker_status_code(&talker), 7);
	assert_true(bench_await_mode(talker.board, RP2040_AWAY, 1000));
	talker_assert_took(&talker, since, 0.25);
	assert_int_equal(usb_pause(talker.device, 1000), -ENODEV);
	talker.device = usb_close(talker.device);
	assert_true(bench_await_mode(talker.board, RP2040_APPLICATION, 1000));
	struct usb_address address = bench_address(talker.board);
	assert_int_equal(usb_open(&address, &talker.device), 0);
	uint8_t serial[255];
	assert_int_equal(usb_control(talker.device, 0x80, 6, 0x303, 0x409, serial, 255, 100), 34);
	assert_int_equal(serial[2], 'E');
	assert_int_equal(serial[32], 'F');
	const uint8_t touch[7] = { 0xb0, 0x04, 0, 0, 0, 0, 8 };
	assert_int_equal(usb_control(talker.device, 0x21, 0x20, 0, 0, (void *)touch, 7, 100), -EIO);
	assert_true(bench_await_mode(talker.board, RP2040_BOOT, 1000));
}

static void test_blank_flash_falls_back(void **state)
{
	struct talker *talker = *state;
	assert_int_equal(rp2040_flash_state(bench_rp2040(talker->board)), RP2040_FALLS_BACK);
	assert_int_equal(talker_reboot(talker, 0), -EIO);
	assert_true(bench_await_mode(talker->board, RP2040_BOOT, 1000));
	assert_int_equal(usb_is_same_arrival(talker->device), 0);
}

static void test_half_an_image_crashes(void **state)
{
	static uint8_t image[256];
	static struct talker talker;
	uint8_t whole[512];
	talker_make_image(whole, sizeof(whole));
	memcpy(image, whole, sizeof(image));
	talker_set_up_with(&talker, &(struct rp2040_options){ .image = image, .image_bytes = 256 });
	*state = &talker;
	assert_int_equal(rp2040_flash_state(bench_rp2040(talker.board)), RP2040_CRASHES);
	assert_int_equal(talker_open_board(&talker), 0);
	assert_int_equal(talker_reboot(&talker, 100), 0);
	assert_true(bench_await_mode(talker.board, RP2040_LOST, 1000));
}

#define TEST(function)       cmocka_unit_test_setup_teardown(function, talker_set_up, talker_tear_down)
#define TEST_ALONE(function) cmocka_unit_test_teardown(function, talker_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_descriptors),
		TEST(test_requests_that_stall),
		TEST_ALONE(test_without_mass_storage),
		TEST(test_a_mebibyte_in_its_time),
		TEST(test_status_is_served_while_busy),
		TEST(test_nothing_happens_without_exit_xip),
		TEST(test_failed_erase_looks_well),
		TEST(test_failed_write_stalls_one_endpoint),
		TEST(test_read_past_the_end_of_rom),
		TEST(test_checks_of_a_command),
		TEST(test_missed_ack_eats_a_command),
		TEST(test_half_a_read_blocks_until_reset),
		TEST(test_no_second_command_before_the_ack),
		TEST(test_interface_reset_amid_an_erase),
		TEST(test_interface_reset_keeps_toggles),
		TEST(test_programming_only_clears_bits),
		TEST(test_addresses_wrap_and_corrupt),
		TEST_ALONE(test_reboot_into_the_application),
		TEST(test_blank_flash_falls_back),
		TEST_ALONE(test_half_an_image_crashes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
