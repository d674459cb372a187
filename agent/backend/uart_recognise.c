/* SPDX-License-Identifier: MIT */
/*
 * Recognising who is on a line; see uart_recognise.h.
 *
 * Katapult's CONNECT comes first. Klipper takes it for damage, and says so once, in a block that
 * only Klipper makes; it says nothing more about damage until a good block has come, so it may have
 * nothing to say. Then an empty block of Klipper's gets an answer from every Klipper, and does
 * Katapult no harm: it does not contain the 01 that Katapult would wait behind for ever. Klipper's
 * identify does, and is never sent to a stranger.
 */
#include <assert.h>
#include <errno.h>

#include "backend/katapult_frame.h"
#include "backend/klipper_block.h"
#include "backend/uart_recognise.h"

#define WRITE_MSEC  500
#define ANSWER_MSEC 250

struct asking {
	struct stream *stream;
	struct katapult_receiver katapult;
	struct klipper_receiver klipper;
	bool has_heard;
};

const char *uart_speaker_name(enum uart_speaker speaker)
{
	static const char *const names[_UART_SPEAKER_MAX] = { "silent", "dead", "katapult",
		"klipper" };
	assert(speaker < _UART_SPEAKER_MAX);
	return names[speaker];
}

static bool is_katapult(struct asking *asking)
{
	struct katapult_answer answer;
	while (katapult_receiver_take(&asking->katapult, &answer))
		if (answer.code == KATAPULT_ACK || answer.code == KATAPULT_ERROR ||
			answer.code == KATAPULT_BUSY)
			return true; /* it has understood us */
	return false;
}

static bool is_klipper(struct asking *asking)
{
	struct klipper_block block;
	return klipper_receiver_take(&asking->klipper, &block);
}

static enum uart_speaker take_bytes(struct asking *asking, const uint8_t *bytes, size_t length)
{
	enum uart_speaker speaker = UART_SILENT;
	for (size_t i = 0; i < length && speaker == UART_SILENT; i++) {
		size_t capacity;
		*katapult_receiver_space(&asking->katapult, &capacity) = bytes[i];
		katapult_receiver_came(&asking->katapult, 1);
		*klipper_receiver_space(&asking->klipper, &capacity) = bytes[i];
		klipper_receiver_came(&asking->klipper, 1);
		if (is_katapult(asking))
			speaker = UART_KATAPULT;
		else if (is_klipper(asking))
			speaker = UART_KLIPPER;
	}
	return speaker;
}

/* UART_SILENT: nothing that could be understood. */
static int listen(struct asking *asking, enum uart_speaker *ret)
{
	int64_t deadline_msec = stream_now_msec(asking->stream) + ANSWER_MSEC;
	enum uart_speaker speaker = UART_SILENT;
	while (speaker == UART_SILENT) {
		uint8_t bytes[64];
		int64_t left = deadline_msec - stream_now_msec(asking->stream);
		int r = left < 0
				? -ETIMEDOUT
				: stream_read(asking->stream, bytes, sizeof(bytes), (unsigned)left);
		if (r == -ETIMEDOUT)
			break;
		if (r < 0)
			return r;
		asking->has_heard = true;
		speaker = take_bytes(asking, bytes, (size_t)r);
	}
	*ret = speaker;
	return 0;
}

static int say_connect(struct asking *asking)
{
	uint8_t frame[KATAPULT_FRAME_MAX];
	size_t length = katapult_frame(KATAPULT_CONNECT, NULL, 0, frame);
	return stream_write(asking->stream, frame, length, WRITE_MSEC);
}

/* The 7e ends what Klipper still takes for damage. */
static int say_nothing(struct asking *asking)
{
	uint8_t bytes[1 + KLIPPER_BLOCK_MAX] = { KLIPPER_SYNC };
	size_t length = klipper_block(0, NULL, 0, bytes + 1);
	return stream_write(asking->stream, bytes, 1 + length, WRITE_MSEC);
}

static int settle_klipper(struct asking *asking)
{
	static const uint8_t sync[] = { KLIPPER_SYNC };
	return stream_write(asking->stream, sync, sizeof(sync), WRITE_MSEC);
}

int uart_recognise(struct stream *stream, enum uart_speaker *ret)
{
	static int (*const sayings[])(struct asking *) = { say_connect, say_nothing, say_connect };
	_cleanup_(freep) struct asking *asking = calloc(1, sizeof *asking);
	if (!asking)
		return -ENOMEM;
	asking->stream = stream;
	enum uart_speaker speaker = UART_SILENT;
	TRY(stream_discard_input(stream));
	for (size_t i = 0; i < ELEMENTSOF(sayings) && speaker == UART_SILENT; i++) {
		TRY(sayings[i](asking));
		TRY(listen(asking, &speaker));
	}
	if (speaker == UART_KLIPPER)
		TRY(settle_klipper(asking));
	if (speaker == UART_SILENT && asking->has_heard)
		speaker = UART_DEAD;
	*ret = speaker;
	return 0;
}
