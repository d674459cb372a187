/* SPDX-License-Identifier: MIT */
/* Boards that run Klipper; see klipper_boards.h. */
#include "unit/klipper_boards.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "unit/make_arm.h"
#include "unit/make_image.h"

#define STM32_BASE  0x08000000u
#define RP2_BASE    0x10000000u
#define RP2_OFFSET  0x4000u
#define PROGRAM     0x2000u
#define LOADER      0x1000u
#define CODE        0x800u
#define AWAKE_MSEC  3000
#define SMALL_STACK 0x20001000u
#define LPC_STACK   0x10001000u
#define PINS        280u

#define ALONE(its_chip, its_mcu, to)                                                       \
	{                                                                                  \
		.name = #its_chip " alone", .chip = its_chip, .mcu = its_mcu,              \
		.stack = SMALL_STACK, .base = STM32_BASE, .loader = to, .has_start = true, \
		.bootloader = BOOTLOADER_NONE                                              \
	}
#define BEHIND(its_chip, its_mcu, at)                                                          \
	{                                                                                      \
		.name = #its_chip " behind Katapult", .chip = its_chip, .mcu = its_mcu,        \
		.stack = SMALL_STACK, .base = STM32_BASE, .offset = at, .has_katapult = true,  \
		.loader = ENTRY_KATAPULT, .has_start = true, .bootloader = BOOTLOADER_KATAPULT \
	}
#define BOTH(its_chip, its_mcu, at) \
	ALONE(its_chip, its_mcu, ENTRY_ROM_DFU), BEHIND(its_chip, its_mcu, at)

const struct klipper_kind klipper_kinds[] = {
	BOTH(STM32_G0B1_128K, "stm32g0b1xx", 0x2000),
	BOTH(STM32_F446, "stm32f446xx", 0x8000),
	BOTH(STM32_F429_1MB, "stm32f429xx", 0x8000),
	BOTH(STM32_F407, "stm32f407xx", 0x4000),
	BOTH(STM32_F405, "stm32f405xx", 0x8000),
	BOTH(STM32_F401XE, "stm32f401xc", 0x8000),
	BOTH(STM32_F072, "stm32f072xb", 0x2000),
	BOTH(STM32_F042, "stm32f042x6", 0x2000),
	BOTH(STM32_G431, "stm32g431xx", 0x2000),
	BOTH(STM32_G474, "stm32g474xx", 0x2000),
	BOTH(STM32_H723, "stm32h723xx", 0x20000),
	BOTH(STM32_H743, "stm32h743xx", 0x20000),
	ALONE(STM32_F103, "stm32f103xe", ENTRY_NOTHING),
	BEHIND(STM32_F103, "stm32f103xe", 0x2000),
	{
		.name = "stm32duino",
		.chip = STM32_MAPLE,
		.mcu = "stm32f103xe",
		.stack = SMALL_STACK,
		.base = STM32_BASE,
		.offset = 0x2000,
		.loader = ENTRY_OTHER,
		.has_start = true,
		.bootloader = BOOTLOADER_OTHER,
	},
	{
		.name = "smoothie",
		.chip = STM32_SMOOTHIE,
		.mcu = "lpc1769",
		.stack = LPC_STACK,
		.offset = 0x4000,
		.loader = ENTRY_OTHER,
		.has_start = true,
		.bootloader = BOOTLOADER_OTHER,
	},
	{
		.name = "lpc1769 behind Katapult",
		.chip = STM32_LPC1769,
		.mcu = "lpc1769",
		.stack = LPC_STACK,
		.offset = 0x4000,
		.has_katapult = true,
		.loader = ENTRY_KATAPULT,
		.has_start = true,
		.bootloader = BOOTLOADER_KATAPULT,
	},
	{
		.name = "rp2040 alone",
		.is_rp2 = true,
		.chip = RP2040_CHIP_RP2040,
		.mcu = "rp2040",
		.base = RP2_BASE,
		.loader = ENTRY_ROM_BOOTSEL,
		.bootloader = BOOTLOADER_NONE,
	},
	{
		.name = "rp2040 behind Katapult",
		.is_rp2 = true,
		.chip = RP2040_CHIP_RP2040,
		.mcu = "rp2040",
		.base = RP2_BASE,
		.offset = RP2_OFFSET,
		.has_katapult = true,
		.loader = ENTRY_KATAPULT,
		.has_start = true,
		.bootloader = BOOTLOADER_KATAPULT,
	},
	{
		.name = "rp2350 alone",
		.is_rp2 = true,
		.chip = RP2040_CHIP_RP2350,
		.mcu = "rp2350",
		.base = RP2_BASE,
		.loader = ENTRY_ROM_BOOTSEL,
		.bootloader = BOOTLOADER_NONE,
	},
	{
		.name = "rp2350 behind Katapult",
		.is_rp2 = true,
		.chip = RP2040_CHIP_RP2350,
		.mcu = "rp2350",
		.base = RP2_BASE,
		.offset = RP2_OFFSET,
		.has_katapult = true,
		.loader = ENTRY_KATAPULT,
		.has_start = true,
		.bootloader = BOOTLOADER_KATAPULT,
	},
};
const size_t klipper_kind_count = ELEMENTSOF(klipper_kinds);

