/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A small talker of DFU for the tests of the emulator: request by request, without precautions. It
 * shares nothing with the host side of the product.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "emu/bench.h"

#define PLACE     "/sys/devices/emu/usb1/1-1"
#define FLASH     0x08000000u
#define SOON_MSEC 1000
#define LONG_MSEC 120000

enum { DETACH, DNLOAD, UPLOAD, GETSTATUS, CLRSTATUS, GETSTATE, ABORT };
enum {
	IDLE = 2,
	DNLOAD_SYNC,
	DNBUSY,
	DNLOAD_IDLE,
	MANIFEST_SYNC,
	MANIFEST,
	MANIFEST_WAIT_RESET,
	UPLOAD_IDLE,
	ERROR,
};
enum { OK, TARGET = 1, WRITE = 3, FIRMWARE = 10, VENDOR = 11, UNKNOWN = 14, STALLEDPKT = 15 };

struct talker {
	struct bench *bench;
	struct bench_board *board;
	struct usb_device *device;
	unsigned status, poll, state; /* of the last GETSTATUS that was answered */
};

int rom_tear_down(void **state);
void rom_plug(struct talker *talker, const struct stm32_options *options);
/* Plugs it in, opens it and clears the error that an F4 starts with. */
void rom_set_up(struct talker *talker, void **state, const struct stm32_options *options);
int rom_open(struct talker *talker);

/* A request without data. */
int rom_order(struct talker *talker, uint8_t request, uint16_t value);
int rom_download(struct talker *talker, uint16_t block, const void *data, size_t length);
int rom_upload(struct talker *talker, uint16_t block, void *data, size_t length);
/* bState, or negative errno. */
int rom_get_status(struct talker *talker);
int rom_get_status_within(struct talker *talker, unsigned msec);

/* Whole operations, each with two GETSTATUS: the last bState, or negative errno. */
int rom_write(struct talker *talker, uint16_t block, const void *data, size_t length);
int rom_set_address(struct talker *talker, uint32_t address);
int rom_erase(struct talker *talker, uint32_t address);
/* Set Address, then UPLOAD of block 2; ends in dfuIDLE. */
int rom_read(struct talker *talker, uint32_t address, void *data, size_t length);

const uint8_t *rom_flash(struct talker *talker);
const struct stm32_counters *rom_counters(struct talker *talker);
int rom_arm(struct talker *talker, struct stm32_fault fault);
void rom_assert_took(struct talker *talker, uint64_t since, double seconds);

/* Vectors for code that stands at `address`, and something that looks like code behind them. */
void rom_make_image(uint8_t *image, size_t length, uint32_t address, uint32_t stack);
void rom_make_katapult(uint8_t *image, size_t length, uint32_t stack);
