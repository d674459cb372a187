/* SPDX-License-Identifier: MIT */
/* Stories about UF2 files: whole ones in any order, and all the ways in which one can be broken. */
#include "unit/expect.h"

#include "base/bytes.h"
#include "model/uf2.h"
#include "unit/make_image.h"

#define FLASH 0x10000000u

/* A file under construction, and what came out of it. */
struct file {
	uint8_t bytes[64 * MADE_BLOCK];
	size_t length;
	uint8_t payload[8192];
	struct reasons reasons;
	struct image *image;
};

static int make_file(void **state)
{
	struct file *file = calloc(1, sizeof(*file));
	if (!file)
		return -1;
	make_noise(file->payload, sizeof(file->payload), 1);
	*state = file;
	return 0;
}

static int release_file(void **state)
{
	struct file *file = *state;
	reasons_done(&file->reasons);
	file->image = image_free(file->image);
	free(file);
	return 0;
}

/* Block `number` of `count`, with 256 bytes of the payload at their place. */
static struct made_block nth(const struct file *file, uint32_t number, uint32_t count)
{
	return (struct made_block){
		.address = FLASH + number * 256,
		.number = number,
		.count = count,
		.family = MADE_FAMILY_RP2040,
		.payload = file->payload + (size_t)number * 256,
		.length = 256,
	};
}

static void append(struct file *file, struct made_block block)
{
	assert_true(file->length < sizeof(file->bytes));
	make_uf2_block(&block, file->bytes + file->length);
	file->length += MADE_BLOCK;
}

static void append_nth(struct file *file, uint32_t number, uint32_t count)
{
	append(file, nth(file, number, count));
}

static int parse(struct file *file)
{
	/* A copy of the exact size, so that the sanitizer sees a read past the end. */
	_cleanup_(freep) uint8_t *copy = malloc(file->length + 1);
	assert_non_null(copy);
	memcpy(copy + 1, file->bytes, file->length); /* and at an odd address */
	return uf2_parse(copy + 1, file->length, &file->reasons, &file->image);
}

static void expect_run(const struct file *file, size_t index, uint32_t address,
	const uint8_t *bytes, uint32_t length)
{
	assert_true(index < file->image->segment_count);
	const struct image_segment *run = &file->image->segments[index];
	assert_int_equal(run->address, address);
	assert_int_equal(run->length, length);
	assert_memory_equal(run->data, bytes, length);
}

static void expect_rejected(struct file *file, enum reason_code code, const char *words)
{
	assert_int_equal(parse(file), IMAGE_REJECTED);
	expect_only_reason(&file->reasons, code, words);
	assert_null(file->image);
}

static void blocks_side_by_side_become_one_run(void **state)
{
	struct file *file = *state;
	for (uint32_t i = 0; i < 3; i++)
		append_nth(file, i, 3);
	assert_int_equal(parse(file), 0);
	assert_int_equal(file->reasons.count, 0);
	assert_int_equal(file->image->uf2_family, MADE_FAMILY_RP2040);
	assert_int_equal(file->image->segment_count, 1);
	expect_run(file, 0, FLASH, file->payload, 768);
}

static void blocks_may_come_in_any_order(void **state)
{
	struct file *file = *state;
	static const uint32_t order[] = { 4, 1, 0, 3, 2 };
	for (size_t i = 0; i < ELEMENTSOF(order); i++)
		append_nth(file, order[i], 5);
	assert_int_equal(parse(file), 0);
	assert_int_equal(file->image->segment_count, 1);
	expect_run(file, 0, FLASH, file->payload, 1280);
}

static void a_hole_in_the_flash_parts_two_runs(void **state)
{
	struct file *file = *state;
	struct made_block high = nth(file, 0, 2), low = nth(file, 1, 2);
	high.address = FLASH + 0x4000;
	append(file, high);
	append(file, low);
	assert_int_equal(parse(file), 0);
	assert_int_equal(file->image->segment_count, 2);
	expect_run(file, 0, FLASH + 256, file->payload + 256, 256);
	expect_run(file, 1, FLASH + 0x4000, file->payload, 256);
}

static void payloads_from_4_to_476_bytes_are_taken(void **state)
{
	struct file *file = *state;
	struct made_block small = nth(file, 0, 2), large = nth(file, 1, 2);
	small.length = 4;
	large.address = FLASH + 4;
	large.payload = file->payload + 4;
	large.length = 476;
	append(file, small);
	append(file, large);
	assert_int_equal(parse(file), 0);
	expect_run(file, 0, FLASH, file->payload, 480);
}

