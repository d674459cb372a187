/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The CAN controller of a chip, and what Katapult and Klipper do with it: words to all nodes, a
 * number for each, bytes in frames. Between a bus (can_bus.h) and a line.
 */
#include "emu/can_frame.h"
#include "emu/device_core.h"
#include "emu/line.h"

#define BUS_NODE_FIFO       3 /* frames that the hardware keeps */
#define BUS_NODE_UUID_BYTES 6

enum bus_node_language {
	BUS_NODE_SAYS_NOTHING,
	BUS_NODE_SAYS_KATAPULT,
	BUS_NODE_SAYS_KLIPPER,
};

struct bus_node_counters {
	uint64_t heard, lost; /* frames for it; those that came while the fifo was full */
	uint64_t numbered; /* times that it was given a number */
	uint64_t conflicts; /* times that another one was given its number, or used it */
	uint64_t queried, entered;
};

struct bus_node {
	enum bus_node_language language;
	uint8_t uuid[BUS_NODE_UUID_BYTES];
	unsigned number; /* 0: none */
	bool is_shut_down; /* Klipper, over a conflict */
	struct can_bits fifo[BUS_NODE_FIFO];
	unsigned fifo_count;
	bool owes_answer; /* to a query */
	bool is_leaving;
	struct can_bits leaving;
	uint64_t due;
	bool enters; /* was asked for its boot loader */
	struct bus_node_counters counters;
};

/* A program begins, with no number; SAYS_NOTHING: the controller is off. */
void bus_node_start(struct bus_node *node, enum bus_node_language language);

/* The bus's side. True: it was on the bus, and acknowledged the frame. */
bool bus_node_hear(struct bus_node *node, uint64_t now, const struct can_bits *frame);
/* What it wants to send, NULL: nothing. */
const struct can_bits *bus_node_offer(const struct bus_node *node);
void bus_node_sent(struct bus_node *node, uint64_t now);

/* The processor's side. True: bytes have come. It serves nobody while it is `stalled`. */
bool bus_node_advance(struct bus_node *node, struct line *line, bool stalled);
