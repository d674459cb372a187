/* SPDX-License-Identifier: MIT */
/*
 * Several programs under test in one virtual time. Each has a stack of its own and runs until it
 * waits; when all wait, the clock moves to whatever comes first.
 */
#include <stdlib.h>
#include <ucontext.h>

#include "emu/bench_parts.h"

#define STACK_BYTES ((size_t)1 << 20)

struct side {
	struct bench_side program;
	ucontext_t context;
	void *stack;
	uint64_t deadline; /* until which it waits */
	bool has_ended;
};

struct bench_sides {
	struct side *sides;
	size_t count, current;
	ucontext_t scheduler;
};

/* makecontext() passes no pointer. */
static struct bench_sides *the_sides;

static void run(void)
{
	struct side *side = &the_sides->sides[the_sides->current];
	side->program.run(side->program.context);
	side->has_ended = true;
}

void bench_sides_wait(struct bench_sides *sides, uint64_t deadline)
{
	struct side *side = &sides->sides[sides->current];
	side->deadline = deadline;
	swapcontext(&side->context, &sides->scheduler);
}

static void begin(struct bench_sides *sides, struct side *side)
{
	side->stack = malloc(STACK_BYTES);
	if (!side->stack || getcontext(&side->context) < 0)
		abort();
	side->context.uc_stack.ss_sp = side->stack;
	side->context.uc_stack.ss_size = STACK_BYTES;
	side->context.uc_link = &sides->scheduler;
	makecontext(&side->context, run, 0);
}

/* Each has its turn; false: all have ended. */
static bool let_run(struct bench_sides *sides, uint64_t *ret_deadline)
{
	*ret_deadline = NEVER;
	bool is_running = false;
	for (sides->current = 0; sides->current < sides->count; sides->current++) {
		struct side *side = &sides->sides[sides->current];
		if (side->has_ended)
			continue;
		swapcontext(&sides->scheduler, &side->context);
		if (side->has_ended)
			continue;
		is_running = true;
		if (side->deadline < *ret_deadline)
			*ret_deadline = side->deadline;
	}
	return is_running;
}

void bench_side_by_side(struct bench *bench, const struct bench_side *programs, size_t count)
{
	uint64_t deadline;
	struct bench_sides sides = { .count = count };
	sides.sides = calloc(count, sizeof(*sides.sides));
	if (!sides.sides || bench->sides)
		abort();
	for (size_t i = 0; i < count; i++) {
		sides.sides[i].program = programs[i];
		begin(&sides, &sides.sides[i]);
	}
	bench->sides = the_sides = &sides;
	while (let_run(&sides, &deadline))
		bench_move(bench, deadline);
	bench->sides = the_sides = NULL;
	for (size_t i = 0; i < count; i++)
		free(sides.sides[i].stack);
	free(sides.sides);
}
