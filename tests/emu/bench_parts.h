/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What bench.c and virtual_usb.c share and no test should touch.
 */
#include "emu/bench.h"
#include "emu/hub_port.h"

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

struct bench {
	uint64_t now;
	struct hub hub;
	struct bench_board *boards;
	struct bench_counters counters;
};

/* agent/port/usb.h has no place for a context: NULL when no bench is set up. */
struct bench *bench_current(void);

/* Lets everything happen that is due now; returns when the next thing is. */
uint64_t bench_run(struct bench *bench);

/* Moves the clock to the next event, but not beyond `deadline`; false when it is there already. */
bool bench_step(struct bench *bench, uint64_t deadline);
