/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What is known of a board: which chip, in which mode, what is in its flash. Every fact may be
 * unknown, and unknown is a value that a judgement must treat as such.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/chip.h"
#include "model/provenance.h"
#include "model/running.h"
#include "model/transport.h"

/* The language a board speaks at this moment: the value of the udev property ID_PLUGFLASH. */
enum board_mode {
	MODE_NONE, /* not one that we may own: an application, a stranger */
	MODE_RP2040_BOOT,
	MODE_RP2350_BOOT,
	MODE_KATAPULT, /* a boot loader of Klipper's users, over USB */
	MODE_DFU, /* an STM32's boot ROM, or a boot loader that speaks plain DFU */
	MODE_KLIPPER, /* no boot loader: Klipper itself, over USB, which can be asked for one */
	MODE_PICO_SDK, /* neither: a program made with the Pico SDK, which can be asked for BOOTSEL
			*/
	MODE_CAN, /* no board at all: a whole bus, that is looked at */
	_MODE_MAX,
};

const char *mode_name(enum board_mode mode); /* "rp2040-boot" */
/* enum board_mode or -EINVAL; "none" is no name, and "can" is no board's. */
int mode_from_name(const char *name);

/* Does a board in this mode run its application, rather than a boot loader? */
bool mode_is_application(enum board_mode mode);

/* And can that application be asked for its boot loader? */
bool mode_can_be_asked(enum board_mode mode);

/* The mode of a device that is only spoken of; for those that are there the udev rules say it. */
enum board_mode mode_of_usb_id(uint16_t vid, uint16_t pid);

/* The chip that a mode implies, before anybody has asked the board; CHIP_UNKNOWN: many have it. */
enum chip mode_chip(enum board_mode mode);

/* Could a board in this mode have the chip? Where nobody knows, it could. */
bool mode_allows_chip(enum board_mode mode, enum chip chip);

/* Is the USB serial in this mode the board's own, as its firmware wrote it? Boot ROMs show another:
 * an RP2040's and an STM32's tell of the ROM, an RP2350's may be its maker's. */
bool mode_shows_own_serial(enum board_mode mode);

/* How it was learnt which chip a board has, where the board does not say it itself. */
enum chip_origin {
	CHIP_ORIGIN_UNSAID,
	CHIP_FROM_DESCRIPTORS, /* one chip alone shows itself like this */
	CHIP_FROM_SIGHTING, /* the board was seen a moment ago as its application */
	CHIP_FROM_OWN_WRITE, /* the board was being written, and for this chip */
	CHIP_FROM_FIRMWARE, /* the firmware in its flash says what it is for */
	CHIP_FROM_POLICY,
	_CHIP_ORIGIN_MAX,
};

const char *chip_origin_name(enum chip_origin origin); /* "seen-before"; "" for UNSAID */

enum flash_content {
	CONTENT_UNKNOWN,
	CONTENT_BLANK, /* where an application would start there are only 0xFF bytes */
	CONTENT_BOOTABLE, /* looks like something the boot ROM would start */
	CONTENT_UNBOOTABLE, /* neither: torn, or foreign */
	_CONTENT_MAX,
};

const char *content_name(enum flash_content content);

/* An RP2350's one-time programmable memory, once and for all (RP2350 datasheet 13.4). */
enum board_refusal {
	REFUSES_UNSIGNED = 1, /* secure boot */
	REFUSES_ARM = 2,
	REFUSES_RISCV = 4,
	_REFUSES_ALL = 7,
};

/* How a program of the Pico SDK can be asked for BOOTSEL. */
enum bootsel {
	BOOTSEL_UNKNOWN, /* nobody has looked, or it is no such program */
	BOOTSEL_NO_WAY,
	BOOTSEL_BY_INTERFACE, /* made for that */
	BOOTSEL_BY_SERIAL, /* by the rate of its serial port */
	_BOOTSEL_MAX,
};

/* Hexadecimal digits of an id of at most 128 bits, and the end. */
#define BOARD_ID_TEXT 33

/* Who says which board it is, or which chip it has. */
enum id_witness {
	WITNESS_NONE,
	WITNESS_BOARD, /* it itself */
	WITNESS_SIGHTING, /* what left its place just before */
	WITNESS_OWN_WRITE, /* the write of ours that is open on its place */
	WITNESS_PASSPORT, /* the book of boards */
	WITNESS_FIRMWARE, /* what is in its flash */
	_WITNESS_MAX,
};

/* Two of them exclude each other: nobody is believed, and nothing is written. */
struct id_dispute {
	enum id_witness one, other; /* WITNESS_NONE: there is no dispute */
	char one_says[BOARD_ID_TEXT], other_says[BOARD_ID_TEXT]; /* an id, or a chip's name */
};

enum bootloader {
	BOOTLOADER_UNKNOWN, /* nobody has looked */
	BOOTLOADER_NONE, /* looked, and there is none */
	BOOTLOADER_KATAPULT,
	BOOTLOADER_OTHER,
	_BOOTLOADER_MAX,
};

const char *bootloader_name(enum bootloader bootloader);
int bootloader_from_name(const char *name); /* enum bootloader or -EINVAL; "unknown" is no name */

#define BOARD_REGIONS 8

/* What is known of a board: the evidence of a probe, and what the policy states about it. */
struct board_facts {
	enum chip chip;
	/* Which chips it may have, when it does not say which one; 0: `chip` is all that is known.
	 */
	chip_set possible_chips;
	enum chip_origin chip_origin; /* found out by the mind; no worker says it */
	uint32_t rom_revision; /* 0 = unknown; RP2040: 1 = B0, 2 = B1, 3 = B2 */
	uint64_t flash_size_bytes; /* 0 = unknown */
	enum flash_content content;
	/* Upper-case hexadecimal, "" = unknown. RP2040: its flash chip's id; RP2350: its own. Both
	 * are what the board's Klipper or SDK application shows as its USB serial. */
	char unique_id[BOARD_ID_TEXT];
	/* How `unique_id` was learnt, from whom, and who else says another one; found out by the
	 * mind (identity.h), no worker says it. */
	enum provenance id_origin;
	enum id_witness id_witness;
	struct id_dispute dispute;
	bool is_partitioned; /* an RP2350 whose flash holds a partition table */
	uint8_t refusals; /* enum board_refusal: what its fuses keep it from starting */

	/* Where the boot loader that would start the application expects it. */
	bool has_application_start;
	uint32_t application_start;
	enum bootloader bootloader;
	uint32_t bootloader_end; /* behind its last byte; 0 = unknown */
	/* What can be written, ascending; none = not known to be less than the chip has. */
	struct chip_range writable[BOARD_REGIONS];
	size_t writable_count;

	/* The wire that it is reached by now, and what the bus it is on runs at. */
	enum transport reach;
	uint32_t can_bitrate; /* 0 = unknown */
	/* What it ran before, or runs. */
	struct running running;
	bool is_read_protected; /* the chip lets nobody look at its flash, and that is respected */
	enum bootsel bootsel;
};

/* "" or an even number of upper-case hexadecimal digits that names one board: not all zeros or all
 * ones, which a silent wire shows. */
bool board_id_is_valid(const char *id);
