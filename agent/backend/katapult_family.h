/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * How Katapult treats the flash of each family (katapult, src/stm32/flash.c, src/rp2040/flash.c,
 * src/lpc176x/flash.c): what it erases at once and when, and what it forgives.
 */
#include <stdbool.h>
#include <stdint.h>

#include "model/chip.h"

struct katapult_family {
	/* What must be written together: blocks that are not yet in flash when they are
	 * acknowledged wait for the rest of it. */
	uint32_t page_bytes;
	bool forgives_resends; /* a block that comes twice is taken once */
	/* What its first words are made of when the application shall be none: zeros, or all ones
	 * where that leaves the unit blank, which need not be erased once more then. */
	uint8_t poison;
	bool may_refuse_occupied; /* some builds cannot erase what is not blank (katapult#128) */
};

/* NULL: Katapult does not run there. */
const struct katapult_family *katapult_family(enum chip chip);

/* The unit that is erased when its first block comes, at `address` or around it. */
void katapult_unit(enum chip chip, uint32_t address, uint32_t *ret_start, uint32_t *ret_bytes);
