/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a running application does when it is asked for its boot loader: some boot loader
 * answers, nothing happens, or the board is gone until its power is taken away. It can be foretold,
 * and must be before anybody asks.
 */
#include "model/board.h"

enum entry_loader {
	ENTRY_UNKNOWN,
	ENTRY_KATAPULT,
	ENTRY_ROM_DFU, /* an STM32's boot ROM, 0483:df11 */
	ENTRY_ROM_BOOTSEL, /* 2e8a:0003, 2e8a:000f */
	ENTRY_OTHER, /* HID, stm32duino, an LPC's DFU, SAM-BA */
	ENTRY_NOTHING, /* it goes on as it is */
	ENTRY_VANISHES, /* a boot loader answers on a wire that nobody is connected to */
	_ENTRY_MAX,
};

const char *entry_loader_name(enum entry_loader loader); /* "rom-dfu" */

struct entry {
	enum entry_loader loader;
	const char *sentence; /* plain, whole, for a person */
};

/*
 * From what is known of the board: how a program of the Pico SDK can be asked (`bootsel`); else, of
 * Klipper, `running` (its MCU and the wire that it was built for), `bootloader` and
 * `application_start`. What is missing makes it unknown, and is named (klipper,
 * bootloader_request() in src/stm32/, src/rp2040/, src/lpc176x/; src/generic/armcm_reset.c).
 */
struct entry entry_foretell(const struct board_facts *facts);

/* Where the chip's boot loader, or its only program, has its vector table: there Klipper looks for
 * Katapult (klipper, src/generic/armcm_reset.c, FLASH_BOOT_ADDRESS). False: nobody knows. */
bool entry_boot_address(enum chip chip, uint32_t *ret);
