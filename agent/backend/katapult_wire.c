/* SPDX-License-Identifier: MIT */
/* Speaking Katapult; see katapult_wire.h. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "backend/katapult_wire.h"
#include "base/bytes.h"
#include "base/text.h"

#define SAYINGS     2u /* of one command, at most */
#define WRITE_MSEC  2000
#define ANSWER_MSEC 2000
/* A block may erase first: 128 KiB of an F4 or H7 take two seconds, four at the most. */
#define BLOCK_MSEC 6000
#define BUSY_MSEC  100
#define BUSY_MOST  50u
/* The same for one that takes its time to say so. */
#define PATIENCE_MSEC 10000
/* Of requests that are written at once: they fit into a packet of USB. */
#define REQUESTS_BYTES 60u

/* ---- one answer -------------------------------------------------------------------------- */

static int say(struct katapult_wire *wire, uint8_t code, const void *payload, size_t length)
{
	uint8_t frame[KATAPULT_FRAME_MAX];
	size_t bytes = katapult_frame(code, payload, length, frame);
	return stream_write(wire->stream, frame, bytes, WRITE_MSEC);
}

/* Neighbouring blocks that are being read. */
struct katapult_reading {
	struct katapult_wire *wire;
	uint32_t address, length, block_bytes;
	uint8_t *to;
	uint32_t asked, heard; /* bytes */
};

/* One alone always. What has come of the next answer takes no room in the device any more. */
static bool may_ask(const struct katapult_reading *reading)
{
	if (reading->asked == reading->length)
		return false;
	uint32_t under_way = (reading->asked - reading->heard) / reading->block_bytes;
	uint32_t answer_bytes = KATAPULT_FRAME_LEAST + 8 + reading->block_bytes;
	return under_way == 0 ||
	       (under_way + 1) * answer_bytes <=
		       reading->wire->answer_room + reading->wire->receiver.length;
}

/* As many requests as may be under way, in as few packets as they fit into. */
static int ask_ahead(struct katapult_reading *reading)
{
	uint8_t frames[REQUESTS_BYTES + KATAPULT_FRAME_MAX], payload[4];
	size_t length = 0;
	while (length < REQUESTS_BYTES && may_ask(reading)) {
		write_u32(payload, reading->address + reading->asked);
		length += katapult_frame(
			KATAPULT_REQUEST_BLOCK, payload, sizeof(payload), frames + length);
		reading->asked += reading->block_bytes;
	}
	if (length == 0)
		return 0;
	return stream_write(reading->wire->stream, frames, length, WRITE_MSEC);
}

/* The next frame, whatever it is, but not after the deadline: bytes may come without end and be
 * none. */
static int hear(struct katapult_wire *wire, struct katapult_answer *ret, int64_t deadline_msec)
{
	while (!katapult_receiver_take(&wire->receiver, ret)) {
		size_t capacity;
		if (wire->reading)
			TRY(ask_ahead(wire->reading));
		uint8_t *space = katapult_receiver_space(&wire->receiver, &capacity);
		int64_t left_msec = deadline_msec - stream_now_msec(wire->stream);
		if (left_msec <= 0)
			return -ETIMEDOUT;
		int r = stream_read(wire->stream, space, capacity, (unsigned)left_msec);
		if (r < 0)
			return r;
		katapult_receiver_came(&wire->receiver, (size_t)r);
	}
	return 0;
}

/* Is it the answer to this command, about this address (NULL: about none)? One that nobody waits
 * for any more is passed over: a NACK may be about bytes before a frame that is then taken. */
static bool is_answer_to(
	const struct katapult_answer *answer, uint8_t code, const uint32_t *address)
{
	if (answer->code != KATAPULT_ACK)
		return true;
	if (answer->length < (address ? 8u : 4u) || read_u32(answer->payload) != code)
		return false;
	return !address || read_u32(answer->payload + 4) == *address;
}

/* What was said to wake it up is answered, too. */
static bool is_to_be_dropped(struct katapult_wire *wire, const struct katapult_answer *answer)
{
	if (wire->answers_to_drop == 0 || answer->code != KATAPULT_ERROR)
		return false;
	wire->answers_to_drop--;
	return true;
}

