/* SPDX-License-Identifier: MIT */
/* The numbers that a build of Klipper has given its messages stand in its dictionary; see klip.h.
 */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "emu/klip.h"

#define TEXT_BYTES  (256u << 10)
#define FLASH_BYTES (256u << 10)
#define CHUNK       1024u

static bool find_number(const char *text, const char *message, uint32_t *ret)
{
	const char *at = strstr(text, message);
	if (!at)
		return false;
	*ret = (uint32_t)strtol(at + strlen(message), NULL, 10);
	return true;
}

/* Is it a whole stream, of something that reads like a dictionary? Its length, or 0. */
static size_t packed_bytes(const uint8_t *bytes, size_t length)
{
	uint8_t text[512];
	z_stream stream = { .next_in = (Bytef *)bytes, .avail_in = (uInt)length };
	size_t seen = 0;
	int result = Z_OK;
	if (inflateInit(&stream) != Z_OK)
		abort();
	while (result == Z_OK && seen < TEXT_BYTES) {
		stream.next_out = text;
		stream.avail_out = sizeof(text);
		result = inflate(&stream, Z_NO_FLUSH);
		if (seen == 0 && (result < 0 || text[0] != '{'))
			break;
		seen += sizeof(text) - stream.avail_out;
	}
	inflateEnd(&stream);
	return result == Z_STREAM_END ? stream.total_in : 0;
}

/* All of the program's flash that there is. */
static size_t read_flash(const struct klip *klipper, uint32_t address, uint8_t *bytes)
{
	size_t length = 0;
	while (length < FLASH_BYTES && klipper->chip->read(klipper->context,
					       address + (uint32_t)length, bytes + length, CHUNK))
		length += CHUNK;
	return length;
}

uint8_t *klip_find_dictionary(const struct klip *klipper, uint32_t address, size_t *ret_bytes)
{
	uint8_t *flash = malloc(FLASH_BYTES), *found = NULL;
	if (!flash)
		abort();
	size_t length = read_flash(klipper, address, flash);
	*ret_bytes = 0;
	for (size_t at = 0; at + 1 < length && *ret_bytes == 0; at++)
		if (flash[at] == 0x78 && flash[at + 1] == 0xda) {
			*ret_bytes = packed_bytes(flash + at, length - at);
			found = flash + at;
		}
	if (*ret_bytes > 0)
		memmove(flash, found, *ret_bytes);
	return flash;
}

/* What is not packed, or does not name them, leaves it without. */
void klip_learn(struct klip *klipper)
{
	const struct klip_options *options = klipper->options;
	klipper->has_debug_read = false;
	uLongf length = TEXT_BYTES - 1;
	char *text = calloc(1, TEXT_BYTES);
	if (!text)
		abort();
	if (options->dictionary_bytes && uncompress((Bytef *)text, &length, options->dictionary,
						 options->dictionary_bytes) == Z_OK)
		klipper->has_debug_read =
			find_number(
				text, "\"debug_read order=%c addr=%u\":", &klipper->debug_read) &&
			find_number(text, "\"debug_result val=%u\":", &klipper->debug_result);
	free(text);
}
