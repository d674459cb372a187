/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What is wrong with a CAN bus, if anything is: one named state from all that a look has shown,
 * with the evidence, and what to do next. Pure.
 */
#include "model/can.h"

enum can_health {
	CAN_WELL, /* frames come and go, and whoever is expected answers */
	CAN_QUIET, /* nothing is wrong that anybody could see, and nobody answered a query */
	CAN_DOWN, /* the interface is not brought up */
	CAN_WRONG_SETTING, /* it runs with another bitrate than the policy says, or than it was
			      built for */
	CAN_UNACKNOWLEDGED, /* nobody acknowledges: no powered node, a wire open */
	CAN_WRONG_BITRATE, /* nodes are there and speak at another rate, or the wires are bad */
	CAN_OFF, /* the controller has taken itself off the bus */
	CAN_QUEUE_FULL, /* nothing leaves the queue, and the controller does not say why */
	CAN_UNTERMINATED, /* errors now and then among frames that arrive: suspected, not proved */
	CAN_COLLIDING, /* several nodes answered a query at once, under one number */
	CAN_NODE_MISSING, /* the bus is well, others answer, and one that is expected does not */
	CAN_ALL_MISSING, /* the bus acknowledges, and none of those that are expected answers */
	CAN_IN_USE, /* Klipper's host talks on it: not asked */
	_CAN_HEALTH_MAX,
};

const char *can_health_name(enum can_health health); /* "unacknowledged" */

struct can_diagnosis {
	enum can_health health;
	bool is_blind; /* behind a bridge: errors are never reported, so "well" is less than it says
			*/
	char evidence[256]; /* plain: what was seen */
	char advice[384]; /* plain: what to do next; "" when there is nothing to do */
};

/* `setting` (may be NULL) is what the policy says of this interface. */
void can_diagnose(const struct can_sight *sight, const struct can_setting *setting,
	struct can_diagnosis *ret);
