/* SPDX-License-Identifier: MIT */
/* Reading Intel HEX; see hex.h. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "model/hex.h"
#include "model/image_builder.h"

#define HEAD_BYTES    4u /* length, offset, type */
#define RECORD_BYTES  (HEAD_BYTES + 255 + 1)
#define RECORD_DIGITS 10u /* of the shortest, without its colon */

#define AGAIN ": the file is damaged, copy or build it again"

enum record_type {
	RECORD_DATA,
	RECORD_END,
	RECORD_SEGMENT, /* bits 4 to 19 of what is added to the offsets that follow */
	RECORD_SEGMENT_START,
	RECORD_LINEAR, /* bits 16 to 31 of it */
	RECORD_LINEAR_START,
	_RECORD_TYPE_MAX,
};

/* How many bytes a record of this type holds; data may be of any length. */
static const uint8_t record_lengths[_RECORD_TYPE_MAX] = {
	[RECORD_SEGMENT] = 2,
	[RECORD_SEGMENT_START] = 4,
	[RECORD_LINEAR] = 2,
	[RECORD_LINEAR_START] = 4,
};

struct reader {
	const uint8_t *text;
	size_t length;
	size_t position;
	size_t line; /* from 1 */
	uint8_t record[RECORD_BYTES];
	uint32_t base;
	bool is_linear; /* offsets go on behind 64 KiB, else they start again at 0 */
	bool has_ended;
	uint8_t *bytes; /* all that was decoded */
	size_t byte_count;
	struct image_builder *builder;
	struct reasons *reasons;
};

static int reject(int r)
{
	return r < 0 ? r : IMAGE_REJECTED;
}

static bool is_blank(uint8_t character)
{
	return character == ' ' || character == '\t' || character == '\r' || character == '\n';
}

/* What a character stands for as a digit, and one more; 0: it is none. */
static const uint8_t digits[256] = {
	['0'] = 1,
	['1'] = 2,
	['2'] = 3,
	['3'] = 4,
	['4'] = 5,
	['5'] = 6,
	['6'] = 7,
	['7'] = 8,
	['8'] = 9,
	['9'] = 10,
	['A'] = 11,
	['B'] = 12,
	['C'] = 13,
	['D'] = 14,
	['E'] = 15,
	['F'] = 16,
	['a'] = 11,
	['b'] = 12,
	['c'] = 13,
	['d'] = 14,
	['e'] = 15,
	['f'] = 16,
};

static void skip_blanks(struct reader *reader)
{
	for (; reader->position < reader->length && is_blank(reader->text[reader->position]);
		reader->position++)
		if (reader->text[reader->position] == '\n')
			reader->line++;
}

static int refuse_digits(const struct reader *reader)
{
	if (reader->position == reader->length)
		return reject(reasons_add(reader->reasons, REASON_IMAGE_TRUNCATED,
			"the Intel HEX file ends in the middle of line %zu: it was cut short, copy "
			"or build it again",
			reader->line));
	return reject(reasons_add(reader->reasons, REASON_IMAGE_INCONSISTENT,
		"line %zu of the Intel HEX file is shorter than it says, or holds something that "
		"is no hexadecimal digit" AGAIN,
		reader->line));
}

static int read_bytes(struct reader *reader, uint8_t *ret, size_t count)
{
	const uint8_t *at = reader->text + reader->position;
	size_t there = (reader->length - reader->position) / 2, i = 0;
	for (; i < count && i < there && digits[at[0]] && digits[at[1]]; i++, at += 2)
		ret[i] = (uint8_t)((digits[at[0]] - 1) << 4 | (digits[at[1]] - 1));
	reader->position += 2 * i;
	if (i == count)
		return 0;
	/* The first half of a byte may be the last that there is. */
	if (reader->position < reader->length && digits[*at])
		reader->position++;
	return refuse_digits(reader);
}

/* The record at the position, into reader->record, and its checksum. */
static int read_record(struct reader *reader)
{
	uint8_t *record = reader->record;
	if (reader->text[reader->position] != ':')
		return reject(reasons_add(reader->reasons, REASON_IMAGE_INCONSISTENT,
			"line %zu of the Intel HEX file holds something that is no record, which "
			"would begin with a colon" AGAIN,
			reader->line));
	reader->position++;
	int r = read_bytes(reader, record, 1);
	size_t rest = HEAD_BYTES - 1 + record[0] + 1u;
	if (r == 0)
		r = read_bytes(reader, record + 1, rest);
	if (r != 0)
		return r;
	uint8_t sum = 0;
	for (size_t i = 0; i < 1 + rest; i++)
		sum = (uint8_t)(sum + record[i]);
	if (sum != 0)
		return reject(reasons_add(reader->reasons, REASON_IMAGE_INCONSISTENT,
			"the checksum of line %zu of the Intel HEX file is wrong" AGAIN,
			reader->line));
	return 0;
}

