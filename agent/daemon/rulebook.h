/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Policies from files: libconfig in, struct policy out, all or nothing. Every complaint names file,
 * line and the fix.
 */
#include <stddef.h>
#include <sys/types.h>

#include "model/policy.h"
#include "model/reason.h"

/* Where policies come from. A name in a later directory masks the same name in an earlier one;
 * files of all directories are read in the order of their names. A link to /dev/null masks too. */
struct rulebook_source {
	const char *const *directories;
	size_t directory_count;
	uid_t owner; /* who may own a policy beside root */
	/* One file more, that is not there yet: would it do? Its boards must not be enrolled under
	 * another name. NULL: none. */
	const char *more_name;
	const char *more_text;
};

/*
 * 0: `*ret` is the new policy (empty when there are no files; a directory that does not exist is
 * empty), `warnings` may have grown. RULEBOOK_INVALID: `errors` says why, nothing else changed.
 * Negative errno: out of memory.
 */
#define RULEBOOK_INVALID 1
int rulebook_load(const struct rulebook_source *source, struct policy **ret, struct reasons *errors,
	struct reasons *warnings) _must_check_;

/* Is it a name that a file with policies may have? */
bool rulebook_is_file_name(const char *name);

/* Adds what one file's text says to `policy`. 0 or -ENOMEM; complaints go to `errors`. */
int rulebook_parse(const char *file, const char *text, struct policy *policy,
	struct reasons *errors, struct reasons *warnings) _must_check_;

/* Cross-checks a policy that was put together from all its files (names twice, boards that do not
 * exist), and makes it quick to decide with. 0 or -ENOMEM. */
int rulebook_check(struct policy *policy, struct reasons *errors) _must_check_;
