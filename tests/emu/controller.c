/* SPDX-License-Identifier: MIT */
/*
 * Packets in turn from every endpoint that has one to send. A device's NAK costs nothing here: the
 * wire is idle until the device says that asking again may help. A real controller keeps asking;
 * what that would cost other endpoints is not modelled.
 */
#include <errno.h>
#include <string.h>

#include "emu/controller.h"

static unsigned queue_index(uint8_t endpoint)
{
	if (endpoint == 0)
		return 0;
	return 1 + (endpoint & 15u) + (endpoint & ENDPOINT_TOWARDS_US ? 16 : 0);
}

static struct urb_queue *queue_of(struct controller *controller, uint8_t endpoint)
{
	return &controller->queues[queue_index(endpoint) % CONTROLLER_QUEUES];
}

void controller_init(struct controller *controller, struct device_core *core, uint64_t now)
{
	*controller = (struct controller){ .core = core, .clock = now };
	for (unsigned index = 0; index < CONTROLLER_QUEUES; index++)
		controller->queues[index].tail = &controller->queues[index].head;
}

void controller_reset_toggles(struct controller *controller)
{
	for (unsigned index = 0; index < CONTROLLER_QUEUES; index++)
		controller->queues[index].toggle = false;
}

void controller_reset_toggle(struct controller *controller, uint8_t endpoint)
{
	queue_of(controller, endpoint)->toggle = false;
}

static void detach(struct controller *controller, struct urb *urb)
{
	struct urb_queue *queue = queue_of(controller, urb->endpoint);
	struct urb **place = &queue->head;
	while (*place && *place != urb)
		place = &(*place)->next;
	if (!*place)
		return;
	*place = urb->next;
	if (queue->tail == &urb->next)
		queue->tail = place;
	urb->next = NULL;
}

static void give_back(struct controller *controller, struct urb *urb, int status)
{
	detach(controller, urb);
	if (controller->flying == urb) {
		controller->flying = NULL;
		controller->carrying = false;
	}
	urb->status = status;
	urb->done = true;
	if (urb->on_done)
		urb->on_done(urb);
}

int controller_submit(struct controller *controller, struct urb *urb)
{
	if (controller->down)
		return -ENODEV;
	struct urb_queue *queue = queue_of(controller, urb->endpoint);
	urb->transferred = 0;
	urb->status = 0;
	urb->done = urb->unlinked = false;
	urb->next = NULL;
	*queue->tail = urb;
	queue->tail = &urb->next;
	return 0;
}

void controller_unlink(struct controller *controller, struct urb *urb)
{
	if (urb->done)
		return;
	urb->unlinked = true;
	if (controller->flying != urb)
		give_back(controller, urb, -ECONNRESET);
}

void controller_flush(struct controller *controller, int status)
{
	for (unsigned index = 0; index < CONTROLLER_QUEUES; index++)
		while (controller->queues[index].head)
			give_back(controller, controller->queues[index].head, status);
}

static bool is_towards_us(const struct urb *urb)
{
	return urb->endpoint & ENDPOINT_TOWARDS_US;
}

static size_t packet_length(const struct urb *urb)
{
	size_t left = urb->length - urb->transferred;
	return left < PACKET_BYTES ? left : PACKET_BYTES;
}

static size_t packets_of(size_t length)
{
	return (length + PACKET_BYTES - 1) / PACKET_BYTES;
}

/* How much a device has to tell is known when it is asked: here one packet is counted, the others
 * when it has answered. */
static uint64_t wire_time(const struct controller *controller, const struct urb *urb)
{
	if (urb->endpoint)
		return PACKET_NSEC;
	size_t packets = packets_of(urb->length);
	if (packets && urb->setup[0] & ENDPOINT_TOWARDS_US)
		packets = 1;
	return CONTROL_PACKETS_LEAST * PACKET_NSEC + control_data_nsec(controller->core, packets);
}

/*
 * A stall ends the transfer and is cleared on the host's side only, as an xHCI driver does it: its
 * toggle is DATA0 again, the device's is what it was, and the next URB finds the device still
 * halted.
 */
static void on_refusal(struct controller *controller, struct urb *urb, enum packet answer)
{
	if (answer == PACKET_STALL) {
		queue_of(controller, urb->endpoint)->toggle = false;
		give_back(controller, urb, -EPIPE);
	} else if (answer == PACKET_LOST) {
		give_back(controller, urb, -EPROTO);
	}
}

