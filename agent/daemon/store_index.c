/* SPDX-License-Identifier: MIT */
/* What the files of the store hold; see store_parts.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/text.h"
#include "daemon/store_parts.h"
#include "model/fitness.h"

#define DEPTH_MAX 8
#define FILES_MAX 20000

void firmware_done(struct firmware *firmware)
{
	free(firmware->path);
	image_free(firmware->image);
	image_facts_done(&firmware->says);
	*firmware = (struct firmware){ 0 };
}

/* ---- one file ---------------------------------------------------------------------------- */

static bool is_unchanged(const struct stat *left, const struct stat *right)
{
	return left->st_dev == right->st_dev && left->st_ino == right->st_ino &&
	       left->st_size == right->st_size && left->st_mode == right->st_mode &&
	       left->st_uid == right->st_uid && left->st_gid == right->st_gid &&
	       left->st_mtim.tv_sec == right->st_mtim.tv_sec &&
	       left->st_mtim.tv_nsec == right->st_mtim.tv_nsec &&
	       left->st_ctim.tv_sec == right->st_ctim.tv_sec &&
	       left->st_ctim.tv_nsec == right->st_ctim.tv_nsec;
}

static int refuse_unreadable(const char *path, int error, struct reasons *reasons)
{
	switch (error) {
	case -ENOMEM:
		return error;
	case -EFBIG:
		return store_refuse(reasons, REASON_IMAGE_TOO_LARGE, path,
			"larger than any board's flash; this is no firmware file");
	case -EACCES:
		return store_refuse(reasons, REASON_IMAGE_UNREADABLE, path,
			"plugflashd may not read it; run: chmod g+r on it, or a+r where it is not "
			"the group's");
	case -EINVAL:
		return store_refuse(reasons, REASON_IMAGE_UNREADABLE, path,
			"not a regular file; name a firmware file in the rule");
	case -ENOENT:
		return store_refuse(reasons, REASON_IMAGE_MISSING, path,
			"no such firmware file; put it there or correct the rule");
	default:
		return store_refuse(reasons, REASON_IMAGE_UNREADABLE, path, strerror(-error));
	}
}

static int refuse_unfinished(const char *path, struct reasons *reasons)
{
	return store_refuse(reasons, REASON_IMAGE_BEING_WRITTEN, path,
		"somebody is still writing it; wait until the copy is done, then plug the board "
		"again");
}

/* The bytes of a file that may be used and that did not change meanwhile. */
static int read_bytes(const struct store *store, const char *path, struct reasons *reasons,
	uint8_t **ret_data, size_t *ret_length)
{
	struct stat before, after;
	_cleanup_(closep) int fd = file_open(path);
	if (fd < 0)
		return refuse_unreadable(path, fd, reasons);
	if (fstat(fd, &before) < 0)
		return refuse_unreadable(path, -errno, reasons);
	if (!S_ISREG(before.st_mode))
		return refuse_unreadable(path, -EINVAL, reasons);
	int r = guard_judge(path, &before, reasons);
	if (r != 0)
		return r;
	guard_watch_file(store->guard, path);
	if (guard_is_being_written(store->guard, path))
		return refuse_unfinished(path, reasons);
	_cleanup_(freep) uint8_t *data = NULL;
	r = file_read_fd(fd, IMAGE_FILE_MAX, &data, ret_length);
	if (r < 0)
		return refuse_unreadable(path, r, reasons);
	guard_listen(store->guard);
	if (fstat(fd, &after) < 0 || !is_unchanged(&before, &after) ||
		guard_is_being_written(store->guard, path))
		return refuse_unfinished(path, reasons);
	*ret_data = TAKE_PTR(data);
	return 0;
}

/* A complaint about bytes is to name the file that they came from. */
static int name_file(struct reasons *reasons, size_t from, const char *path)
{
	_cleanup_(freep) char *safe = text_escape(path);
	for (size_t i = from; i < reasons->count && safe; i++) {
		char *named = text_format("%s: %s", safe, reasons->items[i].sentence);
		if (!named)
			return -ENOMEM;
		free(reasons->items[i].sentence);
		reasons->items[i].sentence = named;
	}
	return safe ? STORE_REFUSED : -ENOMEM;
}

