/* SPDX-License-Identifier: MIT
 *
 * From reset to main, in the order of Klipper's images: the vector table first, the reset handler
 * late. RAM_TOP, VECTORS and, by what the chip can do, VECTORS_TO_RAM, HAS_VTOR, RUN_FROM_RAM and
 * IMAGE_DEF come from the build; the names that begin with image_ from link.lds.in.
 */
#include "firmware.h"

extern uint32_t image_vectors[], image_ram_vectors[], image_data_source[], image_data[],
	image_data_end[], image_bss[], image_bss_end[];

void reset_handler(void);
void default_handler(void);
void start_up(void);

typedef void (*handler)(void);

__attribute__((section(".vectors"), used)) const handler vector_table[VECTORS] = {
	[0] = (handler)RAM_TOP,
	[1] = reset_handler,
	[2 ... 14] = default_handler,
	[15] = systick_handler,
	[16 ... VECTORS - 2] = default_handler,
	[VECTORS - 1] = transport_handler, /* the table ends with the last one in use */
};

#ifdef IMAGE_DEF
__attribute__((section(".image_def"), used))
const uint32_t image_def[] = { 0xffffded3, 0x10210142, 0x000001ff, 0, 0xab123579 };
#endif

#ifdef SIGNATURE
/* Eight bytes that Klipper looks for in front of the reset handler. */
__attribute__((section(".signature"), used, aligned(8)))
const char signature[8] = { 'C', 'a', 'n', 'B', 'o', 'o', 't', '!' };
#endif

__attribute__((section(".reset_text"), naked, used)) void reset_handler(void)
{
	__asm__ volatile("cpsid i\n"
			 "ldr r0, 1f\n"
			 "mov sp, r0\n"
			 "ldr r0, 2f\n"
			 "bx r0\n"
			 ".balign 4\n"
			 "1: .word %c0\n"
			 "2: .word start_up\n" ::"i"(RAM_TOP));
}

__attribute__((section(".late_text"), naked, used)) void default_handler(void)
{
	__asm__ volatile("b .");
}

__attribute__((section(".reset_text"), noinline, used)) void start_up(void)
{
	const uint32_t *from = image_data_source;
	for (volatile uint32_t *to = image_data; to != image_data_end; to++)
		*to = *from++;
	for (volatile uint32_t *to = image_bss; to != image_bss_end; to++)
		*to = 0;
#if defined(VECTORS_TO_RAM)
	for (uint32_t i = 0; i < VECTORS; i++)
		((volatile uint32_t *)image_ram_vectors)[i] = image_vectors[i];
#endif
#if defined(HAS_VTOR) && defined(VECTORS_TO_RAM)
	REGISTER(0xe000ed08) = (uint32_t)image_ram_vectors;
#elif defined(HAS_VTOR)
	REGISTER(0xe000ed08) = (uint32_t)image_vectors;
#else
	REGISTER(0x40010000) |= 3;
#endif
	__asm__ volatile("cpsie i" ::: "memory");
	int (*const volatile enter)(void) = main;
	enter();
}
