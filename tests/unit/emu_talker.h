/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A small talker of PICOBOOT for the tests of the emulator: it takes no precautions, so that every
 * trap can be walked into. It shares nothing with the host side of the product.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "emu/bench.h"

#define PLACE     "/sys/devices/emu/usb1/1-1"
#define FLASH     0x10000000u
#define OUT       0x03
#define IN        0x84
#define ACK_MSEC  200
#define LONG_MSEC 120000
#define SILENT    (-ETIMEDOUT) /* of talker_talk(): an acknowledgement did not come */

enum { EXCLUSIVE = 1, REBOOT, ERASE, WRITE = 5, EXIT_XIP, READ = 0x84 };

struct talker {
	struct bench *bench;
	struct bench_board *board;
	struct usb_device *device;
	uint32_t token;
};

int talker_open_board(struct talker *talker);
void talker_set_up_with(struct talker *talker, const struct rp2040_options *options);
int talker_tear_down(void **state);
int talker_set_up(void **state);
int talker_bulk(struct talker *talker, uint8_t endpoint, void *data, size_t length, unsigned msec);
int talker_send_command(struct talker *talker, uint8_t id, uint8_t size, uint32_t transfer,
	const uint32_t arguments[4]);
int talker_acknowledge(struct talker *talker, uint8_t id, unsigned msec);
int talker_talk(struct talker *talker, uint8_t id, uint8_t size, const uint32_t arguments[4],
	void *data, size_t length);
int talker_simple(struct talker *talker, uint8_t id);
int talker_erase(struct talker *talker, uint32_t address, uint32_t size);
int talker_write_at(struct talker *talker, uint32_t address, const void *data, size_t length);
int talker_read_at(struct talker *talker, uint32_t address, void *data, size_t length);
int talker_reboot(struct talker *talker, uint32_t msec);
int talker_interface_reset(struct talker *talker);
void talker_get_status(struct talker *talker, uint32_t *ret_code, bool *ret_in_progress);
uint32_t talker_status_code(struct talker *talker);
bool talker_is_halted(struct talker *talker, uint8_t endpoint);
const uint8_t *talker_flash(struct talker *talker);
const struct rp2040_counters *talker_counters(struct talker *talker);
int talker_arm(struct talker *talker, struct rp2040_fault fault);
void talker_make_image(uint8_t *image, size_t length);
void talker_assert_took(struct talker *talker, uint64_t since, double seconds);
