/* SPDX-License-Identifier: MIT */
/*
 * The faults that a test can order from the emulated RP2040, its mass-storage side, and boards side
 * by side.
 */
#include <errno.h>
#include <string.h>

#include "unit/emu_talker.h"

/* --- faults ------------------------------------------------------------------------------ */

static void test_unplug_amid_a_write(void **state)
{
	static uint8_t page[4096];
	struct talker *talker = *state;
	int fault = talker_arm(talker,
		(struct rp2040_fault){
			.kind = RP2040_FAULT_UNPLUG, .trigger = RP2040_AT_BYTE, .nth = 1000 });
	assert_int_equal(talker_simple(talker, EXIT_XIP), 0);
	assert_int_equal(talker_write_at(talker, FLASH, page, sizeof(page)), -EIO);
	assert_true(bench_fault_fired(talker->board, fault));
	assert_int_equal(talker_counters(talker)->pages_programmed, 3);
	assert_int_equal(usb_is_same_arrival(talker->device), 1);
	assert_int_equal(talker_acknowledge(talker, WRITE, ACK_MSEC), -EIO);
	bench_advance(talker->bench, 30 * NSEC_PER_MSEC);
	assert_int_equal(usb_is_same_arrival(talker->device), 0);
	assert_int_equal(talker_acknowledge(talker, WRITE, ACK_MSEC), -ENODEV);
	talker->device = usb_close(talker->device);
	struct usb_address old = bench_address(talker->board);
	bench_replug(talker->board, true);
	struct usb_address fresh = bench_address(talker->board);
	assert_true(old.arrival != fresh.arrival);
	assert_int_equal(usb_open(&old, &talker->device), -ENODEV);
	assert_int_equal(talker_open_board(talker), 0);
}

static void test_power_lost_amid_an_erase(void **state)
{
	static const uint8_t zeros[4096];
	struct talker *talker = *state;
	assert_int_equal(talker_simple(talker, EXIT_XIP), 0);
	assert_int_equal(talker_write_at(talker, FLASH, zeros, sizeof(zeros)), 0);
	talker_arm(talker, (struct rp2040_fault){ .kind = RP2040_FAULT_UNPLUG,
				   .trigger = RP2040_AT_SECTOR,
				   .after_nsec = 20 * NSEC_PER_MSEC });
	assert_int_equal(talker_erase(talker, FLASH, 4096), -EIO);
	size_t set = 0;
	for (size_t index = 0; index < sizeof(zeros); index++)
		set += (size_t)__builtin_popcount(talker_flash(talker)[index]);
	assert_in_range(set, 4096 * 8 * 4 / 10, 4096 * 8 * 5 / 10);
}

static void test_faults_of_the_chip(void **state)
{
	static const uint8_t zeros[512];
	struct talker *talker = *state;
	assert_int_equal(talker_simple(talker, EXIT_XIP), 0);
	talker_arm(talker, (struct rp2040_fault){ .kind = RP2040_FAULT_FLIP_BIT,
				   .trigger = RP2040_AT_PAGE,
				   .nth = 2,
				   .byte = 17,
				   .bit = 3 });
	assert_int_equal(talker_write_at(talker, FLASH, zeros, sizeof(zeros)), 0);
	assert_int_equal(talker_flash(talker)[256 + 17], 1 << 3);
	talker_arm(talker, (struct rp2040_fault){ .kind = RP2040_FAULT_LOST_ERASE,
				   .trigger = RP2040_AT_SECTOR,
				   .address = FLASH });
	uint64_t since = bench_now_nsec(talker->bench);
	assert_int_equal(talker_erase(talker, FLASH, 4096), 0);
	talker_assert_took(talker, since, 0.045);
	assert_int_equal(talker_flash(talker)[0], 0);
	assert_int_equal(talker_erase(talker, FLASH, 4096), 0);
	assert_int_equal(talker_flash(talker)[0], 0xff);
}

static void test_stuck_bit(void **state)
{
	struct talker *talker = *state;
	assert_int_equal(talker_simple(talker, EXIT_XIP), 0);
	talker_arm(talker, (struct rp2040_fault){
				   .kind = RP2040_FAULT_STUCK_BIT, .target = FLASH + 5, .bit = 6 });
	assert_int_equal(talker_erase(talker, FLASH, 4096), 0);
	assert_int_equal(talker_flash(talker)[5], 0xbf);
}

static void test_hang_and_die(void **state)
{
	struct talker *talker = *state;
	uint8_t status[16];
	talker_arm(talker, (struct rp2040_fault){ .kind = RP2040_FAULT_HANG });
	assert_int_equal(talker_simple(talker, EXIT_XIP), SILENT);
	assert_int_equal(usb_control(talker->device, 0xc1, 0x42, 0, 1, status, 16, 50), 16);
	talker_arm(talker, (struct rp2040_fault){ .kind = RP2040_FAULT_HANG_ALL });
	assert_int_equal(usb_control(talker->device, 0xc1, 0x42, 0, 1, status, 16, 50), -ETIMEDOUT);
	rp2040_disarm_all(bench_rp2040(talker->board));
	assert_int_equal(talker_simple(talker, EXIT_XIP), 0);
	talker_arm(talker, (struct rp2040_fault){ .kind = RP2040_FAULT_DIE });
	assert_int_equal(talker_simple(talker, EXIT_XIP), -EIO);
	assert_int_equal(usb_reset(talker->device), -ENODEV);
}

