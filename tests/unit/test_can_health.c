/* SPDX-License-Identifier: MIT */
/* What a look at a bus means: each state by what shows it, and which of two wins. */
#include "unit/expect.h"

#include "model/can_health.h"

#define UUID "154aab036e6a"

static struct can_sight sight_of_adapter(void)
{
	return (struct can_sight){
		.interface = { .name = "can0",
			.driver = "gs_usb",
			.is_up = true,
			.usb_manufacturer = "bytewerk",
			.controller = CAN_ERROR_ACTIVE,
			.bitrate = 1000000,
			.queue_length = 10,
			.has_error_counters = true },
		.was_asked = true,
	};
}

static void add(struct can_sight *sight, const char *uuid, enum can_node_kind kind, bool expected)
{
	struct can_node *node = &sight->nodes[sight->node_count++];
	text_copy_plain(node->uuid, sizeof(node->uuid), uuid);
	node->kind = kind;
	node->is_expected = expected;
}

static void expect(const struct can_sight *sight, const struct can_setting *setting,
	enum can_health health, const char *words)
{
	struct can_diagnosis diagnosis;
	can_diagnose(sight, setting, &diagnosis);
	if (diagnosis.health != health)
		fail_msg("%s, not %s: %s", can_health_name(diagnosis.health),
			can_health_name(health), diagnosis.evidence);
	assert_true(text_is_plain(diagnosis.evidence) && text_is_plain(diagnosis.advice));
	if (!strstr(diagnosis.evidence, words) && !strstr(diagnosis.advice, words))
		fail_msg("no \"%s\" in: %s; %s", words, diagnosis.evidence, diagnosis.advice);
}

static void a_bus_whose_nodes_answer_is_well(void **state)
{
	(void)state;
	struct can_sight sight = sight_of_adapter();
	add(&sight, UUID, CAN_NODE_KLIPPER, true);
	expect(&sight, NULL, CAN_WELL, "1 nodes answer");
}

static void where_nobody_is_expected_and_nobody_answers_it_is_quiet(void **state)
{
	(void)state;
	struct can_sight sight = sight_of_adapter();
	expect(&sight, NULL, CAN_QUIET, "has a number already");
}

static void an_interface_that_is_down_wins_over_all(void **state)
{
	(void)state;
	const struct can_setting setting = { .bitrate = 500000 };
	struct can_sight sight = sight_of_adapter();
	sight.interface.is_up = false;
	sight.is_in_use = true;
	expect(&sight, &setting, CAN_DOWN, "bitrate 500000");
}

static void a_rate_that_the_policy_does_not_want_is_named(void **state)
{
	(void)state;
	const struct can_setting setting = { .bitrate = 500000 };
	struct can_sight sight = sight_of_adapter();
	expect(&sight, &setting, CAN_WRONG_SETTING, "the policy says 500000");
	add(&sight, UUID, CAN_NODE_KLIPPER, false);
	sight.nodes[0].running.can_bitrate = 250000;
	expect(&sight, NULL, CAN_WRONG_SETTING, "built for 250000");
}

/* A lone sender: passive at 128, only missing acknowledges, never bus-off. */
static void nobody_acknowledges(void **state)
{
	(void)state;
	struct can_sight sight = sight_of_adapter();
	sight.was_asked = false;
	sight.is_queue_full = true;
	sight.interface.controller = CAN_ERROR_PASSIVE;
	sight.interface.send_errors = 128;
	sight.errors.no_acknowledge = 200;
	sight.errors.passive = 1;
	add(&sight, UUID, CAN_NODE_SILENT, true);
	expect(&sight, NULL, CAN_UNACKNOWLEDGED, "counter 128");
}

static void another_rate_ends_off_the_bus(void **state)
{
	(void)state;
	struct can_sight sight = sight_of_adapter();
	sight.was_asked = false;
	sight.errors = (struct can_errors){ .stuff = 20, .form = 12 };
	expect(&sight, NULL, CAN_WRONG_BITRATE, "another bitrate");
	sight.interface.controller = CAN_BUS_OFF;
	sight.errors.bus_off = 1;
	expect(&sight, NULL, CAN_WRONG_BITRATE, "restart-ms 100");
	sight.errors = (struct can_errors){ .bus_off = 1 };
	expect(&sight, NULL, CAN_OFF, "taken itself off");
}

