/* SPDX-License-Identifier: MIT */
/* Buses as values, and their bytes; see can.h. What comes in is taken for hostile. */
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "model/can.h"

#define SIGHT_VERSION 1

static const char *const controller_names[_CAN_CONTROLLER_MAX] = {
	[CAN_CONTROLLER_UNKNOWN] = "unknown",
	[CAN_ERROR_ACTIVE] = "error-active",
	[CAN_ERROR_WARNING] = "error-warning",
	[CAN_ERROR_PASSIVE] = "error-passive",
	[CAN_BUS_OFF] = "bus-off",
	[CAN_STOPPED] = "stopped",
	[CAN_SLEEPING] = "sleeping",
};

static const char *const kind_names[_CAN_NODE_KIND_MAX] = {
	[CAN_NODE_SILENT] = "silent",
	[CAN_NODE_KLIPPER] = "klipper",
	[CAN_NODE_KATAPULT] = "katapult",
	[CAN_NODE_UNKNOWN] = "unknown",
};

const char *can_controller_name(enum can_controller controller)
{
	assert(controller < _CAN_CONTROLLER_MAX);
	return controller_names[controller];
}

const char *can_node_kind_name(enum can_node_kind kind)
{
	assert(kind < _CAN_NODE_KIND_MAX);
	return kind_names[kind];
}

bool can_name_is_valid(const char *name)
{
	size_t length = strlen(name);
	for (size_t i = 0; i < length; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr("-_.", name[i]))
			return false;
	return length > 0 && length < CAN_NAME_TEXT && name[0] != '.' && name[0] != '-';
}

bool can_interface_is_bridge(const struct can_interface *interface)
{
	return text_equal(interface->driver, "gs_usb") &&
	       text_equal(interface->usb_manufacturer, "Klipper");
}

uint32_t can_interface_bitrate(const struct can_interface *interface)
{
	return can_interface_is_bridge(interface) ? 0 : interface->bitrate;
}

/* ---- out --------------------------------------------------------------------------------- */

static void put_interface(const struct can_interface *interface, struct buffer *ret)
{
	buffer_put_string(ret, interface->name);
	buffer_put_string(ret, interface->driver);
	buffer_put_u8(ret, interface->is_up);
	buffer_put_u8(ret, interface->is_virtual);
	buffer_put_string(ret, interface->usb_manufacturer);
	buffer_put_string(ret, interface->usb_serial);
	buffer_put_u8(ret, (uint8_t)interface->controller);
	buffer_put_u32(ret, interface->bitrate);
	buffer_put_u32(ret, interface->sample_point_permille);
	buffer_put_u32(ret, interface->restart_msec);
	buffer_put_u32(ret, interface->queue_length);
	buffer_put_u8(ret, interface->has_error_counters);
	buffer_put_u16(ret, interface->send_errors);
	buffer_put_u16(ret, interface->receive_errors);
	buffer_put_u64(ret, interface->frames_sent);
	buffer_put_u64(ret, interface->frames_received);
	buffer_put_u64(ret, interface->frames_dropped);
	buffer_put_u64(ret, interface->bus_errors);
	buffer_put_u64(ret, interface->times_warning);
	buffer_put_u64(ret, interface->times_passive);
	buffer_put_u64(ret, interface->times_bus_off);
	buffer_put_u64(ret, interface->restarts);
}

static void put_errors(const struct can_errors *errors, struct buffer *ret)
{
	buffer_put_u32(ret, errors->no_acknowledge);
	buffer_put_u32(ret, errors->stuff);
	buffer_put_u32(ret, errors->form);
	buffer_put_u32(ret, errors->bits);
	buffer_put_u32(ret, errors->checksum);
	buffer_put_u32(ret, errors->passive);
	buffer_put_u32(ret, errors->bus_off);
	buffer_put_u32(ret, errors->restarted);
	buffer_put_u32(ret, errors->others);
}

static void put_node(const struct can_node *node, struct buffer *ret)
{
	buffer_put_string(ret, node->uuid);
	buffer_put_u8(ret, (uint8_t)node->kind);
	buffer_put_u8(ret, node->is_expected);
	buffer_put_u8(ret, node->is_asked);
	buffer_put_u8(ret, node->has_application_start);
	buffer_put_u32(ret, node->application_start);
	buffer_put_string(ret, node->bootloader_version);
	running_encode(&node->running, ret);
}

