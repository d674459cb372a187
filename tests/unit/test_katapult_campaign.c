/* SPDX-License-Identifier: MIT */
/*
 * Bytes that are damaged, lost or doubled on their way between a host and a Katapult with an old
 * firmware behind it, one accident a job, from seeds. A sample; all of it by
 * PLUGFLASH_CAMPAIGN=full.
 */
#include "unit/katapult_story.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "emu/noise.h"

#define ALL    1000u
#define SAMPLE 200u
#define BYTES  20480u

static const struct story_board boards[] = {
	{ .chip = STM32_G0B1_128K, .old_bytes = BYTES, .image_bytes = BYTES },
	{ .is_rp2040 = true, .old_bytes = BYTES, .image_bytes = BYTES },
	{ .chip = STM32_G0B1_128K, .baud = 250000, .old_bytes = BYTES, .image_bytes = BYTES },
	{ .chip = STM32_F446, .old_bytes = BYTES, .image_bytes = BYTES },
};

static unsigned accidents(void)
{
	const char *campaign = getenv("PLUGFLASH_CAMPAIGN");
	return campaign && strcmp(campaign, "full") == 0 ? ALL : SAMPLE;
}

/* How many bytes go each way when nothing happens. */
static void count_bytes(uint64_t ret[ELEMENTSOF(boards)][2])
{
	for (size_t i = 0; i < ELEMENTSOF(boards); i++) {
		_cleanup_(katapult_story_freep) struct katapult_story *story =
			katapult_story_new(&boards[i]);
		const uint64_t *bytes = katapult_story_line(story)->bytes;
		uint64_t before[] = { bytes[0], bytes[1] };
		struct katapult_visit visit = katapult_story_visit(story, false);
		katapult_story_expect_flashed(story, &visit);
		assert_int_equal(story->keeps, 1);
		ret[i][LINE_TO_BOARD] = bytes[LINE_TO_BOARD] - before[LINE_TO_BOARD];
		ret[i][LINE_TO_HOST] = bytes[LINE_TO_HOST] - before[LINE_TO_HOST];
	}
}

/* What became of the jobs. */
struct tally {
	unsigned verified, needs_reset, unheard_starts;
	unsigned windows; /* that ended while the application's first unit was written */
};

/* The damage was heard by the host alone. */
static void expect_cured(struct katapult_story *story, const struct katapult_visit *visit,
	unsigned number, struct tally *tally)
{
	const struct kata_counters *counters = katapult_story_counters(story);
	if (!visit->is_written)
		fail_msg("%u: %s: %s", number, katapult_story_name(story), visit->failure.sentence);
	assert_true(katapult_story_holds_image(story));
	assert_int_equal(counters->wedges, 0);
	assert_int_equal(counters->completes, 1);
	assert_int_equal(counters->unverified_completes, 0);
	tally->verified++;
	/* A UART does not leave: a lost answer to COMPLETE leaves a question. */
	tally->unheard_starts += !visit->is_restarted;
	assert_true(visit->is_restarted || story->options.baud);
	assert_true(katapult_story_await_application(story));
}

/* While its first unit is written, an application is there before it is whole: all the rest of it
 * must be, and what there is of the unit must be right. */
static void expect_window(const struct katapult_story *story, const struct katapult_visit *visit)
{
	const uint8_t *flash = katapult_story_flash(story);
	size_t same = 0, unit = story->unit_bytes;
	assert_memory_equal(flash + unit, story->bytes + unit, story->length - unit);
	while (same < unit && flash[same] == story->bytes[same])
		same++;
	for (; same < unit; same++)
		assert_int_equal(flash[same], 0xff);
	assert_non_null(strstr(visit->failure.sentence, "two quick presses of reset"));
}

/* Katapult has heard it. */
static void expect_safe(struct katapult_story *story, const struct katapult_visit *visit,
	unsigned number, struct tally *tally)
{
	const struct kata_counters *counters = katapult_story_counters(story);
	assert_int_equal(counters->unverified_completes, 0);
	if (visit->is_restarted || visit->is_written) {
		assert_true(katapult_story_holds_image(story));
		tally->verified++;
	}
	if (visit->is_restarted) {
		assert_true(katapult_story_await_application(story));
		return;
	}
	if (visit->failure.code != REASON_BOARD_SILENT)
		fail_msg("%u: %s: %s", number, katapult_story_name(story), visit->failure.sentence);
	assert_non_null(strstr(visit->failure.sentence, "reset"));
	tally->needs_reset++;
	assert_int_equal(counters->completes, 0);
	assert_true(katapult_story_is_in_katapult(story));
	bool is_safe = !katapult_story_would_start(story) || visit->is_written ||
		       katapult_story_is_as_before(story);
	tally->windows += !is_safe;
	if (!is_safe)
		expect_window(story, visit);
}

static void have_accidents(enum line_direction direction,
	void (*expect)(struct katapult_story *story, const struct katapult_visit *visit,
		unsigned number, struct tally *tally))
{
	uint64_t bytes[ELEMENTSOF(boards)][2], noise = 0x5eed + direction;
	struct tally tally = { 0 };
	unsigned count = accidents() / 2;
	count_bytes(bytes);
	for (unsigned i = 0; i < count; i++) {
		size_t which = i % ELEMENTSOF(boards);
		_cleanup_(katapult_story_freep) struct katapult_story *story =
			katapult_story_new(&boards[which]);
		const struct line_fault fault = {
			.kind = (enum line_fault_kind)(noise_next(&noise) % 3),
			.direction = direction,
			.nth = noise_next(&noise) % bytes[which][direction],
			.bit = (uint8_t)(noise_next(&noise) % 8),
		};
		int armed = bench_line_fault(story->board, &fault);
		assert_true(armed >= 0);
		struct katapult_visit visit = katapult_story_visit(story, false);
		assert_int_equal(line_fault_struck(katapult_story_line(story), armed), 1);
		expect(story, &visit, i, &tally);
	}
	print_message(
		"# FIGURE %u accidents towards the %s: %u verified (%u starts unheard of), %u "
		"need a reset (%u in the first unit)\n",
		count, direction == LINE_TO_HOST ? "host" : "board", tally.verified,
		tally.unheard_starts, tally.needs_reset, tally.windows);
}

static void what_the_host_hears_may_be_damaged(void **state)
{
	(void)state;
	have_accidents(LINE_TO_HOST, expect_cured);
}

static void what_the_board_hears_may_be_damaged(void **state)
{
	(void)state;
	have_accidents(LINE_TO_BOARD, expect_safe);
}

int main(void)
{
	const struct CMUnitTest stories[] = {
		cmocka_unit_test(what_the_host_hears_may_be_damaged),
		cmocka_unit_test(what_the_board_hears_may_be_damaged),
	};
	return cmocka_run_group_tests(stories, NULL, NULL);
}
