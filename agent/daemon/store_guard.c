/* SPDX-License-Identifier: MIT */
/* Which firmware files may be used; see store_parts.h. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/inotify.h>

#include "base/text.h"
#include "daemon/store_parts.h"

#define WRITES_MAX 256
#define LINKS_MAX  40

int store_refuse(struct reasons *reasons, enum reason_code code, const char *path, const char *text)
{
	_cleanup_(freep) char *safe = text_escape(path);
	if (!safe)
		return -ENOMEM;
	int r = reasons_add(reasons, code, "%s: %s", safe, text);
	return r < 0 ? r : STORE_REFUSED;
}

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

static int refuse_unreachable(const char *file, int error, struct reasons *reasons)
{
	return store_refuse(reasons, REASON_IMAGE_UNREADABLE, file, strerror(error));
}

/* In a sticky directory nobody can move what others own; one that holds firmware itself, or a link
 * to it, is to be the operators' alone. */
static int judge_directory(
	const char *file, const char *path, bool is_parent, struct reasons *reasons)
{
	struct stat status;
	if (lstat(path, &status) < 0)
		return refuse_unreachable(file, errno, reasons);
	if (status.st_uid != 0 && status.st_uid != geteuid())
		return refuse_writers(file, path, "chown root", reasons);
	if (others_can_write(&status) && (is_parent || !(status.st_mode & S_ISVTX)))
		return refuse_writers(file, path, "chmod o-w,g-w", reasons);
	return 0;
}

/* The way to a file as the kernel goes it. */
struct way {
	char gone[PATH_MAX]; /* "" is the root */
	char left[PATH_MAX];
	unsigned links;
};

/* Goes on to where the link `gone` points. 0 or a negative errno. */
static int follow_link(struct way *way, size_t parent)
{
	char target[PATH_MAX], whole[2 * PATH_MAX];
	ssize_t length = readlink(way->gone, target, sizeof(target) - 1);
	if (length < 0)
		return -errno;
	target[length] = '\0';
	int all = snprintf(whole, sizeof(whole), "%s%s", target, way->left);
	if (++way->links > LINKS_MAX || all >= (int)sizeof(way->left))
		return -ELOOP;
	strcpy(way->left, whole);
	way->gone[target[0] == '/' ? 0 : parent] = '\0';
	return 0;
}

/* Takes the next name off, or as much of it as is too much for any. False: none is left. */
static bool next_name(struct way *way, char ret[NAME_MAX + 2])
{
	const char *name = way->left + strspn(way->left, "/");
	size_t length = strcspn(name, "/");
	if (length > NAME_MAX)
		length = NAME_MAX + 1;
	memcpy(ret, name, length);
	ret[length] = '\0';
	memmove(way->left, name + length, strlen(name + length) + 1);
	return length > 0;
}

/*
 * Whoever can write to a directory in which a name of the path is looked up, also through links,
 * can put another file in this one's place.
 *
 * Whoever put a file into a directory that only operators can write to was one: the file's owner is
 * not asked for, and the service, which knows no users but root and itself, could not tell.
 */
static int judge_way(const char *file, struct way *way, struct reasons *reasons)
{
	char name[NAME_MAX + 2];
	while (next_name(way, name)) {
		struct stat status;
		size_t parent = strlen(way->gone);
		if (text_equal(name, ".."))
			*(strrchr(way->gone, '/') ?: way->gone) = '\0';
		if (text_equal(name, "..") || text_equal(name, "."))
			continue;
		_cleanup_(freep) char *directory = strdup(parent ? way->gone : "/");
		if (!directory)
			return -ENOMEM;
		if (parent + strlen(name) + 2 > sizeof(way->gone))
			return refuse_unreachable(file, ENAMETOOLONG, reasons);
		way->gone[parent] = '/';
		strcpy(way->gone + parent + 1, name);
		if (lstat(way->gone, &status) < 0)
			return refuse_unreachable(file, errno, reasons);
		int r = judge_directory(file, directory, !S_ISDIR(status.st_mode), reasons);
		if (r != 0)
			return r;
		r = S_ISLNK(status.st_mode) ? follow_link(way, parent) : 0;
		if (r < 0)
			return refuse_unreachable(file, -r, reasons);
	}
	return 0;
}

