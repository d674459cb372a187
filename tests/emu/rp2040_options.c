/* SPDX-License-Identifier: MIT */
/* The names of options and faults, and where their values go; see rp2040_options.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "emu/resident_words.h"
#include "emu/rp2040_options.h"

static const char *const fault_names[] = {
	[RP2040_FAULT_UNPLUG] = "unplug",
	[RP2040_FAULT_POWER_CYCLE] = "power-cycle",
	[RP2040_FAULT_STALL] = "stall",
	[RP2040_FAULT_WIRE_ERROR] = "wire-error",
	[RP2040_FAULT_FLIP_BIT] = "flip-bit",
	[RP2040_FAULT_STUCK_BIT] = "stuck-bit",
	[RP2040_FAULT_LOST_ERASE] = "lost-erase",
	[RP2040_FAULT_LOST_PROGRAM] = "lost-program",
	[RP2040_FAULT_HANG] = "hang",
	[RP2040_FAULT_HANG_ALL] = "hang-all",
	[RP2040_FAULT_LATE] = "late",
	[RP2040_FAULT_DIE] = "die",
	[RP2040_FAULT_RESTART] = "restart",
	[RP2040_FAULT_ANSWER] = "answer",
	[RP2040_FAULT_MUTE] = "mute",
};

static const char *const trigger_names[] = {
	[RP2040_AT_ONCE] = "once",
	[RP2040_AT_COMMAND] = "command",
	[RP2040_AT_BYTE] = "byte",
	[RP2040_AT_TIME] = "time",
	[RP2040_AT_PAGE] = "page",
	[RP2040_AT_SECTOR] = "sector",
};

static const char *const touch_names[] = {
	[RP2040_TOUCH_SDK] = "sdk",
	[RP2040_TOUCH_KLIPPER] = "klipper",
	[RP2040_TOUCH_NONE] = "none",
};

static const char *const chip_names[] = {
	[RP2040_CHIP_RP2040] = "rp2040",
	[RP2040_CHIP_RP2350] = "rp2350",
};

static const char *const command_names[] = { "any", "exclusive", "reboot", "erase", "read", "write",
	"exit-xip", "enter-xip", "exec", "vectorize", "reboot2", "get-info", "otp-read",
	"otp-write" };
static const uint8_t command_ids[] = { 0x00, 0x01, 0x02, 0x03, 0x84, 0x05, 0x06, 0x07, 0x08, 0x09,
	0x0a, 0x8b, 0x8c, 0x0d };

const char *rp2040_options_fault_name(enum rp2040_fault_kind kind)
{
	return fault_names[kind];
}

/* "none" is a chip that leaves the line high when it is asked. */
static bool set_id(struct rp2040_options *options, const char *text)
{
	options->unique_id_given = true;
	if (strcmp(text, "none") != 0)
		return word_hex(text, options->unique_id, sizeof(options->unique_id));
	memset(options->unique_id, 0xff, sizeof(options->unique_id));
	return true;
}

static bool set_text(struct rp2040_options *options, const char *key, char *value)
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
	};
	for (size_t index = 0; index < ELEMENTSOF(texts); index++) {
		if (!strcmp(texts[index].key, key)) {
			*texts[index].place = word_unescape(value);
			return true;
		}
	}
	return false;
}

static bool set_number(struct rp2040_options *options, const char *key, uint64_t value)
{
	if (!strcmp(key, "flash"))
		options->flash_bytes = value;
	else if (!strcmp(key, "random"))
		options->random_flash = value;
	else if (!strcmp(key, "seed"))
		options->seed = value;
	else if (!strcmp(key, "button"))
		options->button_released = !value;
	else if (!strcmp(key, "revision"))
		options->rom_revision = (unsigned)value;
	else if (!strcmp(key, "disable"))
		options->disable_mask = (unsigned)value;
	else if (!strcmp(key, "speed"))
		options->speed = (unsigned)value;
	else if (!strcmp(key, "slowness"))
		options->slowness = (unsigned)value;
	else if (!strcmp(key, "partitions"))
		options->partitions = value;
	else if (!strcmp(key, "klipper"))
		options->klipper = value;
	else if (!strcmp(key, "hang_stays"))
		options->hang_stays = value;
	else if (!strcmp(key, "stray_ack"))
		options->without_stray_ack = !value;
	else if (!strcmp(key, "application_vendor"))
		options->application_vendor = (uint16_t)value;
	else if (!strcmp(key, "application_product"))
		options->application_product = (uint16_t)value;
	else if (!strcmp(key, "application_msec"))
		options->application_msec = (unsigned)value;
	else
		return false;
	return true;
}

