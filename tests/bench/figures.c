/* SPDX-License-Identifier: MIT */
/* Figures; see figures.h. */
#include "bench/figures.h"

#include <stdbool.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/clock.h"

static bool all_kept = true;

static uint64_t now_nsec(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int compare(const void *left, const void *right)
{
	const uint64_t *a = left, *b = right;
	return (*a > *b) - (*a < *b);
}

void figure(const char *name, unsigned times, uint64_t bar_usec,
	void (*work)(void *context, unsigned round), void *context)
{
	_cleanup_(freep) uint64_t *nsec = calloc(times, sizeof(*nsec));
	if (!nsec)
		abort();
	for (unsigned i = 0; i < times; i++) {
		uint64_t began = now_nsec();
		work(context, i);
		nsec[i] = now_nsec() - began;
	}
	qsort(nsec, times, sizeof(*nsec), compare);
	double median = (double)nsec[times / 2] / 1e6, worst = (double)nsec[times - 1] / 1e6;
	bool is_kept = bar_usec == 0 || nsec[times / 2] <= bar_usec * 1000;
	all_kept &= is_kept;
	printf("# FIGURE %s: median %.3f ms, worst %.3f ms of %u\n", name, median, worst, times);
	if (bar_usec > 0)
		printf("%s - %s takes less than %.3f ms\n", is_kept ? "ok" : "not ok", name,
			(double)bar_usec / 1e3);
	fflush(stdout);
}

int figures_end(void)
{
	return all_kept ? EXIT_SUCCESS : EXIT_FAILURE;
}
