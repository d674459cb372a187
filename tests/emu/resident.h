/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What runs in a chip and can be talked to: Katapult, Klipper or neither, the line that it has, and
 * how that gets to the host. Every make of board has one.
 */
#include "emu/bus_node.h"
#include "emu/cdc.h"
#include "emu/klip.h"
#include "emu/uart.h"

enum resident_kind {
	RESIDENT_NONE,
	RESIDENT_KATAPULT,
	RESIDENT_KLIPPER,
};

/* How it is built, and how it is connected. All zero: on USB. */
struct resident_options {
	struct kata_options katapult;
	struct klip_options klipper;
	uint32_t baud; /* of a board that has a UART and no USB */
	bool on_can; /* a node of a CAN bus, and no USB */
	bool is_bridge; /* its Klipper is a node behind itself, its Katapult is on USB */
};

#define RESIDENT_TEXTS 4

struct resident {
	struct resident_options options;
	char *texts[RESIDENT_TEXTS];
	uint8_t *dictionary;
	bool dictionary_is_flashed;
	enum resident_kind kind;
	bool on_uart, on_can; /* else on USB */
	struct line line;
	struct cdc cdc;
	struct uart uart;
	struct bus_node can;
	struct kata katapult;
	struct klip klipper;
};

/* What `options` points at is copied, what `kind` points at stays. */
int resident_init(struct resident *resident, const struct resident_options *options,
	const struct kata_kind *kind, const struct program_chip *chip, void *context);
void resident_done(struct resident *resident);

/* Another program begins, or none; the one before is over. */
void resident_start(struct resident *resident, enum resident_kind kind,
	const struct cdc_shape *shape, uint64_t now);

uint64_t resident_next(const struct resident *resident);
/* One thing that is due; false when nothing is. */
bool resident_step(struct resident *resident, uint64_t now);

/* The controller's side. */
void resident_configure(struct resident *resident, uint64_t now, bool configured);
enum packet resident_out(struct resident *resident, uint64_t now, uint8_t endpoint, bool toggle,
	const uint8_t *data, size_t length);
enum packet resident_in(struct resident *resident, uint64_t now, uint8_t endpoint, uint8_t *data,
	size_t *ret_length, bool *ret_toggle);
/* `PACKET_LOST`: Klipper has left for its boot loader within the request. */
enum packet resident_request(
	struct resident *resident, const uint8_t setup[8], uint8_t *data, size_t *length);

/* The host's side of a UART. */
void resident_hear(struct resident *resident, uint64_t now, const uint8_t *bytes, size_t count);

/* The bus's side of a node; see bus_node.h. */
bool resident_hear_frame(struct resident *resident, uint64_t now, const struct can_bits *frame);

static inline bool resident_is_on_usb(const struct resident *resident)
{
	return !resident->on_uart && !resident->on_can;
}

void resident_reset_counters(struct resident *resident);
