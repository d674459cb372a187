/* SPDX-License-Identifier: MIT */
/* Stories about images: what kind of file it is, one digest for one content, and the canonical
 * form. */
#include "unit/expect.h"

#include <errno.h>

#include "base/bytes.h"
#include "model/image.h"
#include "unit/make_image.h"

#define FLASH 0x10000000u

struct table {
	struct reasons reasons;
	struct image *image;
	struct buffer encoded;
};

static int set_table(void **state)
{
	*state = calloc(1, sizeof(struct table));
	return *state ? 0 : -1;
}

static int clear_table(void **state)
{
	struct table *table = *state;
	reasons_done(&table->reasons);
	image_free(table->image);
	buffer_done(&table->encoded);
	free(table);
	return 0;
}

static void expect_refused(struct table *table, const void *bytes, size_t length,
	enum reason_code code, const char *words)
{
	reasons_done(&table->reasons);
	assert_int_equal(
		image_parse(bytes, length, &table->reasons, &table->image), IMAGE_REJECTED);
	assert_null(table->image);
	expect_only_reason(&table->reasons, code, words);
}

static struct image *parse_made_uf2(struct table *table, const uint8_t *bytes, size_t length)
{
	size_t file_length;
	_cleanup_(freep) uint8_t *file =
		make_uf2(bytes, length, FLASH, MADE_FAMILY_RP2040, &file_length);
	struct image *image = NULL;
	assert_int_equal(image_parse(file, file_length, &table->reasons, &image), 0);
	return image;
}

static void a_raw_image_does_not_say_where_it_belongs(void **state)
{
	struct table *table = *state;
	_cleanup_(freep) uint8_t *bytes = make_bin(1000, 1);
	assert_int_equal(image_parse(bytes, 1000, &table->reasons, &table->image), 0);
	assert_int_equal(table->image->format, FORMAT_BIN);
	assert_false(table->image->has_address);
	assert_int_equal(table->image->segment_count, 1);
	assert_int_equal(table->image->byte_count, 1000);
	assert_memory_equal(table->image->segments[0].data, bytes, 1000);
	assert_int_equal(table->image->family_chip, CHIP_UNKNOWN);
}

static void a_uf2_says_where_and_for_whom(void **state)
{
	struct table *table = *state;
	_cleanup_(freep) uint8_t *bytes = make_bin(1000, 1);
	table->image = parse_made_uf2(table, bytes, 1000);
	assert_int_equal(table->image->format, FORMAT_UF2);
	assert_true(table->image->has_address);
	assert_int_equal(table->image->uf2_family, MADE_FAMILY_RP2040);
	assert_int_equal(table->image->family_chip, CHIP_RP2040);
	assert_int_equal(image_start(table->image), FLASH);
	assert_true(image_end(table->image) == FLASH + 1024); /* filled up to whole pages */
}

static void one_content_in_two_formats_has_one_digest(void **state)
{
	struct table *table = *state;
	_cleanup_(freep) uint8_t *bytes = make_bin(1024, 1);
	table->image = parse_made_uf2(table, bytes, 1024);
	_cleanup_(image_freep) struct image *raw = NULL;
	assert_int_equal(image_parse(bytes, 1024, &table->reasons, &raw), 0);
	assert_int_equal(image_place(raw, FLASH, &table->reasons), 0);
	assert_memory_equal(&raw->digest, &table->image->digest, sizeof(raw->digest));
}

static void the_place_of_an_image_is_part_of_its_digest(void **state)
{
	struct table *table = *state;
	_cleanup_(freep) uint8_t *bytes = make_bin(512, 1);
	assert_int_equal(image_parse(bytes, 512, &table->reasons, &table->image), 0);
	struct digest before = table->image->digest;
	assert_int_equal(image_place(table->image, FLASH, &table->reasons), 0);
	assert_true(table->image->has_address);
	assert_int_equal(image_start(table->image), FLASH);
	assert_memory_not_equal(&table->image->digest, &before, sizeof(before));
}

static void an_image_is_not_placed_over_the_edge(void **state)
{
	struct table *table = *state;
	_cleanup_(freep) uint8_t *bytes = make_bin(512, 1);
	assert_int_equal(image_parse(bytes, 512, &table->reasons, &table->image), 0);
	struct digest before = table->image->digest;
	assert_int_equal(image_place(table->image, 0xFFFFFE01, &table->reasons), IMAGE_REJECTED);
	expect_only_reason(&table->reasons, REASON_OUTSIDE_FLASH, "past the end");
	assert_false(table->image->has_address);
	assert_memory_equal(&table->image->digest, &before, sizeof(before));
}

