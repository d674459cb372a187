/* SPDX-License-Identifier: MIT */
/* The names of options, and where their values go; see stm32_options.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "emu/resident_words.h"
#include "emu/stm32_options.h"

#define KIB ((size_t)1024)
#define MIB (1024 * KIB)

/* Of one name the first is meant when nothing is said about flash. */
static const struct {
	const char *name;
	size_t flash_bytes;
	enum stm32_chip chip;
} chips[] = {
	{ "f429", 1 * MIB, STM32_F429_1MB },
	{ "f429", 2 * MIB, STM32_F429_2MB },
	{ "f446", 512 * KIB, STM32_F446 },
	{ "f407", 1 * MIB, STM32_F407 },
	{ "f405", 1 * MIB, STM32_F405 },
	{ "f401xe", 512 * KIB, STM32_F401XE },
	{ "f072", 128 * KIB, STM32_F072 },
	{ "f042", 32 * KIB, STM32_F042 },
	{ "g0b1", 512 * KIB, STM32_G0B1_512K },
	{ "g0b1", 256 * KIB, STM32_G0B1_256K },
	{ "g0b1", 128 * KIB, STM32_G0B1_128K },
	{ "g431", 128 * KIB, STM32_G431 },
	{ "g474", 512 * KIB, STM32_G474 },
	{ "h723", 1 * MIB, STM32_H723 },
	{ "h743", 2 * MIB, STM32_H743 },
	{ "smoothie", 512 * KIB, STM32_SMOOTHIE },
	{ "maple", 128 * KIB, STM32_MAPLE },
	{ "f103", 128 * KIB, STM32_F103 },
	{ "lpc1769", 512 * KIB, STM32_LPC1769 },
};

#define CHOICE_NAMES_MOST 7

/* Position in the list: value of the enumeration. */
struct choice {
	const char *key;
	size_t offset;
	const char *names[CHOICE_NAMES_MOST];
};

#define PLACE(member) offsetof(struct stm32_options, member)

static const struct choice choices[] = {
	{ "readout_protected", PLACE(protection), { "0", "1", "strict" } },
	{ "refusal", PLACE(refusal), { "chip", "report", "silent" } },
	{ "touch", PLACE(touch), { "klipper", "none" } },
	{ "initial", PLACE(initial), { "chip", "idle", "error" } },
	{ "clear", PLACE(clear), { "chip", "error", "stall" } },
	{ "busy", PLACE(busy), { "chip", "block", "dnbusy", "stall" } },
	{ "leave", PLACE(leave), { "chip", "answer", "vanish", "once", "stall", "stay" } },
	{ "upload_multiplier", PLACE(upload_multiplier), { "chip", "transfer", "length" } },
	{ "dnload_multiplier", PLACE(dnload_multiplier), { "chip", "transfer", "length" } },
	{ "functional", PLACE(functional), { "chip", "answer", "stall", "hang" } },
	{ "interface", PLACE(interface), { "chip", "keep-error", "idle", "keep" } },
	{ "bus_reset", PLACE(bus_reset), { "chip", "stay", "start" } },
};

static bool set_choice(struct stm32_options *options, const char *key, const char *value)
{
	_Static_assert(
		sizeof(enum stm32_busy) == sizeof(unsigned), "all of these are stored alike");
	for (size_t index = 0; index < ELEMENTSOF(choices); index++) {
		if (strcmp(choices[index].key, key) != 0)
			continue;
		int chosen = word_index(choices[index].names, CHOICE_NAMES_MOST, value);
		if (chosen < 0)
			return false;
		memcpy((uint8_t *)options + choices[index].offset, &chosen, sizeof(chosen));
		return true;
	}
	return false;
}

