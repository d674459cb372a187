/* SPDX-License-Identifier: MIT */
/* Stories about boards that start with a vector table, mostly behind a boot loader, and the images
 * that they take or turn down. */
#include "unit/expect.h"

#include "base/bytes.h"
#include "model/fitness.h"
#include "unit/fitness_story.h"
#include "unit/make_arm.h"
#include "unit/make_image.h"

#define NOW "v0.13.0-420-g0a1b2c3d4"
#define KIB 1024u

/* A G0B1 of 128 KiB with Katapult in its first 8 KiB, as most toolheads are. */
static const struct board_facts toolhead = {
	.chip = CHIP_STM32G0B1,
	.flash_size_bytes = 128 * KIB,
	.has_application_start = true,
	.application_start = ARM_8K,
	.bootloader = BOOTLOADER_KATAPULT,
};

static const struct board_facts bare = {
	.chip = CHIP_STM32G0B1,
	.flash_size_bytes = 128 * KIB,
	.bootloader = BOOTLOADER_NONE,
};

static const struct terms boot_permitted = { .permits_bootloader = true };

static struct image *klipper_as(enum image_format format, const char *mcu, uint32_t base)
{
	_cleanup_(freep) uint8_t *bytes = make_klipper(mcu, base, NOW, "");
	return make_value(format, bytes, ARM_LENGTH, base);
}

static struct image *klipper_at(uint32_t base)
{
	return klipper_as(FORMAT_BIN, "stm32g0b1xx", base);
}

/* A program that does not say what it is, but where it belongs. */
static struct image *plain_at(uint32_t base)
{
	struct made_arm made = { .base = base, .signs = ARM_KLIPPER_SIGNS & ~LINK_DICTIONARY };
	_cleanup_(freep) uint8_t *bytes = make_arm(&made);
	return make_value(FORMAT_BIN, bytes, ARM_LENGTH, 0);
}

static struct image *katapult(enum image_format format)
{
	struct made_arm made = { .base = ARM_STM32_0, .length = 0x2000, .reset = 0x1000 };
	_cleanup_(freep) uint8_t *bytes = make_arm(&made);
	make_katapult(bytes, ARM_STM32_0);
	return make_value(format, bytes, made.length, ARM_STM32_0);
}

static struct terms declaring_chip(enum chip chip)
{
	return (struct terms){ .declared.chip = chip };
}

static void a_build_for_the_board_fits(void **unused)
{
	(void)unused;
	static const enum image_format formats[] = { FORMAT_BIN, FORMAT_DFU, FORMAT_HEX, FORMAT_ELF,
		FORMAT_DFUSE };
	for (size_t i = 0; i < ELEMENTSOF(formats); i++)
		expect_taken(klipper_as(formats[i], "stm32g0b1xx", ARM_8K), &toolhead, NULL);
	expect_taken(klipper_at(ARM_STM32_0), &bare, NULL);
}

static void what_is_not_needed_may_be_unknown(void **unused)
{
	(void)unused;
	struct board_facts board = toolhead;
	board.flash_size_bytes = 0;
	board.bootloader = BOOTLOADER_UNKNOWN;
	expect_taken(klipper_at(ARM_8K), &board, NULL);
	board.bootloader = BOOTLOADER_OTHER;
	expect_taken(klipper_at(ARM_8K), &board, NULL);
	board.possible_chips = chip_bit(CHIP_STM32G0B1) | chip_bit(CHIP_STM32G071);
	expect_taken(klipper_at(ARM_8K), &board, NULL);
}

/* ---- which chip -------------------------------------------------------------------------- */

static void a_board_of_which_nobody_knows_the_chip_gets_nothing(void **unused)
{
	(void)unused;
	struct board_facts board = toolhead;
	board.chip = CHIP_UNKNOWN;
	expect_turned_down(klipper_at(ARM_8K), &board, NULL, REASON_CHIP_UNKNOWN,
		"which chip the board has is unknown", "looked at anew");
}

