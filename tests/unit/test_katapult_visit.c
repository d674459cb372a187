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
	scene.value = make_value(
		FORMAT_ELF, scene.image, KLIPPER_BYTES, STM32_FLASH_BASE + offset);
	return scene;
}

static struct visited visit(struct scene *scene)
{
	const struct backend *backend = backend_for_mode(MODE_KATAPULT);
	const struct backend_watch watch = { 0 };
	struct usb_address address = bench_address(scene->board);
	struct backend_session *session = NULL;
	struct visited visited = { 0 };
	uint64_t start = bench_now_nsec(scene->bench);
	visited.result = backend->open(&address, &watch, &session, &visited.failure);
	if (visited.result < 0)
		return visited;
	visited.result = backend->probe(session, &visited.facts, &visited.failure);
	const struct backend_write write = { .image = scene->value };
	if (visited.result == 0)
		visited.result =
			backend->write(session, &write, &visited.tally, &visited.failure);
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
			fail_msg("%s: %s", stm32_chip_name(boards[i].chip), visited.failure.sentence);
		size_t bytes;
		const uint8_t *flash = stm32_flash(bench_stm32(scene.board), &bytes);
		assert_memory_equal(flash + boards[i].offset, scene.image, KLIPPER_BYTES);
		print_message("# %s %d ms busy %d\n", stm32_chip_name(boards[i].chip), (int)(visited.nsec / 1000000),
			(int)(stm32_ledger(bench_stm32(scene.board))->union_nsec / 1000000));
		assert_true(bench_await_stm32(scene.board, STM32_APPLICATION, 3000));
	}
}

int main(void)
{
	const struct CMUnitTest stories[] = {
		cmocka_unit_test(every_family_is_written_and_starts),
	};
	return cmocka_run_group_tests(stories, NULL, NULL);
}
