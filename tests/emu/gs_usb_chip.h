/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The CAN controller in an adapter, with the transceiver and the cable: mailboxes, error counters,
 * repetition until somebody acknowledges, bus-off and the way back. Counts as ISO 11898-1 has it;
 * leaves the bus and comes back as a bxCAN with automatic bus-off management, which has not
 * forgotten what it wanted to send; or stays away.
 */
#include "emu/gs_usb.h"

/* What a frame of ours meets out there. */
enum gs_usb_fate {
	GS_USB_ACKNOWLEDGED,
	GS_USB_UNACKNOWLEDGED, /* nobody is there, or hears */
	GS_USB_DESTROYED, /* who is there reads something else, and says so: another bitrate */
};

#define GS_USB_MAILBOXES 3

struct gs_usb_chip {
	struct gs_usb *adapter;
	/* Whoever else is on the wire: what becomes of this frame. NULL: nobody is. */
	enum gs_usb_fate (*meet)(
		void *context, uint64_t now, uint32_t bitrate, const struct gs_usb_frame *frame);
	void *context;
	uint32_t bitrate; /* 0: off the bus */
	bool listen_only;
	bool stays_off; /* an FDCAN, until it is set up anew */
	struct gs_usb_frame mailboxes[GS_USB_MAILBOXES];
	size_t count;
	uint64_t due; /* of the frame that is on the wire, or of the way back */
	unsigned send_errors, receive_errors;
	enum gs_usb_state state;
};

/* What gs_usb_new() wants. */
struct gs_usb_wire gs_usb_chip_wire(struct gs_usb_chip *chip);
