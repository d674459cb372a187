/* SPDX-License-Identifier: MIT */
/* Watching udev; see monitor.h. */
#include <errno.h>
#include <inttypes.h>
#include <libudev.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#include "base/names.h"
#include "base/text.h"
#include "daemon/monitor.h"
#include "model/can_uuid.h"

#define DEVICES_MAX          4096
#define RECEIVE_BUFFER_BYTES (8 << 20)

struct monitor {
	struct udev *udev;
	struct udev_monitor *netlink;
	sd_event_source *io;
	struct monitor_calls calls;
	struct device **devices;
	size_t count;
	bool looking; /* the first look: what it finds was there before us */
	/* Arrivals that were there at the first look, but whose rules had not run yet. */
	uint64_t *early;
	size_t early_count;
};

static void udev_device_unrefp(struct udev_device **device)
{
	udev_device_unref(*device);
}

static void udev_enumerate_unrefp(struct udev_enumerate **enumerate)
{
	udev_enumerate_unref(*enumerate);
}

/* ---- a udev device becomes a value ------------------------------------------------------ */

/* False unless the attribute is a number in this base that fits. */
static bool attribute_number(struct udev_device *udev_device, const char *name, int base,
	unsigned long limit, unsigned long *ret)
{
	const char *text = udev_device_get_sysattr_value(udev_device, name);
	char *end;
	if (!text || !*text)
		return false;
	errno = 0;
	unsigned long value = strtoul(text, &end, base);
	if (errno != 0 || *end || value > limit)
		return false;
	*ret = value;
	return true;
}

/* An event may be late: it tells of a device that has left, while another sits at its sysfs path
 * already. The kernel numbers each arrival, so the event's own number says which one it means. */
static bool is_about(struct udev_device *udev_device, uint32_t number)
{
	const char *text = udev_device_get_property_value(udev_device, "DEVNUM");
	return text && strtoul(text, NULL, 10) == number;
}

static bool read_numbers(struct udev_device *udev_device, struct device *device)
{
	unsigned long bus, number, vid, pid;
	struct stat status;
	if (!attribute_number(udev_device, "busnum", 10, UINT32_MAX, &bus) ||
		!attribute_number(udev_device, "devnum", 10, UINT32_MAX, &number) ||
		!attribute_number(udev_device, "idVendor", 16, UINT16_MAX, &vid) ||
		!attribute_number(udev_device, "idProduct", 16, UINT16_MAX, &pid) ||
		stat(device->syspath, &status) < 0)
		return false;
	device->bus = (uint32_t)bus;
	device->number = (uint32_t)number;
	device->vid = (uint16_t)vid;
	device->pid = (uint16_t)pid;
	device->arrival = status.st_ino;
	return is_about(udev_device, device->number);
}

static enum board_mode mode_of(struct udev_device *udev_device)
{
	const char *name = udev_device_get_property_value(udev_device, NAME_UDEV_PROPERTY);
	int mode = name ? mode_from_name(name) : -EINVAL;
	return mode < 0 ? MODE_NONE : (enum board_mode)mode;
}

/* A board that runs Klipper and is a CAN adapter has another id than one that is not (klipper,
 * src/generic/usb_canbus.c). */
static bool is_bridge(struct udev_device *udev_device)
{
	return text_equal(udev_device_get_sysattr_value(udev_device, "idProduct"), "606f");
}

/* NULL when the device has left meanwhile, is another by now, has no place, or memory is short: its
 * "remove", the other's own event or the next look settles it. */
static struct device *device_read(struct udev_device *udev_device)
{
	const char *place = udev_device_get_property_value(udev_device, "ID_PATH");
	if (!place)
		return NULL;
	_cleanup_(device_freep) struct device *device = calloc(1, sizeof(*device));
	if (!device)
		return NULL;
	device->place = text_escape(place);
	device->port = text_escape(udev_device_get_sysname(udev_device));
	device->syspath = strdup(udev_device_get_syspath(udev_device));
	device->serial = text_escape(udev_device_get_sysattr_value(udev_device, "serial"));
	device->manufacturer =
		text_escape(udev_device_get_sysattr_value(udev_device, "manufacturer"));
	device->product = text_escape(udev_device_get_sysattr_value(udev_device, "product"));
	if (!device->place || !device->port || !device->syspath || !device->serial ||
		!device->manufacturer || !device->product)
		return NULL;
	device->mode = mode_of(udev_device);
	if (device->mode == MODE_KLIPPER && is_bridge(udev_device))
		(void)can_uuid_from_serial(device->serial, device->can_uuid);
	return read_numbers(udev_device, device) ? TAKE_PTR(device) : NULL;
}

