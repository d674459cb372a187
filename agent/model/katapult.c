/* SPDX-License-Identifier: MIT */
/* Katapult's signature; see katapult.h. */
#include <string.h>

#include "base/bytes.h"
#include "model/katapult.h"

#define SIGNATURE "CanBoot!"

bool katapult_is_signature(const uint8_t bytes[KATAPULT_SIGNATURE_BYTES])
{
	return memcmp(bytes, SIGNATURE, KATAPULT_SIGNATURE_BYTES) == 0;
}

bool katapult_starts(const uint8_t *data, size_t length, uint32_t base, uint32_t vectors)
{
	if (length < 8 || vectors > length - 8)
		return false;
	uint32_t reset = read_u32(data + vectors + 4) & ~1u;
	if (reset < base || reset - base < KATAPULT_SIGNATURE_BYTES || reset - base > length)
		return false;
	return katapult_is_signature(data + (reset - base) - KATAPULT_SIGNATURE_BYTES);
}

bool katapult_is_mentioned(const uint8_t *data, size_t length)
{
	return memmem(data, length, SIGNATURE, KATAPULT_SIGNATURE_BYTES) != NULL;
}
