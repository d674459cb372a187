/* SPDX-License-Identifier: MIT */
/* What all makes of boards need to read their options; see words.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emu/words.h"

char *word_split(char *word)
{
	char *equals = strchr(word, '=');
	if (!equals)
		return NULL;
	*equals = '\0';
	return equals + 1;
}

char *word_unescape(char *text)
{
	char *to = text;
	for (const char *from = text; *from; from++) {
		char hex[3] = { 0 };
		if (*from == '%' && from[1] && from[2]) {
			memcpy(hex, from + 1, 2);
			*to++ = (char)strtoul(hex, NULL, 16);
			from += 2;
		} else {
			*to++ = *from;
		}
	}
	*to = '\0';
	return text;
}

bool word_number(const char *text, uint64_t *ret)
{
	char *end;
	errno = 0;
	uint64_t value = strtoull(text, &end, 0);
	if (*end == 'K')
		value <<= 10, end++;
	else if (*end == 'M')
		value <<= 20, end++;
	if (errno || end == text || *end)
		return false;
	*ret = value;
	return true;
}

bool word_hex(const char *text, uint8_t *bytes, size_t count)
{
	if (strlen(text) != 2 * count || strspn(text, "0123456789abcdefABCDEF") != 2 * count)
		return false;
	for (size_t index = 0; index < count; index++) {
		char hex[3] = { text[2 * index], text[2 * index + 1] };
		bytes[index] = (uint8_t)strtoul(hex, NULL, 16);
	}
	return true;
}

int word_index(const char *const *names, size_t count, const char *name)
{
	for (size_t index = 0; index < count; index++)
		if (names[index] && !strcmp(names[index], name))
			return (int)index;
	return -EINVAL;
}

int word_read_file(const char *path, uint8_t **ret_bytes, size_t *ret_length)
{
	_cleanup_(fclosep) FILE *file = fopen(path, "re");
	if (!file)
		return -errno;
	if (fseek(file, 0, SEEK_END) < 0)
		return -errno;
	long size = ftell(file);
	if (size < 0)
		return -errno;
	rewind(file);
	_cleanup_(freep) uint8_t *bytes = malloc((size_t)size + 1);
	if (!bytes)
		return -ENOMEM;
	if (fread(bytes, 1, (size_t)size, file) != (size_t)size)
		return -EIO;
	*ret_bytes = TAKE_PTR(bytes);
	*ret_length = (size_t)size;
	return 0;
}