static void every_byte_counts_in_the_digest(void **state)
{
	struct table *table = *state;
	_cleanup_(freep) uint8_t *bytes = make_bin(512, 1);
	assert_int_equal(image_parse(bytes, 512, &table->reasons, &table->image), 0);
	bytes[511] ^= 1;
	_cleanup_(image_freep) struct image *other = NULL;
	assert_int_equal(image_parse(bytes, 512, &table->reasons, &other), 0);
	assert_memory_not_equal(&other->digest, &table->image->digest, sizeof(other->digest));
}

static void files_that_are_something_else_are_refused_by_name(void **state)
{
	static const struct {
		const char *magic;
		const char *name;
	} files[] = {
		{ "PK\x03\x04", "a zip archive" },
		{ "S0030000FC\r\n", "a Motorola S-record file" },
		{ "S0030000FC\r\n", "reads .uf2, .bin, .elf, .hex and .dfu" },
		{ "BZh91AY", "a bzip2 file" },
		{ "\3757zXZ\xff", "an xz file" },
		{ "<!DOCTYPE html>", "a web page" },
		{ "version https://git-lfs.github.com/spec/v1", "git-lfs" },
	};
	struct table *table = *state;
	for (size_t i = 0; i < ELEMENTSOF(files); i++) {
		uint8_t bytes[1024];
		make_noise(bytes, sizeof(bytes), (uint32_t)i);
		memcpy(bytes, files[i].magic, strlen(files[i].magic));
		expect_refused(table, bytes, sizeof(bytes), REASON_IMAGE_FORMAT, files[i].name);
		/* Small ones are named too, rather than called too short. */
		expect_refused(
			table, bytes, strlen(files[i].magic), REASON_IMAGE_FORMAT, files[i].name);
	}
}

static void a_raw_image_may_begin_with_a_colon(void **state)
{
	struct table *table = *state;
	_cleanup_(freep) uint8_t *bytes = make_bin(512, 1);
	memcpy(bytes, ":0200 no hexadecimal", 20);
	assert_int_equal(image_parse(bytes, 512, &table->reasons, &table->image), 0);
}

static void too_short_for_a_firmware_is_refused(void **state)
{
	struct table *table = *state;
	_cleanup_(freep) uint8_t *bytes = make_bin(512, 1);
	expect_refused(table, bytes, 511, REASON_IMAGE_TRUNCATED, "511 bytes");
	expect_refused(table, bytes, 0, REASON_IMAGE_TRUNCATED, "0 bytes");
	expect_refused(table, "UF2\n", 4, REASON_IMAGE_TRUNCATED, "block 0 (4 of its 512");
}

static void too_large_for_any_board_is_refused(void **state)
{
	struct table *table = *state;
	size_t length = IMAGE_FILE_MAX + 1;
	_cleanup_(freep) uint8_t *bytes = calloc(1, length);
	assert_non_null(bytes);
	expect_refused(table, bytes, length, REASON_IMAGE_TOO_LARGE, "larger than");
	expect_refused(table, bytes, IMAGE_BYTES_MAX + 1, REASON_IMAGE_TOO_LARGE, "16384 KiB");
	assert_int_equal(image_parse(bytes, IMAGE_BYTES_MAX, &table->reasons, &table->image), 0);
}

/* A file as long as any that is read, of blocks that touch each other or not. */
static uint8_t *make_longest_uf2(uint32_t length, uint32_t step, size_t *ret_length)
{
	static const uint8_t payload[476];
	uint32_t count = IMAGE_FILE_MAX / MADE_BLOCK;
	uint8_t *file = malloc((size_t)count * MADE_BLOCK);
	assert_non_null(file);
	for (uint32_t i = 0; i < count; i++) {
		struct made_block block = { .address = FLASH + (count - i) * step,
			.number = i,
			.count = count,
			.payload = payload,
			.length = length };
		make_uf2_block(&block, file + (size_t)i * MADE_BLOCK);
	}
	*ret_length = (size_t)count * MADE_BLOCK;
	return file;
}

static void a_uf2_with_too_much_in_it_is_refused(void **state)
{
	size_t length;
	_cleanup_(freep) uint8_t *bytes = make_longest_uf2(476, 476, &length);
	expect_refused(*state, bytes, length, REASON_IMAGE_TOO_LARGE, "KiB, and no board");
}

