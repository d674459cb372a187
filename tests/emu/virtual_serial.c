/* SPDX-License-Identifier: MIT */
/*
 * agent/port/serial.h over a bench in virtual time: what a kernel's driver for CDC-ACM does, with
 * its URBs, or the wires of a UART. Waiting moves the clock, nothing sleeps.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "emu/bench_parts.h"

#define READ_URBS      16
#define READ_BYTES     128
#define WRITE_URBS     16
#define WRITE_BYTES    1280
#define KEPT_BYTES     8192 /* for a program that does not read */
#define REQUEST_MSEC   5000
#define CLASS_COMM     2
#define CLASS_DATA     10
#define INTERFACE      4
#define ENDPOINT       5
#define DTR_AND_RTS    3
#define ENDPOINTS_SEEN 2

struct serial_read_urb {
	struct urb urb; /* first */
	uint8_t bytes[READ_BYTES];
};

struct serial_write_urb {
	struct urb urb; /* first */
	bool used;
	uint8_t bytes[WRITE_BYTES];
};

struct serial {
	struct bench *bench;
	struct bench_board *board;
	uint64_t arrival;
	unsigned baud;
	bool closing;
	uint8_t in, out;
	uint8_t kept[KEPT_BYTES];
	size_t kept_count;
	struct serial_read_urb reads[READ_URBS];
	struct serial_write_urb writes[WRITE_URBS];
};

static bool is_there(const struct serial *serial)
{
	const struct hub_port *port = &serial->board->port;
	return serial->board->node ||
	       (hub_port_has_device(port) && port->arrival == serial->arrival);
}

static struct controller *controller_of(struct serial *serial)
{
	return &serial->board->port.controller;
}

static struct uart *uart_of(struct serial *serial)
{
	return &bench_resident(serial->board)->uart;
}

/* --- the driver -------------------------------------------------------------------------- */

static void keep(struct serial *serial, const uint8_t *bytes, size_t count)
{
	size_t room = KEPT_BYTES - serial->kept_count;
	if (count > room)
		count = room;
	memcpy(serial->kept + serial->kept_count, bytes, count);
	serial->kept_count += count;
}

/* It is submitted again at once, as long as the device is there. */
static void on_read(struct urb *urb)
{
	struct serial *serial = urb->context;
	if (urb->status || serial->closing)
		return;
	keep(serial, urb->data, urb->transferred);
	if (controller_submit(controller_of(serial), urb) < 0)
		urb->done = true;
}

static void on_written(struct urb *urb)
{
	((struct serial_write_urb *)urb)->used = false;
}

static void start_reading(struct serial *serial)
{
	for (size_t index = 0; index < READ_URBS; index++) {
		struct serial_read_urb *read = &serial->reads[index];
		read->urb = (struct urb){ .endpoint = serial->in,
			.data = read->bytes,
			.length = READ_BYTES,
			.on_done = on_read,
			.context = serial };
		if (controller_submit(controller_of(serial), &read->urb) < 0)
			read->urb.done = true;
	}
}

static void unlink_urb(struct serial *serial, struct urb *urb)
{
	controller_unlink(controller_of(serial), urb);
	while (!urb->done)
		bench_step(serial->bench, NEVER);
}

static void stop_urbs(struct serial *serial)
{
	serial->closing = true;
	for (size_t index = 0; index < READ_URBS; index++)
		unlink_urb(serial, &serial->reads[index].urb);
	for (size_t index = 0; index < WRITE_URBS; index++)
		if (serial->writes[index].used)
			unlink_urb(serial, &serial->writes[index].urb);
}

