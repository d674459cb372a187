/* SPDX-License-Identifier: MIT */
/*
 * The board as a whole: power, time, and the way of every request to the part that answers it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "emu/stm32_parts.h"

static struct stm32 *board_of(struct device_core *core)
{
	return (struct stm32 *)core;
}

static const struct stm32 *const_board_of(const struct device_core *core)
{
	return (const struct stm32 *)core;
}

uint64_t stm32_scaled(const struct stm32 *board, uint64_t nsec)
{
	const struct stm32_options *options = &board->options;
	nsec *= options->slowness > 1 ? options->slowness : 1;
	return options->speed > 1 ? nsec / options->speed : nsec;
}

void stm32_event(struct stm32 *board, enum stm32_event_kind kind, uint32_t value)
{
	struct stm32_event event = { .kind = kind, .at_nsec = board->now, .value = value };
	if (board->listener)
		board->listener(board->listener_context, &event);
}

void stm32_busy(struct stm32 *board, uint64_t *account, uint64_t start, uint64_t nsec)
{
	struct stm32_ledger *ledger = &board->ledger;
	uint64_t end = start + nsec;
	*account += nsec;
	if (start > ledger->busy_until)
		ledger->busy_until = start;
	if (end <= ledger->busy_until)
		return;
	ledger->union_nsec += end - ledger->busy_until;
	ledger->busy_until = end;
}

/* Whatever runs next starts afresh; only flash belongs to the chip. */
void stm32_set_mode(struct stm32 *board, enum stm32_mode mode)
{
	board->mode = mode;
	board->mode_due = NEVER;
	board->configuration = 0;
	board->requested = board->reset_wanted = false;
	board->double_reset = NEVER;
	stm32_dfu_start(board);
	stm32_application_start(board);
	stm32_event(board, STM32_EVENT_MODE, mode);
}

void stm32_power_on(struct stm32 *board, uint64_t now, bool boot0)
{
	static const uint8_t erased[4] = { 0xff, 0xff, 0xff, 0xff };
	board->now = now;
	board->return_due = NEVER;
	board->boot0 = boot0;
	board->found_empty =
		board->kind->empty_check && !memcmp(board->flash.bytes, erased, sizeof(erased));
	stm32_boot_start(board);
}

void stm32_power_off(struct stm32 *board, uint64_t now)
{
	board->now = now;
	board->return_due = NEVER;
	board->hung = false;
	stm32_flash_power_cut(board);
	if (board->mode != STM32_OFF)
		stm32_set_mode(board, STM32_OFF);
}

/* The array finishes what it has begun, whatever becomes of the processor. */
void stm32_reset(struct stm32 *board, uint64_t now, bool boot0)
{
	if (now > board->now)
		board->now = now;
	if (board->mode == STM32_OFF)
		return;
	bool second = stm32_boot_is_second(board);
	board->hung = false;
	board->boot0 = boot0;
	stm32_flash_advance(board, NEVER);
	if (second)
		return stm32_boot_katapult(board);
	stm32_boot_start(board);
}

/* --- the controller's view --------------------------------------------------------------- */

static uint64_t earliest(const struct stm32 *board)
{
	const uint64_t dues[] = { board->mode_due, board->return_due, stm32_dfu_next(board),
		stm32_fault_next(board), stm32_application_next(board) };
	uint64_t next = NEVER;
	for (size_t index = 0; index < ELEMENTSOF(dues); index++)
		if (dues[index] < next)
			next = dues[index];
	return next;
}

static void core_advance(struct device_core *core, uint64_t now)
{
	struct stm32 *board = board_of(core);
	for (uint64_t next = earliest(board); next <= now; next = earliest(board)) {
		if (next > board->now)
			board->now = next;
		stm32_fault_advance(board);
		stm32_dfu_advance(board);
		stm32_application_advance(board);
		if (board->mode_due <= board->now)
			stm32_set_mode(board, board->mode_after);
		if (board->return_due <= board->now)
			stm32_power_on(board, board->now, board->return_boot0);
	}
	if (now > board->now)
		board->now = now;
	stm32_flash_advance(board, board->now);
}

static uint64_t core_next_event(const struct device_core *core)
{
	return earliest(const_board_of(core));
}

static bool core_is_attached(const struct device_core *core)
{
	enum stm32_mode mode = const_board_of(core)->mode;
	bool on_bus = mode == STM32_DFU || mode == STM32_KATAPULT || mode == STM32_APPLICATION;
	return on_bus && resident_is_on_usb(&const_board_of(core)->resident);
}

/* A loader that has been in use may take a reset for the order to start what was written. */
static void core_bus_reset(struct device_core *core, uint64_t now)
{
	struct stm32 *board = board_of(core);
	core_advance(core, now);
	if (board->dead || board->hung || !core_is_attached(core))
		return;
	board->counters.bus_resets++;
	bool was_used = board->configuration;
	board->configuration = 0;
	if (board->mode != STM32_DFU)
		return cdc_reset(&board->resident.cdc);
	if (board->dfu.working) {
		board->reset_wanted = true;
		return;
	}
	if (was_used && board->manners.bus_reset == STM32_RESET_STARTS &&
		stm32_boot_has_application(board)) {
		board->counters.leaves++;
		return stm32_boot_jump(board, board->kind->application);
	}
	stm32_dfu_start(board);
}

