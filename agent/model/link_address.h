/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The address that a raw image was built for, proved from its bytes. A raw image does not state it,
 * and its reset vector alone fits many places. So every place that boot loaders leave to programs
 * is tried against independent signs; a place is believed when no sign speaks against it, no other
 * place is left, and two signs beside the vector table agree on it. One is enough where
 * the reset vector leads to before every other place, and Klipper's start-up code for the RP2
 * family, which copies all other signs to RAM.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/chip.h"

enum link_sign {
	LINK_VECTORS = 1, /* the stack is in RAM, the handlers are in the image */
	LINK_RESET_CODE = 2, /* the reset handler begins by masking interrupts, as Klipper's does */
	LINK_DEFAULT_HANDLER = 4, /* the handler of most exceptions is a branch to itself */
	LINK_DICTIONARY = 8, /* a constant points at Klipper's dictionary */
	LINK_VTOR = 16, /* a constant is the place itself: the address of the vector table */
	LINK_POINTERS = 32, /* more constants point into the image than at any other place */
	LINK_BOOT2 = 64, /* begins with what only the start of an RP2040's flash begins with */
	LINK_KATAPULT = 128, /* is Katapult, which lies at the start of the flash */
};

#define LINK_CANDIDATES 24

struct link_address {
	bool is_proved;
	uint32_t base; /* of the image; 0 unless proved */
	uint32_t vectors; /* how many bytes into the image its vector table lies */
	unsigned signs; /* enum link_sign: what speaks for `base` */
	/* Unproved: the places that the vector table alone would allow. */
	uint32_t candidates[LINK_CANDIDATES];
	size_t candidate_count;
	/* Proved, and many constants point shortly behind the end: the end is missing. */
	bool is_cut;
};

#define LINK_NO_DICTIONARY SIZE_MAX

/*
 * Looks for the address of `length` bytes built for `chip`, whose Klipper dictionary begins
 * `dictionary` bytes in (or LINK_NO_DICTIONARY). CHIP_UNKNOWN: as an STM32, or as a chip of the RP2
 * family, whichever the reset vector leads to. Allocates nothing.
 */
struct link_address link_address_find(
	const uint8_t *data, size_t length, enum chip chip, size_t dictionary);

/* How far behind the start of its flash the boot loaders of an STM32 leave room for programs,
 * ascending and with 0 first. Returns how many. */
size_t link_offsets_stm32(const uint32_t **ret);

/* Is that value a constant in the code: an aligned word, or a pair of MOVW and MOVT? */
bool link_mentions(const uint8_t *code, size_t length, uint32_t value);

/* "vector table, reset code, …" for people; `ret` holds at least LINK_SIGNS_TEXT bytes. */
#define LINK_SIGNS_TEXT 160
void link_signs_text(unsigned signs, char *ret);
