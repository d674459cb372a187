/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Is everything in place on this machine? Looks at files, groups, udev's database and, over the
 * bus, at systemd; changes nothing. What it finds are findings, each with what to do next.
 */
#include <systemd/sd-bus.h>

#include "client/json.h"

/* `bus` may be NULL: what only systemd knows is then unknown. `firmware_directory`: as the service
 * says, or NULL. 0 or -ENOMEM. */
int installation_check(sd_bus *bus, const char *firmware_directory, cJSON *findings) _must_check_;
