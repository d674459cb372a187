/* SPDX-License-Identifier: MIT */
/*
 * A pty instead of a kernel's tty; see tty.h. A pty does not tell of what becomes of it: it is
 * looked at again and again.
 */
#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "emu/tty.h"

#define LOOK_NSEC  (5 * NSEC_PER_MSEC)
#define UART_BYTES 256

void tty_init(struct tty *tty, struct station *station)
{
	*tty = (struct tty){ .station = station, .fd = -1 };
}

/* Raw, so that nothing is echoed before a program has said how it wants it. */
static int make_raw(int fd)
{
	struct termios2 termios;
	if (ioctl(fd, TCGETS2, &termios) < 0)
		return -errno;
	termios.c_iflag = termios.c_oflag = termios.c_lflag = 0;
	return ioctl(fd, TCSETS2, &termios) < 0 ? -errno : 0;
}

int tty_make_pty(char *slave)
{
	_cleanup_(closep) int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || grantpt(fd) < 0 || unlockpt(fd) < 0 ||
		ptsname_r(fd, slave, TTY_PATH_BYTES) != 0)
		return -errno;
	return TAKE_FD(fd);
}

/* POLLHUP of a master is only told when its slave has been open once. */
static void prepare(struct tty *tty, int fd)
{
	char slave[TTY_PATH_BYTES];
	if (ptsname_r(fd, slave, sizeof(slave)) == 0)
		safe_close(open(slave, O_RDWR | O_NOCTTY | O_CLOEXEC));
	(void)!make_raw(fd);
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	tty->fd = fd;
	tty->open = false;
	tty->baud = 0;
	tty->pending_count = 0;
}

/* Who does not read loses what comes. */
static void give(void *context, const uint8_t *bytes, size_t count)
{
	struct tty *tty = context;
	if (tty->fd >= 0 && write(tty->fd, bytes, count) < 0)
		return;
}

void tty_attach_usb(struct tty *tty, int fd, struct controller *controller, uint8_t in, uint8_t out)
{
	tty->controller = controller;
	tty->in = in;
	tty->out = out;
	tty->acm.on_bytes = give;
	tty->acm.context = tty;
	prepare(tty, fd);
}

void tty_attach_uart(struct tty *tty, int fd, struct resident *resident)
{
	tty->resident = resident;
	prepare(tty, fd);
}

/* --- rate and DTR ------------------------------------------------------------------------ */

static void look_at_rate(struct tty *tty)
{
	struct termios2 termios;
	if (tty->fd < 0 || ioctl(tty->fd, TCGETS2, &termios) < 0 || termios.c_ospeed == tty->baud)
		return;
	tty->baud = termios.c_ospeed;
	if (tty->resident)
		tty->resident->uart.host_baud = tty->baud;
	else
		(void)!acm_set_rate(&tty->acm, tty->baud);
}

void tty_set_dtr(struct tty *tty, bool dtr)
{
	if (tty->dtr == dtr)
		return;
	tty->dtr = dtr;
	if (!tty->resident)
		(void)!acm_set_dtr(&tty->acm, dtr);
}

/* --- open and closed --------------------------------------------------------------------- */

/* What there is to do is done in tty_run(), which every turn of the loop calls. */
static void on_ready(void *context, uint32_t events)
{
	(void)context, (void)events;
}

static void watch(struct tty *tty)
{
	tty->watch = (struct station_watch){ .fd = tty->fd, .on_ready = on_ready, .context = tty };
	(void)!station_watch(tty->station, &tty->watch);
}

void tty_note_open(struct tty *tty)
{
	if (tty->fd < 0)
		return;
	if (!tty->open && !tty->resident)
		acm_open(&tty->acm, tty->controller, tty->in, tty->out);
	if (!tty->open) {
		tty->dtr = true;
		watch(tty);
	}
	tty->open = true;
	look_at_rate(tty);
}

static void note_closed(struct tty *tty)
{
	if (!tty->open)
		return;
	look_at_rate(tty);
	station_unwatch(tty->station, &tty->watch);
	tty->open = false;
	tty->dtr = false;
	if (!tty->resident)
		acm_close(&tty->acm);
}

void tty_detach(struct tty *tty)
{
	note_closed(tty);
	tty->fd = safe_close(tty->fd);
	tty->pending_count = 0;
}

static bool is_had(const struct tty *tty)
{
	struct pollfd poll_fd = { .fd = tty->fd, .events = POLLIN };
	return poll(&poll_fd, 1, 0) >= 0 && !(poll_fd.revents & POLLHUP);
}

/* What was written before a program closed it is there still. */
static void take(struct tty *tty)
{
	ssize_t got = read(tty->fd, tty->pending + tty->pending_count,
		sizeof(tty->pending) - tty->pending_count);
	if (got <= 0)
		return;
	tty_note_open(tty);
	tty->pending_count += (size_t)got;
}

static void pass_on(struct tty *tty, uint64_t now)
{
	int taken = (int)tty->pending_count;
	if (!tty->pending_count)
		return;
	if (tty->resident)
		resident_hear(tty->resident, now, tty->pending, tty->pending_count);
	else if (tty->open)
		taken = acm_write(&tty->acm, tty->pending, tty->pending_count);
	if (taken < 0)
		taken = (int)tty->pending_count;
	tty->pending_count -= (size_t)taken;
	memmove(tty->pending, tty->pending + taken, tty->pending_count);
}

static void fetch(struct tty *tty)
{
	uint8_t bytes[UART_BYTES];
	size_t count;
	while (tty->resident &&
		(count = uart_host_take(&tty->resident->uart, bytes, sizeof(bytes))))
		give(tty, bytes, count);
}

uint64_t tty_run(struct tty *tty, uint64_t now)
{
	if (tty->fd < 0)
		return NEVER;
	take(tty);
	bool had = is_had(tty);
	if (had)
		tty_note_open(tty);
	pass_on(tty, now);
	fetch(tty);
	if (!had)
		note_closed(tty);
	return now + LOOK_NSEC;
}
