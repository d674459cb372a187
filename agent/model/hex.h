/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Intel HEX: lines of hexadecimal text, each with an address and a checksum, in any order, and one
 * that says that it was the last.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/image.h"

/* Does it begin with what can be a record? */
bool hex_is_meant(const uint8_t *data, size_t length);

/* As image_parse(). */
int hex_parse(const uint8_t *data, size_t length, struct reasons *reasons, struct image **ret)
	_must_check_;
