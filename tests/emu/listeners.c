/* SPDX-License-Identifier: MIT */
/*
 * A program that listens to uevents of umockdev has a datagram socket in the root of the testbed.
 * Its queue holds some ten of them: one that gets no processor for a while fills it easily.
 */
#include "emu/listeners.h"

#include <glob.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"

#define ROOM_MSEC 10000

/* A socket that is connected to a full one cannot be written to until that is read from. */
static void wait_for_room(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || strlen(path) >= sizeof(address.sun_path))
		return;
	strcpy(address.sun_path, path);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return; /* its program has ended */
	struct pollfd room = { .fd = fd, .events = POLLOUT };
	poll(&room, 1, ROOM_MSEC);
}

void listeners_wait(const char *root)
{
	char pattern[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	glob_t found;
	int length = snprintf(pattern, sizeof(pattern), "%s/event[0-9]*", root);
	if (length < 0 || (size_t)length >= sizeof(pattern) ||
		glob(pattern, GLOB_NOSORT, NULL, &found) != 0)
		return;
	for (size_t i = 0; i < found.gl_pathc; i++)
		wait_for_room(found.gl_pathv[i]);
	globfree(&found);
}
