/* SPDX-License-Identifier: MIT */
/* Stories about the words between mind and hands, and about those who would misuse them. */
#include "unit/wire_words.h"

#include <errno.h>

static int decode(const struct buffer *buffer, size_t length, struct wire_message *ret)
{
	/* Of the exact size, so that the sanitizer sees a read past the end. */
	_cleanup_(freep) uint8_t *copy = malloc(length + 1);
	assert_non_null(copy);
	memcpy(copy + 1, buffer->data, length);
	return wire_decode(copy + 1, length, ret);
}

static void expect_accepted(const struct wire_message *message)
{
	_cleanup_(buffer_done) struct buffer buffer = { 0 };
	struct wire_message twin;
	wire_encode(message, &buffer);
	assert_int_equal(decode(&buffer, buffer.length, &twin), 0);
}

static void expect_violation(const struct wire_message *message)
{
	_cleanup_(buffer_done) struct buffer buffer = { 0 };
	struct wire_message twin = { .type = 99 };
	wire_encode(message, &buffer);
	assert_int_equal(decode(&buffer, buffer.length, &twin), -EBADMSG);
	assert_int_equal(twin.type, 99);
}

/* ---- the words ------------------------------------------------------------------------------- */

static void what_is_said_is_what_is_heard(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ELEMENTSOF(all); i++) {
		_cleanup_(buffer_done) struct buffer said = { 0 }, again = { 0 };
		struct wire_message heard;
		wire_encode(all[i], &said);
		assert_int_equal(decode(&said, said.length, &heard), 0);
		assert_int_equal(heard.type, all[i]->type);
		wire_encode(&heard, &again);
		assert_int_equal(again.length, said.length);
		assert_memory_equal(again.data, said.data, said.length);
	}
}

static void every_value_arrives(void **unused)
{
	(void)unused;
	_cleanup_(buffer_done) struct buffer buffer = { 0 };
	struct wire_message heard;
	wire_encode(&job, &buffer);
	assert_int_equal(decode(&buffer, buffer.length, &heard), 0);
	assert_true(heard.job.id == 42 && heard.job.arrival == UINT64_MAX);
	assert_int_equal(heard.job.mode, MODE_RP2040_BOOT);
	assert_int_equal(heard.job.bus, 3);
	assert_int_equal(heard.job.device, 127);
	assert_string_equal(heard.job.syspath, job.job.syspath);

	buffer_done(&buffer);
	wire_encode(&evidence_of_dfu, &buffer);
	assert_int_equal(decode(&buffer, buffer.length, &heard), 0);
	assert_memory_equal(&heard.evidence, &evidence_of_dfu.evidence, sizeof(struct board_facts));

	buffer_done(&buffer);
	wire_encode(&evidence_of_program, &buffer);
	assert_int_equal(decode(&buffer, buffer.length, &heard), 0);
	assert_int_equal(heard.evidence.bootsel, BOOTSEL_BY_SERIAL);

	buffer_done(&buffer);
	wire_encode(&plan, &buffer);
	assert_int_equal(decode(&buffer, buffer.length, &heard), 0);
	assert_memory_equal(&heard.plan, &plan.plan, sizeof(struct job_plan));

	buffer_done(&buffer);
	wire_encode(&flashed, &buffer);
	assert_int_equal(decode(&buffer, buffer.length, &heard), 0);
	assert_true(heard.outcome.restarted);
	assert_int_equal(heard.outcome.tally.units_total, 8);
	assert_int_equal(heard.outcome.tally.units_identical, 3);
	assert_int_equal(heard.outcome.tally.units_erased, 5);
	assert_int_equal(heard.outcome.tally.bytes_read, 32768);
	assert_int_equal(heard.outcome.tally.bytes_written, 20480);
	assert_int_equal(heard.outcome.tally.recoveries, 1);
	assert_string_equal(heard.outcome.sentence, flashed.outcome.sentence);
}

static void a_word_cut_short_or_drawn_out_is_garbage(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ELEMENTSOF(all); i++) {
		_cleanup_(buffer_done) struct buffer buffer = { 0 };
		struct wire_message heard;
		wire_encode(all[i], &buffer);
		for (size_t length = 0; length < buffer.length; length++)
			assert_int_equal(decode(&buffer, length, &heard), -EBADMSG);
		buffer_put_u8(&buffer, 0);
		assert_int_equal(decode(&buffer, buffer.length, &heard), -EBADMSG);
	}
}

