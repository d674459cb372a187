/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Katapult as a program in a chip: its parser with the trap in it, its commands, and what it does
 * to flash. It lives on a line (line.h) and on a chip (struct program_chip) and knows neither.
 */
#include "emu/device_core.h"
#include "emu/line.h"

#define KATA_BLOCK_BYTES   64
#define KATA_FRAME_BYTES   128
#define KATA_FRAME_BARE    8
#define KATA_PAGE_BYTES    256 /* where pages are collected */
#define KATA_VERSION       "v0.0.1-110-gb0bf421"
#define KATA_COMPLETE_NSEC (100 * NSEC_PER_MSEC)
#define KATA_COMMAND_NSEC  (20 * NSEC_PER_USEC)
#define KATA_UUID_BYTES    6

enum kata_command {
	KATA_CONNECT = 0x11,
	KATA_SEND_BLOCK,
	KATA_EOF,
	KATA_REQUEST_BLOCK,
	KATA_COMPLETE,
	KATA_GET_CANBUS_ID,
};

enum kata_answer {
	KATA_ACK = 0xa0,
	KATA_NACK = 0xf1,
	KATA_ERROR,
	KATA_BUSY,
};

enum kata_family {
	KATA_STM32, /* F0 to H7: block by block */
	KATA_LPC176X, /* pages, and a counter that never goes back */
	KATA_RP2040, /* pages, written when the next one begins */
};

/* All zero: of today, as it is built for a USB port. */
struct kata_options {
	bool protocol_1_0; /* the older layout of CONNECT */
	uint32_t protocol; /* this word instead; 0: the layout's own */
	const char *version; /* NULL: KATA_VERSION; "": built without git */
	const char *mcu; /* a liar; NULL: the chip's */
	const char *manufacturer; /* "CanBoot" before the rename; NULL: "katapult" */
	const char *serial; /* "12345": chip id disabled; NULL: the chip's */
	unsigned block_bytes; /* as CONNECT tells it, and as SEND_BLOCK wants it; 0: 64 */
	bool lies; /* CONNECT tells these two instead */
	uint32_t told_application, told_block_bytes;
	bool canbus; /* answers GET_CANBUS_ID */
	bool without_double_reset; /* starts the application without its half second */
	bool refuses_occupied; /* H7: the first block of a unit that is not blank is an ERROR */
	bool ends_short; /* never ends on a full packet, as Klipper */
	bool without_withholding; /* whatever the chip does */
};

/* What a program may do with its chip and its board. Each of these may end the program: look at
 * `running` afterwards. */
struct program_chip {
	/* The unit of erasing that holds `address`; false when there is none. */
	bool (*unit)(void *context, uint32_t address, uint32_t *ret_start, uint32_t *ret_bytes);
	/* Both return when the job ends; 0: there is no such flash. */
	uint64_t (*erase)(void *context, uint32_t address);
	uint64_t (*program)(void *context, uint32_t address, const uint8_t *bytes, size_t length);
	/* False: nothing answers there, and the processor has crashed. */
	bool (*read)(void *context, uint32_t address, uint8_t *ret, size_t length);
	void (*crash)(void *context);
	void (*start_application)(void *context); /* whatever it is */
	void (*start_bootloader)(void *context);
	/* A command arrived; `address` of its block, or 0. */
	void (*note_command)(void *context, uint8_t command, uint32_t address);
	void (*busy)(void *context, uint64_t start, uint64_t nsec); /* with a command */
};

/* What the program was built for. */
struct kata_kind {
	enum kata_family family;
	uint32_t application; /* where blocks begin */
	uint32_t end; /* where they must end, 0: nobody looks */
	const char *mcu;
	const uint8_t *chip_id;
	size_t chip_id_bytes;
};

struct kata_counters {
	uint64_t frames; /* that were whole */
	uint64_t connects, eofs, completes;
	uint64_t blocks_sent; /* SEND_BLOCK that was acknowledged */
	uint64_t blocks_repeated; /* of these, what flash already held */
	uint64_t blocks_refused; /* SEND_BLOCK that ended in ERROR */
	uint64_t blocks_read;
	uint64_t unknown; /* commands */
	uint64_t nacks, errors, busies;
	uint64_t wedges; /* the parser stands before bytes that it will never let go */
	uint64_t crashes; /* reads where nothing is */
	uint64_t unverified_completes; /* with a block that was sent and not read since */
};

enum kata_step {
	KATA_LISTENS,
	KATA_ERASES,
	KATA_PROGRAMS,
};

struct kata {
	const struct kata_options *options;
	const struct program_chip *chip;
	void *context;
	struct line *line;
	struct kata_kind kind;
	bool running;
	uint64_t now;
	uint64_t due; /* of the parser, or of the end of the job */
	uint64_t complete_due;
	enum kata_step step;

	/* the parser */
	bool has_nacked; /* and saw no whole frame since */
	bool wedged;

	/* the command that is being served */
	uint8_t frame[KATA_FRAME_BYTES];
	size_t frame_bytes;

	/* flash */
	uint32_t address; /* of what is being written, `length` bytes of page */
	size_t length;
	uint8_t page[KATA_PAGE_BYTES];
	bool page_filled; /* something in it is not in flash yet */
	uint32_t next_address; /* LPC176x */
	uint32_t pages; /* as EOF tells it */
	uint8_t *unread; /* a bit for each block that was written and not read since */

	/* faults */
	uint8_t answer_next; /* the next command is not served, this is the answer */
	uint64_t answer_times;
	bool mute_next; /* the next answer is lost */

	uint64_t complete_digest; /* of flash from the application on, when COMPLETE came */
	struct kata_counters counters;
};

/* Starts the program, which forgets all but its books. */
void kata_start(struct kata *katapult, uint64_t now);
void kata_stop(struct kata *katapult);
void kata_done(struct kata *katapult);

/* Bytes have come. */
void kata_wake(struct kata *katapult, uint64_t now);
/* The processor stands still while flash works. */
bool kata_is_stalled(const struct kata *katapult);
uint64_t kata_next(const struct kata *katapult);
/* One step of whatever is due; false when nothing is. */
bool kata_advance(struct kata *katapult, uint64_t now);

uint16_t kata_crc(const uint8_t *bytes, size_t length);
/* A chip's id as its node on a CAN bus has it. */
void kata_uuid(const uint8_t *chip_id, size_t length, uint8_t ret[KATA_UUID_BYTES]);

/* For the kata_*.c files. */
bool kata_reply(struct kata *katapult, uint8_t code, const uint8_t *payload, size_t words);
void kata_acknowledge(struct kata *katapult, uint32_t word);
void kata_refuse(struct kata *katapult);
void kata_crash(struct kata *katapult);
void kata_dispatch(struct kata *katapult);
size_t kata_block_bytes(const struct kata *katapult);

/* kata_flash.c: writing ends in kata_acknowledge() or kata_refuse(). */
void kata_flash_start(struct kata *katapult);
void kata_flash_block(struct kata *katapult, uint32_t address, const uint8_t *block);
void kata_flash_eof(struct kata *katapult);
void kata_flash_erased(struct kata *katapult);
void kata_flash_programmed(struct kata *katapult);
void kata_flash_was_read(struct kata *katapult, uint32_t address);
bool kata_flash_is_unread(const struct kata *katapult);

static inline uint32_t kata_word(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
	       (uint32_t)bytes[3] << 24;
}

static inline void kata_put_word(uint8_t *bytes, uint32_t word)
{
	for (int index = 0; index < 4; index++)
		bytes[index] = (uint8_t)(word >> 8 * index);
}
