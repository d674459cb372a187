/* SPDX-License-Identifier: MIT */
/*
 * The history as a file: found, begun, or set aside when it is damaged; see history.h. A file that
 * cannot be had for another reason (no room, no permission) stays where it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/text.h"
#include "daemon/history.h"
#include "daemon/history_parts.h"
#include "daemon/history_schema.h"

/* What sqlite keeps beside a file; all of it goes where the file goes. */
static const char *const companions[] = { "-wal", "-journal" };

/* ---- names ------------------------------------------------------------------------------- */

/* The directory may be reached through links, what is in it may not be one. */
static int resolve(const char *path, char **ret_directory, char **ret_path)
{
	const char *slash = strrchr(path, '/');
	_cleanup_(freep) char *parent =
		slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	_cleanup_(freep) char *directory = parent ? realpath(parent, NULL) : NULL;
	if (!directory)
		return parent ? -errno : -ENOMEM;
	_cleanup_(freep) char *full = text_format("%s/%s", directory, slash ? slash + 1 : path);
	if (!full)
		return -ENOMEM;
	*ret_directory = TAKE_PTR(directory);
	*ret_path = TAKE_PTR(full);
	return 0;
}

/* The size of a file, 0 when there is none. */
static int size_of(const char *path, const char *suffix, uint64_t *ret)
{
	_cleanup_(freep) char *full = text_format("%s%s", path, suffix);
	struct stat status;
	*ret = 0;
	if (!full)
		return -ENOMEM;
	if (lstat(full, &status) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (S_ISLNK(status.st_mode))
		return -ELOOP;
	if (!S_ISREG(status.st_mode))
		return S_ISDIR(status.st_mode) ? -EISDIR : -EINVAL;
	*ret = (uint64_t)status.st_size;
	return 0;
}

static int sync_directory(const char *directory)
{
	_cleanup_(closep) int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

/* ---- a new file -------------------------------------------------------------------------- */

/* sqlite gives what it keeps beside the file the same mode. */
static int begin(const char *directory, const char *path)
{
	_cleanup_(closep) int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno == EEXIST ? 0 : -errno;
	return sync_directory(directory);
}

/* A log without a file to it: sqlite would throw it away. */
static int look(const char *path)
{
	uint64_t size, log_size;
	int r = size_of(path, "", &size);
	if (r >= 0)
		r = size_of(path, "-wal", &log_size);
	if (r < 0)
		return r;
	return size == 0 && log_size > 0 ? -EUCLEAN : 0;
}

static int open_database(const char *path, struct database **ret)
{
	_cleanup_(database_closep) struct database *database = NULL;
	int r = database_open(path, &database);
	if (r >= 0)
		r = history_schema_check(database);
	if (r >= 0)
		r = database_keep(database);
	if (r >= 0)
		r = history_schema_migrate(database);
	if (r >= 0)
		r = database_prepare(database, history_statements, _STATEMENT_MAX);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(database);
	return 0;
}

static int number_from(struct history *history, uint64_t last_job_id)
{
	_cleanup_(query_done) struct query last = query_of(history->database, LAST_JOB);
	int r = query_step(&last);
	if (r <= 0)
		return r < 0 ? r : -EUCLEAN;
	history->last_job_id = query_column_number(&last, 0);
	query_done(&last);
	if (last_job_id <= history->last_job_id)
		return 0;
	history->last_job_id = last_job_id;
	_cleanup_(query_done) struct query raise = query_of(history->database, RAISE_LAST_JOB);
	query_number(&raise, last_job_id);
	return query_run(&raise);
}

static int find_or_begin(
	const char *directory, const char *path, uint64_t last_job_id, struct history **ret)
{
	_cleanup_(history_closep) struct history *history = calloc(1, sizeof(*history));
	if (!history)
		return -ENOMEM;
	int r = look(path);
	if (r >= 0)
		r = begin(directory, path);
	if (r >= 0)
		r = open_database(path, &history->database);
	if (r >= 0)
		r = number_from(history, last_job_id);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(history);
	return 0;
}

/* ---- a damaged file ---------------------------------------------------------------------- */

static int move(const char *from, const char *to, const char *suffix)
{
	_cleanup_(freep) char *source = text_format("%s%s", from, suffix);
	_cleanup_(freep) char *target = text_format("%s%s", to, suffix);
	if (!source || !target)
		return -ENOMEM;
	return rename(source, target) < 0 && errno != ENOENT ? -errno : 0;
}

/* The file last: if the power fails in between it is still found damaged. */
static int move_all(const char *from, const char *to)
{
	int r = 0;
	for (size_t i = 0; i < ELEMENTSOF(companions) && r >= 0; i++)
		r = move(from, to, companions[i]);
	return r < 0 ? r : move(from, to, "");
}

static bool is_taken(const char *path)
{
	struct stat status;
	_cleanup_(freep) char *log = text_format("%s%s", path, companions[0]);
	return !log || lstat(path, &status) == 0 || lstat(log, &status) == 0;
}

/* "history.db.damaged-20260131T235959Z", with a number behind it when that is taken. */
static char *name_aside(const char *path)
{
	char when[32];
	time_t now = time(NULL);
	struct tm utc;
	if (!gmtime_r(&now, &utc) || strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", &utc) == 0)
		strcpy(when, "unknown");
	char *name = text_format("%s.damaged-%s", path, when);
	for (unsigned i = 2; name && is_taken(name) && i < 1000; i++) {
		free(name);
		name = text_format("%s.damaged-%s-%u", path, when, i);
	}
	return name;
}

/* Until a new file stands the old one is not given up: the next try finds it, and tells of it. */
static void take_back(const char *path, const char *aside)
{
	for (size_t i = 0; i < ELEMENTSOF(companions); i++) {
		_cleanup_(freep) char *companion = text_format("%s%s", path, companions[i]);
		if (companion)
			(void)unlink(companion);
	}
	(void)unlink(path);
	(void)move_all(aside, path);
}

/* Nobody knows any more which numbers were given out: seconds since 1970 were not. */
static uint64_t number_beyond(uint64_t last_job_id)
{
	uint64_t seconds = clock_usec(CLOCK_REALTIME) / USEC_PER_SEC;
	return last_job_id < seconds ? seconds : last_job_id;
}

static int begin_anew(const char *directory, const char *path, uint64_t last_job_id,
	struct history **ret, char **ret_aside)
{
	_cleanup_(freep) char *aside = name_aside(path);
	if (!aside)
		return -ENOMEM;
	if (is_taken(aside))
		return -EEXIST;
	int r = move_all(path, aside);
	if (r < 0) {
		(void)move_all(aside, path);
		return r;
	}
	r = find_or_begin(directory, path, number_beyond(last_job_id), ret);
	if (r < 0) {
		take_back(path, aside);
		return r;
	}
	*ret_aside = TAKE_PTR(aside);
	return HISTORY_SET_ASIDE;
}

/* ---- the door ---------------------------------------------------------------------------- */

int history_open(const char *path, uint64_t last_job_id, struct history **ret, char **ret_aside)
{
	_cleanup_(freep) char *directory = NULL, *full = NULL;
	int r = resolve(path, &directory, &full);
	if (r >= 0)
		r = find_or_begin(directory, full, last_job_id, ret);
	if (r == -EUCLEAN)
		r = begin_anew(directory, full, last_job_id, ret, ret_aside);
	return r;
}

struct history *history_close(struct history *history)
{
	if (!history)
		return NULL;
	database_close(history->database);
	free(history);
	return NULL;
}
