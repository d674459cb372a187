/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A CAN bus that comes up is looked at once: whoever is found there in Katapult has nothing that
 * runs, or could not start it, and gets the job that a board gets which is plugged in. No jobs on
 * the bus meanwhile, and no look while there are any.
 */
#include <systemd/sd-event.h>

#include "base/cleanup.h"
#include "daemon/conduct.h"

struct can_rescue;

/* All that is pointed to must outlive it. */
int can_rescue_new(sd_event *event, const char *worker_socket, struct conduct *conduct,
	struct can_rescue **ret) _must_check_;
struct can_rescue *can_rescue_free(struct can_rescue *rescue);
DEFINE_CLEANUP(struct can_rescue *, can_rescue_free)

/* The interface has come up, or (`was_present`) is found up at the start: then so are its nodes,
 * and only what goes for boards that were there before the service goes for them. Nobody is looked
 * for where the policy knows no board that might be there. */
void can_rescue_look(struct can_rescue *rescue, const struct policy *policy, const char *interface,
	bool was_present);
