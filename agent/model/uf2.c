/* SPDX-License-Identifier: MIT */
/* Reading UF2; see uf2.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "model/image_builder.h"
#include "model/uf2.h"

#define MAGIC_START_0 0x0A324655u
#define MAGIC_START_1 0x9E5D5157u
#define MAGIC_END     0x0AB16F30u

#define FLAG_NOT_MAIN_FLASH 0x0001u
#define FLAG_FILE_CONTAINER 0x1000u
#define FLAG_FAMILY         0x2000u

#define PAYLOAD_MAX 476u
#define E10_PAYLOAD 256u
#define E10_FILLER  0xEF
#define FAMILY_TEXT 40

struct block {
	uint32_t flags;
	uint32_t address;
	uint32_t length;
	uint32_t number;
	uint32_t count;
	uint32_t family;
	const uint8_t *payload;
};

struct blocks {
	const uint8_t *file;
	struct block *items;
	size_t count;
};

static void blocks_done(struct blocks *blocks)
{
	free(blocks->items);
}

/* Where in the file a block lies, which is what a person can look up in a hex dump. */
static size_t block_offset(const struct blocks *blocks, const struct block *block)
{
	return (size_t)(block->payload - blocks->file) - 32;
}

/* Comments, source text and files for a file system travel in blocks that no flash is to hold. */
static bool block_is_aside(const struct block *block)
{
	return block->flags & (FLAG_NOT_MAIN_FLASH | FLAG_FILE_CONTAINER);
}

/*
 * picotool puts a block in front of the real ones that works around erratum RP2350-E10: only the
 * RP2350's own mass storage wants to see it, written out it would destroy the end of the flash.
 */
static bool block_is_workaround(const struct block *block)
{
	if (block->family != UF2_FAMILY_ABSOLUTE || block->number != 0 || block->count != 2 ||
		block->length != E10_PAYLOAD)
		return false;
	for (size_t i = 0; i < E10_PAYLOAD; i++)
		if (block->payload[i] != E10_FILLER)
			return false;
	return true;
}

static int reject(int r)
{
	return r < 0 ? r : IMAGE_REJECTED;
}

/* The fields of one block; false when it does not carry its three magic numbers. */
static bool block_decode(const uint8_t *bytes, struct block *ret)
{
	if (read_u32(bytes) != MAGIC_START_0 || read_u32(bytes + 4) != MAGIC_START_1 ||
		read_u32(bytes + UF2_BLOCK_BYTES - 4) != MAGIC_END)
		return false;
	*ret = (struct block){
		.flags = read_u32(bytes + 8),
		.address = read_u32(bytes + 12),
		.length = read_u32(bytes + 16),
		.number = read_u32(bytes + 20),
		.count = read_u32(bytes + 24),
		.payload = bytes + 32,
	};
	/* Without the flag the same field holds a file size. */
	if (ret->flags & FLAG_FAMILY)
		ret->family = read_u32(bytes + 28);
	return true;
}

static int check_extent(
	const struct blocks *blocks, const struct block *block, struct reasons *reasons)
{
	size_t offset = block_offset(blocks, block);
	if (block->length == 0 || block->length > PAYLOAD_MAX || block->length % 4 != 0)
		return reject(reasons_add(reasons, REASON_IMAGE_INCONSISTENT,
			"UF2 block %" PRIu32 " (at byte %zu) claims %" PRIu32
			" bytes of content, where 4 to 476 in steps of 4 are possible: the file is "
			"damaged, build or download it again",
			block->number, offset, block->length));
	if (block->address > UINT32_MAX - block->length)
		return reject(reasons_add(reasons, REASON_IMAGE_INCONSISTENT,
			"UF2 block %" PRIu32
			" (at byte %zu) runs past the end of the address space: the file is "
			"damaged, build or download it again",
			block->number, offset));
	return 0;
}

/* All blocks of the file but the E10 workaround, in the order of the file. */
static int read_blocks(struct blocks *blocks, size_t length, struct reasons *reasons)
{
	size_t total = length / UF2_BLOCK_BYTES;
	blocks->items = calloc(total, sizeof(*blocks->items));
	if (!blocks->items)
		return -ENOMEM;
	for (size_t i = 0; i < total; i++) {
		struct block *block = &blocks->items[blocks->count];
		if (!block_decode(blocks->file + i * UF2_BLOCK_BYTES, block))
			return reject(reasons_add(reasons, REASON_IMAGE_INCONSISTENT,
				"what should be UF2 block %zu of %zu (at byte %zu) is none: the "
				"file is damaged, build or download it again",
				i + 1, total, i * UF2_BLOCK_BYTES));
		if (block_is_workaround(block))
			continue;
		if (!block_is_aside(block)) {
			int r = check_extent(blocks, block, reasons);
			if (r != 0)
				return r;
		}
		blocks->count++;
	}
	return 0;
}