/* ---- dictionaries ------------------------------------------------------------------------ */

/* Bus pins and commands by the dozen, of which no two pack alike. */
char *klipper_board_json(const char *mcu)
{
	char *json = NULL;
	uint32_t noise = 1;
	int r = text_append(&json,
		"{\"app\":\"Klipper\",\"build_versions\":\"gcc: (15:12.2.rel1-1) 12.2.1\","
		"\"commands\":{\"debug_read order=%%c addr=%%u\":-21,"
		"\"identify offset=%%u count=%%c\":1},\"config\":{\"ADC_MAX\":4095,"
		"\"CLOCK_FREQ\":64000000,\"MCU\":\"%s\"},\"enumerations\":{\"pin\":{",
		mcu);
	for (unsigned i = 0; r == 0 && i < PINS; i++) {
		noise = noise * 1664525 + 1013904223;
		r = text_append(&json, "%s\"pin_%08x_%u\":[%u,%u]", i ? "," : "", noise, i,
			noise >> 20, noise >> 9 & 0xff);
	}
	if (r == 0)
		r = text_append(&json, "}},\"responses\":{\"debug_result val=%%u\":101,"
				       "\"identify_response offset=%%u data=%%.*s\":0},"
				       "\"version\":\"v0.13.0-730-g84104bbbd\"}");
	assert_int_equal(r, 0);
	return json;
}

static void take_dictionary(struct klipper_board *board, const struct klipper_twist *twist)
{
	board->json = twist->json ? strdup(twist->json) : klipper_board_json(board->kind->mcu);
	assert_non_null(board->json);
	board->json_length = strlen(board->json);
	board->packed_length = make_dictionary(board->packed, sizeof(board->packed), board->json);
}

/* ---- flash ------------------------------------------------------------------------------- */

static void put_program(uint8_t *bytes, uint32_t length, uint32_t base, uint32_t stack)
{
	for (uint32_t i = 0; i < length; i++)
		bytes[i] = (uint8_t)(i * 7 + i / 256);
	write_u32(bytes, stack);
	write_u32(bytes + 4, base + CODE + 1);
}

static uint8_t *flash_of_stm32(const struct klipper_kind *kind, size_t *ret_length)
{
	*ret_length = kind->offset + PROGRAM;
	uint8_t *flash = malloc(*ret_length);
	assert_non_null(flash);
	memset(flash, 0xff, *ret_length);
	if (kind->has_katapult) {
		put_program(flash, LOADER, kind->base, kind->stack);
		make_katapult(flash, kind->base);
	}
	put_program(flash + kind->offset, PROGRAM, kind->base + kind->offset, kind->stack);
	return flash;
}

static uint8_t *flash_of_rp2(const struct klipper_kind *kind, size_t *ret_length)
{
	bool is_rp2350 = kind->chip == RP2040_CHIP_RP2350;
	*ret_length = kind->offset + PROGRAM;
	uint8_t *first = is_rp2350 ? make_rp2350_bin(PROGRAM, 3) : make_bin(PROGRAM, 3);
	uint8_t *flash = malloc(*ret_length);
	assert_non_null(flash);
	memset(flash, 0xff, *ret_length);
	memcpy(flash, first, PROGRAM);
	free(first);
	if (!kind->has_katapult)
		return flash;
	uint8_t *vectors = flash + (is_rp2350 ? 0 : 0x100);
	write_u32(vectors + 4, kind->base + CODE + 1);
	memcpy(flash + CODE - 8, "CanBoot!", 8);
	uint8_t *program = make_offset_bin(kind->base + kind->offset, PROGRAM, 4);
	memcpy(flash + kind->offset, program, PROGRAM);
	free(program);
	return flash;
}

