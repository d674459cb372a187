/* SPDX-License-Identifier: MIT */
/*
 * agent/port/usb.h over a bench in virtual time. Waiting moves the clock, nothing sleeps.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "emu/bench_parts.h"

#define CLEAR_HALT_MSEC    1000
#define INTERFACES         32
#define SET_INTERFACE_MSEC 1000

struct usb_transfer {
	struct urb urb;
	struct usb_device *device;
	struct usb_transfer *next;
	uint8_t nothing; /* where the data of an empty transfer would be */
};

struct usb_device {
	struct bench *bench;
	struct bench_board *board;
	uint64_t arrival;
	uint32_t claimed;
	uint8_t configuration[HUB_PORT_BYTES];
	size_t configuration_bytes;
	struct usb_transfer *transfers;
};

static bool is_there(const struct usb_device *device)
{
	const struct hub_port *port = &device->board->port;
	return hub_port_has_device(port) && port->arrival == device->arrival;
}

static int error_of(const struct urb *urb)
{
	switch (urb->status) {
	case 0:
		return 0;
	case -EPIPE:
		return -EPIPE;
	case -ESHUTDOWN:
	case -ENODEV:
		return -ENODEV;
	case -ECONNRESET:
		return -ECANCELED;
	}
	return -EIO;
}

static void wait_for(struct usb_device *device, const struct urb *urb, unsigned msec)
{
	uint64_t deadline = device->bench->now + msec * NSEC_PER_MSEC;
	bench_run(device->bench);
	while (!urb->done && bench_step(device->bench, deadline))
		continue;
}

static void unlink_and_wait(struct usb_device *device, struct urb *urb)
{
	bench_run(device->bench);
	controller_unlink(&device->board->port.controller, urb);
	while (!urb->done)
		bench_step(device->bench, NEVER);
}

int usb_open(const struct usb_address *address, struct usb_device **ret)
{
	struct bench *bench = bench_current();
	if (!bench)
		return -ENODEV;
	bench_run(bench);
	struct bench_board *board = bench->boards;
	while (board && (!board->syspath || strcmp(board->syspath, address->syspath) != 0))
		board = board->next;
	if (!board || !hub_port_has_device(&board->port) || address->bus != BENCH_BUS ||
		address->device != board->port.device ||
		(address->arrival && address->arrival != board->port.arrival))
		return -ENODEV;
	if (board->node_forbidden)
		return -EACCES;
	struct usb_device *device = calloc(1, sizeof(*device));
	if (!device)
		return -ENOMEM;
	device->bench = bench;
	device->board = board;
	device->arrival = board->port.arrival;
	device->configuration_bytes = board->port.configuration_bytes;
	memcpy(device->configuration, board->port.configuration, device->configuration_bytes);
	bench->counters.opens++;
	bench->counters.devices_open++;
	*ret = device;
	return 0;
}

struct usb_device *usb_close(struct usb_device *device)
{
	if (!device)
		return NULL;
	while (device->transfers)
		usb_transfer_free(device->transfers);
	device->bench->counters.devices_open--;
	free(device);
	return NULL;
}

int usb_is_same_arrival(struct usb_device *device)
{
	bench_run(device->bench);
	return is_there(device);
}

int usb_configuration(struct usb_device *device, const uint8_t **ret_bytes, size_t *ret_length)
{
	*ret_bytes = device->configuration;
	*ret_length = device->configuration_bytes;
	return 0;
}

static bool has_interface(const struct usb_device *device, unsigned interface)
{
	size_t at = 0;
	while (at + 2 <= device->configuration_bytes && device->configuration[at] >= 2) {
		const uint8_t *descriptor = device->configuration + at;
		if (descriptor[1] == 4 && at + 9 <= device->configuration_bytes &&
			descriptor[2] == interface)
			return true;
		at += descriptor[0];
	}
	return false;
}

int usb_claim(struct usb_device *device, unsigned interface)
{
	bench_run(device->bench);
	if (!is_there(device))
		return -ENODEV;
	if (interface >= INTERFACES || !has_interface(device, interface))
		return -ENOENT;
	device->claimed |= 1u << interface;
	return 0;
}

