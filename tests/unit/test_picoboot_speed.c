/* SPDX-License-Identifier: MIT */
/*
 * How long a visit takes, exactly, in virtual time. A job may take 5 % longer than chip and wire
 * are busy with it; comparing first may make a job that it does not help 5 % slower, or by the
 * reading of its head; and an image that is there already costs one reading of it. All of it for
 * either chip: the state of a test says which.
 */
#include "unit/picoboot_story.h"

#include <inttypes.h>
#include <stdlib.h>

#include "unit/make_image.h"

#define KLIPPER_BYTES 45000u
#define LARGE_BYTES   (1u << 20)
#define SECTOR        4096u
#define PAGE          256u
#define HEAD_PAGES    32u
#define PERCENT_MAX   5.0
#define SECTOR_NSEC   10000000u /* to read one */

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

static enum rp2040_chip kind_of(void **test)
{
	return *(const enum rp2040_chip *)*test;
}

static struct story *story_that_differs(enum rp2040_chip kind, size_t length, old_content differ)
{
	_cleanup_(freep) uint8_t *bytes = story_make_bin(kind, length, 1);
	if (differ)
		differ(bytes, length);
	struct rp2040_options options = { .chip = kind, .image = bytes, .image_bytes = length };
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

static void measure_overhead(
	enum rp2040_chip kind, const char *what, size_t length, old_content differ)
{
	struct rp2040_options blank = { .chip = kind };
	_cleanup_(story_freep) struct story *story =
		differ ? story_that_differs(kind, length, differ) : story_new(&blank, length, 1);
	rp2040_reset_counters(bench_rp2040(story->board));
	struct visit visit = story_write(story, false);
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

static void chip_and_wire_are_kept_busy(void **test)
{
	measure_overhead(kind_of(test), "blank board", KLIPPER_BYTES, NULL);
	measure_overhead(kind_of(test), "blank board", LARGE_BYTES, NULL);
	measure_overhead(kind_of(test), "other application", KLIPPER_BYTES, in_first_pages);
	measure_overhead(kind_of(test), "other application", LARGE_BYTES, in_first_pages);
}

static uint64_t time_to_write(
	enum rp2040_chip kind, size_t length, old_content differ, bool force, struct visit *ret)
{
	_cleanup_(story_freep) struct story *story = story_that_differs(kind, length, differ);
	*ret = story_write(story, force);
	story_expect_flashed(story, ret);
	return ret->write_nsec;
}

/* Without reading the head whole nobody would learn that a small image is there already; below
 * three sectors that is more than 5 % of the job. */
static uint64_t least_cost(enum rp2040_chip kind)
{
	return kind == RP2040_CHIP_RP2350 ? 2 * SECTOR_NSEC : SECTOR_NSEC;
}

static void comparing_never_costs_much(void **test)
{
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
	static const size_t lengths[] = { 4096, 5000, 8192, 20000, KLIPPER_BYTES, 200000,
		LARGE_BYTES };
	for (size_t kind = 0; kind < ELEMENTSOF(kinds); kind++) {
		for (size_t i = 0; i < ELEMENTSOF(lengths); i++) {
			struct visit visit;
			uint64_t blind_nsec = time_to_write(
				kind_of(test), lengths[i], kinds[kind].differ, true, &visit);
			uint64_t took_nsec = time_to_write(
				kind_of(test), lengths[i], kinds[kind].differ, false, &visit);
			double over = percent_over(took_nsec, blind_nsec);
			print_message(
				"# %s, %zu bytes: %.1f ms, without comparing %.1f (%+.2f %%), "
				"%u of %u sectors erased\n",
				kinds[kind].what, lengths[i], msec(took_nsec), msec(blind_nsec),
				over, visit.tally.units_erased, visit.tally.units_total);
			bool is_small = lengths[i] < 3 * SECTOR;
			assert_true(
				over <= PERCENT_MAX ||
				(is_small && took_nsec - blind_nsec <= least_cost(kind_of(test))));
		}
	}
}

static void an_identical_image_costs_one_reading(void **test)
{
	static const size_t lengths[] = { 512, 5000, KLIPPER_BYTES, LARGE_BYTES };
	for (size_t i = 0; i < ELEMENTSOF(lengths); i++) {
		_cleanup_(story_freep) struct story *story =
			story_that_differs(kind_of(test), lengths[i], NULL);
		struct visit visit = story_write(story, false);
		story_expect_flashed(story, &visit);
		uint64_t pages = (lengths[i] + PAGE - 1) / PAGE;
		if (kind_of(test) == RP2040_CHIP_RP2350 && pages < HEAD_PAGES)
			pages = HEAD_PAGES; /* its head is the image's, blank or not */
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

#define BOTH(story) \
	cmocka_unit_test_prestate(story, &rp2040), cmocka_unit_test_prestate(story, &rp2350)

int main(void)
{
	static enum rp2040_chip rp2040 = RP2040_CHIP_RP2040, rp2350 = RP2040_CHIP_RP2350;
	const struct CMUnitTest tests[] = {
		BOTH(chip_and_wire_are_kept_busy),
		BOTH(comparing_never_costs_much),
		BOTH(an_identical_image_costs_one_reading),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
