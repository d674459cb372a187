/* SPDX-License-Identifier: MIT
 *
 * What the parts of a test image share. None of it ever runs.
 */
#ifndef IMAGES_FIRMWARE_H
#define IMAGES_FIRMWARE_H

#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))

/* ---- drivers (modules.py) ---- */

struct driver {
	uint32_t clock, interval, count, flags, value, limit, sum, last;
	uint32_t samples[8];
};

typedef uint32_t (*step_function)(struct driver *state, uint32_t word);

struct module {
	const char *name;
	struct driver *state;
	const step_function *steps;
	uint32_t step_count;
};

extern const struct module *const modules[];
extern const uint32_t module_count;

/* ---- commands (modules.py) ---- */

struct parser {
	uint8_t count, flags;
	const uint8_t *kinds;
	void (*handle)(uint32_t *arguments);
};

extern const struct parser *const command_index[];
extern const uint32_t command_count;
extern const char *const task_names[];

void command_identify(uint32_t *arguments);

/* ---- core (firmware.c) ---- */

struct object {
	struct object *next;
	uint32_t kind, clock;
	uint32_t words[12];
};

struct object *object_find(uint32_t number);
uint32_t timer_from_us(uint32_t microseconds);
void timer_add(struct object *object, uint32_t clock);
void respond(uint32_t id, const uint32_t *words, uint32_t count);
void respond_bytes(uint32_t id, uint32_t offset, const uint8_t *bytes, uint32_t count);
void stop_machine(const char *why) __attribute__((noreturn));

/* ---- the dictionary (build) ---- */

extern const uint8_t dictionary[];
extern const uint32_t dictionary_size;

/* ---- startup.c ---- */

int main(void);
void systick_handler(void);
void transport_handler(void);

#endif
