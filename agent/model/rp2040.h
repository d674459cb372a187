/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the boot ROM of an RP2040 expects in flash, as pure checks over bytes: shared by the
 * judgement of an image and by the probe of a board. Nothing here opens, reads or decides anything.
 */
#include <stdbool.h>
#include <stdint.h>

#define RP2040_FLASH_START 0x10000000u
#define RP2040_FLASH_END   0x11000000u /* 16 MiB of address space; most boards have less */
#define RP2040_RAM_START   0x20000000u
#define RP2040_RAM_END     0x20042000u

#define RP2040_BOOT2_BYTES      256u /* the second-stage loader, with its checksum */
#define RP2040_VECTORS_ADDRESS  (RP2040_FLASH_START + RP2040_BOOT2_BYTES)
#define RP2040_VECTORS_BYTES    8u /* initial stack pointer, reset handler */
#define RP2040_FLASH_SIZE_LEAST (2u << 20) /* the smallest flash chip in common use */

/* The boot ROM starts a second-stage loader whose last four bytes are the CRC of the rest. */
bool rp2040_boot2_is_valid(const uint8_t page[256]);

/*
 * Could these two words at RP2040_VECTORS_ADDRESS start an application whose last byte in flash
 * lies before `image_end`?
 */
bool rp2040_vectors_are_plausible(const uint8_t vectors[8], uint32_t image_end);
