/* SPDX-License-Identifier: MIT */
/* Stories about text that goes to people, some of it from people who mean no good. */
#include "unit/expect.h"

#include <errno.h>

#include "base/text.h"

static void expect_escaped(const char *hostile, const char *expected)
{
	_cleanup_(freep) char *escaped = text_escape(hostile);
	assert_non_null(escaped);
	assert_string_equal(escaped, expected);
	assert_true(text_is_plain(escaped));
}

static void harmless_text_is_left_alone(void **unused)
{
	(void)unused;
	expect_escaped("", "");
	expect_escaped(NULL, "");
	expect_escaped("Raspberry Pi RP2 Boot", "Raspberry Pi RP2 Boot");
	expect_escaped("Dr\xc3\xbc"
		       "cker \xe2\x82\xac \xf0\x9f\x98\x80",
		"Dr\xc3\xbc"
		"cker \xe2\x82\xac \xf0\x9f\x98\x80");
}

static void a_terminal_cannot_be_commanded(void **unused)
{
	(void)unused;
	expect_escaped("\x1b]0;owned\x07", "\\x1b]0;owned\\x07");
	expect_escaped("\x1b[2J", "\\x1b[2J");
	expect_escaped("\xc2\x9b"
		       "2J",
		"\\xc2\\x9b2J"); /* CSI as a C1 control */
	expect_escaped("\x7f", "\\x7f");
}

static void a_journal_line_cannot_be_forged(void **unused)
{
	(void)unused;
	expect_escaped("ok\nroot: all is well\r\t", "ok\\x0aroot: all is well\\x0d\\x09");
}

static void an_escape_cannot_be_forged(void **unused)
{
	(void)unused;
	expect_escaped("\\x1b", "\\\\x1b");
}

static void the_reading_direction_cannot_be_turned(void **unused)
{
	(void)unused;
	expect_escaped("a\xe2\x80\xae"
		       "b",
		"a\\xe2\\x80\\xaeb"); /* right-to-left override */
	expect_escaped("\xe2\x81\xa6", "\\xe2\\x81\\xa6"); /* isolate */
	expect_escaped("\xe2\x80\xa8", "\\xe2\\x80\\xa8"); /* line separator */
	expect_escaped("\xe2\x80\xa7\xe2\x80\xaf", "\xe2\x80\xa7\xe2\x80\xaf"); /* neighbours */
}

static void bytes_that_are_no_utf8_are_shown_as_bytes(void **unused)
{
	(void)unused;
	expect_escaped("\xff\xfe", "\\xff\\xfe");
	expect_escaped("\x80", "\\x80");
	expect_escaped("\xc0\xaf", "\\xc0\\xaf"); /* overlong '/' */
	expect_escaped("\xe0\x9f\xbf", "\\xe0\\x9f\\xbf"); /* overlong */
	expect_escaped("\xf0\x8f\xbf\xbf", "\\xf0\\x8f\\xbf\\xbf");
	expect_escaped("\xed\xa0\x80", "\\xed\\xa0\\x80"); /* surrogate */
	expect_escaped("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"); /* beyond U+10FFFF */
	expect_escaped("\xf5\x80\x80\x80", "\\xf5\\x80\\x80\\x80");
}

static void a_character_cut_by_the_end_is_not_read_past(void **unused)
{
	(void)unused;
	expect_escaped("\xc3", "\\xc3");
	expect_escaped("\xe2\x82", "\\xe2\\x82");
	expect_escaped("\xf0\x9f\x98", "\\xf0\\x9f\\x98");
}

static void plain_text_is_told_from_other(void **unused)
{
	(void)unused;
	assert_true(text_is_plain(""));
	assert_true(text_is_plain("say \\ and \xc3\xa4"));
	assert_false(text_is_plain("two\nlines"));
	assert_false(text_is_plain("\x1b[0m"));
	assert_false(text_is_plain("\xc3"));
}

