/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a printer is doing, as far as it matters to whoever wants to write to one of its boards.
 */
#include <stdbool.h>

enum print_state {
	PRINT_UNKNOWN, /* nobody could tell: to be taken for a print */
	PRINT_ABSENT, /* nobody listens on its socket: Klipper's host is not running */
	PRINT_IDLE, /* also when Klipper is shut down, or could not start */
	PRINT_PAUSED,
	PRINT_PRINTING, /* or it moves, heats or runs a macro */
	_PRINT_STATE_MAX,
};

/* "unknown", "absent", "idle", "paused", "printing"; stable. */
const char *print_state_name(enum print_state state);

/* True when nothing is disturbed by writing to a board of this printer: idle or absent. */
bool print_state_is_quiet(enum print_state state);
