/* SPDX-License-Identifier: MIT */
/*
 * How long a visit to Katapult takes, in virtual time and with the real chips' times, against what
 * it cannot do without: the work of the flash, a turn-around for each block that is written, and
 * half of one for each that is read, because two reads are under way at once.
 *
 * On the emulated bus every packet takes the time of a full one, as if it were 64 bytes: there the
 * two packets that a block needs (two requests in one, two answers in three) are more than half a
 * turn-around of three packets, and what the bus needs is the limit.
 */
#include "unit/katapult_story.h"

#include "backend/katapult_wire.h"

#define BLOCK        64u
#define TRIAL_BLOCKS 64u
/* Blank ones behind a program, by which its end is known. */
#define GAP_BLOCKS 32u
/* Of the limit. */
#define MOST_PERCENT       110u
#define MOST_PERCENT_AGAIN 115u

static const struct story_board boards[] = {
	{ .chip = STM32_G0B1_512K, .old_bytes = STORY_KLIPPER_BYTES },
	{ .chip = STM32_F429_1MB, .old_bytes = STORY_KLIPPER_BYTES },
	{ .chip = STM32_F446, .old_bytes = STORY_KLIPPER_BYTES },
	{ .chip = STM32_H723, .old_bytes = STORY_KLIPPER_BYTES },
	{ .is_rp2040 = true, .old_bytes = STORY_KLIPPER_BYTES },
};

/* What one command costs when nothing else is under way, flash not counted. */
struct turns {
	uint64_t send_nsec, read_nsec;
};

static uint64_t sending_nsec(
	const struct katapult_story *story, struct katapult_wire *wire, uint32_t start)
{
	uint64_t flash = katapult_story_flash_nsec(story), since = bench_now_nsec(story->bench);
	for (uint32_t at = 0; at < TRIAL_BLOCKS * BLOCK; at += BLOCK)
		assert_int_equal(
			katapult_send_block(wire, start + at, story->bytes + at, BLOCK), 0);
	return bench_now_nsec(story->bench) - since - (katapult_story_flash_nsec(story) - flash);
}

static uint64_t reading_nsec(
	const struct katapult_story *story, struct katapult_wire *wire, uint32_t start)
{
	uint8_t bytes[TRIAL_BLOCKS * BLOCK];
	uint64_t since = bench_now_nsec(story->bench);
	assert_int_equal(katapult_read(wire, start, bytes, sizeof(bytes), BLOCK, NULL, NULL), 0);
	return bench_now_nsec(story->bench) - since;
}

static struct turns turns_of(const struct story_board *options)
{
	struct story_board blank = *options;
	blank.old_bytes = 0;
	_cleanup_(katapult_story_freep) struct katapult_story *story = katapult_story_new(&blank);
	const struct board_address address = katapult_story_address(story);
	const struct serial_address tty = { .usb_syspath = address.usb.syspath,
		.usb_arrival = address.usb.arrival,
		.node = address.tty };
	struct katapult_wire wire = { 0 }; /* no room: one by one */
	struct katapult_device device;
	struct serial *serial = NULL;
	assert_int_equal(serial_open(&tty, options->baud ? options->baud : 115200, &serial), 0);
	wire.stream = serial_stream(serial);
	assert_int_equal(katapult_connect(&wire, &device), 0);
	const struct turns turns = {
		.send_nsec = sending_nsec(story, &wire, device.application_start) / TRIAL_BLOCKS,
		.read_nsec = reading_nsec(story, &wire, device.application_start) / TRIAL_BLOCKS,
	};
	serial_close(serial);
	return turns;
}

static uint64_t blocks_of(size_t bytes)
{
	return (bytes + BLOCK - 1) / BLOCK;
}

static uint64_t took(const struct katapult_visit *visit)
{
	return visit->open_nsec + visit->probe_nsec + visit->write_nsec;
}

static unsigned permille(uint64_t part, uint64_t whole)
{
	return (unsigned)(part * 1000 / whole);
}

static void expect_within(const char *name, const char *what, uint64_t nsec, uint64_t limit_nsec,
	unsigned most_percent)
{
	unsigned share = permille(nsec, limit_nsec);
	print_message("# FIGURE %s, %s: %u.%u ms, %u.%03u of the limit\n", name, what,
		(unsigned)(nsec / NSEC_PER_MSEC), (unsigned)(nsec / (NSEC_PER_MSEC / 10) % 10),
		share / 1000, share % 1000);
	assert_in_range(nsec, 1, limit_nsec * most_percent / 100);
}

