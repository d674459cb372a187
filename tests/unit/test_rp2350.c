/* SPDX-License-Identifier: MIT */
/* Stories about what the boot ROM of an RP2350 would start, told in blocks. */
#include "unit/expect.h"

#include <errno.h>

#include "base/bytes.h"
#include "model/rp2350.h"
#include "unit/make_image.h"

#define FLASH 0x10000000u
#define BYTES 0x6000u

/* A flash image under construction, at the start of the flash. */
struct flash {
	uint8_t bytes[BYTES];
	struct image_segment segment;
	struct image image;
};

static int make_flash(void **state)
{
	struct flash *flash = calloc(1, sizeof(*flash));
	assert_non_null(flash);
	make_noise(flash->bytes, BYTES, 1);
	flash->segment = (struct image_segment){ FLASH, BYTES, flash->bytes };
	flash->image = (struct image){
		.has_address = true, .segments = &flash->segment, .segment_count = 1
	};
	*state = flash;
	return 0;
}

static int release_flash(void **state)
{
	free(*state);
	return 0;
}

static void put(struct flash *flash, uint32_t at, uint32_t item, int32_t distance)
{
	make_rp2350_block(flash->bytes + at, &item, 1, distance);
}

static void expect_boot_page(const struct flash *flash, uint32_t expected)
{
	uint32_t page = 7;
	assert_int_equal(rp2350_find_boot_page(&flash->image, &page), 0);
	assert_int_equal(page, expected);
}

static void expect_nothing_starts(const struct flash *flash, int error)
{
	uint32_t page = 7;
	struct rp2350_start start = { .block_count = 7 };
	assert_int_equal(rp2350_find_start(&flash->image, &start), error);
	assert_int_equal(start.block_count, 7);
	assert_int_equal(rp2350_find_boot_page(&flash->image, &page), -EINVAL);
	assert_int_equal(page, 7);
}

static void klippers_block_is_found_behind_its_vectors(void **state)
{
	(void)state;
	_cleanup_(freep) uint8_t *bytes = make_rp2350_bin(8192, 1);
	_cleanup_(reasons_done) struct reasons reasons = { 0 };
	_cleanup_(image_freep) struct image *image = NULL;
	uint32_t page;
	struct rp2350_start start;
	assert_int_equal(image_parse(bytes, 8192, &reasons, &image), 0);
	assert_int_equal(image_place(image, FLASH, &reasons), 0);
	assert_int_equal(rp2350_find_boot_page(image, &page), 0);
	assert_int_equal(page, FLASH + 0x100);
	assert_int_equal(rp2350_find_start(image, &start), 0);
	assert_int_equal(start.block_address, FLASH + 0x110);
	assert_int_equal(start.block_count, 1);
	assert_int_equal(start.image_type, 0x1021);
	assert_true(rp2350_type_is_program(start.image_type));
	assert_int_equal(rp2350_type_cpu(start.image_type), RP2350_ARM);
}

static void a_loop_leads_through_the_image_and_back(void **state)
{
	struct flash *flash = *state;
	put(flash, 0x138, MADE_TYPE_RISCV, 0x5000 - 0x138);
	put(flash, 0x5000, 0x000001FE /* ignored */, 0x138 - 0x5000);
	expect_boot_page(flash, FLASH + 0x100);
	struct rp2350_start start;
	assert_int_equal(rp2350_find_start(&flash->image, &start), 0);
	assert_int_equal(start.block_count, 2);
	assert_int_equal(rp2350_type_cpu(start.image_type), RP2350_RISCV);
}

static void the_last_usable_image_def_counts(void **state)
{
	struct flash *flash = *state;
	static const struct {
		uint32_t first, second;
		uint16_t taken;
	} stories[] = {
		{ MADE_TYPE_ARM, MADE_TYPE_ARM_NS, 0x1011 },
		{ MADE_TYPE_ARM, MADE_TYPE_RISCV, 0x1021 }, /* an Arm is what runs */
		{ MADE_TYPE_RISCV, MADE_TYPE_ARM, 0x1021 },
		{ MADE_TYPE_RP2040, MADE_TYPE_ARM, 0x0021 }, /* not usable, and bars the way */
		{ MADE_TYPE_ARM, MADE_TYPE_DATA, 0x1021 },
	};
	for (size_t i = 0; i < ELEMENTSOF(stories); i++) {
		put(flash, 0x100, stories[i].first, 0x400);
		put(flash, 0x500, stories[i].second, -0x400);
		struct rp2350_start start;
		assert_int_equal(rp2350_find_start(&flash->image, &start), 0);
		assert_true(start.has_image_def);
		assert_int_equal(start.image_type, stories[i].taken);
	}
}

