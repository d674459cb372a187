/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The kernel's words about CAN interfaces (rtnetlink), as they come in one datagram. Pure; what
 * makes no sense is not believed.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/can.h"

struct can_link {
	int32_t index; /* an interface keeps it when it is given another name */
	char name[CAN_NAME_TEXT];
	bool is_up; /* IFF_UP: somebody has configured it, and frames may go */
	bool is_gone;
};

typedef void (*can_link_words_on_link)(void *context, const struct can_link *link);

/*
 * Tells of each CAN interface that the datagram is about, others are left out. 0;
 * CAN_LINK_WORDS_END: it ends the answer to a question; -EBADMSG: it breaks off in the middle of a
 * word, and whatever stood before that was told; another negative errno: the kernel's own.
 */
#define CAN_LINK_WORDS_END 1
int can_link_words_read(const void *data, size_t length, can_link_words_on_link on_link,
	void *context) _must_check_;

/* The question for all interfaces. */
#define CAN_LINK_WORDS_QUESTION 32u
size_t can_link_words_question(uint8_t ret[CAN_LINK_WORDS_QUESTION]);
