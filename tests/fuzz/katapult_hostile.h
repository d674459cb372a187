/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A hostile board in Katapult for fuzz_katapult_visit.c. Behind the faults is a simple honest board
 * (katapult_board.c); katapult_hostile.c is port/serial.h on top of it, decides what becomes of
 * each command, and looks at what the host asks for. Time is virtual.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "backend/katapult_frame.h"
#include "model/chip.h"
#include "port/stream.h"

#define FAULTS_MAX   7u
#define WINDOW_BYTES (40u << 10) /* from the application's start on; nothing is written behind */
#define OUT_MAX      (16u << 10)
#define CHUNKS_MAX   64u
#define CONNECT_MAX  160u
/* The worker is ended when it is silent for a minute (worker/run.c). */
#define SILENCE_MSEC 60000

static inline void must(bool truth)
{
	if (!truth)
		abort();
}

/* ---- faults ------------------------------------------------------------------------------ */

enum what {
	WHAT_ANY, /* command */
	WHAT_NOTHING,
	WHAT_CONNECT,
	WHAT_SEND,
	WHAT_SEND_FIRST, /* the application's first block */
	WHAT_EOF,
	WHAT_REQUEST,
	WHAT_COMPLETE,
	WHAT_OPEN,
	WHAT_PROGRESS, /* no command: the run of the job says stop */
	WHAT_PATCH, /* byte `skip` of its answer to CONNECT is `argument` */
	WHAT_CUT, /* that answer has `argument` words */
	_WHAT_MAX,
};

enum how {
	HOW_WELL,
	HOW_UNHEARD, /* the command is lost */
	HOW_LOST, /* the answer is */
	HOW_ANSWER, /* another answer, and nothing is done */
	HOW_ANSWER_DONE,
	HOW_FLIP,
	HOW_NOISE, /* before the answer */
	HOW_LIE, /* with a good checksum */
	HOW_TWICE,
	HOW_LATE,
	HOW_NOT_DONE, /* though it says so */
	HOW_WRONG, /* another byte goes into flash */
	HOW_LEAVE,
	HOW_LEAVE_DONE,
	HOW_DEAF,
	HOW_TALK, /* without end, and mostly instead of answers */
	HOW_SHORT, /* fewer words than there should be */
	HOW_CUT_OFF,
	HOW_BLOCKED, /* takes no bytes */
	HOW_WIRE, /* -EIO */
	_HOW_MAX,
};

struct fault {
	uint8_t what, how, skip, count, argument;
};

/* ---- the board --------------------------------------------------------------------------- */

enum content {
	HOLDS_NOTHING,
	HOLDS_NOISE,
	HOLDS_KLIPPER,
	HOLDS_IMAGE,
	HOLDS_MOST_OF_IMAGE,
	HOLDS_IMAGE_BUT_HEAD,
	HOLDS_POISON,
	HOLDS_NOISE_WITHOUT_END,
	_HOLDS_MAX,
};

struct chunk {
	size_t length;
	int64_t due_msec;
};

struct serial {
	struct stream stream; /* first */
	const uint8_t *data; /* noise */
	size_t length;
	struct fault faults[FAULTS_MAX];
	unsigned seen[FAULTS_MAX], fault_count;

	/* What it says of itself, and what a host makes of that. */
	uint8_t connect[CONNECT_MAX];
	size_t connect_length;
	enum chip chip;
	uint32_t start, end, block; /* end 0: no byte of it may be touched */
	bool is_line, has_half_pages, refuses_occupied, is_klipper, is_endless;

	bool has_left, is_deaf, has_lied, is_faulty, is_writing, has_completed, fails_once;
	uint8_t talk[KATAPULT_FRAME_MAX]; /* without end */
	size_t talk_length, talk_at;
	uint8_t page[KATAPULT_FRAME_MAX];
	uint32_t page_start, page_next;
	bool page_filled;
	unsigned frames, sends, completes;
	int64_t now_msec, sign_msec, busy_until_msec;

	size_t piece;
	struct chunk chunks[CHUNKS_MAX];
	size_t chunk_count, out_length;
	uint8_t out[OUT_MAX];
};

/* The one board, and what its flash holds from the application's start on. */
extern struct serial board;
extern uint8_t memory[WINDOW_BYTES];

/* ---- katapult_board.c -------------------------------------------------------------------- */

/* What a host may make of its answer to CONNECT. */
void board_understand_connect(void);

bool is_all(uint8_t byte, const uint8_t *bytes, size_t length);

/* Does what it is told, as far as the fault lets it, and makes the answer. False: it refuses. */
bool board_execute(uint8_t code, const uint8_t *payload, size_t length, uint8_t *ret,
	size_t *ret_length, const struct fault *fault);

/* ---- katapult_hostile.c ------------------------------------------------------------------ */

uint8_t next_byte(void);
struct fault next_fault(enum what what);
