/* SPDX-License-Identifier: MIT */
/* Text for people; see text.h. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

char *text_format_list(const char *format, va_list arguments)
{
	char *text = NULL;
	return vasprintf(&text, format, arguments) < 0 ? NULL : text;
}

char *text_format(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	char *text = text_format_list(format, arguments);
	va_end(arguments);
	return text;
}

int text_append(char **text, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	_cleanup_(freep) char *tail = text_format_list(format, arguments);
	va_end(arguments);
	if (!tail)
		return -ENOMEM;

	size_t length = *text ? strlen(*text) : 0;
	char *grown = realloc(*text, length + strlen(tail) + 1);
	if (!grown)
		return -ENOMEM;
	strcpy(grown + length, tail);
	*text = grown;
	return 0;
}

static bool is_continuation(uint8_t byte)
{
	return (byte & 0xC0) == 0x80;
}

/* The length of the valid UTF-8 character at `bytes` that is no control character, or 0
 * (Unicode 15, table 3-7). */
static size_t plain_character(const uint8_t *bytes)
{
	if (bytes[0] >= 0x20 && bytes[0] < 0x7F)
		return 1;
	if (bytes[0] >= 0xC2 && bytes[0] <= 0xDF && is_continuation(bytes[1]))
		return bytes[0] == 0xC2 && bytes[1] < 0xA0 ? 0 : 2; /* C1 controls */
	if ((bytes[0] & 0xF0) == 0xE0 && is_continuation(bytes[1]) && is_continuation(bytes[2])) {
		bool overlong = bytes[0] == 0xE0 && bytes[1] < 0xA0;
		bool surrogate = bytes[0] == 0xED && bytes[1] >= 0xA0;
		/* Line and paragraph separators, and marks that turn the reading direction. */
		bool mark = bytes[0] == 0xE2 && bytes[1] == 0x80 && (bytes[2] & 0x7F) >= 0x28 &&
			    (bytes[2] & 0x7F) <= 0x2E;
		bool isolate = bytes[0] == 0xE2 && bytes[1] == 0x81 && (bytes[2] & 0x7F) >= 0x26 &&
			       (bytes[2] & 0x7F) <= 0x29;
		return overlong || surrogate || mark || isolate ? 0 : 3;
	}
	if (bytes[0] >= 0xF0 && bytes[0] <= 0xF4 && is_continuation(bytes[1]) &&
		is_continuation(bytes[2]) && is_continuation(bytes[3])) {
		bool overlong = bytes[0] == 0xF0 && bytes[1] < 0x90;
		bool beyond = bytes[0] == 0xF4 && bytes[1] > 0x8F;
		return overlong || beyond ? 0 : 4;
	}
	return 0;
}

char *text_escape(const char *text)
{
	const uint8_t *in = (const uint8_t *)(text ? text : "");
	char *escaped = malloc(strlen((const char *)in) * 4 + 1);
	if (!escaped)
		return NULL;
	char *out = escaped;
	while (*in) {
		size_t length = plain_character(in);
		if (length == 0)
			out += sprintf(out, "\\x%02x", *in++);
		else if (*in == '\\')
			out += sprintf(out, "\\\\"), in++;
		else
			for (; length > 0; length--)
				*out++ = (char)*in++;
	}
	*out = '\0';
	return escaped;
}

bool text_is_plain(const char *text)
{
	const uint8_t *in = (const uint8_t *)text;
	while (*in) {
		size_t length = plain_character(in);
		if (length == 0)
			return false;
		in += length;
	}
	return true;
}

void text_copy_plain(char *ret, size_t capacity, const char *text)
{
	const uint8_t *in = (const uint8_t *)text;
	while (*in) {
		size_t length = plain_character(in);
		if ((length ? length : 1) >= capacity)
			break;
		if (length == 0)
			*ret = '?';
		else
			memcpy(ret, in, length);
		length = length ? length : 1;
		ret += length;
		in += length;
		capacity -= length;
	}
	*ret = '\0';
}

void text_hex(const void *bytes, size_t length, char *ret)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *byte = bytes;
	for (size_t i = 0; i < length; i++) {
		*ret++ = digits[byte[i] >> 4];
		*ret++ = digits[byte[i] & 15];
	}
	*ret = '\0';
}

static uint8_t hex_digit(char digit)
{
	return (uint8_t)(digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10);
}

int text_parse_hex(const char *text, void *ret, size_t length)
{
	uint8_t *bytes = ret;
	if (strlen(text) != 2 * length || strspn(text, "0123456789abcdefABCDEF") != 2 * length)
		return -EINVAL;
	for (size_t i = 0; i < length; i++)
		bytes[i] = (uint8_t)(hex_digit(text[2 * i]) << 4 | hex_digit(text[2 * i + 1]));
	return 0;
}

int text_parse_vid_pid(const char *text, uint16_t *ret_vid, uint16_t *ret_pid)
{
	if (strlen(text) != 9 || text[4] != ':')
		return -EINVAL;
	for (size_t i = 0; i < 9; i++)
		if (i != 4 && !isxdigit((unsigned char)text[i]))
			return -EINVAL;
	*ret_vid = (uint16_t)strtoul(text, NULL, 16);
	*ret_pid = (uint16_t)strtoul(text + 5, NULL, 16);
	return 0;
}

int text_parse_span(const char *text, uint64_t *ret_usec)
{
	static const struct {
		const char *unit;
		uint64_t seconds;
	} units[] = { { "s", 1 }, { "min", 60 }, { "h", 3600 }, { "d", 86400 }, { "w", 604800 } };
	const uint64_t most = 3653ull * 86400;
	size_t digits = strspn(text, "0123456789");
	if (digits == 0 || digits > 9)
		return -EINVAL;
	uint64_t number = strtoul(text, NULL, 10);
	for (size_t i = 0; i < ELEMENTSOF(units); i++) {
		if (strcmp(text + digits, units[i].unit) != 0)
			continue;
		if (number == 0 || number * units[i].seconds > most)
			return -EINVAL;
		*ret_usec = number * units[i].seconds * 1000000;
		return 0;
	}
	return -EINVAL;
}

int text_lookup(const char *const *table, size_t entries, const char *text)
{
	for (size_t i = 0; i < entries; i++)
		if (table[i] && text_equal(table[i], text))
			return (int)i;
	return -EINVAL;
}
