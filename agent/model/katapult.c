/* SPDX-License-Identifier: MIT */
/* Katapult's signature; see katapult.h. */
#include <string.h>

#include "base/bytes.h"
#include "model/katapult.h"

#define SIGNATURE        "CanBoot!"
#define SIGNATURE_LENGTH 8u

bool katapult_starts(const uint8_t *data, size_t length, uint32_t base, uint32_t vectors)
{
	if (length < 8 || vectors > length - 8)
		return false;
	uint32_t reset = read_u32(data + vectors + 4) & ~1u;
	if (reset < base || reset - base < SIGNATURE_LENGTH || reset - base > length)
		return false;
	return memcmp(data + (reset - base) - SIGNATURE_LENGTH, SIGNATURE, SIGNATURE_LENGTH) == 0;
}

bool katapult_is_mentioned(const uint8_t *data, size_t length)
{
	return memmem(data, length, SIGNATURE, SIGNATURE_LENGTH) != NULL;
}