static bool set_option(
	struct rp2040_options *options, const char *key, char *value, uint8_t **image)
{
	uint64_t parsed;
	int found = resident_words_set(&options->resident, key, value);
	if (found)
		return found > 0;
	if (set_text(options, key, value))
		return true;
	if (!strcmp(key, "id"))
		return set_id(options, value);
	if (!strcmp(key, "chip")) {
		int chip = word_index(chip_names, ELEMENTSOF(chip_names), value);
		options->chip = chip < 0 ? RP2040_CHIP_RP2040 : (enum rp2040_chip)chip;
		return chip >= 0;
	}
	if (!strcmp(key, "touch")) {
		int touch = word_index(touch_names, ELEMENTSOF(touch_names), value);
		options->touch = touch < 0 ? RP2040_TOUCH_SDK : (enum rp2040_touch)touch;
		return touch >= 0;
	}
	if (!strcmp(key, "image")) {
		free(TAKE_PTR(*image));
		if (word_read_file(word_unescape(value), image, &options->image_bytes) < 0)
			return false;
		options->image = *image;
		return true;
	}
	return word_number(value, &parsed) && set_number(options, key, parsed);
}

int rp2040_options_parse(const struct words *words, size_t first, struct rp2040_options *options,
	uint8_t **ret_image, const char **ret_wrong)
{
	for (size_t index = first; index < words->count; index++) {
		char *value = word_split(words->words[index]);
		*ret_wrong = words->words[index];
		if (!value || !set_option(options, words->words[index], value, ret_image))
			return -EINVAL;
	}
	return 0;
}

static bool set_fault_number(struct rp2040_fault *fault, const char *key, uint64_t value)
{
	if (!strcmp(key, "n"))
		fault->nth = value;
	else if (!strcmp(key, "after_usec"))
		fault->after_nsec = value * NSEC_PER_USEC;
	else if (!strcmp(key, "address"))
		fault->address = (uint32_t)value;
	else if (!strcmp(key, "endpoint"))
		fault->endpoint = (uint8_t)value;
	else if (!strcmp(key, "byte"))
		fault->byte = (uint8_t)value;
	else if (!strcmp(key, "bit"))
		fault->bit = (uint8_t)value;
	else if (!strcmp(key, "value"))
		fault->value = (uint8_t)value;
	else if (!strcmp(key, "target"))
		fault->target = (uint32_t)value;
	else if (!strcmp(key, "msec"))
		fault->msec = (uint32_t)value;
	else
		return false;
	return true;
}

static bool set_fault_option(struct rp2040_fault *fault, const char *key, const char *value)
{
	uint64_t parsed;
	if (!strcmp(key, "at")) {
		int trigger = word_index(trigger_names, ELEMENTSOF(trigger_names), value);
		fault->trigger = trigger < 0 ? RP2040_AT_ONCE : (enum rp2040_trigger)trigger;
		return trigger >= 0;
	}
	if (!strcmp(key, "command")) {
		int command = word_index(command_names, ELEMENTSOF(command_names), value);
		fault->command = command < 0 ? 0 : command_ids[command];
		return command >= 0;
	}
	return word_number(value, &parsed) && set_fault_number(fault, key, parsed);
}

int rp2040_options_parse_fault(
	const struct words *words, size_t first, struct rp2040_fault *fault, const char **ret_wrong)
{
	*ret_wrong = first < words->count ? words->words[first] : "kind";
	int kind = first < words->count
			   ? word_index(fault_names, ELEMENTSOF(fault_names), words->words[first])
			   : -EINVAL;
	if (kind < 0)
		return kind;
	fault->kind = (enum rp2040_fault_kind)kind;
	for (size_t index = first + 1; index < words->count; index++) {
		char *value = word_split(words->words[index]);
		*ret_wrong = words->words[index];
		if (!value || !set_fault_option(fault, words->words[index], value))
			return -EINVAL;
	}
	return 0;
}
