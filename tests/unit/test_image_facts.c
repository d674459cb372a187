/* SPDX-License-Identifier: MIT */
/* Stories about what an image says of itself, and from what it is known. */
#include "unit/expect.h"

#include "base/bytes.h"
#include "model/image_facts.h"
#include "unit/fitness_story.h"
#include "unit/make_arm.h"
#include "unit/make_image.h"

#define NOW "v0.13.0-420-g0a1b2c3d4"

/* An image under examination, and what came of it. */
struct desk {
	struct image *image;
	struct image_facts says;
};

static int set_desk(void **state)
{
	*state = calloc(1, sizeof(struct desk));
	return *state ? 0 : -1;
}

static int clear_desk(void **state)
{
	struct desk *desk = *state;
	image_facts_done(&desk->says);
	image_free(desk->image);
	free(desk);
	return 0;
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, set_desk, clear_desk)

/* Takes the image. */
static const struct image_facts *read_value(struct desk *desk, struct image *image)
{
	image_facts_done(&desk->says);
	image_free(desk->image);
	desk->image = image;
	assert_int_equal(image_facts_read(image, &desk->says), 0);
	return &desk->says;
}

static const struct image_facts *read_raw(struct desk *desk, const uint8_t *bytes, size_t length)
{
	return read_value(desk, make_value(FORMAT_BIN, bytes, length, 0));
}

static void expect_chip(const struct image_facts *says, enum chip chip, enum chip_sign sign)
{
	assert_string_equal(chip_name(says->chip), chip_name(chip));
	assert_string_equal(chip_sign_text(says->chip_sign), chip_sign_text(sign));
}

static void klipper_says_all_of_it(void **state)
{
	_cleanup_(freep) uint8_t *bytes = make_klipper("stm32g0b1xx", ARM_8K, NOW, "");
	const struct image_facts *says = read_raw(*state, bytes, ARM_LENGTH);
	assert_int_equal(says->kind, KIND_KLIPPER);
	assert_true(says->has_klipper && !says->has_several_dictionaries);
	expect_chip(says, CHIP_STM32G0B1, CHIP_SIGN_DICTIONARY);
	assert_string_equal(image_facts_version(says), NOW);
	assert_true(says->link.is_proved && says->is_for_stm32);
	assert_int_equal(says->link.base, ARM_8K);
	assert_int_equal(says->link.signs, LINK_VECTORS | ARM_KLIPPER_SIGNS);
}

static void an_mcu_that_we_do_not_know_is_held_against_no_map(void **state)
{
	_cleanup_(freep) uint8_t *bytes = make_klipper("stm32u585xx", ARM_8K, NOW, "");
	const struct image_facts *says = read_raw(*state, bytes, ARM_LENGTH);
	assert_int_equal(says->kind, KIND_KLIPPER);
	expect_chip(says, CHIP_UNKNOWN, CHIP_SIGN_DICTIONARY);
	assert_false(says->link.is_proved);
	assert_int_equal(says->link.candidate_count, 0);
}

static void a_dictionary_without_an_mcu_names_no_chip(void **state)
{
	struct made_arm made = { .base = ARM_8K,
		.signs = ARM_KLIPPER_SIGNS,
		.json = "{\"version\":\"v1\",\"config\":{\"CLOCK_FREQ\":1}}" };
	_cleanup_(freep) uint8_t *bytes = make_arm(&made);
	const struct image_facts *says = read_raw(*state, bytes, ARM_LENGTH);
	assert_int_equal(says->kind, KIND_KLIPPER);
	expect_chip(says, CHIP_UNKNOWN, CHIP_SIGN_NONE);
	assert_true(says->link.is_proved && says->is_for_stm32);
}

static void a_plain_program_for_an_stm32_names_no_chip(void **state)
{
	struct made_arm made = { .base = ARM_32K, .signs = LINK_DEFAULT_HANDLER | LINK_VTOR };
	_cleanup_(freep) uint8_t *bytes = make_arm(&made);
	const struct image_facts *says = read_raw(*state, bytes, ARM_LENGTH);
	assert_int_equal(says->kind, KIND_PROGRAM);
	expect_chip(says, CHIP_UNKNOWN, CHIP_SIGN_NONE);
	assert_true(says->is_for_stm32);
	assert_int_equal(says->link.base, ARM_32K);
	assert_null(image_facts_version(says));
	/* Without a stack that some STM32 has it may be anything. */
	write_u32(bytes, 0x40000000);
	says = read_raw(*state, bytes, ARM_LENGTH);
	assert_false(says->is_for_stm32 || says->link.is_proved);
}

