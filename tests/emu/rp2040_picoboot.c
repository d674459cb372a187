/* SPDX-License-Identifier: MIT */
/*
 * PICOBOOT as the boot ROM speaks it: a command packet is checked, its data phase is streamed in
 * chunks through one buffer, an acknowledgement goes the other way, and only then is the next
 * command received. Time and memory are the worker's business (rp2040_task.c).
 */
#include <string.h>

#include "emu/rp2040_parts.h"
#include "emu/picoboot_words.h"

static void stall_both(struct picoboot *picoboot)
{
	picoboot->in.halted = picoboot->out.halted = true;
	picoboot->in_sends = IN_CLOSED;
	picoboot->out_expects = OUT_CLOSED;
}

/* Bit 7 of the command chooses the direction. A halted endpoint takes no transfer: what should
 * have gone over it is never sent. */
static void acknowledge(struct picoboot *picoboot)
{
	picoboot->status.in_progress = false;
	if (picoboot->command.id & 0x80) {
		if (!picoboot->out.halted)
			picoboot->out_expects = OUT_ACKNOWLEDGE;
	} else if (!picoboot->in.halted) {
		picoboot->in_sends = IN_ACKNOWLEDGE;
	}
}

static bool fits(const struct picoboot_command *command, uint32_t wanted)
{
	const uint32_t *arguments = command->arguments;
	switch (wanted) {
	case ANY_LENGTH:
		return true;
	case SAME_AS_SIZE:
		return command->transfer == arguments[1];
	case SOME_WORDS:
		return command->transfer <= RP2040_PAGE_BYTES && command->transfer % 4 == 0;
	case ROWS_OF_OTP:
		return command->transfer == (arguments[0] >> 16) * (arguments[1] & 0xff ? 2 : 4);
	}
	return command->transfer == wanted;
}

static uint32_t check(
	const struct chip *chip, const struct picoboot_command *command, uint8_t argument_bytes)
{
	uint8_t id = command->id & 0x7f;
	if (id == 0 || id >= chip->commands)
		return PICOBOOT_UNKNOWN_CMD;
	if (argument_bytes != chip->shapes[id].argument_bytes)
		return PICOBOOT_INVALID_CMD_LENGTH;
	if (!fits(command, chip->shapes[id].transfer))
		return PICOBOOT_INVALID_TRANSFER_LENGTH;
	return PICOBOOT_OK;
}

/* Acknowledged, or refused, at once. */
static void reboot(struct rp2040 *board)
{
	struct picoboot *picoboot = &board->picoboot;
	picoboot->status.code = board->chip->reboot(board);
	if (picoboot->status.code)
		return stall_both(picoboot);
	picoboot->rebooting = true;
	acknowledge(picoboot);
}

static bool takes_data(uint8_t id)
{
	return id == PICOBOOT_WRITE || id == PICOBOOT_OTP_WRITE;
}

static bool sends_data(uint8_t id)
{
	return id == (PICOBOOT_READ & 0x7f) || id == (PICOBOOT_GET_INFO & 0x7f) ||
	       id == (PICOBOOT_OTP_READ & 0x7f);
}

static void begin_command(struct rp2040 *board)
{
	struct picoboot *picoboot = &board->picoboot;
	uint8_t id = picoboot->command.id & 0x7f;
	picoboot->status.code = PICOBOOT_OK;
	if (id == (board->chip->owns_up ? PICOBOOT_REBOOT2 : PICOBOOT_REBOOT))
		return reboot(board);
	picoboot->status.in_progress = true;
	picoboot->position = picoboot->received = 0;
	picoboot->chunk_filled = picoboot->chunk_sent = picoboot->chunk_length = 0;
	picoboot->has_staged = false;
	if (takes_data(id) && picoboot->command.transfer) {
		picoboot->out_expects = OUT_DATA;
		return;
	}
	picoboot->wants_worker = true;
	task_start_if_wanted(board);
}

