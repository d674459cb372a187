/* SPDX-License-Identifier: MIT */
/* Visits to an emulated board in Katapult; see katapult_story.h. */
#include "unit/katapult_story.h"

#include <errno.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "model/link_address.h"
#include "unit/make_arm.h"
#include "unit/make_image.h"

#define LOADER_BYTES  0x1000u
#define LOADER_RESET  0x800u
#define PROGRAM_RESET 0x1000u
#define STARTS_MSEC   3000
#define PRESS_MSEC    200

/* A test that fails jumps over its clean-up, and there can be one bench only. */
static struct katapult_story *current;

/* ---- programs ----------------------------------------------------------------------------- */

static bool is_lpc(const struct story_board *options)
{
	return !options->is_rp2040 && options->chip == STM32_LPC1769;
}

static const char *mcu_of(const struct story_board *options)
{
	return options->is_rp2040 ? "rp2040" : stm32_mcu_name(options->chip);
}

static uint32_t base_of(const struct story_board *options)
{
	if (options->is_rp2040)
		return RP2040_FLASH_BASE;
	return is_lpc(options) ? 0 : STM32_FLASH_BASE;
}

static uint32_t stack_of(const struct story_board *options)
{
	return is_lpc(options) ? 0x10001000 : 0x20001000;
}

static uint32_t offset_of(const struct story_board *options)
{
	if (options->offset)
		return options->offset;
	if (options->is_rp2040)
		return 0x4000;
	switch (options->chip) {
	case STM32_H723:
	case STM32_H743:
		return 0x20000;
	case STM32_F072:
	case STM32_F103:
	case STM32_G0B1_128K:
	case STM32_G0B1_512K:
	case STM32_G431:
		return 0x2000;
	case STM32_LPC1769:
		return 0x4000;
	default:
		return 0x8000;
	}
}

uint8_t *katapult_story_program(const struct katapult_story *story, size_t length, uint32_t seed)
{
	_cleanup_(freep) char *json = text_format(
		"{\"app\":\"Klipper\",\"build_versions\":\"gcc\",\"commands\":{},\"config\":{"
		"\"MCU\":\"%s\",\"CLOCK_FREQ\":64000000},\"version\":\"v0.13.0-%u-g0a1b2c3d\"}",
		mcu_of(&story->options), seed);
	assert_non_null(json);
	const struct made_arm made = {
		.base = story->base + story->offset,
		.stack = stack_of(&story->options),
		.length = length,
		.reset = PROGRAM_RESET,
		.signs = ARM_KLIPPER_SIGNS,
		.json = json,
	};
	uint8_t *bytes = make_arm(&made);
	make_noise(bytes + PROGRAM_RESET + 0x200, length - PROGRAM_RESET - 0x200, seed);
	return bytes;
}

/* An RP2040's vectors stand behind its boot2. */
static void put_loader(const struct katapult_story *story, uint8_t *ret)
{
	if (story->options.is_rp2040) {
		_cleanup_(freep) uint8_t *bin = make_bin(LOADER_BYTES, 1);
		memcpy(ret, bin, LOADER_BYTES);
		write_u32(ret + 0x104, story->base + LOADER_RESET + 1);
		memcpy(ret + LOADER_RESET - 8, "CanBoot!", 8);
		return;
	}
	const struct made_arm made = {
		.base = story->base,
		.stack = stack_of(&story->options),
		.length = LOADER_BYTES,
		.reset = LOADER_RESET,
		.signs = LINK_RESET_CODE | LINK_DEFAULT_HANDLER,
	};
	_cleanup_(freep) uint8_t *bytes = make_arm(&made);
	make_katapult(bytes, story->base);
	memcpy(ret, bytes, LOADER_BYTES);
}

/* ---- the board ---------------------------------------------------------------------------- */

static uint8_t *whole_flash(const struct katapult_story *story, size_t *ret_bytes)
{
	if (story->options.is_rp2040)
		return rp2040_flash(bench_rp2040(story->board), ret_bytes);
	return stm32_flash(bench_stm32(story->board), ret_bytes);
}

static void plug_node(struct katapult_story *story, const struct stm32_options *options)
{
	bench_add_bus(story->bench, &story->options.bus);
	story->board = bench_plug_node(story->bench, STORY_BUS, options);
	text_hex(bench_resident(story->board)->can.uuid, BUS_NODE_UUID_BYTES, story->uuid);
}

