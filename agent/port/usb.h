/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * USB as a wire: open one device, claim, transfer. Knows no board.
 *
 * Transfers are asynchronous so that a backend can queue command, data and acknowledgement, and so
 * that a wait that ends early leaves the transfer alive: cancelling one that is about to complete
 * would lose what it carries. Every function that can fail returns a negative errno:
 *   -ENODEV  the device has left      -EPIPE  the endpoint stalled
 *   -EIO     a fault on the wire      -ECANCELED  the transfer was given up by usb_cancel()
 */
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct usb_device;
struct usb_transfer;

/*
 * Where a device is, and which of its arrivals is meant. Device numbers are used again, the inode
 * of a sysfs directory is not: together they name one arrival.
 */
struct usb_address {
	const char *syspath; /* "/sys/devices/…/1-1.3" */
	unsigned bus; /* as in /dev/bus/usb/BBB/DDD */
	unsigned device;
	uint64_t arrival; /* st_ino of syspath, 0 = not known */
};

/* usb_wait(): the transfer is still under way, and goes on. */
#define USB_PENDING 1

/*
 * Opens exactly the device at `address` and no other; -ENODEV when another arrival is there now.
 * The device belongs to the caller, who gives it back by usb_close(), which also frees whatever
 * transfers are left.
 */
int usb_open(const struct usb_address *address, struct usb_device **ret) _must_check_;
struct usb_device *usb_close(struct usb_device *device);
DEFINE_CLEANUP(struct usb_device *, usb_close)

/* 1 when the arrival that was opened is still attached, 0 when it has left, negative errno. */
int usb_is_same_arrival(struct usb_device *device) _must_check_;

/* The active configuration descriptor with all that follows it, as the device sent it: hostile
 * bytes. Lives as long as the device. */
int usb_configuration(struct usb_device *device, const uint8_t **ret_bytes, size_t *ret_length)
	_must_check_;

int usb_claim(struct usb_device *device, unsigned interface) _must_check_;

/* Chooses an alternate setting of a claimed interface. */
int usb_set_alternate(struct usb_device *device, unsigned interface, unsigned alternate)
	_must_check_;

/* A control request. Returns the number of bytes of the data stage (0…length) or a negative errno;
 * -ETIMEDOUT when the device did not finish within `timeout_msec`. */
int usb_control(struct usb_device *device, uint8_t request_type, uint8_t request, uint16_t value,
	uint16_t index, void *data, uint16_t length, unsigned timeout_msec) _must_check_;

/*
 * Starts a bulk transfer of `length` bytes on `endpoint` (bit 7 set: towards the host). `data`
 * stays with the caller and must outlive the transfer. Transfers of one endpoint run in the order
 * in which they were submitted. A `length` of 0 is a zero-length packet.
 */
int usb_submit(struct usb_device *device, uint8_t endpoint, void *data, size_t length,
	struct usb_transfer **ret) _must_check_;

/*
 * Waits until the transfer has ended, but no longer than `timeout_msec`. 0: all of it ended well,
 * `*ret_transferred` bytes went over (fewer than asked for: a short packet ended it). USB_PENDING:
 * not yet. Negative errno: how it failed; `*ret_transferred` then holds what went over before.
 * `ret_transferred` may be NULL.
 */
int usb_wait(struct usb_transfer *transfer, unsigned timeout_msec, size_t *ret_transferred)
	_must_check_;

/* Gives up a transfer and waits until the kernel has let go of its buffer. */
void usb_cancel(struct usb_transfer *transfer);

/* Cancels if need be, frees, returns NULL. */
struct usb_transfer *usb_transfer_free(struct usb_transfer *transfer);
DEFINE_CLEANUP(struct usb_transfer *, usb_transfer_free)

/* Un-halts an endpoint on both sides (CLEAR_FEATURE(ENDPOINT_HALT), data toggle back to DATA0). */
int usb_clear_halt(struct usb_device *device, uint8_t endpoint) _must_check_;

/* Resets the port. 0: the device is back and its claims hold; -ENODEV: it came back as another. */
int usb_reset(struct usb_device *device) _must_check_;

/* Lets time pass for a device that must rest (a flash chip still busy after an abort). Ends early
 * with -ENODEV when the device leaves, if the platform tells. */
int usb_pause(struct usb_device *device, unsigned msec) _must_check_;