/* ---- what is known ---------------------------------------------------------------------- */

static size_t index_of(const struct monitor *monitor, const char *syspath)
{
	size_t i = 0;
	while (i < monitor->count && !text_equal(monitor->devices[i]->syspath, syspath))
		i++;
	return i;
}

static void forget(struct monitor *monitor, size_t index)
{
	_cleanup_(device_freep) struct device *device = monitor->devices[index];
	monitor->devices[index] = monitor->devices[--monitor->count];
	monitor->calls.on_departure(monitor->calls.context, device);
}

static void remember(struct monitor *monitor, struct device *fresh)
{
	_cleanup_(device_freep) struct device *device = fresh;
	if (monitor->count >= DEVICES_MAX)
		return;
	struct device **grown = reallocarray(monitor->devices, monitor->count + 1, sizeof(*grown));
	if (!grown)
		return;
	monitor->devices = grown;
	monitor->devices[monitor->count++] = device;
	monitor->calls.on_arrival(monitor->calls.context, TAKE_PTR(device));
}

/* At boot we may be there before udevd has come to a board: its event still comes, and must not
 * make it look as if somebody had just plugged it in. */
static void remember_early(struct monitor *monitor, struct udev_device *udev_device)
{
	struct stat status;
	if (stat(udev_device_get_syspath(udev_device), &status) < 0)
		return;
	uint64_t *grown = reallocarray(monitor->early, monitor->early_count + 1, sizeof(*grown));
	if (!grown)
		return;
	monitor->early = grown;
	monitor->early[monitor->early_count++] = status.st_ino;
}

static bool is_early(const struct monitor *monitor, uint64_t arrival)
{
	for (size_t i = 0; i < monitor->early_count; i++)
		if (monitor->early[i] == arrival)
			return true;
	return false;
}

/* The one door: coldplug, hotplug and the look after an overrun all end here. */
static void see(struct monitor *monitor, struct udev_device *udev_device)
{
	_cleanup_(device_freep) struct device *device = device_read(udev_device);
	if (!device) {
		if (monitor->looking)
			remember_early(monitor, udev_device);
		return;
	}
	device->was_present = monitor->looking || is_early(monitor, device->arrival);
	size_t known = index_of(monitor, device->syspath);
	if (known < monitor->count) {
		const struct device *before = monitor->devices[known];
		bool same_arrival = device_is_same_arrival(before, device);
		if (same_arrival && before->mode == device->mode)
			return;
		/* New rules can turn a stranger into a board of ours; nobody has plugged it. */
		device->was_present |= same_arrival;
		forget(monitor, known);
	}
	remember(monitor, TAKE_PTR(device));
}

static int look(struct monitor *monitor)
{
	_cleanup_(udev_enumerate_unrefp) struct udev_enumerate *enumerate =
		udev_enumerate_new(monitor->udev);
	if (!enumerate)
		return -ENOMEM;
	int r = udev_enumerate_add_match_subsystem(enumerate, "usb");
	if (r >= 0)
		r = udev_enumerate_add_match_property(enumerate, "DEVTYPE", "usb_device");
	if (r >= 0)
		r = udev_enumerate_scan_devices(enumerate);
	if (r < 0)
		return r;
	struct udev_list_entry *entry;
	udev_list_entry_foreach(entry, udev_enumerate_get_list_entry(enumerate))
	{
		_cleanup_(udev_device_unrefp) struct udev_device *udev_device =
			udev_device_new_from_syspath(
				monitor->udev, udev_list_entry_get_name(entry));
		if (udev_device)
			see(monitor, udev_device);
	}
	return 0;
}