static void plug(struct katapult_story *story, const uint8_t *flash, size_t length)
{
	const struct story_board *its = &story->options;
	const struct resident_options resident = { .katapult = its->katapult, .baud = its->baud };
	const struct rp2040_options rp2040 = { .image = flash,
		.image_bytes = length,
		.button_released = true,
		.klipper = true,
		.resident = resident };
	const struct stm32_options stm32 = { .chip = its->chip,
		.image = flash,
		.image_bytes = length,
		.boot0_released = true,
		.katapult_offset = story->offset,
		.resident = resident };
	if (its->is_rp2040)
		story->board = bench_plug(story->bench, STORY_PLACE, &rp2040);
	else if (its->on_can)
		plug_node(story, &stm32);
	else if (its->baud)
		story->board = bench_plug_uart(story->bench, STORY_NODE, &stm32);
	else
		story->board = bench_plug_stm32(story->bench, STORY_PLACE, &stm32);
}

static void press_reset(struct katapult_story *story)
{
	if (story->options.is_rp2040)
		bench_rp2040_reset(story->board, false);
	else
		bench_stm32_reset(story->board, false);
}

static bool await_katapult(struct katapult_story *story)
{
	if (story->options.is_rp2040)
		return bench_await_mode(story->board, RP2040_KATAPULT, STARTS_MSEC);
	return bench_await_stm32(story->board, STM32_KATAPULT, STARTS_MSEC) &&
	       (!resident_is_on_usb(bench_resident(story->board)) ||
		       bench_await_present(story->board, STARTS_MSEC));
}

void katapult_story_reset(struct katapult_story *story)
{
	press_reset(story);
	bench_advance(story->bench, STARTS_MSEC * NSEC_PER_MSEC);
}

void katapult_story_reset_twice(struct katapult_story *story)
{
	press_reset(story);
	bench_advance(story->bench, PRESS_MSEC * NSEC_PER_MSEC);
	press_reset(story);
	assert_true(await_katapult(story));
	resident_reset_counters(bench_resident(story->board));
}

bool katapult_story_await_application(struct katapult_story *story)
{
	if (story->options.is_rp2040)
		return bench_await_mode(story->board, RP2040_APPLICATION, STARTS_MSEC);
	return bench_await_stm32(story->board, STM32_APPLICATION, STARTS_MSEC);
}

bool katapult_story_is_in_katapult(const struct katapult_story *story)
{
	if (story->options.is_rp2040)
		return rp2040_mode(bench_rp2040(story->board)) == RP2040_KATAPULT;
	return stm32_mode(bench_stm32(story->board)) == STM32_KATAPULT;
}

static void bring_into_katapult(struct katapult_story *story)
{
	size_t bytes;
	if (story->old_length > 0) {
		assert_true(katapult_story_await_application(story));
		katapult_story_reset_twice(story);
	}
	assert_true(await_katapult(story));
	const uint8_t *flash = whole_flash(story, &bytes);
	story->flash_bytes = bytes;
	story->before = malloc(bytes);
	assert_non_null(story->before);
	memcpy(story->before, flash, bytes);
	if (story->options.is_rp2040) {
		story->unit_bytes = RP2040_SECTOR_BYTES;
		rp2040_reset_counters(bench_rp2040(story->board));
		return;
	}
	struct stm32_range unit;
	struct stm32 *chip = bench_stm32(story->board);
	assert_true(stm32_sector(chip, story->base + story->offset, &unit));
	story->unit_bytes = unit.bytes;
	stm32_reset_counters(chip);
}

struct katapult_story *katapult_story_new(const struct story_board *options)
{
	katapult_story_free(current);
	struct katapult_story *story = current = calloc(1, sizeof *story);
	assert_non_null(story);
	story->options = *options;
	story->base = base_of(options);
	story->offset = offset_of(options);
	story->length = options->image_bytes ? options->image_bytes : STORY_KLIPPER_BYTES;
	story->old_length = options->old_bytes;
	story->bytes = katapult_story_program(story, story->length, 2);
	story->image =
		make_value(FORMAT_ELF, story->bytes, story->length, story->base + story->offset);
	size_t length = story->offset + story->old_length;
	_cleanup_(freep) uint8_t *flash = malloc(length);
	assert_non_null(flash);
	memset(flash, 0xff, length);
	put_loader(story, flash);
	if (story->old_length > 0) {
		story->old = katapult_story_program(story, story->old_length, 1);
		memcpy(flash + story->offset, story->old, story->old_length);
	}
	story->bench = bench_new();
	plug(story, flash, length);
	bring_into_katapult(story);
	return story;
}

