/* SPDX-License-Identifier: MIT */
/*
 * Judging an image for a board; see fitness.h. What cannot be proved is refused, and a reason that
 * only follows from another one is left out, so that a person reads what to do and not a flood.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "model/fitness.h"
#include "model/rp2040.h"
#include "model/uf2.h"

/* The image under judgement and the little that is worked out only once. */
struct trial {
	const struct image *image;
	const struct board_facts *facts;
	struct reasons *reasons;
	uint32_t shift; /* added to the image's addresses: where an unplaced image would go */
};

/* What lies where the boot ROM of an RP2040 looks first. */
enum boot2_kind {
	BOOT2_VALID,
	BOOT2_DAMAGED,
	BOOT2_ABSENT, /* nothing, or blank */
	BOOT2_VECTORS, /* a vector table: the image wants to lie behind a boot loader */
	BOOT2_STM32, /* a vector table that leads into the flash of an STM32 */
};

static uint64_t trial_start(const struct trial *trial)
{
	return (uint64_t)image_start(trial->image) + trial->shift;
}

/* Copies image bytes by board address; false unless all of them are there. */
static bool trial_bytes(const struct trial *trial, uint32_t address, size_t length, uint8_t *ret)
{
	if (address < trial->shift)
		return false;
	return image_copy(trial->image, address - trial->shift, length, ret) == length;
}

/* ---- which chip the image is for --------------------------------------------------------- */

/*
 * The RP2350 finds an application by a block within its first 4096 bytes, of which the first item
 * names the chip. An RP2040 image has a boot2 in its place.
 */
static bool has_rp2350_image_def(const struct trial *trial)
{
	uint8_t head[4096] = { 0 };
	image_copy(trial->image, image_start(trial->image), sizeof(head), head);
	for (size_t i = 0; i + 8 <= sizeof(head); i += 4) {
		bool starts_block = read_u32(head + i) == 0xFFFFDED3u;
		bool is_image_type = head[i + 4] == 0x42 && head[i + 5] == 1;
		unsigned chip = read_u16(head + i + 6) >> 12 & 7;
		if (starts_block && is_image_type && chip == 1)
			return true;
	}
	return false;
}

static int judge_family(const struct trial *trial)
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

static int judge_place(const struct trial *trial)
{
	if (!trial->image->has_address)
		return reasons_add(trial->reasons, REASON_OUTSIDE_FLASH,
			"the raw image does not say where it belongs: use the .uf2 of the same "
			"build, which does");
	for (size_t i = 0; i < trial->image->segment_count; i++) {
		const struct image_segment *segment = &trial->image->segments[i];
		uint64_t end = (uint64_t)segment->address + segment->length;
		if (segment->address >= RP2040_FLASH_START && end <= RP2040_FLASH_END)
			continue;
		bool in_ram = segment->address >= RP2040_RAM_START && end <= RP2040_RAM_END;
		return reasons_add(trial->reasons, REASON_OUTSIDE_FLASH,
			"the image puts %" PRIu32 " bytes at 0x%08" PRIx32 ", %s: %s",
			segment->length, segment->address,
			in_ram ? "which is RAM" : "where an RP2040 has no flash",
			in_ram ? "use a build that runs from flash"
			       : "use the image that was built for this board");
	}
	return 0;
}

/* Where the image ends, of what lies in the flash; RP2040_FLASH_START when nothing does. */
static uint32_t flash_end_of(const struct trial *trial)
{
	uint32_t highest = RP2040_FLASH_START;
	for (size_t i = 0; i < trial->image->segment_count; i++) {
		const struct image_segment *segment = &trial->image->segments[i];
		uint64_t start = (uint64_t)segment->address + trial->shift;
		uint64_t end = start + segment->length;
		if (start >= RP2040_FLASH_START && end <= RP2040_FLASH_END && end > highest)
			highest = (uint32_t)end;
	}
	return highest;
}

