/* SPDX-License-Identifier: MIT */
/* Names and their places, sorted; see name_index.h. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/name_index.h"

int name_index_init(struct name_index *index, size_t capacity)
{
	*index = (struct name_index){ .allocated = capacity };
	index->entries = calloc(capacity ? capacity : 1, sizeof(*index->entries));
	return index->entries ? 0 : -ENOMEM;
}

void name_index_done(struct name_index *index)
{
	free(index->entries);
	*index = (struct name_index){ 0 };
}

void name_index_add(struct name_index *index, const char *name, size_t place)
{
	assert(index->count < index->allocated);
	if (name)
		index->entries[index->count++] =
			(struct name_index_entry){ .name = name, .place = place };
}

static int compare(const void *left, const void *right)
{
	const struct name_index_entry *a = left, *b = right;
	int order = strcmp(a->name, b->name);
	return order ? order : (a->place > b->place) - (a->place < b->place);
}

void name_index_sort(struct name_index *index)
{
	qsort(index->entries, index->count, sizeof(*index->entries), compare);
}

bool name_index_find(const struct name_index *index, const char *name, size_t *ret_place)
{
	size_t first = 0, end = index->count;
	while (first < end) {
		size_t middle = first + (end - first) / 2;
		if (strcmp(index->entries[middle].name, name) < 0)
			first = middle + 1;
		else
			end = middle;
	}
	if (first == index->count || strcmp(index->entries[first].name, name) != 0)
		return false;
	*ret_place = index->entries[first].place;
	return true;
}
