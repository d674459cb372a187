/* SPDX-License-Identifier: MIT */
/* Looks at CAN buses on request; see bus_can.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/names.h"
#include "base/text.h"
#include "daemon/bus_can.h"
#include "daemon/bus_put.h"
#include "daemon/can_look.h"
#include "model/can_health.h"

#define ERROR_BUSY    NAME_BUS ".Error.Busy"
#define ERROR_REFUSED NAME_BUS ".Error.Refused"

/* What the policy knew when it was asked for: it may be another by the time of the answer. */
struct name {
	char uuid[CAN_UUID_TEXT];
	char *board;
};

struct waiting {
	struct bus_can *buses;
	struct waiting *next;
	sd_bus_message *call;
	struct can_look *look;
	struct conduct *conduct; /* that holds the bus for it; NULL: not yet */
	char interface[CAN_NAME_TEXT];
	struct can_setting setting;
	struct name *names;
	size_t name_count;
};

struct bus_can {
	struct waiting *first;
};

struct bus_can *bus_can_new(void)
{
	return calloc(1, sizeof(struct bus_can));
}

static struct waiting *waiting_free(struct waiting *waiting)
{
	if (!waiting)
		return NULL;
	can_look_free(waiting->look);
	if (waiting->conduct)
		conduct_release_bus(waiting->conduct, waiting->interface);
	sd_bus_message_unref(waiting->call);
	for (size_t i = 0; i < waiting->name_count; i++)
		free(waiting->names[i].board);
	free(waiting->names);
	free(waiting);
	return NULL;
}
DEFINE_CLEANUP(struct waiting *, waiting_free)

struct bus_can *bus_can_free(struct bus_can *buses)
{
	while (buses && buses->first) {
		struct waiting *waiting = buses->first;
		buses->first = waiting->next;
		waiting_free(waiting);
	}
	free(buses);
	return NULL;
}

static void forget(struct waiting *waiting)
{
	struct waiting **place = &waiting->buses->first;
	while (*place != waiting)
		place = &(*place)->next;
	*place = waiting->next;
	waiting_free(waiting);
}

/* ---- the answer -------------------------------------------------------------------------- */

static int put_health(
	sd_bus_message *reply, const struct can_sight *sight, const struct can_setting *setting)
{
	struct can_diagnosis diagnosis;
	can_diagnose(sight, setting, &diagnosis);
	TRY(bus_put_string(reply, "health", can_health_name(diagnosis.health)));
	TRY(bus_put_bool(reply, "blind", diagnosis.is_blind));
	TRY(bus_put_string(reply, "evidence", diagnosis.evidence));
	return bus_put_string(reply, "advice", diagnosis.advice);
}

static int put_counters(sd_bus_message *reply, const struct can_interface *interface)
{
	TRY(bus_put_number(reply, "frames_sent", interface->frames_sent));
	TRY(bus_put_number(reply, "frames_received", interface->frames_received));
	TRY(bus_put_number(reply, "frames_dropped", interface->frames_dropped));
	TRY(bus_put_number(reply, "bus_errors", interface->bus_errors));
	TRY(bus_put_number(reply, "times_bus_off", interface->times_bus_off));
	if (!interface->has_error_counters)
		return 0;
	TRY(bus_put_number(reply, "send_errors", interface->send_errors));
	return bus_put_number(reply, "receive_errors", interface->receive_errors);
}

static int put_bus(
	sd_bus_message *reply, const struct can_sight *sight, const struct can_setting *setting)
{
	const struct can_interface *interface = &sight->interface;
	TRY(sd_bus_message_open_container(reply, SD_BUS_TYPE_ARRAY, "{sv}"));
	TRY(bus_put_string(reply, "interface", interface->name));
	TRY(bus_put_string(reply, "driver", interface->driver));
	TRY(bus_put_bool(reply, "up", interface->is_up));
	TRY(bus_put_bool(reply, "virtual", interface->is_virtual));
	TRY(bus_put_bool(reply, "bridge", can_interface_is_bridge(interface)));
	TRY(bus_put_string(reply, "controller", can_controller_name(interface->controller)));
	TRY(bus_put_number(reply, "bitrate", interface->bitrate));
	TRY(bus_put_number(reply, "wanted_bitrate", setting->bitrate));
	TRY(bus_put_number(reply, "sample_point_permille", interface->sample_point_permille));
	TRY(bus_put_number(reply, "restart_msec", interface->restart_msec));
	TRY(bus_put_number(reply, "queue_length", interface->queue_length));
	TRY(bus_put_bool(reply, "asked", sight->was_asked));
	TRY(bus_put_bool(reply, "in_use", sight->is_in_use));
	TRY(put_counters(reply, interface));
	TRY(put_health(reply, sight, setting));
	return sd_bus_message_close_container(reply);
}

static const char *name_of(const struct waiting *waiting, const char *uuid)
{
	for (size_t i = 0; i < waiting->name_count; i++)
		if (strcasecmp(waiting->names[i].uuid, uuid) == 0)
			return waiting->names[i].board;
	return "";
}

