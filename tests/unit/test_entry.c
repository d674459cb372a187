/* SPDX-License-Identifier: MIT */
/* Which boot loader will answer: foretold from what is known of a board that runs Klipper. */
#include "unit/expect.h"

#include "model/entry.h"

#define STM32 0x08000000u

struct about {
	const char *mcu;
	enum transport transport;
	enum bootloader bootloader;
	bool has_start;
	uint32_t start;
};

static struct entry foretell(struct about about)
{
	struct board_facts facts = {
		.bootloader = about.bootloader,
		.has_application_start = about.has_start,
		.application_start = about.start,
		.running = { .is_known = true, .transport = about.transport },
	};
	text_copy_plain(facts.running.mcu, sizeof(facts.running.mcu), about.mcu);
	struct entry entry = entry_foretell(&facts);
	assert_true(text_is_plain(entry.sentence) && entry.sentence[0]);
	return entry;
}

static void expect(enum entry_loader loader, struct about about)
{
	struct entry entry = foretell(about);
	if (entry.loader != loader)
		fail_msg("%s: %s, not %s (%s)", about.mcu, entry_loader_name(entry.loader),
			entry_loader_name(loader), entry.sentence);
}

#define USB      TRANSPORT_USB
#define BRIDGE   TRANSPORT_BRIDGE
#define CAN      TRANSPORT_CAN
#define UART     TRANSPORT_UART
#define NOBODY   TRANSPORT_UNKNOWN
#define NONE     BOOTLOADER_NONE
#define OTHER    BOOTLOADER_OTHER
#define KATAPULT BOOTLOADER_KATAPULT
#define UNSEEN   BOOTLOADER_UNKNOWN

static void katapult_answers_where_it_is(void **state)
{
	(void)state;
	static const enum transport wires[] = { USB, BRIDGE, CAN, UART, NOBODY };
	for (size_t i = 0; i < ELEMENTSOF(wires); i++) {
		expect(ENTRY_KATAPULT,
			(struct about){ "stm32g0b1xx", wires[i], KATAPULT, true, STM32 + 0x2000 });
		expect(ENTRY_KATAPULT,
			(struct about){ "stm32f103xe", wires[i], KATAPULT, true, STM32 + 0x2000 });
		expect(ENTRY_KATAPULT,
			(struct about){ "stm32f446xx", wires[i], KATAPULT, true, STM32 + 0x4000 });
		expect(ENTRY_KATAPULT,
			(struct about){ "rp2040", wires[i], KATAPULT, true, 0x10004000 });
		expect(ENTRY_KATAPULT,
			(struct about){ "lpc1769", wires[i], KATAPULT, true, 0x4000 });
		/* Where a chip cannot be asked where it runs. */
		expect(ENTRY_KATAPULT,
			(struct about){ "stm32f072xb", wires[i], KATAPULT, false, 0 });
		expect(ENTRY_KATAPULT, (struct about){ "rp2350", wires[i], KATAPULT, false, 0 });
	}
}

static void two_things_that_exclude_each_other_are_unknown(void **state)
{
	(void)state;
	expect(ENTRY_UNKNOWN, (struct about){ "stm32g0b1xx", USB, KATAPULT, true, STM32 });
	expect(ENTRY_UNKNOWN, (struct about){ "rp2040", USB, KATAPULT, true, 0x10000100 });
	expect(ENTRY_UNKNOWN, (struct about){ "lpc1768", USB, KATAPULT, true, 0 });
}

static void an_stm32_on_usb_goes_to_its_rom(void **state)
{
	(void)state;
	static const char *const mcus[] = { "stm32f042x6", "stm32f072xb", "stm32f401xc",
		"stm32f405xx", "stm32f407xx", "stm32f429xx", "stm32f446xx", "stm32f765xx",
		"stm32g070xx", "stm32g0b1xx", "stm32g431xx", "stm32g474xx", "stm32h723xx",
		"stm32h743xx", "stm32h750xx", "stm32l412xx" };
	for (size_t i = 0; i < ELEMENTSOF(mcus); i++) {
		expect(ENTRY_ROM_DFU, (struct about){ mcus[i], USB, NONE, true, STM32 });
		expect(ENTRY_ROM_DFU, (struct about){ mcus[i], BRIDGE, NONE, true, STM32 });
		expect(ENTRY_ROM_DFU, (struct about){ mcus[i], USB, OTHER, true, STM32 + 0x8000 });
		/* Without USB it knows no way there. */
		expect(ENTRY_NOTHING, (struct about){ mcus[i], CAN, NONE, true, STM32 });
		expect(ENTRY_NOTHING, (struct about){ mcus[i], UART, NONE, true, STM32 });
		expect(ENTRY_UNKNOWN, (struct about){ mcus[i], NOBODY, NONE, true, STM32 });
		expect(ENTRY_UNKNOWN, (struct about){ mcus[i], USB, UNSEEN, true, STM32 });
	}
	struct entry entry = foretell((struct about){ "stm32f446xx", USB, NONE, true, STM32 });
	assert_non_null(strstr(entry.sentence, "heater"));
}

static void others_have_no_rom_that_klipper_knows(void **state)
{
	(void)state;
	static const char *const mcus[] = { "stm32f030x6", "stm32f031x6", "stm32f070xb",
		"stm32f103xe", "stm32f207xx" };
	for (size_t i = 0; i < ELEMENTSOF(mcus); i++)
		expect(ENTRY_NOTHING, (struct about){ mcus[i], USB, NONE, true, STM32 });
	expect(ENTRY_NOTHING, (struct about){ "stm32f103xe", USB, OTHER, true, STM32 + 0x7000 });
}