/* Starts a packet of the next endpoint in turn that would not be refused with a NAK. */
static bool take_off(struct controller *controller)
{
	struct device_core *core = controller->core;
	for (unsigned step = 1; step <= CONTROLLER_QUEUES; step++) {
		unsigned index = (controller->turn + step) % CONTROLLER_QUEUES;
		struct urb *urb = controller->queues[index].head;
		if (!urb || core->operations->poll(core, urb->endpoint) == PACKET_NAK)
			continue;
		controller->turn = index;
		controller->flying = urb;
		controller->landing = controller->clock + wire_time(controller, urb);
		return true;
	}
	return false;
}

static void follow_request(struct controller *controller, const struct urb *urb)
{
	enum { CLEAR_FEATURE = 1, SET_CONFIGURATION = 9 };
	if (!controller->toggles_follow_requests)
		return;
	if (urb->setup[0] == 0x02 && urb->setup[1] == CLEAR_FEATURE)
		controller_reset_toggle(controller, urb->setup[4]);
	else if (urb->setup[0] == 0x00 && urb->setup[1] == SET_CONFIGURATION)
		controller_reset_toggles(controller);
}

static void land_control(struct controller *controller, struct urb *urb)
{
	struct device_core *core = controller->core;
	size_t length = urb->length;
	enum packet answer =
		core->operations->control(core, controller->clock, urb->setup, urb->data, &length);
	if (answer != PACKET_ACK)
		return on_refusal(controller, urb, answer);
	follow_request(controller, urb);
	bool in = urb->setup[0] & ENDPOINT_TOWARDS_US;
	urb->transferred = in ? length : urb->length;
	if (!in || packets_of(length) < 2)
		return give_back(controller, urb, 0);
	controller->carrying = true;
	controller->landing = controller->clock + control_data_nsec(core, packets_of(length) - 1);
}

static void end_carrying(struct controller *controller, struct urb *urb)
{
	struct device_core *core = controller->core;
	bool lost = core->operations->poll(core, 0) == PACKET_LOST;
	if (lost)
		urb->transferred = 0;
	give_back(controller, urb, lost ? -EPROTO : 0);
}

static void land_in(struct controller *controller, struct urb *urb)
{
	struct device_core *core = controller->core;
	struct urb_queue *queue = queue_of(controller, urb->endpoint);
	uint8_t packet[PACKET_BYTES];
	size_t length = 0;
	bool toggle = false;
	enum packet answer = core->operations->in(
		core, controller->clock, urb->endpoint, packet, &length, &toggle);
	if (answer != PACKET_ACK)
		return on_refusal(controller, urb, answer);
	if (toggle != queue->toggle)
		return; /* taken for a repetition */
	queue->toggle = !toggle;
	if (length > packet_length(urb))
		return give_back(controller, urb, -EOVERFLOW);
	memcpy(urb->data + urb->transferred, packet, length);
	urb->transferred += length;
	if (length < PACKET_BYTES || urb->transferred == urb->length)
		give_back(controller, urb, 0);
}

static void land_out(struct controller *controller, struct urb *urb)
{
	struct device_core *core = controller->core;
	struct urb_queue *queue = queue_of(controller, urb->endpoint);
	size_t length = packet_length(urb);
	enum packet answer = core->operations->out(core, controller->clock, urb->endpoint,
		queue->toggle, urb->data + urb->transferred, length);
	if (answer != PACKET_ACK)
		return on_refusal(controller, urb, answer);
	queue->toggle = !queue->toggle;
	urb->transferred += length;
	bool owes_empty = urb->zero_packet && length == PACKET_BYTES;
	if (urb->transferred == urb->length && !owes_empty)
		give_back(controller, urb, 0);
}

static void land(struct controller *controller)
{
	struct urb *urb = controller->flying;
	if (controller->carrying)
		end_carrying(controller, urb);
	else if (urb->endpoint == 0)
		land_control(controller, urb);
	else if (is_towards_us(urb))
		land_in(controller, urb);
	else
		land_out(controller, urb);
	/* Given back, it may be freed by now; then it does not fly either. */
	if (controller->flying != urb || controller->carrying)
		return;
	controller->flying = NULL;
	if (urb->unlinked)
		give_back(controller, urb, -ECONNRESET);
}

uint64_t controller_run(struct controller *controller, uint64_t now)
{
	struct device_core *core = controller->core;
	for (;;) {
		if (!controller->flying && take_off(controller))
			continue;
		uint64_t next = core->operations->next_event(core);
		if (next < controller->clock)
			next = controller->clock;
		if (controller->flying && controller->landing <= next)
			next = controller->landing;
		if (next > now) {
			if (now > controller->clock)
				controller->clock = now;
			core->operations->advance(core, controller->clock);
			return next;
		}
		controller->clock = next;
		core->operations->advance(core, next);
		if (!controller->flying || controller->landing > next)
			continue;
		land(controller);
	}
}
