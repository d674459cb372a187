/* SPDX-License-Identifier: MIT */
/* Firmware images as values; see image.h. What kind of file it is, its bytes decide, not its name.
 */
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "model/image.h"
#include "model/uf2.h"

#define CANONICAL_MAGIC "PFI1"
#define BIN_BYTES_MIN   512u

static const char *const format_names[_FORMAT_MAX] = {
	[FORMAT_UNKNOWN] = "unknown",
	[FORMAT_BIN] = "bin",
	[FORMAT_UF2] = "uf2",
};

static int reject(int r)
{
	return r < 0 ? r : IMAGE_REJECTED;
}

/* ---- files that are something else ------------------------------------------------------- */

#define UNPACK  "it is packed: unpack it and offer what is inside"
#define CONVERT "plugflash reads .uf2 and .bin so far, and most builds make one of them beside it"
#define SAVE    "save the firmware itself, not the page about it"

static const struct {
	const char *magic;
	size_t length;
	const char *name;
	const char *advice;
} foreign_formats[] = {
	{ "\177ELF", 4, "an ELF program", CONVERT },
	{ "DfuSe", 5, "a DfuSe file", CONVERT },
	{ "\x1f\x8b", 2, "a gzip file", UNPACK },
	{ "PK\x03\x04", 4, "a zip archive", UNPACK },
	{ "BZh", 3, "a bzip2 file", UNPACK },
	{ "\3757zXZ", 5, "an xz file", UNPACK },
	{ "\x28\xb5\x2f\xfd", 4, "a zstd file", UNPACK },
	{ "<!DOCTYPE", 9, "a web page", SAVE },
	{ "<!doctype", 9, "a web page", SAVE },
	{ "<html", 5, "a web page", SAVE },
	{ "version https://git-lfs", 23, "a pointer of git-lfs", "fetch the file it stands for" },
};

/* The start of a line of hexadecimal text: one mark, then at least `digits` digits. */
static bool is_hexadecimal_line(const uint8_t *data, size_t length, size_t digits)
{
	if (length <= digits)
		return false;
	for (size_t i = 1; i <= digits; i++)
		if (!isxdigit(data[i]))
			return false;
	return true;
}

/* A .dfu file is a raw image with 16 bytes behind it that no flash is to hold. */
static bool has_dfu_suffix(const uint8_t *data, size_t length)
{
	return length >= 16 && memcmp(data + length - 8, "UFD\x10", 4) == 0;
}

static bool foreign_format(
	const uint8_t *data, size_t length, const char **ret_name, const char **ret_advice)
{
	for (size_t i = 0; i < ELEMENTSOF(foreign_formats); i++)
		if (length >= foreign_formats[i].length &&
			memcmp(data, foreign_formats[i].magic, foreign_formats[i].length) == 0) {
			*ret_name = foreign_formats[i].name;
			*ret_advice = foreign_formats[i].advice;
			return true;
		}
	*ret_advice = CONVERT;
	if (length > 0 && data[0] == ':' && is_hexadecimal_line(data, length, 10))
		*ret_name = "an Intel HEX file";
	else if (length > 0 && data[0] == 'S' && is_hexadecimal_line(data, length, 9))
		*ret_name = "a Motorola S-record file";
	else if (has_dfu_suffix(data, length))
		*ret_name = "a DFU file";
	else
		return false;
	return true;
}

/* ---- building ---------------------------------------------------------------------------- */

static struct image *image_new(enum image_format format, size_t segments)
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

/* Copies the bytes. 0 or -ENOMEM. */
static int append_segment(
	struct image *image, uint32_t address, const uint8_t *data, uint32_t length)
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

/* The digest of an image is the SHA-256 of its canonical form. */
static int compute_digest(struct image *image)
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

