/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The service as seen from here: calls over the system bus with JSON as the answer, and whatever
 * can go wrong on the way as a problem that a person can solve.
 */
#include <systemd/sd-bus.h>

#include "client/json.h"
#include "client/problem.h"

static inline void service_closep(sd_bus **bus)
{
	*bus = sd_bus_flush_close_unref(*bus);
}

/* 0, or negative with `problem` set. */
int service_open(sd_bus **ret, struct problem *problem) _must_check_;

/* Calls a method of the service with what `put` appends to the call. Answers like service_call().
 */
int service_call_with(sd_bus *bus, const char *method,
	int (*put)(sd_bus_message *call, void *context), void *context, cJSON **ret,
	struct problem *problem) _must_check_;

/*
 * Calls a method of the service with one string, or with nothing when `argument` is NULL. 0 and the
 * reply's body, or negative with `problem` set.
 */
int service_call(sd_bus *bus, const char *method, const char *argument, cJSON **ret,
	struct problem *problem) _must_check_;
