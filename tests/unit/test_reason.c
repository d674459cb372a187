/* SPDX-License-Identifier: MIT */
/* Stories about reasons: every code has a name that stays, every refusal a sentence. */
#include "unit/expect.h"

#include "model/reason.h"

static void every_code_has_a_name_of_its_own(void **unused)
{
	(void)unused;
	for (unsigned code = 0; code < _REASON_MAX; code++) {
		const char *name = reason_name(code);
		assert_non_null(name);
		assert_true(strlen(name) > 0);
		assert_int_equal(
			strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-"), strlen(name));
		for (unsigned other = 0; other < code; other++)
			assert_string_not_equal(name, reason_name(other));
	}
}

static void names_that_scripts_rely_on_stay(void **unused)
{
	(void)unused;
	assert_string_equal(reason_name(REASON_NONE), "none");
	assert_string_equal(reason_name(REASON_NO_RULE), "no-rule");
	assert_string_equal(reason_name(REASON_WRONG_CHIP), "wrong-chip");
	assert_string_equal(reason_name(REASON_VERIFY_FAILED), "verify-failed");
	assert_string_equal(reason_name(REASON_PRINTING), "printing");
	assert_string_equal(reason_name(REASON_PRINT_UNKNOWN), "print-unknown");
	assert_string_equal(reason_name(REASON_INTERNAL), "internal");
}

static void reasons_pile_up_and_are_told_in_order(void **unused)
{
	(void)unused;
	_cleanup_(reasons_done) struct reasons reasons = { 0 };
	assert_false(reasons_have(&reasons, REASON_TOO_LARGE));
	assert_int_equal(reasons_add(&reasons, REASON_WRONG_CHIP, "it is for an %s", "rp2350"), 0);
	assert_int_equal(reasons_add(&reasons, REASON_TOO_LARGE, "it needs %d KiB", 4096), 0);
	assert_true(reasons_have(&reasons, REASON_WRONG_CHIP));
	assert_true(reasons_have(&reasons, REASON_TOO_LARGE));
	assert_false(reasons_have(&reasons, REASON_NO_BOOT2));
	_cleanup_(freep) char *text = reasons_text(&reasons);
	assert_string_equal(text, "it is for an rp2350; it needs 4096 KiB");
}

static void no_reason_is_a_sentence_too(void **unused)
{
	(void)unused;
	struct reasons reasons = { 0 };
	_cleanup_(freep) char *text = reasons_text(&reasons);
	assert_string_equal(text, "no reason given");
}

static void reasons_can_be_released_twice(void **unused)
{
	(void)unused;
	struct reasons reasons = { 0 };
	assert_int_equal(reasons_add(&reasons, REASON_CANCELLED, "told to stop"), 0);
	reasons_done(&reasons);
	assert_int_equal(reasons.count, 0);
	reasons_done(&reasons);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_code_has_a_name_of_its_own),
		cmocka_unit_test(names_that_scripts_rely_on_stay),
		cmocka_unit_test(reasons_pile_up_and_are_told_in_order),
		cmocka_unit_test(no_reason_is_a_sentence_too),
		cmocka_unit_test(reasons_can_be_released_twice),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
