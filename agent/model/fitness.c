/* SPDX-License-Identifier: MIT */
/*
 * Judging an image for a board; see fitness.h. What cannot be proved is refused, and a reason that
 * only follows from another one is left out, so that a person reads what to do and not a flood.
 */
#include <errno.h>
#include <inttypes.h>

#include "base/text.h"
#include "model/fitness.h"
#include "model/fitness_parts.h"
#include "model/rp2350.h"

/* Does the chip start the image, or a boot loader before it? */
static bool is_behind_bootloader(const struct trial *trial)
{
	const struct chip_memory *memory = chip_memory(trial->facts->chip);
	return trial->facts->has_application_start && memory &&
	       trial->facts->application_start != memory->flash.start &&
	       !trial_replaces_bootloader(trial);
}

/* ---- which chip the image is for --------------------------------------------------------- */

/* The chip that the board has, or one of those that it may have. */
static char *board_chip_text(const struct board_facts *facts)
{
	if (facts->chip != CHIP_UNKNOWN)
		return text_format("%s %s", chip_article(facts->chip), chip_name(facts->chip));
	return chip_set_text(facts->possible_chips);
}

static int refuse_chip(const struct trial *trial)
{
	const struct image_facts *says = trial->says;
	_cleanup_(freep) char *board = board_chip_text(trial->facts);
	if (!board)
		return -ENOMEM;
	if (says->chip_sign == CHIP_SIGN_FORMAT)
		return reasons_add(trial->reasons, REASON_WRONG_CHIP,
			"the image is a program for Linux, and the board is %s: use the image that "
			"was built for this board",
			board);
	if (says->chip_sign == CHIP_SIGN_DICTIONARY)
		return reasons_add(trial->reasons, REASON_WRONG_CHIP,
			"the image is for the MCU \"%s\" (its dictionary says so), and the board "
			"is %s: use the image that was built for this board",
			says->klipper.mcu, board);
	if (says->chip_sign == CHIP_SIGN_NONE)
		return reasons_add(trial->reasons, REASON_WRONG_CHIP,
			"the image is for an STM32 (its vector table leads to 0x08000000 and up), "
			"and the board is %s: use the image that was built for this board",
			board);
	return reasons_add(trial->reasons, REASON_WRONG_CHIP,
		"the image is for %s %s (%s says so), and the board is %s: use the image that was "
		"built for this board",
		chip_article(says->chip), chip_name(says->chip), chip_sign_text(says->chip_sign),
		board);
}

/* The ROM of the RP2 family starts what lies at the start of the flash. */
static bool is_started_by_rp2_rom(const struct trial *trial)
{
	enum chip chip = trial->facts->chip;
	return (chip == CHIP_RP2040 || chip == CHIP_RP2350) && !is_behind_bootloader(trial);
}

/*
 * What that ROM looks at is weighed where it is judged: one file may carry the family of one chip
 * and the start of another.
 */
static bool is_for_other_chip(const struct trial *trial)
{
	const struct image_facts *says = trial->says;
	const struct board_facts *facts = trial->facts;
	if (says->chip_sign == CHIP_SIGN_NONE)
		return says->is_for_stm32 && facts->chip != CHIP_UNKNOWN &&
		       !chip_is_stm32(facts->chip);
	if (facts->chip == CHIP_UNKNOWN)
		return says->chip == CHIP_UNKNOWN ||
		       !(facts->possible_chips & chip_bit(says->chip));
	if (is_started_by_rp2_rom(trial) && says->chip_sign > CHIP_SIGN_DICTIONARY)
		return false;
	return says->chip != facts->chip;
}

