/* SPDX-License-Identifier: MIT */
/* What the judgements share: the image as the board would see it, and where it lies there. See
 * fitness_parts.h. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "base/bytes.h"
#include "base/text.h"
#include "model/fitness_parts.h"
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

/* A rule may let the boot loader go that the board has had: then the chip starts the image itself.
 */
bool trial_replaces_bootloader(const struct trial *trial)
{
	const struct chip_memory *memory = chip_memory(trial->facts->chip);
	return trial->terms->permits_bootloader && trial->image->has_address && memory &&
	       image_start(trial->image) == memory->flash.start;
}

/* "STM32G0" means every chip of that name. */
static bool family_includes(uint32_t family, enum chip chip)
{
	const char *name = uf2_family_name(family);
	return name && strncasecmp(name, chip_name(chip), strlen(name)) == 0;
}

int judge_family(const struct trial *trial)
{
	const struct image *image = trial->image;
	enum chip chip = trial->facts->chip;
	if (image->uf2_family == 0 || image->family_chip == chip ||
		family_includes(image->uf2_family, chip))
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

static int judge_no_address(const struct trial *trial)
{
	const struct link_address *link = &trial->says->link;
	_cleanup_(freep) char *places = NULL;
	for (size_t i = 0; i < link->candidate_count; i++)
		if (text_append(&places, "%s0x%08" PRIx32, i ? ", " : "", link->candidates[i]) < 0)
			return -ENOMEM;
	return reasons_add(trial->reasons, REASON_LINK_ADDRESS_UNKNOWN,
		"the raw image does not say where it belongs, and its bytes do not prove it "
		"(%s%s): use the .uf2, .elf or .hex of the same build, which says it, or state "
		"declare = { address = 0x…; } in the rule",
		places ? "its vector table would allow " : "no place suits its vector table",
		places ? places : "");
}

int judge_place(const struct trial *trial)
{
	const struct layout *layout = trial->layout;
	if (!trial->image->has_address)
		return judge_no_address(trial);
	for (size_t i = 0; i < trial->image->segment_count; i++) {
		const struct image_segment *segment = &trial->image->segments[i];
		uint64_t end = (uint64_t)segment->address + segment->length;
		if (segment->address >= layout->flash_start && end <= layout->flash_end)
			continue;
		if (segment->address >= layout->ram_start && end <= layout->ram_end)
			return reasons_add(trial->reasons, REASON_OUTSIDE_FLASH,
				"the image puts %" PRIu32 " bytes at 0x%08" PRIx32
				", which is RAM: use a build that runs from flash",
				segment->length, segment->address);
		return reasons_add(trial->reasons, REASON_OUTSIDE_FLASH,
			"the image puts %" PRIu32 " bytes at 0x%08" PRIx32
			", where an %s has no flash (it has 0x%08" PRIx32 " to 0x%08" PRIx32
			"): use the image that was built for this board",
			segment->length, segment->address, layout->name, layout->flash_start,
			layout->flash_end);
	}
	return 0;
}

static bool is_writable(const struct board_facts *facts, const struct image_segment *segment)
{
	uint64_t at = segment->address, end = at + segment->length;
	for (size_t i = 0; i < facts->writable_count && at < end; i++)
		if (at >= facts->writable[i].start && at < facts->writable[i].end)
			at = facts->writable[i].end;
	return facts->writable_count == 0 || at >= end;
}

static int refuse_region(const struct trial *trial, const struct image_segment *segment)
{
	const struct board_facts *facts = trial->facts;
	_cleanup_(freep) char *regions = NULL;
	for (size_t i = 0; i < facts->writable_count; i++)
		if (text_append(&regions, "%s0x%08" PRIx32 " to 0x%08" PRIx32, i ? " and " : "",
			    facts->writable[i].start, facts->writable[i].end) < 0)
			return -ENOMEM;
	return reasons_add(trial->reasons, REASON_OUTSIDE_FLASH,
		"the image puts %" PRIu32 " bytes at 0x%08" PRIx32
		", and the board lets only %s be written: use an image that was built to lie there",
		segment->length, segment->address, regions);
}

int judge_regions(const struct trial *trial)
{
	for (size_t i = 0; i < trial->image->segment_count; i++)
		if (!is_writable(trial->facts, &trial->image->segments[i]))
			return refuse_region(trial, &trial->image->segments[i]);
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

/* That the image is a boot loader itself, judge_kind() has said. */
int judge_bootloader_kept(const struct trial *trial)
{
	const struct board_facts *facts = trial->facts;
	enum image_kind kind = trial->says->kind;
	if (facts->bootloader <= BOOTLOADER_NONE || trial->terms->permits_bootloader ||
		kind == KIND_KATAPULT || kind == KIND_COMBINED)
		return 0;
	bool is_katapult = facts->bootloader == BOOTLOADER_KATAPULT;
	uint32_t end = facts->bootloader_end;
	if (end == 0 && facts->has_application_start)
		end = facts->application_start;
	/* What is said to end where the flash starts is there all the same. */
	if (end <= trial->layout->flash_start)
		return reasons_add(trial->reasons, REASON_OVERLAPS_BOOTLOADER,
			"the image begins at 0x%08" PRIx64
			", where the board has its boot loader%s: use a build for behind it, or "
			"say overwrite_bootloader = true in the rule if the boot loader is to go",
			trial_start(trial), is_katapult ? ", Katapult" : "");
	if (trial_start(trial) >= end)
		return 0;
	return reasons_add(trial->reasons, REASON_OVERLAPS_BOOTLOADER,
		"the image begins at 0x%08" PRIx64
		", and the boot loader of the board%s reaches up to 0x%08" PRIx32
		": use a build for behind it, or say overwrite_bootloader = true in the rule if the boot "
		"loader is to go",
		trial_start(trial), is_katapult ? ", Katapult," : "", end);
}

/* Every STM32 that we know has its RAM and its flash here; an RP2 chip has no flash at 0x08000000.
 */
bool are_stm32_vectors(const uint8_t vectors[8])
{
	uint32_t stack = read_u32(vectors), handler = read_u32(vectors + 4);
	return stack % 4 == 0 && stack >> 28 == 2 && handler % 2 == 1 && handler >> 24 == 0x08;
}
