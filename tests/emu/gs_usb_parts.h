/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What gs_usb.c and gs_usb_control.c share.
 */
#include "emu/gs_usb.h"

#define GS_USB_ENDPOINT_IN  0x81
#define GS_USB_ENDPOINT_OUT 0x02
#define GS_USB_FRAME_BYTES  20
#define GS_USB_QUEUE        64 /* of frames towards the host */
#define GS_USB_POOL         64 /* of frames from the host that the controller has not taken */
#define GS_USB_BRIDGE_QUEUE 16 /* the same of a bridge */

struct gs_usb_ring {
	struct gs_usb_frame frames[GS_USB_QUEUE];
	size_t first, count;
};

struct gs_usb_endpoint {
	bool halted, toggle;
};

struct gs_usb {
	struct device_core core; /* first */
	struct gs_usb_wire wire;
	bool is_bridge, has_switch;
	char *strings[GS_USB_STRINGS];
	uint64_t now;
	bool attached;
	uint8_t configuration;
	struct gs_usb_endpoint in, out;
	struct gs_usb_ring to_host, from_host;
	/* What the host has set. */
	uint32_t bitrate;
	bool is_up, wants_errors;
	struct gs_usb_counters counters;
};

/* Endpoint zero; `*length` is what the data stage carries. */
enum packet gs_usb_control(
	struct gs_usb *adapter, const uint8_t setup[8], uint8_t *data, size_t *length);

/* The interface goes up or down, by request or because the device has gone. */
void gs_usb_set_up(struct gs_usb *adapter, bool up, bool listen_only);
