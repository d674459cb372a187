/* SPDX-License-Identifier: MIT */
/* Bytes in frames; see can_stream.h. */
#include <errno.h>
#include <linux/can/error.h>
#include <string.h>

#include "backend/can_stream.h"
#include "backend/can_words.h"

#define DRAINED_MOST 4096u

static struct can_stream *of(struct stream *stream)
{
	return (struct can_stream *)stream;
}

/* The next frame of the node, into `kept`. */
static int receive(struct can_stream *stream, unsigned timeout_msec)
{
	int64_t deadline_msec = can_now_msec(stream->can) + timeout_msec;
	for (;;) {
		struct can_frame_seen frame;
		int64_t left = deadline_msec - can_now_msec(stream->can);
		TRY(can_receive(stream->can, &frame, left > 0 ? (unsigned)left : 0));
		if (frame.is_error) {
			can_errors_note(&stream->errors, &frame);
			if (frame.number & CAN_ERR_BUSOFF)
				return -ENETDOWN;
		} else if (frame.number == stream->from && frame.length > 0) {
			memcpy(stream->kept, frame.data, frame.length);
			stream->kept_count = frame.length;
			return 0;
		}
		if (left <= 0)
			return -ETIMEDOUT;
	}
}

static int on_read(struct stream *base, void *ret, size_t capacity, unsigned timeout_msec)
{
	struct can_stream *stream = of(base);
	if (stream->kept_count == 0)
		TRY(receive(stream, timeout_msec));
	size_t count = stream->kept_count < capacity ? stream->kept_count : capacity;
	memcpy(ret, stream->kept, count);
	stream->kept_count -= count;
	memmove(stream->kept, stream->kept + count, stream->kept_count);
	return (int)count;
}

static int on_write(struct stream *base, const void *data, size_t length, unsigned timeout_msec)
{
	struct can_stream *stream = of(base);
	int64_t deadline_msec = can_now_msec(stream->can) + timeout_msec;
	for (size_t at = 0; at < length; at += CAN_PAYLOAD) {
		size_t left = length - at;
		int64_t left_msec = deadline_msec - can_now_msec(stream->can);
		TRY(can_send(stream->can, stream->to, (const uint8_t *)data + at,
			left < CAN_PAYLOAD ? left : CAN_PAYLOAD,
			left_msec > 0 ? (unsigned)left_msec : 0));
	}
	return 0;
}

static int drain(struct can_stream *stream, unsigned msec)
{
	int64_t deadline_msec = can_now_msec(stream->can) + msec;
	int r = 0;
	/* A node that talks without end is not listened to for ever. */
	for (unsigned frames = 0; r == 0 && frames < DRAINED_MOST; frames++) {
		int64_t left = deadline_msec - can_now_msec(stream->can);
		r = receive(stream, left > 0 ? (unsigned)left : 0);
	}
	stream->kept_count = 0;
	return r == -ETIMEDOUT ? 0 : r;
}

static int on_discard_input(struct stream *base)
{
	return drain(of(base), 0);
}

/* What comes meanwhile is thrown away: whoever pauses wants to hear nothing of before. */
static int on_pause(struct stream *base, unsigned msec)
{
	return drain(of(base), msec);
}

static int64_t on_now_msec(const struct stream *base)
{
	return can_now_msec(((const struct can_stream *)base)->can);
}

int can_stream_open(struct can_stream *stream, const char *interface, unsigned number)
{
	static const struct stream_operations operations = {
		.read = on_read,
		.write = on_write,
		.discard_input = on_discard_input,
		.pause = on_pause,
		.now_msec = on_now_msec,
	};
	*stream = (struct can_stream){
		.stream.operations = &operations,
		.to = can_to_node(number),
		.from = can_from_node(number),
	};
	TRY(can_open(interface, &stream->can));
	int r = can_listen(stream->can, &stream->from, 1, true);
	if (r < 0)
		can_stream_done(stream);
	return r;
}

void can_stream_done(struct can_stream *stream)
{
	stream->can = can_close(stream->can);
}