static void a_boot2_is_an_rp2040s(void **state)
{
	_cleanup_(freep) uint8_t *bytes = make_bin(4096, 1);
	const struct image_facts *says = read_raw(*state, bytes, 4096);
	assert_int_equal(says->kind, KIND_PROGRAM);
	expect_chip(says, CHIP_RP2040, CHIP_SIGN_BOOT2);
	assert_int_equal(says->link.base, STORY_FLASH);
	/* Elsewhere it is no boot2, but some bytes. */
	says = read_value(*state, make_value(FORMAT_HEX, bytes, 4096, STORY_FLASH + 0x4000));
	expect_chip(says, CHIP_UNKNOWN, CHIP_SIGN_NONE);
}

static void an_image_def_is_an_rp2350s(void **state)
{
	_cleanup_(freep) uint8_t *bytes = make_rp2350_bin(8192, 1);
	const struct image_facts *says = read_raw(*state, bytes, 8192);
	expect_chip(says, CHIP_RP2350, CHIP_SIGN_IMAGE_DEF);
	/* Klipper writes the RP2040's family into files for the RP2350. */
	says = read_value(*state, story_uf2(bytes, 8192, STORY_FLASH, MADE_FAMILY_RP2040));
	expect_chip(says, CHIP_RP2350, CHIP_SIGN_IMAGE_DEF);
}

static void the_family_of_a_file_counts_where_nothing_else_speaks(void **state)
{
	_cleanup_(freep) uint8_t *bytes = make_offset_bin(STORY_FLASH + 0x4000, 4096, 1);
	const struct image_facts *says = read_value(
		*state, story_uf2(bytes, 4096, STORY_FLASH + 0x4000, MADE_FAMILY_RP2040));
	expect_chip(says, CHIP_RP2040, CHIP_SIGN_FAMILY);
	says = read_value(*state, story_uf2(bytes, 4096, STORY_FLASH + 0x4000, 0x12345678));
	expect_chip(says, CHIP_UNKNOWN, CHIP_SIGN_NONE);
}

static void the_dictionary_is_believed_first(void **state)
{
	_cleanup_(freep) uint8_t *bytes = make_klipper("rp2040", STORY_FLASH + 0x4000, NOW, "");
	const struct image_facts *says = read_value(
		*state, story_uf2(bytes, ARM_LENGTH, STORY_FLASH + 0x4000, MADE_FAMILY_RP2350));
	expect_chip(says, CHIP_RP2040, CHIP_SIGN_DICTIONARY);
	assert_true(says->link.is_proved);
}

static void a_program_for_linux_is_for_no_chip(void **state)
{
	_cleanup_(freep) uint8_t *bytes = make_klipper("linux", ARM_8K, NOW, "");
	const struct made_segment segment = { ARM_8K, bytes, ARM_LENGTH };
	size_t length;
	_cleanup_(freep) uint8_t *file = make_elf(&segment, 1, &length);
	file[7] = 3; /* made for Linux, it says */
	const struct image_facts *says = read_value(*state, story_parse(file, length));
	assert_int_equal(says->kind, KIND_KLIPPER);
	expect_chip(says, CHIP_LINUX, CHIP_SIGN_FORMAT);
	assert_string_equal(image_facts_version(says), NOW);
	assert_false(says->link.is_proved || says->is_for_stm32);
	/* Whatever it carries within. */
	memcpy(file + length - 64, "CanBoot!", 8);
	memset(file + 84 + ARM_DICTIONARY, 0, 64);
	says = read_value(*state, story_parse(file, length));
	assert_int_equal(says->kind, KIND_PROGRAM);
	expect_chip(says, CHIP_LINUX, CHIP_SIGN_FORMAT);
}

static void katapult_is_known_by_its_letters(void **state)
{
	struct made_arm made = { .base = ARM_STM32_0 };
	_cleanup_(freep) uint8_t *bytes = make_arm(&made);
	make_katapult(bytes, ARM_STM32_0);
	const struct image_facts *says = read_raw(*state, bytes, ARM_LENGTH);
	assert_int_equal(says->kind, KIND_KATAPULT);
	assert_int_equal(says->link.base, ARM_STM32_0);
	says = read_value(*state, make_value(FORMAT_HEX, bytes, ARM_LENGTH, ARM_STM32_0));
	assert_int_equal(says->kind, KIND_KATAPULT);
	/* One letter less and it is any program. */
	bytes[ARM_RESET - 1] = '?';
	says = read_raw(*state, bytes, ARM_LENGTH);
	assert_int_equal(says->kind, KIND_PROGRAM);
}

