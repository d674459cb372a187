/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What is to be done to a flash of 4 KiB sectors so that it holds an image: which sectors, which of
 * them differ, what to read to find out, and when to stop reading because it no longer pays. Pure:
 * it learns what others read, and reads or writes nothing itself.
 *
 * The head of the flash is special: there the ROM looks for something to start, and it starts
 * nothing without one page of it, the boot page. So the head is rewritten whenever anything is (its
 * boot page last), and compared last, because as long as anything else differs nobody need know
 * what is in it.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/image.h"

#define FLASH_SECTOR_BYTES      4096u
#define FLASH_PAGE_BYTES        256u
#define FLASH_SECTOR_PAGES      (FLASH_SECTOR_BYTES / FLASH_PAGE_BYTES)
#define FLASH_SPAN_SECTORS_MAX  16u /* in one read */
#define FLASH_BATCH_SECTORS_MAX 8u /* in one erase: about half a second between safe points */

/* Typical times of an RP2040 and its flash (W25Q16JV datasheet; ROM at 8 MHz single SPI). Only
 * their proportions matter. */
#define FLASH_ERASE_SECTOR_USEC 45000
#define FLASH_WRITE_PAGE_USEC   1100
#define FLASH_READ_PAGE_USEC    600
#define FLASH_COMMAND_USEC      500

enum flash_sector_state {
	SECTOR_UNKNOWN,
	SECTOR_IDENTICAL, /* read, and every byte of the image was there */
	SECTOR_DIFFERENT, /* or not worth finding out */
	SECTOR_PROVED, /* was different; written, and read back without a difference */
};

struct flash_sector {
	uint32_t address;
	enum flash_sector_state state;
	uint16_t covered; /* bit n: page n holds bytes of the image */
	bool is_partial; /* some of its bytes lie outside the image and must survive */
	bool is_merged; /* and are in `wanted` now */
	unsigned mismatches; /* times that it was written and read back differently */
};

struct flash_head {
	uint32_t sectors; /* from the start of the image on, at least 1 */
	uint32_t boot_page; /* its address */
	bool is_whole; /* what the image leaves out of the head shall be blank, not survive */
};

struct flash_plan {
	const struct image *image; /* borrowed */
	struct flash_head head;
	struct flash_sector *sectors; /* those of the head first */
	size_t count;
	uint8_t *wanted; /* count * FLASH_SECTOR_BYTES: what the chip shall hold */
	uint8_t boot_page[FLASH_PAGE_BYTES]; /* once settled; `wanted` is blank there then */

	/* Comparing: where we are, and the credit that reading ahead has. */
	size_t position; /* in the order of comparing: behind the head, and at last the head */
	unsigned pages_equal; /* of the sector there: its pages below this one need no more reads */
	unsigned streak; /* identical sectors in a row */
	int64_t waste_usec; /* spent on reading that saved nothing; negative: saved before */
	bool is_settled;
};

struct flash_span {
	uint32_t address;
	uint32_t length;
};

struct flash_batch {
	size_t index;
	size_t count;
};

/* Plans for `image`, which must begin on a sector with a whole page. 0, -EINVAL when it does not or
 * when its boot page does not lie in the head, -ENOMEM. */
int flash_plan_new(
	const struct image *image, const struct flash_head *head, struct flash_plan **ret);
struct flash_plan *flash_plan_free(struct flash_plan *plan);
DEFINE_CLEANUP(struct flash_plan *, flash_plan_free)

/* The next thing worth reading to find out what differs, at most FLASH_SPAN_SECTORS_MAX sectors;
 * false when there is none (any more). */
bool flash_plan_next_read(const struct flash_plan *plan, struct flash_span *ret);

/* Learns what the chip holds in `span`, which flash_plan_next_read() has asked for. */
void flash_plan_compare(
	struct flash_plan *plan, const struct flash_span *span, const uint8_t *bytes);

/* Ends comparing: what is not known to be identical is different, and if anything is, so is the
 * head. */
void flash_plan_settle(struct flash_plan *plan);

/* The next run of neighbouring different sectors, false when there is none. */
bool flash_plan_next_batch(const struct flash_plan *plan, struct flash_batch *ret);

/* The head is to be written (again): it was erased. */
void flash_plan_reopen_head(struct flash_plan *plan);

uint8_t *flash_plan_wanted(struct flash_plan *plan, size_t index);

/* Adopts what the chip holds around the image in a partial sector (all its bytes). */
void flash_plan_merge(struct flash_plan *plan, size_t index, const uint8_t *bytes);

/* True when nothing outside the image in this whole sector is programmed. */
bool flash_plan_surroundings_are_blank(
	const struct flash_plan *plan, size_t index, const uint8_t *bytes);

size_t flash_plan_count(const struct flash_plan *plan, enum flash_sector_state state);

bool flash_is_blank(const uint8_t *bytes, size_t length);

/* The next run of pages at or after `*offset` that are not blank; moves `*offset` behind it. */
bool flash_next_run(const uint8_t *bytes, size_t length, size_t *offset, struct flash_span *ret);
