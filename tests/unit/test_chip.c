/* SPDX-License-Identifier: MIT */
/* Stories about the chips we know: how Klipper calls them, and where they have their memory. */
#include "unit/expect.h"

#include <errno.h>

#include "model/chip.h"

/* Every MCU text that Klipper's builds have, and the stack its images begin with there. */
static const struct {
	const char *mcu;
	enum chip chip;
	uint32_t stack;
} known[] = {
	{ "rp2040", CHIP_RP2040, 0x20042000 },
	{ "rp2350", CHIP_RP2350, 0x20082000 },
	{ "lpc1768", CHIP_LPC1768, 0x10007fe0 },
	{ "lpc1769", CHIP_LPC1769, 0x10007fe0 },
	{ "stm32f030x6", CHIP_STM32F030, 0x20001000 },
	{ "stm32f031x6", CHIP_STM32F031, 0x20001000 },
	{ "stm32f042x6", CHIP_STM32F042, 0x20001800 },
	{ "stm32f070x6", CHIP_STM32F070, 0x20001800 },
	{ "stm32f070xb", CHIP_STM32F070, 0x20004000 },
	{ "stm32f072xb", CHIP_STM32F072, 0x20004000 },
	{ "stm32f103xe", CHIP_STM32F103, 0x20005000 },
	{ "stm32f103xb", CHIP_STM32F103, 0x20005000 },
	{ "stm32f103x6", CHIP_STM32F103, 0x20002800 },
	{ "stm32f207xx", CHIP_STM32F207, 0x20020000 },
	{ "stm32f401xc", CHIP_STM32F401, 0x20010000 },
	{ "stm32f405xx", CHIP_STM32F405, 0x20020000 },
	{ "stm32f407xx", CHIP_STM32F407, 0x20020000 },
	{ "stm32f429xx", CHIP_STM32F429, 0x20020000 },
	{ "stm32f446xx", CHIP_STM32F446, 0x20020000 },
	{ "stm32f765xx", CHIP_STM32F765, 0x20080000 },
	{ "stm32g070xx", CHIP_STM32G070, 0x20009000 },
	{ "stm32g071xx", CHIP_STM32G071, 0x20009000 },
	{ "stm32g0b1xx", CHIP_STM32G0B1, 0x20024000 },
	{ "stm32g431xx", CHIP_STM32G431, 0x20008000 },
	{ "stm32g474xx", CHIP_STM32G474, 0x20020000 },
	{ "stm32h723xx", CHIP_STM32H723, 0x20020000 },
	{ "stm32h743xx", CHIP_STM32H743, 0x20020000 },
	{ "stm32h750xx", CHIP_STM32H750, 0x20020000 },
	{ "stm32l412xx", CHIP_STM32L412, 0x2000a000 },
};

static void klipper_names_them_with_their_part(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ELEMENTSOF(known); i++)
		if (chip_from_mcu(known[i].mcu) != known[i].chip)
			fail_msg("%s is taken for %s", known[i].mcu,
				chip_name(chip_from_mcu(known[i].mcu)));
	assert_int_equal(chip_from_mcu("linux"), CHIP_LINUX);
	assert_int_equal(chip_from_mcu("stm32f103"), CHIP_STM32F103);
}

static void a_name_that_is_only_near_is_none(void **unused)
{
	(void)unused;
	static const char *const others[] = { "", "stm32", "stm32f", "stm32f10", "stm32f103xex",
		"stm32f103 x", "stm32f103x!", "STM32F103xe", " stm32f103xe", "stm32f104xx",
		"stm32g0b0xx", "stm32h7a3xx", "stm32mp157", "rp2040x", "rp2040 ", "rp204",
		"rp2350a", "rp2", "linuxx", "linux ", "lpc1768x", "lpc1788", "n32g452xx",
		"hc32f460", "at32f403", "sam3x8e", "samd21g18", "same54p20", "atmega2560", "ar100",
		"pru", "unknown", "simulator" };
	for (size_t i = 0; i < ELEMENTSOF(others); i++)
		if (chip_from_mcu(others[i]) != CHIP_UNKNOWN)
			fail_msg("\"%s\" is taken for %s", others[i],
				chip_name(chip_from_mcu(others[i])));
	assert_int_equal(chip_from_mcu(NULL), CHIP_UNKNOWN);
}

static void every_chip_has_a_name_of_its_own(void **unused)
{
	(void)unused;
	for (int chip = CHIP_UNKNOWN + 1; chip < _CHIP_MAX; chip++) {
		const char *name = chip_name((enum chip)chip);
		assert_int_equal(chip_from_name(name), chip);
		assert_int_equal(chip_from_mcu(name), chip);
		assert_int_equal(chip_is_stm32((enum chip)chip), strncmp(name, "stm32", 5) == 0);
		assert_string_equal(chip_article((enum chip)chip), chip == CHIP_LINUX ? "a" : "an");
	}
	assert_int_equal(chip_from_name("unknown"), -EINVAL);
	assert_int_equal(chip_from_name("stm32f103xe"), -EINVAL);
	assert_false(chip_is_stm32(CHIP_UNKNOWN));
}

