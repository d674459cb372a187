/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What differs between the chips that speak PICOBOOT: how one tells what it is, where its ROM looks
 * for something to start, and how it is restarted. Inside the picoboot backend only.
 */
#include <stdbool.h>
#include <stdint.h>

#include "backend/flash_plan.h"
#include "backend/picoboot_wire.h"
#include "model/board.h"
#include "model/image.h"
#include "model/reason.h"

struct picoboot_chip {
	enum chip chip;
	const char *name; /* behind "an" */
	uint8_t rom_magic; /* the byte behind "Mu" */

	/* Looks, read-only as far as the flash goes: fills what it can tell beside chip and
	 * revision. 0, or an error of the wire. */
	int (*look)(struct picoboot_wire *wire, struct board_facts *facts);

	/* Where the ROM would look for something to start in this image. 0, or -EINVAL: nowhere. */
	int (*find_head)(const struct image *image, struct flash_head *ret);
	enum reason_code no_head; /* what an image without one is refused for, and why */
	const char *no_head_sentence;

	/* Starts the application, in time for the acknowledgement to get through. */
	int (*restart)(struct picoboot_wire *wire);
};

extern const struct picoboot_chip picoboot_rp2040;
extern const struct picoboot_chip picoboot_rp2350;

/* The start of a flash, as much of it as tells one flash from another. */
#define PICOBOOT_ECHO_BYTES (2 * FLASH_PAGE_BYTES)

/*
 * The size of the flash by its echo, for a chip ignores the address bits it does not have: the
 * first power of two from 1 MiB on, below `most`, behind which `head` shows again; else `most`.
 * `head`: the first PICOBOOT_ECHO_BYTES, which must not be blank.
 */
int picoboot_find_size(
	struct picoboot_wire *wire, const uint8_t *head, uint32_t most, uint64_t *ret);

/* Reads the start of the flash, once more when the ROM's abort seems to be latched. */
int picoboot_read_head(struct picoboot_wire *wire, uint8_t *head, uint32_t length);

/*
 * Is the program that would start Katapult? Looks right before the code that `reset`, the second
 * word of its vector table, leads to, and notes a boot loader if so. 0, or an error of the wire.
 */
int picoboot_find_katapult(struct picoboot_wire *wire, uint32_t reset, struct board_facts *facts);
