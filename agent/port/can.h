/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A CAN bus as a wire: frames of up to eight bytes under eleven-bit numbers, through a raw socket,
 * and what the kernel says of the interface. Knows no board, assigns no node, never logs.
 *
 * Every function that can fail returns a negative errno:
 *   -ENODEV     the interface is not there     -ENETDOWN  it is down
 *   -EBUSY      somebody of ours has the bus   -ENOBUFS   the queue stays full: nothing is sent
 *   -ETIMEDOUT  nothing came in time
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "model/can.h"

#define CAN_PAYLOAD 8u

struct can;

struct can_frame_seen {
	uint32_t number; /* 0 to 0x7ff; of an error frame its class bits (linux/can/error.h) */
	bool is_error;
	bool is_ours; /* sent by another program of this computer */
	uint8_t length;
	uint8_t data[CAN_PAYLOAD];
	int64_t time_usec; /* the kernel's, of its arrival; CLOCK_REALTIME */
};

/* Opens a socket on the interface, which need not be up to be looked at. Nothing is heard before
 * can_listen(). */
int can_open(const char *interface, struct can **ret) _must_check_;
struct can *can_close(struct can *can);
DEFINE_CLEANUP(struct can *, can_close)

/* Hears these numbers from now on and no others (`count` 0: all), and error frames or none. */
int can_listen(struct can *can, const uint32_t *numbers, size_t count, bool errors) _must_check_;

/* One frame behind all that were sent before, or an error: none is ever left out. Waits while what
 * is under way fills the queue, no longer than `timeout_msec`. */
int can_send(struct can *can, uint32_t number, const void *data, size_t length,
	unsigned timeout_msec) _must_check_;

/* Waits for a frame, no longer than `timeout_msec`. */
int can_receive(struct can *can, struct can_frame_seen *ret, unsigned timeout_msec) _must_check_;

int64_t can_now_msec(const struct can *can);

/*
 * The lock of a bus, kept until can_close(): a share, of which there are CAN_SHARES, each with a
 * number of its own in `*ret_share`; or all of it. It holds among all programs that ask for it on
 * this computer, and ends with them. -EBUSY: no share is free, or others have some.
 */
#define CAN_SHARES 8u
int can_lock_share(struct can *can, unsigned *ret_share) _must_check_;
int can_lock_all(struct can *can) _must_check_;

/* How many programs of this computer listen to single numbers of this range on the interface, as
 * Klipper's host does to each of its nodes (/proc/net/can); not counting `can` itself. */
int can_listeners(const struct can *can, uint32_t first, uint32_t last, unsigned *ret_count)
	_must_check_;

/* What the kernel says of an interface, by netlink and sysfs; -ENODEV: there is none of this name,
 * or it is none for CAN. What the driver does not tell stays unknown. */
int can_interface_read(const char *name, struct can_interface *ret) _must_check_;

/* Takes the interface down, sets what the setting states, and brings it up; needs CAP_NET_ADMIN.
 * -EOPNOTSUPP: its driver has no bitrate, as vcan. A driver that has no restart goes without: what
 * it has is read afterwards. */
int can_interface_set(const char *name, const struct can_setting *setting) _must_check_;
