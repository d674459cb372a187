/* SPDX-License-Identifier: MIT */
/* One plug, two devices, never both at a time; see stm32_bridge.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emu/stm32_bridge.h"
#include "emu/stm32_parts.h"

#define SERIAL_CHARS (2 * STM32_UNIQUE_ID_BYTES)

struct stm32_bridge {
	struct device_core core; /* first */
	struct stm32 *board;
	struct gs_usb *adapter;
};

static struct stm32_bridge *bridge_of(struct device_core *core)
{
	return (struct stm32_bridge *)core;
}

static const struct stm32_bridge *const_bridge_of(const struct device_core *core)
{
	return (const struct stm32_bridge *)core;
}

static struct device_core *present(const struct stm32_bridge *bridge)
{
	return gs_usb_is_attached(bridge->adapter) ? gs_usb_core(bridge->adapter)
						   : stm32_core(bridge->board);
}

/* --- between the adapter and the node in it ---------------------------------------------- */

static struct bus_node *node_of(const struct stm32_bridge *bridge)
{
	return &bridge->board->resident.can;
}

static void set(void *context, uint64_t now, uint32_t bitrate, bool listen_only)
{
	(void)context;
	(void)now;
	(void)bitrate;
	(void)listen_only;
}

/* The firmware takes a frame out of its queue when it has time for it. */
static bool send_frame(void *context, uint64_t now, const struct gs_usb_frame *frame)
{
	struct stm32_bridge *bridge = context;
	struct can_bits bits = { .number = frame->id, .length = frame->length };
	if (node_of(bridge)->fifo_count)
		return false;
	memcpy(bits.data, frame->data, sizeof(bits.data));
	resident_hear_frame(&bridge->board->resident, now, &bits);
	return true;
}

static struct gs_usb_health health(const void *context)
{
	(void)context;
	return (struct gs_usb_health){ 0 };
}

static uint64_t next(const void *context)
{
	(void)context;
	return NEVER;
}

static void advance(void *context, uint64_t now)
{
	(void)context;
	(void)now;
}

static void pass_on(struct stm32_bridge *bridge, uint64_t now)
{
	const struct can_bits *offer;
	while ((offer = bus_node_offer(node_of(bridge)))) {
		struct gs_usb_frame frame = { .id = offer->number, .length = offer->length };
		memcpy(frame.data, offer->data, sizeof(frame.data));
		bus_node_sent(node_of(bridge), now);
		gs_usb_hear(bridge->adapter, now, &frame);
		stm32_core(bridge->board)->operations->advance(stm32_core(bridge->board), now);
	}
}

/* --- the controller's side --------------------------------------------------------------- */

/* The program on USB is the adapter, or has just become another one. */
static void look_who_runs(struct stm32_bridge *bridge, uint64_t now)
{
	bool runs = bridge->board->mode == STM32_APPLICATION;
	if (runs && !gs_usb_is_attached(bridge->adapter))
		gs_usb_attach(bridge->adapter, now);
	else if (!runs && gs_usb_is_attached(bridge->adapter))
		gs_usb_detach(bridge->adapter, now);
}

static void core_advance(struct device_core *core, uint64_t now)
{
	struct stm32_bridge *bridge = bridge_of(core);
	struct device_core *board = stm32_core(bridge->board);
	board->operations->advance(board, now);
	look_who_runs(bridge, now);
	if (!gs_usb_is_attached(bridge->adapter))
		return;
	pass_on(bridge, now);
	gs_usb_drain(bridge->adapter, now);
}

static uint64_t core_next_event(const struct device_core *core)
{
	const struct device_core *board = stm32_core(const_bridge_of(core)->board);
	return board->operations->next_event(board);
}

static bool core_is_attached(const struct device_core *core)
{
	const struct device_core *its = present(const_bridge_of(core));
	return its->operations->is_attached(its);
}

static void core_bus_reset(struct device_core *core, uint64_t now)
{
	core_advance(core, now);
	struct device_core *its = present(bridge_of(core));
	its->operations->bus_reset(its, now);
}

static enum packet core_poll(const struct device_core *core, uint8_t endpoint)
{
	const struct device_core *its = present(const_bridge_of(core));
	return its->operations->poll(its, endpoint);
}

static enum packet core_control(struct device_core *core, uint64_t now, const uint8_t setup[8],
	uint8_t *data, size_t *length)
{
	core_advance(core, now);
	struct device_core *its = present(bridge_of(core));
	return its->operations->control(its, now, setup, data, length);
}

static enum packet core_out(struct device_core *core, uint64_t now, uint8_t endpoint, bool toggle,
	const uint8_t *data, size_t length)
{
	core_advance(core, now);
	struct device_core *its = present(bridge_of(core));
	return its->operations->out(its, now, endpoint, toggle, data, length);
}

static enum packet core_in(struct device_core *core, uint64_t now, uint8_t endpoint, uint8_t *data,
	size_t *ret_length, bool *ret_toggle)
{
	core_advance(core, now);
	struct device_core *its = present(bridge_of(core));
	return its->operations->in(its, now, endpoint, data, ret_length, ret_toggle);
}

static const struct device_operations operations = {
	.advance = core_advance,
	.next_event = core_next_event,
	.is_attached = core_is_attached,
	.bus_reset = core_bus_reset,
	.poll = core_poll,
	.control = core_control,
	.out = core_out,
	.in = core_in,
};

/* --- its life ---------------------------------------------------------------------------- */

int stm32_bridge_new(struct stm32 *board, struct stm32_bridge **ret)
{
	char serial[SERIAL_CHARS + 1];
	_cleanup_(stm32_bridge_freep) struct stm32_bridge *bridge = calloc(1, sizeof(*bridge));
	if (!bridge)
		return -ENOMEM;
	for (size_t index = 0; index < STM32_UNIQUE_ID_BYTES; index++)
		snprintf(serial + 2 * index, 3, "%02X", board->options.unique_id[index]);
	const struct gs_usb_options options = {
		.is_bridge = true, .product = board->kind->mcu, .serial = serial
	};
	const struct gs_usb_wire wire = { set, send_frame, health, next, advance, bridge };
	bridge->core.operations = &operations;
	bridge->core.control_packet_nsec = STM32_PACKET_NSEC;
	bridge->board = board;
	TRY(gs_usb_new(&options, &wire, &bridge->adapter));
	*ret = TAKE_PTR(bridge);
	return 0;
}

struct stm32_bridge *stm32_bridge_free(struct stm32_bridge *bridge)
{
	if (bridge)
		gs_usb_free(bridge->adapter);
	free(bridge);
	return NULL;
}

struct device_core *stm32_bridge_core(struct stm32_bridge *bridge)
{
	return &bridge->core;
}
