/* SPDX-License-Identifier: MIT */
/*
 * Katapult byte by byte over port/serial.h, in virtual time.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "unit/emu_katapult_talker.h"
#include "unit/emu_stm32_talker.h"

#define LOADER_BYTES 0x1000
#define GAP_MSEC     5
#define CAME_MSEC    3000

static uint8_t loader[LOADER_BYTES];

int kt_tear_down(void **state)
{
	struct kt *kt = *state;
	kt_close(kt);
	kt->bench = bench_free(kt->bench);
	return 0;
}

static struct stm32_options with_loader(const struct stm32_options *options)
{
	struct stm32_options its = options ? *options : (struct stm32_options){ 0 };
	bool lpc = its.chip == STM32_LPC1769;
	rom_make_katapult(loader, sizeof(loader), lpc ? 0x10001000 : KT_SMALL);
	if (lpc)
		memcpy(loader + 4, (uint8_t[]){ 0x01, 0x01, 0, 0 }, 4);
	if (!its.image) {
		its.image = loader;
		its.image_bytes = sizeof(loader);
	}
	its.boot0_released = true;
	return its;
}

void kt_plug_image(struct kt *kt, void **state, const struct stm32_options *options)
{
	struct stm32_options its = *options;
	*state = kt;
	its.boot0_released = true;
	*kt = (struct kt){ .bench = bench_new() };
	kt->board = bench_plug_stm32(kt->bench, KT_PLACE, &its);
}

void kt_plug(struct kt *kt, void **state, const struct stm32_options *options)
{
	struct stm32_options its = with_loader(options);
	kt_plug_image(kt, state, &its);
	assert_int_equal(kt_mode(kt), STM32_KATAPULT);
}

void kt_plug_uart(struct kt *kt, void **state, const struct stm32_options *options)
{
	struct stm32_options its = with_loader(options);
	*state = kt;
	*kt = (struct kt){ .bench = bench_new() };
	kt->board = bench_plug_uart(kt->bench, KT_NODE, &its);
	bench_advance(kt->bench, CAME_MSEC * NSEC_PER_MSEC);
}

int kt_open(struct kt *kt)
{
	struct serial_address address = bench_tty(kt->board);
	return serial_open(&address, UART_BAUD, &kt->serial);
}

void kt_close(struct kt *kt)
{
	kt->serial = serial_close(kt->serial);
	kt->early_bytes = 0;
}

void kt_start(struct kt *kt)
{
	assert_int_equal(kt_open(kt), 0);
	if (kt_connect(kt) == -ETIMEDOUT)
		assert_int_equal(kt_connect(kt), KATA_ACK);
	assert_int_equal(serial_pause(kt->serial, KT_SOON_MSEC), 0);
	assert_int_equal(serial_discard_input(kt->serial), 0);
	kt->early_bytes = 0;
	stm32_reset_counters(bench_stm32(kt->board));
}

/* --- bytes ------------------------------------------------------------------------------- */

void kt_send(struct kt *kt, const void *bytes, size_t count)
{
	assert_int_equal(serial_write(kt->serial, bytes, count, KT_LONG_MSEC), 0);
}

size_t kt_parse_hex(const char *hex, uint8_t *ret)
{
	size_t count = 0;
	unsigned byte;
	for (; hex[0] && hex[1]; hex += 2) {
		assert_int_equal(sscanf(hex, "%2x", &byte), 1);
		ret[count++] = (uint8_t)byte;
		while (hex[2] == ' ')
			hex++;
	}
	return count;
}

void kt_send_hex(struct kt *kt, const char *hex)
{
	uint8_t bytes[KT_FRAME_MOST];
	size_t count = kt_parse_hex(hex, bytes);
	kt_send(kt, bytes, count);
}

size_t kt_gather(struct kt *kt, uint8_t *ret, size_t most, unsigned msec)
{
	size_t count = kt->early_bytes < most ? kt->early_bytes : most;
	memcpy(ret, kt->early, count);
	kt->early_bytes = 0;
	while (count < most) {
		int got = serial_read(kt->serial, ret + count, most - count, msec);
		if (got < 0)
			break;
		count += (size_t)got;
		msec = GAP_MSEC;
	}
	return count;
}

void kt_expect_hex(struct kt *kt, const char *hex)
{
	uint8_t wanted[KT_FRAME_MOST], got[KT_FRAME_MOST];
	size_t count = kt_parse_hex(hex, wanted);
	assert_int_equal(kt_gather(kt, got, sizeof(got), KT_SOON_MSEC), count);
	assert_memory_equal(got, wanted, count);
}

void kt_expect_silence(struct kt *kt)
{
	uint8_t got[KT_FRAME_MOST];
	assert_int_equal(kt_gather(kt, got, sizeof(got), KT_SOON_MSEC), 0);
}

/* --- frames ------------------------------------------------------------------------------ */

static size_t whole_frame(const struct kt *kt)
{
	if (kt->early_bytes < 4)
		return 0;
	size_t length = 4u * kt->early[3] + 8;
	return kt->early_bytes < length ? 0 : length;
}

