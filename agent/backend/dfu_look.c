/* SPDX-License-Identifier: MIT */
/*
 * Looking into a flash; see dfu_look.h.
 *
 * What the chip starts lies at the start of its flash. That is the application itself, or a boot
 * loader: Katapult is known by its signature, any other by the Klipper that is behind it and was
 * proved to be linked for there. Everything else is unknown, and said to be so. Every byte takes
 * time on the wire, so no more is read than answers this.
 */
#include <errno.h>
#include <string.h>

#include "backend/dfu_look.h"
#include "backend/flash_plan.h"
#include "base/bytes.h"
#include "model/katapult.h"
#include "model/klipper.h"
#include "model/link_address.h"

/* Read at once when a program is read on: blank bytes of this length end it. */
#define STRIDE_BYTES 8192u
/* Of one program; Klipper's are 30 to 60 KiB, and its dictionary is near the end. */
#define PROGRAM_MOST_BYTES (96u << 10)
/* Katapult's are 4 to 8 KiB. */
#define KATAPULT_MOST_BYTES (16u << 10)

struct look {
	struct dfu_flash *flash;
	struct board_facts *facts;
};

/* What seems to be a program. */
struct program {
	uint32_t start, length; /* as far as it was read */
	struct running running;
	bool is_linked_here; /* and it was proved to be built for this place */
};

/* ---- vector tables ----------------------------------------------------------------------- */

/* The reset vector of a table that was read leads to code. */
static bool leads_to_code(const struct dfu_flash *flash, uint32_t address)
{
	uint32_t reset = read_u32(dfu_flash_at(flash, address) + 4);
	return reset % 2 == 1 && reset > address && dfu_flash_contains(flash, reset & ~1u, 2);
}

/* 1: a vector table that a chip could start lies there. */
static int has_vectors(const struct look *look, uint32_t address)
{
	const struct dfu_flash *flash = look->flash;
	if (!dfu_flash_contains(flash, address, 8))
		return 0;
	int r = dfu_flash_read(look->flash, address, 8);
	if (r < 0)
		return r;
	return chip_stack_is_plausible(CHIP_UNKNOWN, read_u32(dfu_flash_at(flash, address))) &&
	       leads_to_code(flash, address);
}

/* 1: the code that the reset vector leads to has Katapult's signature before it. */
static int is_katapult(const struct look *look)
{
	const struct dfu_flash *flash = look->flash;
	uint32_t reset = read_u32(dfu_flash_at(flash, flash->start) + 4) & ~1u;
	uint32_t signature = reset - KATAPULT_SIGNATURE_BYTES;
	if (reset < flash->start + KATAPULT_SIGNATURE_BYTES ||
		!dfu_flash_contains(flash, signature, KATAPULT_SIGNATURE_BYTES))
		return 0;
	int r = dfu_flash_read(look->flash, signature, KATAPULT_SIGNATURE_BYTES);
	return r < 0 ? r : katapult_is_signature(dfu_flash_at(flash, signature));
}

/* ---- programs ---------------------------------------------------------------------------- */

static uint32_t readable_bytes(const struct dfu_flash *flash, uint32_t start, uint32_t most)
{
	uint32_t left = flash->start + flash->size_bytes - start;
	return left < most ? left : most;
}

/* The dictionary in what was read of a program; a doubtful one is none. */
static int find_dictionary(const struct look *look, struct program *program)
{
	_cleanup_(klipper_done) struct klipper klipper = { 0 };
	const uint8_t *bytes = dfu_flash_at(look->flash, program->start);
	int r = klipper_find(bytes, program->length, &klipper);
	if (r != 0)
		return r == -ENOMEM ? r : 0;
	program->running = klipper_running(&klipper);
	struct link_address link = link_address_find(
		bytes, program->length, chip_from_mcu(klipper.mcu), klipper.offset);
	program->is_linked_here = link.is_proved && link.base == program->start;
	return 0;
}

/* Reads on from a vector table until it is proved whose it is, or to where the program seems to
 * end.
 */
static int read_program(const struct look *look, uint32_t start, struct program *ret)
{
	struct program program = { .start = start };
	uint32_t most = readable_bytes(look->flash, start, PROGRAM_MOST_BYTES);
	while (program.length < most && !program.is_linked_here) {
		uint32_t stride = most - program.length;
		if (stride > STRIDE_BYTES)
			stride = STRIDE_BYTES;
		int r = dfu_flash_read(look->flash, start + program.length, stride);
		if (r < 0)
			return r;
		bool is_end =
			flash_is_blank(dfu_flash_at(look->flash, start + program.length), stride);
		program.length += stride;
		r = is_end ? 0 : find_dictionary(look, &program);
		if (r < 0)
			return r;
		if (is_end)
			break;
	}
	*ret = program;
	return 0;
}

