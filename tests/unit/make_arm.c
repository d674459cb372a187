/* SPDX-License-Identifier: MIT */
/* Programs made by hand; see make_arm.h. */
#include "unit/make_arm.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/bytes.h"
#include "base/text.h"
#include "model/link_address.h"

#define NOP      0xbf00u
#define CPSID_I  0xb672u
#define LOOP     0xe7feu
#define VECTORS  16u
#define POINTERS 16u

size_t made_arm_length(const struct made_arm *made)
{
	return made->length ? made->length : ARM_LENGTH;
}

size_t make_dictionary(uint8_t *ret, size_t capacity, const char *json)
{
	uLongf packed = capacity;
	int r = compress2(ret, &packed, (const uint8_t *)json, strlen(json), 9);
	assert(r == Z_OK);
	(void)r;
	return packed;
}

/* To what lies at the very ends: no other place of the same length holds both. */
static void put_pointers(uint8_t *bytes, uint32_t base, size_t length)
{
	uint8_t *at = bytes + ARM_CONSTANTS + 0x20;
	for (unsigned i = 0; i < POINTERS; i++, at += 8) {
		write_u32(at, base + 0x44 + 4 * i);
		write_u32(at + 4, base + (uint32_t)length - 4 - 4 * i);
	}
}

uint8_t *make_arm(const struct made_arm *made)
{
	size_t length = made_arm_length(made);
	uint32_t reset = made->reset ? made->reset : ARM_RESET;
	uint32_t handler = reset + (ARM_HANDLER - ARM_RESET);
	assert(handler + 2 <= length && length % 4 == 0);
	uint8_t *bytes = malloc(length);
	assert(bytes);
	for (size_t i = 0; i < length; i += 2)
		write_u16(bytes + i, NOP);
	write_u32(bytes, made->stack ? made->stack : ARM_STACK);
	write_u32(bytes + 4, (made->base + reset) | 1);
	for (size_t i = 2; i < VECTORS; i++)
		write_u32(bytes + 4 * i, (made->base + handler) | 1);
	if (made->signs & LINK_RESET_CODE)
		write_u16(bytes + reset, CPSID_I);
	if (made->signs & LINK_DEFAULT_HANDLER)
		write_u16(bytes + handler, LOOP);
	if (made->signs & LINK_VTOR)
		write_u32(bytes + ARM_CONSTANTS, made->base);
	if (made->signs & LINK_DICTIONARY)
		write_u32(bytes + ARM_CONSTANTS + 4, made->base + ARM_DICTIONARY);
	if (made->signs & LINK_POINTERS)
		put_pointers(bytes, made->base, length);
	if (made->json)
		make_dictionary(bytes + ARM_DICTIONARY, reset - ARM_DICTIONARY, made->json);
	return bytes;
}

static uint32_t stack_of(const char *mcu)
{
	if (strcmp(mcu, "rp2040") == 0)
		return 0x20042000;
	return strncmp(mcu, "lpc", 3) == 0 ? 0x10007fe0 : ARM_STACK;
}

uint8_t *make_klipper(const char *mcu, uint32_t base, const char *version, const char *config)
{
	_cleanup_(freep) char *json = text_format(
		"{\"app\":\"Klipper\",\"build_versions\":\"gcc\",\"commands\":{},\"config\":{"
		"\"MCU\":\"%s\"%s},\"version\":\"%s\"}",
		mcu, config, version);
	assert(json);
	const struct made_arm made = {
		.base = base,
		.stack = stack_of(mcu),
		.signs = ARM_KLIPPER_SIGNS,
		.json = json,
	};
	return make_arm(&made);
}

static void put_half(uint8_t *code, uint16_t operation, unsigned target, uint32_t value)
{
	write_u16(code, (uint16_t)(operation | (value >> 12 & 0xf) | (value >> 11 & 1) << 10));
	write_u16(code + 2, (uint16_t)((value >> 8 & 7) << 12 | target << 8 | (value & 0xff)));
}

void make_movw(uint8_t *code, unsigned target, uint32_t value, size_t gap)
{
	put_half(code, 0xf240, target, value & 0xffff);
	put_half(code + 4 + gap, 0xf2c0, target, value >> 16);
}

void make_katapult(uint8_t *bytes, uint32_t base)
{
	memcpy(bytes + ((read_u32(bytes + 4) & ~1u) - base) - 8, "CanBoot!", 8);
}

struct image *make_value(
	enum image_format format, const uint8_t *bytes, size_t length, uint32_t address)
{
	struct image *image = image_new(format, 1);
	assert(image);
	image->has_address = format != FORMAT_BIN && format != FORMAT_DFU;
	int r = image_append(image, image->has_address ? address : 0, bytes, (uint32_t)length);
	if (r == 0)
		r = image_seal(image);
	assert(r == 0);
	return image;
}