static void another_version_or_type_is_garbage(void **unused)
{
	(void)unused;
	_cleanup_(buffer_done) struct buffer buffer = { 0 };
	struct wire_message heard;
	wire_encode(&stop, &buffer);
	assert_int_equal(buffer.length, 3);
	assert_int_equal(decode(&buffer, 3, &heard), 0);
	buffer.data[0]++;
	assert_int_equal(decode(&buffer, 3, &heard), -EBADMSG);
	buffer.data[0]--;
	for (unsigned type = 0; type < 256; type++) {
		buffer.data[1] = (uint8_t)type;
		assert_int_equal(decode(&buffer, 3, &heard), type == WIRE_STOP ? 0 : -EBADMSG);
	}
}

static void values_out_of_range_are_garbage(void **unused)
{
	(void)unused;
	struct wire_message message = job;
	message.job.mode = MODE_NONE;
	expect_violation(&message);
	message.job.mode = _MODE_MAX;
	expect_violation(&message);
	message = evidence;
	message.evidence.chip = _CHIP_MAX;
	expect_violation(&message);
	message = evidence;
	message.evidence.content = _CONTENT_MAX;
	expect_violation(&message);
	message = evidence_of_dfu;
	message.evidence.possible_chips = UINT64_C(1) << _CHIP_MAX;
	expect_violation(&message);
	message = evidence_of_dfu;
	message.evidence.writable[0].end = message.evidence.writable[0].start;
	expect_violation(&message);
	message = evidence_of_dfu;
	message.evidence.running.transport = _TRANSPORT_MAX;
	expect_violation(&message);
	message = evidence_of_dfu;
	strcpy(message.evidence.running.version, "\x1b[2J");
	expect_violation(&message);
	message = evidence_of_program;
	message.evidence.bootsel = _BOOTSEL_MAX;
	expect_violation(&message);
	message = plan;
	message.plan.units_erased = 4;
	expect_violation(&message);
	message = evidence;
	message.evidence.refusals = _REFUSES_ALL + 1;
	expect_violation(&message);
	static const char *const no_ids[] = { "504450610847861c", "123", "0000", "FFFFFFFF",
		"E6\n0" };
	for (size_t i = 0; i < ELEMENTSOF(no_ids); i++) {
		message = evidence;
		strcpy(message.evidence.unique_id, no_ids[i]);
		expect_violation(&message);
	}
	message = progress;
	message.progress.phase = _PHASE_MAX;
	expect_violation(&message);
	message = refused;
	message.outcome.reason = _REASON_MAX;
	expect_violation(&message);
	message = flashed;
	message.outcome.verification = _VERIFY_MAX;
	expect_violation(&message);
	message = flashed;
	message.outcome.outcome = _OUTCOME_MAX;
	expect_violation(&message);
}

static void a_truth_is_0_or_1(void **unused)
{
	(void)unused;
	_cleanup_(buffer_done) struct buffer buffer = { 0 };
	struct wire_message heard;
	wire_encode(&go, &buffer);
	for (unsigned value = 0; value < 256; value++) {
		buffer.data[buffer.length - 1] = (uint8_t)value;
		assert_int_equal(decode(&buffer, buffer.length, &heard), value < 2 ? 0 : -EBADMSG);
	}
}

static void unknown_facts_are_facts(void **unused)
{
	(void)unused;
	struct wire_message message = { .type = WIRE_EVIDENCE };
	expect_accepted(&message);
}

static void a_syspath_leads_nowhere_but_into_sysfs(void **unused)
{
	(void)unused;
	static const char *const wrong[] = { "", "/sys", "/dev/sda", "sys/devices",
		"/sys/../dev/sda", "/sys/devices/..", "/sys/a\nb", "/sys/\x1b[2J", "/sys/\xff" };
	for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
		struct wire_message message = job;
		snprintf(message.job.syspath, sizeof(message.job.syspath), "%s", wrong[i]);
		expect_violation(&message);
	}
}

static void progress_never_exceeds_its_total(void **unused)
{
	(void)unused;
	struct wire_message message = progress;
	message.progress.done_bytes = message.progress.total_bytes;
	expect_accepted(&message);
	message.progress.done_bytes++;
	expect_violation(&message);
}

/* ---- the last word --------------------------------------------------------------------------- */