static void a_plain_copy_never_ends_in_half_a_character(void **unused)
{
	(void)unused;
	char text[5];
	text_copy_plain(text, sizeof(text), "ab\xe2\x82\xac");
	assert_string_equal(text, "ab");
	text_copy_plain(text, sizeof(text), "a\xe2\x82\xac");
	assert_string_equal(text, "a\xe2\x82\xac");
	text_copy_plain(text, sizeof(text), "abcdefgh");
	assert_string_equal(text, "abcd");
	text_copy_plain(text, sizeof(text), "a\nb\xff");
	assert_string_equal(text, "a?b?");
	text_copy_plain(text, 1, "abc");
	assert_string_equal(text, "");
}

static void text_grows_by_appending(void **unused)
{
	(void)unused;
	_cleanup_(freep) char *text = NULL;
	assert_int_equal(text_append(&text, "%d boards", 3), 0);
	assert_int_equal(text_append(&text, ", %s", "one flashed"), 0);
	assert_string_equal(text, "3 boards, one flashed");
}

static void bytes_become_hexadecimal(void **unused)
{
	(void)unused;
	char text[7] = "------";
	text_hex("\x00\xAB\xF9", 3, text);
	assert_string_equal(text, "00abf9");
	text_hex("", 0, text);
	assert_string_equal(text, "");
}

static void ids_are_read_strictly(void **unused)
{
	(void)unused;
	uint16_t vid = 1, pid = 2;
	assert_int_equal(text_parse_vid_pid("2e8a:0003", &vid, &pid), 0);
	assert_int_equal(vid, 0x2e8a);
	assert_int_equal(pid, 0x0003);
	static const char *const wrong[] = { "", "2e8a", "2e8a:3", "2e8a:00030", "2e8a 0003",
		"0x2e:0003", "2e8a:000g", "-e8a:0003", " e8a:0003", "2e8a:+003" };
	for (size_t i = 0; i < ELEMENTSOF(wrong); i++)
		assert_int_equal(text_parse_vid_pid(wrong[i], &vid, &pid), -EINVAL);
	assert_int_equal(vid, 0x2e8a); /* untouched by failure */
	assert_int_equal(pid, 0x0003);
}

static void spans_of_time_name_their_unit(void **unused)
{
	(void)unused;
	uint64_t usec = 7;
	assert_int_equal(text_parse_span("90s", &usec), 0);
	assert_int_equal(usec, 90000000);
	assert_int_equal(text_parse_span("2h", &usec), 0);
	assert_int_equal(usec, 7200000000);
	assert_int_equal(text_parse_span("520w", &usec), 0);
	static const char *const wrong[] = { "", "2", "h", "2 h", "-2h", "2hours", "0s", "0x2h",
		"99999999w", "18446744073709551616s", "1.5h", "2h30min" };
	usec = 7;
	for (size_t i = 0; i < ELEMENTSOF(wrong); i++)
		assert_int_equal(text_parse_span(wrong[i], &usec), -EINVAL);
	assert_int_equal(usec, 7); /* untouched by failure */
}

static void names_are_looked_up_whole(void **unused)
{
	(void)unused;
	static const char *const table[] = { "none", NULL, "rp2040" };
	assert_int_equal(text_lookup(table, 3, "none"), 0);
	assert_int_equal(text_lookup(table, 3, "rp2040"), 2);
	assert_int_equal(text_lookup(table, 3, "rp20"), -EINVAL);
	assert_int_equal(text_lookup(table, 3, ""), -EINVAL);
	assert_int_equal(text_lookup(table, 3, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(harmless_text_is_left_alone),
		cmocka_unit_test(a_terminal_cannot_be_commanded),
		cmocka_unit_test(a_journal_line_cannot_be_forged),
		cmocka_unit_test(an_escape_cannot_be_forged),
		cmocka_unit_test(the_reading_direction_cannot_be_turned),
		cmocka_unit_test(bytes_that_are_no_utf8_are_shown_as_bytes),
		cmocka_unit_test(a_character_cut_by_the_end_is_not_read_past),
		cmocka_unit_test(plain_text_is_told_from_other),
		cmocka_unit_test(a_plain_copy_never_ends_in_half_a_character),
		cmocka_unit_test(text_grows_by_appending),
		cmocka_unit_test(bytes_become_hexadecimal),
		cmocka_unit_test(ids_are_read_strictly),
		cmocka_unit_test(spans_of_time_name_their_unit),
		cmocka_unit_test(names_are_looked_up_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
