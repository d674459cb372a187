/* SPDX-License-Identifier: MIT */
/*
 * The faults that a test can order from the emulated STM32: each strikes when it was ordered, once,
 * and does what its name says.
 */
#include <errno.h>
#include <string.h>

#include "unit/emu_stm32_talker.h"

static struct talker the_talker;
static uint8_t block[2048];

static struct talker *set_up(void **state, const struct stm32_options *options)
{
	rom_set_up(&the_talker, state, options);
	return &the_talker;
}

static int arm(
	struct talker *talker, enum stm32_fault_kind kind, enum stm32_trigger trigger, uint64_t nth)
{
	return rom_arm(
		talker, (struct stm32_fault){ .kind = kind, .trigger = trigger, .nth = nth });
}

static void replug(struct talker *talker)
{
	talker->device = usb_close(talker->device);
	bench_replug(talker->board, true);
	assert_int_equal(rom_open(talker), 0);
	assert_int_equal(rom_order(talker, CLRSTATUS, 0), 0);
}

/* --- the cable --------------------------------------------------------------------------- */

/* Erase one sector, write two blocks, read them: how far it came, as bits. */
static unsigned write_and_read(struct talker *talker)
{
	static uint8_t back[2048];
	unsigned done = 0;
	done |= rom_erase(talker, FLASH) == DNLOAD_IDLE ? 1 : 0;
	done |= rom_set_address(talker, FLASH) == DNLOAD_IDLE ? 2 : 0;
	done |= rom_write(talker, 2, block, sizeof(block)) == DNLOAD_IDLE ? 4 : 0;
	done |= rom_write(talker, 3, block, sizeof(block)) == DNLOAD_IDLE ? 8 : 0;
	done |= rom_order(talker, ABORT, 0) == 0 ? 16 : 0;
	done |= rom_upload(talker, 2, back, sizeof(back)) == sizeof(back) ? 32 : 0;
	return done;
}

static void test_unplug_at_any_byte(void **state)
{
	static const struct {
		uint64_t byte;
		unsigned done;
	} places[] = { { 0, 0 }, { 4, 0 }, { 5, 1 }, { 10, 3 }, { 2057, 3 }, { 2058, 7 },
		{ 4105, 7 }, { 4106, 31 }, { 6153, 31 }, { 6154, 63 } };
	for (size_t index = 0; index < ELEMENTSOF(places); index++) {
		struct talker *talker = set_up(state, &(struct stm32_options){ .speed = 1000 });
		int fault = arm(talker, STM32_FAULT_UNPLUG, STM32_AT_BYTE, places[index].byte);
		assert_int_equal(write_and_read(talker), places[index].done);
		assert_int_equal(bench_fault_fired(talker->board, fault), places[index].done < 63);
		rom_tear_down(state);
	}
	rom_plug(&the_talker, NULL);
}

static void test_unplug_at_every_request(void **state)
{
	static const enum stm32_trigger triggers[] = { STM32_AT_DNLOAD, STM32_AT_GETSTATUS,
		STM32_AT_UPLOAD, STM32_AT_ERASE, STM32_AT_PROGRAM };
	static const unsigned most[] = { 4, 8, 1, 1, 2 };
	for (size_t index = 0; index < ELEMENTSOF(triggers); index++) {
		for (unsigned nth = 1; nth <= most[index] + 1; nth++) {
			struct talker *talker =
				set_up(state, &(struct stm32_options){ .speed = 1000 });
			arm(talker, STM32_FAULT_UNPLUG, triggers[index], nth);
			bool whole = write_and_read(talker) == 63;
			assert_int_equal(whole, nth > most[index]);
			if (!whole) {
				replug(talker);
				assert_int_equal(write_and_read(talker), 63);
			}
			rom_tear_down(state);
		}
	}
	rom_plug(&the_talker, NULL);
}

static void test_an_unplug_is_noticed(void **state)
{
	struct talker *talker = set_up(state, NULL);
	struct usb_address old = bench_address(talker->board);
	arm(talker, STM32_FAULT_UNPLUG, STM32_AT_ONCE, 0);
	assert_int_equal(rom_get_status(talker), -EIO);
	assert_int_equal(usb_pause(talker->device, 1000), -ENODEV);
	assert_int_equal(rom_get_status(talker), -ENODEV);
	replug(talker);
	assert_true(old.arrival != bench_address(talker->board).arrival);
}

