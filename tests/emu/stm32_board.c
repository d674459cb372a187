/* SPDX-License-Identifier: MIT */
/* The STM32 and its kin on a bench in real time. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "emu/emulated_board.h"
#include "emu/resident_words.h"
#include "emu/stm32_bridge.h"
#include "emu/stm32_options.h"

struct stm32_board {
	struct emulated_board board; /* first */
	struct stm32 *stm32;
	struct stm32_bridge *bridge; /* or NULL */
};

enum {
	DFU_DNLOAD = 1,
	DFU_UPLOAD = 2,
	DFU_GETSTATUS = 3,
};

static struct stm32 *stm32_of(const struct emulated_board *board)
{
	return ((const struct stm32_board *)board)->stm32;
}

static void on_event(void *context, const struct stm32_event *event)
{
	static const char *const modes[] = {
		[STM32_OFF] = "left the bus: off",
		[STM32_AWAY] = "left the bus: away",
		[STM32_DFU] = "rebooted to boot mode",
		[STM32_KATAPULT] = "rebooted to katapult",
		[STM32_APPLICATION] = "rebooted to application",
		[STM32_SILENT] = "left the bus: silent",
		[STM32_LOST] = "left the bus: lost",
	};
	char text[64] = "first-usb-request";
	if (event->kind == STM32_EVENT_MODE)
		snprintf(text, sizeof(text), "%s", modes[event->value]);
	else if (event->kind == STM32_EVENT_ERASE)
		snprintf(text, sizeof(text), "erase 0x%x", event->value);
	else if (event->kind == STM32_EVENT_PROGRAM)
		snprintf(text, sizeof(text), "program 0x%x", event->value);
	else if (event->kind == STM32_EVENT_COMMAND)
		snprintf(text, sizeof(text), "command 0x%02x", event->value);
	else if (event->kind == STM32_EVENT_FAULT)
		snprintf(text, sizeof(text), "fault %s",
			stm32_options_fault_name((enum stm32_fault_kind)event->value));
	bool is_detail = event->kind == STM32_EVENT_PROGRAM || event->kind == STM32_EVENT_COMMAND;
	emulated_board_tell(context, event->at_nsec, text, is_detail);
}

static void board_free(struct emulated_board *board)
{
	stm32_bridge_free(((struct stm32_board *)board)->bridge);
	stm32_free(stm32_of(board));
	free(board);
}

static struct device_core *core(struct emulated_board *board)
{
	struct stm32_bridge *bridge = ((struct stm32_board *)board)->bridge;
	return bridge ? stm32_bridge_core(bridge) : stm32_core(stm32_of(board));
}

static struct resident *resident(struct emulated_board *board)
{
	return stm32_resident(stm32_of(board));
}

static void power_on(struct emulated_board *board, uint64_t now, bool button)
{
	stm32_power_on(stm32_of(board), now, button);
}

static void reset(struct emulated_board *board, uint64_t now)
{
	stm32_reset(stm32_of(board), now, false);
}

static void power_off(struct emulated_board *board, uint64_t now)
{
	stm32_power_off(stm32_of(board), now);
}

static bool is_off(const struct emulated_board *board)
{
	return stm32_mode(stm32_of(board)) == STM32_OFF;
}

static const char *mode(const struct emulated_board *board)
{
	return stm32_mode_name(stm32_mode(stm32_of(board)));
}

static const char *flash_state(const struct emulated_board *board)
{
	return stm32_start_name(stm32_flash_state(stm32_of(board)));
}

static uint8_t *flash(struct emulated_board *board, size_t *ret_bytes)
{
	return stm32_flash(stm32_of(board), ret_bytes);
}

static void write_numbers(const struct stm32_counters *counters, FILE *json)
{
	const struct {
		const char *name;
		uint64_t value;
	} numbers[] = {
		{ "control_requests", counters->control_requests },
		{ "dnloads", counters->requests[DFU_DNLOAD] },
		{ "uploads", counters->requests[DFU_UPLOAD] },
		{ "getstatuses", counters->requests[DFU_GETSTATUS] },
		{ "stalls", counters->stalls },
		{ "set_interfaces", counters->set_interfaces },
		{ "bus_resets", counters->bus_resets },
		{ "set_addresses", counters->set_addresses },
		{ "sectors_erased", counters->erases },
		{ "blocks_programmed", counters->programs },
		{ "bytes_programmed", counters->bytes_programmed },
		{ "bytes_read", counters->bytes_uploaded },
		{ "ep0_bytes", counters->ep0_bytes },
		{ "overprograms", counters->overprograms },
		{ "protected_operations", counters->protected_operations },
		{ "early_polls", counters->early_polls },
		{ "leaves", counters->leaves },
		{ "mass_erases", counters->mass_erases },
		{ "read_unprotects", counters->read_unprotects },
		{ "option_writes", counters->option_writes },
	};
	for (size_t index = 0; index < ELEMENTSOF(numbers); index++)
		fprintf(json, ",\"%s\":%llu", numbers[index].name,
			(unsigned long long)numbers[index].value);
}