static void on_command(struct rp2040 *board, const uint8_t *packet, size_t length)
{
	struct picoboot *picoboot = &board->picoboot;
	picoboot->out_expects = OUT_CLOSED;
	if (length != PICOBOOT_COMMAND_BYTES || get_le32(packet) != PICOBOOT_MAGIC)
		return stall_both(picoboot);
	picoboot->command = (struct picoboot_command){
		.token = get_le32(packet + 4),
		.id = packet[8],
		.transfer = get_le32(packet + 12),
	};
	for (int index = 0; index < 4; index++)
		picoboot->command.arguments[index] = get_le32(packet + 16 + 4 * index);
	if ((packet[8] & 0x7f) == PICOBOOT_EXCLUSIVE_ACCESS)
		picoboot->command.arguments[0] &= 0xff;
	picoboot->status = (struct picoboot_status){
		.token = picoboot->command.token,
		.id = packet[8],
		.code = check(board->chip, &picoboot->command, packet[9]),
	};
	if (picoboot->status.code)
		return stall_both(picoboot);
	begin_command(board);
}

static uint32_t chunk_wanted(const struct picoboot *picoboot)
{
	uint32_t left = picoboot->command.transfer - picoboot->position;
	return left < RP2040_PAGE_BYTES ? left : RP2040_PAGE_BYTES;
}

static void fill_chunk(struct rp2040 *board, const uint8_t *data, size_t length)
{
	struct picoboot *picoboot = &board->picoboot;
	memcpy(picoboot->chunk + picoboot->chunk_filled, data, length);
	picoboot->chunk_filled += (uint32_t)length;
	if (picoboot->chunk_filled < chunk_wanted(picoboot))
		return;
	picoboot->wants_worker = true;
	task_start_if_wanted(board);
}

/* The ROM counts in whole packets. What it does with a short one amid the data is not known; here
 * it never accepts another. */
static void on_data(struct rp2040 *board, const uint8_t *data, size_t length)
{
	struct picoboot *picoboot = &board->picoboot;
	uint32_t left = picoboot->command.transfer - picoboot->received;
	if (length != (left < PACKET_BYTES ? left : PACKET_BYTES)) {
		board->counters.short_packets_amid++;
		picoboot->out_expects = OUT_CLOSED;
		return;
	}
	picoboot->received += (uint32_t)length;
	if (picoboot->chunk_filled == chunk_wanted(picoboot)) {
		memcpy(picoboot->staged, data, length);
		picoboot->staged_length = (uint32_t)length;
		picoboot->has_staged = true;
		return;
	}
	fill_chunk(board, data, length);
}

enum packet picoboot_out(struct rp2040 *board, const uint8_t *data, size_t length)
{
	struct picoboot *picoboot = &board->picoboot;
	if (picoboot->out_expects == OUT_COMMAND)
		on_command(board, data, length);
	else if (picoboot->out_expects == OUT_DATA)
		on_data(board, data, length);
	else
		picoboot->out_expects = OUT_COMMAND;
	return PACKET_ACK;
}

enum packet picoboot_in(struct rp2040 *board, uint8_t *data, size_t *ret_length)
{
	struct picoboot *picoboot = &board->picoboot;
	*ret_length = 0;
	if (picoboot->in_sends == IN_ACKNOWLEDGE) {
		picoboot->in_sends = IN_CLOSED;
		picoboot->out_expects = OUT_COMMAND;
		return PACKET_ACK;
	}
	uint32_t left = picoboot->chunk_length - picoboot->chunk_sent;
	*ret_length = left < PACKET_BYTES ? left : PACKET_BYTES;
	memcpy(data, picoboot->chunk + picoboot->chunk_sent, *ret_length);
	picoboot->chunk_sent += (uint32_t)*ret_length;
	if (picoboot->chunk_sent < picoboot->chunk_length)
		return PACKET_ACK;
	picoboot->in_sends = IN_CLOSED;
	picoboot->position += picoboot->chunk_length;
	if (picoboot->position == picoboot->command.transfer) {
		acknowledge(picoboot);
	} else {
		picoboot->wants_worker = true;
		task_start_if_wanted(board);
	}
	return PACKET_ACK;
}

enum packet picoboot_poll(const struct rp2040 *board, uint8_t endpoint)
{
	const struct picoboot *picoboot = &board->picoboot;
	if (endpoint == PICOBOOT_ENDPOINT_IN) {
		if (picoboot->in.halted)
			return PACKET_STALL;
		return picoboot->in_sends == IN_CLOSED ? PACKET_NAK : PACKET_ACK;
	}
	if (picoboot->out.halted)
		return PACKET_STALL;
	if (picoboot->out_expects == OUT_CLOSED)
		return PACKET_NAK;
	if (picoboot->out_expects == OUT_DATA &&
		(picoboot->has_staged || picoboot->received == picoboot->command.transfer))
		return PACKET_NAK;
	return PACKET_ACK;
}

