/* SPDX-License-Identifier: MIT */
/* A serial port on USB; see cdc.h. */
#include <string.h>

#include "emu/cdc.h"

#define SET_LINE_CODING        0x20
#define GET_LINE_CODING        0x21
#define SET_CONTROL_LINE_STATE 0x22

enum {
	GET_STATUS = 0,
	CLEAR_FEATURE = 1,
	SET_FEATURE = 3,
};

const struct cdc_shape cdc_shape_stm32 = { .in = 1, .out = 2, .notify = 3 };
const struct cdc_shape cdc_shape_lpc176x = { .in = 5, .out = 2, .notify = 1 };

void cdc_start(struct cdc *cdc, const struct cdc_shape *shape)
{
	static const uint8_t line_coding[CDC_LINE_CODING_BYTES] = { 0x00, 0xc2, 0x01, 0x00, 0, 0,
		8 };
	*cdc = (struct cdc){ .shape = *shape, .packets = cdc->packets };
	memcpy(cdc->line_coding, line_coding, sizeof(line_coding));
}

/* What lies in hardware is lost; what the program has buffered is not. */
void cdc_reset(struct cdc *cdc)
{
	cdc_configure(cdc, false);
	cdc->dtr = false;
}

void cdc_configure(struct cdc *cdc, bool configured)
{
	cdc->in = cdc->out = cdc->notify = (struct cdc_endpoint){ 0 };
	cdc->has_received = false;
	cdc->waiting_count = 0;
	cdc->configured = configured;
	cdc->withholding = cdc->shape.withholds_first;
}

size_t cdc_device(uint16_t vendor, uint16_t product, uint8_t *bytes)
{
	const uint8_t device[CDC_DEVICE_BYTES] = { 18, 1, 0x00, 0x02, 2, 0, 0, 16, (uint8_t)vendor,
		(uint8_t)(vendor >> 8), (uint8_t)product, (uint8_t)(product >> 8), 0x00, 0x01, 1, 2,
		3, 1 };
	memcpy(bytes, device, sizeof(device));
	return sizeof(device);
}

size_t cdc_configuration(const struct cdc *cdc, uint8_t *bytes)
{
	const uint8_t notify = cdc->shape.notify | ENDPOINT_TOWARDS_US;
	const uint8_t in = cdc->shape.in | ENDPOINT_TOWARDS_US, out = cdc->shape.out;
	const uint8_t configuration[CDC_CONFIGURATION_BYTES] = {
		/* clang-format off */
		9, 2, CDC_CONFIGURATION_BYTES, 0, 2, 1, 0, 0xc0, 50,
		9, 4, 0, 0, 1, 2, 2, 1, 0,
		5, 0x24, 0, 0x10, 0x01,
		4, 0x24, 2, 6,
		5, 0x24, 6, 0, 1,
		7, 5, notify, 3, 8, 0, 255,
		9, 4, 1, 0, 2, 10, 0, 0, 0,
		7, 5, out, 2, 64, 0, 0,
		7, 5, in, 2, 64, 0, 0,
		/* clang-format on */
	};
	memcpy(bytes, configuration, sizeof(configuration));
	return sizeof(configuration);
}

uint32_t cdc_baud(const struct cdc *cdc)
{
	const uint8_t *bytes = cdc->line_coding;
	return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
	       (uint32_t)bytes[3] << 24;
}

struct cdc_endpoint *cdc_endpoint(struct cdc *cdc, uint8_t address)
{
	if (address == (cdc->shape.in | ENDPOINT_TOWARDS_US))
		return &cdc->in;
	if (address == (cdc->shape.notify | ENDPOINT_TOWARDS_US))
		return &cdc->notify;
	return address == cdc->shape.out ? &cdc->out : NULL;
}

enum packet cdc_endpoint_request(
	struct cdc *cdc, const uint8_t setup[8], uint8_t *data, size_t *length)
{
	struct cdc_endpoint *endpoint = cdc_endpoint(cdc, setup[4]);
	if (!endpoint || setup[2] || setup[3])
		return PACKET_STALL;
	if (setup[1] == GET_STATUS && setup[6] >= 2) {
		data[0] = endpoint->halted;
		data[1] = 0;
		*length = 2;
		return PACKET_ACK;
	}
	if (setup[1] == SET_FEATURE)
		endpoint->halted = true;
	else if (setup[1] == CLEAR_FEATURE)
		*endpoint = (struct cdc_endpoint){ 0 };
	else
		return PACKET_STALL;
	return PACKET_ACK;
}

