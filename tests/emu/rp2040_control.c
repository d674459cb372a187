/* SPDX-License-Identifier: MIT */
/*
 * Endpoint zero: the boot ROM's descriptors byte by byte, the standard requests it serves and the
 * many it stalls, and the requests of its two interfaces.
 */
#include <stdio.h>
#include <string.h>

#include "emu/rp2040_parts.h"
#include "emu/picoboot_words.h"

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

#define STORAGE_RESET       0xff
#define STORAGE_GET_MAX_LUN 0xfe

static const uint8_t boot_device[18] = { 0x12, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x40, 0x8a, 0x2e,
	0x00, 0x00, 0x00, 0x01, 0x01, 0x02, 0x03, 0x01 };
static const uint8_t head[9] = { 0x09, 0x02, 0x37, 0x00, 0x02, 0x01, 0x00, 0x80, 0x00 };
static const uint8_t storage_interface[23] = { 0x09, 0x04, 0x00, 0x00, 0x02, 0x08, 0x06, 0x50, 0x00,
	0x07, 0x05, 0x81, 0x02, 0x40, 0x00, 0x00, 0x07, 0x05, 0x02, 0x02, 0x40, 0x00, 0x00 };
static const uint8_t picoboot_interface[23] = { 0x09, 0x04, 0x01, 0x00, 0x02, 0xff, 0x00, 0x00,
	0x00, 0x07, 0x05, 0x03, 0x02, 0x40, 0x00, 0x00, 0x07, 0x05, 0x84, 0x02, 0x40, 0x00, 0x00 };

static size_t boot_device_descriptor(const struct rp2040 *board, uint8_t *bytes)
{
	memcpy(bytes, boot_device, sizeof(boot_device));
	bytes[2] = (uint8_t)board->chip->usb_version;
	bytes[3] = (uint8_t)(board->chip->usb_version >> 8);
	bytes[10] = (uint8_t)board->chip->boot_product;
	return sizeof(boot_device);
}

static size_t boot_configuration(const struct rp2040 *board, uint8_t *bytes)
{
	if (board->boot_configuration) {
		memcpy(bytes, board->boot_configuration, board->options.boot_configuration_bytes);
		return board->options.boot_configuration_bytes;
	}
	size_t length = sizeof(head);
	memcpy(bytes, head, length);
	bytes[4] = 0;
	bytes[8] = board->chip->boot_power;
	if (!(board->disable_mask & 1)) {
		memcpy(bytes + length, storage_interface, sizeof(storage_interface));
		length += sizeof(storage_interface);
		bytes[4]++;
	}
	if (!(board->disable_mask & 2)) {
		memcpy(bytes + length, picoboot_interface, sizeof(picoboot_interface));
		bytes[length + 2] = bytes[4]++;
		length += sizeof(picoboot_interface);
	}
	bytes[2] = (uint8_t)length;
	return length;
}

static const char *id_string(const struct rp2040 *board, char hex[17])
{
	for (int byte = 0; byte < 8; byte++)
		snprintf(hex + 2 * byte, 3, "%02X", board->options.unique_id[byte]);
	return hex;
}

static const char *boot_string(const struct rp2040 *board, unsigned index, char hex[17])
{
	static const char *const serials[] = { "E0C912D24340", "E0C912952D54", "E0C9125B0D9B" };
	unsigned revision = board->options.rom_revision;
	switch (index) {
	case 1:
		return board->strings[3] ? board->strings[3] : "Raspberry Pi";
	case 2:
		return board->strings[4] ? board->strings[4] : board->chip->boot_name;
	case 3:
		if (board->strings[5])
			return board->strings[5];
		return board->chip->has_own_id ? id_string(board, hex)
					       : serials[revision > 3 ? 2 : revision - 1];
	}
	return "";
}

