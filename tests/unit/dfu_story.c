/* SPDX-License-Identifier: MIT */
/* Visits to an emulated STM32; see dfu_story.h. */
#include "unit/dfu_story.h"

#include <errno.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "model/link_address.h"
#include "unit/make_image.h"

#define PRESENT_MSEC       5000
#define AFTER_RESTART_MSEC 4000
#define RESET_OFFSET       0x7000u

/* A test that fails jumps over its clean-up, and there can be one bench only. */
static struct dfu_story *current;

static uint8_t *flash_of(const struct dfu_story *story)
{
	size_t bytes;
	return stm32_flash(story->chip, &bytes);
}

/* ---- images ------------------------------------------------------------------------------- */

uint8_t *story_klipper(const char *mcu, uint32_t offset, size_t length, uint32_t seed)
{
	_cleanup_(freep) char *json = text_format(
		"{\"app\":\"Klipper\",\"build_versions\":\"gcc\",\"commands\":{},\"config\":{"
		"\"MCU\":\"%s\",\"CLOCK_FREQ\":64000000,\"RESERVE_PINS_USB\":\"PA11,PA12\"},"
		"\"version\":\"v0.13.0-%u-g0a1b2c3d\"}",
		mcu, seed);
	assert_non_null(json);
	const struct made_arm made = {
		.base = STM32_FLASH_BASE + offset,
		.length = length,
		.reset = RESET_OFFSET,
		.signs = ARM_KLIPPER_SIGNS,
		.json = json,
	};
	uint8_t *bytes = make_arm(&made);
	make_noise(bytes + RESET_OFFSET + 0x200, length - RESET_OFFSET - 0x200, seed);
	return bytes;
}

uint8_t *story_katapult(uint32_t application_offset)
{
	const struct made_arm made = {
		.base = STM32_FLASH_BASE,
		.length = KATAPULT_BYTES,
		.reset = 0x1000,
		.signs = LINK_RESET_CODE | LINK_DEFAULT_HANDLER,
	};
	uint8_t *bytes = make_arm(&made);
	make_katapult(bytes, STM32_FLASH_BASE);
	write_u32(bytes + 0x800, STM32_FLASH_BASE + application_offset);
	return bytes;
}

/* ---- the witness -------------------------------------------------------------------------- */

/* Stack and reset vector. An H7 writes 32 bytes at once. */
#define HEAD_MOST 32u

static bool is_whole_but_head(const struct dfu_story *story)
{
	return memcmp(flash_of(story) + story->offset + HEAD_MOST, story->bytes + HEAD_MOST,
		       story->length - HEAD_MOST) == 0;
}

/* Told as the work starts: so the flash is what the work before has left. */
static void on_board_event(void *context, const struct stm32_event *event)
{
	struct dfu_story *story = context;
	if (event->kind != STM32_EVENT_ERASE && event->kind != STM32_EVENT_PROGRAM)
		return;
	bool is_program = event->kind == STM32_EVENT_PROGRAM;
	bool is_first = story->erases == 0 && story->programs == 0;
	story->erases += !is_program;
	story->programs += is_program;
	if (is_program && event->value == stm32_flash_base(story->chip) + story->offset) {
		/* The last act: all the rest must be there. */
		story->vectors_programmed = true;
		if (!is_whole_but_head(story))
			fail_msg("the vector table is programmed before the rest is right");
		return;
	}
	/* A vector table that reads back wrongly goes again, and it may look like one. */
	bool is_cure = !is_program && story->vectors_programmed;
	if (!is_first && !is_cure && !dfu_story_is_as_before(story) &&
		stm32_flash_state(story->chip) == STM32_STARTS_APPLICATION)
		fail_msg("0x%08x is %s while the flash would start an application", event->value,
			is_program ? "programmed" : "erased");
}