static int judge_size(const struct trial *trial)
{
	uint32_t needed = flash_end_of(trial) - RP2040_FLASH_START;
	uint64_t size = trial->facts->flash_size_bytes;
	if (size > 0 && needed > size)
		return reasons_add(trial->reasons, REASON_TOO_LARGE,
			"the image needs %" PRIu32 " KiB of flash and the board has %" PRIu64
			" KiB: use a smaller image, or a board with more flash",
			(needed + 1023) >> 10, size >> 10);
	if (size == 0 && needed > RP2040_FLASH_SIZE_LEAST)
		return reasons_add(trial->reasons, REASON_FLASH_SIZE_UNKNOWN,
			"the image needs %" PRIu32
			" KiB of flash, and how much the board has is unknown: state flash_size "
			"for this board in the policy",
			(needed + 1023) >> 10);
	return 0;
}

/* ---- whether it would start -------------------------------------------------------------- */

static bool is_filled_with(const uint8_t *bytes, size_t length, uint8_t value)
{
	for (size_t i = 0; i < length; i++)
		if (bytes[i] != value)
			return false;
	return true;
}

/* Every STM32 that we know has its RAM and its flash here; an RP2040 has no flash at 0x08000000. */
static bool are_stm32_vectors(const uint8_t *vectors)
{
	uint32_t stack = read_u32(vectors), handler = read_u32(vectors + 4);
	return stack % 4 == 0 && stack >> 28 == 2 && handler % 2 == 1 && handler >> 24 == 0x08;
}

static enum boot2_kind find_boot2(const struct trial *trial)
{
	uint8_t page[RP2040_BOOT2_BYTES];
	if (!trial_bytes(trial, RP2040_FLASH_START, sizeof(page), page))
		return BOOT2_ABSENT;
	if (rp2040_boot2_is_valid(page))
		return BOOT2_VALID;
	if (is_filled_with(page, sizeof(page), 0xFF) || is_filled_with(page, sizeof(page), 0x00))
		return BOOT2_ABSENT;
	if (rp2040_vectors_are_plausible(page, RP2040_FLASH_END))
		return BOOT2_VECTORS;
	if (are_stm32_vectors(page))
		return BOOT2_STM32;
	return BOOT2_DAMAGED;
}

/* Explains the commonest mistake by name: a build for Katapult put where a build for BOOTSEL goes.
 */
static int judge_missing_boot2(const struct trial *trial, enum boot2_kind kind)
{
	uint64_t start = trial_start(trial);
	uint8_t vectors[RP2040_VECTORS_BYTES];
	if (kind == BOOT2_VECTORS && trial_bytes(trial, RP2040_FLASH_START, 8, vectors))
		return reasons_add(trial->reasons, REASON_NO_BOOT2,
			"the image has no boot2 and would not start: it begins with a vector table "
			"(code near 0x%08" PRIx32
			"), as builds do that lie behind a boot loader; build it with \"No "
			"bootloader\", or flash it through the boot loader it was built for",
			read_u32(vectors + 4) & ~1u);
	if (start > RP2040_FLASH_START)
		return reasons_add(trial->reasons, REASON_NO_BOOT2,
			"the image has no boot2 and would not start: it begins at 0x%08" PRIx64
			", behind the place of a boot loader; build it with \"No bootloader\", or "
			"flash it through the boot loader it was built for",
			start);
	if (!trial->image->has_address)
		return reasons_add(trial->reasons, REASON_NO_BOOT2,
			"the raw image has neither an address nor a boot2, so nothing proves that "
			"it is for an RP2040: use the .uf2 of the same build");
	return reasons_add(trial->reasons, REASON_NO_BOOT2,
		"the image has no boot2 (the first 256 bytes of flash are blank or left out), so "
		"an RP2040 would not start it: build it for this board");
}

