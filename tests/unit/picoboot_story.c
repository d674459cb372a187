/* SPDX-License-Identifier: MIT */
/* Visits to an emulated board; see picoboot_story.h. */
#include "unit/picoboot_story.h"

#include <errno.h>
#include <stdlib.h>

#include "unit/make_image.h"

#define PRESENT_MSEC       5000
#define AFTER_RESTART_MSEC 3000

/* A test that fails jumps over its clean-up, and there can be one bench only. */
static struct story *current;

static uint8_t *flash_of(struct story *story)
{
	size_t bytes;
	return rp2040_flash(story->chip, &bytes);
}

static void on_board_event(void *context, const struct rp2040_event *event)
{
	struct story *story = context;
	if (event->kind != RP2040_EVENT_ERASE && event->kind != RP2040_EVENT_PROGRAM)
		return;
	bool is_program = event->kind == RP2040_EVENT_PROGRAM;
	story->erases += !is_program;
	story->programs += is_program;
	uint8_t *flash = flash_of(story);
	if (is_program && event->value == STORY_START + story->boot_page) {
		story->boot_page_programmed = true;
		/* The last act: all the rest must be there. */
		size_t behind = story->boot_page + 256;
		if (memcmp(flash, story->bytes, story->boot_page) != 0 ||
			memcmp(flash + behind, story->bytes + behind, story->length - behind) != 0)
			fail_msg("the boot page is programmed before the rest is right");
		return;
	}
	if (story->programs == 0)
		return; /* the first erase may be reported while the old content is still there */
	if (rp2040_flash_state(story->chip) != RP2040_FALLS_BACK)
		fail_msg("0x%08x is %s while the flash would start", event->value,
			is_program ? "programmed" : "erased");
}

static int on_progress(
	void *context, enum job_phase phase, uint64_t done_bytes, uint64_t total_bytes)
{
	struct story *story = context;
	assert_true(done_bytes <= total_bytes);
	uint64_t now = bench_now_nsec(story->bench);
	if (story->calls > 0 && now - story->last_call_nsec > story->longest_silence_nsec)
		story->longest_silence_nsec = now - story->last_call_nsec;
	story->last_call_nsec = now;
	story->calls++;
	if (story->heal_fault >= 0 && rp2040_fault_fired(story->chip, story->heal_fault) &&
		++story->calls_since_fault == story->heal_at_call)
		rp2040_disarm_all(story->chip);
	if (story->stop_after != 0 && story->calls >= story->stop_after)
		return -ECANCELED;
	bool is_enough = story->stop_after_bytes != 0 && done_bytes >= story->stop_after_bytes;
	return phase == PHASE_WRITE && is_enough ? -ECANCELED : 0;
}

uint8_t *story_make_bin(enum rp2040_chip kind, size_t length, uint32_t seed)
{
	return kind == RP2040_CHIP_RP2350 ? make_rp2350_bin(length, seed) : make_bin(length, seed);
}

struct story *story_new(const struct rp2040_options *options, size_t image_bytes, uint32_t seed)
{
	story_free(current);
	struct story *story = current = calloc(1, sizeof *story);
	assert_non_null(story);
	story->kind = options ? options->chip : RP2040_CHIP_RP2040;
	story->boot_page = story->kind == RP2040_CHIP_RP2350 ? MADE_RP2350_BLOCK & ~255u : 0;
	uint8_t *bytes = story_make_bin(story->kind, image_bytes, seed);
	story_set_image(story, bytes, image_bytes);
	free(bytes);

	story->bench = bench_new();
	story->board = bench_plug(story->bench, STORY_PLACE, options);
	story->chip = bench_rp2040(story->board);
	story->heal_fault = -1;
	uint8_t *flash = rp2040_flash(story->chip, &story->flash_bytes);
	story->before = malloc(story->flash_bytes);
	assert_non_null(story->before);
	memcpy(story->before, flash, story->flash_bytes);
	rp2040_listen(story->chip, on_board_event, story);
	return story;
}

struct story *story_free(struct story *story)
{
	if (!story)
		return NULL;
	bench_free(story->bench);
	image_free(story->image);
	free(story->bytes);
	free(story->before);
	if (current == story)
		current = NULL;
	free(story);
	return NULL;
}

