/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Firmware for tests: small RP2040 and RP2350 images that a boot ROM would start, and UF2 files
 * block by block. The same seed makes the same bytes on every machine.
 */
#include <stddef.h>
#include <stdint.h>

#define MADE_FAMILY_RP2040   0xe48bff56u
#define MADE_FAMILY_ABSOLUTE 0xe48bff57u
#define MADE_FAMILY_RP2350   0xe48bff59u
#define MADE_BLOCK           512u

/* Bytes that look like nothing, from a seed. */
void make_noise(uint8_t *ret, size_t length, uint32_t seed);

/* Puts the checksum behind the first 252 bytes of a boot2. */
void make_boot2_valid(uint8_t page[256]);

/*
 * A raw image for 0x10000000 of at least 512 bytes: boot2 with its checksum, a vector table, and a
 * body from the seed. The caller frees it.
 */
uint8_t *make_bin(size_t length, uint32_t seed);

/* As builds do that lie behind a boot loader at `address`: it starts with its vector table. */
uint8_t *make_offset_bin(uint32_t address, size_t length, uint32_t seed);

/* The words of an IMAGE_DEF's first item. */
#define MADE_TYPE_ARM    0x10210142u
#define MADE_TYPE_RISCV  0x11010142u
#define MADE_TYPE_ARM_NS 0x10110142u
#define MADE_TYPE_DATA   0x00020142u
#define MADE_TYPE_RP2040 0x00210142u

/* Where make_rp2350_bin() puts its block, and the bytes of one with a single item. */
#define MADE_RP2350_BLOCK 0x110u
#define MADE_BLOCK_BYTES  20u

/* A block of one item (which fits into `words` words), with the distance to the next block. */
void make_rp2350_block(uint8_t *ret, const uint32_t *item, size_t words, int32_t distance);

/* A raw image for 0x10000000 of at least 512 bytes, as Klipper's are: a vector table, an IMAGE_DEF
 * behind it, a body from the seed. */
uint8_t *make_rp2350_bin(size_t length, uint32_t seed);

struct made_block {
	uint32_t flags; /* the family flag is added when `family` is not 0 */
	uint32_t address;
	uint32_t number;
	uint32_t count;
	uint32_t family;
	const uint8_t *payload;
	uint32_t length;
};

void make_uf2_block(const struct made_block *block, uint8_t ret[MADE_BLOCK]);

/* Cuts bytes into blocks of 256, the last one filled up with zeros; as elf2uf2 does. */
uint8_t *make_uf2(
	const uint8_t *bytes, size_t length, uint32_t address, uint32_t family, size_t *ret_length);
