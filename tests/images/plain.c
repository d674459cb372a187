/* SPDX-License-Identifier: MIT
 *
 * A program for an STM32 that has nothing to do with Klipper; its start-up is of the vendor's kind.
 */
#include "firmware.h"

extern uint32_t image_data_source[], image_data[], image_data_end[], image_bss[], image_bss_end[];

void reset_handler(void);
void default_handler(void);

typedef void (*handler)(void);

__attribute__((section(".vectors"), used)) const handler vector_table[VECTORS] = {
	[0] = (handler)RAM_TOP,
	[1] = reset_handler,
	[2 ... 6] = default_handler,
	[11 ... 14] = default_handler,
	[15] = systick_handler,
	[16 ... VECTORS - 1] = default_handler,
};

__attribute__((section(".late_text"))) void default_handler(void)
{
	for (;;)
		;
}

__attribute__((section(".late_text"), naked, used)) void reset_handler(void)
{
	__asm__ volatile("ldr r0, 1f\n"
			 "mov sp, r0\n"
			 "ldr r0, 2f\n"
			 "bx r0\n"
			 ".balign 4\n"
			 "1: .word %c0\n"
			 "2: .word start_up\n" ::"i"(RAM_TOP));
}

__attribute__((section(".late_text"), used)) void start_up(void)
{
	const uint32_t *from = image_data_source;
	for (volatile uint32_t *to = image_data; to != image_data_end; to++)
		*to = *from++;
	for (volatile uint32_t *to = image_bss; to != image_bss_end; to++)
		*to = 0;
	REGISTER(0xe000ed08) = (uint32_t)vector_table;
	main();
}

void stop_machine(const char *why)
{
	for (;;)
		REGISTER(0x40011004) = (uint32_t)why;
}

void systick_handler(void)
{
	REGISTER(0x40020414) ^= 0x80;
}

static const char *const texts[] = { "Ready.", "Lamp on.", "Lamp off.", "Say again?",
	"Temperature rises", "Night mode" };

int main(void)
{
	for (uint32_t turn = 0;; turn++) {
		const struct module *module = modules[turn % module_count];
		if (module->steps[turn & 3](module->state, turn) & 1)
			for (const char *text = texts[turn % 6]; *text; text++)
				REGISTER(0x40011004) = (uint32_t)*text;
	}
}
