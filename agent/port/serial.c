/* SPDX-License-Identifier: MIT */
/*
 * serial.h on termios, for one thread. Opening raises DTR, as it does for every program, and the
 * line is held against all others. Knows no board, never logs.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <time.h>

#include "base/text.h"
#include "port/baud.h"
#include "port/serial.h"

struct serial {
	struct stream stream; /* first */
	int fd;
};

static int64_t now_msec(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* ---- which node -------------------------------------------------------------------------- */

static int require_arrival(const struct serial_address *address)
{
	struct stat status;
	if (stat(address->usb_syspath, &status) < 0)
		return errno == ENOENT ? -ENODEV : -errno;
	bool is_same = address->usb_arrival == 0 || status.st_ino == address->usb_arrival;
	return is_same ? 0 : -ENODEV;
}

/* The first entry of a directory that begins with `prefix`, as a path; NULL: none, or no memory. */
static char *find_entry(const char *directory, const char *prefix)
{
	char *found = NULL;
	DIR *entries = opendir(directory);
	if (!entries)
		return NULL;
	for (struct dirent *entry; !found && (entry = readdir(entries));)
		if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0)
			found = text_format("%s/%s", directory, entry->d_name);
	closedir(entries);
	return found;
}

/* "/sys/…/1-1.3" has its tty as "/sys/…/1-1.3/1-1.3:1.0/tty/ttyACM0". */
static char *tty_of_usb(const char *syspath)
{
	const char *name = strrchr(syspath, '/');
	_cleanup_(freep) char *interface = name ? text_format("%s%s:1.0/tty", syspath, name) : NULL;
	_cleanup_(freep) char *tty = interface ? find_entry(interface, "tty") : NULL;
	return tty ? text_format("/dev/%s", strrchr(tty, '/') + 1) : NULL;
}

static int open_node(const char *node)
{
	int fd = open(node, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT || errno == ENXIO ? -ENODEV : -errno;
	return fd;
}

/* Sysfs before and after, as usb.c does it. */
static int open_address(const struct serial_address *address)
{
	if (!address->usb_syspath)
		return address->node ? open_node(address->node) : -EINVAL;
	int r = require_arrival(address);
	if (r < 0)
		return r;
	_cleanup_(freep) char *node = tty_of_usb(address->usb_syspath);
	if (!node)
		return -ENODEV;
	_cleanup_(closep) int fd = open_node(node);
	if (fd < 0)
		return fd;
	r = require_arrival(address);
	return r < 0 ? r : TAKE_FD(fd);
}

/* ---- the line ---------------------------------------------------------------------------- */

static int set_raw(int fd, unsigned baud)
{
	struct termios settings;
	if (tcgetattr(fd, &settings) < 0)
		return -errno;
	cfmakeraw(&settings);
	settings.c_cflag |= CLOCAL | CREAD;
	settings.c_cflag &= (tcflag_t) ~(CSTOPB | CRTSCTS);
	/* The line shall stay as it is when we close it: some boards are reset by DTR. */
	settings.c_cflag &= (tcflag_t)~HUPCL;
	settings.c_cc[VMIN] = 0;
	settings.c_cc[VTIME] = 0;
	/* The rate stays as it is here: of those that there are, few have a name. */
	return tcsetattr(fd, TCSANOW, &settings) < 0 ? -errno : baud_set(fd, baud);
}

/* The end of a process of this computer, Klipper's for one: Documentation/admin-guide/devices.txt.
 */
static bool is_pty(int fd)
{
	struct stat status;
	return fstat(fd, &status) == 0 && major(status.st_rdev) >= 136 &&
	       major(status.st_rdev) <= 143;
}

/* Klipper's host locks its port like this; TIOCEXCL keeps those away who do not. A pty would stay
 * exclusive if we were killed, since the process behind it has both ends open. */
static int hold(int fd)
{
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	if (is_pty(fd))
		return 0;
	return ioctl(fd, TIOCEXCL) < 0 && errno != ENOTTY ? -errno : 0;
}

int serial_open(const struct serial_address *address, unsigned baud, struct serial **ret)
{
	_cleanup_(serial_closep) struct serial *serial = calloc(1, sizeof *serial);
	if (!serial)
		return -ENOMEM;
	serial->fd = open_address(address);
	if (serial->fd < 0)
		return serial->fd;
	int r = hold(serial->fd);
	if (r == 0)
		r = set_raw(serial->fd, baud);
	if (r == 0)
		r = serial_discard_input(serial);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(serial);
	return 0;
}

struct serial *serial_close(struct serial *serial)
{
	if (!serial)
		return NULL;
	/* Somebody else may have had it open before us: then closing does not do it. */
	if (serial->fd >= 0)
		(void)!ioctl(serial->fd, TIOCNXCL);
	safe_close(serial->fd);
	free(serial);
	return NULL;
}

/* ---- bytes ------------------------------------------------------------------------------- */

int64_t serial_now_msec(const struct serial *serial)
{
	(void)serial;
	return now_msec();
}

/* 0: something of `events` is so; -ETIMEDOUT, -ENODEV. */
static int wait_for(const struct serial *serial, short events, int64_t deadline_msec)
{
	for (;;) {
		struct pollfd tty = { .fd = serial->fd, .events = events };
		int64_t left = deadline_msec - now_msec();
		int r = poll(&tty, 1, left > 0 ? (int)left : 0);
		if (r < 0 && errno != EINTR)
			return -errno;
		if (r > 0 && tty.revents & events)
			return 0;
		if (r > 0)
			return -ENODEV; /* POLLERR, POLLHUP */
		if (r == 0 && left <= 0)
			return -ETIMEDOUT;
	}
}

static int errno_of_tty(void)
{
	return errno == EIO || errno == ENXIO ? -ENODEV : -errno;
}

int serial_read(struct serial *serial, void *ret, size_t capacity, unsigned timeout_msec)
{
	int r = wait_for(serial, POLLIN, now_msec() + timeout_msec);
	if (r < 0)
		return r;
	ssize_t count = read(serial->fd, ret, capacity < INT32_MAX ? capacity : INT32_MAX);
	if (count < 0)
		return errno_of_tty();
	return count == 0 ? -ENODEV : (int)count; /* readable, and nothing there: it hung up */
}

int serial_write(struct serial *serial, const void *data, size_t length, unsigned timeout_msec)
{
	const uint8_t *bytes = data;
	int64_t deadline_msec = now_msec() + timeout_msec;
	while (length > 0) {
		int r = wait_for(serial, POLLOUT, deadline_msec);
		if (r < 0)
			return r;
		ssize_t count = write(serial->fd, bytes, length);
		if (count < 0 && errno != EAGAIN && errno != EINTR)
			return errno_of_tty();
		if (count > 0) {
			bytes += count;
			length -= (size_t)count;
		}
	}
	return 0;
}

int serial_set_line(struct serial *serial, unsigned baud, bool dtr)
{
	int line = TIOCM_DTR;
	int r = set_raw(serial->fd, baud);
	if (r < 0)
		return r;
	return ioctl(serial->fd, dtr ? TIOCMBIS : TIOCMBIC, &line) < 0 ? errno_of_tty() : 0;
}

int serial_discard_input(struct serial *serial)
{
	return tcflush(serial->fd, TCIFLUSH) < 0 ? errno_of_tty() : 0;
}

int serial_pause(struct serial *serial, unsigned msec)
{
	/* No events asked for: only "gone" ends this early. */
	int r = wait_for(serial, 0, now_msec() + msec);
	return r == -ETIMEDOUT ? 0 : r;
}
