/* SPDX-License-Identifier: MIT */
/*
 * Would a chip start it whose programs begin with a vector table: an STM32 or LPC176x, and any chip
 * behind a boot loader? See fitness_parts.h.
 */
#include <inttypes.h>

#include "base/bytes.h"
#include "model/fitness_parts.h"

static struct layout layout_of(enum chip chip)
{
	const struct chip_memory *memory = chip_memory(chip);
	return (struct layout){
		.name = chip_name(chip),
		.flash_start = memory->flash.start,
		.flash_end = memory->flash.end,
		.ram_start = memory->ram[0].start,
		.ram_end = memory->ram[0].end,
		.flash_size_least = memory->flash_size_least,
	};
}

static int judge_chip_proved(const struct trial *trial)
{
	enum chip chip = trial->facts->chip;
	enum chip declared = trial->terms->declared.chip;
	if (trial->says->chip == chip || declared == chip)
		return 0;
	if (declared != CHIP_UNKNOWN)
		return reasons_add(trial->reasons, REASON_WRONG_CHIP,
			"the policy declares the image to be for %s %s, and the board is %s %s: "
			"use the image that was built for this board, or correct declare in the "
			"rule",
			chip_article(declared), chip_name(declared), chip_article(chip),
			chip_name(chip));
	return reasons_add(trial->reasons, REASON_IMAGE_CHIP_UNKNOWN,
		"the image does not say which chip it is for%s, and the board is %s %s: use an "
		"image that says it (Klipper's do), or state declare = { chip = \"%s\"; } in the "
		"rule if you know it",
		trial->says->is_for_stm32 ? " (it is for some STM32)" : "", chip_article(chip),
		chip_name(chip), chip_name(chip));
}

/* Where this board starts an image of this kind. False: nobody knows. */
static bool expected_start(const struct trial *trial, uint32_t *ret)
{
	const struct board_facts *facts = trial->facts;
	enum image_kind kind = trial->says->kind;
	if (kind == KIND_KATAPULT || kind == KIND_COMBINED || trial_replaces_bootloader(trial))
		*ret = trial->layout->flash_start;
	else if (facts->has_application_start)
		*ret = facts->application_start;
	else if (facts->bootloader == BOOTLOADER_NONE)
		*ret = trial->layout->flash_start;
	else
		return false;
	return true;
}

/* Behind a boot loader that is not there nothing would ever start. */
static int judge_bootloader_there(const struct trial *trial, uint32_t expected)
{
	if (trial->facts->bootloader != BOOTLOADER_NONE || expected == trial->layout->flash_start)
		return 0;
	return reasons_add(trial->reasons, REASON_WRONG_ADDRESS,
		"the image is built for 0x%08" PRIx32
		", behind a boot loader, and the board has none there that would start it: "
		"put the boot loader (Katapult) on the board first, or use a build for 0x%08" PRIx32
		" and correct application_start in the policy",
		expected, trial->layout->flash_start);
}

static int judge_application_start(const struct trial *trial)
{
	uint32_t expected;
	uint64_t start = trial_start(trial);
	if (!expected_start(trial, &expected))
		return reasons_add(trial->reasons, REASON_APPLICATION_START_UNKNOWN,
			"the image is built for 0x%08" PRIx64
			", and where this board starts its application is unknown: state "
			"application_start for this board in the policy",
			start);
	size_t before = trial->reasons->count;
	int r = judge_bootloader_kept(trial);
	if (r < 0 || trial->reasons->count > before)
		return r;
	if (start == expected)
		return judge_bootloader_there(trial, expected);
	return reasons_add(trial->reasons, REASON_WRONG_ADDRESS,
		"the image is built for 0x%08" PRIx64
		", and this board starts its application at 0x%08" PRIx32
		": build it with the boot loader offset of this board (0x%" PRIx32 ")",
		start, expected, expected - trial->layout->flash_start);
}

static int judge_vectors(const struct trial *trial)
{
	uint8_t vectors[8] = { 0 }, code[2];
	uint32_t start = image_start(trial->image) + trial->says->link.vectors;
	if (trial_bytes(trial, start, sizeof(vectors), vectors)) {
		uint32_t reset = read_u32(vectors + 4);
		if (chip_stack_is_plausible(trial->facts->chip, read_u32(vectors)) &&
			reset % 2 == 1 && trial_bytes(trial, reset & ~1u, sizeof(code), code))
			return 0;
	}
	return reasons_add(trial->reasons, REASON_NO_VECTOR_TABLE,
		"the image does not begin with a vector table that %s %s could start (stack at "
		"0x%08" PRIx32 ", code at 0x%08" PRIx32 "): use the image that was built for it",
		chip_article(trial->facts->chip), chip_name(trial->facts->chip), read_u32(vectors),
		read_u32(vectors + 4) & ~1u);
}

int fitness_judge_cortex(const struct trial *outer)
{
	const struct layout layout = layout_of(outer->facts->chip);
	struct trial trial = *outer;
	trial.layout = &layout;
	int r = judge_family(&trial);
	if (r == 0)
		r = judge_chip_proved(&trial);
	size_t before = trial.reasons->count;
	if (r == 0)
		r = judge_place(&trial);
	/* Without a place in this chip's flash there is nothing to measure. */
	if (r < 0 || trial.reasons->count > before)
		return r;
	static int (*const judgements[])(const struct trial *) = { judge_application_start,
		judge_regions, judge_size, judge_vectors };
	for (size_t i = 0; i < ELEMENTSOF(judgements) && r == 0; i++)
		r = judgements[i](&trial);
	return r;
}
