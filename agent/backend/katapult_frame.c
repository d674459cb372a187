/* SPDX-License-Identifier: MIT */
/* Katapult's frames; see katapult_frame.h. */
#include <assert.h>
#include <string.h>

#include "backend/katapult_frame.h"
#include "base/bytes.h"

#define HEAD_BYTES 4u /* 01 88, code, words */
#define TAIL_BYTES 4u /* checksum, 99 03 */

static const uint8_t head[] = { 0x01, 0x88 };
static const uint8_t tail[] = { 0x99, 0x03 };

uint16_t katapult_checksum(const uint8_t *bytes, size_t length)
{
	uint16_t checksum = 0xffff;
	for (size_t i = 0; i < length; i++) {
		uint8_t mixed = (uint8_t)(bytes[i] ^ checksum);
		mixed = (uint8_t)(mixed ^ mixed << 4);
		checksum = (uint16_t)((mixed << 8 | checksum >> 8) ^ mixed >> 4 ^ mixed << 3);
	}
	return checksum;
}

size_t katapult_frame(
	uint8_t code, const void *payload, size_t length, uint8_t ret[KATAPULT_FRAME_MAX])
{
	assert(length % 4 == 0 && length <= KATAPULT_PAYLOAD_MAX);
	memcpy(ret, head, sizeof(head));
	ret[2] = code;
	ret[3] = (uint8_t)(length / 4);
	if (length > 0)
		memcpy(ret + HEAD_BYTES, payload, length);
	uint8_t *behind = ret + HEAD_BYTES + length;
	write_u16(behind, katapult_checksum(ret + 2, length + 2));
	memcpy(behind + 2, tail, sizeof(tail));
	return HEAD_BYTES + length + TAIL_BYTES;
}

uint8_t *katapult_receiver_space(struct katapult_receiver *receiver, size_t *ret_capacity)
{
	*ret_capacity = sizeof(receiver->bytes) - receiver->length;
	return receiver->bytes + receiver->length;
}

void katapult_receiver_came(struct katapult_receiver *receiver, size_t length)
{
	assert(length <= sizeof(receiver->bytes) - receiver->length);
	receiver->length += length;
}

static void throw_away(struct katapult_receiver *receiver, size_t length)
{
	receiver->length -= length;
	memmove(receiver->bytes, receiver->bytes + length, receiver->length);
}

/* Up to where a frame may begin. */
static void skip_to_head(struct katapult_receiver *receiver)
{
	size_t at = 0;
	while (at < receiver->length) {
		size_t left = receiver->length - at;
		if (memcmp(receiver->bytes + at, head, left < sizeof(head) ? left : sizeof(head)) ==
			0)
			break;
		at++;
	}
	throw_away(receiver, at);
}

static bool is_whole(const uint8_t *frame, size_t length)
{
	const uint8_t *behind = frame + HEAD_BYTES + length;
	return memcmp(behind + 2, tail, sizeof(tail)) == 0 &&
	       read_u16(behind) == katapult_checksum(frame + 2, length + 2);
}

bool katapult_receiver_take(struct katapult_receiver *receiver, struct katapult_answer *ret)
{
	for (;;) {
		skip_to_head(receiver);
		if (receiver->length < KATAPULT_FRAME_LEAST)
			return false;
		size_t length = 4u * receiver->bytes[3];
		if (receiver->length < HEAD_BYTES + length + TAIL_BYTES)
			return false;
		if (is_whole(receiver->bytes, length)) {
			ret->code = receiver->bytes[2];
			ret->length = length;
			memcpy(ret->payload, receiver->bytes + HEAD_BYTES, length);
			throw_away(receiver, HEAD_BYTES + length + TAIL_BYTES);
			return true;
		}
		/* No frame begins here after all. */
		throw_away(receiver, 1);
	}
}
