/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * How an image comes to be, for the files that make one: segments in ascending order, then the
 * digest.
 */
#include "model/image.h"

/* Empty, with room for `segments` segments, at least 1. NULL when memory is short. */
struct image *image_new(enum image_format format, size_t segments);

/* Copies the bytes. 0 or -ENOMEM. */
int image_append(struct image *image, uint32_t address, const uint8_t *data, uint32_t length)
	_must_check_;

/* Computes the digest, the SHA-256 of the canonical form. 0 or -ENOMEM. */
int image_seal(struct image *image) _must_check_;