int guard_judge(const char *path, const struct stat *status, struct reasons *reasons)
{
	if (others_can_write(status))
		return refuse_writers(path, path, "chmod o-w,g-w", reasons);
	_cleanup_(freep) struct way *way = calloc(1, sizeof(*way));
	if (!way)
		return -ENOMEM;
	if (path[0] != '/' || strlen(path) >= sizeof(way->left))
		return refuse_unreachable(path, ENAMETOOLONG, reasons);
	strcpy(way->left, path);
	return judge_way(path, way, reasons);
}

/* ---- who is changing it ------------------------------------------------------------------ */

/* A directory may be reached by several paths, and a path may come to mean another one: the kernel
 * tells which one it is now. */
struct write {
	int watch;
	char *name;
};

struct guard {
	int fd; /* -1: the system gives none; nothing is then known of writers */
	struct write writes[WRITES_MAX]; /* in no order */
	size_t count;
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

static void forget_write(struct guard *guard, size_t at)
{
	free(guard->writes[at].name);
	guard->writes[at] = guard->writes[--guard->count];
}

/* All of a watch; -1: all that there are. */
static void forget_writes(struct guard *guard, int watch)
{
	for (size_t i = guard->count; i-- > 0;)
		if (watch < 0 || guard->writes[i].watch == watch)
			forget_write(guard, i);
}

struct guard *guard_free(struct guard *guard)
{
	if (!guard)
		return NULL;
	forget_writes(guard, -1);
	safe_close(guard->fd);
	free(guard);
	return NULL;
}

/* The number of the watch, always the same for one directory; negative: there is none. */
static int watch_directory(const struct guard *guard, const char *directory)
{
	return guard->fd < 0 ? -1
			     : inotify_add_watch(guard->fd, directory,
				       IN_MODIFY | IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM |
					       IN_DELETE | IN_ONLYDIR | IN_EXCL_UNLINK);
}

void guard_watch(const struct guard *guard, const char *directory)
{
	(void)watch_directory(guard, directory);
}

/* Where the file is that a path leads to. */
static int watch_file(
	const struct guard *guard, const char *path, char real[PATH_MAX], const char **ret_name)
{
	if (!realpath(path, real))
		return -1;
	char *slash = strrchr(real, '/');
	*slash = '\0';
	*ret_name = slash + 1;
	return watch_directory(guard, slash > real ? real : "/");
}

void guard_watch_file(const struct guard *guard, const char *path)
{
	char real[PATH_MAX];
	const char *name;
	(void)watch_file(guard, path, real, &name);
}

static size_t find_write(const struct guard *guard, int watch, const char *name)
{
	size_t i = 0;
	while (i < guard->count &&
		(guard->writes[i].watch != watch || !text_equal(guard->writes[i].name, name)))
		i++;
	return i;
}

static void hear_of_file(struct guard *guard, const struct inotify_event *event)
{
	size_t at = find_write(guard, event->wd, event->name);
	bool is_known = at < guard->count;
	if (!(event->mask & IN_MODIFY)) {
		if (is_known)
			forget_write(guard, at);
		return;
	}
	if (is_known || guard->count == WRITES_MAX)
		return;
	char *name = strdup(event->name);
	if (name)
		guard->writes[guard->count++] = (struct write){ event->wd, name };
}

static void hear(struct guard *guard, const struct inotify_event *event)
{
	if (event->mask & IN_Q_OVERFLOW)
		forget_writes(guard, -1); /* nobody knows any more which were closed */
	else if (event->mask & IN_IGNORED)
		forget_writes(guard, event->wd);
	else if (event->len > 0)
		hear_of_file(guard, event);
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
	char real[PATH_MAX];
	const char *name;
	if (guard->count == 0)
		return false;
	int watch = watch_file(guard, path, real, &name);
	return watch >= 0 && find_write(guard, watch, name) < guard->count;
}
