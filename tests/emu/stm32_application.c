/* SPDX-License-Identifier: MIT */
/*
 * What is in flash, as far as anybody can talk to it: Klipper or a Katapult, each a serial port,
 * and what they do with the chip.
 */
#include <stdio.h>
#include <string.h>

#include "emu/stm32_parts.h"

#define KLIPPER_VENDOR   0x1d50
#define KLIPPER_PRODUCT  0x614e
#define KATAPULT_PRODUCT 0x6177

static const struct cdc_shape shape_usbfs = {
	.in = 1, .out = 2, .notify = 3, .withholds_first = true
};

/* --- descriptors ------------------------------------------------------------------------- */

size_t stm32_application_device(const struct stm32 *board, uint8_t *bytes)
{
	const struct stm32_options *options = &board->options;
	if (board->mode == STM32_KATAPULT)
		return cdc_device(KLIPPER_VENDOR, KATAPULT_PRODUCT, bytes);
	return cdc_device(
		options->application_vendor ? options->application_vendor : KLIPPER_VENDOR,
		options->application_product ? options->application_product : KLIPPER_PRODUCT,
		bytes);
}

size_t stm32_application_configuration(const struct stm32 *board, uint8_t *bytes)
{
	return cdc_configuration(&board->resident.cdc, bytes);
}

static const char *katapult_string(const struct stm32 *board, unsigned index)
{
	const struct kata_options *options = &board->resident.options.katapult;
	if (index == 1)
		return options->manufacturer ? options->manufacturer : "katapult";
	if (index == 2)
		return options->mcu;
	return index == 3 ? options->serial : NULL;
}

const char *stm32_application_string(const struct stm32 *board, unsigned index, char *hex)
{
	const struct kata_kind *kind = &board->resident.katapult.kind;
	bool katapult = board->mode == STM32_KATAPULT;
	const char *other = katapult                   ? katapult_string(board, index)
			    : index >= 1 && index <= 3 ? board->strings[index - 1]
						       : NULL;
	if (other)
		return other;
	switch (index) {
	case 1:
		return "Klipper";
	case 2:
		return board->kind->mcu;
	case 3:
		for (size_t byte = 0; byte < kind->chip_id_bytes; byte++)
			snprintf(hex + 2 * byte, 3, "%02X", kind->chip_id[byte]);
		return hex;
	}
	return NULL;
}

/* --- what a program does with its chip --------------------------------------------------- */

static bool program_unit(void *context, uint32_t address, uint32_t *ret_start, uint32_t *ret_bytes)
{
	struct stm32_range unit;
	if (!stm32_sector(context, address, &unit))
		return false;
	*ret_start = unit.address;
	*ret_bytes = unit.bytes;
	return true;
}

static uint64_t begun(struct stm32 *board)
{
	board->flash.by_words = false;
	return board->flash.job == FLASH_REST ? board->now : board->flash.end;
}

/* The ROM supposes the lowest voltage, a program knows better. */
static bool writes_words(const struct stm32 *board)
{
	return board->kind->cells->rule == PROGRAM_ANDS && !board->kind->is_lpc;
}

static uint64_t program_erase(void *context, uint32_t address)
{
	struct stm32 *board = context;
	if (!stm32_flash_holds(board, address, 1))
		return 0;
	board->error_next = 0;
	board->counters.erases++;
	board->flash.by_words = writes_words(board);
	stm32_flash_erase(board, address);
	return begun(board);
}

static uint64_t program_program(
	void *context, uint32_t address, const uint8_t *bytes, size_t length)
{
	struct stm32 *board = context;
	if (!stm32_flash_holds(board, address, length))
		return 0;
	board->error_next = 0;
	board->counters.programs++;
	board->flash.by_words = writes_words(board);
	stm32_flash_program(board, address, bytes, length);
	return begun(board);
}

static bool is_memory(const struct stm32 *board, uint32_t address)
{
	const struct personality *kind = board->kind;
	for (size_t index = 0; index < STM32_AREAS; index++)
		if (range_holds(&kind->ram[index], address) ||
			range_holds(&kind->areas[index], address))
			return true;
	return false;
}

/* The processor's register for the vector table; a Cortex-M0 has none there. */
#define VTOR 0xe000ed08u

