/* SPDX-License-Identifier: MIT */
/* Firmware for tests; see make_image.h. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

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

/* ---- other formats ----------------------------------------------------------------------- */

static void put_elf_header(uint8_t *head, size_t segments)
{
	memcpy(head, "\177ELF\1\1\1", 7);
	write_u16(head + 16, 2); /* linked */
	write_u16(head + 18, 40); /* ARM */
	write_u32(head + 20, 1);
	write_u32(head + 24, 0x10000101); /* where it starts */
	write_u32(head + 28, MADE_ELF_HEADER);
	write_u16(head + 40, MADE_ELF_HEADER);
	write_u16(head + 42, MADE_ELF_SEGMENT);
	write_u16(head + 44, (uint16_t)segments);
}

uint8_t *make_elf(const struct made_segment *segments, size_t count, size_t *ret_length)
{
	size_t length = MADE_ELF_HEADER + count * MADE_ELF_SEGMENT, place = length;
	for (size_t i = 0; i < count; i++)
		length += segments[i].length;
	uint8_t *file = calloc(1, length);
	assert(file);
	put_elf_header(file, count);
	for (size_t i = 0; i < count; i++) {
		uint8_t *segment = file + MADE_ELF_HEADER + i * MADE_ELF_SEGMENT;
		write_u32(segment, 1); /* loaded */
		write_u32(segment + 4, (uint32_t)place);
		write_u32(segment + 8, segments[i].address ^ 0x30000000);
		write_u32(segment + 12, segments[i].address);
		write_u32(segment + 16, segments[i].length);
		write_u32(segment + 20, segments[i].length + 64);
		memcpy(file + place, segments[i].data, segments[i].length);
		place += segments[i].length;
	}
	*ret_length = length;
	return file;
}

static void put_record(
	FILE *stream, uint8_t type, uint16_t offset, const uint8_t *data, size_t length)
{
	uint8_t sum = (uint8_t)(length + (offset >> 8) + offset + type);
	fprintf(stream, ":%02zX%04X%02X", length, offset, type);
	for (size_t i = 0; i < length; i++) {
		fprintf(stream, "%02X", data[i]);
		sum = (uint8_t)(sum + data[i]);
	}
	fprintf(stream, "%02X\r\n", (uint8_t)-sum);
}

static void put_hex_segment(FILE *stream, const struct made_segment *segment)
{
	uint32_t upper = UINT32_MAX;
	for (uint32_t done = 0, step; done < segment->length; done += step) {
		uint32_t address = segment->address + done;
		step = 16 - address % 16; /* so that no line crosses a border of 64 KiB */
		step = step < segment->length - done ? step : segment->length - done;
		if (address >> 16 != upper) {
			upper = address >> 16;
			put_record(stream, 4, 0,
				(uint8_t[]){ (uint8_t)(upper >> 8), (uint8_t)upper }, 2);
		}
		put_record(stream, 0, (uint16_t)address, segment->data + done, step);
	}
}

uint8_t *make_hex(const struct made_segment *segments, size_t count, size_t *ret_length)
{
	char *text = NULL;
	FILE *stream = open_memstream(&text, ret_length);
	assert(stream);
	for (size_t i = 0; i < count; i++)
		put_hex_segment(stream, &segments[i]);
	put_record(stream, 1, 0, NULL, 0);
	fclose(stream);
	assert(text);
	return (uint8_t *)text;
}

static void put_dfu_suffix(uint8_t *suffix, uint16_t version)
{
	memcpy(suffix, "\xff\xff\x11\xdf\x83\x04\0\0UFD\x10", 12);
	write_u16(suffix + 6, version);
}

void make_dfu_valid(uint8_t *file, size_t length)
{
	write_u32(file + length - 4, ~(uint32_t)crc32(0, file, (uInt)length - 4));
}

uint8_t *make_dfuse(const struct made_segment *segments, size_t count, size_t *ret_length)
{
	size_t length = MADE_DFUSE_FIRST, place = length;
	for (size_t i = 0; i < count; i++)
		length += 8 + segments[i].length;
	uint8_t *file = calloc(1, length + MADE_DFU_SUFFIX);
	assert(file);
	memcpy(file, "DfuSe\1", 6);
	write_u32(file + 6, (uint32_t)length);
	file[10] = 1;
	memcpy(file + MADE_DFUSE_TARGET, "Target", 6);
	write_u32(file + MADE_DFUSE_FIRST - 8, (uint32_t)(length - MADE_DFUSE_FIRST));
	write_u32(file + MADE_DFUSE_FIRST - 4, (uint32_t)count);
	for (size_t i = 0; i < count; i++) {
		write_u32(file + place, segments[i].address);
		write_u32(file + place + 4, segments[i].length);
		memcpy(file + place + 8, segments[i].data, segments[i].length);
		place += 8 + segments[i].length;
	}
	put_dfu_suffix(file + length, 0x011A);
	*ret_length = length + MADE_DFU_SUFFIX;
	make_dfu_valid(file, *ret_length);
	return file;
}

uint8_t *make_dfu(const uint8_t *bytes, size_t length, size_t *ret_length)
{
	uint8_t *file = malloc(length + MADE_DFU_SUFFIX);
	assert(file);
	memcpy(file, bytes, length);
	put_dfu_suffix(file + length, 0x0100);
	*ret_length = length + MADE_DFU_SUFFIX;
	make_dfu_valid(file, *ret_length);
	return file;
}

uint8_t *make_gzip(const uint8_t *bytes, size_t length, size_t *ret_length)
{
	z_stream stream = { .next_in = (z_const Bytef *)bytes, .avail_in = (uInt)length };
	int r = deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
	assert(r == Z_OK);
	size_t room = deflateBound(&stream, length);
	uint8_t *file = malloc(room);
	assert(file);
	stream.next_out = file;
	stream.avail_out = (uInt)room;
	r = deflate(&stream, Z_FINISH);
	assert(r == Z_STREAM_END);
	*ret_length = room - stream.avail_out;
	deflateEnd(&stream);
	return file;
}
