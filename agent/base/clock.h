/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Time as a number.
 */
#include <stdint.h>
#include <time.h>

#define USEC_PER_SEC 1000000ull

/* Microseconds of CLOCK_MONOTONIC, CLOCK_REALTIME and the like. */
static inline uint64_t clock_usec(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * USEC_PER_SEC + (uint64_t)now.tv_nsec / 1000;
}
