/* SPDX-License-Identifier: MIT */
/* Serials of STM32 boot ROMs; see stm32_serial.h. The id is three little-endian words. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "model/stm32_serial.h"

#define ID_BYTES 12

static bool are_hex_digits(const char *text, size_t count)
{
	return strlen(text) == count && strspn(text, "0123456789abcdefABCDEF") == count;
}

bool stm32_serial_is_unique_id(const char *text)
{
	return are_hex_digits(text, 2 * ID_BYTES) && strspn(text, "0") < 2 * ID_BYTES &&
	       strspn(text, "fF") < 2 * ID_BYTES;
}

bool stm32_serial_is_shared(const char *boot_serial)
{
	static const char *const shared[] = {
		"FFFFFFFEFFFF", /* F042, F072 */
		"200364500000", /* H743, H750 */
		"200000500000", "STM32FxSTM32", /* early F401, F405, F407 */
		"STM32", /* F105 */
	};
	for (size_t i = 0; i < ELEMENTSOF(shared); i++)
		if (strcasecmp(boot_serial, shared[i]) == 0)
			return true;
	return false;
}

/* ---- ways of making the serial ----------------------------------------------------------- */

static uint32_t halves(uint32_t high, uint32_t low)
{
	return high << 16 | (low & 0xffff);
}

/* ST's ROMs. */
static uint32_t sum_words(uint32_t first, uint32_t last)
{
	return first + last;
}

/* comma.ai's tools, as they have seen it of an F413. */
static uint32_t sum_halves(uint32_t first, uint32_t last)
{
	return halves((first >> 16) + (last >> 16), first + last);
}

/* libopencm3 (desig_get_unique_id_as_dfu): two bytes, without carry. */
static uint32_t sum_bytes(uint32_t first, uint32_t last)
{
	uint32_t third = ((last >> 16) + (first >> 16)) & 0xff;
	return (last & 0xff00ff00) | third << 16 | ((last + first) & 0xff);
}

/* Some F4 ROMs are ten off in the low half. */
static bool is_near(uint32_t sum, uint32_t shown)
{
	int16_t distance = (int16_t)(uint16_t)(shown - sum);
	return sum >> 16 == shown >> 16 && (distance == 0 || distance == 10 || distance == -10);
}

/* ---- public ------------------------------------------------------------------------------ */

bool stm32_serial_predict(const char *unique_id, char ret[STM32_BOOT_SERIAL_TEXT])
{
	uint8_t id[ID_BYTES];
	if (!stm32_serial_is_unique_id(unique_id) || text_parse_hex(unique_id, id, ID_BYTES) < 0)
		return false;
	snprintf(ret, STM32_BOOT_SERIAL_TEXT, "%08X%04X", sum_words(read_u32(id), read_u32(id + 8)),
		read_u32(id + 4) >> 16);
	return true;
}

enum stm32_agreement stm32_serial_compare(const char *unique_id, const char *boot_serial)
{
	static uint32_t (*const sums[])(
		uint32_t first, uint32_t last) = { sum_words, sum_halves, sum_bytes };
	uint8_t id[ID_BYTES], shown[6];
	if (!stm32_serial_is_unique_id(unique_id) || stm32_serial_is_shared(boot_serial) ||
		text_parse_hex(unique_id, id, ID_BYTES) < 0 ||
		text_parse_hex(boot_serial, shown, sizeof(shown)) < 0)
		return STM32_UNDECIDED;
	uint32_t sum = (uint32_t)shown[0] << 24 | (uint32_t)shown[1] << 16 |
		       (uint32_t)shown[2] << 8 | shown[3];
	if ((uint32_t)(shown[4] << 8 | shown[5]) != read_u32(id + 4) >> 16)
		return STM32_CONTRADICTS;
	for (size_t i = 0; i < ELEMENTSOF(sums); i++)
		if (is_near(sums[i](read_u32(id), read_u32(id + 8)), sum))
			return STM32_AGREES;
	return STM32_CONTRADICTS;
}
