/* SPDX-License-Identifier: MIT */
/*
 * Backups; see backups.h. A file is named BOARD_TIME_ADDRESS_DIGEST.bin, so that names sort by
 * board and then by time, and say what is inside.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/text.h"
#include "daemon/backups.h"

#define BOARD_TEXT  96
#define STAMP_BYTES 16 /* "20261126T190502Z" */
#define DIGEST_HEAD 8

/* ---- names ------------------------------------------------------------------------------- */

/* Ids are hexadecimal and places udev's; whatever else is in one must not leave the directory. */
static void name_board(char ret[BOARD_TEXT], const char *board)
{
	size_t length = 0;
	for (; *board && length + 1 < BOARD_TEXT; board++) {
		bool is_plain = (*board >= '0' && *board <= '9') ||
				(*board >= 'a' && *board <= 'z') ||
				(*board >= 'A' && *board <= 'Z') || *board == '-' || *board == ':';
		bool is_inner_dot = *board == '.' && length > 0;
		ret[length] = '-';
		if (is_plain || is_inner_dot)
			ret[length] = *board;
		length++;
	}
	ret[length] = '\0';
}

static char *name_of(const struct backup *backup)
{
	char board[BOARD_TEXT], stamp[STAMP_BYTES + 1], digest[DIGEST_TEXT];
	time_t seconds = (time_t)(backup->time_usec / USEC_PER_SEC);
	struct tm utc;
	struct digest_state *state = digest_new();
	if (!state || !gmtime_r(&seconds, &utc) ||
		strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &utc) != STAMP_BYTES) {
		return NULL;
	}
	digest_add(state, backup->bytes, backup->length);
	text_hex(digest_finish(state).bytes, DIGEST_BYTES, digest);
	name_board(board, backup->board);
	return text_format("%s_%s_0x%08" PRIx32 "_%.*s.bin", board, stamp, backup->address,
		DIGEST_HEAD, digest);
}

/* Where the time begins in a name of ours; NULL: it is none. */
static const char *stamp_in(const char *name)
{
	const char *stamp = strchr(name, '_');
	size_t length = strlen(name);
	bool is_ours = stamp && length > 4 && text_equal(name + length - 4, ".bin") &&
		       strlen(stamp) > STAMP_BYTES + 1 && stamp[1 + STAMP_BYTES] == '_';
	return is_ours ? stamp + 1 : NULL;
}

static bool is_of_same_board(const char *left, const char *right)
{
	size_t length = strcspn(left, "_");
	return length == strcspn(right, "_") && strncmp(left, right, length) == 0;
}

/* Same board, same address, same bytes. */
static bool is_same_firmware(const char *left, const char *right)
{
	const char *one = stamp_in(left), *other = stamp_in(right);
	return one && other && is_of_same_board(left, right) &&
	       text_equal(one + STAMP_BYTES, other + STAMP_BYTES);
}

/* ---- the directory ----------------------------------------------------------------------- */

static int is_backup(const struct dirent *entry)
{
	return stamp_in(entry->d_name) != NULL;
}

static int newest_first(const struct dirent **left, const struct dirent **right)
{
	return -strcmp(stamp_in((*left)->d_name), stamp_in((*right)->d_name));
}

/* The names of all backups, the newest first. */
struct listing {
	struct dirent **entries;
	int count;
};

static void listing_done(struct listing *listing)
{
	for (int i = 0; i < listing->count; i++)
		free(listing->entries[i]);
	free(listing->entries);
}

static int list(const char *directory, struct listing *ret)
{
	int count = scandir(directory, &ret->entries, is_backup, newest_first);
	if (count < 0)
		return -errno;
	ret->count = count;
	return 0;
}

static const char *find_latest(const struct listing *listing, const char *name)
{
	for (int i = 0; i < listing->count; i++)
		if (is_of_same_board(listing->entries[i]->d_name, name))
			return listing->entries[i]->d_name;
	return NULL;
}

/* What cannot be removed stays: it is one too many, and no reason not to write a board. */
static void forget_surplus(int directory_fd, const struct listing *listing, const char *board)
{
	int of_board = 1, in_all = 1;
	for (int i = 0; i < listing->count; i++) {
		const char *name = listing->entries[i]->d_name;
		of_board += is_of_same_board(name, board);
		in_all++;
		bool is_too_old = is_of_same_board(name, board) && of_board > BACKUPS_OF_A_BOARD;
		if (is_too_old || in_all > BACKUPS_IN_ALL)
			(void)!unlinkat(directory_fd, name, 0);
	}
}

/* ---- one file ---------------------------------------------------------------------------- */

static int write_all(int fd, const uint8_t *bytes, size_t length)
{
	while (length > 0) {
		ssize_t count = write(fd, bytes, length);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return -errno;
		bytes += count;
		length -= (size_t)count;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

/* Under a name that is none of ours first: what has its name is whole. */
static int store(int directory_fd, const char *name, const struct backup *backup)
{
	static const char unfinished[] = ".unfinished";
	_cleanup_(closep) int fd = openat(directory_fd, unfinished,
		O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0)
		return -errno;
	int r = write_all(fd, backup->bytes, backup->length);
	if (r == 0 && renameat(directory_fd, unfinished, directory_fd, name) < 0)
		r = -errno;
	if (r == 0 && fsync(directory_fd) < 0)
		r = -errno;
	if (r < 0)
		(void)!unlinkat(directory_fd, unfinished, 0);
	return r;
}

int backups_store(const char *directory, const struct backup *backup, char **ret_path)
{
	_cleanup_(listing_done) struct listing listing = { 0 };
	_cleanup_(freep) char *name = name_of(backup);
	if (!name)
		return -ENOMEM;
	if (mkdir(directory, 0750) < 0 && errno != EEXIST)
		return -errno;
	_cleanup_(closep) int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int r = list(directory, &listing);
	if (r < 0)
		return r;
	const char *latest = find_latest(&listing, name);
	bool is_there = latest && is_same_firmware(latest, name);
	char *path = text_format("%s/%s", directory, is_there ? latest : name);
	if (!path)
		return -ENOMEM;
	r = is_there ? 0 : store(fd, name, backup);
	if (r < 0) {
		free(path);
		return r;
	}
	if (!is_there)
		forget_surplus(fd, &listing, name);
	*ret_path = path;
	return 0;
}