static int judge_vectors(const struct trial *trial)
{
	uint8_t vectors[RP2040_VECTORS_BYTES];
	if (!trial_bytes(trial, RP2040_VECTORS_ADDRESS, sizeof(vectors), vectors))
		return reasons_add(trial->reasons, REASON_NO_VECTOR_TABLE,
			"the image has no vector table at 0x%08x, so an RP2040 would not start it: "
			"build it again",
			RP2040_VECTORS_ADDRESS);

	uint32_t handler = read_u32(vectors + 4) & ~1u;
	bool plausible = rp2040_vectors_are_plausible(vectors, flash_end_of(trial));
	/* An image may have holes, and code cannot start in one. */
	uint8_t code[2];
	bool in_ram = handler >= RP2040_RAM_START;
	if (plausible && (in_ram || trial_bytes(trial, handler, sizeof(code), code)))
		return 0;
	return reasons_add(trial->reasons, REASON_NO_VECTOR_TABLE,
		"the vector table at 0x%08x makes no sense (stack at 0x%08" PRIx32
		", code at 0x%08" PRIx32 "), so an RP2040 would not start it: build it again",
		RP2040_VECTORS_ADDRESS, read_u32(vectors), handler);
}

static int judge_foreign_start(const struct trial *trial, enum boot2_kind kind)
{
	if (reasons_have(trial->reasons, REASON_WRONG_CHIP))
		return 0; /* its family said so */
	return reasons_add(trial->reasons, REASON_WRONG_CHIP,
		"the image is for %s, and the board is an rp2040: use the image that was built for "
		"this board",
		kind == BOOT2_STM32 ? "an STM32 (its vector table leads to 0x08000000 and up)"
				    : "an RP2350 (it says so in its IMAGE_DEF)");
}

static int judge_start(const struct trial *trial)
{
	enum boot2_kind kind = find_boot2(trial);
	if (kind == BOOT2_VALID)
		return judge_vectors(trial);
	if (kind == BOOT2_STM32 || has_rp2350_image_def(trial))
		return judge_foreign_start(trial, kind);
	if (kind != BOOT2_DAMAGED)
		return judge_missing_boot2(trial, kind);
	int r = reasons_add(trial->reasons, REASON_BAD_BOOT2,
		"the checksum of the image's boot2 (its first 256 bytes) is wrong, so an RP2040 "
		"would not start it: the file is damaged or for another chip, build or download it "
		"again");
	return r < 0 ? r : judge_vectors(trial);
}

static int judge_rp2040(struct trial *trial)
{
	if (!trial->image->has_address)
		trial->shift = RP2040_FLASH_START;
	int r = judge_family(trial);
	if (r == 0)
		r = judge_place(trial);
	if (r == 0)
		r = judge_size(trial);
	/* What is not meant for flash at all has no reason to look like something that starts. */
	if (r == 0 && flash_end_of(trial) > RP2040_FLASH_START)
		r = judge_start(trial);
	return r;
}

/* ---- public ------------------------------------------------------------------------------ */

int fitness_judge(
	const struct image *image, const struct board_facts *facts, struct reasons *reasons)
{
	struct trial trial = { .image = image, .facts = facts, .reasons = reasons };
	if (facts->chip == CHIP_UNKNOWN)
		return reasons_add(reasons, REASON_CHIP_UNKNOWN,
			"which chip the board has is unknown, so nothing proves that the image "
			"fits: put the board into its boot mode again, so that it is looked at "
			"anew");
	if (facts->chip == CHIP_RP2040)
		return judge_rp2040(&trial);
	if (image->family_chip != CHIP_UNKNOWN) {
		int r = judge_family(&trial);
		if (r < 0)
			return r;
	}
	return reasons_add(reasons, REASON_UNSUPPORTED,
		"plugflash cannot write an %s yet: flash this board by hand",
		chip_name(facts->chip));
}

bool fitness_default_address(enum chip chip, uint32_t *ret_address)
{
	if (chip != CHIP_RP2040)
		return false;
	*ret_address = RP2040_FLASH_START;
	return true;
}
