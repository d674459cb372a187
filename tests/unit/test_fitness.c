/* SPDX-License-Identifier: MIT */
/* Stories about images and the boards that they fit, or do not. */
#include "unit/expect.h"

#include "base/bytes.h"
#include "model/fitness.h"
#include "model/rp2040.h"
#include "unit/fitness_story.h"
#include "unit/make_image.h"

#define FLASH   STORY_FLASH
#define TWO_MIB (2u << 20)
#define RP2040_PICO                                              \
	(struct board_facts)                                     \
	{                                                        \
		.chip = CHIP_RP2040, .flash_size_bytes = TWO_MIB \
	}
#define RP2040_UNSIZED              \
	(struct board_facts)        \
	{                           \
		.chip = CHIP_RP2040 \
	}

static void a_build_for_the_board_fits(void **unused)
{
	(void)unused;
	_cleanup_(freep) uint8_t *bytes = make_bin(30000, 1);
	expect_fit(story_raw(bytes, 30000), RP2040_PICO);
	expect_fit(story_uf2(bytes, 30000, FLASH, MADE_FAMILY_RP2040), RP2040_PICO);
	/* No family named: boot2 and vectors prove it as they do for a raw image. */
	expect_fit(story_uf2(bytes, 30000, FLASH, 0), RP2040_PICO);
}

static void a_small_image_needs_no_known_flash_size(void **unused)
{
	(void)unused;
	_cleanup_(freep) uint8_t *bytes = make_bin(TWO_MIB, 1);
	expect_fit(story_raw(bytes, TWO_MIB), RP2040_UNSIZED);
	expect_fit(story_raw(bytes, TWO_MIB), RP2040_PICO);
}

static void a_large_image_needs_a_known_flash_size(void **unused)
{
	(void)unused;
	_cleanup_(freep) uint8_t *bytes = make_bin(TWO_MIB + 1, 1);
	expect_refusal(story_raw(bytes, TWO_MIB + 1), RP2040_UNSIZED, REASON_FLASH_SIZE_UNKNOWN,
		"state flash_size for this board in the policy");
	struct board_facts larger = { .chip = CHIP_RP2040, .flash_size_bytes = 2 * TWO_MIB };
	expect_fit(story_raw(bytes, TWO_MIB + 1), larger);
}

static void an_image_larger_than_the_flash_is_refused(void **unused)
{
	(void)unused;
	_cleanup_(freep) uint8_t *bytes = make_bin(TWO_MIB + 1, 1);
	expect_refusal(story_raw(bytes, TWO_MIB + 1), RP2040_PICO, REASON_TOO_LARGE,
		"needs 2049 KiB of flash and the board has 2048 KiB");
}

static void an_unknown_chip_gets_nothing(void **unused)
{
	(void)unused;
	_cleanup_(freep) uint8_t *bytes = make_bin(1024, 1);
	expect_refusal(story_raw(bytes, 1024), (struct board_facts){ 0 }, REASON_CHIP_UNKNOWN,
		"is unknown");
}

static void a_program_for_linux_fits_no_board(void **unused)
{
	(void)unused;
	static const enum chip chips[] = { CHIP_RP2040, CHIP_RP2350, CHIP_STM32F429 };
	_cleanup_(freep) uint8_t *bytes = make_bin(1024, 1);
	const struct made_segment segment = { FLASH, bytes, 1024 };
	for (size_t i = 0; i < ELEMENTSOF(chips); i++) {
		size_t length;
		_cleanup_(freep) uint8_t *file = make_elf(&segment, 1, &length);
		expect_fit(story_parse(file, length), RP2040_PICO);
		file[7] = 3; /* made for Linux, it says now */
		expect_refusal(story_parse(file, length), (struct board_facts){ .chip = chips[i] },
			REASON_WRONG_CHIP, "is a program for Linux");
	}
}

static void an_image_for_an_rp2040_is_the_wrong_one_for_an_stm32(void **unused)
{
	(void)unused;
	_cleanup_(freep) uint8_t *bytes = make_bin(1024, 1);
	static const enum chip chips[] = { CHIP_STM32H723, CHIP_STM32F429, CHIP_STM32G0B1 };
	for (size_t i = 0; i < ELEMENTSOF(chips); i++)
		expect_refusal(story_raw(bytes, 1024), (struct board_facts){ .chip = chips[i] },
			REASON_WRONG_CHIP, chip_name(chips[i]));
}