static void test_power_cycles(void **state)
{
	struct talker *talker = set_up(state, &(struct stm32_options){ .chip = STM32_F446 });
	struct stm32_fault fault = { .kind = STM32_FAULT_POWER_CYCLE, .msec = 200, .boot0 = true };
	rom_arm(talker, fault);
	assert_int_equal(usb_pause(talker->device, 1000), -ENODEV);
	assert_true(bench_await_stm32(talker->board, STM32_DFU, 2000));
	fault.boot0 = false;
	rom_arm(talker, fault);
	assert_true(bench_await_stm32(talker->board, STM32_LOST, 2000));
	rom_arm(talker, (struct stm32_fault){ .kind = STM32_FAULT_RESET, .boot0 = true });
	assert_true(bench_await_stm32(talker->board, STM32_DFU, 2000));
}

static void test_a_device_that_drops_off(void **state)
{
	struct talker *talker = set_up(state, NULL);
	rom_arm(talker, (struct stm32_fault){ .kind = STM32_FAULT_REENUMERATE,
				.trigger = STM32_AT_PROGRAM,
				.after_nsec = NSEC_PER_MSEC });
	assert_int_equal(rom_set_address(talker, FLASH), DNLOAD_IDLE);
	assert_int_equal(rom_write(talker, 2, "abcd", 4), DNLOAD_IDLE);
	assert_int_equal(usb_pause(talker->device, 1000), -ENODEV);
	assert_true(bench_await_stm32(talker->board, STM32_DFU, 2000));
	assert_memory_equal(rom_flash(talker), "abcd", 4);
	talker->device = usb_close(talker->device);
	assert_int_equal(rom_open(talker), 0);
	assert_int_equal(rom_get_status(talker), ERROR);
}

/* --- the wire ---------------------------------------------------------------------------- */

static void test_a_stall_without_a_reason(void **state)
{
	struct talker *talker = set_up(state, NULL);
	arm(talker, STM32_FAULT_STALL, STM32_AT_DNLOAD, 2);
	assert_int_equal(rom_set_address(talker, FLASH), DNLOAD_IDLE);
	assert_int_equal(rom_download(talker, 2, "abcd", 4), -EPIPE);
	assert_int_equal(rom_get_status(talker), DNLOAD_IDLE);
	assert_int_equal(rom_write(talker, 2, "abcd", 4), DNLOAD_IDLE);
}

static void test_errors_on_the_wire(void **state)
{
	struct talker *talker = set_up(state, NULL);
	arm(talker, STM32_FAULT_WIRE_ERROR, STM32_AT_DNLOAD, 1);
	assert_int_equal(rom_download(talker, 2, "abcd", 4), -EIO);
	assert_int_equal(rom_get_status(talker), IDLE);
	rom_arm(talker,
		(struct stm32_fault){
			.kind = STM32_FAULT_WIRE_ERROR, .trigger = STM32_AT_DNLOAD, .value = 1 });
	assert_int_equal(rom_download(talker, 2, "abcd", 4), -EIO);
	assert_int_equal(rom_get_status(talker), DNBUSY);
	assert_int_equal(rom_get_status(talker), DNLOAD_IDLE);
	assert_memory_equal(rom_flash(talker), "abcd", 4);
}

static void test_a_hang_and_a_death(void **state)
{
	struct talker *talker = set_up(state, NULL);
	arm(talker, STM32_FAULT_HANG, STM32_AT_GETSTATUS, 2);
	assert_int_equal(rom_get_status(talker), IDLE);
	assert_int_equal(rom_get_status_within(talker, 5000), -ETIMEDOUT);
	stm32_disarm_all(bench_stm32(talker->board));
	assert_int_equal(rom_get_status(talker), IDLE);
	arm(talker, STM32_FAULT_DIE, STM32_AT_ONCE, 0);
	assert_int_equal(rom_get_status(talker), -EIO);
	assert_int_equal(usb_is_same_arrival(talker->device), 1);
	assert_int_equal(usb_reset(talker->device), -ENODEV);
}

