/* SPDX-License-Identifier: MIT */
/* Frames bit by bit; see can_frame.h. */
#include <stdbool.h>

#include "emu/can_frame.h"

#define CRC_BITS 15
#define CRC_POLY 0x4599u
/* Delimiter, acknowledge with its own, end of frame, gap: none of these is stuffed. */
#define TAIL_BITS (1 + 2 + 7 + 3)

struct writer {
	unsigned count, run;
	bool last;
	uint16_t crc;
};

/* After five equal bits comes one that is different, and begins a run of its own. */
static void put_stuffed(struct writer *writer, bool bit)
{
	writer->run = writer->count > 0 && bit == writer->last ? writer->run + 1 : 1;
	writer->last = bit;
	writer->count++;
	if (writer->run == 5) {
		writer->count++;
		writer->last = !bit;
		writer->run = 1;
	}
}

static void put(struct writer *writer, uint32_t value, unsigned bits)
{
	while (bits-- > 0) {
		bool bit = value >> bits & 1;
		bool feeds_back = bit != (writer->crc >> (CRC_BITS - 1) & 1);
		writer->crc = (uint16_t)(writer->crc << 1 & 0x7fff);
		if (feeds_back)
			writer->crc ^= CRC_POLY;
		put_stuffed(writer, bit);
	}
}

unsigned can_frame_bit_count(const struct can_bits *frame)
{
	struct writer writer = { 0 };
	put(&writer, 0, 1); /* start of frame */
	put(&writer, frame->number, 11);
	put(&writer, 0, 3); /* data frame, base format, reserved */
	put(&writer, frame->length, 4);
	for (unsigned i = 0; i < frame->length; i++)
		put(&writer, frame->data[i], 8);
	uint16_t crc = writer.crc;
	for (unsigned bit = CRC_BITS; bit-- > 0;)
		put_stuffed(&writer, crc >> bit & 1);
	return writer.count + TAIL_BITS;
}