static void all_reasons_are_told_not_only_the_first(void **unused)
{
	(void)unused;
	_cleanup_(freep) uint8_t *bytes = make_bin(TWO_MIB + 4096, 1);
	bytes[0] ^= 1;
	write_u32(bytes + 256, 0);
	_cleanup_(image_freep) struct image *image =
		story_uf2(bytes, TWO_MIB + 4096, FLASH, MADE_FAMILY_RP2350);
	_cleanup_(reasons_done) struct reasons reasons = { 0 };
	struct board_facts facts = RP2040_PICO;
	story_verdict(image, &facts, &reasons);
	expect_reason(&reasons, REASON_WRONG_CHIP, "is for RP2350");
	expect_reason(&reasons, REASON_TOO_LARGE, "needs 2052 KiB");
	expect_reason(&reasons, REASON_BAD_BOOT2, "checksum");
	expect_reason(&reasons, REASON_NO_VECTOR_TABLE, "makes no sense");
	assert_int_equal(reasons.count, 4);

	reasons_done(&reasons);
	facts.chip = CHIP_STM32F429;
	story_verdict(image, &facts, &reasons);
	expect_only_reason(&reasons, REASON_WRONG_CHIP, "the board is an stm32f429");
}

static void the_family_of_another_chip_is_the_wrong_chip(void **unused)
{
	(void)unused;
	_cleanup_(freep) uint8_t *bytes = make_bin(1024, 1);
	expect_refusal(story_uf2(bytes, 1024, FLASH, MADE_FAMILY_RP2350), RP2040_PICO,
		REASON_WRONG_CHIP, "is for RP2350 and the board is an rp2040");
	expect_refusal(story_uf2(bytes, 1024, FLASH, 0xe48bff57), RP2040_PICO, REASON_WRONG_CHIP,
		"RP2350 absolute");
	expect_refusal(story_uf2(bytes, 1024, FLASH, 0x57755a57), RP2040_PICO, REASON_WRONG_CHIP,
		"is for STM32F4");
	expect_refusal(story_uf2(bytes, 1024, FLASH, 0x12345678), RP2040_PICO, REASON_WRONG_CHIP,
		"unknown family 0x12345678");
}

static void an_image_for_rp2350_is_known_by_its_image_def(void **unused)
{
	(void)unused;
	static const uint32_t types[] = { MADE_TYPE_ARM, MADE_TYPE_RISCV };
	for (size_t i = 0; i < ELEMENTSOF(types); i++) {
		_cleanup_(freep) uint8_t *bytes = make_rp2350_bin(8192, 1);
		write_u32(bytes + MADE_RP2350_BLOCK + 4, types[i]);
		expect_refusal(story_raw(bytes, 8192), RP2040_PICO, REASON_WRONG_CHIP, "IMAGE_DEF");
		/* Klipper writes the RP2040's family into files for the RP2350. */
		expect_refusal(story_uf2(bytes, 8192, FLASH, MADE_FAMILY_RP2040), RP2040_PICO,
			REASON_WRONG_CHIP, "IMAGE_DEF");
		/* Said once, even if the family says it too. */
		expect_refusal(story_uf2(bytes, 8192, FLASH, MADE_FAMILY_RP2350), RP2040_PICO,
			REASON_WRONG_CHIP, "is for RP2350");
	}
}

static void an_image_def_for_rp2040_says_nothing_against_it(void **unused)
{
	(void)unused;
	_cleanup_(freep) uint8_t *bytes = make_bin(8192, 1);
	write_u32(bytes + 0x200, 0xFFFFDED3);
	write_u32(bytes + 0x204, 0x00210142);
	expect_fit(story_raw(bytes, 8192), RP2040_PICO);
	/* Nor does one for the RP2350 in an image that an RP2040 would start. */
	write_u32(bytes + 0x204, 0x10210142);
	expect_fit(story_raw(bytes, 8192), RP2040_PICO);
}

static void an_image_def_for_another_chip_is_no_sign_of_rp2350(void **unused)
{
	(void)unused;
	_cleanup_(freep) uint8_t *bytes = make_rp2350_bin(8192, 1);
	write_u32(bytes + MADE_RP2350_BLOCK + 4, MADE_TYPE_RP2040);
	write_u32(bytes + 4, 0x10000201);
	expect_refusal(story_raw(bytes, 8192), RP2040_PICO, REASON_NO_BOOT2, "vector table");
}

static void a_build_for_behind_a_boot_loader_is_explained(void **unused)
{
	(void)unused;
	_cleanup_(freep) uint8_t *bytes = make_offset_bin(FLASH + 0x4000, 30000, 1);
	expect_refusal(story_raw(bytes, 30000), RP2040_PICO, REASON_NO_BOOT2, "\"No bootloader\"");
	expect_refusal(
		story_raw(bytes, 30000), RP2040_PICO, REASON_NO_BOOT2, "code near 0x10004080");
	expect_refusal(story_uf2(bytes, 30000, FLASH + 0x4000, MADE_FAMILY_RP2040), RP2040_PICO,
		REASON_NO_BOOT2, "begins at 0x10004000, behind the place of a boot loader");
}

