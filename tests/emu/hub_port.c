/* SPDX-License-Identifier: MIT */
/*
 * What a hub driver does with a port, with its times. Requests of the enumeration itself take no
 * time of their own: they are inside HUB_PORT_ENUMERATE_NSEC.
 */
#include <errno.h>
#include <string.h>

#include "emu/hub_port.h"

#define ROOT_HUB 1

void hub_port_init(struct hub_port *port, struct hub *hub, struct device_core *core, uint64_t now)
{
	*port = (struct hub_port){ .hub = hub, .due = NEVER };
	controller_init(&port->controller, core, now);
}

static int ask(
	struct hub_port *port, uint8_t request, uint16_t value, uint16_t length, uint8_t *data)
{
	struct device_core *core = port->controller.core;
	uint8_t setup[8] = { length ? 0x80 : 0x00, request, (uint8_t)value, (uint8_t)(value >> 8),
		0, 0, (uint8_t)length, (uint8_t)(length >> 8) };
	size_t got = length;
	if (value >> 8 == 3 && (value & 0xff)) {
		setup[4] = 0x09;
		setup[5] = 0x04;
	}
	enum packet answer =
		core->operations->control(core, port->controller.clock, setup, data, &got);
	return answer == PACKET_ACK ? (int)got : -EPROTO;
}

/* Latin-1 as UTF-8, which is how a kernel shows strings in sysfs. */
static void read_string(struct hub_port *port, uint8_t index, char text[HUB_PORT_BYTES])
{
	uint8_t bytes[HUB_PORT_BYTES];
	size_t at = 0;
	int got = index ? ask(port, 6, (uint16_t)(0x300 | index), 255, bytes) : 0;
	for (int unit = 2; unit + 1 < got && at + 2 < HUB_PORT_BYTES; unit += 2) {
		if (bytes[unit] < 0x80) {
			text[at++] = (char)bytes[unit];
		} else {
			text[at++] = (char)(0xc0 | bytes[unit] >> 6);
			text[at++] = (char)(0x80 | (bytes[unit] & 0x3f));
		}
	}
	text[at] = '\0';
}

static int read_descriptors(
	struct hub_port *port, uint8_t device[18], uint8_t configuration[HUB_PORT_BYTES])
{
	uint8_t bytes[HUB_PORT_BYTES];
	struct device_core *core = port->controller.core;
	core->operations->bus_reset(core, port->controller.clock);
	int got = ask(port, 6, 0x100, 18, bytes);
	if (got != 18)
		return -EPROTO;
	memcpy(device, bytes, 18);
	got = ask(port, 6, 0x200, HUB_PORT_BYTES, configuration);
	if (got < 9)
		return -EPROTO;
	if (ask(port, 9, 1, 0, bytes) < 0)
		return -EPROTO;
	controller_reset_toggles(&port->controller);
	return got;
}

static void enter(struct hub_port *port, enum hub_port_state state, uint64_t nsec)
{
	port->state = state;
	port->due = nsec == NEVER ? NEVER : port->controller.clock + nsec;
}

unsigned hub_take_number(struct hub *hub)
{
	for (unsigned tries = 0; tries < HUB_DEVICE_NUMBERS; tries++) {
		hub->last_device = hub->last_device % HUB_DEVICE_NUMBERS + 1;
		if (hub->last_device == ROOT_HUB || hub->is_taken[hub->last_device])
			continue;
		hub->is_taken[hub->last_device] = true;
		return hub->last_device;
	}
	return 0;
}

static void enumerate(struct hub_port *port)
{
	int got = read_descriptors(port, port->descriptor, port->configuration);
	if (got < 0) {
		bool again = ++port->tries < HUB_PORT_TRIES;
		return enter(port, again ? HUB_PORT_SETTLING : HUB_PORT_FAILED,
			again ? HUB_PORT_RETRY_NSEC : NEVER);
	}
	port->configuration_bytes = (size_t)got;
	read_string(port, port->descriptor[14], port->manufacturer);
	read_string(port, port->descriptor[15], port->product);
	read_string(port, port->descriptor[16], port->serial);
	port->device = hub_take_number(port->hub);
	port->arrival = ++port->hub->last_arrival;
	port->controller.down = false;
	enter(port, HUB_PORT_PRESENT, NEVER);
	if (port->on_change)
		port->on_change(port, true);
}