static const struct block *first_content(const struct blocks *blocks)
{
	for (size_t i = 0; i < blocks->count; i++)
		if (!block_is_aside(&blocks->items[i]))
			return &blocks->items[i];
	return NULL;
}

static void family_text(uint32_t family, char ret[FAMILY_TEXT])
{
	const char *name = uf2_family_name(family);
	if (name)
		snprintf(ret, FAMILY_TEXT, "%s", name);
	else if (family == 0)
		snprintf(ret, FAMILY_TEXT, "no named family");
	else
		snprintf(ret, FAMILY_TEXT, "family 0x%08" PRIx32, family);
}

static int check_families(
	const struct blocks *blocks, const struct block *first, struct reasons *reasons)
{
	for (size_t i = 0; i < blocks->count; i++) {
		const struct block *block = &blocks->items[i];
		if (block_is_aside(block) || block->family == first->family)
			continue;
		char left[FAMILY_TEXT], right[FAMILY_TEXT];
		family_text(first->family, left);
		family_text(block->family, right);
		return reject(reasons_add(reasons, REASON_IMAGE_INCONSISTENT,
			"the UF2 file is for several chips (%s, and at byte %zu %s): use a file "
			"that is for one",
			left, block_offset(blocks, block), right));
	}
	return 0;
}

static int check_number(const struct blocks *blocks, const struct block *block,
	const struct block *first, struct reasons *reasons)
{
	if (block->count != first->count)
		return reject(reasons_add(reasons, REASON_IMAGE_INCONSISTENT,
			"UF2 block %" PRIu32 " (at byte %zu) says that there are %" PRIu32
			" blocks, block %" PRIu32 " that there are %" PRIu32
			": the file is damaged or joined from two, build or download it again",
			block->number, block_offset(blocks, block), block->count, first->number,
			first->count));
	if (block->number >= block->count)
		return reject(reasons_add(reasons, REASON_IMAGE_INCONSISTENT,
			"a UF2 block (at byte %zu) has number %" PRIu32 " of %" PRIu32
			", counted from 0: the file is damaged, build or download it again",
			block_offset(blocks, block), block->number, block->count));
	return 0;
}

/* The same block may come twice, but it must then say the same. */
static int check_repeated(const struct blocks *blocks, const struct block *block,
	const struct block *earlier, struct reasons *reasons)
{
	if (earlier->address == block->address && earlier->length == block->length &&
		memcmp(earlier->payload, block->payload, block->length) == 0)
		return 0;
	return reject(reasons_add(reasons, REASON_IMAGE_INCONSISTENT,
		"UF2 block %" PRIu32 " is there twice (at bytes %zu and %zu) and differs: the file "
		"is damaged or joined from two, build or download it again",
		block->number, block_offset(blocks, earlier), block_offset(blocks, block)));
}

/* Remembers which block came first under each number; `seen` has first->count places. */
static int mark_content(const struct blocks *blocks, const struct block *first,
	const struct block **seen, struct reasons *reasons)
{
	for (size_t i = 0; i < blocks->count; i++) {
		const struct block *block = &blocks->items[i];
		if (block_is_aside(block))
			continue;
		int r = check_number(blocks, block, first, reasons);
		if (r != 0)
			return r;
		if (seen[block->number]) {
			r = check_repeated(blocks, block, seen[block->number], reasons);
			if (r != 0)
				return r;
		} else
			seen[block->number] = block;
	}
	return 0;
}

/* Blocks that are not for the flash share the numbers of those that are, if they share the count.
 */
static void mark_asides(
	const struct blocks *blocks, const struct block *first, const struct block **seen)
{
	for (size_t i = 0; i < blocks->count; i++) {
		const struct block *block = &blocks->items[i];
		if (block_is_aside(block) && block->count == first->count &&
			block->number < block->count && !seen[block->number])
			seen[block->number] = block;
	}
}

static int check_complete(
	const struct blocks *blocks, const struct block *first, struct reasons *reasons)
{
	/* Also bounds what a lying count can make us allocate. */
	if (first->count > blocks->count)
		return reject(reasons_add(reasons, REASON_IMAGE_TRUNCATED,
			"UF2 block %" PRIu32 " says that there are %" PRIu32
			" blocks, but the file ends after %zu: it was cut short, copy or build it "
			"again",
			first->number, first->count, blocks->count));

	/* One more than the count, which may be 0 in a hostile file; check_number() refuses that.
	 */
	_cleanup_(freep) const struct block **seen =
		calloc((size_t)first->count + 1, sizeof(struct block *));
	if (!seen)
		return -ENOMEM;
	int r = mark_content(blocks, first, seen, reasons);
	if (r != 0)
		return r;
	mark_asides(blocks, first, seen);
	for (uint32_t number = 0; number < first->count; number++)
		if (!seen[number])
			return reject(reasons_add(reasons, REASON_IMAGE_TRUNCATED,
				"UF2 block %" PRIu32 " of %" PRIu32
				", counted from 0, is missing: the file is incomplete, copy or "
				"build it again",
				number, first->count));
	return 0;
}

