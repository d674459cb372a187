/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A number that goes on after a restart: a job's number in the journal means one job for ever.
 */
#include <stdint.h>

#include "base/cleanup.h"

/*
 * Adds one to `*last` and stores it. `*last` 0: nothing given out yet, the file is asked first; no
 * file, or nonsense in it, counts from 1. Negative errno: not stored. The number is good even
 * then, and what stood in the file still stands there.
 */
int counter_next(const char *path, uint64_t *last) _must_check_;
