/* SPDX-License-Identifier: MIT */
/*
 * Would an RP2350 without partitions start it? See fitness_parts.h.
 *
 * Which chip an image is for its content proves, not the family in its UF2 file: Klipper writes the
 * RP2040's family into files for the RP2350. So that one family is not held against an image whose
 * IMAGE_DEF says what it is; every other one that does not mean this chip is.
 */
#include <errno.h>
#include <inttypes.h>

#include "base/bytes.h"
#include "model/fitness_parts.h"
#include "model/rp2040.h"
#include "model/rp2350.h"
#include "model/uf2.h"

static const struct layout layout = {
	.name = "RP2350",
	.flash_start = RP2350_FLASH_START,
	.flash_end = RP2350_FLASH_END,
	.ram_start = RP2350_RAM_START,
	.ram_end = RP2350_RAM_END,
	.flash_size_least = RP2350_FLASH_SIZE_LEAST,
};

static bool is_in_ram(uint32_t address)
{
	return address >= RP2350_RAM_START && address < RP2350_RAM_END;
}

static bool is_program_for_rp2350(const struct rp2350_start *start)
{
	return start->has_image_def && rp2350_type_is_program(start->image_type);
}

/* ---- what the file says about itself ----------------------------------------------------- */

static int judge_board(const struct trial *trial)
{
	if (trial->facts->refusals & REFUSES_UNSIGNED)
		return reasons_add(trial->reasons, REASON_UNSUPPORTED,
			"the board starts nothing but what its maker has signed (secure boot), and "
			"plugflash cannot tell whether this image is: use \"picotool load\"");
	if (!trial->facts->is_partitioned)
		return 0;
	return reasons_add(trial->reasons, REASON_PARTITIONED,
		"the board's flash holds a partition table, and plugflash writes whole boards "
		"only: use \"picotool load\", which finds the image's partition, or erase the "
		"flash with \"picotool erase\" if the partitions are not needed");
}

/* Of the families that mean an RP2350, those that no program for a board without partitions has. */
static int judge_own_family(const struct trial *trial)
{
	switch (trial->image->uf2_family) {
	case UF2_FAMILY_DATA:
		return reasons_add(trial->reasons, REASON_NO_IMAGE_DEF,
			"the UF2 file says that it holds data, which an RP2350 does not start: use "
			"the file that holds the program");
	case UF2_FAMILY_RP2350_ARM_NS:
		return reasons_add(trial->reasons, REASON_NO_IMAGE_DEF,
			"the UF2 file is for the non-secure side of an RP2350, which does not "
			"start by itself: use the file of the secure program");
	default:
		return 0;
	}
}

static int judge_rp2350_family(const struct trial *trial, bool is_proved)
{
	if (trial->image->family_chip == CHIP_RP2350)
		return judge_own_family(trial);
	if (trial->image->uf2_family == UF2_FAMILY_RP2040 && is_proved)
		return 0;
	return judge_family(trial);
}

/* ---- without a block that says what to start --------------------------------------------- */

static int judge_foreign(const struct trial *trial, const char *chip, const char *sign)
{
	if (reasons_have(trial->reasons, REASON_WRONG_CHIP))
		return 0; /* its family said so */
	return reasons_add(trial->reasons, REASON_WRONG_CHIP,
		"the image is for an %s (%s), and the board is an rp2350: use the image that was "
		"built for this board",
		chip, sign);
}

static int judge_missing_start(const struct trial *trial)
{
	uint8_t page[RP2040_BOOT2_BYTES];
	uint64_t start = trial_start(trial);
	if (trial_bytes(trial, RP2350_FLASH_START, sizeof(page), page)) {
		if (rp2040_boot2_is_valid(page))
			return judge_foreign(trial, "RP2040", "it begins with a boot2");
		if (are_stm32_vectors(page))
			return judge_foreign(
				trial, "STM32", "its vector table leads to 0x08000000 and up");
	}
	if (start > RP2350_FLASH_START)
		return reasons_add(trial->reasons, REASON_NO_IMAGE_DEF,
			"the image begins at 0x%08" PRIx64
			", behind the place of a boot loader, and an RP2350 would not start it: "
			"build it with \"No bootloader\", or flash it through the boot loader it "
			"was built for",
			start);
	return reasons_add(trial->reasons, REASON_NO_IMAGE_DEF,
		"the image has no IMAGE_DEF in its first 4 KiB, so an RP2350 would not start it: "
		"build it for this board");
}

