/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A hostile board in DFU for fuzz_dfu_visit.c. Behind the faults is a simple honest board
 * (dfu_board.c); dfu_hostile.c is port/usb.h on top of it, decides how each request ends, and looks
 * at what the host asks for. Time is virtual.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "backend/dfu_descriptor.h"

#define MEMORY_BYTES      (2u << 20)
#define USED_BYTES        (128u << 10) /* nothing is ever written behind them */
#define IMAGE_BYTES       9000u
#define FAULTS_MAX        15
#define CONFIGURATION_MAX 64

static inline void must(bool truth)
{
	if (!truth)
		abort();
}

/* ---- boards ------------------------------------------------------------------------------ */

struct units {
	unsigned count, kib;
};

struct kind {
	uint16_t vid, pid, version, transfer_bytes, dfu_version;
	uint8_t attributes;
	uint32_t memory, application; /* where its flash begins, and what a loader starts */
	uint32_t head_bytes;
	struct units units[4];
	const char *strings[5];
};

/* ---- faults ------------------------------------------------------------------------------ */

enum what { /* a request is */
	WHAT_ANY,
	WHAT_STATUS, /* GETSTATUS when nothing is under way, or */
	WHAT_STATUS_BUSY, /* behind a download */
	WHAT_DATA,
	WHAT_ERASE,
	WHAT_SET_ADDRESS,
	WHAT_UPLOAD,
	WHAT_ABORT,
	WHAT_CLEAR_STATUS,
	WHAT_DESCRIPTOR,
	WHAT_LEAVE,
	WHAT_RESET,
	WHAT_PAUSE,
	WHAT_PROGRESS, /* no request: the run of the job says stop */
	WHAT_PATCH_CONFIGURATION, /* byte `skip` is `argument` */
	WHAT_PATCH_STRING, /* of alternate `count` */
	_WHAT_MAX,
};

enum how {
	HOW_WELL,
	HOW_STALL,
	HOW_STALL_ERROR, /* and is in dfuERROR with the status `argument` */
	HOW_FAULT,
	HOW_TIMEOUT,
	HOW_TIMEOUT_DONE, /* the answer is lost only */
	HOW_LEAVE,
	HOW_SHORT,
	HOW_LIE, /* one byte is another */
	HOW_LOSE, /* says yes and does nothing */
	HOW_BUSY, /* dfuDNBUSY, and the time to wait; nothing goes on */
	HOW_SLOW, /* takes `argument` times 64 ms */
	HOW_FAIL, /* dfuERROR with the status `argument` */
	HOW_STATE, /* claims to be in the state `argument` */
	HOW_NONSENSE,
	_HOW_MAX,
};

struct fault {
	uint8_t what, how, skip, count, period, argument;
};

struct usb_device {
	const struct kind *kind;
	const uint8_t *script;
	size_t length, position;
	bool is_raw;
	struct fault faults[FAULTS_MAX];
	unsigned seen[FAULTS_MAX], fault_count;
	uint8_t configuration[CONFIGURATION_MAX];
	size_t configuration_length;
	struct dfu_function function; /* as it shows itself */
	bool is_patched;

	uint8_t state, status;
	uint32_t pointer;
	enum what pending;
	uint8_t block[DFU_TRANSFER_MAX];
	uint16_t block_number, block_length;
	bool is_open, is_gone, is_leaving, has_lied;

	uint32_t host_pointer; /* the address that it was told last */
	bool is_writing, is_restarting, is_stopped;
	uint64_t uploads;
	unsigned requests;
	uint64_t now_msec, sign_msec;
};

struct cost {
	unsigned requests;
	uint64_t msec, silence; /* the longest time without a sign of life */
};

/* The one board, and what a visit to it has cost. */
extern struct usb_device board;
extern struct cost cost;

extern uint8_t memory[MEMORY_BYTES];
/* The image that shall be written, and what of it the board has shown since it was changed last. */
extern uint32_t image_base;
extern uint8_t image_bytes[IMAGE_BYTES], shown[IMAGE_BYTES];
extern bool is_shown[IMAGE_BYTES];
/* Where it has a hole, if it has one: blank bytes otherwise. */
#define HOLE_START 0x1800u
#define HOLE_END   0x2100u
extern bool image_has_hole;

/* ---- dfu_board.c ------------------------------------------------------------------------- */

/* A board of that kind, whatever the number; its faults come from the next bytes. */
void board_make(unsigned kind, const uint8_t *script, size_t length);
void board_take_faults(unsigned count);
void board_show_configuration(void);

uint8_t *memory_at(uint32_t address);
bool unit_of(uint32_t address, uint32_t *ret_start, uint32_t *ret_bytes);
/* Which address a block means, with the address pointer there. */
uint32_t block_address(uint32_t pointer, uint16_t number);
/* What of the image lies in that range; false: nothing. */
bool image_part(uint32_t address, uint32_t length, uint32_t *ret_start, uint32_t *ret_count);

/* Does the memory hold the image from so many of its bytes on? */
bool holds_image(uint32_t from);

/* Answers honestly; with `is_lost` it says yes and does nothing. As usb_control(). */
int board_answer(enum what what, uint16_t value, uint8_t *data, uint16_t length, bool is_lost);
/* Is in dfuERROR from now on. */
void board_fail(uint8_t status);

/* ---- dfu_hostile.c ----------------------------------------------------------------------- */

unsigned next_byte(void);
struct fault next_fault(enum what what);
