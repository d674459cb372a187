/* SPDX-License-Identifier: MIT */
/* The names of options, faults and books of what runs in flash; see resident_words.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "emu/resident_words.h"

/* --- options ----------------------------------------------------------------------------- */

static bool set_text(struct resident_options *options, const char *key, char *value)
{
	const struct {
		const char *key;
		const char **place;
	} texts[] = {
		{ "katapult_version", &options->katapult.version },
		{ "katapult_mcu", &options->katapult.mcu },
		{ "katapult_manufacturer", &options->katapult.manufacturer },
		{ "katapult_serial", &options->katapult.serial },
		{ "dictionary", &options->klipper.dictionary_file },
	};
	for (size_t index = 0; index < ELEMENTSOF(texts); index++) {
		if (!strcmp(texts[index].key, key)) {
			*texts[index].place = word_unescape(value);
			return true;
		}
	}
	return false;
}

static bool set_flag(struct resident_options *options, const char *key, bool value)
{
	const struct {
		const char *key;
		bool *place;
		bool inverted;
	} flags[] = {
		{ "can", &options->on_can, false },
		{ "bridge", &options->is_bridge, false },
		{ "canbus", &options->katapult.canbus, false },
		{ "double_reset", &options->katapult.without_double_reset, true },
		{ "withholding", &options->katapult.without_withholding, true },
		{ "refuses_occupied", &options->katapult.refuses_occupied, false },
		{ "ends_short", &options->katapult.ends_short, false },
		{ "unsolicited", &options->klipper.unsolicited, false },
		{ "mute", &options->klipper.mute, false },
		{ "klipper_withholds", &options->klipper.withholds_first, false },
		{ "wordless", &options->klipper.wordless, false },
	};
	for (size_t index = 0; index < ELEMENTSOF(flags); index++) {
		if (!strcmp(flags[index].key, key)) {
			*flags[index].place = value != flags[index].inverted;
			return true;
		}
	}
	return false;
}

int resident_words_set(struct resident_options *options, const char *key, char *value)
{
	static const char *const protocols[] = { "1.1", "1.0" };
	uint64_t number;
	if (!strcmp(key, "katapult_protocol")) {
		int protocol = word_index(protocols, ELEMENTSOF(protocols), value);
		options->katapult.protocol_1_0 = protocol == 1;
		return protocol < 0 ? protocol : 1;
	}
	if (set_text(options, key, value))
		return 1;
	bool good = word_number(value, &number);
	if (!strcmp(key, "katapult_block"))
		options->katapult.block_bytes = good ? (unsigned)number : 0;
	else if (!strcmp(key, "baud"))
		options->baud = good ? (uint32_t)number : 0;
	else if (!set_flag(options, key, good && number))
		return 0;
	return good ? 1 : -EINVAL;
}

/* --- faults ------------------------------------------------------------------------------ */

static bool set_fault_number(struct line_fault *fault, const char *key, uint64_t value)
{
	if (!strcmp(key, "n"))
		fault->nth = value;
	else if (!strcmp(key, "bit"))
		fault->bit = (uint8_t)value;
	else if (!strcmp(key, "per_million"))
		fault->per_million = (uint32_t)value;
	else if (!strcmp(key, "seed"))
		fault->seed = value;
	else
		return false;
	return true;
}

static bool set_fault(struct line_fault *fault, const char *key, const char *value)
{
	static const char *const kinds[] = { "flip", "lose", "duplicate" };
	static const char *const directions[] = { "to-board", "to-host" };
	uint64_t number;
	if (!strcmp(key, "kind")) {
		int kind = word_index(kinds, ELEMENTSOF(kinds), value);
		fault->kind = kind < 0 ? LINE_FLIP : (enum line_fault_kind)kind;
		return kind >= 0;
	}
	if (!strcmp(key, "direction")) {
		int way = word_index(directions, ELEMENTSOF(directions), value);
		fault->direction = way < 0 ? LINE_TO_BOARD : (enum line_direction)way;
		return way >= 0;
	}
	return word_number(value, &number) && set_fault_number(fault, key, number);
}

int resident_words_arm(
	struct resident *resident, const struct words *words, size_t first, const char **ret_wrong)
{
	struct line_fault fault = { 0 };
	if (first >= words->count || strcmp(words->words[first], "line") != 0)
		return -ENOENT;
	for (size_t index = first + 1; index < words->count; index++) {
		char *value = word_split(words->words[index]);
		*ret_wrong = words->words[index];
		if (!value || !set_fault(&fault, words->words[index], value))
			return -EINVAL;
	}
	*ret_wrong = NULL;
	int number = line_arm(&resident->line, &fault);
	return number < 0 ? number : RESIDENT_LINE_FAULTS + number;
}

bool resident_words_fired(const struct resident *resident, int fault)
{
	return line_fault_struck(&resident->line, fault - RESIDENT_LINE_FAULTS) > 0;
}

/* --- books ------------------------------------------------------------------------------- */

bool resident_words_hold(const struct resident *resident, const char *condition)
{
	const struct kata_counters *kata = &resident->katapult.counters;
	const struct klip_counters *klip = &resident->klipper.counters;
	const struct {
		const char *name;
		uint64_t value;
	} numbers[] = {
		{ "frames=", kata->frames },
		{ "connects=", kata->connects },
		{ "sent=", kata->blocks_sent },
		{ "reads=", kata->blocks_read },
		{ "completes=", kata->completes },
		{ "wedges=", kata->wedges },
		{ "nacks=", kata->nacks },
		{ "touches=", klip->touches },
		{ "identifies=", klip->identifies },
	};
	for (size_t index = 0; index < ELEMENTSOF(numbers); index++) {
		size_t length = strlen(numbers[index].name);
		if (!strncmp(condition, numbers[index].name, length))
			return numbers[index].value >= strtoull(condition + length, NULL, 0);
	}
	return false;
}

void resident_words_count(const struct resident *resident, FILE *json)
{
	const struct kata_counters *kata = &resident->katapult.counters;
	const struct klip_counters *klip = &resident->klipper.counters;
	const struct line *line = &resident->line;
	const struct {
		const char *name;
		uint64_t value;
	} numbers[] = {
		{ "frames", kata->frames },
		{ "connects", kata->connects },
		{ "eofs", kata->eofs },
		{ "completes", kata->completes },
		{ "unverified_completes", kata->unverified_completes },
		{ "blocks_sent", kata->blocks_sent },
		{ "blocks_repeated", kata->blocks_repeated },
		{ "blocks_refused", kata->blocks_refused },
		{ "blocks_read", kata->blocks_read },
		{ "wedges", kata->wedges },
		{ "nacks", kata->nacks },
		{ "errors", kata->errors },
		{ "crashes", kata->crashes },
		{ "klipper_blocks", klip->blocks },
		{ "identifies", klip->identifies },
		{ "naks", klip->naks },
		{ "touches", klip->touches },
		{ "magics", klip->magics },
		{ "bytes_to_board", line->bytes[LINE_TO_BOARD] },
		{ "bytes_to_host", line->bytes[LINE_TO_HOST] },
		{ "answers_unsent", line->unsent },
	};
	for (size_t index = 0; index < ELEMENTSOF(numbers); index++)
		fprintf(json, ",\"%s\":%llu", numbers[index].name,
			(unsigned long long)numbers[index].value);
}
