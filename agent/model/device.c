/* SPDX-License-Identifier: MIT */
/* Devices; see device.h. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "model/device.h"

struct device *device_free(struct device *device)
{
	if (!device)
		return NULL;
	free(device->place);
	free(device->port);
	free(device->syspath);
	free(device->serial);
	free(device->manufacturer);
	free(device->product);
	free(device);
	return NULL;
}

/* A board that is reached by something which is there whether it is or not. */
static struct device *new_standing(
	const char *place, const char *port, const char *path, enum board_mode mode)
{
	const struct device standing = {
		.place = (char *)place,
		.port = (char *)port,
		.syspath = (char *)path,
		.mode = mode,
		.serial = (char *)"",
		.manufacturer = (char *)"",
		.product = (char *)"",
	};
	return place ? device_copy(&standing) : NULL;
}

struct device *device_new_line(const char *tty, unsigned baud, enum board_mode mode)
{
	_cleanup_(freep) char *place = text_format("line-%s", tty);
	struct device *device = new_standing(place, strrchr(tty, '/') + 1, tty, mode);
	if (device)
		device->baud = baud;
	return device;
}

bool device_is_line(const struct device *device)
{
	return device->baud > 0;
}

struct device *device_new_node(const char *can, const char *uuid, enum board_mode mode)
{
	_cleanup_(freep) char *place = text_format("%s-%s", can, uuid);
	struct device *device = new_standing(place, place, place, mode);
	if (!device)
		return NULL;
	snprintf(device->can, sizeof(device->can), "%s", can);
	for (size_t i = 0; i + 1 < sizeof(device->can_uuid) && uuid[i]; i++)
		device->can_uuid[i] = (char)tolower((unsigned char)uuid[i]);
	return device;
}

bool device_is_node(const struct device *device)
{
	return *device->can;
}

bool device_is_bridge(const struct device *device)
{
	return *device->can_uuid && !*device->can;
}

bool device_is_on_can(const struct device *device)
{
	return *device->can_uuid;
}

bool device_is_standing(const struct device *device)
{
	return device_is_line(device) || device_is_node(device);
}

struct device *device_in_mode(const struct device *standing, enum board_mode mode)
{
	struct device *device = device_copy(standing);
	if (device)
		device->mode = mode;
	return device;
}

struct device *device_copy(const struct device *device)
{
	_cleanup_(device_freep) struct device *copy = malloc(sizeof(*copy));
	if (!copy)
		return NULL;
	*copy = *device;
	copy->place = strdup(device->place);
	copy->port = strdup(device->port);
	copy->syspath = strdup(device->syspath);
	copy->serial = strdup(device->serial);
	copy->manufacturer = strdup(device->manufacturer);
	copy->product = strdup(device->product);
	if (!copy->place || !copy->port || !copy->syspath || !copy->serial || !copy->manufacturer ||
		!copy->product)
		return NULL;
	return TAKE_PTR(copy);
}

bool device_is_same_arrival(const struct device *left, const struct device *right)
{
	return left->arrival == right->arrival && left->number == right->number &&
	       left->bus == right->bus && text_equal(left->syspath, right->syspath);
}

char *device_describe(const struct device *device)
{
	static const char *const titles[_MODE_MAX] = {
		[MODE_RP2040_BOOT] = "RP2040 in boot mode",
		[MODE_RP2350_BOOT] = "RP2350 in boot mode",
		[MODE_DFU] = "board in DFU",
		[MODE_KATAPULT] = "board in Katapult",
	};
	if (device_is_line(device))
		return text_format("board on %s", device->syspath);
	if (device_is_node(device))
		return text_format("node %s on %s", device->can_uuid, device->can);
	if (titles[device->mode])
		return text_format(
			"%s (%04x:%04x)", titles[device->mode], device->vid, device->pid);
	const char *space = *device->manufacturer && *device->product ? " " : "";
	if (!*device->manufacturer && !*device->product)
		return text_format("USB device %04x:%04x", device->vid, device->pid);
	return text_format("%s%s%s (%04x:%04x)", device->manufacturer, space, device->product,
		device->vid, device->pid);
}
