/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The CAN controller in an adapter, with the transceiver and the cable: mailboxes, error counters,
 * repetition until somebody acknowledges, bus-off and the way back. Counts as ISO 11898-1 has it;
 * leaves the bus and comes back as a bxCAN with automatic bus-off management, which has not
 * forgotten what it wanted to send; or stays away.
 */
#include "emu/gs_usb.h"
#include "emu/resident.h"

#define GS_USB_MAILBOXES 3
#define GS_USB_NODES     8

/* A board behind the adapter: what runs in it, and its time. */
struct gs_usb_node {
	struct device_core *core;
	struct resident *resident;
};

struct gs_usb_chip {
	struct gs_usb *adapter;
	uint32_t bitrate; /* as the host has set it; 0: off the bus */
	bool listen_only;
	bool stays_off; /* an FDCAN, until it is set up anew */
	/* The wire: at which rate its nodes speak, and others who say nothing and acknowledge. 0:
	 * the cable is open, or there are none. */
	uint32_t nodes_bitrate, others_bitrate;
	struct gs_usb_node nodes[GS_USB_NODES];
	size_t node_count;
	struct gs_usb_frame mailboxes[GS_USB_MAILBOXES];
	size_t count;
	/* On the wire until `due`, which is also that of the way back from bus-off. */
	uint64_t due;
	struct resident *from; /* NULL: the adapter */
	bool is_collision;
	unsigned collisions, send_errors, receive_errors;
	enum gs_usb_state state;
};

/* What gs_usb_new() wants. */
struct gs_usb_wire gs_usb_chip_wire(struct gs_usb_chip *chip);

/* -ENOSPC when there are as many as the cable has room for. */
int gs_usb_chip_add(struct gs_usb_chip *chip, struct device_core *core, struct resident *resident)
	_must_check_;
void gs_usb_chip_remove(struct gs_usb_chip *chip, const struct resident *resident);

/* The one in a board of this make; NULL: it is of another. */
struct emulated_board;
struct gs_usb_chip *candlelight_board_chip(struct emulated_board *board);
