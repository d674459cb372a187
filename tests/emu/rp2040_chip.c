/* SPDX-License-Identifier: MIT */
/*
 * The two models, side by side: everything in which they differ is in these tables, or is called
 * from them.
 */
#include "emu/rp2040_parts.h"
#include "emu/picoboot_words.h"

static const struct picoboot_shape shapes_rp2040[] = {
	[PICOBOOT_EXCLUSIVE_ACCESS] = { 1, 0 },
	[PICOBOOT_REBOOT] = { 12, ANY_LENGTH },
	[PICOBOOT_FLASH_ERASE] = { 8, 0 },
	[PICOBOOT_READ & 0x7f] = { 8, SAME_AS_SIZE },
	[PICOBOOT_WRITE] = { 8, SAME_AS_SIZE },
	[PICOBOOT_EXIT_XIP] = { 0, 0 },
	[PICOBOOT_ENTER_CMD_XIP] = { 0, 0 },
	[PICOBOOT_EXEC] = { 4, 0 },
	[PICOBOOT_VECTORIZE_FLASH] = { 4, 0 },
};

static const struct picoboot_shape shapes_rp2350[] = {
	[PICOBOOT_EXCLUSIVE_ACCESS] = { 1, 0 },
	[PICOBOOT_REBOOT] = { 12, ANY_LENGTH },
	[PICOBOOT_FLASH_ERASE] = { 8, 0 },
	[PICOBOOT_READ & 0x7f] = { 8, SAME_AS_SIZE },
	[PICOBOOT_WRITE] = { 8, SAME_AS_SIZE },
	[PICOBOOT_EXIT_XIP] = { 0, 0 },
	[PICOBOOT_ENTER_CMD_XIP] = { 0, 0 },
	[PICOBOOT_EXEC] = { 4, 0 },
	[PICOBOOT_VECTORIZE_FLASH] = { 4, 0 },
	[PICOBOOT_REBOOT2] = { 16, 0 },
	[PICOBOOT_GET_INFO & 0x7f] = { 16, SOME_WORDS },
	[PICOBOOT_OTP_READ & 0x7f] = { 5, ROWS_OF_OTP },
	[PICOBOOT_OTP_WRITE] = { 5, ROWS_OF_OTP },
};

/* The watchdog has 24 bits, and counts two for one. */
static uint32_t rp2040_reboot(struct rp2040 *board)
{
	const uint32_t *arguments = board->picoboot.command.arguments;
	uint32_t load = (arguments[2] * 1000) & 0xffffff;
	board->watchdog_due = board->now + load * NSEC_PER_USEC / 2;
	board->watchdog_mode = arguments[0] ? RP2040_LOST : RP2040_APPLICATION;
	return PICOBOOT_OK;
}

const struct chip chip_rp2040 = {
	.usb_version = 0x0110,
	.boot_product = 0x0003,
	.application_product = 0x000a,
	.boot_power = 250,
	.boot_name = "RP2 Boot",
	.application_name = "Pico",
	.volume_label = "RPI-RP2    ",
	.inquiry = "RPI     RP2                 ",
	.model = "Raspberry Pi RP2",
	.board_id = "RPI-RP2",
	.default_revision = 3,
	.rom_kind = 1,
	.rom_bytes = 0x4000,
	.readable_rom_bytes = 0x2000,
	.sram_bytes = 0x42000,
	.xip_sram_base = 0x15000000,
	.flash_window_bytes = 0x10000000,
	.fallback_nsec = 512 * NSEC_PER_MSEC, /* 128 attempts of 4 ms to find a boot2 */
	.shapes = shapes_rp2040,
	.commands = ELEMENTSOF(shapes_rp2040),
	.flash_state = rp2040_boot2_state,
	.reboot = rp2040_reboot,
};

const struct chip chip_rp2350 = {
	.usb_version = 0x0210,
	.boot_product = 0x000f,
	.application_product = 0x0009,
	.boot_power = 25,
	.boot_name = "RP2350 Boot",
	.application_name = "Pico 2",
	.volume_label = "RP2350     ",
	.inquiry = "RPI     RP2350              ",
	.model = "Raspberry Pi RP2350",
	.board_id = "RP2350",
	.info_version = 1,
	.default_revision = 2,
	.rom_kind = 2,
	.rom_bytes = 0x8000,
	.readable_rom_bytes = 0x7e00,
	.sram_bytes = 0x82000,
	.xip_sram_base = 0x13ffc000,
	.flash_window_bytes = 0x02000000,
	.fallback_nsec = 20 * NSEC_PER_MSEC, /* not known: it looks once, and is soon done */
	.shapes = shapes_rp2350,
	.commands = ELEMENTSOF(shapes_rp2350),
	.owns_up = true,
	.has_own_id = true,
	.init = rp2350_init,
	.enter_boot_mode = rp2350_enter_boot_mode,
	.flash_state = rp2350_flash_state,
	.permits = rp2350_permits,
	.reboot = rp2350_reboot,
	.begin = rp2350_begin,
	.describe = rp2350_describe,
};