static uint32_t vtor_of(const struct stm32 *board)
{
	return strncmp(board->kind->mcu, "stm32f0", 7) == 0 ? 0 : board->running;
}

/* Flash is at 0, too. Of other memory only the unique id is known here. */
static bool program_read(void *context, uint32_t address, uint8_t *ret, size_t length)
{
	struct stm32 *board = context;
	for (size_t at = 0; at < length; at++, address++) {
		uint32_t id = address - board->kind->unique_id;
		uint32_t alias = address + board->kind->flash_base;
		if (stm32_flash_holds(board, address, 1))
			ret[at] = *stm32_flash_at(board, address);
		else if (stm32_flash_holds(board, alias, 1))
			ret[at] = *stm32_flash_at(board, alias);
		else if (board->kind->unique_id && id < STM32_UNIQUE_ID_BYTES)
			ret[at] = board->options.unique_id[id];
		else if (address - VTOR < 4)
			ret[at] = (uint8_t)(vtor_of(board) >> 8 * (address - VTOR));
		else if (is_memory(board, address) || (board->kind->unique_id && id < 0x100))
			ret[at] = 0;
		else
			return false;
	}
	return true;
}

static void program_crash(void *context)
{
	struct stm32 *board = context;
	board->hung = true;
}

static void program_start_application(void *context)
{
	stm32_boot_application(context);
}

static void program_start_bootloader(void *context)
{
	struct stm32 *board = context;
	if (board->mode == STM32_APPLICATION && board->options.touch == STM32_TOUCH_KLIPPER)
		stm32_boot_bootloader(board);
}

static void program_note(void *context, uint8_t command, uint32_t address)
{
	struct stm32 *board = context;
	if (!board->requested)
		stm32_event(board, STM32_EVENT_FIRST_REQUEST, 0);
	board->requested = true;
	stm32_event(board, STM32_EVENT_COMMAND, command);
	stm32_fault_note(board, STM32_AT_COMMAND, command, 1);
	if (command == KATA_SEND_BLOCK)
		stm32_fault_note(board, STM32_AT_BLOCK, address, KATA_BLOCK_BYTES);
}

static void program_busy(void *context, uint64_t start, uint64_t nsec)
{
	struct stm32 *board = context;
	stm32_busy(board, &board->ledger.turn_nsec, start, nsec);
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

int stm32_application_init(struct stm32 *board)
{
	const struct personality *its = board->kind;
	const struct kata_kind kind = {
		.family = its->is_lpc ? KATA_LPC176X : KATA_STM32,
		.application = stm32_boot_behind_katapult(board),
		.mcu = its->mcu,
		.chip_id = board->chip_id,
		.chip_id_bytes = its->id_bytes ? its->id_bytes : STM32_UNIQUE_ID_BYTES,
	};
	memcpy(board->chip_id, board->options.unique_id, STM32_UNIQUE_ID_BYTES);
	return resident_init(&board->resident, &board->options.resident, &kind, &chip, board);
}

void stm32_application_start(struct stm32 *board)
{
	enum resident_kind kind = board->mode == STM32_KATAPULT      ? RESIDENT_KATAPULT
				  : board->mode == STM32_APPLICATION ? RESIDENT_KLIPPER
								     : RESIDENT_NONE;
	const struct cdc_shape *shape = board->kind->is_lpc            ? &cdc_shape_lpc176x
					: board->kind->withholds_first ? &shape_usbfs
								       : &cdc_shape_stm32;
	resident_start(&board->resident, kind, shape, board->now);
}

bool stm32_application_runs(const struct stm32 *board)
{
	return !board->hung && !board->dead;
}

uint64_t stm32_application_next(const struct stm32 *board)
{
	return stm32_application_runs(board) ? resident_next(&board->resident) : NEVER;
}

void stm32_application_advance(struct stm32 *board)
{
	while (stm32_application_next(board) <= board->now) {
		stm32_flash_advance(board, board->now);
		resident_step(&board->resident, board->now);
	}
}

/* --- requests ---------------------------------------------------------------------------- */

enum packet stm32_application_request(
	struct stm32 *board, const uint8_t setup[8], uint8_t *data, size_t *length)
{
	return resident_request(&board->resident, setup, data, length);
}
