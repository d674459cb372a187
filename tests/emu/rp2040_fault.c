/* SPDX-License-Identifier: MIT */
/*
 * Faults on request: each waits for its trigger, then for its time, then strikes once.
 */
#include <errno.h>

#include "emu/rp2040_parts.h"

static void halt_endpoint(struct rp2040 *board, uint8_t address)
{
	struct endpoint *endpoint = board_endpoint(board, address);
	if (endpoint)
		endpoint->halted = true;
}

static void strike_chip(struct rp2040 *board, const struct rp2040_fault *fault)
{
	struct flash_chip *chip = &board->flash;
	if (fault->kind == RP2040_FAULT_FLIP_BIT) {
		chip->flip_next = true;
		chip->flip_byte = fault->byte;
		chip->flip_bit = fault->bit & 7;
	} else if (fault->kind == RP2040_FAULT_STUCK_BIT) {
		flash_stick(chip, fault->target - RP2040_FLASH_BASE, fault->bit, fault->value);
	} else if (fault->kind == RP2040_FAULT_LOST_ERASE) {
		chip->lose_next_erase = true;
	} else if (fault->kind == RP2040_FAULT_LOST_PROGRAM) {
		chip->lose_next_program = true;
	}
}

static void strike(struct rp2040 *board, struct armed_fault *armed)
{
	const struct rp2040_fault *fault = &armed->fault;
	armed->fired = true;
	armed->due = NEVER;
	board_event(board, RP2040_EVENT_FAULT, fault->kind);
	switch (fault->kind) {
	case RP2040_FAULT_UNPLUG:
		return rp2040_power_off(board, board->now);
	case RP2040_FAULT_POWER_CYCLE:
		rp2040_power_off(board, board->now);
		board->return_due = board->now + fault->msec * NSEC_PER_MSEC;
		return;
	case RP2040_FAULT_STALL:
		return halt_endpoint(board, fault->endpoint);
	case RP2040_FAULT_WIRE_ERROR:
		board->silent = true;
		return board_hard_reset_endpoints(board);
	case RP2040_FAULT_HANG_ALL:
		board->hung_control = true;
		board->hung = true;
		return;
	case RP2040_FAULT_HANG:
		board->hung = true;
		return;
	case RP2040_FAULT_LATE:
		board->late_until = board->now + fault->msec * NSEC_PER_MSEC;
		return;
	case RP2040_FAULT_DIE:
		board->dead = true;
		return;
	case RP2040_FAULT_RESTART:
		return board_leave(board, RP2040_BOOT, ROM_START_NSEC);
	case RP2040_FAULT_FLIP_BIT:
	case RP2040_FAULT_STUCK_BIT:
	case RP2040_FAULT_LOST_ERASE:
	case RP2040_FAULT_LOST_PROGRAM:
		return strike_chip(board, fault);
	case RP2040_FAULT_ANSWER:
		board->resident.katapult.answer_next = fault->value;
		board->resident.katapult.answer_times = 1u + fault->byte;
		return;
	case RP2040_FAULT_MUTE:
		board->resident.katapult.mute_next = true;
		return;
	}
}

static void pull_trigger(struct rp2040 *board, struct armed_fault *armed)
{
	armed->due = board->now + armed->fault.after_nsec;
	if (!armed->fault.after_nsec)
		strike(board, armed);
}

static bool waits_for(const struct armed_fault *armed, enum rp2040_trigger trigger)
{
	return armed->fault.trigger == trigger && !armed->fired && armed->due == NEVER;
}

/* A command, a page or a sector begins. */
void fault_note(struct rp2040 *board, enum rp2040_trigger trigger, uint32_t what)
{
	for (size_t index = 0; index < board->fault_count; index++) {
		struct armed_fault *armed = &board->faults[index];
		uint32_t filter =
			trigger == RP2040_AT_COMMAND ? armed->fault.command : armed->fault.address;
		if (!waits_for(armed, trigger) || (filter && filter != what))
			continue;
		if (++armed->seen >= armed->fault.nth)
			pull_trigger(board, armed);
	}
}

void fault_note_bytes(struct rp2040 *board, size_t length)
{
	board->counters.bulk_bytes += length;
	for (size_t index = 0; index < board->fault_count; index++) {
		struct armed_fault *armed = &board->faults[index];
		if (!waits_for(armed, RP2040_AT_BYTE))
			continue;
		armed->seen += length;
		if (armed->seen > armed->fault.nth)
			pull_trigger(board, armed);
	}
}

uint64_t fault_next(const struct rp2040 *board)
{
	uint64_t next = NEVER;
	for (size_t index = 0; index < board->fault_count; index++)
		if (!board->faults[index].fired && board->faults[index].due < next)
			next = board->faults[index].due;
	return next;
}

void fault_advance(struct rp2040 *board)
{
	for (size_t index = 0; index < board->fault_count; index++)
		if (!board->faults[index].fired && board->faults[index].due <= board->now)
			strike(board, &board->faults[index]);
}

int rp2040_arm(struct rp2040 *board, uint64_t now, const struct rp2040_fault *fault)
{
	if (board->fault_count == RP2040_FAULTS)
		return -ENOSPC;
	if (now > board->now)
		board->now = now;
	struct armed_fault *armed = &board->faults[board->fault_count];
	*armed = (struct armed_fault){ .fault = *fault, .due = NEVER };
	board->fault_count++;
	if (fault->trigger == RP2040_AT_ONCE)
		pull_trigger(board, armed);
	else if (fault->trigger == RP2040_AT_TIME)
		armed->due = board->now + fault->nth + fault->after_nsec;
	return (int)board->fault_count - 1;
}

bool rp2040_fault_exists(const struct rp2040 *board, int fault)
{
	return fault >= 0 && (size_t)fault < board->fault_count;
}

bool rp2040_fault_fired(const struct rp2040 *board, int fault)
{
	return rp2040_fault_exists(board, fault) && board->faults[fault].fired;
}

void rp2040_disarm_all(struct rp2040 *board)
{
	board->fault_count = 0;
	board->hung = board->hung_control = false;
	board->late_until = 0;
	board->resident.katapult.answer_times = 0;
	board->resident.katapult.mute_next = false;
	line_disarm_all(&board->resident.line);
}
