/* SPDX-License-Identifier: MIT */
/*
 * Flash over DfuSe; see dfu_flash.h.
 *
 * One Set Address serves a whole run of blocks: block 2 lies at the address, the next ones behind
 * it (UM0424). Every block has the full transfer size, because ROMs differ in whether the number
 * counts in transfer sizes or in lengths of the request; memory is a whole number of them.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "backend/dfu_flash.h"
#include "backend/flash_plan.h"

#define FIRST_BLOCK 2u
#define BLOCKS_MAX  65536u
/* What any of the chips writes at once: no shorter block can carry it. */
#define BLOCK_LEAST_BYTES 32u

int dfu_flash_init(struct dfu_flash *flash, struct dfu_wire *wire,
	const struct dfuse_layout *layout, uint32_t start)
{
	uint64_t size_bytes = dfuse_layout_end(layout, start) - start;
	uint16_t block_bytes = wire->function.transfer_bytes;
	/* Erase units are powers of two, so that blocks and units are made of one another. */
	bool is_power_of_two = (block_bytes & (block_bytes - 1)) == 0;
	if (block_bytes < BLOCK_LEAST_BYTES || !is_power_of_two || size_bytes == 0 ||
		size_bytes % block_bytes != 0 ||
		size_bytes / block_bytes > BLOCKS_MAX - FIRST_BLOCK)
		return -EPROTO;
	*flash = (struct dfu_flash){
		.wire = wire,
		.layout = layout,
		.start = start,
		.size_bytes = (uint32_t)size_bytes,
		.block_bytes = block_bytes,
		.write_unit_bytes = 8,
	};
	flash->bytes = malloc(flash->size_bytes);
	flash->is_known = calloc(flash->size_bytes / block_bytes, sizeof(bool));
	return flash->bytes && flash->is_known ? 0 : -ENOMEM;
}

void dfu_flash_done(struct dfu_flash *flash)
{
	free(flash->bytes);
	free(flash->is_known);
	*flash = (struct dfu_flash){ 0 };
}

bool dfu_flash_contains(const struct dfu_flash *flash, uint32_t address, uint32_t length)
{
	return address >= flash->start && address - flash->start <= flash->size_bytes &&
	       length <= flash->size_bytes - (address - flash->start);
}

const uint8_t *dfu_flash_at(const struct dfu_flash *flash, uint32_t address)
{
	return flash->bytes + (address - flash->start);
}

static bool *known(struct dfu_flash *flash, uint32_t address)
{
	return &flash->is_known[(address - flash->start) / flash->block_bytes];
}

static uint32_t block_start(const struct dfu_flash *flash, uint32_t address)
{
	return address - (address - flash->start) % flash->block_bytes;
}

void dfu_flash_forget(struct dfu_flash *flash, uint32_t address, uint32_t length)
{
	assert(dfu_flash_contains(flash, address, length));
	for (uint32_t at = block_start(flash, address); at < address + length;
		at += flash->block_bytes)
		*known(flash, at) = false;
}

static int step(struct dfu_flash *flash, uint32_t bytes)
{
	return flash->on_step ? flash->on_step(flash->context, bytes) : 0;
}

/* ---- reading ----------------------------------------------------------------------------- */

/* Set Address leaves the device in dfuDNLOAD-IDLE, from which nothing can be read (UM0424). */
static int point_for_reading(struct dfu_flash *flash, uint32_t address)
{
	struct dfu_wire *wire = flash->wire;
	if (wire->state == DFU_UPLOAD_IDLE && flash->next_address == address &&
		flash->next_block >= FIRST_BLOCK)
		return 0;
	int r = wire->state == DFU_UPLOAD_IDLE ? dfu_abort(wire) : 0;
	if (r == 0)
		r = dfuse_set_address(wire, address);
	if (r == 0)
		r = dfu_abort(wire);
	flash->next_address = address;
	flash->next_block = FIRST_BLOCK;
	return r;
}

