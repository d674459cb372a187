/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A CAN bus in nanoseconds: nodes, and the adapter of one host with the queue that a kernel has
 * before it. One frame at a time, the lowest number first, repeated until somebody acknowledges.
 * What can go wrong with a bus does so on request.
 */
#include "emu/resident.h"

#define CAN_BUS_NODES  16
#define CAN_BUS_FAULTS 8
#define CAN_BUS_QUEUE  128

struct can_bus_options {
	uint32_t bitrate; /* 0: 1000000 */
	uint32_t host_bitrate; /* as it is set on the interface; 0: the bus's */
	uint64_t adapter_nsec; /* from a program to the wire, and back; 0: 150 us */
	bool is_bridge; /* the adapter reports no error, ever */
	uint32_t restart_msec; /* after bus-off; 0: never */
	unsigned collisions; /* of answers under one number, until one is later; 0: 3 */
};

/* What becomes of a frame between the wire and a program: the wire itself checks its frames, a bad
 * adapter or driver does not. */
enum can_bus_fault_kind {
	CAN_BUS_LOSE,
	CAN_BUS_FLIP, /* a bit of its data */
	CAN_BUS_DUPLICATE,
	CAN_BUS_SWAP, /* with the next one */
};

struct can_bus_fault {
	enum can_bus_fault_kind kind;
	bool to_host; /* else towards nodes */
	uint64_t nth; /* from 0, counted from arming */
	uint8_t bit;
};

/* As linux/can/netlink.h counts them. */
enum can_bus_state {
	CAN_BUS_IS_ACTIVE,
	CAN_BUS_IS_WARNING,
	CAN_BUS_IS_PASSIVE,
	CAN_BUS_IS_OFF,
};

enum can_bus_error {
	CAN_BUS_ERROR_ACKNOWLEDGE,
	CAN_BUS_ERROR_STUFF,
	CAN_BUS_ERROR_BIT,
	CAN_BUS_ERROR_PASSIVE,
	CAN_BUS_ERROR_OFF,
};

struct can_bus_frame {
	struct can_bits bits;
	void *sender; /* of the host's: whoever it is there */
	uint64_t due;
};

struct can_bus_queue {
	struct can_bus_frame frames[CAN_BUS_QUEUE];
	size_t count;
};

/* What the host's programs hear. */
struct can_bus_listener {
	void (*on_frame)(void *context, const struct can_bits *frame, void *sender);
	void (*on_error)(void *context, enum can_bus_error error);
	void (*on_sent)(void *context, void *sender);
	void *context;
};

struct can_bus {
	struct can_bus_options options;
	struct can_bus_listener listener;
	struct resident *nodes[CAN_BUS_NODES];
	uint64_t node_bits[CAN_BUS_NODES]; /* sent by each */
	size_t node_count;
	struct can_bus_queue out; /* the interface's */
	struct can_bus_queue in; /* on the way to programs */
	/* on the wire */
	bool is_busy;
	struct can_bits current;
	struct resident *from; /* NULL: the host */
	uint64_t ends;
	unsigned collided, collided_in_a_row;
	/* the host's controller */
	enum can_bus_state state;
	unsigned send_errors;
	uint64_t restarts_at;
	/* accidents */
	struct {
		struct can_bus_fault fault;
		uint64_t seen, struck;
	} faults[CAN_BUS_FAULTS];
	size_t fault_count;
	bool has_held[2]; /* by direction: it waits for the next one */
	struct can_bus_frame held[2];
	/* books */
	uint64_t host_frames, node_frames, busy_nsec, collisions;
};

void can_bus_init(struct can_bus *bus, const struct can_bus_options *options,
	const struct can_bus_listener *listener);
void can_bus_add_node(struct can_bus *bus, struct resident *resident);

/* Lets happen what is due; returns when the next thing is. */
uint64_t can_bus_run(struct can_bus *bus, uint64_t now);

/* False: the queue is full. */
bool can_bus_send(struct can_bus *bus, uint64_t now, const struct can_bits *frame, void *sender);
/* A program has gone; its frames have not. */
void can_bus_forget(struct can_bus *bus, const void *sender);

/* A number for can_bus_struck(). */
int can_bus_arm(struct can_bus *bus, const struct can_bus_fault *fault);
