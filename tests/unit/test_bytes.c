/* SPDX-License-Identifier: MIT */
/* Stories about reading and writing little-endian bytes. */
#include "unit/expect.h"

#include "base/bytes.h"

static void what_a_buffer_takes_a_cursor_gives_back(void **unused)
{
	(void)unused;
	_cleanup_(buffer_done) struct buffer buffer = { 0 };
	buffer_put_u8(&buffer, 0xA5);
	buffer_put_u16(&buffer, 0xBEEF);
	buffer_put_u32(&buffer, 0xDEADBEEF);
	buffer_put_u64(&buffer, 0x0123456789ABCDEF);
	buffer_put_string(&buffer, "octopus");
	assert_false(buffer.failed);

	struct cursor cursor = cursor_over(buffer.data, buffer.length);
	char text[8];
	assert_int_equal(cursor_u8(&cursor), 0xA5);
	assert_int_equal(cursor_u16(&cursor), 0xBEEF);
	assert_int_equal(cursor_u32(&cursor), 0xDEADBEEF);
	assert_true(cursor_u64(&cursor) == 0x0123456789ABCDEF);
	cursor_string(&cursor, text, sizeof(text));
	assert_string_equal(text, "octopus");
	assert_true(cursor_is_exhausted(&cursor));
}

static void numbers_are_little_endian_on_the_outside(void **unused)
{
	(void)unused;
	_cleanup_(buffer_done) struct buffer buffer = { 0 };
	buffer_put_u16(&buffer, 0x0102);
	buffer_put_u32(&buffer, 0x03040506);
	buffer_put_u64(&buffer, 0x0708090A0B0C0D0E);
	static const uint8_t expected[] = { 2, 1, 6, 5, 4, 3, 0x0E, 0x0D, 0x0C, 0x0B, 0x0A, 9, 8,
		7 };
	assert_int_equal(buffer.length, sizeof(expected));
	assert_memory_equal(buffer.data, expected, sizeof(expected));

	/* At odd addresses too. */
	uint8_t bytes[9] = { 0 };
	write_u32(bytes + 1, 0x80FF01FE);
	write_u16(bytes + 5, 0xFF80);
	assert_int_equal(read_u32(bytes + 1), 0x80FF01FE);
	assert_int_equal(read_u16(bytes + 5), 0xFF80);
	assert_int_equal(bytes[1], 0xFE);
}

static void a_read_past_the_end_is_remembered(void **unused)
{
	(void)unused;
	static const uint8_t three[] = { 1, 2, 3 };
	struct cursor cursor = cursor_over(three, sizeof(three));
	assert_int_equal(cursor_u32(&cursor), 0);
	assert_true(cursor.failed);
	assert_int_equal(cursor_u8(&cursor), 0); /* though a byte would be there */
	assert_int_equal(cursor_left(&cursor), 0);
	assert_false(cursor_is_exhausted(&cursor));
}

static void half_a_number_is_none(void **unused)
{
	(void)unused;
	static const uint8_t seven[] = { 1, 2, 3, 4, 5, 6, 7 };
	struct cursor cursor = cursor_over(seven, sizeof(seven));
	assert_true(cursor_u64(&cursor) == 0);
	assert_true(cursor.failed);
}

static void taking_more_than_there_is_yields_nothing(void **unused)
{
	(void)unused;
	static const uint8_t three[] = { 1, 2, 3 };
	struct cursor cursor = cursor_over(three, sizeof(three));
	assert_ptr_equal(cursor_take(&cursor, 2), three);
	assert_null(cursor_take(&cursor, SIZE_MAX));
	assert_true(cursor.failed);
}

static void leftovers_are_not_exhaustion(void **unused)
{
	(void)unused;
	static const uint8_t two[] = { 1, 2 };
	struct cursor cursor = cursor_over(two, sizeof(two));
	cursor_u8(&cursor);
	assert_false(cursor_is_exhausted(&cursor));
	cursor_u8(&cursor);
	assert_true(cursor_is_exhausted(&cursor));
}

static void a_string_that_does_not_fit_is_refused_not_cut(void **unused)
{
	(void)unused;
	_cleanup_(buffer_done) struct buffer buffer = { 0 };
	buffer_put_string(&buffer, "octopus!");
	char text[8] = "before";
	struct cursor cursor = cursor_over(buffer.data, buffer.length);
	cursor_string(&cursor, text, sizeof(text));
	assert_true(cursor.failed);
	assert_string_equal(text, "");
}

static void a_string_with_a_nul_inside_is_refused(void **unused)
{
	(void)unused;
	static const uint8_t bytes[] = { 3, 0, 'a', 0, 'b' };
	char text[8];
	struct cursor cursor = cursor_over(bytes, sizeof(bytes));
	cursor_string(&cursor, text, sizeof(text));
	assert_true(cursor.failed);
}

static void a_string_longer_than_the_message_is_refused(void **unused)
{
	(void)unused;
	static const uint8_t bytes[] = { 200, 0, 'a', 'b' };
	char text[256];
	struct cursor cursor = cursor_over(bytes, sizeof(bytes));
	cursor_string(&cursor, text, sizeof(text));
	assert_true(cursor.failed);
	assert_string_equal(text, "");
}

static void no_string_is_an_empty_one(void **unused)
{
	(void)unused;
	_cleanup_(buffer_done) struct buffer buffer = { 0 };
	buffer_put_string(&buffer, NULL);
	char text[4] = "x";
	struct cursor cursor = cursor_over(buffer.data, buffer.length);
	cursor_string(&cursor, text, sizeof(text));
	assert_string_equal(text, "");
	assert_true(cursor_is_exhausted(&cursor));
}

static void a_buffer_that_cannot_grow_stays_failed(void **unused)
{
	(void)unused;
	_cleanup_(buffer_done) struct buffer buffer = { 0 };
	buffer_put_u8(&buffer, 7);
	/* More than any memory, and twice as much wraps to very little; nothing is read of it. */
	buffer_put(&buffer, "", SIZE_MAX / 2 + 4);
	assert_true(buffer.failed);
	buffer_put_u8(&buffer, 8);
	assert_int_equal(buffer.length, 1);
	assert_int_equal(buffer.data[0], 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_buffer_takes_a_cursor_gives_back),
		cmocka_unit_test(numbers_are_little_endian_on_the_outside),
		cmocka_unit_test(a_read_past_the_end_is_remembered),
		cmocka_unit_test(half_a_number_is_none),
		cmocka_unit_test(taking_more_than_there_is_yields_nothing),
		cmocka_unit_test(leftovers_are_not_exhaustion),
		cmocka_unit_test(a_string_that_does_not_fit_is_refused_not_cut),
		cmocka_unit_test(a_string_with_a_nul_inside_is_refused),
		cmocka_unit_test(a_string_longer_than_the_message_is_refused),
		cmocka_unit_test(no_string_is_an_empty_one),
		cmocka_unit_test(a_buffer_that_cannot_grow_stays_failed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
