/* SPDX-License-Identifier: MIT */
/*
 * The ROM's worker: executes one PICOBOOT command, or one 256-byte chunk of one, at a time, takes
 * its time over it, and falls through everything that touches flash while the abort is latched. A
 * task is not cancelled by a reset of its interface, it only ends soon.
 */
#include <string.h>

#include "emu/rp2040_parts.h"
#include "emu/picoboot_words.h"

static bool inside(uint32_t address, uint32_t length, uint32_t base, uint32_t size)
{
	return address >= base && (uint64_t)address + length <= (uint64_t)base + size;
}

/* The memory behind an address outside of flash, NULL when there is none. */
static uint8_t *memory_at(
	const struct rp2040 *board, uint32_t address, uint32_t length, bool for_reading)
{
	if (inside(address, length, board->chip->xip_sram_base, RP2040_XIP_SRAM_BYTES))
		return board->xip_sram + (address - board->chip->xip_sram_base);
	if (inside(address, length, RP2040_SRAM_BASE, board->chip->sram_bytes))
		return board->sram + (address - RP2040_SRAM_BASE);
	if (for_reading && inside(address, length, 0, board->chip->readable_rom_bytes))
		return board->rom + address;
	return NULL;
}

/* The ROM does not know how large the chip is. */
static bool in_flash(const struct rp2040 *board, uint32_t address, uint32_t length)
{
	return inside(address, length, RP2040_FLASH_BASE, board->chip->flash_window_bytes);
}

static uint32_t permits(const struct rp2040 *board, uint32_t address, uint32_t length, bool writing)
{
	if (!board->chip->permits)
		return PICOBOOT_OK;
	return board->chip->permits(board, address, length, writing);
}

void task_take(struct rp2040 *board, uint64_t nsec)
{
	struct picoboot_task *task = &board->picoboot.task;
	uint64_t start = task->due > board->now ? task->due : board->now;
	nsec = board_scaled(board, nsec);
	task->due = start + nsec;
	board_busy(board, &board->ledger.rom_nsec, start, nsec);
}

void task_fail(struct rp2040 *board, uint32_t code)
{
	board->picoboot.task.result = code;
	task_take(board, ROM_TASK_NSEC);
}

/* The last ROM of the RP2350 erases nevertheless. Of what else it does, nothing is known. */
static bool falls_through(struct rp2040 *board, bool erasing)
{
	bool erases = erasing && board->chip->owns_up && board->options.rom_revision >= 4;
	if (!board->flash_disturbed && (!board->abort_latched || erases))
		return false;
	board->counters.commands_lost_to_abort++;
	task_take(board, ROM_TASK_NSEC);
	return true;
}

static void begin_erase(struct rp2040 *board)
{
	struct picoboot_task *task = &board->picoboot.task;
	uint32_t address = task->command.arguments[0], size = task->command.arguments[1];
	if ((address | size) % RP2040_SECTOR_BYTES)
		return task_fail(board, PICOBOOT_BAD_ALIGNMENT);
	if (!in_flash(board, address, size))
		return task_fail(board, PICOBOOT_INVALID_ADDRESS);
	uint32_t refusal = permits(board, address, size, true);
	if (refusal)
		return task_fail(board, refusal);
	task->length = size - task->position;
	if (!task->length)
		return task_take(board, ROM_TASK_NSEC);
	if (falls_through(board, true))
		return;
	task->length = RP2040_SECTOR_BYTES;
	uint32_t offset = address - RP2040_FLASH_BASE + task->position;
	task->due = flash_erase(board, PICOBOOT_SPI_ERASE | offset);
	board_busy(board, &board->ledger.erase_nsec, board->now, task->due - board->now);
}

static void begin_flash_chunk(struct rp2040 *board, bool reading)
{
	struct picoboot_task *task = &board->picoboot.task;
	if (task->address % RP2040_PAGE_BYTES)
		return task_fail(board, PICOBOOT_BAD_ALIGNMENT);
	uint32_t refusal = permits(board, task->address, task->length, !reading);
	if (refusal)
		return task_fail(board, refusal);
	if (falls_through(board, false))
		return;
	uint32_t offset = task->address - RP2040_FLASH_BASE;
	if (reading) {
		board->counters.bytes_read += task->length;
		flash_read(board, PICOBOOT_SPI_READ | offset, task->page);
		task->due = board->now + board_scaled(board, PAGE_READ_SPI_NSEC);
		board_busy(board, &board->ledger.read_nsec, board->now, task->due - board->now);
		return task_take(board, ROM_READ_NSEC);
	}
	task->due = flash_program(board, PICOBOOT_SPI_PROGRAM | offset, task->page);
	board_busy(board, &board->ledger.program_nsec, board->now, task->due - board->now);
	task_take(board, ROM_WRITE_NSEC);
}

