/* SPDX-License-Identifier: MIT */
/*
 * Unpacking gzip; see gunzip.h. It is unpacked twice: once into a small window, to learn whether it
 * is whole and how much it is, and once for good.
 */
#include <errno.h>
#include <string.h>
#include <zlib.h>

#include "model/gunzip.h"

#define WINDOW_BYTES (64u << 10)

/* Each block begins with tables that cost far more time than their few bytes; compressors make
 * blocks of some ten KiB. */
#define BLOCKS_MAX 65536

/* Firmware shrinks to a third; padded to the end of a large flash, to a few hundredths of that.
 * What swells more than that is no firmware, and need not be unpacked up to the limit to know it.
 */
#define SWELLING_MAX  800u
#define SWELLING_FROM (4u << 20)

#define GZIP_ONLY (16 + MAX_WBITS)

static const char damaged[] = ": the file is damaged, copy or build it again";

struct unpacking {
	z_stream stream;
	const uint8_t *packed;
	size_t packed_length;
	uint8_t *window; /* NULL in the second pass */
	size_t unpacked;
	size_t blocks;
	struct reasons *reasons;
};

static int reject(int r)
{
	return r < 0 ? r : IMAGE_REJECTED;
}

static void unpacking_done(struct unpacking *unpacking)
{
	inflateEnd(&unpacking->stream);
	free(unpacking->window);
}

static int unpacking_start(struct unpacking *unpacking)
{
	unpacking->stream.next_in = (z_const Bytef *)unpacking->packed;
	unpacking->stream.avail_in = (uInt)unpacking->packed_length;
	return inflateInit2(&unpacking->stream, GZIP_ONLY) == Z_OK ? 0 : -ENOMEM;
}

static int refuse_broken(struct unpacking *unpacking, int status)
{
	/* No progress is possible: the window is never full, so it is the file that ended. */
	if (status == Z_BUF_ERROR)
		return reject(reasons_add(unpacking->reasons, REASON_IMAGE_TRUNCATED,
			"the gzip file ends before what is packed in it does (after %zu bytes of "
			"content): it was cut short, copy or build it again",
			unpacking->unpacked));
	return reject(reasons_add(unpacking->reasons, REASON_IMAGE_INCONSISTENT,
		"the gzip file makes no sense behind byte %zu%s",
		unpacking->packed_length - unpacking->stream.avail_in, damaged));
}

static int check_bounds(struct unpacking *unpacking)
{
	if (unpacking->unpacked > IMAGE_FILE_MAX)
		return reject(reasons_add(unpacking->reasons, REASON_IMAGE_TOO_LARGE,
			"what is packed in the gzip file is larger than %u KiB, and no firmware "
			"that plugflash knows is: is it the right file?",
			IMAGE_FILE_MAX >> 10));
	size_t packed = unpacking->packed_length - unpacking->stream.avail_in;
	if (unpacking->unpacked > SWELLING_FROM && unpacking->unpacked / SWELLING_MAX > packed)
		return reject(reasons_add(unpacking->reasons, REASON_IMAGE_TOO_LARGE,
			"the first %zu bytes of the gzip file swell to %zu KiB of almost nothing, "
			"and no firmware does: is it the right file?",
			packed, unpacking->unpacked >> 10));
	if (unpacking->blocks > BLOCKS_MAX)
		return reject(reasons_add(unpacking->reasons, REASON_IMAGE_INCONSISTENT,
			"the gzip file is in more than %d blocks, which no packer makes: "
			"unpack it and offer what is inside",
			BLOCKS_MAX));
	return 0;
}

/* A gzip file may consist of several, one behind the other, which stand for one content. */
static int next_member(struct unpacking *unpacking, bool *ret_finished)
{
	z_stream *stream = &unpacking->stream;
	*ret_finished = stream->avail_in == 0;
	if (*ret_finished)
		return 0;
	if (!gunzip_is_meant(stream->next_in, stream->avail_in))
		return reject(reasons_add(unpacking->reasons, REASON_IMAGE_INCONSISTENT,
			"behind the end of the gzip file (at byte %zu) there are %u bytes of "
			"something else: unpack it and offer what is inside",
			unpacking->packed_length - stream->avail_in, stream->avail_in));
	inflateReset(stream);
	return 0;
}

/* Unpacks up to the end of a block, or what fits into `room` bytes. */
static int step(struct unpacking *unpacking, uint8_t *output, size_t room, bool *ret_finished)
{
	z_stream *stream = &unpacking->stream;
	stream->next_out = output;
	stream->avail_out = (uInt)room;
	int status = inflate(stream, Z_BLOCK);
	unpacking->unpacked += room - stream->avail_out;
	if (status == Z_MEM_ERROR)
		return -ENOMEM;
	if (status != Z_OK && status != Z_STREAM_END)
		return refuse_broken(unpacking, status);
	/* Bit 7: at the end of a block or of the header in front of the first. */
	if (stream->data_type & 128)
		unpacking->blocks++;
	int r = check_bounds(unpacking);
	return r == 0 && status == Z_STREAM_END ? next_member(unpacking, ret_finished) : r;
}

static int measure(const uint8_t *data, size_t length, struct reasons *reasons, size_t *ret_length)
{
	_cleanup_(unpacking_done) struct unpacking unpacking = {
		.packed = data, .packed_length = length, .reasons = reasons
	};
	unpacking.window = malloc(WINDOW_BYTES);
	int r = unpacking.window ? unpacking_start(&unpacking) : -ENOMEM;
	for (bool finished = false; r == 0 && !finished;)
		r = step(&unpacking, unpacking.window, WINDOW_BYTES, &finished);
	*ret_length = unpacking.unpacked;
	return r;
}

static int unpack(const uint8_t *data, size_t length, struct reasons *reasons, uint8_t *ret,
	size_t unpacked_length)
{
	_cleanup_(unpacking_done) struct unpacking unpacking = {
		.packed = data, .packed_length = length, .reasons = reasons
	};
	int r = unpacking_start(&unpacking);
	for (bool finished = false; r == 0 && !finished;)
		r = step(&unpacking, ret + unpacking.unpacked, unpacked_length - unpacking.unpacked,
			&finished);
	return r;
}

bool gunzip_is_meant(const uint8_t *data, size_t length)
{
	return length >= 2 && data[0] == 0x1f && data[1] == 0x8b;
}

int gunzip(const uint8_t *data, size_t length, struct reasons *reasons, uint8_t **ret,
	size_t *ret_length)
{
	size_t unpacked_length;
	int r = measure(data, length, reasons, &unpacked_length);
	if (r != 0)
		return r;
	/* One more than needed: zlib wants a place to write to even when nothing is left. */
	_cleanup_(freep) uint8_t *unpacked = malloc(unpacked_length + 1);
	if (!unpacked)
		return -ENOMEM;
	r = unpack(data, length, reasons, unpacked, unpacked_length);
	if (r != 0)
		return r;
	*ret = TAKE_PTR(unpacked);
	*ret_length = unpacked_length;
	return 0;
}
