/* SPDX-License-Identifier: MIT */
/*
 * Klipper's blocks and numbers: every byte that is known of them, and what is made of damage.
 */
#include "unit/expect.h"

#include "backend/klipper_block.h"

static void expect_hex(const uint8_t *bytes, size_t length, const char *hex)
{
	char text[2 * KLIPPER_BLOCK_MAX + 1];
	text_hex(bytes, length, text);
	assert_string_equal(text, hex);
}

static size_t from_hex(const char *hex, uint8_t *ret)
{
	size_t length = strlen(hex) / 2;
	assert_int_equal(text_parse_hex(hex, ret, length), 0);
	return length;
}

/* ---- numbers ----------------------------------------------------------------------------- */

static void numbers_are_as_long_as_they_need_to_be(void **state)
{
	static const struct {
		int64_t number;
		const char *hex;
	} cases[] = {
		/* those that are known from builds and from the protocol's text */
		{ 40, "28" },
		{ 95, "5f" },
		{ 96, "8060" },
		{ -1, "7f" },
		{ -16, "70" },
		{ -32, "60" },
		{ -33, "ff5f" },
		{ 4000, "9f20" },
		{ 12288, "80e000" },
		{ 0x08000000, "c0808000" },
		{ 0xe000ed08, "8e8083da08" },
		/* the ends of the other ranges */
		{ 0, "00" },
		{ -4096, "e000" },
		{ 12287, "df7f" },
		{ -4097, "ffdf7f" },
		{ -524288, "e08000" },
		{ 1572863, "dfff7f" },
		{ 1572864, "80e08000" },
		{ -67108864, "e0808000" },
		{ 201326591, "dfffff7f" },
		{ 201326592, "80e0808000" },
		{ UINT32_MAX, "7f" },
		{ INT32_MIN, "8880808000" },
	};
	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		uint8_t bytes[KLIPPER_NUMBER_MAX];
		uint32_t back = 0;
		size_t at = 0, length = klipper_put_number((uint32_t)cases[i].number, bytes);
		expect_hex(bytes, length, cases[i].hex);
		assert_true(klipper_take_number(bytes, length, &at, &back));
		assert_int_equal(at, length);
		assert_int_equal(back, (uint32_t)cases[i].number);
		/* Cut short it is none, and nothing is moved. */
		at = 0;
		assert_false(klipper_take_number(bytes, length - 1, &at, &back));
		assert_int_equal(at, 0);
	}
}

static void a_number_without_an_end_is_none(void **state)
{
	(void)state;
	static const uint8_t bytes[8] = { 0x80, 0x80, 0x80, 0x80, 0x80, 0x01 };
	uint32_t number;
	size_t at = 0;
	assert_false(klipper_take_number(bytes, sizeof(bytes), &at, &number));
	/* Longer than it needs to be, it is one. */
	at = 1;
	assert_true(klipper_take_number(bytes, sizeof(bytes), &at, &number));
	assert_int_equal(number, 1);
	assert_int_equal(at, 6);
}

/* ---- blocks ------------------------------------------------------------------------------ */

static const struct {
	uint8_t sequence;
	const char *content, *hex;
} blocks[] = {
	{ 0, "010028", "08100100285e9f7e" }, /* identify offset=0 count=40 */
	{ 6, "01806037",
		"091601806037"
		"92e57e" }, /* offset=96 count=55 */
	{ 0, "", "05109e817e" }, { 1, "", "05118f087e" },
	{ 0, "76", "0610766cca7e" }, /* "starting" of some build */
};

static void blocks_are_byte_by_byte_as_klipper_makes_them(void **state)
{
	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(blocks); i++) {
		uint8_t content[KLIPPER_CONTENT_MAX], bytes[KLIPPER_BLOCK_MAX];
		size_t length = from_hex(blocks[i].content, content);
		length = klipper_block(blocks[i].sequence, content, length, bytes);
		expect_hex(bytes, length, blocks[i].hex);
	}
}

struct heard {
	struct klipper_receiver receiver;
	struct klipper_block block;
	unsigned blocks;
};

