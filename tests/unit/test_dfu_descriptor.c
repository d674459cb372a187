/* SPDX-License-Identifier: MIT */
/* Stories about finding the DFU function in what a device says of itself. */
#include "unit/expect.h"

#include <errno.h>

#include "backend/dfu_descriptor.h"

#define CONFIGURATION         9, 2, 54, 0, 1, 1, 0, 0xc0, 0x32
#define ALTERNATE(number)     9, 4, 0, number, 0, 0xfe, 1, 2, 4 + (number)
#define FUNCTIONAL(low, high) 9, 0x21, 0x0b, 0xff, 0, low, high, 0x1a, 0x01
#define HID                   9, 4, 1, 0, 1, 3, 0, 0, 0, 9, 0x21, 0x11, 1, 0, 1, 0x22, 63, 0

static struct dfu_function found(const uint8_t *bytes, size_t length)
{
	struct dfu_function function = { 0 };
	assert_int_equal(dfu_find(bytes, length, &function), 0);
	return function;
}

static void expect_answer(const uint8_t *bytes, size_t length, int answer)
{
	struct dfu_function function = { .interface = 77 };
	assert_int_equal(dfu_find(bytes, length, &function), answer);
	assert_int_equal(function.interface, 77);
}

static void the_rom_of_an_f4_has_four_memories(void **state)
{
	(void)state;
	static const uint8_t bytes[] = { CONFIGURATION, ALTERNATE(0), ALTERNATE(1), ALTERNATE(2),
		ALTERNATE(3), FUNCTIONAL(0, 8) };
	struct dfu_function function = found(bytes, sizeof(bytes));
	assert_int_equal(function.interface, 0);
	assert_int_equal(function.alternate_count, 4);
	assert_int_equal(function.names[0], 4);
	assert_int_equal(function.names[3], 7);
	assert_int_equal(function.transfer_bytes, 2048);
	assert_int_equal(function.version, 0x011a);
	assert_int_equal(function.attributes, DFU_CAN_DOWNLOAD | DFU_CAN_UPLOAD | DFU_WILL_DETACH);
}

static void a_descriptor_of_seven_bytes_says_no_version(void **state)
{
	(void)state;
	static const uint8_t bytes[] = { CONFIGURATION, ALTERNATE(0), 7, 0x21, 3, 0xff, 0, 0, 4 };
	assert_int_equal(found(bytes, sizeof(bytes)).version, 0x0100);
}

static void the_descriptor_of_a_keyboard_is_not_taken_for_one(void **state)
{
	(void)state;
	static const uint8_t before[] = { CONFIGURATION, HID, ALTERNATE(0), FUNCTIONAL(0, 4) };
	assert_int_equal(found(before, sizeof(before)).transfer_bytes, 1024);
	static const uint8_t alone[] = { CONFIGURATION, ALTERNATE(0), HID };
	expect_answer(alone, sizeof(alone), -ENOENT);
}

static void what_nobody_could_speak_to_is_none(void **state)
{
	(void)state;
	static const uint8_t nothing[] = { CONFIGURATION };
	expect_answer(nothing, sizeof(nothing), -ENOENT);
	expect_answer(nothing, 0, -ENOENT);
	static const uint8_t disordered[] = { CONFIGURATION, ALTERNATE(1), FUNCTIONAL(0, 8) };
	expect_answer(disordered, sizeof(disordered), -ENOENT);
	static const uint8_t no_transfer[] = { CONFIGURATION, ALTERNATE(0), FUNCTIONAL(0, 0) };
	expect_answer(no_transfer, sizeof(no_transfer), -EPROTO);
	static const uint8_t huge[] = { CONFIGURATION, ALTERNATE(0), FUNCTIONAL(0xff, 0xff) };
	expect_answer(huge, sizeof(huge), -EPROTO);
}

static void a_transfer_that_flash_cannot_be_divided_into_is_none(void **state)
{
	(void)state;
	/* Three quarters of an erase unit; less than a command; the least. */
	static const uint8_t odd[] = { CONFIGURATION, ALTERNATE(0), FUNCTIONAL(0, 12) };
	expect_answer(odd, sizeof(odd), -EPROTO);
	static const uint8_t tiny[] = { CONFIGURATION, ALTERNATE(0), FUNCTIONAL(4, 0) };
	expect_answer(tiny, sizeof(tiny), -EPROTO);
	static const uint8_t least[] = { CONFIGURATION, ALTERNATE(0), FUNCTIONAL(64, 0) };
	assert_int_equal(found(least, sizeof(least)).transfer_bytes, 64);
}

static void what_is_cut_short_is_not_read_beyond(void **state)
{
	(void)state;
	static const uint8_t bytes[] = { CONFIGURATION, ALTERNATE(0), FUNCTIONAL(0, 8) };
	for (size_t length = 0; length < sizeof(bytes); length++) {
		_cleanup_(freep) uint8_t *copy = malloc(length + 1);
		assert_non_null(copy);
		memcpy(copy + 1, bytes, length);
		expect_answer(copy + 1, length, -ENOENT);
	}
}

int main(void)
{
	const struct CMUnitTest stories[] = {
		cmocka_unit_test(the_rom_of_an_f4_has_four_memories),
		cmocka_unit_test(a_descriptor_of_seven_bytes_says_no_version),
		cmocka_unit_test(the_descriptor_of_a_keyboard_is_not_taken_for_one),
		cmocka_unit_test(what_nobody_could_speak_to_is_none),
		cmocka_unit_test(a_transfer_that_flash_cannot_be_divided_into_is_none),
		cmocka_unit_test(what_is_cut_short_is_not_read_beyond),
	};
	return cmocka_run_group_tests(stories, NULL, NULL);
}
