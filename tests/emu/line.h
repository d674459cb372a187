/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The bytes between a program in an emulated chip and its host: a receive and a transmit buffer of
 * the sizes that the program has, and what goes wrong with bytes on request. The way to the host, a
 * CDC function or a UART, feeds one and drains the other.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINE_BUFFER_BYTES 256
#define LINE_FAULTS       8

enum line_direction {
	LINE_TO_BOARD,
	LINE_TO_HOST,
};

enum line_fault_kind {
	LINE_FLIP, /* bit `bit` is another */
	LINE_LOSE,
	LINE_DUPLICATE,
};

/* Strikes at byte `nth` (from 0, counted from arming), or at random. */
struct line_fault {
	enum line_fault_kind kind;
	enum line_direction direction;
	uint64_t nth;
	uint8_t bit;
	uint32_t per_million; /* of all bytes, instead of `nth`; for ever */
	uint64_t seed; /* of these dice */
};

struct armed_line_fault {
	struct line_fault fault;
	uint64_t seen, noise;
	uint64_t struck;
};

struct line {
	uint8_t received[LINE_BUFFER_BYTES], to_send[LINE_BUFFER_BYTES];
	size_t receive_bytes, send_bytes; /* the sizes of the buffers */
	size_t received_count, to_send_count;
	uint64_t bytes[2]; /* that came and went, by direction */
	uint64_t overrun; /* that came and found no room */
	uint64_t unsent; /* answers that were dropped because they did not fit */
	struct armed_line_fault faults[LINE_FAULTS];
	size_t fault_count;
};

/* A program begins: its buffers are empty. Faults and books stay. */
void line_start(struct line *line, size_t receive_bytes, size_t send_bytes);

/* The transport's side. What has no room is lost. */
size_t line_room(const struct line *line);
void line_feed(struct line *line, const uint8_t *bytes, size_t count);
/* At most `most` bytes. A duplicate of the last of them is told one time later. */
size_t line_drain(struct line *line, uint8_t *ret, size_t most);

/* The program's side. */
void line_pop(struct line *line, size_t count);
/* All of it or, when it does not fit, nothing: false. */
bool line_send(struct line *line, const uint8_t *bytes, size_t count);

/* A number for line_fault_struck(), -ENOSPC when there are too many. */
int line_arm(struct line *line, const struct line_fault *fault);
uint64_t line_fault_struck(const struct line *line, int fault); /* how often */
void line_disarm_all(struct line *line);