static void a_uf2_in_too_many_pieces_is_refused(void **state)
{
	size_t length;
	_cleanup_(freep) uint8_t *bytes = make_longest_uf2(4, 8, &length);
	expect_refused(*state, bytes, length, REASON_IMAGE_INCONSISTENT, "scatters over 67584");
}

/* An image of two segments: [flash, +512) and [flash + 0x1000, +256). */
static struct image *make_two_segments(struct table *table)
{
	_cleanup_(freep) uint8_t *bytes = make_bin(768, 1);
	size_t length;
	_cleanup_(freep) uint8_t *file = make_uf2(bytes, 768, FLASH, MADE_FAMILY_RP2040, &length);
	write_u32(file + 2 * MADE_BLOCK + 12, FLASH + 0x1000);
	struct image *image = NULL;
	assert_int_equal(image_parse(file, length, &table->reasons, &image), 0);
	assert_int_equal(image->segment_count, 2);
	return image;
}

static void what_is_encoded_is_decoded_and_nothing_is_lost(void **state)
{
	struct table *table = *state;
	table->image = make_two_segments(table);
	image_encode(table->image, &table->encoded);
	assert_false(table->encoded.failed);

	_cleanup_(image_freep) struct image *twin = NULL;
	assert_int_equal(image_decode(table->encoded.data, table->encoded.length, &twin), 0);
	assert_true(twin->has_address);
	assert_int_equal(twin->segment_count, 2);
	assert_int_equal(twin->byte_count, 768);
	assert_memory_equal(&twin->digest, &table->image->digest, sizeof(twin->digest));
	for (size_t i = 0; i < 2; i++) {
		const struct image_segment *left = &twin->segments[i];
		const struct image_segment *right = &table->image->segments[i];
		assert_int_equal(left->address, right->address);
		assert_int_equal(left->length, right->length);
		assert_memory_equal(left->data, right->data, left->length);
	}
}

static void the_digest_is_that_of_the_canonical_bytes(void **state)
{
	struct table *table = *state;
	table->image = make_two_segments(table);
	image_encode(table->image, &table->encoded);
	struct digest_state *sum = digest_new();
	digest_add(sum, table->encoded.data, table->encoded.length);
	struct digest digest = digest_finish(sum);
	assert_memory_equal(&digest, &table->image->digest, sizeof(digest));
}

static int decode_copy(const uint8_t *bytes, size_t length)
{
	/* Of the exact size, so that the sanitizer sees a read past the end. */
	_cleanup_(freep) uint8_t *copy = malloc(length + 1);
	assert_non_null(copy);
	memcpy(copy + 1, bytes, length);
	_cleanup_(image_freep) struct image *image = NULL;
	return image_decode(copy + 1, length, &image);
}

static void nothing_shorter_or_longer_is_decoded(void **state)
{
	struct table *table = *state;
	table->image = make_two_segments(table);
	image_encode(table->image, &table->encoded);
	for (size_t length = 0; length < table->encoded.length; length++)
		assert_int_equal(decode_copy(table->encoded.data, length), -EBADMSG);
	buffer_put_u8(&table->encoded, 0);
	assert_int_equal(decode_copy(table->encoded.data, table->encoded.length), -EBADMSG);
}

static void put_segment(struct buffer *buffer, uint32_t address, uint32_t length)
{
	static const uint8_t bytes[64];
	buffer_put_u32(buffer, address);
	buffer_put_u32(buffer, length);
	buffer_put(buffer, bytes, length < sizeof(bytes) ? length : sizeof(bytes));
}

static int decode_segments(size_t count, const uint32_t (*segments)[2])
{
	_cleanup_(buffer_done) struct buffer buffer = { 0 };
	buffer_put(&buffer, "PFI1", 4);
	buffer_put_u32(&buffer, (uint32_t)count);
	for (size_t i = 0; i < count; i++)
		put_segment(&buffer, segments[i][0], segments[i][1]);
	return decode_copy(buffer.data, buffer.length);
}

