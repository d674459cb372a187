/* SPDX-License-Identifier: MIT */
/*
 * What runs: after power-on, after a reset, after the boot loader has jumped. Vectors are judged as
 * the processor would find them.
 */
#include <string.h>

#include "emu/stm32_parts.h"

#define DOUBLE_RESET_LEAST_NSEC (10 * NSEC_PER_MSEC)
#define DOUBLE_RESET_NSEC       (500 * NSEC_PER_MSEC)

#define KATAPULT_SIGNATURE_LOW  0x426e6143u
#define KATAPULT_SIGNATURE_HIGH 0x21746f6fu

void stm32_boot_enter(struct stm32 *board, enum stm32_mode mode, uint64_t nsec)
{
	if (mode == STM32_LOST || mode == STM32_SILENT)
		return stm32_set_mode(board, mode);
	stm32_set_mode(board, STM32_AWAY);
	board->mode_after = mode;
	board->mode_due = board->now + nsec;
}

static uint32_t word_at(const struct stm32 *board, uint32_t address)
{
	return stm32_flash_holds(board, address, 4) ? get_le32(stm32_flash_at(board, address)) : 0;
}

/* A stack in RAM, which may begin right behind its end. */
static bool is_stack(const struct stm32 *board, uint32_t pointer)
{
	bool found = false;
	for (size_t index = 0; index < STM32_AREAS; index++)
		found = found || range_holds(&board->kind->ram[index], pointer - 4);
	return found && !(pointer & 3);
}

static bool is_code(const struct stm32 *board, uint32_t vector)
{
	uint32_t address = vector - 1;
	if (!(vector & 1) || !stm32_flash_holds(board, address, 2))
		return false;
	const uint8_t *code = stm32_flash_at(board, address);
	return code[0] != 0xff || code[1] != 0xff;
}

static bool leads_somewhere(const struct stm32 *board, uint32_t table)
{
	return stm32_flash_holds(board, table, 8) && is_stack(board, word_at(board, table)) &&
	       is_code(board, word_at(board, table + 4));
}

static bool is_katapult(const struct stm32 *board)
{
	uint32_t base = board->kind->flash_base;
	uint32_t at = word_at(board, base + 4) - 9;
	if (board->kind->loader->protocol != PROTOCOL_DFUSE || at & 7 ||
		!stm32_flash_holds(board, at, 8))
		return false;
	return word_at(board, at) == KATAPULT_SIGNATURE_LOW &&
	       word_at(board, at + 4) == KATAPULT_SIGNATURE_HIGH && leads_somewhere(board, base);
}

uint32_t stm32_boot_behind_katapult(const struct stm32 *board)
{
	uint32_t offset = board->options.katapult_offset ? board->options.katapult_offset
							 : board->kind->katapult_offset;
	return board->kind->flash_base + offset;
}

static bool is_absent(uint32_t word)
{
	return word == 0 || word == UINT32_MAX;
}

/* What a jump through `table` would end in; also which table the application has, if that is it. */
static enum stm32_start judge(const struct stm32 *board, uint32_t table, uint32_t *ret_running)
{
	if (table == board->kind->flash_base && is_katapult(board)) {
		table = stm32_boot_behind_katapult(board);
		if (is_absent(word_at(board, table)))
			return STM32_STARTS_KATAPULT;
	}
	*ret_running = table;
	return leads_somewhere(board, table) ? STM32_STARTS_APPLICATION : STM32_STARTS_NOTHING;
}

static uint64_t start_nsec(const struct stm32 *board)
{
	unsigned msec = board->options.application_msec;
	return (msec ? msec : STM32_APPLICATION_MSEC) * NSEC_PER_MSEC;
}

static void start_application(struct stm32 *board, enum stm32_start start, uint64_t nsec)
{
	if (start == STM32_STARTS_NOTHING || board->options.application_crashes)
		return stm32_boot_enter(board, STM32_LOST, 0);
	if (board->options.application_is_silent)
		return stm32_boot_enter(board, STM32_SILENT, 0);
	stm32_boot_enter(board, STM32_APPLICATION, nsec + start_nsec(board));
}