static int judge_unknown_board(const struct trial *trial)
{
	if (trial->facts->possible_chips == 0)
		return reasons_add(trial->reasons, REASON_CHIP_UNKNOWN,
			"which chip the board has is unknown, so nothing proves that the image "
			"fits: put the board into its boot mode again, so that it is looked at "
			"anew");
	_cleanup_(freep) char *board = board_chip_text(trial->facts);
	return reasons_add(trial->reasons, REASON_CHIP_AMBIGUOUS,
		"the board may be %s, and nothing tells which, so nothing proves that the image "
		"fits: state the one that it has, as chip = \"%s\"; in flash = { } of the rule or "
		"in the board's entry in boards = ( )",
		board ? board : "one of several chips",
		trial->says->chip != CHIP_UNKNOWN ? chip_name(trial->says->chip) : "…");
}

static int refuse_protected(const struct trial *trial)
{
	return reasons_add(trial->reasons, REASON_READ_PROTECTED,
		"the chip is read-protected (RDP), so that nobody can look at its flash: plugflash "
		"never lifts that, since it erases the whole chip, its boot loader included; take "
		"the protection away by hand (STM32CubeProgrammer) if that is meant, or flash the "
		"board through its own boot loader");
}

/* ---- what the image is, whatever the chip ------------------------------------------------ */

static int judge_kind(const struct trial *trial)
{
	static const char *const what[_KIND_MAX] = {
		[KIND_KATAPULT] = "Katapult, a boot loader,",
		[KIND_DEPLOYER] = "Katapult's deployer, which overwrites the boot loader,",
		[KIND_COMBINED] = "a boot loader (Katapult) with an application behind it,",
	};
	const char *name = what[trial->says->kind];
	if (!name || trial->terms->permits_bootloader ||
		reasons_have(trial->reasons, REASON_WRONG_CHIP))
		return 0;
	return reasons_add(trial->reasons, REASON_BOOTLOADER_IMAGE,
		"the image is %s and an application belongs here: use the application's own image, "
		"or say overwrite_bootloader = true in the rule if the boot loader is to be replaced",
		name);
}

/* Klipper's linker script ends every image at a whole word. */
static bool ends_inside_word(const struct trial *trial)
{
	const struct image *image = trial->image;
	return trial->says->kind == KIND_KLIPPER && image->byte_count % 4 != 0 &&
	       (image->format == FORMAT_BIN || image->format == FORMAT_DFU);
}

static int judge_wholeness(const struct trial *trial)
{
	if (trial->says->has_several_dictionaries)
		return reasons_add(trial->reasons, REASON_IMAGE_INCONSISTENT,
			"the image holds several Klipper dictionaries that differ, so that nobody "
			"can tell what it is: build it again");
	if (trial->says->link.is_cut || ends_inside_word(trial))
		return reasons_add(trial->reasons, REASON_IMAGE_TRUNCATED,
			"the image ends at byte %" PRIu64
			" but %s: its end is missing, copy, download or build it again",
			trial->image->byte_count,
			trial->says->link.is_cut ? "refers to what should follow"
						 : "a whole one ends at a multiple of four");
	return 0;
}

static int judge_stated_address(const struct trial *trial)
{
	const struct link_address *link = &trial->says->link;
	if (!trial->image->has_address || !link->is_proved ||
		link->base == image_start(trial->image))
		return 0;
	char signs[LINK_SIGNS_TEXT];
	link_signs_text(link->signs, signs);
	return reasons_add(trial->reasons, REASON_WRONG_ADDRESS,
		"the file puts the image at 0x%08" PRIx32 ", and it was built for 0x%08" PRIx32
		" (%s): convert or build it again",
		image_start(trial->image), link->base, signs);
}

static int judge_declared_chip(const struct trial *trial)
{
	enum chip declared = trial->terms->declared.chip;
	if (declared == CHIP_UNKNOWN || trial->says->chip_sign == CHIP_SIGN_NONE ||
		declared == trial->says->chip)
		return 0;
	return reasons_add(trial->reasons, REASON_DECLARATION_CONTRADICTED,
		"the policy declares the image to be for %s %s, and %s says %s: correct declare in "
		"the rule",
		chip_article(declared), chip_name(declared), chip_sign_text(trial->says->chip_sign),
		trial->says->chip == CHIP_UNKNOWN ? trial->says->klipper.mcu
						  : chip_name(trial->says->chip));
}

