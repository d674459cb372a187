/* SPDX-License-Identifier: MIT */
/*
 * How long a visit takes, exactly, in virtual time. A job may take 5 % longer than chip and wire
 * are busy with it; comparing first may make a job that it does not help 5 % slower; and an image
 * that is there already costs one reading of it.
 */
#include "unit/picoboot_story.h"

#include <inttypes.h>
#include <stdlib.h>

#include "unit/make_image.h"

#define KLIPPER_BYTES 45000u
#define LARGE_BYTES   (1u << 20)
#define SECTOR        4096u
#define PAGE          256u
#define PERCENT_MAX   5.0

static double msec(uint64_t nsec)
{
	return (double)nsec / 1e6;
}

static double percent_over(uint64_t nsec, uint64_t reference_nsec)
{
	return ((double)nsec / (double)reference_nsec - 1) * 100;
}

/* What stands in flash before, made from the image: how they differ is the story. */
typedef void (*old_content)(uint8_t *bytes, size_t length);

static struct story *story_that_differs(size_t length, old_content differ)
{
	_cleanup_(freep) uint8_t *bytes = make_bin(length, 1);
	if (differ)
		differ(bytes, length);
	struct rp2040_options options = { .image = bytes, .image_bytes = length };
	return story_new(&options, length, 1);
}

static void in_first_pages(uint8_t *bytes, size_t length)
{
	for (size_t sector = 0; sector < length; sector += SECTOR)
		bytes[sector] ^= 1;
}

static void in_last_pages(uint8_t *bytes, size_t length)
{
	for (size_t sector = 0; sector < length; sector += SECTOR) {
		size_t end = sector + SECTOR < length ? sector + SECTOR : length;
		bytes[end - 1] ^= 1;
	}
}

static void in_middle_pages(uint8_t *bytes, size_t length)
{
	for (size_t sector = 0; sector < length; sector += SECTOR)
		bytes[sector + SECTOR / 2 < length ? sector + SECTOR / 2 : length - 1] ^= 1;
}

static void late_in_the_second_half(uint8_t *bytes, size_t length)
{
	for (size_t sector = length / 2 / SECTOR * SECTOR; sector < length; sector += SECTOR)
		bytes[sector + SECTOR <= length ? sector + SECTOR - 1 : length - 1] ^= 1;
}

static void late_in_every_other_sector(uint8_t *bytes, size_t length)
{
	for (size_t sector = SECTOR; sector < length; sector += 2 * SECTOR)
		bytes[sector + SECTOR <= length ? sector + SECTOR - 1 : length - 1] ^= 1;
}

static void late_in_five_of_six(uint8_t *bytes, size_t length)
{
	for (size_t sector = SECTOR; sector < length; sector += SECTOR)
		if (sector / SECTOR % 6 != 0)
			bytes[sector + SECTOR <= length ? sector + SECTOR - 1 : length - 1] ^= 1;
}

static void in_one_sector(uint8_t *bytes, size_t length)
{
	bytes[length / 2] ^= 1;
}

static void measure_overhead(const char *what, size_t length, old_content differ, bool force)
{
	_cleanup_(story_freep) struct story *story =
		differ ? story_that_differs(length, differ) : story_new(NULL, length, 1);
	rp2040_reset_counters(bench_rp2040(story->board));
	struct visit visit = story_write(story, force);
	story_expect_flashed(story, &visit);
	uint64_t took_nsec = visit.open_nsec + visit.probe_nsec + visit.write_nsec;
	const struct rp2040_ledger *ledger = rp2040_ledger(bench_rp2040(story->board));
	double over = percent_over(took_nsec, ledger->union_nsec);
	print_message("# %s, %zu bytes: %.1f ms (opening %.2f, probing %.2f), chip and wire were "
		      "busy for %.1f: %.2f %% more\n",
		what, length, msec(took_nsec), msec(visit.open_nsec), msec(visit.probe_nsec),
		msec(ledger->union_nsec), over);
	print_message("#   erasing %.1f, programming %.1f, reading %.1f, ROM %.1f, wire %.1f ms\n",
		msec(ledger->erase_nsec), msec(ledger->program_nsec), msec(ledger->read_nsec),
		msec(ledger->rom_nsec), msec(ledger->wire_nsec));
	assert_true(over <= PERCENT_MAX);
}

