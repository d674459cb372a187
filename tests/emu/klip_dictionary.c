/* SPDX-License-Identifier: MIT */
/* The numbers that a build of Klipper has given its messages stand in its dictionary; see klip.h.
 */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "emu/klip.h"

#define TEXT_BYTES (256u << 10)

static bool find_number(const char *text, const char *message, uint32_t *ret)
{
	const char *at = strstr(text, message);
	if (!at)
		return false;
	*ret = (uint32_t)strtol(at + strlen(message), NULL, 10);
	return true;
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
