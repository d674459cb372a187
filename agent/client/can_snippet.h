/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * How to set a CAN interface up for good without plugflash: the files that ifupdown or
 * systemd-networkd would read.
 */
#include "client/json.h"

enum can_snippet {
	CAN_SNIPPET_IFUPDOWN,
	CAN_SNIPPET_NETWORKD,
	_CAN_SNIPPET_MAX,
};

int can_snippet_from_name(const char *name); /* enum can_snippet or -EINVAL */

/* For a bus as LookAtBus describes it: the bitrate that the policy wants, or else the one that it
 * has. A new string; NULL when memory is short. (interfaces(5), systemd.network(5),
 * systemd.link(5))
 */
char *can_snippet_text(enum can_snippet kind, const cJSON *bus) _must_check_;