static int on_progress(
	void *context, enum job_phase phase, uint64_t done_bytes, uint64_t total_bytes)
{
	struct dfu_story *story = context;
	assert_true(done_bytes <= total_bytes);
	story->calls++;
	if (story->stop_after != 0 && story->calls >= story->stop_after)
		return -ECANCELED;
	bool is_enough = story->stop_after_bytes != 0 && done_bytes >= story->stop_after_bytes;
	return phase == PHASE_WRITE && is_enough ? -ECANCELED : 0;
}

static void on_plan(void *context, const struct job_plan *plan)
{
	struct dfu_story *story = context;
	assert_int_equal(story->erases, 0);
	assert_int_equal(story->programs, 0);
	assert_true(text_is_plain(plan->sentence));
	story->plans++;
	story->plan = *plan;
}

/* ---- a board and its image ---------------------------------------------------------------- */

void dfu_story_set_image(
	struct dfu_story *story, const uint8_t *bytes, size_t length, uint32_t offset)
{
	free(story->bytes);
	image_free(story->image);
	story->bytes = malloc(length);
	assert_non_null(story->bytes);
	memcpy(story->bytes, bytes, length);
	story->length = length;
	story->offset = offset;
	story->image =
		make_value(FORMAT_ELF, bytes, length, stm32_flash_base(story->chip) + offset);
}

struct dfu_story *dfu_story_new(
	const struct stm32_options *options, uint32_t offset, size_t length, uint32_t seed)
{
	dfu_story_free(current);
	struct dfu_story *story = current = calloc(1, sizeof *story);
	assert_non_null(story);
	story->bench = bench_new();
	story->board = bench_plug_stm32(story->bench, DFU_PLACE, options);
	story->chip = bench_stm32(story->board);
	const uint8_t *flash = stm32_flash(story->chip, &story->flash_bytes);
	story->before = malloc(story->flash_bytes);
	assert_non_null(story->before);
	memcpy(story->before, flash, story->flash_bytes);
	_cleanup_(freep) uint8_t *bytes =
		story_klipper(stm32_mcu_name(options->chip), offset, length, seed);
	dfu_story_set_image(story, bytes, length, offset);
	stm32_listen(story->chip, on_board_event, story);
	return story;
}

struct dfu_story *dfu_story_free(struct dfu_story *story)
{
	if (!story)
		return NULL;
	bench_free(story->bench);
	image_free(story->image);
	free(story->bytes);
	free(story->before);
	free(story);
	current = NULL;
	return NULL;
}

/* ---- visits ------------------------------------------------------------------------------- */

enum extent { LOOK, WRITE, VISIT };

static void go_on(struct dfu_story *story, const struct backend *backend,
	struct backend_session *session, enum extent extent, bool force, struct dfu_visit *visit)
{
	uint64_t start = bench_now_nsec(story->bench);
	visit->result = backend->probe(session, &visit->facts, &visit->failure);
	visit->probe_nsec = bench_now_nsec(story->bench) - start;
	visit->is_probed = visit->result == 0;
	if (visit->result < 0 || extent == LOOK)
		return;
	start = bench_now_nsec(story->bench);
	const struct backend_write write = { .image = story->image, .force = force };
	visit->result = backend->write(session, &write, &visit->tally, &visit->failure);
	visit->write_nsec = bench_now_nsec(story->bench) - start;
	if (visit->result < 0 || extent == WRITE)
		return;
	struct backend_failure failure = { 0 };
	visit->result = backend->restart(session, &failure);
	visit->is_restarted = visit->result == 0;
	if (visit->result < 0)
		visit->failure = failure;
}