static int check_shape(const struct reader *reader)
{
	uint8_t length = reader->record[0], type = reader->record[3];
	if (type >= _RECORD_TYPE_MAX)
		return reject(reasons_add(reader->reasons, REASON_IMAGE_INCONSISTENT,
			"line %zu of the Intel HEX file is of type 0x%02x, and 00 to 05 are all "
			"that there are" AGAIN,
			reader->line, type));
	if (type != RECORD_DATA && length != record_lengths[type])
		return reject(reasons_add(reader->reasons, REASON_IMAGE_INCONSISTENT,
			"line %zu of the Intel HEX file is of type 0x%02x and holds %u bytes, "
			"where %u belong" AGAIN,
			reader->line, type, length, record_lengths[type]));
	return 0;
}

/* The decoded bytes of a record, where they stay. */
static const uint8_t *keep(struct reader *reader)
{
	uint8_t *kept = reader->bytes + reader->byte_count;
	memcpy(kept, reader->record + HEAD_BYTES, reader->record[0]);
	reader->byte_count += reader->record[0];
	return kept;
}

static int take_data(struct reader *reader)
{
	uint32_t length = reader->record[0];
	uint32_t offset = (uint32_t)reader->record[1] << 8 | reader->record[2];
	/* Neither sum wraps: the base of a linear address has no lower half. */
	uint32_t address = reader->base + offset, before_wrap = length;
	if (!reader->is_linear && offset + length > 0x10000)
		before_wrap = 0x10000 - offset;
	if (before_wrap > UINT32_MAX - address)
		return reject(reasons_add(reader->reasons, REASON_IMAGE_INCONSISTENT,
			"line %zu of the Intel HEX file runs past the end of the address space" AGAIN,
			reader->line));
	const uint8_t *bytes = keep(reader);
	int r = image_builder_add(reader->builder, address, bytes, before_wrap);
	if (r == 0)
		r = image_builder_add(
			reader->builder, reader->base, bytes + before_wrap, length - before_wrap);
	return r;
}

static int take_record(struct reader *reader)
{
	uint32_t value = (uint32_t)reader->record[4] << 8 | reader->record[5];
	switch ((enum record_type)reader->record[3]) {
	case RECORD_DATA:
		return take_data(reader);
	case RECORD_END:
		reader->has_ended = true;
		return 0;
	case RECORD_SEGMENT:
	case RECORD_LINEAR:
		reader->is_linear = reader->record[3] == RECORD_LINEAR;
		reader->base = value << (reader->is_linear ? 16 : 4);
		return 0;
	default: /* where it starts, its vector table says */
		return 0;
	}
}

static int read_all(struct reader *reader)
{
	int r = 0;
	for (skip_blanks(reader); r == 0 && reader->position < reader->length;
		skip_blanks(reader)) {
		if (reader->has_ended)
			return reject(reasons_add(reader->reasons, REASON_IMAGE_INCONSISTENT,
				"line %zu of the Intel HEX file follows behind the record that "
				"ends it: the file is damaged or joined from two, build or "
				"download it again",
				reader->line));
		r = read_record(reader);
		if (r == 0)
			r = check_shape(reader);
		if (r == 0)
			r = take_record(reader);
	}
	if (r == 0 && !reader->has_ended)
		r = reject(reasons_add(reader->reasons, REASON_IMAGE_TRUNCATED,
			"the Intel HEX file ends (with line %zu) without the record that ends it "
			"(:00000001FF): it was cut short, copy or build it again",
			reader->line));
	return r;
}

bool hex_is_meant(const uint8_t *data, size_t length)
{
	size_t i = 0;
	while (i < length && is_blank(data[i]))
		i++;
	if (length - i <= RECORD_DIGITS || data[i] != ':')
		return false;
	for (size_t end = i++ + RECORD_DIGITS; i <= end; i++)
		if (!digits[data[i]])
			return false;
	return true;
}

int hex_parse(const uint8_t *data, size_t length, struct reasons *reasons, struct image **ret)
{
	_cleanup_(image_builder_done) struct image_builder builder = {
		.format = FORMAT_HEX,
		.name = "Intel HEX file",
		.may_repeat = true,
	};
	/* Two digits make a byte, so more than this it cannot be. */
	_cleanup_(freep) uint8_t *bytes = malloc(length / 2 + 1);
	if (!bytes)
		return -ENOMEM;
	struct reader reader = {
		.text = data,
		.length = length,
		.line = 1,
		.bytes = bytes,
		.builder = &builder,
		.reasons = reasons,
	};
	int r = read_all(&reader);
	return r == 0 ? image_builder_finish(&builder, reasons, ret) : r;
}
