/* SPDX-License-Identifier: MIT */
/* Frames between the host's two bulk endpoints and the wire; see gs_usb.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "emu/gs_usb_parts.h"

#define ID_ERROR     0x20000000u
#define ERROR_BYTES  8
#define AT_CONTROL   1 /* places of the payload of an error frame */
#define AT_PROTOCOL  2
#define AT_SENT      6
#define AT_RECEIVED  7
#define CLASS_COUNTS 0x200u

static struct gs_usb *adapter_of(struct device_core *core)
{
	return (struct gs_usb *)core;
}

static const struct gs_usb *const_adapter_of(const struct device_core *core)
{
	return (const struct gs_usb *)core;
}

/* --- queues ------------------------------------------------------------------------------ */

static bool push(struct gs_usb_ring *ring, size_t most, const struct gs_usb_frame *frame)
{
	if (ring->count >= most)
		return false;
	ring->frames[(ring->first + ring->count++) % GS_USB_QUEUE] = *frame;
	return true;
}

static void pop(struct gs_usb_ring *ring)
{
	ring->first = (ring->first + 1) % GS_USB_QUEUE;
	ring->count--;
}

static size_t pool_size(const struct gs_usb *adapter)
{
	return adapter->is_bridge ? GS_USB_BRIDGE_QUEUE : GS_USB_POOL;
}

static bool tell(struct gs_usb *adapter, const struct gs_usb_frame *frame)
{
	if (!adapter->is_up)
		return false;
	if (push(&adapter->to_host, GS_USB_QUEUE, frame))
		return true;
	adapter->counters.frames_lost++;
	return false;
}

/* --- the wire's side --------------------------------------------------------------------- */

/* The echo is what tells the driver that a frame of its own is done with. */
static void offer(struct gs_usb *adapter)
{
	struct gs_usb_ring *ring = &adapter->from_host;
	while (ring->count && adapter->is_up && adapter->to_host.count < GS_USB_QUEUE) {
		const struct gs_usb_frame frame = ring->frames[ring->first];
		if (!adapter->wire.send(adapter->wire.context, adapter->now, &frame))
			return;
		pop(ring);
		if (!adapter->is_bridge)
			tell(adapter, &frame);
	}
}

void gs_usb_drain(struct gs_usb *adapter, uint64_t now)
{
	if (now > adapter->now)
		adapter->now = now;
	offer(adapter);
}

void gs_usb_hear(struct gs_usb *adapter, uint64_t now, const struct gs_usb_frame *frame)
{
	struct gs_usb_frame heard = *frame;
	if (now > adapter->now)
		adapter->now = now;
	heard.echo = GS_USB_HEARD;
	adapter->counters.frames_heard += tell(adapter, &heard);
}

/* Errors of single frames are told to who has asked for them; an old firmware has no such switch
 * and tells them all. The last one that nobody has fetched yet is not told twice. */
void gs_usb_tell_error(struct gs_usb *adapter, uint64_t now, uint32_t classes, uint8_t control,
	uint8_t protocol, bool is_edge)
{
	struct gs_usb_frame frame = { .echo = GS_USB_HEARD, .length = ERROR_BYTES };
	const struct gs_usb_ring *ring = &adapter->to_host;
	struct gs_usb_health health = adapter->wire.health(adapter->wire.context);
	if (now > adapter->now)
		adapter->now = now;
	if (adapter->is_bridge || !adapter->is_up)
		return;
	if (!is_edge && adapter->has_switch && !adapter->wants_errors) {
		adapter->counters.errors_kept++;
		return;
	}
	frame.id = ID_ERROR | CLASS_COUNTS | classes;
	frame.data[AT_CONTROL] = control;
	frame.data[AT_PROTOCOL] = protocol;
	frame.data[AT_SENT] = health.send_errors;
	frame.data[AT_RECEIVED] = health.receive_errors;
	const struct gs_usb_frame *last =
		&ring->frames[(ring->first + ring->count - 1) % GS_USB_QUEUE];
	if (ring->count && !is_edge && last->id == frame.id)
		return;
	adapter->counters.errors_told += tell(adapter, &frame);
}

