/* SPDX-License-Identifier: MIT */
/*
 * Endpoint zero: the descriptors of the boot loader and the standard requests, in every mode.
 */
#include <stdio.h>
#include <string.h>

#include "emu/stm32_parts.h"

enum {
	GET_STATUS = 0,
	CLEAR_FEATURE = 1,
	SET_FEATURE = 3,
	SET_ADDRESS = 5,
	GET_DESCRIPTOR = 6,
	GET_CONFIGURATION = 8,
	SET_CONFIGURATION = 9,
	GET_INTERFACE = 10,
	SET_INTERFACE = 11,
};

#define DESCRIPTOR_DEVICE        1
#define DESCRIPTOR_CONFIGURATION 2
#define DESCRIPTOR_STRING        3
#define DESCRIPTOR_FUNCTIONAL    0x21

#define FIRST_ALTERNATE_STRING 4
#define SERIAL_CHARS           12

static void put_le16(uint8_t *bytes, uint16_t value)
{
	bytes[0] = (uint8_t)value;
	bytes[1] = (uint8_t)(value >> 8);
}

static unsigned alternate_count(const struct stm32 *board)
{
	unsigned count = 0;
	while (count < STM32_ALTERNATES && board->kind->alternates[count])
		count++;
	return count;
}

/* --- descriptors of the boot loader ------------------------------------------------------ */

static size_t loader_device(const struct stm32 *board, uint8_t *bytes)
{
	static const uint8_t device[18] = { 18, 1, 0, 0, 0, 0, 0, 64, 0, 0, 0, 0, 0, 0, 1, 2, 3,
		1 };
	const struct loader *loader = board->kind->loader;
	bool has_serial = board->strings[5] || !board->kind->serial || *board->kind->serial;
	memcpy(bytes, device, sizeof(device));
	put_le16(bytes + 2, loader->bcd_usb);
	put_le16(bytes + 8, loader->vendor);
	put_le16(bytes + 10, loader->product);
	put_le16(bytes + 12,
		board->options.bcd_device ? board->options.bcd_device : loader->bcd_device);
	bytes[16] = has_serial ? 3 : 0;
	return sizeof(device);
}

static size_t functional(const struct stm32 *board, uint8_t *bytes)
{
	const struct loader *loader = board->kind->loader;
	bytes[0] = STM32_DESCRIPTOR_BYTES;
	bytes[1] = DESCRIPTOR_FUNCTIONAL;
	bytes[2] = loader->attributes;
	put_le16(bytes + 3, loader->detach_msec);
	put_le16(bytes + 5, board->transfer);
	put_le16(bytes + 7, loader->bcd_dfu);
	return STM32_DESCRIPTOR_BYTES;
}

static size_t loader_configuration(const struct stm32 *board, uint8_t *bytes)
{
	static const uint8_t head[9] = { 9, 2, 0, 0, 1, 1, 0, 0xc0, 0x32 };
	size_t length = sizeof(head);
	if (board->boot_configuration) {
		memcpy(bytes, board->boot_configuration, board->options.boot_configuration.length);
		return board->options.boot_configuration.length;
	}
	memcpy(bytes, head, sizeof(head));
	for (unsigned alternate = 0; alternate < alternate_count(board); alternate++) {
		const uint8_t interface[9] = { 9, 4, 0, (uint8_t)alternate, 0, 0xfe, 1, 2,
			(uint8_t)(FIRST_ALTERNATE_STRING + alternate) };
		memcpy(bytes + length, interface, sizeof(interface));
		length += sizeof(interface);
	}
	length += functional(board, bytes + length);
	put_le16(bytes + 2, (uint16_t)length);
	return length;
}

/* w0 + w2, then the high half of w1; words of the unique id in memory order. */
static const char *formula(const struct stm32 *board, char serial[SERIAL_CHARS + 1])
{
	const uint8_t *id = board->options.unique_id;
	snprintf(serial, SERIAL_CHARS + 1, "%08X%04X", get_le32(id) + get_le32(id + 8),
		get_le32(id + 4) >> 16);
	return serial;
}

