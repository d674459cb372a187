/* SPDX-License-Identifier: MIT */
/* What the chips' ways of looking have in common; see picoboot_chip.h. */
#include <string.h>

#include "backend/picoboot_chip.h"
#include "model/katapult.h"

#define SIZE_LEAST_BYTES (1u << 20)

/* Katapult leaves the rest to its application: Klipper's menu knows this place only. */
#define KATAPULT_BYTES 0x4000u

int picoboot_find_size(
	struct picoboot_wire *wire, const uint8_t *head, uint32_t most, uint64_t *ret)
{
	uint32_t size = SIZE_LEAST_BYTES;
	for (; size < most; size *= 2) {
		uint8_t there[PICOBOOT_ECHO_BYTES];
		uint32_t address = PICOBOOT_FLASH_START + size;
		/* One page is enough to see that it is no echo, but not that it is one. */
		int r = picoboot_read_now(wire, address, there, FLASH_PAGE_BYTES);
		if (r < 0)
			return r;
		if (memcmp(there, head, FLASH_PAGE_BYTES) != 0)
			continue;
		r = picoboot_read_now(wire, address, there, sizeof there);
		if (r < 0)
			return r;
		if (memcmp(there, head, sizeof there) == 0)
			break;
	}
	*ret = size < most ? size : most;
	return 0;
}

static bool is_all_zero(const uint8_t *bytes, uint32_t length)
{
	for (uint32_t i = 0; i < length; i++) {
		if (bytes[i] != 0)
			return false;
	}
	return true;
}

int picoboot_read_head(struct picoboot_wire *wire, uint8_t *head, uint32_t length)
{
	int r = picoboot_read_now(wire, PICOBOOT_FLASH_START, head, length);
	if (r < 0 || !is_all_zero(head, length))
		return r;
	/* Nothing but zeros is how a flash looks while the ROM's abort is latched. */
	r = picoboot_exit_xip(wire);
	return r < 0 ? r : picoboot_read_now(wire, PICOBOOT_FLASH_START, head, length);
}

int picoboot_find_katapult(struct picoboot_wire *wire, uint32_t reset, struct board_facts *facts)
{
	uint8_t pages[2 * FLASH_PAGE_BYTES];
	uint32_t code = reset & ~1u;
	if (code < PICOBOOT_FLASH_START + FLASH_PAGE_BYTES ||
		code >= PICOBOOT_FLASH_START + KATAPULT_BYTES)
		return 0;
	uint32_t signature = code - KATAPULT_SIGNATURE_BYTES;
	uint32_t page = signature & ~(uint32_t)(FLASH_PAGE_BYTES - 1);
	int r = picoboot_read_now(wire, page, pages, sizeof pages);
	if (r < 0 || !katapult_is_signature(pages + (signature - page)))
		return r;
	facts->bootloader = BOOTLOADER_KATAPULT;
	facts->bootloader_end = PICOBOOT_FLASH_START + KATAPULT_BYTES;
	return 0;
}