static int hear_answer(struct katapult_wire *wire, uint8_t code, const uint32_t *address,
	struct katapult_answer *ret, unsigned limit_msec)
{
	int64_t deadline_msec = stream_now_msec(wire->stream) + limit_msec;
	do
		TRY(hear(wire, ret, deadline_msec));
	while (is_to_be_dropped(wire, ret) || !is_answer_to(ret, code, address));
	switch (ret->code) {
	case KATAPULT_ACK:
		return 0;
	case KATAPULT_ERROR:
		return -EREMOTEIO;
	case KATAPULT_BUSY:
		return -EAGAIN;
	case KATAPULT_NACK:
		return -EBADMSG;
	default:
		return -EPROTO;
	}
}

/* After a failure: whatever is still on its way is no answer to what is said next. */
static int become_quiet(struct katapult_wire *wire)
{
	wire->receiver.length = 0;
	return stream_discard_input(wire->stream);
}

/* Can it help to say it again? */
static bool is_worth_repeating(int error)
{
	return error == -ETIMEDOUT || error == -EBADMSG;
}

/* A payload begins with an address. */
static int command(struct katapult_wire *wire, uint8_t code, const void *payload, size_t length,
	struct katapult_answer *ret, unsigned limit_msec, unsigned sayings)
{
	uint32_t address = payload ? read_u32(payload) : 0;
	int64_t patient_until_msec = stream_now_msec(wire->stream) + PATIENCE_MSEC;
	int r = 0;
	for (unsigned said = 0, busy = 0; said < sayings;) {
		if (said > 0) {
			wire->resends++;
			TRY(become_quiet(wire));
		}
		r = say(wire, code, payload, length);
		if (r == 0)
			r = hear_answer(wire, code, payload ? &address : NULL, ret, limit_msec);
		bool is_patient = stream_now_msec(wire->stream) < patient_until_msec;
		if (r == -EAGAIN && busy++ < BUSY_MOST && is_patient) {
			TRY(stream_pause(wire->stream, BUSY_MSEC));
			continue;
		}
		if (!is_worth_repeating(r))
			return r;
		said++;
	}
	return -ESTALE;
}

/* ---- CONNECT ----------------------------------------------------------------------------- */

/* A text in a payload ends with a NUL or with the payload; moves `*at` behind it. */
static void take_text(const struct katapult_answer *answer, size_t *at, char ret[KATAPULT_TEXT])
{
	char text[KATAPULT_PAYLOAD_MAX + 1];
	size_t length = 0;
	while (*at < answer->length && answer->payload[*at] != '\0')
		text[length++] = (char)answer->payload[(*at)++];
	text[length] = '\0';
	text_copy_plain(ret, KATAPULT_TEXT, text);
}

static bool is_power_of_two(uint32_t value)
{
	return value != 0 && (value & (value - 1)) == 0;
}

/* Protocol 1.0 ends with the MCU's name; 1.1 puts NULs and a version behind it. */
static int read_connect(const struct katapult_answer *answer, struct katapult_device *ret)
{
	struct katapult_device device = { 0 };
	if (answer->length < 16)
		return -EPROTO;
	device.protocol = read_u32(answer->payload + 4);
	device.application_start = read_u32(answer->payload + 8);
	device.block_bytes = read_u32(answer->payload + 12);
	if (!is_power_of_two(device.block_bytes) || device.block_bytes < 4 ||
		device.block_bytes > KATAPULT_BLOCK_MAX)
		return -EPROTO;
	size_t at = 16;
	take_text(answer, &at, device.mcu);
	while (at < answer->length && answer->payload[at] == '\0')
		at++;
	take_text(answer, &at, device.version);
	*ret = device;
	return 0;
}

/*
 * The chips with ST's simple USB keep their first answer until there is a second one (katapult,
 * src/stm32/usbfs.c), so something is said first that is answered and means nothing.
 */
int katapult_connect(struct katapult_wire *wire, struct katapult_device *ret)
{
	struct katapult_answer answer;
	TRY(become_quiet(wire));
	if (!wire->is_awake) {
		TRY(say(wire, KATAPULT_NOTHING, NULL, 0));
		wire->answers_to_drop = 1;
	}
	int r = command(wire, KATAPULT_CONNECT, NULL, 0, &answer, ANSWER_MSEC, SAYINGS);
	wire->answers_to_drop = 0;
	return r < 0 ? r : read_connect(&answer, ret);
}

int katapult_canbus_id(struct katapult_wire *wire, char ret[CAN_UUID_TEXT])
{
	struct katapult_answer answer;
	int r = command(wire, KATAPULT_GET_CANBUS_ID, NULL, 0, &answer, ANSWER_MSEC, SAYINGS);
	if (r < 0)
		return r;
	if (answer.length < 4 + (CAN_UUID_TEXT - 1) / 2)
		return -EPROTO;
	text_hex(answer.payload + 4, (CAN_UUID_TEXT - 1) / 2, ret);
	return 0;
}