/* Events were lost: whatever is not as remembered has left, whatever is new is seen as if its
 * event had come. */
static void resync(struct monitor *monitor)
{
	monitor->calls.on_overrun(monitor->calls.context);
	for (size_t i = monitor->count; i-- > 0;) {
		struct stat status;
		if (stat(monitor->devices[i]->syspath, &status) < 0 ||
			status.st_ino != monitor->devices[i]->arrival)
			forget(monitor, i);
	}
	(void)look(monitor); /* fails only for want of memory; the next event tries again */
}

static void on_event(struct monitor *monitor, struct udev_device *udev_device)
{
	const char *action = udev_device_get_action(udev_device);
	if (!text_equal(action, "remove")) {
		see(monitor, udev_device);
		return;
	}
	size_t known = index_of(monitor, udev_device_get_syspath(udev_device));
	if (known < monitor->count && is_about(udev_device, monitor->devices[known]->number))
		forget(monitor, known);
}

/* After an overrun the kernel goes on dropping events in silence until the queue is empty: so first
 * all that is left is read, and only then is it worth looking. */
static int on_readable(sd_event_source *source, int fd, uint32_t events, void *context)
{
	(void)source, (void)fd, (void)events;
	struct monitor *monitor = context;
	bool lost = false;
	for (;;) {
		errno = 0;
		_cleanup_(udev_device_unrefp) struct udev_device *udev_device =
			udev_monitor_receive_device(monitor->netlink);
		if (udev_device)
			on_event(monitor, udev_device);
		else if (errno == ENOBUFS)
			lost = true;
		else
			break;
	}
	if (lost)
		resync(monitor);
	return 0;
}

int monitor_new(sd_event *event, const struct monitor_calls *calls, struct monitor **ret)
{
	_cleanup_(monitor_freep) struct monitor *monitor = calloc(1, sizeof(*monitor));
	if (!monitor)
		return -ENOMEM;
	monitor->calls = *calls;
	monitor->udev = udev_new();
	if (!monitor->udev)
		return -ENOMEM;
	monitor->netlink = udev_monitor_new_from_netlink(monitor->udev, "udev");
	if (!monitor->netlink)
		return errno > 0 ? -errno : -ENOMEM;
	int r = udev_monitor_filter_add_match_subsystem_devtype(
		monitor->netlink, "usb", "usb_device");
	if (r < 0)
		return r;
	/* A wish: the kernel may grant less, and an overrun is survived. */
	(void)udev_monitor_set_receive_buffer_size(monitor->netlink, RECEIVE_BUFFER_BYTES);
	r = udev_monitor_enable_receiving(monitor->netlink);
	if (r < 0)
		return r;
	r = sd_event_add_io(event, &monitor->io, udev_monitor_get_fd(monitor->netlink), EPOLLIN,
		on_readable, monitor);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(monitor);
	return 0;
}

int monitor_coldplug(struct monitor *monitor)
{
	monitor->looking = true;
	int r = look(monitor);
	monitor->looking = false;
	return r;
}

struct monitor *monitor_free(struct monitor *monitor)
{
	if (!monitor)
		return NULL;
	sd_event_source_unref(monitor->io);
	if (monitor->netlink)
		udev_monitor_unref(monitor->netlink);
	if (monitor->udev)
		udev_unref(monitor->udev);
	for (size_t i = 0; i < monitor->count; i++)
		device_free(monitor->devices[i]);
	free(monitor->devices);
	free(monitor->early);
	free(monitor);
	return NULL;
}

size_t monitor_count(const struct monitor *monitor)
{
	return monitor->count;
}

const struct device *monitor_device(const struct monitor *monitor, size_t index)
{
	return monitor->devices[index];
}

const struct device *monitor_find(const struct monitor *monitor, const char *place)
{
	for (size_t i = 0; i < monitor->count; i++)
		if (text_equal(monitor->devices[i]->place, place) ||
			text_equal(monitor->devices[i]->port, place))
			return monitor->devices[i];
	return NULL;
}
