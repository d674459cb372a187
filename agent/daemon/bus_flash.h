/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Flash(s board) → t job: a person wants a board to have what the policy means for it. Only bus.c
 * calls this.
 */
#include "daemon/bus.h"

/* `call` has one string: a place, a port, or the name of a board in the policy. */
int bus_flash(sd_bus_message *call, const struct bus_view *view, sd_bus_error *error) _must_check_;
