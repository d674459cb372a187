/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What is said on a CAN bus to all nodes at once, and how they answer: one frame each (klipper,
 * docs/CANBUS_protocol.md and src/generic/canserial.c; Katapult's is the same with numbers of its
 * own). What comes from the bus is taken for hostile.
 */
#include <stdbool.h>
#include <stdint.h>

#include "model/can.h"
#include "port/can.h"

#define CAN_ADMIN        0x3f0u /* the host speaks */
#define CAN_ADMIN_ANSWER 0x3f1u /* a node does, all under this one number */

/* A node that was given a number hears and speaks under two of the bus's. */
static inline uint32_t can_to_node(unsigned number)
{
	return 0x100u + 2 * number;
}

static inline uint32_t can_from_node(unsigned number)
{
	return 0x101u + 2 * number;
}

struct can_word {
	uint8_t length;
	uint8_t bytes[CAN_PAYLOAD];
};

/* "Who has no number yet?" Every such node answers, at once. */
struct can_word can_word_query(void);

/* "You are number …": each language has its own word, and ignores the other's. Nothing is answered;
 * whoever had the number loses it, and Klipper shuts down over that. `uuid` is valid. */
struct can_word can_word_number_katapult(const char *uuid, unsigned number);
struct can_word can_word_number_klipper(const char *uuid, unsigned number);

/* "Enter your boot loader", with or without a number. Nothing is answered. */
struct can_word can_word_enter(const char *uuid);

struct can_word_answer {
	char uuid[CAN_UUID_TEXT];
	enum can_node_kind kind; /* KLIPPER also of those from before 2022, who do not say it */
};

/* False: this is no answer to a query; if it came under CAN_ADMIN_ANSWER, several nodes spoke at
 * once, or something else speaks there. */
bool can_word_take_answer(const struct can_frame_seen *frame, struct can_word_answer *ret);

/* Counts an error frame by what it says (linux/can/error.h). */
void can_errors_note(struct can_errors *errors, const struct can_frame_seen *frame);
