/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * UF2, the block format of drag-and-drop boot loaders: 512-byte blocks in any order, each with an
 * address and at most 476 bytes. Whatever does not prove to be complete is refused.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/image.h"

#define UF2_BLOCK_BYTES 512u

#define UF2_FAMILY_RP2040        0xe48bff56u
#define UF2_FAMILY_ABSOLUTE      0xe48bff57u
#define UF2_FAMILY_DATA          0xe48bff58u
#define UF2_FAMILY_RP2350_ARM_S  0xe48bff59u
#define UF2_FAMILY_RP2350_RISCV  0xe48bff5au
#define UF2_FAMILY_RP2350_ARM_NS 0xe48bff5bu

/* Do these bytes say that they are UF2? A file that does is UF2 or damaged, and nothing else. */
bool uf2_is_meant(const uint8_t *data, size_t length);

/* As image_parse(). */
int uf2_parse(const uint8_t *data, size_t length, struct reasons *reasons, struct image **ret)
	_must_check_;

/* The chip that a family means without doubt, else CHIP_UNKNOWN. */
enum chip uf2_family_chip(uint32_t family);

/* "RP2040", or NULL for a family that we have no name for. */
const char *uf2_family_name(uint32_t family);
