/* SPDX-License-Identifier: MIT */
/* The RP2040 and the RP2350 on a bench in real time. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "emu/emulated_board.h"
#include "emu/picoboot_words.h"
#include "emu/resident_words.h"
#include "emu/rp2040_options.h"

struct rp2040_board {
	struct emulated_board board; /* first */
	struct rp2040 *rp2040;
};

static struct rp2040 *rp2040_of(const struct emulated_board *board)
{
	return ((const struct rp2040_board *)board)->rp2040;
}

static void on_event(void *context, const struct rp2040_event *event)
{
	static const char *const modes[] = { "left the bus: off", "left the bus: away",
		"rebooted to boot mode", "rebooted to application", "left the bus: lost",
		"rebooted to katapult" };
	char text[64] = "first-usb-request";
	if (event->kind == RP2040_EVENT_MODE)
		snprintf(text, sizeof(text), "%s", modes[event->value]);
	else if (event->kind == RP2040_EVENT_ERASE)
		snprintf(text, sizeof(text), "erase 0x%x", event->value);
	else if (event->kind == RP2040_EVENT_PROGRAM)
		snprintf(text, sizeof(text), "program 0x%x", event->value);
	else if (event->kind == RP2040_EVENT_COMMAND)
		snprintf(text, sizeof(text), "command 0x%02x", event->value);
	else if (event->kind == RP2040_EVENT_FAULT)
		snprintf(text, sizeof(text), "fault %s",
			rp2040_options_fault_name((enum rp2040_fault_kind)event->value));
	bool is_detail = event->kind == RP2040_EVENT_PROGRAM || event->kind == RP2040_EVENT_COMMAND;
	emulated_board_tell(context, event->at_nsec, text, is_detail);
}

static void board_free(struct emulated_board *board)
{
	rp2040_free(rp2040_of(board));
	free(board);
}

static struct device_core *board_core(struct emulated_board *board)
{
	return rp2040_core(rp2040_of(board));
}

static struct resident *resident(struct emulated_board *board)
{
	return rp2040_resident(rp2040_of(board));
}

static void power_on(struct emulated_board *board, uint64_t now, bool button)
{
	rp2040_power_on(rp2040_of(board), now, button);
}

static void reset(struct emulated_board *board, uint64_t now)
{
	rp2040_reset(rp2040_of(board), now, false);
}

static void power_off(struct emulated_board *board, uint64_t now)
{
	rp2040_power_off(rp2040_of(board), now);
}

static bool is_off(const struct emulated_board *board)
{
	return rp2040_mode(rp2040_of(board)) == RP2040_OFF;
}

static const char *mode(const struct emulated_board *board)
{
	return rp2040_mode_name(rp2040_mode(rp2040_of(board)));
}

static const char *flash_state(const struct emulated_board *board)
{
	return rp2040_boot_name(rp2040_flash_state(rp2040_of(board)));
}

static uint8_t *flash(struct emulated_board *board, size_t *ret_bytes)
{
	return rp2040_flash(rp2040_of(board), ret_bytes);
}

static void write_counters(const struct emulated_board *board, FILE *json)
{
	const struct rp2040_counters *counters = rp2040_counters(rp2040_of(board));
	const struct rp2040_ledger *ledger = rp2040_ledger(rp2040_of(board));
	fprintf(json,
		",\"commands\":%llu,\"sectors_erased\":%llu,\"pages_programmed\":%llu,"
		"\"pages_overprogrammed\":%llu,\"bytes_read\":%llu,\"bulk_bytes\":%llu,"
		"\"control_requests\":%llu,\"interface_resets\":%llu,\"bus_resets\":%llu,"
		"\"executions\":%llu,\"otp_writes\":%llu",
		(unsigned long long)counters->commands,
		(unsigned long long)counters->sectors_erased,
		(unsigned long long)counters->pages_programmed,
		(unsigned long long)counters->pages_overprogrammed,
		(unsigned long long)counters->bytes_read, (unsigned long long)counters->bulk_bytes,
		(unsigned long long)counters->control_requests,
		(unsigned long long)counters->interface_resets,
		(unsigned long long)counters->bus_resets, (unsigned long long)counters->executions,
		(unsigned long long)counters->commands_by_id[PICOBOOT_OTP_WRITE]);
	fprintf(json, ",\"busy_nsec\":%llu,\"flash_nsec\":%llu,\"wire_nsec\":%llu",
		(unsigned long long)ledger->union_nsec,
		(unsigned long long)(ledger->erase_nsec + ledger->program_nsec + ledger->read_nsec),
		(unsigned long long)ledger->wire_nsec);
	resident_words_count(rp2040_resident(rp2040_of(board)), json);
}

static void reset_counters(struct emulated_board *board)
{
	rp2040_reset_counters(rp2040_of(board));
}

/* "requested", or "pages=N", "sectors=N", "commands=N": that many at least. */
static bool condition_holds(const struct emulated_board *board, const char *condition)
{
	const struct rp2040_counters *counters = rp2040_counters(rp2040_of(board));
	const char *value = strchr(condition, '=');
	uint64_t wanted = value ? strtoull(value + 1, NULL, 0) : 0;
	if (!strcmp(condition, "requested"))
		return counters->commands > 0;
	if (!strncmp(condition, "pages=", 6))
		return counters->pages_programmed >= wanted;
	if (!strncmp(condition, "sectors=", 8))
		return counters->sectors_erased >= wanted;
	if (!strncmp(condition, "commands=", 9))
		return counters->commands >= wanted;
	return resident_words_hold(rp2040_resident(rp2040_of(board)), condition);
}

static int arm(struct emulated_board *board, uint64_t now, const struct words *words, size_t first,
	const char **ret_wrong)
{
	struct rp2040_fault fault = { 0 };
	int error = resident_words_arm(rp2040_resident(rp2040_of(board)), words, first, ret_wrong);
	if (error != -ENOENT)
		return error;
	error = rp2040_options_parse_fault(words, first, &fault, ret_wrong);
	if (error < 0)
		return error;
	*ret_wrong = NULL;
	return rp2040_arm(rp2040_of(board), now, &fault);
}

static bool fault_exists(const struct emulated_board *board, int fault)
{
	return rp2040_fault_exists(rp2040_of(board), fault);
}

static bool fault_fired(const struct emulated_board *board, int fault)
{
	return rp2040_fault_fired(rp2040_of(board), fault) ||
	       resident_words_fired(rp2040_resident(rp2040_of(board)), fault);
}

static void disarm_all(struct emulated_board *board)
{
	rp2040_disarm_all(rp2040_of(board));
}

static const struct emulated_board_operations operations = {
	.free = board_free,
	.core = board_core,
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

int rp2040_board_new(const struct words *words, size_t first, struct emulated_board **ret,
	const char **ret_wrong)
{
	struct rp2040_options options = { 0 };
	_cleanup_(freep) uint8_t *image = NULL;
	_cleanup_(rp2040_freep) struct rp2040 *rp2040 = NULL;
	int error = rp2040_options_parse(words, first, &options, &image, ret_wrong);
	if (error < 0)
		return error;
	*ret_wrong = NULL;
	error = rp2040_new(&options, &rp2040);
	if (error < 0)
		return error;
	struct rp2040_board *board = calloc(1, sizeof(*board));
	if (!board)
		return -ENOMEM;
	board->board.operations = &operations;
	board->board.button_held = !options.button_released;
	board->rp2040 = TAKE_PTR(rp2040);
	rp2040_listen(board->rp2040, on_event, board);
	*ret = &board->board;
	return 0;
}
