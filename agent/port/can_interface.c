/* SPDX-License-Identifier: MIT */
/* What the kernel says of a CAN interface, by sysfs and (libsocketcan) netlink; see can.h. */
#include <errno.h>
#include <libsocketcan.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "port/can.h"

#define TYPE_CAN 280u /* ARPHRD_CAN */

static bool read_word(const char *name, const char *attribute, const char *format, void *ret)
{
	_cleanup_(freep) char *path = text_format("/sys/class/net/%s/%s", name, attribute);
	_cleanup_(fclosep) FILE *file = path ? fopen(path, "re") : NULL;
	return file && fscanf(file, format, ret) == 1;
}

static unsigned read_number(const char *name, const char *attribute)
{
	unsigned number = 0;
	bool is_hexadecimal = text_equal(attribute, "flags");
	return read_word(name, attribute, is_hexadecimal ? "%x" : "%u", &number) ? number : 0;
}

/* What a link in sysfs points at, its last part. */
static void read_link(const char *name, const char *link, char *ret, size_t capacity)
{
	char target[256];
	_cleanup_(freep) char *path = text_format("/sys/class/net/%s/%s", name, link);
	ssize_t length = path ? readlink(path, target, sizeof(target) - 1) : -1;
	if (length <= 0)
		return;
	target[length] = '\0';
	const char *last = strrchr(target, '/');
	text_copy_plain(ret, capacity, last ? last + 1 : target);
}

/* An slcan is in none, either, but has a controller. */
static bool is_in_no_device(const char *name)
{
	char target[256];
	_cleanup_(freep) char *path = text_format("/sys/class/net/%s", name);
	ssize_t length = path ? readlink(path, target, sizeof(target) - 1) : -1;
	if (length <= 0)
		return false;
	target[length] = '\0';
	return strstr(target, "/devices/virtual/");
}

/* Of the device that the interface's own (a USB interface) belongs to. */
static void read_usb_text(const char *name, const char *attribute, char *ret, size_t capacity)
{
	char line[128] = "";
	_cleanup_(freep) char *path =
		text_format("/sys/class/net/%s/device/../%s", name, attribute);
	_cleanup_(fclosep) FILE *file = path ? fopen(path, "re") : NULL;
	if (!file || !fgets(line, sizeof(line), file))
		return;
	line[strcspn(line, "\n")] = '\0';
	text_copy_plain(ret, capacity, line);
}

static enum can_controller controller_of(int state)
{
	static const enum can_controller controllers[] = {
		[CAN_STATE_ERROR_ACTIVE] = CAN_ERROR_ACTIVE,
		[CAN_STATE_ERROR_WARNING] = CAN_ERROR_WARNING,
		[CAN_STATE_ERROR_PASSIVE] = CAN_ERROR_PASSIVE,
		[CAN_STATE_BUS_OFF] = CAN_BUS_OFF,
		[CAN_STATE_STOPPED] = CAN_STOPPED,
		[CAN_STATE_SLEEPING] = CAN_SLEEPING,
	};
	return state >= 0 && state < (int)ELEMENTSOF(controllers) ? controllers[state]
								  : CAN_CONTROLLER_UNKNOWN;
}

/* What a driver does not have it does not answer, and that stays unknown. */
static void ask_netlink(const char *name, struct can_interface *ret)
{
	int state;
	struct can_bittiming timing;
	struct can_berr_counter counters;
	struct can_device_stats statistics;
	struct rtnl_link_stats64 link;
	if (can_get_state(name, &state) == 0)
		ret->controller = controller_of(state);
	if (can_get_bittiming(name, &timing) == 0) {
		ret->bitrate = timing.bitrate;
		ret->sample_point_permille = timing.sample_point;
	}
	if (can_get_restart_ms(name, &ret->restart_msec) < 0)
		ret->restart_msec = 0;
	ret->has_error_counters = can_get_berr_counter(name, &counters) == 0;
	if (ret->has_error_counters) {
		ret->send_errors = counters.txerr;
		ret->receive_errors = counters.rxerr;
	}
	if (can_get_device_stats(name, &statistics) == 0) {
		ret->bus_errors = statistics.bus_error;
		ret->times_warning = statistics.error_warning;
		ret->times_passive = statistics.error_passive;
		ret->times_bus_off = statistics.bus_off;
		ret->restarts = statistics.restarts;
	}
	if (can_get_link_stats(name, &link) == 0) {
		ret->frames_sent = link.tx_packets;
		ret->frames_received = link.rx_packets;
		ret->frames_dropped = link.tx_dropped;
	}
}

/* The library tells standard error of each thing that a driver does not have; that is no fault. */
static void read_netlink(const char *name, struct can_interface *ret)
{
	FILE *errors = stderr, *nowhere = fopen("/dev/null", "we");
	if (nowhere)
		stderr = nowhere;
	ask_netlink(name, ret);
	stderr = errors;
	if (nowhere)
		fclose(nowhere);
}

int can_interface_read(const char *name, struct can_interface *ret)
{
	struct can_interface interface = { 0 };
	if (!can_name_is_valid(name))
		return -EINVAL;
	if (read_number(name, "type") != TYPE_CAN)
		return -ENODEV;
	snprintf(interface.name, sizeof(interface.name), "%s", name);
	read_link(name, "device/driver", interface.driver, sizeof(interface.driver));
	if (text_equal(interface.driver, "gs_usb")) {
		read_usb_text(name, "manufacturer", interface.usb_manufacturer, CAN_USB_TEXT);
		read_usb_text(name, "serial", interface.usb_serial, CAN_USB_TEXT);
	}
	interface.is_up = read_number(name, "flags") & IFF_UP;
	interface.queue_length = read_number(name, "tx_queue_len");
	read_netlink(name, &interface);
	interface.is_virtual =
		is_in_no_device(name) && interface.controller == CAN_CONTROLLER_UNKNOWN;
	*ret = interface;
	return 0;
}