static void an_image_def_says_where_to_start(void **state)
{
	struct flash *flash = *state;
	static const uint32_t items[] = { MADE_TYPE_ARM, 0x00000203, 0x20000100, 0x00000344,
		0x10000201, 0x20081000, 0x01000406, 8, 0x20000000, 16 };
	make_rp2350_block(flash->bytes + 0x200, items, ELEMENTSOF(items), 0);
	struct rp2350_start start;
	assert_int_equal(rp2350_find_start(&flash->image, &start), 0);
	assert_true(start.has_vector_table && start.has_entry_point && start.has_load_map);
	assert_int_equal(start.vector_table, 0x20000100);
	assert_int_equal(start.entry_point, 0x10000201);
	assert_int_equal(start.stack, 0x20081000);
}

static void a_partition_table_is_told_apart(void **state)
{
	struct flash *flash = *state;
	static const uint32_t table[] = { 0x0100020A, 0 };
	make_rp2350_block(flash->bytes, table, 2, 0);
	struct rp2350_start start;
	assert_int_equal(rp2350_find_start(&flash->image, &start), 0);
	assert_true(start.is_partition_table);
	assert_false(start.has_image_def);
	expect_boot_page(flash, FLASH);
}

static void the_first_block_begins_in_the_first_sector(void **state)
{
	struct flash *flash = *state;
	expect_nothing_starts(flash, -ENOENT);
	put(flash, 0x1000, MADE_TYPE_ARM, 0);
	expect_nothing_starts(flash, -ENOENT);
	memset(flash->bytes + 0x1000, 0, MADE_BLOCK_BYTES);
	put(flash, 0xFFE, MADE_TYPE_ARM, 0); /* not at a word */
	expect_nothing_starts(flash, -ENOENT);
	put(flash, 0xFFC, MADE_TYPE_ARM, 0);
	expect_boot_page(flash, FLASH + 0xF00);
}

static void a_block_is_as_long_as_its_last_item_says(void **state)
{
	struct flash *flash = *state;
	static const struct {
		uint32_t at, value;
	} faults[] = {
		{ 0x104, 0x10210042 }, /* an item of no words */
		{ 0x104, 0x10210242 }, /* an item over the last one */
		{ 0x108, 0x000002FF },
		{ 0x108, 0x000000FF },
		{ 0x10C, 2 }, /* no word begins there */
		{ 0x10C, 4 },
		{ 0x110, 0xAB123578 },
	};
	for (size_t i = 0; i < ELEMENTSOF(faults); i++) {
		memset(flash->bytes, 0, 0x1000);
		put(flash, 0x100, MADE_TYPE_ARM, 0);
		expect_boot_page(flash, FLASH + 0x100);
		write_u32(flash->bytes + faults[i].at, faults[i].value);
		expect_nothing_starts(flash, -EINVAL);
	}
}

static void a_marker_that_leads_nowhere_is_passed_over(void **state)
{
	struct flash *flash = *state;
	write_u32(flash->bytes + 0x40, 0xFFFFDED3);
	write_u32(flash->bytes + 0x44, 0x00FFFF80); /* an item larger than any block */
	put(flash, 0x300, MADE_TYPE_ARM, 0);
	expect_boot_page(flash, FLASH + 0x300);
}

static void a_loop_must_close_within_the_image(void **state)
{
	struct flash *flash = *state;
	put(flash, 0x200, MADE_TYPE_ARM, -0x100);
	put(flash, 0x100, 0x000001FE, 0x100);
	expect_boot_page(flash, FLASH + 0x100);
	memset(flash->bytes + 0x100, 0, 4);
	expect_nothing_starts(flash, -EINVAL); /* leads below its first block */

	put(flash, 0x200, MADE_TYPE_ARM, (int32_t)BYTES);
	expect_nothing_starts(flash, -EINVAL);
	put(flash, 0x200, MADE_TYPE_ARM, INT32_MAX & ~3);
	expect_nothing_starts(flash, -EINVAL);
	put(flash, 0x200, MADE_TYPE_ARM, INT32_MIN);
	expect_nothing_starts(flash, -EINVAL);

	put(flash, 0x200, MADE_TYPE_ARM, 0x100);
	put(flash, 0x300, 0x000001FE, 0); /* a second block that leads to itself */
	expect_nothing_starts(flash, -EINVAL);
	put(flash, 0x300, 0x000001FE, 0x100);
	put(flash, 0x400, 0x000001FE, -0x100); /* round and round without the first */
	expect_nothing_starts(flash, -EINVAL);
}

static void a_block_in_a_hole_is_none(void **state)
{
	struct flash *flash = *state;
	put(flash, 0xFC, MADE_TYPE_ARM, 0);
	expect_boot_page(flash, FLASH);
	flash->segment.length = 0xFC + MADE_BLOCK_BYTES;
	expect_boot_page(flash, FLASH);
	flash->segment.length--;
	expect_nothing_starts(flash, -EINVAL);
	flash->segment.length = 0x80;
	expect_nothing_starts(flash, -ENOENT);
}