static int put_node(
	sd_bus_message *reply, const struct waiting *waiting, const struct can_node *node)
{
	char start[16] = "";
	if (node->has_application_start)
		snprintf(start, sizeof(start), "0x%08" PRIx32, node->application_start);
	TRY(sd_bus_message_open_container(reply, SD_BUS_TYPE_ARRAY, "{sv}"));
	TRY(bus_put_string(reply, "uuid", node->uuid));
	TRY(bus_put_string(reply, "board", name_of(waiting, node->uuid)));
	TRY(bus_put_string(reply, "kind", can_node_kind_name(node->kind)));
	TRY(bus_put_bool(reply, "expected", node->is_expected));
	TRY(bus_put_string(reply, "version", node->running.version));
	TRY(bus_put_string(reply, "mcu", node->running.mcu));
	TRY(bus_put_number(reply, "can_bitrate", node->running.can_bitrate));
	TRY(bus_put_string(reply, "application_start", start));
	TRY(bus_put_string(reply, "bootloader_version", node->bootloader_version));
	return sd_bus_message_close_container(reply);
}

static int answer(const struct waiting *waiting, const struct can_sight *sight)
{
	sd_bus_message *reply = NULL;
	int r = sd_bus_message_new_method_return(waiting->call, &reply);
	if (r >= 0)
		r = put_bus(reply, sight, &waiting->setting);
	if (r >= 0)
		r = sd_bus_message_open_container(reply, SD_BUS_TYPE_ARRAY, "a{sv}");
	for (size_t i = 0; i < sight->node_count && r >= 0; i++)
		r = put_node(reply, waiting, &sight->nodes[i]);
	if (r >= 0)
		r = sd_bus_message_close_container(reply);
	if (r >= 0)
		r = sd_bus_send(NULL, reply, NULL);
	sd_bus_message_unref(reply);
	return r;
}

static void on_end(
	void *context, const struct can_sight *sight, enum reason_code code, const char *sentence)
{
	struct waiting *waiting = context;
	int r = sight ? answer(waiting, sight)
		      : sd_bus_reply_method_errorf(waiting->call, ERROR_REFUSED, "%s (%s)",
				sentence, reason_name(code));
	if (r < 0)
		(void)sd_bus_reply_method_errno(waiting->call, r, NULL);
	forget(waiting);
}

/* ---- the call ---------------------------------------------------------------------------- */

static int learn_names(struct waiting *waiting, const struct policy *policy)
{
	waiting->names = calloc(policy->board_count + 1, sizeof(*waiting->names));
	if (!waiting->names)
		return -ENOMEM;
	for (size_t i = 0; i < policy->board_count; i++) {
		const struct policy_board *board = &policy->boards[i];
		struct name *name = &waiting->names[waiting->name_count];
		if (!policy_board_uuid(board, name->uuid))
			continue;
		name->board = strdup(board->name);
		waiting->name_count++;
		if (!name->board)
			return -ENOMEM;
	}
	return 0;
}

static int refuse_busy(const char *interface, sd_bus_error *error)
{
	return sd_bus_error_setf(error, ERROR_BUSY,
		"%s was not looked at: a board on a CAN bus is being flashed; ask again in a moment",
		interface);
}

/* 0: somebody looks, or will once nobody else does. */
static int begin(struct waiting *waiting, const struct bus_can_view *view)
{
	int r = conduct_hold_bus(view->conduct, waiting->interface);
	if (r == -EALREADY)
		return 0;
	if (r < 0)
		return r;
	waiting->conduct = view->conduct;
	return can_look_begin(view->event, view->worker_socket, view->policy, waiting->interface,
		on_end, waiting, &waiting->look);
}

int bus_can_look(struct bus_can *buses, sd_bus_message *call, const struct bus_can_view *view,
	sd_bus_error *error)
{
	const char *interface;
	TRY(sd_bus_message_read(call, "s", &interface));
	if (!can_name_is_valid(interface))
		return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS,
			"This is no name of an interface; \"ip link\" shows them, as can0");
	_cleanup_(waiting_freep) struct waiting *waiting = calloc(1, sizeof(*waiting));
	if (!waiting)
		return -ENOMEM;
	text_copy_plain(waiting->interface, sizeof(waiting->interface), interface);
	waiting->buses = buses;
	waiting->call = sd_bus_message_ref(call);
	const struct policy_bus *bus = policy_bus(view->policy, interface);
	if (bus)
		waiting->setting = bus->setting;
	TRY(learn_names(waiting, view->policy));
	int r = begin(waiting, view);
	if (r == -EBUSY)
		return refuse_busy(interface, error);
	if (r < 0)
		return r;
	waiting->next = buses->first;
	buses->first = TAKE_PTR(waiting);
	return 1; /* the answer comes later */
}

/* ---- those that wait for another look to end ----------------------------------------------- */

static void give_up(struct waiting *waiting, int error)
{
	_cleanup_(sd_bus_error_free) sd_bus_error why = SD_BUS_ERROR_NULL;
	if (error == -EBUSY)
		(void)refuse_busy(waiting->interface, &why);
	else
		(void)sd_bus_error_set_errno(&why, error);
	(void)sd_bus_reply_method_error(waiting->call, &why);
	forget(waiting);
}

/* Giving one up changes the list: it is read anew behind each. */
void bus_can_go_on(struct bus_can *buses, const struct bus_can_view *view)
{
	struct waiting *waiting = buses->first;
	while (waiting) {
		int r = waiting->conduct ? 0 : begin(waiting, view);
		if (r < 0)
			give_up(waiting, r);
		waiting = r < 0 ? buses->first : waiting->next;
	}
}