static void impossible_payloads_are_refused(void **state)
{
	struct file *file = *state;
	static const uint32_t lengths[] = { 0, 2, 255, 477, 480, 0xFFFFFFFC };
	for (size_t i = 0; i < ELEMENTSOF(lengths); i++) {
		struct made_block block = nth(file, 0, 1);
		block.length = lengths[i];
		file->length = 0;
		append(file, block);
		reasons_done(&file->reasons);
		expect_rejected(file, REASON_IMAGE_INCONSISTENT, "UF2 block 0 (at byte 0) claims");
	}
}

static void a_file_cut_inside_a_block_is_truncated(void **state)
{
	struct file *file = *state;
	append_nth(file, 0, 2);
	append_nth(file, 1, 2);
	file->length -= 100;
	expect_rejected(file, REASON_IMAGE_TRUNCATED, "in the middle of block 1 (412 of its 512");
}

static void a_file_cut_between_blocks_is_truncated(void **state)
{
	struct file *file = *state;
	append_nth(file, 0, 3);
	append_nth(file, 1, 3);
	expect_rejected(file, REASON_IMAGE_TRUNCATED, "says that there are 3 blocks");
}

static void a_missing_block_is_named(void **state)
{
	struct file *file = *state;
	append_nth(file, 0, 3);
	append_nth(file, 0, 3);
	append_nth(file, 2, 3);
	expect_rejected(
		file, REASON_IMAGE_TRUNCATED, "UF2 block 1 of 3, counted from 0, is missing");
}

static void a_count_that_lies_costs_no_memory(void **state)
{
	struct file *file = *state;
	append_nth(file, 0, 0xFFFFFFFF);
	expect_rejected(file, REASON_IMAGE_TRUNCATED, "says that there are 4294967295 blocks");
}

static void a_block_may_come_twice(void **state)
{
	struct file *file = *state;
	for (uint32_t i = 0; i < 4; i++)
		append_nth(file, i % 2, 2);
	assert_int_equal(parse(file), 0);
	assert_int_equal(file->image->segment_count, 1);
	expect_run(file, 0, FLASH, file->payload, 512);
}

static void a_block_that_comes_twice_must_say_the_same(void **state)
{
	struct file *file = *state;
	append_nth(file, 0, 2);
	append_nth(file, 1, 2);
	struct made_block other = nth(file, 1, 2);
	other.payload = file->payload + 1;
	append(file, other);
	expect_rejected(file, REASON_IMAGE_INCONSISTENT,
		"UF2 block 1 is there twice (at bytes 512 and 1024)");

	file->length -= MADE_BLOCK;
	other = nth(file, 1, 2);
	other.address += 4096;
	append(file, other);
	reasons_done(&file->reasons);
	expect_rejected(file, REASON_IMAGE_INCONSISTENT, "is there twice");
}

static void blocks_that_overlap_must_agree(void **state)
{
	struct file *file = *state;
	struct made_block first = nth(file, 0, 2), second = nth(file, 1, 2);
	second.address = FLASH + 128;
	second.payload = file->payload + 128;
	append(file, second);
	append(file, first);
	assert_int_equal(parse(file), 0);
	expect_run(file, 0, FLASH, file->payload, 384);

	file->image = image_free(file->image);
	second.payload = file->payload + 129;
	file->length = 0;
	append(file, second);
	append(file, first);
	expect_rejected(file, REASON_IMAGE_INCONSISTENT,
		"says two different things about what belongs at address 0x10000080");
}

static void a_block_inside_another_does_not_end_the_run(void **state)
{
	struct file *file = *state;
	static const uint32_t places[][2] = { { 0, 400 }, { 8, 4 }, { 396, 100 } };
	for (uint32_t i = 0; i < ELEMENTSOF(places); i++) {
		struct made_block block = nth(file, i, ELEMENTSOF(places));
		block.address = FLASH + places[i][0];
		block.payload = file->payload + places[i][0];
		block.length = places[i][1];
		append(file, block);
	}
	assert_int_equal(parse(file), 0);
	assert_int_equal(file->image->segment_count, 1);
	expect_run(file, 0, FLASH, file->payload, 496);
}

static void counts_that_differ_are_refused(void **state)
{
	struct file *file = *state;
	append_nth(file, 0, 2);
	append_nth(file, 1, 3);
	expect_rejected(file, REASON_IMAGE_INCONSISTENT,
		"UF2 block 1 (at byte 512) says that there "
		"are 3 blocks, block 0 that there are 2");
}

