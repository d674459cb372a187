/* SPDX-License-Identifier: MIT */
/*
 * usb.h on libusb, for one thread. libusb never looks for devices here: the node is opened by path,
 * after and before a look at sysfs, so that exactly the arrival is opened that was meant. A wait is
 * ended by an event or by its own deadline, and the transfer outlives it. Knows no board, never
 * logs.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libusb-1.0/libusb.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/bytes.h"
#include "base/text.h"
#include "port/usb.h"

#define DEVICE_DESCRIPTOR_BYTES        18
#define CONFIGURATION_DESCRIPTOR_BYTES 9
/* A configuration's wTotalLength is 16 bits, and nobody needs more than one here. */
#define DESCRIPTORS_MAX (DEVICE_DESCRIPTOR_BYTES + 2 * 65535)
/* The kernel ends a discarded transfer at once; if it does not in this time, it never will. */
#define CANCEL_LIMIT_MSEC 5000

struct usb_transfer {
	struct usb_device *device;
	struct usb_transfer *next;
	struct libusb_transfer *inner;
	int ended; /* set by libusb's event handling, inside our own waits */
};

struct usb_device {
	struct libusb_context *context;
	struct libusb_device_handle *handle;
	struct usb_transfer *transfers;
	char *syspath;
	unsigned bus;
	unsigned device;
	uint64_t arrival;
	int fd;
	uint8_t *descriptors;
	size_t configuration_offset;
	size_t configuration_length;
};

static int errno_of_libusb(int error)
{
	switch (error) {
	case LIBUSB_ERROR_ACCESS:
		return -EACCES;
	case LIBUSB_ERROR_NO_DEVICE:
	case LIBUSB_ERROR_NOT_FOUND:
		return -ENODEV;
	case LIBUSB_ERROR_BUSY:
		return -EBUSY;
	case LIBUSB_ERROR_TIMEOUT:
		return -ETIMEDOUT;
	case LIBUSB_ERROR_PIPE:
		return -EPIPE;
	case LIBUSB_ERROR_NO_MEM:
		return -ENOMEM;
	case LIBUSB_ERROR_INVALID_PARAM:
		return -EINVAL;
	default:
		return -EIO;
	}
}

static int errno_of_status(enum libusb_transfer_status status)
{
	switch (status) {
	case LIBUSB_TRANSFER_COMPLETED:
		return 0;
	case LIBUSB_TRANSFER_STALL:
		return -EPIPE;
	case LIBUSB_TRANSFER_NO_DEVICE:
		return -ENODEV;
	case LIBUSB_TRANSFER_CANCELLED:
		return -ECANCELED;
	default: /* ERROR, OVERFLOW; TIMED_OUT cannot be, no bulk transfer has a timeout */
		return -EIO;
	}
}

