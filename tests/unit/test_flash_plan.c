/* SPDX-License-Identifier: MIT */
/* The plan of a flash, without a flash: an array plays the chip. */
#include "unit/expect.h"

#include <errno.h>
#include <stdlib.h>

#include "backend/flash_plan.h"
#include "unit/make_image.h"

#define START      0x10000000u
#define SECTOR     FLASH_SECTOR_BYTES
#define PAGE       FLASH_PAGE_BYTES
#define CHIP_BYTES (2u << 20)

static const struct flash_head one_sector = { .sectors = 1, .boot_page = START };
static const struct flash_head two_whole = {
	.sectors = 2, .boot_page = START + PAGE, .is_whole = true
};

struct bench_plan {
	struct image *image;
	struct flash_plan *plan;
	uint8_t *bytes;
	uint8_t *chip;
	size_t length;
};

/* A plan for an image of so many bytes; the chip holds it already. */
static struct bench_plan plan_with(size_t length, const struct flash_head *head)
{
	struct bench_plan bench = { .length = length };
	_cleanup_(reasons_done) struct reasons reasons = { 0 };
	bench.bytes = make_bin(length, 1);
	bench.chip = malloc(CHIP_BYTES);
	assert_non_null(bench.chip);
	memset(bench.chip, 0xff, CHIP_BYTES);
	memcpy(bench.chip, bench.bytes, length);
	assert_int_equal(image_parse(bench.bytes, length, &reasons, &bench.image), 0);
	assert_int_equal(image_place(bench.image, START, &reasons), 0);
	assert_int_equal(flash_plan_new(bench.image, head, &bench.plan), 0);
	return bench;
}

static struct bench_plan plan_of(size_t length)
{
	return plan_with(length, &one_sector);
}

static void done(struct bench_plan *bench)
{
	flash_plan_free(bench->plan);
	image_free(bench->image);
	free(bench->bytes);
	free(bench->chip);
}

/* Compares as the backend does; returns the bytes that were read. */
static size_t compare(struct bench_plan *bench)
{
	size_t bytes = 0;
	struct flash_span span;
	while (flash_plan_next_read(bench->plan, &span)) {
		assert_true(span.length > 0 && span.length % PAGE == 0);
		assert_true(span.length <= FLASH_SPAN_SECTORS_MAX * SECTOR);
		assert_true(span.address >= START && span.address - START < CHIP_BYTES);
		flash_plan_compare(bench->plan, &span, bench->chip + (span.address - START));
		bytes += span.length;
		assert_true(bytes <= CHIP_BYTES);
	}
	flash_plan_settle(bench->plan);
	return bytes;
}

static void what_is_there_is_read_once(void **unused)
{
	(void)unused;
	static const size_t lengths[] = { 512, 4096, 4097, 45000, 1u << 20 };
	for (size_t i = 0; i < ELEMENTSOF(lengths); i++) {
		_cleanup_(done) struct bench_plan bench = plan_of(lengths[i]);
		assert_int_equal(compare(&bench), (lengths[i] + PAGE - 1) / PAGE * PAGE);
		struct flash_batch batch;
		assert_false(flash_plan_next_batch(bench.plan, &batch));
		assert_int_equal(flash_plan_count(bench.plan, SECTOR_IDENTICAL), bench.plan->count);
	}
}

static void a_difference_anywhere_is_never_missed(void **unused)
{
	(void)unused;
	/* Every page in turn, and the last byte of the image. */
	for (size_t at = 0; at < 45000; at += PAGE - 1) {
		_cleanup_(done) struct bench_plan bench = plan_of(45000);
		bench.chip[at] ^= 1;
		compare(&bench);
		assert_int_equal(bench.plan->sectors[at / SECTOR].state, SECTOR_DIFFERENT);
		assert_int_equal(bench.plan->sectors[0].state, SECTOR_DIFFERENT);
	}
	_cleanup_(done) struct bench_plan bench = plan_of(45000);
	bench.chip[44999] ^= 1;
	compare(&bench);
	assert_int_equal(bench.plan->sectors[10].state, SECTOR_DIFFERENT);
}

static void what_lies_behind_the_image_is_no_difference(void **unused)
{
	(void)unused;
	_cleanup_(done) struct bench_plan bench = plan_of(45000);
	memset(bench.chip + 45000, 0, 1000);
	compare(&bench);
	assert_int_equal(flash_plan_count(bench.plan, SECTOR_IDENTICAL), 11);
}

static void the_first_sector_is_rewritten_with_anything_and_read_for_nothing(void **unused)
{
	(void)unused;
	_cleanup_(done) struct bench_plan bench = plan_of(45000);
	bench.chip[20000] ^= 1;
	size_t bytes = compare(&bench);
	assert_true(bytes <= 45056 - SECTOR);
	struct flash_batch batch;
	assert_true(flash_plan_next_batch(bench.plan, &batch));
	assert_int_equal(batch.index, 0);
	assert_int_equal(batch.count, 1);
	assert_true(flash_is_blank(flash_plan_wanted(bench.plan, 0), PAGE));
	assert_memory_equal(bench.plan->boot_page, bench.bytes, PAGE);
}

