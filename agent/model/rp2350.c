/* SPDX-License-Identifier: MIT */
/* What an RP2350 would start; see rp2350.h. Every walk is bounded: the bytes may be anything. */
#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "model/rp2350.h"

#define MARKER_START 0xFFFFDED3u
#define MARKER_END   0xAB123579u

#define ITEM_VECTOR_TABLE    0x03
#define ITEM_ROLLING_WINDOW  0x05
#define ITEM_LOAD_MAP        0x06
#define ITEM_PARTITION_TABLE 0x0A
#define ITEM_IMAGE_TYPE      0x42
#define ITEM_ENTRY_POINT     0x44
#define ITEM_LAST            0xFF
#define ITEM_TYPE_MASK       0x7F /* the other bit says how long the item's length is */

#define TYPE_EXECUTABLE 1
#define TYPE_DATA       2
#define TYPE_NON_SECURE 1
#define TYPE_RP2350     1
#define TYPE_ON_TRIAL   0x8000

/* Limits of the ROM: of any block, and of one that it would take for an IMAGE_DEF. */
#define BLOCK_WORDS     160u
#define IMAGE_DEF_WORDS 96u
/* A limit of ours: builds have two blocks, or three when they are signed. */
#define BLOCKS_MAX 16u

/*
 * When the first 4096 bytes start nothing, the ROM looks for a loop in the next 4096, and from a
 * marker that leads nowhere it looks on to the end of what it had read.
 */
#define SEARCHED_BYTES (2 * RP2350_HEAD_BYTES + BLOCK_WORDS * 4)

/* An image, and which page of it is not there yet. Offsets count from the start of the flash. */
struct view {
	const struct image *image;
	bool has_blank_page;
	uint32_t blank_page;
};

enum block_kind {
	BLOCK_VALID,
	BLOCK_NONE, /* the marker is there by chance: the ROM looks on */
	BLOCK_BROKEN, /* the ROM gives up */
};

struct block {
	uint32_t offset;
	uint8_t bytes[BLOCK_WORDS * 4];
	uint32_t last; /* which word is the last item; the items are the words from 1 to there */
};

/* What the view does not hold reads as erased flash does. Returns how much it holds. */
static size_t view_copy(const struct view *view, uint32_t offset, size_t length, uint8_t *ret)
{
	memset(ret, 0xFF, length);
	size_t copied = image_copy(view->image, RP2350_FLASH_START + offset, length, ret);
	if (!view->has_blank_page)
		return copied;
	for (size_t i = 0; i < length; i++)
		if ((offset + i) / RP2350_PAGE_BYTES == view->blank_page / RP2350_PAGE_BYTES)
			ret[i] = 0xFF;
	return copied;
}

static uint32_t word_of(const struct block *block, uint32_t index)
{
	return read_u32(block->bytes + 4 * (size_t)index);
}

static uint32_t item_words(uint32_t header)
{
	return header & 0x80 ? header >> 8 & 0xFFFF : header >> 8 & 0xFF;
}

static enum block_kind read_block(const struct view *view, uint32_t offset, struct block *ret)
{
	ret->offset = offset;
	view_copy(view, offset, sizeof(ret->bytes), ret->bytes);
	if (word_of(ret, 0) != MARKER_START)
		return BLOCK_BROKEN;
	uint32_t at = 1;
	while (at < BLOCK_WORDS && (word_of(ret, at) & 0xFF) != ITEM_LAST) {
		if (item_words(word_of(ret, at)) == 0)
			return BLOCK_BROKEN;
		at += item_words(word_of(ret, at));
	}
	if (at >= BLOCK_WORDS)
		return BLOCK_NONE;
	if (at + 2 >= BLOCK_WORDS || item_words(word_of(ret, at)) != at - 1 ||
		word_of(ret, at + 2) != MARKER_END)
		return BLOCK_BROKEN;
	size_t length = 4 * ((size_t)at + 3);
	ret->last = at;
	return view_copy(view, offset, length, ret->bytes) == length ? BLOCK_VALID : BLOCK_BROKEN;
}

/* ---- what a block says ------------------------------------------------------------------- */

