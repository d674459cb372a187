/* SPDX-License-Identifier: MIT */
/*
 * EXEC: the processor of the RP2040, for as long as one piece of foreign code runs in the ROM's
 * worker. The code has the memory of the chip, the serial interface to the flash and its pins; it
 * must come back, with everything in place that a function has to leave in place.
 */
#include <stdlib.h>
#include <unicorn/unicorn.h>

#include "emu/rp2040_parts.h"

#define INSTRUCTIONS 2000000u
#define SSI_BASE     0x18000000u
#define SSI_BYTES    0x1000u
#define IO_BASE      0x40018000u
#define PADS_BASE    0x40020000u
#define PINS_BYTES   0x4000u

/* The worker's stack lies in the memory of the USB controller, below its return into the ROM. */
#define USB_RAM_BASE   0x50100000u
#define USB_RAM_BYTES  0x1000u
#define STACK_TOP      0x50101000u
#define STACK_BYTES    1200u
#define RETURN_ADDRESS 0x00000200u

struct exec {
	struct rp2040 *board;
	uc_engine *engine;
	uint64_t cycles; /* an instruction takes one */
	bool failed;
};

static void on_instruction(uc_engine *engine, uint64_t address, uint32_t size, void *context)
{
	struct exec *exec = context;
	(void)address;
	(void)size;
	if (++exec->cycles < INSTRUCTIONS)
		return;
	exec->failed = true;
	uc_emu_stop(engine);
}

/* Below the stack are the ROM's own variables. */
static void on_stray_write(uc_engine *engine, uc_mem_type type, uint64_t address, int size,
	int64_t value, void *context)
{
	struct exec *exec = context;
	(void)type;
	(void)address;
	(void)size;
	(void)value;
	exec->failed = true;
	uc_emu_stop(engine);
}

/* A bus of 32 bits: what is narrower is there in all lanes. */
static uint32_t widened(unsigned size, uint64_t value)
{
	if (size == 1)
		return (uint32_t)(value & 0xff) * 0x01010101;
	return size == 2 ? (uint32_t)(value & 0xffff) * 0x00010001 : (uint32_t)value;
}

static uint64_t narrowed(uint64_t offset, uint32_t word)
{
	return word >> 8 * (offset % 4);
}

static uint64_t on_ssi_read(uc_engine *engine, uint64_t offset, unsigned size, void *context)
{
	struct exec *exec = context;
	(void)engine;
	(void)size;
	exec->board->flash_disturbed = true;
	return narrowed(offset, ssi_read(exec->board, exec->cycles, (uint32_t)offset & ~3u));
}

static void on_ssi_write(
	uc_engine *engine, uint64_t offset, unsigned size, uint64_t value, void *context)
{
	struct exec *exec = context;
	(void)engine;
	exec->board->flash_disturbed = true;
	ssi_write(exec->board, exec->cycles, (uint32_t)offset & ~3u, widened(size, value));
}

static uint64_t on_io_read(uc_engine *engine, uint64_t offset, unsigned size, void *context)
{
	struct exec *exec = context;
	(void)engine;
	(void)size;
	return narrowed(offset, qspi_read(exec->board->ssi.io, (uint32_t)offset));
}

static void on_io_write(
	uc_engine *engine, uint64_t offset, unsigned size, uint64_t value, void *context)
{
	struct exec *exec = context;
	struct rp2040 *board = exec->board;
	(void)engine;
	qspi_write(
		board, exec->cycles, board->ssi.io, (uint32_t)offset & ~3u, widened(size, value));
}

static uint64_t on_pads_read(uc_engine *engine, uint64_t offset, unsigned size, void *context)
{
	struct exec *exec = context;
	(void)engine;
	(void)size;
	return narrowed(offset, qspi_read(exec->board->ssi.pads, (uint32_t)offset));
}

static void on_pads_write(
	uc_engine *engine, uint64_t offset, unsigned size, uint64_t value, void *context)
{
	struct exec *exec = context;
	struct rp2040 *board = exec->board;
	(void)engine;
	qspi_write(
		board, exec->cycles, board->ssi.pads, (uint32_t)offset & ~3u, widened(size, value));
}

/* A host without memory for that cannot test: the sums of a test must not depend on it. */
static void must(uc_err error)
{
	if (error)
		abort();
}