static void write_counters(const struct emulated_board *board, FILE *json)
{
	const struct stm32 *stm32 = stm32_of(board);
	const struct stm32_ledger *ledger = stm32_ledger(stm32);
	write_numbers(stm32_counters(stm32), json);
	fprintf(json, ",\"busy_nsec\":%llu,\"flash_nsec\":%llu,\"wire_nsec\":%llu",
		(unsigned long long)ledger->union_nsec,
		(unsigned long long)(ledger->erase_nsec + ledger->program_nsec),
		(unsigned long long)ledger->wire_nsec);
	fprintf(json, ",\"dfu_state\":%u,\"dfu_status\":%u,\"pointer\":%u", stm32_dfu_state(stm32),
		stm32_dfu_status(stm32), stm32_pointer(stm32));
	resident_words_count(stm32_resident(stm32_of(board)), json);
}

static void reset_counters(struct emulated_board *board)
{
	stm32_reset_counters(stm32_of(board));
}

/* "requested", or "sectors=N", "blocks=N", "bytes=N", "uploads=N", "leaves=N": that many at
 * least; "bytes" of DNLOAD and UPLOAD. */
static bool condition_holds(const struct emulated_board *board, const char *condition)
{
	const struct stm32_counters *counters = stm32_counters(stm32_of(board));
	const char *value = strchr(condition, '=');
	uint64_t wanted = value ? strtoull(value + 1, NULL, 0) : 0;
	if (!strcmp(condition, "requested")) {
		uint64_t requests = 0;
		for (size_t index = 0; index < STM32_REQUESTS; index++)
			requests += counters->requests[index];
		return requests > 0;
	}
	if (!strncmp(condition, "sectors=", 8))
		return counters->erases >= wanted;
	if (!strncmp(condition, "blocks=", 7))
		return counters->programs >= wanted;
	if (!strncmp(condition, "bytes=", 6))
		return counters->ep0_bytes >= wanted;
	if (!strncmp(condition, "uploads=", 8))
		return counters->requests[DFU_UPLOAD] >= wanted;
	if (!strncmp(condition, "leaves=", 7))
		return counters->leaves >= wanted;
	return resident_words_hold(stm32_resident(stm32_of(board)), condition);
}

static int arm(struct emulated_board *board, uint64_t now, const struct words *words, size_t first,
	const char **ret_wrong)
{
	struct stm32_fault fault = { 0 };
	int error = resident_words_arm(stm32_resident(stm32_of(board)), words, first, ret_wrong);
	if (error != -ENOENT)
		return error;
	error = stm32_options_parse_fault(words, first, &fault, ret_wrong);
	if (error < 0)
		return error;
	*ret_wrong = NULL;
	return stm32_arm(stm32_of(board), now, &fault);
}

static bool fault_exists(const struct emulated_board *board, int fault)
{
	return stm32_fault_exists(stm32_of(board), fault);
}

static bool fault_fired(const struct emulated_board *board, int fault)
{
	return stm32_fault_fired(stm32_of(board), fault) ||
	       resident_words_fired(stm32_resident(stm32_of(board)), fault);
}

static void disarm_all(struct emulated_board *board)
{
	stm32_disarm_all(stm32_of(board));
}

static const struct emulated_board_operations operations = {
	.free = board_free,
	.core = core,
	.resident = resident,
	.power_on = power_on,
	.power_off = power_off,
	.reset = reset,
	.is_off = is_off,
	.mode = mode,
	.flash_state = flash_state,
	.flash = flash,
	.write_counters = write_counters,
	.reset_counters = reset_counters,
	.condition_holds = condition_holds,
	.arm = arm,
	.fault_exists = fault_exists,
	.fault_fired = fault_fired,
	.disarm_all = disarm_all,
};

int stm32_board_new(const struct words *words, size_t first, struct emulated_board **ret,
	const char **ret_wrong)
{
	struct stm32_options options = { 0 };
	_cleanup_(freep) uint8_t *image = NULL;
	_cleanup_(stm32_freep) struct stm32 *stm32 = NULL;
	int error = stm32_options_parse(words, first, &options, &image, ret_wrong);
	if (error < 0)
		return error;
	*ret_wrong = NULL;
	error = stm32_new(&options, &stm32);
	if (error < 0)
		return error;
	struct stm32_board *board = calloc(1, sizeof(*board));
	if (!board)
		return -ENOMEM;
	board->board.operations = &operations;
	board->board.button_held = !options.boot0_released;
	board->stm32 = TAKE_PTR(stm32);
	stm32_listen(board->stm32, on_event, board);
	error = options.resident.is_bridge ? stm32_bridge_new(board->stm32, &board->bridge) : 0;
	if (error < 0) {
		board_free(&board->board);
		return error;
	}
	*ret = &board->board;
	return 0;
}
