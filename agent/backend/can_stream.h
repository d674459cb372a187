/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One node of a CAN bus as a stream: bytes cut into frames of up to eight, under the two numbers
 * that belong to the node's own. Where a frame ends means nothing (katapult, klipper:
 * src/generic/canserial.c). Frames of others are not heard.
 */
#include "port/can.h"
#include "port/stream.h"

struct can_stream {
	struct stream stream; /* first */
	struct can *can; /* owned */
	uint32_t to, from;
	uint8_t kept[CAN_PAYLOAD]; /* of a frame that was read in part */
	size_t kept_count;
	int64_t deadline_msec; /* from then on everything is -ETIMEDOUT; 0: never */
	struct can_errors errors; /* of the bus, while it was listened to */
};

/*
 * The node that is or will be number `number`, on this interface. Its functions return the errors
 * of port/can.h, and -ENETDOWN when the controller has taken itself off the bus.
 */
int can_stream_open(struct can_stream *stream, const char *interface, unsigned number) _must_check_;
void can_stream_done(struct can_stream *stream);