static void test_a_wrong_read(void **state)
{
	uint8_t back[64];
	struct talker *talker = set_up(state, NULL);
	rom_arm(talker, (struct stm32_fault){ .kind = STM32_FAULT_WRONG_READ,
				.trigger = STM32_AT_UPLOAD,
				.nth = 2,
				.byte = 17,
				.bit = 3 });
	assert_int_equal(rom_read(talker, FLASH, back, sizeof(back)), 64);
	assert_int_equal(back[17], 0xff);
	assert_int_equal(rom_read(talker, FLASH, back, sizeof(back)), 64);
	assert_int_equal(back[17], 0xf7);
	assert_int_equal(rom_read(talker, FLASH, back, sizeof(back)), 64);
	assert_int_equal(back[17], 0xff);
	assert_int_equal(rom_flash(talker)[17], 0xff);
}

/* --- the array --------------------------------------------------------------------------- */

static void test_faults_of_the_array(void **state)
{
	static const uint8_t image[4] = { 0, 0, 0, 0 };
	struct talker *talker = set_up(
		state, &(struct stm32_options){ .image = image, .image_bytes = sizeof(image) });
	arm(talker, STM32_FAULT_LOST_ERASE, STM32_AT_ERASE, 1);
	uint64_t since = bench_now_nsec(talker->bench);
	assert_int_equal(rom_erase(talker, FLASH), DNLOAD_IDLE);
	rom_assert_took(talker, since, 0.4);
	assert_int_equal(rom_flash(talker)[0], 0);
	assert_int_equal(rom_erase(talker, FLASH), DNLOAD_IDLE);
	assert_int_equal(rom_flash(talker)[0], 0xff);
	arm(talker, STM32_FAULT_LOST_PROGRAM, STM32_AT_PROGRAM, 2);
	rom_arm(talker, (struct stm32_fault){ .kind = STM32_FAULT_FLIP_BIT,
				.trigger = STM32_AT_PROGRAM,
				.byte = 1,
				.bit = 1,
				.nth = 3 });
	rom_arm(talker,
		(struct stm32_fault){
			.kind = STM32_FAULT_STUCK_BIT, .target = FLASH + 0x1001, .value = 1 });
	static const char *const left[] = { "abc", "\xff\xff\xff", "a`c", "abc" };
	for (uint16_t index = 0; index < 4; index++) {
		assert_int_equal(rom_write(talker, 2 + index, "abc", 3), DNLOAD_IDLE);
		const uint8_t *there = rom_flash(talker) + 2048 * index;
		if (index == 2) /* the bit that is stuck */
			assert_int_equal(there[1], 'a');
		else
			assert_memory_equal(there, left[index], 3);
	}
}

static void test_a_status_to_order(void **state)
{
	struct talker *talker = set_up(state, NULL);
	struct stm32_fault fault = { .kind = STM32_FAULT_ERROR_STATUS,
		.trigger = STM32_AT_PROGRAM,
		.address = FLASH + 2048,
		.value = 6 };
	rom_arm(talker, fault);
	assert_int_equal(rom_write(talker, 2, "abcd", 4), DNLOAD_IDLE);
	assert_int_equal(rom_write(talker, 3, "abcd", 4), ERROR);
	assert_int_equal(talker->status, 6);
	assert_int_equal(rom_flash(talker)[2048], 0xff);
	assert_int_equal(rom_order(talker, CLRSTATUS, 0), 0);
	assert_int_equal(rom_write(talker, 3, "abcd", 4), DNLOAD_IDLE);
	fault.trigger = STM32_AT_LEAVE;
	fault.kind = STM32_FAULT_UNPLUG;
	int leave = rom_arm(talker, fault);
	assert_int_equal(rom_download(talker, 2, "abcd", 4), 4);
	assert_int_equal(rom_get_status(talker), DNBUSY);
	assert_int_equal(rom_get_status(talker), DNLOAD_IDLE);
	assert_int_equal(rom_download(talker, 2, NULL, 0), -EIO);
	assert_true(bench_fault_fired(talker->board, leave));
}

