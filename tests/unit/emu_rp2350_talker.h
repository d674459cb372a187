/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the tests of the emulated RP2350 add to the talker: a board with a certain id, its refusals,
 * and programs that it would start.
 */
#include "unit/emu_talker.h"

#define RP2350_RAM       0x20000000u
#define RP2350_PARTITION 0x10000u
#define RP2350_ID_TEXT   "0123ABCD456789EF"

#define BLOCK_START   0xffffded3u
#define BLOCK_ARM     0x10210142u
#define BLOCK_RISCV   0x11010142u
#define BLOCK_LAST(n) (0xffu | (n) << 8)
#define BLOCK_END     0xab123579u

enum { REBOOT2 = 0x0a };

/* Plugged in and claimed; the latter with the flash at hand, too. */
struct talker *rp2350_begin_raw(void **state, struct rp2040_options options);
struct talker *rp2350_begin_well(void **state, struct rp2040_options options);

/* A refusal: the code, both endpoints halted and no acknowledgement. Then all is well again. */
void rp2350_assert_refused(struct talker *talker, uint32_t code);
void rp2350_assert_string(struct talker *talker, uint16_t index, const char *text);

void rp2350_put_words(uint8_t *to, const uint32_t *words, size_t count);
/* Vectors at its start, and a block at RP2350_BLOCK that says what it is. */
#define RP2350_BLOCK 0x110
void rp2350_make_program(uint8_t *bytes, size_t length, uint32_t type);
