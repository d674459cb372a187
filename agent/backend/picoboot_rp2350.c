/* SPDX-License-Identifier: MIT */
/*
 * The RP2350. Its ROM looks for a block that describes a program in the first 4 KiB of the flash,
 * and in the next 4 KiB if there is none (RP2350 datasheet 5.1). So both belong to the image whole:
 * what it leaves out there is erased, lest an old block starts an old program, or a torn one.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "backend/picoboot_chip.h"
#include "base/bytes.h"
#include "model/rp2350.h"

#define RESTART_DELAY_MSEC 50
#define HEAD_SECTORS       2

/* GET_INFO: flags of what is asked for; the answers stand in the order of the flags. */
#define SYSTEM_CHIP        0x0001u
#define SYSTEM_CRITICAL    0x0002u
#define SYSTEM_FLASH       0x0008u
#define PARTITIONS_TABLE   0x0001u
#define PARTITIONS_COUNT   0x00ffu
#define PARTITIONS_PRESENT 0x0100u
#define INFO_BYTES         64

/* CRITICAL: flags that were burnt into the OTP, read at the start of the chip. */
#define CRITICAL_SECURE_BOOT    0x00001u
#define CRITICAL_ARM_DISABLED   0x10000u
#define CRITICAL_RISCV_DISABLED 0x20000u

/* FLASH_DEVINFO: how large the first flash chip is, 0 none, else 4 KiB << n. 16 MiB is also what an
 * OTP says that nobody has written to. */
#define FIRST_CHIP_SHIFT     8
#define FIRST_CHIP_MASK      0xfu
#define FIRST_CHIP_UNIT      4096u
#define FIRST_CHIP_SIZE_MOST (PICOBOOT_FLASH_END - PICOBOOT_FLASH_START)

/* Asks; `ret` then stands behind the flags that the ROM has answered. */
static int ask(struct picoboot_wire *wire, uint32_t type, uint32_t flags, uint8_t bytes[INFO_BYTES],
	uint32_t *ret_flags, struct cursor *ret)
{
	memset(bytes, 0, INFO_BYTES);
	int r = picoboot_get_info(wire, type, flags, bytes, INFO_BYTES);
	if (r == 0)
		r = picoboot_flush(wire);
	if (r < 0)
		return r;
	uint32_t words = read_u32(bytes);
	if (words > INFO_BYTES / 4 - 1)
		return -EPROTO;
	*ret = cursor_over(bytes + 4, 4 * (size_t)words);
	*ret_flags = cursor_u32(ret) & flags;
	return 0;
}

static void take_chip(struct cursor *answer, char ret_id[BOARD_ID_TEXT])
{
	char id[BOARD_ID_TEXT];
	cursor_u32(answer); /* the package; wrong on A2 (erratum RP2350-E23) */
	uint32_t low = cursor_u32(answer), high = cursor_u32(answer);
	snprintf(id, sizeof id, "%08" PRIX32 "%08" PRIX32, high, low);
	if (board_id_is_valid(id))
		memcpy(ret_id, id, sizeof id);
}

static uint8_t take_refusals(struct cursor *answer)
{
	uint32_t critical = cursor_u32(answer);
	unsigned refusals = 0;
	if (critical & CRITICAL_SECURE_BOOT)
		refusals |= REFUSES_UNSIGNED;
	if (critical & CRITICAL_ARM_DISABLED)
		refusals |= REFUSES_ARM;
	if (critical & CRITICAL_RISCV_DISABLED)
		refusals |= REFUSES_RISCV;
	return (uint8_t)refusals;
}