static void a_whole_head_is_rewritten_with_anything(void **unused)
{
	(void)unused;
	_cleanup_(done) struct bench_plan bench = plan_with(45000, &two_whole);
	bench.chip[20000] ^= 1;
	assert_true(compare(&bench) <= 45056 - 2 * SECTOR);
	struct flash_batch batch;
	assert_true(flash_plan_next_batch(bench.plan, &batch));
	assert_int_equal(batch.index, 0);
	assert_int_equal(batch.count, 2);
	assert_memory_equal(flash_plan_wanted(bench.plan, 0), bench.bytes, PAGE);
	assert_true(flash_is_blank(flash_plan_wanted(bench.plan, 0) + PAGE, PAGE));
	assert_memory_equal(bench.plan->boot_page, bench.bytes + PAGE, PAGE);
}

static void every_page_of_a_whole_head_counts(void **unused)
{
	(void)unused;
	for (size_t at = 0; at < 2 * SECTOR; at += PAGE - 1) {
		_cleanup_(done) struct bench_plan bench = plan_with(3000, &two_whole);
		assert_int_equal(bench.plan->count, 2);
		assert_false(
			bench.plan->sectors[0].is_partial || bench.plan->sectors[1].is_partial);
		bench.chip[at] ^= 1; /* also where the image leaves the flash blank */
		compare(&bench);
		assert_int_equal(flash_plan_count(bench.plan, SECTOR_DIFFERENT), 2);
		assert_true(flash_is_blank(flash_plan_wanted(bench.plan, 1), SECTOR));
	}
	_cleanup_(done) struct bench_plan bench = plan_with(3000, &two_whole);
	assert_int_equal(compare(&bench), 2 * SECTOR);
	assert_int_equal(flash_plan_count(bench.plan, SECTOR_IDENTICAL), 2);
}

static void a_hole_across_the_end_of_a_whole_head_stays_one(void **unused)
{
	(void)unused;
	uint8_t first[300] = { 0x11 }, second[2 * SECTOR] = { 0x22 };
	struct image_segment segments[] = {
		{ START, sizeof first, first },
		{ START + SECTOR + 1000, sizeof second, second },
	};
	struct image image = { .segments = segments, .segment_count = 2 };
	_cleanup_(flash_plan_freep) struct flash_plan *plan = NULL;
	assert_int_equal(flash_plan_new(&image, &two_whole, &plan), 0);
	assert_int_equal(plan->count, 4);
	for (size_t i = 0; i < plan->count; i++) {
		assert_int_equal(plan->sectors[i].address, START + i * SECTOR);
		assert_int_equal(plan->sectors[i].covered, i < 3 ? 0xffff : 0xf);
		assert_int_equal(plan->sectors[i].is_partial, i == 3);
	}
}

static void a_boot_page_lies_in_the_head(void **unused)
{
	(void)unused;
	uint8_t bytes[300] = { 0 };
	struct image_segment segment = { START, sizeof bytes, bytes };
	struct image image = { .segments = &segment, .segment_count = 1 };
	struct flash_head outside = { .sectors = 2, .boot_page = START + 2 * SECTOR };
	struct flash_head uneven = { .sectors = 2, .boot_page = START + 4 };
	struct flash_plan *plan;
	assert_int_equal(flash_plan_new(&image, &outside, &plan), -EINVAL);
	assert_int_equal(flash_plan_new(&image, &uneven, &plan), -EINVAL);
}

static void hopeless_comparing_ends(void **unused)
{
	(void)unused;
	_cleanup_(done) struct bench_plan bench = plan_of(1u << 20);
	for (size_t at = SECTOR - 1; at < 1u << 20; at += SECTOR)
		bench.chip[at] ^= 1;
	/* 4 % of 18.5 s are enough for 77 sectors. */
	assert_true(compare(&bench) < 80 * SECTOR);
	assert_int_equal(flash_plan_count(bench.plan, SECTOR_DIFFERENT), 256);
}

static void different_first_pages_are_not_read_on(void **unused)
{
	(void)unused;
	_cleanup_(done) struct bench_plan bench = plan_of(1u << 20);
	for (size_t at = 0; at < 1u << 20; at += SECTOR)
		bench.chip[at] ^= 1;
	assert_int_equal(compare(&bench), 255 * PAGE);
}

