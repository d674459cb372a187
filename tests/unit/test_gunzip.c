/* SPDX-License-Identifier: MIT */
/* Stories about packed files: what is inside counts, and none of them costs more than it may. */
#include "unit/image_story.h"

/* A gzip file of `count` zeros, in one stream. */
static uint8_t *make_zeros(size_t count, size_t *ret_length)
{
	_cleanup_(freep) uint8_t *zeros = calloc(1, count);
	assert_non_null(zeros);
	return make_gzip(zeros, count, ret_length);
}

/* The same behind 100 KiB of noise, as a program padded to the end of a flash. */
static uint8_t *make_padded(size_t count, size_t *ret_length)
{
	_cleanup_(freep) uint8_t *bytes = calloc(1, count);
	_cleanup_(freep) uint8_t *noise = make_bin(100 << 10, 1);
	assert_non_null(bytes);
	memcpy(bytes, noise, count < 100 << 10 ? count : 100 << 10);
	return make_gzip(bytes, count, ret_length);
}

static uint8_t *join(
	const uint8_t *left, size_t left_length, const uint8_t *right, size_t right_length)
{
	uint8_t *file = malloc(left_length + right_length);
	assert_non_null(file);
	memcpy(file, left, left_length);
	memcpy(file + left_length, right, right_length);
	return file;
}

static void what_is_inside_counts(void **state)
{
	struct table *table = *state;
	_cleanup_(freep) uint8_t *bytes = make_bin(100000, 1);
	size_t length;
	_cleanup_(freep) uint8_t *file = make_gzip(bytes, 100000, &length);
	expect_accepted(table, file, length, FORMAT_BIN);
	assert_true(table->image->is_gzip);
	assert_false(table->image->has_address);
	expect_segment(table, 0, 0, bytes, 100000);
	expect_accepted(table, bytes, 100000, FORMAT_BIN);
	assert_false(table->image->is_gzip);
}

static void what_is_refused_inside_is_refused(void **state)
{
	size_t length;
	_cleanup_(freep) uint8_t *file = make_gzip((const uint8_t *)"UF2\n", 4, &length);
	expect_refused(*state, file, length, REASON_IMAGE_TRUNCATED, "the middle of block 0");
	_cleanup_(freep) uint8_t *empty = make_gzip((const uint8_t *)"", 0, &length);
	expect_refused(*state, empty, length, REASON_IMAGE_TRUNCATED, "0 bytes");
}

static void several_in_a_row_are_one(void **state)
{
	struct table *table = *state;
	_cleanup_(freep) uint8_t *bytes = make_bin(3000, 1);
	size_t first_length, second_length;
	_cleanup_(freep) uint8_t *first = make_gzip(bytes, 1000, &first_length);
	_cleanup_(freep) uint8_t *second = make_gzip(bytes + 1000, 2000, &second_length);
	_cleanup_(freep) uint8_t *file = join(first, first_length, second, second_length);
	expect_accepted(table, file, first_length + second_length, FORMAT_BIN);
	expect_segment(table, 0, 0, bytes, 3000);
}

static void something_behind_it_is_refused(void **state)
{
	_cleanup_(freep) uint8_t *bytes = make_bin(1000, 1);
	size_t length;
	_cleanup_(freep) uint8_t *packed = make_gzip(bytes, 1000, &length);
	_cleanup_(freep) uint8_t *file = join(packed, length, (const uint8_t *)"\0\0\0", 3);
	expect_refused(*state, file, length + 3, REASON_IMAGE_INCONSISTENT,
		"there are 3 bytes of something else");
}

static void packed_twice_is_refused(void **state)
{
	_cleanup_(freep) uint8_t *bytes = make_bin(1000, 1);
	size_t once_length, length;
	_cleanup_(freep) uint8_t *once = make_gzip(bytes, 1000, &once_length);
	_cleanup_(freep) uint8_t *file = make_gzip(once, once_length, &length);
	expect_refused(*state, file, length, REASON_IMAGE_FORMAT, "packed with gzip twice");
}

