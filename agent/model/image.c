/* SPDX-License-Identifier: MIT */
/* Firmware images as values; see image.h. The worker links this and none of the files that parse.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "model/image.h"

#define CANONICAL_MAGIC "PFI1"

static const char *const format_names[_FORMAT_MAX] = {
	[FORMAT_UNKNOWN] = "unknown",
	[FORMAT_BIN] = "bin",
	[FORMAT_UF2] = "uf2",
	[FORMAT_ELF] = "elf",
	[FORMAT_HEX] = "hex",
	[FORMAT_DFUSE] = "dfuse",
	[FORMAT_DFU] = "dfu",
};

static int reject(int r)
{
	return r < 0 ? r : IMAGE_REJECTED;
}

/* ---- building ---------------------------------------------------------------------------- */

struct image *image_new(enum image_format format, size_t segments)
{
	_cleanup_(image_freep) struct image *image = calloc(1, sizeof(*image));
	if (!image)
		return NULL;
	image->format = format;
	image->segments = calloc(segments, sizeof(*image->segments));
	if (!image->segments)
		return NULL;
	return TAKE_PTR(image);
}

int image_append(struct image *image, uint32_t address, const uint8_t *data, uint32_t length)
{
	struct image_segment *segment = &image->segments[image->segment_count];
	*segment = (struct image_segment){ .address = address, .length = length };
	segment->data = malloc(length);
	if (!segment->data)
		return -ENOMEM;
	memcpy(segment->data, data, length);
	image->segment_count++;
	image->byte_count += length;
	return 0;
}

int image_seal(struct image *image)
{
	struct digest_state *state = digest_new();
	if (!state)
		return -ENOMEM;
	digest_add(state, CANONICAL_MAGIC, 4);
	digest_add_u32(state, (uint32_t)image->segment_count);
	for (size_t i = 0; i < image->segment_count; i++) {
		const struct image_segment *segment = &image->segments[i];
		digest_add_u32(state, segment->address);
		digest_add_u32(state, segment->length);
		digest_add(state, segment->data, segment->length);
	}
	image->digest = digest_finish(state);
	return 0;
}

/* ---- the canonical form ------------------------------------------------------------------ */

/* Segments must ascend, apart from each other: for one content there is one form. */
static int decode_segment(struct cursor *cursor, struct image *image)
{
	uint32_t address = cursor_u32(cursor);
	uint32_t length = cursor_u32(cursor);
	if (cursor->failed || length == 0 || address > UINT32_MAX - length ||
		length > IMAGE_BYTES_MAX - image->byte_count)
		return -EBADMSG;
	if (image->segment_count > 0 && address <= image_end(image))
		return -EBADMSG;
	const uint8_t *data = cursor_take(cursor, length);
	return data ? image_append(image, address, data, length) : -EBADMSG;
}

int image_decode(const void *data, size_t length, struct image **ret)
{
	struct cursor cursor = cursor_over(data, length);
	const uint8_t *magic = cursor_take(&cursor, 4);
	uint32_t segments = cursor_u32(&cursor);
	if (cursor.failed || memcmp(magic, CANONICAL_MAGIC, 4) != 0 || segments == 0 ||
		segments > IMAGE_SEGMENTS_MAX)
		return -EBADMSG;

	_cleanup_(image_freep) struct image *image = image_new(FORMAT_UNKNOWN, segments);
	if (!image)
		return -ENOMEM;
	image->has_address = true;
	for (uint32_t i = 0; i < segments; i++) {
		int r = decode_segment(&cursor, image);
		if (r < 0)
			return r;
	}
	if (!cursor_is_exhausted(&cursor))
		return -EBADMSG;
	int r = image_seal(image);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(image);
	return 0;
}

void image_encode(const struct image *image, struct buffer *ret)
{
	assert(image->has_address); /* who decides to write decides where */
	buffer_put(ret, CANONICAL_MAGIC, 4);
	buffer_put_u32(ret, (uint32_t)image->segment_count);
	for (size_t i = 0; i < image->segment_count; i++) {
		const struct image_segment *segment = &image->segments[i];
		buffer_put_u32(ret, segment->address);
		buffer_put_u32(ret, segment->length);
		buffer_put(ret, segment->data, segment->length);
	}
}

/* ---- public ------------------------------------------------------------------------------ */

const char *image_format_name(enum image_format format)
{
	assert(format < _FORMAT_MAX);
	return format_names[format];
}

int image_place(struct image *image, uint32_t address, struct reasons *reasons)
{
	assert(!image->has_address && !image->is_linux_program && image->segment_count == 1);
	struct image_segment *segment = &image->segments[0];
	if (address > UINT32_MAX - segment->length)
		return reject(reasons_add(reasons, REASON_OUTSIDE_FLASH,
			"at address 0x%08" PRIx32
			" the image runs past the end of the address space: state a lower one",
			address));
	uint32_t previous = segment->address;
	segment->address = address;
	int r = image_seal(image);
	if (r < 0) {
		segment->address = previous;
		return r;
	}
	image->has_address = true;
	return 0;
}

struct image *image_free(struct image *image)
{
	if (!image)
		return NULL;
	for (size_t i = 0; i < image->segment_count; i++)
		free(image->segments[i].data);
	free(image->segments);
	free(image);
	return NULL;
}

uint32_t image_start(const struct image *image)
{
	assert(image->segment_count > 0);
	return image->segments[0].address;
}

uint64_t image_end(const struct image *image)
{
	assert(image->segment_count > 0);
	const struct image_segment *last = &image->segments[image->segment_count - 1];
	return (uint64_t)last->address + last->length;
}

size_t image_copy(const struct image *image, uint32_t address, size_t length, uint8_t *ret)
{
	uint64_t end = (uint64_t)address + length;
	size_t copied = 0;
	for (size_t i = 0; i < image->segment_count; i++) {
		const struct image_segment *segment = &image->segments[i];
		uint64_t from = segment->address, to = from + segment->length;
		if (from >= end)
			break;
		from = from > address ? from : address;
		to = to < end ? to : end;
		if (from >= to)
			continue;
		memcpy(ret + (from - address), segment->data + (from - segment->address),
			(size_t)(to - from));
		copied += (size_t)(to - from);
	}
	return copied;
}
