/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The firmware that there is: from a rule's name, pattern or "auto" to the one image that is meant.
 *
 * The directories are looked through whenever a decision is to be made; what a file holds is known
 * by its content and remembered as long as its inode, size and times stay. Files that others than
 * root and the operators' group could change, and files that somebody is still writing, are not
 * used.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "model/image.h"
#include "model/image_facts.h"
#include "model/policy.h"
#include "model/reason.h"

struct store;

/* `directory` is always looked into, beside those of a policy. 0 or a negative errno. */
int store_new(const char *directory, struct store **ret) _must_check_;
struct store *store_free(struct store *store);
DEFINE_CLEANUP(struct store *, store_free)

/* From now on whoever writes to what a policy may mean is heard of. Once for every new policy. */
void store_watch(struct store *store, const struct policy *policy);

/* An image that a rule means, with all that it says. */
struct firmware {
	char *path;
	struct image *image; /* placed, if it can be */
	struct image_facts says;
};

void firmware_done(struct firmware *firmware);

/*
 * What `rule` means for a board with these facts: the file that it names; or of those that its
 * pattern matches, or of all ("auto"), the newest one that fits. 0: `*ret` is to be released by
 * firmware_done(), and `reasons` has grown if the board is not to get it; STORE_REFUSED: there is
 * none, or nobody can tell which, and `reasons` says so; -ENOMEM.
 */
#define STORE_REFUSED 1
int store_choose(struct store *store, const struct policy *policy, const struct policy_rule *rule,
	const struct board_facts *facts, struct reasons *reasons, struct firmware *ret)
	_must_check_;

/* One file of the store. */
struct store_entry {
	char *path;
	struct stat status;
	bool is_settled; /* what is remembered holds as long as the status stays */
	bool is_seen; /* in the last look */
	enum image_format format;
	uint64_t byte_count;
	struct digest digest;
	struct image_facts says;
	struct reasons reasons; /* why it is never used; none: it may be */
};

/* Looks through all directories. The entries, in the order of their paths, live until the next
 * look. 0; -E2BIG: too many files, the list is then not complete; -ENOMEM. */
int store_look(struct store *store, const struct policy *policy, const struct store_entry **ret,
	size_t *ret_count) _must_check_;
