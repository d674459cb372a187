/* SPDX-License-Identifier: MIT */
/* Stories about images that an RP2350 would start, or not. */
#include "unit/expect.h"

#include "base/bytes.h"
#include "unit/fitness_story.h"
#include "unit/make_image.h"

#define FLASH  STORY_FLASH
#define LENGTH 30000u
#define PICO_2                                                      \
	(struct board_facts)                                        \
	{                                                           \
		.chip = CHIP_RP2350, .flash_size_bytes = (4u << 20) \
	}

/* A Klipper build; a story changes what it is about. */
static int make_klipper(void **state)
{
	*state = make_rp2350_bin(LENGTH, 1);
	return 0;
}

static int release_klipper(void **state)
{
	free(*state);
	return 0;
}

static void set_type(uint8_t *bytes, uint32_t image_type)
{
	write_u32(bytes + MADE_RP2350_BLOCK + 4, image_type);
}

static void a_build_for_the_board_fits(void **state)
{
	uint8_t *bytes = *state;
	expect_fit(story_raw(bytes, LENGTH), PICO_2);
	expect_fit(story_uf2(bytes, LENGTH, FLASH, MADE_FAMILY_RP2350), PICO_2);
	expect_fit(story_uf2(bytes, LENGTH, FLASH, MADE_FAMILY_ABSOLUTE), PICO_2);
	expect_fit(story_uf2(bytes, LENGTH, FLASH, 0), PICO_2);
}

static void klippers_family_is_not_held_against_it(void **state)
{
	uint8_t *bytes = *state;
	expect_fit(story_uf2(bytes, LENGTH, FLASH, MADE_FAMILY_RP2040), PICO_2);
	/* But it proves nothing either. */
	struct image *image;
	_cleanup_(reasons_done) struct reasons reasons = { 0 };
	memset(bytes + MADE_RP2350_BLOCK, 0, MADE_BLOCK_BYTES);
	image = story_uf2(bytes, LENGTH, FLASH, MADE_FAMILY_RP2040);
	story_judge(image, PICO_2, &reasons);
	expect_reason(&reasons, REASON_WRONG_CHIP, "is for RP2040 and the board is an rp2350");
	expect_reason(&reasons, REASON_NO_IMAGE_DEF, "no IMAGE_DEF");
}

static void an_image_for_an_rp2040_is_known_by_its_boot2(void **state)
{
	(void)state;
	_cleanup_(freep) uint8_t *bytes = make_bin(LENGTH, 1);
	expect_refusal(story_raw(bytes, LENGTH), PICO_2, REASON_WRONG_CHIP, "begins with a boot2");
	expect_refusal(story_uf2(bytes, LENGTH, FLASH, 0), PICO_2, REASON_WRONG_CHIP, "boot2");
	expect_refusal(story_uf2(bytes, LENGTH, FLASH, MADE_FAMILY_RP2350), PICO_2,
		REASON_WRONG_CHIP, "boot2");
	/* Said once, if the family says it too. */
	_cleanup_(reasons_done) struct reasons reasons = { 0 };
	story_judge(story_uf2(bytes, LENGTH, FLASH, MADE_FAMILY_RP2040), PICO_2, &reasons);
	expect_only_reason(&reasons, REASON_WRONG_CHIP, "is for RP2040");
}

static void an_image_for_another_chip_says_so(void **state)
{
	uint8_t *bytes = *state;
	expect_refusal(story_uf2(bytes, LENGTH, FLASH, 0x57755a57), PICO_2, REASON_WRONG_CHIP,
		"is for STM32F4");
	expect_refusal(story_uf2(bytes, LENGTH, FLASH, 0x12345678), PICO_2, REASON_WRONG_CHIP,
		"unknown family 0x12345678");
	set_type(bytes, MADE_TYPE_RP2040);
	expect_refusal(story_raw(bytes, LENGTH), PICO_2, REASON_WRONG_CHIP, "for an RP2040 (it");
	set_type(bytes, 0x50210142);
	expect_refusal(story_raw(bytes, LENGTH), PICO_2, REASON_WRONG_CHIP, "an unknown chip");
	_cleanup_(freep) uint8_t *stm32 = make_offset_bin(0x08008000, LENGTH, 1);
	write_u32(stm32, 0x20020000);
	expect_refusal(story_raw(stm32, LENGTH), PICO_2, REASON_WRONG_CHIP, "an STM32");
}