int store_load(const struct store *store, const char *path, const struct terms *terms,
	struct reasons *reasons, struct firmware *ret)
{
	_cleanup_(firmware_done) struct firmware firmware = { 0 };
	_cleanup_(freep) uint8_t *data = NULL;
	size_t length, before = reasons->count;
	int r = read_bytes(store, path, reasons, &data, &length);
	if (r != 0)
		return r;
	firmware.path = strdup(path);
	if (!firmware.path)
		return -ENOMEM;
	r = image_parse(data, length, reasons, &firmware.image);
	if (r == 0)
		r = image_facts_read(firmware.image, &firmware.says);
	if (r == 0)
		r = fitness_place(firmware.image, &firmware.says, terms, reasons);
	if (r != 0)
		return r < 0 ? r : name_file(reasons, before, path);
	*ret = firmware;
	firmware = (struct firmware){ 0 };
	return 0;
}

/* ---- the list ---------------------------------------------------------------------------- */

static void entry_forget(struct store_entry *entry)
{
	image_facts_done(&entry->says);
	reasons_done(&entry->reasons);
}

static void entry_done(struct store_entry *entry)
{
	entry_forget(entry);
	free(entry->path);
}

static int compare_entries(const void *left, const void *right)
{
	const struct store_entry *a = left, *b = right;
	return strcmp(a->path, b->path);
}

struct store_entry *store_find(struct store_entry *entries, size_t count, const char *path)
{
	const struct store_entry wanted = { .path = (char *)path };
	return count == 0 ? NULL
			  : bsearch(&wanted, entries, count, sizeof(wanted), compare_entries);
}

/* Takes over the path. */
static struct store_entry *add_entry(struct store *store, char **path)
{
	if (store->count == store->allocated) {
		size_t more = store->allocated ? 2 * store->allocated : 64;
		struct store_entry *grown = reallocarray(store->entries, more, sizeof(*grown));
		if (!grown)
			return NULL;
		store->entries = grown;
		store->allocated = more;
	}
	struct store_entry *entry = &store->entries[store->count++];
	*entry = (struct store_entry){ .path = TAKE_PTR(*path) };
	return entry;
}

/* Files are stamped with a clock that ticks every 10 ms at the slowest, and newer kernels mix
 * stamps of a finer one in: twice that is far enough back. */
#define TICKS_NSEC INT64_C(20000000)

/* Well before this moment: what changes later, within the same tick, would look the same. */
static bool is_before(const struct timespec *stamp, const struct timespec *moment)
{
	int64_t seconds = (int64_t)moment->tv_sec - stamp->tv_sec;
	int64_t nanoseconds = (int64_t)moment->tv_nsec - stamp->tv_nsec;
	return seconds > 1 || seconds * 1000000000 + nanoseconds > TICKS_NSEC;
}

/* What was not read for other reasons than its bytes is tried again at the next look. */
static bool is_settled(const struct store_entry *entry, const struct timespec *began)
{
	return is_before(&entry->status.st_ctim, began) &&
	       !reasons_have(&entry->reasons, REASON_IMAGE_BEING_WRITTEN) &&
	       !reasons_have(&entry->reasons, REASON_FIRMWARE_PERMISSIONS) &&
	       !reasons_have(&entry->reasons, REASON_IMAGE_MISSING) &&
	       !reasons_have(&entry->reasons, REASON_IMAGE_UNREADABLE);
}

static int read_entry(struct store *store, struct store_entry *entry, const struct stat *status)
{
	_cleanup_(firmware_done) struct firmware firmware = { 0 };
	struct timespec began;
	clock_gettime(CLOCK_REALTIME, &began);
	entry_forget(entry);
	entry->status = *status;
	entry->is_settled = false;
	int r = store_load(store, entry->path, NULL, &entry->reasons, &firmware);
	if (r < 0)
		return r;
	entry->is_settled = is_settled(entry, &began);
	if (r > 0)
		return 0;
	entry->format = firmware.image->format;
	entry->byte_count = firmware.image->byte_count;
	entry->digest = firmware.image->digest;
	entry->says = firmware.says;
	firmware.says = (struct image_facts){ 0 };
	return 0;
}

static int see_file(struct store *store, size_t known, char *path, const struct stat *status)
{
	_cleanup_(freep) char *owned = path;
	struct store_entry *entry = store_find(store->entries, known, owned);
	if (store->seen >= FILES_MAX && !(entry && entry->is_seen))
		return -E2BIG;
	if (!entry)
		entry = add_entry(store, &owned);
	if (!entry)
		return -ENOMEM;
	store->seen += !entry->is_seen;
	entry->is_seen = true;
	if (entry->is_settled && is_unchanged(&entry->status, status) &&
		!guard_is_being_written(store->guard, entry->path))
		return 0;
	return read_entry(store, entry, status);
}

static void closedirp(DIR **directory)
{
	if (*directory)
		closedir(*directory);
}

struct visit {
	struct store *store;
	size_t known; /* so many entries are in order */
	bool reads; /* the files; else directories are only watched */
};