static void of_several_possible_chips_one_must_be_stated(void **unused)
{
	(void)unused;
	struct board_facts board = toolhead;
	board.chip = CHIP_UNKNOWN;
	board.possible_chips = chip_bit(CHIP_STM32G0B1) | chip_bit(CHIP_STM32G071);
	expect_turned_down(klipper_at(ARM_8K), &board, NULL, REASON_CHIP_AMBIGUOUS,
		"may be stm32g071 or stm32g0b1", "state the one that it has");
	expect_turned_down(plain_at(ARM_8K), &board, NULL, REASON_CHIP_AMBIGUOUS,
		"may be stm32g071 or stm32g0b1", "state the one that it has");
	/* One that it cannot have is wrong, whichever of them it has. */
	expect_turned_down(klipper_as(FORMAT_BIN, "stm32f429xx", ARM_8K), &board, NULL,
		REASON_WRONG_CHIP, "for the MCU \"stm32f429xx\"",
		"the board is stm32g071 or stm32g0b1");
}

static void the_dictionary_of_another_chip_is_the_wrong_chip(void **unused)
{
	(void)unused;
	static const char *const others[] = { "stm32g071xx", "stm32f429xx", "rp2040", "lpc1768",
		"stm32u585xx", "linux" };
	for (size_t i = 0; i < ELEMENTSOF(others); i++)
		expect_turned_down(klipper_as(FORMAT_BIN, others[i], ARM_8K), &toolhead, NULL,
			REASON_WRONG_CHIP, others[i], "the board is an stm32g0b1");
	struct board_facts rp2040 = { .chip = CHIP_RP2040 };
	expect_turned_down(klipper_at(ARM_8K), &rp2040, NULL, REASON_WRONG_CHIP,
		"for the MCU \"stm32g0b1xx\"", "the board is an rp2040");
}

static void an_image_that_names_no_chip_needs_a_declaration(void **unused)
{
	(void)unused;
	expect_turned_down(plain_at(ARM_8K), &toolhead, NULL, REASON_IMAGE_CHIP_UNKNOWN,
		"does not say which chip it is for (it is for some STM32), and the board is an "
		"stm32g0b1",
		"declare = { chip = \"stm32g0b1\"; }");
	struct terms terms = declaring_chip(CHIP_STM32G0B1);
	expect_taken(plain_at(ARM_8K), &toolhead, &terms);
}

static void a_declared_chip_is_not_the_boards(void **unused)
{
	(void)unused;
	struct terms terms = declaring_chip(CHIP_STM32F429);
	expect_turned_down(plain_at(ARM_8K), &toolhead, &terms, REASON_WRONG_CHIP,
		"declares the image to be for an stm32f429", "the board is an stm32g0b1");
}

static void a_declared_chip_is_not_the_images(void **unused)
{
	(void)unused;
	struct terms terms = declaring_chip(CHIP_STM32F429);
	expect_turned_down(klipper_at(ARM_8K), &toolhead, &terms, REASON_DECLARATION_CONTRADICTED,
		"for an stm32f429", "its dictionary says stm32g0b1");
	struct terms right = declaring_chip(CHIP_STM32G0B1);
	expect_taken(klipper_at(ARM_8K), &toolhead, &right);
}

static void the_family_of_a_uf2_is_held_against_the_board(void **unused)
{
	(void)unused;
	_cleanup_(freep) uint8_t *bytes = make_klipper("stm32g0b1xx", ARM_8K, NOW, "");
	expect_taken(story_uf2(bytes, ARM_LENGTH, ARM_8K, 0), &toolhead, NULL);
	expect_taken(story_uf2(bytes, ARM_LENGTH, ARM_8K, 0x300f5633), &toolhead, NULL);
	expect_turned_down(story_uf2(bytes, ARM_LENGTH, ARM_8K, 0x57755a57), &toolhead, NULL,
		REASON_WRONG_CHIP, "is for STM32F4", "the board is an stm32g0b1");
	expect_turned_down(story_uf2(bytes, ARM_LENGTH, ARM_8K, MADE_FAMILY_RP2040), &toolhead,
		NULL, REASON_WRONG_CHIP, "is for RP2040", "the board is an stm32g0b1");
	expect_turned_down(story_uf2(bytes, ARM_LENGTH, ARM_8K, 0x12345678), &toolhead, NULL,
		REASON_WRONG_CHIP, "family 0x12345678", "the board is an stm32g0b1");
}

