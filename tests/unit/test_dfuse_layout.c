/* SPDX-License-Identifier: MIT */
/* Stories about the strings by which DfuSe devices tell their memories, as real ones do it. */
#include "unit/expect.h"

#include <errno.h>

#include "backend/dfuse_layout.h"

#define ALL (DFUSE_READABLE | DFUSE_ERASABLE | DFUSE_WRITABLE)

static struct dfuse_layout layout_of(const char *text)
{
	struct dfuse_layout layout;
	assert_int_equal(dfuse_layout_parse(text, &layout), 0);
	return layout;
}

static void expect_segment(const struct dfuse_layout *layout, size_t index, uint32_t start,
	uint32_t count, uint32_t bytes, unsigned rights)
{
	assert_true(index < layout->segment_count);
	const struct dfuse_segment *segment = &layout->segments[index];
	assert_int_equal(segment->start, start);
	assert_int_equal(segment->unit_count, count);
	assert_int_equal(segment->unit_bytes, bytes);
	assert_int_equal(segment->rights, rights);
}

static void an_f407_has_sectors_of_three_sizes(void **state)
{
	(void)state;
	struct dfuse_layout layout =
		layout_of("@Internal Flash  /0x08000000/04*016Kg,01*064Kg,07*128Kg");
	assert_string_equal(layout.name, "Internal Flash");
	assert_int_equal(layout.segment_count, 3);
	assert_false(layout.has_garbage);
	expect_segment(&layout, 0, 0x08000000, 4, 16384, ALL);
	expect_segment(&layout, 1, 0x08010000, 1, 65536, ALL);
	expect_segment(&layout, 2, 0x08020000, 7, 131072, ALL);
	assert_true(dfuse_layout_end(&layout, 0x08000000) == 0x08100000);
}

static void units_are_found_by_address(void **state)
{
	(void)state;
	struct dfuse_layout layout =
		layout_of("@Internal Flash  /0x08000000/04*016Kg,01*064Kg,07*128Kg");
	uint32_t start, bytes;
	assert_true(dfuse_layout_unit(&layout, 0x08000000, &start, &bytes));
	assert_true(start == 0x08000000 && bytes == 16384);
	assert_true(dfuse_layout_unit(&layout, 0x0801ffff, &start, &bytes));
	assert_true(start == 0x08010000 && bytes == 65536);
	assert_true(dfuse_layout_unit(&layout, 0x080fffff, &start, &bytes));
	assert_true(start == 0x080e0000 && bytes == 131072);
	assert_false(dfuse_layout_unit(&layout, 0x08100000, &start, &bytes));
	assert_false(dfuse_layout_unit(&layout, 0x07ffffff, &start, &bytes));
}

static void several_groups_and_all_ways_to_write_a_size(void **state)
{
	(void)state;
	struct dfuse_layout layout =
		layout_of("@Flash2 /0xF000/4*100Ba/0xE000/3*8Kg/0x80000/2*24Kg");
	assert_int_equal(layout.segment_count, 3);
	expect_segment(&layout, 0, 0xf000, 4, 100, DFUSE_READABLE);
	expect_segment(&layout, 1, 0xe000, 3, 8192, ALL);
	expect_segment(&layout, 2, 0x80000, 2, 24576, ALL);
	layout = layout_of("@Option Bytes   /0x1FFF7800/01*048 e/0x1FFFF800/01*048 e");
	expect_segment(&layout, 1, 0x1ffff800, 1, 48, DFUSE_READABLE | DFUSE_WRITABLE);
	layout = layout_of("@Option Bytes   /0x1FFF7800/01*40Be");
	expect_segment(&layout, 0, 0x1fff7800, 1, 40, DFUSE_READABLE | DFUSE_WRITABLE);
	layout = layout_of("@Option Bytes   /0x1FFF7800/01*40e");
	expect_segment(&layout, 0, 0x1fff7800, 1, 40, DFUSE_READABLE | DFUSE_WRITABLE);
	layout = layout_of("@Flash /0x08000000/1*1Mg,1000*04Kg");
	expect_segment(&layout, 0, 0x08000000, 1, 1 << 20, ALL);
	expect_segment(&layout, 1, 0x08100000, 1000, 4096, ALL);
	layout = layout_of("@Device Feature/0xFFFF0000/01*004 e");
	expect_segment(&layout, 0, 0xffff0000, 1, 4, DFUSE_READABLE | DFUSE_WRITABLE);
}