/* ---- boards ------------------------------------------------------------------------------ */

static void plug_stm32(struct klipper_board *board, const struct stm32_options *options, bool uart)
{
	board->board = uart ? bench_plug_uart(board->bench, KLIPPER_NODE, options)
			    : bench_plug_stm32(board->bench, KLIPPER_PLACE, options);
	assert_true(bench_await_stm32(board->board, STM32_APPLICATION, AWAKE_MSEC));
}

static void plug(struct klipper_board *board, const struct klipper_twist *twist,
	const struct resident_options *resident)
{
	const struct klipper_kind *kind = board->kind;
	size_t length;
	_cleanup_(freep) uint8_t *flash =
		kind->is_rp2 ? flash_of_rp2(kind, &length) : flash_of_stm32(kind, &length);
	const struct rp2040_options rp2 = {
		.chip = (enum rp2040_chip)kind->chip,
		.image = flash,
		.image_bytes = length,
		.button_released = true,
		.klipper = true,
		.touch = twist->stays ? RP2040_TOUCH_NONE : RP2040_TOUCH_KLIPPER,
		.resident = *resident,
	};
	/* A loader that is no Katapult is not in the flash that is emulated. */
	uint32_t before = kind->has_katapult ? 0 : kind->offset;
	const struct stm32_options stm32 = {
		.chip = (enum stm32_chip)kind->chip,
		.image = flash + before,
		.image_bytes = length - before,
		.image_offset = before,
		.katapult_offset = kind->offset,
		.boot0_released = true,
		.touch = twist->stays ? STM32_TOUCH_NONE : STM32_TOUCH_KLIPPER,
		.resident = *resident,
	};
	if (!kind->is_rp2)
		return plug_stm32(board, &stm32, twist->is_on_uart);
	board->board = bench_plug(board->bench, KLIPPER_PLACE, &rp2);
	assert_true(bench_await_mode(board->board, RP2040_APPLICATION, AWAKE_MSEC));
}

void klipper_board_plug(struct klipper_board *board, const struct klipper_kind *kind,
	const struct klipper_twist *twist)
{
	static const struct klipper_twist none;
	twist = twist ? twist : &none;
	*board = (struct klipper_board){ .kind = kind, .bench = bench_new() };
	take_dictionary(board, twist);
	const struct resident_options resident = {
		.klipper = {
			.dictionary = twist->packed ? twist->packed : board->packed,
			.dictionary_bytes = twist->packed ? twist->packed_length : board->packed_length,
			.unsolicited = twist->is_talkative,
			.mute = twist->is_mute,
			.deaf = twist->is_deaf,
			.stats_nsec = twist->stats_nsec,
			.withholds_first = twist->withholds_first,
		},
		.baud = twist->is_on_uart ? UART_BAUD : 0,
	};
	plug(board, twist, &resident);
}

void klipper_board_done(struct klipper_board *board)
{
	board->bench = bench_free(board->bench);
	free(board->json);
	board->json = NULL;
}

const struct klip_counters *klipper_board_counters(struct klipper_board *board)
{
	return &bench_resident(board->board)->klipper.counters;
}

enum entry_loader klipper_board_loader(struct klipper_board *board)
{
	bench_await_present(board->board, AWAKE_MSEC);
	if (board->kind->is_rp2)
		switch (rp2040_mode(bench_rp2040(board->board))) {
		case RP2040_BOOT:
			return ENTRY_ROM_BOOTSEL;
		case RP2040_KATAPULT:
			return ENTRY_KATAPULT;
		case RP2040_APPLICATION:
			return ENTRY_NOTHING;
		default:
			return ENTRY_UNKNOWN;
		}
	bool is_rom = bench_port(board->board)->descriptor[8] == 0x83; /* 0483:df11 */
	switch (stm32_mode(bench_stm32(board->board))) {
	case STM32_DFU:
		return is_rom ? ENTRY_ROM_DFU : ENTRY_OTHER;
	case STM32_KATAPULT:
		return ENTRY_KATAPULT;
	case STM32_APPLICATION:
		return ENTRY_NOTHING;
	default:
		return ENTRY_UNKNOWN;
	}
}