static void nothing_is_installed_on_the_computer_itself(void **unused)
{
	(void)unused;
	struct board_facts computer = { .chip = CHIP_LINUX };
	_cleanup_(freep) uint8_t *bytes = make_klipper("linux", ARM_8K, NOW, "");
	const struct made_segment segment = { ARM_8K, bytes, ARM_LENGTH };
	size_t length;
	_cleanup_(freep) uint8_t *file = make_elf(&segment, 1, &length);
	file[7] = 3;
	expect_turned_down(story_parse(file, length), &computer, NULL, REASON_UNSUPPORTED,
		"on the computer itself", "make flash");
	expect_turned_down(story_parse(file, length), &toolhead, NULL, REASON_WRONG_CHIP,
		"is a program for Linux", "the board is an stm32g0b1");
	expect_turned_down(klipper_at(ARM_8K), &computer, NULL, REASON_WRONG_CHIP,
		"for the MCU \"stm32g0b1xx\"", "the board is a linux");
}

/* ---- where ------------------------------------------------------------------------------- */

static void a_build_for_another_offset_is_at_the_wrong_address(void **unused)
{
	(void)unused;
	expect_turned_down(klipper_at(ARM_32K), &toolhead, NULL, REASON_WRONG_ADDRESS,
		"is built for 0x08008000, and this board starts its application at 0x08002000",
		"boot loader offset of this board (0x2000)");
	expect_turned_down(klipper_at(ARM_8K), &bare, NULL, REASON_WRONG_ADDRESS,
		"is built for 0x08002000, and this board starts its application at 0x08000000",
		"(0x0)");
}

static void where_a_board_starts_its_application_must_be_known(void **unused)
{
	(void)unused;
	static const enum bootloader loaders[] = { BOOTLOADER_UNKNOWN, BOOTLOADER_KATAPULT,
		BOOTLOADER_OTHER };
	for (size_t i = 0; i < ELEMENTSOF(loaders); i++) {
		struct board_facts board = bare;
		board.bootloader = loaders[i];
		expect_turned_down(klipper_at(ARM_8K), &board, NULL,
			REASON_APPLICATION_START_UNKNOWN, "is built for 0x08002000",
			"state application_start for this board");
	}
}

static void a_file_that_puts_it_elsewhere_than_it_was_built_for(void **unused)
{
	(void)unused;
	struct board_facts board = toolhead;
	board.application_start = 0x08007000;
	_cleanup_(freep) uint8_t *bytes = make_klipper("stm32g0b1xx", ARM_32K, NOW, "");
	expect_turned_down(make_value(FORMAT_HEX, bytes, ARM_LENGTH, 0x08007000), &board, NULL,
		REASON_WRONG_ADDRESS, "the file puts the image at 0x08007000",
		"it was built for 0x08008000 (vector table, ");
}

static void a_raw_image_that_proves_no_place_is_told_which_would_do(void **unused)
{
	(void)unused;
	struct made_arm made = { .base = ARM_8K };
	struct terms terms = declaring_chip(CHIP_STM32G0B1);
	_cleanup_(freep) uint8_t *bytes = make_arm(&made);
	expect_turned_down(make_value(FORMAT_BIN, bytes, ARM_LENGTH, 0), &toolhead, &terms,
		REASON_LINK_ADDRESS_UNKNOWN, "would allow 0x08000000, 0x08000800, 0x08001000, ",
		"declare = { address = 0x…; }");
	terms.declared.has_address = true;
	terms.declared.address = ARM_8K;
	expect_taken(make_value(FORMAT_BIN, bytes, ARM_LENGTH, 0), &toolhead, &terms);
	write_u32(bytes, 0);
	terms.declared.has_address = false;
	expect_turned_down(make_value(FORMAT_BIN, bytes, ARM_LENGTH, 0), &toolhead, &terms,
		REASON_LINK_ADDRESS_UNKNOWN, "no place suits its vector table",
		"declare = { address = 0x…; }");
}