static void every_map_makes_sense(void **unused)
{
	(void)unused;
	for (int chip = CHIP_UNKNOWN; chip < _CHIP_MAX; chip++) {
		const struct chip_memory *memory = chip_memory((enum chip)chip);
		if (chip == CHIP_LINUX) {
			assert_null(memory);
			continue;
		}
		assert_non_null(memory);
		uint32_t size = memory->flash.end - memory->flash.start;
		assert_true(memory->flash.start < memory->flash.end);
		assert_true(memory->flash_size_least > 0 && memory->flash_size_least <= size);
		assert_int_equal(memory->flash_size_least % 1024, 0);
		assert_true(memory->ram[0].end > memory->ram[0].start);
		for (size_t i = 0; i < CHIP_RAMS; i++)
			assert_true(memory->ram[i].end >= memory->ram[i].start);
		if (chip_is_stm32((enum chip)chip))
			assert_int_equal(memory->flash.start, 0x08000000);
	}
	assert_int_equal(chip_memory(CHIP_RP2040)->flash.start, 0x10000000);
	assert_int_equal(chip_memory(CHIP_LPC1769)->flash.start, 0);
}

static void every_stack_of_klipper_is_plausible(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ELEMENTSOF(known); i++) {
		if (!chip_stack_is_plausible(known[i].chip, known[i].stack))
			fail_msg("%s would not take 0x%08x", known[i].mcu, known[i].stack);
		/* Katapult leaves a word above it for who asks it to stay. */
		assert_true(chip_stack_is_plausible(known[i].chip, known[i].stack - 8));
		/* An STM32 that is not named yet may be any of them. */
		if (chip_is_stm32(known[i].chip))
			assert_true(chip_stack_is_plausible(CHIP_UNKNOWN, known[i].stack));
	}
}

static void katapult_has_its_stack_in_the_other_ram_of_an_h7(void **unused)
{
	(void)unused;
	static const enum chip chips[] = { CHIP_STM32H723, CHIP_STM32H743, CHIP_STM32H750 };
	for (size_t i = 0; i < ELEMENTSOF(chips); i++)
		assert_true(chip_stack_is_plausible(chips[i], 0x24020000));
	assert_true(chip_stack_is_plausible(CHIP_UNKNOWN, 0x24020000));
	assert_false(chip_stack_is_plausible(CHIP_STM32F446, 0x24020000));
}

static void a_stack_outside_its_ram_is_not(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ELEMENTSOF(known); i++) {
		const struct chip_range ram = chip_memory(known[i].chip)->ram[0];
		assert_true(chip_stack_is_plausible(known[i].chip, ram.end));
		assert_false(chip_stack_is_plausible(known[i].chip, ram.end + 4));
		assert_false(chip_stack_is_plausible(known[i].chip, ram.start));
		assert_false(chip_stack_is_plausible(known[i].chip, known[i].stack + 1));
		assert_false(chip_stack_is_plausible(known[i].chip, known[i].stack - 2));
		assert_false(chip_stack_is_plausible(known[i].chip, 0));
		assert_false(chip_stack_is_plausible(known[i].chip, UINT32_MAX));
		assert_false(chip_stack_is_plausible(known[i].chip, 0x08000400));
	}
	assert_false(chip_stack_is_plausible(CHIP_STM32F072, 0x20020000));
	assert_true(chip_stack_is_plausible(CHIP_STM32F407, 0x10010000));
	assert_false(chip_stack_is_plausible(CHIP_STM32F446, 0x10010000));
	assert_false(chip_stack_is_plausible(CHIP_LINUX, 0x20001000));
}

static void a_set_holds_every_chip(void **unused)
{
	(void)unused;
	chip_set all = 0;
	for (int chip = 0; chip < _CHIP_MAX; chip++) {
		assert_int_equal(all & chip_bit((enum chip)chip), 0);
		all |= chip_bit((enum chip)chip);
	}
}

static void a_set_is_read_aloud_in_the_order_of_the_chips(void **unused)
{
	(void)unused;
	chip_set both = chip_bit(CHIP_STM32F429) | chip_bit(CHIP_STM32F407);
	_cleanup_(freep) char *none = chip_set_text(0), *one = chip_set_text(chip_bit(CHIP_RP2040)),
			      *two = chip_set_text(both);
	assert_string_equal(none, "");
	assert_string_equal(one, "rp2040");
	assert_string_equal(two, "stm32f407 or stm32f429");
	chip_set again = 1;
	assert_int_equal(chip_set_from_text(two, &again), 0);
	assert_true(again == both);
	assert_int_equal(chip_set_from_text("stm32f407 or stm32f4", &again), -EINVAL);
	assert_int_equal(chip_set_from_text("stm32f407 or stm32f4290", &again), -EINVAL);
	assert_true(again == both);
	assert_int_equal(chip_set_from_text("", &again), 0);
	assert_true(again == 0);
	assert_int_equal(chip_set_only(0), CHIP_UNKNOWN);
	assert_int_equal(chip_set_only(both), CHIP_UNKNOWN);
	assert_int_equal(chip_set_only(chip_bit(CHIP_STM32L431)), CHIP_STM32L431);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(klipper_names_them_with_their_part),
		cmocka_unit_test(a_name_that_is_only_near_is_none),
		cmocka_unit_test(every_chip_has_a_name_of_its_own),
		cmocka_unit_test(every_map_makes_sense),
		cmocka_unit_test(every_stack_of_klipper_is_plausible),
		cmocka_unit_test(katapult_has_its_stack_in_the_other_ram_of_an_h7),
		cmocka_unit_test(a_stack_outside_its_ram_is_not),
		cmocka_unit_test(a_set_holds_every_chip),
		cmocka_unit_test(a_set_is_read_aloud_in_the_order_of_the_chips),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
