/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Katapult as a conversation over a byte stream. Its receiver has a trap: one damaged byte in a
 * frame can make it deaf until the chip is reset (katapult, src/command.c). So every frame goes out
 * whole, a command that was not answered is said once more and no oftener, and a device that still
 * says nothing needs a reset.
 *
 * Every function that can fail returns a negative errno of its stream, or
 *   -EREMOTEIO  the device refuses the command
 *   -ESTALE     it does not answer any more: it needs a reset
 *   -EPROTO     it answers what it never should
 */
#include <stdbool.h>
#include <stdint.h>

#include "backend/katapult_frame.h"
#include "model/can_uuid.h"
#include "port/stream.h"

#define KATAPULT_BLOCK_MAX 512u
#define KATAPULT_TEXT      64u

/* What it says to CONNECT. */
struct katapult_device {
	uint32_t protocol; /* 0x010100 */
	uint32_t application_start;
	uint32_t block_bytes; /* 64, a power of two up to KATAPULT_BLOCK_MAX */
	char mcu[KATAPULT_TEXT]; /* "stm32g0b1xx"; plain */
	char version[KATAPULT_TEXT]; /* "" when it does not say; plain */
};

struct katapult_wire {
	struct stream *stream;
	struct katapult_receiver receiver;
	bool resends_blocks; /* false: a block that was taken twice is one too many (LPC176x) */
	bool is_awake; /* CAN: it keeps no answer back, and needs nothing said to wake it up */
	uint32_t answer_room; /* what it can hold back of its answers: more than fits is lost */
	unsigned answers_to_drop; /* of commands that were said only to wake it up */
	/* Under way, or NULL: the next request goes out while an answer still comes. */
	struct katapult_reading *reading;
	uint32_t resends;
};

/* Wakes the device up and asks what it is. */
int katapult_connect(struct katapult_wire *wire, struct katapult_device *ret) _must_check_;

/* One block of the device's block size. */
int katapult_send_block(struct katapult_wire *wire, uint32_t address, const uint8_t *data,
	uint32_t block_bytes) _must_check_;

/*
 * Neighbouring blocks from `address` on; `length` is a multiple of the block size. No more is asked
 * for at once than the device has room to answer. `on_block` (may be NULL) is called behind each;
 * negative: stop here and return that; positive: enough, only what is under way is still read.
 */
int katapult_read(struct katapult_wire *wire, uint32_t address, uint8_t *ret, uint32_t length,
	uint32_t block_bytes, int (*on_block)(void *context, uint32_t bytes), void *context)
	_must_check_;

/* All has come: what the device still holds back goes into its flash. */
int katapult_end(struct katapult_wire *wire, uint32_t *ret_pages) _must_check_;

/* What it calls itself on a CAN bus. -EREMOTEIO: it was not built for one. */
int katapult_canbus_id(struct katapult_wire *wire, char ret[CAN_UUID_TEXT]) _must_check_;

/* Starts the application, whatever it is. */
int katapult_complete(struct katapult_wire *wire) _must_check_;
