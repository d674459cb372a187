/* SPDX-License-Identifier: MIT */
/*
 * A Katapult in flash, and Klipper behind it or alone: what can be talked to besides the ROM, and
 * what it does with the chip.
 */
#include <stdio.h>
#include <string.h>

#include "emu/rp2040_parts.h"

#define APPLICATION_OFFSET      0x4000u
#define KATAPULT_END            (RP2040_FLASH_BASE + 0x200000u) /* as it is always built */
#define VENDOR                  0x1d50
#define KATAPULT_PRODUCT        0x6177
#define KLIPPER_PRODUCT         0x614e
#define OPCODE_PROGRAM          0x02000000u
#define OPCODE_ERASE            0x20000000u
#define XIP_BYTES               0x01000000u
#define DOUBLE_RESET_LEAST_NSEC (10 * NSEC_PER_MSEC)
#define DOUBLE_RESET_NSEC       (500 * NSEC_PER_MSEC)

/* --- what is in flash -------------------------------------------------------------------- */

static bool is_inside(const struct rp2040 *board, uint32_t offset, uint32_t bytes)
{
	return offset < board->flash.size && bytes <= board->flash.size - offset;
}

static uint32_t word_at(const struct rp2040 *board, uint32_t offset)
{
	return is_inside(board, offset, 4) ? get_le32(board->flash.bytes + offset) : 0;
}

/* Its vectors stand behind the boot2, where there is one. */
bool resident_is_katapult(const struct rp2040 *board)
{
	uint32_t vectors = board->options.chip == RP2040_CHIP_RP2350 ? 0 : 0x100;
	uint32_t at = word_at(board, vectors + 4) - 9 - RP2040_FLASH_BASE;
	return !(at & 7) && is_inside(board, at, 8) &&
	       !memcmp(board->flash.bytes + at, "CanBoot!", 8);
}

static bool has_application(const struct rp2040 *board)
{
	uint32_t word = word_at(board, APPLICATION_OFFSET);
	return word != 0 && word != UINT32_MAX;
}

static bool leads_somewhere(const struct rp2040 *board)
{
	uint32_t stack = word_at(board, APPLICATION_OFFSET);
	uint32_t entry = word_at(board, APPLICATION_OFFSET + 4);
	uint32_t sram_end = RP2040_SRAM_BASE + board->chip->sram_bytes;
	bool sram = entry >= RP2040_SRAM_BASE && entry < sram_end;
	return !(stack & 3) && stack > RP2040_SRAM_BASE && stack <= sram_end && entry & 1 &&
	       (sram || is_inside(board, entry - 1 - RP2040_FLASH_BASE, 2));
}

/* --- starting ---------------------------------------------------------------------------- */

static uint64_t start_nsec(const struct rp2040 *board)
{
	unsigned msec = board->options.application_msec;
	return (msec ? msec : RP2040_APPLICATION_MSEC) * NSEC_PER_MSEC;
}

static void start_katapult(struct rp2040 *board)
{
	board_leave(board, RP2040_KATAPULT, start_nsec(board));
}

static void start_application(struct rp2040 *board, uint64_t nsec)
{
	bool starts = leads_somewhere(board);
	board_leave(board, starts ? RP2040_APPLICATION : RP2040_LOST, nsec + start_nsec(board));
	board->behind_katapult = starts;
}

void resident_boot(struct rp2040 *board)
{
	bool waits = !board->options.resident.katapult.without_double_reset;
	if (!has_application(board))
		return start_katapult(board);
	start_application(board, waits ? DOUBLE_RESET_NSEC : 0);
	board->double_reset = waits ? board->now : NEVER;
}

bool resident_reset_is_second(const struct rp2040 *board)
{
	uint64_t since = board->now - board->double_reset;
	return board->double_reset != NEVER && since >= DOUBLE_RESET_LEAST_NSEC &&
	       since <= DOUBLE_RESET_NSEC && resident_is_katapult(board);
}

void resident_boot_katapult(struct rp2040 *board)
{
	start_katapult(board);
}

/* --- what a program does with its chip --------------------------------------------------- */

static bool program_unit(void *context, uint32_t address, uint32_t *ret_start, uint32_t *ret_bytes)
{
	*ret_start = address / RP2040_SECTOR_BYTES * RP2040_SECTOR_BYTES;
	*ret_bytes = RP2040_SECTOR_BYTES;
	return is_inside(context, address - RP2040_FLASH_BASE, 1);
}

static uint64_t program_erase(void *context, uint32_t address)
{
	struct rp2040 *board = context;
	uint64_t ready = flash_erase(board, OPCODE_ERASE | (address - RP2040_FLASH_BASE));
	board_busy(board, &board->ledger.erase_nsec, board->now, ready - board->now);
	return ready;
}

static uint64_t program_program(
	void *context, uint32_t address, const uint8_t *bytes, size_t length)
{
	struct rp2040 *board = context;
	(void)length;
	uint64_t ready =
		flash_program(board, OPCODE_PROGRAM | (address - RP2040_FLASH_BASE), bytes);
	board_busy(board, &board->ledger.program_nsec, board->now, ready - board->now);
	return ready;
}

/* The processor's register for the vector table: Klipper has copied its own into RAM. */
#define VTOR 0xe000ed08u

