/* SPDX-License-Identifier: MIT */
/* Stories about finding the interface of a boot ROM in what a device says of itself. */
#include "unit/expect.h"

#include <errno.h>

#include "backend/picoboot_wire.h"

#define CONFIGURATION 9, 2, 55, 0, 2, 1, 0, 0x80, 0xfa
#define STORAGE       9, 4, 0, 0, 2, 8, 6, 80, 0, 7, 5, 0x81, 2, 64, 0, 0, 7, 5, 2, 2, 64, 0, 0
#define VENDOR        9, 4, 1, 0, 2, 0xff, 0, 0, 0
#define ENDPOINT_OUT  7, 5, 3, 2, 64, 0, 0
#define ENDPOINT_IN   7, 5, 0x84, 2, 64, 0, 0

static void expect_found(const uint8_t *bytes, size_t length, uint8_t interface)
{
	struct picoboot_endpoints found = { 0 };
	assert_int_equal(picoboot_find(bytes, length, &found), 0);
	assert_int_equal(found.interface, interface);
	assert_int_equal(found.out, 3);
	assert_int_equal(found.in, 0x84);
}

static void expect_none(const uint8_t *bytes, size_t length)
{
	struct picoboot_endpoints found = { .interface = 7 };
	assert_int_equal(picoboot_find(bytes, length, &found), -ENOENT);
	assert_int_equal(found.interface, 7);
}

static void the_interface_is_found_by_its_class(void **state)
{
	(void)state;
	static const uint8_t both[] = { CONFIGURATION, STORAGE, VENDOR, ENDPOINT_OUT, ENDPOINT_IN };
	expect_found(both, sizeof(both), 1);
	static const uint8_t storage[] = { CONFIGURATION, STORAGE };
	expect_none(storage, sizeof(storage));
}

static void what_is_cut_short_is_not_found(void **state)
{
	(void)state;
	static const uint8_t both[] = { CONFIGURATION, STORAGE, VENDOR, ENDPOINT_OUT, ENDPOINT_IN };
	for (size_t length = 0; length < sizeof(both); length++)
		expect_none(both, length);
}

static void an_interface_that_is_cut_short_ends_the_one_before(void **state)
{
	(void)state;
	static const uint8_t bytes[] = { CONFIGURATION, VENDOR, ENDPOINT_OUT, 5, 4, 2, 0, 2,
		ENDPOINT_IN };
	expect_none(bytes, sizeof(bytes));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_interface_is_found_by_its_class),
		cmocka_unit_test(what_is_cut_short_is_not_found),
		cmocka_unit_test(an_interface_that_is_cut_short_ends_the_one_before),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
