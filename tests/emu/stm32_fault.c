/* SPDX-License-Identifier: MIT */
/*
 * Faults on request: each waits for its trigger, then for its time, then strikes once.
 */
#include <errno.h>

#include "emu/stm32_parts.h"

static void strike_array(struct stm32 *board, const struct stm32_fault *fault)
{
	struct flash_array *flash = &board->flash;
	if (fault->kind == STM32_FAULT_FLIP_BIT) {
		flash->flip_next = true;
		flash->flip_byte = fault->byte;
		flash->flip_bit = fault->bit & 7;
	} else if (fault->kind == STM32_FAULT_STUCK_BIT) {
		stm32_flash_stick(board, fault->target, fault->bit, fault->value);
	} else if (fault->kind == STM32_FAULT_LOST_ERASE) {
		flash->lose_next_erase = true;
	} else if (fault->kind == STM32_FAULT_LOST_PROGRAM) {
		flash->lose_next_program = true;
	}
}

static void strike_request(struct stm32 *board, const struct stm32_fault *fault)
{
	if (fault->kind == STM32_FAULT_STALL) {
		board->stall_next = true;
	} else if (fault->kind == STM32_FAULT_WIRE_ERROR) {
		board->fail_next = true;
		board->fail_after_serving = fault->value;
	} else if (fault->kind == STM32_FAULT_WRONG_READ) {
		board->wrong_read_next = true;
		board->wrong_byte = fault->byte;
		board->wrong_bit = fault->bit & 7;
	} else if (fault->kind == STM32_FAULT_ERROR_STATUS) {
		board->error_next = fault->value;
	} else if (fault->kind == STM32_FAULT_ANSWER) {
		board->resident.katapult.answer_next = fault->value;
		board->resident.katapult.answer_times = 1u + fault->byte;
	} else if (fault->kind == STM32_FAULT_MUTE) {
		board->resident.katapult.mute_next = true;
	}
}

static void reenumerate(struct stm32 *board, uint32_t msec)
{
	stm32_flash_advance(board, NEVER);
	stm32_boot_enter(board, STM32_DFU, (msec ? msec : STM32_REENUMERATE_MSEC) * NSEC_PER_MSEC);
}

static void strike(struct stm32 *board, struct armed_fault *armed)
{
	const struct stm32_fault *fault = &armed->fault;
	armed->fired = true;
	armed->due = NEVER;
	stm32_event(board, STM32_EVENT_FAULT, fault->kind);
	switch (fault->kind) {
	case STM32_FAULT_UNPLUG:
		return stm32_power_off(board, board->now);
	case STM32_FAULT_POWER_CYCLE:
		stm32_power_off(board, board->now);
		board->return_due = board->now + fault->msec * NSEC_PER_MSEC;
		board->return_boot0 = fault->boot0;
		return;
	case STM32_FAULT_RESET:
		return stm32_reset(board, board->now, fault->boot0);
	case STM32_FAULT_REENUMERATE:
		return reenumerate(board, fault->msec);
	case STM32_FAULT_HANG:
		board->hung = true;
		return;
	case STM32_FAULT_DIE:
		board->dead = true;
		return;
	case STM32_FAULT_STALL:
	case STM32_FAULT_WIRE_ERROR:
	case STM32_FAULT_WRONG_READ:
	case STM32_FAULT_ERROR_STATUS:
	case STM32_FAULT_ANSWER:
	case STM32_FAULT_MUTE:
		return strike_request(board, fault);
	case STM32_FAULT_FLIP_BIT:
	case STM32_FAULT_STUCK_BIT:
	case STM32_FAULT_LOST_ERASE:
	case STM32_FAULT_LOST_PROGRAM:
		return strike_array(board, fault);
	}
}

static void pull_trigger(struct stm32 *board, struct armed_fault *armed)
{
	armed->due = board->now + armed->fault.after_nsec;
	if (!armed->fault.after_nsec)
		strike(board, armed);
}

static bool waits_for(const struct armed_fault *armed, enum stm32_trigger trigger)
{
	return armed->fault.trigger == trigger && !armed->fired && armed->due == NEVER;
}

/* A request arrives, or a job begins on `bytes` bytes at `address`. */
void stm32_fault_note(
	struct stm32 *board, enum stm32_trigger trigger, uint32_t address, uint32_t bytes)
{
	for (size_t index = 0; index < board->fault_count; index++) {
		struct armed_fault *armed = &board->faults[index];
		uint32_t filter = armed->fault.address;
		if (!waits_for(armed, trigger) || (filter && bytes && filter - address >= bytes))
			continue;
		if (++armed->seen >= armed->fault.nth)
			pull_trigger(board, armed);
	}
}

void stm32_fault_note_bytes(struct stm32 *board, size_t length)
{
	board->counters.ep0_bytes += length;
	for (size_t index = 0; index < board->fault_count; index++) {
		struct armed_fault *armed = &board->faults[index];
		if (!waits_for(armed, STM32_AT_BYTE))
			continue;
		armed->seen += length;
		if (armed->seen > armed->fault.nth)
			pull_trigger(board, armed);
	}
}

uint64_t stm32_fault_next(const struct stm32 *board)
{
	uint64_t next = NEVER;
	for (size_t index = 0; index < board->fault_count; index++)
		if (!board->faults[index].fired && board->faults[index].due < next)
			next = board->faults[index].due;
	return next;
}

void stm32_fault_advance(struct stm32 *board)
{
	for (size_t index = 0; index < board->fault_count; index++)
		if (!board->faults[index].fired && board->faults[index].due <= board->now)
			strike(board, &board->faults[index]);
}

int stm32_arm(struct stm32 *board, uint64_t now, const struct stm32_fault *fault)
{
	if (board->fault_count == STM32_FAULTS)
		return -ENOSPC;
	if (now > board->now)
		board->now = now;
	struct armed_fault *armed = &board->faults[board->fault_count];
	*armed = (struct armed_fault){ .fault = *fault, .due = NEVER };
	board->fault_count++;
	if (fault->trigger == STM32_AT_ONCE)
		pull_trigger(board, armed);
	else if (fault->trigger == STM32_AT_TIME)
		armed->due = board->now + fault->nth + fault->after_nsec;
	return (int)board->fault_count - 1;
}

bool stm32_fault_exists(const struct stm32 *board, int fault)
{
	return fault >= 0 && (size_t)fault < board->fault_count;
}

bool stm32_fault_fired(const struct stm32 *board, int fault)
{
	return stm32_fault_exists(board, fault) && board->faults[fault].fired;
}

void stm32_disarm_all(struct stm32 *board)
{
	board->fault_count = 0;
	board->hung = board->stall_next = board->fail_next = board->wrong_read_next = false;
	board->error_next = 0;
	board->resident.katapult.answer_times = 0;
	board->resident.katapult.mute_next = false;
	line_disarm_all(&board->resident.line);
	board->flash.flip_next = false;
	board->flash.lose_next_erase = board->flash.lose_next_program = false;
}
