/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Which USB devices there are: coldplug and hotplug through one door. Listens to udevd (never to
 * the kernel: a board is only ours once the rules have marked it) and keeps what it has seen, so
 * that an overrun of the netlink buffer costs one fresh look and no event.
 */
#include <stddef.h>
#include <systemd/sd-event.h>

#include "model/device.h"

struct monitor;

struct monitor_calls {
	/* The device stays the monitor's. Applications come through here too (MODE_NONE). */
	void (*on_arrival)(void *context, const struct device *device);
	void (*on_departure)(void *context, const struct device *device);
	void (*on_overrun)(void *context);
	void *context;
};

/* Starts to listen; nothing is reported before monitor_coldplug(). */
int monitor_new(sd_event *event, const struct monitor_calls *calls, struct monitor **ret)
	_must_check_;
struct monitor *monitor_free(struct monitor *monitor);
DEFINE_CLEANUP(struct monitor *, monitor_free)

/* Reports every device that is there, each as `was_present`. */
int monitor_coldplug(struct monitor *monitor) _must_check_;

size_t monitor_count(const struct monitor *monitor);
const struct device *monitor_device(const struct monitor *monitor, size_t index);

/* By place or, for people, by port; NULL: nothing there. */
const struct device *monitor_find(const struct monitor *monitor, const char *place);
