/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A serial line as a wire: a tty of a USB device, or one that stands for itself. Knows no board.
 *
 * Every function that can fail returns a negative errno:
 *   -ENODEV  the tty has left       -EBUSY  another program holds it
 *   -EIO     a fault on the wire    -ETIMEDOUT  nothing came, or not all could go, in time
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "port/stream.h"

struct serial; /* begins with a struct stream */

/*
 * Which tty is meant. With `usb_syspath` it is the one that this USB device has (of its first
 * interface with one), and only while the device is the same arrival; else `node` is.
 */
struct serial_address {
	const char *usb_syspath; /* "/sys/devices/…/1-1.3", or NULL */
	uint64_t usb_arrival; /* st_ino of usb_syspath, 0 = not known */
	const char *node; /* "/dev/ttyAMA0"; not looked at when there is a usb_syspath */
};

/* Opens the tty for nobody but us (TIOCEXCL, and a lock as Klipper takes it), raw, 8N1. -EBUSY when
 * it is locked; -ENODEV when it is not there, or of another arrival. */
int serial_open(const struct serial_address *address, unsigned baud, struct serial **ret)
	_must_check_;
struct serial *serial_close(struct serial *serial);
DEFINE_CLEANUP(struct serial *, serial_close)

/* Itself, for whoever does not care by which wire the bytes go. */
struct stream *serial_stream(struct serial *serial);

/* Waits for at least one byte, no longer than `timeout_msec`. Returns how many came, at most
 * `capacity`. */
int serial_read(struct serial *serial, void *ret, size_t capacity, unsigned timeout_msec)
	_must_check_;

/* All of the bytes, in order, or an error: none is ever left out. */
int serial_write(struct serial *serial, const void *data, size_t length, unsigned timeout_msec)
	_must_check_;

/* The rate, and whether DTR is raised: both at once are how a USB board is asked for its boot
 * loader. */
int serial_set_line(struct serial *serial, unsigned baud, bool dtr) _must_check_;

/* Throws away what has come and was not read. */
int serial_discard_input(struct serial *serial) _must_check_;

/* Lets time pass; ends early with -ENODEV when the tty leaves. */
int serial_pause(struct serial *serial, unsigned msec) _must_check_;

/* The clock by which all of these wait: for a limit to several of them together. */
int64_t serial_now_msec(const struct serial *serial);
