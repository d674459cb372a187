/* SPDX-License-Identifier: MIT
 *
 * The second-stage loader of an RP2040: sets the flash interface to plain reads and leaves through
 * the vector table behind it. The build pads it to 252 bytes and adds the checksum.
 */
#include "firmware.h"

__attribute__((naked)) void boot2(void)
{
	__asm__ volatile("push {lr}\n"
			 "ldr r3, 1f\n"
			 "movs r1, #0\n"
			 "str r1, [r3, #8]\n"
			 "movs r1, #4\n"
			 "str r1, [r3, #20]\n"
			 "ldr r1, 2f\n"
			 "str r1, [r3, #0]\n"
			 "movs r1, #0\n"
			 "str r1, [r3, #4]\n"
			 "ldr r1, 3f\n"
			 "ldr r0, 4f\n"
			 "str r1, [r0, #0]\n"
			 "movs r1, #1\n"
			 "str r1, [r3, #8]\n"
			 "pop {r0}\n"
			 "cmp r0, #0\n"
			 "beq 6f\n"
			 "bx r0\n"
			 "6: ldr r0, 5f\n"
			 "ldr r1, 7f\n"
			 "str r0, [r1]\n"
			 "ldm r0!, {r2, r3}\n"
			 "mov sp, r2\n"
			 "bx r3\n"
			 ".balign 4\n"
			 "1: .word 0x18000000\n"
			 "2: .word 0x001f0300\n"
			 "3: .word 0x03000218\n"
			 "4: .word 0x180000f4\n"
			 "5: .word 0x10000100\n"
			 "7: .word 0xe000ed08\n");
}
