/* SPDX-License-Identifier: MIT */
/* The table of a job, written down a second time: what is not here must not happen. */
#include "unit/expect.h"

#include <errno.h>

#include "model/job.h"

static const struct {
	enum job_state state;
	enum job_event event;
	enum job_state next;
} moves[] = {
	{ JOB_QUEUED, JOB_EVENT_ADMITTED, JOB_PROBING },
	{ JOB_QUEUED, JOB_EVENT_ENDED, JOB_DONE },
	{ JOB_PROBING, JOB_EVENT_PERMITTED, JOB_WRITING },
	{ JOB_PROBING, JOB_EVENT_STOPPED, JOB_STOPPING },
	{ JOB_PROBING, JOB_EVENT_ENDED, JOB_DONE },
	{ JOB_WRITING, JOB_EVENT_EXPECTING, JOB_AWAITING },
	{ JOB_WRITING, JOB_EVENT_STOPPED, JOB_STOPPING },
	{ JOB_WRITING, JOB_EVENT_ENDED, JOB_DONE },
	{ JOB_PROBING, JOB_EVENT_CALLED, JOB_ENTERING },
	{ JOB_ENTERING, JOB_EVENT_EXPECTING, JOB_AWAITING },
	{ JOB_ENTERING, JOB_EVENT_STOPPED, JOB_STOPPING },
	{ JOB_ENTERING, JOB_EVENT_ENDED, JOB_DONE },
	{ JOB_AWAITING, JOB_EVENT_ENDED, JOB_DONE },
	{ JOB_STOPPING, JOB_EVENT_ENDED, JOB_DONE },
};

static int expected_move(unsigned state, unsigned event)
{
	for (size_t i = 0; i < sizeof(moves) / sizeof(moves[0]); i++)
		if (moves[i].state == state && moves[i].event == event)
			return (int)moves[i].next;
	return -EPROTO;
}

static void only_the_moves_in_the_table_are_made(void **unused)
{
	(void)unused;
	for (unsigned state = 0; state < _JOB_STATE_MAX; state++)
		for (unsigned event = 0; event < _JOB_EVENT_MAX; event++)
			assert_int_equal(job_next(state, event), expected_move(state, event));
}

static void nothing_is_written_without_permission(void **unused)
{
	(void)unused;
	for (unsigned state = 0; state < _JOB_STATE_MAX; state++)
		for (unsigned event = 0; event < _JOB_EVENT_MAX; event++)
			if (job_next(state, event) == JOB_WRITING) {
				assert_int_equal(state, JOB_PROBING);
				assert_int_equal(event, JOB_EVENT_PERMITTED);
			}
}

static void what_is_done_stays_done(void **unused)
{
	(void)unused;
	for (unsigned event = 0; event < _JOB_EVENT_MAX; event++)
		assert_int_equal(job_next(JOB_DONE, event), -EPROTO);
}

static void every_job_can_end(void **unused)
{
	(void)unused;
	for (unsigned state = 0; state < JOB_DONE; state++)
		assert_int_equal(job_next(state, JOB_EVENT_ENDED), JOB_DONE);
}

static void a_job_told_to_stop_cannot_be_permitted_any_more(void **unused)
{
	(void)unused;
	int state = job_next(JOB_PROBING, JOB_EVENT_STOPPED);
	assert_int_equal(state, JOB_STOPPING);
	assert_int_equal(job_next((enum job_state)state, JOB_EVENT_PERMITTED), -EPROTO);
}

static void expect_names(const char *(*name)(unsigned), unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		assert_non_null(name(i));
		for (unsigned other = 0; other < i; other++)
			assert_string_not_equal(name(i), name(other));
	}
}

static const char *state_name(unsigned value)
{
	return job_state_name(value);
}

static const char *event_name(unsigned value)
{
	return job_event_name(value);
}

static const char *name_of_outcome(unsigned value)
{
	return outcome_name(value);
}

static const char *name_of_verification(unsigned value)
{
	return verification_name(value);
}

static const char *name_of_phase(unsigned value)
{
	return phase_name(value);
}

static void everything_has_a_name(void **unused)
{
	(void)unused;
	expect_names(state_name, _JOB_STATE_MAX);
	expect_names(event_name, _JOB_EVENT_MAX);
	expect_names(name_of_outcome, _OUTCOME_MAX);
	expect_names(name_of_verification, _VERIFY_MAX);
	expect_names(name_of_phase, _PHASE_MAX);
	assert_string_equal(outcome_name(OUTCOME_FLASHED), "flashed");
	assert_string_equal(verification_name(VERIFY_READBACK), "readback");
}

static void proof_grows_in_this_order(void **unused)
{
	(void)unused;
	assert_true(VERIFY_NONE < VERIFY_ACKNOWLEDGED);
	assert_true(VERIFY_ACKNOWLEDGED < VERIFY_CHECKSUM);
	assert_true(VERIFY_CHECKSUM < VERIFY_READBACK);
	assert_true(VERIFY_READBACK < VERIFY_RUNNING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_moves_in_the_table_are_made),
		cmocka_unit_test(nothing_is_written_without_permission),
		cmocka_unit_test(what_is_done_stays_done),
		cmocka_unit_test(every_job_can_end),
		cmocka_unit_test(a_job_told_to_stop_cannot_be_permitted_any_more),
		cmocka_unit_test(everything_has_a_name),
		cmocka_unit_test(proof_grows_in_this_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
