/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A disk that fails when it is told to, and one that loses what was not synced: a layer of sqlite's
 * between it and the files.
 */
#include <stdbool.h>

enum fault_kind {
	FAULT_FULL, /* half of what is written fits */
	FAULT_IO, /* nothing is written, or not synced */
	FAULT_READ, /* what is there cannot be read */
};

/* Becomes the way in which sqlite reaches every file that is opened from now on. */
void fault_vfs_install(void);
void fault_vfs_remove(void);

/* The `nth` write, sync or truncation (or read, for FAULT_READ) from now on fails, counted from 1;
 * `for_good`: and all after it. */
void fault_vfs_arm(enum fault_kind kind, unsigned nth, bool for_good);

/* All is well again. True: something had failed. */
bool fault_vfs_disarm(void);

/*
 * Keeps what a power cut would leave in `directory`, a file being as it was last synced. After
 * `syncs` the next one is where the power goes: `on_cut` is called, and nothing changes there any
 * more. NULL: stops.
 */
void fault_vfs_survive(
	const char *directory, unsigned syncs, void (*on_cut)(void *context), void *context);