/* What becomes of the request is nobody's business, as in Linux; only whether the tty stays. */
static int request(
	struct serial *serial, uint8_t code, uint16_t value, const void *data, size_t length)
{
	uint8_t stage[PACKET_BYTES] = { 0 };
	struct urb urb = {
		.setup = { 0x21, code, (uint8_t)value, (uint8_t)(value >> 8), 0, 0,
			(uint8_t)length },
		.data = stage,
		.length = length,
	};
	uint64_t deadline = serial->bench->now + REQUEST_MSEC * NSEC_PER_MSEC;
	if (length)
		memcpy(stage, data, length);
	if (!is_there(serial) || controller_submit(controller_of(serial), &urb) < 0)
		return -ENODEV;
	bench_run(serial->bench);
	while (!urb.done && bench_step(serial->bench, deadline))
		continue;
	if (!urb.done)
		unlink_urb(serial, &urb);
	return 0;
}

static int set_rate(struct serial *serial, unsigned baud)
{
	const uint8_t coding[7] = { (uint8_t)baud, (uint8_t)(baud >> 8), (uint8_t)(baud >> 16),
		(uint8_t)(baud >> 24), 0, 0, 8 };
	if (serial->baud == baud)
		return 0;
	serial->baud = baud;
	if (!serial->board->node)
		return request(serial, 0x20, 0, coding, sizeof(coding));
	uart_of(serial)->host_baud = baud;
	return 0;
}

static int set_dtr(struct serial *serial, bool dtr)
{
	if (serial->board->node)
		return 0;
	return request(serial, 0x22, dtr ? DTR_AND_RTS : 0, NULL, 0);
}

/* --- opening ----------------------------------------------------------------------------- */

/* The bulk endpoints of the data interface; false when the device has no tty. */
static bool find_endpoints(const struct hub_port *port, uint8_t *ret_in, uint8_t *ret_out)
{
	const uint8_t *bytes = port->configuration;
	bool comm = false, data = false;
	unsigned found = 0;
	for (size_t at = 0; at + 7 <= port->configuration_bytes && bytes[at] >= 2;
		at += bytes[at]) {
		const uint8_t *its = bytes + at;
		if (its[1] == INTERFACE && its[0] >= 9) {
			comm = comm || its[5] == CLASS_COMM;
			data = its[5] == CLASS_DATA;
		} else if (its[1] == ENDPOINT && data && its[3] == 2) {
			*(its[2] & ENDPOINT_TOWARDS_US ? ret_in : ret_out) = its[2];
			found++;
		}
	}
	return comm && found == ENDPOINTS_SEEN;
}

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
	if (!hub_port_has_device(port) || (arrival && arrival != port->arrival) ||
		!find_endpoints(port, &serial->in, &serial->out))
		return -ENODEV;
	serial->arrival = port->arrival;
	start_reading(serial);
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
	error = set_dtr(serial, true);
	if (error >= 0)
		error = set_rate(serial, baud);
	if (error < 0) {
		serial_close(serial);
		return error;
	}
	*ret = serial;
	return 0;
}

/* DTR falls, as HUPCL has it. */
struct serial *serial_close(struct serial *serial)
{
	if (!serial)
		return NULL;
	bench_run(serial->bench);
	if (!serial->board->node) {
		if (is_there(serial))
			(void)!set_dtr(serial, false);
		stop_urbs(serial);
	}
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

static struct serial_write_urb *free_write(struct serial *serial)
{
	for (size_t index = 0; index < WRITE_URBS; index++)
		if (!serial->writes[index].used)
			return &serial->writes[index];
	return NULL;
}

/* Ends when the kernel has taken all of it, which is long before the board has. */
static int write_usb(struct serial *serial, const uint8_t *bytes, size_t length, uint64_t deadline)
{
	while (length) {
		struct serial_write_urb *write = free_write(serial);
		size_t part = length < WRITE_BYTES ? length : WRITE_BYTES;
		if (!is_there(serial))
			return -ENODEV;
		if (!write && !bench_step(serial->bench, deadline))
			return -ETIMEDOUT;
		if (!write)
			continue;
		memcpy(write->bytes, bytes, part);
		write->urb = (struct urb){ .endpoint = serial->out,
			.data = write->bytes,
			.length = part,
			.on_done = on_written,
			.context = serial };
		if (controller_submit(controller_of(serial), &write->urb) < 0)
			return -ENODEV;
		write->used = true;
		bytes += part;
		length -= part;
	}
	return 0;
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
