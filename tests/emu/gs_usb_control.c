/* SPDX-License-Identifier: MIT */
/* Endpoint zero of an adapter: descriptors, standard requests, and what gs_usb asks and sets. */
#include <string.h>

#include "emu/gs_usb_parts.h"

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

enum {
	HOST_FORMAT = 0,
	BITTIMING = 1,
	MODE = 2,
	BT_CONST = 4,
	DEVICE_CONFIG = 5,
	IDENTIFY = 7,
	STATE = 14,
};

enum {
	FEATURE_LISTEN_ONLY = 1u << 0,
	FEATURE_LOOP_BACK = 1u << 1,
	FEATURE_IDENTIFY = 1u << 5,
	FEATURE_BERR_REPORTING = 1u << 12,
	FEATURE_GET_STATE = 1u << 13,
};

#define DESCRIPTOR_DEVICE        1
#define DESCRIPTOR_CONFIGURATION 2
#define DESCRIPTOR_STRING        3

#define CONTROLLER_HZ    48000000u
#define STRING_CHARS     60
#define DESCRIPTOR_BYTES 128
#define CONSTANT_WORDS   10
#define TIMING_WORDS     5

static void put_words(uint8_t *bytes, const uint32_t *words, size_t count)
{
	for (size_t at = 0; at < 4 * count; at++)
		bytes[at] = (uint8_t)(words[at / 4] >> 8 * (at % 4));
}

static uint32_t word(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
	       (uint32_t)bytes[3] << 24;
}

/* --- descriptors ------------------------------------------------------------------------- */

static size_t device(const struct gs_usb *adapter, uint8_t *bytes)
{
	const uint8_t packet = adapter->is_bridge ? 16 : 64;
	const uint8_t descriptor[18] = { 18, 1, 0x00, 0x02, 0, 0, 0, packet, 0x50, 0x1d, 0x6f, 0x60,
		0x00, 0x00, 1, 2, 3, 1 };
	memcpy(bytes, descriptor, sizeof(descriptor));
	return sizeof(descriptor);
}

/* A candleLight can be sent into its DFU loader by its second interface. */
static size_t configuration(const struct gs_usb *adapter, uint8_t *bytes)
{
	const uint8_t both[] = {
		/* clang-format off */
		9, 2, 50, 0, 2, 1, 0, 0x80, 75,
		9, 4, 0, 0, 2, 0xff, 0xff, 0xff, 0,
		7, 5, GS_USB_ENDPOINT_IN, 2, PACKET_BYTES, 0, 0,
		7, 5, GS_USB_ENDPOINT_OUT, 2, PACKET_BYTES, 0, 0,
		9, 4, 1, 0, 0, 0xfe, 1, 1, 0,
		9, 0x21, 11, 255, 0, 0, 8, 0x1a, 1,
		/* clang-format on */
	};
	size_t length = sizeof(both);
	memcpy(bytes, both, length);
	if (adapter->is_bridge) {
		length -= 18;
		bytes[4] = 1;
		bytes[7] = 0xc0;
	}
	bytes[2] = (uint8_t)length;
	return length;
}

static size_t string(const struct gs_usb *adapter, unsigned index, uint8_t *bytes)
{
	static const uint8_t languages[4] = { 4, DESCRIPTOR_STRING, 0x09, 0x04 };
	if (index == 0) {
		memcpy(bytes, languages, sizeof(languages));
		return sizeof(languages);
	}
	if (index > GS_USB_STRINGS)
		return 0;
	const char *text = adapter->strings[index - 1];
	size_t chars = strnlen(text, STRING_CHARS);
	bytes[0] = (uint8_t)(2 + 2 * chars);
	bytes[1] = DESCRIPTOR_STRING;
	for (size_t at = 0; at < chars; at++) {
		bytes[2 + 2 * at] = (uint8_t)text[at];
		bytes[3 + 2 * at] = 0;
	}
	return bytes[0];
}

/* --- standard requests ------------------------------------------------------------------- */

static enum packet give(
	const uint8_t setup[8], const uint8_t *bytes, size_t size, uint8_t *data, size_t *length)
{
	size_t asked = (size_t)setup[6] | (size_t)setup[7] << 8;
	*length = size < asked ? size : asked;
	memcpy(data, bytes, *length);
	return PACKET_ACK;
}

static enum packet descriptor(
	const struct gs_usb *adapter, const uint8_t setup[8], uint8_t *data, size_t *length)
{
	uint8_t bytes[DESCRIPTOR_BYTES];
	size_t size = 0;
	if (setup[3] == DESCRIPTOR_DEVICE)
		size = device(adapter, bytes);
	else if (setup[3] == DESCRIPTOR_CONFIGURATION && setup[2] == 0)
		size = configuration(adapter, bytes);
	else if (setup[3] == DESCRIPTOR_STRING)
		size = string(adapter, setup[2], bytes);
	return size ? give(setup, bytes, size, data, length) : PACKET_STALL;
}

static enum packet endpoint_request(
	struct gs_usb *adapter, const uint8_t setup[8], uint8_t *data, size_t *length)
{
	struct gs_usb_endpoint *endpoint = setup[4] == GS_USB_ENDPOINT_IN    ? &adapter->in
					   : setup[4] == GS_USB_ENDPOINT_OUT ? &adapter->out
									     : NULL;
	if (!endpoint)
		return PACKET_STALL;
	const uint8_t status[2] = { endpoint->halted, 0 };
	if (setup[1] == GET_STATUS)
		return give(setup, status, sizeof(status), data, length);
	if (setup[1] == SET_FEATURE)
		endpoint->halted = true;
	else if (setup[1] == CLEAR_FEATURE)
		*endpoint = (struct gs_usb_endpoint){ 0 };
	else
		return PACKET_STALL;
	return PACKET_ACK;
}

