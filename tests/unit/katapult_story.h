/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the stories of the katapult backend share: a board in Katapult on the bench in virtual time,
 * with an old application behind it or with none, and a visit to it as the worker makes one.
 */
#include "unit/expect.h"

#include "backend/backend.h"
#include "emu/bench.h"

#define STORY_PLACE "/sys/devices/emu/usb1/1-1"
#define STORY_NODE  "/dev/ttyAMA0"
#define STORY_BUS   "can0"

/* Klipper as a printer's boards have it. */
#define STORY_KLIPPER_BYTES 44516u

/* All zero: an F429 on USB with nothing behind its Katapult, and an image of usual size. */
struct story_board {
	enum stm32_chip chip;
	bool is_rp2040; /* instead */
	uint32_t baud; /* a UART is its only way to the host; 0: USB */
	bool on_can; /* a node of a bus is */
	struct can_bus_options bus;
	uint32_t offset; /* of the application, 0: the usual one */
	size_t old_bytes; /* of the application that is there, 0: none */
	size_t image_bytes; /* 0: STORY_KLIPPER_BYTES */
	struct kata_options katapult;
};

struct katapult_story {
	struct story_board options;
	struct bench *bench;
	struct bench_board *board;
	char uuid[CAN_UUID_TEXT]; /* of a node */
	uint32_t base, offset; /* of flash, and of the application in it */
	uint32_t unit_bytes; /* that are erased with the application's first word */
	uint8_t *bytes; /* the image to be written */
	size_t length;
	struct image *image;
	uint8_t *old;
	size_t old_length;
	uint8_t *before; /* the flash as it was when the board was in Katapult */
	size_t flash_bytes;

	/* When the watch of a visit says stop: at that call (0: never). */
	unsigned stop_after;
	unsigned calls;
	/* What a visit has handed over. */
	unsigned keeps;
	uint32_t kept_address;
	uint8_t *kept;
	size_t kept_bytes;
};

struct katapult_visit {
	int result; /* of the step that failed, or 0 */
	bool is_open, is_probed, is_written, is_restarted;
	struct board_facts facts;
	struct job_tally tally;
	struct backend_failure failure; /* of the step that failed */
	uint64_t open_nsec, probe_nsec, write_nsec;
};

/* A board that is in Katapult. Where there is an application, by two presses of reset. */
struct katapult_story *katapult_story_new(const struct story_board *options);
struct katapult_story *katapult_story_free(struct katapult_story *story);
DEFINE_CLEANUP(struct katapult_story *, katapult_story_free)

/* Another node on the bus of a node, told apart by `number`: it has a Katapult and nothing else. */
struct bench_board *katapult_story_plug_beside(
	struct katapult_story *story, enum stm32_chip chip, uint8_t number);

/* "g0b1-128k", "rp2040" */
const char *katapult_story_name(const struct katapult_story *story);

/* Klipper for that board: always the same bytes for the same seed. The caller frees it. */
uint8_t *katapult_story_program(const struct katapult_story *story, size_t length, uint32_t seed);

struct board_address katapult_story_address(const struct katapult_story *story);

/* Open, probe, close. */
struct katapult_visit katapult_story_look(struct katapult_story *story);
/* The same with a write; so that the board stays in Katapult. */
struct katapult_visit katapult_story_write(struct katapult_story *story, bool force);
/* And with the restart, if all went well. */
struct katapult_visit katapult_story_visit(struct katapult_story *story, bool force);

/* Two presses of reset, or one. Katapult's books begin anew. */
void katapult_story_reset_twice(struct katapult_story *story);
void katapult_story_reset(struct katapult_story *story);
bool katapult_story_await_application(struct katapult_story *story);
bool katapult_story_is_in_katapult(const struct katapult_story *story);

/* From the application's start on. */
uint8_t *katapult_story_flash(const struct katapult_story *story);
bool katapult_story_holds_image(const struct katapult_story *story);
bool katapult_story_is_as_before(const struct katapult_story *story);
/* A first word that Katapult takes for an application. */
bool katapult_story_would_start(const struct katapult_story *story);

struct line *katapult_story_line(const struct katapult_story *story);
const struct kata_counters *katapult_story_counters(const struct katapult_story *story);
uint64_t katapult_story_erases(const struct katapult_story *story);
/* How long the flash has worked, and all of the board. */
uint64_t katapult_story_flash_nsec(const struct katapult_story *story);
/* A fault of the chip: the cable is pulled so much later. */
void katapult_story_unplug_after(struct katapult_story *story, uint64_t nsec);
/* The nth command of that code is not served but answered so, `times` times. */
void katapult_story_answer(struct katapult_story *story, enum kata_command command, unsigned nth,
	enum kata_answer answer, unsigned times);
/* The answer to the nth command of that code is lost. */
void katapult_story_mute(struct katapult_story *story, enum kata_command command, unsigned nth);

/* All that must hold of every visit that went well, and of every one that did not. */
void katapult_story_expect_flashed(
	struct katapult_story *story, const struct katapult_visit *visit);
void katapult_story_expect_reason(
	const struct katapult_visit *visit, enum reason_code code, const char *words);