static int parse_bin(
	const uint8_t *data, size_t length, struct reasons *reasons, struct image **ret)
{
	if (length < BIN_BYTES_MIN)
		return reject(reasons_add(reasons, REASON_IMAGE_TRUNCATED,
			"the file holds %zu bytes, which is too short for any firmware: copy or "
			"build it again",
			length));
	if (length > IMAGE_BYTES_MAX)
		return reject(reasons_add(reasons, REASON_IMAGE_TOO_LARGE,
			"the file holds %zu KiB, and no board that plugflash knows holds more than "
			"%u KiB: is it the right file?",
			length >> 10, IMAGE_BYTES_MAX >> 10));
	_cleanup_(image_freep) struct image *image = image_new(FORMAT_BIN, 1);
	if (!image)
		return -ENOMEM;
	int r = append_segment(image, 0, data, (uint32_t)length);
	if (r == 0)
		r = compute_digest(image);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(image);
	return 0;
}

/* Takes the runs' bytes over. */
static int image_from_uf2(struct uf2_content *content, struct image **ret)
{
	_cleanup_(image_freep) struct image *image = image_new(FORMAT_UF2, content->run_count);
	if (!image)
		return -ENOMEM;
	for (size_t i = 0; i < content->run_count; i++) {
		struct uf2_run *run = &content->runs[i];
		image->segments[i] = (struct image_segment){
			.address = run->address,
			.length = run->length,
			.data = TAKE_PTR(run->data),
		};
		image->segment_count++;
		image->byte_count += run->length;
	}
	image->has_address = true;
	image->uf2_family = content->family;
	image->family_chip = uf2_family_chip(content->family);
	int r = compute_digest(image);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(image);
	return 0;
}

static int parse_uf2(
	const uint8_t *data, size_t length, struct reasons *reasons, struct image **ret)
{
	_cleanup_(uf2_content_done) struct uf2_content content = { 0 };
	int r = uf2_parse(data, length, reasons, &content);
	if (r != 0)
		return r < 0 ? r : IMAGE_REJECTED;

	if (content.run_count > IMAGE_SEGMENTS_MAX)
		return reject(reasons_add(reasons, REASON_IMAGE_INCONSISTENT,
			"the UF2 file scatters over %zu places in the flash, where %d are plenty: "
			"it is damaged, build or download it again",
			content.run_count, IMAGE_SEGMENTS_MAX));
	uint64_t bytes = 0;
	for (size_t i = 0; i < content.run_count; i++)
		bytes += content.runs[i].length;
	if (bytes > IMAGE_BYTES_MAX)
		return reject(reasons_add(reasons, REASON_IMAGE_TOO_LARGE,
			"the UF2 file holds %" PRIu64
			" KiB, and no board that plugflash knows holds more than %u KiB: is it the "
			"right file?",
			bytes >> 10, IMAGE_BYTES_MAX >> 10));
	return image_from_uf2(&content, ret);
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
	return data ? append_segment(image, address, data, length) : -EBADMSG;
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
	int r = compute_digest(image);
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

int image_parse(const void *data, size_t length, struct reasons *reasons, struct image **ret)
{
	if (length > IMAGE_FILE_MAX)
		return reject(reasons_add(reasons, REASON_IMAGE_TOO_LARGE,
			"the file is larger than %u KiB, and no firmware that plugflash knows is: "
			"is it the right file?",
			IMAGE_FILE_MAX >> 10));
	if (uf2_is_meant(data, length))
		return parse_uf2(data, length, reasons, ret);
	const char *name, *advice;
	if (foreign_format(data, length, &name, &advice))
		return reject(reasons_add(
			reasons, REASON_IMAGE_FORMAT, "the file is %s: %s", name, advice));
	return parse_bin(data, length, reasons, ret);
}

int image_place(struct image *image, uint32_t address, struct reasons *reasons)
{
	assert(!image->has_address && image->segment_count == 1);
	struct image_segment *segment = &image->segments[0];
	if (address > UINT32_MAX - segment->length)
		return reject(reasons_add(reasons, REASON_OUTSIDE_FLASH,
			"at address 0x%08" PRIx32
			" the image runs past the end of the address space: state a lower one",
			address));
	uint32_t previous = segment->address;
	segment->address = address;
	int r = compute_digest(image);
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
