/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * xorshift64*: noise that is the same in every run. The state must not be 0.
 */
#include <stdint.h>

static inline uint64_t noise_next(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dULL;
}
