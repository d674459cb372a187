/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A full-speed host controller with one device: takes URBs, turns them into packets on a wire that
 * carries one at a time, and gives them back. It walks through time from event to event, so it may
 * be called late and still lets the device have its exact times.
 */
#include "emu/device_core.h"

#define CONTROLLER_QUEUES 33 /* endpoint zero, then 16 each way */

struct urb {
	/* filled in by whoever submits */
	uint8_t endpoint; /* bit 7: towards the host; 0: control */
	uint8_t setup[8];
	uint8_t *data; /* the data stage of a control transfer needs 64 bytes at least */
	size_t length;
	bool zero_packet; /* end a full last packet with an empty one */
	void (*on_done)(struct urb *urb);
	void *context;
	/* filled in by the controller */
	size_t transferred;
	int status; /* 0 or a negative errno as a kernel gives it: -EPIPE, -EPROTO, -ESHUTDOWN… */
	bool done;
	bool unlinked;
	struct urb *next;
};

struct urb_queue {
	struct urb *head, **tail;
	bool toggle;
};

struct controller {
	struct device_core *core;
	uint64_t clock;
	struct urb_queue queues[CONTROLLER_QUEUES];
	unsigned turn;
	struct urb *flying; /* its packet is on the wire until `landing` */
	uint64_t landing;
	bool carrying; /* it is a control transfer that was served, its data are still coming */
	bool down; /* the device is gone: every URB is refused */
	/* The requests that reset toggles on the other side do so on this side too: for transports
	 * where the real host's toggles cannot be seen. */
	bool toggles_follow_requests;
};

void controller_init(struct controller *controller, struct device_core *core, uint64_t now);

/* -ENODEV when the device is gone. The URB belongs to the controller until on_done(). */
int controller_submit(struct controller *controller, struct urb *urb);
/* on_done() follows at once, or when the packet that is on the wire has landed. */
void controller_unlink(struct controller *controller, struct urb *urb);
/* Gives back every URB with `status`. */
void controller_flush(struct controller *controller, int status);
/* The other side was reset: both sides start with DATA0. */
void controller_reset_toggles(struct controller *controller);
void controller_reset_toggle(struct controller *controller, uint8_t endpoint);

/* Lets everything happen until `now`, device included; returns when to call again. */
uint64_t controller_run(struct controller *controller, uint64_t now);
