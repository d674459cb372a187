/* SPDX-License-Identifier: MIT */
/* One frame after the other, as often as it takes; see gs_usb_chip.h. */
#include <errno.h>
#include <string.h>

#include "emu/gs_usb_chip.h"

#define WARNING_ERRORS 96
#define PASSIVE_ERRORS 128
#define OFF_ERRORS     256
#define ERROR_STEP     8
#define COLLISIONS     4
#define NUMBER_MASK    0x7ffu
#define OFF_BITS       (128 * 11)
/* A frame that nobody takes is repeated without a pause. In real time a thousand times a second
 * says as much as eight thousand times. */
#define REPEAT_NSEC NSEC_PER_MSEC

/* linux/can/error.h */
enum {
	CLASS_CONTROL = 0x04,
	CLASS_PROTOCOL = 0x08,
	CLASS_ACKNOWLEDGE = 0x20,
	CLASS_BUS_OFF = 0x40,
	CONTROL_WARNING = 0x04 | 0x08,
	CONTROL_PASSIVE = 0x10 | 0x20,
	CONTROL_ACTIVE = 0x40,
	PROTOCOL_STUFF = 0x04,
	PROTOCOL_BIT0 = 0x08,
};

static uint64_t bits_nsec(const struct gs_usb_chip *chip, unsigned bits)
{
	return bits * NSEC_PER_SEC / chip->bitrate;
}

static enum gs_usb_state state_of(const struct gs_usb_chip *chip)
{
	unsigned most =
		chip->send_errors > chip->receive_errors ? chip->send_errors : chip->receive_errors;
	if (chip->send_errors >= OFF_ERRORS)
		return GS_USB_BUS_OFF;
	if (most >= PASSIVE_ERRORS)
		return GS_USB_PASSIVE;
	return most >= WARNING_ERRORS ? GS_USB_WARNING : GS_USB_ACTIVE;
}

static void tell_state(struct gs_usb_chip *chip, uint64_t now)
{
	static const struct {
		uint32_t classes;
		uint8_t control;
	} words[] = {
		[GS_USB_ACTIVE] = { CLASS_CONTROL, CONTROL_ACTIVE },
		[GS_USB_WARNING] = { CLASS_CONTROL, CONTROL_WARNING },
		[GS_USB_PASSIVE] = { CLASS_CONTROL, CONTROL_PASSIVE },
		[GS_USB_BUS_OFF] = { CLASS_BUS_OFF, 0 },
	};
	enum gs_usb_state state = state_of(chip);
	if (state == chip->state)
		return;
	chip->state = state;
	gs_usb_tell_error(chip->adapter, now, words[state].classes, words[state].control, 0, true);
}

/* --- who is on the wire ------------------------------------------------------------------ */

int gs_usb_chip_add(struct gs_usb_chip *chip, struct device_core *core, struct resident *resident)
{
	if (chip->node_count == GS_USB_NODES)
		return -ENOSPC;
	chip->nodes[chip->node_count++] = (struct gs_usb_node){ core, resident };
	return 0;
}

void gs_usb_chip_remove(struct gs_usb_chip *chip, const struct resident *resident)
{
	size_t kept = 0;
	for (size_t index = 0; index < chip->node_count; index++)
		if (chip->nodes[index].resident != resident)
			chip->nodes[kept++] = chip->nodes[index];
	chip->node_count = kept;
	if (chip->from == resident)
		chip->from = NULL;
}

/* The rate at which somebody acknowledges, 0: nobody would. */
static uint32_t rate_of_others(const struct gs_usb_chip *chip)
{
	if (chip->others_bitrate)
		return chip->others_bitrate;
	for (size_t index = 0; index < chip->node_count; index++)
		if (chip->nodes[index].resident->can.language != BUS_NODE_SAYS_NOTHING)
			return chip->nodes_bitrate;
	return 0;
}

static bool hears_nodes(const struct gs_usb_chip *chip)
{
	return chip->bitrate && chip->bitrate == chip->nodes_bitrate &&
	       chip->state != GS_USB_BUS_OFF;
}

