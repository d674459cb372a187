/* SPDX-License-Identifier: MIT */
/*
 * The state machine of DFU 1.1 as the boot loaders have it, and where they differ from the
 * standard. A DNLOAD is only buffered; the GETSTATUS that follows sets the work going.
 */
#include <string.h>

#include "emu/stm32_parts.h"

void stm32_dfu_start(struct stm32 *board)
{
	struct dfu *dfu = &board->dfu;
	*dfu = (struct dfu){
		.state = DFU_STATE_IDLE,
		.pointer = board->kind->flash_base,
		.work_start = NEVER,
		.work_end = NEVER,
		.manifest_due = NEVER,
		.leave_due = NEVER,
	};
	if (board->manners.initial == STM32_INITIAL_ERROR) {
		dfu->state = DFU_STATE_ERROR;
		dfu->status = DFU_ERR_FIRMWARE;
	}
}

/* Inside the work nothing is answered by those that do it in the interrupt of USB; and by nobody
 * else when the host has lost patience and the array has not ended yet. */
bool stm32_dfu_is_blocked(const struct stm32 *board)
{
	const struct dfu *dfu = &board->dfu;
	if (board->mode != STM32_DFU || !dfu->working)
		return false;
	return board->manners.busy == STM32_BUSY_BLOCKS || dfu->state != DFU_STATE_DNBUSY;
}

static void become(struct stm32 *board, uint8_t state)
{
	board->dfu.state = state;
	if (state == DFU_STATE_IDLE)
		board->dfu.status = DFU_OK;
}

static enum packet stall(struct stm32 *board)
{
	board->counters.stalls++;
	return PACKET_STALL;
}

enum packet stm32_dfu_refuse(struct stm32 *board, uint8_t status)
{
	struct dfu *dfu = &board->dfu;
	bool stays = dfu->state == DFU_STATE_ERROR || dfu->wedged ||
		     dfu->state == DFU_STATE_MANIFEST_WAIT_RESET;
	if (!stays) {
		become(board, DFU_STATE_ERROR);
		dfu->status = status;
	}
	return stall(board);
}

static enum packet unexpected(struct stm32 *board)
{
	return stm32_dfu_refuse(board, DFU_ERR_STALLEDPKT);
}

/* --- DNLOAD ------------------------------------------------------------------------------ */

static enum packet download_nothing(struct stm32 *board)
{
	struct dfu *dfu = &board->dfu;
	bool dfuse = board->kind->loader->protocol == PROTOCOL_DFUSE;
	if (dfu->state != DFU_STATE_DNLOAD_IDLE && !(dfuse && dfu->state == DFU_STATE_IDLE))
		return unexpected(board);
	become(board, DFU_STATE_MANIFEST_SYNC);
	if (dfuse && board->manners.leave == STM32_LEAVE_AT_ONCE)
		dfu->leave_due = board->now + STM32_AFTERWARDS_NSEC;
	return PACKET_ACK;
}

static enum packet download(struct stm32 *board, uint16_t block, const uint8_t *data, size_t length)
{
	struct dfu *dfu = &board->dfu;
	if (length == 0)
		return download_nothing(board);
	if (dfu->state != DFU_STATE_IDLE && dfu->state != DFU_STATE_DNLOAD_IDLE)
		return unexpected(board);
	if (length > board->dnload_most)
		return unexpected(board);
	if (dfu->state == DFU_STATE_IDLE)
		dfu->sequence = 0;
	memcpy(dfu->buffer, data, length);
	dfu->block = block;
	dfu->length = (uint16_t)length;
	dfu->work = stm32_work_of(board);
	if (dfu->work == WORK_NONE)
		return unexpected(board);
	become(board, DFU_STATE_DNLOAD_SYNC);
	return PACKET_ACK;
}

/* --- GETSTATUS --------------------------------------------------------------------------- */

