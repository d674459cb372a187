/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A CDC-ACM function as Klipper and Katapult have it: descriptors, line coding, DTR, one packet in
 * hardware each way, and the bytes of a line behind them.
 */
#include "emu/device_core.h"
#include "emu/line.h"

#define CDC_LINE_CODING_BYTES   7
#define CDC_DEVICE_BYTES        18
#define CDC_CONFIGURATION_BYTES 62

struct cdc_endpoint {
	bool halted, toggle;
};

/* Numbers of the endpoints, without bit 7. */
struct cdc_shape {
	uint8_t in, out, notify;
	bool withholds_first; /* the first IN packet of an enumeration waits for a second */
	bool ends_short; /* a full packet is never the last one */
};

struct cdc_packet {
	uint8_t bytes[PACKET_BYTES];
	size_t length;
};

struct cdc {
	struct cdc_shape shape;
	struct cdc_endpoint in, out, notify;
	uint8_t line_coding[CDC_LINE_CODING_BYTES];
	bool dtr;
	bool configured;
	bool withholding;
	struct cdc_packet received; /* nobody has fetched it yet */
	bool has_received;
	struct cdc_packet waiting[2];
	unsigned waiting_count;
	uint64_t packets;
};

extern const struct cdc_shape cdc_shape_stm32, cdc_shape_lpc176x;

/* A program begins to use it. */
void cdc_start(struct cdc *cdc, const struct cdc_shape *shape);
/* The bus was reset. */
void cdc_reset(struct cdc *cdc);
void cdc_configure(struct cdc *cdc, bool configured);

size_t cdc_device(uint16_t vendor, uint16_t product, uint8_t *bytes);
size_t cdc_configuration(const struct cdc *cdc, uint8_t *bytes);
uint32_t cdc_baud(const struct cdc *cdc);

/* NULL: there is no such endpoint. */
struct cdc_endpoint *cdc_endpoint(struct cdc *cdc, uint8_t address);
/* CLEAR_FEATURE, SET_FEATURE and GET_STATUS of an endpoint. */
enum packet cdc_endpoint_request(
	struct cdc *cdc, const uint8_t setup[8], uint8_t *data, size_t *length);
/* The requests of the class; `*ret_changed`: rate or DTR were set. */
enum packet cdc_request(
	struct cdc *cdc, const uint8_t setup[8], uint8_t *data, size_t *length, bool *ret_changed);

enum packet cdc_poll(const struct cdc *cdc, uint8_t endpoint);
enum packet cdc_out(
	struct cdc *cdc, uint8_t endpoint, bool toggle, const uint8_t *data, size_t length);
enum packet cdc_in(
	struct cdc *cdc, uint8_t endpoint, uint8_t *data, size_t *ret_length, bool *ret_toggle);

/* What the processor does about it when it has time. True: something came. */
bool cdc_settle(struct cdc *cdc, struct line *line);
