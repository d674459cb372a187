/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Bytes to a board and from it, whatever wire they go by: a serial line, or one node of a CAN bus.
 * The first member of whatever is one. Errors are those of the wire; all have
 *   -ENODEV     the wire, or what is at its end, has left
 *   -ETIMEDOUT  nothing came, or not all could go, in time
 */
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct stream;

struct stream_operations {
	int (*read)(struct stream *stream, void *ret, size_t capacity, unsigned timeout_msec);
	int (*write)(struct stream *stream, const void *data, size_t length, unsigned timeout_msec);
	int (*discard_input)(struct stream *stream);
	int (*pause)(struct stream *stream, unsigned msec);
	int64_t (*now_msec)(const struct stream *stream);
};

struct stream {
	const struct stream_operations *operations;
};

/* Waits for at least one byte, no longer than `timeout_msec`. Returns how many came, at most
 * `capacity`. */
static inline _must_check_ int stream_read(
	struct stream *stream, void *ret, size_t capacity, unsigned timeout_msec)
{
	return stream->operations->read(stream, ret, capacity, timeout_msec);
}

/* All of the bytes, in order, or an error: none is ever left out. */
static inline _must_check_ int stream_write(
	struct stream *stream, const void *data, size_t length, unsigned timeout_msec)
{
	return stream->operations->write(stream, data, length, timeout_msec);
}

/* Throws away what has come and was not read. */
static inline _must_check_ int stream_discard_input(struct stream *stream)
{
	return stream->operations->discard_input(stream);
}

/* Lets time pass; ends early with -ENODEV when the wire leaves. */
static inline _must_check_ int stream_pause(struct stream *stream, unsigned msec)
{
	return stream->operations->pause(stream, msec);
}

/* The clock by which all of these wait: for a limit to several of them together. */
static inline int64_t stream_now_msec(const struct stream *stream)
{
	return stream->operations->now_msec(stream);
}