static void there_is_one_form_for_one_content(void **state)
{
	(void)state;
	const uint32_t good[][2] = { { 0, 16 }, { 17, 16 } };
	const uint32_t touching[][2] = { { 0, 16 }, { 16, 16 } };
	const uint32_t overlapping[][2] = { { 0, 16 }, { 15, 16 } };
	const uint32_t descending[][2] = { { 32, 16 }, { 0, 16 } };
	const uint32_t empty[][2] = { { 0, 16 }, { 32, 0 } };
	const uint32_t wrapping[][2] = { { 0, 16 }, { 0xFFFFFFF8, 16 } };
	const uint32_t endless[][2] = { { 0, 16 }, { 32, 0xFFFFFFF0 } };
	assert_int_equal(decode_segments(2, good), 0);
	assert_int_equal(decode_segments(2, touching), -EBADMSG);
	assert_int_equal(decode_segments(2, overlapping), -EBADMSG);
	assert_int_equal(decode_segments(2, descending), -EBADMSG);
	assert_int_equal(decode_segments(2, empty), -EBADMSG);
	assert_int_equal(decode_segments(2, wrapping), -EBADMSG);
	assert_int_equal(decode_segments(2, endless), -EBADMSG);
	assert_int_equal(decode_segments(0, NULL), -EBADMSG);
}

static void a_lying_number_of_segments_costs_no_memory(void **state)
{
	(void)state;
	assert_int_equal(decode_copy((const uint8_t *)"PFI1\xff\xff\xff\xff", 8), -EBADMSG);
	assert_int_equal(decode_copy((const uint8_t *)"PFI2\x01\x00\x00\x00", 8), -EBADMSG);
}

static void copying_leaves_the_holes_as_they_were(void **state)
{
	struct table *table = *state;
	table->image = make_two_segments(table);
	const struct image_segment *low = &table->image->segments[0];
	const struct image_segment *high = &table->image->segments[1];
	uint8_t copy[0x2000];
	memset(copy, 0xA5, sizeof(copy));
	assert_int_equal(image_copy(table->image, FLASH, sizeof(copy), copy), 768);
	assert_memory_equal(copy, low->data, 512);
	assert_memory_equal(copy + 0x1000, high->data, 256);
	assert_int_equal(copy[512], 0xA5);
	assert_int_equal(copy[0xFFF], 0xA5);
	assert_int_equal(copy[0x1100], 0xA5);
}

static void copying_takes_any_cut(void **state)
{
	struct table *table = *state;
	table->image = make_two_segments(table);
	const struct image_segment *low = &table->image->segments[0];
	uint8_t copy[256];
	assert_int_equal(image_copy(table->image, FLASH + 100, 7, copy), 7);
	assert_memory_equal(copy, low->data + 100, 7);
	assert_int_equal(image_copy(table->image, FLASH - 8, 16, copy), 8);
	assert_memory_equal(copy + 8, low->data, 8);
	assert_int_equal(image_copy(table->image, FLASH + 508, 16, copy), 4);
	assert_int_equal(image_copy(table->image, FLASH + 512, 256, copy), 0);
	assert_int_equal(image_copy(table->image, FLASH, 0, copy), 0);
	assert_int_equal(image_copy(table->image, 0xFFFFFFFF, 256, copy), 0);
}

static void formats_have_names(void **state)
{
	(void)state;
	assert_string_equal(image_format_name(FORMAT_BIN), "bin");
	assert_string_equal(image_format_name(FORMAT_UF2), "uf2");
	assert_string_equal(image_format_name(FORMAT_DFUSE), "dfuse");
	assert_string_equal(image_format_name(FORMAT_UNKNOWN), "unknown");
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, set_table, clear_table)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(a_raw_image_does_not_say_where_it_belongs),
		STORY(a_uf2_says_where_and_for_whom),
		STORY(one_content_in_two_formats_has_one_digest),
		STORY(the_place_of_an_image_is_part_of_its_digest),
		STORY(an_image_is_not_placed_over_the_edge),
		STORY(every_byte_counts_in_the_digest),
		STORY(files_that_are_something_else_are_refused_by_name),
		STORY(a_raw_image_may_begin_with_a_colon),
		STORY(too_short_for_a_firmware_is_refused),
		STORY(too_large_for_any_board_is_refused),
		STORY(a_uf2_with_too_much_in_it_is_refused),
		STORY(a_uf2_in_too_many_pieces_is_refused),
		STORY(what_is_encoded_is_decoded_and_nothing_is_lost),
		STORY(the_digest_is_that_of_the_canonical_bytes),
		STORY(nothing_shorter_or_longer_is_decoded),
		STORY(there_is_one_form_for_one_content),
		STORY(a_lying_number_of_segments_costs_no_memory),
		STORY(copying_leaves_the_holes_as_they_were),
		STORY(copying_takes_any_cut),
		STORY(formats_have_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
