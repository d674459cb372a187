/* SPDX-License-Identifier: MIT */
/*
 * The emulated bus against what is known of real ones, by a talker of its own: frames by hand, and
 * nothing of the host side's languages.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "unit/emu_stm32_talker.h"
#include "unit/expect.h"

#include "emu/bench.h"
#include "emu/noise.h"
#include "port/can.h"

#define ADMIN      0x3f0u
#define ANSWER     0x3f1u
#define NUMBER     129u
#define TO_NODE    0x202u
#define FROM_NODE  0x203u
#define START      0x08002000u
#define BLOCK      64u
#define FRAME_MOST 80u
#define REPLY_MSEC 100u
#define RESTART    100u
#define TRIALS     10000u

struct bus {
	struct bench *bench;
	struct can *can;
	unsigned errors; /* error frames that were heard on the way */
};

/* ---- the talker --------------------------------------------------------------------------- */

static void bus_done(struct bus *bus)
{
	bus->can = can_close(bus->can);
	bus->bench = bench_free(bus->bench);
}

static struct bus *begin(void **state, const struct can_bus_options *options)
{
	static struct bus bus;
	bus_done(&bus);
	*state = &bus;
	bus = (struct bus){ .bench = bench_new() };
	bench_add_bus(bus.bench, options);
	assert_int_equal(can_open("can0", &bus.can), 0);
	assert_int_equal(can_listen(bus.can, NULL, 0, true), 0);
	return &bus;
}

/* Also of a story that has failed. */
static int tear_down(void **state)
{
	bus_done(*state);
	return 0;
}

static struct resident *plug(struct bus *bus, uint8_t id, enum stm32_chip chip)
{
	static uint8_t loader[0x1000];
	rom_make_katapult(loader, sizeof(loader), 0x20001000);
	const struct stm32_options options = { .chip = chip,
		.image = loader,
		.image_bytes = sizeof(loader),
		.unique_id = { id, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 },
		.boot0_released = true,
		.katapult_offset = START - STM32_FLASH_BASE };
	struct bench_board *board = bench_plug_node(bus->bench, "node", &options);
	assert_true(bench_await_stm32(board, STM32_KATAPULT, 3000));
	return bench_resident(board);
}

static int say(struct bus *bus, uint32_t number, const void *data, size_t length)
{
	return can_send(bus->can, number, data, length, REPLY_MSEC);
}

static void give_number(struct bus *bus, const struct resident *node, uint8_t word, uint8_t number)
{
	uint8_t data[8] = { word };
	memcpy(data + 1, node->can.uuid, BUS_NODE_UUID_BYTES);
	data[7] = number;
	assert_int_equal(say(bus, ADMIN, data, sizeof(data)), 0);
	bench_advance(bus->bench, 10 * NSEC_PER_MSEC);
}

/* All frames under that number that come within a short time. */
static unsigned gather(struct bus *bus, uint32_t number, uint8_t *ret, size_t *ret_count)
{
	struct can_frame_seen frame;
	unsigned frames = 0;
	*ret_count = 0;
	while (can_receive(bus->can, &frame, REPLY_MSEC) == 0) {
		bus->errors += frame.is_error;
		if (frame.is_error || frame.number != number)
			continue;
		frames++;
		if (*ret_count + frame.length <= FRAME_MOST)
			memcpy(ret + *ret_count, frame.data, frame.length);
		*ret_count += frame.length;
	}
	return frames;
}

static size_t make_frame(uint8_t code, const uint8_t *payload, size_t words, uint8_t *ret)
{
	uint16_t crc = 0xffff;
	size_t at = 4 + 4 * words;
	memcpy(ret, (uint8_t[]){ 0x01, 0x88, code, (uint8_t)words }, 4);
	if (words)
		memcpy(ret + 4, payload, 4 * words);
	for (size_t bit = 16; bit < 8 * at; bit++) {
		unsigned low = (crc ^ ret[bit / 8] >> (bit & 7)) & 1u;
		crc = (uint16_t)(crc >> 1 ^ (low ? 0x8408 : 0));
	}
	memcpy(ret + at, (uint8_t[]){ (uint8_t)crc, (uint8_t)(crc >> 8), 0x99, 0x03 }, 4);
	return at + 4;
}

/* `skip`: that piece of eight bytes is never sent, -1: all are. The answer's code, 0: silence. */
static int command(struct bus *bus, uint8_t code, const uint8_t *payload, size_t words, int skip)
{
	uint8_t frame[FRAME_MOST], answer[FRAME_MOST];
	size_t length = make_frame(code, payload, words, frame), count;
	for (size_t at = 0; at < length; at += 8) {
		size_t left = length - at < 8 ? length - at : 8;
		if ((int)(at / 8) != skip)
			assert_int_equal(say(bus, TO_NODE, frame + at, left), 0);
	}
	gather(bus, FROM_NODE, answer, &count);
	return count >= 8 ? answer[2] : 0;
}

