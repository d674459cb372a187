/* SPDX-License-Identifier: MIT */
/* The honest part of the hostile board: its flash, and what it does with commands. */
#include "fuzz/katapult_hostile.h"

#include <string.h>

#include "backend/katapult_family.h"
#include "base/bytes.h"
#include "base/text.h"

uint8_t memory[WINDOW_BYTES];

/* ---- flash ------------------------------------------------------------------------------- */

static uint8_t *place(uint32_t address, uint32_t bytes)
{
	must(address >= board.start && address < board.end && bytes <= board.end - address);
	uint32_t offset = address - board.start;
	return bytes <= WINDOW_BYTES && offset <= WINDOW_BYTES - bytes ? memory + offset : NULL;
}

static void unit_of(uint32_t address, uint32_t *ret_start, uint32_t *ret_bytes)
{
	katapult_unit(board.chip, address, ret_start, ret_bytes);
	if (board.has_half_pages && *ret_bytes == 2048) {
		*ret_bytes = 1024;
		*ret_start = address / 1024 * 1024;
	}
}

bool is_all(uint8_t byte, const uint8_t *bytes, size_t length)
{
	return length == 0 || (bytes[0] == byte && memcmp(bytes, bytes + 1, length - 1) == 0);
}

/* What of the unit lies in the window. */
static uint32_t erasable(uint32_t start, uint32_t bytes)
{
	uint32_t left = WINDOW_BYTES - (start - board.start);
	return bytes < left ? bytes : left;
}

static void program(uint32_t address, const uint8_t *bytes, uint32_t length)
{
	uint8_t *at = place(address, length);
	must(at != NULL);
	for (uint32_t i = 0; i < length; i++)
		at[i] &= bytes[i];
}

/* katapult, src/stm32/flash.c */
static bool write_stm32(uint32_t address, const uint8_t *block)
{
	uint32_t start, bytes;
	uint8_t *at = place(address, board.block);
	must(at != NULL);
	unit_of(address, &start, &bytes);
	bool is_equal = memcmp(at, block, board.block) == 0;
	bool is_blank = is_all(0xff, at, board.block);
	if (start != address && !is_blank)
		return is_equal;
	if (start == address) {
		bytes = erasable(start, bytes);
		bool is_rest_blank = is_all(0xff, at + board.block, bytes - board.block);
		if (is_equal && is_rest_blank)
			return true;
		if (board.refuses_occupied && (!is_blank || !is_rest_blank))
			return false;
		memset(at, 0xff, bytes);
	}
	program(address, block, board.block);
	return true;
}

static uint32_t page_bytes(void)
{
	return board.block > 256 ? board.block : 256;
}

static void flush(void)
{
	uint32_t start, bytes;
	if (!board.page_filled)
		return;
	board.page_filled = false;
	unit_of(board.page_start, &start, &bytes);
	if (start == board.page_start)
		memset(place(start, page_bytes()), 0xff, erasable(start, bytes));
	program(board.page_start, board.page, page_bytes());
}

static void collect(uint32_t address, const uint8_t *block)
{
	uint32_t at = address % page_bytes();
	if (!board.page_filled)
		memset(board.page, 0xff, sizeof(board.page));
	board.page_filled = true;
	board.page_start = address - at;
	memcpy(board.page + at, block, board.block);
}

/* katapult, src/lpc176x/flash.c: a page is written when its last block has come. */
static bool write_lpc(uint32_t address, const uint8_t *block)
{
	if (address != board.page_next && (address | board.page_next) % page_bytes())
		return false;
	collect(address, block);
	board.page_next = address + board.block;
	if (board.page_next % page_bytes() == 0)
		flush();
	return true;
}

/* katapult, src/rp2040/flash.c: when a block of another page comes. */
static bool write_rp2(uint32_t address, const uint8_t *block)
{
	if (address / page_bytes() != board.page_start / page_bytes())
		flush();
	collect(address, block);
	return true;
}

