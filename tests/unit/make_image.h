/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Firmware for tests: small RP2040 and RP2350 images that a boot ROM would start, and files of
 * every format around them. The same seed makes the same bytes on every machine.
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

/* ---- other formats: the caller frees what they return ------------------------------------- */

struct made_segment {
	uint32_t address;
	const uint8_t *data;
	uint32_t length;
};

/* Where the parts of make_elf()'s file begin. */
#define MADE_ELF_HEADER   52u
#define MADE_ELF_SEGMENT  32u
#define MADE_DFUSE_TARGET 11u
#define MADE_DFUSE_FIRST  (MADE_DFUSE_TARGET + 274u)
#define MADE_DFU_SUFFIX   16u

/* For 32-bit ARM, little-endian, no sections: header, program headers, bytes. Where the bytes run
 * is elsewhere than where they are stored. */
uint8_t *make_elf(const struct made_segment *segments, size_t count, size_t *ret_length);

/* Lines of 16 bytes with linear addresses. NUL-terminated, which the length does not count. */
uint8_t *make_hex(const struct made_segment *segments, size_t count, size_t *ret_length);

/* One target with an element for each segment. */
uint8_t *make_dfuse(const struct made_segment *segments, size_t count, size_t *ret_length);

/* The bytes, and a suffix behind them. */
uint8_t *make_dfu(const uint8_t *bytes, size_t length, size_t *ret_length);

/* Makes the checksum of a suffix right again that is there already. */
void make_dfu_valid(uint8_t *file, size_t length);

uint8_t *make_gzip(const uint8_t *bytes, size_t length, size_t *ret_length);
