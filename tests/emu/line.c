/* SPDX-License-Identifier: MIT */
/* Two buffers and their accidents; see line.h. */
#include <errno.h>
#include <string.h>

#include "emu/line.h"
#include "emu/noise.h"

#define MILLION 1000000u

void line_start(struct line *line, size_t receive_bytes, size_t send_bytes)
{
	line->receive_bytes = receive_bytes;
	line->send_bytes = send_bytes;
	line->received_count = line->to_send_count = 0;
}

static bool strikes(struct armed_line_fault *armed)
{
	const struct line_fault *fault = &armed->fault;
	uint64_t number = armed->seen++;
	bool now = fault->per_million ? noise_next(&armed->noise) % MILLION < fault->per_million
				      : number == fault->nth;
	armed->struck += now;
	return now;
}

/* What becomes of one byte: none, itself, or two. */
static size_t pass(struct line *line, enum line_direction direction, uint8_t byte, uint8_t ret[2])
{
	size_t count = 1;
	line->bytes[direction]++;
	for (size_t index = 0; index < line->fault_count; index++) {
		struct armed_line_fault *armed = &line->faults[index];
		if (armed->fault.direction != direction || !strikes(armed))
			continue;
		if (armed->fault.kind == LINE_FLIP)
			byte ^= (uint8_t)(1 << (armed->fault.bit & 7));
		else
			count = armed->fault.kind == LINE_LOSE ? 0 : 2;
	}
	ret[0] = ret[1] = byte;
	return count;
}

size_t line_room(const struct line *line)
{
	return line->receive_bytes - line->received_count;
}

void line_feed(struct line *line, const uint8_t *bytes, size_t count)
{
	for (size_t index = 0; index < count; index++) {
		uint8_t passed[2];
		size_t left = pass(line, LINE_TO_BOARD, bytes[index], passed);
		for (size_t at = 0; at < left; at++) {
			if (line_room(line))
				line->received[line->received_count++] = passed[at];
			else
				line->overrun++;
		}
	}
}

void line_pop(struct line *line, size_t count)
{
	line->received_count -= count;
	memmove(line->received, line->received + count, line->received_count);
}

size_t line_drain(struct line *line, uint8_t *ret, size_t most)
{
	size_t count = 0, taken = 0;
	while (taken < line->to_send_count && count < most) {
		uint8_t passed[2];
		size_t left = pass(line, LINE_TO_HOST, line->to_send[taken++], passed);
		if (left > most - count) {
			/* The other one of two is the first of the next packet. */
			line->to_send[--taken] = passed[0];
			left = 1;
			line->bytes[LINE_TO_HOST]--;
		}
		memcpy(ret + count, passed, left);
		count += left;
	}
	line->to_send_count -= taken;
	memmove(line->to_send, line->to_send + taken, line->to_send_count);
	return count;
}

bool line_send(struct line *line, const uint8_t *bytes, size_t count)
{
	if (count > line->send_bytes - line->to_send_count) {
		line->unsent++;
		return false;
	}
	memcpy(line->to_send + line->to_send_count, bytes, count);
	line->to_send_count += count;
	return true;
}

int line_arm(struct line *line, const struct line_fault *fault)
{
	if (line->fault_count == LINE_FAULTS)
		return -ENOSPC;
	uint64_t noise = fault->seed ^ 0x9e3779b97f4a7c15ULL;
	line->faults[line->fault_count] =
		(struct armed_line_fault){ .fault = *fault, .noise = noise ? noise : 1 };
	return (int)line->fault_count++;
}

uint64_t line_fault_struck(const struct line *line, int fault)
{
	return fault >= 0 && (size_t)fault < line->fault_count ? line->faults[fault].struck : 0;
}

void line_disarm_all(struct line *line)
{
	line->fault_count = 0;
}