struct katapult_story *katapult_story_free(struct katapult_story *story)
{
	if (!story)
		return NULL;
	bench_free(story->bench);
	image_free(story->image);
	free(story->bytes);
	free(story->old);
	free(story->before);
	free(story->kept);
	free(story);
	current = NULL;
	return NULL;
}

struct bench_board *katapult_story_plug_beside(
	struct katapult_story *story, enum stm32_chip chip, uint8_t number)
{
	const struct stm32_options options = { .chip = chip,
		.unique_id = { number, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 },
		.image = story->before,
		.image_bytes = story->offset,
		.boot0_released = true,
		.katapult_offset = story->offset };
	struct bench_board *board = bench_plug_node(story->bench, "beside", &options);
	assert_true(bench_await_stm32(board, STM32_KATAPULT, STARTS_MSEC));
	return board;
}

const char *katapult_story_name(const struct katapult_story *story)
{
	return story->options.is_rp2040 ? "rp2040" : stm32_chip_name(story->options.chip);
}

/* ---- visits ------------------------------------------------------------------------------- */

static int on_progress(
	void *context, enum job_phase phase, uint64_t done_bytes, uint64_t total_bytes)
{
	struct katapult_story *story = context;
	(void)phase;
	assert_true(done_bytes <= total_bytes);
	story->calls++;
	return story->stop_after != 0 && story->calls >= story->stop_after ? -ECANCELED : 0;
}

static void on_keep(
	void *context, enum keepsake kind, uint32_t address, const uint8_t *bytes, size_t length)
{
	struct katapult_story *story = context;
	assert_int_equal(kind, KEEP_FIRMWARE);
	assert_int_equal(story->keeps++, 0);
	story->kept = malloc(length);
	assert_non_null(story->kept);
	memcpy(story->kept, bytes, length);
	story->kept_bytes = length;
	story->kept_address = address;
}

struct board_address katapult_story_address(const struct katapult_story *story)
{
	if (story->options.on_can)
		return (struct board_address){ .can = STORY_BUS, .can_uuid = story->uuid };
	if (story->options.baud)
		return (struct board_address){ .tty = STORY_NODE, .baud = story->options.baud };
	return (struct board_address){ .usb = bench_address(story->board) };
}

enum extent { LOOK, WRITE, VISIT };

static void go_on(struct katapult_story *story, struct backend_session *session, enum extent extent,
	bool force, struct katapult_visit *visit)
{
	const struct backend *backend = backend_for_mode(MODE_KATAPULT);
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
	visit->is_written = visit->result == 0;
	if (visit->result < 0 || extent == WRITE)
		return;
	visit->result = backend->restart(session, &visit->failure);
	visit->is_restarted = visit->result == 0;
}

static struct katapult_visit make_visit(
	struct katapult_story *story, enum extent extent, bool force)
{
	const struct backend *backend = backend_for_mode(MODE_KATAPULT);
	const struct backend_watch watch = {
		.on_progress = on_progress, .on_keep = on_keep, .context = story
	};
	const struct board_address address = katapult_story_address(story);
	struct backend_session *session = NULL;
	struct katapult_visit visit = { 0 };
	story->calls = story->keeps = 0;
	free(TAKE_PTR(story->kept));
	uint64_t start = bench_now_nsec(story->bench);
	visit.result = backend->open(&address, &watch, &session, &visit.failure);
	visit.open_nsec = bench_now_nsec(story->bench) - start;
	visit.is_open = visit.result == 0;
	if (visit.is_open) {
		go_on(story, session, extent, force, &visit);
		assert_null(backend->close(session));
	}
	if (visit.result < 0) {
		assert_int_not_equal(visit.failure.code, REASON_NONE);
		assert_true(text_is_plain(visit.failure.sentence));
		assert_true(visit.failure.sentence[0] != '\0');
	}
	return visit;
}

struct katapult_visit katapult_story_look(struct katapult_story *story)
{
	return make_visit(story, LOOK, false);
}

struct katapult_visit katapult_story_write(struct katapult_story *story, bool force)
{
	return make_visit(story, WRITE, force);
}

struct katapult_visit katapult_story_visit(struct katapult_story *story, bool force)
{
	return make_visit(story, VISIT, force);
}

/* ---- what is there ------------------------------------------------------------------------ */

uint8_t *katapult_story_flash(const struct katapult_story *story)
{
	size_t bytes;
	return whole_flash(story, &bytes) + story->offset;
}

bool katapult_story_holds_image(const struct katapult_story *story)
{
	return memcmp(katapult_story_flash(story), story->bytes, story->length) == 0;
}