static void katapult_for_an_rp2040_has_a_boot2_in_front(void **state)
{
	struct made_arm made = { .base = STORY_FLASH + 256, .stack = 0x20042000 };
	_cleanup_(freep) uint8_t *program = make_arm(&made);
	uint8_t bytes[256 + ARM_LENGTH];
	make_katapult(program, made.base);
	make_noise(bytes, 256, 1);
	make_boot2_valid(bytes);
	memcpy(bytes + 256, program, ARM_LENGTH);
	const struct image_facts *says = read_raw(*state, bytes, sizeof(bytes));
	assert_int_equal(says->kind, KIND_KATAPULT);
	expect_chip(says, CHIP_RP2040, CHIP_SIGN_BOOT2);
	says = read_value(*state, story_uf2(bytes, sizeof(bytes), STORY_FLASH, MADE_FAMILY_RP2040));
	assert_int_equal(says->kind, KIND_KATAPULT);
}

static void an_application_behind_katapult_makes_it_a_combined_image(void **state)
{
	struct made_arm made = { .base = ARM_STM32_0, .length = 0x2000, .reset = 0x1000 };
	_cleanup_(freep) uint8_t *boot = make_arm(&made);
	_cleanup_(freep) uint8_t *klipper = make_klipper("stm32g0b1xx", ARM_8K, NOW, "");
	uint8_t bytes[0x2000 + ARM_LENGTH];
	make_katapult(boot, ARM_STM32_0);
	memcpy(bytes, boot, 0x2000);
	memcpy(bytes + 0x2000, klipper, ARM_LENGTH);
	const struct image_facts *says = read_raw(*state, bytes, sizeof(bytes));
	assert_int_equal(says->kind, KIND_COMBINED);
	assert_int_equal(says->link.base, ARM_STM32_0);
	expect_chip(says, CHIP_STM32G0B1, CHIP_SIGN_DICTIONARY);
	/* In two pieces it is one too, whatever the second is. */
	const struct made_segment segments[] = { { ARM_STM32_0, boot, 0x2000 },
		{ ARM_32K, klipper, 64 } };
	size_t length;
	_cleanup_(freep) uint8_t *file = make_hex(segments, 2, &length);
	says = read_value(*state, story_parse(file, length));
	assert_int_equal(says->kind, KIND_COMBINED);
}

static void a_deployer_carries_katapult_within(void **state)
{
	struct made_arm made = { .base = ARM_32K, .signs = LINK_RESET_CODE | LINK_VTOR };
	_cleanup_(freep) uint8_t *bytes = make_arm(&made);
	memcpy(bytes + 0x1001, "CanBoot!", 8);
	const struct image_facts *says = read_raw(*state, bytes, ARM_LENGTH);
	assert_int_equal(says->kind, KIND_DEPLOYER);
	assert_int_equal(says->link.base, ARM_32K);
	/* Klipper looks for the same letters, to know whether Katapult is there. */
	_cleanup_(freep) uint8_t *klipper = make_klipper("stm32g0b1xx", ARM_8K, NOW, "");
	memcpy(klipper + 0x4801, "CanBoot!", 8);
	says = read_raw(*state, klipper, ARM_LENGTH);
	assert_int_equal(says->kind, KIND_KLIPPER);
}

static void of_several_dictionaries_that_differ_none_is_believed(void **state)
{
	_cleanup_(freep) uint8_t *bytes = make_klipper("stm32g0b1xx", ARM_8K, NOW, "");
	uint8_t other[512];
	size_t length = make_dictionary(other, sizeof(other),
		"{\"app\":\"Klipper\",\"config\":{\"MCU\":\"stm32f429xx\"},\"version\":\"v1\"}");
	memcpy(bytes + ARM_RESET + 0x1000, other, length);
	const struct image_facts *says = read_raw(*state, bytes, ARM_LENGTH);
	assert_true(says->has_several_dictionaries && !says->has_klipper);
	assert_int_equal(says->kind, KIND_KLIPPER);
	expect_chip(says, CHIP_UNKNOWN, CHIP_SIGN_NONE);
	assert_null(image_facts_version(says));
}