static void learn_item(const struct block *block, uint32_t at, struct rp2350_start *start)
{
	uint32_t header = word_of(block, at), words = item_words(header);
	uint32_t type = header & ITEM_TYPE_MASK;
	if (at + words > block->last)
		return;
	if (type == ITEM_LOAD_MAP)
		start->has_load_map = true;
	if (type == ITEM_ROLLING_WINDOW)
		start->is_rolled = true;
	if (type == ITEM_VECTOR_TABLE && words == 2) {
		start->has_vector_table = true;
		start->vector_table = word_of(block, at + 1);
	}
	if (type == (ITEM_ENTRY_POINT & ITEM_TYPE_MASK) && (words == 3 || words == 4)) {
		start->has_entry_point = true;
		start->entry_point = word_of(block, at + 1);
		start->stack = word_of(block, at + 2);
	}
}

static bool is_replaced(const struct rp2350_start *start, uint16_t image_type)
{
	if (!start->has_image_def)
		return true;
	/* The ROM does not look past one that it cannot use. */
	if (!rp2350_type_is_program(start->image_type))
		return false;
	/* Of those for several processors it takes the one for the processor that runs; an Arm
	 * unless somebody has changed that. */
	return rp2350_type_cpu(start->image_type) != RP2350_ARM ||
	       rp2350_type_cpu(image_type) == RP2350_ARM;
}

static void learn_image_def(const struct block *block, struct rp2350_start *start)
{
	uint16_t image_type = (uint16_t)(word_of(block, 1) >> 16);
	if ((image_type & 0xF) != TYPE_EXECUTABLE) {
		start->is_data = start->is_data || (image_type & 0xF) == TYPE_DATA;
		return;
	}
	if (!is_replaced(start, image_type))
		return;
	start->has_image_def = true;
	start->image_type = image_type;
	start->is_rolled = start->has_load_map = false;
	start->has_vector_table = start->has_entry_point = false;
	for (uint32_t at = 2; at < block->last; at += item_words(word_of(block, at)))
		learn_item(block, at, start);
}

static void learn_block(const struct block *block, struct rp2350_start *start)
{
	uint32_t header = word_of(block, 1);
	start->block_count++;
	if ((header & ITEM_TYPE_MASK) == ITEM_PARTITION_TABLE)
		start->is_partition_table = true;
	else if ((header & 0xFFFF) == (0x100 | ITEM_IMAGE_TYPE) && block->last <= IMAGE_DEF_WORDS)
		learn_image_def(block, start);
}

/* ---- the loop ---------------------------------------------------------------------------- */

/* Where the next block lies. 0, or -EINVAL when the ROM would not go there. */
static int next_offset(const struct block *block, uint32_t first, uint32_t *ret)
{
	uint32_t distance = word_of(block, block->last + 1);
	if (distance % 4 != 0 || (distance == 0 && block->offset != first))
		return -EINVAL;
	/* The distance is signed: adding it wraps, and what lies below `first` is then either low
	 * or beyond the flash. */
	uint32_t next = block->offset + distance;
	if (next < first || next >= RP2350_SECOND_END - RP2350_FLASH_START)
		return -EINVAL;
	*ret = next;
	return 0;
}

/* Walks from `block`, the first one. 0, -EINVAL when the loop is broken, -ELOOP when it is endless
 * for all that we can say. */
static int walk(const struct view *view, struct block *block, struct rp2350_start *start)
{
	uint32_t first = block->offset, next;
	start->block_address = RP2350_FLASH_START + first;
	for (unsigned i = 0; i < BLOCKS_MAX; i++) {
		learn_block(block, start);
		int r = next_offset(block, first, &next);
		if (r < 0 || next == first)
			return r;
		if (read_block(view, next, block) != BLOCK_VALID)
			return -EINVAL;
	}
	return -ELOOP;
}

/* As the ROM does it. 0, -ENOENT, or -EINVAL. */
static int find_loop(const struct view *view, struct rp2350_start *start)
{
	uint8_t head[RP2350_HEAD_BYTES];
	view_copy(view, 0, sizeof(head), head);
	for (uint32_t offset = 0; offset < sizeof(head); offset += 4) {
		struct block block;
		if (read_u32(head + offset) != MARKER_START)
			continue;
		enum block_kind kind = read_block(view, offset, &block);
		if (kind == BLOCK_VALID)
			return walk(view, &block, start) < 0 ? -EINVAL : 0;
		if (kind == BLOCK_BROKEN)
			return -EINVAL;
	}
	return -ENOENT;
}

