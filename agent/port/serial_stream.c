/* SPDX-License-Identifier: MIT */
/* A serial line as a stream: its own functions under the names of stream.h; see serial.h. */
#include "port/serial.h"

static int on_read(struct stream *stream, void *ret, size_t capacity, unsigned timeout_msec)
{
	return serial_read((struct serial *)stream, ret, capacity, timeout_msec);
}

static int on_write(struct stream *stream, const void *data, size_t length, unsigned timeout_msec)
{
	return serial_write((struct serial *)stream, data, length, timeout_msec);
}

static int on_discard_input(struct stream *stream)
{
	return serial_discard_input((struct serial *)stream);
}

static int on_pause(struct stream *stream, unsigned msec)
{
	return serial_pause((struct serial *)stream, msec);
}

static int64_t on_now_msec(const struct stream *stream)
{
	return serial_now_msec((const struct serial *)stream);
}

struct stream *serial_stream(struct serial *serial)
{
	static const struct stream_operations operations = {
		.read = on_read,
		.write = on_write,
		.discard_input = on_discard_input,
		.pause = on_pause,
		.now_msec = on_now_msec,
	};
	struct stream *stream = (struct stream *)serial;
	stream->operations = &operations;
	return stream;
}
