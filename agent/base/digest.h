/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * SHA-256 (FIPS 180-4) and the CRC-32 of RP2040 boot loaders.
 */
#include <stddef.h>
#include <stdint.h>

#define DIGEST_BYTES 32
#define DIGEST_TEXT  (2 * DIGEST_BYTES + 1)

struct digest {
	uint8_t bytes[DIGEST_BYTES];
};

struct digest_state; /* opaque */

struct digest_state *digest_new(void);
void digest_add(struct digest_state *state, const void *data, size_t length);
void digest_add_u32(struct digest_state *state, uint32_t value); /* little-endian */
struct digest digest_finish(struct digest_state *state); /* frees `state` */

/* CRC-32/MPEG-2: polynomial 0x04C11DB7, init all ones, no reflection, no final XOR. */
uint32_t crc32_mpeg2(const void *data, size_t length);
