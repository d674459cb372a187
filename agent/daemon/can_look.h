/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One look at one CAN bus, by a worker of its own: printers are asked first, since a query is heard
 * by all nodes. No job, and nothing in the history: nothing is written.
 */
#include <systemd/sd-event.h>

#include "base/cleanup.h"
#include "model/can.h"
#include "model/policy.h"
#include "model/reason.h"

struct can_look;

/* Called once, from the event loop. `sight` is NULL when there is none: then `code` and `sentence`
 * say why. Both live as long as the call. */
typedef void (*can_look_on_end)(
	void *context, const struct can_sight *sight, enum reason_code code, const char *sentence);

/* Begins to look. The policy says whom to ask, and which nodes may be there; it need not outlive
 * the call. Negative errno: nothing has begun. */
int can_look_begin(sd_event *event, const char *worker_socket, const struct policy *policy,
	const char *interface, can_look_on_end on_end, void *context, struct can_look **ret)
	_must_check_;

/* Ends it, done or not. May be called from within `on_end`. */
struct can_look *can_look_free(struct can_look *look);
DEFINE_CLEANUP(struct can_look *, can_look_free)

const char *can_look_interface(const struct can_look *look);
