/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Which chips show themselves like this? DFU has no chip id: the ROMs of a dozen chips differ in
 * their generation, in the strings of their memories and in the geometry of their flash, and some
 * of them in nothing at all. And the few loaders of plain DFU 1.1, which are known by their USB id.
 */
#include <stddef.h>
#include <stdint.h>

#include "backend/dfuse_layout.h"
#include "model/chip.h"

/* How a DfuSe device shows itself. */
struct dfu_looks {
	uint16_t device_version; /* bcdDevice */
	size_t alternate_count;
	/* The strings of its alternates, the first one being the flash. */
	char alternates[4][DFUSE_TEXT_BYTES];
	struct dfuse_layout flash;
};

/* The chips whose ROM looks like that; 0: none that we know. */
chip_set dfu_possible_chips(const struct dfu_looks *looks);

/* A loader of plain DFU 1.1: its blocks lie one behind the other, from `application_start` on. */
struct dfu_loader {
	uint16_t vid, pid;
	const char *name;
	chip_set chips;
	uint8_t alternate; /* whose memory the application belongs into */
	uint32_t application_start;
	uint32_t flash_end;
};

/* NULL: none that we know. */
const struct dfu_loader *dfu_loader_find(uint16_t vid, uint16_t pid);