static bool set_text(struct stm32_options *options, const char *key, char *value)
{
	const struct {
		const char *key;
		const char **place;
	} texts[] = {
		{ "mirror", &options->mirror },
		{ "manufacturer", &options->manufacturer },
		{ "product", &options->product },
		{ "serial", &options->serial },
		{ "boot_manufacturer", &options->boot_manufacturer },
		{ "boot_product", &options->boot_product },
		{ "boot_serial", &options->boot_serial },
		{ "alternate0", &options->alternate_texts[0] },
		{ "alternate1", &options->alternate_texts[1] },
		{ "alternate2", &options->alternate_texts[2] },
		{ "alternate3", &options->alternate_texts[3] },
	};
	for (size_t index = 0; index < ELEMENTSOF(texts); index++) {
		if (!strcmp(texts[index].key, key)) {
			*texts[index].place = word_unescape(value);
			return true;
		}
	}
	return false;
}

/* The bytes take the place of their digits. */
static bool set_bytes(struct stm32_options *options, const char *key, char *value)
{
	const struct {
		const char *key;
		struct stm32_bytes *place;
	} strings[] = {
		{ "boot_configuration", &options->boot_configuration },
		{ "alternate_string0", &options->alternate_strings[0] },
		{ "alternate_string1", &options->alternate_strings[1] },
		{ "alternate_string2", &options->alternate_strings[2] },
		{ "alternate_string3", &options->alternate_strings[3] },
	};
	for (size_t index = 0; index < ELEMENTSOF(strings); index++) {
		if (strcmp(strings[index].key, key) != 0)
			continue;
		size_t length = strlen(value) / 2;
		*strings[index].place = (struct stm32_bytes){ (const uint8_t *)value, length };
		return word_hex(value, (uint8_t *)value, length);
	}
	return false;
}

/* ADDRESS+BYTES,ADDRESS+BYTES… */
static bool set_ranges(struct stm32_options *options, const char *key, char *value)
{
	struct stm32_range *ranges = !strcmp(key, "write_protected") ? options->write_protected
				     : !strcmp(key, "also_readable") ? options->also_readable
				     : !strcmp(key, "unreadable")    ? options->unreadable
								     : NULL;
	size_t count = 0;
	char *rest = NULL;
	if (!ranges)
		return false;
	for (char *range = strtok_r(value, ",", &rest); range; range = strtok_r(NULL, ",", &rest)) {
		uint64_t address, bytes;
		char *plus = strchr(range, '+');
		if (!plus || count == STM32_RANGES)
			return false;
		*plus = '\0';
		if (!word_number(range, &address) || !word_number(plus + 1, &bytes))
			return false;
		ranges[count++] = (struct stm32_range){ (uint32_t)address, (uint32_t)bytes };
	}
	return true;
}