static void put_word(uint8_t *ret, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		ret[i] = (uint8_t)(value >> 8 * i);
}

static int connect_to(struct bus *bus)
{
	return command(bus, KATA_CONNECT, NULL, 0, -1);
}

static int send_block(struct bus *bus, uint32_t address, int skip)
{
	uint8_t payload[4 + BLOCK];
	put_word(payload, address);
	for (unsigned i = 0; i < BLOCK; i++)
		payload[4 + i] = (uint8_t)(0x40 + i);
	return command(bus, KATA_SEND_BLOCK, payload, sizeof(payload) / 4, skip);
}

/* ---- frames ------------------------------------------------------------------------------- */

/* Without a stuff bit a frame of n bytes takes 47 + 8 n bits, with the gap; at most one is put in
 * after each four, behind the first, of the 34 + 8 n that can be stuffed. */
static void a_frame_takes_as_long_as_its_bits(void **state)
{
	(void)state;
	uint64_t noise = 1, sum = 0;
	for (unsigned i = 0; i < TRIALS; i++) {
		struct can_bits frame = { .number = noise_next(&noise) % 0x800,
			.length = (uint8_t)(noise_next(&noise) % 9) };
		for (unsigned at = 0; at < CAN_FRAME_BYTES; at++)
			frame.data[at] = (uint8_t)noise_next(&noise);
		unsigned bits = can_frame_bit_count(&frame), least = 47u + 8u * frame.length;
		assert_in_range(bits, least, least + (34u + 8u * frame.length - 1) / 4);
		frame.length = 8;
		sum += can_frame_bit_count(&frame);
	}
	/* Measured on real streams: 112 to 114 on average. */
	assert_in_range(sum / TRIALS, 112, 116);
}

static void a_lone_adapter_becomes_passive_and_never_goes_off(void **state)
{
	struct bus *bus = begin(state, NULL);
	assert_int_equal(say(bus, ADMIN, "\0", 1), 0);
	bench_advance(bus->bench, NSEC_PER_SEC);
	assert_int_equal(bench_bus(bus->bench)->send_errors, 128);
	assert_int_equal(bench_bus(bus->bench)->state, CAN_BUS_IS_PASSIVE);
	assert_int_equal(bench_bus(bus->bench)->host_frames, 0);
	/* Who comes then acknowledges what was repeated all the time. */
	plug(bus, 1, STM32_G0B1_128K);
	bench_advance(bus->bench, NSEC_PER_MSEC);
	assert_int_equal(bench_bus(bus->bench)->host_frames, 1);
	assert_in_range(bench_bus(bus->bench)->send_errors, 0, 127);
}

static void at_another_rate_it_goes_off_and_restarts_when_told_so(void **state)
{
	const struct can_bus_options options = { .host_bitrate = 500000, .restart_msec = RESTART };
	struct bus *bus = begin(state, &options);
	plug(bus, 1, STM32_G0B1_128K);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(say(bus, ADMIN, "\0", 1), 0);
	bench_advance(bus->bench, RESTART / 2 * NSEC_PER_MSEC);
	assert_int_equal(bench_bus(bus->bench)->state, CAN_BUS_IS_OFF);
	bench_advance(bus->bench, RESTART * NSEC_PER_MSEC);
	assert_int_equal(bench_bus(bus->bench)->state, CAN_BUS_IS_ACTIVE);
	/* What was under way then has gone, and the next ones have room. */
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(say(bus, ADMIN, "\0", 1), 0);
}

/* It says what it likes of its bitrate: the bus runs as it was built. */
static void a_bridge_does_not_care_for_the_bitrate(void **state)
{
	const struct can_bus_options options = { .host_bitrate = 500000, .is_bridge = true };
	struct bus *bus = begin(state, &options);
	struct resident *node = plug(bus, 1, STM32_G0B1_128K);
	give_number(bus, node, 0x11, NUMBER);
	assert_int_equal(node->can.number, NUMBER);
	assert_int_equal(connect_to(bus), KATA_ACK);
}

static void a_node_repeats_what_nobody_acknowledges(void **state)
{
	struct bus *bus = begin(state, NULL);
	struct resident *node = plug(bus, 1, STM32_G0B1_128K);
	assert_int_equal(say(bus, ADMIN, "\0", 1), 0);
	while (!node->can.is_leaving)
		bench_advance(bus->bench, NSEC_PER_USEC);
	/* The host's controller leaves in that moment. */
	bench_bus(bus->bench)->send_errors = 256;
	bench_bus(bus->bench)->state = CAN_BUS_IS_OFF;
	bench_advance(bus->bench, NSEC_PER_SEC);
	assert_int_equal(bench_bus(bus->bench)->node_frames, 0);
}

/* ---- numbers ------------------------------------------------------------------------------ */