int kt_receive(struct kt *kt, unsigned msec)
{
	size_t length;
	while (!(length = whole_frame(kt))) {
		int got = serial_read(kt->serial, kt->early + kt->early_bytes,
			sizeof(kt->early) - kt->early_bytes, msec);
		if (got < 0)
			return got;
		kt->early_bytes += (size_t)got;
	}
	assert_int_equal(kt->early[0], 0x01);
	assert_int_equal(kt->early[1], 0x88);
	assert_int_equal(kt->early[length - 2], 0x99);
	assert_int_equal(kt->early[length - 1], 0x03);
	memcpy(kt->answer, kt->early, length);
	kt->answer_bytes = length;
	kt->early_bytes -= length;
	memmove(kt->early, kt->early + length, kt->early_bytes);
	return kt->answer[2];
}

/* Bit by bit, as the standard has it. */
static uint16_t checksum(const uint8_t *bytes, size_t count)
{
	uint16_t crc = 0xffff;
	for (size_t bit = 0; bit < 8 * count; bit++) {
		uint16_t low = (uint16_t)(crc ^ (bytes[bit / 8] >> (bit & 7))) & 1;
		crc = (uint16_t)(crc >> 1 ^ (low ? 0x8408 : 0));
	}
	return crc;
}

void kt_send_frame(struct kt *kt, uint8_t code, const void *payload, size_t words)
{
	uint8_t frame[KT_FRAME_MOST] = { 0x01, 0x88, code, (uint8_t)words };
	size_t at = 4 + 4 * words;
	if (words)
		memcpy(frame + 4, payload, 4 * words);
	uint16_t crc = checksum(frame + 2, at - 2);
	frame[at] = (uint8_t)crc;
	frame[at + 1] = (uint8_t)(crc >> 8);
	frame[at + 2] = 0x99;
	frame[at + 3] = 0x03;
	kt_send(kt, frame, at + 4);
}

int kt_command(struct kt *kt, uint8_t code, const void *payload, size_t words)
{
	kt_send_frame(kt, code, payload, words);
	return kt_receive(kt, KT_LONG_MSEC);
}

int kt_connect(struct kt *kt)
{
	kt_send_frame(kt, KATA_CONNECT, NULL, 0);
	return kt_receive(kt, KT_SOON_MSEC);
}

static void put(uint8_t *bytes, uint32_t word)
{
	for (int index = 0; index < 4; index++)
		bytes[index] = (uint8_t)(word >> 8 * index);
}

uint32_t kt_word(const uint8_t *bytes)
{
	return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
	       (uint32_t)bytes[3] << 24;
}

int kt_block(struct kt *kt, uint32_t address, const uint8_t *block)
{
	uint8_t payload[4 + KT_BLOCK];
	put(payload, address);
	memcpy(payload + 4, block, KT_BLOCK);
	int code = kt_command(kt, KATA_SEND_BLOCK, payload, sizeof(payload) / 4);
	if (code == KATA_ACK)
		assert_int_equal(kt_word(kt->answer + 8), address);
	return code;
}

void kt_blocks(struct kt *kt, uint32_t address, const uint8_t *bytes, size_t length)
{
	for (uint32_t at = 0; at < length; at += KT_BLOCK)
		assert_int_equal(kt_block(kt, address + at, bytes + at), KATA_ACK);
}

int kt_read(struct kt *kt, uint32_t address, uint8_t *ret)
{
	uint8_t payload[4];
	put(payload, address);
	kt_send_frame(kt, KATA_REQUEST_BLOCK, payload, 1);
	int code = kt_receive(kt, KT_SOON_MSEC);
	if (code == KATA_ACK)
		memcpy(ret, kt->answer + 12, KT_BLOCK);
	return code;
}

int kt_eof(struct kt *kt, uint32_t *ret_pages)
{
	int code = kt_command(kt, KATA_EOF, NULL, 0);
	if (code == KATA_ACK)
		*ret_pages = kt_word(kt->answer + 8);
	return code;
}

int kt_complete(struct kt *kt)
{
	return kt_command(kt, KATA_COMPLETE, NULL, 0);
}

/* --- the board --------------------------------------------------------------------------- */

const uint8_t *kt_flash(struct kt *kt, uint32_t address)
{
	size_t size;
	struct stm32 *board = bench_stm32(kt->board);
	return stm32_flash(board, &size) + (address - stm32_flash_base(board));
}

const struct kata_counters *kt_counters(struct kt *kt)
{
	return &bench_resident(kt->board)->katapult.counters;
}

enum stm32_mode kt_mode(struct kt *kt)
{
	return stm32_mode(bench_stm32(kt->board));
}

int kt_arm(struct kt *kt, struct stm32_fault fault)
{
	return bench_stm32_fault(kt->board, &fault);
}

void kt_fill(uint8_t *bytes, size_t length, unsigned seed)
{
	for (size_t index = 0; index < length; index++)
		bytes[index] = (uint8_t)(index * 13 + index / 256 * 7 + seed);
}