static void test_wire_error_needs_a_port_reset(void **state)
{
	struct talker *talker = *state;
	talker_arm(talker, (struct rp2040_fault){ .kind = RP2040_FAULT_WIRE_ERROR,
				   .trigger = RP2040_AT_COMMAND,
				   .command = EXIT_XIP });
	assert_int_equal(talker_simple(talker, EXIT_XIP), -EIO);
	assert_int_equal(talker_interface_reset(talker), -EIO);
	uint64_t since = bench_now_nsec(talker->bench);
	assert_int_equal(usb_reset(talker->device), 0);
	talker_assert_took(talker, since, 0.12);
	assert_int_equal(talker_simple(talker, EXIT_XIP), 0);
}

static void test_late_answer(void **state)
{
	struct talker *talker = *state;
	uint64_t since = bench_now_nsec(talker->bench);
	talker_arm(talker,
		(struct rp2040_fault){
			.kind = RP2040_FAULT_LATE, .trigger = RP2040_AT_COMMAND, .msec = 150 });
	assert_int_equal(talker_simple(talker, EXIT_XIP), 0);
	talker_assert_took(talker, since, 0.15);
}

/* --- the other interface, and other boards ----------------------------------------------- */

static int scsi(struct talker *talker, const uint8_t *block, void *data, size_t length)
{
	uint8_t command[31] = { 'U', 'S', 'B', 'C', 1, 0, 0, 0, (uint8_t)length,
		(uint8_t)(length >> 8) },
		status[13];
	command[12] = 0x80;
	command[14] = 10;
	memcpy(command + 15, block, 10);
	assert_int_equal(talker_bulk(talker, 0x02, command, sizeof(command), ACK_MSEC), 31);
	int got = length ? talker_bulk(talker, 0x81, data, length, ACK_MSEC) : 0;
	if (got == -EPIPE)
		assert_int_equal(usb_clear_halt(talker->device, 0x81), 0);
	assert_int_equal(talker_bulk(talker, 0x81, status, sizeof(status), ACK_MSEC), 13);
	return status[12] ? -status[12] : got;
}

static void test_scsi(void **state)
{
	struct talker *talker = *state;
	uint8_t data[512];
	assert_int_equal(usb_claim(talker->device, 0), 0);
	assert_int_equal(scsi(talker, (uint8_t[10]){ 0x12, [4] = 36 }, data, 36), 36);
	assert_memory_equal(data + 8, "RPI     RP2             3   ", 28);
	assert_int_equal(scsi(talker, (uint8_t[10]){ 0x1a, [4] = 192 }, data, 192), 4);
	assert_int_equal(scsi(talker, (uint8_t[10]){ 0x25 }, data, 8), 8);
	assert_memory_equal(data, "\0\3\377\377\0\0\2\0", 8);
	assert_int_equal(scsi(talker, (uint8_t[10]){ 0x28, [8] = 1 }, data, 512), 512);
	assert_int_equal(data[446 + 4], 0x0e);
	assert_int_equal(scsi(talker, (uint8_t[10]){ 0xa3 }, data, 12), -1);
	assert_int_equal(scsi(talker, (uint8_t[10]){ 0x03, [4] = 18 }, data, 18), 18);
	assert_int_equal(data[2], 5);
	assert_int_equal(scsi(talker, (uint8_t[10]){ 0 }, NULL, 0), 0);
	assert_int_equal(talker_talk(talker, EXCLUSIVE, 1, (uint32_t[4]){ 2 }, NULL, 0), 0);
	assert_int_equal(scsi(talker, (uint8_t[10]){ 0 }, NULL, 0), -1);
}

static void test_two_boards_share_the_clock(void **state)
{
	struct talker *talker = *state, second = { .bench = talker->bench };
	second.board = bench_plug(talker->bench, PLACE ".2", NULL);
	assert_int_equal(talker_open_board(&second), 0);
	assert_int_equal(talker_simple(talker, EXIT_XIP), 0);
	assert_int_equal(talker_simple(&second, EXIT_XIP), 0);
	uint64_t since = bench_now_nsec(talker->bench);
	const uint32_t where[4] = { FLASH, 1 << 20 };
	assert_int_equal(talker_send_command(talker, ERASE, 8, 0, where), 32);
	assert_int_equal(talker_send_command(&second, ERASE, 8, 0, where), 32);
	assert_int_equal(talker_acknowledge(talker, ERASE, LONG_MSEC), 0);
	assert_int_equal(talker_acknowledge(&second, ERASE, LONG_MSEC), 0);
	talker_assert_took(talker, since, 11.52);
	second.device = usb_close(second.device);
}

static void test_a_device_number_comes_again_only_when_it_is_free(void **state)
{
	struct talker *talker = *state;
	struct bench_board *second = bench_plug(talker->bench, PLACE ".2", NULL);
	unsigned staying = bench_address(talker->board).device, before = 0;
	for (unsigned plugs = 0; plugs < 260; plugs++) {
		bench_unplug(second);
		bench_advance(talker->bench, NSEC_PER_SEC);
		bench_replug(second, true);
		unsigned number = bench_address(second).device;
		assert_in_range(number, 2, 127);
		assert_int_not_equal(number, staying);
		assert_int_not_equal(number, before);
		before = number;
	}
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, talker_set_up, talker_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_unplug_amid_a_write),
		TEST(test_power_lost_amid_an_erase),
		TEST(test_faults_of_the_chip),
		TEST(test_stuck_bit),
		TEST(test_hang_and_die),
		TEST(test_wire_error_needs_a_port_reset),
		TEST(test_late_answer),
		TEST(test_scsi),
		TEST(test_two_boards_share_the_clock),
		TEST(test_a_device_number_comes_again_only_when_it_is_free),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
