/* SPDX-License-Identifier: MIT */
/* A chip's way to a CAN bus, as its programs go it; see bus_node.h. */
#include <string.h>

#include "emu/bus_node.h"

#define ADMIN        0x3f0u
#define ADMIN_ANSWER 0x3f1u

enum {
	WORD_QUERY = 0x00,
	WORD_KLIPPER_NUMBER = 0x01,
	WORD_KLIPPER_ENTER = 0x02,
	WORD_KATAPULT_NUMBER = 0x11,
	WORD_KATAPULT_CLEAR = 0x12,
	WORD_ANSWER = 0x20,
};

static uint32_t hears_under(const struct bus_node *node)
{
	return 0x100 + 2 * node->number;
}

static uint32_t speaks_under(const struct bus_node *node)
{
	return 0x101 + 2 * node->number;
}

void bus_node_start(struct bus_node *node, enum bus_node_language language)
{
	node->language = language;
	node->number = 0;
	node->is_shut_down = node->owes_answer = node->is_leaving = node->enters = false;
	node->fifo_count = 0;
	node->due = NEVER;
}

bool bus_node_hear(struct bus_node *node, uint64_t now, const struct can_bits *frame)
{
	if (node->language == BUS_NODE_SAYS_NOTHING)
		return false;
	bool is_for_us = frame->number == ADMIN ||
			 (node->number && (frame->number == hears_under(node) ||
						  frame->number == speaks_under(node)));
	if (!is_for_us)
		return true;
	node->counters.heard++;
	if (node->fifo_count == BUS_NODE_FIFO) {
		node->counters.lost++;
		return true;
	}
	node->fifo[node->fifo_count++] = *frame;
	node->due = now;
	return true;
}

const struct can_bits *bus_node_offer(const struct bus_node *node)
{
	return node->is_leaving ? &node->leaving : NULL;
}

void bus_node_sent(struct bus_node *node, uint64_t now)
{
	node->is_leaving = false;
	node->due = now;
}

/* --- words to all -------------------------------------------------------------------------- */

static bool is_its_name(const struct bus_node *node, const struct can_bits *frame)
{
	return frame->length >= 1 + BUS_NODE_UUID_BYTES &&
	       memcmp(frame->data + 1, node->uuid, BUS_NODE_UUID_BYTES) == 0;
}

/* Another one has its number: Katapult has none any more, Klipper shuts down and keeps it. */
static void on_conflict(struct bus_node *node)
{
	node->counters.conflicts++;
	if (node->language == BUS_NODE_SAYS_KATAPULT)
		node->number = 0;
	else
		node->is_shut_down = true;
}

static void on_number(struct bus_node *node, const struct can_bits *frame)
{
	if (frame->length < 8)
		return;
	unsigned number = frame->data[7];
	if (is_its_name(node, frame)) {
		node->number = number;
		node->counters.numbered++;
	} else if (node->number && number == node->number) {
		on_conflict(node);
	}
}

static void on_word(struct bus_node *node, const struct can_bits *frame)
{
	bool is_katapult = node->language == BUS_NODE_SAYS_KATAPULT;
	if (!frame->length)
		return;
	switch (frame->data[0]) {
	case WORD_QUERY:
		node->owes_answer |= !node->number;
		node->counters.queried++;
		break;
	case WORD_KLIPPER_NUMBER:
		if (!is_katapult)
			on_number(node, frame);
		break;
	case WORD_KLIPPER_ENTER:
		if (!is_katapult && is_its_name(node, frame)) {
			node->enters = true;
			node->counters.entered++;
		}
		break;
	case WORD_KATAPULT_NUMBER:
		if (is_katapult)
			on_number(node, frame);
		break;
	case WORD_KATAPULT_CLEAR:
		if (is_katapult)
			node->number = 0;
		break;
	}
}

/* --- bytes --------------------------------------------------------------------------------- */

static bool take_frame(struct bus_node *node, struct line *line)
{
	struct can_bits frame = node->fifo[0];
	node->fifo_count--;
	memmove(node->fifo, node->fifo + 1, node->fifo_count * sizeof(frame));
	if (frame.number == ADMIN) {
		on_word(node, &frame);
		return false;
	}
	if (frame.number == speaks_under(node)) {
		on_conflict(node);
		return false;
	}
	line_feed(line, frame.data, frame.length);
	return frame.length > 0;
}

/* Without a number there is nobody to speak to: what was to be sent is thrown away. */
static void leave(struct bus_node *node, struct line *line)
{
	bool is_katapult = node->language == BUS_NODE_SAYS_KATAPULT;
	if (node->is_leaving)
		return;
	if (node->owes_answer) {
		node->owes_answer = false;
		node->leaving = (struct can_bits){ .number = ADMIN_ANSWER, .length = 8 };
		node->leaving.data[0] = WORD_ANSWER;
		memcpy(node->leaving.data + 1, node->uuid, BUS_NODE_UUID_BYTES);
		node->leaving.data[7] = is_katapult ? WORD_KATAPULT_NUMBER : WORD_KLIPPER_NUMBER;
		node->is_leaving = true;
		return;
	}
	if (!node->number) {
		line->to_send_count = 0;
		return;
	}
	node->leaving = (struct can_bits){ .number = speaks_under(node) };
	node->leaving.length = (uint8_t)line_drain(line, node->leaving.data, CAN_FRAME_BYTES);
	node->is_leaving = node->leaving.length > 0;
}

bool bus_node_advance(struct bus_node *node, struct line *line, bool stalled)
{
	bool came = false;
	if (node->language == BUS_NODE_SAYS_NOTHING || stalled) {
		/* What has come waits in the fifo until the processor looks. */
		node->due = NEVER;
		return false;
	}
	while (node->fifo_count)
		came |= take_frame(node, line);
	leave(node, line);
	node->due = NEVER;
	return came;
}
