/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The kernel's lists of who receives what on a CAN bus (/proc/net/can/rcvlist_*). Inside port/can
 * only.
 */
#include <stdbool.h>
#include <stdint.h>

/* Is this line of such a list about a receiver of one number from `first` to `last` on this
 * interface? `line` may be anything. */
bool can_rcvlist_matches(const char *line, const char *interface, uint32_t first, uint32_t last);
