/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The past on the bus: a filter comes in as a dictionary, jobs go out as dictionaries.
 */
#include <systemd/sd-bus.h>

#include "daemon/history.h"

/* Reads the a{sv} of a call. 0; or negative with `error` set: an unknown key, another type. The
 * strings live as long as the call. */
int bus_read_filter(sd_bus_message *call, struct history_filter *ret, sd_bus_error *error);

/* Appends what the filter finds as aa{sv}, newest first, at most HISTORY_ROWS_MAX. */
int bus_put_history(
	sd_bus_message *message, struct history *history, const struct history_filter *filter);

/* key → aa{sv}: the places that are in quarantine, each with place, why and since. */
int bus_put_quarantined(sd_bus_message *message, const char *key, struct history *history);