static void a_success_has_no_reason_and_a_failure_has_one(void **unused)
{
	(void)unused;
	struct wire_message message = flashed;
	message.outcome.reason = REASON_VERIFY_FAILED;
	expect_violation(&message);
	for (unsigned outcome = OUTCOME_REFUSED; outcome <= OUTCOME_INTERRUPTED; outcome++) {
		message = refused;
		message.outcome.outcome = outcome;
		expect_accepted(&message);
		message.outcome.reason = REASON_NONE;
		expect_violation(&message);
	}
	message = refused;
	message.outcome.outcome = OUTCOME_NONE;
	expect_violation(&message);
}

static void a_success_has_a_proof(void **unused)
{
	(void)unused;
	struct wire_message message = flashed;
	message.outcome.verification = VERIFY_NONE;
	expect_violation(&message);
	/* The hands cannot have seen the application run. */
	message.outcome.verification = VERIFY_RUNNING;
	expect_violation(&message);
}

static void identical_and_refused_mean_untouched(void **unused)
{
	(void)unused;
	struct wire_message message = flashed;
	message.outcome.outcome = OUTCOME_IDENTICAL;
	message.outcome.tally.units_erased = 0;
	message.outcome.tally.bytes_written = 0;
	expect_accepted(&message);
	message.outcome.tally.units_erased = 1;
	expect_violation(&message);
	message.outcome.tally.units_erased = 0;
	message.outcome.tally.bytes_written = 1;
	expect_violation(&message);
	message = refused;
	message.outcome.tally.bytes_written = 256;
	expect_violation(&message);
}

static void more_units_identical_than_there_are_is_a_lie(void **unused)
{
	(void)unused;
	struct wire_message message = flashed;
	message.outcome.tally.units_identical = message.outcome.tally.units_total + 1;
	expect_violation(&message);
}

static void a_sentence_is_made_plain_by_who_says_it(void **unused)
{
	(void)unused;
	struct wire_message message = refused, heard;
	_cleanup_(buffer_done) struct buffer buffer = { 0 };
	strcpy(message.outcome.sentence, "the board says \x1b[2J and \xe2\x82"); /* cut inside */
	wire_encode(&message, &buffer);
	assert_int_equal(decode(&buffer, buffer.length, &heard), 0);
	assert_string_equal(heard.outcome.sentence, "the board says ?[2J and ??");
}

static void a_sentence_that_is_not_plain_is_garbage(void **unused)
{
	(void)unused;
	_cleanup_(buffer_done) struct buffer buffer = { 0 };
	struct wire_message heard;
	wire_encode(&refused, &buffer);
	uint8_t *last = buffer.data + buffer.length - 1;
	for (unsigned value = 0; value < 256; value++) {
		*last = (uint8_t)value;
		bool plain = value >= 0x20 && value < 0x7F;
		assert_int_equal(decode(&buffer, buffer.length, &heard), plain ? 0 : -EBADMSG);
	}
}

static void the_longest_words_fit_into_a_message(void **unused)
{
	(void)unused;
	struct wire_message message = refused;
	memset(message.outcome.sentence, 'x', WIRE_SENTENCE_MAX - 1);
	_cleanup_(buffer_done) struct buffer buffer = { 0 };
	struct wire_message heard;
	wire_encode(&message, &buffer);
	assert_true(buffer.length <= WIRE_MESSAGE_MAX);
	assert_int_equal(decode(&buffer, buffer.length, &heard), 0);
	assert_int_equal(strlen(heard.outcome.sentence), WIRE_SENTENCE_MAX - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_said_is_what_is_heard),
		cmocka_unit_test(every_value_arrives),
		cmocka_unit_test(a_word_cut_short_or_drawn_out_is_garbage),
		cmocka_unit_test(another_version_or_type_is_garbage),
		cmocka_unit_test(values_out_of_range_are_garbage),
		cmocka_unit_test(a_truth_is_0_or_1),
		cmocka_unit_test(unknown_facts_are_facts),
		cmocka_unit_test(a_syspath_leads_nowhere_but_into_sysfs),
		cmocka_unit_test(progress_never_exceeds_its_total),
		cmocka_unit_test(a_success_has_no_reason_and_a_failure_has_one),
		cmocka_unit_test(a_success_has_a_proof),
		cmocka_unit_test(identical_and_refused_mean_untouched),
		cmocka_unit_test(more_units_identical_than_there_are_is_a_lie),
		cmocka_unit_test(a_sentence_is_made_plain_by_who_says_it),
		cmocka_unit_test(a_sentence_that_is_not_plain_is_garbage),
		cmocka_unit_test(the_longest_words_fit_into_a_message),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
