/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The chips we know: their names, and where each has its flash and its RAM. An image is held
 * against these numbers; what a single board has of them is a fact of that board.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

/* The history keeps names, the wire numbers between programs of one build: the order is free. */
enum chip {
	CHIP_UNKNOWN,
	CHIP_RP2040,
	CHIP_RP2350,
	CHIP_LINUX, /* the computer itself: Klipper's "Linux process" */
	CHIP_LPC1768,
	CHIP_LPC1769,
	CHIP_STM32F030,
	CHIP_STM32F031,
	CHIP_STM32F042,
	CHIP_STM32F070,
	CHIP_STM32F072,
	CHIP_STM32F103,
	CHIP_STM32F207,
	CHIP_STM32F401,
	CHIP_STM32F405,
	CHIP_STM32F407,
	CHIP_STM32F411,
	CHIP_STM32F412,
	CHIP_STM32F413,
	CHIP_STM32F427,
	CHIP_STM32F429,
	CHIP_STM32F446,
	CHIP_STM32F469,
	CHIP_STM32F765,
	CHIP_STM32G070,
	CHIP_STM32G071,
	CHIP_STM32G0B1,
	CHIP_STM32G431,
	CHIP_STM32G474,
	CHIP_STM32H723,
	CHIP_STM32H743,
	CHIP_STM32H750,
	CHIP_STM32L412,
	CHIP_STM32L431,
	_CHIP_MAX,
};

/* A set of chips: the bit of each. */
typedef uint64_t chip_set;
_Static_assert(_CHIP_MAX <= 64, "a chip_set holds every chip");

static inline chip_set chip_bit(enum chip chip)
{
	return UINT64_C(1) << chip;
}

const char *chip_name(enum chip chip); /* "rp2040" */
const char *chip_article(enum chip chip); /* "a" or "an", as the name is spoken */
int chip_from_name(const char *name); /* enum chip or -EINVAL; "unknown" is no name */

/* "stm32f427 or stm32f429", a new string; "" for no chip; NULL when memory is short. */
char *chip_set_text(chip_set chips) _must_check_;
/* And back: 0 or -EINVAL. */
int chip_set_from_text(const char *text, chip_set *ret) _must_check_;

/* The only chip of the set, or CHIP_UNKNOWN. */
enum chip chip_set_only(chip_set chips);

/* The chip that Klipper's MCU text means ("stm32f446xx"), CHIP_UNKNOWN: none of those we know. */
enum chip chip_from_mcu(const char *mcu);

bool chip_is_stm32(enum chip chip);

struct chip_range {
	uint32_t start;
	uint32_t end; /* behind the last byte; 0: no range */
};

#define CHIP_RAMS 4

/* Flash and RAM of the largest part of the name (data sheets, memory map); an STM32 that shall stay
 * unnamed for CHIP_UNKNOWN. NULL: the chip has no map (Linux). */
struct chip_memory {
	struct chip_range flash;
	uint32_t flash_size_least; /* of the parts in common use */
	struct chip_range ram[CHIP_RAMS];
};

const struct chip_memory *chip_memory(enum chip chip);

/* Could a program of this chip start with that stack pointer? It is aligned and in or right behind
 * a RAM (ARMv6-M B1.5.3). */
bool chip_stack_is_plausible(enum chip chip, uint32_t stack);
