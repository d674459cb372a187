/* SPDX-License-Identifier: MIT */
/* Firmware for tests; see make_image.h. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/digest.h"
#include "unit/make_image.h"

#define FLASH   0x10000000u
#define STACK   0x20042000u
#define PAYLOAD 256u

void make_noise(uint8_t *ret, size_t length, uint32_t seed)
{
	uint32_t state = seed * 2654435761u + 1; /* xorshift must not start at 0 */
	state = state ? state : 1;
	for (size_t i = 0; i < length; i++) {
		state ^= state << 13;
		state ^= state >> 17;
		state ^= state << 5;
		ret[i] = (uint8_t)(state >> 24);
	}
}

void make_boot2_valid(uint8_t page[256])
{
	write_u32(page + 252, crc32_mpeg2(page, 252));
}

static void make_vectors(uint8_t *ret, uint32_t address)
{
	write_u32(ret, STACK);
	write_u32(ret + 4, (address + 0x80) | 1); /* Thumb code shortly behind the table */
}

uint8_t *make_bin(size_t length, uint32_t seed)
{
	assert(length >= 512);
	uint8_t *bytes = malloc(length);
	assert(bytes);
	make_noise(bytes, length, seed);
	make_boot2_valid(bytes);
	make_vectors(bytes + 256, FLASH + 256);
	return bytes;
}

uint8_t *make_offset_bin(uint32_t address, size_t length, uint32_t seed)
{
	assert(length >= 512);
	uint8_t *bytes = malloc(length);
	assert(bytes);
	make_noise(bytes, length, seed);
	make_vectors(bytes, address);
	return bytes;
}

void make_rp2350_block(uint8_t *ret, const uint32_t *item, size_t words, int32_t distance)
{
	write_u32(ret, 0xFFFFDED3);
	for (size_t i = 0; i < words; i++)
		write_u32(ret + 4 + 4 * i, item[i]);
	uint8_t *last = ret + 4 + 4 * words;
	write_u32(last, 0xFF | (uint32_t)words << 8);
	write_u32(last + 4, (uint32_t)distance);
	write_u32(last + 8, 0xAB123579);
}

uint8_t *make_rp2350_bin(size_t length, uint32_t seed)
{
	uint8_t *bytes = make_offset_bin(FLASH, length, seed);
	make_rp2350_block(bytes + MADE_RP2350_BLOCK, &(uint32_t){ MADE_TYPE_ARM }, 1, 0);
	return bytes;
}

void make_uf2_block(const struct made_block *block, uint8_t ret[MADE_BLOCK])
{
	memset(ret, 0, MADE_BLOCK);
	write_u32(ret, 0x0A324655);
	write_u32(ret + 4, 0x9E5D5157);
	write_u32(ret + 8, block->flags | (block->family ? 0x2000 : 0));
	write_u32(ret + 12, block->address);
	write_u32(ret + 16, block->length);
	write_u32(ret + 20, block->number);
	write_u32(ret + 24, block->count);
	write_u32(ret + 28, block->family);
	if (block->payload)
		memcpy(ret + 32, block->payload, block->length < 476 ? block->length : 476);
	write_u32(ret + 508, 0x0AB16F30);
}

uint8_t *make_uf2(
	const uint8_t *bytes, size_t length, uint32_t address, uint32_t family, size_t *ret_length)
{
	uint32_t count = (uint32_t)((length + PAYLOAD - 1) / PAYLOAD);
	uint8_t *file = malloc((size_t)count * MADE_BLOCK);
	assert(file);
	for (uint32_t i = 0; i < count; i++) {
		uint8_t payload[PAYLOAD] = { 0 };
		size_t left = length - (size_t)i * PAYLOAD;
		memcpy(payload, bytes + (size_t)i * PAYLOAD, left < PAYLOAD ? left : PAYLOAD);
		struct made_block block = {
			.address = address + i * PAYLOAD,
			.number = i,
			.count = count,
			.family = family,
			.payload = payload,
			.length = PAYLOAD,
		};
		make_uf2_block(&block, file + (size_t)i * MADE_BLOCK);
	}
	*ret_length = (size_t)count * MADE_BLOCK;
	return file;
}