static void begin_chunk(struct rp2040 *board, bool reading)
{
	struct picoboot_task *task = &board->picoboot.task;
	task->address = task->command.arguments[0] + task->position;
	memset(task->page, 0, sizeof(task->page));
	if (!reading)
		memcpy(task->page, board->picoboot.chunk, task->length);
	uint8_t *memory = memory_at(board, task->address, task->length, reading);
	if (!memory && in_flash(board, task->address, task->length))
		return begin_flash_chunk(board, reading);
	if (!memory)
		return task_fail(board, PICOBOOT_INVALID_ADDRESS);
	if (reading)
		memcpy(task->page, memory, task->length);
	else
		memcpy(memory, task->page, task->length);
	task_take(board, ROM_TASK_NSEC);
}

/* The worker itself jumps into the code. Nothing waits for the chip there, so nothing falls
 * through: code that does not return takes the worker with it. */
static void begin_execution(struct rp2040 *board)
{
	uint64_t nsec = exec_run(board, board->picoboot.task.command.arguments[0]);
	if (nsec == NEVER)
		board->picoboot.task.due = NEVER;
	else
		task_take(board, nsec + ROM_TASK_NSEC);
}

static void begin_step(struct rp2040 *board)
{
	struct picoboot_task *task = &board->picoboot.task;
	uint8_t id = task->command.id & 0x7f;
	task->result = PICOBOOT_OK;
	task->due = 0;
	if (board->picoboot.rebooting) {
		task->length = 0;
		task_fail(board, PICOBOOT_REBOOTING);
	} else if (id == PICOBOOT_FLASH_ERASE) {
		begin_erase(board);
	} else if (id == PICOBOOT_WRITE || id == (PICOBOOT_READ & 0x7f)) {
		begin_chunk(board, id != PICOBOOT_WRITE);
	} else if (board->chip->begin && board->chip->begin(board)) {
		return;
	} else if (id == PICOBOOT_EXEC) {
		begin_execution(board);
	} else {
		task_take(board, id == PICOBOOT_EXIT_XIP ? ROM_EXIT_XIP_NSEC : ROM_TASK_NSEC);
	}
}

void task_start_if_wanted(struct rp2040 *board)
{
	struct picoboot *picoboot = &board->picoboot;
	if (picoboot->task.active || !picoboot->wants_worker)
		return;
	uint32_t left = picoboot->command.transfer - picoboot->position;
	picoboot->wants_worker = false;
	picoboot->task = (struct picoboot_task){
		.active = true,
		.command = picoboot->command,
		.position = picoboot->position,
		.length = left < RP2040_PAGE_BYTES ? left : RP2040_PAGE_BYTES,
	};
	begin_step(board);
}

/* What a command changes outside of memory and flash, once it has run. VECTORIZE_FLASH is
 * acknowledged without effect: nobody here would call its functions. */
static void apply(struct rp2040 *board, const struct picoboot_task *task)
{
	if (board->picoboot.rebooting || task->orphan)
		return;
	if (task->command.id == PICOBOOT_EXIT_XIP) {
		board->abort_latched = board->flash_disturbed = false;
		ssi_reset(&board->ssi);
	} else if (task->command.id == PICOBOOT_EXCLUSIVE_ACCESS) {
		board->picoboot.exclusive = (uint8_t)task->command.arguments[0];
		if (board->picoboot.exclusive == 2)
			board->storage.ejected = true;
	}
}

void task_advance(struct rp2040 *board)
{
	struct picoboot_task *task = &board->picoboot.task;
	if (!task->active || task->due > board->now)
		return;
	flash_advance(&board->flash, board->now);
	if ((task->command.id & 0x7f) == PICOBOOT_FLASH_ERASE && !task->result) {
		task->position += task->length;
		if (task->position < task->command.arguments[1])
			return begin_step(board);
	}
	struct picoboot_task ended = *task;
	task->active = false;
	apply(board, &ended);
	picoboot_task_ended(board, &ended);
	task_start_if_wanted(board);
}

uint64_t task_next(const struct rp2040 *board)
{
	return board->picoboot.task.active ? board->picoboot.task.due : NEVER;
}

/* The latched abort lets every wait for the chip fall through. */
void task_hurry(struct rp2040 *board)
{
	struct picoboot_task *task = &board->picoboot.task;
	uint64_t soon = board->now + board_scaled(board, ROM_TASK_NSEC);
	if (task->due == NEVER && board->options.hang_stays)
		return;
	if (task->active && task->due > soon)
		task->due = soon;
}
