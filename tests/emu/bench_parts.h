/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What bench.c and virtual_usb.c share and no test should touch.
 */
#include "emu/bench.h"
#include "emu/can_bus.h"
#include "emu/hub_port.h"
#include "port/can.h"

#define BENCH_BUS 1

struct bench_board {
	struct bench *bench;
	struct bench_board *next;
	char *syspath; /* or NULL */
	char *node; /* of a UART, or NULL */
	bool tty_held; /* by somebody else */
	bool tty_open;
	bool node_forbidden;
	struct rp2040 *rp2040; /* one of these, or none: a device of another make */
	struct stm32 *stm32;
	struct hub_port port;
};

/* The one interface that a bench may have, and the bus behind it. */
struct bench_can {
	bool exists, is_up;
	struct can_bus bus;
	struct can *open; /* sockets of the program under test */
	bool shares[CAN_SHARES];
	unsigned listeners; /* other programs' */
};

struct bench {
	uint64_t now;
	struct bench_can can;
	struct bench_sides *sides; /* several programs under test, NULL: one */
	struct hub hub;
	struct bench_board *boards;
	struct bench_counters counters;
};

/* agent/port/usb.h has no place for a context: NULL when no bench is set up. */
struct bench *bench_current(void);

/* Lets everything happen that is due now; returns when the next thing is. */
uint64_t bench_run(struct bench *bench);

/* What happens now, and the way to the next event. Not for programs under test. */
void bench_move(struct bench *bench, uint64_t deadline);

/* Moves the clock to the next event, but not beyond `deadline`; false when it is there already. */
bool bench_step(struct bench *bench, uint64_t deadline);

/* bench_step() of one of several programs: the others have their turn first. */
void bench_sides_wait(struct bench_sides *sides, uint64_t deadline);

/* virtual_can.c */
void bench_can_init(struct bench_can *can, const struct can_bus_options *options);