void story_set_image(struct story *story, const uint8_t *bytes, size_t length)
{
	_cleanup_(reasons_done) struct reasons reasons = { 0 };
	free(story->bytes);
	story->image = image_free(story->image);
	story->length = length;
	story->bytes = malloc(length);
	assert_non_null(story->bytes);
	memcpy(story->bytes, bytes, length);
	assert_int_equal(image_parse(bytes, length, &reasons, &story->image), 0);
	assert_int_equal(image_place(story->image, STORY_START, &reasons), 0);
}

static void write_and_restart(struct story *story, const struct backend *backend,
	struct backend_session *session, bool force, bool restart, struct visit *visit)
{
	struct backend_write write = { .image = story->image, .force = force };
	uint64_t start = bench_now_nsec(story->bench);
	visit->result = backend->probe(session, &visit->facts, &visit->failure);
	visit->probe_nsec = bench_now_nsec(story->bench) - start;
	if (visit->result < 0)
		return;
	visit->is_probed = true;

	start = bench_now_nsec(story->bench);
	visit->result = backend->write(session, &write, &visit->tally, &visit->failure);
	visit->write_nsec = bench_now_nsec(story->bench) - start;
	if (visit->result < 0 || !restart)
		return;
	visit->result = backend->restart(session, &visit->failure);
	visit->is_restarted = visit->result == 0;
}

static struct visit make_visit(struct story *story, bool force, bool restart)
{
	struct visit visit = { 0 };
	const struct backend *backend = backend_for_mode(
		story->kind == RP2040_CHIP_RP2350 ? MODE_RP2350_BOOT : MODE_RP2040_BOOT);
	struct backend_watch watch = { .on_progress = on_progress, .context = story };
	struct board_address address = { .usb = bench_address(story->board) };
	struct backend_session *session = NULL;

	story->erases = story->programs = 0;
	story->boot_page_programmed = false;
	uint64_t start = bench_now_nsec(story->bench);
	visit.result = backend->open(&address, &watch, &session, &visit.failure);
	visit.open_nsec = bench_now_nsec(story->bench) - start;
	if (visit.result == 0) {
		visit.is_open = true;
		write_and_restart(story, backend, session, force, restart, &visit);
		assert_null(backend->close(session));
	}
	if (visit.result < 0) {
		assert_int_not_equal(visit.failure.code, REASON_NONE);
		assert_true(text_is_plain(visit.failure.sentence));
		assert_true(visit.failure.sentence[0] != '\0');
	}
	return visit;
}

struct visit story_visit(struct story *story, bool force)
{
	return make_visit(story, force, true);
}

struct visit story_write(struct story *story, bool force)
{
	return make_visit(story, force, false);
}

bool story_holds_image(struct story *story)
{
	const uint8_t *flash = flash_of(story);
	return memcmp(flash, story->bytes, story->length) == 0;
}

bool story_is_as_before(struct story *story)
{
	const uint8_t *flash = flash_of(story);
	return memcmp(flash, story->before, story->flash_bytes) == 0;
}

void story_expect_safe(struct story *story)
{
	enum rp2040_boot state = rp2040_flash_state(story->chip);
	if (state == RP2040_FALLS_BACK || story_holds_image(story) || story_is_as_before(story))
		return;
	fail_msg("the flash %s and is neither the old one nor the image", rp2040_boot_name(state));
}

void story_expect_flashed(struct story *story, const struct visit *visit)
{
	if (visit->result < 0)
		fail_msg("%s: %s", reason_name(visit->failure.code), visit->failure.sentence);
	assert_true(story_holds_image(story));
	if (visit->is_restarted)
		assert_true(bench_await_mode(story->board, RP2040_APPLICATION, AFTER_RESTART_MSEC));
}

void story_expect_cured_by_replug(struct story *story)
{
	rp2040_disarm_all(story->chip);
	bench_unplug(story->board);
	bench_advance(story->bench, 1000000000);
	story_expect_safe(story);
	bench_replug(story->board, true);
	assert_true(bench_await_mode(story->board, RP2040_BOOT, PRESENT_MSEC));
	assert_true(bench_await_present(story->board, PRESENT_MSEC));
	struct visit visit = story_visit(story, false);
	story_expect_flashed(story, &visit);
}