static void batches_are_runs_of_neighbours(void **unused)
{
	(void)unused;
	_cleanup_(done) struct bench_plan bench = plan_of(30 * SECTOR);
	flash_plan_settle(bench.plan);
	size_t seen = 0;
	struct flash_batch batch;
	while (flash_plan_next_batch(bench.plan, &batch)) {
		assert_int_equal(batch.index, seen);
		assert_true(batch.count >= 1 && batch.count <= FLASH_BATCH_SECTORS_MAX);
		for (size_t i = 0; i < batch.count; i++)
			bench.plan->sectors[batch.index + i].state = SECTOR_PROVED;
		seen += batch.count;
	}
	assert_int_equal(seen, 30);
}

/* Segments with holes between them, as a UF2 file may bring them. */
static void holes_are_merged_with_what_is_there(void **unused)
{
	(void)unused;
	uint8_t first[300], second[100];
	memset(first, 0x11, sizeof first);
	memset(second, 0x22, sizeof second);
	struct image_segment segments[] = {
		{ START, sizeof first, first },
		{ START + 2 * SECTOR + 1000, sizeof second, second },
		{ START + 2 * SECTOR + 2000, sizeof second, second },
	};
	struct image image = { .segments = segments, .segment_count = 3, .byte_count = 500 };
	_cleanup_(flash_plan_freep) struct flash_plan *plan = NULL;
	assert_int_equal(flash_plan_new(&image, &one_sector, &plan), 0);
	assert_int_equal(plan->count, 2);
	assert_int_equal(plan->sectors[1].address, START + 2 * SECTOR);
	assert_int_equal(plan->sectors[1].covered, 1u << 3 | 1u << 4 | 1u << 7 | 1u << 8);
	assert_true(plan->sectors[0].is_partial && plan->sectors[1].is_partial);

	flash_plan_settle(plan);
	uint8_t there[SECTOR];
	memset(there, 0xff, sizeof there);
	there[1000] = 0; /* the image's own place */
	assert_true(flash_plan_surroundings_are_blank(plan, 1, there));
	there[999] = 0x33;
	assert_false(flash_plan_surroundings_are_blank(plan, 1, there));
	flash_plan_merge(plan, 1, there);
	const uint8_t *wanted = flash_plan_wanted(plan, 1);
	assert_int_equal(wanted[999], 0x33);
	assert_int_equal(wanted[1000], 0x22);
	assert_int_equal(wanted[1100], 0xff);
	assert_int_equal(wanted[2099], 0x22);
}

static void an_image_must_begin_with_a_boot_page(void **unused)
{
	(void)unused;
	uint8_t bytes[300] = { 0 };
	struct image_segment segment = { START + PAGE, sizeof bytes, bytes };
	struct image image = { .segments = &segment, .segment_count = 1 };
	struct flash_plan *plan;
	assert_int_equal(flash_plan_new(&image, &one_sector, &plan), -EINVAL);
	segment = (struct image_segment){ START, PAGE - 1, bytes };
	assert_int_equal(flash_plan_new(&image, &one_sector, &plan), -EINVAL);
	image.segment_count = 0;
	assert_int_equal(flash_plan_new(&image, &one_sector, &plan), -EINVAL);
}

static void runs_leave_blank_pages_out(void **unused)
{
	(void)unused;
	uint8_t bytes[8 * PAGE];
	memset(bytes, 0xff, sizeof bytes);
	bytes[1 * PAGE] = 0;
	bytes[3 * PAGE - 1] = 0;
	bytes[7 * PAGE + 5] = 0;
	size_t offset = 0;
	struct flash_span run;
	assert_true(flash_next_run(bytes, sizeof bytes, &offset, &run));
	assert_int_equal(run.address, PAGE);
	assert_int_equal(run.length, 2 * PAGE);
	assert_true(flash_next_run(bytes, sizeof bytes, &offset, &run));
	assert_int_equal(run.address, 7 * PAGE);
	assert_int_equal(run.length, PAGE);
	assert_false(flash_next_run(bytes, sizeof bytes, &offset, &run));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_there_is_read_once),
		cmocka_unit_test(a_difference_anywhere_is_never_missed),
		cmocka_unit_test(what_lies_behind_the_image_is_no_difference),
		cmocka_unit_test(the_first_sector_is_rewritten_with_anything_and_read_for_nothing),
		cmocka_unit_test(a_whole_head_is_rewritten_with_anything),
		cmocka_unit_test(every_page_of_a_whole_head_counts),
		cmocka_unit_test(a_hole_across_the_end_of_a_whole_head_stays_one),
		cmocka_unit_test(a_boot_page_lies_in_the_head),
		cmocka_unit_test(hopeless_comparing_ends),
		cmocka_unit_test(different_first_pages_are_not_read_on),
		cmocka_unit_test(batches_are_runs_of_neighbours),
		cmocka_unit_test(holes_are_merged_with_what_is_there),
		cmocka_unit_test(an_image_must_begin_with_a_boot_page),
		cmocka_unit_test(runs_leave_blank_pages_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
