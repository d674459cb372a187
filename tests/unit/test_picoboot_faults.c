/* SPDX-License-Identifier: MIT */
/*
 * Faults by the hundred, each from a seed: cables pulled and power cut at any moment, endpoints
 * that halt and wires that fail at any byte. After each the board is safe, and a replug and one
 * more visit end in a flashed board. The witness of picoboot_story.h looks on. All of it for either
 * chip: the state of a test says which.
 */
#include "unit/picoboot_story.h"

#include <stdlib.h>

#include "unit/make_image.h"

#define IMAGE_BYTES  45000u
#define UNPLUG_SEEDS 400
#define BYTE_SEEDS   100
#define BYTES_OF_JOB 100000u /* what an undisturbed job moves over the bulk endpoints, nearly */
#define NSEC_OF_JOB  830000000u

static uint32_t random_below(uint32_t *state, uint32_t limit)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state % limit;
}

/* Boards that were blank, held another application, held almost this one, or noise. */
static struct story *story_of_seed(enum rp2040_chip kind, uint32_t seed)
{
	_cleanup_(freep) uint8_t *old = story_make_bin(kind, IMAGE_BYTES, seed + 1000);
	_cleanup_(freep) uint8_t *wanted = story_make_bin(kind, IMAGE_BYTES, seed);
	struct rp2040_options options = { .chip = kind, .seed = seed };
	if (seed % 4 == 1 || seed % 4 == 2) {
		options.image = seed % 4 == 1 ? old : wanted;
		options.image_bytes = IMAGE_BYTES;
		wanted[30000] ^= 0x80;
	}
	options.random_flash = seed % 4 == 3;
	struct story *story = story_new(&options, IMAGE_BYTES, seed);
	story_set_image(story, wanted, IMAGE_BYTES);
	return story;
}

static enum rp2040_chip kind_of(void **test)
{
	return *(const enum rp2040_chip *)*test;
}

struct tally {
	enum rp2040_chip kind;
	unsigned fired, finished, untouched, fell_back, recoveries;
};

static void tell(const char *what, unsigned seeds, const struct tally *tally)
{
	print_message(
		"# %s %s: %u seeds, %u fired, %u visits finished all the same, %u left untouched, "
		"%u fell back to boot mode, %u recoveries\n",
		tally->kind == RP2040_CHIP_RP2350 ? "RP2350" : "RP2040", what, seeds, tally->fired,
		tally->finished, tally->untouched, tally->fell_back, tally->recoveries);
}

static void disturb(uint32_t seed, const struct rp2040_fault *fault, struct tally *tally)
{
	_cleanup_(story_freep) struct story *story = story_of_seed(tally->kind, seed);
	int number = bench_fault(story->board, fault);
	assert_true(number >= 0);
	struct visit visit = story_visit(story, false);
	tally->fired += bench_fault_fired(story->board, number);
	tally->finished += visit.result == 0;
	tally->recoveries += visit.tally.recoveries;
	if (visit.result == 0)
		assert_true(story_holds_image(story));
	story_expect_safe(story);
	if (visit.result < 0) {
		tally->untouched += story_is_as_before(story);
		tally->fell_back +=
			rp2040_flash_state(bench_rp2040(story->board)) == RP2040_FALLS_BACK;
	}
	story_expect_cured_by_replug(story);
}

static void a_cable_may_be_pulled_at_any_moment(void **test)
{
	struct tally tally = { .kind = kind_of(test) };
	for (uint32_t seed = 1; seed <= UNPLUG_SEEDS; seed++) {
		uint32_t state = seed * 2654435761u;
		disturb(seed,
			&(struct rp2040_fault){
				.kind = RP2040_FAULT_UNPLUG,
				.trigger = RP2040_AT_TIME,
				.nth = random_below(&state, NSEC_OF_JOB),
			},
			&tally);
	}
	tell("unplugged", UNPLUG_SEEDS, &tally);
	assert_true(tally.fired > UNPLUG_SEEDS / 2 && tally.fell_back > 0);
}

static void a_cable_may_be_pulled_around_the_last_act(void **test)
{
	uint32_t boot_page = kind_of(test) == RP2040_CHIP_RP2350 ? MADE_RP2350_BLOCK & ~255u : 0;
	struct tally tally = { .kind = kind_of(test) };
	for (uint32_t seed = 1; seed <= 100; seed++) {
		uint32_t state = seed * 2246822519u;
		disturb(seed,
			&(struct rp2040_fault){
				.kind = RP2040_FAULT_UNPLUG,
				.trigger = RP2040_AT_PAGE,
				.address = STORY_START + boot_page,
				.after_nsec = random_below(&state, 3000000),
			},
			&tally);
	}
	tell("unplugged around the boot page", 100, &tally);
	assert_true(tally.fired > 30 && tally.fell_back > 10 && tally.finished > 10);
}

