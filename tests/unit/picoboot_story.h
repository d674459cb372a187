/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the stories of the picoboot backend share: a board on the bench in virtual time, a visit to
 * it as the worker makes one, and a witness that looks at the flash at every erase and every
 * program and ends the test when a complete but unproved application lies there.
 */
#include "unit/expect.h"

#include "backend/backend.h"
#include "emu/bench.h"

#define STORY_PLACE "/sys/devices/emu/usb1/1-1"
#define STORY_START 0x10000000u

struct story {
	struct bench *bench;
	struct bench_board *board;
	struct rp2040 *chip; /* bench_rp2040() moves time, which a listener must not */
	uint8_t *bytes; /* the image to be written */
	size_t length;
	struct image *image;
	enum rp2040_chip kind;
	uint32_t boot_page; /* its offset in the image */
	uint8_t *before; /* the flash as it was when the board came */
	size_t flash_bytes;

	/* The witness. */
	uint64_t erases, programs;
	bool boot_page_programmed;

	/* When the watch of a visit says stop: at that call, or with so much written (0: never). */
	unsigned stop_after;
	uint64_t stop_after_bytes;
	/* Heals all faults at that call after this one has fired (-1: never). */
	int heal_fault;
	unsigned heal_at_call, calls_since_fault;
	unsigned calls;
	uint64_t last_call_nsec, longest_silence_nsec;
};

/* An image that this chip would start; the caller frees it. */
uint8_t *story_make_bin(enum rp2040_chip kind, size_t length, uint32_t seed);

struct visit {
	int result; /* of the step that failed, or 0 */
	bool is_open, is_probed, is_restarted;
	struct board_facts facts;
	struct job_tally tally;
	struct backend_failure failure;
	uint64_t open_nsec, probe_nsec, write_nsec;
};

/* A board (NULL: a blank RP2040) and an image for it made from `seed`. */
struct story *story_new(const struct rp2040_options *options, size_t image_bytes, uint32_t seed);
struct story *story_free(struct story *story);
DEFINE_CLEANUP(struct story *, story_free)

/* Takes other bytes for the image. */
void story_set_image(struct story *story, const uint8_t *bytes, size_t length);

/* Open, probe, write, restart, close; ends at the first that fails. */
struct visit story_visit(struct story *story, bool force);
/* The same without the restart, so that the board stays in boot mode. */
struct visit story_write(struct story *story, bool force);

bool story_holds_image(struct story *story);
bool story_is_as_before(struct story *story);

/* The board without power, whatever happened: holds the image, or what it held before, or falls
 * back to boot mode. Anything else ends the test. */
void story_expect_safe(struct story *story);
void story_expect_flashed(struct story *story, const struct visit *visit);

/* Cable out, cable in with BOOTSEL held, faults gone: a visit then must succeed. */
void story_expect_cured_by_replug(struct story *story);
