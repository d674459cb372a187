/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The words between mind and hands, one a SOCK_SEQPACKET message. The mind takes the hands' words
 * for hostile input: a worker may have been taken over by the board it spoke to.
 *
 *   mind → hands: JOB, then GO (with the image's memfd), ENTER or STOP; STOP again at any time
 *   hands → mind: KEEP… for what a board held before, EVIDENCE, PROGRESS…, PLAN where the language
 *                 allows one, OUTCOME (the last word)
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/digest.h"
#include "model/board.h"
#include "model/can.h"
#include "model/job.h"
#include "model/reason.h"

#define WIRE_MESSAGE_MAX  4096
#define WIRE_SYSPATH_MAX  512
#define WIRE_SENTENCE_MAX 1024
#define WIRE_TTY_MAX      256
#define WIRE_KEEP_BYTES   2048 /* of one message */
#define WIRE_KEEP_MAX     (1u << 20) /* of all that a job may have kept of one kind */

enum wire_type {
	WIRE_JOB = 1,
	WIRE_GO,
	WIRE_STOP,
	WIRE_ENTER,
	WIRE_KEEP,
	WIRE_EVIDENCE,
	WIRE_PROGRESS,
	WIRE_PLAN,
	WIRE_OUTCOME,
};

struct wire_job {
	uint64_t id;
	enum board_mode mode;
	uint32_t bus;
	uint32_t device;
	uint64_t arrival;
	char syspath[WIRE_SYSPATH_MAX]; /* "": a line that stands for itself, */
	char tty[WIRE_TTY_MAX]; /* "/dev/ttyAMA0", */
	uint32_t baud; /* and its rate */
	char can[CAN_NAME_TEXT]; /* "": neither a bus (mode MODE_CAN), nor a node of one, */
	char can_uuid[CAN_UUID_TEXT]; /* which is this; beside a syspath: of a bridge, which is
				       * reached through the bus that it makes */
	/* Of a bus: nodes that somebody has heard of. */
	char expected[CAN_NODES_MAX][CAN_UUID_TEXT];
	size_t expected_count;
};

struct wire_go {
	struct digest digest; /* of the image in the memfd that comes with this message */
	bool force; /* rewrite what is already as it should be */
};

struct wire_stop {
	/* A board that nobody has changed shall start what is in its flash, instead of staying. */
	bool leave;
};

/* What a board holds, piece by piece and in order, for the mind to keep before it is overwritten.
 */
struct wire_keep {
	enum keepsake kind;
	uint32_t address; /* of the first byte of the whole, where that means something */
	uint32_t total_bytes;
	uint32_t offset;
	uint32_t length; /* 1 … WIRE_KEEP_BYTES; offset + length is no more than total_bytes */
	uint8_t bytes[WIRE_KEEP_BYTES];
};

struct wire_progress {
	enum job_phase phase;
	uint64_t done_bytes;
	uint64_t total_bytes;
};

struct wire_outcome {
	enum job_outcome outcome;
	enum reason_code reason; /* REASON_NONE for flashed and identical */
	enum verification verification;
	bool restarted; /* the board was told to start its application */
	struct job_tally tally;
	char sentence[WIRE_SENTENCE_MAX]; /* plain text */
};

struct wire_message {
	enum wire_type type;
	union {
		struct wire_job job;
		struct wire_go go;
		struct wire_stop stop;
		struct wire_keep keep;
		struct board_facts evidence;
		struct wire_progress progress;
		struct job_plan plan;
		struct wire_outcome outcome;
	};
};

/* Appends the message's bytes; the buffer's sticky failure says when memory was short. A sentence
 * is made plain on the way. */
void wire_encode(const struct wire_message *message, struct buffer *ret);

/* 0, or -EBADMSG for bytes that are not exactly one message with every value in range, or for an
 * outcome that contradicts itself. */
int wire_decode(const void *data, size_t length, struct wire_message *ret) _must_check_;

/* Sends one message, with `fd` beside it unless that is -1. Waits only if the socket does. Negative
 * errno; -EPIPE: peer gone. */
int wire_send(int socket, const struct wire_message *message, int fd) _must_check_;

/*
 * Receives one message without waiting. 0: `*ret`, and `*ret_fd` the fd that came along or -1, now
 * the caller's: GO always brings one, nothing else does. WIRE_CLOSED: the peer is gone. -EAGAIN:
 * nothing there. -EBADMSG: garbage, and every fd that came with it is closed.
 */
#define WIRE_CLOSED 1
int wire_receive(int socket, struct wire_message *ret, int *ret_fd) _must_check_;
