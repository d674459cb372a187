/* SPDX-License-Identifier: MIT */
/*
 * agent/port/serial.h over a bench in virtual time: what a kernel's driver for CDC-ACM does, with
 * its URBs, or the wires of a UART. Waiting moves the clock, nothing sleeps.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "emu/acm.h"
#include "emu/bench_parts.h"

#define KEPT_BYTES   8192 /* for a program that does not read */
#define REQUEST_MSEC 5000

struct serial {
	struct stream stream; /* first */
	struct bench *bench;
	struct bench_board *board;
	uint64_t arrival;
	unsigned baud;
	uint8_t kept[KEPT_BYTES];
	size_t kept_count;
	struct acm acm;
};

static bool is_there(const struct serial *serial)
{
	const struct hub_port *port = &serial->board->port;
	return serial->board->node ||
	       (hub_port_has_device(port) && port->arrival == serial->arrival);
}

static struct uart *uart_of(struct serial *serial)
{
	return &bench_resident(serial->board)->uart;
}

/* --- the driver -------------------------------------------------------------------------- */

static void keep(void *context, const uint8_t *bytes, size_t count)
{
	struct serial *serial = context;
	size_t room = KEPT_BYTES - serial->kept_count;
	if (count > room)
		count = room;
	memcpy(serial->kept + serial->kept_count, bytes, count);
	serial->kept_count += count;
}

/* Until all requests have ended, or all URBs when it was closed. */
static void settle(struct serial *serial)
{
	uint64_t deadline = serial->bench->now + REQUEST_MSEC * NSEC_PER_MSEC;
	bench_run(serial->bench);
	while (acm_is_busy(&serial->acm) && bench_step(serial->bench, deadline))
		continue;
	if (serial->acm.requests)
		acm_give_up_requests(&serial->acm);
	while (acm_is_busy(&serial->acm))
		bench_step(serial->bench, NEVER);
}

static int set_rate(struct serial *serial, unsigned baud)
{
	int error = 0;
	if (serial->baud == baud)
		return 0;
	serial->baud = baud;
	if (serial->board->node)
		uart_of(serial)->host_baud = baud;
	else
		error = acm_set_rate(&serial->acm, baud);
	settle(serial);
	return error;
}

/* A board that takes it for the order to leave does not answer it. */
static int set_dtr(struct serial *serial, bool dtr)
{
	if (serial->board->node)
		return 0;
	int error = acm_set_dtr(&serial->acm, dtr);
	settle(serial);
	return error < 0 ? error : serial->acm.dtr_status ? -EIO : 0;
}

/* --- opening ----------------------------------------------------------------------------- */

static struct bench_board *find_board(struct bench *bench, const struct serial_address *address)
{
	struct bench_board *board = bench->boards;
	for (; board; board = board->next) {
		const char *name = address->usb_syspath ? board->syspath : board->node;
		const char *wanted = address->usb_syspath ? address->usb_syspath : address->node;
		if (name && wanted && !strcmp(name, wanted))
			return board;
	}
	return NULL;
}

static int open_usb(struct serial *serial, uint64_t arrival)
{
	struct hub_port *port = &serial->board->port;
	uint8_t in, out;
	if (!hub_port_has_device(port) || (arrival && arrival != port->arrival) ||
		!acm_find(port->configuration, port->configuration_bytes, &in, &out))
		return -ENODEV;
	serial->arrival = port->arrival;
	serial->acm.on_bytes = keep;
	serial->acm.context = serial;
	acm_open(&serial->acm, &port->controller, in, out);
	return 0;
}

