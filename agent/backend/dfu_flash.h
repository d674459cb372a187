/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The flash of a DfuSe device as memory: read what is not known yet, erase, program. What was read
 * stays known until something is done to it, so that nothing is read twice. Knows no image.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/dfu_wire.h"
#include "backend/dfuse_layout.h"
#include "base/cleanup.h"

struct dfu_flash {
	struct dfu_wire *wire; /* borrowed */
	const struct dfuse_layout *layout; /* borrowed */
	uint32_t start;
	uint32_t size_bytes; /* a multiple of block_bytes */
	uint16_t block_bytes; /* the transfer size */
	uint16_t write_unit_bytes; /* that the chip writes at once, and only where it is blank */
	uint8_t *bytes; /* size_bytes */
	bool *is_known; /* of each block */
	uint64_t bytes_read, bytes_written;
	uint32_t units_erased;
	/* Where the next UPLOAD would go on, while the device is in dfuUPLOAD-IDLE. */
	uint32_t next_address;
	uint16_t next_block;
	/* Called behind every block that came or went, and every unit that was erased. Negative:
	 * stop here and return that. May be NULL. */
	int (*on_step)(void *context, uint32_t bytes);
	void *context;
};

/* 0 or -ENOMEM; -EPROTO when flash and transfer size do not go together. */
int dfu_flash_init(struct dfu_flash *flash, struct dfu_wire *wire,
	const struct dfuse_layout *layout, uint32_t start) _must_check_;
void dfu_flash_done(struct dfu_flash *flash);

bool dfu_flash_contains(const struct dfu_flash *flash, uint32_t address, uint32_t length);

/* Makes the bytes known; all of them must be contained. 0 or an error of dfu_wire.h. */
int dfu_flash_read(struct dfu_flash *flash, uint32_t address, uint32_t length) _must_check_;

/* What is known of the bytes at `address`. */
const uint8_t *dfu_flash_at(const struct dfu_flash *flash, uint32_t address);

/* Something may have happened to them. */
void dfu_flash_forget(struct dfu_flash *flash, uint32_t address, uint32_t length);

/* Erases all units of a range that begins and ends with one. */
int dfu_flash_erase(struct dfu_flash *flash, uint32_t address, uint32_t length) _must_check_;

/* Programs less than a block, whole write units of it. */
int dfu_flash_program_piece(struct dfu_flash *flash, uint32_t address, const uint8_t *data,
	uint16_t length) _must_check_;

/* Programs those blocks of `data` that are neither blank nor known to be there already; the range
 * is whole blocks. Where a block begins with blank write units they are left alone: they can still
 * be written later. */
int dfu_flash_program(struct dfu_flash *flash, uint32_t address, const uint8_t *data,
	uint32_t length) _must_check_;
