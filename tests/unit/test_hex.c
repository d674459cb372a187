/* SPDX-License-Identifier: MIT */
/* Stories about Intel HEX files. */
#include "unit/image_story.h"

static void expect_text(struct table *table, const char *text)
{
	expect_accepted(table, text, strlen(text), FORMAT_HEX);
}

static void expect_bad(
	struct table *table, const char *text, enum reason_code code, const char *words)
{
	expect_refused(table, text, strlen(text), code, words);
}

static void lines_become_segments_at_their_addresses(void **state)
{
	struct table *table = *state;
	_cleanup_(freep) uint8_t *bytes = make_bin(70000, 1);
	const struct made_segment segments[] = {
		{ FLASH + 0xFFF0, bytes, 70000 }, /* over two borders of 64 KiB */
		{ FLASH + 7, bytes, 513 },
	};
	size_t length;
	_cleanup_(freep) uint8_t *file = make_hex(segments, 2, &length);
	expect_accepted(table, file, length, FORMAT_HEX);
	assert_true(table->image->has_address);
	assert_int_equal(table->image->segment_count, 2);
	expect_segment(table, 0, FLASH + 7, bytes, 513);
	expect_segment(table, 1, FLASH + 0xFFF0, bytes, 70000);
}

static void all_line_ends_and_both_cases_are_read(void **state)
{
	struct table *table = *state;
	static const uint8_t bytes[] = { 0xAB, 0xCD, 0xEF };
	expect_text(table, "\r\n :03001000ABCDEF86\r\n\n:03001300abcdef83 \n:00000001ff\r\n \n\n");
	assert_int_equal(table->image->segment_count, 1);
	assert_int_equal(table->image->byte_count, 6);
	assert_int_equal(image_start(table->image), 0x10);
	assert_memory_equal(table->image->segments[0].data, bytes, 3);
	expect_text(table, ":03001000ABCDEF86\r:00000001FF"); /* and none behind the last */
}

static void lines_may_come_in_any_order(void **state)
{
	struct table *table = *state;
	static const uint8_t bytes[] = { 1, 2, 3 };
	expect_text(table, ":0100020003FA\n:0100000001FE\n:0100010002FC\n:00000001FF\n");
	assert_int_equal(table->image->segment_count, 1);
	expect_segment(table, 0, 0, bytes, 3);
}

static void a_segment_address_wraps_at_64_kib_and_a_linear_one_does_not(void **state)
{
	struct table *table = *state;
	static const uint8_t wrapped[] = { 3, 4 }, straight[] = { 1, 2, 3, 4 };
	/* 0x12340 + 0xFFFE, two bytes there and two at 0x12340. */
	expect_text(table, ":020000021234B6\n:04FFFE0001020304F5\n:00000001FF\n");
	assert_int_equal(table->image->segment_count, 2);
	expect_segment(table, 0, 0x12340, wrapped, 2);
	expect_segment(table, 1, 0x2233E, straight, 2);
	expect_text(table, ":020000041000EA\n:04FFFE0001020304F5\n:00000001FF\n");
	assert_int_equal(table->image->segment_count, 1);
	expect_segment(table, 0, 0x1000FFFE, straight, 4);
}

static void where_it_starts_is_read_and_left_alone(void **state)
{
	expect_text(
		*state, ":0400000508000131BD\n:0400000300003800C1\n:0100000001FE\n:00000001FF\n");
}

static void a_byte_may_come_twice_if_it_is_the_same(void **state)
{
	struct table *table = *state;
	expect_text(table, ":0100000001FE\n:0100000001FE\n:00000001FF\n");
	assert_int_equal(table->image->byte_count, 1);
	expect_bad(table, ":0100000001FE\n:0100000002FD\n:00000001FF\n", REASON_IMAGE_INCONSISTENT,
		"two different things about what belongs at address 0x00000000");
}

static void what_is_cut_short_is_noticed_wherever_it_was(void **state)
{
	struct table *table = *state;
	static const char text[] = ":020000041000EA\n:0100000001FE\n:00000001FF";
	for (size_t length = 11; length < sizeof(text) - 1; length++)
		expect_refused(table, text, length, REASON_IMAGE_TRUNCATED, "cut short");
	expect_bad(table, ":020000041000EA\n:0100000001FE\n", REASON_IMAGE_TRUNCATED,
		"without the record that ends it");
}

