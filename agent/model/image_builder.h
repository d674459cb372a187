/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Collects the pieces of a file that says where its bytes belong, in any order, and makes an image
 * of them. Pieces that touch become one segment, so that one firmware has one digest in whatever
 * pieces its file comes.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/image.h"

struct image_piece {
	uint32_t address;
	uint32_t length;
	const uint8_t *data;
};

struct image_builder {
	enum image_format format;
	const char *name; /* "UF2 file", for sentences */
	/* What the file says twice may be the same twice. Otherwise nothing may be said twice. */
	bool may_repeat;
	struct image_piece *pieces;
	size_t piece_count;
	size_t allocated;
};

/*
 * The bytes stay the caller's and must outlive the builder; no bytes are no piece. The piece lies
 * below the end of the address space, which the caller has seen to. 0 or -ENOMEM.
 */
int image_builder_add(struct image_builder *builder, uint32_t address, const uint8_t *data,
	size_t length) _must_check_;

/*
 * 0: `*ret` is a new image that has its address; IMAGE_REJECTED: there is nothing in it, too much
 * of it, or it contradicts itself, and `reasons` says so; -ENOMEM.
 */
int image_builder_finish(struct image_builder *builder, struct reasons *reasons, struct image **ret)
	_must_check_;

void image_builder_done(struct image_builder *builder);

/* Nothing shorter is a firmware. */
#define IMAGE_RAW_BYTES_MIN 512u

/* An image of one segment that has no address yet. Returns as image_builder_finish(). */
int image_from_raw(enum image_format format, const uint8_t *data, size_t length,
	struct reasons *reasons, struct image **ret) _must_check_;
