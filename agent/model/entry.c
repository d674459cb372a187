/* SPDX-License-Identifier: MIT */
/* Foretelling boot loaders; see entry.h. */
#include <assert.h>
#include <string.h>

#include "base/text.h"
#include "model/entry.h"

#define RP2040_BOOT 0x10000100u /* behind its boot2 */

#define STM32_HID_F1    0x08000800u
#define STM32_DUINO     0x08002000u
#define STM32_HID_F2_F4 0x08004000u

static const char *const names[_ENTRY_MAX] = {
	[ENTRY_UNKNOWN] = "unknown",
	[ENTRY_KATAPULT] = "katapult",
	[ENTRY_ROM_DFU] = "rom-dfu",
	[ENTRY_ROM_BOOTSEL] = "rom-bootsel",
	[ENTRY_OTHER] = "other",
	[ENTRY_NOTHING] = "nothing",
	[ENTRY_VANISHES] = "vanishes",
};

const char *entry_loader_name(enum entry_loader loader)
{
	assert(loader < _ENTRY_MAX);
	return names[loader];
}

static struct entry entry(enum entry_loader loader, const char *sentence)
{
	return (struct entry){ .loader = loader, .sentence = sentence };
}

static struct entry unknown(const char *sentence)
{
	return entry(ENTRY_UNKNOWN, sentence);
}

/* ---- chips ------------------------------------------------------------------------------- */

static bool is_rp2(enum chip chip)
{
	return chip == CHIP_RP2040 || chip == CHIP_RP2350;
}

static bool is_lpc(enum chip chip)
{
	return chip == CHIP_LPC1768 || chip == CHIP_LPC1769;
}

static bool is_f2_or_f4(enum chip chip)
{
	return chip >= CHIP_STM32F207 && chip <= CHIP_STM32F469;
}

/* Those whose ROM Klipper knows the way into (klipper, src/stm32/Kconfig: STM32_DFU_ROM_ADDRESS).
 */
static bool has_dfu(enum chip chip)
{
	return chip == CHIP_STM32F042 || chip == CHIP_STM32F072 ||
	       (chip >= CHIP_STM32F401 && chip <= CHIP_STM32L431);
}

bool entry_boot_address(enum chip chip, uint32_t *ret)
{
	const struct chip_memory *memory = chip_memory(chip);
	if (chip == CHIP_UNKNOWN || !memory)
		return false;
	*ret = chip == CHIP_RP2040 ? RP2040_BOOT : memory->flash.start;
	return true;
}

/* ---- without Katapult -------------------------------------------------------------------- */

static bool is_on_usb(const struct running *running)
{
	return running->transport == TRANSPORT_USB || running->transport == TRANSPORT_BRIDGE;
}

/* All of these boot loaders speak USB, whatever the firmware has spoken. */
static struct entry on_usb(const struct running *running, struct entry loader)
{
	if (running->transport == TRANSPORT_UNKNOWN)
		return unknown("its firmware does not say by which wire it speaks, so nobody knows "
			       "whether its boot loader could be reached");
	if (is_on_usb(running))
		return loader;
	return entry(ENTRY_VANISHES,
		"its boot loader answers on USB, where the board is not connected: it would be gone "
		"until its power is taken away; bring it into its boot loader by hand, with a USB "
		"cable");
}

static struct entry foretell_rp2(const struct running *running)
{
	return on_usb(running,
		entry(ENTRY_ROM_BOOTSEL, "it has no Katapult, so the chip's boot ROM will answer"));
}

static struct entry foretell_lpc(const struct board_facts *facts)
{
	if (!facts->has_application_start)
		return unknown(
			"where its firmware begins is not known, so nobody knows whether a boot "
			"loader stands before it");
	if (facts->application_start == 0)
		return entry(ENTRY_NOTHING,
			"its firmware stands alone in the flash and has no boot loader to go to");
	return on_usb(&facts->running,
		entry(ENTRY_OTHER, "the DFU boot loader before its firmware will answer"));
}

/* Boot loaders in flash that a build knows by where it stands itself; true: it is one of them. */
static bool foretell_neighbour(const struct board_facts *facts, enum chip chip, struct entry *ret)
{
	uint32_t start = facts->application_start;
	if ((chip == CHIP_STM32F103 && start == STM32_HID_F1) ||
		(is_f2_or_f4(chip) && start == STM32_HID_F2_F4))
		*ret = entry(ENTRY_OTHER, "the HID boot loader before its firmware will answer");
	else if (chip == CHIP_STM32F103 && start == STM32_DUINO)
		*ret = entry(ENTRY_OTHER, "stm32duino's boot loader will answer");
	else
		return false;
	*ret = on_usb(&facts->running, *ret);
	return true;
}

