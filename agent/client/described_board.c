/* SPDX-License-Identifier: MIT */
/* Boards that are only spoken of; see described_board.h. */
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "client/described_board.h"

/* A whole number, hexadecimal with 0x, with K (so many) or M (K times K) behind it unless K is 1.
 */
static bool take_number(const char *text, unsigned kilo, uint64_t most, uint64_t *ret)
{
	char *end;
	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	unsigned long long value = strtoull(text, &end, text[1] == 'x' ? 16 : 10);
	uint64_t unit = *end == 'K' ? kilo : *end == 'M' ? (uint64_t)kilo * kilo : 1;
	if (unit > 1)
		end++;
	if (errno != 0 || *end != '\0' || value == 0 || value > most / unit)
		return false;
	*ret = (uint64_t)value * unit;
	return true;
}

static bool take_chip(struct board_facts *board, const char *text)
{
	int chip = chip_from_name(text);
	if (chip < 0)
		chip = (int)chip_from_mcu(text);
	board->chip = chip > 0 ? (enum chip)chip : CHIP_UNKNOWN;
	return chip > 0;
}

static bool take_base(struct board_facts *board, const char *text)
{
	uint64_t base = 0;
	if (!text_equal(text, "0") && !take_number(text, 1, UINT32_MAX, &base))
		return false;
	board->has_application_start = true;
	board->application_start = (uint32_t)base;
	return true;
}

static bool take_flash(struct board_facts *board, const char *text)
{
	return take_number(text, 1024, 16u << 20, &board->flash_size_bytes);
}

static bool take_transport(struct board_facts *board, const char *text)
{
	int transport = transport_from_name(text);
	board->reach = transport < 0 ? TRANSPORT_UNKNOWN : (enum transport)transport;
	return transport >= 0;
}

/* What is told of a bus is told of a board on it. */
static bool take_can(struct board_facts *board, const char *text)
{
	uint64_t bitrate;
	if (!take_number(text, 1000, 8000000, &bitrate))
		return false;
	board->can_bitrate = (uint32_t)bitrate;
	if (board->reach == TRANSPORT_UNKNOWN)
		board->reach = TRANSPORT_CAN;
	return true;
}

static bool take_bootloader(struct board_facts *board, const char *text)
{
	int bootloader = bootloader_from_name(text);
	board->bootloader = bootloader < 0 ? BOOTLOADER_UNKNOWN : (enum bootloader)bootloader;
	return bootloader >= 0;
}

static bool take_version(struct board_facts *board, const char *text)
{
	struct running *running = &board->running;
	if (!*text || strlen(text) >= sizeof(running->version))
		return false;
	running->is_known = true;
	text_copy_plain(running->version, sizeof(running->version), text);
	return true;
}

static const struct {
	const char *name;
	bool (*take)(struct board_facts *board, const char *text);
	const char *wanted;
} keys[] = {
	{ "chip", take_chip, "a chip, as rp2040 or stm32g0b1" },
	{ "base", take_base, "the address where the application starts, as 0x08002000" },
	{ "flash", take_flash, "the size of the flash, as 512K or 2M" },
	{ "transport", take_transport, "usb, uart, can or bridge" },
	{ "can", take_can, "the bitrate of the CAN bus, as 1000000" },
	{ "bootloader", take_bootloader, "none, katapult or other" },
	{ "version", take_version, "a version, as v0.13.0-420-g0a1b2c3d4" },
};

static int refuse_word(struct problem *problem, const char *word, const char *wanted)
{
	_cleanup_(freep) char *safe = text_escape(word);
	return problem_set(problem, EXIT_USAGE, "usage", "--for: \"%s\": wanted is %s",
		safe ? safe : "", wanted);
}

static int take_word(struct board_facts *board, char *word, struct problem *problem)
{
	char *value = strchr(word, '=');
	for (size_t i = 0; value && i < ELEMENTSOF(keys); i++) {
		size_t length = (size_t)(value - word);
		if (strlen(keys[i].name) != length || strncmp(keys[i].name, word, length) != 0)
			continue;
		return keys[i].take(board, value + 1) ? 0
						      : refuse_word(problem, word, keys[i].wanted);
	}
	return refuse_word(problem, word,
		"KEY=VALUE, where KEY is chip, base, flash, transport, can, bootloader or version");
}

int described_board_parse(const char *text, struct board_facts *ret, struct problem *problem)
{
	_cleanup_(freep) char *words = strdup(text);
	if (!words)
		return -ENOMEM;
	char *rest = words;
	for (char *word; (word = strsep(&rest, ","));) {
		int r = take_word(ret, word, problem);
		if (r < 0)
			return r;
	}
	if (ret->chip == CHIP_UNKNOWN)
		return refuse_word(problem, text, "at least a chip, as chip=stm32g0b1");
	return 0;
}

static chip_set possible_chips(const cJSON *explanation)
{
	chip_set chips = 0;
	const cJSON *one;
	cJSON_ArrayForEach(one, json_list(explanation, "possible_chips"))
	{
		const char *name = cJSON_GetStringValue(one);
		int chip = name ? chip_from_name(name) : -EINVAL;
		chips |= chip > 0 ? chip_bit((enum chip)chip) : 0;
	}
	return chips;
}

void described_board_adopt(struct board_facts *board, const cJSON *explanation)
{
	board->possible_chips = possible_chips(explanation);
	board->is_read_protected = json_flag(explanation, "read_protected");
	int chip = chip_from_name(json_text(explanation, "chip"));
	board->chip = chip < 0 ? CHIP_UNKNOWN : (enum chip)chip;
	board->flash_size_bytes = (uint64_t)json_number(explanation, "flash_size_bytes");
	board->has_application_start = cJSON_HasObjectItem(explanation, "application_start");
	board->application_start = (uint32_t)json_number(explanation, "application_start");
	int bootloader = bootloader_from_name(json_text(explanation, "bootloader"));
	board->bootloader = bootloader < 0 ? BOOTLOADER_UNKNOWN : (enum bootloader)bootloader;
	board->bootloader_end = (uint32_t)json_number(explanation, "bootloader_end");
	board->is_partitioned = json_flag(explanation, "partitioned");
	board->refusals =
		(uint8_t)((json_flag(explanation, "refuses_unsigned") ? REFUSES_UNSIGNED : 0) |
			  (json_flag(explanation, "refuses_arm") ? REFUSES_ARM : 0) |
			  (json_flag(explanation, "refuses_riscv") ? REFUSES_RISCV : 0));
	board->reach = mode_from_name(json_text(explanation, "mode")) < 0 ? TRANSPORT_UNKNOWN
									  : TRANSPORT_USB;
}