static void a_second_way_to_start_is_refused(void **state)
{
	struct flash *flash = *state;
	put(flash, 0x100, MADE_TYPE_ARM, 0);
	for (uint32_t at = 0x200; at < 0x2000; at += 0xDFC) {
		put(flash, at, MADE_TYPE_ARM, 0);
		expect_nothing_starts(flash, -EEXIST);
		memset(flash->bytes + at, 0, MADE_BLOCK_BYTES);
		expect_boot_page(flash, FLASH + 0x100);
	}
	/* In the page of the first block it comes and goes with it. */
	put(flash, 0x180, MADE_TYPE_ARM, 0);
	expect_boot_page(flash, FLASH + 0x100);
	/* And far away the ROM does not look. */
	put(flash, 0x4000, MADE_TYPE_ARM, 0);
	expect_boot_page(flash, FLASH + 0x100);
}

static void the_rest_of_a_loop_starts_nothing_without_its_first_block(void **state)
{
	struct flash *flash = *state;
	put(flash, 0x100, MADE_TYPE_ARM, 0x200);
	put(flash, 0x300, MADE_TYPE_ARM, 0x200);
	put(flash, 0x500, MADE_TYPE_ARM, -0x400);
	expect_boot_page(flash, FLASH + 0x100);
	put(flash, 0x500, MADE_TYPE_ARM, -0x200); /* back to the second one */
	expect_nothing_starts(flash, -EINVAL);
}

static void long_chains_are_not_followed_for_ever(void **state)
{
	struct flash *flash = *state;
	for (uint32_t at = 0x800; at + MADE_BLOCK_BYTES <= BYTES; at += MADE_BLOCK_BYTES)
		put(flash, at, MADE_TYPE_ARM, (int32_t)MADE_BLOCK_BYTES);
	expect_nothing_starts(flash, -EINVAL);
	/* What nobody can say about is not relied on either. */
	put(flash, 0x100, MADE_TYPE_ARM, 0);
	expect_nothing_starts(flash, -EEXIST);
}

static void the_head_of_a_flash_tells_whether_it_would_start(void **state)
{
	struct flash *flash = *state;
	assert_false(rp2350_head_is_bootable(flash->bytes));
	put(flash, 0x138, MADE_TYPE_ARM, 0x5000); /* where the loop leads is not in the head */
	assert_true(rp2350_head_is_bootable(flash->bytes));
	put(flash, 0x138, MADE_TYPE_RISCV, 0);
	assert_true(rp2350_head_is_bootable(flash->bytes));
	put(flash, 0x138, MADE_TYPE_DATA, 0);
	assert_false(rp2350_head_is_bootable(flash->bytes));
	put(flash, 0x138, MADE_TYPE_RP2040, 0);
	assert_false(rp2350_head_is_bootable(flash->bytes));
	put(flash, 0xFF4, MADE_TYPE_ARM, 0); /* cut off, and not reached */
	assert_false(rp2350_head_is_bootable(flash->bytes));
	memset(flash->bytes, 0xFF, 0x1000);
	put(flash, 0xFF4, MADE_TYPE_ARM, 0);
	assert_false(rp2350_head_is_bootable(flash->bytes));
	put(flash, 0xFEC, MADE_TYPE_ARM, 0);
	assert_true(rp2350_head_is_bootable(flash->bytes));
	memset(flash->bytes, 0xFF, 0x1000);
	assert_false(rp2350_head_is_bootable(flash->bytes));
}

static void an_arm_vector_table_must_make_sense(void **state)
{
	(void)state;
	static const struct {
		uint32_t stack, handler;
		bool plausible;
	} stories[] = {
		{ 0x20082000, 0x10000201, true },
		{ 0x20000004, 0x20000001, true },
		{ 0x20082004, 0x10000201, false },
		{ 0x20000000, 0x10000201, false },
		{ 0x20081002, 0x10000201, false },
		{ 0x20082000, 0x10000200, false },
		{ 0x20082000, 0x10000401, false },
		{ 0x20082000, 0x0FFFFFFF, false },
		{ 0x20082000, 0x20082001, false },
	};
	for (size_t i = 0; i < ELEMENTSOF(stories); i++) {
		uint8_t vectors[8];
		write_u32(vectors, stories[i].stack);
		write_u32(vectors + 4, stories[i].handler);
		assert_int_equal(
			rp2350_vectors_are_plausible(vectors, FLASH + 0x400), stories[i].plausible);
	}
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, make_flash, release_flash)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(klippers_block_is_found_behind_its_vectors),
		STORY(a_loop_leads_through_the_image_and_back),
		STORY(the_last_usable_image_def_counts),
		STORY(an_image_def_says_where_to_start),
		STORY(a_partition_table_is_told_apart),
		STORY(the_first_block_begins_in_the_first_sector),
		STORY(a_block_is_as_long_as_its_last_item_says),
		STORY(a_marker_that_leads_nowhere_is_passed_over),
		STORY(a_loop_must_close_within_the_image),
		STORY(a_block_in_a_hole_is_none),
		STORY(a_second_way_to_start_is_refused),
		STORY(the_rest_of_a_loop_starts_nothing_without_its_first_block),
		STORY(long_chains_are_not_followed_for_ever),
		STORY(the_head_of_a_flash_tells_whether_it_would_start),
		STORY(an_arm_vector_table_must_make_sense),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
