/* SPDX-License-Identifier: MIT
 *
 * An application that writes the bootloader that it carries over the one in front of it.
 */
#include "firmware.h"

extern const uint32_t embedded[];
extern const uint32_t embedded_words;

void stop_machine(const char *why)
{
	for (;;)
		REGISTER(0xe000ed0c) = (uint32_t)why;
}

void systick_handler(void)
{
	REGISTER(0x40020014) ^= 1;
}

void transport_handler(void)
{
	stop_machine("No transport in a deployer");
}

int main(void)
{
	for (uint32_t i = 0; i < embedded_words; i++) {
		if (REGISTER(BOOTLOADER + 4 * i) == embedded[i])
			continue;
		REGISTER(0x40023c10) |= 1;
		REGISTER(BOOTLOADER + 4 * i) = embedded[i];
		while (REGISTER(0x40023c0c) & 0x10000)
			if (modules[0]->steps[i % 4](modules[0]->state, i) == 0)
				stop_machine("Flash stays busy");
	}
	REGISTER(0xe000ed0c) = 0x05fa0004;
	for (;;)
		;
}