static int read_block(struct dfu_flash *flash, uint32_t address)
{
	int r = point_for_reading(flash, address);
	if (r == 0)
		r = dfu_upload(flash->wire, flash->next_block,
			flash->bytes + (address - flash->start), flash->block_bytes);
	if (r < 0)
		return r;
	*known(flash, address) = true;
	flash->bytes_read += flash->block_bytes;
	flash->next_address = address + flash->block_bytes;
	flash->next_block++; /* to 0 in a run without end: then the address is set anew */
	return step(flash, flash->block_bytes);
}

int dfu_flash_read(struct dfu_flash *flash, uint32_t address, uint32_t length)
{
	assert(dfu_flash_contains(flash, address, length));
	for (uint32_t at = block_start(flash, address); at < address + length;
		at += flash->block_bytes) {
		int r = *known(flash, at) ? 0 : read_block(flash, at);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- writing ----------------------------------------------------------------------------- */

static int leave_upload(struct dfu_wire *wire)
{
	return wire->state == DFU_UPLOAD_IDLE ? dfu_abort(wire) : 0;
}

int dfu_flash_erase(struct dfu_flash *flash, uint32_t address, uint32_t length)
{
	dfu_flash_forget(flash, address, length);
	int r = leave_upload(flash->wire);
	for (uint32_t at = address; r == 0 && at < address + length;) {
		uint32_t unit_start, unit_bytes;
		if (!dfuse_layout_unit(flash->layout, at, &unit_start, &unit_bytes))
			return -EPROTO;
		assert(unit_start == at);
		flash->units_erased++;
		r = dfuse_erase(flash->wire, at);
		at += unit_bytes;
		if (r == 0)
			r = step(flash, 0);
	}
	return r;
}

static bool needs_programming(struct dfu_flash *flash, uint32_t address, const uint8_t *data)
{
	if (flash_is_blank(data, flash->block_bytes))
		return false;
	return !*known(flash, address) ||
	       memcmp(dfu_flash_at(flash, address), data, flash->block_bytes) != 0;
}

static int program_block(struct dfu_flash *flash, uint32_t address, uint16_t number,
	const uint8_t *data, uint16_t length)
{
	*known(flash, address) = false;
	flash->bytes_written += length;
	int r = dfu_download(flash->wire, number, data, length, DFU_LIMIT_WRITE_MSEC);
	return r < 0 ? r : step(flash, length);
}

int dfu_flash_program_piece(
	struct dfu_flash *flash, uint32_t address, const uint8_t *data, uint16_t length)
{
	int r = leave_upload(flash->wire);
	if (r == 0)
		r = dfuse_set_address(flash->wire, address);
	return r < 0 ? r : program_block(flash, address, FIRST_BLOCK, data, length);
}

static uint16_t blank_at_start(const struct dfu_flash *flash, const uint8_t *data)
{
	uint16_t length = 0;
	while (length < flash->block_bytes &&
		flash_is_blank(data + length, flash->write_unit_bytes))
		length = (uint16_t)(length + flash->write_unit_bytes);
	return length;
}

int dfu_flash_program(
	struct dfu_flash *flash, uint32_t address, const uint8_t *data, uint32_t length)
{
	const uint16_t block_bytes = flash->block_bytes;
	assert(dfu_flash_contains(flash, address, length));
	assert((address - flash->start) % block_bytes == 0 && length % block_bytes == 0);
	int r = leave_upload(flash->wire);
	bool is_set = false;
	for (uint32_t at = 0; r == 0 && at < length; at += block_bytes) {
		if (!needs_programming(flash, address + at, data + at))
			continue;
		uint16_t blank = blank_at_start(flash, data + at);
		if (blank > 0) {
			r = dfu_flash_program_piece(flash, address + at + blank, data + at + blank,
				(uint16_t)(block_bytes - blank));
			is_set = false;
			continue;
		}
		if (!is_set)
			r = dfuse_set_address(flash->wire, address);
		is_set = true;
		if (r == 0)
			r = program_block(flash, address + at,
				(uint16_t)(FIRST_BLOCK + at / block_bytes), data + at, block_bytes);
	}
	return r;
}
