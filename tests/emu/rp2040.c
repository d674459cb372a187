/* SPDX-License-Identifier: MIT */
/*
 * The board as a whole: power, resets and what runs after them, and the way of every packet to the
 * part that answers it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "emu/rp2040_parts.h"
#include "emu/picoboot_words.h"

static struct rp2040 *board_of(struct device_core *core)
{
	return (struct rp2040 *)core;
}

static const struct rp2040 *const_board_of(const struct device_core *core)
{
	return (const struct rp2040 *)core;
}

uint64_t board_scaled(const struct rp2040 *board, uint64_t nsec)
{
	const struct rp2040_options *options = &board->options;
	nsec *= options->slowness > 1 ? options->slowness : 1;
	return options->speed > 1 ? nsec / options->speed : nsec;
}

void board_event(struct rp2040 *board, enum rp2040_event_kind kind, uint32_t value)
{
	struct rp2040_event event = { .kind = kind, .at_nsec = board->now, .value = value };
	if (board->listener)
		board->listener(board->listener_context, &event);
}

void board_busy(struct rp2040 *board, uint64_t *account, uint64_t start, uint64_t nsec)
{
	struct rp2040_ledger *ledger = &board->ledger;
	uint64_t end = start + nsec;
	*account += nsec;
	if (start > ledger->busy_until)
		ledger->busy_until = start;
	if (end <= ledger->busy_until)
		return;
	ledger->union_nsec += end - ledger->busy_until;
	ledger->busy_until = end;
}

void board_hard_reset_endpoints(struct rp2040 *board)
{
	board->configuration = 0;
	if (board->mode == RP2040_BOOT) {
		picoboot_reset(board);
		storage_reset(board);
	} else if (resident_runs(board)) {
		cdc_reset(&board->resident.cdc);
	} else {
		application_reset(board);
	}
}

/* Whatever runs next starts afresh; only flash, memory and the worker's fate belong to the chip. */
void board_set_mode(struct rp2040 *board, enum rp2040_mode mode)
{
	board->mode = mode;
	board->mode_due = board->watchdog_due = NEVER;
	board->configuration = 0;
	board->requested = board->silent = false;
	board->double_reset = NEVER;
	board->picoboot = (struct picoboot){ 0 };
	storage_reset(board);
	application_reset(board);
	resident_enter(board);
	if (mode == RP2040_BOOT) {
		board->storage.volume_serial = (uint32_t)noise_next(&board->flash.noise);
		board->flash_disturbed = false;
		ssi_reset(&board->ssi);
		if (board->chip->enter_boot_mode)
			board->chip->enter_boot_mode(board);
		picoboot_reset(board);
	}
	board_event(board, RP2040_EVENT_MODE, mode);
}

void board_leave(struct rp2040 *board, enum rp2040_mode next, uint64_t nsec)
{
	board->behind_katapult = false;
	board_set_mode(board, next == RP2040_LOST ? RP2040_LOST : RP2040_AWAY);
	if (next == RP2040_LOST)
		return;
	board->mode_after = next;
	board->mode_due = board->now + nsec;
}

void board_start_boot_mode(struct rp2040 *board, unsigned disable_mask)
{
	board->disable_mask = disable_mask == 3 ? 0 : disable_mask;
	board_leave(board, RP2040_BOOT, ROM_START_NSEC);
}

void board_start_from_flash(struct rp2040 *board)
{
	unsigned msec = board->options.application_msec ? board->options.application_msec
							: RP2040_APPLICATION_MSEC;
	/* The ROM tries for long enough: a chip that is still busy will have finished. */
	flash_advance(&board->flash, NEVER);
	board->disable_mask = board->options.disable_mask == 3 ? 0 : board->options.disable_mask;
	switch (rp2040_flash_state(board)) {
	case RP2040_BOOTS:
		if (resident_is_katapult(board))
			return resident_boot(board);
		return board_leave(board, RP2040_APPLICATION, msec * NSEC_PER_MSEC);
	case RP2040_FALLS_BACK:
		return board_leave(board, RP2040_BOOT, board->chip->fallback_nsec);
	case RP2040_CRASHES:
		return board_leave(board, RP2040_LOST, 0);
	}
}

void rp2040_power_on(struct rp2040 *board, uint64_t now, bool button)
{
	board->now = now;
	board->return_due = NEVER;
	memset(board->sram, 0, board->chip->sram_bytes);
	if (button)
		board_start_boot_mode(board, board->options.disable_mask);
	else
		board_start_from_flash(board);
}

