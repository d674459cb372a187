/* SPDX-License-Identifier: MIT */
/*
 * The RP2040. Its ROM starts a second-stage loader in the first page of the flash, whatever lies
 * behind. It has no identity of its own: what tells two of them apart is the id of the flash chip
 * beside it, which the ROM cannot read; so a few instructions of ours do (picoboot_flash_id.S).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend/picoboot_chip.h"
#include "backend/picoboot_flash_id.h"
#include "base/bytes.h"
#include "model/rp2040.h"

/* The RP2040 counts its watchdog twice a tick (erratum RP2040-E1): 50 ms really, some fifty times
 * what the acknowledgement needs to get through. */
#define RESTART_DELAY_MSEC 100

static enum flash_content judge_content(const uint8_t *head, uint64_t size_bytes)
{
	if (flash_is_blank(head, RP2040_BOOT2_BYTES))
		return CONTENT_BLANK;
	uint32_t end = size_bytes ? (uint32_t)(RP2040_FLASH_START + size_bytes) : RP2040_FLASH_END;
	return rp2040_boot2_is_valid(head) &&
			       rp2040_vectors_are_plausible(head + RP2040_BOOT2_BYTES, end)
		       ? CONTENT_BOOTABLE
		       : CONTENT_UNBOOTABLE;
}

/* ---- the flash chip's id --------------------------------------------------------------------- */

/* Lets the code run once. EXIT_XIP sets up the serial port that it uses, and empties it. */
static int read_answer(struct picoboot_wire *wire, uint8_t answer[PICOBOOT_FLASH_ID_ANSWER_BYTES])
{
	uint8_t code[PICOBOOT_FLASH_ID_CODE_BYTES];
	memcpy(code, picoboot_flash_id_code, sizeof code);
	int r = picoboot_exit_xip(wire);
	if (r == 0)
		r = picoboot_load(wire, PICOBOOT_RAM_START, code, sizeof code);
	if (r == 0)
		r = picoboot_execute(wire, PICOBOOT_RAM_START);
	if (r == 0)
		r = picoboot_read(wire, PICOBOOT_RAM_START + PICOBOOT_FLASH_ID_ANSWER_OFFSET,
			answer, PICOBOOT_FLASH_ID_ANSWER_BYTES);
	/* What it left behind in the serial port the ROM would stumble over. */
	if (r == 0)
		r = picoboot_exit_xip(wire);
	int flushed = picoboot_flush(wire); /* before `code` goes */
	return r < 0 ? r : flushed;
}

static void format_id(const uint8_t *answer, char ret[BOARD_ID_TEXT])
{
	char id[BOARD_ID_TEXT] = "";
	for (unsigned i = 0; i < PICOBOOT_FLASH_ID_BYTES; i++)
		snprintf(id + 2 * i, sizeof id - 2 * i, "%02X", answer[PICOBOOT_FLASH_ID_SKIP + i]);
	/* A chip that does not know the question leaves the line as it is. */
	if (board_id_is_valid(id))
		memcpy(ret, id, sizeof id);
}

/*
 * Nothing guards the bytes on the way from the flash chip, so it is asked twice. An id that cannot
 * be had is no failure: the board stays one of many, as without plugflash.
 */
static int find_id(struct picoboot_wire *wire, char ret[BOARD_ID_TEXT])
{
	uint8_t answers[2][PICOBOOT_FLASH_ID_ANSWER_BYTES] = { 0 };
	for (unsigned i = 0; i < 2; i++) {
		int r = read_answer(wire, answers[i]);
		if (r < 0 && r != -ENODEV)
			return picoboot_recover(wire);
		if (r < 0)
			return r;
	}
	bool is_complete =
		read_u32(answers[0] + PICOBOOT_FLASH_ID_MARK_OFFSET) == PICOBOOT_FLASH_ID_MARK;
	if (is_complete && memcmp(answers[0], answers[1], sizeof answers[0]) == 0)
		format_id(answers[0], ret);
	return 0;
}

/* ---- the table ------------------------------------------------------------------------------- */

static int look(struct picoboot_wire *wire, struct board_facts *facts)
{
	uint8_t head[PICOBOOT_ECHO_BYTES];
	int r = picoboot_read_head(wire, head, sizeof head);
	if (r == 0 && rp2040_boot2_is_valid(head)) /* blank pages resemble each other */
		r = picoboot_find_size(wire, head, RP2040_FLASH_END - RP2040_FLASH_START,
			&facts->flash_size_bytes);
	if (r < 0)
		return r;
	facts->content = judge_content(head, facts->flash_size_bytes);
	if (facts->content == CONTENT_BOOTABLE)
		r = picoboot_find_katapult(wire, read_u32(head + RP2040_BOOT2_BYTES + 4), facts);
	return r < 0 ? r : find_id(wire, facts->unique_id);
}

static int find_head(const struct image *image, struct flash_head *ret)
{
	if (image_start(image) != RP2040_FLASH_START ||
		image->segments[0].length < RP2040_BOOT2_BYTES)
		return -EINVAL;
	*ret = (struct flash_head){ .sectors = 1, .boot_page = RP2040_FLASH_START };
	return 0;
}

static int restart(struct picoboot_wire *wire)
{
	return picoboot_reboot(wire, RESTART_DELAY_MSEC);
}

const struct picoboot_chip picoboot_rp2040 = {
	.chip = CHIP_RP2040,
	.name = "RP2040",
	.rom_magic = 1,
	.look = look,
	.find_head = find_head,
	.no_head = REASON_NO_BOOT2,
	.no_head_sentence = "the image does not begin with a boot loader page at 0x10000000; use "
			    "an image that was built without a boot loader offset",
	.restart = restart,
};
