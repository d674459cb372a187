/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Any D-Bus message as one JSON value, so that no reply is taken apart by hand: dictionaries become
 * objects, arrays and structures arrays, a variant what is in it.
 */
#include <systemd/sd-bus.h>

#include "client/json.h"

/*
 * The body of a message: null when it is empty, the value itself when there is one, an array when
 * there are several. 0; -EBADMSG for a body that does not keep the rules or is nested too deeply;
 * -ENOMEM.
 */
int bus_json_read(sd_bus_message *message, cJSON **ret) _must_check_;