static void an_image_for_an_stm32_is_known_by_its_vectors(void **unused)
{
	(void)unused;
	_cleanup_(freep) uint8_t *bytes = make_offset_bin(0x08008000, 30000, 1);
	write_u32(bytes, 0x20020000);
	expect_refusal(story_raw(bytes, 30000), RP2040_PICO, REASON_WRONG_CHIP, "is for an STM32");
	write_u32(bytes, 0x20020001);
	_cleanup_(image_freep) struct image *image = story_raw(bytes, 30000);
	_cleanup_(reasons_done) struct reasons reasons = { 0 };
	struct board_facts facts = RP2040_PICO;
	story_verdict(image, &facts, &reasons);
	assert_true(reasons_have(&reasons, REASON_BAD_BOOT2));
	assert_false(reasons_have(&reasons, REASON_WRONG_CHIP));
}

static void a_blank_boot2_is_none(void **unused)
{
	(void)unused;
	_cleanup_(freep) uint8_t *bytes = make_bin(1024, 1);
	memset(bytes, 0xFF, 256);
	expect_refusal(story_raw(bytes, 1024), RP2040_PICO, REASON_NO_BOOT2, "blank");
	memset(bytes, 0x00, 256);
	expect_refusal(story_raw(bytes, 1024), RP2040_PICO, REASON_NO_BOOT2, "blank");
}

