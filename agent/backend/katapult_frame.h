/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The frames of Katapult (katapult, protocol.md and src/command.c): 01 88, a code, a number of
 * words, those words, a checksum, 99 03. Hostile bytes come in; what goes out is always a whole
 * frame.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The length of a payload is told in a byte, in words of four. */
#define KATAPULT_PAYLOAD_MAX  (255u * 4u)
#define KATAPULT_FRAME_LEAST  8u
#define KATAPULT_FRAME_MAX    (KATAPULT_PAYLOAD_MAX + KATAPULT_FRAME_LEAST)
#define KATAPULT_RECEIVER_MAX (2u * KATAPULT_FRAME_MAX)

enum katapult_command {
	KATAPULT_CONNECT = 0x11,
	KATAPULT_SEND_BLOCK = 0x12,
	KATAPULT_EOF = 0x13,
	KATAPULT_REQUEST_BLOCK = 0x14,
	KATAPULT_COMPLETE = 0x15,
	KATAPULT_GET_CANBUS_ID = 0x16,
	KATAPULT_NOTHING = 0x90, /* a command that there is not: answered by KATAPULT_ERROR */
};

enum katapult_answer_code {
	KATAPULT_ACK = 0xa0,
	KATAPULT_NACK = 0xf1, /* the frame came damaged */
	KATAPULT_ERROR = 0xf2, /* the command is refused */
	KATAPULT_BUSY = 0xf3,
};

struct katapult_answer {
	uint8_t code; /* enum katapult_answer_code, or something else */
	size_t length; /* of the payload, a multiple of four */
	uint8_t payload[KATAPULT_PAYLOAD_MAX];
};

/* Makes the frame of a command; `length` is a multiple of four. Returns the frame's length. */
size_t katapult_frame(
	uint8_t code, const void *payload, size_t length, uint8_t ret[KATAPULT_FRAME_MAX]);

/* Bytes that came, until they are a frame. */
struct katapult_receiver {
	uint8_t bytes[KATAPULT_RECEIVER_MAX];
	size_t length;
};

/* Where the next bytes go, and how many at most: at least one, once no answer can be taken. */
uint8_t *katapult_receiver_space(struct katapult_receiver *receiver, size_t *ret_capacity);
void katapult_receiver_came(struct katapult_receiver *receiver, size_t length);

/* Takes the next whole frame out; what belongs to none is thrown away. False: there is none yet. */
bool katapult_receiver_take(struct katapult_receiver *receiver, struct katapult_answer *ret);

/* CRC-16/MCRF4XX, as Klipper's frames have it too. */
uint16_t katapult_checksum(const uint8_t *bytes, size_t length);
