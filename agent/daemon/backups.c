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
#define DIGEST_HEAD 16
/* Of a name, behind the board's. */
#define SHAPE "_########T######Z_0x%%%%%%%%_%%%%%%%%%%%%%%%%.bin"

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
	if (!gmtime_r(&seconds, &utc) ||
		strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &utc) != STAMP_BYTES)
		return NULL;
	struct digest_state *state = digest_new();
	if (!state)
		return NULL;
	digest_add(state, backup->bytes, backup->length);
	text_hex(digest_finish(state).bytes, DIGEST_BYTES, digest);
	name_board(board, backup->board);
	return text_format("%s_%s_0x%08" PRIx32 "_%.*s.bin", board, stamp, backup->address,
		DIGEST_HEAD, digest);
}

/* '#' stands for a digit, '%' for one of a hexadecimal number, anything else for itself. */
static bool has_shape(const char *text, const char *shape)
{
	for (; *shape; text++, shape++) {
		bool is_digit = *text >= '0' && *text <= '9';
		bool is_hexadecimal = is_digit || (*text >= 'a' && *text <= 'f');
		bool fits = *shape == '#'   ? is_digit
			    : *shape == '%' ? is_hexadecimal
					    : *text == *shape;
		if (!fits)
			return false;
	}
	return *text == '\0';
}

/* Where the time begins in a name of ours; NULL: it is none. */
static const char *stamp_in(const char *name)
{
	const char *stamp = strchr(name, '_');
	bool is_ours = stamp && has_shape(stamp, SHAPE);
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

/* A file of that length; what somebody has cut short is none. */
static bool is_whole(int directory_fd, const char *name, size_t length)
{
	struct stat status;
	return fstatat(directory_fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(status.st_mode) && (size_t)status.st_size == length;
}

/* The one that holds the same, whenever it was stored; NULL: none does. */
static const char *find_same(
	int directory_fd, const struct listing *listing, const char *name, size_t length)
{
	for (int i = 0; i < listing->count; i++) {
		const char *other = listing->entries[i]->d_name;
		if (is_same_firmware(other, name) && is_whole(directory_fd, other, length))
			return other;
	}
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
	(void)!unlinkat(directory_fd, unfinished, 0); /* of somebody who was killed */
	_cleanup_(closep) int fd =
		openat(directory_fd, unfinished, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
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

/* Made if need be, and as durable as what will be in it. */
static int open_directory(const char *directory)
{
	bool is_new = mkdir(directory, 0750) == 0;
	if (!is_new && errno != EEXIST)
		return -errno;
	_cleanup_(closep) int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (!is_new)
		return TAKE_FD(fd);
	_cleanup_(closep) int above = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return above < 0 || fsync(above) < 0 ? -errno : TAKE_FD(fd);
}

int backups_store(const char *directory, const struct backup *backup, char **ret_path)
{
	_cleanup_(listing_done) struct listing listing = { 0 };
	_cleanup_(freep) char *name = name_of(backup);
	if (!name)
		return -ENOMEM;
	_cleanup_(closep) int fd = open_directory(directory);
	if (fd < 0)
		return fd;
	TRY(list(directory, &listing));
	const char *same = find_same(fd, &listing, name, backup->length);
	_cleanup_(freep) char *path = text_format("%s/%s", directory, same ? same : name);
	if (!path)
		return -ENOMEM;
	if (!same) {
		TRY(store(fd, name, backup));
		forget_surplus(fd, &listing, name);
	}
	*ret_path = TAKE_PTR(path);
	return 0;
}
