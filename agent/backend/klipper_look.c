/* SPDX-License-Identifier: MIT */
/* Boot loaders seen from Klipper; see klipper_look.h. */
#include <errno.h>

#include "backend/klipper_look.h"
#include "base/bytes.h"
#include "model/entry.h"
#include "model/katapult.h"

/* Where the vector table is (ARMv7-M B3.2.5). */
#define VTOR       0xe000ed08u
#define VTOR_ALIGN 0x100u

/* Where Katapult starts an RP2040 or RP2350. */
#define RP2_BEHIND_KATAPULT 0x10004000u

struct look {
	struct klipper_wire *wire;
	const struct klipper_dictionary *dictionary;
	enum chip chip;
	struct chip_range flash; /* what every chip of the name has */
	uint32_t boot;
	bool has_katapult;
	bool has_start;
	uint32_t start;
};

static int read_word(const struct look *look, uint32_t address, uint32_t *ret)
{
	return klipper_debug_read(look->wire, look->dictionary, address, ret);
}

static bool is_in_flash(const struct look *look, uint32_t address, uint32_t length)
{
	return address >= look->flash.start && address <= look->flash.end - length;
}

/* The letters stand before the reset handler of what the chip starts first. */
static int find_katapult(struct look *look)
{
	uint8_t letters[KATAPULT_SIGNATURE_BYTES];
	uint32_t reset, low, high;
	TRY(read_word(look, look->boot + 4, &reset));
	uint32_t at = reset - 1 - KATAPULT_SIGNATURE_BYTES;
	/* A multiple of 8, as Katapult's linker script makes it; a Cortex-M0 could read no other.
	 */
	if (at % 8 != 0 || !is_in_flash(look, at, KATAPULT_SIGNATURE_BYTES))
		return 0;
	TRY(read_word(look, at, &low));
	TRY(read_word(look, at + 4, &high));
	write_u32(letters, low);
	write_u32(letters + 4, high);
	look->has_katapult = katapult_is_signature(letters);
	return 0;
}

/* ---- where it runs from ------------------------------------------------------------------ */

static bool is_f0(enum chip chip)
{
	return chip >= CHIP_STM32F030 && chip <= CHIP_STM32F072;
}

static bool is_rp2(enum chip chip)
{
	return chip == CHIP_RP2040 || chip == CHIP_RP2350;
}

static int ask_processor(struct look *look)
{
	uint32_t vectors;
	TRY(read_word(look, VTOR, &vectors));
	/* It is not read there: a larger part may have more flash. */
	const struct chip_range *most = &chip_memory(look->chip)->flash;
	look->has_start =
		vectors % VTOR_ALIGN == 0 && vectors >= most->start && vectors < most->end;
	look->start = vectors;
	return 0;
}

/* Could a program begin there? 1, 0 or an error. */
static int may_begin(const struct look *look, uint32_t address)
{
	uint32_t stack, reset;
	TRY(read_word(look, address, &stack));
	TRY(read_word(look, address + 4, &reset));
	return chip_stack_is_plausible(look->chip, stack) && reset % 2 == 1 && reset > address &&
	       is_in_flash(look, reset - 1, 2);
}

/*
 * A Cortex-M0 has no such register, and an RP2040's points into RAM, where Klipper copies its
 * table. Of the places where it could stand behind a boot loader, it is the only one that looks
 * like it.
 */
static int try_places(struct look *look)
{
	static const uint32_t places_f0[] = { 0x08001000, 0x08002000, 0x08004000 };
	static const uint32_t places_rp2[] = { RP2_BEHIND_KATAPULT };
	const uint32_t *places = is_f0(look->chip) ? places_f0 : places_rp2;
	size_t count = is_f0(look->chip) ? ELEMENTSOF(places_f0) : ELEMENTSOF(places_rp2);
	size_t found = 0;
	for (size_t i = 0; i < count; i++) {
		if (!is_in_flash(look, places[i], 8))
			continue;
		int r = may_begin(look, places[i]);
		if (r < 0)
			return r;
		if (r > 0)
			look->start = places[i];
		found += r > 0;
	}
	look->has_start = found == 1;
	if (found == 0 && !look->has_katapult && is_f0(look->chip)) {
		look->has_start = true;
		look->start = look->boot;
	}
	return 0;
}

static int find_start(struct look *look)
{
	if (!is_f0(look->chip) && !is_rp2(look->chip))
		return ask_processor(look);
	/* Without Katapult an RP2040's firmware is what its ROM starts. */
	return is_rp2(look->chip) && !look->has_katapult ? 0 : try_places(look);
}

/* ---- public ------------------------------------------------------------------------------ */

static enum bootloader bootloader_of(const struct look *look)
{
	if (look->has_katapult)
		return BOOTLOADER_KATAPULT;
	bool is_alone = look->has_start ? look->start == look->boot : is_rp2(look->chip);
	return is_alone ? BOOTLOADER_NONE : BOOTLOADER_OTHER;
}

int klipper_look(struct klipper_wire *wire, const struct klipper_dictionary *dictionary,
	struct board_facts *facts)
{
	struct look look = {
		.wire = wire,
		.dictionary = dictionary,
		.chip = chip_from_mcu(dictionary->running.mcu),
	};
	facts->chip = look.chip;
	if (!dictionary->has_debug_read || !entry_boot_address(look.chip, &look.boot))
		return 0;
	const struct chip_memory *memory = chip_memory(look.chip);
	look.flash = memory->flash;
	look.flash.end = memory->flash.start + memory->flash_size_least;
	TRY(find_katapult(&look));
	TRY(find_start(&look));
	facts->bootloader = bootloader_of(&look);
	facts->has_application_start = look.has_start;
	facts->application_start = look.has_start ? look.start : 0;
	if (look.has_start && facts->bootloader != BOOTLOADER_NONE)
		facts->bootloader_end = look.start;
	return 0;
}
