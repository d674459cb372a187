/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The memory that an alternate setting of a DfuSe device stands for, as its string tells it (ST
 * UM0424, "DFU interface string"): "@Internal Flash  /0x08000000/04*016Kg,01*064Kg,07*128Kg".
 * Hostile text, and honest chips have strange ones: a G431 writes "01*40Be", an F429 of 1 MB ends
 * in noise.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DFUSE_NAME_BYTES   32
#define DFUSE_SEGMENTS_MAX 64
/* A string descriptor: at most 255 bytes, of which two are its head. */
#define DFUSE_TEXT_BYTES 127

enum dfuse_right {
	DFUSE_READABLE = 1,
	DFUSE_ERASABLE = 2,
	DFUSE_WRITABLE = 4,
};

/* Neighbouring erase units of one size. */
struct dfuse_segment {
	uint32_t start;
	uint32_t unit_bytes;
	uint32_t unit_count;
	unsigned rights; /* enum dfuse_right */
};

struct dfuse_layout {
	char name[DFUSE_NAME_BYTES]; /* "Internal Flash", without the blanks around it */
	struct dfuse_segment segments[DFUSE_SEGMENTS_MAX]; /* as they stand */
	size_t segment_count;
	bool has_garbage; /* something stands behind the last segment that belongs to no layout */
};

/* The text of a string descriptor of which `length` bytes came: its printable ASCII up to the first
 * unit that is none. True: all of it. */
bool dfuse_text(const uint8_t *descriptor, size_t length, char ret[DFUSE_TEXT_BYTES]);

/* 0, or -EBADMSG when it is no layout of at least one segment. A segment never wraps. */
int dfuse_layout_parse(const char *text, struct dfuse_layout *ret);

/* The erase unit that holds `address`; false: none does. */
bool dfuse_layout_unit(const struct dfuse_layout *layout, uint32_t address, uint32_t *ret_start,
	uint32_t *ret_bytes);

/* Behind the last byte of the memory at `start` that goes on without a hole and may be read, erased
 * and written; `start` when there is none. */
uint64_t dfuse_layout_end(const struct dfuse_layout *layout, uint32_t start);