static void damage_is_named_by_its_line(void **state)
{
	static const struct {
		const char *text;
		const char *words;
	} files[] = {
		{ ":020000041000EA\n:0100000002FE\n:00000001FF\n", "checksum of line 2" },
		{ ":020000041000EA\n:01000000x1FE\n:00000001FF\n",
			"line 2 of the Intel HEX file is shorter" },
		{ ":020000041000EA\n:0100000001\n:00000001FF\n",
			"line 2 of the Intel HEX file is shorter" },
		{ ":020000041000EA\n:0100000001FE00\n:00000001FF\n",
			"line 2 of the Intel HEX file holds something" },
		{ ":020000041000EA\nnonsense\n:00000001FF\n",
			"line 2 of the Intel HEX file holds something" },
		{ ":020000041000EA\n:00000006FA\n:00000001FF\n", "of type 0x06" },
	};
	struct table *table = *state;
	for (size_t i = 0; i < ELEMENTSOF(files); i++)
		expect_bad(table, files[i].text, REASON_IMAGE_INCONSISTENT, files[i].words);
}

static void records_have_the_length_of_their_type(void **state)
{
	struct table *table = *state;
	expect_bad(table, ":0100000410EB\n", REASON_IMAGE_INCONSISTENT,
		"of type 0x04 and holds 1 bytes, where 2 belong");
	expect_bad(table, ":03000002100000EB\n", REASON_IMAGE_INCONSISTENT,
		"of type 0x02 and holds 3");
	expect_bad(table, ":03000003080000F2\n", REASON_IMAGE_INCONSISTENT,
		"of type 0x03 and holds 3");
	expect_bad(table, ":03000005080000F0\n", REASON_IMAGE_INCONSISTENT,
		"of type 0x05 and holds 3");
	expect_bad(table, ":0100000100FE\n", REASON_IMAGE_INCONSISTENT, "of type 0x01 and holds 1");
}

static void nothing_but_blanks_follows_the_end(void **state)
{
	struct table *table = *state;
	expect_bad(table, ":0100000001FE\n:00000001FF\n:0100000001FE\n", REASON_IMAGE_INCONSISTENT,
		"line 3 of the Intel HEX file follows behind");
	expect_bad(table, ":0100000001FE\n:00000001FF\nmore", REASON_IMAGE_INCONSISTENT, "line 3");
	/* The NUL of the string. */
	expect_refused(
		table, ":0100000001FE\n:00000001FF\n", 27, REASON_IMAGE_INCONSISTENT, "line 3");
}

static void an_address_that_would_wrap_is_refused(void **state)
{
	expect_bad(*state, ":02000004FFFFFC\n:04FFFE0001020304F5\n:00000001FF\n",
		REASON_IMAGE_INCONSISTENT, "line 2 of the Intel HEX file runs past the end");
}

static void a_file_without_a_byte_is_no_firmware(void **state)
{
	struct table *table = *state;
	expect_bad(table, ":00000001FF\n", REASON_IMAGE_FORMAT, "Intel HEX file holds nothing");
}

static void too_many_places_are_refused(void **state)
{
	struct table *table = *state;
	char *text = NULL;
	size_t length;
	FILE *stream = open_memstream(&text, &length);
	assert_non_null(stream);
	for (unsigned i = 0; i <= IMAGE_SEGMENTS_MAX; i++)
		fprintf(stream, ":01%04X0000%02X\n", 2 * i, (uint8_t) - (1 + (2 * i >> 8) + 2 * i));
	fprintf(stream, ":00000001FF\n");
	fclose(stream);
	_cleanup_(freep) char *owned = text;
	expect_refused(table, owned, length, REASON_IMAGE_INCONSISTENT, "scatters over 4097");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(lines_become_segments_at_their_addresses),
		STORY(all_line_ends_and_both_cases_are_read),
		STORY(lines_may_come_in_any_order),
		STORY(a_segment_address_wraps_at_64_kib_and_a_linear_one_does_not),
		STORY(where_it_starts_is_read_and_left_alone),
		STORY(a_byte_may_come_twice_if_it_is_the_same),
		STORY(what_is_cut_short_is_noticed_wherever_it_was),
		STORY(damage_is_named_by_its_line),
		STORY(records_have_the_length_of_their_type),
		STORY(nothing_but_blanks_follows_the_end),
		STORY(an_address_that_would_wrap_is_refused),
		STORY(a_file_without_a_byte_is_no_firmware),
		STORY(too_many_places_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
