/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Two wires between a host and a chip, a byte at a time at some rate, 8N1. The chip keeps one byte
 * that its processor has not fetched; the next one is lost.
 */
#include "emu/device_core.h"
#include "emu/line.h"

#define UART_BAUD       250000u
#define UART_HOST_BYTES 4096u /* what a kernel keeps for a program that does not read */

struct uart_queue {
	uint8_t *bytes;
	size_t count, capacity;
};

struct uart {
	uint32_t baud, host_baud;
	bool powered; /* the chip's side drives its wire, and listens */
	struct uart_queue to_board, to_host;
	uint64_t arrival; /* of the byte that the host is sending, NEVER: none */
	uint64_t departure; /* of the byte that the chip is sending */
	uint8_t leaving;
	uint8_t kept; /* nobody has fetched it yet */
	bool has_kept;
	uint64_t noise;
	uint64_t bytes, lost;
};

void uart_init(struct uart *uart, uint32_t baud);
void uart_done(struct uart *uart);
/* The chip was reset: what it was about to send is gone. */
void uart_start(struct uart *uart, bool powered);

/* The host's side. */
void uart_host_send(struct uart *uart, uint64_t now, const uint8_t *bytes, size_t count);
size_t uart_host_take(struct uart *uart, uint8_t *ret, size_t most);

uint64_t uart_next(const struct uart *uart);
/* True: something has come. The processor serves nobody while it is `stalled`. */
bool uart_advance(struct uart *uart, struct line *line, uint64_t now, bool stalled);
