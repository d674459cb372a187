/* SPDX-License-Identifier: MIT */
/* A serial line without USB; see uart.h. */
#include <stdlib.h>
#include <string.h>

#include "emu/noise.h"
#include "emu/uart.h"

#define BITS_OF_BYTE 10

static uint64_t byte_nsec(uint32_t baud)
{
	return BITS_OF_BYTE * NSEC_PER_SEC / baud;
}

static void append(struct uart_queue *queue, const uint8_t *bytes, size_t count)
{
	if (queue->count + count > queue->capacity) {
		queue->capacity = 2 * (queue->count + count);
		queue->bytes = realloc(queue->bytes, queue->capacity);
		if (!queue->bytes)
			abort();
	}
	memcpy(queue->bytes + queue->count, bytes, count);
	queue->count += count;
}

static void take_first(struct uart_queue *queue, size_t count)
{
	queue->count -= count;
	memmove(queue->bytes, queue->bytes + count, queue->count);
}

void uart_init(struct uart *uart, uint32_t baud)
{
	*uart = (struct uart){
		.baud = baud ? baud : UART_BAUD, .arrival = NEVER, .departure = NEVER, .noise = 1
	};
	uart->host_baud = uart->baud;
}

void uart_done(struct uart *uart)
{
	free(uart->to_board.bytes);
	free(uart->to_host.bytes);
}

void uart_start(struct uart *uart, bool powered)
{
	uart->powered = powered;
	uart->departure = NEVER;
	uart->has_kept = false;
}

void uart_host_send(struct uart *uart, uint64_t now, const uint8_t *bytes, size_t count)
{
	if (!count)
		return;
	append(&uart->to_board, bytes, count);
	if (uart->arrival == NEVER)
		uart->arrival = now + byte_nsec(uart->host_baud);
}

size_t uart_host_take(struct uart *uart, uint8_t *ret, size_t most)
{
	size_t count = uart->to_host.count < most ? uart->to_host.count : most;
	if (!count)
		return 0;
	memcpy(ret, uart->to_host.bytes, count);
	take_first(&uart->to_host, count);
	return count;
}

uint64_t uart_next(const struct uart *uart)
{
	return uart->arrival < uart->departure ? uart->arrival : uart->departure;
}

/* At another rate a byte is heard as something else. */
static uint8_t heard(struct uart *uart, uint8_t byte)
{
	uint32_t least = uart->baud - uart->baud / 32, most = uart->baud + uart->baud / 32;
	if (uart->host_baud >= least && uart->host_baud <= most)
		return byte;
	return (uint8_t)(noise_next(&uart->noise) >> 40);
}

static void arrive(struct uart *uart)
{
	uint8_t byte = heard(uart, uart->to_board.bytes[0]);
	take_first(&uart->to_board, 1);
	uart->arrival = uart->to_board.count ? uart->arrival + byte_nsec(uart->host_baud) : NEVER;
	uart->bytes++;
	if (!uart->powered)
		return;
	uart->lost += uart->has_kept;
	if (uart->has_kept)
		return;
	uart->kept = byte;
	uart->has_kept = true;
}

static void depart(struct uart *uart)
{
	uint8_t byte = heard(uart, uart->leaving);
	uart->departure = NEVER;
	uart->bytes++;
	if (uart->to_host.count < UART_HOST_BYTES)
		append(&uart->to_host, &byte, 1);
}

bool uart_advance(struct uart *uart, struct line *line, uint64_t now, bool stalled)
{
	bool came = false;
	for (bool moved = true; moved;) {
		moved = uart_next(uart) <= now;
		if (uart->arrival <= now)
			arrive(uart);
		if (uart->departure <= now)
			depart(uart);
		if (stalled || !uart->powered)
			continue;
		if (uart->has_kept) {
			line_feed(line, &uart->kept, 1);
			uart->has_kept = false;
			came = true;
		}
		if (uart->departure == NEVER && line_drain(line, &uart->leaving, 1))
			uart->departure = now + byte_nsec(uart->baud);
	}
	return came;
}
