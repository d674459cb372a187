/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as an ELF file. What is accepted is checked against the file's own headers, read a
 * second time in the simplest way.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"
#include "fuzz/check_image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

#define HEADER_BYTES 52u

/*
 * Every byte of a segment that is loaded is in the image, at the address where it is stored, but
 * for the file's own header and what may follow it. Returns how many bytes that are.
 */
static uint64_t check_segment(const struct image *image, const uint8_t *data, const uint8_t *header)
{
	uint32_t offset = read_u32(header + 4), length = read_u32(header + 16);
	if (read_u32(header) != 1 || length == 0)
		return 0;
	_cleanup_(freep) uint8_t *copy = malloc(length);
	must(copy != NULL);
	memcpy(copy, data + offset, length);
	size_t copied = image_copy(image, read_u32(header + 12), length, copy);
	must(copied > 0 && memcmp(copy, data + offset, length) == 0);
	must(offset < HEADER_BYTES ? copied <= offset + length - HEADER_BYTES : copied == length);
	return copied;
}

static void check_firmware(const struct image *image, const uint8_t *data)
{
	const uint8_t *headers = data + read_u32(data + 28);
	uint64_t loaded = 0;
	must(data[4] == 1 && data[5] == 1 && image->has_address);
	for (unsigned i = 0; i < read_u16(data + 44); i++) {
		const uint8_t *header = headers + 32 * i;
		loaded += check_segment(image, data, header);
	}
	must(loaded == image->byte_count); /* nothing else, and nothing twice */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
	_cleanup_(image_freep) struct image *image = parse_checked(data, length);
	if (!image || image->format != FORMAT_ELF || image->is_gzip)
		return 0;
	if (image->is_linux_program)
		must(image->byte_count == length &&
			memcmp(image->segments[0].data, data, length) == 0);
	else
		check_firmware(image, data);
	return 0;
}