static uint32_t announced(const struct stm32 *board, uint32_t msec)
{
	unsigned speed = board->options.speed > 1 ? board->options.speed : 1;
	return (msec + speed - 1) / speed;
}

static enum packet tell(struct stm32 *board, uint32_t poll, uint8_t *data, size_t *length)
{
	struct dfu *dfu = &board->dfu;
	uint32_t msec = announced(board, poll);
	const uint8_t bytes[6] = { dfu->status, (uint8_t)msec, (uint8_t)(msec >> 8),
		(uint8_t)(msec >> 16), dfu->state, 0 };
	*length = *length < sizeof(bytes) ? *length : sizeof(bytes);
	memcpy(data, bytes, *length);
	dfu->poll_due = board->now + msec * NSEC_PER_MSEC;
	return PACKET_ACK;
}

static void set_working(struct stm32 *board)
{
	struct dfu *dfu = &board->dfu;
	dfu->working = true;
	dfu->work_start = board->now + STM32_AFTERWARDS_NSEC;
	dfu->work_end = NEVER;
}

static enum packet tell_of_block(struct stm32 *board, uint8_t *data, size_t *length)
{
	struct dfu *dfu = &board->dfu;
	bool inside = board->kind->loader->protocol == PROTOCOL_SEQUENCE;
	if (dfu->work == WORK_NONE) {
		become(board, DFU_STATE_DNLOAD_IDLE);
		return tell(board, board->polls.idle, data, length);
	}
	set_working(board);
	if (inside)
		return PACKET_NAK; /* the request is still there when the work is done */
	become(board, DFU_STATE_DNBUSY);
	return tell(board, stm32_work_poll(board, dfu->work), data, length);
}

static void leave(struct stm32 *board)
{
	board->counters.leaves++;
	stm32_boot_jump(board, board->dfu.pointer);
}

static enum packet tell_of_manifest(struct stm32 *board, uint8_t *data, size_t *length)
{
	struct dfu *dfu = &board->dfu;
	enum stm32_leave manner = board->manners.leave;
	if (board->kind->loader->protocol == PROTOCOL_SEQUENCE) {
		become(board, DFU_STATE_MANIFEST_WAIT_RESET);
		return tell(board, board->polls.idle, data, length);
	}
	become(board, DFU_STATE_MANIFEST);
	if (board->kind->loader->protocol == PROTOCOL_BLOCKS) {
		dfu->manifest_due =
			board->now + announced(board, board->polls.idle) * NSEC_PER_MSEC;
		return tell(board, board->polls.idle, data, length);
	}
	if (manner == STM32_LEAVE_VANISHES) {
		leave(board);
		return PACKET_LOST;
	}
	if (manner != STM32_LEAVE_STAYS)
		dfu->leave_due = board->now + STM32_LEAVE_NSEC;
	if (manner == STM32_LEAVE_STALLS)
		return stall(board);
	return tell(board, board->polls.idle, data, length);
}

static enum packet get_status(struct stm32 *board, uint8_t *data, size_t *length)
{
	struct dfu *dfu = &board->dfu;
	bool dfuse = board->kind->loader->protocol == PROTOCOL_DFUSE;
	if (board->now < dfu->poll_due)
		board->counters.early_polls++;
	switch (dfu->state) {
	case DFU_STATE_DNLOAD_SYNC:
		return tell_of_block(board, data, length);
	case DFU_STATE_DNBUSY:
		if (board->manners.busy == STM32_BUSY_STALLS && dfu->working)
			return stall(board);
		return tell(board, stm32_work_poll(board, dfu->work), data, length);
	case DFU_STATE_MANIFEST_SYNC:
		return tell_of_manifest(board, data, length);
	case DFU_STATE_MANIFEST:
		if (!dfuse)
			return unexpected(board);
		break;
	case DFU_STATE_DNLOAD_IDLE:
		if (board->kind->loader->protocol == PROTOCOL_SEQUENCE)
			become(board, DFU_STATE_IDLE);
		break;
	}
	return tell(board, board->polls.idle, data, length);
}