static void what_is_no_program_is_refused(void **state)
{
	uint8_t *bytes = *state;
	expect_refusal(story_uf2(bytes, LENGTH, FLASH, 0xe48bff58), PICO_2, REASON_NO_IMAGE_DEF,
		"holds data");
	expect_refusal(story_uf2(bytes, LENGTH, FLASH, 0xe48bff5b), PICO_2, REASON_NO_IMAGE_DEF,
		"non-secure side");
	set_type(bytes, MADE_TYPE_DATA);
	expect_refusal(story_raw(bytes, LENGTH), PICO_2, REASON_NO_IMAGE_DEF, "it is data");
	set_type(bytes, 0x000001FE);
	expect_refusal(story_raw(bytes, LENGTH), PICO_2, REASON_NO_IMAGE_DEF, "it is no program");
	set_type(bytes, MADE_TYPE_ARM_NS);
	expect_refusal(story_raw(bytes, LENGTH), PICO_2, REASON_NO_IMAGE_DEF, "non-secure side");
}

static void what_starts_only_once_is_refused(void **state)
{
	uint8_t *bytes = *state;
	set_type(bytes, 0x90210142);
	expect_refusal(
		story_raw(bytes, LENGTH), PICO_2, REASON_UNSUPPORTED, "\"try before you buy\"");
}

static void what_is_linked_for_another_place_is_refused(void **state)
{
	uint8_t *bytes = *state;
	static const uint32_t items[] = { MADE_TYPE_ARM, 0x00000205, 0x1000 };
	make_rp2350_block(bytes + MADE_RP2350_BLOCK, items, 3, 0);
	expect_refusal(story_raw(bytes, LENGTH), PICO_2, REASON_UNSUPPORTED, "rolling window");
}

static void the_image_def_must_be_whole(void **state)
{
	uint8_t *bytes = *state;
	bytes[MADE_RP2350_BLOCK + 16] ^= 1;
	expect_refusal(story_raw(bytes, LENGTH), PICO_2, REASON_NO_IMAGE_DEF, "broken");
	memset(bytes + MADE_RP2350_BLOCK, 0, MADE_BLOCK_BYTES);
	expect_refusal(story_raw(bytes, LENGTH), PICO_2, REASON_NO_IMAGE_DEF, "no IMAGE_DEF");
}

static void an_image_that_could_start_torn_is_refused(void **state)
{
	uint8_t *bytes = *state;
	uint32_t item = MADE_TYPE_ARM;
	make_rp2350_block(bytes + 0x900, &item, 1, 0);
	expect_refusal(
		story_raw(bytes, LENGTH), PICO_2, REASON_IMAGE_INCONSISTENT, "second IMAGE_DEF");
}

static void partitions_are_left_to_picotool(void **state)
{
	uint8_t *bytes = *state;
	struct board_facts partitioned = PICO_2;
	partitioned.is_partitioned = true;
	expect_refusal(
		story_raw(bytes, LENGTH), partitioned, REASON_PARTITIONED, "\"picotool load\"");

	/* An IMAGE_DEF, and a partition table behind it in the same loop. */
	uint32_t item = MADE_TYPE_ARM, table[] = { 0x0100020A, 0 };
	make_rp2350_block(bytes + 0x200, &item, 1, 0x100);
	make_rp2350_block(bytes + 0x300, table, 2, -0x100);
	memset(bytes + MADE_RP2350_BLOCK, 0, MADE_BLOCK_BYTES);
	expect_refusal(story_raw(bytes, LENGTH), PICO_2, REASON_PARTITIONED, "of its own");
}

static void what_the_fuses_forbid_does_not_start(void **state)
{
	uint8_t *bytes = *state;
	struct board_facts board = PICO_2;
	board.refusals = REFUSES_UNSIGNED;
	expect_refusal(story_raw(bytes, LENGTH), board, REASON_UNSUPPORTED, "secure boot");
	board.refusals = REFUSES_RISCV;
	expect_fit(story_raw(bytes, LENGTH), board);
	board.refusals = REFUSES_ARM;
	expect_refusal(story_raw(bytes, LENGTH), board, REASON_WRONG_CHIP, "switched off");
	set_type(bytes, MADE_TYPE_RISCV);
	expect_fit(story_raw(bytes, LENGTH), board);
	board.refusals = REFUSES_RISCV;
	expect_refusal(story_raw(bytes, LENGTH), board, REASON_WRONG_CHIP, "for the RISC-V");
}

