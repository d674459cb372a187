/* SPDX-License-Identifier: MIT */
/*
 * The emulated Klipper: blocks and their sequence, identify, what it says unasked.
 */
#include <errno.h>
#include <string.h>

#include "unit/emu_katapult_talker.h"
#include "unit/emu_stm32_talker.h"

#define APP_BYTES       0x1000u
#define DICTIONARY      4000u
#define IDENTIFY        "08100100285e9f7e" /* offset 0, count 40, sequence 0 */
#define NAK             "05109e817e"
#define ACK             "05118f087e"
#define BLOCK_OVERHEAD  5
#define GREATEST_OFFSET 12287u

static struct kt the_kt;
static uint8_t image[APP_BYTES], dictionary[DICTIONARY];

static struct stm32_options klipper(enum stm32_chip chip)
{
	struct stm32_options options = { .chip = chip };
	rom_make_image(image, sizeof(image), KT_FLASH, KT_SMALL);
	options.image = image;
	options.image_bytes = sizeof(image);
	kt_fill(dictionary, sizeof(dictionary), 0x78);
	options.resident.klipper.dictionary = dictionary;
	options.resident.klipper.dictionary_bytes = sizeof(dictionary);
	return options;
}

static struct kt *set_up_with(void **state, struct stm32_options options)
{
	kt_plug_image(&the_kt, state, &options);
	assert_int_equal(kt_mode(&the_kt), STM32_APPLICATION);
	assert_int_equal(kt_open(&the_kt), 0);
	return &the_kt;
}

static struct kt *set_up(void **state)
{
	return set_up_with(state, klipper(STM32_F446));
}

static const struct klip_counters *counters(struct kt *kt)
{
	return &bench_resident(kt->board)->klipper.counters;
}

/* Seals and sends a block with this content. */
static void send_block(struct kt *kt, unsigned sequence, const uint8_t *content, size_t length)
{
	uint8_t block[64] = { (uint8_t)(length + BLOCK_OVERHEAD), (uint8_t)(0x10 | sequence) };
	memcpy(block + 2, content, length);
	uint16_t crc = kata_crc(block, length + 2);
	block[length + 2] = (uint8_t)(crc >> 8);
	block[length + 3] = (uint8_t)crc;
	block[length + 4] = 0x7e;
	kt_send(kt, block, length + BLOCK_OVERHEAD);
}

/* --- blocks ------------------------------------------------------------------------------ */

static void test_identify_byte_for_byte(void **state)
{
	uint8_t got[128];
	struct kt *kt = set_up(state);
	kt_send_hex(kt, IDENTIFY);
	assert_int_equal(kt_gather(kt, got, sizeof(got), KT_SOON_MSEC), 0x30 + 5);
	assert_memory_equal(got, "\x30\x11\x00\x00\x28", 5);
	assert_memory_equal(got + 5, dictionary, 40);
	assert_int_equal(got[0x2f], 0x7e);
	assert_memory_equal(got + 0x30, "\x05\x11\x8f\x08\x7e", 5);
	/* Offset 96, count 55: its sequence was 6 when it was looked at. */
	kt_send_hex(kt, "0916018060 3792e57e");
	assert_int_equal(kt_gather(kt, got, sizeof(got), KT_SOON_MSEC), 5);
	assert_memory_equal(got, "\x05\x11\x8f\x08\x7e", 5);
	assert_int_equal(counters(kt)->naks, 1);
}

static void test_a_newcomer_learns_the_sequence(void **state)
{
	uint8_t got[128];
	struct kt *kt = set_up(state);
	send_block(kt, 5, (const uint8_t *)"\x01\x00\x28", 3);
	kt_expect_hex(kt, NAK);
	for (unsigned sequence = 0; sequence < 20; sequence++) {
		send_block(kt, sequence & 15, (const uint8_t *)"\x01\x00\x01", 3);
		assert_int_equal(kt_gather(kt, got, sizeof(got), KT_SOON_MSEC), 9 + 5);
		assert_int_equal(got[1], 0x10 | ((sequence + 1) & 15));
	}
	/* Whoever comes next finds it where it was. */
	kt_close(kt);
	assert_int_equal(kt_open(kt), 0);
	send_block(kt, 0, (const uint8_t *)"\x01\x00\x28", 3);
	assert_int_equal(kt_gather(kt, got, sizeof(got), KT_SOON_MSEC), 5);
	assert_int_equal(got[1], 0x14);
}

static void test_a_probe_of_katapult_is_harmless(void **state)
{
	uint8_t got[128];
	struct kt *kt = set_up(state);
	kt_send_hex(kt, "01881100f17c9903");
	kt_expect_hex(kt, NAK);
	kt_send_hex(kt, "01881100f17c9903");
	kt_expect_silence(kt); /* one until a good block */
	kt_send_hex(kt, "7e" IDENTIFY);
	assert_int_equal(kt_gather(kt, got, sizeof(got), KT_SOON_MSEC), 0x30 + 5);
	kt_send_hex(kt, "01881100f17c9903");
	assert_int_equal(kt_gather(kt, got, sizeof(got), KT_SOON_MSEC), 5);
	assert_int_equal(counters(kt)->damages, 2);
}

static void test_damage_ends_at_the_next_mark(void **state)
{
	uint8_t got[128];
	struct kt *kt = set_up(state);
	kt_send_hex(kt, "08100100285e9e7e" IDENTIFY);
	assert_int_equal(kt_gather(kt, got, sizeof(got), KT_SOON_MSEC), 5 + 0x30 + 5);
	assert_memory_equal(got, "\x05\x10\x9e\x81\x7e", 5);
	kt_send_hex(kt, "7e7e7e7e");
	kt_expect_silence(kt);
}