void gs_usb_set_up(struct gs_usb *adapter, bool up, bool listen_only)
{
	adapter->to_host = adapter->from_host = (struct gs_usb_ring){ 0 };
	adapter->is_up = up;
	adapter->wire.set(
		adapter->wire.context, adapter->now, up ? adapter->bitrate : 0, listen_only);
}

/* --- the controller's side --------------------------------------------------------------- */

static void put_word(uint8_t *bytes, uint32_t value)
{
	for (unsigned index = 0; index < 4; index++)
		bytes[index] = (uint8_t)(value >> 8 * index);
}

static uint32_t word(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
	       (uint32_t)bytes[3] << 24;
}

static void core_advance(struct device_core *core, uint64_t now)
{
	struct gs_usb *adapter = adapter_of(core);
	const struct gs_usb_wire *wire = &adapter->wire;
	for (uint64_t next = wire->next(wire->context); next <= now;
		next = wire->next(wire->context)) {
		if (next > adapter->now)
			adapter->now = next;
		wire->advance(wire->context, adapter->now);
		offer(adapter);
	}
	if (now > adapter->now)
		adapter->now = now;
	offer(adapter);
}

static uint64_t core_next_event(const struct device_core *core)
{
	const struct gs_usb_wire *wire = &const_adapter_of(core)->wire;
	return wire->next(wire->context);
}

static bool core_is_attached(const struct device_core *core)
{
	return const_adapter_of(core)->attached;
}

static void core_bus_reset(struct device_core *core, uint64_t now)
{
	struct gs_usb *adapter = adapter_of(core);
	core_advance(core, now);
	adapter->configuration = 0;
	adapter->in = adapter->out = (struct gs_usb_endpoint){ 0 };
	if (adapter->is_up)
		gs_usb_set_up(adapter, false, false);
}

static enum packet core_poll(const struct device_core *core, uint8_t endpoint)
{
	const struct gs_usb *adapter = const_adapter_of(core);
	if (!adapter->attached)
		return PACKET_LOST;
	if (endpoint == 0)
		return PACKET_ACK;
	if (!adapter->configuration)
		return PACKET_LOST;
	if (endpoint == GS_USB_ENDPOINT_IN && !adapter->in.halted)
		return adapter->to_host.count ? PACKET_ACK : PACKET_NAK;
	if (endpoint == GS_USB_ENDPOINT_OUT && !adapter->out.halted)
		return adapter->from_host.count < pool_size(adapter) ? PACKET_ACK : PACKET_NAK;
	return PACKET_STALL;
}

static enum packet core_control(struct device_core *core, uint64_t now, const uint8_t setup[8],
	uint8_t *data, size_t *length)
{
	core_advance(core, now);
	if (!core_is_attached(core))
		return PACKET_LOST;
	return gs_usb_control(adapter_of(core), setup, data, length);
}

/* What is shorter than a frame is none. One that comes while the interface is down is late: its
 * driver is closing it. */
static void take_frame(struct gs_usb *adapter, const uint8_t *data, size_t length)
{
	struct gs_usb_frame frame = { 0 };
	if (length < GS_USB_FRAME_BYTES || !adapter->is_up)
		return;
	frame.echo = word(data);
	frame.id = word(data + 4);
	frame.length = data[8] < GS_USB_DATA ? data[8] : GS_USB_DATA;
	memcpy(frame.data, data + 12, GS_USB_DATA);
	adapter->counters.frames_sent++;
	push(&adapter->from_host, pool_size(adapter), &frame);
	if (adapter->is_bridge)
		tell(adapter, &frame);
	offer(adapter);
}