static void a_dictionary_further_on_is_no_sign_of_the_first_piece(void **state)
{
	_cleanup_(freep) uint8_t *klipper = make_klipper("stm32g0b1xx", ARM_8K, NOW, "");
	uint8_t first[0x200] = { 0 };
	const struct made_segment segments[] = { { ARM_STM32_0, first, sizeof(first) },
		{ ARM_8K, klipper, ARM_LENGTH } };
	size_t length;
	_cleanup_(freep) uint8_t *file = make_hex(segments, 2, &length);
	const struct image_facts *says = read_value(*state, story_parse(file, length));
	assert_true(says->has_klipper && !says->link.is_proved);
	expect_chip(says, CHIP_STM32G0B1, CHIP_SIGN_DICTIONARY);
}

/* Between the pieces of a file there may be a hole, as wide as an alignment. */
static void what_the_next_piece_holds_is_not_missing(void **state)
{
	_cleanup_(freep) uint8_t *bytes = make_klipper("stm32g0b1xx", ARM_8K, NOW, "");
	uint8_t rest[256] = { 0 };
	for (unsigned i = 0; i < 16; i++)
		write_u32(bytes + 0x200 + 4 * i, ARM_8K + ARM_LENGTH + 16 + 4 * i);
	const struct image_facts *says =
		read_value(*state, make_value(FORMAT_HEX, bytes, ARM_LENGTH, ARM_8K));
	assert_true(says->link.is_proved && says->link.is_cut);
	const struct made_segment segments[] = { { ARM_8K, bytes, ARM_LENGTH },
		{ ARM_8K + ARM_LENGTH + 16, rest, sizeof(rest) } };
	size_t length;
	_cleanup_(freep) uint8_t *file = make_hex(segments, 2, &length);
	says = read_value(*state, story_parse(file, length));
	assert_int_equal(((struct desk *)*state)->image->segment_count, 2);
	assert_true(says->link.is_proved && !says->link.is_cut);
}

static void what_says_nothing_is_a_program_for_nobody_knows_what(void **state)
{
	uint8_t bytes[4096];
	for (uint32_t seed = 0; seed < 50; seed++) {
		make_noise(bytes, sizeof(bytes), seed);
		const struct image_facts *says = read_raw(*state, bytes, 1 + seed * 81);
		assert_int_equal(says->kind, KIND_PROGRAM);
		expect_chip(says, CHIP_UNKNOWN, CHIP_SIGN_NONE);
		assert_false(says->is_for_stm32 || says->link.is_proved || says->has_klipper);
	}
}

static void the_version_is_klippers_before_the_sdks(void **unused)
{
	(void)unused;
	char klipper[] = "v0.13.0", sdk[] = "1.2";
	struct image_facts says = { 0 };
	says.klipper.version = klipper;
	says.binary_info.version = sdk;
	assert_null(image_facts_version(&says));
	says.has_binary_info = true;
	assert_string_equal(image_facts_version(&says), sdk);
	says.has_klipper = true;
	assert_string_equal(image_facts_version(&says), klipper);
}

static void every_kind_and_sign_has_a_name(void **unused)
{
	(void)unused;
	for (int kind = 0; kind < _KIND_MAX; kind++)
		assert_true(strlen(image_kind_name((enum image_kind)kind)) > 0);
	for (int sign = 0; sign < _CHIP_SIGN_MAX; sign++)
		assert_true(strlen(chip_sign_text((enum chip_sign)sign)) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(klipper_says_all_of_it),
		STORY(an_mcu_that_we_do_not_know_is_held_against_no_map),
		STORY(a_dictionary_without_an_mcu_names_no_chip),
		STORY(a_plain_program_for_an_stm32_names_no_chip),
		STORY(a_boot2_is_an_rp2040s),
		STORY(an_image_def_is_an_rp2350s),
		STORY(the_family_of_a_file_counts_where_nothing_else_speaks),
		STORY(the_dictionary_is_believed_first),
		STORY(a_program_for_linux_is_for_no_chip),
		STORY(katapult_is_known_by_its_letters),
		STORY(katapult_for_an_rp2040_has_a_boot2_in_front),
		STORY(an_application_behind_katapult_makes_it_a_combined_image),
		STORY(a_deployer_carries_katapult_within),
		STORY(of_several_dictionaries_that_differ_none_is_believed),
		STORY(a_dictionary_further_on_is_no_sign_of_the_first_piece),
		STORY(what_the_next_piece_holds_is_not_missing),
		STORY(what_says_nothing_is_a_program_for_nobody_knows_what),
		cmocka_unit_test(the_version_is_klippers_before_the_sdks),
		cmocka_unit_test(every_kind_and_sign_has_a_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
