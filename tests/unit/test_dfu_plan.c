/* SPDX-License-Identifier: MIT */
/* Stories about the plan of a flash in DFU: what is left alone, what is erased, what goes last. */
#include "unit/expect.h"

#include <errno.h>

#include "backend/dfu_plan.h"
#include "unit/make_arm.h"
#include "unit/make_image.h"

#define START 0x08000000u
#define BLOCK 1024u

/* Four sectors of 4 KiB, two of 16. */
static const struct dfuse_layout small = {
	.segments = { { START, 4096, 4, 7 }, { START + 16384, 16384, 2, 7 } },
	.segment_count = 2,
};

struct scene {
	uint8_t flash[3 * 16384];
	struct image *image;
	struct dfu_plan *plan;
};

static void scene_done(struct scene *scene)
{
	dfu_plan_free(scene->plan);
	image_free(scene->image);
}

/* An image of `length` bytes of noise at `offset`, over a blank flash. */
static struct scene scene_of(uint32_t offset, size_t length)
{
	struct scene scene;
	memset(scene.flash, 0xff, sizeof(scene.flash));
	_cleanup_(freep) uint8_t *bytes = malloc(length);
	assert_non_null(bytes);
	make_noise(bytes, length, 5);
	scene.image = make_value(FORMAT_ELF, bytes, length, START + offset);
	assert_int_equal(dfu_plan_new(scene.image, &small, START, BLOCK, 8, &scene.plan), 0);
	return scene;
}

static void put_image(struct scene *scene)
{
	image_copy(scene->image, START, sizeof(scene->flash), scene->flash);
}

/* Compares as dfu_write.c does; true: there is something to do. */
static bool compare(struct scene *scene, bool force)
{
	struct dfu_plan *plan = scene->plan;
	for (size_t i = 0; i < plan->count; i++)
		(void)dfu_plan_is_there(plan, i, scene->flash + (plan->units[i].address - START));
	bool is_there = dfu_plan_count(plan, UNIT_IDENTICAL) == plan->count;
	for (size_t i = 0; (!is_there || force) && i < plan->count; i++)
		if (force || i == 0 || plan->units[i].state != UNIT_IDENTICAL)
			dfu_plan_learn(plan, i, scene->flash + (plan->units[i].address - START));
	return dfu_plan_settle(plan, force);
}

static void units_are_those_that_the_image_touches(void **state)
{
	(void)state;
	_cleanup_(scene_done) struct scene scene = scene_of(0x2000, 0x2000 + 100);
	assert_int_equal(scene.plan->count, 3);
	assert_int_equal(scene.plan->units[0].address, START + 0x2000);
	assert_int_equal(scene.plan->units[2].address, START + 0x4000);
	assert_int_equal(scene.plan->units[2].length, 16384);
	uint32_t address, length;
	dfu_plan_covered(scene.plan, 2, &address, &length);
	assert_int_equal(address, START + 0x4000);
	assert_int_equal(length, 100);
}

static void an_image_that_reaches_nowhere_is_refused(void **state)
{
	(void)state;
	static const uint32_t places[] = { START - 4, START + 3 * 16384 - 4, 0, 0xfffffff0u };
	uint8_t bytes[8] = { 1 };
	for (size_t i = 0; i < ELEMENTSOF(places); i++) {
		_cleanup_(image_freep) struct image *image =
			make_value(FORMAT_ELF, bytes, sizeof(bytes), places[i]);
		struct dfu_plan *plan = NULL;
		assert_int_equal(dfu_plan_new(image, &small, START, BLOCK, 8, &plan), -EINVAL);
		assert_null(plan);
	}
}

static void an_image_whose_beginning_is_no_one_write_is_refused(void **state)
{
	(void)state;
	uint8_t bytes[16] = { 1 };
	_cleanup_(image_freep) struct image *short_one = make_value(FORMAT_ELF, bytes, 4, START);
	_cleanup_(image_freep) struct image *crooked =
		make_value(FORMAT_ELF, bytes, sizeof(bytes), START + 4);
	struct dfu_plan *plan = NULL;
	assert_int_equal(dfu_plan_new(short_one, &small, START, BLOCK, 8, &plan), -EDOM);
	assert_int_equal(dfu_plan_new(crooked, &small, START, BLOCK, 8, &plan), -EDOM);
	assert_null(plan);
}

static void what_is_there_is_left_alone(void **state)
{
	(void)state;
	_cleanup_(scene_done) struct scene scene = scene_of(0, 5000);
	struct job_plan told;
	struct dfu_batch batch;
	put_image(&scene);
	assert_false(compare(&scene, false));
	assert_false(dfu_plan_next_batch(scene.plan, &batch));
	dfu_plan_describe(scene.plan, &told);
	assert_int_equal(told.units_identical, 2);
	assert_int_equal(told.bytes_written, 0);
	assert_string_equal(told.sentence, "0x08000000 (2 units, 8 KiB) identical");
}

static void what_is_blank_is_not_erased(void **state)
{
	(void)state;
	_cleanup_(scene_done) struct scene scene = scene_of(0, 5000);
	struct job_plan told;
	assert_true(compare(&scene, false));
	assert_int_equal(dfu_plan_count(scene.plan, UNIT_FILL), 2);
	dfu_plan_describe(scene.plan, &told);
	assert_int_equal(told.units_blank, 2);
	assert_int_equal(told.units_erased, 0);
}

