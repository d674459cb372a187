/* SPDX-License-Identifier: MIT */
/*
 * What a boot loader does with the bytes of a DNLOAD, and what it lets a host read.
 */
#include <string.h>

#include "emu/stm32_parts.h"

static bool is_dfuse(const struct stm32 *board)
{
	return board->kind->loader->protocol == PROTOCOL_DFUSE;
}

static enum work command_of(const uint8_t *bytes, size_t length)
{
	if (length == 5 && bytes[0] == DFUSE_SET_ADDRESS)
		return WORK_SET_ADDRESS;
	if (length == 5 && bytes[0] == DFUSE_ERASE)
		return WORK_ERASE;
	if (length == 1 && bytes[0] == DFUSE_ERASE)
		return WORK_MASS_ERASE;
	if (length == 1 && bytes[0] == DFUSE_READ_UNPROTECT)
		return WORK_READ_UNPROTECT;
	return WORK_NONE;
}

/* WORK_NONE: nothing that this loader knows. */
enum work stm32_work_of(const struct stm32 *board)
{
	const struct dfu *dfu = &board->dfu;
	if (!is_dfuse(board))
		return WORK_WRITE;
	if (dfu->block == 0)
		return command_of(dfu->buffer, dfu->length);
	return dfu->block == 1 ? WORK_NONE : WORK_WRITE;
}

uint32_t stm32_work_poll(const struct stm32 *board, enum work work)
{
	const struct stm32_polls *polls = &board->polls;
	switch (work) {
	case WORK_SET_ADDRESS:
		return polls->set_address;
	case WORK_ERASE:
		return polls->erase;
	case WORK_MASS_ERASE:
	case WORK_READ_UNPROTECT:
		return polls->mass_erase;
	case WORK_WRITE:
		return polls->write;
	case WORK_NONE:
		break;
	}
	return polls->idle;
}

/* Option bytes, OTP, Device Feature: whatever the loader lists beside flash. */
static bool is_in_area(const struct stm32 *board, uint64_t address)
{
	bool found = false;
	for (size_t index = 0; index < STM32_AREAS && address <= UINT32_MAX; index++)
		found = found || range_holds(&board->kind->areas[index], (uint32_t)address);
	return found;
}

static bool is_in(const struct stm32_range ranges[STM32_RANGES], uint64_t address)
{
	bool found = false;
	for (size_t index = 0; index < STM32_RANGES && address <= UINT32_MAX; index++)
		found = found || range_holds(&ranges[index], (uint32_t)address);
	return found;
}

static bool is_readable(const struct stm32 *board, uint64_t address)
{
	const struct stm32_options *options = &board->options;
	if (address > UINT32_MAX || is_in(options->unreadable, address))
		return false;
	return stm32_flash_holds(board, (uint32_t)address, 1) || is_in_area(board, address) ||
	       is_in(options->also_readable, address);
}

static uint64_t block_address(const struct stm32 *board, uint16_t block, uint32_t bytes)
{
	if (is_dfuse(board))
		return board->dfu.pointer + (uint64_t)(block - 2u) * bytes;
	return board->kind->application + (uint64_t)block * bytes;
}

/* --- operations -------------------------------------------------------------------------- */

static uint8_t set_address(struct stm32 *board, uint32_t address)
{
	board->counters.set_addresses++;
	if (board->options.protection == STM32_PROTECTED_STRICTLY)
		return DFU_ERR_VENDOR;
	if (!stm32_flash_holds(board, address, 1) && !is_in_area(board, address) &&
		!is_in(board->options.also_readable, address))
		return DFU_ERR_TARGET;
	board->dfu.pointer = address;
	return DFU_OK;
}

/* Taken, counted and forgotten; new option bytes reset the part at once. */
static uint8_t change_area(struct stm32 *board, uint64_t address)
{
	board->counters.option_writes++;
	board->dfu.resets_afterwards = range_holds(&board->kind->areas[0], (uint32_t)address);
	return DFU_OK;
}

