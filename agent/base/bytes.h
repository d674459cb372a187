/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A cursor over untrusted bytes and its mirror, a growing buffer. All numbers are little-endian on
 * the outside, whatever the machine is. A read past the end, or an allocation that fails, is
 * sticky: every later call does nothing and yields zero, so a parser checks once, at its end.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct cursor {
	const uint8_t *data;
	size_t length;
	size_t position;
	bool failed;
};

static inline struct cursor cursor_over(const void *data, size_t length)
{
	return (struct cursor){ .data = data, .length = length };
}

/* The next `length` bytes, or NULL (and the cursor has failed) when there are fewer. */
const uint8_t *cursor_take(struct cursor *cursor, size_t length);
uint8_t cursor_u8(struct cursor *cursor);
uint16_t cursor_u16(struct cursor *cursor);
uint32_t cursor_u32(struct cursor *cursor);
uint64_t cursor_u64(struct cursor *cursor);

/* A string as buffer_put_string() wrote it: at most `capacity` - 1 bytes and no NUL within, else
 * the cursor fails. `ret` is always terminated. */
void cursor_string(struct cursor *cursor, char *ret, size_t capacity);

/* A value below `end`, of one byte; anything else fails the cursor. */
unsigned cursor_enum(struct cursor *cursor, unsigned end);
bool cursor_bool(struct cursor *cursor);

/* cursor_string() of which the text is plain, or the cursor fails. */
void cursor_plain(struct cursor *cursor, char *ret, size_t capacity);

/* True when everything was read, no more and no less. */
bool cursor_is_exhausted(const struct cursor *cursor);

static inline size_t cursor_left(const struct cursor *cursor)
{
	return cursor->failed ? 0 : cursor->length - cursor->position;
}

struct buffer {
	uint8_t *data;
	size_t length;
	size_t allocated;
	bool failed;
};

void buffer_done(struct buffer *buffer);
void buffer_put(struct buffer *buffer, const void *data, size_t length);
void buffer_put_u8(struct buffer *buffer, uint8_t value);
void buffer_put_u16(struct buffer *buffer, uint16_t value);
void buffer_put_u32(struct buffer *buffer, uint32_t value);
void buffer_put_u64(struct buffer *buffer, uint64_t value);

/* Length (16 bit), then the bytes; cut at 65535. NULL counts as "". */
void buffer_put_string(struct buffer *buffer, const char *text);

static inline uint16_t read_u16(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] | bytes[1] << 8);
}

static inline uint32_t read_u32(const uint8_t *bytes)
{
	return (uint32_t)read_u16(bytes) | (uint32_t)read_u16(bytes + 2) << 16;
}

static inline void write_u16(uint8_t *bytes, uint16_t value)
{
	bytes[0] = (uint8_t)value;
	bytes[1] = (uint8_t)(value >> 8);
}

static inline void write_u32(uint8_t *bytes, uint32_t value)
{
	write_u16(bytes, (uint16_t)value);
	write_u16(bytes + 2, (uint16_t)(value >> 16));
}
