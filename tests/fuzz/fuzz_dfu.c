/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a file of USB DFU: as they are, and with the checksum of the suffix made right. What
 * is accepted of a DfuSe file accounts for every byte of it.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"
#include "fuzz/check_image.h"
#include "unit/make_image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

/* The frame has a known size; the rest is content, or elements without any. */
static void check_sum(const struct image *image, const uint8_t *data, size_t length)
{
	size_t rest = length - MADE_DFU_SUFFIX - MADE_DFUSE_TARGET;
	must(image->has_address && data[10] > 0);
	must(rest >= data[10] * (size_t)(MADE_DFUSE_FIRST - MADE_DFUSE_TARGET));
	rest -= data[10] * (size_t)(MADE_DFUSE_FIRST - MADE_DFUSE_TARGET);
	must(rest >= image->byte_count && (rest - image->byte_count) % 8 == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
	_cleanup_(image_freep) struct image *image = parse_checked(data, length);
	(void)image;
	if (length < MADE_DFU_SUFFIX)
		return 0;
	_cleanup_(freep) uint8_t *repaired = malloc(length);
	must(repaired != NULL);
	memcpy(repaired, data, length);
	memcpy(repaired + length - 8, "UFD\x10", 4);
	make_dfu_valid(repaired, length);
	_cleanup_(image_freep) struct image *other = parse_checked(repaired, length);
	if (other && !other->is_gzip && other->format == FORMAT_DFUSE)
		check_sum(other, repaired, length);
	if (other && !other->is_gzip && other->format == FORMAT_DFU)
		must(other->byte_count == length - MADE_DFU_SUFFIX);
	return 0;
}