/* Stricter than the ROM, which stops at the first marker: anything that could be walked counts. */
static bool starts_anything(const struct view *view)
{
	uint8_t searched[SEARCHED_BYTES];
	view_copy(view, 0, sizeof(searched), searched);
	for (uint32_t offset = 0; offset < sizeof(searched); offset += 4) {
		struct block block;
		struct rp2350_start ignored = { 0 };
		if (read_u32(searched + offset) == MARKER_START &&
			read_block(view, offset, &block) == BLOCK_VALID &&
			walk(view, &block, &ignored) != -EINVAL)
			return true;
	}
	return false;
}

static uint32_t page_of(uint32_t address)
{
	return address & ~(RP2350_PAGE_BYTES - 1);
}

int rp2350_find_start(const struct image *image, struct rp2350_start *ret)
{
	struct view view = { .image = image };
	struct rp2350_start start = { 0 };
	int r = find_loop(&view, &start);
	if (r < 0)
		return r;
	view.has_blank_page = true;
	view.blank_page = page_of(start.block_address - RP2350_FLASH_START);
	if (starts_anything(&view))
		return -EEXIST;
	*ret = start;
	return 0;
}

int rp2350_find_boot_page(const struct image *image, uint32_t *ret_address)
{
	struct rp2350_start start;
	if (rp2350_find_start(image, &start) < 0)
		return -EINVAL;
	*ret_address = page_of(start.block_address);
	return 0;
}

/* ---- single words ------------------------------------------------------------------------ */

bool rp2350_type_is_program(uint16_t image_type)
{
	return (image_type & 0xF) == TYPE_EXECUTABLE && (image_type >> 12 & 7) == TYPE_RP2350 &&
	       (image_type >> 8 & 7) <= RP2350_RISCV;
}

enum rp2350_cpu rp2350_type_cpu(uint16_t image_type)
{
	return (image_type >> 8 & 7) == 1 ? RP2350_RISCV : RP2350_ARM;
}

bool rp2350_type_is_non_secure(uint16_t image_type)
{
	return (image_type >> 4 & 3) == TYPE_NON_SECURE;
}

bool rp2350_type_is_on_trial(uint16_t image_type)
{
	return image_type & TYPE_ON_TRIAL;
}

bool rp2350_vectors_are_plausible(const uint8_t vectors[8], uint64_t image_end)
{
	uint32_t stack = read_u32(vectors);
	if (stack % 4 != 0 || stack <= RP2350_RAM_START || stack > RP2350_RAM_END)
		return false;

	uint32_t handler = read_u32(vectors + 4);
	if (handler % 2 == 0) /* a Cortex-M33 knows Thumb only */
		return false;
	uint32_t code = handler - 1;
	bool in_flash = code >= RP2350_FLASH_START && code < image_end;
	bool in_ram = code >= RP2350_RAM_START && code < RP2350_RAM_END;
	return in_flash || in_ram;
}

bool rp2350_head_is_bootable(const uint8_t head[4096])
{
	uint8_t bytes[RP2350_HEAD_BYTES];
	memcpy(bytes, head, sizeof(bytes));
	struct image_segment segment = {
		.address = RP2350_FLASH_START, .length = sizeof(bytes), .data = bytes
	};
	const struct image image = {
		.has_address = true, .segments = &segment, .segment_count = 1
	};
	const struct view view = { .image = &image };
	for (uint32_t offset = 0; offset < sizeof(bytes); offset += 4) {
		struct block block;
		struct rp2350_start start = { 0 };
		if (read_u32(bytes + offset) != MARKER_START)
			continue;
		enum block_kind kind = read_block(&view, offset, &block);
		if (kind == BLOCK_NONE)
			continue;
		if (kind == BLOCK_VALID)
			learn_block(&block, &start);
		return start.has_image_def && rp2350_type_is_program(start.image_type);
	}
	return false;
}
