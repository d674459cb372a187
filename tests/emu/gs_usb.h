/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * An adapter between USB and a CAN bus that Linux drives with gs_usb: a candleLight, or a board
 * that runs Klipper built as a bridge. Written from what the kernel's driver asks and what the two
 * firmwares are known to do. What hangs on its other side is told by gs_usb_wire.
 *
 * A candleLight says that a frame was sent when its controller has taken it, tells errors, and can
 * be asked for its counters. A bridge says so at once, tells no error ever, and takes no bitrate.
 */
#include "base/cleanup.h"
#include "emu/device_core.h"

#define GS_USB_DATA    8
#define GS_USB_STRINGS 3

/* A frame as the host writes and reads it, but for the order of its bytes. */
struct gs_usb_frame {
	uint32_t echo; /* of the host's own frame, or GS_USB_HEARD */
	uint32_t id; /* with the marks of linux/can.h */
	uint8_t length;
	uint8_t data[GS_USB_DATA];
};
#define GS_USB_HEARD UINT32_MAX

/* linux/can.h and netlink.h say the same; here they are the device's. */
enum gs_usb_state {
	GS_USB_ACTIVE,
	GS_USB_WARNING,
	GS_USB_PASSIVE,
	GS_USB_BUS_OFF,
	GS_USB_STOPPED,
};

struct gs_usb_health {
	enum gs_usb_state state;
	uint8_t send_errors, receive_errors;
};

/* The other side. All times are those of the device. */
struct gs_usb_wire {
	/* The host has brought the interface up with this bitrate, or down: 0. */
	void (*set)(void *context, uint64_t now, uint32_t bitrate, bool listen_only);
	/* False: there is no room, ask again when something has happened on the wire. */
	bool (*send)(void *context, uint64_t now, const struct gs_usb_frame *frame);
	struct gs_usb_health (*health)(const void *context);
	/* When something happens on it by itself, and lets happen what is due. */
	uint64_t (*next)(const void *context);
	void (*advance)(void *context, uint64_t now);
	void *context;
};

struct gs_usb_options {
	bool is_bridge;
	const char *manufacturer, *product, *serial; /* NULL: as the firmware has it */
	bool has_switch; /* tells errors of single frames to who asks for them, else to everybody */
};

struct gs_usb_counters {
	uint64_t frames_sent; /* by the host */
	uint64_t frames_heard; /* told to the host */
	uint64_t errors_told;
	uint64_t errors_kept; /* nobody had asked for them */
	uint64_t frames_lost; /* there was no room for them */
	uint64_t bit_timings, modes;
};

struct gs_usb;

int gs_usb_new(const struct gs_usb_options *options, const struct gs_usb_wire *wire,
	struct gs_usb **ret) _must_check_;
struct gs_usb *gs_usb_free(struct gs_usb *adapter);
DEFINE_CLEANUP(struct gs_usb *, gs_usb_free)

struct device_core *gs_usb_core(struct gs_usb *adapter);

/* Its plug, or the start of its firmware. */
void gs_usb_attach(struct gs_usb *adapter, uint64_t now);
void gs_usb_detach(struct gs_usb *adapter, uint64_t now);
bool gs_usb_is_attached(const struct gs_usb *adapter);
/* The host has brought the interface up. */
bool gs_usb_is_up(const struct gs_usb *adapter);
uint32_t gs_usb_bitrate(const struct gs_usb *adapter); /* that the host has set; 0: none */

/* From the wire. */
void gs_usb_hear(struct gs_usb *adapter, uint64_t now, const struct gs_usb_frame *frame);
/* Error classes of linux/can/error.h that were seen; with `is_edge` the state is another one. */
void gs_usb_tell_error(struct gs_usb *adapter, uint64_t now, uint32_t classes, uint8_t control,
	uint8_t protocol, bool is_edge);
/* There is room again. */
void gs_usb_drain(struct gs_usb *adapter, uint64_t now);

const struct gs_usb_counters *gs_usb_counters(const struct gs_usb *adapter);
void gs_usb_reset_counters(struct gs_usb *adapter);
