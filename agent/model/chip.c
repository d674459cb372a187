/* SPDX-License-Identifier: MIT */
/* Names and maps; see chip.h. The sizes are those of the largest part that has the name. */
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "model/chip.h"

#define KIB(n) ((n)*1024u)

/* Between the chips of a set that is read aloud. */
#define SET_OR " or "

#define RANGE(from, kib)                                  \
	{                                                 \
		.start = (from), .end = (from) + KIB(kib) \
	}
#define STM32(least, kib, ...)                                                    \
	{                                                                         \
		.flash = RANGE(0x08000000u, kib), .flash_size_least = KIB(least), \
		.ram = { __VA_ARGS__ }                                            \
	}
#define SRAM(kib) RANGE(0x20000000u, kib)
#define CCM(kib)  RANGE(0x10000000u, kib)

static const char *const names[_CHIP_MAX] = {
	[CHIP_UNKNOWN] = "unknown",
	[CHIP_RP2040] = "rp2040",
	[CHIP_RP2350] = "rp2350",
	[CHIP_LINUX] = "linux",
	[CHIP_LPC1768] = "lpc1768",
	[CHIP_LPC1769] = "lpc1769",
	[CHIP_STM32F030] = "stm32f030",
	[CHIP_STM32F031] = "stm32f031",
	[CHIP_STM32F042] = "stm32f042",
	[CHIP_STM32F070] = "stm32f070",
	[CHIP_STM32F072] = "stm32f072",
	[CHIP_STM32F103] = "stm32f103",
	[CHIP_STM32F207] = "stm32f207",
	[CHIP_STM32F401] = "stm32f401",
	[CHIP_STM32F405] = "stm32f405",
	[CHIP_STM32F407] = "stm32f407",
	[CHIP_STM32F411] = "stm32f411",
	[CHIP_STM32F412] = "stm32f412",
	[CHIP_STM32F413] = "stm32f413",
	[CHIP_STM32F427] = "stm32f427",
	[CHIP_STM32F429] = "stm32f429",
	[CHIP_STM32F446] = "stm32f446",
	[CHIP_STM32F469] = "stm32f469",
	[CHIP_STM32F765] = "stm32f765",
	[CHIP_STM32G070] = "stm32g070",
	[CHIP_STM32G071] = "stm32g071",
	[CHIP_STM32G0B1] = "stm32g0b1",
	[CHIP_STM32G431] = "stm32g431",
	[CHIP_STM32G474] = "stm32g474",
	[CHIP_STM32H723] = "stm32h723",
	[CHIP_STM32H743] = "stm32h743",
	[CHIP_STM32H750] = "stm32h750",
	[CHIP_STM32L412] = "stm32l412",
	[CHIP_STM32L431] = "stm32l431",
};

static const struct chip_memory memories[_CHIP_MAX] = {
	/* Whatever an STM32 may have: good for a first look at an image that names no chip. */
	[CHIP_UNKNOWN] = STM32(
		16, 2048, SRAM(1024), CCM(64), RANGE(0x24000000u, 512), RANGE(0x30000000u, 288)),
	[CHIP_RP2040] = { .flash = RANGE(0x10000000u, 16384),
		.flash_size_least = KIB(2048),
		.ram = { SRAM(264) } },
	[CHIP_RP2350] = { .flash = RANGE(0x10000000u, 16384),
		.flash_size_least = KIB(2048),
		.ram = { SRAM(520) } },
	[CHIP_LPC1768] = { .flash = RANGE(0u, 512),
		.flash_size_least = KIB(512),
		.ram = { RANGE(0x10000000u, 32), RANGE(0x2007c000u, 32) } },
	[CHIP_LPC1769] = { .flash = RANGE(0u, 512),
		.flash_size_least = KIB(512),
		.ram = { RANGE(0x10000000u, 32), RANGE(0x2007c000u, 32) } },
	[CHIP_STM32F030] = STM32(32, 256, SRAM(32)),
	[CHIP_STM32F031] = STM32(16, 32, SRAM(4)),
	[CHIP_STM32F042] = STM32(32, 32, SRAM(6)),
	[CHIP_STM32F070] = STM32(32, 128, SRAM(16)),
	[CHIP_STM32F072] = STM32(64, 128, SRAM(16)),
	[CHIP_STM32F103] = STM32(64, 1024, SRAM(96)),
	[CHIP_STM32F207] = STM32(256, 1024, SRAM(128)),
	[CHIP_STM32F401] = STM32(128, 512, SRAM(96)),
	[CHIP_STM32F405] = STM32(512, 1024, SRAM(128), CCM(64)),
	[CHIP_STM32F407] = STM32(512, 1024, SRAM(128), CCM(64)),
	[CHIP_STM32F411] = STM32(256, 512, SRAM(128)),
	[CHIP_STM32F412] = STM32(512, 1024, SRAM(256)),
	[CHIP_STM32F413] = STM32(1024, 1536, SRAM(320)),
	[CHIP_STM32F427] = STM32(1024, 2048, SRAM(192), CCM(64)),
	[CHIP_STM32F429] = STM32(512, 2048, SRAM(192), CCM(64)),
	[CHIP_STM32F446] = STM32(256, 512, SRAM(128)),
	[CHIP_STM32F469] = STM32(512, 2048, SRAM(320), CCM(64)),
	[CHIP_STM32F765] = STM32(1024, 2048, SRAM(512)),
	[CHIP_STM32G070] = STM32(128, 128, SRAM(36)),
	[CHIP_STM32G071] = STM32(64, 128, SRAM(36)),
	[CHIP_STM32G0B1] = STM32(128, 512, SRAM(144)),
	[CHIP_STM32G431] = STM32(64, 128, SRAM(32), CCM(10)),
	[CHIP_STM32G474] = STM32(128, 512, SRAM(128), CCM(32)),
	[CHIP_STM32H723] = STM32(512, 1024, SRAM(128), RANGE(0x24000000u, 320),
		RANGE(0x30000000u, 32), RANGE(0x38000000u, 16)),
	[CHIP_STM32H743] = STM32(1024, 2048, SRAM(128), RANGE(0x24000000u, 512),
		RANGE(0x30000000u, 288), RANGE(0x38000000u, 64)),
	/* 128 KiB by its data sheet; boards that use more of the same die must state flash_size. */
	[CHIP_STM32H750] = STM32(128, 2048, SRAM(128), RANGE(0x24000000u, 512),
		RANGE(0x30000000u, 288), RANGE(0x38000000u, 64)),
	[CHIP_STM32L412] = STM32(64, 128, SRAM(40), CCM(8)),
	[CHIP_STM32L431] = STM32(128, 256, SRAM(64), CCM(16)),
};