static void what_lies_outside_the_flash_is_refused(void **unused)
{
	(void)unused;
	_cleanup_(freep) uint8_t *bytes = make_klipper("stm32g0b1xx", ARM_8K, NOW, "");
	expect_turned_down(make_value(FORMAT_HEX, bytes, ARM_LENGTH, 0x20000000), &toolhead, NULL,
		REASON_OUTSIDE_FLASH, "32768 bytes at 0x20000000, which is RAM", "runs from flash");
	expect_turned_down(make_value(FORMAT_HEX, bytes, ARM_LENGTH, 0x0807f000), &toolhead, NULL,
		REASON_OUTSIDE_FLASH, "32768 bytes at 0x0807f000, where an stm32g0b1 has no flash",
		"0x08000000 to 0x08080000");
	expect_turned_down(make_value(FORMAT_HEX, bytes, ARM_LENGTH, STORY_FLASH), &toolhead, NULL,
		REASON_OUTSIDE_FLASH, "at 0x10000000, where an stm32g0b1 has no flash",
		"0x08000000 to 0x08080000");
}

static void what_the_board_does_not_let_be_written_is_refused(void **unused)
{
	(void)unused;
	struct board_facts board = toolhead;
	board.writable[0] = (struct chip_range){ ARM_8K, ARM_8K + 0x4000 };
	board.writable[1] = (struct chip_range){ ARM_8K + 0x4000, ARM_8K + 0x8000 };
	board.writable_count = 2;
	expect_taken(klipper_at(ARM_8K), &board, NULL);
	board.writable[1].start += 4;
	expect_turned_down(klipper_at(ARM_8K), &board, NULL, REASON_OUTSIDE_FLASH,
		"32768 bytes at 0x08002000",
		"only 0x08002000 to 0x08006000 and 0x08006004 to 0x0800a000");
	board.writable[1].start -= 4;
	board.writable[1].end -= 1;
	expect_turned_down(klipper_at(ARM_8K), &board, NULL, REASON_OUTSIDE_FLASH,
		"32768 bytes at 0x08002000", "to 0x08009fff");
	board.writable_count = 1;
	expect_turned_down(klipper_at(ARM_8K), &board, NULL, REASON_OUTSIDE_FLASH,
		"32768 bytes at 0x08002000", "only 0x08002000 to 0x08006000");
}

static void regions_hold_for_boards_of_the_rp2_family_too(void **unused)
{
	(void)unused;
	struct board_facts board = { .chip = CHIP_RP2040,
		.writable = { { STORY_FLASH + 0x4000, STORY_FLASH + 0x200000 } },
		.writable_count = 1 };
	_cleanup_(freep) uint8_t *rp2040 = make_bin(4096, 1);
	expect_turned_down(make_value(FORMAT_BIN, rp2040, 4096, 0), &board, NULL,
		REASON_OUTSIDE_FLASH, "4096 bytes at 0x10000000", "only 0x10004000 to 0x10200000");
	board.chip = CHIP_RP2350;
	_cleanup_(freep) uint8_t *rp2350 = make_rp2350_bin(8192, 1);
	expect_turned_down(make_value(FORMAT_BIN, rp2350, 8192, 0), &board, NULL,
		REASON_OUTSIDE_FLASH, "8192 bytes at 0x10000000", "only 0x10004000 to 0x10200000");
}

static void an_image_larger_than_the_flash_is_refused(void **unused)
{
	(void)unused;
	struct board_facts board = toolhead;
	board.flash_size_bytes = 40 * KIB; /* 8 KiB in front, 32 KiB of image */
	expect_taken(klipper_at(ARM_8K), &board, NULL);
	board.flash_size_bytes = 39 * KIB;
	expect_turned_down(klipper_at(ARM_8K), &board, NULL, REASON_TOO_LARGE,
		"needs 40 KiB of flash and the board has 39 KiB", "use a smaller image");
}

static void a_large_image_needs_a_known_flash_size(void **unused)
{
	(void)unused;
	struct board_facts board = toolhead;
	board.application_start = 0x0801a000;
	board.flash_size_bytes = 0;
	_cleanup_(freep) uint8_t *bytes = make_klipper("stm32g0b1xx", 0x0801a000, NOW, "");
	expect_turned_down(make_value(FORMAT_HEX, bytes, ARM_LENGTH, 0x0801a000), &board, NULL,
		REASON_FLASH_SIZE_UNKNOWN, "needs 136 KiB of flash",
		"state flash_size for this board in the policy");
	board.flash_size_bytes = 256 * KIB;
	expect_taken(make_value(FORMAT_HEX, bytes, ARM_LENGTH, 0x0801a000), &board, NULL);
}