void rp2040_reset(struct rp2040 *board, uint64_t now, bool button)
{
	if (now > board->now)
		board->now = now;
	if (board->mode == RP2040_OFF)
		return;
	bool second = resident_reset_is_second(board);
	board->hung = board->hung_control = false;
	flash_advance(&board->flash, NEVER);
	if (button)
		return board_start_boot_mode(board, board->options.disable_mask);
	if (second)
		return resident_boot_katapult(board);
	board_start_from_flash(board);
}

void rp2040_power_off(struct rp2040 *board, uint64_t now)
{
	board->now = now;
	board->return_due = NEVER;
	board->hung = board->hung_control = false;
	board->late_until = 0;
	flash_power_cut(&board->flash, now);
	if (board->mode != RP2040_OFF)
		board_set_mode(board, RP2040_OFF);
}

static void on_watchdog(struct rp2040 *board)
{
	if (board->watchdog_mode == RP2040_LOST)
		board_leave(board, RP2040_LOST, 0);
	else if (board->watchdog_mode == RP2040_BOOT)
		board_start_boot_mode(board, board->watchdog_mask);
	else
		board_start_from_flash(board);
}

static uint64_t earliest(const struct rp2040 *board)
{
	const uint64_t dues[] = { board->mode_due, board->watchdog_due, board->return_due,
		task_next(board), fault_next(board), resident_due(board) };
	uint64_t next = NEVER;
	for (size_t index = 0; index < ELEMENTSOF(dues); index++)
		if (dues[index] < next)
			next = dues[index];
	return next;
}

static void core_advance(struct device_core *core, uint64_t now)
{
	struct rp2040 *board = board_of(core);
	for (uint64_t next = earliest(board); next <= now; next = earliest(board)) {
		if (next > board->now)
			board->now = next;
		fault_advance(board);
		task_advance(board);
		resident_advance(board);
		if (board->mode_due <= board->now)
			board_set_mode(board, board->mode_after);
		if (board->watchdog_due <= board->now)
			on_watchdog(board);
		if (board->return_due <= board->now)
			rp2040_power_on(board, board->now, false);
	}
	if (now > board->now)
		board->now = now;
	flash_advance(&board->flash, board->now);
}

static uint64_t core_next_event(const struct device_core *core)
{
	const struct rp2040 *board = const_board_of(core);
	uint64_t next = earliest(board);
	if (board->late_until > board->now && board->late_until < next)
		next = board->late_until;
	return next;
}

static bool core_is_attached(const struct device_core *core)
{
	enum rp2040_mode mode = const_board_of(core)->mode;
	return mode == RP2040_BOOT || mode == RP2040_APPLICATION || mode == RP2040_KATAPULT;
}

static void core_bus_reset(struct device_core *core, uint64_t now)
{
	struct rp2040 *board = board_of(core);
	core_advance(core, now);
	if (board->dead || !core_is_attached(core))
		return;
	board->counters.bus_resets++;
	board->silent = false;
	board_hard_reset_endpoints(board);
}

struct endpoint *board_endpoint(struct rp2040 *board, uint8_t address)
{
	bool boot = board->mode == RP2040_BOOT;
	switch (address) {
	case PICOBOOT_ENDPOINT_OUT:
		return boot && !(board->disable_mask & 2) ? &board->picoboot.out : NULL;
	case PICOBOOT_ENDPOINT_IN:
		return boot && !(board->disable_mask & 2) ? &board->picoboot.in : NULL;
	case 0x02:
		if (boot)
			return board->disable_mask & 1 ? NULL : &board->storage.out;
		return &board->application.out;
	case 0x81:
		if (boot)
			return board->disable_mask & 1 ? NULL : &board->storage.in;
		return &board->application.notify;
	case 0x82:
		return boot ? NULL : &board->application.in;
	}
	return NULL;
}

