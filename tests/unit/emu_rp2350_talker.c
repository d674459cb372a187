/* SPDX-License-Identifier: MIT */
/*
 * The talker of the RP2350's tests.
 */
#include <string.h>

#include "unit/emu_rp2350_talker.h"

struct talker *rp2350_begin_raw(void **state, struct rp2040_options options)
{
	static struct talker talker;
	options.chip = RP2040_CHIP_RP2350;
	memcpy(options.unique_id,
		(const uint8_t[8]){ 0x01, 0x23, 0xab, 0xcd, 0x45, 0x67, 0x89, 0xef }, 8);
	talker_set_up_with(&talker, &options);
	*state = &talker;
	assert_int_equal(talker_open_board(&talker), 0);
	return &talker;
}

struct talker *rp2350_begin_well(void **state, struct rp2040_options options)
{
	struct talker *talker = rp2350_begin_raw(state, options);
	assert_int_equal(talker_simple(talker, EXIT_XIP), 0);
	return talker;
}

void rp2350_put_words(uint8_t *to, const uint32_t *words, size_t count)
{
	for (size_t index = 0; index < 4 * count; index++)
		to[index] = (uint8_t)(words[index / 4] >> 8 * (index % 4));
}

void rp2350_make_program(uint8_t *bytes, size_t length, uint32_t type)
{
	const uint32_t block[] = { BLOCK_START, type, BLOCK_LAST(1), 0, BLOCK_END };
	for (size_t index = 0; index < length; index++)
		bytes[index] = (uint8_t)(index * 5 + index / 256);
	rp2350_put_words(bytes, (uint32_t[2]){ 0x20082000, 0x100001f7 }, 2);
	rp2350_put_words(bytes + RP2350_BLOCK, block, ELEMENTSOF(block));
}

void rp2350_assert_string(struct talker *talker, uint16_t index, const char *text)
{
	uint8_t bytes[255];
	char seen[127] = { 0 };
	int length = usb_control(
		talker->device, 0x80, 6, (uint16_t)(0x300 | index), 0x409, bytes, 255, 100);
	for (int at = 2; at < length; at += 2)
		seen[at / 2 - 1] = (char)bytes[at];
	assert_string_equal(seen, text);
}

void rp2350_assert_refused(struct talker *talker, uint32_t code)
{
	uint32_t seen;
	bool in_progress;
	talker_get_status(talker, &seen, &in_progress);
	assert_int_equal(seen, code);
	assert_false(in_progress);
	assert_true(talker_is_halted(talker, OUT));
	assert_true(talker_is_halted(talker, IN));
	assert_int_equal(usb_clear_halt(talker->device, IN), 0);
	assert_int_equal(usb_clear_halt(talker->device, OUT), 0);
}
