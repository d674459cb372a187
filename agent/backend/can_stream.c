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
	return (void *)stream;
}

static unsigned left_until(const struct can_stream *stream, int64_t deadline_msec)
{
	int64_t left = deadline_msec - can_now_msec(stream->can);
	return left > 0 ? (unsigned)left : 0;
}

static int64_t deadline_of(const struct can_stream *stream, unsigned timeout_msec)
{
	int64_t deadline_msec = can_now_msec(stream->can) + timeout_msec;
	bool is_sooner = stream->deadline_msec && stream->deadline_msec < deadline_msec;
	return is_sooner ? stream->deadline_msec : deadline_msec;
}

/* One frame, whosesoever. Positive: the node's, into `kept`. */
static int receive(struct can_stream *stream, unsigned timeout_msec)
{
	struct can_frame_seen frame;
	TRY(can_receive(stream->can, &frame, timeout_msec));
	if (frame.is_error) {
		can_errors_note(&stream->errors, &frame);
		return frame.number & CAN_ERR_BUSOFF ? -ENETDOWN : 0;
	}
	if (frame.number != stream->from || frame.length == 0)
		return 0;
	memcpy(stream->kept, frame.data, frame.length);
	stream->kept_count = frame.length;
	return 1;
}

/* Errors of the bus may come without end instead. */
static int receive_node(struct can_stream *stream, unsigned timeout_msec)
{
	int64_t deadline_msec = deadline_of(stream, timeout_msec);
	unsigned left;
	int r;
	do {
		left = left_until(stream, deadline_msec);
		r = receive(stream, left);
	} while (r == 0 && left > 0);
	return r == 0 ? -ETIMEDOUT : r;
}

static int on_read(struct stream *base, void *ret, size_t capacity, unsigned timeout_msec)
{
	struct can_stream *stream = of(base);
	if (stream->kept_count == 0)
		TRY(receive_node(stream, timeout_msec));
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
	/* Nothing, but never a part. */
	if (stream->deadline_msec && stream->deadline_msec <= can_now_msec(stream->can))
		return -ETIMEDOUT;
	for (size_t at = 0; at < length; at += CAN_PAYLOAD) {
		size_t left = length - at;
		TRY(can_send(stream->can, stream->to, (const uint8_t *)data + at,
			left < CAN_PAYLOAD ? left : CAN_PAYLOAD,
			left_until(stream, deadline_msec)));
	}
	return 0;
}

static int drain(struct can_stream *stream, unsigned msec)
{
	int64_t deadline_msec = can_now_msec(stream->can) + msec;
	int r = 0;
	/* A node that talks without end is not listened to for ever. */
	for (unsigned frames = 0; r >= 0 && frames < DRAINED_MOST; frames++)
		r = receive(stream, left_until(stream, deadline_msec));
	stream->kept_count = 0;
	return r == -ETIMEDOUT || r > 0 ? 0 : r;
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
	const struct can_stream *stream = (const void *)base;
	return can_now_msec(stream->can);
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