static void noise_behind_the_last_segment_is_noticed_and_left(void **state)
{
	(void)state;
	static const char *const ends[] = { "?", "x", ",", ",?", ",04", ",04*", ",04*016K", "/",
		"/0x", "/0x08", "/0x08000000", "/0x08000000/", "/zz", ",00*016Kg", ",04*016Kz" };
	for (size_t i = 0; i < ELEMENTSOF(ends); i++) {
		char text[DFUSE_TEXT_BYTES];
		snprintf(text, sizeof(text), "@Internal Flash  /0x08000000/04*016Kg,01*064Kg%s",
			ends[i]);
		struct dfuse_layout layout = layout_of(text);
		assert_int_equal(layout.segment_count, 2);
		assert_true(layout.has_garbage);
	}
	assert_false(layout_of("@Internal Flash  /0x08000000/04*016Kg  ").has_garbage);
}

static void what_is_no_layout_is_refused(void **state)
{
	(void)state;
	static const char *const texts[] = { "", "UNKNOWN", "@", "@Flash", "@Flash/", "@Flash/0x",
		"@Flash/0x08000000", "@Flash/0x08000000/", "@Flash/0x08000000/0*16Kg",
		"@Flash/0x08000000/4*0Kg", "@Flash/0x08000000/4*16Kh", "@Flash/0x108000000/4*16Kg",
		"@Flash/0x08000000/99999999999*16Kg", "@Flash/0xFFFFF000/4*16Kg",
		"@Flash/0x08000000/4294967295*4294967295Mg", "@Flash/08000000/4*16Kg" };
	for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
		struct dfuse_layout layout = { .segment_count = 99 };
		assert_int_equal(dfuse_layout_parse(texts[i], &layout), -EBADMSG);
		assert_int_equal(layout.segment_count, 99);
	}
}

static void memory_that_cannot_be_written_is_not_counted(void **state)
{
	(void)state;
	struct dfuse_layout layout = layout_of("@Flash /0x08000000/02*016Ka,02*016Kg");
	assert_true(dfuse_layout_end(&layout, 0x08000000) == 0x08000000);
	layout = layout_of("@Flash /0x08000000/02*016Kg,02*016Ka");
	assert_true(dfuse_layout_end(&layout, 0x08000000) == 0x08008000);
}

static void the_text_of_a_string_ends_where_noise_begins(void **state)
{
	(void)state;
	static const uint8_t clean[] = { 8, 3, 'a', 0, ' ', 0, 'z', 0 };
	static const uint8_t noisy[] = { 10, 3, 'a', 0, 'b', 0, 0x41, 0xd8, 'c', 0 };
	static const uint8_t ended[] = { 8, 3, 'a', 0, 0, 0, 0xff, 0xff };
	char text[DFUSE_TEXT_BYTES];
	assert_true(dfuse_text(clean, sizeof(clean), text));
	assert_string_equal(text, "a z");
	assert_false(dfuse_text(noisy, sizeof(noisy), text));
	assert_string_equal(text, "ab");
	assert_true(dfuse_text(ended, sizeof(ended), text));
	assert_string_equal(text, "a");
	/* Fewer bytes came than it claims, down to none. */
	for (size_t length = 0; length < sizeof(clean); length++) {
		_cleanup_(freep) uint8_t *copy = malloc(length + 1);
		assert_non_null(copy);
		memcpy(copy + 1, clean, length);
		dfuse_text(copy + 1, length, text);
		assert_int_equal(strlen(text), length < 4 ? 0 : (length - 2) / 2);
	}
}

int main(void)
{
	const struct CMUnitTest stories[] = {
		cmocka_unit_test(an_f407_has_sectors_of_three_sizes),
		cmocka_unit_test(units_are_found_by_address),
		cmocka_unit_test(several_groups_and_all_ways_to_write_a_size),
		cmocka_unit_test(noise_behind_the_last_segment_is_noticed_and_left),
		cmocka_unit_test(what_is_no_layout_is_refused),
		cmocka_unit_test(memory_that_cannot_be_written_is_not_counted),
		cmocka_unit_test(the_text_of_a_string_ends_where_noise_begins),
	};
	return cmocka_run_group_tests(stories, NULL, NULL);
}
