/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A frame on an emulated CAN bus, and how long it takes there (ISO 11898-1: base frame format).
 */
#include <stdint.h>

#define CAN_FRAME_BYTES 8u

struct can_bits {
	uint32_t number; /* 11 bits; the lower one wins */
	uint8_t length;
	uint8_t data[CAN_FRAME_BYTES];
};

/* With stuff bits, acknowledge and the gap to the next one. */
unsigned can_frame_bit_count(const struct can_bits *frame);
