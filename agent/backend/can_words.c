/* SPDX-License-Identifier: MIT */
/* The words of a CAN bus; see can_words.h. */
#include <assert.h>
#include <linux/can/error.h>
#include <string.h>

#include "backend/can_words.h"
#include "base/text.h"

#define UUID_BYTES 6u

enum {
	QUERY = 0x00,
	NUMBER_KLIPPER = 0x01,
	ENTER = 0x02,
	NUMBER_KATAPULT = 0x11,
	ANSWER = 0x20,
};

/* The last byte of an answer says whose word for a number it knows. */
enum {
	KNOWS_KLIPPER = 0x01,
	KNOWS_KATAPULT = 0x11,
};

static struct can_word word_to(uint8_t code, const char *uuid)
{
	struct can_word word = { .length = 1 + UUID_BYTES, .bytes = { code } };
	int r = text_parse_hex(uuid, word.bytes + 1, UUID_BYTES);
	assert(r == 0); /* whoever names a node has looked at the name */
	return word;
}

static struct can_word word_of_number(uint8_t code, const char *uuid, unsigned number)
{
	struct can_word word = word_to(code, uuid);
	assert(number <= UINT8_MAX);
	word.bytes[word.length++] = (uint8_t)number;
	return word;
}

struct can_word can_word_query(void)
{
	return (struct can_word){ .length = 1, .bytes = { QUERY } };
}

struct can_word can_word_number_katapult(const char *uuid, unsigned number)
{
	return word_of_number(NUMBER_KATAPULT, uuid, number);
}

struct can_word can_word_number_klipper(const char *uuid, unsigned number)
{
	return word_of_number(NUMBER_KLIPPER, uuid, number);
}

struct can_word can_word_enter(const char *uuid)
{
	return word_to(ENTER, uuid);
}

bool can_word_take_answer(const struct can_frame_seen *frame, struct can_word_answer *ret)
{
	if (frame->is_error || frame->number != CAN_ADMIN_ANSWER ||
		frame->length < 1 + UUID_BYTES || frame->data[0] != ANSWER)
		return false;
	enum can_node_kind kind = CAN_NODE_KLIPPER;
	if (frame->length == CAN_PAYLOAD)
		kind = frame->data[7] == KNOWS_KLIPPER    ? CAN_NODE_KLIPPER
		       : frame->data[7] == KNOWS_KATAPULT ? CAN_NODE_KATAPULT
							  : CAN_NODE_UNKNOWN;
	ret->kind = kind;
	text_hex(frame->data + 1, UUID_BYTES, ret->uuid);
	return true;
}

static void note_protocol(struct can_errors *errors, const struct can_frame_seen *frame)
{
	uint8_t type = frame->length > 2 ? frame->data[2] : 0;
	uint8_t place = frame->length > 3 ? frame->data[3] : 0;
	errors->stuff += (type & CAN_ERR_PROT_STUFF) != 0;
	errors->form += (type & CAN_ERR_PROT_FORM) != 0;
	errors->bits += (type & (CAN_ERR_PROT_BIT | CAN_ERR_PROT_BIT0 | CAN_ERR_PROT_BIT1)) != 0;
	errors->checksum += place == CAN_ERR_PROT_LOC_CRC_SEQ;
}

static bool is_passive(const struct can_frame_seen *frame)
{
	return frame->length > 1 &&
	       frame->data[1] & (CAN_ERR_CRTL_RX_PASSIVE | CAN_ERR_CRTL_TX_PASSIVE);
}

void can_errors_note(struct can_errors *errors, const struct can_frame_seen *frame)
{
	const uint32_t known =
		CAN_ERR_ACK | CAN_ERR_PROT | CAN_ERR_CRTL | CAN_ERR_BUSOFF | CAN_ERR_RESTARTED;
	errors->no_acknowledge += (frame->number & CAN_ERR_ACK) != 0;
	if (frame->number & CAN_ERR_PROT)
		note_protocol(errors, frame);
	errors->passive += frame->number & CAN_ERR_CRTL && is_passive(frame);
	errors->bus_off += (frame->number & CAN_ERR_BUSOFF) != 0;
	errors->restarted += (frame->number & CAN_ERR_RESTARTED) != 0;
	errors->others += (frame->number & known) == 0;
}