/* Old firmware that is kept, new firmware, proved. */
static void a_job_takes_what_flash_and_turns_need(void **state)
{
	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(boards); i++) {
		const struct turns turns = turns_of(&boards[i]);
		_cleanup_(katapult_story_freep) struct katapult_story *story =
			katapult_story_new(&boards[i]);
		uint64_t flash = katapult_story_flash_nsec(story);
		struct katapult_visit visit = katapult_story_write(story, false);
		katapult_story_expect_flashed(story, &visit);
		assert_int_equal(story->keeps, 1);
		uint64_t reads = blocks_of(story->old_length) + blocks_of(story->length);
		uint64_t limit = katapult_story_flash_nsec(story) - flash +
				 blocks_of(story->length) * turns.send_nsec +
				 reads * turns.read_nsec / 2;
		print_message("# %s: a block is sent in %u us, read in %u us\n",
			katapult_story_name(story), (unsigned)(turns.send_nsec / NSEC_PER_USEC),
			(unsigned)(turns.read_nsec / NSEC_PER_USEC));
		expect_within(katapult_story_name(story), "44.5 KB over an old firmware",
			took(&visit), limit, MOST_PERCENT);
	}
}

static void what_is_there_is_only_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(boards); i++) {
		const struct turns turns = turns_of(&boards[i]);
		_cleanup_(katapult_story_freep) struct katapult_story *story =
			katapult_story_new(&boards[i]);
		struct katapult_visit visit = katapult_story_write(story, false);
		katapult_story_expect_flashed(story, &visit);
		uint64_t erases = katapult_story_erases(story);
		visit = katapult_story_write(story, false);
		katapult_story_expect_flashed(story, &visit);
		assert_int_equal(katapult_story_erases(story), erases);
		assert_int_equal(visit.tally.units_identical, visit.tally.units_total);
		uint64_t half_turns = blocks_of(story->length) * turns.read_nsec / 2;
		uint64_t packets = (blocks_of(story->length) + GAP_BLOCKS) * 2 * PACKET_NSEC;
		unsigned share = permille(took(&visit), half_turns);
		print_message("# FIGURE %s, the same image again: %u.%03u of half turn-arounds\n",
			katapult_story_name(story), share / 1000, share % 1000);
		expect_within(katapult_story_name(story), "the same image again", took(&visit),
			half_turns > packets ? half_turns : packets, MOST_PERCENT_AGAIN);
	}
}

/* A byte is ten bits, one after the other, but for requests that go out while an answer comes. */
static void a_uart_is_as_fast_as_its_wire(void **state)
{
	(void)state;
	static const uint32_t rates[] = { 250000, 115200 };
	for (size_t i = 0; i < ELEMENTSOF(rates); i++) {
		const struct story_board options = {
			.chip = STM32_G0B1_512K, .baud = rates[i], .old_bytes = STORY_KLIPPER_BYTES
		};
		_cleanup_(katapult_story_freep) struct katapult_story *story =
			katapult_story_new(&options);
		uint64_t flash = katapult_story_flash_nsec(story);
		struct katapult_visit visit = katapult_story_write(story, false);
		katapult_story_expect_flashed(story, &visit);
		assert_int_equal(bench_resident(story->board)->uart.lost, 0);
		assert_int_equal(katapult_story_line(story)->unsent, 0);
		flash = katapult_story_flash_nsec(story) - flash;
		/* SEND_BLOCK and its answer; REQUEST_BLOCK and its answer. */
		uint64_t bytes = blocks_of(story->length) * (76 + 16) +
				 blocks_of(story->old_length) * (12 + 80) +
				 blocks_of(story->length) * (12 + 80);
		char name[64];
		snprintf(name, sizeof(name), "g0b1 on a UART at %u baud", rates[i]);
		expect_within(name, "44.5 KB over an old firmware", took(&visit),
			flash + bytes * 10 * NSEC_PER_SEC / rates[i], 100);
	}
}

int main(void)
{
	const struct CMUnitTest stories[] = {
		cmocka_unit_test(a_job_takes_what_flash_and_turns_need),
		cmocka_unit_test(what_is_there_is_only_read),
		cmocka_unit_test(a_uart_is_as_fast_as_its_wire),
	};
	return cmocka_run_group_tests(stories, NULL, NULL);
}
