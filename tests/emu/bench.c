/* SPDX-License-Identifier: MIT */
/*
 * The bench in virtual time: its boards, its clock, its cables. What the program under test sees of
 * it is in virtual_usb.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "emu/bench_parts.h"

#define APPEAR_MSEC 5000

static struct bench *the_bench;

struct bench *bench_current(void)
{
	return the_bench;
}

struct bench *bench_new(void)
{
	struct bench *bench = calloc(1, sizeof(*bench));
	if (!bench || the_bench)
		abort();
	bench->now = NSEC_PER_SEC;
	bench->hub.last_device = 1;
	bench->hub.last_arrival = 20000;
	the_bench = bench;
	return bench;
}

struct bench *bench_free(struct bench *bench)
{
	if (!bench)
		return NULL;
	while (bench->boards) {
		struct bench_board *board = bench->boards;
		bench->boards = board->next;
		controller_flush(&board->port.controller, -ESHUTDOWN);
		rp2040_free(board->rp2040);
		stm32_free(board->stm32);
		free(board->syspath);
		free(board->node);
		free(board);
	}
	if (the_bench == bench)
		the_bench = NULL;
	free(bench);
	return NULL;
}

uint64_t bench_now_nsec(const struct bench *bench)
{
	return bench->now;
}

uint64_t bench_run(struct bench *bench)
{
	for (;;) {
		uint64_t next = NEVER;
		for (struct bench_board *board = bench->boards; board; board = board->next) {
			uint64_t due = hub_port_run(&board->port, bench->now);
			if (due < next)
				next = due;
		}
		uint64_t due = bench->can.exists ? can_bus_run(&bench->can.bus, bench->now) : NEVER;
		if (due > bench->now)
			return due < next ? due : next;
	}
}

void bench_move(struct bench *bench, uint64_t deadline)
{
	uint64_t next = bench_run(bench);
	bench->now = next < deadline ? next : deadline;
	bench_run(bench);
}

bool bench_step(struct bench *bench, uint64_t deadline)
{
	bench_run(bench);
	if (bench->now >= deadline)
		return false;
	if (bench->sides)
		bench_sides_wait(bench->sides, deadline);
	else
		bench_move(bench, deadline);
	return true;
}

void bench_advance(struct bench *bench, uint64_t nsec)
{
	uint64_t deadline = bench->now + nsec;
	while (bench_step(bench, deadline))
		continue;
}

static struct bench_board *add_board(
	struct bench *bench, const char *syspath, const char *node, struct device_core *core)
{
	struct bench_board *board = calloc(1, sizeof(*board));
	if (!board)
		abort();
	board->bench = bench;
	board->syspath = syspath ? strdup(syspath) : NULL;
	board->node = node ? strdup(node) : NULL;
	if (!board->syspath && !board->node)
		abort();
	hub_port_init(&board->port, &bench->hub, core, bench->now);
	struct bench_board **place = &bench->boards;
	while (*place)
		place = &(*place)->next;
	*place = board;
	return board;
}

struct bench_board *bench_plug_core(
	struct bench *bench, const char *syspath, struct device_core *core)
{
	struct bench_board *board = add_board(bench, syspath, NULL, core);
	bench_await_present(board, APPEAR_MSEC);
	return board;
}

struct bench_board *bench_plug(
	struct bench *bench, const char *syspath, const struct rp2040_options *options)
{
	static const struct rp2040_options plain;
	struct rp2040 *rp2040;
	if (!options)
		options = &plain;
	if (rp2040_new(options, &rp2040) < 0)
		abort();
	bench_run(bench);
	struct bench_board *board = add_board(bench, syspath, NULL, rp2040_core(rp2040));
	board->rp2040 = rp2040;
	rp2040_power_on(rp2040, bench->now, !options->button_released);
	bench_await_present(board, APPEAR_MSEC);
	return board;
}

struct bench_board *bench_plug_stm32(
	struct bench *bench, const char *syspath, const struct stm32_options *options)
{
	static const struct stm32_options plain;
	struct stm32 *stm32;
	if (!options)
		options = &plain;
	if (stm32_new(options, &stm32) < 0)
		abort();
	bench_run(bench);
	struct bench_board *board = add_board(bench, syspath, NULL, stm32_core(stm32));
	board->stm32 = stm32;
	stm32_power_on(stm32, bench->now, !options->boot0_released);
	bench_await_present(board, APPEAR_MSEC);
	return board;
}

struct bench_board *bench_plug_uart(
	struct bench *bench, const char *node, const struct stm32_options *options)
{
	struct stm32_options its = options ? *options : (struct stm32_options){ 0 };
	struct stm32 *stm32;
	if (!its.resident.baud)
		its.resident.baud = UART_BAUD;
	if (stm32_new(&its, &stm32) < 0)
		abort();
	bench_run(bench);
	struct bench_board *board = add_board(bench, NULL, node, stm32_core(stm32));
	board->stm32 = stm32;
	stm32_power_on(stm32, bench->now, !its.boot0_released);
	return board;
}

void bench_add_bus(struct bench *bench, const struct can_bus_options *options)
{
	static const struct can_bus_options plain;
	if (bench->can.exists)
		abort();
	bench_can_init(&bench->can, options ? options : &plain);
}

struct can_bus *bench_bus(struct bench *bench)
{
	bench_run(bench);
	return &bench->can.bus;
}

void bench_set_bus_up(struct bench *bench, bool is_up)
{
	bench->can.is_up = is_up;
}

void bench_use_bus(struct bench *bench, unsigned listeners)
{
	bench->can.listeners = listeners;
}

struct bench_board *bench_plug_node(
	struct bench *bench, const char *name, const struct stm32_options *options)
{
	struct stm32_options its = options ? *options : (struct stm32_options){ 0 };
	struct stm32 *stm32;
	its.resident.on_can = true;
	if (!bench->can.exists || stm32_new(&its, &stm32) < 0)
		abort();
	bench_run(bench);
	struct bench_board *board = add_board(bench, NULL, name, stm32_core(stm32));
	board->stm32 = stm32;
	can_bus_add_node(&bench->can.bus, stm32_resident(stm32));
	stm32_power_on(stm32, bench->now, !its.boot0_released);
	return board;
}

void bench_unplug(struct bench_board *board)
{
	bench_run(board->bench);
	if (board->stm32)
		stm32_power_off(board->stm32, board->bench->now);
	else
		rp2040_power_off(board->rp2040, board->bench->now);
	bench_run(board->bench);
}

void bench_replug(struct bench_board *board, bool button)
{
	bench_run(board->bench);
	if (board->stm32)
		stm32_power_on(board->stm32, board->bench->now, button);
	else
		rp2040_power_on(board->rp2040, board->bench->now, button);
	bench_await_present(board, APPEAR_MSEC);
}

bool bench_await_present(struct bench_board *board, unsigned msec)
{
	uint64_t deadline = board->bench->now + msec * NSEC_PER_MSEC;
	do {
		if (board->port.state == HUB_PORT_PRESENT)
			return true;
	} while (bench_step(board->bench, deadline));
	return board->port.state == HUB_PORT_PRESENT;
}

bool bench_await_mode(struct bench_board *board, enum rp2040_mode mode, unsigned msec)
{
	uint64_t deadline = board->bench->now + msec * NSEC_PER_MSEC;
	bool seen;
	do {
		seen = rp2040_mode(board->rp2040) == mode;
		if (mode == RP2040_BOOT || mode == RP2040_APPLICATION || mode == RP2040_KATAPULT)
			seen = seen && board->port.state == HUB_PORT_PRESENT;
	} while (!seen && bench_step(board->bench, deadline));
	return seen;
}

bool bench_await_stm32(struct bench_board *board, enum stm32_mode mode, unsigned msec)
{
	bool on_bus = mode == STM32_DFU || mode == STM32_KATAPULT || mode == STM32_APPLICATION;
	on_bus = on_bus && !board->node;
	uint64_t deadline = board->bench->now + msec * NSEC_PER_MSEC;
	bool seen;
	do {
		seen = stm32_mode(board->stm32) == mode &&
		       (!on_bus || board->port.state == HUB_PORT_PRESENT);
	} while (!seen && bench_step(board->bench, deadline));
	return seen;
}

struct usb_address bench_address(const struct bench_board *board)
{
	bool present = hub_port_has_device(&board->port);
	return (struct usb_address){
		.syspath = board->syspath,
		.bus = BENCH_BUS,
		.device = present ? board->port.device : 0,
		.arrival = present ? board->port.arrival : 0,
	};
}

const struct hub_port *bench_port(const struct bench_board *board)
{
	return &board->port;
}

struct serial_address bench_tty(const struct bench_board *board)
{
	return (struct serial_address){
		.usb_syspath = board->syspath,
		.usb_arrival = bench_address(board).arrival,
		.node = board->node,
	};
}

void bench_hold_tty(struct bench_board *board, bool held)
{
	board->tty_held = held;
}

void bench_forbid_node(struct bench_board *board, bool forbidden)
{
	board->node_forbidden = forbidden;
}

struct rp2040 *bench_rp2040(struct bench_board *board)
{
	bench_run(board->bench);
	return board->rp2040;
}

int bench_fault(struct bench_board *board, const struct rp2040_fault *fault)
{
	bench_run(board->bench);
	int number = rp2040_arm(board->rp2040, board->bench->now, fault);
	if (number < 0)
		abort();
	bench_run(board->bench);
	return number;
}

void bench_rp2040_reset(struct bench_board *board, bool button)
{
	bench_run(board->bench);
	rp2040_reset(board->rp2040, board->bench->now, button);
	bench_run(board->bench);
}

struct stm32 *bench_stm32(struct bench_board *board)
{
	bench_run(board->bench);
	return board->stm32;
}

int bench_stm32_fault(struct bench_board *board, const struct stm32_fault *fault)
{
	bench_run(board->bench);
	int number = stm32_arm(board->stm32, board->bench->now, fault);
	if (number < 0)
		abort();
	bench_run(board->bench);
	return number;
}

void bench_stm32_reset(struct bench_board *board, bool boot0)
{
	bench_run(board->bench);
	stm32_reset(board->stm32, board->bench->now, boot0);
	bench_run(board->bench);
}

struct resident *bench_resident(struct bench_board *board)
{
	bench_run(board->bench);
	return board->stm32 ? stm32_resident(board->stm32) : rp2040_resident(board->rp2040);
}

int bench_line_fault(struct bench_board *board, const struct line_fault *fault)
{
	int number = line_arm(&bench_resident(board)->line, fault);
	if (number < 0)
		abort();
	return number;
}

bool bench_fault_fired(const struct bench_board *board, int fault)
{
	if (board->stm32)
		return stm32_fault_fired(board->stm32, fault);
	return rp2040_fault_fired(board->rp2040, fault);
}

const struct bench_counters *bench_counters(const struct bench *bench)
{
	return &bench->counters;
}
