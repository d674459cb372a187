/* SPDX-License-Identifier: MIT */
/*
 * What is in flash, as far as USB sees it: Klipper or a Katapult, each a serial port. Klipper can
 * be asked for its boot loader.
 */
#include <stdio.h>
#include <string.h>

#include "emu/stm32_parts.h"

#define SET_LINE_CODING        0x20
#define GET_LINE_CODING        0x21
#define SET_CONTROL_LINE_STATE 0x22
#define TOUCH_BAUD             1200

static const uint8_t configuration[] = {
	/* clang-format off */
	9, 2, 67, 0, 2, 1, 0, 0xc0, 50,
	9, 4, 0, 0, 1, 2, 2, 1, 0,
	5, 0x24, 0, 0x10, 0x01,
	5, 0x24, 1, 0, 1,
	4, 0x24, 2, 6,
	5, 0x24, 6, 0, 1,
	7, 5, 0x81, 3, 8, 0, 255,
	9, 4, 1, 0, 2, 10, 0, 0, 0,
	7, 5, 0x02, 2, 64, 0, 0,
	7, 5, 0x83, 2, 64, 0, 0,
	/* clang-format on */
};
_Static_assert(sizeof(configuration) == 67, "wTotalLength");

void stm32_application_reset(struct stm32 *board)
{
	static const uint8_t line_coding[7] = { 0x00, 0xc2, 0x01, 0x00, 0, 0, 8 };
	memcpy(board->line_coding, line_coding, sizeof(line_coding));
	board->dtr = false;
}

size_t stm32_application_device(const struct stm32 *board, uint8_t *bytes)
{
	static const uint8_t device[18] = { 18, 1, 0x00, 0x02, 2, 0, 0, 64, 0x50, 0x1d, 0x4e, 0x61,
		0x00, 0x01, 1, 2, 3, 1 };
	const struct stm32_options *options = &board->options;
	memcpy(bytes, device, sizeof(device));
	if (board->mode == STM32_KATAPULT) {
		bytes[10] = 0x77;
		return sizeof(device);
	}
	if (options->application_vendor) {
		bytes[8] = (uint8_t)options->application_vendor;
		bytes[9] = (uint8_t)(options->application_vendor >> 8);
	}
	if (options->application_product) {
		bytes[10] = (uint8_t)options->application_product;
		bytes[11] = (uint8_t)(options->application_product >> 8);
	}
	return sizeof(device);
}

size_t stm32_application_configuration(const struct stm32 *board, uint8_t *bytes)
{
	(void)board;
	memcpy(bytes, configuration, sizeof(configuration));
	return sizeof(configuration);
}

static const char *id_string(const struct stm32 *board, char hex[2 * STM32_UNIQUE_ID_BYTES + 1])
{
	for (int byte = 0; byte < STM32_UNIQUE_ID_BYTES; byte++)
		snprintf(hex + 2 * byte, 3, "%02X", board->options.unique_id[byte]);
	return hex;
}

const char *stm32_application_string(const struct stm32 *board, unsigned index, char hex[25])
{
	bool katapult = board->mode == STM32_KATAPULT;
	if (!katapult && index >= 1 && index <= 3 && board->strings[index - 1])
		return board->strings[index - 1];
	switch (index) {
	case 1:
		return katapult ? "katapult" : "Klipper";
	case 2:
		return board->kind->mcu;
	case 3:
		return id_string(board, hex);
	}
	return NULL;
}

/* The chip resets inside the request: nobody answers it. */
static enum packet touch(struct stm32 *board)
{
	bool asked = get_le32(board->line_coding) == TOUCH_BAUD && !board->dtr;
	if (!asked || board->mode != STM32_APPLICATION ||
		board->options.touch != STM32_TOUCH_KLIPPER)
		return PACKET_ACK;
	stm32_boot_bootloader(board);
	return PACKET_LOST;
}

enum packet stm32_application_request(
	struct stm32 *board, const uint8_t setup[8], uint8_t *data, size_t *length)
{
	if ((setup[0] & 0x7f) != 0x21)
		return PACKET_STALL;
	switch (setup[1]) {
	case SET_LINE_CODING:
		if (setup[6] != sizeof(board->line_coding) || setup[7])
			return PACKET_STALL;
		memcpy(board->line_coding, data, sizeof(board->line_coding));
		return touch(board);
	case SET_CONTROL_LINE_STATE:
		board->dtr = setup[2] & 1;
		return touch(board);
	case GET_LINE_CODING:
		*length = setup[6] < sizeof(board->line_coding) ? setup[6]
								: sizeof(board->line_coding);
		memcpy(data, board->line_coding, *length);
		return PACKET_ACK;
	}
	return PACKET_STALL;
}
