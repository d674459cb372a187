/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * org.plugflash1 on the system bus: what there is, what runs, what would happen. Everything that
 * can grow is a dictionary (a{sv}), so that a new fact breaks no client.
 *
 *   Status() → a{sv}                    Reload() (root)
 *   ListDevices() → aa{sv}              signal DeviceAdded(s place, a{sv} device)
 *   ListJobs() → aa{sv}                 signal DeviceRemoved(s place)
 *   Explain(s place) → a{sv}            signal JobChanged(t job, a{sv} job)
 *   ExplainLike(s "2e8a:0003@place") → a{sv}
 *   History(a{sv} filter) → aa{sv}, newest first, a page at a time
 *   ListFirmware() → aa{sv}: what the store holds, in the order of the paths
 *   Flash(s place, port or name of a board) → t job
 *   ListBuses() → as: the CAN interfaces that there are
 *   LookAtBus(s interface) → a{sv} bus, aa{sv} nodes: a CAN bus, once it has been looked at
 *   Release(s place)
 *   Check() → a{sv}: reads the policy files anew, applies nothing
 *   CheckWith(s name, s text) → a{sv}: the same as if there were one file more
 *   ListBoards() → aa{sv}: the book of boards, and those that the policy names
 *   Enrollable(s place) → a{sv}: which board is there, as an entry of the policy would say it; "":
 *   the only one that is plugged in
 */
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "daemon/can_links.h"
#include "daemon/conduct.h"
#include "daemon/monitor.h"
#include "daemon/rulebook.h"

struct bus;

/* What the bus may look at, and the one thing that it may ask for. Outlives the bus. */
struct bus_view {
	const struct monitor *monitor;
	const struct can_links *links;
	struct conduct *conduct;
	const struct policy *policy;
	const char *policy_problem; /* why the files on disk were not taken, or NULL */
	const char *firmware_directory;
	struct store *store;
	const struct rulebook_source *rulebook;
	sd_event *event;
	const char *can_worker_socket;
	int (*on_reload)(void *context); /* 0, RULEBOOK_INVALID, negative errno */
	void *context;
};

/* Connects, offers the object, asks for the name. */
int bus_new(sd_event *event, const struct bus_view *view, struct bus **ret) _must_check_;
struct bus *bus_free(struct bus *bus);
DEFINE_CLEANUP(struct bus *, bus_free)

/* Signals. A bus that is gone is no reason to stop: they then go nowhere. `bus` may be NULL. */
void bus_device_added(struct bus *bus, const struct device *device);
void bus_device_removed(struct bus *bus, const struct device *device);
void bus_job_changed(struct bus *bus, const struct job *job);

/* A look at a CAN bus has ended: whoever waits to look gets his turn. */
void bus_looks_again(struct bus *bus);
