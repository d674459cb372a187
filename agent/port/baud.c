/* SPDX-License-Identifier: MIT */
/* termios2; see baud.h. */
#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <errno.h>
#include <limits.h>

#include "port/baud.h"

int ioctl(int fd, unsigned long request, ...); /* <sys/ioctl.h> brings the other termios */

int baud_set(int fd, unsigned baud)
{
	struct termios2 settings;
	if (baud == 0 || baud > INT_MAX)
		return -EINVAL;
	if (ioctl(fd, TCGETS2, &settings) < 0)
		return -errno;
	settings.c_cflag &= (tcflag_t) ~(CBAUD | CBAUD << IBSHIFT);
	settings.c_cflag |= BOTHER; /* for input 0: the same */
	settings.c_ispeed = settings.c_ospeed = baud;
	return ioctl(fd, TCSETS2, &settings) < 0 ? -errno : 0;
}

int baud_get(int fd)
{
	struct termios2 settings;
	if (ioctl(fd, TCGETS2, &settings) < 0)
		return -errno;
	return settings.c_ospeed > INT_MAX ? -ERANGE : (int)settings.c_ospeed;
}