static void chip_and_wire_are_kept_busy(void **unused)
{
	(void)unused;
	measure_overhead("blank board", KLIPPER_BYTES, NULL, false);
	measure_overhead("blank board", LARGE_BYTES, NULL, false);
	measure_overhead("other application", KLIPPER_BYTES, in_first_pages, false);
	measure_overhead("other application", LARGE_BYTES, in_first_pages, false);
}

static uint64_t time_to_write(size_t length, old_content differ, bool force, struct visit *ret)
{
	_cleanup_(story_freep) struct story *story = story_that_differs(length, differ);
	*ret = story_write(story, force);
	story_expect_flashed(story, ret);
	return ret->write_nsec;
}

static void comparing_never_costs_much(void **unused)
{
	(void)unused;
	static const struct {
		const char *what;
		old_content differ;
	} kinds[] = {
		{ "the first page of every sector differs", in_first_pages },
		{ "the last page of every sector differs", in_last_pages },
		{ "the middle page of every sector differs", in_middle_pages },
		{ "the last pages of the second half differ", late_in_the_second_half },
		{ "the last page of every other sector differs", late_in_every_other_sector },
		{ "the last page of five sectors of six differs", late_in_five_of_six },
		{ "one sector differs", in_one_sector },
	};
	static const size_t lengths[] = { 5000, 20000, KLIPPER_BYTES, 200000, LARGE_BYTES };
	for (size_t kind = 0; kind < ELEMENTSOF(kinds); kind++) {
		for (size_t i = 0; i < ELEMENTSOF(lengths); i++) {
			struct visit visit;
			uint64_t blind_nsec =
				time_to_write(lengths[i], kinds[kind].differ, true, &visit);
			uint64_t took_nsec =
				time_to_write(lengths[i], kinds[kind].differ, false, &visit);
			double over = percent_over(took_nsec, blind_nsec);
			print_message(
				"# %s, %zu bytes: %.1f ms, without comparing %.1f (%+.2f %%), "
				"%u of %u sectors erased\n",
				kinds[kind].what, lengths[i], msec(took_nsec), msec(blind_nsec),
				over, visit.tally.units_erased, visit.tally.units_total);
			assert_true(over <= PERCENT_MAX);
		}
	}
}

static void an_identical_image_costs_one_reading(void **unused)
{
	(void)unused;
	static const size_t lengths[] = { 512, 5000, KLIPPER_BYTES, LARGE_BYTES };
	for (size_t i = 0; i < ELEMENTSOF(lengths); i++) {
		_cleanup_(story_freep) struct story *story = story_that_differs(lengths[i], NULL);
		struct visit visit = story_write(story, false);
		story_expect_flashed(story, &visit);
		uint64_t pages = (lengths[i] + PAGE - 1) / PAGE;
		double over = percent_over(visit.write_nsec, pages * 600000);
		print_message("# identical, %zu bytes: %.1f ms, %.2f %% more than %" PRIu64
			      " pages of 0.6 ms; the visit %.1f ms\n",
			lengths[i], msec(visit.write_nsec), over, pages,
			msec(visit.open_nsec + visit.probe_nsec + visit.write_nsec));
		assert_int_equal(visit.tally.units_erased, 0);
		assert_int_equal(visit.tally.bytes_read, pages * PAGE);
		if (lengths[i] >= KLIPPER_BYTES)
			assert_true(over <= PERCENT_MAX);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chip_and_wire_are_kept_busy),
		cmocka_unit_test(comparing_never_costs_much),
		cmocka_unit_test(an_identical_image_costs_one_reading),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
