/* SPDX-License-Identifier: MIT */
/* Reading and writing little-endian bytes; see bytes.h. */
#include <string.h>

#include "base/bytes.h"
#include "base/text.h"

const uint8_t *cursor_take(struct cursor *cursor, size_t length)
{
	if (cursor->failed || cursor->length - cursor->position < length) {
		cursor->failed = true;
		return NULL;
	}
	const uint8_t *taken = cursor->data + cursor->position;
	cursor->position += length;
	return taken;
}

uint8_t cursor_u8(struct cursor *cursor)
{
	const uint8_t *bytes = cursor_take(cursor, 1);
	return bytes ? bytes[0] : 0;
}

uint16_t cursor_u16(struct cursor *cursor)
{
	const uint8_t *bytes = cursor_take(cursor, 2);
	return bytes ? read_u16(bytes) : 0;
}

uint32_t cursor_u32(struct cursor *cursor)
{
	const uint8_t *bytes = cursor_take(cursor, 4);
	return bytes ? read_u32(bytes) : 0;
}

uint64_t cursor_u64(struct cursor *cursor)
{
	uint64_t low = cursor_u32(cursor);
	uint64_t high = cursor_u32(cursor);
	return cursor->failed ? 0 : low | high << 32;
}

void cursor_string(struct cursor *cursor, char *ret, size_t capacity)
{
	ret[0] = '\0';
	uint16_t length = cursor_u16(cursor);
	const uint8_t *bytes = cursor_take(cursor, length);
	if (!bytes)
		return;
	if (length >= capacity || memchr(bytes, 0, length)) {
		cursor->failed = true;
		return;
	}
	memcpy(ret, bytes, length);
	ret[length] = '\0';
}

unsigned cursor_enum(struct cursor *cursor, unsigned end)
{
	uint8_t value = cursor_u8(cursor);
	if (value < end)
		return value;
	cursor->failed = true;
	return 0;
}

bool cursor_bool(struct cursor *cursor)
{
	return cursor_enum(cursor, 2) == 1;
}

void cursor_plain(struct cursor *cursor, char *ret, size_t capacity)
{
	cursor_string(cursor, ret, capacity);
	if (!text_is_plain(ret))
		cursor->failed = true;
}

bool cursor_is_exhausted(const struct cursor *cursor)
{
	return !cursor->failed && cursor->position == cursor->length;
}

void buffer_done(struct buffer *buffer)
{
	free(buffer->data);
	*buffer = (struct buffer){ 0 };
}

static bool buffer_reserve(struct buffer *buffer, size_t length)
{
	if (buffer->failed)
		return false;
	if (buffer->allocated - buffer->length >= length)
		return true;
	size_t wanted;
	uint8_t *grown = NULL;
	if (!__builtin_add_overflow(buffer->length, length, &wanted) &&
		!__builtin_mul_overflow(wanted, 2, &wanted))
		grown = realloc(buffer->data, wanted);
	if (!grown) {
		buffer->failed = true;
		return false;
	}
	buffer->data = grown;
	buffer->allocated = wanted;
	return true;
}

void buffer_put(struct buffer *buffer, const void *data, size_t length)
{
	if (length == 0 || !buffer_reserve(buffer, length))
		return;
	memcpy(buffer->data + buffer->length, data, length);
	buffer->length += length;
}

void buffer_put_u8(struct buffer *buffer, uint8_t value)
{
	buffer_put(buffer, &value, 1);
}

void buffer_put_u16(struct buffer *buffer, uint16_t value)
{
	uint8_t bytes[2];
	write_u16(bytes, value);
	buffer_put(buffer, bytes, sizeof(bytes));
}

void buffer_put_u32(struct buffer *buffer, uint32_t value)
{
	uint8_t bytes[4];
	write_u32(bytes, value);
	buffer_put(buffer, bytes, sizeof(bytes));
}

void buffer_put_u64(struct buffer *buffer, uint64_t value)
{
	buffer_put_u32(buffer, (uint32_t)value);
	buffer_put_u32(buffer, (uint32_t)(value >> 32));
}

void buffer_put_string(struct buffer *buffer, const char *text)
{
	size_t length = text ? strnlen(text, UINT16_MAX) : 0;
	buffer_put_u16(buffer, (uint16_t)length);
	buffer_put(buffer, text, length);
}
