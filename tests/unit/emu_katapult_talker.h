/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A small talker of Katapult for the tests of the emulator: bytes by hand, without precautions. It
 * shares nothing with the host side of the product.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "emu/bench.h"

#define KT_PLACE      "/sys/devices/emu/usb1/1-1"
#define KT_NODE       "/dev/ttyAMA0"
#define KT_FLASH      0x08000000u
#define KT_F4_STACK   0x20010000u
#define KT_SMALL      0x20001000u /* a stack that every chip has */
#define KT_BLOCK      64u
#define KT_SOON_MSEC  200
#define KT_LONG_MSEC  10000
#define KT_FRAME_MOST 512

struct kt {
	struct bench *bench;
	struct bench_board *board;
	struct serial *serial;
	uint8_t answer[KT_FRAME_MOST]; /* the last frame that came, whole */
	size_t answer_bytes;
	uint8_t early[KT_FRAME_MOST]; /* what came behind it */
	size_t early_bytes;
};

int kt_tear_down(void **state);

/* A board with a Katapult and nothing behind it. `options` may be NULL. */
void kt_plug(struct kt *kt, void **state, const struct stm32_options *options);
void kt_plug_uart(struct kt *kt, void **state, const struct stm32_options *options);
/* A board with whatever its options say, without BOOT0. */
void kt_plug_image(struct kt *kt, void **state, const struct stm32_options *options);
int kt_open(struct kt *kt);
void kt_close(struct kt *kt);
/* Opens it and makes it give its answers, however often it must be asked. */
void kt_start(struct kt *kt);

void kt_send(struct kt *kt, const void *bytes, size_t count);
void kt_send_hex(struct kt *kt, const char *hex);
/* As many bytes as come within `msec`, each soon after the other. */
size_t kt_gather(struct kt *kt, uint8_t *ret, size_t most, unsigned msec);
void kt_expect_hex(struct kt *kt, const char *hex);
void kt_expect_silence(struct kt *kt);

/* The code of the next frame, its payload behind answer[4]; -ETIMEDOUT. */
int kt_receive(struct kt *kt, unsigned msec);
void kt_send_frame(struct kt *kt, uint8_t code, const void *payload, size_t words);
int kt_command(struct kt *kt, uint8_t code, const void *payload, size_t words);
int kt_connect(struct kt *kt);
int kt_block(struct kt *kt, uint32_t address, const uint8_t *block);
int kt_read(struct kt *kt, uint32_t address, uint8_t *ret);
int kt_eof(struct kt *kt, uint32_t *ret_pages);
int kt_complete(struct kt *kt);
/* All of them, in order. */
void kt_blocks(struct kt *kt, uint32_t address, const uint8_t *bytes, size_t length);

uint32_t kt_word(const uint8_t *bytes);
const uint8_t *kt_flash(struct kt *kt, uint32_t address);
const struct kata_counters *kt_counters(struct kt *kt);
enum stm32_mode kt_mode(struct kt *kt);
int kt_arm(struct kt *kt, struct stm32_fault fault);
void kt_fill(uint8_t *bytes, size_t length, unsigned seed);
size_t kt_parse_hex(const char *hex, uint8_t *ret);
