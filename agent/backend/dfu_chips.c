/* SPDX-License-Identifier: MIT */
/*
 * Chips by the looks of their ROM; see dfu_chips.h. The strings are those that devices have shown
 * (fwupd's and dfu-util's collections, AN2606); a chip that nobody makes printer firmware for is
 * listed all the same where it looks like one that somebody does.
 */
#include <stdbool.h>
#include <string.h>

#include "backend/dfu_chips.h"
#include "base/cleanup.h"

enum generation {
	GENERATION_OLD, /* F0, F2, F4, F7, L4: bcdDevice 0x22xx, "STM32  BOOTLOADER" */
	GENERATION_NEW, /* G0, G4, H7: 0x02xx, "DFU in FS Mode" */
};

#define BIT(name) (UINT64_C(1) << CHIP_STM32##name)

#define F42 (BIT(F427) | BIT(F429) | BIT(F469))

struct geometry {
	uint32_t count, kib;
};

/* What the alternates behind the flash must be like. */
enum alternates {
	ANY,
	SAME, /* as a G0B1's: all of them show the flash */
	GARBAGE, /* the flash's own string ends in noise, as on parts with half of the flash */
	SECOND_BANK, /* option bytes of a second bank */
	OPTIONS_F0, /* by where the option bytes lie, */
	OPTIONS_L4,
	OPTIONS_G474,
	OPTIONS_H723, /* or how many there are */
	OPTIONS_H743,
	OTP_G4, /* one-time programmable memory is shown */
};

static const struct look {
	enum generation generation;
	enum alternates alternates;
	struct geometry flash[7]; /* to the first count of 0 */
	chip_set chips;
} looks_known[] = {
	/* The first that fits. */
	{ GENERATION_OLD, GARBAGE, { { 4, 16 }, { 1, 64 }, { 7, 128 } }, BIT(F427) | BIT(F429) },
	{ GENERATION_OLD, SECOND_BANK, { { 4, 16 }, { 1, 64 }, { 7, 128 } }, F42 },
	{ GENERATION_OLD, ANY, { { 4, 16 }, { 1, 64 }, { 7, 128 } },
		BIT(F207) | BIT(F405) | BIT(F407) | BIT(F412) | F42 },
	{ GENERATION_OLD, ANY,
		{ { 4, 16 }, { 1, 64 }, { 7, 128 }, { 4, 16 }, { 1, 64 }, { 7, 128 } }, F42 },
	{ GENERATION_OLD, ANY, { { 4, 16 }, { 1, 64 }, { 11, 128 } }, BIT(F413) },
	{ GENERATION_OLD, ANY, { { 4, 16 }, { 1, 64 }, { 3, 128 } },
		BIT(F207) | BIT(F401) | BIT(F405) | BIT(F407) | BIT(F411) | BIT(F412) | BIT(F446) |
			BIT(F469) },
	{ GENERATION_OLD, ANY, { { 4, 16 }, { 1, 64 }, { 1, 128 } },
		BIT(F207) | BIT(F401) | BIT(F411) | BIT(F446) },
	{ GENERATION_OLD, ANY, { { 4, 32 }, { 1, 128 }, { 7, 256 } }, BIT(F765) },
	{ GENERATION_OLD, OPTIONS_F0, { { 32, 1 } }, BIT(F042) | BIT(F070) },
	{ GENERATION_OLD, OPTIONS_F0, { { 64, 2 } }, BIT(F070) | BIT(F072) },
	{ GENERATION_OLD, OPTIONS_L4, { { 64, 2 } }, BIT(L412) },
	{ GENERATION_OLD, OPTIONS_L4, { { 128, 2 } }, BIT(L431) },
	{ GENERATION_NEW, SAME, { { 64, 2 } }, BIT(G0B1) },
	{ GENERATION_NEW, SAME, { { 128, 2 } }, BIT(G0B1) },
	{ GENERATION_NEW, SAME, { { 256, 2 } }, BIT(G0B1) },
	{ GENERATION_NEW, OTP_G4, { { 64, 2 } }, BIT(G431) },
	{ GENERATION_NEW, OPTIONS_G474, { { 256, 2 } }, BIT(G474) },
	{ GENERATION_NEW, OPTIONS_H723, { { 8, 128 } }, BIT(H723) },
	{ GENERATION_NEW, OPTIONS_H743, { { 16, 128 } }, BIT(H743) | BIT(H750) },
};