static enum packet core_poll(const struct device_core *core, uint8_t endpoint)
{
	const struct stm32 *board = const_board_of(core);
	if (!core_is_attached(core) || board->dead)
		return PACKET_LOST;
	if (board->hung)
		return PACKET_NAK;
	if (endpoint == 0)
		return stm32_dfu_is_blocked(board) ? PACKET_NAK : PACKET_ACK;
	if (board->mode == STM32_DFU || !board->configuration)
		return PACKET_LOST;
	return cdc_poll(&board->resident.cdc, endpoint);
}

static void account_wire(struct stm32 *board, const uint8_t setup[8], size_t length)
{
	uint64_t least = CONTROL_PACKETS_LEAST * PACKET_NSEC;
	size_t packets = (length + PACKET_BYTES - 1) / PACKET_BYTES;
	bool in = setup[0] & ENDPOINT_TOWARDS_US;
	if (in && !packets && (setup[6] || setup[7]))
		packets = 1;
	uint64_t nsec = least + control_data_nsec(&board->core, packets);
	uint64_t before = least + control_data_nsec(&board->core, in && packets ? 1 : packets);
	uint64_t start = board->now > before ? board->now - before : 0;
	stm32_busy(board, &board->ledger.wire_nsec, start, nsec);
}

static enum packet core_control(struct device_core *core, uint64_t now, const uint8_t setup[8],
	uint8_t *data, size_t *length)
{
	struct stm32 *board = board_of(core);
	core_advance(core, now);
	enum packet answer = core_poll(core, 0);
	if (answer != PACKET_ACK)
		return answer;
	size_t sent = *length;
	board->counters.control_requests++;
	answer = stm32_control(board, setup, data, length);
	if (answer != PACKET_NAK)
		account_wire(board, setup, setup[0] & ENDPOINT_TOWARDS_US ? *length : sent);
	return answer;
}

static void account_packet(struct stm32 *board)
{
	uint64_t start = board->now > PACKET_NSEC ? board->now - PACKET_NSEC : 0;
	stm32_busy(board, &board->ledger.wire_nsec, start, PACKET_NSEC);
}

static enum packet core_out(struct device_core *core, uint64_t now, uint8_t endpoint, bool toggle,
	const uint8_t *data, size_t length)
{
	struct stm32 *board = board_of(core);
	core_advance(core, now);
	enum packet answer = core_poll(core, endpoint);
	if (answer != PACKET_ACK)
		return answer;
	account_packet(board);
	return resident_out(&board->resident, board->now, endpoint, toggle, data, length);
}

static enum packet core_in(struct device_core *core, uint64_t now, uint8_t endpoint, uint8_t *data,
	size_t *ret_length, bool *ret_toggle)
{
	struct stm32 *board = board_of(core);
	core_advance(core, now);
	enum packet answer = core_poll(core, endpoint);
	if (answer != PACKET_ACK)
		return answer;
	account_packet(board);
	return resident_in(&board->resident, board->now, endpoint, data, ret_length, ret_toggle);
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

void stm32_core_init(struct stm32 *board)
{
	board->core.operations = &operations;
	board->core.control_packet_nsec = STM32_PACKET_NSEC;
}

struct device_core *stm32_core(struct stm32 *board)
{
	return &board->core;
}

void stm32_listen(struct stm32 *board, stm32_listener listener, void *context)
{
	board->listener = listener;
	board->listener_context = context;
}

/* --- what tests look at ------------------------------------------------------------------ */

enum stm32_mode stm32_mode(const struct stm32 *board)
{
	return board->mode;
}

uint8_t *stm32_flash(struct stm32 *board, size_t *ret_bytes)
{
	*ret_bytes = board->flash.size;
	return board->flash.bytes;
}

uint32_t stm32_flash_base(const struct stm32 *board)
{
	return board->kind->flash_base;
}

const uint32_t *stm32_erase_counts(const struct stm32 *board, size_t *ret_sectors)
{
	*ret_sectors = board->flash.sector_count;
	return board->flash.erase_counts;
}

const uint32_t *stm32_erased(const struct stm32 *board, size_t *ret_count)
{
	*ret_count = board->flash.erased_count;
	return board->flash.erased;
}

const struct stm32_counters *stm32_counters(const struct stm32 *board)
{
	return &board->counters;
}

const struct stm32_ledger *stm32_ledger(const struct stm32 *board)
{
	return &board->ledger;
}

void stm32_reset_counters(struct stm32 *board)
{
	struct flash_array *flash = &board->flash;
	board->counters = (struct stm32_counters){ 0 };
	board->ledger = (struct stm32_ledger){ .busy_until = board->ledger.busy_until };
	memset(flash->erase_counts, 0, flash->sector_count * sizeof(*flash->erase_counts));
	flash->erased_count = 0;
	resident_reset_counters(&board->resident);
}

struct resident *stm32_resident(struct stm32 *board)
{
	return &board->resident;
}

uint8_t stm32_dfu_state(const struct stm32 *board)
{
	return board->dfu.state;
}

uint8_t stm32_dfu_status(const struct stm32 *board)
{
	return board->dfu.status;
}

uint32_t stm32_pointer(const struct stm32 *board)
{
	return board->dfu.pointer;
}
