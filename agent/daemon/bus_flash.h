/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Flash(s board) → t job: a person wants a board to have what the policy means for it. Only bus.c
 * calls this.
 */
#include <systemd/sd-bus.h>

#include "daemon/can_links.h"
#include "daemon/conduct.h"
#include "daemon/monitor.h"

/* Where boards and rules are looked for. */
struct flash_view {
	struct conduct *conduct;
	const struct monitor *monitor;
	const struct policy *policy;
	const struct can_links *links; /* may be NULL: no bus is known to be there */
};

/* `call` has one string: a place, a port, or the name of a board in the policy. */
int bus_flash(sd_bus_message *call, const struct flash_view *view, sd_bus_error *error)
	_must_check_;