/* --- the others -------------------------------------------------------------------------- */

static enum packet clear_status(struct stm32 *board)
{
	struct dfu *dfu = &board->dfu;
	if (dfu->state == DFU_STATE_ERROR) {
		become(board, DFU_STATE_IDLE);
		return PACKET_ACK;
	}
	if (board->manners.clear == STM32_CLEAR_STALLS) {
		dfu->wedged = false;
		return unexpected(board);
	}
	become(board, DFU_STATE_ERROR);
	dfu->status = DFU_ERR_UNKNOWN;
	dfu->wedged = false;
	return PACKET_ACK;
}

static enum packet get_state(struct stm32 *board, uint8_t *data, size_t *length)
{
	if (board->dfu.state == DFU_STATE_DNBUSY ||
		(board->dfu.state == DFU_STATE_MANIFEST &&
			board->manners.leave != STM32_LEAVE_STAYS))
		return unexpected(board);
	data[0] = board->dfu.state;
	*length = *length ? 1 : 0;
	return PACKET_ACK;
}

static enum packet abort_request(struct stm32 *board)
{
	switch (board->dfu.state) {
	case DFU_STATE_IDLE:
	case DFU_STATE_DNLOAD_SYNC:
	case DFU_STATE_DNLOAD_IDLE:
	case DFU_STATE_MANIFEST_SYNC:
	case DFU_STATE_UPLOAD_IDLE:
		board->dfu.work = WORK_NONE;
		become(board, DFU_STATE_IDLE);
		return PACKET_ACK;
	}
	return unexpected(board);
}

/* Asks the device to leave for the application. */
static enum packet detach(struct stm32 *board)
{
	if (board->dfu.state != DFU_STATE_IDLE || board->kind->loader->protocol != PROTOCOL_DFUSE)
		return unexpected(board);
	board->dfu.leave_due = board->now + STM32_LEAVE_NSEC;
	return PACKET_ACK;
}

static enum packet upload(struct stm32 *board, uint16_t block, uint8_t *data, size_t *length)
{
	struct dfu *dfu = &board->dfu;
	size_t asked = *length;
	if (dfu->state != DFU_STATE_IDLE && dfu->state != DFU_STATE_UPLOAD_IDLE)
		return unexpected(board);
	enum packet answer = stm32_work_upload(board, block, data, length);
	if (answer == PACKET_ACK)
		become(board, *length < asked ? DFU_STATE_IDLE : DFU_STATE_UPLOAD_IDLE);
	return answer;
}

static enum packet serve(struct stm32 *board, const uint8_t setup[8], uint8_t *data, size_t *length)
{
	uint16_t value = (uint16_t)(setup[2] | setup[3] << 8);
	size_t asked = (size_t)setup[6] | (size_t)setup[7] << 8;
	bool in = setup[0] & ENDPOINT_TOWARDS_US;
	bool takes_data =
		setup[1] == DFU_UPLOAD || setup[1] == DFU_GETSTATUS || setup[1] == DFU_GETSTATE;
	*length = in ? asked : 0;
	if (in != takes_data || (setup[0] & 0x7f) != 0x21 || setup[4] || setup[5])
		return unexpected(board);
	switch (setup[1]) {
	case DFU_DETACH:
		return detach(board);
	case DFU_DNLOAD:
		return download(board, value, data, asked);
	case DFU_UPLOAD:
		return upload(board, value, data, length);
	case DFU_GETSTATUS:
		return get_status(board, data, length);
	case DFU_CLRSTATUS:
		return clear_status(board);
	case DFU_GETSTATE:
		return get_state(board, data, length);
	case DFU_ABORT:
		return abort_request(board);
	}
	return unexpected(board);
}

/* --- what befalls a request on its way --------------------------------------------------- */