static struct dfu_visit make_visit(struct dfu_story *story, enum extent extent, bool force)
{
	const struct backend *backend = backend_for_mode(MODE_DFU);
	const struct backend_watch watch = {
		.on_progress = on_progress, .on_plan = on_plan, .context = story
	};
	struct board_address address = { .usb = bench_address(story->board) };
	struct backend_session *session = NULL;
	struct dfu_visit visit = { 0 };
	story->erases = story->programs = 0;
	story->vectors_programmed = false;
	story->calls = story->plans = 0;
	visit.result = backend->open(&address, &watch, &session, &visit.failure);
	visit.is_open = visit.result == 0;
	if (visit.is_open) {
		go_on(story, backend, session, extent, force, &visit);
		assert_null(backend->close(session));
	}
	if (visit.result < 0) {
		assert_int_not_equal(visit.failure.code, REASON_NONE);
		assert_true(text_is_plain(visit.failure.sentence));
		assert_true(visit.failure.sentence[0] != '\0');
	}
	const struct stm32_counters *counters = stm32_counters(story->chip);
	assert_int_equal(counters->mass_erases, 0);
	assert_int_equal(counters->read_unprotects, 0);
	assert_int_equal(counters->option_writes, 0);
	return visit;
}

struct dfu_visit dfu_story_look(struct dfu_story *story)
{
	return make_visit(story, LOOK, false);
}

struct dfu_visit dfu_story_visit(struct dfu_story *story, bool force)
{
	return make_visit(story, VISIT, force);
}

struct dfu_visit dfu_story_write(struct dfu_story *story, bool force)
{
	return make_visit(story, WRITE, force);
}

/* ---- what must hold ----------------------------------------------------------------------- */

bool dfu_story_holds_image(const struct dfu_story *story)
{
	return memcmp(flash_of(story) + story->offset, story->bytes, story->length) == 0;
}

bool dfu_story_is_as_before(const struct dfu_story *story)
{
	return memcmp(flash_of(story), story->before, story->flash_bytes) == 0;
}

/* When power fails in the very first erase, no order of work can tell what is left of that unit. */
static bool is_as_before_but_first_unit(const struct dfu_story *story)
{
	struct stm32_range unit;
	uint32_t base = stm32_flash_base(story->chip);
	if (!stm32_sector(story->chip, base + story->offset, &unit))
		return false;
	size_t start = unit.address - base, end = start + unit.bytes;
	return memcmp(flash_of(story), story->before, start) == 0 &&
	       memcmp(flash_of(story) + end, story->before + end, story->flash_bytes - end) == 0;
}

void dfu_story_expect_safe(const struct dfu_story *story)
{
	enum stm32_start state = stm32_flash_state(story->chip);
	if (state != STM32_STARTS_APPLICATION || dfu_story_holds_image(story) ||
		is_as_before_but_first_unit(story))
		return;
	size_t at = 0;
	while (flash_of(story)[at] == story->before[at])
		at++;
	fail_msg("the flash starts an application that is neither the old one (see 0x%zx) nor the "
		 "image, after %d erases and %d programs",
		at, (int)story->erases, (int)story->programs);
}

void dfu_story_expect_flashed(struct dfu_story *story, const struct dfu_visit *visit)
{
	if (visit->result < 0)
		fail_msg("%s: %s", reason_name(visit->failure.code), visit->failure.sentence);
	assert_true(dfu_story_holds_image(story));
	const uint8_t *flash = flash_of(story);
	size_t end = story->offset + story->length;
	assert_memory_equal(flash, story->before, story->offset);
	/* A plain loader, and the last block, may fill up with blank bytes. */
	for (size_t at = end; at < story->flash_bytes; at++)
		if (flash[at] != story->before[at])
			fail_msg("the byte at 0x%zx beside the image has changed", at);
	if (visit->is_restarted)
		assert_true(bench_await_stm32(story->board, STM32_APPLICATION, AFTER_RESTART_MSEC));
}

void dfu_story_expect_cured_by_replug(struct dfu_story *story)
{
	stm32_disarm_all(story->chip);
	bench_unplug(story->board);
	bench_advance(story->bench, NSEC_PER_SEC);
	dfu_story_expect_safe(story);
	bench_replug(story->board, true);
	assert_true(bench_await_stm32(story->board, STM32_DFU, PRESENT_MSEC));
	assert_true(bench_await_present(story->board, PRESENT_MSEC));
	struct dfu_visit visit = dfu_story_visit(story, false);
	dfu_story_expect_flashed(story, &visit);
}
