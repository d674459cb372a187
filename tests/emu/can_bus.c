/* SPDX-License-Identifier: MIT */
/* A bus and the adapter at one end of it; see can_bus.h. */
#include <errno.h>
#include <string.h>

#include "emu/can_bus.h"

#define BITRATE       1000000u
#define ADAPTER_NSEC  (150 * NSEC_PER_USEC)
#define COLLISIONS    3u
#define ERROR_BITS    20u /* an error frame and the gap behind it */
#define WARNING       96u
#define PASSIVE       128u
#define OFF           256u
#define PENALTY       8u
#define TOWARDS_NODES 0
#define TOWARDS_HOST  1

void can_bus_init(struct can_bus *bus, const struct can_bus_options *options,
	const struct can_bus_listener *listener)
{
	*bus = (struct can_bus){
		.options = *options, .listener = *listener, .restarts_at = NEVER, .ends = NEVER
	};
	if (!bus->options.bitrate)
		bus->options.bitrate = BITRATE;
	if (!bus->options.host_bitrate)
		bus->options.host_bitrate = bus->options.bitrate;
	if (!bus->options.adapter_nsec)
		bus->options.adapter_nsec = ADAPTER_NSEC;
	if (!bus->options.collisions)
		bus->options.collisions = COLLISIONS;
}

void can_bus_add_node(struct can_bus *bus, struct resident *resident)
{
	if (bus->node_count == CAN_BUS_NODES)
		__builtin_trap();
	bus->nodes[bus->node_count++] = resident;
}

static uint64_t bits_nsec(const struct can_bus *bus, unsigned bits)
{
	return bits * NSEC_PER_SEC / bus->options.bitrate;
}

static bool push(struct can_bus_queue *queue, const struct can_bus_frame *frame)
{
	if (queue->count == CAN_BUS_QUEUE)
		return false;
	queue->frames[queue->count++] = *frame;
	return true;
}

static struct can_bus_frame pop(struct can_bus_queue *queue)
{
	struct can_bus_frame first = queue->frames[0];
	queue->count--;
	memmove(queue->frames, queue->frames + 1, queue->count * sizeof(first));
	return first;
}

/* --- accidents ----------------------------------------------------------------------------- */

int can_bus_arm(struct can_bus *bus, const struct can_bus_fault *fault)
{
	if (bus->fault_count == CAN_BUS_FAULTS)
		return -ENOSPC;
	bus->faults[bus->fault_count].fault = *fault;
	bus->faults[bus->fault_count].seen = bus->faults[bus->fault_count].struck = 0;
	return (int)bus->fault_count++;
}

/* What becomes of one frame: none, itself, it and another one. */
static size_t pass(struct can_bus *bus, int direction, const struct can_bus_frame *frame,
	struct can_bus_frame ret[3])
{
	size_t count = 0;
	bool is_lost = false, is_double = false, is_late = false;
	struct can_bus_frame its = *frame;
	for (size_t i = 0; i < bus->fault_count; i++) {
		const struct can_bus_fault *fault = &bus->faults[i].fault;
		if (fault->to_host != (direction == TOWARDS_HOST) ||
			bus->faults[i].seen++ != fault->nth)
			continue;
		bus->faults[i].struck++;
		is_lost |= fault->kind == CAN_BUS_LOSE;
		is_double |= fault->kind == CAN_BUS_DUPLICATE;
		is_late |= fault->kind == CAN_BUS_SWAP;
		if (fault->kind == CAN_BUS_FLIP && its.bits.length)
			its.bits.data[fault->bit / 8 % its.bits.length] ^=
				(uint8_t)(1 << (fault->bit & 7));
	}
	if (is_late && !bus->has_held[direction]) {
		bus->has_held[direction] = true;
		bus->held[direction] = its;
		return 0;
	}
	if (!is_lost)
		ret[count++] = its;
	if (!is_lost && is_double)
		ret[count++] = its;
	if (bus->has_held[direction]) {
		bus->has_held[direction] = false;
		ret[count++] = bus->held[direction];
	}
	return count;
}