static void a_number_beyond_the_count_is_refused(void **state)
{
	struct file *file = *state;
	append_nth(file, 0, 2);
	append_nth(file, 2, 2);
	expect_rejected(file, REASON_IMAGE_INCONSISTENT, "has number 2 of 2");
	file->length = 0;
	append_nth(file, 0, 0);
	reasons_done(&file->reasons);
	expect_rejected(file, REASON_IMAGE_INCONSISTENT, "has number 0 of 0");
}

static void a_damaged_magic_number_is_noticed_wherever_it_is(void **state)
{
	struct file *file = *state;
	static const size_t places[] = { 0, 4, 508 };
	for (size_t i = 0; i < ELEMENTSOF(places); i++) {
		file->length = 0;
		append_nth(file, 0, 2);
		append_nth(file, 1, 2);
		file->bytes[MADE_BLOCK + places[i]] ^= 0x40;
		reasons_done(&file->reasons);
		expect_rejected(file, REASON_IMAGE_INCONSISTENT,
			"what should be UF2 block 2 of 2 (at byte 512) is none");
	}
}

static void an_address_that_would_wrap_is_refused(void **state)
{
	struct file *file = *state;
	struct made_block block = nth(file, 0, 1);
	block.address = 0xFFFFFF01;
	append(file, block);
	expect_rejected(file, REASON_IMAGE_INCONSISTENT, "past the end of the address space");
}

static void comments_and_contained_files_are_left_out(void **state)
{
	struct file *file = *state;
	static const uint32_t flags[] = { 0x1, 0x1000 };
	for (size_t i = 0; i < ELEMENTSOF(flags); i++) {
		file->length = 0;
		file->image = image_free(file->image);
		struct made_block aside = nth(file, 1, 3);
		aside.flags = flags[i];
		append_nth(file, 0, 3);
		append(file, aside);
		append_nth(file, 2, 3);
		assert_int_equal(parse(file), 0);
		assert_int_equal(file->image->segment_count, 2);
		expect_run(file, 0, FLASH, file->payload, 256);
		expect_run(file, 1, FLASH + 512, file->payload + 512, 256);
	}
}

static void comments_may_have_numbers_of_their_own(void **state)
{
	struct file *file = *state;
	static const uint32_t numbers[][2] = { { 0, 1 }, { 0xFFFFFFFF, 2 }, { 7, 0 } };
	append_nth(file, 0, 2);
	append_nth(file, 1, 2);
	for (size_t i = 0; i < ELEMENTSOF(numbers); i++) {
		struct made_block aside = nth(file, 5, 9);
		aside.flags = 0x1;
		aside.number = numbers[i][0];
		aside.count = numbers[i][1];
		aside.length = 0xFFFFFFFF; /* nobody looks at what they hold */
		append(file, aside);
	}
	assert_int_equal(parse(file), 0);
	assert_int_equal(file->image->segment_count, 1);
	expect_run(file, 0, FLASH, file->payload, 512);
}

static void a_file_of_nothing_but_comments_is_no_firmware(void **state)
{
	struct file *file = *state;
	struct made_block aside = nth(file, 0, 1);
	aside.flags = 0x1;
	append(file, aside);
	expect_rejected(file, REASON_IMAGE_FORMAT, "nothing that belongs into flash");
}

static void a_file_for_two_chips_is_refused_by_name(void **state)
{
	struct file *file = *state;
	append_nth(file, 0, 1);
	struct made_block other = nth(file, 0, 1);
	other.family = MADE_FAMILY_RP2350;
	append(file, other);
	expect_rejected(
		file, REASON_IMAGE_INCONSISTENT, "several chips (RP2040, and at byte 512 RP2350)");
	file->length = MADE_BLOCK;
	other.family = 0;
	append(file, other);
	reasons_done(&file->reasons);
	expect_rejected(file, REASON_IMAGE_INCONSISTENT, "no named family");
}

static struct made_block workaround(uint8_t filler[256])
{
	memset(filler, 0xEF, 256);
	return (struct made_block){ .address = 0x10FFFF00,
		.count = 2,
		.family = 0xe48bff57,
		.payload = filler,
		.length = 256 };
}

