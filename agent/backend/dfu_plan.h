/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What is to be done to a flash with erase units of any size so that it holds an image: which units
 * differ, which of those must be erased, and in which order the rest goes. Pure: it learns what
 * others read.
 *
 * The image begins with its vector table, without which nothing is started. So when anything is to
 * be changed, the unit with the vector table goes first, and the head of the table, stack and reset
 * vector, comes last: as one write of the chip, so that half of it never lies there.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/dfuse_layout.h"
#include "base/cleanup.h"
#include "model/image.h"
#include "model/job.h"

#define DFU_BATCH_BYTES (64u << 10)
#define DFU_HEAD_MAX    32u

enum dfu_unit_state {
	UNIT_UNKNOWN, /* nobody has looked, or not since something was done to it */
	UNIT_IDENTICAL, /* read, and as it should be */
	UNIT_FILL, /* differs only where it is blank: need not be erased */
	UNIT_ERASE, /* must be erased first */
	UNIT_PROVED, /* was different; read back without a difference */
};

/* An erase unit, or as many neighbours as a block is long. */
struct dfu_unit {
	uint32_t address, length;
	enum dfu_unit_state state;
	bool was_blank;
	bool has_surroundings; /* bytes outside the image in it are programmed, and must survive */
	unsigned mismatches; /* times that it was written and read back differently */
	uint8_t *wanted; /* `length` bytes: what it shall hold; once settled, without the head */
	uint8_t *before; /* what it held at first, */
	uint32_t before_bytes; /* as far as anybody looked */
};

struct dfu_plan {
	const struct image *image; /* borrowed */
	uint16_t block_bytes;
	struct dfu_unit *units; /* ascending; the first one holds the vector table */
	size_t count;
	uint8_t *bytes; /* `wanted` of all units, one behind the other, and `before` likewise */
	uint32_t head; /* where the vector table begins: its first words are written last, */
	uint16_t head_bytes; /* so many, which the chip writes at once */
	uint8_t head_wanted[DFU_HEAD_MAX]; /* once settled; `wanted` is blank there then */
	bool is_settled;
};

struct dfu_batch {
	size_t index, count;
	uint32_t address, length;
};

/* Plans for `image`; blocks count from `flash_start`, and the chip writes `write_unit_bytes` at
 * once (8 to DFU_HEAD_MAX). 0; -EINVAL when some of it lies in no unit, -EDOM when its
 * beginning is not what the chip can write at once; -ENOMEM. */
int dfu_plan_new(const struct image *image, const struct dfuse_layout *layout, uint32_t flash_start,
	uint16_t block_bytes, uint16_t write_unit_bytes, struct dfu_plan **ret) _must_check_;
struct dfu_plan *dfu_plan_free(struct dfu_plan *plan);
DEFINE_CLEANUP(struct dfu_plan *, dfu_plan_free)

/* What of a unit the image covers, from its first byte to its last. */
void dfu_plan_covered(
	const struct dfu_plan *plan, size_t index, uint32_t *ret_address, uint32_t *ret_length);

/* Does a unit hold the image's bytes already? Only what the image covers of `there` is looked at;
 * a unit that does is identical. */
bool dfu_plan_is_there(struct dfu_plan *plan, size_t index, const uint8_t *there);

/*
 * Of a unit that the image covers whole, `known_bytes` were read, whole blocks, one more than last
 * time. True: that block is neither as it should be nor blank, so the unit must be erased and need
 * be read no further.
 */
bool dfu_plan_must_be_erased(
	struct dfu_plan *plan, size_t index, const uint8_t *there, uint32_t known_bytes);

/* Learns what a unit holds, before anything is done; what lies around the image is adopted. */
void dfu_plan_learn(struct dfu_plan *plan, size_t index, const uint8_t *there);

/* All that is not identical is known, and if anything is not, so is the first unit. With `force`
 * every unit is written anew. True: there is something to do. */
bool dfu_plan_settle(struct dfu_plan *plan, bool force);

/* What is to be done, for people; only before anything is done. */
void dfu_plan_describe(const struct dfu_plan *plan, struct job_plan *ret);

/* The next neighbouring units that need something done, at most DFU_BATCH_BYTES or one; false: all
 * but the head is proved. */
bool dfu_plan_next_batch(const struct dfu_plan *plan, struct dfu_batch *ret);

/* Learns what a unit holds after something was done to it: proved (true), or what it needs now. */
bool dfu_plan_prove(struct dfu_plan *plan, size_t index, const uint8_t *there);

size_t dfu_plan_count(const struct dfu_plan *plan, enum dfu_unit_state state);
