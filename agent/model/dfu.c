/* SPDX-License-Identifier: MIT */
/* Reading files of USB DFU; see dfu.h. */
#include <inttypes.h>
#include <string.h>
#include <zlib.h>

#include "base/bytes.h"
#include "model/dfu.h"
#include "model/image_builder.h"

#define SUFFIX_BYTES  16u
#define PREFIX_BYTES  11u
#define TARGET_BYTES  274u
#define ELEMENT_BYTES 8u

#define AGAIN ": the file is damaged, copy or build it again"
#define CUT   ": it was cut short, copy or build it again"

struct reader {
	struct cursor cursor; /* over all but the suffix */
	struct image_builder *builder;
	struct reasons *reasons;
};

static int reject(int r)
{
	return r < 0 ? r : IMAGE_REJECTED;
}

/* ---- the suffix -------------------------------------------------------------------------- */

/* The CRC-32 that everybody uses, but without the inversion at its end. */
static uint32_t compute_crc(const uint8_t *data, size_t length)
{
	return ~(uint32_t)crc32(crc32(0, NULL, 0), data, (uInt)length);
}

static int check_crc(const uint8_t *data, size_t length, struct reasons *reasons)
{
	uint32_t stated = read_u32(data + length - 4), computed = compute_crc(data, length - 4);
	if (stated == computed)
		return 0;
	return reject(reasons_add(reasons, REASON_IMAGE_INCONSISTENT,
		"the checksum of the DFU file is wrong (0x%08" PRIx32
		" is stated at its end, 0x%08" PRIx32 " computed)" AGAIN,
		stated, computed));
}

bool dfu_is_meant(const uint8_t *data, size_t length)
{
	return length >= SUFFIX_BYTES && memcmp(data + length - 8, "UFD\x10", 4) == 0;
}

int dfu_parse(const uint8_t *data, size_t length, struct reasons *reasons, struct image **ret)
{
	int r = check_crc(data, length, reasons);
	if (r != 0)
		return r;
	if (length - SUFFIX_BYTES < IMAGE_RAW_BYTES_MIN)
		return reject(reasons_add(reasons, REASON_IMAGE_TRUNCATED,
			"the DFU file holds %zu bytes beside its suffix, which is too short for "
			"any firmware: copy or build it again",
			length - SUFFIX_BYTES));
	return image_from_raw(FORMAT_DFU, data, length - SUFFIX_BYTES, reasons, ret);
}

/* ---- DfuSe ------------------------------------------------------------------------------- */

static int read_element(struct reader *reader, unsigned target, uint32_t number)
{
	uint32_t address = cursor_u32(&reader->cursor);
	uint32_t length = cursor_u32(&reader->cursor);
	size_t left = cursor_left(&reader->cursor);
	const uint8_t *data = cursor_take(&reader->cursor, length);
	if (!data)
		return reject(reasons_add(reader->reasons, REASON_IMAGE_INCONSISTENT,
			"element %" PRIu32 " of target %u in the DfuSe file (both counted from 0) "
			"claims %" PRIu32 " bytes, and its target has %zu left" AGAIN,
			number, target, length, left));
	if (length > UINT32_MAX - address)
		return reject(reasons_add(reader->reasons, REASON_IMAGE_INCONSISTENT,
			"element %" PRIu32 " of target %u in the DfuSe file (both counted from 0) "
			"runs past the end of the address space" AGAIN,
			number, target));
	return image_builder_add(reader->builder, address, data, length);
}