static int judge_no_start(const struct trial *trial, int error)
{
	if (error == -ENOENT)
		return judge_missing_start(trial);
	if (error == -EEXIST)
		return reasons_add(trial->reasons, REASON_IMAGE_INCONSISTENT,
			"the image holds a second IMAGE_DEF that would start without the first "
			"one, so that a write which is interrupted could leave a torn program "
			"that starts: build it with one");
	return reasons_add(trial->reasons, REASON_NO_IMAGE_DEF,
		"the blocks of the image's IMAGE_DEF are broken or do not lead back to the first "
		"one, so an RP2350 would not start it: the file is damaged, build or download it "
		"again");
}

/* ---- with one ---------------------------------------------------------------------------- */

/* Things that an RP2350 may do, but not from where plugflash puts an image. */
static int judge_image_def(const struct trial *trial, const struct rp2350_start *start)
{
	uint16_t type = start->image_type;
	if (start->is_partition_table)
		return reasons_add(trial->reasons, REASON_PARTITIONED,
			"the image brings a partition table of its own, and plugflash writes "
			"boards without one: use \"picotool load\"");
	if (!start->has_image_def)
		return reasons_add(trial->reasons, REASON_NO_IMAGE_DEF,
			"the image says that it is %s, so an RP2350 would not start it: use the "
			"file that holds the program",
			start->is_data ? "data" : "no program");
	if (!rp2350_type_is_program(type))
		return type >> 12 & 7
			       ? judge_foreign(trial, "unknown chip", "it says so in its IMAGE_DEF")
			       : judge_foreign(trial, "RP2040", "it says so in its IMAGE_DEF");
	if (rp2350_type_cpu(type) == RP2350_ARM && rp2350_type_is_non_secure(type))
		return reasons_add(trial->reasons, REASON_NO_IMAGE_DEF,
			"the image is for the non-secure side of an RP2350, which does not start "
			"by itself: use the file of the secure program");
	if (rp2350_type_is_on_trial(type))
		return reasons_add(trial->reasons, REASON_UNSUPPORTED,
			"the image is marked \"try before you buy\" and would not start again "
			"after a power cycle: build it without that mark");
	if (start->is_rolled)
		return reasons_add(trial->reasons, REASON_UNSUPPORTED,
			"the image is linked for another place in the flash (it has a rolling "
			"window), which plugflash cannot check: use \"picotool load\"");
	return 0;
}

static int judge_processor(const struct trial *trial, const struct rp2350_start *start)
{
	uint32_t family = trial->image->uf2_family;
	bool is_arm = rp2350_type_cpu(start->image_type) == RP2350_ARM;
	if (trial->facts->refusals & (is_arm ? REFUSES_ARM : REFUSES_RISCV))
		return reasons_add(trial->reasons, REASON_WRONG_CHIP,
			"the image is for the %s processors of an RP2350, which were switched off "
			"for ever in this one: build it for the others",
			is_arm ? "Arm" : "RISC-V");
	if ((family != UF2_FAMILY_RP2350_ARM_S || is_arm) &&
		(family != UF2_FAMILY_RP2350_RISCV || !is_arm))
		return 0;
	return reasons_add(trial->reasons, REASON_IMAGE_INCONSISTENT,
		"the UF2 file is for the %s of an RP2350 and the image in it for the %s: build or "
		"download it again",
		is_arm ? "RISC-V" : "Arm", is_arm ? "Arm" : "RISC-V");
}

/* Code starts in bytes that the image holds, or in RAM that the ROM has filled from it. */
static bool is_code(const struct trial *trial, const struct rp2350_start *start, uint32_t code)
{
	uint8_t bytes[2];
	return is_in_ram(code) ? start->has_load_map
			       : trial_bytes(trial, code, sizeof(bytes), bytes);
}

static int judge_riscv_start(const struct trial *trial, const struct rp2350_start *start)
{
	uint32_t code = start->has_entry_point ? start->entry_point : RP2350_FLASH_START;
	if (code % 2 == 0 && is_code(trial, start, code))
		return 0;
	return reasons_add(trial->reasons, REASON_NO_VECTOR_TABLE,
		"the image's entry point (0x%08" PRIx32
		") makes no sense, so an RP2350 would not start it: build it again",
		code);
}

/* Where an Arm starts: as the IMAGE_DEF states it, or else the vector table. False: neither says.
 */
