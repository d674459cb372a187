/* SPDX-License-Identifier: MIT */
/*
 * What an RP2350 would start: a loop of blocks that begins near the start of flash and says that it
 * belongs to a program for this chip. Who reads this judges a whole write: it believes in a loop
 * rather once too often than once too seldom.
 */
#include "emu/rp2040_parts.h"

#define MARK_START      0xffffded3u
#define MARK_END        0xab123579u
#define ITEM_LAST       0x7fu /* without the bit that tells the width of the size */
#define ITEM_WIDE       0x80u
#define ITEM_IMAGE_TYPE 0x42u
#define ITEM_VECTORS    0x03u
#define ITEM_ENTRY      0x44u
#define BLOCKS          32
#define ITEM_WORDS      1024u
#define SLOT_BYTES      4096u

/* image type: an executable, for this chip */
#define TYPE_MASK  0x700fu
#define TYPE_WANTS 0x1001u
#define TYPE_CPU   0x0700u

struct block {
	uint32_t offset; /* in flash */
	uint32_t first, words; /* its items */
	int32_t next; /* from here */
};

struct image_def {
	uint32_t type;
	bool has_vectors, has_entry;
	uint32_t vectors, entry, stack;
};

static bool word_at(const struct flash_chip *chip, uint64_t offset, uint32_t *ret)
{
	if (offset + 4 > chip->size)
		return false;
	*ret = get_le32(chip->bytes + offset);
	return true;
}

static uint32_t item_words(uint32_t word)
{
	return word & ITEM_WIDE ? word >> 8 & 0xffff : word >> 8 & 0xff;
}

/* From the start marker to the end marker. */
static bool read_block(const struct flash_chip *chip, uint32_t offset, struct block *ret)
{
	uint32_t word, words = 0, next, end;
	if (!word_at(chip, offset, &word) || word != MARK_START)
		return false;
	for (;;) {
		uint64_t at = (uint64_t)offset + 4 + 4 * words;
		if (!word_at(chip, at, &word) || words > ITEM_WORDS)
			return false;
		if ((word & 0x7f) == ITEM_LAST)
			break;
		if (!item_words(word))
			return false;
		words += item_words(word);
	}
	uint64_t tail = (uint64_t)offset + 8 + 4 * words;
	if (!(word & ITEM_WIDE) || item_words(word) != words || word >> 24)
		return false;
	if (!word_at(chip, tail, &next) || !word_at(chip, tail + 4, &end) || end != MARK_END)
		return false;
	*ret = (struct block){
		.offset = offset, .first = offset + 4, .words = words, .next = (int32_t)next
	};
	return true;
}

static bool read_image_def(
	const struct flash_chip *chip, const struct block *block, struct image_def *ret)
{
	uint32_t word = get_le32(chip->bytes + block->first);
	if (!block->words || (word & 0xff) != ITEM_IMAGE_TYPE ||
		(word >> 16 & TYPE_MASK) != TYPE_WANTS)
		return false;
	*ret = (struct image_def){ .type = word >> 16 };
	for (uint32_t at = 0; at < block->words; at += item_words(word)) {
		const uint8_t *item = chip->bytes + block->first + 4 * at;
		word = get_le32(item);
		if ((word & 0xff) == ITEM_VECTORS && item_words(word) >= 2) {
			ret->has_vectors = true;
			ret->vectors = get_le32(item + 4);
		} else if ((word & 0xff) == ITEM_ENTRY && item_words(word) >= 3) {
			ret->has_entry = true;
			ret->entry = get_le32(item + 4);
			ret->stack = get_le32(item + 8);
		}
	}
	return true;
}

/* All of the loop must be whole; any of its blocks may be the one that counts. */
static bool read_loop(const struct flash_chip *chip, uint32_t start, struct image_def *ret)
{
	bool found = false;
	uint32_t at = start;
	for (int count = 0; count < BLOCKS; count++) {
		struct block block;
		if (!read_block(chip, at, &block))
			return false;
		found = read_image_def(chip, &block, ret) || found;
		int64_t next = (int64_t)at + block.next;
		if (next < 0 || next % 4 || next > UINT32_MAX)
			return false;
		at = (uint32_t)next;
		if (at == start)
			return found;
	}
	return false;
}

static bool find_loop(const struct flash_chip *chip, uint32_t slot, struct image_def *ret)
{
	for (uint32_t at = slot; at < slot + SLOT_BYTES; at += 4)
		if (read_loop(chip, at, ret))
			return true;
	return false;
}

static bool starts_well(const struct rp2040 *board, uint32_t stack, uint32_t entry)
{
	uint32_t sram_end = RP2040_SRAM_BASE + board->chip->sram_bytes;
	if (stack % 4 || stack <= RP2040_SRAM_BASE || stack > sram_end || !(entry & 1))
		return false;
	bool flash = entry >= RP2040_FLASH_BASE && entry < RP2040_FLASH_BASE + board->flash.size;
	bool sram = entry >= RP2040_SRAM_BASE && entry < sram_end;
	return flash || sram;
}

static bool runs(const struct rp2040 *board, uint32_t base, const struct image_def *image)
{
	uint32_t stack = 0, entry = 0;
	if (image->type & TYPE_CPU)
		return true; /* RISC-V: no table tells where it starts */
	if (image->has_entry)
		return starts_well(board, image->stack, image->entry);
	uint64_t table = base;
	/* In a partition it runs as if it lay at the start of flash. */
	if (image->has_vectors)
		table = (uint64_t)(image->vectors - RP2040_FLASH_BASE) +
			(board->options.partitions ? base : 0);
	if (!word_at(&board->flash, table, &stack) || !word_at(&board->flash, table + 4, &entry))
		return false;
	return starts_well(board, stack, entry);
}

/* Without partitions there are two slots, and the second is looked at when nothing is in the first:
 * what an old program left there would start. */
enum rp2040_boot rp2350_flash_state(const struct rp2040 *board)
{
	struct image_def image;
	uint32_t start = 0;
	if (board->options.partitions)
		start = RP2350_PARTITION_FIRST * RP2040_SECTOR_BYTES;
	for (uint32_t base = start; base <= start + SLOT_BYTES; base += SLOT_BYTES) {
		if (find_loop(&board->flash, base, &image))
			return runs(board, base, &image) ? RP2040_BOOTS : RP2040_CRASHES;
		if (board->options.partitions)
			break;
	}
	return RP2040_FALLS_BACK;
}