static bool find_generation(uint16_t device_version, enum generation *ret)
{
	*ret = device_version >> 8 == 0x22 ? GENERATION_OLD : GENERATION_NEW;
	return device_version >> 8 == 0x22 || device_version >> 8 == 0x02;
}

/* Does another alternate's string have this in it? */
static bool shows(const struct dfu_looks *looks, const char *words)
{
	for (size_t i = 1; i < looks->alternate_count && i < ELEMENTSOF(looks->alternates); i++)
		if (strstr(looks->alternates[i], words))
			return true;
	return false;
}

static bool are_all_the_same(const struct dfu_looks *looks)
{
	for (size_t i = 1; i < looks->alternate_count && i < ELEMENTSOF(looks->alternates); i++)
		if (strcmp(looks->alternates[i], looks->alternates[0]) != 0)
			return false;
	return looks->alternate_count == 3;
}

static bool have_alternates(const struct dfu_looks *looks, enum alternates alternates)
{
	switch (alternates) {
	case ANY:
		return true;
	case SAME:
		return are_all_the_same(looks);
	case GARBAGE:
		return looks->flash.has_garbage;
	case SECOND_BANK:
		return shows(looks, "/0x1FFEC000/");
	case OPTIONS_F0:
		return shows(looks, "/0x1FFFF800/") && !shows(looks, "/0x1FFF7800/");
	case OPTIONS_L4:
		return shows(looks, "/0x1FFF7800/") && !shows(looks, "/0x1FFFF800/");
	case OPTIONS_G474:
		return shows(looks, "/0x1FFF7800/01*048 e/0x1FFFF800/01*048 e");
	case OPTIONS_H723:
		return shows(looks, "/0x5200201C/01*88 ");
	case OPTIONS_H743:
		return shows(looks, "/0x5200201C/01*128 ");
	case OTP_G4:
		return shows(looks, "/0x1FFF7000/");
	}
	return false;
}

static bool has_geometry(const struct dfuse_layout *flash, const struct look *look)
{
	const unsigned all = DFUSE_READABLE | DFUSE_ERASABLE | DFUSE_WRITABLE;
	uint64_t address = 0x08000000u;
	size_t count = 0;
	for (; look->flash[count].count > 0; count++) {
		const struct geometry *wanted = &look->flash[count];
		const struct dfuse_segment *segment = &flash->segments[count];
		if (count == flash->segment_count || segment->start != address ||
			segment->unit_count != wanted->count ||
			segment->unit_bytes != wanted->kib << 10 || segment->rights != all)
			return false;
		address += (uint64_t)segment->unit_count * segment->unit_bytes;
	}
	return count == flash->segment_count;
}

/* An F72x or F73x, which has the geometry of an F446, and no Klipper: "01*64Kg" where the others
 * write "01*064Kg". */
static bool is_f72x(const struct dfu_looks *looks)
{
	return strstr(looks->alternates[0], ",01*64Kg") != NULL;
}

chip_set dfu_possible_chips(const struct dfu_looks *looks)
{
	enum generation generation;
	if (!find_generation(looks->device_version, &generation) || is_f72x(looks))
		return 0;
	for (size_t i = 0; i < ELEMENTSOF(looks_known); i++) {
		const struct look *look = &looks_known[i];
		if (look->generation == generation && has_geometry(&looks->flash, look) &&
			have_alternates(looks, look->alternates))
			return look->chips;
	}
	return 0;
}

const struct dfu_loader *dfu_loader_find(uint16_t vid, uint16_t pid)
{
	static const struct dfu_loader loaders[] = {
		{ 0x1eaf, 0x0003, "stm32duino", BIT(F103), 2, 0x08002000u, 0x08020000u },
		{ 0x1d50, 0x6015, "Smoothieware",
			UINT64_C(1) << CHIP_LPC1768 | UINT64_C(1) << CHIP_LPC1769, 0, 0x4000u,
			0x80000u },
	};
	for (size_t i = 0; i < ELEMENTSOF(loaders); i++)
		if (loaders[i].vid == vid && loaders[i].pid == pid)
			return &loaders[i];
	return NULL;
}