static void one_byte_that_differs_takes_the_head_with_it(void **state)
{
	(void)state;
	_cleanup_(scene_done) struct scene scene = scene_of(0, 5000);
	struct job_plan told;
	put_image(&scene);
	scene.flash[4096 + 9] ^= 1;
	assert_true(compare(&scene, false));
	assert_int_equal(scene.plan->units[0].state, UNIT_ERASE);
	assert_int_equal(scene.plan->units[1].state, UNIT_ERASE);
	dfu_plan_describe(scene.plan, &told);
	assert_int_equal(told.units_erased, 2);
	/* The head is kept for last: blank in what is written first. */
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(scene.plan->units[0].wanted[i], 0xff);
	assert_memory_equal(scene.plan->head_wanted, scene.image->segments[0].data, 8);
}

static void a_job_that_lacked_only_its_head_is_nearly_done(void **state)
{
	(void)state;
	_cleanup_(scene_done) struct scene scene = scene_of(0, 5000);
	struct dfu_batch batch;
	put_image(&scene);
	memset(scene.flash, 0xff, 8);
	assert_true(compare(&scene, false));
	assert_int_equal(scene.plan->units[0].state, UNIT_PROVED);
	assert_false(dfu_plan_next_batch(scene.plan, &batch));
}

static void what_lies_around_is_adopted(void **state)
{
	(void)state;
	_cleanup_(scene_done) struct scene scene = scene_of(0, 5000);
	memset(scene.flash + 6000, 0x42, 100);
	assert_true(compare(&scene, false));
	assert_false(scene.plan->units[0].has_surroundings);
	assert_true(scene.plan->units[1].has_surroundings);
	assert_int_equal(scene.plan->units[1].wanted[6000 - 4096], 0x42);
	/* The block of the image is blank, the surroundings are there: nothing to erase. */
	assert_int_equal(scene.plan->units[1].state, UNIT_FILL);
}

static void batches_are_neighbours_and_bounded(void **state)
{
	(void)state;
	_cleanup_(scene_done) struct scene scene = scene_of(0, 3 * 16384);
	put_image(&scene);
	for (size_t at = 0; at < sizeof(scene.flash); at += 4096)
		scene.flash[at] ^= 1;
	assert_true(compare(&scene, false));
	struct dfu_batch batch;
	assert_true(dfu_plan_next_batch(scene.plan, &batch));
	assert_int_equal(batch.address, START);
	assert_int_equal(batch.count, 6);
	assert_int_equal(batch.length, 3 * 16384);
	assert_true(dfu_plan_prove(scene.plan, 1, scene.plan->units[1].wanted));
	assert_true(dfu_plan_next_batch(scene.plan, &batch));
	assert_int_equal(batch.count, 1);
}

static void what_reads_back_differently_goes_again(void **state)
{
	(void)state;
	_cleanup_(scene_done) struct scene scene = scene_of(0, 5000);
	assert_true(compare(&scene, false));
	assert_false(dfu_plan_prove(scene.plan, 1, scene.flash + 4096));
	assert_int_equal(scene.plan->units[1].state, UNIT_FILL);
	memset(scene.flash + 4096, 0, 4);
	assert_false(dfu_plan_prove(scene.plan, 1, scene.flash + 4096));
	assert_int_equal(scene.plan->units[1].state, UNIT_ERASE);
}

static void force_leaves_nothing_out(void **state)
{
	(void)state;
	_cleanup_(scene_done) struct scene scene = scene_of(0, 5000);
	put_image(&scene);
	assert_true(compare(&scene, true));
	assert_int_equal(dfu_plan_count(scene.plan, UNIT_ERASE), 2);
}

/* Pages of 1 KiB under blocks of two. */
static void units_shorter_than_a_block_go_together(void **state)
{
	(void)state;
	static const struct dfuse_layout pages = { .segments = { { START, 1024, 32, 7 } },
		.segment_count = 1 };
	uint8_t bytes[5000];
	make_noise(bytes, sizeof(bytes), 1);
	_cleanup_(image_freep) struct image *image =
		make_value(FORMAT_ELF, bytes, sizeof(bytes), START);
	_cleanup_(dfu_plan_freep) struct dfu_plan *plan = NULL;
	assert_int_equal(dfu_plan_new(image, &pages, START, 2048, 8, &plan), 0);
	assert_int_equal(plan->count, 3);
	assert_int_equal(plan->units[2].length, 2048);
}

int main(void)
{
	const struct CMUnitTest stories[] = {
		cmocka_unit_test(units_are_those_that_the_image_touches),
		cmocka_unit_test(an_image_that_reaches_nowhere_is_refused),
		cmocka_unit_test(an_image_whose_beginning_is_no_one_write_is_refused),
		cmocka_unit_test(what_is_there_is_left_alone),
		cmocka_unit_test(what_is_blank_is_not_erased),
		cmocka_unit_test(one_byte_that_differs_takes_the_head_with_it),
		cmocka_unit_test(a_job_that_lacked_only_its_head_is_nearly_done),
		cmocka_unit_test(what_lies_around_is_adopted),
		cmocka_unit_test(batches_are_neighbours_and_bounded),
		cmocka_unit_test(what_reads_back_differently_goes_again),
		cmocka_unit_test(force_leaves_nothing_out),
		cmocka_unit_test(units_shorter_than_a_block_go_together),
	};
	return cmocka_run_group_tests(stories, NULL, NULL);
}