static const char *loader_string(
	const struct stm32 *board, unsigned index, char serial[SERIAL_CHARS + 1])
{
	if (index >= 1 && index <= 3 && board->strings[2 + index])
		return board->strings[2 + index];
	switch (index) {
	case 1:
		return board->kind->loader->manufacturer;
	case 2:
		return board->kind->loader->name;
	case 3:
		return board->kind->serial ? board->kind->serial : formula(board, serial);
	}
	unsigned alternate = index - FIRST_ALTERNATE_STRING;
	if (alternate >= alternate_count(board))
		return NULL;
	return board->alternate_texts[alternate] ? board->alternate_texts[alternate]
						 : board->kind->alternates[alternate];
}

/* --- strings ----------------------------------------------------------------------------- */

/* Every byte of the text becomes one UTF-16 unit. */
static size_t put_text(uint8_t *bytes, const char *text)
{
	size_t chars = strlen(text);
	if (chars > STM32_STRING_CHARS)
		chars = STM32_STRING_CHARS;
	bytes[0] = (uint8_t)(2 + 2 * chars);
	bytes[1] = DESCRIPTOR_STRING;
	for (size_t at = 0; at < chars; at++)
		put_le16(bytes + 2 + 2 * at, (uint8_t)text[at]);
	return 2 + 2 * chars;
}

/* What happens to lie behind the text: the same at every look. */
static size_t put_garbage(const struct stm32 *board, uint8_t *bytes, size_t length)
{
	uint64_t noise = board->options.seed ^ 0x6a09e667f3bcc909ULL;
	if (!noise)
		noise = 1;
	for (unsigned unit = 0; unit < board->kind->garbage_units; unit++, length += 2)
		put_le16(bytes + length, (uint16_t)(noise_next(&noise) >> 40));
	bytes[0] = (uint8_t)length;
	return length;
}

static size_t string(const struct stm32 *board, unsigned index, uint8_t *bytes)
{
	static const uint8_t languages[4] = { 4, DESCRIPTOR_STRING, 0x09, 0x04 };
	char hex[2 * STM32_CHIP_ID_BYTES + 1];
	bool dfu = board->mode == STM32_DFU;
	unsigned alternate = index - FIRST_ALTERNATE_STRING;
	if (index == 0) {
		memcpy(bytes, languages, sizeof(languages));
		return sizeof(languages);
	}
	if (dfu && alternate < STM32_ALTERNATES && board->alternate_strings[alternate]) {
		size_t length = board->options.alternate_strings[alternate].length;
		memcpy(bytes, board->alternate_strings[alternate], length);
		return length;
	}
	const char *text = dfu ? loader_string(board, index, hex)
			       : stm32_application_string(board, index, hex);
	if (!text)
		return 0;
	size_t length = put_text(bytes, text);
	if (dfu && alternate == 0 && !board->alternate_texts[0])
		length = put_garbage(board, bytes, length);
	return length;
}

/* --- standard requests ------------------------------------------------------------------- */

static enum packet get_functional(struct stm32 *board, uint8_t *bytes, size_t *ret_length)
{
	switch (board->manners.functional) {
	case STM32_FUNCTIONAL_HANGS:
		board->hung = true;
		return PACKET_NAK;
	case STM32_FUNCTIONAL_STALLS:
		return PACKET_STALL;
	case STM32_FUNCTIONAL_ANSWERS:
	case STM32_FUNCTIONAL_OF_CHIP:
		break;
	}
	*ret_length = functional(board, bytes);
	return PACKET_ACK;
}