/* What belongs into the flash. Blocks may overlap if they agree. */
static int collect_content(const struct blocks *blocks, struct image_builder *builder)
{
	for (size_t i = 0; i < blocks->count; i++) {
		const struct block *block = &blocks->items[i];
		if (block_is_aside(block))
			continue;
		int r = image_builder_add(builder, block->address, block->payload, block->length);
		if (r < 0)
			return r;
	}
	return 0;
}

static int check_blocks(const struct blocks *blocks, struct reasons *reasons, uint32_t *ret_family)
{
	const struct block *first = first_content(blocks);
	if (!first)
		return reject(reasons_add(reasons, REASON_IMAGE_FORMAT,
			"the UF2 file holds nothing that belongs into flash: is it the right "
			"file?"));
	int r = check_families(blocks, first, reasons);
	if (r == 0)
		r = check_complete(blocks, first, reasons);
	if (r == 0)
		*ret_family = first->family;
	return r;
}

bool uf2_is_meant(const uint8_t *data, size_t length)
{
	return length >= 4 && read_u32(data) == MAGIC_START_0;
}

static int build_image(
	const struct blocks *blocks, uint32_t family, struct reasons *reasons, struct image **ret)
{
	_cleanup_(image_builder_done) struct image_builder builder = {
		.format = FORMAT_UF2,
		.name = "UF2 file",
		.may_repeat = true,
	};
	int r = collect_content(blocks, &builder);
	if (r == 0)
		r = image_builder_finish(&builder, reasons, ret);
	if (r != 0)
		return r;
	(*ret)->uf2_family = family;
	(*ret)->family_chip = uf2_family_chip(family);
	return 0;
}

int uf2_parse(const uint8_t *data, size_t length, struct reasons *reasons, struct image **ret)
{
	if (length == 0 || length % UF2_BLOCK_BYTES != 0)
		return reject(reasons_add(reasons, REASON_IMAGE_TRUNCATED,
			"the UF2 file ends in the middle of block %zu (%zu of its 512 bytes are "
			"there): it was cut short, copy or build it again",
			length / UF2_BLOCK_BYTES, length % UF2_BLOCK_BYTES));

	_cleanup_(blocks_done) struct blocks blocks = { .file = data };
	uint32_t family;
	int r = read_blocks(&blocks, length, reasons);
	if (r == 0)
		r = check_blocks(&blocks, reasons, &family);
	if (r != 0)
		return r;
	return build_image(&blocks, family, reasons, ret);
}

static const struct {
	uint32_t family;
	const char *name;
	enum chip chip; /* only where the family means one chip that we know */
} families[] = {
	{ UF2_FAMILY_RP2040, "RP2040", CHIP_RP2040 },
	{ UF2_FAMILY_ABSOLUTE, "RP2350 absolute", CHIP_RP2350 },
	{ UF2_FAMILY_DATA, "RP2350 data", CHIP_RP2350 },
	{ UF2_FAMILY_RP2350_ARM_S, "RP2350", CHIP_RP2350 },
	{ UF2_FAMILY_RP2350_RISCV, "RP2350 RISC-V", CHIP_RP2350 },
	{ UF2_FAMILY_RP2350_ARM_NS, "RP2350 non-secure", CHIP_RP2350 },
	{ 0xe48bff55, "CYW43 wireless", CHIP_UNKNOWN },
	{ 0x647824b6, "STM32F0", CHIP_UNKNOWN },
	{ 0x5ee21072, "STM32F1", CHIP_UNKNOWN },
	{ 0x57755a57, "STM32F4", CHIP_UNKNOWN },
	{ 0x6d0922fa, "STM32F407", CHIP_STM32F407 },
	{ 0x8fb060fe, "STM32F407VG", CHIP_STM32F407 },
	{ 0x300f5633, "STM32G0", CHIP_UNKNOWN },
	{ 0x6db66082, "STM32H7", CHIP_UNKNOWN },
	{ 0x68ed2b88, "SAMD21", CHIP_UNKNOWN },
	{ 0x55114460, "SAMD51", CHIP_UNKNOWN },
	{ 0xada52840, "nRF52840", CHIP_UNKNOWN },
	{ 0x1c5f21b0, "ESP32", CHIP_UNKNOWN },
	{ 0xbfdd4eee, "ESP32-S2", CHIP_UNKNOWN },
	{ 0xc47e5767, "ESP32-S3", CHIP_UNKNOWN },
};

enum chip uf2_family_chip(uint32_t family)
{
	for (size_t i = 0; i < ELEMENTSOF(families); i++)
		if (families[i].family == family)
			return families[i].chip;
	return CHIP_UNKNOWN;
}

const char *uf2_family_name(uint32_t family)
{
	for (size_t i = 0; i < ELEMENTSOF(families); i++)
		if (families[i].family == family)
			return families[i].name;
	return NULL;
}
