/* SPDX-License-Identifier: MIT */
/* Which firmware files may be used; see store_parts.h. */
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <string.h>
#include <sys/inotify.h>

#include "base/text.h"
#include "daemon/store_parts.h"

#define WATCHES_MAX 256
#define WRITES_MAX  256

/* ---- who could change it ----------------------------------------------------------------- */

/* The service's own group is the operators'. */
static bool others_can_write(const struct stat *status)
{
	if (status->st_mode & S_IWOTH)
		return true;
	return status->st_mode & S_IWGRP && status->st_gid != 0 && status->st_gid != getegid();
}

static int refuse_writers(
	const char *file, const char *what, const char *fix, struct reasons *reasons)
{
	_cleanup_(freep) char *safe = text_escape(what);
	_cleanup_(freep) char *text =
		safe ? text_format("others than root and the operators' group could change it%s%s: "
				   "run: %s %s",
			       text_equal(file, what) ? "" : ", as they can write to ",
			       text_equal(file, what) ? "" : safe, fix, safe)
		     : NULL;
	return text ? store_refuse(reasons, REASON_FIRMWARE_PERMISSIONS, file, text) : -ENOMEM;
}

/* In a sticky directory nobody can move what others own; one that holds firmware itself is to be
 * the operators' alone. */
static int judge_directory(
	const char *file, const char *path, bool is_parent, struct reasons *reasons)
{
	struct stat status;
	if (lstat(path, &status) < 0)
		return store_refuse(reasons, REASON_IMAGE_UNREADABLE, file, strerror(errno));
	if (status.st_uid != 0 && status.st_uid != geteuid())
		return refuse_writers(file, path, "chown root", reasons);
	if (others_can_write(&status) && (is_parent || !(status.st_mode & S_ISVTX)))
		return refuse_writers(file, path, "chmod o-w,g-w", reasons);
	return 0;
}

static int judge_directories(const char *file, char *path, struct reasons *reasons)
{
	bool is_parent = true;
	for (char *slash; (slash = strrchr(path, '/')); is_parent = false) {
		*slash = '\0';
		int r = judge_directory(file, *path ? path : "/", is_parent, reasons);
		if (r != 0)
			return r;
	}
	return 0;
}

/*
 * Whoever put a file into a directory that only operators can write to was one: the file's owner is
 * not asked for, and the service, which knows no users but root and itself, could not tell.
 */
int guard_judge(const char *path, const struct stat *status, struct reasons *reasons)
{
	char real[PATH_MAX];
	if (others_can_write(status))
		return refuse_writers(path, path, "chmod o-w,g-w", reasons);
	if (!realpath(path, real))
		return store_refuse(reasons, REASON_IMAGE_UNREADABLE, path, strerror(errno));
	return judge_directories(path, real, reasons);
}

/* ---- who is changing it ------------------------------------------------------------------ */

struct watch {
	int number;
	char *directory;
};

struct guard {
	int fd; /* -1: the system gives none; nothing is then known of writers */
	struct watch watches[WATCHES_MAX];
	size_t watch_count;
	char *writes[WRITES_MAX]; /* paths, in no order */
	size_t write_count;
};

int guard_new(struct guard **ret)
{
	struct guard *guard = calloc(1, sizeof(*guard));
	if (!guard)
		return -ENOMEM;
	guard->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	*ret = guard;
	return 0;
}

static void forget_writes(struct guard *guard)
{
	while (guard->write_count > 0)
		free(guard->writes[--guard->write_count]);
}

struct guard *guard_free(struct guard *guard)
{
	if (!guard)
		return NULL;
	forget_writes(guard);
	for (size_t i = 0; i < guard->watch_count; i++)
		free(guard->watches[i].directory);
	safe_close(guard->fd);
	free(guard);
	return NULL;
}

static struct watch *find_watch(struct guard *guard, int number)
{
	for (size_t i = 0; i < guard->watch_count; i++)
		if (guard->watches[i].number == number)
			return &guard->watches[i];
	return NULL;
}

static void drop_watch(struct guard *guard, struct watch *watch)
{
	free(watch->directory);
	*watch = guard->watches[--guard->watch_count];
}

void guard_watch(struct guard *guard, const char *directory)
{
	if (guard->fd < 0 || guard->watch_count == WATCHES_MAX)
		return;
	int number = inotify_add_watch(guard->fd, directory,
		IN_MODIFY | IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR);
	if (number < 0)
		return;
	struct watch *known = find_watch(guard, number);
	char *name = strdup(directory);
	if (!name)
		return;
	if (known) { /* another directory of the same inode, or it was moved */
		free(known->directory);
		known->directory = name;
		return;
	}
	guard->watches[guard->watch_count++] = (struct watch){ number, name };
}

static size_t find_write(const struct guard *guard, const char *path)
{
	size_t i = 0;
	while (i < guard->write_count && !text_equal(guard->writes[i], path))
		i++;
	return i;
}

static void hear(struct guard *guard, const struct inotify_event *event)
{
	struct watch *watch = find_watch(guard, event->wd);
	if (event->mask & IN_Q_OVERFLOW)
		forget_writes(guard); /* nobody knows any more which were closed */
	if (watch && event->mask & IN_IGNORED)
		drop_watch(guard, watch);
	else if (watch && event->len > 0) {
		_cleanup_(freep) char *path = text_format("%s/%s", watch->directory, event->name);
		size_t at = path ? find_write(guard, path) : guard->write_count;
		bool is_known = at < guard->write_count;
		if (event->mask & IN_MODIFY) {
			if (!is_known && path && guard->write_count < WRITES_MAX)
				guard->writes[guard->write_count++] = TAKE_PTR(path);
		} else if (is_known) {
			free(guard->writes[at]);
			guard->writes[at] = guard->writes[--guard->write_count];
		}
	}
}

void guard_listen(struct guard *guard)
{
	_Alignas(struct inotify_event) char bytes[16384];
	ssize_t length;
	while (guard->fd >= 0 && (length = read(guard->fd, bytes, sizeof(bytes))) > 0)
		for (char *at = bytes; at < bytes + length;) {
			const struct inotify_event *event = (const void *)at;
			hear(guard, event);
			at += sizeof(*event) + event->len;
		}
}

bool guard_is_being_written(const struct guard *guard, const char *path)
{
	return find_write(guard, path) < guard->write_count;
}