/* --- the host's controller ----------------------------------------------------------------- */

static void tell_error(struct can_bus *bus, enum can_bus_error error)
{
	if (!bus->options.is_bridge)
		bus->listener.on_error(bus->listener.context, error);
}

static void note_state(struct can_bus *bus, uint64_t now)
{
	enum can_bus_state before = bus->state;
	bus->state = bus->send_errors >= OFF       ? CAN_BUS_IS_OFF
		     : bus->send_errors >= PASSIVE ? CAN_BUS_IS_PASSIVE
		     : bus->send_errors >= WARNING ? CAN_BUS_IS_WARNING
						   : CAN_BUS_IS_ACTIVE;
	if (bus->state == before)
		return;
	if (bus->state == CAN_BUS_IS_PASSIVE)
		tell_error(bus, CAN_BUS_ERROR_PASSIVE);
	if (bus->state != CAN_BUS_IS_OFF)
		return;
	tell_error(bus, CAN_BUS_ERROR_OFF);
	/* The driver throws away what was under way, and whoever sent it has room again. */
	while (bus->out.count)
		bus->listener.on_sent(bus->listener.context, pop(&bus->out).sender);
	if (bus->options.restart_msec)
		bus->restarts_at = now + bus->options.restart_msec * NSEC_PER_MSEC;
}

/* A lone sender that is passive does not count what nobody acknowledges. */
static void on_failed(struct can_bus *bus, uint64_t now)
{
	bool is_wrong_rate = bus->options.host_bitrate != bus->options.bitrate;
	tell_error(bus, is_wrong_rate ? CAN_BUS_ERROR_STUFF : CAN_BUS_ERROR_ACKNOWLEDGE);
	if (is_wrong_rate || bus->send_errors < PASSIVE)
		bus->send_errors += PENALTY;
	note_state(bus, now);
}

/* --- the wire ------------------------------------------------------------------------------ */

static const struct can_bits *offer_of(const struct resident *resident)
{
	return bus_node_offer(&resident->can);
}

/* The lowest number; those with one and the same begin together. */
static bool begin(struct can_bus *bus, uint64_t now)
{
	bool is_host_ready =
		bus->out.count && bus->out.frames[0].due <= now && bus->state != CAN_BUS_IS_OFF;
	const struct can_bits *best = is_host_ready ? &bus->out.frames[0].bits : NULL;
	unsigned equals = 0;
	bus->from = NULL;
	for (size_t i = 0; i < bus->node_count; i++) {
		const struct can_bits *offer = offer_of(bus->nodes[i]);
		if (!offer || (best && offer->number > best->number))
			continue;
		equals = best && offer->number == best->number ? equals + 1 : 0;
		if (equals == 0)
			bus->from = bus->nodes[i];
		best = offer;
	}
	if (!best)
		return false;
	bus->is_busy = true;
	bus->current = bus->from ? *offer_of(bus->from) : *best;
	bus->collided = equals && bus->collided_in_a_row < bus->options.collisions ? equals : 0;
	unsigned bits = bus->collided ? ERROR_BITS + 40 : can_frame_bit_count(&bus->current);
	bus->ends = now + bits_nsec(bus, bits);
	bus->busy_nsec += bus->ends - now;
	return true;
}

static bool is_heard(struct can_bus *bus, uint64_t now, const struct can_bits *frame)
{
	bool is_heard = false;
	for (size_t i = 0; i < bus->node_count; i++)
		if (bus->nodes[i] != bus->from)
			is_heard |= resident_hear_frame(bus->nodes[i], now, frame);
	return is_heard;
}

/* Somebody is on the bus and acknowledges, whatever an adapter makes of the frame behind. */
static bool is_anybody_on(const struct can_bus *bus)
{
	for (size_t i = 0; i < bus->node_count; i++)
		if (bus->nodes[i]->can.language != BUS_NODE_SAYS_NOTHING)
			return true;
	return false;
}

