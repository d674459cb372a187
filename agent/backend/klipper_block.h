/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The blocks of Klipper's serial protocol (klipper, docs/Protocol.md and src/command.c): a length,
 * a sequence, messages, a checksum, 7e. Numbers in messages are as long as they need to be. Hostile
 * bytes come in; what goes out is always a whole block. The same over USB, UART and CAN.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KLIPPER_SYNC         0x7eu /* ends a block, and may stand before one */
#define KLIPPER_BLOCK_LEAST  5u
#define KLIPPER_BLOCK_MAX    64u
#define KLIPPER_CONTENT_MAX  (KLIPPER_BLOCK_MAX - KLIPPER_BLOCK_LEAST)
#define KLIPPER_RECEIVER_MAX (4u * KLIPPER_BLOCK_MAX)
#define KLIPPER_NUMBER_MAX   5u

struct klipper_block {
	uint8_t sequence; /* 0 to 15: what the sender expects next, when that is the device */
	size_t length; /* of the content; 0: it says no more than the sequence */
	uint8_t content[KLIPPER_CONTENT_MAX];
};

/* The sequence behind that one. */
static inline uint8_t klipper_next(uint8_t sequence)
{
	return (sequence + 1) & 0x0f;
}

/* Makes a block of at most KLIPPER_CONTENT_MAX bytes of content (docs/Protocol.md, "Message
 * Blocks"). Returns its length. */
size_t klipper_block(
	uint8_t sequence, const void *content, size_t length, uint8_t ret[KLIPPER_BLOCK_MAX]);

/* Writes a number, signed or not (docs/Protocol.md, "Variable Length Quantities"). Returns how many
 * bytes it takes. */
size_t klipper_put_number(uint32_t number, uint8_t ret[KLIPPER_NUMBER_MAX]);

/* Reads one at `*at` and moves that behind it. False: it does not end, or is too long to be one. */
bool klipper_take_number(const uint8_t *bytes, size_t length, size_t *at, uint32_t *ret);

/* Bytes that came, until they are a block. All zero: none has come. */
struct klipper_receiver {
	uint8_t bytes[KLIPPER_RECEIVER_MAX];
	size_t length;
	bool is_lost; /* what comes up to the next 7e belongs to something damaged */
};

/* Where the next bytes go, and how many at most: at least one, once no block can be taken. */
uint8_t *klipper_receiver_space(struct klipper_receiver *receiver, size_t *ret_capacity);
void klipper_receiver_came(struct klipper_receiver *receiver, size_t length);

/* Takes the next whole block out; what belongs to none is thrown away, up to the next 7e (klipper,
 * chelper/msgblock.c). False: there is none yet. */
bool klipper_receiver_take(struct klipper_receiver *receiver, struct klipper_block *ret);