static int64_t now_usec(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

/* A small number in a sysfs attribute: "12\n". */
static int read_attribute(const char *syspath, const char *name, unsigned *ret)
{
	_cleanup_(freep) char *path = text_format("%s/%s", syspath, name);
	if (!path)
		return -ENOMEM;
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	char text[16];
	ssize_t length = read(fd, text, sizeof text - 1);
	if (length < 0)
		return -errno;
	text[length] = '\0';

	char *end;
	errno = 0;
	unsigned long value = strtoul(text, &end, 10);
	if (errno || end == text || value > 65535)
		return -EINVAL;
	*ret = (unsigned)value;
	return 0;
}

/* 1: the arrival is (still) there; 0: it is not. */
static int sysfs_has_arrival(const char *syspath, unsigned bus, unsigned device, uint64_t arrival)
{
	struct stat status;
	if (stat(syspath, &status) < 0)
		return errno == ENOENT || errno == ENODEV ? 0 : -errno;
	if (arrival != 0 && status.st_ino != arrival)
		return 0;

	unsigned bus_there, device_there;
	int r = read_attribute(syspath, "busnum", &bus_there);
	if (r == 0)
		r = read_attribute(syspath, "devnum", &device_there);
	if (r == -ENOENT || r == -ENODEV)
		return 0;
	if (r < 0)
		return r;
	return bus_there == bus && device_there == device;
}

static int require_arrival(const struct usb_device *device)
{
	int r = sysfs_has_arrival(device->syspath, device->bus, device->device, device->arrival);
	return r == 0 ? -ENODEV : r < 0 ? r : 0;
}

static int open_node(const struct usb_device *device)
{
	_cleanup_(freep) char *node =
		text_format("/dev/bus/usb/%03u/%03u", device->bus, device->device);
	if (!node)
		return -ENOMEM;
	int fd = open(node, O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return errno == ENOENT ? -ENODEV : -errno;
	return fd;
}

/* Sysfs before and after: the arrival that is there both times was there in between, so the node
 * that was opened is its own. */
static int open_arrival(struct usb_device *device)
{
	int r = require_arrival(device);
	if (r < 0)
		return r;
	device->fd = open_node(device);
	if (device->fd < 0)
		return device->fd;
	return require_arrival(device);
}

static int start_libusb(struct usb_device *device)
{
	int r = libusb_set_option(NULL, LIBUSB_OPTION_NO_DEVICE_DISCOVERY);
	if (r < 0)
		return errno_of_libusb(r);
	r = libusb_init(&device->context);
	if (r < 0)
		return errno_of_libusb(r);
	r = libusb_wrap_sys_device(device->context, device->fd, &device->handle);
	return r < 0 ? errno_of_libusb(r) : 0;
}

/* The descriptors as the kernel keeps them. Its node has a hole where a configuration is shorter
 * than it claims, hence the zeroed memory. */
static int read_descriptors(struct usb_device *device, size_t *ret_length)
{
	device->descriptors = calloc(1, DESCRIPTORS_MAX);
	if (!device->descriptors)
		return -ENOMEM;
	size_t length = 0;
	while (length < DESCRIPTORS_MAX) {
		ssize_t count = pread(device->fd, device->descriptors + length,
			DESCRIPTORS_MAX - length, (off_t)length);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return -errno;
		if (count == 0)
			break;
		length += (size_t)count;
	}
	*ret_length = length;
	return 0;
}

static int find_configuration(struct usb_device *device)
{
	unsigned active;
	int r = read_attribute(device->syspath, "bConfigurationValue", &active);
	if (r < 0)
		return r == -ENOENT ? -ENODEV : r;
	size_t length = 0;
	r = read_descriptors(device, &length);
	if (r < 0)
		return r;

	size_t offset = DEVICE_DESCRIPTOR_BYTES;
	while (offset + CONFIGURATION_DESCRIPTOR_BYTES <= length) {
		const uint8_t *descriptor = device->descriptors + offset;
		size_t total = read_u16(descriptor + 2);
		if (descriptor[1] != LIBUSB_DT_CONFIG || total < CONFIGURATION_DESCRIPTOR_BYTES)
			return -EPROTO;
		if (descriptor[5] == active) {
			device->configuration_offset = offset;
			device->configuration_length =
				total < length - offset ? total : length - offset;
			return 0;
		}
		offset += total;
	}
	return -EPROTO;
}

static void LIBUSB_CALL on_ended(struct libusb_transfer *inner)
{
	struct usb_transfer *transfer = inner->user_data;
	transfer->ended = 1;
}

/* Lets libusb work until the transfer has ended or the time is over; 0, USB_PENDING or an errno. */
static int run_until_ended(struct usb_transfer *transfer, unsigned limit_msec)
{
	int64_t deadline_usec = now_usec() + (int64_t)limit_msec * 1000;
	while (!transfer->ended) {
		int64_t left_usec = deadline_usec - now_usec();
		if (left_usec < 0)
			left_usec = 0;
		struct timeval left = {
			.tv_sec = left_usec / 1000000,
			.tv_usec = left_usec % 1000000,
		};
		int r = libusb_handle_events_timeout_completed(
			transfer->device->context, &left, &transfer->ended);
		if (r < 0 && r != LIBUSB_ERROR_INTERRUPTED)
			return errno_of_libusb(r);
		if (!transfer->ended && left_usec == 0)
			return USB_PENDING;
	}
	return 0;
}

static bool node_says_gone(int fd)
{
	struct pollfd node = { .fd = fd };
	return poll(&node, 1, 0) > 0 && (node.revents & (POLLERR | POLLHUP));
}

static void unlink_transfer(struct usb_transfer *transfer)
{
	struct usb_transfer **place = &transfer->device->transfers;
	while (*place != transfer)
		place = &(*place)->next;
	*place = transfer->next;
}

int usb_open(const struct usb_address *address, struct usb_device **ret)
{
	if (strncmp(address->syspath, "/sys/", 5) != 0 || address->bus > 999 ||
		address->device > 999)
		return -EINVAL;
	_cleanup_(usb_closep) struct usb_device *device = calloc(1, sizeof *device);
	if (!device)
		return -ENOMEM;
	device->fd = -1;
	device->bus = address->bus;
	device->device = address->device;
	device->arrival = address->arrival;
	device->syspath = strdup(address->syspath);
	if (!device->syspath)
		return -ENOMEM;

	int r = open_arrival(device);
	if (r == 0)
		r = find_configuration(device);
	if (r == 0)
		r = start_libusb(device);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(device);
	return 0;
}

struct usb_device *usb_close(struct usb_device *device)
{
	if (!device)
		return NULL;
	while (device->transfers)
		usb_transfer_free(device->transfers);
	if (device->handle)
		libusb_close(device->handle);
	if (device->context)
		libusb_exit(device->context);
	safe_close(device->fd);
	free(device->descriptors);
	free(device->syspath);
	free(device);
	return NULL;
}

int usb_is_same_arrival(struct usb_device *device)
{
	if (node_says_gone(device->fd))
		return 0;
	return sysfs_has_arrival(device->syspath, device->bus, device->device, device->arrival);
}

int usb_configuration(struct usb_device *device, const uint8_t **ret_bytes, size_t *ret_length)
{
	*ret_bytes = device->descriptors + device->configuration_offset;
	*ret_length = device->configuration_length;
	return 0;
}

int usb_claim(struct usb_device *device, unsigned interface)
{
	int r = libusb_claim_interface(device->handle, (int)interface);
	return r < 0 ? errno_of_libusb(r) : 0;
}

int usb_set_alternate(struct usb_device *device, unsigned interface, unsigned alternate)
{
	int r = libusb_set_interface_alt_setting(device->handle, (int)interface, (int)alternate);
	return r < 0 ? errno_of_libusb(r) : 0;
}

int usb_control(struct usb_device *device, uint8_t request_type, uint8_t request, uint16_t value,
	uint16_t index, void *data, uint16_t length, unsigned timeout_msec)
{
	assert(timeout_msec > 0); /* libusb takes 0 for "for ever" */
	int r = libusb_control_transfer(
		device->handle, request_type, request, value, index, data, length, timeout_msec);
	return r < 0 ? errno_of_libusb(r) : r;
}

int usb_submit(struct usb_device *device, uint8_t endpoint, void *data, size_t length,
	struct usb_transfer **ret)
{
	assert(length <= INT32_MAX);
	struct usb_transfer *transfer = calloc(1, sizeof *transfer);
	if (!transfer)
		return -ENOMEM;
	transfer->inner = libusb_alloc_transfer(0);
	if (!transfer->inner) {
		free(transfer);
		return -ENOMEM;
	}
	/* No timeout of libusb's own: it would race with the completion and lose bytes. */
	libusb_fill_bulk_transfer(transfer->inner, device->handle, endpoint, data, (int)length,
		on_ended, transfer, 0);
	int r = libusb_submit_transfer(transfer->inner);
	if (r < 0) {
		libusb_free_transfer(transfer->inner);
		free(transfer);
		return errno_of_libusb(r);
	}
	transfer->device = device;
	transfer->next = device->transfers;
	device->transfers = transfer;
	*ret = transfer;
	return 0;
}

int usb_wait(struct usb_transfer *transfer, unsigned timeout_msec, size_t *ret_transferred)
{
	int r = run_until_ended(transfer, timeout_msec);
	if (r != 0)
		return r;
	if (ret_transferred)
		*ret_transferred = (size_t)transfer->inner->actual_length;
	return errno_of_status(transfer->inner->status);
}

void usb_cancel(struct usb_transfer *transfer)
{
	if (transfer->ended)
		return;
	/* What this returns does not matter: a transfer that is already ending, or whose device has
	 * left, still reports its end through the events. */
	(void)libusb_cancel_transfer(transfer->inner);
	(void)run_until_ended(transfer, CANCEL_LIMIT_MSEC);
}

struct usb_transfer *usb_transfer_free(struct usb_transfer *transfer)
{
	if (!transfer)
		return NULL;
	usb_cancel(transfer);
	unlink_transfer(transfer);
	/* If the kernel never let go, libusb still knows the transfer: a leak is better than its
	 * callback in freed memory. The data are safe, usbfs copies only when libusb reaps. */
	if (transfer->ended) {
		libusb_free_transfer(transfer->inner);
		free(transfer);
	}
	return NULL;
}

int usb_clear_halt(struct usb_device *device, uint8_t endpoint)
{
	int r = libusb_clear_halt(device->handle, endpoint);
	return r < 0 ? errno_of_libusb(r) : 0;
}

int usb_reset(struct usb_device *device)
{
	int r = libusb_reset_device(device->handle);
	return r < 0 ? errno_of_libusb(r) : 0;
}

int usb_pause(struct usb_device *device, unsigned msec)
{
	int64_t deadline_usec = now_usec() + (int64_t)msec * 1000;
	for (;;) {
		int64_t left_usec = deadline_usec - now_usec();
		if (left_usec <= 0)
			return 0;
		/* No events asked for: only "gone" (POLLERR, POLLHUP of usbfs) ends this early. */
		struct pollfd node = { .fd = device->fd };
		int r = poll(&node, 1, (int)((left_usec + 999) / 1000));
		if (r < 0 && errno != EINTR)
			return -errno;
		if (r > 0)
			return -ENODEV;
	}
}