/* --- resets of the bus ------------------------------------------------------------------- */

/* The ROM looks at the reset when the work is done. A host that finds it deaf for longer than it
 * tries to enumerate a device has lost it. */
static void test_a_bus_reset_amid_an_erase(void **state)
{
	static const uint8_t image[4] = { 0, 0, 0, 0 };
	struct stm32_options options = {
		.chip = STM32_G0B1_512K, .image = image, .image_bytes = sizeof(image)
	};
	struct talker *talker = set_up(state, &options);
	assert_int_equal(rom_download(talker, 0, "\x41\0\0\0\x08", 5), 5);
	assert_int_equal(rom_get_status(talker), DNBUSY);
	assert_int_equal(usb_reset(talker->device), 0);
	assert_int_equal(rom_get_status(talker), IDLE);
	assert_int_equal(rom_flash(talker)[0], 0xff);
	rom_tear_down(state);
	options.chip = STM32_H723;
	talker = set_up(state, &options);
	assert_int_equal(rom_download(talker, 0, "\x41\0\0\0\x08", 5), 5);
	assert_int_equal(rom_get_status(talker), DNBUSY);
	assert_int_equal(usb_reset(talker->device), -ENODEV);
	assert_false(bench_await_present(talker->board, 5000));
	assert_int_equal(rom_flash(talker)[0], 0xff);
}

/* --- listeners --------------------------------------------------------------------------- */

struct heard {
	unsigned modes, firsts, erases, programs, commands, faults;
	uint32_t last;
};

static void on_event(void *context, const struct stm32_event *event)
{
	struct heard *heard = context;
	heard->modes += event->kind == STM32_EVENT_MODE;
	heard->firsts += event->kind == STM32_EVENT_FIRST_REQUEST;
	heard->erases += event->kind == STM32_EVENT_ERASE;
	heard->programs += event->kind == STM32_EVENT_PROGRAM;
	heard->commands += event->kind == STM32_EVENT_COMMAND;
	heard->faults += event->kind == STM32_EVENT_FAULT;
	heard->last = event->value;
}

static void test_a_listener_hears_it(void **state)
{
	struct heard heard = { 0 };
	struct talker *talker = set_up(state, NULL);
	stm32_listen(bench_stm32(talker->board), on_event, &heard);
	arm(talker, STM32_FAULT_UNPLUG, STM32_AT_TIME, 700 * NSEC_PER_MSEC);
	assert_int_equal(rom_erase(talker, FLASH + 0x4001), DNLOAD_IDLE);
	assert_int_equal(rom_write(talker, 2, "abcd", 4), DNLOAD_IDLE);
	bench_advance(talker->bench, NSEC_PER_SEC);
	assert_int_equal(heard.erases, 1);
	assert_int_equal(heard.programs, 1);
	assert_int_equal(heard.commands, 6);
	assert_int_equal(heard.faults, 1);
	assert_int_equal(heard.modes, 1);
	assert_int_equal(heard.last, STM32_OFF);
	assert_int_equal(heard.firsts, 0); /* it was heard by nobody, before */
	bench_replug(talker->board, true);
	talker->device = usb_close(talker->device);
	assert_int_equal(rom_open(talker), 0);
	assert_int_equal(rom_get_status(talker), ERROR);
	assert_int_equal(heard.firsts, 1);
}

#define TEST(function) cmocka_unit_test_teardown(function, rom_tear_down)

int main(void)
{
	memset(block, 'x', sizeof(block));
	const struct CMUnitTest tests[] = {
		TEST(test_unplug_at_any_byte),
		TEST(test_unplug_at_every_request),
		TEST(test_an_unplug_is_noticed),
		TEST(test_power_cycles),
		TEST(test_a_device_that_drops_off),
		TEST(test_a_stall_without_a_reason),
		TEST(test_errors_on_the_wire),
		TEST(test_a_hang_and_a_death),
		TEST(test_a_wrong_read),
		TEST(test_faults_of_the_array),
		TEST(test_a_status_to_order),
		TEST(test_a_bus_reset_amid_an_erase),
		TEST(test_a_listener_hears_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
