/* SPDX-License-Identifier: MIT */
/*
 * How Katapult writes: block by block with a look at what is there (STM32), or page by page from a
 * buffer (LPC176x, RP2040), erasing a unit when its first block comes.
 */
#include <stdlib.h>
#include <string.h>

#include "emu/kata.h"

#define KEPT_BLOCKS (4u * 1024 * 1024 / KATA_BLOCK_BYTES) /* more flash than there is */

/* --- what was read back ------------------------------------------------------------------ */

static bool block_number(const struct kata *katapult, uint32_t address, uint32_t *ret)
{
	*ret = (address - katapult->kind.application) / KATA_BLOCK_BYTES;
	return address >= katapult->kind.application && *ret < KEPT_BLOCKS;
}

static void mark(struct kata *katapult, uint32_t address, bool unread)
{
	uint32_t number;
	if (!katapult->unread || !block_number(katapult, address, &number))
		return;
	uint8_t bit = (uint8_t)(1 << (number & 7));
	uint8_t *byte = &katapult->unread[number / 8];
	*byte = unread ? *byte | bit : *byte & (uint8_t)~bit;
}

void kata_flash_was_read(struct kata *katapult, uint32_t address)
{
	bool is_in_page = katapult->page_filled &&
			  address / KATA_PAGE_BYTES == katapult->address / KATA_PAGE_BYTES;
	if (!is_in_page && address % KATA_BLOCK_BYTES == 0)
		mark(katapult, address, false);
}

bool kata_flash_is_unread(const struct kata *katapult)
{
	for (size_t index = 0; katapult->unread && index < KEPT_BLOCKS / 8; index++)
		if (katapult->unread[index])
			return true;
	return false;
}

/* --- steps ------------------------------------------------------------------------------- */

void kata_flash_start(struct kata *katapult)
{
	katapult->page_filled = false;
	katapult->pages = 0;
	katapult->next_address = katapult->kind.application;
	if (!katapult->unread)
		katapult->unread = malloc(KEPT_BLOCKS / 8);
	if (katapult->unread)
		memset(katapult->unread, 0, KEPT_BLOCKS / 8);
}

static void fail(struct kata *katapult)
{
	katapult->counters.blocks_refused += katapult->frame[2] == KATA_SEND_BLOCK;
	kata_refuse(katapult);
}

/* The jobs may have ended the program. */
static void begin(struct kata *katapult, enum kata_step step, uint64_t end)
{
	if (!katapult->running)
		return;
	if (!end)
		return fail(katapult);
	katapult->step = step;
	katapult->due = end;
}

static void begin_erase(struct kata *katapult)
{
	begin(katapult, KATA_ERASES, katapult->chip->erase(katapult->context, katapult->address));
}

static void begin_program(struct kata *katapult)
{
	begin(katapult, KATA_PROGRAMS,
		katapult->chip->program(
			katapult->context, katapult->address, katapult->page, katapult->length));
}

static void succeed(struct kata *katapult)
{
	uint32_t address = kata_word(katapult->frame + 4);
	katapult->counters.blocks_sent++;
	mark(katapult, address, true);
	kata_acknowledge(katapult, address);
}

/* --- STM32 ------------------------------------------------------------------------------- */

enum content {
	BLANK,
	EQUAL, /* to the block that is to be written */
	OTHER,
};

static bool is_blank(const uint8_t *bytes, size_t length)
{
	for (size_t index = 0; index < length; index++)
		if (bytes[index] != 0xff)
			return false;
	return true;
}

/* False: the processor has read where nothing is. */
static bool look_at_block(struct kata *katapult, enum content *ret)
{
	uint8_t there[KATA_PAGE_BYTES];
	if (!katapult->chip->read(katapult->context, katapult->address, there, katapult->length))
		return false;
	*ret = is_blank(there, katapult->length)                  ? BLANK
	       : !memcmp(there, katapult->page, katapult->length) ? EQUAL
								  : OTHER;
	return true;
}

/* The rest of the unit behind the block. */
static bool is_rest_blank(struct kata *katapult, uint32_t bytes)
{
	uint8_t there[KATA_BLOCK_BYTES];
	for (size_t at = katapult->length; at < bytes; at += sizeof(there)) {
		uint32_t address = katapult->address + (uint32_t)at;
		if (!katapult->chip->read(katapult->context, address, there, sizeof(there)) ||
			!is_blank(there, sizeof(there)))
			return false;
	}
	return true;
}

static void succeed_again(struct kata *katapult)
{
	katapult->counters.blocks_repeated++;
	succeed(katapult);
}