static void a_riscv_program_starts_at_its_entry_point(void **state)
{
	uint8_t *bytes = *state;
	uint32_t items[] = { MADE_TYPE_RISCV, 0x00000344, FLASH + 0x200, 0x20081000 };
	set_type(bytes, MADE_TYPE_RISCV);
	expect_fit(story_raw(bytes, LENGTH), PICO_2); /* at the start of the flash */
	make_rp2350_block(bytes + MADE_RP2350_BLOCK, items, 4, 0);
	expect_fit(story_uf2(bytes, LENGTH, FLASH, 0xe48bff5a), PICO_2);
	static const uint32_t nonsense[] = { FLASH + 0x201, FLASH + 0x100000, 0x20000000, 0 };
	for (size_t i = 0; i < ELEMENTSOF(nonsense); i++) {
		items[2] = nonsense[i];
		make_rp2350_block(bytes + MADE_RP2350_BLOCK, items, 4, 0);
		expect_refusal(
			story_raw(bytes, LENGTH), PICO_2, REASON_NO_VECTOR_TABLE, "entry point");
	}
}

static void family_and_image_must_mean_the_same_processor(void **state)
{
	uint8_t *bytes = *state;
	expect_refusal(story_uf2(bytes, LENGTH, FLASH, 0xe48bff5a), PICO_2,
		REASON_IMAGE_INCONSISTENT, "for the RISC-V of an RP2350 and the image in it");
	set_type(bytes, MADE_TYPE_RISCV);
	expect_refusal(story_uf2(bytes, LENGTH, FLASH, MADE_FAMILY_RP2350), PICO_2,
		REASON_IMAGE_INCONSISTENT, "for the Arm of an RP2350 and the image in it");
}

static void a_vector_table_must_make_sense(void **state)
{
	uint8_t *bytes = *state;
	static const uint32_t stories[][2] = {
		{ 0x20082004, 0x10000201 }, { 0x20082000, 0x10000200 }, /* not Thumb */
		{ 0x20082000, 0x10000001 + LENGTH }, /* behind the end */
		{ 0x20082000, 0x20000001 }, /* in RAM, where nothing puts it */
	};
	for (size_t i = 0; i < ELEMENTSOF(stories); i++) {
		write_u32(bytes, stories[i][0]);
		write_u32(bytes + 4, stories[i][1]);
		expect_refusal(
			story_raw(bytes, LENGTH), PICO_2, REASON_NO_VECTOR_TABLE, "makes no sense");
	}
	/* Now the ROM copies it there. */
	static const uint32_t items[] = { MADE_TYPE_ARM, 0x01000406, 0x100, 0x20000000, 0x100 };
	make_rp2350_block(bytes + MADE_RP2350_BLOCK, items, 5, 0);
	expect_fit(story_raw(bytes, LENGTH), PICO_2);
}

static void a_stated_vector_table_is_where_an_arm_starts(void **state)
{
	uint8_t *bytes = *state;
	uint32_t items[] = { MADE_TYPE_ARM, 0x00000203, FLASH + 0x400 };
	memcpy(bytes + 0x400, bytes, 8);
	memset(bytes, 0, 8);
	make_rp2350_block(bytes + MADE_RP2350_BLOCK, items, 3, 0);
	expect_fit(story_raw(bytes, LENGTH), PICO_2);
	items[2] = FLASH + LENGTH;
	make_rp2350_block(bytes + MADE_RP2350_BLOCK, items, 3, 0);
	expect_refusal(story_raw(bytes, LENGTH), PICO_2, REASON_NO_VECTOR_TABLE, "where its");
}

