/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Times a piece of work again and again, and says how long it took in the middle and at worst.
 */
#include <stdint.h>

/* Runs `work` `times` times with 0, 1, … and prints a line of TAP: "ok" when the median is below
 * `bar_usec` (0: no bar). */
void figure(const char *name, unsigned times, uint64_t bar_usec,
	void (*work)(void *context, unsigned round), void *context);

/* 0 when every bar was kept: for main() to return. */
int figures_end(void);
