/* SPDX-License-Identifier: MIT
 *
 * What Katapult looks like from outside: framed commands, a chip's name and a version for CONNECT,
 * pages that are written. There is no dictionary.
 */
#include "firmware.h"

enum { CONNECT = 0x11, SEND_BLOCK, END_OF_FILE, REQUEST_BLOCK, COMPLETE, BLOCK = 64 };

static uint8_t frame[128], answer[96];
static uint32_t frame_fill, page[512], pages_written;
static volatile uint8_t connected;

const char chip_name[] = MCU;
const char software_version[] = VERSION;

static uint16_t checksum(const uint8_t *bytes, uint32_t count)
{
	uint16_t crc = 0xffff;
	for (; count; count--) {
		uint8_t mixed = (uint8_t)(*bytes++ ^ crc);
		mixed ^= (uint8_t)(mixed << 4);
		crc = (uint16_t)((crc >> 8 | mixed << 8) ^ mixed >> 4 ^ mixed << 3);
	}
	return crc;
}

void stop_machine(const char *why)
{
	for (;;)
		REGISTER(0xe000ed0c) = (uint32_t)why;
}

static uint32_t put_text(uint32_t at, const char *text)
{
	do
		answer[at++] = (uint8_t)*text;
	while (*text++);
	return (at + 3) & ~3u;
}

static void send(uint32_t size)
{
	uint16_t crc = checksum(answer + 2, size - 2);
	answer[size] = (uint8_t)crc;
	answer[size + 1] = (uint8_t)(crc >> 8);
	answer[size + 2] = 0x99;
	answer[size + 3] = 0x03;
	for (uint32_t i = 0; i < size + 4; i++)
		REGISTER(USB_BASE + 0x20) = answer[i];
}

static void on_connect(void)
{
	connected = 1;
	uint32_t at = put_text(20, chip_name);
	send(put_text(at + 4, software_version));
}

static void on_block(void)
{
	uint32_t address =
		frame[4] | frame[5] << 8 | (uint32_t)frame[6] << 16 | (uint32_t)frame[7] << 24;
	if (address < APPLICATION)
		stop_machine("Address is below the application");
	for (uint32_t i = 0; i < BLOCK / 4; i++)
		page[(address & 2047) / 4 + i % 16] = frame[8 + 4 * i];
	REGISTER(0x40022010) = address;
	while (REGISTER(0x40022010) & 0x10000)
		pages_written++;
	send(12);
}

static void on_end(void)
{
	answer[8] = (uint8_t)pages_written;
	send(12);
}

static void on_request(void)
{
	const volatile uint8_t *from =
		(const volatile uint8_t *)(uintptr_t)(APPLICATION + BLOCK * frame[4]);
	for (uint32_t i = 0; i < BLOCK; i++)
		answer[12 + i] = from[i];
	send(12 + BLOCK);
}

static void on_complete(void)
{
	const uint32_t *application = (const uint32_t *)APPLICATION;
	REGISTER(0xe000ed08) = APPLICATION;
	((void (*)(void))application[1])();
}

static void (*const commands[])(void) = { on_connect, on_block, on_end, on_request, on_complete };

void transport_handler(void)
{
	if (frame_fill < sizeof(frame))
		frame[frame_fill++] = (uint8_t)REGISTER(CAN_BASE + 0x10);
}

void systick_handler(void)
{
	REGISTER(0x48000014) ^= connected ? 2 : 1;
}

int main(void)
{
	for (uint32_t turn = 0;; turn++) {
		uint32_t command = frame[2] - CONNECT;
		if (frame_fill > 7 && frame[0] == 0x01 && frame[1] == 0x88 &&
			command < sizeof(commands) / sizeof(commands[0]))
			commands[command]();
		const struct module *module = modules[turn % module_count];
		module->steps[0](module->state, turn);
	}
}
