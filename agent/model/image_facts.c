/* SPDX-License-Identifier: MIT */
/* What an image says of itself; see image_facts.h. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "model/image_facts.h"
#include "model/katapult.h"
#include "model/rp2040.h"
#include "model/rp2350.h"

static const char *const kind_names[_KIND_MAX] = {
	[KIND_PROGRAM] = "program",
	[KIND_KLIPPER] = "klipper",
	[KIND_KATAPULT] = "katapult",
	[KIND_DEPLOYER] = "katapult-deployer",
	[KIND_COMBINED] = "katapult-and-application",
};

static const char *const sign_texts[_CHIP_SIGN_MAX] = {
	[CHIP_SIGN_NONE] = "nothing",
	[CHIP_SIGN_FORMAT] = "the format of the file",
	[CHIP_SIGN_DICTIONARY] = "its dictionary",
	[CHIP_SIGN_BOOT2] = "its boot2",
	[CHIP_SIGN_IMAGE_DEF] = "its IMAGE_DEF",
	[CHIP_SIGN_FAMILY] = "the family of the UF2 file",
};

static int read_klipper(const struct image *image, size_t *ret_segment, struct image_facts *facts)
{
	int r = klipper_find_in_image(image, ret_segment, &facts->klipper);
	facts->has_klipper = r == 0;
	facts->has_several_dictionaries = r == KLIPPER_AMBIGUOUS;
	return r == -ENOENT || r > 0 ? 0 : r;
}

static int read_binary_info(const struct image *image, struct image_facts *facts)
{
	int r = binary_info_find(image, &facts->binary_info);
	facts->has_binary_info = r == 0;
	return r == -ENOENT ? 0 : r;
}

/* ---- which chip -------------------------------------------------------------------------- */

static bool has_boot2(const struct image *image)
{
	const struct image_segment *first = &image->segments[0];
	if (image->has_address && first->address != RP2040_FLASH_START)
		return false;
	return first->length >= RP2040_BOOT2_BYTES && rp2040_boot2_is_valid(first->data);
}

static bool has_rp2350_program(const struct image *image)
{
	uint8_t head[RP2350_HEAD_BYTES];
	const struct image_segment *first = &image->segments[0];
	memset(head, 0xff, sizeof(head));
	memcpy(head, first->data, first->length < sizeof(head) ? first->length : sizeof(head));
	return rp2350_head_is_bootable(head);
}

static void find_chip(const struct image *image, struct image_facts *facts)
{
	enum chip_sign sign = CHIP_SIGN_NONE;
	enum chip chip = CHIP_UNKNOWN;
	if (image->is_linux_program) {
		chip = CHIP_LINUX;
		sign = CHIP_SIGN_FORMAT;
	} else if (facts->has_klipper && facts->klipper.mcu) {
		chip = chip_from_mcu(facts->klipper.mcu);
		sign = CHIP_SIGN_DICTIONARY;
	} else if (has_boot2(image)) {
		chip = CHIP_RP2040;
		sign = CHIP_SIGN_BOOT2;
	} else if (has_rp2350_program(image)) {
		chip = CHIP_RP2350;
		sign = CHIP_SIGN_IMAGE_DEF;
	} else if (image->family_chip != CHIP_UNKNOWN) {
		chip = image->family_chip;
		sign = CHIP_SIGN_FAMILY;
	}
	facts->chip = chip;
	facts->chip_sign = sign;
}

/* ---- where and what ---------------------------------------------------------------------- */

static bool leads_to_stm32(const struct image_segment *first)
{
	if (first->length < 8)
		return false;
	uint32_t stack = read_u32(first->data), reset = read_u32(first->data + 4);
	return reset % 2 == 1 && reset >> 24 == 0x08 &&
	       chip_stack_is_plausible(CHIP_UNKNOWN, stack);
}

static void find_place(
	const struct image *image, size_t dictionary_segment, struct image_facts *facts)
{
	const struct image_segment *first = &image->segments[0];
	if (image->is_linux_program)
		return;
	facts->is_for_stm32 = leads_to_stm32(first);
	bool is_first = facts->has_klipper && dictionary_segment == 0;
	/* A chip that we have no map of: its image would be measured with another one's. */
	if (facts->chip_sign == CHIP_SIGN_DICTIONARY && facts->chip == CHIP_UNKNOWN)
		return;
	facts->link = link_address_find(first->data, first->length, facts->chip,
		is_first ? facts->klipper.offset : LINK_NO_DICTIONARY);
	/* What the first piece refers to, the next one may hold. */
	if (image->segment_count > 1)
		facts->link.is_cut = false;
}

static enum image_kind find_kind(const struct image *image, const struct image_facts *facts)
{
	const struct image_segment *first = &image->segments[0];
	if (image->is_linux_program)
		return facts->has_klipper ? KIND_KLIPPER : KIND_PROGRAM;
	bool starts = facts->link.signs & LINK_KATAPULT;
	if (!starts && image->has_address)
		starts = katapult_starts(
			first->data, first->length, first->address, facts->link.vectors);
	bool has_dictionary = facts->has_klipper || facts->has_several_dictionaries;
	if (starts)
		return has_dictionary || image->segment_count > 1 ? KIND_COMBINED : KIND_KATAPULT;
	if (has_dictionary)
		return KIND_KLIPPER;
	for (size_t i = 0; i < image->segment_count; i++)
		if (katapult_is_mentioned(image->segments[i].data, image->segments[i].length))
			return KIND_DEPLOYER;
	return KIND_PROGRAM;
}

/* ---- public ------------------------------------------------------------------------------ */

const char *image_kind_name(enum image_kind kind)
{
	assert(kind < _KIND_MAX);
	return kind_names[kind];
}

const char *chip_sign_text(enum chip_sign sign)
{
	assert(sign < _CHIP_SIGN_MAX);
	return sign_texts[sign];
}

int image_facts_read(const struct image *image, struct image_facts *ret)
{
	_cleanup_(image_facts_done) struct image_facts facts = { 0 };
	size_t dictionary_segment = 0;
	int r = read_klipper(image, &dictionary_segment, &facts);
	if (r == 0)
		r = read_binary_info(image, &facts);
	if (r < 0)
		return r;
	find_chip(image, &facts);
	find_place(image, dictionary_segment, &facts);
	facts.kind = find_kind(image, &facts);
	*ret = facts;
	facts = (struct image_facts){ 0 };
	return 0;
}

void image_facts_done(struct image_facts *facts)
{
	klipper_done(&facts->klipper);
	binary_info_done(&facts->binary_info);
	*facts = (struct image_facts){ 0 };
}

const char *image_facts_version(const struct image_facts *facts)
{
	if (facts->has_klipper)
		return facts->klipper.version;
	return facts->has_binary_info ? facts->binary_info.version : NULL;
}
