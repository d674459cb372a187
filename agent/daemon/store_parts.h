/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the parts of the store share; nobody else includes this. store_choose.c finds what a rule
 * means, store_index.c remembers what files hold, store_guard.c says which may be trusted.
 */
#include <glob.h>

#include "daemon/store.h"

/* ---- store_guard.c: may it be used? ------------------------------------------------------ */

/* A refusal that is about one file: "path: text". STORE_REFUSED or -ENOMEM. */
int store_refuse(struct reasons *reasons, enum reason_code code, const char *path, const char *text)
	_must_check_;

/* Watches directories for files that are open for writing. */
struct guard;

int guard_new(struct guard **ret) _must_check_;
struct guard *guard_free(struct guard *guard);
DEFINE_CLEANUP(struct guard *, guard_free)

/* From now on writers are heard of: in this directory, or in the one that the file lies in, also
 * where a link leads to it. More than once does no harm. */
void guard_watch(const struct guard *guard, const char *directory);
void guard_watch_file(const struct guard *guard, const char *path);

/* Hears what has happened since the last time, without waiting. */
void guard_listen(struct guard *guard);

bool guard_is_being_written(const struct guard *guard, const char *path);

/*
 * Could others than root, the service and the operators' group change this file, or put another in
 * its place? 0: no; STORE_REFUSED: yes, and `reasons` names what to mend; -ENOMEM.
 */
int guard_judge(const char *path, const struct stat *status, struct reasons *reasons) _must_check_;

/* ---- store_index.c ----------------------------------------------------------------------- */

struct store {
	char *directory;
	struct guard *guard;
	struct store_entry *entries; /* in the order of their paths */
	size_t count;
	size_t seen; /* in this look */
	size_t visited; /* directories in it, and what is only watched */
	size_t allocated;
};

/* The entry of that path among the first `count`, which are in order; NULL: there is none. */
struct store_entry *store_find(struct store_entry *entries, size_t count, const char *path);

/* Reads, parses and places a file, if it may be used. Answers as store_choose() does. */
int store_load(const struct store *store, const char *path, const struct terms *terms,
	struct reasons *reasons, struct firmware *ret) _must_check_;