void can_sight_encode(const struct can_sight *sight, struct buffer *ret)
{
	assert(sight->node_count <= CAN_NODES_MAX);
	buffer_put_u8(ret, SIGHT_VERSION);
	put_interface(&sight->interface, ret);
	buffer_put_u8(ret, sight->was_asked);
	buffer_put_u8(ret, sight->is_in_use);
	buffer_put_u32(ret, sight->listeners);
	buffer_put_u8(ret, sight->is_queue_full);
	buffer_put_u8(ret, sight->is_garbled);
	buffer_put_u32(ret, sight->frames_heard);
	put_errors(&sight->errors, ret);
	buffer_put_u8(ret, (uint8_t)sight->node_count);
	for (size_t i = 0; i < sight->node_count; i++)
		put_node(&sight->nodes[i], ret);
}

/* ---- in ---------------------------------------------------------------------------------- */

static void take_interface(struct cursor *cursor, struct can_interface *ret)
{
	cursor_plain(cursor, ret->name, sizeof(ret->name));
	cursor_plain(cursor, ret->driver, sizeof(ret->driver));
	ret->is_up = cursor_bool(cursor);
	ret->is_virtual = cursor_bool(cursor);
	cursor_plain(cursor, ret->usb_manufacturer, sizeof(ret->usb_manufacturer));
	cursor_plain(cursor, ret->usb_serial, sizeof(ret->usb_serial));
	ret->controller = cursor_enum(cursor, _CAN_CONTROLLER_MAX);
	ret->bitrate = cursor_u32(cursor);
	ret->sample_point_permille = cursor_u32(cursor);
	ret->restart_msec = cursor_u32(cursor);
	ret->queue_length = cursor_u32(cursor);
	ret->has_error_counters = cursor_bool(cursor);
	ret->send_errors = cursor_u16(cursor);
	ret->receive_errors = cursor_u16(cursor);
	ret->frames_sent = cursor_u64(cursor);
	ret->frames_received = cursor_u64(cursor);
	ret->frames_dropped = cursor_u64(cursor);
	ret->bus_errors = cursor_u64(cursor);
	ret->times_warning = cursor_u64(cursor);
	ret->times_passive = cursor_u64(cursor);
	ret->times_bus_off = cursor_u64(cursor);
	ret->restarts = cursor_u64(cursor);
	if (!can_name_is_valid(ret->name))
		cursor->failed = true;
}

static void take_errors(struct cursor *cursor, struct can_errors *ret)
{
	ret->no_acknowledge = cursor_u32(cursor);
	ret->stuff = cursor_u32(cursor);
	ret->form = cursor_u32(cursor);
	ret->bits = cursor_u32(cursor);
	ret->checksum = cursor_u32(cursor);
	ret->passive = cursor_u32(cursor);
	ret->bus_off = cursor_u32(cursor);
	ret->restarted = cursor_u32(cursor);
	ret->others = cursor_u32(cursor);
}

static void take_node(struct cursor *cursor, struct can_node *ret)
{
	cursor_string(cursor, ret->uuid, sizeof(ret->uuid));
	ret->kind = cursor_enum(cursor, _CAN_NODE_KIND_MAX);
	ret->is_expected = cursor_bool(cursor);
	ret->is_asked = cursor_bool(cursor);
	ret->has_application_start = cursor_bool(cursor);
	ret->application_start = cursor_u32(cursor);
	cursor_plain(cursor, ret->bootloader_version, sizeof(ret->bootloader_version));
	running_decode(cursor, &ret->running);
	if (!can_uuid_is_valid(ret->uuid))
		cursor->failed = true;
}

int can_sight_decode(const void *data, size_t length, struct can_sight *ret)
{
	struct cursor cursor = cursor_over(data, length);
	_cleanup_(freep) struct can_sight *sight = calloc(1, sizeof(*sight));
	if (!sight)
		return -ENOMEM;
	if (cursor_u8(&cursor) != SIGHT_VERSION)
		return -EBADMSG;
	take_interface(&cursor, &sight->interface);
	sight->was_asked = cursor_bool(&cursor);
	sight->is_in_use = cursor_bool(&cursor);
	sight->listeners = cursor_u32(&cursor);
	sight->is_queue_full = cursor_bool(&cursor);
	sight->is_garbled = cursor_bool(&cursor);
	sight->frames_heard = cursor_u32(&cursor);
	take_errors(&cursor, &sight->errors);
	sight->node_count = cursor_enum(&cursor, CAN_NODES_MAX + 1);
	for (size_t i = 0; i < sight->node_count; i++)
		take_node(&cursor, &sight->nodes[i]);
	if (!cursor_is_exhausted(&cursor))
		return -EBADMSG;
	*ret = *sight;
	return 0;
}
