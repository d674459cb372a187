/* SPDX-License-Identifier: MIT */
/* A stored number; see counter.h. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "base/file.h"
#include "daemon/counter.h"

#define DIGITS 20 /* of UINT64_MAX: each number takes the place of the one before */

static uint64_t stored(const char *path)
{
	_cleanup_(freep) uint8_t *text = NULL;
	size_t length;
	if (file_read(path, DIGITS + 1, &text, &length) < 0)
		return 0;
	errno = 0;
	unsigned long long value = strtoull((char *)text, NULL, 10);
	return errno == 0 && value < UINT64_MAX ? value : 0;
}

int counter_next(const char *path, uint64_t *last)
{
	if (*last == 0)
		*last = stored(path);
	++*last;

	/* Written in place: a full disk has no room for another file, and a file that was emptied
	 * before the write failed would begin anew after the next start. */
	_cleanup_(closep) int fd =
		open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0644);
	if (fd < 0)
		return -errno;
	char text[DIGITS + 2];
	int length = snprintf(text, sizeof(text), "%0*" PRIu64 "\n", DIGITS, *last);
	ssize_t written = pwrite(fd, text, (size_t)length, 0);
	if (written != length)
		return written < 0 ? -errno : -ENOSPC;
	return ftruncate(fd, length) < 0 ? -errno : 0;
}
