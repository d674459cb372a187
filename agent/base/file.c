/* SPDX-License-Identifier: MIT */
/* Files; see file.h. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/file.h"

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static int read_fully(int fd, uint8_t *data, size_t length)
{
	for (size_t done = 0; done < length;) {
		ssize_t count = read(fd, data + done, length - done);
		if (count < 0 && errno == EINTR)
			continue;
		if (count <= 0)
			return count < 0 ? -errno : -EIO;
		done += (size_t)count;
	}
	return 0;
}

int file_open(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

int file_read_fd(int fd, size_t limit, uint8_t **ret_data, size_t *ret_length)
{
	struct stat status;
	if (fstat(fd, &status) < 0)
		return -errno;
	if (!S_ISREG(status.st_mode))
		return -EINVAL;
	if ((uint64_t)status.st_size > limit)
		return -EFBIG;

	size_t length = (size_t)status.st_size;
	_cleanup_(freep) uint8_t *data = malloc(length + 1);
	if (!data)
		return -ENOMEM;
	int r = read_fully(fd, data, length);
	if (r < 0)
		return r;
	data[length] = 0;
	*ret_data = TAKE_PTR(data);
	*ret_length = length;
	return 0;
}

int file_read(const char *path, size_t limit, uint8_t **ret_data, size_t *ret_length)
{
	_cleanup_(closep) int fd = file_open(path);
	return fd < 0 ? fd : file_read_fd(fd, limit, ret_data, ret_length);
}

int file_seal(const char *name, const void *data, size_t length)
{
	_cleanup_(closep) int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	for (size_t done = 0; done < length;) {
		ssize_t count = write(fd, (const uint8_t *)data + done, length - done);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return -errno;
		done += (size_t)count;
	}
	if (fcntl(fd, F_ADD_SEALS, SEALS) < 0)
		return -errno;
	return TAKE_FD(fd);
}

int file_map_sealed(int fd, size_t limit, struct mapping *ret)
{
	int seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0)
		return -errno;
	if ((seals & SEALS) != SEALS)
		return -EPERM;

	struct stat status;
	if (fstat(fd, &status) < 0)
		return -errno;
	if ((uint64_t)status.st_size > limit)
		return -EFBIG;
	if (status.st_size == 0)
		return -ENODATA;
	void *data = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		return -errno;
	*ret = (struct mapping){ .data = data, .length = (size_t)status.st_size };
	return 0;
}

void mapping_done(struct mapping *mapping)
{
	if (mapping->data)
		munmap((void *)(uintptr_t)mapping->data, mapping->length);
	*mapping = (struct mapping){ 0 };
}
