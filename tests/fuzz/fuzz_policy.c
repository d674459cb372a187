/* SPDX-License-Identifier: MIT */
/* Policy files as hostile text: no crash, and what is accepted can be decided with. */
#include <stdlib.h>
#include <string.h>

#include "daemon/rulebook.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

/* libconfig 1.5 loses the text of a string when the parse fails behind it: a few bytes for each
 * faulty file that is read, which only root can cause. */
const char *__lsan_default_suppressions(void)
{
	return "leak:libconfig.so";
}

/* A board that shows several chips and no serial of its own: no rule by chip or name means it. */
static void decide_dfu(const struct policy *policy)
{
	const struct board_facts facts = { .possible_chips = chip_bit(CHIP_STM32F401) |
							     chip_bit(CHIP_STM32F446) };
	struct device device = {
		.place = (char *)"pci-0000:00:14.0-usb-0:1",
		.port = (char *)"1-1",
		.serial = (char *)"STM32FxSTM32",
		.mode = MODE_DFU,
		.vid = 0x0483,
		.pid = 0xdf11,
	};
	const struct policy_rule *rule;
	enum verdict verdict = policy_decide(policy, &device, &facts, &rule);
	if (verdict == VERDICT_FLASH &&
		(rule->chip != CHIP_UNKNOWN || policy_board(policy, rule->board)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(freep) char *text = calloc(1, size + 1);
	_cleanup_(policy_freep) struct policy *policy = policy_new();
	_cleanup_(reasons_done) struct reasons errors = { 0 }, warnings = { 0 };
	memcpy(text, data, size);
	if (rulebook_parse("fuzz.conf", text, policy, &errors, &warnings) < 0 ||
		rulebook_check(policy, &errors) < 0)
		abort();

	decide_dfu(policy);
	const struct board_facts facts = { .chip = CHIP_RP2040 };
	struct device device = {
		.place = (char *)"pci-0000:00:14.0-usb-0:1",
		.port = (char *)"1-1",
		.serial = (char *)"E0C9125B0D9B",
		.mode = MODE_RP2040_BOOT,
		.vid = 0x2e8a,
		.pid = 0x0003,
	};
	const struct policy_rule *rule;
	enum verdict verdict = policy_decide(policy, &device, &facts, &rule);
	if (errors.count == 0 && verdict == VERDICT_FLASH && !rule->image)
		abort();
	for (size_t i = 0; i < policy->printer_count; i++)
		if (errors.count == 0 && (policy->printers[i].socket[0] != '/' ||
						 strlen(policy->printers[i].socket) > 107))
			abort();
	for (size_t i = 0; i < policy->directory_count; i++)
		if (policy->directories[i][0] != '/')
			abort();
	return 0;
}
