/* SPDX-License-Identifier: MIT */
/*
 * Frames that an adapter or a driver loses, doubles, damages or swaps, one accident a job, from
 * seeds; another node, in Katapult too, sits on the same bus and must never notice. A sample; all
 * of it by PLUGFLASH_CAMPAIGN=full.
 */
#include "unit/katapult_story.h"

#include <stdlib.h>

#include "emu/noise.h"

#define ALL    10000u
#define SAMPLE 200u
#define BYTES  8192u

static const struct story_board boards[] = {
	{ .chip = STM32_G0B1_128K, .on_can = true, .old_bytes = BYTES, .image_bytes = BYTES },
	{ .chip = STM32_F446, .on_can = true, .old_bytes = BYTES, .image_bytes = BYTES },
	{ .chip = STM32_F072, .on_can = true, .old_bytes = BYTES, .image_bytes = BYTES },
};

static unsigned accidents(void)
{
	const char *campaign = getenv("PLUGFLASH_CAMPAIGN");
	return campaign && strcmp(campaign, "full") == 0 ? ALL : SAMPLE;
}

/* ---- the neighbour ------------------------------------------------------------------------ */

static struct bench_board *plug_neighbour(struct katapult_story *story)
{
	struct bench_board *board = katapult_story_plug_beside(story, STM32_G0B1_128K, 7);
	stm32_reset_counters(bench_stm32(board));
	return board;
}

static void expect_untouched(struct bench_board *neighbour)
{
	const struct resident *resident = bench_resident(neighbour);
	assert_int_equal(stm32_counters(bench_stm32(neighbour))->erases, 0);
	assert_int_equal(resident->katapult.counters.blocks_sent, 0);
	assert_int_equal(resident->katapult.counters.completes, 0);
	assert_int_equal(resident->can.counters.numbered, 0);
}

/* ---- what became of the jobs -------------------------------------------------------------- */

struct tally {
	unsigned verified, silent, refused, unheard_starts;
};

static void expect_safe(struct katapult_story *story, const struct katapult_visit *visit,
	bool to_host, unsigned number, struct tally *tally)
{
	const struct kata_counters *counters = katapult_story_counters(story);
	assert_int_equal(counters->unverified_completes, 0);
	if (to_host)
		assert_int_equal(counters->wedges, 0);
	if (visit->is_written) {
		assert_true(katapult_story_holds_image(story));
		tally->verified++;
		tally->unheard_starts += !visit->is_restarted;
		return;
	}
	assert_int_equal(counters->completes, 0);
	assert_true(katapult_story_is_in_katapult(story));
	if (visit->failure.code != REASON_BOARD_SILENT)
		fail_msg("%u: %s: %s", number, reason_name(visit->failure.code),
			visit->failure.sentence);
	assert_non_null(strstr(visit->failure.sentence, "reset"));
	tally->silent++;
}

static void count_frames(uint64_t ret[ELEMENTSOF(boards)][2])
{
	for (size_t i = 0; i < ELEMENTSOF(boards); i++) {
		_cleanup_(katapult_story_freep) struct katapult_story *story =
			katapult_story_new(&boards[i]);
		struct katapult_visit visit = katapult_story_visit(story, false);
		katapult_story_expect_flashed(story, &visit);
		ret[i][0] = bench_bus(story->bench)->host_frames;
		ret[i][1] = bench_bus(story->bench)->node_frames;
	}
}

static void have_accidents(bool to_host)
{
	uint64_t frames[ELEMENTSOF(boards)][2], noise = 0xca4 + to_host;
	struct tally tally = { 0 };
	unsigned count = accidents() / 2;
	count_frames(frames);
	for (unsigned i = 0; i < count; i++) {
		size_t which = i % ELEMENTSOF(boards);
		_cleanup_(katapult_story_freep) struct katapult_story *story =
			katapult_story_new(&boards[which]);
		struct bench_board *neighbour = plug_neighbour(story);
		const struct can_bus_fault fault = {
			.kind = (enum can_bus_fault_kind)(noise_next(&noise) % 4),
			.to_host = to_host,
			.nth = noise_next(&noise) % frames[which][to_host],
			.bit = (uint8_t)(noise_next(&noise) % 64),
		};
		struct can_bus *bus = bench_bus(story->bench);
		int armed = can_bus_arm(bus, &fault);
		assert_true(armed >= 0);
		struct katapult_visit visit = katapult_story_visit(story, false);
		assert_int_equal(bus->faults[armed].struck, 1);
		expect_safe(story, &visit, to_host, i, &tally);
		expect_untouched(neighbour);
	}
	print_message("# FIGURE can, %u accidents of frames towards the %s: %u verified (%u starts "
		      "unheard of), %u need a reset\n",
		count, to_host ? "host" : "node", tally.verified, tally.unheard_starts,
		tally.silent);
	if (to_host)
		assert_int_equal(tally.verified, count);
}

static void what_the_host_hears_may_be_damaged(void **state)
{
	(void)state;
	have_accidents(true);
}

static void what_the_node_hears_may_be_damaged(void **state)
{
	(void)state;
	have_accidents(false);
}

int main(void)
{
	const struct CMUnitTest stories[] = {
		cmocka_unit_test(what_the_host_hears_may_be_damaged),
		cmocka_unit_test(what_the_node_hears_may_be_damaged),
	};
	return cmocka_run_group_tests(stories, NULL, NULL);
}