static void the_workaround_for_rp2350_e10_is_left_out(void **state)
{
	struct file *file = *state;
	uint8_t filler[256];
	struct made_block first = workaround(filler);
	first.flags = 0x8000;
	append(file, first);
	for (uint32_t i = 0; i < 2; i++) {
		struct made_block block = nth(file, i, 2);
		block.family = MADE_FAMILY_RP2350;
		append(file, block);
	}
	assert_int_equal(parse(file), 0);
	assert_int_equal(file->image->uf2_family, MADE_FAMILY_RP2350);
	assert_int_equal(file->image->segment_count, 1);
	expect_run(file, 0, FLASH, file->payload, 512);
}

/* Also in files of the family that Klipper gives to all its builds. */
static void the_workaround_is_no_part_of_any_image(void **state)
{
	struct file *file = *state;
	uint8_t filler[256];
	static const uint32_t flags[] = { 0, 0x8000 };
	for (size_t i = 0; i < ELEMENTSOF(flags); i++) {
		file->length = 0;
		struct made_block first = workaround(filler);
		first.flags = flags[i];
		append(file, first);
		append_nth(file, 0, 1);
		assert_int_equal(parse(file), 0);
		assert_int_equal(file->image->uf2_family, MADE_FAMILY_RP2040);
		assert_int_equal(file->image->segment_count, 1);
		expect_run(file, 0, FLASH, file->payload, 256);
		file->image = image_free(file->image);
	}
	/* And alone it is none. */
	file->length = 0;
	append(file, workaround(filler));
	expect_rejected(file, REASON_IMAGE_FORMAT, "nothing that belongs into flash");
}

static void what_only_resembles_the_workaround_is_content(void **state)
{
	struct file *file = *state;
	uint8_t filler[256];
	struct made_block first = workaround(filler);
	filler[255] = 0xEE;
	append(file, first);
	append_nth(file, 0, 1);
	expect_rejected(file, REASON_IMAGE_INCONSISTENT, "several chips (RP2350 absolute");
}

static void a_file_without_a_family_says_so(void **state)
{
	struct file *file = *state;
	struct made_block block = nth(file, 0, 1);
	block.family = 0;
	append(file, block);
	write_u32(file->bytes + 28, 0xe48bff56); /* a file size, as the flag says nothing else */
	assert_int_equal(parse(file), 0);
	assert_int_equal(file->image->uf2_family, 0);
}

static void families_are_known_by_chip_and_name(void **state)
{
	(void)state;
	assert_int_equal(uf2_family_chip(UF2_FAMILY_RP2040), CHIP_RP2040);
	assert_int_equal(uf2_family_chip(UF2_FAMILY_RP2350_RISCV), CHIP_RP2350);
	assert_int_equal(uf2_family_chip(0x57755a57), CHIP_UNKNOWN); /* any STM32F4 */
	assert_int_equal(uf2_family_chip(0), CHIP_UNKNOWN);
	assert_string_equal(uf2_family_name(UF2_FAMILY_RP2040), "RP2040");
	assert_null(uf2_family_name(0x12345678));
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, make_file, release_file)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(blocks_side_by_side_become_one_run),
		STORY(blocks_may_come_in_any_order),
		STORY(a_hole_in_the_flash_parts_two_runs),
		STORY(payloads_from_4_to_476_bytes_are_taken),
		STORY(impossible_payloads_are_refused),
		STORY(a_file_cut_inside_a_block_is_truncated),
		STORY(a_file_cut_between_blocks_is_truncated),
		STORY(a_missing_block_is_named),
		STORY(a_count_that_lies_costs_no_memory),
		STORY(a_block_may_come_twice),
		STORY(a_block_that_comes_twice_must_say_the_same),
		STORY(blocks_that_overlap_must_agree),
		STORY(a_block_inside_another_does_not_end_the_run),
		STORY(counts_that_differ_are_refused),
		STORY(a_number_beyond_the_count_is_refused),
		STORY(a_damaged_magic_number_is_noticed_wherever_it_is),
		STORY(an_address_that_would_wrap_is_refused),
		STORY(comments_and_contained_files_are_left_out),
		STORY(comments_may_have_numbers_of_their_own),
		STORY(a_file_of_nothing_but_comments_is_no_firmware),
		STORY(a_file_for_two_chips_is_refused_by_name),
		STORY(the_workaround_for_rp2350_e10_is_left_out),
		STORY(the_workaround_is_no_part_of_any_image),
		STORY(what_only_resembles_the_workaround_is_content),
		STORY(a_file_without_a_family_says_so),
		STORY(families_are_known_by_chip_and_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