static bool write_block(uint32_t address, const uint8_t *block)
{
	must(place(address, board.block) != NULL && address % board.block == 0);
	if (chip_is_stm32(board.chip))
		return write_stm32(address, block);
	bool is_lpc = board.chip == CHIP_LPC1768 || board.chip == CHIP_LPC1769;
	return is_lpc ? write_lpc(address, block) : write_rp2(address, block);
}

static void read_block(uint32_t address, uint8_t *ret)
{
	const uint8_t *at = place(address, board.block);
	if (at)
		memcpy(ret, at, board.block);
	else
		memset(ret, board.is_endless ? 0x3c : 0xff, board.block);
}

/* ---- what it does ------------------------------------------------------------------------ */

static bool on_send(const uint8_t *payload, size_t length, const struct fault *fault)
{
	uint8_t block[KATAPULT_PAYLOAD_MAX];
	must(board.is_writing && length == 4 + board.block);
	board.sends++;
	board.is_faulty |= fault->how == HOW_NOT_DONE || fault->how == HOW_WRONG;
	uint32_t address = read_u32(payload);
	must(place(address, board.block) != NULL);
	if (fault->how == HOW_NOT_DONE)
		return true;
	memcpy(block, payload + 4, board.block);
	if (fault->how == HOW_WRONG)
		block[fault->argument % board.block] ^= 0x11;
	return write_block(address, block);
}

static bool on_complete(const struct fault *fault)
{
	must(!board.is_writing);
	board.completes++;
	board.is_faulty |= fault->how == HOW_NOT_DONE;
	board.has_completed |= fault->how != HOW_NOT_DONE;
	return true;
}

bool board_execute(uint8_t code, const uint8_t *payload, size_t length, uint8_t *ret,
	size_t *ret_length, const struct fault *fault)
{
	ret[0] = code;
	*ret_length = 4;
	switch (code) {
	case KATAPULT_CONNECT:
		memcpy(ret, board.connect, board.connect_length);
		*ret_length = board.connect_length;
		return true;
	case KATAPULT_SEND_BLOCK:
		*ret_length = 8;
		write_u32(ret + 4, read_u32(payload));
		return on_send(payload, length, fault);
	case KATAPULT_REQUEST_BLOCK:
		must(length == 4);
		*ret_length = 8 + board.block;
		write_u32(ret + 4, read_u32(payload));
		read_block(read_u32(payload), ret + 8);
		board.has_lied |= fault->how == HOW_LIE;
		return true;
	case KATAPULT_EOF:
		must(board.is_writing);
		*ret_length = 8;
		board.is_faulty |= fault->how == HOW_NOT_DONE;
		if (fault->how != HOW_NOT_DONE)
			flush();
		return true;
	case KATAPULT_COMPLETE:
		return on_complete(fault);
	default:
		must(code == KATAPULT_NOTHING);
		*ret_length = 0;
		return false;
	}
}

/* ---- what it says of itself -------------------------------------------------------------- */

void board_understand_connect(void)
{
	char mcu[sizeof(board.connect) + 1] = "", plain[64];
	uint32_t unit, bytes;
	if (board.connect_length > 16)
		memcpy(mcu, board.connect + 16, board.connect_length - 16);
	text_copy_plain(plain, sizeof(plain), mcu);
	board.chip = chip_from_mcu(plain);
	board.start = read_u32(board.connect + 8);
	board.block = read_u32(board.connect + 12);
	const struct chip_memory *its = chip_memory(board.chip);
	bool has_block =
		board.block >= 4 && board.block <= 512 && !(board.block & (board.block - 1));
	if (board.chip == CHIP_UNKNOWN || !its || !has_block || board.connect_length < 16)
		return;
	katapult_unit(board.chip, board.start, &unit, &bytes);
	uint32_t end = its->flash.start + its->flash_size_least;
	if (board.start > its->flash.start && board.start < end && unit == board.start)
		board.end = end;
}