static void cut_anywhere_it_is_truncated(void **state)
{
	_cleanup_(freep) uint8_t *bytes = make_bin(1000, 1);
	size_t length;
	_cleanup_(freep) uint8_t *file = make_gzip(bytes, 1000, &length);
	for (size_t cut = 2; cut < length; cut++)
		expect_refused(*state, file, cut, REASON_IMAGE_TRUNCATED, "cut short");
}

static void damage_is_noticed_by_the_checksum(void **state)
{
	_cleanup_(freep) uint8_t *bytes = make_bin(1000, 1);
	size_t length;
	_cleanup_(freep) uint8_t *file = make_gzip(bytes, 1000, &length);
	file[length - 8] ^= 1; /* the checksum itself */
	expect_refused(*state, file, length, REASON_IMAGE_INCONSISTENT, "makes no sense behind");
	file[length - 8] ^= 1;
	file[length - 4] ^= 1; /* the length */
	expect_refused(*state, file, length, REASON_IMAGE_INCONSISTENT, "makes no sense behind");
	file[length - 4] ^= 1;
	file[2] = 7; /* another way to pack */
	expect_refused(*state, file, length, REASON_IMAGE_INCONSISTENT, "makes no sense behind");
	file[2] = 8;
	file[500] ^= 0x10; /* the content */
	expect_refused(*state, file, length, REASON_IMAGE_INCONSISTENT, "makes no sense behind");
}

static void what_unpacks_to_too_much_is_refused(void **state)
{
	struct table *table = *state;
	size_t length;
	_cleanup_(freep) uint8_t *most = make_padded(IMAGE_FILE_MAX, &length);
	expect_refused(table, most, length, REASON_IMAGE_TOO_LARGE, "the file holds 33792 KiB");
	_cleanup_(freep) uint8_t *more = make_padded(IMAGE_FILE_MAX + 1, &length);
	expect_refused(table, more, length, REASON_IMAGE_TOO_LARGE,
		"what is packed in the gzip file is larger than 33792 KiB");
	/* Also when its own word about its length lies, or it comes in parts. */
	write_u32(more + length - 4, 1000);
	expect_refused(table, more, length, REASON_IMAGE_TOO_LARGE, "what is packed");
	_cleanup_(freep) uint8_t *half = make_padded(IMAGE_FILE_MAX / 2 + 1, &length);
	_cleanup_(freep) uint8_t *both = join(half, length, half, length);
	expect_refused(table, both, 2 * length, REASON_IMAGE_TOO_LARGE, "what is packed");
}

/* Nearly nothing that swells to very much: that is known long before the limit. */
static void what_swells_like_no_firmware_is_refused(void **state)
{
	struct table *table = *state;
	size_t length;
	_cleanup_(freep) uint8_t *bomb = make_zeros(IMAGE_FILE_MAX, &length);
	expect_refused(table, bomb, length, REASON_IMAGE_TOO_LARGE, "of almost nothing");
	_cleanup_(freep) uint8_t *padded = make_padded(IMAGE_BYTES_MAX, &length);
	expect_accepted(table, padded, length, FORMAT_BIN);
}

/* Each block makes the unpacker build tables, and ten bytes can hold one. */
static void endless_blocks_are_refused(void **state)
{
	struct table *table = *state;
	size_t length;
	_cleanup_(freep) uint8_t *empty = make_gzip((const uint8_t *)"", 0, &length);
	size_t count = 70000;
	_cleanup_(freep) uint8_t *file = malloc(count * length);
	assert_non_null(file);
	for (size_t i = 0; i < count; i++)
		memcpy(file + i * length, empty, length);
	expect_refused(
		table, file, count * length, REASON_IMAGE_INCONSISTENT, "more than 65536 blocks");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(what_is_inside_counts),
		STORY(what_is_refused_inside_is_refused),
		STORY(several_in_a_row_are_one),
		STORY(something_behind_it_is_refused),
		STORY(packed_twice_is_refused),
		STORY(cut_anywhere_it_is_truncated),
		STORY(damage_is_noticed_by_the_checksum),
		STORY(what_unpacks_to_too_much_is_refused),
		STORY(what_swells_like_no_firmware_is_refused),
		STORY(endless_blocks_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
