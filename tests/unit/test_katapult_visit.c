/* SPDX-License-Identifier: MIT */
/* Stories about boards in Katapult that are looked at and written, over USB. */
#include "unit/dfu_story.h"

#include <errno.h>

#include "model/link_address.h"

static const struct {
	enum stm32_chip chip;
	uint32_t offset;
} boards[] = { { STM32_G0B1_128K, 0x2000 }, { STM32_F072, 0x2000 }, { STM32_F446, 0x8000 },
	{ STM32_F429_1MB, 0x8000 }, { STM32_H723, 0x20000 } };

struct visited {
	int result;
	struct board_facts facts;
	struct job_tally tally;
	struct backend_failure failure;
	bool is_restarted;
	uint64_t nsec;
};

struct scene {
	struct bench *bench;
	struct bench_board *board;
	uint8_t *image;
	uint32_t offset;
	struct image *value;
};

static void scene_done(struct scene *scene)
{
	bench_free(scene->bench);
	free(scene->image);
	image_free(scene->value);
}

/* Katapult alone, or with an application that a person keeps from starting. */
static struct scene scene_of(enum stm32_chip chip, uint32_t offset)
{
	struct scene scene = { .bench = bench_new(), .offset = offset };
	_cleanup_(freep) uint8_t *katapult = story_katapult(offset);
	const struct stm32_options options = { .chip = chip,
		.image = katapult,
		.image_bytes = KATAPULT_BYTES,
		.katapult_offset = offset,
		.boot0_released = true };
	scene.board = bench_plug_stm32(scene.bench, DFU_PLACE, &options);
	assert_true(bench_await_stm32(scene.board, STM32_KATAPULT, 3000));
	assert_true(bench_await_present(scene.board, 3000));
	scene.image = story_klipper(stm32_mcu_name(chip), offset, KLIPPER_BYTES, 2);
	scene.value = make_value(FORMAT_ELF, scene.image, KLIPPER_BYTES, STM32_FLASH_BASE + offset);
	return scene;
}

static struct visited visit(struct scene *scene)
{
	const struct backend *backend = backend_for_mode(MODE_KATAPULT);
	const struct backend_watch watch = { 0 };
	struct board_address address = { .usb = bench_address(scene->board) };
	struct backend_session *session = NULL;
	struct visited visited = { 0 };
	uint64_t start = bench_now_nsec(scene->bench);
	visited.result = backend->open(&address, &watch, &session, &visited.failure);
	if (visited.result < 0)
		return visited;
	visited.result = backend->probe(session, &visited.facts, &visited.failure);
	const struct backend_write write = { .image = scene->value };
	if (visited.result == 0)
		visited.result = backend->write(session, &write, &visited.tally, &visited.failure);
	visited.nsec = bench_now_nsec(scene->bench) - start;
	if (visited.result == 0)
		visited.result = backend->restart(session, &visited.failure);
	visited.is_restarted = visited.result == 0;
	assert_null(backend->close(session));
	return visited;
}

static void every_family_is_written_and_starts(void **state)
{
	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(boards); i++) {
		_cleanup_(scene_done) struct scene scene =
			scene_of(boards[i].chip, boards[i].offset);
		struct visited visited = visit(&scene);
		if (visited.result < 0)
			fail_msg("%s: %s", stm32_chip_name(boards[i].chip),
				visited.failure.sentence);
		size_t bytes;
		const uint8_t *flash = stm32_flash(bench_stm32(scene.board), &bytes);
		assert_memory_equal(flash + boards[i].offset, scene.image, KLIPPER_BYTES);
		print_message("# %s %d ms busy %d\n", stm32_chip_name(boards[i].chip),
			(int)(visited.nsec / 1000000),
			(int)(stm32_ledger(bench_stm32(scene.board))->union_nsec / 1000000));
		assert_true(bench_await_stm32(scene.board, STM32_APPLICATION, 3000));
	}
}