static enum packet core_poll(const struct device_core *core, uint8_t endpoint)
{
	const struct rp2040 *board = const_board_of(core);
	if (!core_is_attached(core) || board->dead || board->silent)
		return PACKET_LOST;
	if (endpoint == 0)
		return board->hung_control ? PACKET_NAK : PACKET_ACK;
	if (resident_runs(board) && board->configuration)
		return board->hung ? PACKET_NAK : cdc_poll(&board->resident.cdc, endpoint);
	const struct endpoint *state = board_endpoint((struct rp2040 *)board, endpoint);
	if (!state || !board->configuration)
		return PACKET_LOST;
	if (board->hung || board->late_until > board->now)
		return PACKET_NAK;
	if (board->mode == RP2040_APPLICATION && !state->halted)
		return endpoint & ENDPOINT_TOWARDS_US ? PACKET_NAK : PACKET_ACK;
	if (state->halted)
		return PACKET_STALL;
	if ((endpoint & 0x7f) <= 2)
		return storage_poll(board, endpoint);
	return picoboot_poll(board, endpoint);
}

static bool is_for_picoboot(const struct rp2040 *board, const uint8_t setup[8])
{
	if (board->mode != RP2040_BOOT)
		return false;
	if ((setup[0] & 0x60) == 0x40)
		return true;
	return (setup[0] & 0x1f) == 2 &&
	       (setup[4] == PICOBOOT_ENDPOINT_OUT || setup[4] == PICOBOOT_ENDPOINT_IN);
}

static void note_request(struct rp2040 *board)
{
	if (board->requested)
		return;
	board->requested = true;
	board_event(board, RP2040_EVENT_FIRST_REQUEST, 0);
}

static enum packet core_control(struct device_core *core, uint64_t now, const uint8_t setup[8],
	uint8_t *data, size_t *length)
{
	struct rp2040 *board = board_of(core);
	core_advance(core, now);
	enum packet answer = core_poll(core, 0);
	if (answer != PACKET_ACK)
		return answer;
	board->counters.control_requests++;
	if (is_for_picoboot(board, setup))
		note_request(board);
	if (board->mode == RP2040_BOOT)
		return boot_control(board, setup, data, length);
	if (resident_runs(board))
		return resident_control(board, setup, data, length);
	return application_control(board, setup, data, length);
}

static enum packet before_packet(
	struct rp2040 *board, uint64_t now, uint8_t endpoint, size_t length)
{
	core_advance(&board->core, now);
	enum packet answer = core_poll(&board->core, endpoint);
	if (answer != PACKET_ACK)
		return answer;
	board_busy(board, &board->ledger.wire_nsec, now - PACKET_NSEC, PACKET_NSEC);
	if (endpoint == PICOBOOT_ENDPOINT_OUT || endpoint == PICOBOOT_ENDPOINT_IN)
		note_request(board);
	fault_note_bytes(board, length);
	return core_poll(&board->core, endpoint);
}

static void note_command(struct rp2040 *board, const uint8_t *data, size_t length)
{
	uint8_t id = length == PICOBOOT_COMMAND_BYTES ? data[8] : 0;
	board->counters.commands++;
	board->counters.commands_by_id[(id & 0x7f) < 16 ? id & 0x7f : 0]++;
	board_event(board, RP2040_EVENT_COMMAND, id);
	fault_note(board, RP2040_AT_COMMAND, id);
}

/* A packet with the toggle of the one before is a repetition: taken, and forgotten. */
static enum packet core_out(struct device_core *core, uint64_t now, uint8_t endpoint, bool toggle,
	const uint8_t *data, size_t length)
{
	struct rp2040 *board = board_of(core);
	enum packet answer = before_packet(board, now, endpoint, length);
	if (answer != PACKET_ACK)
		return answer;
	if (resident_runs(board))
		return resident_out(&board->resident, board->now, endpoint, toggle, data, length);
	struct endpoint *state = board_endpoint(board, endpoint);
	if (state->toggle != toggle)
		return PACKET_ACK;
	if (endpoint == PICOBOOT_ENDPOINT_OUT && board->picoboot.out_expects == OUT_COMMAND) {
		note_command(board, data, length);
		answer = core_poll(core, endpoint);
		if (answer != PACKET_ACK)
			return answer;
	}
	state->toggle = !toggle;
	if (endpoint == PICOBOOT_ENDPOINT_OUT)
		return picoboot_out(board, data, length);
	return board->mode == RP2040_BOOT ? storage_out(board, data, length) : PACKET_ACK;
}

static size_t about_to_send(const struct rp2040 *board, uint8_t endpoint)
{
	const struct picoboot *picoboot = &board->picoboot;
	if (endpoint != PICOBOOT_ENDPOINT_IN || picoboot->in_sends != IN_DATA)
		return 0;
	uint32_t left = picoboot->chunk_length - picoboot->chunk_sent;
	return left < PACKET_BYTES ? left : PACKET_BYTES;
}