static void each_query_of_several_nodes_collides(void **state)
{
	uint8_t bytes[FRAME_MOST];
	size_t count;
	struct bus *bus = begin(state, NULL);
	plug(bus, 1, STM32_G0B1_128K);
	plug(bus, 2, STM32_G0B1_128K);
	for (unsigned i = 1; i <= 2; i++) {
		bus->errors = 0;
		assert_int_equal(say(bus, ADMIN, "\0", 1), 0);
		assert_int_equal(gather(bus, ANSWER, bytes, &count), 2);
		if (!bus->errors)
			fail_msg("query %u went without an error", i);
	}
}

static void a_katapult_drops_a_number_that_is_anothers(void **state)
{
	struct bus *bus = begin(state, NULL);
	struct resident *one = plug(bus, 1, STM32_G0B1_128K);
	struct resident *other = plug(bus, 2, STM32_G0B1_128K);
	give_number(bus, one, 0x01, NUMBER);
	assert_int_equal(one->can.number, 0);
	give_number(bus, one, 0x11, NUMBER);
	assert_int_equal(connect_to(bus), KATA_ACK);
	give_number(bus, other, 0x11, NUMBER);
	assert_int_equal(one->can.number, 0);
	assert_int_equal(other->can.number, NUMBER);
	assert_int_equal(say(bus, FROM_NODE, "x", 1), 0);
	bench_advance(bus->bench, 10 * NSEC_PER_MSEC);
	assert_int_equal(other->can.number, 0);
	assert_int_equal(connect_to(bus), 0);
	give_number(bus, one, 0x11, NUMBER);
	assert_int_equal(say(bus, ADMIN, "\x12", 1), 0);
	bench_advance(bus->bench, 10 * NSEC_PER_MSEC);
	assert_int_equal(one->can.number, 0);
}

/* ---- bytes -------------------------------------------------------------------------------- */

static void a_piece_that_is_lost_leaves_it_deaf_unless_it_is_the_first(void **state)
{
	for (int skip = 0; skip < 10; skip += 3) {
		struct bus *bus = begin(state, NULL);
		struct resident *node = plug(bus, 1, STM32_G0B1_128K);
		give_number(bus, node, 0x11, NUMBER);
		assert_int_equal(connect_to(bus), KATA_ACK);
		send_block(bus, START, skip);
		int again = send_block(bus, START, -1);
		if (skip == 0) {
			assert_int_equal(again, KATA_ACK);
			continue;
		}
		/* At most the one NACK, and nothing for ever. */
		assert_true(again == 0 || again == KATA_NACK);
		give_number(bus, node, 0x11, NUMBER);
		assert_int_equal(connect_to(bus), 0);
		assert_int_equal(node->katapult.counters.wedges, 1);
	}
}

static void three_pieces_wait_while_flash_works_and_no_more(void **state)
{
	uint8_t payload[4 + BLOCK] = { 0 }, frame[FRAME_MOST];
	struct bus *bus = begin(state, NULL);
	struct resident *node = plug(bus, 1, STM32_G0B1_128K);
	give_number(bus, node, 0x11, NUMBER);
	assert_int_equal(connect_to(bus), KATA_ACK);
	/* Over something else, so that it must erase. */
	assert_int_equal(send_block(bus, START, -1), KATA_ACK);
	put_word(payload, START);
	size_t length = make_frame(KATA_SEND_BLOCK, payload, sizeof(payload) / 4, frame);
	for (unsigned time = 0; time < 2; time++)
		for (size_t at = 0; at < length; at += 8)
			assert_int_equal(
				say(bus, TO_NODE, frame + at, length - at < 8 ? length - at : 8),
				0);
	bench_advance(bus->bench, NSEC_PER_SEC);
	assert_int_equal(node->can.counters.lost, (length + 7) / 8 - BUS_NODE_FIFO);
	assert_int_equal(node->katapult.counters.blocks_sent, 2);
}

int main(void)
{
	const struct CMUnitTest stories[] = {
		cmocka_unit_test(a_frame_takes_as_long_as_its_bits),
		cmocka_unit_test_teardown(
			a_lone_adapter_becomes_passive_and_never_goes_off, tear_down),
		cmocka_unit_test_teardown(
			at_another_rate_it_goes_off_and_restarts_when_told_so, tear_down),
		cmocka_unit_test_teardown(a_bridge_does_not_care_for_the_bitrate, tear_down),
		cmocka_unit_test_teardown(a_node_repeats_what_nobody_acknowledges, tear_down),
		cmocka_unit_test_teardown(each_query_of_several_nodes_collides, tear_down),
		cmocka_unit_test_teardown(a_katapult_drops_a_number_that_is_anothers, tear_down),
		cmocka_unit_test_teardown(
			a_piece_that_is_lost_leaves_it_deaf_unless_it_is_the_first, tear_down),
		cmocka_unit_test_teardown(
			three_pieces_wait_while_flash_works_and_no_more, tear_down),
	};
	return cmocka_run_group_tests(stories, NULL, NULL);
}
