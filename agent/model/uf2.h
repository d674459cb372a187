/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * UF2, the block format of drag-and-drop boot loaders: 512-byte blocks in any order, each with an
 * address and at most 476 bytes. Reads the bytes of one file into runs of flash content, and
 * refuses whatever does not prove to be complete. It does not ask which board the content is for.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/board.h"
#include "model/reason.h"

#define UF2_BLOCK_BYTES 512u

#define UF2_FAMILY_RP2040        0xe48bff56u
#define UF2_FAMILY_ABSOLUTE      0xe48bff57u
#define UF2_FAMILY_DATA          0xe48bff58u
#define UF2_FAMILY_RP2350_ARM_S  0xe48bff59u
#define UF2_FAMILY_RP2350_RISCV  0xe48bff5au
#define UF2_FAMILY_RP2350_ARM_NS 0xe48bff5bu

struct uf2_run {
	uint32_t address;
	uint32_t length; /* never 0; address + length fits into 32 bits */
	uint8_t *data;
};

struct uf2_content {
	uint32_t family; /* 0 = the file names none */
	struct uf2_run *runs; /* ascending, and apart from each other */
	size_t run_count;
};

/* Do these bytes say that they are UF2? A file that does is UF2 or damaged, and nothing else. */
bool uf2_is_meant(const uint8_t *data, size_t length);

/*
 * 0: `*ret` is to be released by uf2_content_done(); UF2_REJECTED: the file is damaged, incomplete
 * or for several chips, and `reasons` says so; -ENOMEM.
 */
#define UF2_REJECTED 1
int uf2_parse(const uint8_t *data, size_t length, struct reasons *reasons, struct uf2_content *ret)
	_must_check_;
void uf2_content_done(struct uf2_content *content);

/* The chip that a family means without doubt, else CHIP_UNKNOWN. */
enum chip uf2_family_chip(uint32_t family);

/* "RP2040", or NULL for a family that we have no name for. */
const char *uf2_family_name(uint32_t family);
