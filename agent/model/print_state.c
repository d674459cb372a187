/* SPDX-License-Identifier: MIT */
/* Names of what a printer does; see print_state.h. */
#include <assert.h>

#include "model/print_state.h"

const char *print_state_name(enum print_state state)
{
	static const char *const names[_PRINT_STATE_MAX] = {
		[PRINT_UNKNOWN] = "unknown",
		[PRINT_ABSENT] = "absent",
		[PRINT_IDLE] = "idle",
		[PRINT_PAUSED] = "paused",
		[PRINT_PRINTING] = "printing",
	};
	assert(state < _PRINT_STATE_MAX);
	return names[state];
}

bool print_state_is_quiet(enum print_state state)
{
	return state == PRINT_IDLE || state == PRINT_ABSENT;
}
