/* SPDX-License-Identifier: MIT */
/* Klipper's blocks and numbers; see klipper_block.h. */
#include <assert.h>
#include <string.h>

#include "backend/katapult_frame.h"
#include "backend/klipper_block.h"

#define HEAD_BYTES    2u /* length, sequence */
#define TAIL_BYTES    3u /* checksum, 7e */
#define MARK          0x10u
#define SEQUENCE_MASK 0x0fu

/* ---- numbers ----------------------------------------------------------------------------- */

/* Seven bits a byte, the highest ones first. The first byte also says the sign, if it is one of -32
 * to -1. */
size_t klipper_put_number(uint32_t number, uint8_t ret[KLIPPER_NUMBER_MAX])
{
	int64_t value = (int32_t)number;
	size_t count = 0;
	for (unsigned group = 4; group > 0; group--) {
		int64_t unit = INT64_C(1) << 7 * group;
		if (value < -unit / 4 || value >= unit / 4 * 3)
			ret[count++] = (uint8_t)(number >> 7 * group | 0x80);
	}
	ret[count++] = number & 0x7f;
	return count;
}

bool klipper_take_number(const uint8_t *bytes, size_t length, size_t *at, uint32_t *ret)
{
	uint32_t value = 0;
	for (size_t i = 0; i < KLIPPER_NUMBER_MAX && *at + i < length; i++) {
		uint8_t byte = bytes[*at + i];
		if (i == 0 && (byte & 0x60) == 0x60)
			value = UINT32_MAX; /* the sign */
		value = value << 7 | (byte & 0x7f);
		if (byte & 0x80)
			continue;
		*at += i + 1;
		*ret = value;
		return true;
	}
	return false;
}

/* ---- blocks ------------------------------------------------------------------------------ */

static void put_checksum(const uint8_t *block, size_t length, uint8_t ret[2])
{
	uint16_t checksum = katapult_checksum(block, length);
	ret[0] = (uint8_t)(checksum >> 8);
	ret[1] = (uint8_t)checksum;
}

size_t klipper_block(
	uint8_t sequence, const void *content, size_t length, uint8_t ret[KLIPPER_BLOCK_MAX])
{
	assert(sequence <= SEQUENCE_MASK && length <= KLIPPER_CONTENT_MAX);
	ret[0] = (uint8_t)(length + KLIPPER_BLOCK_LEAST);
	ret[1] = (uint8_t)(MARK | sequence);
	if (length > 0)
		memcpy(ret + HEAD_BYTES, content, length);
	put_checksum(ret, HEAD_BYTES + length, ret + HEAD_BYTES + length);
	ret[HEAD_BYTES + length + 2] = KLIPPER_SYNC;
	return length + KLIPPER_BLOCK_LEAST;
}

uint8_t *klipper_receiver_space(struct klipper_receiver *receiver, size_t *ret_capacity)
{
	*ret_capacity = sizeof(receiver->bytes) - receiver->length;
	return receiver->bytes + receiver->length;
}

void klipper_receiver_came(struct klipper_receiver *receiver, size_t length)
{
	assert(length <= sizeof(receiver->bytes) - receiver->length);
	receiver->length += length;
}

static void throw_away(struct klipper_receiver *receiver, size_t length)
{
	receiver->length -= length;
	memmove(receiver->bytes, receiver->bytes + length, receiver->length);
}

/* Up to the next 7e and over it. */
static void find_sync(struct klipper_receiver *receiver)
{
	const uint8_t *sync = memchr(receiver->bytes, KLIPPER_SYNC, receiver->length);
	receiver->is_lost = !sync;
	throw_away(receiver, sync ? (size_t)(sync - receiver->bytes) + 1 : receiver->length);
}

enum head { HEAD_IS_SHORT, HEAD_IS_NONE, HEAD_IS_BLOCK };

/* What the bytes begin with; as soon as it can be none, it is. */
static enum head look_at_head(const struct klipper_receiver *receiver)
{
	const uint8_t *bytes = receiver->bytes;
	size_t length = bytes[0];
	if (length < KLIPPER_BLOCK_LEAST || length > KLIPPER_BLOCK_MAX)
		return HEAD_IS_NONE;
	if (receiver->length > 1 && (bytes[1] & ~SEQUENCE_MASK) != MARK)
		return HEAD_IS_NONE;
	if (receiver->length < length)
		return HEAD_IS_SHORT;
	uint8_t checksum[2];
	put_checksum(bytes, length - TAIL_BYTES, checksum);
	bool is_whole = bytes[length - 1] == KLIPPER_SYNC &&
			memcmp(bytes + length - TAIL_BYTES, checksum, sizeof(checksum)) == 0;
	return is_whole ? HEAD_IS_BLOCK : HEAD_IS_NONE;
}

static void take_block(struct klipper_receiver *receiver, struct klipper_block *ret)
{
	size_t length = receiver->bytes[0];
	ret->sequence = receiver->bytes[1] & SEQUENCE_MASK;
	ret->length = length - KLIPPER_BLOCK_LEAST;
	memcpy(ret->content, receiver->bytes + HEAD_BYTES, ret->length);
	throw_away(receiver, length);
}

bool klipper_receiver_take(struct klipper_receiver *receiver, struct klipper_block *ret)
{
	while (receiver->length > 0) {
		if (receiver->is_lost) {
			find_sync(receiver);
			continue;
		}
		if (receiver->bytes[0] == KLIPPER_SYNC) {
			throw_away(receiver, 1);
			continue;
		}
		switch (look_at_head(receiver)) {
		case HEAD_IS_SHORT:
			return false;
		case HEAD_IS_NONE:
			find_sync(receiver);
			continue;
		case HEAD_IS_BLOCK:
			take_block(receiver, ret);
			return true;
		}
	}
	return false;
}
