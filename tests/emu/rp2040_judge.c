/* SPDX-License-Identifier: MIT */
/*
 * What a test may know about a board: its mode, its flash and what would boot from it, and its
 * books.
 */
#include <string.h>

#include "emu/rp2040_parts.h"

#define BOOT2_BYTES 252u
#define VECTORS     0x100u

/* CRC-32/MPEG-2: most significant bit first, no reflection, no final inversion. */
static uint32_t crc_mpeg2(const uint8_t *bytes, size_t length)
{
	uint32_t crc = 0xffffffff;
	for (size_t index = 0; index < length; index++) {
		crc ^= (uint32_t)bytes[index] << 24;
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 0x80000000 ? crc << 1 ^ 0x04c11db7 : crc << 1;
	}
	return crc;
}

static bool has_plausible_vectors(const struct flash_chip *chip)
{
	uint32_t stack = get_le32(chip->bytes + VECTORS);
	uint32_t entry = get_le32(chip->bytes + VECTORS + 4);
	uint32_t sram_end = RP2040_SRAM_BASE + chip_rp2040.sram_bytes;
	if (stack % 4 || stack <= RP2040_SRAM_BASE || stack > sram_end)
		return false;
	if (!(entry & 1))
		return false;
	bool flash = entry >= RP2040_FLASH_BASE + VECTORS && entry < RP2040_FLASH_BASE + chip->size;
	bool sram = entry >= RP2040_SRAM_BASE && entry < sram_end;
	return flash || sram;
}

enum rp2040_boot rp2040_boot2_state(const struct rp2040 *board)
{
	const struct flash_chip *chip = &board->flash;
	if (crc_mpeg2(chip->bytes, BOOT2_BYTES) != get_le32(chip->bytes + BOOT2_BYTES))
		return RP2040_FALLS_BACK;
	return has_plausible_vectors(chip) ? RP2040_BOOTS : RP2040_CRASHES;
}

enum rp2040_boot rp2040_flash_state(const struct rp2040 *board)
{
	return board->chip->flash_state(board);
}

enum rp2040_mode rp2040_mode(const struct rp2040 *board)
{
	return board->mode;
}

const char *rp2040_mode_name(enum rp2040_mode mode)
{
	static const char *const names[] = {
		[RP2040_OFF] = "off",
		[RP2040_AWAY] = "away",
		[RP2040_BOOT] = "boot",
		[RP2040_APPLICATION] = "application",
		[RP2040_LOST] = "lost",
		[RP2040_KATAPULT] = "katapult",
	};
	return names[mode];
}

const char *rp2040_boot_name(enum rp2040_boot boot)
{
	static const char *const names[] = {
		[RP2040_FALLS_BACK] = "falls-back",
		[RP2040_BOOTS] = "boots",
		[RP2040_CRASHES] = "crashes",
	};
	return names[boot];
}

uint8_t *rp2040_flash(struct rp2040 *board, size_t *ret_bytes)
{
	*ret_bytes = board->flash.size;
	return board->flash.bytes;
}

const uint32_t *rp2040_erase_counts(const struct rp2040 *board, size_t *ret_sectors)
{
	*ret_sectors = board->flash.size / RP2040_SECTOR_BYTES;
	return board->flash.erase_counts;
}

struct resident *rp2040_resident(struct rp2040 *board)
{
	return &board->resident;
}

const struct rp2040_counters *rp2040_counters(const struct rp2040 *board)
{
	return &board->counters;
}

const struct rp2040_ledger *rp2040_ledger(const struct rp2040 *board)
{
	return &board->ledger;
}

void rp2040_reset_counters(struct rp2040 *board)
{
	size_t sectors = board->flash.size / RP2040_SECTOR_BYTES;
	board->counters = (struct rp2040_counters){ 0 };
	board->ledger = (struct rp2040_ledger){ .busy_until = board->ledger.busy_until };
	resident_reset_counters(&board->resident);
	memset(board->flash.erase_counts, 0, sectors * sizeof(uint32_t));
}