static const char *application_string(const struct rp2040 *board, unsigned index, char hex[17])
{
	if (resident_runs(board)) {
		const char *text = resident_string(board, index);
		return text ? text : id_string(board, hex);
	}
	switch (index) {
	case 1:
		return board->strings[0] ? board->strings[0] : "Raspberry Pi";
	case 2:
		return board->strings[1] ? board->strings[1] : board->chip->application_name;
	case 3:
		return board->strings[2] ? board->strings[2] : id_string(board, hex);
	}
	return NULL;
}

/* Every byte of the text becomes one UTF-16 unit. */
static enum packet string_descriptor(
	const struct rp2040 *board, unsigned index, uint8_t *bytes, size_t *length)
{
	static const uint8_t languages[4] = { 4, 3, 0x09, 0x04 };
	char hex[17];
	if (index == 0) {
		memcpy(bytes, languages, sizeof(languages));
		*length = sizeof(languages);
		return PACKET_ACK;
	}
	const char *text = board->mode == RP2040_BOOT ? boot_string(board, index, hex)
						      : application_string(board, index, hex);
	if (!text)
		return PACKET_STALL;
	size_t chars = strlen(text);
	if (chars > RP2040_STRING_CHARS)
		chars = RP2040_STRING_CHARS;
	*length = 2 + 2 * chars;
	bytes[0] = (uint8_t)*length;
	bytes[1] = 3;
	for (size_t at = 0; at < chars; at++) {
		bytes[2 + 2 * at] = (uint8_t)text[at];
		bytes[3 + 2 * at] = 0;
	}
	return PACKET_ACK;
}

static enum packet descriptor(
	const struct rp2040 *board, const uint8_t setup[8], uint8_t *data, size_t *length)
{
	uint8_t bytes[RP2040_CONFIGURATION_BYTES];
	size_t size = 0;
	size_t asked = (size_t)setup[6] | (size_t)setup[7] << 8;
	bool boot = board->mode == RP2040_BOOT, resident = resident_runs(board);
	if (setup[3] == 1 && setup[2] == 0 && resident) {
		size = resident_device(board, bytes);
	} else if (setup[3] == 2 && setup[2] == 0 && resident) {
		size = cdc_configuration(&board->resident.cdc, bytes);
	} else if (setup[3] == 1 && setup[2] == 0) {
		size = boot ? boot_device_descriptor(board, bytes)
			    : application_device_descriptor(board, bytes);
	} else if (setup[3] == 2 && setup[2] == 0) {
		size = boot ? boot_configuration(board, bytes)
			    : application_configuration(board, bytes);
	} else if (boot && board->chip->describe) {
		size = board->chip->describe(board, setup, bytes);
	}
	if (!size &&
		(setup[3] != 3 || string_descriptor(board, setup[2], bytes, &size) != PACKET_ACK))
		return PACKET_STALL;
	*length = size < asked ? size : asked;
	memcpy(data, bytes, *length);
	return PACKET_ACK;
}

static void clear_halt(struct rp2040 *board, uint8_t address, struct endpoint *endpoint)
{
	if (address == PICOBOOT_ENDPOINT_OUT || address == PICOBOOT_ENDPOINT_IN)
		picoboot_clear_halt(board, address);
	else
		*endpoint = (struct endpoint){ 0 };
}

static enum packet endpoint_request(
	struct rp2040 *board, const uint8_t setup[8], uint8_t *data, size_t *length)
{
	struct endpoint *endpoint = board_endpoint(board, setup[4]);
	unsigned value = (unsigned)setup[2] | (unsigned)setup[3] << 8;
	if (!endpoint || value)
		return PACKET_STALL;
	if (setup[1] == GET_STATUS && setup[6] == 2 && setup[7] == 0) {
		data[0] = endpoint->halted;
		data[1] = 0;
		*length = 2;
		return PACKET_ACK;
	}
	if (setup[1] == SET_FEATURE)
		endpoint->halted = true;
	else if (setup[1] == CLEAR_FEATURE)
		clear_halt(board, setup[4], endpoint);
	else
		return PACKET_STALL;
	return PACKET_ACK;
}