static enum packet descriptor(
	struct stm32 *board, const uint8_t setup[8], uint8_t *data, size_t *length)
{
	uint8_t bytes[STM32_CONFIGURATION_BYTES];
	size_t size = 0, asked = (size_t)setup[6] | (size_t)setup[7] << 8;
	bool dfu = board->mode == STM32_DFU;
	enum packet answer = PACKET_ACK;
	if (setup[3] == DESCRIPTOR_DEVICE)
		size = dfu ? loader_device(board, bytes) : stm32_application_device(board, bytes);
	else if (setup[3] == DESCRIPTOR_CONFIGURATION && setup[2] == 0)
		size = dfu ? loader_configuration(board, bytes)
			   : stm32_application_configuration(board, bytes);
	else if (setup[3] == DESCRIPTOR_STRING)
		size = string(board, setup[2], bytes);
	else if (setup[3] == DESCRIPTOR_FUNCTIONAL && dfu)
		answer = get_functional(board, bytes, &size);
	if (answer != PACKET_ACK)
		return answer;
	if (!size)
		return PACKET_STALL;
	*length = size < asked ? size : asked;
	memcpy(data, bytes, *length);
	return PACKET_ACK;
}

static enum packet set_configuration(struct stm32 *board, uint8_t value)
{
	if (value > 1)
		return PACKET_STALL;
	board->configuration = value;
	resident_configure(&board->resident, board->now, value);
	return PACKET_ACK;
}

static enum packet set_interface(struct stm32 *board, const uint8_t setup[8])
{
	struct dfu *dfu = &board->dfu;
	bool dfu_mode = board->mode == STM32_DFU;
	if (setup[2] >= (dfu_mode ? alternate_count(board) : 1) || setup[3])
		return PACKET_STALL;
	if (!dfu_mode)
		return PACKET_ACK;
	board->counters.set_interfaces++;
	dfu->alternate = setup[2];
	if (board->manners.interface == STM32_INTERFACE_KEEPS || dfu->working ||
		(dfu->state == DFU_STATE_ERROR &&
			board->manners.interface == STM32_INTERFACE_KEEPS_ERROR))
		return PACKET_ACK;
	dfu->state = DFU_STATE_IDLE;
	dfu->status = DFU_OK;
	dfu->work = WORK_NONE;
	dfu->wedged = false;
	return PACKET_ACK;
}

static enum packet one_byte(const uint8_t setup[8], uint8_t value, uint8_t *data, size_t *length)
{
	data[0] = value;
	*length = setup[6] || setup[7] ? 1 : 0;
	return PACKET_ACK;
}

static enum packet standard(
	struct stm32 *board, const uint8_t setup[8], uint8_t *data, size_t *length)
{
	if ((setup[0] & 0x1f) == 2 && setup[4] && board->mode != STM32_DFU)
		return cdc_endpoint_request(&board->resident.cdc, setup, data, length);
	switch (setup[1]) {
	case GET_STATUS:
		memset(data, 0, 2);
		*length = setup[6] < 2 ? setup[6] : 2;
		return PACKET_ACK;
	case SET_ADDRESS:
		return PACKET_ACK;
	case CLEAR_FEATURE:
	case SET_FEATURE:
		return board->mode == STM32_DFU ? PACKET_STALL : PACKET_ACK;
	case GET_DESCRIPTOR:
		return descriptor(board, setup, data, length);
	case GET_CONFIGURATION:
		return one_byte(setup, board->configuration, data, length);
	case SET_CONFIGURATION:
		return set_configuration(board, setup[2]);
	case GET_INTERFACE:
		return one_byte(
			setup, board->mode == STM32_DFU ? board->dfu.alternate : 0, data, length);
	case SET_INTERFACE:
		return set_interface(board, setup);
	}
	return PACKET_STALL;
}

enum packet stm32_control(
	struct stm32 *board, const uint8_t setup[8], uint8_t *data, size_t *length)
{
	if ((setup[0] & 0x60) == 0) {
		*length = 0;
		return standard(board, setup, data, length);
	}
	if (board->mode == STM32_DFU && (setup[0] & 0x60) == 0x20)
		return stm32_dfu_request(board, setup, data, length);
	*length = 0;
	if (board->mode == STM32_DFU)
		return PACKET_STALL;
	return stm32_application_request(board, setup, data, length);
}
