/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the firmware in a board's flash says of itself, as far as a judgement asks for it: a plain
 * value of bounded size, so that it can cross the wire. A claim of whoever built that firmware;
 * what is missing, or too long to be believed, is unknown.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "model/transport.h"

#define RUNNING_TEXT 96

/* Texts are plain and "" when unknown, numbers are 0. */
struct running {
	bool is_known; /* there is such a firmware */
	char mcu[RUNNING_TEXT]; /* "stm32g0b1xx" */
	char version[RUNNING_TEXT];
	uint32_t clock_hz;
	uint32_t can_bitrate;
	uint32_t serial_baud;
	enum transport transport;
	char can_pins[RUNNING_TEXT];
	char usb_pins[RUNNING_TEXT];
	char serial_pins[RUNNING_TEXT];
	/* Set before the host speaks; no such pins is something that is known, too. */
	bool has_initial_pins;
	char initial_pins[RUNNING_TEXT];
};

/* The same build, as far as a firmware tells of itself: a version that is not clean carries the
 * time at which it was made (klipper, scripts/buildcommands.py). What is unknown is never the same.
 */
bool running_is_same(const struct running *left, const struct running *right);

/* Its bytes as they cross the wire; garbage, and text that is not plain, fails the cursor. */
void running_encode(const struct running *running, struct buffer *ret);
void running_decode(struct cursor *cursor, struct running *ret);