static void boot_loaders_in_flash_answer_on_usb(void **state)
{
	(void)state;
	static const struct {
		const char *mcu;
		uint32_t start;
	} cases[] = { { "stm32f103xe", STM32 + 0x800 }, { "stm32f103xe", STM32 + 0x2000 },
		{ "stm32f407xx", STM32 + 0x4000 }, { "stm32f207xx", STM32 + 0x4000 },
		{ "lpc1769", 0x4000 } };
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		const char *mcu = cases[i].mcu;
		uint32_t start = cases[i].start;
		expect(ENTRY_OTHER, (struct about){ mcu, USB, OTHER, true, start });
		expect(ENTRY_OTHER, (struct about){ mcu, BRIDGE, OTHER, true, start });
		expect(ENTRY_VANISHES, (struct about){ mcu, UART, OTHER, true, start });
		expect(ENTRY_VANISHES, (struct about){ mcu, CAN, OTHER, true, start });
		expect(ENTRY_UNKNOWN, (struct about){ mcu, NOBODY, OTHER, true, start });
		/* Which one, if any, depends on where it runs. */
		expect(ENTRY_UNKNOWN, (struct about){ mcu, USB, OTHER, false, 0 });
	}
	expect(ENTRY_NOTHING, (struct about){ "lpc1768", USB, NONE, true, 0 });
}

static void an_rp2040_without_usb_would_be_gone(void **state)
{
	(void)state;
	static const char *const mcus[] = { "rp2040", "rp2350" };
	for (size_t i = 0; i < ELEMENTSOF(mcus); i++) {
		expect(ENTRY_ROM_BOOTSEL, (struct about){ mcus[i], USB, NONE, false, 0 });
		expect(ENTRY_ROM_BOOTSEL, (struct about){ mcus[i], BRIDGE, NONE, false, 0 });
		expect(ENTRY_VANISHES, (struct about){ mcus[i], CAN, NONE, false, 0 });
		expect(ENTRY_VANISHES, (struct about){ mcus[i], UART, NONE, false, 0 });
		expect(ENTRY_UNKNOWN, (struct about){ mcus[i], NOBODY, NONE, false, 0 });
		expect(ENTRY_UNKNOWN, (struct about){ mcus[i], USB, UNSEEN, false, 0 });
	}
}

static void chips_of_others(void **state)
{
	(void)state;
	expect(ENTRY_NOTHING, (struct about){ "atmega2560", UART, UNSEEN, false, 0 });
	expect(ENTRY_NOTHING, (struct about){ "linux", TRANSPORT_PTY, UNSEEN, false, 0 });
	expect(ENTRY_NOTHING, (struct about){ "hc32f460", UART, UNSEEN, false, 0 });
	expect(ENTRY_OTHER, (struct about){ "sam3x8e", USB, UNSEEN, false, 0 });
	expect(ENTRY_OTHER, (struct about){ "same70q20b", USB, UNSEEN, false, 0 });
	expect(ENTRY_VANISHES, (struct about){ "sam4e8e", UART, UNSEEN, false, 0 });
	expect(ENTRY_UNKNOWN, (struct about){ "samd21g18", USB, UNSEEN, false, 0 });
	expect(ENTRY_OTHER, (struct about){ "same54p20", USB, OTHER, true, 0x4000 });
	expect(ENTRY_NOTHING, (struct about){ "samd51p20", USB, NONE, true, 0 });
	expect(ENTRY_UNKNOWN, (struct about){ "esp32", USB, NONE, true, 0 });
	expect(ENTRY_UNKNOWN, (struct about){ "", USB, NONE, true, 0 });
}

/* Not the wire, not what stands before it, and nobody asks where it begins. */
static void a_program_of_the_pico_sdk_goes_to_the_rom_if_it_can_be_asked(void **state)
{
	(void)state;
	struct board_facts facts = { .chip = CHIP_RP2040, .bootsel = BOOTSEL_BY_INTERFACE };
	assert_int_equal(entry_foretell(&facts).loader, ENTRY_ROM_BOOTSEL);
	facts.bootsel = BOOTSEL_BY_SERIAL;
	assert_int_equal(entry_foretell(&facts).loader, ENTRY_ROM_BOOTSEL);
	facts.bootsel = BOOTSEL_NO_WAY;
	struct entry entry = entry_foretell(&facts);
	assert_int_equal(entry.loader, ENTRY_NOTHING);
	assert_non_null(strstr(entry.sentence, "neither the Pico SDK's reset interface"));
}

static void without_klipper_nothing_is_known(void **state)
{
	(void)state;
	const struct board_facts facts = { .chip = CHIP_RP2040, .bootloader = BOOTLOADER_KATAPULT };
	assert_int_equal(entry_foretell(&facts).loader, ENTRY_UNKNOWN);
	for (enum entry_loader loader = 0; loader < _ENTRY_MAX; loader++)
		assert_non_null(entry_loader_name(loader));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(katapult_answers_where_it_is),
		cmocka_unit_test(two_things_that_exclude_each_other_are_unknown),
		cmocka_unit_test(an_stm32_on_usb_goes_to_its_rom),
		cmocka_unit_test(others_have_no_rom_that_klipper_knows),
		cmocka_unit_test(boot_loaders_in_flash_answer_on_usb),
		cmocka_unit_test(an_rp2040_without_usb_would_be_gone),
		cmocka_unit_test(chips_of_others),
		cmocka_unit_test(a_program_of_the_pico_sdk_goes_to_the_rom_if_it_can_be_asked),
		cmocka_unit_test(without_klipper_nothing_is_known),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
