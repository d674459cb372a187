/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A file that was not there before: all of it appears at once, and is on the disk then.
 */
#include <stddef.h>

/* Writes a new file that everybody may read. -EEXIST: there is something by that name, which is
 * left as it is; another negative errno: nothing has appeared. */
int new_file_write(const char *path, const void *data, size_t length)
	__attribute__((warn_unused_result));