int serial_open(const struct serial_address *address, unsigned baud, struct serial **ret)
{
	struct bench *bench = bench_current();
	if (!bench)
		return -ENODEV;
	bench_run(bench);
	struct bench_board *board = find_board(bench, address);
	if (!board)
		return -ENODEV;
	if (board->tty_held || board->tty_open)
		return -EBUSY;
	struct serial *serial = calloc(1, sizeof(*serial));
	if (!serial)
		return -ENOMEM;
	serial->bench = bench;
	serial->board = board;
	int error = board->node ? 0 : open_usb(serial, address->usb_arrival);
	if (error < 0) {
		free(serial);
		return error;
	}
	board->tty_open = true;
	bench->counters.ttys_opened++;
	bench->counters.ttys_open++;
	error = set_rate(serial, baud);
	if (error < 0) {
		serial_close(serial);
		return error;
	}
	*ret = serial;
	return 0;
}

struct serial *serial_close(struct serial *serial)
{
	if (!serial)
		return NULL;
	bench_run(serial->bench);
	acm_close(&serial->acm);
	settle(serial);
	serial->board->tty_open = false;
	serial->bench->counters.ttys_open--;
	free(serial);
	return NULL;
}

/* --- bytes ------------------------------------------------------------------------------- */

/* What a UART has brought meanwhile. */
static void collect(struct serial *serial)
{
	bench_run(serial->bench);
	if (serial->board->node)
		serial->kept_count += uart_host_take(uart_of(serial),
			serial->kept + serial->kept_count, KEPT_BYTES - serial->kept_count);
}

int serial_read(struct serial *serial, void *ret, size_t capacity, unsigned timeout_msec)
{
	uint64_t deadline = serial->bench->now + timeout_msec * NSEC_PER_MSEC;
	collect(serial);
	while (!serial->kept_count && is_there(serial) && bench_step(serial->bench, deadline))
		collect(serial);
	if (!is_there(serial))
		return -ENODEV;
	if (!serial->kept_count)
		return -ETIMEDOUT;
	size_t count = serial->kept_count < capacity ? serial->kept_count : capacity;
	memcpy(ret, serial->kept, count);
	serial->kept_count -= count;
	memmove(serial->kept, serial->kept + count, serial->kept_count);
	serial->bench->counters.bytes_read += count;
	return (int)count;
}

/* Ends when the kernel has taken all of it, which is long before the board has. */
static int write_usb(struct serial *serial, const uint8_t *bytes, size_t length, uint64_t deadline)
{
	for (;;) {
		int taken = is_there(serial) ? acm_write(&serial->acm, bytes, length) : -ENODEV;
		if (taken < 0)
			return taken;
		bytes += taken;
		length -= (size_t)taken;
		if (!length)
			return 0;
		if (!bench_step(serial->bench, deadline))
			return -ETIMEDOUT;
	}
}

int serial_write(struct serial *serial, const void *data, size_t length, unsigned timeout_msec)
{
	uint64_t deadline = serial->bench->now + timeout_msec * NSEC_PER_MSEC;
	bench_run(serial->bench);
	serial->bench->counters.bytes_written += length;
	if (!serial->board->node)
		return write_usb(serial, data, length, deadline);
	uart_host_send(uart_of(serial), serial->bench->now, data, length);
	return 0;
}

int serial_set_line(struct serial *serial, unsigned baud, bool dtr)
{
	bench_run(serial->bench);
	serial->bench->counters.lines_set++;
	if (!is_there(serial))
		return -ENODEV;
	int error = set_rate(serial, baud);
	return error < 0 ? error : set_dtr(serial, dtr);
}

int serial_discard_input(struct serial *serial)
{
	collect(serial);
	serial->kept_count = 0;
	return is_there(serial) ? 0 : -ENODEV;
}

int serial_pause(struct serial *serial, unsigned msec)
{
	uint64_t deadline = serial->bench->now + msec * NSEC_PER_MSEC;
	bench_run(serial->bench);
	while (is_there(serial))
		if (!bench_step(serial->bench, deadline))
			return 0;
	return -ENODEV;
}

int64_t serial_now_msec(const struct serial *serial)
{
	return (int64_t)(serial->bench->now / NSEC_PER_MSEC);
}