static void write_unit_start(struct kata *katapult, enum content content, uint32_t bytes)
{
	bool rest_blank = is_rest_blank(katapult, bytes);
	if (rest_blank && content == EQUAL)
		return succeed_again(katapult);
	if (katapult->options->refuses_occupied && (!rest_blank || content != BLANK))
		return fail(katapult);
	katapult->pages++;
	if (rest_blank && content == BLANK)
		return begin_program(katapult);
	begin_erase(katapult);
}

static void write_stm32(struct kata *katapult)
{
	uint32_t start, bytes;
	enum content content;
	if (katapult->address % katapult->length)
		return fail(katapult);
	if (!katapult->chip->unit(katapult->context, katapult->address, &start, &bytes) ||
		!look_at_block(katapult, &content))
		return kata_crash(katapult);
	if (start == katapult->address)
		return write_unit_start(katapult, content, bytes);
	if (content == BLANK)
		return begin_program(katapult);
	if (content == EQUAL)
		return succeed_again(katapult);
	fail(katapult);
}

static void verify_stm32(struct kata *katapult)
{
	enum content content = OTHER;
	bool is_there = look_at_block(katapult, &content);
	/* A block of 0xFF is both. */
	if (is_there && (content == EQUAL || is_blank(katapult->page, katapult->length)) &&
		content != OTHER)
		return succeed(katapult);
	fail(katapult);
}

/* --- pages ------------------------------------------------------------------------------- */

/* Erases first when a unit begins here. */
static void flush(struct kata *katapult)
{
	uint32_t start = 0, bytes;
	bool lpc = katapult->kind.family == KATA_LPC176X;
	katapult->length = KATA_PAGE_BYTES;
	if (!katapult->chip->unit(katapult->context, katapult->address, &start, &bytes))
		return fail(katapult);
	bool begins = start == katapult->address;
	katapult->pages += lpc ? begins : 1;
	if (begins)
		return begin_erase(katapult);
	begin_program(katapult);
}

static void collect(struct kata *katapult, uint32_t address, const uint8_t *block)
{
	size_t at = address % KATA_PAGE_BYTES;
	if (!katapult->page_filled)
		memset(katapult->page, 0xff, sizeof(katapult->page));
	katapult->page_filled = true;
	katapult->address = address - (uint32_t)at;
	memcpy(katapult->page + at, block, kata_block_bytes(katapult));
}

static void write_lpc(struct kata *katapult, uint32_t address, const uint8_t *block)
{
	uint32_t next = katapult->next_address;
	if (address != next && (address | next) % KATA_PAGE_BYTES)
		return fail(katapult);
	collect(katapult, address, block);
	katapult->next_address = address + (uint32_t)kata_block_bytes(katapult);
	if (katapult->next_address % KATA_PAGE_BYTES)
		return succeed(katapult);
	flush(katapult);
}

/* The block waits in its frame until the page before it is in flash. */
static void write_rp2040(struct kata *katapult, uint32_t address, const uint8_t *block)
{
	size_t length = kata_block_bytes(katapult);
	if (address % length || (katapult->kind.end && address > katapult->kind.end - length))
		return fail(katapult);
	if (katapult->page_filled &&
		address / KATA_PAGE_BYTES != katapult->address / KATA_PAGE_BYTES)
		return flush(katapult);
	collect(katapult, address, block);
	succeed(katapult);
}

static void on_page_written(struct kata *katapult)
{
	katapult->page_filled = false;
	if (katapult->frame[2] == KATA_EOF)
		return kata_acknowledge(katapult, katapult->pages);
	if (katapult->kind.family == KATA_RP2040)
		collect(katapult, kata_word(katapult->frame + 4), katapult->frame + 8);
	succeed(katapult);
}

/* --- what the commands do ---------------------------------------------------------------- */

void kata_flash_block(struct kata *katapult, uint32_t address, const uint8_t *block)
{
	switch (katapult->kind.family) {
	case KATA_STM32:
		katapult->address = address;
		katapult->length = kata_block_bytes(katapult);
		memcpy(katapult->page, block, katapult->length);
		return write_stm32(katapult);
	case KATA_LPC176X:
		return write_lpc(katapult, address, block);
	case KATA_RP2040:
		return write_rp2040(katapult, address, block);
	}
}

void kata_flash_eof(struct kata *katapult)
{
	if (katapult->page_filled)
		return flush(katapult);
	kata_acknowledge(katapult, katapult->pages);
}

void kata_flash_erased(struct kata *katapult)
{
	begin_program(katapult);
}

void kata_flash_programmed(struct kata *katapult)
{
	if (katapult->kind.family == KATA_STM32)
		return verify_stm32(katapult);
	on_page_written(katapult);
}
