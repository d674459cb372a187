/* SPDX-License-Identifier: MIT */
/* The names of an STM32's faults; see stm32_options.h. */
#include <errno.h>
#include <string.h>

#include "emu/stm32_options.h"

static const char *const fault_names[] = {
	[STM32_FAULT_UNPLUG] = "unplug",
	[STM32_FAULT_POWER_CYCLE] = "power-cycle",
	[STM32_FAULT_RESET] = "reset",
	[STM32_FAULT_REENUMERATE] = "reenumerate",
	[STM32_FAULT_STALL] = "stall",
	[STM32_FAULT_WIRE_ERROR] = "wire-error",
	[STM32_FAULT_FLIP_BIT] = "flip-bit",
	[STM32_FAULT_STUCK_BIT] = "stuck-bit",
	[STM32_FAULT_WRONG_READ] = "wrong-read",
	[STM32_FAULT_LOST_ERASE] = "lost-erase",
	[STM32_FAULT_LOST_PROGRAM] = "lost-program",
	[STM32_FAULT_ERROR_STATUS] = "error-status",
	[STM32_FAULT_HANG] = "hang",
	[STM32_FAULT_DIE] = "die",
	[STM32_FAULT_ANSWER] = "answer",
	[STM32_FAULT_MUTE] = "mute",
};

static const char *const trigger_names[] = {
	[STM32_AT_ONCE] = "once",
	[STM32_AT_DNLOAD] = "dnload",
	[STM32_AT_UPLOAD] = "upload",
	[STM32_AT_GETSTATUS] = "getstatus",
	[STM32_AT_LEAVE] = "leave",
	[STM32_AT_ERASE] = "erase",
	[STM32_AT_PROGRAM] = "program",
	[STM32_AT_BYTE] = "byte",
	[STM32_AT_TIME] = "time",
	[STM32_AT_COMMAND] = "command",
	[STM32_AT_BLOCK] = "block",
};

const char *stm32_options_fault_name(enum stm32_fault_kind kind)
{
	return fault_names[kind];
}

static bool set_number(struct stm32_fault *fault, const char *key, uint64_t value)
{
	if (!strcmp(key, "n"))
		fault->nth = value;
	else if (!strcmp(key, "after_usec"))
		fault->after_nsec = value * NSEC_PER_USEC;
	else if (!strcmp(key, "address"))
		fault->address = (uint32_t)value;
	else if (!strcmp(key, "byte"))
		fault->byte = (uint16_t)value;
	else if (!strcmp(key, "bit"))
		fault->bit = (uint8_t)value;
	else if (!strcmp(key, "value"))
		fault->value = (uint8_t)value;
	else if (!strcmp(key, "target"))
		fault->target = (uint32_t)value;
	else if (!strcmp(key, "msec"))
		fault->msec = (uint32_t)value;
	else if (!strcmp(key, "button"))
		fault->boot0 = value;
	else
		return false;
	return true;
}

static bool set_option(struct stm32_fault *fault, const char *key, const char *value)
{
	uint64_t parsed;
	if (strcmp(key, "at") != 0)
		return word_number(value, &parsed) && set_number(fault, key, parsed);
	int trigger = word_index(trigger_names, ELEMENTSOF(trigger_names), value);
	if (trigger < 0)
		return false;
	fault->trigger = (enum stm32_trigger)trigger;
	return true;
}

int stm32_options_parse_fault(
	const struct words *words, size_t first, struct stm32_fault *fault, const char **ret_wrong)
{
	*ret_wrong = first < words->count ? words->words[first] : "kind";
	int kind = first < words->count
			   ? word_index(fault_names, ELEMENTSOF(fault_names), words->words[first])
			   : -EINVAL;
	if (kind < 0)
		return kind;
	fault->kind = (enum stm32_fault_kind)kind;
	for (size_t index = first + 1; index < words->count; index++) {
		char *value = word_split(words->words[index]);
		*ret_wrong = words->words[index];
		if (!value || !set_option(fault, words->words[index], value))
			return -EINVAL;
	}
	return 0;
}