static void map_memory(struct exec *exec)
{
	const struct rp2040 *board = exec->board;
	const struct chip *chip = board->chip;
	uc_engine *engine = exec->engine;
	uint32_t xip = chip->xip_sram_base;
	/* The ROM can be read. Its functions are not known here: to call one is to crash. */
	must(uc_mem_map(engine, 0, chip->rom_bytes, UC_PROT_READ));
	must(uc_mem_write(engine, 0, board->rom, chip->rom_bytes));
	must(uc_mem_map(engine, RP2040_SRAM_BASE, chip->sram_bytes, UC_PROT_ALL));
	must(uc_mem_write(engine, RP2040_SRAM_BASE, board->sram, chip->sram_bytes));
	must(uc_mem_map(engine, xip, RP2040_XIP_SRAM_BYTES, UC_PROT_ALL));
	must(uc_mem_write(engine, xip, board->xip_sram, RP2040_XIP_SRAM_BYTES));
	must(uc_mem_map(engine, USB_RAM_BASE, USB_RAM_BYTES, UC_PROT_READ | UC_PROT_WRITE));
	must(uc_mmio_map(engine, SSI_BASE, SSI_BYTES, on_ssi_read, exec, on_ssi_write, exec));
	must(uc_mmio_map(engine, IO_BASE, PINS_BYTES, on_io_read, exec, on_io_write, exec));
	must(uc_mmio_map(engine, PADS_BASE, PINS_BYTES, on_pads_read, exec, on_pads_write, exec));
}

static void add_hooks(struct exec *exec)
{
	uc_hook instruction, stray;
	must(uc_hook_add(exec->engine, &instruction, UC_HOOK_CODE, (void *)on_instruction, exec,
		(uint64_t)1, (uint64_t)0));
	must(uc_hook_add(exec->engine, &stray, UC_HOOK_MEM_WRITE, (void *)on_stray_write, exec,
		(uint64_t)USB_RAM_BASE, (uint64_t)STACK_TOP - STACK_BYTES - 1));
}

/* Whoever is called finds anything in these, and must leave some of them as they were. */
static const int registers[] = { UC_ARM_REG_R0, UC_ARM_REG_R1, UC_ARM_REG_R2, UC_ARM_REG_R3,
	UC_ARM_REG_R12, UC_ARM_REG_R4, UC_ARM_REG_R5, UC_ARM_REG_R6, UC_ARM_REG_R7, UC_ARM_REG_R8,
	UC_ARM_REG_R9, UC_ARM_REG_R10, UC_ARM_REG_R11 };
#define FIRST_KEPT_REGISTER 5

static uint32_t junk(size_t index)
{
	return 0xdead0001u + (uint32_t)index * 0x01010102u;
}

static void set_registers(uc_engine *engine)
{
	uint32_t stack = STACK_TOP, link = RETURN_ADDRESS | 1;
	for (size_t index = 0; index < ELEMENTSOF(registers); index++) {
		uint32_t value = junk(index);
		must(uc_reg_write(engine, registers[index], &value));
	}
	must(uc_reg_write(engine, UC_ARM_REG_SP, &stack));
	must(uc_reg_write(engine, UC_ARM_REG_LR, &link));
}

static uint32_t register_of(uc_engine *engine, int number)
{
	uint32_t value = 0;
	must(uc_reg_read(engine, number, &value));
	return value;
}

/* Back in the ROM, with its stack and registers, and with interrupts still served. */
static bool has_returned(uc_engine *engine)
{
	for (size_t index = FIRST_KEPT_REGISTER; index < ELEMENTSOF(registers); index++)
		if (register_of(engine, registers[index]) != junk(index))
			return false;
	return register_of(engine, UC_ARM_REG_PC) == RETURN_ADDRESS &&
	       register_of(engine, UC_ARM_REG_SP) == STACK_TOP &&
	       !(register_of(engine, UC_ARM_REG_PRIMASK) & 1);
}

static void keep_memory(const struct exec *exec)
{
	const struct rp2040 *board = exec->board;
	must(uc_mem_read(exec->engine, RP2040_SRAM_BASE, board->sram, board->chip->sram_bytes));
	must(uc_mem_read(
		exec->engine, board->chip->xip_sram_base, board->xip_sram, RP2040_XIP_SRAM_BYTES));
}

/* Returns what it took, NEVER when the code does not come back. */
uint64_t exec_run(struct rp2040 *board, uint32_t address)
{
	struct exec exec = { .board = board };
	must(uc_open(UC_ARCH_ARM, UC_MODE_THUMB | UC_MODE_MCLASS, &exec.engine));
	must(uc_ctl_set_cpu_model(exec.engine, UC_CPU_ARM_CORTEX_M0));
	board->counters.executions++;
	map_memory(&exec);
	add_hooks(&exec);
	set_registers(exec.engine);
	uc_err error = uc_emu_start(exec.engine, address | 1, RETURN_ADDRESS, 0, 0);
	bool returned = !exec.failed && !error && has_returned(exec.engine);
	keep_memory(&exec);
	ssi_settle(board);
	uc_close(exec.engine);
	return returned ? exec.cycles * NSEC_PER_USEC / CYCLES_PER_USEC : NEVER;
}