/* A Katapult that finds something behind it waits for another reset before it starts that. */
void stm32_boot_jump(struct stm32 *board, uint32_t address)
{
	enum stm32_start start = judge(board, address, &board->running);
	bool waits =
		board->running != address && !board->options.resident.katapult.without_double_reset;
	if (start == STM32_STARTS_KATAPULT)
		return stm32_boot_katapult(board);
	start_application(board, start, waits ? DOUBLE_RESET_NSEC : 0);
	if (waits)
		board->double_reset = board->now;
}

void stm32_boot_katapult(struct stm32 *board)
{
	stm32_boot_enter(board, STM32_KATAPULT, start_nsec(board));
}

/* Without a look at what is there. */
void stm32_boot_application(struct stm32 *board)
{
	uint32_t table = stm32_boot_behind_katapult(board);
	stm32_flash_advance(board, NEVER);
	start_application(board, judge(board, table, &board->running), 0);
}

bool stm32_boot_is_second(const struct stm32 *board)
{
	uint64_t since = board->now - board->double_reset;
	bool held = board->boot0 && !board->options.boot0_ignored;
	return board->double_reset != NEVER && !held && since >= DOUBLE_RESET_LEAST_NSEC &&
	       since <= DOUBLE_RESET_NSEC && is_katapult(board);
}

/* Where the processor finds its vectors, or those of a loader in flash that is not emulated. */
static uint32_t first_table(const struct stm32 *board)
{
	return board->kind->application ? board->kind->application : board->kind->flash_base;
}

/* Maple looks at the stack alone. */
bool stm32_boot_has_application(const struct stm32 *board)
{
	uint32_t table = first_table(board), running;
	if (board->kind->loader->protocol == PROTOCOL_SEQUENCE)
		return (word_at(board, table) & 0x2ffe0000) == 0x20000000;
	return judge(board, table, &running) != STM32_STARTS_NOTHING;
}

void stm32_boot_start(struct stm32 *board)
{
	bool loader = (board->boot0 && !board->options.boot0_ignored) || board->found_empty;
	if (board->kind->loader->protocol != PROTOCOL_DFUSE)
		loader = loader || !stm32_boot_has_application(board);
	if (loader && board->kind->without_dfu)
		return stm32_boot_enter(board, STM32_SILENT, 0);
	if (loader)
		return stm32_boot_enter(board, STM32_DFU, STM32_ROM_START_NSEC);
	stm32_boot_jump(board, first_table(board));
}

/* Klipper looks for a Katapult when it was built to stand behind something. */
void stm32_boot_bootloader(struct stm32 *board)
{
	bool behind = board->running != board->kind->flash_base;
	bool katapult = board->mode == STM32_APPLICATION && behind && is_katapult(board);
	if (katapult)
		return stm32_boot_katapult(board);
	/* An application without USB does not know where its ROM is. */
	if (!board->kind->without_dfu && resident_is_on_usb(&board->resident))
		stm32_boot_enter(board, STM32_DFU, STM32_ROM_START_NSEC);
}

enum stm32_start stm32_flash_state(const struct stm32 *board)
{
	uint32_t running;
	return judge(board, first_table(board), &running);
}

const char *stm32_mode_name(enum stm32_mode mode)
{
	static const char *const names[] = { "off", "away", "dfu", "katapult", "application",
		"silent", "lost" };
	return names[mode];
}

const char *stm32_start_name(enum stm32_start start)
{
	static const char *const names[] = { "nothing", "katapult", "application" };
	return names[start];
}

const char *stm32_chip_name(enum stm32_chip chip)
{
	return stm32_personalities[chip].name;
}

const char *stm32_mcu_name(enum stm32_chip chip)
{
	return stm32_personalities[chip].mcu;
}