static void note(struct stm32 *board, const uint8_t setup[8])
{
	bool empty = !setup[6] && !setup[7];
	if (!board->requested) {
		board->requested = true;
		stm32_event(board, STM32_EVENT_FIRST_REQUEST, 0);
	}
	stm32_event(board, STM32_EVENT_COMMAND, setup[1]);
	if (setup[1] < STM32_REQUESTS)
		board->counters.requests[setup[1]]++;
	if (setup[1] == DFU_DNLOAD)
		stm32_fault_note(board, STM32_AT_DNLOAD, 0, 0);
	if (setup[1] == DFU_DNLOAD && empty)
		stm32_fault_note(board, STM32_AT_LEAVE, 0, 0);
	if (setup[1] == DFU_UPLOAD)
		stm32_fault_note(board, STM32_AT_UPLOAD, 0, 0);
	if (setup[1] == DFU_GETSTATUS)
		stm32_fault_note(board, STM32_AT_GETSTATUS, 0, 0);
	if (setup[1] == DFU_DNLOAD)
		stm32_fault_note_bytes(board, (size_t)setup[6] | (size_t)setup[7] << 8);
}

static enum packet fate(const struct stm32 *board)
{
	return board->core.operations->poll(&board->core, 0);
}

enum packet stm32_dfu_request(
	struct stm32 *board, const uint8_t setup[8], uint8_t *data, size_t *length)
{
	/* Asked again after a NAK it is still the same request. */
	bool again = setup[1] == DFU_GETSTATUS && board->dfu.answer_owed;
	board->dfu.answer_owed = false;
	if (!again)
		note(board, setup);
	if (fate(board) != PACKET_ACK)
		return fate(board);
	if (board->stall_next) {
		board->stall_next = false;
		return stall(board);
	}
	bool fails = board->fail_next;
	board->fail_next = false;
	if (fails && !board->fail_after_serving)
		return PACKET_LOST;
	enum packet answer = serve(board, setup, data, length);
	if (answer == PACKET_NAK)
		board->dfu.answer_owed = true;
	if (answer != PACKET_ACK)
		return answer;
	if (setup[1] == DFU_UPLOAD)
		stm32_fault_note_bytes(board, *length);
	if (setup[1] == DFU_UPLOAD && fate(board) != PACKET_ACK)
		return fate(board);
	return fails ? PACKET_LOST : PACKET_ACK;
}

/* --- time -------------------------------------------------------------------------------- */

static void end_work(struct stm32 *board)
{
	struct dfu *dfu = &board->dfu;
	bool resets = dfu->resets_afterwards;
	stm32_flash_advance(board, board->now);
	stm32_work_end(board);
	if (resets)
		return stm32_reset(board, board->now, board->boot0);
	if (!board->reset_wanted)
		return;
	board->reset_wanted = false;
	stm32_dfu_start(board);
}

void stm32_dfu_advance(struct stm32 *board)
{
	struct dfu *dfu = &board->dfu;
	if (board->mode != STM32_DFU)
		return;
	if (dfu->manifest_due <= board->now) {
		dfu->manifest_due = NEVER;
		if (dfu->state == DFU_STATE_MANIFEST)
			become(board, DFU_STATE_MANIFEST_WAIT_RESET);
	}
	if (dfu->leave_due <= board->now) {
		dfu->leave_due = NEVER;
		leave(board);
	} else if (dfu->work_start <= board->now) {
		dfu->work_start = NEVER;
		stm32_work_begin(board);
	} else if (dfu->work_end <= board->now) {
		end_work(board);
	}
}

uint64_t stm32_dfu_next(const struct stm32 *board)
{
	const struct dfu *dfu = &board->dfu;
	const uint64_t dues[] = { dfu->work_start, dfu->work_end, dfu->manifest_due,
		dfu->leave_due };
	uint64_t next = NEVER;
	for (size_t index = 0; index < ELEMENTSOF(dues) && board->mode == STM32_DFU; index++)
		if (dues[index] < next)
			next = dues[index];
	return next;
}