static bool find_vectors(
	const struct trial *trial, const struct rp2350_start *start, uint8_t vectors[8])
{
	if (start->has_entry_point) {
		write_u32(vectors, start->stack);
		write_u32(vectors + 4, start->entry_point);
		return true;
	}
	uint32_t address = start->has_vector_table ? start->vector_table : RP2350_FLASH_START;
	return trial_bytes(trial, address, 8, vectors);
}

/*
 * A raw image does not say which address it was built for, and builds for behind a boot loader have
 * an IMAGE_DEF too. All builds that we know put the code that starts right behind the vector table,
 * and boot loaders are larger than that.
 */
static int judge_raw_place(const struct trial *trial, uint32_t code)
{
	enum image_format format = trial->image->format;
	if ((format != FORMAT_BIN && format != FORMAT_DFU) || is_in_ram(code) ||
		code < RP2350_FLASH_START + RP2350_HEAD_BYTES)
		return 0;
	return reasons_add(trial->reasons, REASON_NO_VECTOR_TABLE,
		"the raw image starts at 0x%08" PRIx32
		", as builds do that lie behind a boot loader, and does not say where it belongs: "
		"build it with \"No bootloader\", or use the .uf2 of the same build, which says it",
		code);
}

static int judge_arm_start(const struct trial *trial, const struct rp2350_start *start)
{
	uint8_t vectors[8];
	if (!find_vectors(trial, start, vectors)) {
		if (start->has_vector_table && is_in_ram(start->vector_table) &&
			start->has_load_map)
			return 0; /* the ROM puts it there first */
		return reasons_add(trial->reasons, REASON_NO_VECTOR_TABLE,
			"the image has no vector table where its IMAGE_DEF wants it, so an RP2350 "
			"would not start it: build it again");
	}
	uint32_t code = read_u32(vectors + 4) & ~1u;
	if (rp2350_vectors_are_plausible(vectors, trial_flash_end(trial)) &&
		is_code(trial, start, code))
		return judge_raw_place(trial, code);
	if (are_stm32_vectors(vectors))
		return judge_foreign(trial, "STM32", "its vector table leads to 0x08000000 and up");
	return reasons_add(trial->reasons, REASON_NO_VECTOR_TABLE,
		"the image's vector table makes no sense (stack at 0x%08" PRIx32
		", code at 0x%08" PRIx32
		"), so an RP2350 would not start it: build it for this board and with \"No "
		"bootloader\"",
		read_u32(vectors), code);
}

/* The write begins with the first page of the flash, and an RP2350 with what lies there. */
static int judge_first_page(const struct trial *trial)
{
	uint8_t page[RP2350_PAGE_BYTES];
	if (trial_bytes(trial, RP2350_FLASH_START, sizeof(page), page))
		return 0;
	return reasons_add(trial->reasons, REASON_NO_VECTOR_TABLE,
		"the image leaves out the first 256 bytes of the flash, where an RP2350 program "
		"begins: build it for this board");
}

static int judge_start(const struct trial *trial, const struct rp2350_start *start)
{
	size_t before = trial->reasons->count;
	int r = judge_image_def(trial, start);
	if (r == 0 && trial->reasons->count == before)
		r = judge_first_page(trial);
	if (r < 0 || trial->reasons->count > before || !is_program_for_rp2350(start))
		return r;
	r = judge_processor(trial, start);
	if (r < 0)
		return r;
	return rp2350_type_cpu(start->image_type) == RP2350_ARM ? judge_arm_start(trial, start)
								: judge_riscv_start(trial, start);
}

int fitness_judge_rp2350(const struct trial *outer)
{
	struct trial trial = *outer;
	trial.layout = &layout;
	trial.shift = trial.image->has_address ? 0 : RP2350_FLASH_START;
	struct rp2350_start start = { 0 };
	int found = rp2350_find_start(trial.image, &start);
	int r = judge_board(&trial);
	if (r == 0)
		r = judge_rp2350_family(&trial, found == 0 && is_program_for_rp2350(&start));
	if (r == 0 && trial.image->has_address)
		r = judge_place(&trial);
	if (r == 0)
		r = judge_size(&trial);
	/* What is not meant for flash at all has no reason to look like something that starts. */
	size_t before = trial.reasons->count;
	if (r == 0 && trial_flash_end(&trial) > RP2350_FLASH_START)
		r = found < 0 ? judge_no_start(&trial, found) : judge_start(&trial, &start);
	if (r < 0 || trial.reasons->count > before)
		return r;
	if (!trial.image->has_address)
		return judge_place(&trial);
	r = judge_bootloader_kept(&trial);
	return r < 0 ? r : judge_regions(&trial);
}
