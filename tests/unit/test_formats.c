/* SPDX-License-Identifier: MIT */
/* Stories about one firmware in all the files that it can come as. */
#include "unit/image_story.h"

#define BYTES 70144u /* whole blocks of UF2, and over a border of 64 KiB */

struct made_file {
	enum image_format format;
	uint8_t *bytes;
	size_t length;
};

enum { FILES = 6 };

static void make_files(const struct made_segment *segment, struct made_file ret[FILES])
{
	struct made_file *file = ret;
	*file = (struct made_file){ .format = FORMAT_BIN, .length = segment->length };
	file->bytes = malloc(segment->length);
	assert_non_null(file->bytes);
	memcpy(file++->bytes, segment->data, segment->length);

	file->format = FORMAT_UF2;
	file->bytes = make_uf2(segment->data, segment->length, segment->address, MADE_FAMILY_RP2040,
		&file->length);
	file++;
	file->format = FORMAT_ELF;
	file->bytes = make_elf(segment, 1, &file->length);
	file++;
	file->format = FORMAT_HEX;
	file->bytes = make_hex(segment, 1, &file->length);
	file++;
	file->format = FORMAT_DFUSE;
	file->bytes = make_dfuse(segment, 1, &file->length);
	file++;
	file->format = FORMAT_DFU;
	file->bytes = make_dfu(segment->data, segment->length, &file->length);
}

static struct digest digest_of(struct table *table, const struct made_file *file)
{
	expect_accepted(table, file->bytes, file->length, file->format);
	if (!table->image->has_address)
		assert_int_equal(image_place(table->image, FLASH, &table->reasons), 0);
	assert_int_equal(table->image->segment_count, 1);
	return table->image->digest;
}

static void one_firmware_has_one_digest_in_all_formats(void **state)
{
	struct table *table = *state;
	struct made_file files[FILES] = { 0 };
	_cleanup_(freep) uint8_t *bytes = make_bin(BYTES, 1);
	make_files(&(struct made_segment){ FLASH, bytes, BYTES }, files);
	struct digest expected = digest_of(table, &files[0]);
	for (size_t i = 0; i < FILES; i++) {
		struct digest digest = digest_of(table, &files[i]);
		assert_memory_equal(&digest, &expected, sizeof(digest));

		struct made_file packed = files[i];
		packed.bytes = make_gzip(files[i].bytes, files[i].length, &packed.length);
		digest = digest_of(table, &packed);
		assert_true(table->image->is_gzip);
		assert_memory_equal(&digest, &expected, sizeof(digest));
		free(packed.bytes);
		free(files[i].bytes);
	}
}

/* What a UF2 fills its last block with is written too, so it is another content. */
static void a_uf2_that_was_filled_up_has_a_digest_of_its_own(void **state)
{
	struct table *table = *state;
	struct made_file files[FILES] = { 0 };
	_cleanup_(freep) uint8_t *bytes = calloc(1, BYTES);
	assert_non_null(bytes);
	make_noise(bytes, BYTES - 1, 1);
	make_files(&(struct made_segment){ FLASH, bytes, BYTES - 1 }, files);
	struct digest expected = digest_of(table, &files[0]);
	for (size_t i = 0; i < FILES; i++) {
		struct digest digest = digest_of(table, &files[i]);
		bool same = memcmp(&digest, &expected, sizeof(digest)) == 0;
		assert_int_equal(same, files[i].format != FORMAT_UF2);
		free(files[i].bytes);
	}
	/* It is that of the bytes with the filling. */
	struct made_file whole[FILES] = { 0 };
	make_files(&(struct made_segment){ FLASH, bytes, BYTES }, whole);
	struct digest uf2 = digest_of(table, &whole[1]), bin = digest_of(table, &whole[0]);
	assert_memory_equal(&uf2, &bin, sizeof(uf2));
	for (size_t i = 0; i < FILES; i++)
		free(whole[i].bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(one_firmware_has_one_digest_in_all_formats),
		STORY(a_uf2_that_was_filled_up_has_a_digest_of_its_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
