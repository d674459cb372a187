/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * LookAtBus(s interface) → a{sv}aa{sv}: a CAN bus, what is wrong with it, and its nodes. The answer
 * comes when somebody has looked. Only bus.c calls this.
 */
#include <systemd/sd-bus.h>

#include "base/cleanup.h"
#include "daemon/conduct.h"

struct bus_can; /* the calls that wait for an answer */

struct bus_can_view {
	sd_event *event;
	const char *worker_socket; /* for CAN */
	struct conduct *conduct;
	const struct policy *policy; /* in force now */
};

struct bus_can *bus_can_new(void);
struct bus_can *bus_can_free(struct bus_can *buses);
DEFINE_CLEANUP(struct bus_can *, bus_can_free)

int bus_can_look(struct bus_can *buses, sd_bus_message *call, const struct bus_can_view *view,
	sd_bus_error *error) _must_check_;

/* A bus has been looked at, by whomever: calls that waited for that get their turn. */
void bus_can_go_on(struct bus_can *buses, const struct bus_can_view *view);
