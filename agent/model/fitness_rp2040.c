/* SPDX-License-Identifier: MIT */
/* Would an RP2040 start it? See fitness_parts.h. */
#include <inttypes.h>

#include "base/bytes.h"
#include "model/fitness_parts.h"
#include "model/rp2040.h"
#include "model/rp2350.h"

static const struct layout layout = {
	.name = "RP2040",
	.flash_start = RP2040_FLASH_START,
	.flash_end = RP2040_FLASH_END,
	.ram_start = RP2040_RAM_START,
	.ram_end = RP2040_RAM_END,
	.flash_size_least = RP2040_FLASH_SIZE_LEAST,
};

/* What lies where the boot ROM of an RP2040 looks first. */
enum boot2_kind {
	BOOT2_VALID,
	BOOT2_DAMAGED,
	BOOT2_ABSENT, /* nothing, or blank */
	BOOT2_VECTORS, /* a vector table: the image wants to lie behind a boot loader */
	BOOT2_STM32, /* a vector table that leads into the flash of an STM32 */
};

/* Even one that an RP2350 would not start says whom it was built for. */
static bool has_rp2350_image_def(const struct image *image)
{
	uint8_t head[RP2350_HEAD_BYTES] = { 0 };
	image_copy(image, image_start(image), sizeof(head), head);
	return rp2350_head_is_bootable(head);
}

static bool is_filled_with(const uint8_t *bytes, size_t length, uint8_t value)
{
	for (size_t i = 0; i < length; i++)
		if (bytes[i] != value)
			return false;
	return true;
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
	bool plausible = rp2040_vectors_are_plausible(vectors, trial_flash_end(trial));
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
	if (kind == BOOT2_STM32 || has_rp2350_image_def(trial->image))
		return judge_foreign_start(trial, kind);
	if (kind != BOOT2_DAMAGED)
		return judge_missing_boot2(trial, kind);
	int r = reasons_add(trial->reasons, REASON_BAD_BOOT2,
		"the checksum of the image's boot2 (its first 256 bytes) is wrong, so an RP2040 "
		"would not start it: the file is damaged or for another chip, build or download it "
		"again");
	return r < 0 ? r : judge_vectors(trial);
}

int fitness_judge_rp2040(const struct trial *outer)
{
	struct trial trial = *outer;
	trial.layout = &layout;
	trial.shift = trial.image->has_address ? 0 : RP2040_FLASH_START;
	int r = judge_family(&trial);
	if (r == 0 && trial.image->has_address)
		r = judge_place(&trial);
	if (r == 0)
		r = judge_size(&trial);
	/* What is not meant for flash at all has no reason to look like something that starts. */
	size_t before = trial.reasons->count;
	if (r == 0 && trial_flash_end(&trial) > RP2040_FLASH_START)
		r = judge_start(&trial);
	if (r < 0 || trial.reasons->count > before)
		return r;
	if (!trial.image->has_address)
		return judge_place(&trial);
	r = judge_bootloader_kept(&trial);
	return r < 0 ? r : judge_regions(&trial);
}