/* ---- what may go wrong -------------------------------------------------------------------- */

#define ACCIDENTS 120u

static const uint8_t *flash_of(struct scene *scene)
{
	size_t bytes;
	return stm32_flash(bench_stm32(scene->board), &bytes);
}

/* Katapult starts whatever has a first word: what is there must be all of the image, or none. */
static void expect_safe(struct scene *scene, const struct visited *visited)
{
	const uint8_t *there = flash_of(scene) + scene->offset;
	bool is_there = memcmp(there, scene->image, KLIPPER_BYTES) == 0;
	if (visited->result == 0) {
		assert_true(is_there);
		return;
	}
	assert_int_not_equal(visited->failure.code, REASON_NONE);
	assert_true(text_is_plain(visited->failure.sentence));
	assert_int_not_equal(stm32_mode(bench_stm32(scene->board)), STM32_APPLICATION);
}

static void with_accidents(enum line_direction direction, enum line_fault_kind kind)
{
	for (unsigned i = 0; i < ACCIDENTS; i++) {
		_cleanup_(scene_done) struct scene scene =
			scene_of(boards[i % 2].chip, boards[i % 2].offset);
		/* About 60 KB go out, 70 come back. */
		const struct line_fault fault = { .kind = kind,
			.direction = direction,
			.nth = i * 60000u / ACCIDENTS + i % 7,
			.bit = (uint8_t)(i % 8) };
		assert_true(bench_line_fault(scene.board, &fault) >= 0);
		struct visited visited = visit(&scene);
		if (direction == LINE_TO_HOST && visited.result < 0)
			fail_msg("%u: %s", i, visited.failure.sentence);
		expect_safe(&scene, &visited);
		if (visited.result < 0)
			assert_int_equal(visited.failure.code, REASON_BOARD_SILENT);
	}
}

static void what_the_board_says_may_be_damaged_anywhere(void **state)
{
	(void)state;
	with_accidents(LINE_TO_HOST, LINE_FLIP);
	with_accidents(LINE_TO_HOST, LINE_LOSE);
	with_accidents(LINE_TO_HOST, LINE_DUPLICATE);
}

static void what_the_board_hears_may_be_damaged_anywhere(void **state)
{
	(void)state;
	with_accidents(LINE_TO_BOARD, LINE_FLIP);
	with_accidents(LINE_TO_BOARD, LINE_LOSE);
}

static void the_cable_may_be_pulled_anywhere(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ACCIDENTS; i++) {
		_cleanup_(scene_done) struct scene scene =
			scene_of(boards[i % 4].chip, boards[i % 4].offset);
		const struct stm32_fault fault = { .kind = STM32_FAULT_UNPLUG,
			.trigger = STM32_AT_TIME,
			.nth = (1 + i) * 7 * NSEC_PER_MSEC };
		assert_true(bench_stm32_fault(scene.board, &fault) >= 0);
		struct visited visited = visit(&scene);
		if (visited.result == 0)
			continue;
		assert_int_equal(visited.failure.code, REASON_BOARD_LEFT);
		bench_replug(scene.board, false);
		/* Half of the first unit may be there: two quick resets help then. */
		if (!bench_await_stm32(scene.board, STM32_KATAPULT, 2000))
			continue;
		assert_true(bench_await_present(scene.board, 3000));
		visited = visit(&scene);
		assert_int_equal(visited.result, 0);
		expect_safe(&scene, &visited);
	}
}

int main(void)
{
	const struct CMUnitTest stories[] = {
		cmocka_unit_test(every_family_is_written_and_starts),
		cmocka_unit_test(what_the_board_says_may_be_damaged_anywhere),
		cmocka_unit_test(what_the_board_hears_may_be_damaged_anywhere),
		cmocka_unit_test(the_cable_may_be_pulled_anywhere),
	};
	return cmocka_run_group_tests(stories, NULL, NULL);
}
