/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Points in time as people write them.
 */
#include <stdint.h>

#include "base/cleanup.h"

/*
 * "2026-11-01", "2026-11-01 12:00", "2026-11-01 12:00:30" (local time), "today", "yesterday", or a
 * span back from `now_usec` as "-2h", "-7d". 0 and microseconds of CLOCK_REALTIME; -EINVAL.
 */
int since_parse(const char *text, uint64_t now_usec, uint64_t *ret_usec) _must_check_;
