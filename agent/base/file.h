/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Whole files, and bytes that cannot change any more (sealed memfds).
 */
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

/* Opens for reading; a fifo put where a file is expected does not hang the caller. The fd, or a
 * negative errno. */
int file_open(const char *path) _must_check_;

/*
 * Reads all of a regular file, which may hold at most `limit` bytes. -EFBIG: more; -EINVAL: not a
 * regular file. The caller frees `*ret_data`; a NUL that is not counted follows the bytes.
 */
int file_read(const char *path, size_t limit, uint8_t **ret_data, size_t *ret_length) _must_check_;

/* The same for a file that is open already: what was checked is what is read. */
int file_read_fd(int fd, size_t limit, uint8_t **ret_data, size_t *ret_length) _must_check_;

/* Copies bytes into a memfd that nobody can change any more; the new fd or a negative errno. */
int file_seal(const char *name, const void *data, size_t length) _must_check_;

struct mapping {
	const uint8_t *data;
	size_t length;
};

/* Maps a memfd of at most `limit` bytes for reading, after making sure that its seals forbid every
 * change: -EPERM when they do not. */
int file_map_sealed(int fd, size_t limit, struct mapping *ret) _must_check_;
void mapping_done(struct mapping *mapping);