static uint8_t erase(struct stm32 *board, uint32_t address)
{
	board->counters.erases++;
	if (board->options.protection != STM32_READ_OUT)
		return DFU_ERR_VENDOR;
	if (is_in_area(board, address))
		return change_area(board, address);
	if (!stm32_flash_holds(board, address, 1))
		return DFU_ERR_TARGET;
	uint32_t wedge = board->options.without_wedge ? 0 : board->kind->wedge;
	board->dfu.wedged = wedge && address >= wedge;
	return stm32_flash_erase(board, address);
}

static uint8_t mass_erase(struct stm32 *board)
{
	board->counters.mass_erases++;
	if (board->options.protection != STM32_READ_OUT)
		return DFU_ERR_VENDOR;
	return stm32_flash_mass_erase(board);
}

static uint8_t read_unprotect(struct stm32 *board)
{
	board->counters.read_unprotects++;
	board->options.protection = STM32_READ_OUT;
	board->dfu.resets_afterwards = true;
	return stm32_flash_mass_erase(board);
}

static uint8_t program(struct stm32 *board, uint64_t address)
{
	struct dfu *dfu = &board->dfu;
	uint8_t unit = board->kind->cells->unit;
	size_t whole = (dfu->length + unit - 1u) / unit * unit;
	if (board->options.protection != STM32_READ_OUT)
		return DFU_ERR_VENDOR;
	if (is_in_area(board, address))
		return change_area(board, address);
	if (address > UINT32_MAX || !stm32_flash_holds(board, (uint32_t)address, dfu->length))
		return DFU_ERR_TARGET;
	if (address % unit)
		return DFU_ERR_WRITE;
	return stm32_flash_program(board, (uint32_t)address, dfu->buffer, whole);
}

static uint8_t write_block(struct stm32 *board)
{
	struct dfu *dfu = &board->dfu;
	bool by_length = board->manners.dnload_multiplier == STM32_BY_LENGTH;
	board->counters.programs++;
	return program(
		board, block_address(board, dfu->block, by_length ? dfu->length : board->transfer));
}

/* --- plain loaders erase by themselves --------------------------------------------------- */

static uint64_t plain_address(const struct stm32 *board)
{
	const struct dfu *dfu = &board->dfu;
	if (board->kind->loader->protocol == PROTOCOL_BLOCKS)
		return block_address(board, dfu->block, board->transfer);
	/* Maple: alternate 1 writes behind an older, larger loader. */
	uint32_t more = dfu->alternate == 1 ? 0x3000 : 0;
	return (uint64_t)board->kind->application + more + dfu->sequence;
}

static bool begins_sector(const struct stm32 *board, uint64_t address)
{
	struct stm32_range sector;
	return address <= UINT32_MAX && stm32_sector(board, (uint32_t)address, &sector) &&
	       sector.address == address;
}

static bool is_for_ram(const struct stm32 *board)
{
	return board->kind->loader->protocol == PROTOCOL_SEQUENCE && board->dfu.alternate == 0;
}

/* A sector is erased when its first byte is written: the first half of the work. */
static uint8_t write_plain(struct stm32 *board)
{
	struct dfu *dfu = &board->dfu;
	uint64_t address = plain_address(board);
	if (is_for_ram(board))
		return DFU_ERR_VENDOR;
	if (!dfu->erased && begins_sector(board, address)) {
		dfu->erased = true;
		return erase(board, (uint32_t)address);
	}
	dfu->erased = false;
	board->counters.programs++;
	dfu->sequence += dfu->length;
	return program(board, address);
}

/* --- the course of one operation --------------------------------------------------------- */

static uint8_t operate(struct stm32 *board)
{
	struct dfu *dfu = &board->dfu;
	switch (dfu->work) {
	case WORK_SET_ADDRESS:
		return set_address(board, get_le32(dfu->buffer + 1));
	case WORK_ERASE:
		return erase(board, get_le32(dfu->buffer + 1));
	case WORK_MASS_ERASE:
		return mass_erase(board);
	case WORK_READ_UNPROTECT:
		return read_unprotect(board);
	case WORK_WRITE:
		return is_dfuse(board) ? write_block(board) : write_plain(board);
	case WORK_NONE:
		break;
	}
	return DFU_OK;
}

