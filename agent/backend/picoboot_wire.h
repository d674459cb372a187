/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * PICOBOOT as a wire: commands in flight, waits that measure silence, and the way back after a
 * failure. Knows commands and endpoints of an RP2040's boot ROM; does not know what to write, and
 * never decides whether.
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

/* The ROM shows 'M', 'u', 1 and its revision here (RP2040 datasheet 2.8.3). */
#define PICOBOOT_ROM_MAGIC_ADDRESS 0x10u

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
int picoboot_read(struct picoboot_wire *wire, uint32_t address, uint8_t *data, uint32_t length);
int picoboot_reboot(struct picoboot_wire *wire, uint32_t delay_msec);

/* Waits for all of them. */
int picoboot_flush(struct picoboot_wire *wire);

/* Gives up everything that is under way, and nothing more. */
void picoboot_abandon(struct picoboot_wire *wire);

/* INTERFACE_RESET alone: also ends exclusive access, and needs no working bulk endpoint. */
int picoboot_reset_interface(struct picoboot_wire *wire);
