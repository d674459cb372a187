/* SPDX-License-Identifier: MIT */
/* What a place may still do, and when somebody has to look. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/budget.h"

#define NOW 1700000000000000ull

static const struct policy_limits defaults = { 0 };
static const struct digest one = { .bytes = { 1 } }, other = { .bytes = { 2 } };
static const struct budget_end good = { .is_good = true };
static const struct budget_end bad = { .is_good = false };
static const struct budget_end good_again = { .is_good = true, .is_return = true };

static void attempts_in_a_row_that_fail_close_the_place(void **state)
{
	(void)state;
	struct place_record record = { 0 };
	for (unsigned i = 1; i <= BUDGET_ATTEMPTS; i++) {
		assert_int_equal(record.quarantined_usec, 0);
		assert_true(budget_begin(&record, &defaults, &one, NOW));
		assert_int_equal(record.attempts, i);
		budget_end(&record, &defaults, bad, NOW);
	}
	assert_int_equal(record.quarantined_usec, NOW);
	assert_non_null(strstr(record.why, "5 writes in a row"));
}

static void one_good_end_forgives_the_bad_ones(void **state)
{
	(void)state;
	struct place_record record = { 0 };
	for (unsigned i = 0; i < 10 * BUDGET_ATTEMPTS; i++) {
		assert_true(budget_begin(&record, &defaults, &one, NOW));
		budget_end(&record, &defaults, i % 4 == 3 ? good : bad, NOW);
		assert_int_equal(record.quarantined_usec, 0);
	}
}

/* Power cuts and kill -9: no attempt has an end, and all of them count. */
static void attempts_that_nobody_saw_end_count_too(void **state)
{
	(void)state;
	struct place_record record = { 0 };
	for (unsigned i = 0; i < BUDGET_ATTEMPTS; i++)
		assert_true(budget_begin(&record, &defaults, &one, NOW));
	assert_int_equal(record.quarantined_usec, 0);
	assert_false(budget_begin(&record, &defaults, &one, NOW));
	assert_int_equal(record.quarantined_usec, NOW);
	assert_int_equal(record.attempts, BUDGET_ATTEMPTS);
}

static void another_image_has_a_budget_of_its_own(void **state)
{
	(void)state;
	struct place_record record = { 0 };
	for (unsigned i = 0; i < BUDGET_ATTEMPTS; i++)
		assert_true(budget_begin(&record, &defaults, &one, NOW));
	assert_true(budget_begin(&record, &defaults, &other, NOW));
	assert_int_equal(record.attempts, 1);
	assert_memory_equal(&record.digest, &other, sizeof(other));
}

static void a_board_that_keeps_coming_back_closes_the_place(void **state)
{
	(void)state;
	struct place_record record = { 0 };
	assert_true(budget_begin(&record, &defaults, &one, NOW));
	budget_end(&record, &defaults, good, NOW);
	for (unsigned i = 0; i < BUDGET_RETURNS; i++) {
		assert_int_equal(record.quarantined_usec, 0);
		assert_true(budget_begin(&record, &defaults, &one, NOW));
		budget_end(&record, &defaults, good_again, NOW);
	}
	assert_int_equal(record.quarantined_usec, NOW);
	assert_non_null(strstr(record.why, "came back in its boot mode 3 times"));
}

static void boards_that_differ_are_no_returns(void **state)
{
	(void)state;
	struct place_record record = { 0 };
	for (unsigned i = 0; i < 100; i++) {
		assert_true(budget_begin(&record, &defaults, &one, NOW));
		budget_end(&record, &defaults, i % 3 == 0 ? good : good_again, NOW);
	}
	assert_int_equal(record.quarantined_usec, 0);
}

static void the_policy_sets_the_bounds(void **state)
{
	(void)state;
	struct place_record record = { 0 };
	const struct policy_limits limits = { .attempts = 1, .returns = 1 };
	assert_true(budget_begin(&record, &limits, &one, NOW));
	assert_false(budget_begin(&record, &limits, &one, NOW));
	record = (struct place_record){ 0 };
	assert_true(budget_begin(&record, &limits, &one, NOW));
	budget_end(&record, &limits, good_again, NOW);
	assert_int_equal(record.quarantined_usec, NOW);
}

/* A clock that stands at the beginning of its time must not look like no quarantine. */
static void a_clock_at_nought_quarantines_too(void **state)
{
	(void)state;
	struct place_record record = { 0 };
	const struct policy_limits limits = { .attempts = 1 };
	assert_true(budget_begin(&record, &limits, &one, 0));
	budget_end(&record, &limits, bad, 0);
	assert_int_not_equal(record.quarantined_usec, 0);
}

/* The clock stamps a quarantine and does nothing else: neither ahead nor back does it close a place
 * that has attempts left, or open one that has none. */
static void a_clock_that_jumps_changes_no_budget(void **state)
{
	(void)state;
	static const uint64_t times[] = { NOW, 2 * NOW, 0, NOW - 1, UINT64_MAX };
	struct place_record record = { 0 };
	for (unsigned i = 0; i < 4 * BUDGET_ATTEMPTS; i++) {
		uint64_t now_usec = times[i % ELEMENTSOF(times)];
		assert_true(budget_begin(&record, &defaults, &one, now_usec));
		budget_end(&record, &defaults, i % 4 == 3 ? good : bad, now_usec);
		assert_int_equal(record.quarantined_usec, 0);
	}
	for (unsigned i = 0; i < BUDGET_ATTEMPTS; i++)
		assert_true(budget_begin(&record, &defaults, &one, 2 * NOW));
	assert_false(budget_begin(&record, &defaults, &one, NOW));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(attempts_in_a_row_that_fail_close_the_place),
		cmocka_unit_test(one_good_end_forgives_the_bad_ones),
		cmocka_unit_test(attempts_that_nobody_saw_end_count_too),
		cmocka_unit_test(another_image_has_a_budget_of_its_own),
		cmocka_unit_test(a_board_that_keeps_coming_back_closes_the_place),
		cmocka_unit_test(boards_that_differ_are_no_returns),
		cmocka_unit_test(the_policy_sets_the_bounds),
		cmocka_unit_test(a_clock_at_nought_quarantines_too),
		cmocka_unit_test(a_clock_that_jumps_changes_no_budget),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
