/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What `check` has found, one by one: {"check", "state", "sentence", "advice"}, the last being what
 * to do next.
 */
#include "client/json.h"

enum finding {
	FINDING_OK,
	FINDING_WARNING, /* works, but not as it should */
	FINDING_PROBLEM,
	FINDING_UNKNOWN, /* whoever asks has no right to see it */
	_FINDING_MAX,
};

/* Adds {"check", "state", "sentence", "advice"} to an array. 0 or -ENOMEM. */
int finding_add(cJSON *findings, enum finding state, const char *check, const char *advice,
	const char *format, ...) _printf_(5, 6) _must_check_;

/* True when one of them is a problem. */
bool finding_is_bad(const cJSON *findings);