static void hear(struct heard *heard, const uint8_t *bytes, size_t length, size_t piece)
{
	for (size_t at = 0; at < length;) {
		size_t capacity, count = length - at < piece ? length - at : piece;
		uint8_t *space = klipper_receiver_space(&heard->receiver, &capacity);
		assert_true(capacity > 0);
		count = count < capacity ? count : capacity;
		memcpy(space, bytes + at, count);
		klipper_receiver_came(&heard->receiver, count);
		at += count;
		while (klipper_receiver_take(&heard->receiver, &heard->block))
			heard->blocks++;
	}
}

static unsigned blocks_in(const char *hex)
{
	struct heard heard = { 0 };
	uint8_t bytes[512];
	size_t length = from_hex(hex, bytes);
	hear(&heard, bytes, length, length);
	unsigned whole = heard.blocks;
	heard = (struct heard){ 0 };
	hear(&heard, bytes, length, 1);
	assert_int_equal(heard.blocks, whole);
	return whole;
}

static void what_was_made_is_taken(void **state)
{
	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(blocks); i++) {
		struct heard heard = { 0 };
		uint8_t content[KLIPPER_CONTENT_MAX], bytes[KLIPPER_BLOCK_MAX];
		size_t length = from_hex(blocks[i].content, content);
		hear(&heard, bytes, from_hex(blocks[i].hex, bytes), 1);
		assert_int_equal(heard.blocks, 1);
		assert_int_equal(heard.block.sequence, blocks[i].sequence);
		assert_int_equal(heard.block.length, length);
		assert_memory_equal(heard.block.content, content, length);
	}
}

#define IDENTIFY "08100100285e9f7e"
#define NAK      "05109e817e"

static void damage_ends_at_the_next_mark(void **state)
{
	(void)state;
	assert_int_equal(blocks_in("7e7e7e" NAK "7e7e" IDENTIFY "7e"), 2);
	assert_int_equal(blocks_in("08100100285e9e7e" NAK), 1); /* the checksum */
	assert_int_equal(blocks_in("05109e807e" NAK), 1);
	assert_int_equal(blocks_in("05109e817f" NAK), 0); /* no 7e: that of the next one is it */
	assert_int_equal(blocks_in("05109e817f" NAK NAK), 1);
	assert_int_equal(blocks_in("04107e" NAK), 1); /* too short, too long, no sequence */
	assert_int_equal(blocks_in("41107e" NAK), 1);
	assert_int_equal(blocks_in("05207e" NAK), 1);
	assert_int_equal(blocks_in("ffffffff7e" NAK), 1);
	assert_int_equal(blocks_in("ffffffff" NAK), 0);
	assert_int_equal(blocks_in("1001007e" NAK), 1); /* its first byte was lost */
	assert_int_equal(blocks_in("0188f10068959903" NAK NAK), 1); /* Katapult's */
}

static void a_mark_within_is_no_end(void **state)
{
	(void)state;
	uint8_t content[KLIPPER_CONTENT_MAX], bytes[KLIPPER_BLOCK_MAX];
	memset(content, KLIPPER_SYNC, sizeof(content));
	struct heard heard = { 0 };
	hear(&heard, bytes, klipper_block(15, content, sizeof(content), bytes), 3);
	assert_int_equal(heard.blocks, 1);
	assert_int_equal(heard.block.length, KLIPPER_CONTENT_MAX);
	assert_memory_equal(heard.block.content, content, sizeof(content));
	assert_int_equal(klipper_next(heard.block.sequence), 0);
}

static void no_flipped_bit_goes_through(void **state)
{
	(void)state;
	uint8_t bytes[KLIPPER_BLOCK_MAX];
	size_t length = from_hex("091601806037"
				 "92e57e",
		bytes);
	for (size_t bit = 0; bit < 8 * length; bit++) {
		struct heard heard = { 0 };
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		hear(&heard, bytes, length, length);
		assert_int_equal(heard.blocks, 0);
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_as_long_as_they_need_to_be),
		cmocka_unit_test(a_number_without_an_end_is_none),
		cmocka_unit_test(blocks_are_byte_by_byte_as_klipper_makes_them),
		cmocka_unit_test(what_was_made_is_taken),
		cmocka_unit_test(damage_ends_at_the_next_mark),
		cmocka_unit_test(a_mark_within_is_no_end),
		cmocka_unit_test(no_flipped_bit_goes_through),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
