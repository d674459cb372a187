/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Finds the first of many that has a name. The names are not copied.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"

struct name_index_entry {
	const char *name;
	size_t place;
};

struct name_index {
	struct name_index_entry *entries;
	size_t count;
	size_t allocated;
};

/* Room for this many names. 0 or -ENOMEM. */
int name_index_init(struct name_index *index, size_t capacity) _must_check_;
void name_index_done(struct name_index *index);

/* What has no name (NULL) is not found again. */
void name_index_add(struct name_index *index, const char *name, size_t place);

/* After the last name, before the first search. */
void name_index_sort(struct name_index *index);

/* Finds the lowest place of this name. */
bool name_index_find(const struct name_index *index, const char *name, size_t *ret_place);
