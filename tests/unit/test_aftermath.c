/* SPDX-License-Identifier: MIT */
/* What is said of a board that stays in its boot mode, and which boards are told to leave it. */
#include "unit/expect.h"

#include "daemon/aftermath.h"

#define WARNING "cut heater power"

static struct device device_in(enum board_mode mode)
{
	return (struct device){ .syspath = (char *)"/sys/devices/usb1/1-2", .mode = mode };
}

static struct job job_with(struct device *device, chip_set possible_chips, enum job_outcome outcome)
{
	return (struct job){
		.device = device,
		.has_facts = true,
		.facts = { .possible_chips = possible_chips, .content = CONTENT_BOOTABLE },
		.outcome = outcome,
	};
}

static void expect_said(const struct job *job, const char *words, bool is_expected)
{
	_cleanup_(freep) char *text = aftermath_sentence(job, "so it went");
	assert_int_equal(strncmp(text, "so it went", strlen("so it went")), 0);
	if (!strstr(text, words) == is_expected)
		fail_msg("%s\"%s\" in: %s", is_expected ? "no " : "", words, text);
}

static void a_refused_board_that_may_heat_is_warned_of(void **unused)
{
	(void)unused;
	struct device device = device_in(MODE_DFU);
	chip_set several = chip_bit(CHIP_STM32F401) | chip_bit(CHIP_STM32F446);
	struct job job = job_with(&device, several, OUTCOME_REFUSED);
	expect_said(&job, WARNING, true);
	job.facts.chip = CHIP_STM32F401;
	expect_said(&job, WARNING, false);
	job.facts.chip = CHIP_STM32F446;
	expect_said(&job, WARNING, true);
	job.outcome = OUTCOME_IDENTICAL;
	expect_said(&job, WARNING, false);
}

static void other_boards_have_no_heater(void **unused)
{
	(void)unused;
	struct device device = device_in(MODE_RP2040_BOOT);
	struct job job = job_with(&device, chip_bit(CHIP_STM32F446), OUTCOME_REFUSED);
	expect_said(&job, WARNING, false);
	device.mode = MODE_DFU;
	job.has_facts = false;
	expect_said(&job, WARNING, false);
}

static void a_board_that_has_left_is_not_warned_of(void **unused)
{
	(void)unused;
	struct device device = device_in(MODE_DFU), application = device_in(MODE_NONE);
	struct job job = job_with(&device, chip_bit(CHIP_STM32G0B1), OUTCOME_REFUSED);
	job.has_to_leave = true;
	expect_said(&job, "told to leave its boot mode, and did not", true);
	expect_said(&job, WARNING, true);
	job.is_restarted = true;
	expect_said(&job, "told to leave its boot mode and start", true);
	expect_said(&job, WARNING, false);
	job.successor = &device; /* back at once */
	expect_said(&job, WARNING, true);
	job.successor = &application;
	expect_said(&job, WARNING, false);
}

static void after_a_broken_write_it_is_warned_of_wherever_it_is(void **unused)
{
	(void)unused;
	struct device device = device_in(MODE_DFU);
	struct job job = job_with(&device, chip_bit(CHIP_STM32G0B1), OUTCOME_INTERRUPTED);
	job.board_left = true;
	expect_said(&job, WARNING, false);
	job.permitted_usec = 1;
	expect_said(&job, WARNING, false);
	job.tally.units_erased = 1;
	expect_said(&job, WARNING, true);
	/* The worker died before it could say what it did. */
	job.tally.units_erased = 0;
	job.furthest_phase = PHASE_WRITE;
	expect_said(&job, WARNING, true);
}

/* ---- leaving ----------------------------------------------------------------------------- */

static void a_board_is_told_to_leave_when_the_rule_says_so(void **unused)
{
	(void)unused;
	_cleanup_(queue_freep) struct queue *queue = queue_new();
	struct device device = device_in(MODE_DFU);
	struct job job = job_with(&device, chip_bit(CHIP_STM32G0B1), OUTCOME_REFUSED);
	struct policy_rule rule = { .leave_on_refusal = true }, silent = { 0 };
	assert_true(aftermath_wants_leaving(queue, &job, &rule));
	assert_false(aftermath_wants_leaving(queue, &job, &silent));
	assert_false(aftermath_wants_leaving(queue, &job, NULL));
	device.mode = MODE_RP2040_BOOT;
	assert_false(aftermath_wants_leaving(queue, &job, &rule));
}

static void a_board_that_has_nothing_to_start_stays(void **unused)
{
	(void)unused;
	_cleanup_(queue_freep) struct queue *queue = queue_new();
	struct device device = device_in(MODE_DFU);
	struct job job = job_with(&device, chip_bit(CHIP_STM32G0B1), OUTCOME_REFUSED);
	struct policy_rule rule = { .leave_on_refusal = true };
	job.facts.content = CONTENT_BLANK;
	assert_false(aftermath_wants_leaving(queue, &job, &rule));
	job.facts.content = CONTENT_UNBOOTABLE;
	assert_false(aftermath_wants_leaving(queue, &job, &rule));
	job.facts.content = CONTENT_UNKNOWN; /* read-protected, perhaps */
	assert_true(aftermath_wants_leaving(queue, &job, &rule));
	job.facts.chip_origin = CHIP_FROM_OWN_WRITE;
	assert_false(aftermath_wants_leaving(queue, &job, &rule));
}

static void what_a_write_of_ours_has_left_is_not_started(void **unused)
{
	(void)unused;
	struct device device = device_in(MODE_KATAPULT);
	struct job job = job_with(&device, 0, OUTCOME_REFUSED);
	assert_true(aftermath_can_start(&job));
	job.has_open_write = true;
	assert_false(aftermath_can_start(&job));
	job.has_open_write = false;
	job.facts.content = CONTENT_UNBOOTABLE;
	assert_false(aftermath_can_start(&job));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_refused_board_that_may_heat_is_warned_of),
		cmocka_unit_test(other_boards_have_no_heater),
		cmocka_unit_test(a_board_that_has_left_is_not_warned_of),
		cmocka_unit_test(after_a_broken_write_it_is_warned_of_wherever_it_is),
		cmocka_unit_test(a_board_is_told_to_leave_when_the_rule_says_so),
		cmocka_unit_test(a_board_that_has_nothing_to_start_stays),
		cmocka_unit_test(what_a_write_of_ours_has_left_is_not_started),
	};
	return cmocka_run_group_tests_name("aftermath", tests, NULL, NULL);
}
