/* SPDX-License-Identifier: MIT */
/* What an RP2040 would start; see rp2040.h. */
#include "base/bytes.h"
#include "base/digest.h"
#include "model/rp2040.h"

bool rp2040_boot2_is_valid(const uint8_t page[256])
{
	/* Neither 252 bytes of 0xFF nor of 0x00 have a checksum of the same bytes: a blank page and
	 * a zeroed one are refused without a special case. */
	return crc32_mpeg2(page, RP2040_BOOT2_BYTES - 4) == read_u32(page + RP2040_BOOT2_BYTES - 4);
}

bool rp2040_vectors_are_plausible(const uint8_t vectors[8], uint32_t image_end)
{
	uint32_t stack = read_u32(vectors);
	if (stack % 4 != 0 || stack <= RP2040_RAM_START || stack > RP2040_RAM_END)
		return false;

	uint32_t handler = read_u32(vectors + 4);
	if (handler % 2 == 0) /* a Cortex-M0+ knows Thumb only */
		return false;
	uint32_t code = handler - 1;
	bool in_flash = code >= RP2040_VECTORS_ADDRESS && code < image_end;
	bool in_ram = code >= RP2040_RAM_START && code < RP2040_RAM_END;
	return in_flash || in_ram;
}