/* The lowest number that a node wants to send, by `*ret_count` of them at once. */
static struct resident *first_node(const struct gs_usb_chip *chip, unsigned *ret_count)
{
	struct resident *best = NULL;
	uint32_t lowest = UINT32_MAX;
	*ret_count = 0;
	for (size_t index = 0; index < chip->node_count && hears_nodes(chip); index++) {
		struct resident *resident = chip->nodes[index].resident;
		const struct can_bits *offer = bus_node_offer(&resident->can);
		if (!offer || offer->number > lowest)
			continue;
		*ret_count = offer->number == lowest ? *ret_count + 1 : 1;
		if (offer->number < lowest)
			best = resident;
		lowest = offer->number;
	}
	return best;
}

static bool wants_to_send(const struct gs_usb_chip *chip)
{
	unsigned count;
	if (!chip->bitrate || chip->state == GS_USB_BUS_OFF)
		return false;
	return chip->count || first_node(chip, &count);
}

static struct can_bits bits_of(const struct gs_usb_frame *frame)
{
	struct can_bits bits = { .number = frame->id & NUMBER_MASK, .length = frame->length };
	memcpy(bits.data, frame->data, sizeof(bits.data));
	return bits;
}

/* --- frames ------------------------------------------------------------------------------ */

/* Nodes that answer under one number at once destroy each other's frames, until one is later. */
static void start_frame(struct gs_usb_chip *chip, uint64_t now)
{
	unsigned count;
	struct resident *node = first_node(chip, &count);
	struct can_bits frame;
	chip->due = NEVER;
	chip->from = NULL;
	chip->is_collision = false;
	if (!wants_to_send(chip))
		return;
	if (node && chip->count &&
		(chip->mailboxes[0].id & NUMBER_MASK) < bus_node_offer(&node->can)->number)
		node = NULL;
	chip->from = node;
	chip->is_collision = node && count > 1 && chip->collisions++ % COLLISIONS < COLLISIONS - 1;
	frame = node ? *bus_node_offer(&node->can) : bits_of(&chip->mailboxes[0]);
	chip->due = now + bits_nsec(chip, can_frame_bit_count(&frame));
}

static void drop_first(struct gs_usb_chip *chip)
{
	chip->count--;
	memmove(chip->mailboxes, chip->mailboxes + 1, chip->count * sizeof(*chip->mailboxes));
}

/* A passive sender does not count that nobody acknowledges: alone it never leaves the bus. */
static void on_unacknowledged(struct gs_usb_chip *chip, uint64_t now)
{
	if (chip->send_errors < PASSIVE_ERRORS)
		chip->send_errors += ERROR_STEP;
	tell_state(chip, now);
	gs_usb_tell_error(chip->adapter, now, CLASS_ACKNOWLEDGE, 0, 0, false);
	chip->due = now + REPEAT_NSEC;
}

static void on_destroyed(struct gs_usb_chip *chip, uint64_t now)
{
	uint8_t kind = chip->send_errors / ERROR_STEP % 2 ? PROTOCOL_STUFF : PROTOCOL_BIT0;
	chip->send_errors += ERROR_STEP;
	if (chip->receive_errors < PASSIVE_ERRORS)
		chip->receive_errors++;
	gs_usb_tell_error(chip->adapter, now, CLASS_PROTOCOL, 0, kind, false);
	tell_state(chip, now);
	if (chip->state != GS_USB_BUS_OFF)
		chip->due = now + REPEAT_NSEC;
	else
		chip->due = chip->stays_off ? NEVER : now + bits_nsec(chip, OFF_BITS);
}

static void come_back(struct gs_usb_chip *chip, uint64_t now)
{
	chip->send_errors = chip->receive_errors = 0;
	tell_state(chip, now);
	gs_usb_drain(chip->adapter, now);
	start_frame(chip, now);
}

static void pass_to_nodes(struct gs_usb_chip *chip, uint64_t now, const struct resident *from,
	const struct can_bits *bits)
{
	for (size_t index = 0; index < chip->node_count && hears_nodes(chip); index++)
		if (chip->nodes[index].resident != from)
			resident_hear_frame(chip->nodes[index].resident, now, bits);
}