/* 1: Klipper lies there, linked for where it lies. */
static int is_application(const struct look *look, uint32_t start, struct program *ret)
{
	*ret = (struct program){ 0 };
	int r = has_vectors(look, start);
	if (r > 0)
		r = read_program(look, start, ret);
	return r < 0 ? r : ret->is_linked_here;
}

/* Klipper behind a boot loader: 1 when there is one. */
static int find_application(const struct look *look, struct program *ret)
{
	if (look->facts->has_application_start)
		return is_application(look, look->facts->application_start, ret);
	const uint32_t *offsets;
	size_t count = link_offsets_stm32(&offsets);
	for (size_t i = 1; i < count; i++) {
		int r = is_application(look, look->flash->start + offsets[i], ret);
		if (r != 0)
			return r;
	}
	return 0;
}

/* ---- boot loaders ------------------------------------------------------------------------ */

static void set_application_start(struct board_facts *facts, uint32_t start)
{
	facts->has_application_start = true;
	facts->application_start = start;
}

/* From the start of the flash to the first block that is blank. */
static int read_katapult(const struct look *look, uint32_t *ret_length)
{
	const struct dfu_flash *flash = look->flash;
	uint32_t most = readable_bytes(flash, flash->start, KATAPULT_MOST_BYTES), length = 0;
	while (length < most) {
		int r = dfu_flash_read(look->flash, flash->start + length, flash->block_bytes);
		if (r < 0)
			return r;
		if (flash_is_blank(dfu_flash_at(flash, flash->start + length), flash->block_bytes))
			break;
		length += flash->block_bytes;
	}
	*ret_length = length;
	return 0;
}

/* Katapult holds the address of its application, which lies behind it, as a constant; where it
 * could be two, nobody knows. */
static int ask_katapult(const struct look *look)
{
	uint32_t length;
	int r = read_katapult(look, &length);
	if (r < 0)
		return r;
	const struct dfu_flash *flash = look->flash;
	/* What follows is blank, so it ends there; one that was not read to its end has no known
	 * one. */
	if (length < KATAPULT_MOST_BYTES)
		look->facts->bootloader_end = flash->start + length;
	const uint32_t *offsets;
	size_t count = link_offsets_stm32(&offsets), found = 0;
	for (size_t i = 0; i < count; i++) {
		uint32_t start = flash->start + offsets[i];
		if (offsets[i] < length - flash->block_bytes ||
			!link_mentions(dfu_flash_at(flash, flash->start), length, start))
			continue;
		if (found++ == 0)
			set_application_start(look->facts, start);
	}
	look->facts->has_application_start = found == 1;
	return 0;
}

/* Klipper itself has the last word: it runs from where it lies. */
static int look_behind(const struct look *look)
{
	struct program application = { 0 };
	int r = find_application(look, &application);
	if (r < 0)
		return r;
	if (r > 0) {
		set_application_start(look->facts, application.start);
		look->facts->running = application.running;
	}
	return r;
}

static int look_at_katapult(const struct look *look)
{
	look->facts->bootloader = BOOTLOADER_KATAPULT;
	int r = ask_katapult(look);
	if (r == 0)
		r = look_behind(look);
	return r < 0 ? r : 0;
}

/* The chip starts something: an application, a boot loader that we do not know, or who knows. */
static int look_at_program(const struct look *look)
{
	struct program program = { 0 };
	int r = read_program(look, look->flash->start, &program);
	if (r < 0)
		return r;
	look->facts->running = program.running;
	if (program.is_linked_here) {
		look->facts->bootloader = BOOTLOADER_NONE;
		set_application_start(look->facts, program.start);
		return 0;
	}
	r = look_behind(look);
	if (r > 0)
		look->facts->bootloader = BOOTLOADER_OTHER;
	return r < 0 ? r : 0;
}

int dfu_look(struct backend_session *session, struct board_facts *facts)
{
	const struct look look = { .flash = &session->flash, .facts = facts };
	uint32_t start = session->flash.start;
	int r = has_vectors(&look, start);
	if (r < 0)
		return r;
	const uint8_t *bytes = dfu_flash_at(&session->flash, start);
	session->was_blank = read_u32(bytes) == UINT32_MAX;
	session->has_start = r > 0;
	session->start = start;
	if (r == 0) {
		facts->content = session->was_blank ? CONTENT_BLANK : CONTENT_UNBOOTABLE;
		/* The chip starts nothing, so there is no boot loader that could; unless it has a
		 * RAM that we do not know. */
		if (session->was_blank || !leads_to_code(&session->flash, start))
			facts->bootloader = BOOTLOADER_NONE;
		return 0;
	}
	facts->content = CONTENT_BOOTABLE;
	r = is_katapult(&look);
	if (r < 0)
		return r;
	return r > 0 ? look_at_katapult(&look) : look_at_program(&look);
}
