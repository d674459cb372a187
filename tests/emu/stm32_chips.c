/* SPDX-License-Identifier: MIT */
/*
 * The chips and their boot loaders. What is not known of a ROM is set to what its relatives do.
 */
#include "emu/stm32_parts.h"

/* --- boot loaders ------------------------------------------------------------------------ */

#define IN_ROM                                                                      \
	.vendor = 0x0483, .product = 0xdf11, .bcd_dfu = 0x011a, .attributes = 0x0b, \
	.detach_msec = 255, .manufacturer = "STMicroelectronics"

#define MANNERS_IN_ROM                                                                    \
	.upload_multiplier = STM32_BY_LENGTH, .dnload_multiplier = STM32_BY_TRANSFER,     \
	.functional = STM32_FUNCTIONAL_ANSWERS, .interface = STM32_INTERFACE_KEEPS_ERROR, \
	.bus_reset = STM32_RESET_STAYS, .refusal = STM32_REFUSAL_REPORTED

#define OLD_GENERATION                                                                \
	IN_ROM, .bcd_usb = 0x0100, .bcd_device = 0x2200, .transfer = 2048,            \
		.name = "STM32  BOOTLOADER",                                          \
		.polls = { true, .set_address = 104, .erase = 100, .mass_erase = 100, \
			.write = 104 }

#define NEW_GENERATION                                                     \
	IN_ROM, .bcd_usb = 0x0200, .bcd_device = 0x0200, .transfer = 1024, \
		.name = "DFU in FS Mode",                                  \
		.polls = { true, .set_address = 50, .erase = 50, .mass_erase = 100, .write = 50 }

static const struct loader f4_rom = {
	OLD_GENERATION,
	.manners = {
		MANNERS_IN_ROM,
		.initial = STM32_INITIAL_ERROR,
		.clear = STM32_CLEAR_TO_ERROR,
		.busy = STM32_BUSY_BLOCKS,
		.leave = STM32_LEAVE_ANSWERS,
	},
};

static const struct loader f0_rom = {
	OLD_GENERATION,
	.manners = {
		MANNERS_IN_ROM,
		.initial = STM32_INITIAL_IDLE,
		.clear = STM32_CLEAR_TO_ERROR,
		.busy = STM32_BUSY_BLOCKS,
		.leave = STM32_LEAVE_ANSWERS,
	},
};

static const struct loader g_rom = {
	NEW_GENERATION,
	.manners = {
		MANNERS_IN_ROM,
		.initial = STM32_INITIAL_IDLE,
		.clear = STM32_CLEAR_STALLS,
		.busy = STM32_BUSY_BLOCKS,
		.leave = STM32_LEAVE_VANISHES,
	},
};

static const struct loader h723_rom = {
	NEW_GENERATION,
	.manners = {
		MANNERS_IN_ROM,
		.initial = STM32_INITIAL_IDLE,
		.clear = STM32_CLEAR_TO_ERROR,
		.busy = STM32_BUSY_BLOCKS,
		.leave = STM32_LEAVE_VANISHES,
	},
};

static const struct loader h743_rom = {
	NEW_GENERATION,
	.manners = {
		MANNERS_IN_ROM,
		.initial = STM32_INITIAL_IDLE,
		.clear = STM32_CLEAR_TO_ERROR,
		.busy = STM32_BUSY_ANSWERS,
		.leave = STM32_LEAVE_VANISHES,
	},
};

#define PLAIN_MANNERS                                   \
	.manners = {                                    \
		.initial = STM32_INITIAL_IDLE,          \
		.clear = STM32_CLEAR_STALLS,            \
		.busy = STM32_BUSY_BLOCKS,              \
		.leave = STM32_LEAVE_ANSWERS,           \
		.upload_multiplier = STM32_BY_TRANSFER, \
		.dnload_multiplier = STM32_BY_TRANSFER, \
		.functional = STM32_FUNCTIONAL_ANSWERS, \
		.interface = STM32_INTERFACE_IDLES,     \
		.bus_reset = STM32_RESET_STARTS,        \
		.refusal = STM32_REFUSAL_REPORTED,      \
	}