/* ---- the boot loader --------------------------------------------------------------------- */

static void an_application_is_not_put_over_the_boot_loader(void **unused)
{
	(void)unused;
	expect_turned_down(klipper_at(ARM_STM32_0), &toolhead, NULL, REASON_OVERLAPS_BOOTLOADER,
		"begins at 0x08000000, and the boot loader of the board, Katapult, reaches up to "
		"0x08002000",
		"say overwrite_bootloader = true in the rule");
	struct board_facts board = toolhead;
	board.bootloader = BOOTLOADER_OTHER;
	board.bootloader_end = 0x08001800;
	expect_turned_down(klipper_at(ARM_STM32_0), &board, NULL, REASON_OVERLAPS_BOOTLOADER,
		"begins at 0x08000000, and the boot loader of the board reaches up to 0x08001800",
		"say overwrite_bootloader = true in the rule");
}

/* The chip is blank, or its flash begins with the application; a policy says otherwise. */
static void behind_a_boot_loader_that_is_not_there_nothing_would_start(void **unused)
{
	(void)unused;
	struct board_facts board = toolhead;
	board.bootloader = BOOTLOADER_NONE;
	expect_turned_down(klipper_at(ARM_8K), &board, NULL, REASON_WRONG_ADDRESS,
		"behind a boot loader, and the board has none there", "put the boot loader");
	expect_turned_down(klipper_at(ARM_STM32_0), &board, NULL, REASON_WRONG_ADDRESS,
		"this board starts its application at 0x08002000", "build it with");
	board.application_start = ARM_STM32_0;
	expect_taken(klipper_at(ARM_STM32_0), &board, NULL);
}

static void what_nobody_can_tell_apart_is_what_the_policy_says(void **unused)
{
	(void)unused;
	struct board_facts board = bare;
	board.bootloader = BOOTLOADER_UNKNOWN;
	expect_turned_down(klipper_at(ARM_STM32_0), &board, NULL, REASON_APPLICATION_START_UNKNOWN,
		"is unknown", "state application_start");
	board.has_application_start = true;
	board.application_start = ARM_STM32_0;
	board.bootloader = BOOTLOADER_OTHER;
	expect_turned_down(klipper_at(ARM_STM32_0), &board, NULL, REASON_OVERLAPS_BOOTLOADER,
		"where the board has its boot loader", "overwrite_bootloader = true");
	expect_taken(klipper_at(ARM_STM32_0), &board, &boot_permitted);
}

/* A policy may state what the board itself contradicts. */
static void a_stated_application_start_does_not_hide_the_boot_loader(void **unused)
{
	(void)unused;
	struct board_facts board = toolhead;
	board.application_start = ARM_STM32_0;
	expect_turned_down(klipper_at(ARM_STM32_0), &board, NULL, REASON_OVERLAPS_BOOTLOADER,
		"begins at 0x08000000, where the board has its boot loader, Katapult",
		"say overwrite_bootloader = true in the rule");
	board.application_start = ARM_8K;
	board.bootloader_end = 0x08003000;
	expect_turned_down(klipper_at(ARM_8K), &board, NULL, REASON_OVERLAPS_BOOTLOADER,
		"begins at 0x08002000", "reaches up to 0x08003000");
	struct board_facts rp2040 = { .chip = CHIP_RP2040,
		.bootloader = BOOTLOADER_KATAPULT,
		.has_application_start = true,
		.application_start = STORY_FLASH };
	_cleanup_(freep) uint8_t *bytes = make_bin(4096, 1);
	expect_turned_down(make_value(FORMAT_BIN, bytes, 4096, 0), &rp2040, NULL,
		REASON_OVERLAPS_BOOTLOADER, "begins at 0x10000000", "Katapult");
}

static void what_begins_behind_the_boot_loader_but_not_where_it_looks(void **unused)
{
	(void)unused;
	struct board_facts board = toolhead;
	board.application_start = ARM_32K;
	board.bootloader_end = 0x08001000;
	expect_turned_down(klipper_at(ARM_8K), &board, NULL, REASON_WRONG_ADDRESS,
		"is built for 0x08002000", "starts its application at 0x08008000");
}

