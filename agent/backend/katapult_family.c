/* SPDX-License-Identifier: MIT */
/* Families of chips under Katapult; see katapult_family.h. */
#include "backend/katapult_family.h"

#define FLASH_STM32 0x08000000u

static bool is_rp2(enum chip chip)
{
	return chip == CHIP_RP2040 || chip == CHIP_RP2350;
}

static bool is_h7(enum chip chip)
{
	return chip == CHIP_STM32H723 || chip == CHIP_STM32H743 || chip == CHIP_STM32H750;
}

static bool is_lpc(enum chip chip)
{
	return chip == CHIP_LPC1768 || chip == CHIP_LPC1769;
}

const struct katapult_family *katapult_family(enum chip chip)
{
	static const struct katapult_family stm32 = { .page_bytes = 64, .forgives_resends = true };
	/* No check bits beside the flash: all ones are programmed by doing nothing, and the unit is
	 * still blank afterwards. */
	static const struct katapult_family plain = {
		.page_bytes = 64, .forgives_resends = true, .poison = 0xff
	};
	static const struct katapult_family h7 = {
		.page_bytes = 64, .forgives_resends = true, .may_refuse_occupied = true
	};
	static const struct katapult_family rp2 = { .page_bytes = 256, .forgives_resends = true };
	static const struct katapult_family lpc = { .page_bytes = 256 };
	if (is_h7(chip))
		return &h7;
	if (chip >= CHIP_STM32F030 && chip <= CHIP_STM32F469)
		return &plain;
	if (chip_is_stm32(chip))
		return &stm32;
	if (is_rp2(chip))
		return &rp2;
	return is_lpc(chip) ? &lpc : NULL;
}

static uint32_t stm32_unit_bytes(enum chip chip, uint32_t offset)
{
	if (is_h7(chip))
		return 128u << 10;
	switch (chip) {
	case CHIP_STM32F207:
	case CHIP_STM32F401:
	case CHIP_STM32F405:
	case CHIP_STM32F407:
	case CHIP_STM32F411:
	case CHIP_STM32F412:
	case CHIP_STM32F413:
	case CHIP_STM32F427:
	case CHIP_STM32F429:
	case CHIP_STM32F446:
	case CHIP_STM32F469:
		if (offset < 0x10000)
			return 16u << 10;
		return offset < 0x20000 ? 64u << 10 : 128u << 10;
	default:
		/* Some have pages of 1 KiB; two of those are one of these. */
		return 2u << 10;
	}
}

void katapult_unit(enum chip chip, uint32_t address, uint32_t *ret_start, uint32_t *ret_bytes)
{
	if (is_rp2(chip))
		*ret_bytes = 4u << 10;
	else if (is_lpc(chip))
		*ret_bytes = address < 0x10000 ? 4u << 10 : 32u << 10;
	else
		*ret_bytes = stm32_unit_bytes(chip, address - FLASH_STM32);
	*ret_start = address / *ret_bytes * *ret_bytes;
}
