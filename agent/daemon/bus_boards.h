/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Boards on the bus: those that are known, and the one that is to be enrolled. Each function
 * returns 0 or a negative errno.
 */
#include <systemd/sd-bus.h>

#include "daemon/history.h"
#include "model/enrolment.h"
#include "model/policy.h"

/* aa{sv}: the boards of the book, the last one met first, then those that only the policy names. */
int bus_put_boards(sd_bus_message *message, struct history *history, const struct policy *policy);

/* A whole a{sv}: what an entry for the board would say. */
int bus_put_enrolment(
	sd_bus_message *message, const struct device *device, const struct enrolment *enrolment);
