/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Unpacking gzip within bounds of memory and time: a small file may claim to hold anything, and be
 * made so that every byte of it costs as much as can be.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/image.h"

bool gunzip_is_meant(const uint8_t *data, size_t length);

/*
 * 0: `*ret` is on the heap, of at most IMAGE_FILE_MAX bytes; IMAGE_REJECTED: damaged, cut short,
 * too much, or with something behind it, and `reasons` says so; -ENOMEM. Nothing is allocated for
 * the content before all of it proved to be acceptable.
 */
int gunzip(const uint8_t *data, size_t length, struct reasons *reasons, uint8_t **ret,
	size_t *ret_length) _must_check_;
