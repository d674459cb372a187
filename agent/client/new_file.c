/* SPDX-License-Identifier: MIT */
/* New files; see new_file.h. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "client/new_file.h"

static int write_all(int fd, const char *data, size_t length)
{
	while (length > 0) {
		ssize_t written = write(fd, data, length);
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -errno;
		data += written;
		length -= (size_t)written;
	}
	return fchmod(fd, 0644) < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int sync_directory(const char *path)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

/* A link takes no file's place; what is left behind under the other name has a dot before it, and
 * no reader of policies takes it for one. */
static int put(const char *temporary, const char *path, const void *data, size_t length)
{
	_cleanup_(closep) int fd =
		open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	int r = write_all(fd, data, length);
	if (r >= 0 && link(temporary, path) < 0)
		r = -errno;
	(void)unlink(temporary);
	return r;
}

int new_file_write(const char *path, const void *data, size_t length)
{
	const char *slash = strrchr(path, '/');
	_cleanup_(freep) char *directory =
		slash ? strndup(path, (size_t)(slash - path) + 1) : strdup("./");
	_cleanup_(freep) char *temporary =
		directory ? text_format("%s.%s.%ld", directory, slash ? slash + 1 : path,
				    (long)getpid())
			  : NULL;
	if (!temporary)
		return -ENOMEM;
	int r = put(temporary, path, data, length);
	return r < 0 ? r : sync_directory(directory);
}