static void test_other_commands_are_acknowledged(void **state)
{
	struct kt *kt = set_up(state);
	send_block(kt, 0, (const uint8_t *)"\x04", 1);
	kt_expect_hex(kt, ACK);
	assert_int_equal(counters(kt)->ignored, 1);
}

/* --- identify ---------------------------------------------------------------------------- */

static size_t put_offset(uint8_t *ret, uint32_t offset)
{
	size_t count = 0;
	if (offset > GREATEST_OFFSET)
		ret[count++] = (uint8_t)(offset >> 14 | 0x80);
	if (offset > 95)
		ret[count++] = (uint8_t)(offset >> 7 | 0x80);
	ret[count++] = offset & 0x7f;
	return count;
}

static size_t identify(
	struct kt *kt, unsigned sequence, uint32_t offset, uint8_t count, uint8_t *ret)
{
	uint8_t content[8] = { 1 };
	size_t length = 1 + put_offset(content + 1, offset);
	content[length++] = count;
	send_block(kt, sequence, content, length);
	return kt_gather(kt, ret, 128, KT_SOON_MSEC);
}

static void test_a_whole_dictionary(void **state)
{
	uint8_t got[128], whole[DICTIONARY];
	struct kt *kt = set_up(state);
	size_t at = 0;
	for (unsigned sequence = 0; at < DICTIONARY; sequence++) {
		size_t head = at > 95 ? 5 : 4, wanted = DICTIONARY - at < 40 ? DICTIONARY - at : 40;
		size_t length = identify(kt, sequence & 15, (uint32_t)at, 40, got);
		assert_int_equal(length, 1 + head + wanted + 3 + 5);
		memcpy(whole + at, got + head + 1, wanted);
		at += wanted;
	}
	assert_memory_equal(whole, dictionary, DICTIONARY);
	assert_int_equal(identify(kt, 4, DICTIONARY, 40, got), 9 + 5);
	assert_int_equal(got[5], 0);
	assert_int_equal(identify(kt, 5, 20000, 40, got), 10 + 5);
}

static void test_what_does_not_fit_is_not_sent(void **state)
{
	static const struct {
		uint32_t offset;
		uint8_t count;
		bool fits;
	} cases[] = {
		{ 0, 56, true },
		{ 0, 57, false },
		{ 95, 56, true },
		{ 96, 55, true },
		{ 96, 56, false },
		{ 0, 95, false },
	};
	uint8_t got[128];
	struct kt *kt = set_up(state);
	for (unsigned index = 0; index < ELEMENTSOF(cases); index++)
		assert_int_equal(identify(kt, index, cases[index].offset, cases[index].count, got),
			(cases[index].fits ? 64 : 0) + 5);
}

/* A full packet is never the last one. */
static void test_packets_end_short(void **state)
{
	uint8_t got[128];
	struct kt *kt = set_up(state);
	uint64_t before = bench_resident(kt->board)->cdc.packets;
	assert_int_equal(identify(kt, 0, 0, 54, got), 62 + 5);
	assert_int_equal(bench_resident(kt->board)->cdc.packets - before, 3);
	before = bench_resident(kt->board)->cdc.packets;
	send_block(kt, 1, (const uint8_t *)"\x01\x00\x33", 3);
	assert_int_equal(kt_gather(kt, got, sizeof(got), KT_SOON_MSEC), 59 + 5);
	assert_int_equal(bench_resident(kt->board)->cdc.packets - before, 3);
}

/* --- unasked ----------------------------------------------------------------------------- */

static void test_what_it_says_unasked(void **state)
{
	uint8_t got[128];
	struct stm32_options options = klipper(STM32_F446);
	options.resident.klipper.unsolicited = true;
	struct kt *kt = set_up_with(state, options);
	kt_expect_hex(kt, "0610766cca7e");
	bench_advance(kt->bench, 5 * NSEC_PER_SEC);
	assert_int_equal(kt_gather(kt, got, sizeof(got), KT_SOON_MSEC), 15);
	assert_memory_equal(got, "\x0f\x10\x77\x9f\x20\x80\xe0\x00\xc0\x80\x80\x00", 12);
	bench_advance(kt->bench, 15 * NSEC_PER_SEC);
	assert_int_equal(kt_gather(kt, got, sizeof(got), KT_SOON_MSEC), 45);
}

static void test_a_mute_one(void **state)
{
	struct stm32_options options = klipper(STM32_F446);
	options.resident.klipper.mute = true;
	struct kt *kt = set_up_with(state, options);
	kt_send_hex(kt, IDENTIFY);
	kt_expect_silence(kt);
}

static void test_who_it_is(void **state)
{
	struct kt *kt = set_up(state);
	const struct hub_port *port = bench_port(kt->board);
	assert_int_equal(port->descriptor[8] | port->descriptor[9] << 8, 0x1d50);
	assert_int_equal(port->descriptor[10] | port->descriptor[11] << 8, 0x614e);
	assert_string_equal(port->manufacturer, "Klipper");
	assert_string_equal(port->product, "stm32f446xx");
	assert_string_equal(port->serial, "2B0007000C50425539393020");
}

#define TEST(function) cmocka_unit_test_teardown(function, kt_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_identify_byte_for_byte),
		TEST(test_a_newcomer_learns_the_sequence),
		TEST(test_a_probe_of_katapult_is_harmless),
		TEST(test_damage_ends_at_the_next_mark),
		TEST(test_other_commands_are_acknowledged),
		TEST(test_a_whole_dictionary),
		TEST(test_what_does_not_fit_is_not_sent),
		TEST(test_packets_end_short),
		TEST(test_what_it_says_unasked),
		TEST(test_a_mute_one),
		TEST(test_who_it_is),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
