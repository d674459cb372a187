/* SPDX-License-Identifier: MIT */
#pragma once
/* What the stories about files share: one file is parsed, and what came of it is looked at. */
#include "unit/expect.h"

#include "base/bytes.h"
#include "model/image.h"
#include "unit/make_image.h"

#define FLASH 0x10000000u

struct table {
	struct reasons reasons;
	struct image *image;
};

static inline int set_table(void **state)
{
	*state = calloc(1, sizeof(struct table));
	return *state ? 0 : -1;
}

static inline int clear_table(void **state)
{
	struct table *table = *state;
	reasons_done(&table->reasons);
	image_free(table->image);
	free(table);
	return 0;
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, set_table, clear_table)

/* A copy of the exact size and at an odd address, so that the sanitizers see what is wrong. */
static inline int parse(struct table *table, const void *bytes, size_t length)
{
	_cleanup_(freep) uint8_t *copy = malloc(length + 1);
	assert_non_null(copy);
	memcpy(copy + 1, bytes, length);
	reasons_done(&table->reasons);
	table->image = image_free(table->image);
	return image_parse(copy + 1, length, &table->reasons, &table->image);
}

static inline void expect_accepted(
	struct table *table, const void *bytes, size_t length, enum image_format format)
{
	int r = parse(table, bytes, length);
	_cleanup_(freep) char *said = reasons_text(&table->reasons);
	if (r != 0)
		fail_msg("refused: %s", said);
	assert_int_equal(table->reasons.count, 0);
	assert_int_equal(table->image->format, format);
}

static inline void expect_refused(struct table *table, const void *bytes, size_t length,
	enum reason_code code, const char *words)
{
	assert_int_equal(parse(table, bytes, length), IMAGE_REJECTED);
	assert_null(table->image);
	expect_only_reason(&table->reasons, code, words);
}

static inline void expect_segment(
	struct table *table, size_t index, uint32_t address, const uint8_t *bytes, uint32_t length)
{
	assert_true(index < table->image->segment_count);
	const struct image_segment *segment = &table->image->segments[index];
	assert_int_equal(segment->address, address);
	assert_int_equal(segment->length, length);
	assert_memory_equal(segment->data, bytes, length);
}