static void the_boot_loader_goes_when_a_rule_says_so(void **unused)
{
	(void)unused;
	expect_taken(klipper_at(ARM_STM32_0), &toolhead, &boot_permitted);
	expect_taken(klipper_at(ARM_8K), &toolhead, &boot_permitted);
	expect_turned_down(klipper_at(ARM_32K), &toolhead, &boot_permitted, REASON_WRONG_ADDRESS,
		"is built for 0x08008000", "at 0x08002000");
	/* On an RP2040 what starts from the flash has a boot2. */
	struct board_facts rp2040 = { .chip = CHIP_RP2040,
		.bootloader = BOOTLOADER_KATAPULT,
		.has_application_start = true,
		.application_start = STORY_FLASH + 0x4000 };
	_cleanup_(freep) uint8_t *bytes = make_bin(4096, 1);
	expect_turned_down(make_value(FORMAT_BIN, bytes, 4096, 0), &rp2040, NULL,
		REASON_OVERLAPS_BOOTLOADER, "begins at 0x10000000", "up to 0x10004000");
	expect_taken(make_value(FORMAT_BIN, bytes, 4096, 0), &rp2040, &boot_permitted);
	bytes[0] ^= 1;
	expect_turned_down(make_value(FORMAT_HEX, bytes, 4096, STORY_FLASH), &rp2040,
		&boot_permitted, REASON_BAD_BOOT2, "checksum", "build or download it again");
}

static void a_boot_loader_is_not_taken_for_an_application(void **unused)
{
	(void)unused;
	struct terms declared = declaring_chip(CHIP_STM32G0B1);
	struct board_facts board = bare;
	board.bootloader = BOOTLOADER_UNKNOWN;
	expect_turned_down(katapult(FORMAT_BIN), &board, &declared, REASON_BOOTLOADER_IMAGE,
		"is Katapult, a boot loader,", "say overwrite_bootloader = true");
	struct made_arm made = { .base = ARM_8K, .signs = LINK_RESET_CODE | LINK_VTOR };
	_cleanup_(freep) uint8_t *deployer = make_arm(&made);
	memcpy(deployer + 0x1000, "CanBoot!", 8);
	expect_turned_down(make_value(FORMAT_BIN, deployer, ARM_LENGTH, 0), &toolhead, &declared,
		REASON_BOOTLOADER_IMAGE, "deployer, which overwrites",
		"say overwrite_bootloader = true");
	declared.permits_bootloader = true;
	expect_taken(katapult(FORMAT_BIN), &board, &declared);
	expect_taken(katapult(FORMAT_HEX), &toolhead, &declared);
	expect_taken(make_value(FORMAT_BIN, deployer, ARM_LENGTH, 0), &toolhead, &declared);
}

static void a_combined_image_is_a_boot_loader_too(void **unused)
{
	(void)unused;
	_cleanup_(image_freep) struct image *boot = katapult(FORMAT_BIN);
	_cleanup_(freep) uint8_t *klipper = make_klipper("stm32g0b1xx", ARM_8K, NOW, "");
	uint8_t bytes[0x2000 + ARM_LENGTH];
	memcpy(bytes, boot->segments[0].data, 0x2000);
	memcpy(bytes + 0x2000, klipper, ARM_LENGTH);
	expect_turned_down(make_value(FORMAT_BIN, bytes, sizeof(bytes), 0), &bare, NULL,
		REASON_BOOTLOADER_IMAGE, "with an application behind it",
		"say overwrite_bootloader = true");
	expect_taken(make_value(FORMAT_BIN, bytes, sizeof(bytes), 0), &bare, &boot_permitted);
	expect_taken(make_value(FORMAT_BIN, bytes, sizeof(bytes), 0), &toolhead, &boot_permitted);
}

/* ---- does it start, is it whole ---------------------------------------------------------- */

static struct image *klipper_with(size_t at, uint32_t word)
{
	_cleanup_(freep) uint8_t *bytes = make_klipper("stm32g0b1xx", ARM_8K, NOW, "");
	write_u32(bytes + at, word);
	return make_value(FORMAT_HEX, bytes, ARM_LENGTH, ARM_8K);
}

