/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The firmware that boards held before they were written: plain files in the state directory, for a
 * person to go back to. A few of each board are kept, and a bounded number in all.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

#define BACKUPS_OF_A_BOARD 5
#define BACKUPS_IN_ALL     200

struct backup {
	const char *board; /* the id of its chip, its serial, or its place */
	uint64_t time_usec; /* CLOCK_REALTIME */
	uint32_t address; /* of the first byte */
	const uint8_t *bytes;
	size_t length;
};

/*
 * Stores a backup durably below `directory`, which is made if need be, unless the same of this
 * board is there; then forgets the oldest of those that are too many. What else lies there is left
 * alone. 0 and the file's path, the caller's; or a negative errno, and nothing half-written is
 * left.
 */
int backups_store(const char *directory, const struct backup *backup, char **ret_path) _must_check_;