static enum packet standard(
	struct gs_usb *adapter, const uint8_t setup[8], uint8_t *data, size_t *length)
{
	const uint8_t nothing[2] = { 0 };
	if ((setup[0] & 0x1f) == 2)
		return endpoint_request(adapter, setup, data, length);
	switch (setup[1]) {
	case GET_STATUS:
		return give(setup, nothing, sizeof(nothing), data, length);
	case SET_ADDRESS:
	case CLEAR_FEATURE:
	case SET_FEATURE:
		return PACKET_ACK;
	case SET_INTERFACE:
		return setup[2] ? PACKET_STALL : PACKET_ACK;
	case GET_DESCRIPTOR:
		return descriptor(adapter, setup, data, length);
	case GET_CONFIGURATION:
		return give(setup, &adapter->configuration, 1, data, length);
	case GET_INTERFACE:
		return give(setup, nothing, 1, data, length);
	case SET_CONFIGURATION:
		if (setup[2] > 1)
			return PACKET_STALL;
		adapter->configuration = setup[2];
		return PACKET_ACK;
	}
	return PACKET_STALL;
}

/* --- what gs_usb asks -------------------------------------------------------------------- */

static uint32_t features(const struct gs_usb *adapter)
{
	uint32_t all =
		FEATURE_LISTEN_ONLY | FEATURE_LOOP_BACK | FEATURE_IDENTIFY | FEATURE_GET_STATE;
	if (adapter->is_bridge)
		return 0;
	return adapter->has_switch ? all | FEATURE_BERR_REPORTING : all;
}

/* One channel, which is counted as none more. */
static enum packet give_config(
	const struct gs_usb *adapter, const uint8_t setup[8], uint8_t *data, size_t *length)
{
	const uint32_t words[3] = { 0, 2, 1 };
	uint8_t bytes[sizeof(words)];
	(void)adapter;
	put_words(bytes, words, 3);
	return give(setup, bytes, sizeof(bytes), data, length);
}

static enum packet give_constants(
	const struct gs_usb *adapter, const uint8_t setup[8], uint8_t *data, size_t *length)
{
	const uint32_t words[CONSTANT_WORDS] = { features(adapter), CONTROLLER_HZ, 1, 16, 1, 8, 4,
		1, 1024, 1 };
	uint8_t bytes[sizeof(words)];
	put_words(bytes, words, CONSTANT_WORDS);
	return give(setup, bytes, sizeof(bytes), data, length);
}

static enum packet give_state(
	const struct gs_usb *adapter, const uint8_t setup[8], uint8_t *data, size_t *length)
{
	struct gs_usb_health health = adapter->wire.health(adapter->wire.context);
	const uint32_t words[3] = { adapter->is_up ? health.state : GS_USB_STOPPED,
		health.receive_errors, health.send_errors };
	uint8_t bytes[sizeof(words)];
	if (!(features(adapter) & FEATURE_GET_STATE))
		return PACKET_STALL;
	put_words(bytes, words, 3);
	return give(setup, bytes, sizeof(bytes), data, length);
}

/* --- and what it sets -------------------------------------------------------------------- */

/* A bridge reads it and keeps to the rate that it was built for. */
static enum packet set_timing(struct gs_usb *adapter, const uint8_t *data, size_t size)
{
	if (size != 4 * TIMING_WORDS)
		return PACKET_STALL;
	uint64_t quanta = 1 + (uint64_t)word(data) + word(data + 4) + word(data + 8);
	uint64_t divisor = quanta * word(data + 16);
	adapter->counters.bit_timings++;
	if (!divisor || divisor > CONTROLLER_HZ)
		return PACKET_STALL;
	adapter->bitrate = (uint32_t)(CONTROLLER_HZ / divisor);
	return PACKET_ACK;
}

static enum packet set_mode(struct gs_usb *adapter, const uint8_t *data, size_t size)
{
	if (size != 8)
		return PACKET_STALL;
	uint32_t flags = word(data + 4);
	adapter->counters.modes++;
	adapter->wants_errors = flags & FEATURE_BERR_REPORTING;
	gs_usb_set_up(adapter, word(data), flags & FEATURE_LISTEN_ONLY);
	return PACKET_ACK;
}

static enum packet vendor(
	struct gs_usb *adapter, const uint8_t setup[8], uint8_t *data, size_t *length)
{
	bool in = setup[0] & ENDPOINT_TOWARDS_US;
	size_t size = (size_t)setup[6] | (size_t)setup[7] << 8;
	if (in && setup[1] == DEVICE_CONFIG)
		return give_config(adapter, setup, data, length);
	if (setup[2] || setup[3])
		return PACKET_STALL; /* another channel than the first */
	if (in && setup[1] == BT_CONST)
		return give_constants(adapter, setup, data, length);
	if (in && setup[1] == STATE)
		return give_state(adapter, setup, data, length);
	if (!in && setup[1] == BITTIMING)
		return set_timing(adapter, data, size);
	if (!in && setup[1] == MODE)
		return set_mode(adapter, data, size);
	return !in && setup[1] == IDENTIFY ? PACKET_ACK : PACKET_STALL;
}

enum packet gs_usb_control(
	struct gs_usb *adapter, const uint8_t setup[8], uint8_t *data, size_t *length)
{
	*length = 0;
	if ((setup[0] & 0x60) == 0)
		return standard(adapter, setup, data, length);
	if ((setup[0] & 0x7f) != 0x41)
		return PACKET_STALL;
	if (setup[1] == HOST_FORMAT)
		return PACKET_ACK; /* its value is in place of a channel */
	return vendor(adapter, setup, data, length);
}
