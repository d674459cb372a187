/* SPDX-License-Identifier: MIT */
/*
 * Judging an image for a board; see fitness.h. What cannot be proved is refused, and a reason that
 * only follows from another one is left out, so that a person reads what to do and not a flood.
 */
#include <inttypes.h>

#include "base/bytes.h"
#include "model/fitness.h"
#include "model/fitness_parts.h"
#include "model/rp2040.h"
#include "model/rp2350.h"
#include "model/uf2.h"

uint64_t trial_start(const struct trial *trial)
{
	return (uint64_t)image_start(trial->image) + trial->shift;
}

bool trial_bytes(const struct trial *trial, uint32_t address, size_t length, uint8_t *ret)
{
	if (address < trial->shift)
		return false;
	return image_copy(trial->image, address - trial->shift, length, ret) == length;
}

/* ---- which chip the image is for --------------------------------------------------------- */

int judge_family(const struct trial *trial)
{
	const struct image *image = trial->image;
	enum chip chip = trial->facts->chip;
	if (image->uf2_family == 0 || image->family_chip == chip)
		return 0;
	const char *name = uf2_family_name(image->uf2_family);
	if (name)
		return reasons_add(trial->reasons, REASON_WRONG_CHIP,
			"the UF2 file is for %s and the board is an %s: use the image that was "
			"built for this board",
			name, chip_name(chip));
	return reasons_add(trial->reasons, REASON_WRONG_CHIP,
		"the UF2 file is for the unknown family 0x%08" PRIx32
		" and the board is an %s: use the image that was built for this board",
		image->uf2_family, chip_name(chip));
}

/* ---- where it lies ----------------------------------------------------------------------- */

int judge_place(const struct trial *trial)
{
	const struct layout *layout = trial->layout;
	if (!trial->image->has_address)
		return reasons_add(trial->reasons, REASON_OUTSIDE_FLASH,
			"the raw image does not say where it belongs: use the .uf2 of the same "
			"build, which does");
	for (size_t i = 0; i < trial->image->segment_count; i++) {
		const struct image_segment *segment = &trial->image->segments[i];
		uint64_t end = (uint64_t)segment->address + segment->length;
		if (segment->address >= layout->flash_start && end <= layout->flash_end)
			continue;
		bool in_ram = segment->address >= layout->ram_start && end <= layout->ram_end;
		return reasons_add(trial->reasons, REASON_OUTSIDE_FLASH,
			"the image puts %" PRIu32 " bytes at 0x%08" PRIx32 ", %s%s%s: %s",
			segment->length, segment->address, in_ram ? "which is RAM" : "where an ",
			in_ram ? "" : layout->name, in_ram ? "" : " has no flash",
			in_ram ? "use a build that runs from flash"
			       : "use the image that was built for this board");
	}
	return 0;
}

uint32_t trial_flash_end(const struct trial *trial)
{
	const struct layout *layout = trial->layout;
	uint32_t highest = layout->flash_start;
	for (size_t i = 0; i < trial->image->segment_count; i++) {
		const struct image_segment *segment = &trial->image->segments[i];
		uint64_t start = (uint64_t)segment->address + trial->shift;
		uint64_t end = start + segment->length;
		if (start >= layout->flash_start && end <= layout->flash_end && end > highest)
			highest = (uint32_t)end;
	}
	return highest;
}

int judge_size(const struct trial *trial)
{
	uint32_t needed = trial_flash_end(trial) - trial->layout->flash_start;
	uint64_t size = trial->facts->flash_size_bytes;
	if (size > 0 && needed > size)
		return reasons_add(trial->reasons, REASON_TOO_LARGE,
			"the image needs %" PRIu32 " KiB of flash and the board has %" PRIu64
			" KiB: use a smaller image, or a board with more flash",
			(needed + 1023) >> 10, size >> 10);
	if (size == 0 && needed > trial->layout->flash_size_least)
		return reasons_add(trial->reasons, REASON_FLASH_SIZE_UNKNOWN,
			"the image needs %" PRIu32
			" KiB of flash, and how much the board has is unknown: state flash_size "
			"for this board in the policy",
			(needed + 1023) >> 10);
	return 0;
}

/* Every STM32 that we know has its RAM and its flash here; an RP2 chip has no flash at 0x08000000.
 */
bool are_stm32_vectors(const uint8_t vectors[8])
{
	uint32_t stack = read_u32(vectors), handler = read_u32(vectors + 4);
	return stack % 4 == 0 && stack >> 28 == 2 && handler % 2 == 1 && handler >> 24 == 0x08;
}

/* ---- public ------------------------------------------------------------------------------ */

static int judge_unsupported(
	const struct image *image, const struct board_facts *facts, struct reasons *reasons)
{
	struct trial trial = { .image = image, .facts = facts, .reasons = reasons };
	if (image->family_chip != CHIP_UNKNOWN) {
		int r = judge_family(&trial);
		if (r < 0)
			return r;
	}
	return reasons_add(reasons, REASON_UNSUPPORTED,
		"plugflash cannot write an %s yet: flash this board by hand",
		chip_name(facts->chip));
}

int fitness_judge(
	const struct image *image, const struct board_facts *facts, struct reasons *reasons)
{
	if (image->is_linux_program)
		return reasons_add(reasons, REASON_WRONG_CHIP,
			"the file is a program for Linux and no firmware for a board: use the image "
			"that was built for this board");
	switch (facts->chip) {
	case CHIP_UNKNOWN:
		return reasons_add(reasons, REASON_CHIP_UNKNOWN,
			"which chip the board has is unknown, so nothing proves that the image "
			"fits: put the board into its boot mode again, so that it is looked at "
			"anew");
	case CHIP_RP2040:
		return fitness_judge_rp2040(image, facts, reasons);
	case CHIP_RP2350:
		return fitness_judge_rp2350(image, facts, reasons);
	default:
		return judge_unsupported(image, facts, reasons);
	}
}

bool fitness_default_address(enum chip chip, uint32_t *ret_address)
{
	if (chip == CHIP_RP2040)
		*ret_address = RP2040_FLASH_START;
	else if (chip == CHIP_RP2350)
		*ret_address = RP2350_FLASH_START;
	else
		return false;
	return true;
}