/* Elements may not reach beyond what their target says that it holds. */
static int read_elements(struct reader *reader, unsigned target, uint32_t bytes, uint32_t elements)
{
	const uint8_t *data = cursor_take(&reader->cursor, bytes);
	if (!data || elements > bytes / ELEMENT_BYTES)
		return reject(reasons_add(reader->reasons, REASON_IMAGE_INCONSISTENT,
			"target %u of the DfuSe file (counted from 0) claims %" PRIu32
			" elements in %" PRIu32 " bytes, which do not fit" AGAIN,
			target, elements, bytes));
	struct reader inner = *reader;
	inner.cursor = cursor_over(data, bytes);
	for (uint32_t i = 0; i < elements; i++) {
		int r = read_element(&inner, target, i);
		if (r != 0)
			return r;
	}
	if (cursor_is_exhausted(&inner.cursor))
		return 0;
	return reject(reasons_add(reader->reasons, REASON_IMAGE_INCONSISTENT,
		"target %u of the DfuSe file (counted from 0) claims %" PRIu32
		" bytes, and its elements leave %zu of them over" AGAIN,
		target, bytes, cursor_left(&inner.cursor)));
}

static int read_target(struct reader *reader, unsigned number)
{
	const uint8_t *target = cursor_take(&reader->cursor, TARGET_BYTES);
	if (!target || memcmp(target, "Target", 6) != 0)
		return reject(reasons_add(reader->reasons, REASON_IMAGE_INCONSISTENT,
			"what should be target %u of the DfuSe file (counted from 0) is none" AGAIN,
			number));
	const uint8_t *sizes = target + TARGET_BYTES - 8;
	return read_elements(reader, number, read_u32(sizes), read_u32(sizes + 4));
}

/* Some packers count the suffix, others do not. */
static int check_length(const uint8_t *data, size_t length, struct reasons *reasons)
{
	if (length < PREFIX_BYTES + SUFFIX_BYTES)
		return reject(reasons_add(reasons, REASON_IMAGE_TRUNCATED,
			"the DfuSe file holds %zu bytes, which is less than its frame alone" CUT,
			length));
	uint32_t stated = read_u32(data + 6);
	if (stated > length || !dfu_is_meant(data, length))
		return reject(reasons_add(reasons, REASON_IMAGE_TRUNCATED,
			"the DfuSe file says that it holds %" PRIu32
			" bytes and a suffix; it ends after %zu%s" CUT,
			stated, length, stated > length ? "" : ", without a suffix"));
	if (stated != length && stated != length - SUFFIX_BYTES)
		return reject(reasons_add(reasons, REASON_IMAGE_INCONSISTENT,
			"the DfuSe file says that it holds %" PRIu32
			" bytes and a suffix of 16, and there are %zu" AGAIN,
			stated, length));
	return 0;
}

static int read_targets(struct reader *reader)
{
	const uint8_t *prefix = cursor_take(&reader->cursor, PREFIX_BYTES);
	if (prefix[5] != 1)
		return reject(reasons_add(reader->reasons, REASON_IMAGE_FORMAT,
			"the DfuSe file is of version %u, and 1 is the only one that plugflash "
			"knows: offer the .hex or .bin of the same build",
			prefix[5]));
	for (unsigned i = 0; i < prefix[10]; i++) {
		int r = read_target(reader, i);
		if (r != 0)
			return r;
	}
	if (cursor_is_exhausted(&reader->cursor))
		return 0;
	return reject(reasons_add(reader->reasons, REASON_IMAGE_INCONSISTENT,
		"the DfuSe file says that it holds %u targets, and behind them are %zu bytes "
		"more" AGAIN,
		prefix[10], cursor_left(&reader->cursor)));
}

bool dfuse_is_meant(const uint8_t *data, size_t length)
{
	return length >= 5 && memcmp(data, "DfuSe", 5) == 0;
}

int dfuse_parse(const uint8_t *data, size_t length, struct reasons *reasons, struct image **ret)
{
	/* Targets stand for alternate settings; in the address space of the chip they are one. */
	_cleanup_(image_builder_done) struct image_builder builder = {
		.format = FORMAT_DFUSE,
		.name = "DfuSe file",
	};
	int r = check_length(data, length, reasons);
	if (r == 0)
		r = check_crc(data, length, reasons);
	if (r != 0)
		return r;
	struct reader reader = {
		.cursor = cursor_over(data, length - SUFFIX_BYTES),
		.builder = &builder,
		.reasons = reasons,
	};
	r = read_targets(&reader);
	return r == 0 ? image_builder_finish(&builder, reasons, ret) : r;
}