static const struct loader smoothie = {
	.vendor = 0x1d50,
	.product = 0x6015,
	.bcd_usb = 0x0200,
	.bcd_device = 0x0040,
	.bcd_dfu = 0x0101,
	.detach_msec = 500,
	.transfer = 512,
	.attributes = 0x0b,
	.manufacturer = "SmoothieWare",
	.name = "Smoothie",
	.protocol = PROTOCOL_BLOCKS,
	PLAIN_MANNERS,
	.polls = { true, 500, 500, 500, 500, 500 },
};

static const struct loader maple = {
	.vendor = 0x1eaf,
	.product = 0x0003,
	.bcd_usb = 0x0200,
	.bcd_device = 0x0201,
	.bcd_dfu = 0x0110,
	.detach_msec = 255,
	.transfer = 1024,
	.attributes = 0x03,
	.manufacturer = "LeafLabs",
	.name = "Maple 003",
	.protocol = PROTOCOL_SEQUENCE,
	PLAIN_MANNERS,
	.polls = { .given = true },
};

/* --- cells ------------------------------------------------------------------------------- */

/* x8: the supply that the ROM supposes is 1.8 to 2.1 V. */
static const struct cells f4_cells = { PROGRAM_ANDS, 1, 16000 };
static const struct cells f0_cells = { PROGRAM_ERASED_OR_ZERO, 2, 53500 };
static const struct cells g0_cells = { PROGRAM_ERASED, 8, 85000 };
static const struct cells g4_cells = { PROGRAM_ERASED, 8, 83000 };
static const struct cells h7_cells = { PROGRAM_ERASED, 32, 290000 };
static const struct cells lpc_cells = { PROGRAM_ANDS, 1, 2000 };

/* --- chips ------------------------------------------------------------------------------- */

#define OLD_LAYOUT "@Internal Flash  /0x08000000/"
#define NEW_LAYOUT "@Internal Flash   /0x08000000/"
#define F4_LAYOUT  OLD_LAYOUT "04*016Kg,01*064Kg,"
#define F4_OPTION  "@Option Bytes  /0x1FFFC000/01*016 e"
#define F4_OTP     "@OTP Memory /0x1FFF7800/01*512 e,01*016 e"
#define F4_FEATURE "@Device Feature/0xFFFF0000/01*004 e"
#define F0_OPTION  "@Option Bytes  /0x1FFFF800/01*016 e"

#define F4(second_option)                                                      \
	.loader = &f4_rom, .cells = &f4_cells, .flash_base = STM32_FLASH_BASE, \
	.unique_id = 0x1fff7a10, .katapult_offset = 0x8000,                    \
	.areas = { { 0x1fffc000, 16 }, { 0x1fff7800, 528 }, { 0xffff0000, 4 }, \
		{ 0x1ffec000, second_option } }

#define F0                                                                         \
	.loader = &f0_rom, .cells = &f0_cells, .flash_base = STM32_FLASH_BASE,     \
	.katapult_offset = 0x2000, .mass_erase_msec = 30, .withholds_first = true, \
	.areas = { { 0x1ffff800, 16 } }

#define G(its_cells)                                                          \
	.loader = &g_rom, .cells = its_cells, .flash_base = STM32_FLASH_BASE, \
	.unique_id = 0x1fff7590, .katapult_offset = 0x2000, .withholds_first = true

#define G0B1(layout)                                                            \
	G(&g0_cells), .mcu = "stm32g0b1xx", .ram = { { 0x20000000, 0x24000 } }, \
		      .empty_check = true, .alternates = { layout, layout, layout }

#define H7                                                                           \
	.cells = &h7_cells, .flash_base = STM32_FLASH_BASE, .unique_id = 0x1ff1e800, \
	.katapult_offset = 0x20000