void stm32_work_begin(struct stm32 *board)
{
	struct dfu *dfu = &board->dfu;
	uint64_t moment = board->now + stm32_scaled(board, STM32_SET_ADDRESS_NSEC);
	uint8_t result = operate(board);
	if (board->mode != STM32_DFU)
		return; /* a fault struck as it began */
	bool busy = board->flash.job != FLASH_REST && board->flash.end > moment;
	dfu->work_end = busy ? board->flash.end : moment;
	dfu->result = board->error_next ? board->error_next : result;
	board->error_next = 0;
}

void stm32_work_end(struct stm32 *board)
{
	struct dfu *dfu = &board->dfu;
	dfu->work_end = NEVER;
	if (dfu->erased && dfu->result == DFU_OK) {
		dfu->work_start = board->now;
		return;
	}
	dfu->erased = dfu->working = false;
	if (dfu->wedged)
		return;
	dfu->work = WORK_NONE;
	if (dfu->state == DFU_STATE_ERROR)
		return; /* the host has given it up */
	dfu->status = dfu->result;
	dfu->state = dfu->result == DFU_OK ? DFU_STATE_DNLOAD_SYNC : DFU_STATE_ERROR;
}

/* --- UPLOAD ------------------------------------------------------------------------------ */

static uint8_t byte_at(const struct stm32 *board, uint32_t address)
{
	if (stm32_flash_holds(board, address, 1))
		return *stm32_flash_at(board, address);
	uint32_t into_id = address - board->kind->unique_id;
	if (board->kind->unique_id && into_id < STM32_UNIQUE_ID_BYTES)
		return board->options.unique_id[into_id];
	uint64_t noise = board->options.seed ^ (0x9e3779b97f4a7c15ULL * (address | 1ULL << 32));
	return (uint8_t)(noise_next(&noise) >> 32);
}

static enum packet upload_commands(uint8_t *data, size_t *length)
{
	static const uint8_t commands[4] = { 0x00, DFUSE_SET_ADDRESS, DFUSE_ERASE,
		DFUSE_READ_UNPROTECT };
	*length = *length < sizeof(commands) ? *length : sizeof(commands);
	memcpy(data, commands, *length);
	return PACKET_ACK;
}

/* Short at the end of a memory; an address outside of all of them is an error. */
static enum packet upload_memory(
	struct stm32 *board, uint64_t address, uint8_t *data, size_t *length)
{
	size_t got = 0;
	bool at_end = address == (uint64_t)board->kind->flash_base + board->flash.size;
	while (got < *length && is_readable(board, address + got)) {
		data[got] = byte_at(board, (uint32_t)(address + got));
		got++;
	}
	if (got == 0 && !at_end)
		return stm32_dfu_refuse(board, DFU_ERR_TARGET);
	if (board->wrong_read_next && board->wrong_byte < got) {
		data[board->wrong_byte] ^= (uint8_t)(1 << board->wrong_bit);
		board->wrong_read_next = false;
	}
	board->counters.bytes_uploaded += got;
	*length = got;
	return PACKET_ACK;
}

enum packet stm32_work_upload(struct stm32 *board, uint16_t block, uint8_t *data, size_t *length)
{
	bool by_length = board->manners.upload_multiplier == STM32_BY_LENGTH;
	uint32_t bytes = by_length ? (uint32_t)*length : board->transfer;
	if (*length > board->transfer || *length < (is_dfuse(board) ? 2 : 1))
		return stm32_dfu_refuse(board, DFU_ERR_STALLEDPKT);
	if (is_dfuse(board) && block == 0)
		return upload_commands(data, length);
	if (is_dfuse(board) && block == 1)
		return stm32_dfu_refuse(board, DFU_ERR_STALLEDPKT);
	if (board->options.protection != STM32_READ_OUT)
		return stm32_dfu_refuse(board, DFU_ERR_VENDOR);
	return upload_memory(board, block_address(board, block, bytes), data, length);
}