static void a_vector_table_must_make_sense(void **unused)
{
	(void)unused;
	expect_turned_down(klipper_with(0, 0x20024004), &toolhead, NULL, REASON_NO_VECTOR_TABLE,
		"stack at 0x20024004", "an stm32g0b1 could start");
	expect_turned_down(klipper_with(4, 0x08007000), &toolhead, NULL, REASON_NO_VECTOR_TABLE,
		"code at 0x08007000", "use the image that was built for it");
	expect_turned_down(klipper_with(4, 0x0800a001), &toolhead, NULL, REASON_NO_VECTOR_TABLE,
		"stack at 0x20004000, code at 0x0800a000", "use the image that was built for it");
}

static void a_vector_table_may_be_missing_in_part(void **unused)
{
	(void)unused;
	struct terms terms = declaring_chip(CHIP_STM32G0B1);
	static const uint8_t word[4] = { 0 };
	static const uint8_t rest[64] = { 0 };
	struct image *image = image_new(FORMAT_HEX, 2);
	assert_non_null(image);
	image->has_address = true;
	assert_int_equal(image_append(image, ARM_8K, word, sizeof(word)), 0);
	assert_int_equal(image_append(image, ARM_8K + 8, rest, sizeof(rest)), 0);
	assert_int_equal(image_seal(image), 0);
	expect_turned_down(image, &toolhead, &terms, REASON_NO_VECTOR_TABLE,
		"stack at 0x00000000, code at 0x00000000", "does not begin with a vector table");
}

static void what_was_cut_short_is_refused(void **unused)
{
	(void)unused;
	_cleanup_(freep) uint8_t *bytes = make_klipper("stm32g0b1xx", ARM_8K, NOW, "");
	expect_turned_down(make_value(FORMAT_BIN, bytes, ARM_LENGTH - 1, 0), &toolhead, NULL,
		REASON_IMAGE_TRUNCATED, "ends at byte 32767",
		"a whole one ends at a multiple of four");
	for (unsigned i = 0; i < 16; i++)
		write_u32(bytes + 0x200 + 4 * i, ARM_8K + ARM_LENGTH + 8 + 4 * i);
	expect_turned_down(make_value(FORMAT_BIN, bytes, ARM_LENGTH, 0), &toolhead, NULL,
		REASON_IMAGE_TRUNCATED, "ends at byte 32768", "refers to what should follow");
}

static void several_dictionaries_say_nothing(void **unused)
{
	(void)unused;
	struct terms terms = declaring_chip(CHIP_STM32G0B1);
	_cleanup_(freep) uint8_t *bytes = make_klipper("stm32g0b1xx", ARM_8K, NOW, "");
	make_dictionary(bytes + ARM_RESET + 0x1000, 512, "{\"config\":{\"MCU\":\"stm32f429xx\"}}");
	expect_turned_down(make_value(FORMAT_HEX, bytes, ARM_LENGTH, ARM_8K), &toolhead, &terms,
		REASON_IMAGE_INCONSISTENT, "several Klipper dictionaries", "build it again");
}

/* ---- other chips ------------------------------------------------------------------------- */

static void an_rp2040_behind_katapult_takes_a_build_for_there(void **unused)
{
	(void)unused;
	struct board_facts board = { .chip = CHIP_RP2040,
		.bootloader = BOOTLOADER_KATAPULT,
		.has_application_start = true,
		.application_start = STORY_FLASH + 0x4000 };
	expect_taken(klipper_as(FORMAT_BIN, "rp2040", STORY_FLASH + 0x4000), &board, NULL);
	/* For its sibling it is not, however it is known. */
	struct made_arm made = { .base = STORY_FLASH + 0x4000, .stack = 0x20042000 };
	_cleanup_(freep) uint8_t *bytes = make_arm(&made);
	make_rp2350_block(bytes + ARM_CONSTANTS, &(uint32_t){ MADE_TYPE_ARM }, 1, 0);
	expect_turned_down(make_value(FORMAT_HEX, bytes, ARM_LENGTH, STORY_FLASH + 0x4000), &board,
		NULL, REASON_WRONG_CHIP, "is for an rp2350 (its IMAGE_DEF says so)",
		"the board is an rp2040");
}