const struct personality stm32_personalities[STM32_CHIPS] = {
	[STM32_F429_1MB] = {
		F4(16),
		.name = "f429-1mb",
		.mcu = "stm32f429xx",
		.alternates = { F4_LAYOUT "07*128Kg", F4_OPTION "/0x1FFEC000/01*016 e", F4_OTP, F4_FEATURE },
		.garbage_units = sizeof(",04*016Kg,01*064Kg,07*128Kg") - 1, /* of the larger part */
		.sectors = { { 4, 16, 400 }, { 1, 64, 1200 }, { 7, 128, 2000 } },
		.mass_erase_msec = 16000,
		.ram = { { 0x20000000, 0x30000 }, { 0x10000000, 0x10000 } },
	},
	[STM32_F429_2MB] = {
		F4(16),
		.name = "f429-2mb",
		.mcu = "stm32f429xx",
		.alternates = { F4_LAYOUT "07*128Kg,04*016Kg,01*064Kg,07*128Kg",
			F4_OPTION "/0x1FFEC000/01*016 e", F4_OTP, F4_FEATURE },
		.sectors = { { 4, 16, 400 }, { 1, 64, 1200 }, { 7, 128, 2000 }, { 4, 16, 400 },
			{ 1, 64, 1200 }, { 7, 128, 2000 } },
		.mass_erase_msec = 32000,
		.ram = { { 0x20000000, 0x30000 }, { 0x10000000, 0x10000 } },
	},
	[STM32_F446] = {
		F4(0),
		.name = "f446",
		.mcu = "stm32f446xx",
		.alternates = { F4_LAYOUT "03*128Kg", F4_OPTION, F4_OTP, F4_FEATURE },
		.sectors = { { 4, 16, 400 }, { 1, 64, 1200 }, { 3, 128, 2000 } },
		.mass_erase_msec = 8000,
		.ram = { { 0x20000000, 0x20000 } },
	},
	[STM32_F407] = {
		F4(0),
		.name = "f407",
		.mcu = "stm32f407xx",
		.alternates = { F4_LAYOUT "07*128Kg", F4_OPTION, F4_OTP, F4_FEATURE },
		.sectors = { { 4, 16, 400 }, { 1, 64, 1200 }, { 7, 128, 2000 } },
		.mass_erase_msec = 16000,
		.ram = { { 0x20000000, 0x20000 }, { 0x10000000, 0x10000 } },
	},
	[STM32_F405] = {
		F4(0),
		.name = "f405",
		.mcu = "stm32f405xx",
		.alternates = { F4_LAYOUT "07*128Kg", F4_OPTION, F4_OTP, F4_FEATURE },
		.sectors = { { 4, 16, 400 }, { 1, 64, 1200 }, { 7, 128, 2000 } },
		.mass_erase_msec = 16000,
		.ram = { { 0x20000000, 0x20000 }, { 0x10000000, 0x10000 } },
	},
	[STM32_F401XE] = {
		F4(0),
		.name = "f401xe",
		.mcu = "stm32f401xc", /* which is what Klipper calls every F401 */
		.alternates = { F4_LAYOUT "03*128Kg", F4_OPTION, F4_OTP, F4_FEATURE },
		.sectors = { { 4, 16, 400 }, { 1, 64, 1200 }, { 3, 128, 2000 } },
		.mass_erase_msec = 8000,
		.ram = { { 0x20000000, 0x18000 } },
	},
	[STM32_F072] = {
		F0,
		.name = "f072",
		.unique_id = 0x1ffff7ac,
		.mcu = "stm32f072xb",
		.alternates = { OLD_LAYOUT "064*0002Kg", F0_OPTION },
		.sectors = { { 64, 2, 30 } },
		.ram = { { 0x20000000, 0x4000 } },
	},
	[STM32_F042] = {
		F0,
		.name = "f042",
		.unique_id = 0x1ffff7ac,
		.mcu = "stm32f042x6",
		.serial = "FFFFFFFEFFFF",
		.alternates = { OLD_LAYOUT "032*0001Kg", F0_OPTION },
		.sectors = { { 32, 1, 30 } },
		.ram = { { 0x20000000, 0x1800 } },
		.empty_check = true,
	},
	[STM32_G0B1_128K] = {
		G0B1(NEW_LAYOUT "64*02Kg"),
		.name = "g0b1-128k",
		.sectors = { { 64, 2, 22 } },
		.mass_erase_msec = 22,
	},
	[STM32_G0B1_256K] = {
		G0B1(NEW_LAYOUT "128*02Kg"),
		.name = "g0b1-256k",
		.sectors = { { 128, 2, 22 } },
		.mass_erase_msec = 44, /* a bank behind the other */
	},
	[STM32_G0B1_512K] = {
		G0B1(NEW_LAYOUT "256*02Kg"),
		.name = "g0b1-512k",
		.sectors = { { 256, 2, 22 } },
		.mass_erase_msec = 44,
	},
	[STM32_G431] = {
		G(&g4_cells),
		.name = "g431",
		.mcu = "stm32g431xx",
		.alternates = { NEW_LAYOUT "64*02Kg", "@Option Bytes   /0x1FFF7800/01*40Be",
			"@OTP Memory   /0x1FFF7000/01*01Ke" },
		.sectors = { { 64, 2, 22 } },
		.mass_erase_msec = 22,
		.ram = { { 0x20000000, 0x8000 } },
		.areas = { { 0x1fff7800, 40 }, { 0x1fff7000, 1024 } },
	},
	[STM32_G474] = {
		G(&g4_cells),
		.name = "g474",
		.mcu = "stm32g474xx",
		.alternates = { NEW_LAYOUT "256*02Kg",
			"@Option Bytes   /0x1FFF7800/01*048 e/0x1FFFF800/01*048 e",
			"@OTP Memory   /0x1FFF7000/01*1024 e" },
		.sectors = { { 256, 2, 22 } },
		.mass_erase_msec = 44,
		.ram = { { 0x20000000, 0x20000 } },
		.areas = { { 0x1fff7800, 48 }, { 0x1ffff800, 48 }, { 0x1fff7000, 1024 } },
	},
	[STM32_H723] = {
		H7,
		.name = "h723",
		.mcu = "stm32h723xx",
		.loader = &h723_rom,
		.alternates = { NEW_LAYOUT "8*128Kg", "@Option Bytes   /0x5200201C/01*88 e" },
		.sectors = { { 8, 128, 1750 } },
		.mass_erase_msec = 14000,
		.ram = { { 0x20000000, 0x20000 }, { 0x24000000, 0x50000 }, { 0x30000000, 0x8000 },
			{ 0x38000000, 0x4000 } },
		.areas = { { 0x5200201c, 88 } },
	},
	[STM32_H743] = {
		H7,
		.name = "h743",
		.mcu = "stm32h743xx",
		.loader = &h743_rom,
		.serial = "200364500000",
		.alternates = { NEW_LAYOUT "16*128Kg", "@Option Bytes   /0x5200201C/01*128 e" },
		.sectors = { { 16, 128, 2000 } },
		.mass_erase_msec = 32000,
		.ram = { { 0x20000000, 0x20000 }, { 0x24000000, 0x80000 }, { 0x30000000, 0x48000 },
			{ 0x38000000, 0x10000 } },
		.areas = { { 0x5200201c, 128 } },
		.wedge = 0x08100000,
	},
	[STM32_SMOOTHIE] = {
		.name = "smoothie",
		.mcu = "lpc1769",
		.loader = &smoothie,
		.cells = &lpc_cells,
		.serial = "",
		.alternates = { "Smoothie DFU" },
		.sectors = { { 16, 4, 100 }, { 14, 32, 100 } },
		.ram = { { 0x10000000, 0x8000 }, { 0x2007c000, 0x8000 } },
		.application = 0x4000,
	},
	[STM32_MAPLE] = {
		.name = "maple",
		.mcu = "stm32f103xe",
		.loader = &maple,
		.cells = &f0_cells,
		.serial = "LLM 003",
		.alternates = { "STM32duino bootloader v1.0  ERROR. Upload to RAM not supported.",
			"STM32duino bootloader v1.0  Upload to Flash 0x8005000",
			"STM32duino bootloader v1.0  Upload to Flash 0x8002000" },
		.flash_base = STM32_FLASH_BASE,
		.sectors = { { 128, 1, 30 } },
		.ram = { { 0x20000000, 0x5000 } },
		.application = STM32_FLASH_BASE + 0x2000,
	},
	[STM32_F103] = {
		F0,
		.name = "f103",
		.mcu = "stm32f103xe",
		.unique_id = 0x1ffff7e8,
		.sectors = { { 128, 1, 30 } },
		.ram = { { 0x20000000, 0x5000 } },
		.without_dfu = true,
	},
	[STM32_LPC1769] = {
		.name = "lpc1769",
		.mcu = "lpc1769",
		.loader = &f0_rom,
		.cells = &lpc_cells,
		.katapult_offset = 0x4000,
		.sectors = { { 16, 4, 100 }, { 14, 32, 100 } },
		.ram = { { 0x10000000, 0x8000 }, { 0x2007c000, 0x8000 } },
		.areas = { { 0x1fff0000, 0x2000 } },
		.is_lpc = true,
		.without_dfu = true,
		.id_bytes = 16,
	},
};
