/* SPDX-License-Identifier: MIT
 *
 * A program that describes itself in the way of the pico-sdk's binary info: behind the vector table
 * a header between two markers, which points to a list of pointers to entries, and to a table of
 * what is copied to RAM. INFO_... come from the build.
 */
#include "firmware.h"

extern uint32_t image_data_source[], image_data[], image_data_end[], image_bss[], image_bss_end[];

void reset_handler(void);
void default_handler(void);

typedef void (*handler)(void);

__attribute__((section(".vectors"), used)) const handler vector_table[VECTORS] = {
	[0] = (handler)RAM_TOP,
	[1] = reset_handler,
	[2 ... VECTORS - 1] = default_handler,
};

/* ---- binary info ---- */

enum { ID_AND_INT = 5, ID_AND_STRING = 6, PINS_WITH_FUNCTION = 8, TAG_RP = 'R' | 'P' << 8 };

struct entry {
	uint16_t type, tag;
	uint32_t id;
	const void *value;
};

struct pins_entry {
	uint16_t type, tag;
	uint32_t encoding;
};

extern const void *const image_info[], *const image_info_end[];
extern uint32_t image_end[];
extern const uint32_t copy_table[];

__attribute__((section(".copy_table"), used))
const uint32_t *const copy_table_words[] = { image_data_source, image_data, image_data_end, 0 };

__attribute__((section(".binary_info_header"), used))
const void *const info_header[] = { (const void *)0x7188ebf2, image_info, image_info_end,
	copy_table_words, (const void *)0xe71aa390 };

#define ENTRY(name, key, text)                                                         \
	static const struct entry entry_##name = { ID_AND_STRING, TAG_RP, key, text }; \
	__attribute__((section(".binary_info"), used)) const void *const info_##name = \
		&entry_##name;

ENTRY(boot2, 0x7f8882e1, "boot2_w25q080")
ENTRY(board, 0xb63cffbb, INFO_BOARD)
ENTRY(sdk, 0x5360b3ab, INFO_SDK)
ENTRY(feature, 0xa1f4b453, "USB stdin / stdout")
ENTRY(attribute, 0x4275f0d3, "Release")
ENTRY(date, 0x9da22254, INFO_DATE)
ENTRY(url, 0x1856239a, INFO_URL)
ENTRY(description, 0xb6a07c19, INFO_DESCRIPTION)
ENTRY(version, 0x11a9bc3a, INFO_VERSION)
ENTRY(name, 0x02031c86, INFO_NAME)

static const struct entry entry_end = { ID_AND_INT, TAG_RP, 0x68f465de, image_end };
__attribute__((section(".binary_info"), used)) const void *const info_end = &entry_end;

static const struct pins_entry entry_pins = { PINS_WITH_FUNCTION, TAG_RP,
	1u | 2u << 3 | 0u << 7 | 1u << 12 };
__attribute__((section(".binary_info"), used)) const void *const info_pins = &entry_pins;

#ifdef IMAGE_DEF
__attribute__((section(".image_def"), used))
const uint32_t image_def[] = { 0xffffded3, 0x10210142, 0x000001ff, 0, 0xab123579 };
#endif

/* ---- start ---- */

__attribute__((section(".reset_text"), naked, used)) void default_handler(void)
{
	__asm__ volatile("bkpt #0");
}

__attribute__((section(".reset_text"), used)) void reset_handler(void)
{
	if (REGISTER(0xd0000000))
		for (;;)
			;
	for (const uint32_t *const *range = copy_table_words; *range; range += 3)
		for (volatile uint32_t *to = (uint32_t *)range[1]; to != range[2]; to++)
			*to = range[0][to - range[1]];
	for (volatile uint32_t *to = image_bss; to != image_bss_end; to++)
		*to = 0;
	int (*const volatile enter)(void) = main;
	enter();
}

void stop_machine(const char *why)
{
	for (;;)
		REGISTER(0x40034000) = (uint32_t)why;
}

int main(void)
{
	for (uint32_t turn = 0;; turn++) {
		const struct module *module = modules[turn % module_count];
		module->steps[turn & 3](module->state, turn);
	}
}