/* Whoever holds the device open learns it from its URBs, everybody else from on_change(). */
static void lose(struct hub_port *port)
{
	port->controller.down = true;
	controller_flush(&port->controller, -ESHUTDOWN);
	port->hub->is_taken[port->device] = false;
	enter(port, HUB_PORT_EMPTY, NEVER);
	if (port->on_change)
		port->on_change(port, false);
}

void hub_port_swap(struct hub_port *port, struct device_core *core)
{
	if (hub_port_has_device(port))
		lose(port);
	enter(port, HUB_PORT_EMPTY, NEVER);
	port->controller.core = core;
}

static void end_reset(struct hub_port *port)
{
	uint8_t device[18], configuration[HUB_PORT_BYTES];
	int got = read_descriptors(port, device, configuration);
	bool same = got >= 0 && (size_t)got == port->configuration_bytes &&
		    !memcmp(device, port->descriptor, sizeof(device)) &&
		    !memcmp(configuration, port->configuration, port->configuration_bytes);
	if (!same)
		return lose(port);
	port->controller.down = false;
	enter(port, HUB_PORT_PRESENT, NEVER);
}

static void on_due(struct hub_port *port)
{
	if (port->state == HUB_PORT_SETTLING)
		enumerate(port);
	else if (port->state == HUB_PORT_RESETTING)
		end_reset(port);
	else if (port->state == HUB_PORT_LEAVING)
		lose(port);
}

/* Compares the state with what the device has done. */
static bool follow_device(struct hub_port *port)
{
	struct device_core *core = port->controller.core;
	bool attached = core->operations->is_attached(core);
	switch (port->state) {
	case HUB_PORT_EMPTY:
		if (!attached)
			return false;
		port->tries = 0;
		enter(port, HUB_PORT_SETTLING, HUB_PORT_DEBOUNCE_NSEC + HUB_PORT_ENUMERATE_NSEC);
		return true;
	case HUB_PORT_SETTLING:
	case HUB_PORT_FAILED:
		if (!attached)
			enter(port, HUB_PORT_EMPTY, NEVER);
		return !attached;
	case HUB_PORT_PRESENT:
	case HUB_PORT_RESETTING:
		if (!attached)
			enter(port, HUB_PORT_LEAVING, HUB_PORT_NOTICE_NSEC);
		return !attached;
	case HUB_PORT_LEAVING:
		return false;
	}
	return false;
}

uint64_t hub_port_run(struct hub_port *port, uint64_t now)
{
	struct controller *controller = &port->controller;
	for (;;) {
		if (follow_device(port))
			continue;
		/* Step by step, so that a departure is seen when it happens. */
		uint64_t limit = port->due < now ? port->due : now;
		uint64_t next = controller_run(controller, controller->clock);
		if (next < limit)
			limit = next;
		if (limit > controller->clock) {
			controller_run(controller, limit);
			continue;
		}
		if (port->due <= controller->clock) {
			on_due(port);
			continue;
		}
		if (controller->clock >= now)
			return next < port->due ? next : port->due;
	}
}

bool hub_port_has_device(const struct hub_port *port)
{
	return port->state == HUB_PORT_PRESENT || port->state == HUB_PORT_RESETTING ||
	       port->state == HUB_PORT_LEAVING;
}

int hub_port_reset(struct hub_port *port)
{
	struct device_core *core = port->controller.core;
	if (!hub_port_has_device(port))
		return -ENODEV;
	controller_flush(&port->controller, -ESHUTDOWN);
	port->controller.down = true;
	core->operations->bus_reset(core, port->controller.clock);
	if (port->state != HUB_PORT_LEAVING)
		enter(port, HUB_PORT_RESETTING, HUB_PORT_RESET_NSEC);
	return 0;
}