/* ---- public ------------------------------------------------------------------------------ */

static int judge_start(const struct trial *trial)
{
	const struct board_facts *facts = trial->facts;
	if (!chip_memory(facts->chip))
		return reasons_add(trial->reasons, REASON_UNSUPPORTED,
			"plugflash cannot install a program on the computer itself yet: run "
			"\"make flash\" in Klipper's directory");
	if (!is_started_by_rp2_rom(trial))
		return fitness_judge_cortex(trial);
	return facts->chip == CHIP_RP2040 ? fitness_judge_rp2040(trial)
					  : fitness_judge_rp2350(trial);
}

/* What would not start where it is put need not be told that it was built for elsewhere. */
static int judge_start_and_place(const struct trial *trial)
{
	size_t before = trial->reasons->count;
	int r = judge_start(trial);
	return r < 0 || trial->reasons->count > before ? r : judge_stated_address(trial);
}

int fitness_judge(const struct image *image, const struct image_facts *says,
	const struct board_facts *board, const struct terms *terms, struct reasons *reasons)
{
	static const struct terms no_terms;
	const struct trial trial = {
		.image = image,
		.says = says,
		.facts = board,
		.terms = terms ? terms : &no_terms,
		.reasons = reasons,
	};
	if (board->is_read_protected)
		return refuse_protected(&trial);
	if (board->chip == CHIP_UNKNOWN && board->possible_chips == 0)
		return judge_unknown_board(&trial);
	/* Nothing else about it is worth a word. */
	if (is_for_other_chip(&trial))
		return refuse_chip(&trial);
	if (board->chip == CHIP_UNKNOWN)
		return judge_unknown_board(&trial);
	static int (*const judgements[])(const struct trial *) = { judge_wholeness,
		judge_declared_chip, judge_start_and_place, judge_kind, fitness_judge_terms };
	int r = 0;
	for (size_t i = 0; i < ELEMENTSOF(judgements) && r == 0; i++)
		r = judgements[i](&trial);
	return r;
}

/* What is declared must be so, as far as the bytes or the file say where the image belongs. */
static int judge_declared_address(const struct image *image, const struct link_address *link,
	uint32_t declared, struct reasons *reasons)
{
	uint32_t found = link->is_proved ? link->base : image_start(image);
	if (found == declared || (!link->is_proved && !image->has_address))
		return 0;
	char signs[LINK_SIGNS_TEXT];
	link_signs_text(link->signs, signs);
	int r = reasons_add(reasons, REASON_DECLARATION_CONTRADICTED,
		"the policy declares the address 0x%08" PRIx32 ", and %s 0x%08" PRIx32
		"%s%s%s: correct declare in the rule",
		declared,
		link->is_proved ? "the image was built for" : "the file puts the image at", found,
		link->is_proved ? " (" : "", link->is_proved ? signs : "",
		link->is_proved ? ")" : "");
	return r < 0 ? r : IMAGE_REJECTED;
}

int fitness_place(struct image *image, const struct image_facts *says, const struct terms *terms,
	struct reasons *reasons)
{
	const struct link_address *link = &says->link;
	bool is_declared = terms && terms->declared.has_address;
	uint32_t declared = is_declared ? terms->declared.address : 0;
	if (image->is_linux_program)
		return 0;
	int r = is_declared ? judge_declared_address(image, link, declared, reasons) : 0;
	if (r != 0 || image->has_address)
		return r;
	if (link->is_proved)
		return image_place(image, link->base, reasons);
	if (is_declared)
		return image_place(image, declared, reasons);
	/* An RP2350 maps the flash to where its program was built for only from the start of it on;
	 * fitness_rp2350.c tells builds for behind a boot loader by their code. */
	if (says->chip == CHIP_RP2350 && says->chip_sign == CHIP_SIGN_IMAGE_DEF)
		return image_place(image, RP2350_FLASH_START, reasons);
	return 0;
}
