/* SPDX-License-Identifier: MIT */
/* Jobs on CAN buses as words between mind and hands: a node, a bridge, a whole bus, and what is
 * none of them. */
#include "unit/expect.h"

#include <errno.h>

#include "model/wire.h"

#define UUID "154aab036e6a"

static struct wire_message job_on_a_node(void)
{
	return (struct wire_message){ .type = WIRE_JOB,
		.job = { .id = 7, .mode = MODE_KATAPULT, .can = "can0", .can_uuid = UUID } };
}

static struct wire_message job_on_a_bridge(void)
{
	return (struct wire_message){ .type = WIRE_JOB,
		.job = { .id = 7,
			.mode = MODE_KLIPPER,
			.bus = 1,
			.device = 9,
			.arrival = 77,
			.syspath = "/sys/devices/usb1/1-1",
			.can_uuid = UUID } };
}

static struct wire_message job_on_a_bus(void)
{
	return (struct wire_message){ .type = WIRE_JOB,
		.job = { .id = 7,
			.mode = MODE_CAN,
			.can = "can0",
			.expected = { UUID, "154aab036e6b" },
			.expected_count = 2 } };
}

static int carry(const struct wire_message *message, struct wire_message *ret)
{
	_cleanup_(buffer_done) struct buffer bytes = { 0 };
	wire_encode(message, &bytes);
	assert_false(bytes.failed);
	assert_true(bytes.length <= WIRE_MESSAGE_MAX);
	return wire_decode(bytes.data, bytes.length, ret);
}

static void expect_refused(const struct wire_message *message)
{
	struct wire_message heard;
	assert_int_equal(carry(message, &heard), -EBADMSG);
}

/* ---- what arrives ------------------------------------------------------------------------- */

static void a_node_arrives_by_its_name(void **state)
{
	(void)state;
	const struct wire_message said = job_on_a_node();
	struct wire_message heard;
	assert_int_equal(carry(&said, &heard), 0);
	assert_string_equal(heard.job.can, "can0");
	assert_string_equal(heard.job.can_uuid, UUID);
	assert_string_equal(heard.job.syspath, "");
	assert_int_equal(heard.job.mode, MODE_KATAPULT);
}

static void a_bridge_has_two_names(void **state)
{
	(void)state;
	const struct wire_message said = job_on_a_bridge();
	struct wire_message heard;
	assert_int_equal(carry(&said, &heard), 0);
	assert_string_equal(heard.job.syspath, "/sys/devices/usb1/1-1");
	assert_string_equal(heard.job.can_uuid, UUID);
	assert_string_equal(heard.job.can, "");
}

static void a_bus_comes_with_those_who_may_be_there(void **state)
{
	(void)state;
	struct wire_message said = job_on_a_bus(), heard;
	assert_int_equal(carry(&said, &heard), 0);
	assert_int_equal(heard.job.expected_count, 2);
	assert_string_equal(heard.job.expected[0], UUID);
	assert_string_equal(heard.job.expected[1], "154aab036e6b");
	for (size_t i = 0; i < CAN_NODES_MAX; i++)
		strcpy(said.job.expected[i], UUID);
	said.job.expected_count = CAN_NODES_MAX;
	assert_int_equal(carry(&said, &heard), 0);
	assert_int_equal(heard.job.expected_count, CAN_NODES_MAX);
}

/* ---- what is refused ---------------------------------------------------------------------- */

static void no_board_has_two_addresses(void **state)
{
	(void)state;
	struct wire_message said = job_on_a_bridge();
	strcpy(said.job.can, "can0");
	expect_refused(&said);
	said = job_on_a_node();
	strcpy(said.job.tty, "/dev/ttyAMA0");
	said.job.baud = 250000;
	expect_refused(&said);
	said = job_on_a_node();
	said.job.baud = 250000;
	expect_refused(&said);
}

static void a_bus_is_no_node_and_a_node_no_bus(void **state)
{
	(void)state;
	struct wire_message said = job_on_a_bus();
	strcpy(said.job.can_uuid, UUID);
	expect_refused(&said);
	said = job_on_a_node();
	memset(said.job.can_uuid, 0, sizeof(said.job.can_uuid));
	expect_refused(&said);
	said = job_on_a_bridge();
	said.job.mode = MODE_CAN;
	expect_refused(&said);
}

static void only_on_a_bus_somebody_is_expected(void **state)
{
	(void)state;
	struct wire_message said = job_on_a_node();
	strcpy(said.job.expected[0], UUID);
	said.job.expected_count = 1;
	expect_refused(&said);
}

static void names_that_are_none_are_refused(void **state)
{
	(void)state;
	static const char *const interfaces[] = { "../can0", "can 0", "-can0", ".can0", "can/0" };
	static const char *const uuids[] = { "154aab036e6", "154aab036e6g", "154aab03 e6a" };
	for (size_t i = 0; i < ELEMENTSOF(interfaces); i++) {
		struct wire_message said = job_on_a_node();
		strcpy(said.job.can, interfaces[i]);
		expect_refused(&said);
	}
	for (size_t i = 0; i < ELEMENTSOF(uuids); i++) {
		struct wire_message said = job_on_a_node();
		strcpy(said.job.can_uuid, uuids[i]);
		expect_refused(&said);
		said = job_on_a_bus();
		strcpy(said.job.expected[1], uuids[i]);
		expect_refused(&said);
	}
}

static void a_message_that_breaks_off_is_refused(void **state)
{
	(void)state;
	_cleanup_(buffer_done) struct buffer bytes = { 0 };
	const struct wire_message said = job_on_a_bus();
	struct wire_message heard;
	wire_encode(&said, &bytes);
	for (size_t length = 0; length < bytes.length; length++)
		assert_int_equal(wire_decode(bytes.data, length, &heard), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest stories[] = {
		cmocka_unit_test(a_node_arrives_by_its_name),
		cmocka_unit_test(a_bridge_has_two_names),
		cmocka_unit_test(a_bus_comes_with_those_who_may_be_there),
		cmocka_unit_test(no_board_has_two_addresses),
		cmocka_unit_test(a_bus_is_no_node_and_a_node_no_bus),
		cmocka_unit_test(only_on_a_bus_somebody_is_expected),
		cmocka_unit_test(names_that_are_none_are_refused),
		cmocka_unit_test(a_message_that_breaks_off_is_refused),
	};
	return cmocka_run_group_tests(stories, NULL, NULL);
}