/* Flash comes again and again in its window. */
static bool program_read(void *context, uint32_t address, uint8_t *ret, size_t length)
{
	struct rp2040 *board = context;
	for (size_t at = 0; at < length; at++, address++) {
		uint32_t flash = address - RP2040_FLASH_BASE, sram = address - RP2040_SRAM_BASE;
		if (flash < XIP_BYTES)
			ret[at] = board->flash.bytes[flash & (board->flash.size - 1)];
		else if (sram < board->chip->sram_bytes)
			ret[at] = board->sram[sram];
		else if (address - VTOR < 4)
			ret[at] = (uint8_t)(RP2040_SRAM_BASE >> 8 * (address - VTOR));
		else if (address < board->chip->rom_bytes)
			ret[at] = board->rom[address];
		else
			return false;
	}
	return true;
}

static void program_crash(void *context)
{
	struct rp2040 *board = context;
	board->hung = board->hung_control = true;
}

/* Without a look at what is there. */
static void program_start_application(void *context)
{
	start_application(context, 0);
}

/* Klipper looks for a Katapult when it was built to stand behind something. */
static void program_start_bootloader(void *context)
{
	struct rp2040 *board = context;
	if (board->options.touch == RP2040_TOUCH_NONE)
		return;
	if (board->behind_katapult && resident_is_katapult(board))
		return start_katapult(board);
	board_start_boot_mode(board, board->options.disable_mask);
}

static void program_note(void *context, uint8_t command, uint32_t address)
{
	struct rp2040 *board = context;
	(void)address;
	if (!board->requested)
		board_event(board, RP2040_EVENT_FIRST_REQUEST, 0);
	board->requested = true;
	board_event(board, RP2040_EVENT_COMMAND, command);
	fault_note(board, RP2040_AT_COMMAND, command);
}

static void program_busy(void *context, uint64_t start, uint64_t nsec)
{
	struct rp2040 *board = context;
	board_busy(board, &board->ledger.turn_nsec, start, nsec);
}

static const struct program_chip chip = {
	.unit = program_unit,
	.erase = program_erase,
	.program = program_program,
	.read = program_read,
	.crash = program_crash,
	.start_application = program_start_application,
	.start_bootloader = program_start_bootloader,
	.note_command = program_note,
	.busy = program_busy,
};

/* --- its life ---------------------------------------------------------------------------- */

int resident_set_up(struct rp2040 *board)
{
	bool rp2350 = board->options.chip == RP2040_CHIP_RP2350;
	const struct kata_kind kind = {
		.family = KATA_RP2040,
		.application = RP2040_FLASH_BASE + APPLICATION_OFFSET,
		.end = KATAPULT_END,
		.mcu = rp2350 ? "rp2350" : "rp2040",
		.chip_id = board->options.unique_id,
		.chip_id_bytes = sizeof(board->options.unique_id),
	};
	return resident_init(&board->resident, &board->options.resident, &kind, &chip, board);
}

void resident_enter(struct rp2040 *board)
{
	bool klipper = board->mode == RP2040_APPLICATION && board->options.klipper;
	enum resident_kind kind = board->mode == RP2040_KATAPULT ? RESIDENT_KATAPULT
				  : klipper                      ? RESIDENT_KLIPPER
								 : RESIDENT_NONE;
	resident_start(&board->resident, kind, &cdc_shape_stm32, board->now);
}

bool resident_runs(const struct rp2040 *board)
{
	return board->resident.kind != RESIDENT_NONE;
}

uint64_t resident_due(const struct rp2040 *board)
{
	return board->hung || board->dead ? NEVER : resident_next(&board->resident);
}

void resident_advance(struct rp2040 *board)
{
	while (resident_due(board) <= board->now) {
		flash_advance(&board->flash, board->now);
		resident_step(&board->resident, board->now);
	}
}

/* --- endpoint zero ----------------------------------------------------------------------- */

size_t resident_device(const struct rp2040 *board, uint8_t *bytes)
{
	const struct rp2040_options *options = &board->options;
	if (board->mode == RP2040_KATAPULT)
		return cdc_device(VENDOR, KATAPULT_PRODUCT, bytes);
	return cdc_device(options->application_vendor ? options->application_vendor : VENDOR,
		options->application_product ? options->application_product : KLIPPER_PRODUCT,
		bytes);
}

/* NULL: the chip's id. */
const char *resident_string(const struct rp2040 *board, unsigned index)
{
	const struct kata_options *options = &board->resident.options.katapult;
	bool katapult = board->mode == RP2040_KATAPULT;
	const char *const katapults[] = { options->manufacturer ? options->manufacturer
								: "katapult",
		options->mcu ? options->mcu : board->resident.katapult.kind.mcu, options->serial };
	const char *const klippers[] = { board->strings[0] ? board->strings[0] : "Klipper",
		board->strings[1] ? board->strings[1] : board->resident.katapult.kind.mcu,
		board->strings[2] };
	if (index < 1 || index > ELEMENTSOF(klippers))
		return "";
	return katapult ? katapults[index - 1] : klippers[index - 1];
}

enum packet resident_control(
	struct rp2040 *board, const uint8_t setup[8], uint8_t *data, size_t *length)
{
	*length = 0;
	if ((setup[0] & 0x60) != 0)
		return resident_request(&board->resident, setup, data, length);
	if ((setup[0] & 0x1f) == 2)
		return cdc_endpoint_request(&board->resident.cdc, setup, data, length);
	return standard_request(board, setup, data, length);
}
