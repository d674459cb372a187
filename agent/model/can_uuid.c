/* SPDX-License-Identifier: MIT */
/* CAN uuids; see can_uuid.h. Numbers are put together byte by byte: every machine gets the same. */
#include <stdint.h>
#include <string.h>

#include "base/text.h"
#include "model/can_uuid.h"
#include "model/serial.h"

#define SEED       UINT64_C(0xa16231a7)
#define MULTIPLIER UINT64_C(0x880355f21e6d1965)
#define MIXER      UINT64_C(0x2127599bf4325c37)

#define ID_BYTES_MAX 16
#define UUID_BYTES   6

static uint64_t mix(uint64_t value)
{
	value ^= value >> 23;
	value *= MIXER;
	return value ^ value >> 47;
}

/* At most eight bytes, the lowest first. */
static uint64_t word_of(const uint8_t *bytes, size_t count)
{
	uint64_t word = 0;
	for (size_t i = 0; i < count; i++)
		word |= (uint64_t)bytes[i] << (8 * i);
	return word;
}

static uint64_t fasthash64(const uint8_t *bytes, size_t length)
{
	uint64_t hash = SEED ^ length * MULTIPLIER;
	for (size_t at = 0; at < length; at += 8) {
		size_t left = length - at;
		hash ^= mix(word_of(bytes + at, left < 8 ? left : 8));
		hash *= MULTIPLIER;
	}
	return mix(hash);
}

bool can_uuid_from_serial(const char *serial, char ret[CAN_UUID_TEXT])
{
	uint8_t id[ID_BYTES_MAX], uuid[UUID_BYTES];
	size_t length = strlen(serial) / 2;
	if (!serial_is_chip_id(serial) || text_parse_hex(serial, id, length) < 0)
		return false;
	uint64_t hash = fasthash64(id, length);
	for (size_t i = 0; i < UUID_BYTES; i++)
		uuid[i] = (uint8_t)(hash >> (8 * i));
	text_hex(uuid, UUID_BYTES, ret);
	return true;
}

bool can_uuid_is_valid(const char *uuid)
{
	return strlen(uuid) == CAN_UUID_TEXT - 1 &&
	       strspn(uuid, "0123456789abcdefABCDEF") == CAN_UUID_TEXT - 1;
}
