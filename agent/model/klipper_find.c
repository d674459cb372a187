/* SPDX-License-Identifier: MIT */
/* Where in an image Klipper's dictionary lies; see klipper.h. */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <zlib.h>

#include "base/bytes.h"
#include "model/klipper.h"

/*
 * A zlib stream has no magic worth the name: its two bytes are common in Thumb code, and a hostile
 * file holds nothing else. So three sieves stand one behind the other, each dearer than the one
 * before: the first block's header, its first three bytes, the whole stream. And all work is paid
 * from one purse, in estimated nanoseconds; a real image spends a thousandth of it.
 */
#define WORK_MAX         60000000u
#define COST_HEADER      4u /* two bytes were right */
#define COST_CODE        30u /* the code of a first block was looked at */
#define COST_START       3000u /* three bytes were unpacked: the tables of zlib for that */
#define COST_PACKED_BYTE 100u /* a block may be no longer than its tables */
#define COST_BYTE        4u /* unpacked */
#define COST_JSON_BYTE   60u /* parsed: an element for every two bytes */

/* An optional blank, then the first key of an object. */
#define START_BYTES 3u
/* The header of a stream and the longest one of a block, and the first three codes in it. */
#define START_PACKED 320u

struct search {
	z_stream stream;
	uint64_t work; /* what is left in the purse */
	uint8_t *json; /* KLIPPER_JSON_MAX bytes, for the stream in hand */
	uint8_t *first; /* the JSON of the first dictionary, NULL while there is none */
	size_t first_length, segment;
	struct klipper klipper;
};

static void search_done(struct search *search)
{
	inflateEnd(&search->stream);
	free(search->json);
	free(search->first);
	klipper_done(&search->klipper);
}

/* 0 or -ENOMEM; search_done() is right in either case. */
static int search_begin(struct search *search)
{
	search->work = WORK_MAX;
	search->json = malloc(KLIPPER_JSON_MAX);
	return search->json && inflateInit(&search->stream) == Z_OK ? 0 : -ENOMEM;
}

/* False when the purse does not hold it: it is empty then, for good. */
static bool pay(struct search *search, uint64_t cost)
{
	if (search->work < cost) {
		search->work = 0;
		return false;
	}
	search->work -= cost;
	return true;
}

/* ---- the sieves -------------------------------------------------------------------------- */

/* A blank or a brace: what a dictionary can start with. */
static bool may_be_first(uint8_t byte)
{
	return byte == '{' || isspace(byte);
}

/* `count` bits from bit `at` on, the first one lowest. */
static uint32_t bits(const uint8_t *bytes, size_t at, unsigned count)
{
	return (uint32_t)read_u16(bytes + at / 8) >> at % 8 & ((1u << count) - 1);
}

/* The first code of a block whose codes are the fixed ones: eight bits, the first one highest. */
static bool fixed_block_may_start(const uint8_t *block)
{
	uint32_t code = 0;
	for (size_t i = 0; i < 8; i++)
		code = code << 1 | bits(block, 3 + i, 1);
	return code >= 0x30 && may_be_first((uint8_t)(code - 0x30));
}

/* A block with codes of its own begins with the lengths of the code that these are written in,
 * and they must use up that code exactly. */
static bool dynamic_block_may_start(const uint8_t *block)
{
	if (bits(block, 3, 5) > 286 - 257 || bits(block, 8, 5) > 30 - 1)
		return false;
	uint32_t lengths = bits(block, 13, 4) + 4, used = 0;
	for (uint32_t i = 0; i < lengths; i++) {
		uint32_t length = bits(block, 17 + 3 * i, 3);
		used += length ? 128u >> length : 0;
	}
	return used == 128;
}

/* The bytes of the header of a stream, and of the longest first look at a block behind it. */
#define LOOK_BYTES (2u + 11u)

static bool block_may_start(struct search *search, const uint8_t *block)
{
	switch (bits(block, 1, 2)) {
	case 0:
		return (read_u16(block + 1) ^ read_u16(block + 3)) == 0xFFFF &&
		       may_be_first(block[5]);
	case 1:
		return pay(search, COST_CODE) && fixed_block_may_start(block);
	case 2:
		return pay(search, COST_CODE) && dynamic_block_may_start(block);
	default:
		return false;
	}
}

static void feed(struct search *search, const uint8_t *data, size_t length, size_t room)
{
	search->stream.next_in = (uint8_t *)data; /* zlib only reads it */
	search->stream.avail_in = (uInt)length;
	search->stream.next_out = search->json;
	search->stream.avail_out = (uInt)room;
}

/* The first bytes must come out of the first block: many empty ones would take long. */
static bool text_may_start(struct search *search, const uint8_t *data, size_t length)
{
	z_stream *stream = &search->stream;
	if (!pay(search, COST_START) || inflateReset(stream) != Z_OK)
		return false;
	feed(search, data, length < START_PACKED ? length : START_PACKED, START_BYTES);
	if (inflate(stream, Z_BLOCK) == Z_OK && stream->avail_out > 0) /* stops at the header */
		inflate(stream, Z_BLOCK);
	if (stream->avail_out > 0)
		return false;
	const uint8_t *text = search->json + (isspace(search->json[0]) ? 1 : 0);
	return text[0] == '{' && text[1] == '"';
}

/* The length of the JSON, or 0 when the stream is broken, cut off, too long, or its checksum
 * wrong. */
