/* SPDX-License-Identifier: MIT */
/* A look at a bus as it crosses the wire: whole, or not at all. */
#include <errno.h>

#include "unit/expect.h"

#include "model/can.h"

static const struct can_sight example = {
	.interface = { .name = "can0",
		.driver = "gs_usb",
		.is_up = true,
		.usb_manufacturer = "bytewerk",
		.usb_serial = "002C00373532510537323632",
		.controller = CAN_ERROR_PASSIVE,
		.bitrate = 1000000,
		.sample_point_permille = 875,
		.restart_msec = 100,
		.queue_length = 128,
		.has_error_counters = true,
		.send_errors = 128,
		.frames_sent = 12,
		.bus_errors = 7 },
	.was_asked = true,
	.is_garbled = true,
	.frames_heard = 3,
	.errors = { .no_acknowledge = 16, .passive = 1 },
	.nodes = { { .uuid = "154aab036e6a",
			   .kind = CAN_NODE_KATAPULT,
			   .is_expected = true,
			   .is_asked = true,
			   .has_application_start = true,
			   .application_start = 0x08002000,
			   .bootloader_version = "v0.0.1-110-gb0bf421",
			   .running.mcu = "stm32g0b1xx" },
		{ .uuid = "38c9bdae9652", .is_expected = true } },
	.node_count = 2,
};

static void a_sight_comes_as_it_went(void **state)
{
	(void)state;
	_cleanup_(buffer_done) struct buffer bytes = { 0 }, again = { 0 };
	struct can_sight sight;
	can_sight_encode(&example, &bytes);
	assert_int_equal(can_sight_decode(bytes.data, bytes.length, &sight), 0);
	assert_string_equal(sight.interface.driver, "gs_usb");
	assert_int_equal(sight.interface.send_errors, 128);
	assert_int_equal(sight.node_count, 2);
	assert_string_equal(sight.nodes[0].running.mcu, "stm32g0b1xx");
	can_sight_encode(&sight, &again);
	assert_int_equal(again.length, bytes.length);
	assert_memory_equal(again.data, bytes.data, bytes.length);
}

static void a_part_of_it_is_nothing(void **state)
{
	(void)state;
	_cleanup_(buffer_done) struct buffer bytes = { 0 };
	struct can_sight sight;
	can_sight_encode(&example, &bytes);
	for (size_t length = 0; length < bytes.length; length++)
		assert_int_equal(can_sight_decode(bytes.data, length, &sight), -EBADMSG);
	buffer_put_u8(&bytes, 0);
	assert_int_equal(can_sight_decode(bytes.data, bytes.length, &sight), -EBADMSG);
}

static void names_that_are_none_are_refused(void **state)
{
	(void)state;
	static const char *const names[] = { "", "can 0", "../can0", "can0/x", "-can", ".",
		"averyverylongname" };
	for (size_t i = 0; i < ELEMENTSOF(names); i++)
		assert_false(can_name_is_valid(names[i]));
	assert_true(can_name_is_valid("can0"));
	struct can_sight wrong = example;
	strcpy(wrong.nodes[0].uuid, "154aab036e6");
	_cleanup_(buffer_done) struct buffer bytes = { 0 };
	can_sight_encode(&wrong, &bytes);
	assert_int_equal(can_sight_decode(bytes.data, bytes.length, &wrong), -EBADMSG);
}

static void a_bridge_is_known_by_its_maker(void **state)
{
	(void)state;
	struct can_interface interface = example.interface;
	assert_false(can_interface_is_bridge(&interface));
	strcpy(interface.usb_manufacturer, "Klipper");
	assert_true(can_interface_is_bridge(&interface));
	strcpy(interface.driver, "slcan");
	assert_false(can_interface_is_bridge(&interface));
}

int main(void)
{
	const struct CMUnitTest stories[] = {
		cmocka_unit_test(a_sight_comes_as_it_went),
		cmocka_unit_test(a_part_of_it_is_nothing),
		cmocka_unit_test(names_that_are_none_are_refused),
		cmocka_unit_test(a_bridge_is_known_by_its_maker),
	};
	return cmocka_run_group_tests(stories, NULL, NULL);
}
