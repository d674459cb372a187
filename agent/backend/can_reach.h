/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The way to one node of a CAN bus: its share of the bus, a number for it in each of the two
 * languages, and who answers there now. The numbers differ, because what is said in Klipper's
 * language would leave a Katapult deaf. Inside backends only.
 */
#include "backend/can_stream.h"
#include "backend/visit.h"

enum can_speaker {
	CAN_SPEAKER_NOBODY,
	CAN_SPEAKER_KATAPULT,
	CAN_SPEAKER_KLIPPER,
};

struct can_reach {
	struct can *can; /* speaks to all, and holds the share */
	struct can_interface interface;
	char uuid[CAN_UUID_TEXT];
	struct can_stream katapult, klipper;
	unsigned katapult_number, klipper_number;
	bool is_bridge; /* a USB device, which takes its interface with it when it resets */
};

/*
 * Opens the way to the node or bridge of this address. Nobody is given a number yet. -EBUSY: a
 * program of this computer talks to nodes, or all shares are taken; -ENETDOWN: the interface is not
 * up; and the other errors of port/can.h.
 */
int can_reach_open(const struct board_address *address, struct can_reach **ret) _must_check_;
/* The same for whoever has all shares of the bus already, and visits one node at a time. */
int can_reach_open_within(const struct board_address *address, struct can_reach **ret) _must_check_;
struct can_reach *can_reach_close(struct can_reach *reach);
DEFINE_CLEANUP(struct can_reach *, can_reach_close)

/* The interface by whose name that is; -ENODEV: a bridge, which has none now. */
int can_reach_interface(const struct board_address *address, char ret[CAN_NAME_TEXT]) _must_check_;

/* How many programs of this computer listen to nodes that are none of ours. */
int can_reach_listeners(const struct can *can, unsigned *ret_count) _must_check_;

/* From so long on nobody is spoken to any more, and everything is -ETIMEDOUT. */
void can_reach_limit(struct can_reach *reach, unsigned msec);

/*
 * Gives it its numbers until somebody answers under one of them, or `msec` are over. A node that is
 * about to start is met that way, too: where Klipper is wanted, a Katapult that was told to start
 * it is not asked before the time is over.
 */
int can_reach_recognise(struct can_reach *reach, enum can_speaker wanted, unsigned msec,
	enum can_speaker *ret) _must_check_;

/* Tells Klipper to enter its boot loader, and waits until it does not answer any more, or its
 * interface has left with it. -ETIMEDOUT: it still answers. */
int can_reach_enter(struct can_reach *reach) _must_check_;

/* visit_fail() with a sentence for what befell the bus; 0: none for this error. */
int can_reach_fail(struct visit *visit, int error, const char *interface);