static enum packet set_configuration(struct rp2040 *board, uint8_t value)
{
	if (value > 1)
		return PACKET_STALL;
	board_hard_reset_endpoints(board);
	board->configuration = value;
	if (resident_runs(board))
		resident_configure(&board->resident, board->now, value);
	return PACKET_ACK;
}

enum packet standard_request(
	struct rp2040 *board, const uint8_t setup[8], uint8_t *data, size_t *length)
{
	if ((setup[0] & 0x1f) == 2)
		return endpoint_request(board, setup, data, length);
	switch (setup[1]) {
	case GET_STATUS:
		memset(data, 0, 2);
		*length = setup[6] < 2 ? setup[6] : 2;
		return PACKET_ACK;
	case SET_ADDRESS:
		return PACKET_ACK;
	case GET_DESCRIPTOR:
		return descriptor(board, setup, data, length);
	case GET_CONFIGURATION:
		data[0] = board->configuration;
		*length = setup[6] ? 1 : 0;
		return PACKET_ACK;
	case SET_CONFIGURATION:
		return set_configuration(board, setup[2]);
	}
	return PACKET_STALL;
}

static enum packet picoboot_request(
	struct rp2040 *board, const uint8_t setup[8], uint8_t *data, size_t *length)
{
	unsigned asked = (unsigned)setup[6] | (unsigned)setup[7] << 8;
	if (setup[0] == 0x41 && setup[1] == PICOBOOT_INTERFACE_RESET && !asked) {
		picoboot_interface_reset(board);
		return PACKET_ACK;
	}
	if (setup[0] != 0xc1 || setup[1] != PICOBOOT_GET_CMD_STATUS ||
		asked != PICOBOOT_STATUS_BYTES)
		return PACKET_STALL;
	picoboot_get_status(board, data);
	*length = PICOBOOT_STATUS_BYTES;
	return PACKET_ACK;
}

static enum packet storage_request(
	struct rp2040 *board, const uint8_t setup[8], uint8_t *data, size_t *length)
{
	if (setup[0] == 0xa1 && setup[1] == STORAGE_GET_MAX_LUN && setup[6] >= 1) {
		data[0] = 0;
		*length = 1;
		return PACKET_ACK;
	}
	if (setup[0] != 0x21 || setup[1] != STORAGE_RESET)
		return PACKET_STALL;
	/* Halts and toggles stay: the host clears them itself. */
	struct endpoint in = board->storage.in, out = board->storage.out;
	storage_reset(board);
	board->storage.in = in;
	board->storage.out = out;
	return PACKET_ACK;
}

static enum packet vendor_request(
	const struct rp2040 *board, const uint8_t setup[8], uint8_t *data, size_t *length)
{
	uint8_t bytes[RP2040_CONFIGURATION_BYTES];
	size_t asked = (size_t)setup[6] | (size_t)setup[7] << 8;
	size_t size = board->chip->describe(board, setup, bytes);
	if (!size)
		return PACKET_STALL;
	*length = size < asked ? size : asked;
	memcpy(data, bytes, *length);
	return PACKET_ACK;
}

/* The high byte of wIndex is not looked at. */
enum packet boot_control(
	struct rp2040 *board, const uint8_t setup[8], uint8_t *data, size_t *length)
{
	*length = 0;
	if ((setup[0] & 0x60) == 0)
		return standard_request(board, setup, data, length);
	if (setup[0] == 0xc0 && board->chip->describe)
		return vendor_request(board, setup, data, length);
	uint8_t storage = board->disable_mask & 1 ? 0xff : 0;
	uint8_t picoboot = board->disable_mask & 2 ? 0xff : board->disable_mask & 1 ? 0 : 1;
	if ((setup[0] & 0x1f) == 1 && setup[4] == picoboot)
		return picoboot_request(board, setup, data, length);
	if ((setup[0] & 0x1f) == 1 && setup[4] == storage)
		return storage_request(board, setup, data, length);
	return PACKET_STALL;
}
