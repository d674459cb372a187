/* SPDX-License-Identifier: MIT */
/* The object on the bus; see bus.h. */
#include <errno.h>
#include <string.h>

#include "base/names.h"
#include "base/text.h"
#include "daemon/bus.h"
#include "daemon/bus_boards.h"
#include "daemon/bus_can.h"
#include "daemon/bus_flash.h"
#include "daemon/bus_history.h"
#include "daemon/bus_put.h"

#define ERROR_NO_BOARD        NAME_BUS ".Error.NoBoard"
#define ERROR_INVALID         NAME_BUS ".Error.PolicyInvalid"
#define ERROR_NO_HISTORY      NAME_BUS ".Error.NoHistory"
#define ERROR_NOT_QUARANTINED NAME_BUS ".Error.NotQuarantined"
#define ERROR_NOT_ENROLLABLE  NAME_BUS ".Error.NotEnrollable"

struct bus {
	struct bus_can *can;
	sd_bus *connection;
	sd_bus_slot *object;
	const struct bus_view *view;
};

static void message_unrefp(sd_bus_message **message)
{
	sd_bus_message_unref(*message);
}

/* ---- methods ---------------------------------------------------------------------------- */

/* A reply that is one array: "a{sv}" for a list of dictionaries, "{sv}" for one dictionary. */
static int begin_array(sd_bus_message *call, const char *element, sd_bus_message **ret)
{
	int r = sd_bus_message_new_method_return(call, ret);
	return r < 0 ? r : sd_bus_message_open_container(*ret, SD_BUS_TYPE_ARRAY, element);
}

