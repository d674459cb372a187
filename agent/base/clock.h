/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Time as a number.
 */
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/* Wide on every processor, by -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64: 2038 is no date to fear. */
_Static_assert(sizeof(time_t) == 8 && sizeof(off_t) == 8, "64-bit time and file offsets");

#define USEC_PER_SEC 1000000ull

/* Microseconds of CLOCK_MONOTONIC, CLOCK_REALTIME and the like. */
static inline uint64_t clock_usec(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * USEC_PER_SEC + (uint64_t)now.tv_nsec / 1000;
}
