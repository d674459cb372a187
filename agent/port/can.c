/* SPDX-License-Identifier: MIT */
/*
 * can.h on the kernel's raw sockets, for one thread. The send buffer is as small as the kernel lets
 * it be: a few frames, fewer than an interface's queue holds, so that poll() says when the next one
 * can go. Else a full queue is only told by ENOBUFS, and no event says when it is full no longer.
 * Knows no board, never logs.
 */
#include <errno.h>
#include <linux/can/error.h>
#include <linux/can/raw.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "port/can.h"
#include "port/can_rcvlist.h"

#define FILTERS_MOST 64u
/* For as long as others fill the interface's queue. */
#define FULL_MSEC 2

struct can {
	int fd;
	char name[CAN_NAME_TEXT];
	int locks[CAN_SHARES];
};

static int64_t now_msec(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* ---- opening ----------------------------------------------------------------------------- */

/* Not by if_nametoindex(), which looks for a kind of socket in /proc/net and makes one. */
static int bind_to(int fd, const char *interface)
{
	struct ifreq request = { 0 };
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
	if (ioctl(fd, SIOCGIFINDEX, &request) < 0)
		return errno == ENODEV ? -ENODEV : -errno;
	const struct sockaddr_can address = { .can_family = AF_CAN,
		.can_ifindex = request.ifr_ifindex };
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return 0;
	return errno == ENXIO || errno == ENODEV ? -ENODEV : -errno;
}

static int set_option(int fd, int level, int option, const void *value, size_t length)
{
	return setsockopt(fd, level, option, value, (socklen_t)length) < 0 ? -errno : 0;
}

/* Nothing is received before somebody says what. */
static int prepare(int fd)
{
	static const int on = 1, least = 1;
	TRY(set_option(fd, SOL_CAN_RAW, CAN_RAW_FILTER, NULL, 0));
	TRY(set_option(fd, SOL_SOCKET, SO_TIMESTAMP, &on, sizeof(on)));
	return set_option(fd, SOL_SOCKET, SO_SNDBUF, &least, sizeof(least));
}

int can_open(const char *interface, struct can **ret)
{
	if (!can_name_is_valid(interface))
		return -EINVAL;
	_cleanup_(can_closep) struct can *can = calloc(1, sizeof *can);
	if (!can)
		return -ENOMEM;
	for (unsigned i = 0; i < CAN_SHARES; i++)
		can->locks[i] = -1;
	snprintf(can->name, sizeof(can->name), "%s", interface);
	can->fd = socket(PF_CAN, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, CAN_RAW);
	if (can->fd < 0)
		return -errno;
	TRY(prepare(can->fd));
	TRY(bind_to(can->fd, interface));
	*ret = TAKE_PTR(can);
	return 0;
}

struct can *can_close(struct can *can)
{
	if (!can)
		return NULL;
	for (unsigned i = 0; i < CAN_SHARES; i++)
		safe_close(can->locks[i]);
	safe_close(can->fd);
	free(can);
	return NULL;
}

int can_listen(struct can *can, const uint32_t *numbers, size_t count, bool errors)
{
	struct can_filter filters[FILTERS_MOST];
	const can_err_mask_t classes = errors ? CAN_ERR_MASK : 0;
	if (count > FILTERS_MOST)
		return -EINVAL;
	for (size_t i = 0; i < count; i++)
		filters[i] = (struct can_filter){
			.can_id = numbers[i],
			.can_mask = CAN_SFF_MASK | CAN_EFF_FLAG | CAN_RTR_FLAG,
		};
	/* No remote requests, and no long numbers: nobody here speaks these. */
	if (count == 0)
		filters[count++] = (struct can_filter){ .can_mask = CAN_EFF_FLAG | CAN_RTR_FLAG };
	TRY(set_option(can->fd, SOL_CAN_RAW, CAN_RAW_ERR_FILTER, &classes, sizeof(classes)));
	return set_option(
		can->fd, SOL_CAN_RAW, CAN_RAW_FILTER, filters, count * sizeof(filters[0]));
}

/* ---- frames ------------------------------------------------------------------------------ */

static int errno_of_frame(void)
{
	return errno == ENXIO ? -ENODEV : -errno;
}

/* 0: it can be read, or written; -ETIMEDOUT, or what befell the interface. */
static int wait_for(const struct can *can, short events, int64_t deadline_msec)
{
	for (;;) {
		struct pollfd socket = { .fd = can->fd, .events = events };
		int64_t left = deadline_msec - now_msec();
		int r = poll(&socket, 1, left > 0 ? (int)left : 0);
		if (r < 0 && errno != EINTR)
			return -errno;
		if (r > 0)
			return 0; /* of an error the call itself will tell */
		if (r == 0 && left <= 0)
			return -ETIMEDOUT;
	}
}

/* Others have filled the interface's queue: it empties frame by frame, which takes a tenth of a
 * millisecond each, or never. */
static int wait_for_queue(int64_t deadline_msec)
{
	const struct timespec pause = { .tv_nsec = FULL_MSEC * 1000000 };
	if (now_msec() >= deadline_msec)
		return -ENOBUFS;
	nanosleep(&pause, NULL);
	return 0;
}

int can_send(
	struct can *can, uint32_t number, const void *data, size_t length, unsigned timeout_msec)
{
	struct can_frame frame = { .can_id = number };
	int64_t deadline_msec = now_msec() + timeout_msec;
	if (number > CAN_SFF_MASK || length > CAN_PAYLOAD)
		return -EINVAL;
	frame.can_dlc = (uint8_t)length;
	memcpy(frame.data, data, length);
	for (;;) {
		int r = wait_for(can, POLLOUT, deadline_msec);
		if (r < 0) /* what was sent before is still under way: nobody acknowledges it */
			return r == -ETIMEDOUT ? -ENOBUFS : r;
		if (write(can->fd, &frame, sizeof(frame)) == (ssize_t)sizeof(frame))
			return 0;
		if (errno == ENOBUFS)
			TRY(wait_for_queue(deadline_msec));
		else if (errno != EAGAIN && errno != EINTR)
			return errno_of_frame();
	}
}

static int64_t time_of(struct msghdr *message)
{
	struct timeval time = { 0 };
	for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part))
		if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SO_TIMESTAMP)
			memcpy(&time, CMSG_DATA(part), sizeof(time));
	return (int64_t)time.tv_sec * 1000000 + time.tv_usec;
}