static int send_array(sd_bus_message *reply)
{
	int r = sd_bus_message_close_container(reply);
	return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int on_list_devices(sd_bus_message *call, void *context, sd_bus_error *error)
{
	(void)error;
	const struct monitor *monitor = ((struct bus *)context)->view->monitor;
	_cleanup_(message_unrefp) sd_bus_message *reply = NULL;
	int r = begin_array(call, "a{sv}", &reply);
	for (size_t i = 0; i < monitor_count(monitor) && r >= 0; i++)
		r = bus_put_device(reply, monitor_device(monitor, i));
	return r < 0 ? r : send_array(reply);
}

static int on_list_jobs(sd_bus_message *call, void *context, sd_bus_error *error)
{
	(void)error;
	const struct queue *queue = conduct_queue(((struct bus *)context)->view->conduct);
	_cleanup_(message_unrefp) sd_bus_message *reply = NULL;
	int r = begin_array(call, "a{sv}", &reply);
	for (size_t i = 0; i < queue_count(queue) && r >= 0; i++)
		r = bus_put_job(reply, queue_job(queue, i));
	return r < 0 ? r : send_array(reply);
}

/* What is not known of a board that nobody has looked at is taken from its mode: the answer says
 * what would happen if the look confirms it. Where many chips have one mode, it is that a look
 * comes first. */
static int reply_explanation(sd_bus_message *call, const struct bus_view *view,
	const struct device *device, const struct board_facts *known)
{
	const struct board_facts supposed = { .chip = mode_chip(device->mode) };
	const struct board_facts *promised = supposed.chip == CHIP_UNKNOWN ? NULL : &supposed;
	const struct board_facts *facts = known ? known : promised;
	_cleanup_(judgement_done) struct judgement judgement = { 0 };
	int r = conduct_judge(view->conduct, device, facts, &judgement);
	if (r < 0)
		return r;
	_cleanup_(message_unrefp) sd_bus_message *reply = NULL;
	r = sd_bus_message_new_method_return(call, &reply);
	if (r >= 0)
		r = bus_put_explanation(reply, view->policy, device, facts, &judgement);
	return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int on_explain(sd_bus_message *call, void *context, sd_bus_error *error)
{
	const struct bus_view *view = ((struct bus *)context)->view;
	const char *place;
	int r = sd_bus_message_read(call, "s", &place);
	if (r < 0)
		return r;
	const struct device *device = monitor_find(view->monitor, place);
	if (!device) {
		_cleanup_(freep) char *safe = text_escape(place);
		return sd_bus_error_setf(error, ERROR_NO_BOARD,
			"Nothing is plugged in at %s; \"plugflash list\" shows the places, and "
			"--like 2e8a:0003@PLACE asks about a board that is not there",
			safe ? safe : "that place");
	}
	return reply_explanation(call, view, device, conduct_facts(view->conduct, device));
}

static int on_explain_like(sd_bus_message *call, void *context, sd_bus_error *error)
{
	const struct bus_view *view = ((struct bus *)context)->view;
	const char *like;
	int r = sd_bus_message_read(call, "s", &like);
	if (r < 0)
		return r;
	const char *at = strchr(like, '@');
	_cleanup_(freep) char *id = at ? strndup(like, (size_t)(at - like)) : NULL;
	_cleanup_(freep) char *place = at ? text_escape(at + 1) : NULL;
	struct device device = {
		.place = place,
		.port = (char *)"",
		.syspath = (char *)"",
		.serial = (char *)"",
		.manufacturer = (char *)"",
		.product = (char *)"",
	};
	if (!id || !place || text_parse_vid_pid(id, &device.vid, &device.pid) < 0)
		return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS,
			"Wanted is VID:PID@PLACE, as 2e8a:0003@pci-0000:00:14.0-usb-0:1");
	device.mode = mode_of_usb_id(device.vid, device.pid);
	return reply_explanation(call, view, &device, NULL);
}

static int on_status(sd_bus_message *call, void *context, sd_bus_error *error)
{
	(void)error;
	const struct bus_view *view = ((struct bus *)context)->view;
	_cleanup_(message_unrefp) sd_bus_message *reply = NULL;
	int r = begin_array(call, "{sv}", &reply);
	if (r >= 0)
		r = bus_put_string(reply, "version", VERSION);
	if (r >= 0)
		r = bus_put_number(reply, "rules", view->policy->rule_count);
	if (r >= 0)
		r = bus_put_number(reply, "boards", view->policy->board_count);
	if (r >= 0)
		r = bus_put_string(reply, "policy_problem", view->policy_problem);
	if (r >= 0)
		r = bus_put_string(reply, "firmware_directory", view->firmware_directory);
	if (r >= 0)
		r = bus_put_number(
			reply, "active_jobs", queue_active(conduct_queue(view->conduct)));
	struct history *history = conduct_history(view->conduct);
	if (r >= 0)
		r = bus_put_bool(reply, "history", history);
	if (r >= 0 && history)
		r = bus_put_quarantined(reply, "quarantined", history);
	return r < 0 ? r : send_array(reply);
}

static int refuse_without_history(sd_bus_error *error)
{
	return sd_bus_error_set(error, ERROR_NO_HISTORY,
		"The history cannot be read, and so nothing is written either; the journal "
		"of plugflashd says why");
}

static int on_history(sd_bus_message *call, void *context, sd_bus_error *error)
{
	struct history *history = conduct_history(((struct bus *)context)->view->conduct);
	struct history_filter filter;
	int r = bus_read_filter(call, &filter, error);
	if (r < 0)
		return r;
	if (!history)
		return refuse_without_history(error);
	_cleanup_(message_unrefp) sd_bus_message *reply = NULL;
	r = sd_bus_message_new_method_return(call, &reply);
	if (r >= 0)
		r = bus_put_history(reply, history, &filter);
	return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int on_list_firmware(sd_bus_message *call, void *context, sd_bus_error *error)
{
	const struct bus_view *view = ((struct bus *)context)->view;
	const struct store_entry *entries;
	size_t count;
	int r = store_look(view->store, view->policy, &entries, &count);
	if (r == -E2BIG)
		return sd_bus_error_set(error, SD_BUS_ERROR_LIMITS_EXCEEDED,
			"There are more files than plugflash looks through; clear the firmware "
			"directory up");
	_cleanup_(message_unrefp) sd_bus_message *reply = NULL;
	if (r >= 0)
		r = begin_array(call, "a{sv}", &reply);
	for (size_t i = 0; i < count && r >= 0; i++)
		r = bus_put_firmware(reply, &entries[i]);
	return r < 0 ? r : send_array(reply);
}

static int on_flash(sd_bus_message *call, void *context, sd_bus_error *error)
{
	const struct bus_view *view = ((struct bus *)context)->view;
	const struct flash_view where = { view->conduct, view->monitor, view->policy, view->links };
	return bus_flash(call, &where, error);
}

static int on_list_buses(sd_bus_message *call, void *context, sd_bus_error *error)
{
	(void)error;
	const struct can_links *links = ((struct bus *)context)->view->links;
	_cleanup_(message_unrefp) sd_bus_message *reply = NULL;
	int r = begin_array(call, "s", &reply);
	for (size_t i = 0; i < can_links_count(links) && r >= 0; i++)
		r = sd_bus_message_append(reply, "s", can_links_at(links, i)->name);
	return r < 0 ? r : send_array(reply);
}

static struct bus_can_view can_view(const struct bus_view *view)
{
	return (struct bus_can_view){ view->event, view->can_worker_socket, view->conduct,
		view->policy };
}

static int on_look_at_bus(sd_bus_message *call, void *context, sd_bus_error *error)
{
	struct bus *bus = context;
	const struct bus_can_view where = can_view(bus->view);
	return bus_can_look(bus->can, call, &where, error);
}

static int on_release(sd_bus_message *call, void *context, sd_bus_error *error)
{
	const struct bus_view *view = ((struct bus *)context)->view;
	const char *place;
	int r = sd_bus_message_read(call, "s", &place);
	if (r < 0)
		return r;
	const struct device *device = monitor_find(view->monitor, place);
	r = conduct_release(view->conduct, device ? device->place : place);
	if (r == -ENOENT) {
		_cleanup_(freep) char *safe = text_escape(place);
		return sd_bus_error_setf(error, ERROR_NOT_QUARANTINED,
			"%s is in no quarantine; \"plugflash status\" shows the places that are",
			safe ? safe : "That place");
	}
	return r < 0 ? r : sd_bus_reply_method_return(call, NULL);
}

/* ---- boards ------------------------------------------------------------------------------ */

static int on_list_boards(sd_bus_message *call, void *context, sd_bus_error *error)
{
	const struct bus_view *view = ((struct bus *)context)->view;
	struct history *history = conduct_history(view->conduct);
	if (!history)
		return refuse_without_history(error);
	_cleanup_(message_unrefp) sd_bus_message *reply = NULL;
	int r = sd_bus_message_new_method_return(call, &reply);
	if (r >= 0)
		r = bus_put_boards(reply, history, view->policy);
	return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

/* The one board that is plugged in; several are told with their ports. */
static int find_only_board(
	const struct monitor *monitor, const struct device **ret, sd_bus_error *error)
{
	_cleanup_(freep) char *ports = NULL;
	size_t count = 0;
	for (size_t i = 0; i < monitor_count(monitor); i++) {
		const struct device *device = monitor_device(monitor, i);
		_cleanup_(freep) char *title = device_describe(device);
		if (!enrolment_is_board(device))
			continue;
		if (!title || text_append(&ports, "%s%s at %s", count ? ", " : "", title,
				      *device->port ? device->port : device->place) < 0)
			return -ENOMEM;
		*ret = device;
		count++;
	}
	if (count == 1)
		return 0;
	if (count == 0)
		return sd_bus_error_set(error, ERROR_NO_BOARD,
			"No board is plugged in: none is in a boot mode, and none runs Klipper; "
			"--port names a place that something else is on");
	return sd_bus_error_setf(error, ERROR_NOT_ENROLLABLE,
		"There are several boards; name the port of the one that is meant with --port: %s",
		ports);
}

static int find_to_enrol(const struct monitor *monitor, const char *place,
	const struct device **ret, sd_bus_error *error)
{
	if (!*place)
		return find_only_board(monitor, ret, error);
	*ret = monitor_find(monitor, place);
	if (*ret)
		return 0;
	_cleanup_(freep) char *safe = text_escape(place);
	return sd_bus_error_setf(error, ERROR_NO_BOARD,
		"Nothing is plugged in at %s; \"plugflash list --all\" shows the places",
		safe ? safe : "that place");
}

static int on_enrollable(sd_bus_message *call, void *context, sd_bus_error *error)
{
	const struct bus_view *view = ((struct bus *)context)->view;
	_cleanup_(reasons_done) struct reasons reasons = { 0 };
	const struct device *device = NULL;
	struct enrolment enrolment;
	const char *place;
	int r = sd_bus_message_read(call, "s", &place);
	if (r >= 0)
		r = find_to_enrol(view->monitor, place, &device, error);
	if (r < 0)
		return r;
	r = enrolment_identify(device, conduct_facts(view->conduct, device), &enrolment, &reasons);
	if (r == ENROLMENT_REFUSED)
		return sd_bus_error_setf(
			error, ERROR_NOT_ENROLLABLE, "%s", reasons.items[0].sentence);
	_cleanup_(message_unrefp) sd_bus_message *reply = NULL;
	if (r >= 0)
		r = sd_bus_message_new_method_return(call, &reply);
	if (r >= 0)
		r = bus_put_enrolment(reply, device, &enrolment);
	return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

/* ---- policies ---------------------------------------------------------------------------- */

static int reply_check(sd_bus_message *call, const struct rulebook_source *source)
{
	_cleanup_(policy_freep) struct policy *policy = NULL;
	_cleanup_(reasons_done) struct reasons errors = { 0 }, warnings = { 0 };
	int r = rulebook_load(source, &policy, &errors, &warnings);
	if (r < 0)
		return r;
	_cleanup_(message_unrefp) sd_bus_message *reply = NULL;
	r = begin_array(call, "{sv}", &reply);
	if (r >= 0)
		r = bus_put_bool(reply, "valid", policy);
	if (r >= 0)
		r = bus_put_number(reply, "rules", policy ? policy->rule_count : 0);
	if (r >= 0)
		r = bus_put_sentences(reply, "errors", &errors);
	if (r >= 0)
		r = bus_put_sentences(reply, "warnings", &warnings);
	return r < 0 ? r : send_array(reply);
}

static int on_check(sd_bus_message *call, void *context, sd_bus_error *error)
{
	(void)error;
	return reply_check(call, ((struct bus *)context)->view->rulebook);
}

static int on_check_with(sd_bus_message *call, void *context, sd_bus_error *error)
{
	struct rulebook_source source = *((struct bus *)context)->view->rulebook;
	int r = sd_bus_message_read(call, "ss", &source.more_name, &source.more_text);
	if (r < 0)
		return r;
	if (!rulebook_is_file_name(source.more_name))
		return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS,
			"Wanted is the name of a policy file, as board-eddy.conf, and its text");
	return reply_check(call, &source);
}

static int on_reload(sd_bus_message *call, void *context, sd_bus_error *error)
{
	const struct bus_view *view = ((struct bus *)context)->view;
	int r = view->on_reload(view->context);
	if (r == RULEBOOK_INVALID)
		return sd_bus_error_setf(error, ERROR_INVALID, "%s",
			view->policy_problem ? view->policy_problem : "see the journal");
	return r < 0 ? r : sd_bus_reply_method_return(call, NULL);
}

static const sd_bus_vtable vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("Status", NULL, "a{sv}", on_status, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("ListDevices", NULL, "aa{sv}", on_list_devices, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("ListJobs", NULL, "aa{sv}", on_list_jobs, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Explain", "s", "a{sv}", on_explain, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("ExplainLike", "s", "a{sv}", on_explain_like, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Check", NULL, "a{sv}", on_check, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("CheckWith", "ss", "a{sv}", on_check_with, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("ListBoards", NULL, "aa{sv}", on_list_boards, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Enrollable", "s", "a{sv}", on_enrollable, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("History", "a{sv}", "aa{sv}", on_history, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("ListFirmware", NULL, "aa{sv}", on_list_firmware, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("ListBuses", NULL, "as", on_list_buses, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("LookAtBus", "s", "a{sv}aa{sv}", on_look_at_bus, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Flash", "s", "t", on_flash, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Release", "s", NULL, on_release, SD_BUS_VTABLE_UNPRIVILEGED),
	/* The bus policy lets only root call it. */
	SD_BUS_METHOD("Reload", NULL, NULL, on_reload, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_SIGNAL("DeviceAdded", "sa{sv}", 0),
	SD_BUS_SIGNAL("DeviceRemoved", "s", 0),
	SD_BUS_SIGNAL("JobChanged", "ta{sv}", 0),
	SD_BUS_VTABLE_END,
};

/* ---- the connection --------------------------------------------------------------------- */

int bus_new(sd_event *event, const struct bus_view *view, struct bus **ret)
{
	_cleanup_(bus_freep) struct bus *bus = calloc(1, sizeof(*bus));
	if (!bus)
		return -ENOMEM;
	bus->view = view;
	bus->can = bus_can_new();
	if (!bus->can)
		return -ENOMEM;
	int r = sd_bus_open_system(&bus->connection);
	if (r >= 0)
		r = sd_bus_add_object_vtable(bus->connection, &bus->object, NAME_BUS_PATH,
			NAME_BUS_INTERFACE, vtable, bus);
	if (r >= 0)
		r = sd_bus_request_name(bus->connection, NAME_BUS, 0);
	if (r >= 0)
		r = sd_bus_attach_event(bus->connection, event, SD_EVENT_PRIORITY_NORMAL);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(bus);
	return 0;
}

struct bus *bus_free(struct bus *bus)
{
	if (!bus)
		return NULL;
	bus_can_free(bus->can);
	sd_bus_slot_unref(bus->object);
	sd_bus_flush_close_unref(bus->connection);
	free(bus);
	return NULL;
}

static sd_bus_message *new_signal(struct bus *bus, const char *member)
{
	sd_bus_message *signal = NULL;
	if (!bus)
		return NULL;
	(void)sd_bus_message_new_signal(
		bus->connection, &signal, NAME_BUS_PATH, NAME_BUS_INTERFACE, member);
	return signal;
}

void bus_device_added(struct bus *bus, const struct device *device)
{
	_cleanup_(message_unrefp) sd_bus_message *signal = new_signal(bus, "DeviceAdded");
	if (signal && sd_bus_message_append(signal, "s", device->place) >= 0 &&
		bus_put_device(signal, device) >= 0)
		(void)sd_bus_send(bus->connection, signal, NULL);
}

void bus_device_removed(struct bus *bus, const struct device *device)
{
	_cleanup_(message_unrefp) sd_bus_message *signal = new_signal(bus, "DeviceRemoved");
	if (signal && sd_bus_message_append(signal, "s", device->place) >= 0)
		(void)sd_bus_send(bus->connection, signal, NULL);
}

void bus_job_changed(struct bus *bus, const struct job *job)
{
	_cleanup_(message_unrefp) sd_bus_message *signal = new_signal(bus, "JobChanged");
	if (signal && sd_bus_message_append(signal, "t", job->id) >= 0 &&
		bus_put_job(signal, job) >= 0)
		(void)sd_bus_send(bus->connection, signal, NULL);
}

void bus_looks_again(struct bus *bus)
{
	if (!bus)
		return;
	const struct bus_can_view where = can_view(bus->view);
	bus_can_go_on(bus->can, &where);
}