/* Directories are not followed through links, which may lead in a circle. */
static bool is_link(DIR *directory, const struct dirent *item)
{
	struct stat status;
	if (item->d_type != DT_UNKNOWN)
		return item->d_type == DT_LNK;
	return fstatat(dirfd(directory), item->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0 ||
	       S_ISLNK(status.st_mode);
}

/* Whoever names "/" as a directory of firmware shall not keep the service busy for minutes. */
static int count_visit(const struct visit *visit)
{
	return ++visit->store->visited > FILES_MAX ? -E2BIG : 0;
}

/* Sees to all that lies below a directory. 0, or the first answer that is not 0. */
static int walk(const struct visit *visit, const char *path, unsigned depth)
{
	_cleanup_(closedirp) DIR *directory = opendir(path);
	if (!directory)
		return 0; /* a rule that names a file in it says what is wrong */
	guard_watch(visit->store->guard, path);
	int r = count_visit(visit);
	for (struct dirent *item; r == 0 && (item = readdir(directory));) {
		struct stat status;
		if (item->d_name[0] == '.' ||
			fstatat(dirfd(directory), item->d_name, &status, 0) < 0)
			continue;
		_cleanup_(freep) char *child = text_format("%s/%s", path, item->d_name);
		if (!child)
			return -ENOMEM;
		if (S_ISREG(status.st_mode))
			r = visit->reads
				    ? see_file(visit->store, visit->known, TAKE_PTR(child), &status)
				    : count_visit(visit);
		else if (S_ISDIR(status.st_mode) && depth < DEPTH_MAX && !is_link(directory, item))
			r = walk(visit, child, depth + 1);
	}
	return r;
}

static int walk_all(const struct visit *visit, const struct policy *policy)
{
	visit->store->visited = 0;
	int r = walk(visit, visit->store->directory, 0);
	for (size_t i = 0; i < policy->directory_count && r == 0; i++)
		r = walk(visit, policy->directories[i], 0);
	return r;
}

static void drop_unseen(struct store *store)
{
	size_t kept = 0;
	for (size_t i = 0; i < store->count; i++) {
		if (store->entries[i].is_seen)
			store->entries[kept++] = store->entries[i];
		else
			entry_done(&store->entries[i]);
	}
	store->count = kept;
}

/* Two directories of a policy may lie in each other. */
static void drop_doubles(struct store *store)
{
	size_t kept = 0;
	for (size_t i = 0; i < store->count; i++) {
		if (kept > 0 && text_equal(store->entries[kept - 1].path, store->entries[i].path))
			entry_done(&store->entries[i]);
		else
			store->entries[kept++] = store->entries[i];
	}
	store->count = kept;
}

int store_look(struct store *store, const struct policy *policy, const struct store_entry **ret,
	size_t *ret_count)
{
	const struct visit visit = { .store = store, .known = store->count, .reads = true };
	for (size_t i = 0; i < store->count; i++)
		store->entries[i].is_seen = false;
	store->seen = 0;
	guard_listen(store->guard);
	int r = walk_all(&visit, policy);
	drop_unseen(store);
	if (store->count > 0)
		qsort(store->entries, store->count, sizeof(*store->entries), compare_entries);
	drop_doubles(store);
	*ret = store->entries;
	*ret_count = store->count;
	return r;
}

void store_watch(struct store *store, const struct policy *policy)
{
	const struct visit visit = { .store = store };
	(void)walk_all(&visit, policy);
	for (size_t i = 0; i < policy->rule_count; i++) {
		const char *image = policy->rules[i].image;
		const char *slash = image ? strrchr(image, '/') : NULL;
		_cleanup_(freep) char *directory =
			slash ? strndup(image, (size_t)(slash - image)) : NULL;
		if (directory && image[0] == '/')
			guard_watch(store->guard, *directory ? directory : "/");
	}
}

/* ---- public ------------------------------------------------------------------------------ */

int store_new(const char *directory, struct store **ret)
{
	_cleanup_(store_freep) struct store *store = calloc(1, sizeof(*store));
	if (!store)
		return -ENOMEM;
	store->directory = strdup(directory);
	if (!store->directory)
		return -ENOMEM;
	int r = guard_new(&store->guard);
	if (r < 0)
		return r;
	guard_watch(store->guard, directory);
	*ret = TAKE_PTR(store);
	return 0;
}

struct store *store_free(struct store *store)
{
	if (!store)
		return NULL;
	for (size_t i = 0; i < store->count; i++)
		entry_done(&store->entries[i]);
	free(store->entries);
	guard_free(store->guard);
	free(store->directory);
	free(store);
	return NULL;
}