static bool set_polls(struct stm32_options *options, char *value)
{
	struct stm32_polls *polls = &options->polls;
	uint32_t *const places[] = { &polls->set_address, &polls->erase, &polls->mass_erase,
		&polls->write, &polls->idle };
	size_t count = 0;
	char *rest = NULL;
	for (char *word = strtok_r(value, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
		uint64_t msec;
		if (count == ELEMENTSOF(places) || !word_number(word, &msec))
			return false;
		*places[count++] = (uint32_t)msec;
	}
	polls->given = true;
	return count >= ELEMENTSOF(places) - 1;
}

static bool set_flag(struct stm32_options *options, const char *key, bool value)
{
	const struct {
		const char *key;
		bool *place;
	} flags[] = {
		{ "random", &options->random_flash },
		{ "boot0_ignored", &options->boot0_ignored },
		{ "silent", &options->application_is_silent },
		{ "crashes", &options->application_crashes },
		{ "without_wedge", &options->without_wedge },
	};
	for (size_t index = 0; index < ELEMENTSOF(flags); index++) {
		if (!strcmp(flags[index].key, key)) {
			*flags[index].place = value;
			return true;
		}
	}
	return false;
}

static bool set_short_number(struct stm32_options *options, const char *key, uint64_t value)
{
	const struct {
		const char *key;
		uint16_t *place;
	} numbers[] = {
		{ "application_vendor", &options->application_vendor },
		{ "application_product", &options->application_product },
		{ "transfer_bytes", &options->transfer_bytes },
		{ "dnload_most", &options->dnload_most },
		{ "bcd_device", &options->bcd_device },
	};
	for (size_t index = 0; index < ELEMENTSOF(numbers); index++) {
		if (!strcmp(numbers[index].key, key) && value <= UINT16_MAX) {
			*numbers[index].place = (uint16_t)value;
			return true;
		}
	}
	return false;
}

static bool set_number(struct stm32_options *options, const char *key, uint64_t value)
{
	if (!strcmp(key, "seed"))
		options->seed = value;
	else if (!strcmp(key, "speed"))
		options->speed = (unsigned)value;
	else if (!strcmp(key, "slowness"))
		options->slowness = (unsigned)value;
	else if (!strcmp(key, "application_msec"))
		options->application_msec = (unsigned)value;
	else if (!strcmp(key, "katapult_offset"))
		options->katapult_offset = (uint32_t)value;
	else if (!strcmp(key, "button"))
		options->boot0_released = !value;
	else
		return set_flag(options, key, value) || set_short_number(options, key, value);
	return true;
}

/* FILE@ADDRESS; without an address the file is what flash begins with. */
static bool set_image(struct stm32_options *options, char *value, uint8_t **image)
{
	char *at = strrchr(value, '@');
	uint64_t address = 0;
	if (at)
		*at = '\0';
	if (at && !word_number(at + 1, &address))
		return false;
	free(TAKE_PTR(*image));
	if (word_read_file(word_unescape(value), image, &options->image_bytes) < 0)
		return false;
	options->image = *image;
	/* Only Smoothieboard's flash lies elsewhere, at 0. */
	options->image_offset = (uint32_t)address;
	if (address >= STM32_FLASH_BASE)
		options->image_offset -= STM32_FLASH_BASE;
	return true;
}

static bool set_option(struct stm32_options *options, const char *key, char *value, uint8_t **image)
{
	uint64_t parsed;
	int found = resident_words_set(&options->resident, key, value);
	if (found)
		return found > 0;
	if (!strcmp(key, "uid"))
		return word_hex(value, options->unique_id, sizeof(options->unique_id));
	if (!strcmp(key, "image"))
		return set_image(options, value, image);
	if (!strcmp(key, "polls"))
		return set_polls(options, value);
	if (set_text(options, key, value) || set_choice(options, key, value) ||
		set_ranges(options, key, value) || set_bytes(options, key, value))
		return true;
	return word_number(value, &parsed) && set_number(options, key, parsed);
}

/* What is said of a chip, in any order. */
struct chip_words {
	const char *name;
	uint64_t flash_bytes; /* 0: nothing */
};

static int choose_chip(const struct chip_words *wanted, enum stm32_chip *ret)
{
	for (size_t index = 0; index < ELEMENTSOF(chips); index++) {
		if (strcmp(chips[index].name, wanted->name) != 0 ||
			(wanted->flash_bytes && wanted->flash_bytes != chips[index].flash_bytes))
			continue;
		*ret = chips[index].chip;
		return 0;
	}
	return -EINVAL;
}

int stm32_options_parse(const struct words *words, size_t first, struct stm32_options *options,
	uint8_t **ret_image, const char **ret_wrong)
{
	struct chip_words wanted = { .name = chips[0].name };
	for (size_t index = first; index < words->count; index++) {
		const char *key = words->words[index];
		char *value = word_split(words->words[index]);
		*ret_wrong = key;
		if (!value)
			return -EINVAL;
		if (!strcmp(key, "chip")) {
			wanted.name = value;
			continue;
		}
		if (!strcmp(key, "flash") && word_number(value, &wanted.flash_bytes))
			continue;
		if (!set_option(options, key, value, ret_image))
			return -EINVAL;
	}
	*ret_wrong = "chip";
	return choose_chip(&wanted, &options->chip);
}