static void end_of_host(struct can_bus *bus, uint64_t now)
{
	if (bus->options.host_bitrate != bus->options.bitrate || !is_anybody_on(bus)) {
		if (!bus->options.is_bridge) {
			on_failed(bus, now);
			return;
		}
	}
	struct can_bus_frame sent = pop(&bus->out), passed[3];
	if (bus->send_errors)
		bus->send_errors--;
	note_state(bus, now);
	bus->host_frames++;
	size_t count = pass(bus, TOWARDS_NODES, &sent, passed);
	for (size_t i = 0; i < count; i++)
		(void)is_heard(bus, now, &passed[i].bits);
	bus->listener.on_sent(bus->listener.context, sent.sender);
	bus->listener.on_frame(bus->listener.context, &sent.bits, sent.sender);
}

/* A bridge is on the bus at the rate that it was built for, whatever the interface says. */
static bool is_host_on(const struct can_bus *bus)
{
	bool has_rate = bus->options.is_bridge || bus->options.host_bitrate == bus->options.bitrate;
	return has_rate && bus->state != CAN_BUS_IS_OFF;
}

static void end_of_node(struct can_bus *bus, uint64_t now)
{
	struct can_bus_frame frame = { .bits = bus->current,
		.due = now + bus->options.adapter_nsec };
	struct can_bus_frame passed[3];
	bool is_host_there = is_host_on(bus);
	bool is_acknowledged = is_heard(bus, now, &bus->current) || is_host_there;
	if (!is_acknowledged)
		return; /* and repeated */
	bus_node_sent(&bus->from->can, now);
	for (size_t i = 0; i < bus->node_count; i++)
		if (bus->nodes[i] == bus->from)
			bus->node_bits[i] += can_frame_bit_count(&bus->current);
	bus->node_frames++;
	if (!is_host_there)
		return;
	size_t count = pass(bus, TOWARDS_HOST, &frame, passed);
	for (size_t i = 0; i < count; i++)
		(void)push(&bus->in, &passed[i]);
}

static void end(struct can_bus *bus, uint64_t now)
{
	bus->is_busy = false;
	if (bus->collided) {
		bus->collided_in_a_row++;
		bus->collisions++;
		tell_error(bus, CAN_BUS_ERROR_BIT);
		return;
	}
	bus->collided_in_a_row = 0;
	if (bus->from)
		end_of_node(bus, now);
	else
		end_of_host(bus, now);
}

/* --- time ---------------------------------------------------------------------------------- */

static uint64_t next_of(const struct can_bus *bus)
{
	uint64_t next = bus->is_busy ? bus->ends : NEVER;
	if (bus->in.count && bus->in.frames[0].due < next)
		next = bus->in.frames[0].due;
	if (!bus->is_busy && bus->out.count && bus->state != CAN_BUS_IS_OFF &&
		bus->out.frames[0].due < next)
		next = bus->out.frames[0].due;
	return bus->restarts_at < next ? bus->restarts_at : next;
}

uint64_t can_bus_run(struct can_bus *bus, uint64_t now)
{
	if (bus->restarts_at <= now) {
		bus->restarts_at = NEVER;
		bus->send_errors = 0;
		bus->state = CAN_BUS_IS_ACTIVE;
	}
	while (bus->in.count && bus->in.frames[0].due <= now) {
		struct can_bus_frame frame = pop(&bus->in);
		bus->listener.on_frame(bus->listener.context, &frame.bits, NULL);
	}
	if (bus->is_busy && bus->ends <= now) {
		end(bus, now);
		return now; /* whoever heard it has its turn first */
	}
	if (!bus->is_busy)
		(void)begin(bus, now);
	return next_of(bus);
}

bool can_bus_send(struct can_bus *bus, uint64_t now, const struct can_bits *frame, void *sender)
{
	const struct can_bus_frame queued = {
		.bits = *frame, .sender = sender, .due = now + bus->options.adapter_nsec
	};
	return push(&bus->out, &queued);
}

void can_bus_forget(struct can_bus *bus, const void *sender)
{
	for (size_t i = 0; i < bus->out.count; i++)
		if (bus->out.frames[i].sender == sender)
			bus->out.frames[i].sender = NULL;
}
