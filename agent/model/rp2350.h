/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the boot ROM of an RP2350 expects in flash that holds no partition table, as pure checks
 * over bytes: shared by the judgement of an image, by the plan of a write and by the probe of a
 * board. Nothing here opens or decides anything.
 *
 * The ROM looks for blocks: a start marker, items, a last item with their length, the distance to
 * the next block, an end marker. The first one begins within the first 4096 bytes, and the chain
 * must lead back to it; somewhere in it an IMAGE_DEF says what the image is.
 */
#include <stdbool.h>
#include <stdint.h>

#include "model/image.h"

#define RP2350_FLASH_START 0x10000000u
#define RP2350_FLASH_END   0x11000000u /* of the first flash chip: what is written and started */
#define RP2350_SECOND_END  0x12000000u /* of a second one, where blocks may lie too */
#define RP2350_RAM_START   0x20000000u
#define RP2350_RAM_END     0x20082000u
#define RP2350_HEAD_BYTES  4096u /* where the first block begins */
#define RP2350_PAGE_BYTES  256u

#define RP2350_FLASH_SIZE_LEAST (2u << 20) /* the smallest flash chip in common use */

enum rp2350_cpu {
	RP2350_ARM,
	RP2350_RISCV,
};

/* What the loop of blocks says. Addresses are as the image states them. */
struct rp2350_start {
	uint32_t block_address; /* of the first block's start marker */
	unsigned block_count;
	bool is_partition_table; /* one of the blocks holds a partition table */
	bool is_data; /* one says that the image is data, which is never started */
	bool has_image_def; /* for something that can be started, on whichever chip */
	uint16_t image_type; /* of the IMAGE_DEF that the ROM would take */
	bool is_rolled; /* it wants to appear at another address than the one it lies at */
	bool has_load_map; /* the ROM copies parts of the image before it starts */
	bool has_vector_table; /* its address is stated; else it lies at the start of the flash */
	uint32_t vector_table;
	bool has_entry_point; /* stated; else the vector table says it, or RISC-V code begins */
	uint32_t entry_point;
	uint32_t stack;
};

/*
 * 0; -ENOENT when there is no block, -EINVAL when the ROM would stop at a broken one, -EEXIST when
 * another part of the image would start without the page that holds the first block's start marker:
 * that page is written last, so that a torn write starts nothing.
 */
int rp2350_find_start(const struct image *image, struct rp2350_start *ret) _must_check_;

/* The 256-byte page which holds the start marker of the first block. 0, or -EINVAL. */
int rp2350_find_boot_page(const struct image *image, uint32_t *ret_address) _must_check_;

/* Does the IMAGE_DEF say: a program for this chip? */
bool rp2350_type_is_program(uint16_t image_type);
enum rp2350_cpu rp2350_type_cpu(uint16_t image_type);
bool rp2350_type_is_non_secure(uint16_t image_type);
/* Try before you buy: started once, until the program itself says that it is to stay. */
bool rp2350_type_is_on_trial(uint16_t image_type);

/* Could these two words start an Arm application that ends before `image_end`? */
bool rp2350_vectors_are_plausible(const uint8_t vectors[8], uint64_t image_end);

/* Does the first block within the first bytes of a flash say: a program for this chip? */
bool rp2350_head_is_bootable(const uint8_t head[4096]);
