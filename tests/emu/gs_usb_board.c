/* SPDX-License-Identifier: MIT */
/*
 * A candleLight on a bench in real time (kind=candlelight): a plug, and a wire on which others may
 * hang.
 *
 *	manufacturer=TEXT product=TEXT serial=TEXT has_switch=1 stays_off=1 others=BITRATE
 *
 * "others" are some who acknowledge and say nothing; boards with can=1 are plugged in behind it.
 *The one fault, "others bitrate=N", is what happens to the cable: all who are there speak at
 *another rate, or (0) it is open.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "emu/emulated_board.h"
#include "emu/gs_usb_chip.h"

#define BITRATE 1000000u

struct adapter_board {
	struct emulated_board board; /* first */
	struct gs_usb *adapter;
	struct gs_usb_chip chip;
};

static struct adapter_board *board_of(const struct emulated_board *board)
{
	return (struct adapter_board *)board;
}

/* --- the board --------------------------------------------------------------------------- */

static void board_free(struct emulated_board *board)
{
	gs_usb_free(board_of(board)->adapter);
	free(board);
}

static struct device_core *core(struct emulated_board *board)
{
	return gs_usb_core(board_of(board)->adapter);
}

static struct resident *resident(struct emulated_board *board)
{
	(void)board;
	return NULL;
}

static void power_on(struct emulated_board *board, uint64_t now, bool button)
{
	(void)button;
	gs_usb_attach(board_of(board)->adapter, now);
}

static void power_off(struct emulated_board *board, uint64_t now)
{
	gs_usb_detach(board_of(board)->adapter, now);
}

static bool is_off(const struct emulated_board *board)
{
	return !gs_usb_is_attached(board_of(board)->adapter);
}

static void reset(struct emulated_board *board, uint64_t now)
{
	power_off(board, now);
	power_on(board, now, false);
}

static const char *mode(const struct emulated_board *board)
{
	const struct gs_usb *adapter = board_of(board)->adapter;
	if (!gs_usb_is_attached(adapter))
		return "off";
	return gs_usb_is_up(adapter) ? "up" : "down";
}

static const char *flash_state(const struct emulated_board *board)
{
	(void)board;
	return "none";
}

static uint8_t *flash(struct emulated_board *board, size_t *ret_bytes)
{
	(void)board;
	*ret_bytes = 0;
	return NULL;
}

static void write_counters(const struct emulated_board *board, FILE *json)
{
	const struct gs_usb *adapter = board_of(board)->adapter;
	const struct gs_usb_counters *counters = gs_usb_counters(adapter);
	const struct {
		const char *name;
		uint64_t value;
	} numbers[] = {
		{ "bitrate", gs_usb_bitrate(adapter) },
		{ "send_errors", board_of(board)->chip.send_errors },
		{ "receive_errors", board_of(board)->chip.receive_errors },
		{ "frames_sent", counters->frames_sent },
		{ "frames_heard", counters->frames_heard },
		{ "errors_told", counters->errors_told },
		{ "errors_kept", counters->errors_kept },
		{ "frames_lost", counters->frames_lost },
		{ "bit_timings", counters->bit_timings },
		{ "modes", counters->modes },
	};
	for (size_t index = 0; index < ELEMENTSOF(numbers); index++)
		fprintf(json, ",\"%s\":%llu", numbers[index].name,
			(unsigned long long)numbers[index].value);
}

static void reset_counters(struct emulated_board *board)
{
	gs_usb_reset_counters(board_of(board)->adapter);
}

/* "sent=N": that many at least. */
static bool condition_holds(const struct emulated_board *board, const char *condition)
{
	const struct gs_usb_counters *counters = gs_usb_counters(board_of(board)->adapter);
	if (strncmp(condition, "sent=", 5) != 0)
		return false;
	return counters->frames_sent >= strtoull(condition + 5, NULL, 0);
}

static int arm(struct emulated_board *board, uint64_t now, const struct words *words, size_t first,
	const char **ret_wrong)
{
	uint64_t bitrate;
	(void)now;
	for (size_t index = first; index < words->count; index++) {
		*ret_wrong = words->words[index];
		if (index == first && !strcmp(words->words[index], "others"))
			continue;
		char *value = word_split(words->words[index]);
		if (!value || strcmp(words->words[index], "bitrate") != 0 ||
			!word_number(value, &bitrate))
			return -EINVAL;
		board_of(board)->chip.others_bitrate = (uint32_t)bitrate;
		board_of(board)->chip.nodes_bitrate = (uint32_t)bitrate;
	}
	*ret_wrong = NULL;
	return 0;
}

static bool has_fault(const struct emulated_board *board, int fault)
{
	(void)board;
	(void)fault;
	return false;
}

static void disarm_all(struct emulated_board *board)
{
	(void)board;
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
	.fault_exists = has_fault,
	.fault_fired = has_fault,
	.disarm_all = disarm_all,
};

/* --- from words -------------------------------------------------------------------------- */

static bool set_number(struct adapter_board *board, struct gs_usb_options *options, const char *key,
	uint64_t value)
{
	if (!strcmp(key, "has_switch"))
		options->has_switch = value;
	else if (!strcmp(key, "stays_off"))
		board->chip.stays_off = value;
	else if (!strcmp(key, "others"))
		board->chip.others_bitrate = (uint32_t)value;
	else
		return false;
	return true;
}

static bool set_option(
	struct adapter_board *board, struct gs_usb_options *options, const char *key, char *value)
{
	uint64_t number;
	if (!strcmp(key, "manufacturer"))
		options->manufacturer = word_unescape(value);
	else if (!strcmp(key, "product"))
		options->product = word_unescape(value);
	else if (!strcmp(key, "serial"))
		options->serial = word_unescape(value);
	else
		return word_number(value, &number) && set_number(board, options, key, number);
	return true;
}

static int configure(struct adapter_board *board, const struct words *words, size_t first,
	const char **ret_wrong)
{
	struct gs_usb_options options = { 0 };
	for (size_t index = first; index < words->count; index++) {
		char *value = word_split(words->words[index]);
		*ret_wrong = words->words[index];
		if (!value || !set_option(board, &options, words->words[index], value))
			return -EINVAL;
	}
	*ret_wrong = NULL;
	board->chip.nodes_bitrate = BITRATE;
	const struct gs_usb_wire wire = gs_usb_chip_wire(&board->chip);
	TRY(gs_usb_new(&options, &wire, &board->adapter));
	board->chip.adapter = board->adapter;
	return 0;
}

int candlelight_board_new(const struct words *words, size_t first, struct emulated_board **ret,
	const char **ret_wrong)
{
	*ret_wrong = NULL;
	struct adapter_board *board = calloc(1, sizeof(*board));
	if (!board)
		return -ENOMEM;
	board->board.operations = &operations;
	int error = configure(board, words, first, ret_wrong);
	if (error < 0) {
		board_free(&board->board);
		return error;
	}
	*ret = &board->board;
	return 0;
}

struct gs_usb_chip *candlelight_board_chip(struct emulated_board *board)
{
	return board->operations == &operations ? &board_of(board)->chip : NULL;
}