static void the_power_may_fail_at_any_moment(void **test)
{
	struct tally tally = { .kind = kind_of(test) };
	for (uint32_t seed = 1; seed <= 100; seed++) {
		uint32_t state = seed * 3266489917u;
		disturb(seed,
			&(struct rp2040_fault){
				.kind = RP2040_FAULT_POWER_CYCLE,
				.trigger = RP2040_AT_TIME,
				.nth = random_below(&state, NSEC_OF_JOB),
				.msec = 1 + random_below(&state, 500),
			},
			&tally);
	}
	tell("power cycled", 100, &tally);
}

static void any_byte_may_meet_a_fault(void **test)
{
	static const struct {
		enum rp2040_fault_kind kind;
		uint8_t endpoint;
	} kinds[] = {
		{ RP2040_FAULT_STALL, 0x03 },
		{ RP2040_FAULT_STALL, 0x84 },
		{ RP2040_FAULT_WIRE_ERROR, 0 },
		{ RP2040_FAULT_LATE, 0 },
		{ RP2040_FAULT_UNPLUG, 0 },
		{ RP2040_FAULT_FLIP_BIT, 0 },
		{ RP2040_FAULT_LOST_ERASE, 0 },
	};
	struct tally tally = { .kind = kind_of(test) };
	for (uint32_t seed = 1; seed <= BYTE_SEEDS; seed++) {
		uint32_t state = seed * 668265263u;
		size_t kind = random_below(&state, ELEMENTSOF(kinds));
		disturb(seed,
			&(struct rp2040_fault){
				.kind = kinds[kind].kind,
				.endpoint = kinds[kind].endpoint,
				.trigger = RP2040_AT_BYTE,
				.nth = random_below(&state, BYTES_OF_JOB),
				.byte = (uint8_t)random_below(&state, 256),
				.bit = (uint8_t)random_below(&state, 8),
				.msec = random_below(&state, 300),
			},
			&tally);
	}
	tell("faults at a byte", BYTE_SEEDS, &tally);
	assert_true(tally.fired > BYTE_SEEDS / 2 && tally.finished > BYTE_SEEDS / 2);
}

static void faults_may_come_in_pairs(void **test)
{
	unsigned finished = 0, recoveries = 0;
	for (uint32_t seed = 1; seed <= 100; seed++) {
		_cleanup_(story_freep) struct story *story = story_of_seed(kind_of(test), seed);
		uint32_t state = seed * 374761393u;
		for (unsigned i = 0; i < 4; i++) {
			bool is_stall = random_below(&state, 2);
			struct rp2040_fault fault = {
				.kind = is_stall ? RP2040_FAULT_STALL : RP2040_FAULT_WIRE_ERROR,
				.endpoint = random_below(&state, 2) ? 0x03 : 0x84,
				.trigger = RP2040_AT_COMMAND,
				.nth = 1 + random_below(&state, 30),
				.after_nsec = random_below(&state, 50000000),
			};
			assert_true(bench_fault(story->board, &fault) >= 0);
		}
		struct visit visit = story_visit(story, false);
		story_expect_safe(story);
		finished += visit.result == 0;
		recoveries += visit.tally.recoveries;
		story_expect_cured_by_replug(story);
	}
	print_message("# four faults at once: 100 seeds, %u visits finished all the same, "
		      "%u recoveries\n",
		finished, recoveries);
	assert_true(finished > 90);
}

#define BOTH(story) \
	cmocka_unit_test_prestate(story, &rp2040), cmocka_unit_test_prestate(story, &rp2350)

int main(void)
{
	static enum rp2040_chip rp2040 = RP2040_CHIP_RP2040, rp2350 = RP2040_CHIP_RP2350;
	const struct CMUnitTest tests[] = {
		BOTH(a_cable_may_be_pulled_at_any_moment),
		BOTH(a_cable_may_be_pulled_around_the_last_act),
		BOTH(the_power_may_fail_at_any_moment),
		BOTH(any_byte_may_meet_a_fault),
		BOTH(faults_may_come_in_pairs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
