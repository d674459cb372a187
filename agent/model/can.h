/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A CAN bus as a plain value: its interface as the kernel has it, how it ought to be set, and what
 * a look at it has shown. Crosses the wire between hands and mind as one keepsake (KEEP_CAN).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "model/board.h"
#include "model/can_uuid.h"

#define CAN_NAME_TEXT    16 /* an interface's name, and the end (IFNAMSIZ) */
#define CAN_DRIVER_TEXT  32
#define CAN_USB_TEXT     64
#define CAN_VERSION_TEXT 64
#define CAN_NODES_MAX    32u

/* Of the controller (linux/can/netlink.h, enum can_state). */
enum can_controller {
	CAN_CONTROLLER_UNKNOWN,
	CAN_ERROR_ACTIVE,
	CAN_ERROR_WARNING,
	CAN_ERROR_PASSIVE,
	CAN_BUS_OFF,
	CAN_STOPPED,
	CAN_SLEEPING,
	_CAN_CONTROLLER_MAX,
};

const char *can_controller_name(enum can_controller controller); /* "error-passive" */

struct can_interface {
	char name[CAN_NAME_TEXT];
	char driver[CAN_DRIVER_TEXT]; /* "gs_usb"; "" = unknown; plain */
	bool is_up; /* IFF_UP */
	bool is_virtual; /* vcan: no wire, no bitrate, no state */
	/* Of the USB device that it is part of, if it is; plain. */
	char usb_manufacturer[CAN_USB_TEXT];
	char usb_serial[CAN_USB_TEXT];
	enum can_controller controller;
	uint32_t bitrate; /* 0 = unknown, or not set */
	uint32_t sample_point_permille;
	uint32_t restart_msec; /* 0: stays bus-off until someone restarts it */
	uint32_t queue_length; /* txqueuelen */
	bool has_error_counters;
	uint16_t send_errors, receive_errors; /* the controller's counters, not sums */
	/* Since the interface exists. */
	uint64_t frames_sent, frames_received, frames_dropped;
	uint64_t bus_errors, times_warning, times_passive, times_bus_off, restarts;
};

/* What the policy says of an interface. 0 or false: not stated. */
struct can_setting {
	bool setup; /* plugflash shall configure it and bring it up */
	uint32_t bitrate;
	uint32_t sample_point_permille;
	bool has_restart;
	uint32_t restart_msec;
	uint32_t queue_length;
};

/* Error frames that came while somebody looked, by what they say (linux/can/error.h). */
struct can_errors {
	uint32_t no_acknowledge;
	uint32_t stuff, form, bits, checksum;
	uint32_t passive, bus_off, restarted;
	uint32_t others;
};

enum can_node_kind {
	CAN_NODE_SILENT, /* expected, and did not answer */
	CAN_NODE_KLIPPER,
	CAN_NODE_KATAPULT,
	CAN_NODE_UNKNOWN, /* answers, in none of these languages */
	_CAN_NODE_KIND_MAX,
};

const char *can_node_kind_name(enum can_node_kind kind); /* "katapult" */

struct can_node {
	char uuid[CAN_UUID_TEXT]; /* lower case */
	enum can_node_kind kind;
	bool is_expected; /* somebody said that it ought to be there */
	bool is_asked; /* what follows is its own answer, as far as it goes */
	bool has_application_start;
	uint32_t application_start;
	char bootloader_version[CAN_VERSION_TEXT]; /* Katapult's; "" = unknown; plain */
	struct running running; /* of Klipper: version, MCU…; of Katapult the MCU alone */
};

/* One look at one bus. */
struct can_sight {
	struct can_interface interface;
	bool was_asked; /* the query went out; else why not is the rest's matter */
	bool is_in_use; /* a program of this computer talks to nodes: Klipper's host */
	unsigned listeners;
	bool is_queue_full; /* our own frame could not be sent: ENOBUFS, or never gone */
	bool is_garbled; /* answers came that are none: several nodes spoke at once */
	uint32_t frames_heard; /* of anybody, while we listened */
	struct can_errors errors;
	struct can_node nodes[CAN_NODES_MAX];
	size_t node_count;
};

/* Appends its bytes; the buffer's sticky failure says when memory was short. */
void can_sight_encode(const struct can_sight *sight, struct buffer *ret);

/* 0, or -EBADMSG for bytes that are not exactly one sight with every value in range, every text
 * plain and every uuid one. */
int can_sight_decode(const void *data, size_t length, struct can_sight *ret) _must_check_;

/*
 * Is the adapter itself a board that runs Klipper? Such a bridge never reports an error, and the
 * bitrate that Linux has set means nothing to it (klipper, src/generic/usb_canbus.c).
 */
bool can_interface_is_bridge(const struct can_interface *interface);

/* What its bus runs at; 0: not known, as behind a bridge. */
uint32_t can_interface_bitrate(const struct can_interface *interface);

/* "can0", a name that the kernel would take and that is safe in a path. */
bool can_name_is_valid(const char *name);