/* Klipper's builds for Katapult have an IMAGE_DEF as well, and code that would seem to be there. */
static void a_build_for_behind_a_boot_loader_is_refused(void **state)
{
	uint8_t *bytes = *state;
	write_u32(bytes + 4, FLASH + 0x4000 + 0x115);
	expect_refusal(story_raw(bytes, LENGTH), PICO_2, REASON_NO_VECTOR_TABLE,
		"starts at 0x10004114, as builds do that lie behind a boot loader");
	expect_refusal(story_uf2(bytes, LENGTH, FLASH + 0x4000, MADE_FAMILY_RP2350), PICO_2,
		REASON_NO_IMAGE_DEF, "begins at 0x10004000, behind the place of a boot loader");
	/* A DFU suffix says nothing about it. */
	size_t length;
	_cleanup_(freep) uint8_t *suffixed = make_dfu(bytes, LENGTH, &length);
	expect_refusal(story_raw(suffixed, length), PICO_2, REASON_NO_VECTOR_TABLE,
		"starts at 0x10004114");
	/* A UF2 file says where it belongs. */
	expect_fit(story_uf2(bytes, LENGTH, FLASH, MADE_FAMILY_RP2350), PICO_2);
}

static void the_first_page_must_be_there(void **state)
{
	uint8_t *bytes = *state;
	static const uint32_t items[] = { MADE_TYPE_ARM, 0x00000344, FLASH + 0x201, 0x20081000 };
	make_rp2350_block(bytes + MADE_RP2350_BLOCK, items, 4, 0);
	expect_refusal(story_uf2(bytes + 256, LENGTH - 256, FLASH + 256, MADE_FAMILY_RP2350),
		PICO_2, REASON_NO_VECTOR_TABLE, "leaves out the first 256 bytes");
}

static void an_image_must_lie_in_the_flash_that_there_is(void **state)
{
	uint8_t *bytes = *state;
	expect_refusal(story_uf2(bytes, LENGTH, 0x20000000, MADE_FAMILY_RP2350), PICO_2,
		REASON_OUTSIDE_FLASH, "which is RAM");
	expect_refusal(story_uf2(bytes, LENGTH, 0x0FF00000, MADE_FAMILY_RP2350), PICO_2,
		REASON_OUTSIDE_FLASH, "where an RP2350 has no flash");
	struct board_facts small = PICO_2;
	small.flash_size_bytes = 16384;
	expect_refusal(story_raw(bytes, LENGTH), small, REASON_TOO_LARGE, "needs 30 KiB");
	_cleanup_(freep) uint8_t *large = make_rp2350_bin((2u << 20) + 1, 1);
	struct board_facts unsized = { .chip = CHIP_RP2350 };
	expect_refusal(story_raw(large, (2u << 20) + 1), unsized, REASON_FLASH_SIZE_UNKNOWN,
		"state flash_size");
	expect_fit(story_raw(large, 2u << 20), unsized);
	expect_fit(story_raw(large, (2u << 20) + 1), PICO_2);
}

static void a_raw_image_that_nobody_placed_is_refused(void **state)
{
	uint8_t *bytes = *state;
	_cleanup_(reasons_done) struct reasons reasons = { 0 };
	story_judge(story_parse(bytes, LENGTH), PICO_2, &reasons);
	expect_only_reason(&reasons, REASON_NO_IMAGE_DEF, "has no IMAGE_DEF");
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, make_klipper, release_klipper)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(a_build_for_the_board_fits),
		STORY(klippers_family_is_not_held_against_it),
		STORY(an_image_for_an_rp2040_is_known_by_its_boot2),
		STORY(an_image_for_another_chip_says_so),
		STORY(what_is_no_program_is_refused),
		STORY(what_starts_only_once_is_refused),
		STORY(what_is_linked_for_another_place_is_refused),
		STORY(the_image_def_must_be_whole),
		STORY(an_image_that_could_start_torn_is_refused),
		STORY(partitions_are_left_to_picotool),
		STORY(what_the_fuses_forbid_does_not_start),
		STORY(a_riscv_program_starts_at_its_entry_point),
		STORY(family_and_image_must_mean_the_same_processor),
		STORY(a_vector_table_must_make_sense),
		STORY(a_stated_vector_table_is_where_an_arm_starts),
		STORY(a_build_for_behind_a_boot_loader_is_refused),
		STORY(the_first_page_must_be_there),
		STORY(an_image_must_lie_in_the_flash_that_there_is),
		STORY(a_raw_image_that_nobody_placed_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