const char *chip_name(enum chip chip)
{
	assert(chip < _CHIP_MAX);
	return names[chip];
}

const char *chip_article(enum chip chip)
{
	/* "an rp2040", "an stm32", "an lpc1768"; "a linux", "an unknown" */
	return chip == CHIP_LINUX ? "a" : "an";
}

int chip_from_name(const char *name)
{
	int chip = text_lookup(names, _CHIP_MAX, name);
	return chip == CHIP_UNKNOWN ? -EINVAL : chip;
}

char *chip_set_text(chip_set chips)
{
	_cleanup_(freep) char *text = strdup("");
	for (int chip = CHIP_UNKNOWN + 1; chip < _CHIP_MAX && text; chip++)
		if (chips & chip_bit((enum chip)chip) &&
			text_append(&text, "%s%s", *text ? SET_OR : "", names[chip]) < 0)
			return NULL;
	return TAKE_PTR(text);
}

int chip_set_from_text(const char *text, chip_set *ret)
{
	chip_set chips = 0;
	while (*text) {
		const char *next = strstr(text, SET_OR);
		size_t length = next ? (size_t)(next - text) : strlen(text);
		int chip = CHIP_UNKNOWN + 1;
		while (chip < _CHIP_MAX &&
			(strlen(names[chip]) != length || strncmp(names[chip], text, length) != 0))
			chip++;
		if (chip == _CHIP_MAX)
			return -EINVAL;
		chips |= chip_bit((enum chip)chip);
		text += length + (next ? strlen(SET_OR) : 0);
	}
	*ret = chips;
	return 0;
}

enum chip chip_set_only(chip_set chips)
{
	return chips && !(chips & (chips - 1)) ? (enum chip)__builtin_ctzll(chips) : CHIP_UNKNOWN;
}

/* What Klipper appends to the name of an STM32 says how much flash the part has: "xe", "x6". */
static bool is_part_suffix(const char *text)
{
	size_t length = strlen(text);
	if (length > 2)
		return false;
	for (size_t i = 0; i < length; i++)
		if (!isalnum((unsigned char)text[i]))
			return false;
	return true;
}

enum chip chip_from_mcu(const char *mcu)
{
	if (!mcu)
		return CHIP_UNKNOWN;
	for (int chip = CHIP_UNKNOWN + 1; chip < _CHIP_MAX; chip++) {
		size_t length = strlen(names[chip]);
		if (strncmp(mcu, names[chip], length) != 0)
			continue;
		if (mcu[length] == '\0' || (chip_is_stm32(chip) && is_part_suffix(mcu + length)))
			return (enum chip)chip;
	}
	return CHIP_UNKNOWN;
}

bool chip_is_stm32(enum chip chip)
{
	return chip >= CHIP_STM32F030 && chip <= CHIP_STM32L431;
}

const struct chip_memory *chip_memory(enum chip chip)
{
	assert(chip < _CHIP_MAX);
	return memories[chip].flash.end ? &memories[chip] : NULL;
}

bool chip_stack_is_plausible(enum chip chip, uint32_t stack)
{
	const struct chip_memory *memory = chip_memory(chip);
	if (!memory || stack % 4 != 0)
		return false;
	for (size_t i = 0; i < ELEMENTSOF(memory->ram); i++)
		if (stack > memory->ram[i].start && stack <= memory->ram[i].end)
			return true;
	return false;
}