/* ---- blocks ------------------------------------------------------------------------------ */

int katapult_send_block(
	struct katapult_wire *wire, uint32_t address, const uint8_t *data, uint32_t block_bytes)
{
	uint8_t payload[4 + KATAPULT_BLOCK_MAX];
	struct katapult_answer answer;
	assert(block_bytes <= KATAPULT_BLOCK_MAX);
	write_u32(payload, address);
	memcpy(payload + 4, data, block_bytes);
	return command(wire, KATAPULT_SEND_BLOCK, payload, 4 + block_bytes, &answer, BLOCK_MSEC,
		wire->resends_blocks ? SAYINGS : 1);
}

static int settle(struct katapult_wire *wire)
{
	wire->resends++;
	/* Answers that are still under way come in the meantime and are thrown away. */
	TRY(stream_pause(wire->stream, BUSY_MSEC));
	return become_quiet(wire);
}

static bool is_block(const struct katapult_answer *answer, uint32_t address, uint32_t block_bytes)
{
	return answer->length == 8 + block_bytes && read_u32(answer->payload + 4) == address;
}

/* One block alone, said again when its answer was lost. */
static int read_block(
	struct katapult_wire *wire, uint32_t address, uint8_t *ret, uint32_t block_bytes)
{
	uint8_t payload[4];
	struct katapult_answer answer;
	write_u32(payload, address);
	int r = command(wire, KATAPULT_REQUEST_BLOCK, payload, sizeof(payload), &answer,
		ANSWER_MSEC, SAYINGS);
	if (r < 0)
		return r;
	if (!is_block(&answer, address, block_bytes))
		return -EPROTO;
	memcpy(ret, answer.payload + 8, block_bytes);
	return 0;
}

static int hear_block(struct katapult_reading *reading)
{
	struct katapult_answer answer;
	uint32_t address = reading->address + reading->heard;
	reading->wire->reading = reading;
	int r = hear_answer(reading->wire, KATAPULT_REQUEST_BLOCK, NULL, &answer, ANSWER_MSEC);
	reading->wire->reading = NULL;
	if (r == 0 && !is_block(&answer, address, reading->block_bytes))
		r = -EBADMSG; /* one before it was lost */
	if (r == 0)
		memcpy(reading->to + reading->heard, answer.payload + 8, reading->block_bytes);
	return r;
}

/* What was asked ahead is forgotten, and the block asked for alone. */
static int hear_again(struct katapult_reading *reading)
{
	TRY(settle(reading->wire));
	TRY(read_block(reading->wire, reading->address + reading->heard,
		reading->to + reading->heard, reading->block_bytes));
	reading->asked = reading->heard + reading->block_bytes;
	return 0;
}

int katapult_read(struct katapult_wire *wire, uint32_t address, uint8_t *ret, uint32_t length,
	uint32_t block_bytes, int (*on_block)(void *context, uint32_t bytes), void *context)
{
	struct katapult_reading reading = {
		.wire = wire,
		.address = address,
		.length = length,
		.block_bytes = block_bytes,
		.to = ret,
	};
	while (reading.heard < reading.length) {
		int r = hear_block(&reading);
		if (is_worth_repeating(r) || r == -EAGAIN)
			r = hear_again(&reading);
		if (r < 0)
			return r;
		reading.heard += block_bytes;
		r = on_block ? on_block(context, block_bytes) : 0;
		if (r < 0)
			return r;
		if (r > 0)
			reading.length = reading.asked;
	}
	return 0;
}

/* ---- the end ----------------------------------------------------------------------------- */

int katapult_end(struct katapult_wire *wire, uint32_t *ret_pages)
{
	struct katapult_answer answer;
	int r = command(wire, KATAPULT_EOF, NULL, 0, &answer, BLOCK_MSEC, SAYINGS);
	if (r < 0)
		return r;
	if (answer.length < 8)
		return -EPROTO;
	*ret_pages = read_u32(answer.payload + 4);
	return 0;
}

/* It resets a tenth of a second later; an answer that is lost on the way means nothing. */
int katapult_complete(struct katapult_wire *wire)
{
	struct katapult_answer answer;
	return command(wire, KATAPULT_COMPLETE, NULL, 0, &answer, ANSWER_MSEC, 1);
}