static void a_full_queue_without_a_reason_is_a_full_queue(void **state)
{
	(void)state;
	struct can_sight sight = sight_of_adapter();
	sight.was_asked = false;
	sight.is_queue_full = true;
	expect(&sight, NULL, CAN_QUEUE_FULL, "txqueuelen 128");
	strcpy(sight.interface.usb_manufacturer, "Klipper");
	expect(&sight, NULL, CAN_QUEUE_FULL, "a bridge does not say why");
}

static void damage_among_good_frames_is_a_suspicion(void **state)
{
	(void)state;
	struct can_sight sight = sight_of_adapter();
	add(&sight, UUID, CAN_NODE_KLIPPER, true);
	sight.errors.stuff = 2;
	sight.errors.checksum = 1;
	expect(&sight, NULL, CAN_UNTERMINATED, "60 ohm");
}

static void answers_at_once_collide(void **state)
{
	(void)state;
	struct can_sight sight = sight_of_adapter();
	sight.errors.bits = 4;
	expect(&sight, NULL, CAN_COLLIDING, "at once");
	sight = sight_of_adapter();
	sight.is_garbled = true;
	add(&sight, UUID, CAN_NODE_KLIPPER, true);
	expect(&sight, NULL, CAN_COLLIDING, "under one number");
}

static void who_is_missing_is_named(void **state)
{
	(void)state;
	struct can_sight sight = sight_of_adapter();
	add(&sight, UUID, CAN_NODE_SILENT, true);
	expect(&sight, NULL, CAN_ALL_MISSING, UUID);
	add(&sight, "38c9bdae9652", CAN_NODE_KATAPULT, false);
	expect(&sight, NULL, CAN_NODE_MISSING, UUID);
}

static void where_klippers_host_talks_nobody_is_missed(void **state)
{
	(void)state;
	struct can_sight sight = sight_of_adapter();
	sight.is_in_use = true;
	sight.listeners = 2;
	add(&sight, UUID, CAN_NODE_SILENT, true);
	expect(&sight, NULL, CAN_IN_USE, "systemctl stop klipper");
}

/* Who asks then has most often a printer that has lost its toolboard, and Klipper still running. */
static void a_dead_bus_is_dead_also_where_klippers_host_talks(void **state)
{
	(void)state;
	struct can_sight sight = sight_of_adapter();
	sight.is_in_use = true;
	sight.listeners = 1;
	sight.interface.controller = CAN_ERROR_PASSIVE;
	sight.interface.send_errors = 128;
	sight.errors.no_acknowledge = 40;
	expect(&sight, NULL, CAN_UNACKNOWLEDGED, "counter 128");
}

/* It ignores the rate that Linux has set, and reports no error. */
static void behind_a_bridge_what_is_well_is_less_than_it_says(void **state)
{
	(void)state;
	const struct can_setting setting = { .bitrate = 500000 };
	struct can_diagnosis diagnosis;
	struct can_sight sight = sight_of_adapter();
	strcpy(sight.interface.usb_manufacturer, "Klipper");
	add(&sight, UUID, CAN_NODE_KLIPPER, true);
	can_diagnose(&sight, &setting, &diagnosis);
	assert_int_equal(diagnosis.health, CAN_WELL);
	assert_true(diagnosis.is_blind);
	assert_non_null(strstr(diagnosis.evidence, "never reported"));
}

int main(void)
{
	const struct CMUnitTest stories[] = {
		cmocka_unit_test(a_bus_whose_nodes_answer_is_well),
		cmocka_unit_test(where_nobody_is_expected_and_nobody_answers_it_is_quiet),
		cmocka_unit_test(an_interface_that_is_down_wins_over_all),
		cmocka_unit_test(a_rate_that_the_policy_does_not_want_is_named),
		cmocka_unit_test(nobody_acknowledges),
		cmocka_unit_test(another_rate_ends_off_the_bus),
		cmocka_unit_test(a_full_queue_without_a_reason_is_a_full_queue),
		cmocka_unit_test(damage_among_good_frames_is_a_suspicion),
		cmocka_unit_test(answers_at_once_collide),
		cmocka_unit_test(who_is_missing_is_named),
		cmocka_unit_test(where_klippers_host_talks_nobody_is_missed),
		cmocka_unit_test(a_dead_bus_is_dead_also_where_klippers_host_talks),
		cmocka_unit_test(behind_a_bridge_what_is_well_is_less_than_it_says),
	};
	return cmocka_run_group_tests(stories, NULL, NULL);
}