enum packet cdc_request(
	struct cdc *cdc, const uint8_t setup[8], uint8_t *data, size_t *length, bool *ret_changed)
{
	*ret_changed = false;
	if ((setup[0] & 0x7f) != 0x21)
		return PACKET_STALL;
	switch (setup[1]) {
	case SET_LINE_CODING:
		if (setup[6] != CDC_LINE_CODING_BYTES || setup[7])
			return PACKET_STALL;
		memcpy(cdc->line_coding, data, CDC_LINE_CODING_BYTES);
		break;
	case SET_CONTROL_LINE_STATE:
		cdc->dtr = setup[2] & 1;
		break;
	case GET_LINE_CODING:
		*length = setup[6] < CDC_LINE_CODING_BYTES ? setup[6] : CDC_LINE_CODING_BYTES;
		memcpy(data, cdc->line_coding, *length);
		return PACKET_ACK;
	default:
		return PACKET_STALL;
	}
	*ret_changed = true;
	return PACKET_ACK;
}

/* Nothing is ever notified. */
enum packet cdc_poll(const struct cdc *cdc, uint8_t address)
{
	const struct cdc_endpoint *endpoint = cdc_endpoint((struct cdc *)cdc, address);
	if (!endpoint || !cdc->configured)
		return PACKET_LOST;
	if (endpoint->halted)
		return PACKET_STALL;
	if (endpoint == &cdc->out)
		return cdc->has_received ? PACKET_NAK : PACKET_ACK;
	if (endpoint == &cdc->notify || !cdc->waiting_count)
		return PACKET_NAK;
	return cdc->withholding && cdc->waiting_count < 2 ? PACKET_NAK : PACKET_ACK;
}

/* A packet with the toggle of the one before is a repetition: taken, and forgotten. */
enum packet cdc_out(
	struct cdc *cdc, uint8_t endpoint, bool toggle, const uint8_t *data, size_t length)
{
	enum packet answer = cdc_poll(cdc, endpoint);
	if (answer != PACKET_ACK || cdc->out.toggle != toggle)
		return answer;
	cdc->out.toggle = !toggle;
	cdc->packets++;
	memcpy(cdc->received.bytes, data, length);
	cdc->received.length = length;
	cdc->has_received = true;
	return PACKET_ACK;
}

enum packet cdc_in(
	struct cdc *cdc, uint8_t endpoint, uint8_t *data, size_t *ret_length, bool *ret_toggle)
{
	enum packet answer = cdc_poll(cdc, endpoint);
	if (answer != PACKET_ACK)
		return answer;
	*ret_toggle = cdc->in.toggle;
	cdc->in.toggle = !cdc->in.toggle;
	cdc->packets++;
	*ret_length = cdc->waiting[0].length;
	memcpy(data, cdc->waiting[0].bytes, *ret_length);
	cdc->waiting[0] = cdc->waiting[1];
	cdc->waiting_count--;
	cdc->withholding = false;
	return PACKET_ACK;
}

/* Only where the first packet is held back do two lie in hardware. */
static bool can_queue(const struct cdc *cdc)
{
	return cdc->configured && cdc->waiting_count < (cdc->withholding ? 2 : 1);
}

static void queue_packets(struct cdc *cdc, struct line *line)
{
	while (can_queue(cdc) && line->to_send_count) {
		struct cdc_packet *packet = &cdc->waiting[cdc->waiting_count];
		bool exact = line->to_send_count == PACKET_BYTES && cdc->shape.ends_short;
		packet->length = line_drain(line, packet->bytes, PACKET_BYTES - exact);
		if (packet->length)
			cdc->waiting_count++;
	}
}

bool cdc_settle(struct cdc *cdc, struct line *line)
{
	bool came = cdc->has_received && line_room(line) >= PACKET_BYTES;
	if (came) {
		line_feed(line, cdc->received.bytes, cdc->received.length);
		cdc->has_received = false;
	}
	queue_packets(cdc, line);
	return came;
}