static void an_lpc_has_its_flash_at_the_bottom(void **unused)
{
	(void)unused;
	struct board_facts board = {
		.chip = CHIP_LPC1769, .has_application_start = true, .application_start = 0x4000
	};
	expect_taken(klipper_as(FORMAT_BIN, "lpc1769", 0x4000), &board, NULL);
	expect_turned_down(klipper_as(FORMAT_BIN, "lpc1769", 0), &board, NULL, REASON_WRONG_ADDRESS,
		"is built for 0x00000000", "at 0x00004000");
	board.bootloader = BOOTLOADER_OTHER;
	expect_turned_down(klipper_as(FORMAT_BIN, "lpc1769", 0), &board, NULL,
		REASON_OVERLAPS_BOOTLOADER, "begins at 0x00000000", "up to 0x00004000");
}

static void all_reasons_are_told_not_only_the_first(void **unused)
{
	(void)unused;
	_cleanup_(reasons_done) struct reasons reasons = { 0 };
	struct board_facts board = toolhead;
	board.flash_size_bytes = 32 * KIB;
	board.writable[0] = (struct chip_range){ ARM_8K, ARM_8K + 0x1000 };
	board.writable_count = 1;
	story_offer(klipper_at(ARM_32K), &board, NULL, &reasons);
	expect_reason(&reasons, REASON_WRONG_ADDRESS, "0x08008000");
	expect_reason(&reasons, REASON_OUTSIDE_FLASH, "0x08008000");
	expect_reason(&reasons, REASON_TOO_LARGE, "needs 64 KiB");
	assert_int_equal(reasons.count, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_build_for_the_board_fits),
		cmocka_unit_test(what_is_not_needed_may_be_unknown),
		cmocka_unit_test(a_board_of_which_nobody_knows_the_chip_gets_nothing),
		cmocka_unit_test(of_several_possible_chips_one_must_be_stated),
		cmocka_unit_test(the_dictionary_of_another_chip_is_the_wrong_chip),
		cmocka_unit_test(an_image_that_names_no_chip_needs_a_declaration),
		cmocka_unit_test(a_declared_chip_is_not_the_boards),
		cmocka_unit_test(a_declared_chip_is_not_the_images),
		cmocka_unit_test(the_family_of_a_uf2_is_held_against_the_board),
		cmocka_unit_test(nothing_is_installed_on_the_computer_itself),
		cmocka_unit_test(a_build_for_another_offset_is_at_the_wrong_address),
		cmocka_unit_test(where_a_board_starts_its_application_must_be_known),
		cmocka_unit_test(a_file_that_puts_it_elsewhere_than_it_was_built_for),
		cmocka_unit_test(a_raw_image_that_proves_no_place_is_told_which_would_do),
		cmocka_unit_test(what_lies_outside_the_flash_is_refused),
		cmocka_unit_test(what_the_board_does_not_let_be_written_is_refused),
		cmocka_unit_test(regions_hold_for_boards_of_the_rp2_family_too),
		cmocka_unit_test(an_image_larger_than_the_flash_is_refused),
		cmocka_unit_test(a_large_image_needs_a_known_flash_size),
		cmocka_unit_test(an_application_is_not_put_over_the_boot_loader),
		cmocka_unit_test(behind_a_boot_loader_that_is_not_there_nothing_would_start),
		cmocka_unit_test(what_nobody_can_tell_apart_is_what_the_policy_says),
		cmocka_unit_test(a_stated_application_start_does_not_hide_the_boot_loader),
		cmocka_unit_test(what_begins_behind_the_boot_loader_but_not_where_it_looks),
		cmocka_unit_test(the_boot_loader_goes_when_a_rule_says_so),
		cmocka_unit_test(a_boot_loader_is_not_taken_for_an_application),
		cmocka_unit_test(a_combined_image_is_a_boot_loader_too),
		cmocka_unit_test(a_vector_table_must_make_sense),
		cmocka_unit_test(a_vector_table_may_be_missing_in_part),
		cmocka_unit_test(what_was_cut_short_is_refused),
		cmocka_unit_test(several_dictionaries_say_nothing),
		cmocka_unit_test(an_rp2040_behind_katapult_takes_a_build_for_there),
		cmocka_unit_test(an_lpc_has_its_flash_at_the_bottom),
		cmocka_unit_test(all_reasons_are_told_not_only_the_first),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