static void one_wrong_bit_in_boot2_is_noticed(void **unused)
{
	(void)unused;
	_cleanup_(freep) uint8_t *bytes = make_bin(1024, 1);
	for (size_t bit = 0; bit < 256 * 8; bit += 97) {
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		expect_refusal(story_raw(bytes, 1024), RP2040_PICO, REASON_BAD_BOOT2, "checksum");
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

static void expect_vectors(uint32_t stack, uint32_t handler, bool plausible)
{
	_cleanup_(freep) uint8_t *bytes = make_bin(1024, 1);
	write_u32(bytes + 256, stack);
	write_u32(bytes + 260, handler);
	if (plausible)
		expect_fit(story_raw(bytes, 1024), RP2040_PICO);
	else
		expect_refusal(story_raw(bytes, 1024), RP2040_PICO, REASON_NO_VECTOR_TABLE,
			"makes no sense");
}

static void a_vector_table_must_make_sense(void **unused)
{
	(void)unused;
	expect_vectors(0x20042000, 0x10000101, true);
	expect_vectors(0x20000004, 0x100003FF, true);
	expect_vectors(0x20042000, 0x20000001, true); /* code that is copied to RAM */
	expect_vectors(0x20000000, 0x10000101, false);
	expect_vectors(0x20042004, 0x10000101, false);
	expect_vectors(0x20041002, 0x10000101, false);
	expect_vectors(0x20042000, 0x10000102, false); /* not Thumb */
	expect_vectors(0x20042000, 0x100000FF, false); /* inside boot2 */
	expect_vectors(0x20042000, 0x10000401, false); /* behind the end */
	expect_vectors(0x20042000, 0x20042001, false);
	expect_vectors(0xFFFFFFFF, 0xFFFFFFFF, false);
	expect_vectors(0, 0, false);
}

static void code_starts_before_the_end_of_the_image(void **unused)
{
	(void)unused;
	uint8_t vectors[8];
	write_u32(vectors, 0x20042000);
	write_u32(vectors + 4, 0x10000801);
	assert_true(rp2040_vectors_are_plausible(vectors, 0x10000802));
	assert_true(rp2040_vectors_are_plausible(vectors, 0x10000801));
	assert_false(rp2040_vectors_are_plausible(vectors, 0x10000800));
	assert_false(rp2040_vectors_are_plausible(vectors, 0));
}

static void code_cannot_start_in_a_hole(void **unused)
{
	(void)unused;
	_cleanup_(freep) uint8_t *bytes = make_bin(1024, 1);
	write_u32(bytes + 260, 0x10000301);
	size_t length;
	_cleanup_(freep) uint8_t *file = make_uf2(bytes, 1024, FLASH, MADE_FAMILY_RP2040, &length);
	expect_fit(story_parse(file, length), RP2040_PICO);
	write_u32(file + 3 * MADE_BLOCK + 12, FLASH + 0x1000);
	expect_refusal(
		story_parse(file, length), RP2040_PICO, REASON_NO_VECTOR_TABLE, "makes no sense");
}

static void an_image_without_vectors_would_not_start(void **unused)
{
	(void)unused;
	_cleanup_(freep) uint8_t *bytes = make_bin(512, 1);
	expect_refusal(story_uf2(bytes, 256, FLASH, MADE_FAMILY_RP2040), RP2040_PICO,
		REASON_NO_VECTOR_TABLE, "no vector table at 0x10000100");
}

static void an_image_for_ram_is_refused(void **unused)
{
	(void)unused;
	_cleanup_(freep) uint8_t *bytes = make_bin(1024, 1);
	expect_refusal(story_uf2(bytes, 1024, 0x20000000, MADE_FAMILY_RP2040), RP2040_PICO,
		REASON_OUTSIDE_FLASH, "which is RAM");
}

static void what_reaches_over_the_edge_of_flash_is_refused(void **unused)
{
	(void)unused;
	_cleanup_(freep) uint8_t *bytes = make_bin(1024, 1);
	expect_refusal(story_uf2(bytes, 1024, 0x08000000, MADE_FAMILY_RP2040), RP2040_PICO,
		REASON_OUTSIDE_FLASH, "where an RP2040 has no flash");
	expect_refusal(story_uf2(bytes, 1024, 0x11000000 - 512, MADE_FAMILY_RP2040), RP2040_PICO,
		REASON_OUTSIDE_FLASH, "at 0x10fffe00");
	expect_refusal(story_uf2(bytes, 1024, FLASH - 256, MADE_FAMILY_RP2040), RP2040_PICO,
		REASON_OUTSIDE_FLASH, "at 0x0fffff00");

	/* One stray page is enough, and is named. */
	size_t length;
	_cleanup_(freep) uint8_t *file = make_uf2(bytes, 1024, FLASH, MADE_FAMILY_RP2040, &length);
	write_u32(file + 3 * MADE_BLOCK + 12, 0x15000000);
	expect_refusal(story_parse(file, length), RP2040_PICO, REASON_OUTSIDE_FLASH,
		"256 bytes at 0x15000000");
}

static void a_raw_image_that_nobody_placed_is_refused(void **unused)
{
	(void)unused;
	_cleanup_(freep) uint8_t *bytes = make_bin(1024, 1);
	expect_refusal(story_parse(bytes, 1024), RP2040_PICO, REASON_LINK_ADDRESS_UNKNOWN,
		"does not say where it belongs");
	memset(bytes, 0xFF, 256);
	_cleanup_(image_freep) struct image *image = story_parse(bytes, 1024);
	_cleanup_(reasons_done) struct reasons reasons = { 0 };
	struct board_facts facts = RP2040_PICO;
	story_verdict(image, &facts, &reasons);
	expect_only_reason(&reasons, REASON_NO_BOOT2, "neither an address nor a boot2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_build_for_the_board_fits),
		cmocka_unit_test(a_small_image_needs_no_known_flash_size),
		cmocka_unit_test(a_large_image_needs_a_known_flash_size),
		cmocka_unit_test(an_image_larger_than_the_flash_is_refused),
		cmocka_unit_test(an_unknown_chip_gets_nothing),
		cmocka_unit_test(an_image_for_an_rp2040_is_the_wrong_one_for_an_stm32),
		cmocka_unit_test(a_program_for_linux_fits_no_board),
		cmocka_unit_test(all_reasons_are_told_not_only_the_first),
		cmocka_unit_test(the_family_of_another_chip_is_the_wrong_chip),
		cmocka_unit_test(an_image_for_rp2350_is_known_by_its_image_def),
		cmocka_unit_test(an_image_def_for_rp2040_says_nothing_against_it),
		cmocka_unit_test(an_image_def_for_another_chip_is_no_sign_of_rp2350),
		cmocka_unit_test(a_build_for_behind_a_boot_loader_is_explained),
		cmocka_unit_test(an_image_for_an_stm32_is_known_by_its_vectors),
		cmocka_unit_test(a_blank_boot2_is_none),
		cmocka_unit_test(one_wrong_bit_in_boot2_is_noticed),
		cmocka_unit_test(a_vector_table_must_make_sense),
		cmocka_unit_test(code_starts_before_the_end_of_the_image),
		cmocka_unit_test(code_cannot_start_in_a_hole),
		cmocka_unit_test(an_image_without_vectors_would_not_start),
		cmocka_unit_test(an_image_for_ram_is_refused),
		cmocka_unit_test(what_reaches_over_the_edge_of_flash_is_refused),
		cmocka_unit_test(a_raw_image_that_nobody_placed_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