static int ask_system(
	struct picoboot_wire *wire, struct board_facts *facts, uint32_t *ret_flash_most)
{
	uint8_t bytes[INFO_BYTES];
	uint32_t flags;
	struct cursor answer;
	int r = ask(wire, PICOBOOT_INFO_SYSTEM, SYSTEM_CHIP | SYSTEM_CRITICAL | SYSTEM_FLASH, bytes,
		&flags, &answer);
	if (r < 0)
		return r;
	if (flags & SYSTEM_CHIP)
		take_chip(&answer, facts->unique_id);
	if (flags & SYSTEM_CRITICAL)
		facts->refusals = take_refusals(&answer);
	uint32_t flash_most = FIRST_CHIP_SIZE_MOST;
	if (flags & SYSTEM_FLASH) {
		unsigned code = cursor_u32(&answer) >> FIRST_CHIP_SHIFT & FIRST_CHIP_MASK;
		flash_most = code == 0 ? 0 : FIRST_CHIP_UNIT << code;
	}
	if (answer.failed || flash_most > FIRST_CHIP_SIZE_MOST)
		return -EPROTO;
	*ret_flash_most = flash_most;
	return 0;
}

static int ask_partitions(struct picoboot_wire *wire, bool *ret)
{
	uint8_t bytes[INFO_BYTES];
	uint32_t flags;
	struct cursor answer;
	int r = ask(wire, PICOBOOT_INFO_PARTITIONS, PARTITIONS_TABLE, bytes, &flags, &answer);
	if (r < 0)
		return r;
	uint32_t table = flags & PARTITIONS_TABLE ? cursor_u32(&answer) : 0;
	if (answer.failed)
		return -EPROTO;
	*ret = table & (PARTITIONS_COUNT | PARTITIONS_PRESENT);
	return 0;
}

static enum flash_content judge_content(const uint8_t head[RP2350_HEAD_BYTES])
{
	if (flash_is_blank(head, RP2350_HEAD_BYTES))
		return CONTENT_BLANK;
	return rp2350_head_is_bootable(head) ? CONTENT_BOOTABLE : CONTENT_UNBOOTABLE;
}

static int look_at_flash(struct picoboot_wire *wire, uint32_t most, struct board_facts *facts)
{
	uint8_t head[RP2350_HEAD_BYTES];
	int r = picoboot_read_head(wire, head, sizeof head);
	if (r < 0)
		return r;
	facts->content = judge_content(head);
	if (most < FIRST_CHIP_SIZE_MOST)
		facts->flash_size_bytes = most; /* somebody has stated it */
	else if (facts->content == CONTENT_BOOTABLE && !flash_is_blank(head, FLASH_PAGE_BYTES))
		r = picoboot_find_size(wire, head, most, &facts->flash_size_bytes);
	if (r == 0 && facts->content == CONTENT_BOOTABLE)
		r = picoboot_find_katapult(wire, read_u32(head + 4), facts);
	return r;
}

static int look(struct picoboot_wire *wire, struct board_facts *facts)
{
	uint32_t flash_most;
	int r = ask_system(wire, facts, &flash_most);
	if (r == 0)
		r = ask_partitions(wire, &facts->is_partitioned);
	if (r == 0 && flash_most > 0)
		r = look_at_flash(wire, flash_most, facts);
	return r;
}

static int find_head(const struct image *image, struct flash_head *ret)
{
	uint32_t boot_page;
	if (image_start(image) != RP2350_FLASH_START ||
		rp2350_find_boot_page(image, &boot_page) < 0)
		return -EINVAL;
	*ret = (struct flash_head){
		.sectors = HEAD_SECTORS, .boot_page = boot_page, .is_whole = true
	};
	return 0;
}

static int restart(struct picoboot_wire *wire)
{
	return picoboot_reboot2(wire, RESTART_DELAY_MSEC);
}

const struct picoboot_chip picoboot_rp2350 = {
	.chip = CHIP_RP2350,
	.name = "RP2350",
	.rom_magic = 2,
	.look = look,
	.find_head = find_head,
	.no_head = REASON_NO_IMAGE_DEF,
	.no_head_sentence = "the image has no IMAGE_DEF in its first 4 KiB, so an RP2350 would not "
			    "start it; use an image that was built for this board",
	.restart = restart,
};
