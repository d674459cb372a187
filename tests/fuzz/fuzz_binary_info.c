/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as an image of the Pico SDK: whole, with a hole in it, and without an address. Each
 * segment has a buffer of its own, so that the sanitizers see every step aside.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/text.h"
#include "model/binary_info.h"

#define FLASH 0x10000000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

static void must(bool truth)
{
	if (!truth)
		abort();
}

static bool check_text(const char *text)
{
	must(!text || (text[0] && text_is_plain(text) && strlen(text) < 4 * 256));
	return text;
}

static void look(const struct image *image)
{
	_cleanup_(binary_info_done) struct binary_info info = { 0 };
	int r = binary_info_find(image, &info);
	must(r == 0 || r == -ENOENT);
	int said = check_text(info.program) + check_text(info.version) + check_text(info.board) +
		   check_text(info.build_date) + check_text(info.url) +
		   check_text(info.description) + check_text(info.sdk_version);
	must((r == 0) == (said > 0));
}

static uint8_t *copy_of(const uint8_t *data, size_t length)
{
	uint8_t *copy = malloc(length);
	must(copy);
	memcpy(copy, data, length);
	return copy;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
	if (length < 8)
		return 0;
	size_t cut = read_u16(data) % (length - 1) + 1; /* 1 … length - 1 */
	_cleanup_(freep) uint8_t *whole = copy_of(data, length);
	_cleanup_(freep) uint8_t *head = copy_of(data, cut);
	_cleanup_(freep) uint8_t *tail = copy_of(data + cut, length - cut);
	struct image_segment segments[] = {
		{ FLASH, (uint32_t)cut, head },
		{ FLASH + (uint32_t)cut, (uint32_t)(length - cut), tail },
	};
	struct image image = { .has_address = true, .segments = segments, .segment_count = 2 };
	look(&image);
	segments[1].address = UINT32_MAX - segments[1].length; /* far away, as high as it gets */
	look(&image);

	segments[0] = (struct image_segment){ FLASH, (uint32_t)length, whole };
	image.segment_count = 1;
	look(&image);
	segments[0].address = 0;
	image.has_address = false;
	look(&image);
	return 0;
}