static struct entry foretell_stm32(const struct board_facts *facts, enum chip chip)
{
	struct entry neighbour;
	bool has_neighbours = chip == CHIP_STM32F103 || is_f2_or_f4(chip);
	if (has_neighbours && !facts->has_application_start)
		return unknown(
			"where its firmware begins is not known, and which boot loader it asks "
			"for depends on that");
	if (has_neighbours && foretell_neighbour(facts, chip, &neighbour))
		return neighbour;
	if (!has_dfu(chip))
		return entry(ENTRY_NOTHING,
			"it has no Katapult, and Klipper knows no way into this chip's boot ROM");
	if (facts->running.transport == TRANSPORT_UNKNOWN)
		return unknown(
			"its firmware does not say by which wire it speaks, and only one on USB "
			"goes to the boot ROM");
	if (!is_on_usb(&facts->running))
		return entry(ENTRY_NOTHING,
			"it has no Katapult, and a Klipper that was not built for USB does not go to the "
			"boot ROM");
	return entry(ENTRY_ROM_DFU,
		"it has no Katapult, so the chip's boot ROM will answer, in DFU; some boards turn a "
		"heater on there");
}

/* ---- programs of the Pico SDK ------------------------------------------------------------ */

/* Whatever stands before such a program, it goes to the ROM (pico-sdk, reset_usb_boot()). */
static struct entry foretell_bootsel(enum bootsel bootsel)
{
	if (bootsel == BOOTSEL_NO_WAY)
		return entry(ENTRY_NOTHING,
			"its program has neither the Pico SDK's reset interface nor a serial port, "
			"so nobody can ask it");
	return entry(ENTRY_ROM_BOOTSEL, "the chip's boot ROM will answer");
}

/* ---- chips that have no name here -------------------------------------------------------- */

static bool begins_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool is_one_of(const char *mcu, const char *const *prefixes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (begins_with(mcu, prefixes[i]))
			return true;
	return false;
}

static struct entry foretell_by_name(const struct board_facts *facts)
{
	static const char *const deaf[] = { "atmega", "at90", "linux", "hc32", "pru", "ar100" };
	static const char *const roms[] = { "sam3", "sam4", "same70" };
	static const char *const samba[] = { "samd", "samc", "same5" };
	const char *mcu = facts->running.mcu;
	if (is_one_of(mcu, deaf, ELEMENTSOF(deaf)))
		return entry(ENTRY_NOTHING, "Klipper has no boot loader to go to on this chip");
	if (is_one_of(mcu, roms, ELEMENTSOF(roms)))
		return on_usb(&facts->running,
			entry(ENTRY_OTHER,
				"the chip's boot ROM will answer, and again after every reset until "
				"it is told to start from flash"));
	if (is_one_of(mcu, samba, ELEMENTSOF(samba)) && facts->has_application_start)
		return facts->application_start == 0
			       ? entry(ENTRY_NOTHING,
					 "its firmware stands alone in the flash and has no "
					 "boot loader to go to")
			       : on_usb(&facts->running,
					 entry(ENTRY_OTHER, "SAM-BA, before its firmware, will "
							    "answer"));
	return unknown("it is not known what this chip does when it is asked for its boot loader");
}

/* ---- public ------------------------------------------------------------------------------ */

struct entry entry_foretell(const struct board_facts *facts)
{
	enum chip chip = chip_from_mcu(facts->running.mcu);
	uint32_t boot;
	if (facts->bootsel != BOOTSEL_UNKNOWN)
		return foretell_bootsel(facts->bootsel);
	if (!facts->running.is_known)
		return unknown("it is not known what it runs");
	if (!entry_boot_address(chip, &boot))
		return foretell_by_name(facts);
	if (facts->bootloader == BOOTLOADER_UNKNOWN)
		return unknown("nobody has looked whether it has Katapult");
	bool is_alone = facts->has_application_start && facts->application_start == boot;
	if (facts->bootloader == BOOTLOADER_KATAPULT && is_alone)
		return unknown(
			"it seems to run from where its Katapult stands; one of the two is not "
			"what it seems");
	if (facts->bootloader == BOOTLOADER_KATAPULT)
		return entry(ENTRY_KATAPULT, "its Katapult will answer");
	if (is_rp2(chip))
		return foretell_rp2(&facts->running);
	return is_lpc(chip) ? foretell_lpc(facts) : foretell_stm32(facts, chip);
}
