/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Klipper as a program in a chip, as far as a flasher talks to it: blocks and their sequence,
 * identify, debug_read, and the ways in which it is asked for the boot loader. It has no motors,
 * and no watchdog that would end a crash.
 */
#include "emu/kata.h"

#define KLIP_BLOCK_LEAST  5
#define KLIP_BLOCK_MOST   64
#define KLIP_STATS_NSEC   (5 * NSEC_PER_SEC)
#define KLIP_COMMAND_NSEC (20 * NSEC_PER_USEC)

/* All zero: its dictionary is the one in flash, if there is one, and it says nothing unasked. */
struct klip_options {
	const uint8_t *dictionary; /* as it lies in flash: packed */
	size_t dictionary_bytes;
	const char *dictionary_file; /* or from there */
	bool unsolicited; /* "starting" once, "stats" every five seconds */
	uint64_t stats_nsec; /* between them instead */
	bool deaf; /* talks, and takes nothing in */
	bool mute; /* takes everything, says nothing: crashed, or busy with another host */
	bool withholds_first; /* the first packet, as Katapult on the same chips */
	bool wordless; /* older than the words that ask for its boot loader on a UART */
};

struct klip_counters {
	uint64_t blocks; /* good, and in sequence */
	uint64_t identifies;
	uint64_t debug_reads;
	uint64_t crashes; /* reads where nothing is */
	uint64_t ignored; /* commands of which nothing is known here */
	uint64_t naks; /* one for each run of damage, one for each wrong sequence */
	uint64_t damages;
	uint64_t touches; /* 1200 baud and DTR low */
	uint64_t magics; /* the 32 bytes on a UART */
};

struct klip {
	const struct klip_options *options;
	const struct program_chip *chip;
	void *context;
	struct line *line;
	bool on_uart; /* knows the words that ask for its boot loader there */
	bool running;
	uint64_t now, due, stats_due;
	uint8_t sequence; /* expected next */
	bool has_debug_read; /* and its dictionary numbers it so: */
	uint32_t debug_read, debug_result;
	bool needs_sync, needs_valid;
	struct klip_counters counters;
};

/* The packed dictionary that lies somewhere in flash from `address` on, on the heap; no bytes:
 * there is none. */
uint8_t *klip_find_dictionary(const struct klip *klipper, uint32_t address, size_t *ret_bytes);
/* Looks into its own dictionary. */
void klip_learn(struct klip *klipper);
void klip_start(struct klip *klipper, uint64_t now);
void klip_stop(struct klip *klipper);
void klip_wake(struct klip *klipper, uint64_t now);
uint64_t klip_next(const struct klip *klipper);
bool klip_advance(struct klip *klipper, uint64_t now);
/* Rate or DTR of its USB port were set. True: it has left for its boot loader. */
bool klip_is_touched(struct klip *klipper, uint32_t baud, bool dtr);
