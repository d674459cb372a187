/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * PICOBOOT as a wire: commands in flight, waits that measure silence, and the way back after a
 * failure. Knows commands and endpoints of the boot ROMs of RP2040 and RP2350; does not know what
 * to write, and never decides whether.
 *
 * Commands are queued ahead, so that the chip never waits for the host: the ROM takes a command
 * only after the acknowledgement of the one before, and holds the rest off by NAK (RP2040 ROM B2,
 * usb_boot_device.c). Their data must stay where they are until picoboot_flush().
 *
 * Functions return a negative errno of port/usb.h, or -EPROTO (the board broke the protocol),
 * -ETIMEDOUT (silent, or longer busy than any flash chip may be). After any of them but -ENODEV
 * picoboot_recover() sets the wire right again.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "port/usb.h"

#define PICOBOOT_DEPTH          6 /* commands under way at a time */
#define PICOBOOT_TRANSFERS      3 /* of one command: packet, data, acknowledgement */
#define PICOBOOT_PACKET_BYTES   32
#define PICOBOOT_ENDPOINT_BYTES 64

#define PICOBOOT_OK 0 /* of the status codes */

/* The ROM shows 'M', 'u', 1 and its revision here (RP2040 datasheet 2.8.3), an RP2350's a 2. */
#define PICOBOOT_ROM_MAGIC_ADDRESS 0x10u

/* What of the flash these commands reach: 16 MiB. An RP2040's ROM would corrupt its opcodes beyond
 * (ROM B2, program_flash_generic.c), an RP2350 has its second chip there. */
#define PICOBOOT_FLASH_START 0x10000000u
#define PICOBOOT_FLASH_END   0x11000000u

/* Main memory, which nobody uses while the ROM waits for commands. */
#define PICOBOOT_RAM_START 0x20000000u
#define PICOBOOT_RAM_END   0x20042000u

struct picoboot_endpoints {
	uint8_t interface;
	uint8_t in;
	uint8_t out;
};

struct picoboot_command {
	uint8_t id;
	uint32_t length; /* of the data phase */
	unsigned worst_msec;
	uint8_t packet[PICOBOOT_PACKET_BYTES];
	uint8_t acknowledgement[PICOBOOT_ENDPOINT_BYTES];
	struct usb_transfer *transfers[PICOBOOT_TRANSFERS]; /* in the order of the phases */
};

struct picoboot_wire {
	struct usb_device *device; /* borrowed */
	struct picoboot_endpoints endpoints;
	uint32_t token;
	struct picoboot_command queue[PICOBOOT_DEPTH];
	unsigned first, count; /* of the commands in `queue` that are under way */
	bool flash_may_work; /* a command was given up that may still keep the chip busy */
	bool is_sound; /* nothing has failed since the wire was last set right */
	uint32_t last_status; /* what the ROM said about the last failure; PICOBOOT_OK: nothing */

	/* Called while a wait goes on and the board shows that it lives; may be NULL. */
	void (*on_alive)(void *context);
	void *context;
};

/*
 * Finds the interface in a configuration descriptor, which is hostile input: by its class FF/00/00
 * and two bulk endpoints, wherever it lies (it moves when mass storage is disabled). 0 or -ENOENT.
 */
int picoboot_find(const uint8_t *configuration, size_t length, struct picoboot_endpoints *ret);

/* Makes a freshly claimed interface ready for commands, whatever the last host left behind; the
 * quick way when there is nothing to clean up. */
int picoboot_start(struct picoboot_wire *wire);

/*
 * Gives up whatever is under way and sets the wire right again, by stronger and stronger means up
 * to a reset of the port. Afterwards access is exclusive and the flash answers.
 */
int picoboot_recover(struct picoboot_wire *wire);

/* Commands. Each may first wait for an older one, and then returns that one's failure. */
int picoboot_exclusive(struct picoboot_wire *wire, bool exclusive);
int picoboot_exit_xip(struct picoboot_wire *wire);
int picoboot_erase(struct picoboot_wire *wire, uint32_t address, uint32_t length);
int picoboot_write(struct picoboot_wire *wire, uint32_t address, uint8_t *data, uint32_t length);
/* From flash (whole pages), the ROM or RAM. */
int picoboot_read(struct picoboot_wire *wire, uint32_t address, uint8_t *data, uint32_t length);

/* RP2040 only: bytes into RAM, and a call of the code there, which must return. */
int picoboot_load(struct picoboot_wire *wire, uint32_t address, uint8_t *data, uint32_t length);
int picoboot_execute(struct picoboot_wire *wire, uint32_t address);

/* RP2350 only: what the ROM knows of its chip (type 1) or its partitions (type 2). `data`: as many
 * words as are asked for, the first says how many of the others are valid. */
#define PICOBOOT_INFO_SYSTEM     1
#define PICOBOOT_INFO_PARTITIONS 2
int picoboot_get_info(
	struct picoboot_wire *wire, uint32_t type, uint32_t flags, uint8_t *data, uint32_t length);

/* Start the application: the first on an RP2040, the second on an RP2350. */
int picoboot_reboot(struct picoboot_wire *wire, uint32_t delay_msec);
int picoboot_reboot2(struct picoboot_wire *wire, uint32_t delay_msec);

/* Waits for all of them. */
int picoboot_flush(struct picoboot_wire *wire);

/* Reads and waits. */
int picoboot_read_now(struct picoboot_wire *wire, uint32_t address, uint8_t *data, uint32_t length);

/* Gives up everything that is under way, and nothing more. */
void picoboot_abandon(struct picoboot_wire *wire);

/* "not permitted", for a status code. */
const char *picoboot_status_name(uint32_t status);

/* INTERFACE_RESET alone: also ends exclusive access, and needs no working bulk endpoint. */
int picoboot_reset_interface(struct picoboot_wire *wire);