static enum packet core_out(struct device_core *core, uint64_t now, uint8_t endpoint, bool toggle,
	const uint8_t *data, size_t length)
{
	struct gs_usb *adapter = adapter_of(core);
	core_advance(core, now);
	enum packet answer = core_poll(core, endpoint);
	if (answer != PACKET_ACK || adapter->out.toggle != toggle)
		return answer;
	adapter->out.toggle = !toggle;
	take_frame(adapter, data, length);
	return PACKET_ACK;
}

static enum packet core_in(struct device_core *core, uint64_t now, uint8_t endpoint, uint8_t *data,
	size_t *ret_length, bool *ret_toggle)
{
	struct gs_usb *adapter = adapter_of(core);
	core_advance(core, now);
	enum packet answer = core_poll(core, endpoint);
	if (answer != PACKET_ACK)
		return answer;
	const struct gs_usb_frame *frame = &adapter->to_host.frames[adapter->to_host.first];
	memset(data, 0, GS_USB_FRAME_BYTES);
	put_word(data, frame->echo);
	put_word(data + 4, frame->id);
	data[8] = frame->length;
	memcpy(data + 12, frame->data, GS_USB_DATA);
	*ret_length = GS_USB_FRAME_BYTES;
	*ret_toggle = adapter->in.toggle;
	adapter->in.toggle = !adapter->in.toggle;
	pop(&adapter->to_host);
	offer(adapter);
	return PACKET_ACK;
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

int gs_usb_new(
	const struct gs_usb_options *options, const struct gs_usb_wire *wire, struct gs_usb **ret)
{
	static const char *const defaults[][GS_USB_STRINGS] = {
		{ "bytewerk", "candleLight USB to CAN adapter", "0034002B4241500820353931" },
		{ "Klipper", "stm32f446xx", "3D0052001450425539383920" },
	};
	const char *texts[GS_USB_STRINGS] = { options->manufacturer, options->product,
		options->serial };
	_cleanup_(gs_usb_freep) struct gs_usb *adapter = calloc(1, sizeof(*adapter));
	if (!adapter)
		return -ENOMEM;
	adapter->core.operations = &operations;
	adapter->wire = *wire;
	adapter->is_bridge = options->is_bridge;
	adapter->has_switch = options->has_switch;
	for (size_t index = 0; index < GS_USB_STRINGS; index++) {
		const char *text =
			texts[index] ? texts[index] : defaults[options->is_bridge][index];
		adapter->strings[index] = strdup(text);
		if (!adapter->strings[index])
			return -ENOMEM;
	}
	*ret = TAKE_PTR(adapter);
	return 0;
}

struct gs_usb *gs_usb_free(struct gs_usb *adapter)
{
	if (!adapter)
		return NULL;
	for (size_t index = 0; index < GS_USB_STRINGS; index++)
		free(adapter->strings[index]);
	free(adapter);
	return NULL;
}

struct device_core *gs_usb_core(struct gs_usb *adapter)
{
	return &adapter->core;
}

void gs_usb_attach(struct gs_usb *adapter, uint64_t now)
{
	adapter->now = now;
	adapter->attached = true;
	adapter->configuration = 0;
	adapter->bitrate = 0;
	adapter->in = adapter->out = (struct gs_usb_endpoint){ 0 };
}

void gs_usb_detach(struct gs_usb *adapter, uint64_t now)
{
	if (now > adapter->now)
		adapter->now = now;
	if (adapter->is_up)
		gs_usb_set_up(adapter, false, false);
	adapter->attached = false;
}

bool gs_usb_is_attached(const struct gs_usb *adapter)
{
	return adapter->attached;
}

bool gs_usb_is_up(const struct gs_usb *adapter)
{
	return adapter->is_up;
}

uint32_t gs_usb_bitrate(const struct gs_usb *adapter)
{
	return adapter->bitrate;
}

const struct gs_usb_counters *gs_usb_counters(const struct gs_usb *adapter)
{
	return &adapter->counters;
}

void gs_usb_reset_counters(struct gs_usb *adapter)
{
	adapter->counters = (struct gs_usb_counters){ 0 };
}
