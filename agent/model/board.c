/* SPDX-License-Identifier: MIT */
/* Names of chips, modes and contents; see board.h. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "model/board.h"

static const char *const mode_names[_MODE_MAX] = {
	[MODE_NONE] = "none",
	[MODE_RP2040_BOOT] = "rp2040-boot",
	[MODE_RP2350_BOOT] = "rp2350-boot",
	[MODE_KATAPULT] = "katapult",
	[MODE_DFU] = "dfu",
	[MODE_KLIPPER] = "klipper",
	[MODE_PICO_SDK] = "pico-sdk",
	[MODE_CAN] = "can",
};

static const enum chip chips_of_modes[_MODE_MAX] = {
	[MODE_RP2040_BOOT] = CHIP_RP2040,
	[MODE_RP2350_BOOT] = CHIP_RP2350,
};

static const char *const content_names[_CONTENT_MAX] = {
	[CONTENT_UNKNOWN] = "unknown",
	[CONTENT_BLANK] = "blank",
	[CONTENT_BOOTABLE] = "bootable",
	[CONTENT_UNBOOTABLE] = "unbootable",
};

static const char *const bootloader_names[_BOOTLOADER_MAX] = {
	[BOOTLOADER_UNKNOWN] = "unknown",
	[BOOTLOADER_NONE] = "none",
	[BOOTLOADER_KATAPULT] = "katapult",
	[BOOTLOADER_OTHER] = "other",
};

static const char *const origin_names[_CHIP_ORIGIN_MAX] = {
	[CHIP_ORIGIN_UNSAID] = "",
	[CHIP_FROM_DESCRIPTORS] = "descriptors",
	[CHIP_FROM_SIGHTING] = "seen-before",
	[CHIP_FROM_OWN_WRITE] = "own-write",
	[CHIP_FROM_FIRMWARE] = "firmware",
	[CHIP_FROM_POLICY] = "policy",
};

const char *mode_name(enum board_mode mode)
{
	assert(mode < _MODE_MAX);
	return mode_names[mode];
}

int mode_from_name(const char *name)
{
	int mode = text_lookup(mode_names, _MODE_MAX, name);
	return mode == MODE_NONE || mode == MODE_CAN ? -EINVAL : mode;
}

bool mode_is_application(enum board_mode mode)
{
	return mode == MODE_NONE || mode_can_be_asked(mode);
}

bool mode_can_be_asked(enum board_mode mode)
{
	return mode == MODE_KLIPPER || mode == MODE_PICO_SDK;
}

enum board_mode mode_of_usb_id(uint16_t vid, uint16_t pid)
{
	static const struct {
		uint16_t vid, pid;
		enum board_mode mode;
	} ids[] = {
		{ 0x2e8a, 0x0003, MODE_RP2040_BOOT },
		{ 0x2e8a, 0x000f, MODE_RP2350_BOOT },
		{ 0x0483, 0xdf11, MODE_DFU }, /* STM32 ROM (AN2606) */
		{ 0x1eaf, 0x0003, MODE_DFU }, /* stm32duino, Maple */
		{ 0x1d50, 0x6015, MODE_DFU }, /* Smoothieboard */
		{ 0x1d50, 0x6177, MODE_KATAPULT },
		{ 0x1d50, 0x614e, MODE_KLIPPER },
		{ 0x2e8a, 0x000a, MODE_PICO_SDK },
		{ 0x2e8a, 0x0009, MODE_PICO_SDK },
	};
	for (size_t i = 0; i < ELEMENTSOF(ids); i++)
		if (ids[i].vid == vid && ids[i].pid == pid)
			return ids[i].mode;
	return MODE_NONE;
}

enum chip mode_chip(enum board_mode mode)
{
	assert(mode < _MODE_MAX);
	return chips_of_modes[mode];
}

bool mode_allows_chip(enum board_mode mode, enum chip chip)
{
	assert(mode < _MODE_MAX);
	if (mode == MODE_DFU)
		return chip_is_stm32(chip) || chip == CHIP_LPC1768 || chip == CHIP_LPC1769;
	if (mode == MODE_PICO_SDK)
		return chip == CHIP_RP2040 || chip == CHIP_RP2350;
	return chips_of_modes[mode] == CHIP_UNKNOWN || chips_of_modes[mode] == chip;
}

bool mode_shows_own_serial(enum board_mode mode)
{
	assert(mode < _MODE_MAX);
	return mode != MODE_RP2040_BOOT && mode != MODE_RP2350_BOOT && mode != MODE_DFU;
}

const char *chip_origin_name(enum chip_origin origin)
{
	assert(origin < _CHIP_ORIGIN_MAX);
	return origin_names[origin];
}

const char *content_name(enum flash_content content)
{
	assert(content < _CONTENT_MAX);
	return content_names[content];
}

const char *bootloader_name(enum bootloader bootloader)
{
	assert(bootloader < _BOOTLOADER_MAX);
	return bootloader_names[bootloader];
}

int bootloader_from_name(const char *name)
{
	int bootloader = text_lookup(bootloader_names, _BOOTLOADER_MAX, name);
	return bootloader == BOOTLOADER_UNKNOWN ? -EINVAL : bootloader;
}

bool board_id_is_valid(const char *id)
{
	size_t length = strlen(id);
	if (length == 0)
		return true;
	return length % 2 == 0 && length < BOARD_ID_TEXT &&
	       strspn(id, "0123456789ABCDEF") == length && strspn(id, "0") < length &&
	       strspn(id, "F") < length;
}