static enum packet core_in(struct device_core *core, uint64_t now, uint8_t endpoint, uint8_t *data,
	size_t *ret_length, bool *ret_toggle)
{
	struct rp2040 *board = board_of(core);
	enum packet answer = before_packet(board, now, endpoint, about_to_send(board, endpoint));
	if (answer != PACKET_ACK)
		return answer;
	if (resident_runs(board))
		return resident_in(
			&board->resident, board->now, endpoint, data, ret_length, ret_toggle);
	struct endpoint *state = board_endpoint(board, endpoint);
	*ret_toggle = state->toggle;
	state->toggle = !state->toggle;
	if (endpoint == PICOBOOT_ENDPOINT_IN)
		return picoboot_in(board, data, ret_length);
	return storage_in(board, data, ret_length);
}

static const struct device_operations operations = {
	.advance = core_advance,
	.next_event = core_next_event,
	.is_attached = core_is_attached,
	.bus_reset = core_bus_reset,
	.poll = core_poll,
	.control = core_control,
	.out = core_out,
	.in = core_in,
};

struct device_core *rp2040_core(struct rp2040 *board)
{
	return &board->core;
}

void rp2040_listen(struct rp2040 *board, rp2040_listener listener, void *context)
{
	board->listener = listener;
	board->listener_context = context;
}

struct rp2040 *rp2040_free(struct rp2040 *board)
{
	if (!board)
		return NULL;
	for (size_t index = 0; index < ELEMENTSOF(board->strings); index++)
		free(board->strings[index]);
	free(board->boot_configuration);
	resident_done(&board->resident);
	flash_done(&board->flash);
	free(board->sram);
	free(board->xip_sram);
	free(board->rom);
	free(board);
	return NULL;
}

static int copy_strings(struct rp2040 *board, const struct rp2040_options *options)
{
	const char *const sources[] = { options->manufacturer, options->product, options->serial,
		options->boot_manufacturer, options->boot_product, options->boot_serial };
	for (size_t index = 0; index < ELEMENTSOF(sources); index++) {
		if (!sources[index])
			continue;
		board->strings[index] = strdup(sources[index]);
		if (!board->strings[index])
			return -ENOMEM;
	}
	if (!options->boot_configuration)
		return 0;
	if (options->boot_configuration_bytes > RP2040_CONFIGURATION_BYTES)
		return -EINVAL;
	board->boot_configuration = malloc(options->boot_configuration_bytes);
	if (!board->boot_configuration)
		return -ENOMEM;
	memcpy(board->boot_configuration, options->boot_configuration,
		options->boot_configuration_bytes);
	return 0;
}

/* The real contents are not known here, except for the four bytes that tell the revision. */
static void fill_rom(struct rp2040 *board)
{
	uint64_t noise = 1;
	for (size_t index = 0; index < board->chip->rom_bytes; index++)
		board->rom[index] = (uint8_t)noise_next(&noise);
	memcpy(board->rom + 0x10, "Mu", 2);
	board->rom[0x12] = board->chip->rom_kind;
	board->rom[0x13] = (uint8_t)board->options.rom_revision;
}

int rp2040_new(const struct rp2040_options *options, struct rp2040 **ret)
{
	_cleanup_(rp2040_freep) struct rp2040 *board = calloc(1, sizeof(*board));
	if (!board)
		return -ENOMEM;
	board->core.operations = &operations;
	board->options = *options;
	board->chip = options->chip == RP2040_CHIP_RP2350 ? &chip_rp2350 : &chip_rp2040;
	if (!board->options.rom_revision)
		board->options.rom_revision = board->chip->default_revision;
	board->mode_due = board->watchdog_due = board->return_due = board->double_reset = NEVER;
	board->sram = malloc(board->chip->sram_bytes);
	board->xip_sram = calloc(1, RP2040_XIP_SRAM_BYTES);
	board->rom = malloc(board->chip->rom_bytes);
	if (!board->sram || !board->xip_sram || !board->rom)
		return -ENOMEM;
	int error = flash_init(&board->flash, options);
	if (error < 0)
		return error;
	error = copy_strings(board, options);
	if (error < 0)
		return error;
	error = resident_set_up(board);
	if (error < 0)
		return error;
	fill_rom(board);
	if (board->chip->init)
		board->chip->init(board);
	*ret = TAKE_PTR(board);
	return 0;
}