bool katapult_story_is_as_before(const struct katapult_story *story)
{
	size_t bytes;
	return memcmp(whole_flash(story, &bytes), story->before, story->flash_bytes) == 0;
}

bool katapult_story_would_start(const struct katapult_story *story)
{
	uint32_t first = read_u32(katapult_story_flash(story));
	return first != 0 && first != UINT32_MAX;
}

struct line *katapult_story_line(const struct katapult_story *story)
{
	return &bench_resident(story->board)->line;
}

const struct kata_counters *katapult_story_counters(const struct katapult_story *story)
{
	return &bench_resident(story->board)->katapult.counters;
}

uint64_t katapult_story_erases(const struct katapult_story *story)
{
	if (story->options.is_rp2040)
		return rp2040_counters(bench_rp2040(story->board))->sectors_erased;
	return stm32_counters(bench_stm32(story->board))->erases;
}

uint64_t katapult_story_flash_nsec(const struct katapult_story *story)
{
	if (story->options.is_rp2040) {
		const struct rp2040_ledger *rp2040 = rp2040_ledger(bench_rp2040(story->board));
		return rp2040->erase_nsec + rp2040->program_nsec;
	}
	const struct stm32_ledger *stm32 = stm32_ledger(bench_stm32(story->board));
	return stm32->erase_nsec + stm32->program_nsec;
}

/* ---- accidents ---------------------------------------------------------------------------- */

void katapult_story_unplug_after(struct katapult_story *story, uint64_t nsec)
{
	const struct rp2040_fault rp2040 = {
		.kind = RP2040_FAULT_UNPLUG, .trigger = RP2040_AT_TIME, .nth = nsec
	};
	const struct stm32_fault stm32 = {
		.kind = STM32_FAULT_UNPLUG, .trigger = STM32_AT_TIME, .nth = nsec
	};
	int r = story->options.is_rp2040 ? bench_fault(story->board, &rp2040)
					 : bench_stm32_fault(story->board, &stm32);
	assert_true(r >= 0);
}

void katapult_story_answer(struct katapult_story *story, enum kata_command command, unsigned nth,
	enum kata_answer answer, unsigned times)
{
	const struct rp2040_fault rp2040 = { .kind = RP2040_FAULT_ANSWER,
		.trigger = RP2040_AT_COMMAND,
		.nth = nth,
		.command = (uint8_t)command,
		.value = (uint8_t)answer,
		.byte = (uint8_t)(times - 1) };
	const struct stm32_fault stm32 = { .kind = STM32_FAULT_ANSWER,
		.trigger = STM32_AT_COMMAND,
		.nth = nth,
		.address = command,
		.value = (uint8_t)answer,
		.byte = (uint16_t)(times - 1) };
	int r = story->options.is_rp2040 ? bench_fault(story->board, &rp2040)
					 : bench_stm32_fault(story->board, &stm32);
	assert_true(r >= 0);
}

void katapult_story_mute(struct katapult_story *story, enum kata_command command, unsigned nth)
{
	const struct rp2040_fault rp2040 = { .kind = RP2040_FAULT_MUTE,
		.trigger = RP2040_AT_COMMAND,
		.nth = nth,
		.command = (uint8_t)command };
	const struct stm32_fault stm32 = { .kind = STM32_FAULT_MUTE,
		.trigger = STM32_AT_COMMAND,
		.nth = nth,
		.address = command };
	int r = story->options.is_rp2040 ? bench_fault(story->board, &rp2040)
					 : bench_stm32_fault(story->board, &stm32);
	assert_true(r >= 0);
}

/* ---- what must hold ----------------------------------------------------------------------- */

void katapult_story_expect_flashed(struct katapult_story *story, const struct katapult_visit *visit)
{
	if (visit->result < 0)
		fail_msg("%s: %s: %s", katapult_story_name(story), reason_name(visit->failure.code),
			visit->failure.sentence);
	assert_true(katapult_story_holds_image(story));
	assert_int_equal(katapult_story_counters(story)->unverified_completes, 0);
	size_t bytes;
	const uint8_t *flash = whole_flash(story, &bytes);
	assert_memory_equal(flash, story->before, story->offset);
	if (visit->is_restarted)
		assert_true(katapult_story_await_application(story));
}

void katapult_story_expect_reason(
	const struct katapult_visit *visit, enum reason_code code, const char *words)
{
	assert_true(visit->result < 0);
	if (visit->failure.code != code || !strstr(visit->failure.sentence, words))
		fail_msg("no reason %s with \"%s\", but %s: %s", reason_name(code), words,
			reason_name(visit->failure.code), visit->failure.sentence);
}