static void end_of_ours(struct gs_usb_chip *chip, uint64_t now)
{
	uint32_t rate = rate_of_others(chip);
	const struct can_bits bits = bits_of(&chip->mailboxes[0]);
	bool is_base = !(chip->mailboxes[0].id & ~NUMBER_MASK);
	if (!rate)
		return on_unacknowledged(chip, now);
	if (rate != chip->bitrate)
		return on_destroyed(chip, now);
	if (chip->send_errors)
		chip->send_errors--;
	drop_first(chip);
	tell_state(chip, now);
	if (is_base)
		pass_to_nodes(chip, now, NULL, &bits);
	start_frame(chip, now);
	gs_usb_drain(chip->adapter, now);
}

static void end_of_node(struct gs_usb_chip *chip, uint64_t now)
{
	struct resident *node = chip->from;
	const struct can_bits *offer = bus_node_offer(&node->can);
	if (chip->is_collision) {
		gs_usb_tell_error(chip->adapter, now, CLASS_PROTOCOL, 0, PROTOCOL_BIT0, false);
	} else if (offer) {
		const struct can_bits bits = *offer;
		struct gs_usb_frame frame = { .id = bits.number, .length = bits.length };
		memcpy(frame.data, bits.data, sizeof(frame.data));
		bus_node_sent(&node->can, now);
		pass_to_nodes(chip, now, node, &bits);
		gs_usb_hear(chip->adapter, now, &frame);
	}
	start_frame(chip, now);
}

/* --- the wire of an adapter -------------------------------------------------------------- */

static void set(void *context, uint64_t now, uint32_t bitrate, bool listen_only)
{
	struct gs_usb_chip *chip = context;
	(void)now;
	chip->bitrate = bitrate;
	chip->listen_only = listen_only;
	chip->count = 0;
	chip->due = NEVER;
	chip->send_errors = chip->receive_errors = 0;
	chip->state = GS_USB_ACTIVE;
}

static bool send_frame(void *context, uint64_t now, const struct gs_usb_frame *frame)
{
	struct gs_usb_chip *chip = context;
	if (!chip->bitrate || chip->state == GS_USB_BUS_OFF || chip->count == GS_USB_MAILBOXES)
		return false;
	chip->mailboxes[chip->count++] = *frame;
	if (chip->due == NEVER)
		start_frame(chip, now);
	return true;
}

static struct gs_usb_health health(const void *context)
{
	const struct gs_usb_chip *chip = context;
	return (struct gs_usb_health){ .state = chip->state,
		.send_errors =
			(uint8_t)(chip->send_errors > UINT8_MAX ? UINT8_MAX : chip->send_errors),
		.receive_errors = (uint8_t)chip->receive_errors };
}

static uint64_t next(const void *context)
{
	const struct gs_usb_chip *chip = context;
	uint64_t next = chip->due;
	if (next == NEVER && wants_to_send(chip))
		return 0; /* whatever has just come up */
	for (size_t index = 0; index < chip->node_count; index++) {
		const struct device_core *core = chip->nodes[index].core;
		uint64_t due = core->operations->next_event(core);
		if (due < next)
			next = due;
	}
	return next;
}

/* Whoever has heard a frame has its turn before the wire is free again. */
static void advance(void *context, uint64_t now)
{
	struct gs_usb_chip *chip = context;
	for (size_t index = 0; index < chip->node_count; index++) {
		struct device_core *core = chip->nodes[index].core;
		core->operations->advance(core, now);
	}
	if (chip->due == NEVER)
		start_frame(chip, now);
	else if (chip->due > now)
		return;
	else if (chip->state == GS_USB_BUS_OFF)
		come_back(chip, now);
	else if (chip->from)
		end_of_node(chip, now);
	else
		end_of_ours(chip, now);
}

struct gs_usb_wire gs_usb_chip_wire(struct gs_usb_chip *chip)
{
	chip->due = NEVER;
	return (struct gs_usb_wire){ .set = set,
		.send = send_frame,
		.health = health,
		.next = next,
		.advance = advance,
		.context = chip };
}