static size_t unpack(struct search *search, const uint8_t *data, size_t length, size_t *ret_packed)
{
	z_stream *stream = &search->stream;
	if (inflateReset(stream) != Z_OK)
		return 0;
	size_t limit = length < KLIPPER_PACKED_MAX ? length : KLIPPER_PACKED_MAX;
	feed(search, data, limit, KLIPPER_JSON_MAX);
	int r = inflate(stream, Z_FINISH);
	size_t packed = limit - stream->avail_in, unpacked = KLIPPER_JSON_MAX - stream->avail_out;
	pay(search, packed * COST_PACKED_BYTE + unpacked * COST_BYTE);
	*ret_packed = packed;
	return r == Z_STREAM_END ? unpacked : 0;
}

/* ---- dictionaries ------------------------------------------------------------------------ */

/* 0 for one more dictionary, the first or the same one again; -EBADMSG when it is none;
 * KLIPPER_AMBIGUOUS; -ENOMEM. */
static int learn(struct search *search, size_t offset, size_t packed, size_t length)
{
	if (search->first && search->first_length == length &&
		memcmp(search->first, search->json, length) == 0)
		return 0;
	if (!pay(search, (uint64_t)length * COST_JSON_BYTE))
		return -EBADMSG;
	_cleanup_(klipper_done) struct klipper klipper = { 0 };
	int r = klipper_parse((const char *)search->json, length, &klipper);
	if (r < 0)
		return r;
	if (search->first)
		return KLIPPER_AMBIGUOUS;
	search->first = malloc(length);
	if (!search->first)
		return -ENOMEM;
	memcpy(search->first, search->json, length);
	search->first_length = length;
	search->klipper = klipper;
	search->klipper.offset = offset;
	search->klipper.packed_bytes = packed;
	klipper = (struct klipper){ 0 };
	return 0;
}

/* One place with the two bytes of a header. `*ret_length` is how far the search may step. */
static int try_at(struct search *search, const uint8_t *data, size_t length, size_t offset,
	size_t *ret_length)
{
	const uint8_t *at = data + offset;
	size_t left = length - offset, packed;
	*ret_length = 1;
	if (!pay(search, COST_HEADER) || !block_may_start(search, at + 2) ||
		!text_may_start(search, at, left))
		return 0;
	size_t unpacked = unpack(search, at, left, &packed);
	if (unpacked == 0)
		return 0;
	int r = learn(search, offset, packed, unpacked);
	if (r == 0)
		*ret_length = packed;
	return r == -EBADMSG ? 0 : r;
}

static bool is_header(const uint8_t *at)
{
	return at[0] == 0x78 && (at[1] == 0xDA || at[1] == 0x9C || at[1] == 0x01 || at[1] == 0x5E);
}

/* Not by memchr(): where every other byte is a 0x78, the calls take longer than the bytes. */
static int search_bytes(struct search *search, const uint8_t *data, size_t length)
{
	size_t step;
	for (size_t at = 0; at + LOOK_BYTES < length; at += step) {
		step = 1;
		if (!is_header(data + at))
			continue;
		int r = try_at(search, data, length, at, &step);
		if (r != 0)
			return r;
		if (search->work == 0)
			return KLIPPER_AMBIGUOUS;
	}
	return 0;
}

static int search_end(struct search *search, struct klipper *ret)
{
	if (!search->first)
		return -ENOENT;
	*ret = search->klipper;
	search->klipper = (struct klipper){ 0 };
	return 0;
}

/* ---- public ------------------------------------------------------------------------------ */

int klipper_unpack(const void *packed, size_t length, char **ret, size_t *ret_length)
{
	if (length > KLIPPER_PACKED_MAX)
		return -EBADMSG;
	z_stream stream = { .next_in = (z_const Bytef *)packed, .avail_in = (uInt)length };
	_cleanup_(freep) char *json = malloc(KLIPPER_JSON_MAX + 1);
	if (!json || inflateInit(&stream) != Z_OK)
		return -ENOMEM;
	stream.next_out = (Bytef *)json;
	stream.avail_out = KLIPPER_JSON_MAX;
	int r = inflate(&stream, Z_FINISH);
	size_t unpacked = KLIPPER_JSON_MAX - stream.avail_out, left = stream.avail_in;
	inflateEnd(&stream);
	if (r == Z_MEM_ERROR)
		return -ENOMEM;
	if (r != Z_STREAM_END || left > 0)
		return -EBADMSG;
	json[unpacked] = '\0';
	char *exact = realloc(json, unpacked + 1);
	*ret = exact ? exact : json;
	*ret_length = unpacked;
	json = NULL;
	return 0;
}

int klipper_find(const void *data, size_t length, struct klipper *ret)
{
	_cleanup_(search_done) struct search search = { 0 };
	int r = search_begin(&search);
	if (r == 0)
		r = search_bytes(&search, data, length);
	return r == 0 ? search_end(&search, ret) : r;
}

int klipper_find_in_image(const struct image *image, size_t *ret_segment, struct klipper *ret)
{
	_cleanup_(search_done) struct search search = { 0 };
	size_t segment = 0;
	int r = search_begin(&search);
	for (size_t i = 0; r == 0 && i < image->segment_count; i++) {
		bool is_first = !search.first;
		r = search_bytes(&search, image->segments[i].data, image->segments[i].length);
		if (is_first && search.first)
			segment = i;
	}
	if (r == 0)
		r = search_end(&search, ret);
	if (r == 0)
		*ret_segment = segment;
	return r;
}
