/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the stories of the dfu backend share: a board on the bench in virtual time, a visit to it as
 * the worker makes one, and a witness that looks at the flash at every erase and every program and
 * ends the test when a complete but unproved application lies there.
 */
#include "unit/expect.h"

#include "backend/backend.h"
#include "emu/bench.h"
#include "unit/make_arm.h"

#define DFU_PLACE "/sys/devices/emu/usb1/1-1"

/* Klipper as a printer's boards have it: 44.5 KB. */
#define KLIPPER_BYTES 44516u

struct dfu_story {
	struct bench *bench;
	struct bench_board *board;
	struct stm32 *chip;
	uint8_t *bytes; /* the image to be written */
	size_t length;
	uint32_t offset; /* of it in the flash */
	struct image *image;
	uint8_t *before; /* the flash as it was when the board came */
	size_t flash_bytes;

	/* The witness. */
	uint64_t erases, programs;
	bool vectors_programmed;

	/* When the watch of a visit says stop: at that call, or with so much written (0: never). */
	unsigned stop_after;
	uint64_t stop_after_bytes;
	unsigned calls, plans;
	struct job_plan plan;
};

struct dfu_visit {
	int result; /* of the step that failed, or 0 */
	bool is_open, is_probed, is_restarted;
	struct board_facts facts;
	struct job_tally tally;
	struct backend_failure failure; /* of the step that failed, or the remark of the write */
	uint64_t probe_nsec, write_nsec;
};

/* Klipper for that MCU, linked `offset` behind the start of an STM32's flash; `seed` makes its
 * version and its code. The caller frees it. */
uint8_t *story_klipper(const char *mcu, uint32_t offset, size_t length, uint32_t seed);

/* Katapult whose application begins at that offset. The caller frees it. */
#define KATAPULT_BYTES 5120u
uint8_t *story_katapult(uint32_t application_offset);

/* A board and an image for it: story_klipper() of this offset, length and seed. */
struct dfu_story *dfu_story_new(
	const struct stm32_options *options, uint32_t offset, size_t length, uint32_t seed);
struct dfu_story *dfu_story_free(struct dfu_story *story);
DEFINE_CLEANUP(struct dfu_story *, dfu_story_free)

/* Takes another image. */
void dfu_story_set_image(
	struct dfu_story *story, const uint8_t *bytes, size_t length, uint32_t offset);

/* Open, probe, close. */
struct dfu_visit dfu_story_look(struct dfu_story *story);
/* Open, probe, write, restart, close; ends at the first that fails. */
struct dfu_visit dfu_story_visit(struct dfu_story *story, bool force);
/* The same without the restart, so that the board stays in DFU. */
struct dfu_visit dfu_story_write(struct dfu_story *story, bool force);

bool dfu_story_holds_image(const struct dfu_story *story);
bool dfu_story_is_as_before(const struct dfu_story *story);

/* The board as it is: holds the image, or what it held before, or nothing that would start an
 * application. Anything else ends the test. */
void dfu_story_expect_safe(const struct dfu_story *story);
/* The image, what was beside it, and (where it was restarted) the application. */
void dfu_story_expect_flashed(struct dfu_story *story, const struct dfu_visit *visit);

/* Cable out, cable in with BOOT0 held, faults gone: a visit then must succeed. */
void dfu_story_expect_cured_by_replug(struct dfu_story *story);
