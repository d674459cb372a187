/* SPDX-License-Identifier: MIT */
/*
 * The application in flash, as far as USB sees it: a serial port and the reset interface of the
 * Pico SDK. Its strings can be as hostile as a test wants; it can be asked back into boot mode.
 */
#include <string.h>

#include "emu/rp2040_parts.h"

#define SET_LINE_CODING        0x20
#define GET_LINE_CODING        0x21
#define SET_CONTROL_LINE_STATE 0x22
#define RESET_TO_BOOT_MODE     0x01
#define RESET_TO_FLASH         0x02
#define RESET_INTERFACE        2

static const uint8_t configuration[] = {
	/* clang-format off */
	9, 2, 84, 0, 3, 1, 0, 0x80, 125,
	8, 11, 0, 2, 2, 2, 0, 0,
	9, 4, 0, 0, 1, 2, 2, 0, 0,
	5, 0x24, 0, 0x20, 0x01,
	5, 0x24, 1, 0, 1,
	4, 0x24, 2, 2,
	5, 0x24, 6, 0, 1,
	7, 5, 0x81, 3, 8, 0, 16,
	9, 4, 1, 0, 2, 10, 0, 0, 0,
	7, 5, 0x02, 2, 64, 0, 0,
	7, 5, 0x82, 2, 64, 0, 0,
	9, 4, RESET_INTERFACE, 0, 0, 0xff, 0x00, 0x01, 0,
	/* clang-format on */
};
_Static_assert(sizeof(configuration) == 84, "wTotalLength");

void application_reset(struct rp2040 *board)
{
	static const uint8_t line_coding[7] = { 0x00, 0xc2, 0x01, 0x00, 0, 0, 8 };
	board->application = (struct application){ 0 };
	memcpy(board->application.line_coding, line_coding, sizeof(line_coding));
}

size_t application_device_descriptor(const struct rp2040 *board, uint8_t *bytes)
{
	static const uint8_t device[18] = { 18, 1, 0x00, 0x02, 0xef, 2, 1, 64, 0x8a, 0x2e, 0x00,
		0x00, 0x00, 0x01, 1, 2, 3, 1 };
	unsigned vendor = board->options.application_vendor;
	unsigned product = board->options.application_product ? board->options.application_product
							      : board->chip->application_product;
	memcpy(bytes, device, sizeof(device));
	if (vendor) {
		bytes[8] = (uint8_t)vendor;
		bytes[9] = (uint8_t)(vendor >> 8);
	}
	bytes[10] = (uint8_t)product;
	bytes[11] = (uint8_t)(product >> 8);
	return sizeof(device);
}

size_t application_configuration(const struct rp2040 *board, uint8_t *bytes)
{
	(void)board;
	memcpy(bytes, configuration, sizeof(configuration));
	return sizeof(configuration);
}

/* The chip resets inside the request: nobody answers it. */
static enum packet touch(struct rp2040 *board, unsigned disable_mask)
{
	board_start_boot_mode(board, disable_mask);
	return PACKET_LOST;
}

static bool is_touched(const struct rp2040 *board)
{
	if (get_le32(board->application.line_coding) != 1200)
		return false;
	if (board->options.touch == RP2040_TOUCH_KLIPPER)
		return !board->application.dtr;
	return board->options.touch == RP2040_TOUCH_SDK;
}

static enum packet line_request(
	struct rp2040 *board, const uint8_t setup[8], uint8_t *data, size_t *length)
{
	struct application *application = &board->application;
	switch (setup[1]) {
	case SET_LINE_CODING:
		if (setup[6] != sizeof(application->line_coding))
			return PACKET_STALL;
		memcpy(application->line_coding, data, sizeof(application->line_coding));
		break;
	case SET_CONTROL_LINE_STATE:
		application->dtr = setup[2] & 1;
		if (board->options.touch == RP2040_TOUCH_SDK)
			return PACKET_ACK;
		break;
	case GET_LINE_CODING:
		memcpy(data, application->line_coding, sizeof(application->line_coding));
		*length = sizeof(application->line_coding);
		return PACKET_ACK;
	default:
		return PACKET_STALL;
	}
	return is_touched(board) ? touch(board, board->options.disable_mask) : PACKET_ACK;
}

enum packet application_control(
	struct rp2040 *board, const uint8_t setup[8], uint8_t *data, size_t *length)
{
	*length = 0;
	if ((setup[0] & 0x60) == 0)
		return standard_request(board, setup, data, length);
	if ((setup[0] & 0x7f) != 0x21)
		return PACKET_STALL;
	if (setup[4] != RESET_INTERFACE)
		return line_request(board, setup, data, length);
	if (setup[1] == RESET_TO_BOOT_MODE)
		return touch(board, setup[2] & 3);
	if (setup[1] != RESET_TO_FLASH)
		return PACKET_STALL;
	board_start_from_flash(board);
	return PACKET_LOST;
}
