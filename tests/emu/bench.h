/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A bench in virtual time: emulated boards behind agent/port/usb.h and serial.h, linked in place of
 * the real ports. There is one bench at a time, its clock moves only when somebody waits, and two
 *runs of a test are the same to the nanosecond.
 *
 *	_cleanup_(bench_freep) struct bench *bench = bench_new();
 *	struct bench_board *board = bench_plug(bench, "/sys/devices/emu/usb1/1-1", &options);
 *	struct usb_address address = bench_address(board);
 *	… usb_open(&address, &device) …
 *	struct serial_address tty = bench_tty(board);
 *	… serial_open(&tty, 115200, &serial) …
 */
#include "emu/can_bus.h"
#include "emu/hub_port.h"
#include "emu/rp2040.h"
#include "emu/stm32.h"
#include "port/serial.h"
#include "port/usb.h"

struct bench;
struct bench_board;

struct bench *bench_new(void);
struct bench *bench_free(struct bench *bench);
DEFINE_CLEANUP(struct bench *, bench_free)

uint64_t bench_now_nsec(const struct bench *bench);
void bench_advance(struct bench *bench, uint64_t nsec);

/* Plugs in a new board and lets time pass until the host has enumerated it, or has failed to.
 * `options` may be NULL. Aborts the test when memory is short or the options make no sense. */
struct bench_board *bench_plug(
	struct bench *bench, const char *syspath, const struct rp2040_options *options);
struct bench_board *bench_plug_stm32(
	struct bench *bench, const char *syspath, const struct stm32_options *options);
/* The same for an STM32 whose only way to the host is a UART, at the tty `node`; at
 * `options->resident.baud`, or UART_BAUD. */
struct bench_board *bench_plug_uart(
	struct bench *bench, const char *node, const struct stm32_options *options);
/* The same for a device of another make; the bench does not own it. */
struct bench_board *bench_plug_core(
	struct bench *bench, const char *syspath, struct device_core *core);

/* The interface "can0", up, with a bus behind it. `options` may be NULL. */
void bench_add_bus(struct bench *bench, const struct can_bus_options *options);
struct can_bus *bench_bus(struct bench *bench);
void bench_set_bus_up(struct bench *bench, bool is_up);
/* So many programs of this computer listen to nodes. */
void bench_use_bus(struct bench *bench, unsigned listeners);
/* An STM32 that is a node of that bus. */
struct bench_board *bench_plug_node(
	struct bench *bench, const char *name, const struct stm32_options *options);

/* Several programs under test at a time, each by its own function, until all have returned. */
struct bench_side {
	void (*run)(void *context);
	void *context;
};
void bench_side_by_side(struct bench *bench, const struct bench_side *sides, size_t count);

/* The cable of a board that stays on the bench; an STM32's button is BOOT0. */
void bench_unplug(struct bench_board *board);
void bench_replug(struct bench_board *board, bool button);

/* Lets time pass until the host sees the board (as anything, or in `mode`), for `msec` at most. */
bool bench_await_present(struct bench_board *board, unsigned msec);
bool bench_await_mode(struct bench_board *board, enum rp2040_mode mode, unsigned msec);
bool bench_await_stm32(struct bench_board *board, enum stm32_mode mode, unsigned msec);

/* The present arrival; arrival 0 and device 0 when there is none. */
struct usb_address bench_address(const struct bench_board *board);

/* What the host has read of it when it came. */
const struct hub_port *bench_port(const struct bench_board *board);

/* Its tty: by the present arrival on USB, or by its node. */
struct serial_address bench_tty(const struct bench_board *board);
/* Another program has the tty, or has it no more. */
void bench_hold_tty(struct bench_board *board, bool held);
/* Its USB node belongs to others, or does no more. */
void bench_forbid_node(struct bench_board *board, bool forbidden);

/* The board itself, for its flash, counters, ledger and faults. */
struct rp2040 *bench_rp2040(struct bench_board *board);
int bench_fault(struct bench_board *board, const struct rp2040_fault *fault);
struct stm32 *bench_stm32(struct bench_board *board);
int bench_stm32_fault(struct bench_board *board, const struct stm32_fault *fault);
void bench_rp2040_reset(struct bench_board *board, bool button);
void bench_stm32_reset(struct bench_board *board, bool boot0); /* the reset button */
/* Katapult or Klipper in the board, with their books. */
struct resident *bench_resident(struct bench_board *board);
/* An accident of bytes between them and the host. */
int bench_line_fault(struct bench_board *board, const struct line_fault *fault);
bool bench_fault_fired(const struct bench_board *board, int fault);

/* What the program under test has asked of port/usb. */
struct bench_counters {
	uint64_t opens, controls, submits, cancels, halts_cleared, resets;
	uint64_t devices_open, transfers_alive; /* now */
	/* and of port/serial */
	uint64_t ttys_opened, bytes_written, bytes_read, lines_set;
	uint64_t ttys_open; /* now */
};
const struct bench_counters *bench_counters(const struct bench *bench);