int usb_control(struct usb_device *device, uint8_t request_type, uint8_t request, uint16_t value,
	uint16_t index, void *data, uint16_t length, unsigned timeout_msec)
{
	bool in = request_type & ENDPOINT_TOWARDS_US;
	struct urb urb = {
		.setup = { request_type, request, (uint8_t)value, (uint8_t)(value >> 8),
			(uint8_t)index, (uint8_t)(index >> 8), (uint8_t)length,
			(uint8_t)(length >> 8) },
		.length = length,
	};
	_cleanup_(freep) uint8_t *stage = malloc(length < PACKET_BYTES ? PACKET_BYTES : length);
	if (!stage)
		return -ENOMEM;
	bench_run(device->bench);
	device->bench->counters.controls++;
	if (!is_there(device))
		return -ENODEV;
	if (!in && length)
		memcpy(stage, data, length);
	urb.data = stage;
	int error = controller_submit(&device->board->port.controller, &urb);
	if (error < 0)
		return error;
	wait_for(device, &urb, timeout_msec);
	if (!urb.done) {
		unlink_and_wait(device, &urb);
		if (urb.status == -ECONNRESET)
			return -ETIMEDOUT;
	}
	if (urb.status)
		return error_of(&urb);
	if (in && urb.transferred)
		memcpy(data, stage, urb.transferred);
	return (int)urb.transferred;
}

int usb_set_alternate(struct usb_device *device, unsigned interface, unsigned alternate)
{
	enum { SET_INTERFACE = 11 };
	return usb_control(device, 0x01, SET_INTERFACE, (uint16_t)alternate, (uint16_t)interface,
		NULL, 0, SET_INTERFACE_MSEC);
}

int usb_submit(struct usb_device *device, uint8_t endpoint, void *data, size_t length,
	struct usb_transfer **ret)
{
	bench_run(device->bench);
	device->bench->counters.submits++;
	if (!is_there(device))
		return -ENODEV;
	struct usb_transfer *transfer = calloc(1, sizeof(*transfer));
	if (!transfer)
		return -ENOMEM;
	transfer->device = device;
	transfer->urb.endpoint = endpoint;
	transfer->urb.data = length ? data : &transfer->nothing;
	transfer->urb.length = length;
	int error = controller_submit(&device->board->port.controller, &transfer->urb);
	if (error < 0) {
		free(transfer);
		return error;
	}
	transfer->next = device->transfers;
	device->transfers = transfer;
	device->bench->counters.transfers_alive++;
	*ret = transfer;
	return 0;
}

int usb_wait(struct usb_transfer *transfer, unsigned timeout_msec, size_t *ret_transferred)
{
	wait_for(transfer->device, &transfer->urb, timeout_msec);
	if (!transfer->urb.done)
		return USB_PENDING;
	if (ret_transferred)
		*ret_transferred = transfer->urb.transferred;
	return error_of(&transfer->urb);
}

void usb_cancel(struct usb_transfer *transfer)
{
	if (transfer->urb.done)
		return;
	transfer->device->bench->counters.cancels++;
	unlink_and_wait(transfer->device, &transfer->urb);
}

struct usb_transfer *usb_transfer_free(struct usb_transfer *transfer)
{
	if (!transfer)
		return NULL;
	usb_cancel(transfer);
	struct usb_transfer **place = &transfer->device->transfers;
	while (*place != transfer)
		place = &(*place)->next;
	*place = transfer->next;
	transfer->device->bench->counters.transfers_alive--;
	free(transfer);
	return NULL;
}

int usb_clear_halt(struct usb_device *device, uint8_t endpoint)
{
	device->bench->counters.halts_cleared++;
	int error = usb_control(device, 0x02, 1, 0, endpoint, NULL, 0, CLEAR_HALT_MSEC);
	if (error < 0)
		return error;
	controller_reset_toggle(&device->board->port.controller, endpoint);
	return 0;
}

int usb_reset(struct usb_device *device)
{
	bench_run(device->bench);
	device->bench->counters.resets++;
	if (!is_there(device))
		return -ENODEV;
	int error = hub_port_reset(&device->board->port);
	if (error < 0)
		return error;
	while (is_there(device) && device->board->port.state != HUB_PORT_PRESENT)
		bench_step(device->bench, NEVER);
	return is_there(device) ? 0 : -ENODEV;
}

int usb_pause(struct usb_device *device, unsigned msec)
{
	uint64_t deadline = device->bench->now + msec * NSEC_PER_MSEC;
	bench_run(device->bench);
	while (is_there(device))
		if (!bench_step(device->bench, deadline))
			return 0;
	return -ENODEV;
}