static int read_frame(struct can *can, struct can_frame_seen *ret)
{
	struct can_frame frame;
	struct iovec part = { .iov_base = &frame, .iov_len = sizeof(frame) };
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct timeval)) + 64];
	struct msghdr message = { .msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control) };
	ssize_t got = recvmsg(can->fd, &message, MSG_DONTWAIT);
	if (got < 0)
		return errno_of_frame();
	if (got != (ssize_t)sizeof(frame) || frame.can_dlc > CAN_PAYLOAD)
		return -EAGAIN;
	bool is_error = frame.can_id & CAN_ERR_FLAG;
	*ret = (struct can_frame_seen){
		.number = frame.can_id & (is_error ? CAN_ERR_MASK : CAN_SFF_MASK),
		.is_error = is_error,
		.is_ours = message.msg_flags & MSG_DONTROUTE,
		.length = frame.can_dlc,
		.time_usec = time_of(&message),
	};
	memcpy(ret->data, frame.data, frame.can_dlc);
	return 0;
}

int can_receive(struct can *can, struct can_frame_seen *ret, unsigned timeout_msec)
{
	int64_t deadline_msec = now_msec() + timeout_msec;
	for (;;) {
		int r = read_frame(can, ret);
		if (r != -EAGAIN && r != -EINTR)
			return r;
		TRY(wait_for(can, POLLIN, deadline_msec));
	}
}

int64_t can_now_msec(const struct can *can)
{
	(void)can;
	return now_msec();
}

/* ---- the lock ---------------------------------------------------------------------------- */

/* A name among those of sockets belongs to one process of this computer, whoever it runs as, and is
 * free again when that has ended, however. */
static int take_share(struct can *can, unsigned share)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int length = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "plugflash/%s/%u",
		can->name, share);
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)&address, size) < 0)
		return errno == EADDRINUSE ? -EBUSY : -errno;
	can->locks[share] = TAKE_FD(fd);
	return 0;
}

int can_lock_share(struct can *can, unsigned *ret_share)
{
	for (unsigned share = 0; share < CAN_SHARES; share++) {
		int r = take_share(can, share);
		if (r == 0)
			*ret_share = share;
		if (r != -EBUSY)
			return r;
	}
	return -EBUSY;
}

int can_lock_all(struct can *can)
{
	for (unsigned share = 0; share < CAN_SHARES; share++) {
		int r = take_share(can, share);
		if (r < 0) {
			while (share-- > 0)
				can->locks[share] = safe_close(can->locks[share]);
			return r;
		}
	}
	return 0;
}

/* ---- who else ---------------------------------------------------------------------------- */

/* The kernel keeps receivers of one number in one list, and those with a mask of their own in the
 * other (net/can/af_can.c: can_rcv_list_find()). */
int can_listeners(const struct can *can, uint32_t first, uint32_t last, unsigned *ret_count)
{
	static const char *const lists[] = { "/proc/net/can/rcvlist_sff",
		"/proc/net/can/rcvlist_fil" };
	unsigned count = 0;
	for (size_t i = 0; i < ELEMENTSOF(lists); i++) {
		char line[256];
		_cleanup_(fclosep) FILE *file = fopen(lists[i], "re");
		if (!file)
			return -errno;
		while (fgets(line, sizeof(line), file))
			count += can_rcvlist_matches(line, can->name, first, last);
	}
	*ret_count = count;
	return 0;
}