static void tell_failure(struct picoboot *picoboot, uint32_t code)
{
	picoboot->status.code = code;
	picoboot->status.in_progress = false;
	picoboot->out_expects = OUT_CLOSED;
	picoboot->in_sends = IN_CLOSED;
}

static void on_data_task_ended(struct rp2040 *board, const struct picoboot_task *task)
{
	struct picoboot *picoboot = &board->picoboot;
	bool reading = sends_data(task->command.id & 0x7f);
	if (task->result) {
		tell_failure(picoboot, task->result);
		*(reading ? &picoboot->in.halted : &picoboot->out.halted) = true;
		return;
	}
	if (reading) {
		memcpy(picoboot->chunk, task->page, task->length);
		picoboot->chunk_length = task->length;
		picoboot->chunk_sent = 0;
		if (!picoboot->in.halted)
			picoboot->in_sends = IN_DATA;
		return;
	}
	picoboot->position += task->length;
	picoboot->chunk_filled = 0;
	if (picoboot->position == picoboot->command.transfer) {
		picoboot->out_expects = OUT_CLOSED;
		return acknowledge(picoboot);
	}
	if (!picoboot->has_staged)
		return;
	picoboot->has_staged = false;
	fill_chunk(board, picoboot->staged, picoboot->staged_length);
}

/* The worker compares tokens only: a forgotten command is still acknowledged when no other has
 * come since. */
static void on_orphan_ended(struct rp2040 *board, const struct picoboot_task *task)
{
	struct picoboot *picoboot = &board->picoboot;
	bool was_last = task->position + task->length >= task->command.transfer;
	if (board->options.without_stray_ack || task->command.id & 0x80 || !was_last)
		return;
	if (task->command.token == picoboot->command.token && !picoboot->in.halted &&
		picoboot->in_sends == IN_CLOSED)
		picoboot->in_sends = IN_ACKNOWLEDGE;
}

/* The older ROM acknowledges a command without data whether it worked or not: its result is thrown
 * away. */
void picoboot_task_ended(struct rp2040 *board, const struct picoboot_task *task)
{
	if (task->orphan) {
		on_orphan_ended(board, task);
	} else if (task->result && board->chip->owns_up) {
		tell_failure(&board->picoboot, task->result);
		stall_both(&board->picoboot);
	} else if (task->command.transfer) {
		on_data_task_ended(board, task);
	} else {
		acknowledge(&board->picoboot);
	}
}

void picoboot_abort_flash(struct rp2040 *board)
{
	board->abort_latched = true;
	task_hurry(board);
}

static void forget_command(struct picoboot *picoboot)
{
	picoboot->status = (struct picoboot_status){ 0 };
	picoboot->out_expects = OUT_COMMAND;
	picoboot->in_sends = IN_CLOSED;
	picoboot->out.halted = picoboot->in.halted = false;
	picoboot->wants_worker = false;
	picoboot->has_staged = false;
	picoboot->exclusive = 0;
	picoboot->task.orphan = true;
}

void picoboot_interface_reset(struct rp2040 *board)
{
	board->counters.interface_resets++;
	if (board->picoboot.status.in_progress)
		picoboot_abort_flash(board);
	forget_command(&board->picoboot);
}

/* Bus reset and SET_CONFIGURATION. */
void picoboot_reset(struct rp2040 *board)
{
	struct picoboot *picoboot = &board->picoboot;
	picoboot_abort_flash(board);
	forget_command(picoboot);
	picoboot->command = (struct picoboot_command){ 0 };
	picoboot->out.toggle = picoboot->in.toggle = false;
}

void picoboot_clear_halt(struct rp2040 *board, uint8_t endpoint)
{
	struct picoboot *picoboot = &board->picoboot;
	if (endpoint == PICOBOOT_ENDPOINT_IN) {
		picoboot->in = (struct endpoint){ 0 };
		return;
	}
	picoboot->out = (struct endpoint){ 0 };
	picoboot->out_expects = OUT_COMMAND;
}

void picoboot_get_status(const struct rp2040 *board, uint8_t bytes[PICOBOOT_STATUS_BYTES])
{
	const struct picoboot_status *status = &board->picoboot.status;
	memset(bytes, 0, PICOBOOT_STATUS_BYTES);
	put_le32(bytes, status->token);
	put_le32(bytes + 4, status->code);
	bytes[8] = status->id;
	bytes[9] = status->in_progress;
}
