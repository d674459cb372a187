/* SPDX-License-Identifier: MIT */
/* Setting a CAN interface, by libsocketcan's netlink words and one ioctl; see can.h. */
#include <errno.h>
#include <libsocketcan.h>
#include <linux/can.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "port/can.h"

/* libsocketcan returns -1 for whatever it was, and errno is the kernel's last word, if any. */
static int errno_of(int r)
{
	if (r >= 0)
		return 0;
	return errno ? -errno : -EIO;
}

static int set_queue(const char *name, uint32_t length)
{
	struct ifreq request = { .ifr_qlen = (int)length };
	_cleanup_(closep) int fd = socket(PF_CAN, SOCK_RAW | SOCK_CLOEXEC, CAN_RAW);
	if (fd < 0)
		return -errno;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	return ioctl(fd, SIOCSIFTXQLEN, &request) < 0 ? -errno : 0;
}

static int set_rate(const char *name, const struct can_setting *setting)
{
	errno = 0;
	if (setting->sample_point_permille)
		return errno_of(can_set_bitrate_samplepoint(
			name, setting->bitrate, setting->sample_point_permille));
	return errno_of(can_set_bitrate(name, setting->bitrate));
}

/* gs_usb is one of the drivers whose controllers Linux cannot restart. */
static int set_restart(const char *name, uint32_t msec)
{
	errno = 0;
	int r = errno_of(can_set_restart_ms(name, msec));
	return r == -EOPNOTSUPP ? 0 : r;
}

int can_interface_set(const char *name, const struct can_setting *setting)
{
	errno = 0;
	TRY(errno_of(can_do_stop(name)));
	if (setting->bitrate)
		TRY(set_rate(name, setting));
	if (setting->has_restart)
		TRY(set_restart(name, setting->restart_msec));
	if (setting->queue_length)
		TRY(set_queue(name, setting->queue_length));
	return errno_of(can_do_start(name));
}
