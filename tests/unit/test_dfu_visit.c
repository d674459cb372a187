/* SPDX-License-Identifier: MIT */
/* Stories about boards in DFU that are looked at and written, each chip with its own manners. */
#include "unit/dfu_story.h"

#include <errno.h>

#include "base/bytes.h"
#include "model/link_address.h"

#define BIT(name) (UINT64_C(1) << CHIP_STM32##name)

/* The old firmware of a board: the same build with another seed. */
static uint8_t *old_klipper(enum stm32_chip chip, uint32_t offset)
{
	return story_klipper(stm32_mcu_name(chip), offset, KLIPPER_BYTES, 1);
}

/* A board whose Klipper at the start of its flash is replaced by a newer one. */
static struct dfu_story *board_with_klipper(enum stm32_chip chip)
{
	_cleanup_(freep) uint8_t *old = old_klipper(chip, 0);
	const struct stm32_options options = {
		.chip = chip, .image = old, .image_bytes = KLIPPER_BYTES
	};
	return dfu_story_new(&options, 0, KLIPPER_BYTES, 2);
}

static const enum stm32_chip roms[] = { STM32_F429_1MB, STM32_F429_2MB, STM32_F446, STM32_F407,
	STM32_F405, STM32_F401XE, STM32_F072, STM32_G0B1_128K, STM32_G0B1_256K, STM32_G0B1_512K,
	STM32_G431, STM32_G474, STM32_H723, STM32_H743 };

/* ---- written ------------------------------------------------------------------------------ */

static void every_chip_is_written_and_starts(void **state)
{
	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(roms); i++) {
		_cleanup_(dfu_story_freep) struct dfu_story *story = board_with_klipper(roms[i]);
		struct dfu_visit visit = dfu_story_visit(story, false);
		dfu_story_expect_flashed(story, &visit);
		assert_true(visit.is_restarted);
		assert_true(story->vectors_programmed);
		assert_int_equal(story->plans, 1);
		assert_int_equal(stm32_counters(story->chip)->overprograms, 0);
		assert_int_equal(stm32_counters(story->chip)->stalls, 0);
	}
}

static void a_blank_chip_is_written_without_an_erase(void **state)
{
	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(roms); i++) {
		const struct stm32_options options = { .chip = roms[i] };
		_cleanup_(dfu_story_freep) struct dfu_story *story =
			dfu_story_new(&options, 0, KLIPPER_BYTES, 2);
		struct dfu_visit visit = dfu_story_visit(story, false);
		dfu_story_expect_flashed(story, &visit);
		assert_int_equal(story->erases, 0);
		assert_int_equal(visit.facts.content, CONTENT_BLANK);
		assert_int_equal(visit.facts.bootloader, BOOTLOADER_NONE);
		assert_int_equal(story->plan.units_blank, story->plan.units_total);
	}
}

static void the_same_again_is_one_read_of_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(roms); i++) {
		_cleanup_(freep) uint8_t *old =
			story_klipper(stm32_mcu_name(roms[i]), 0, KLIPPER_BYTES, 2);
		const struct stm32_options options = {
			.chip = roms[i], .image = old, .image_bytes = KLIPPER_BYTES
		};
		_cleanup_(dfu_story_freep) struct dfu_story *story =
			dfu_story_new(&options, 0, KLIPPER_BYTES, 2);
		struct dfu_visit visit = dfu_story_visit(story, false);
		dfu_story_expect_flashed(story, &visit);
		assert_int_equal(story->erases, 0);
		assert_int_equal(story->programs, 0);
		assert_int_equal(visit.tally.units_identical, visit.tally.units_total);
		assert_int_equal(visit.tally.bytes_written, 0);
		assert_in_range(stm32_counters(story->chip)->bytes_uploaded, KLIPPER_BYTES,
			KLIPPER_BYTES + 2048);
	}
}

static void force_rewrites_what_is_there(void **state)
{
	(void)state;
	_cleanup_(freep) uint8_t *old = story_klipper("stm32f429xx", 0, KLIPPER_BYTES, 2);
	const struct stm32_options options = { .image = old, .image_bytes = KLIPPER_BYTES };
	_cleanup_(dfu_story_freep) struct dfu_story *story =
		dfu_story_new(&options, 0, KLIPPER_BYTES, 2);
	struct dfu_visit visit = dfu_story_visit(story, true);
	dfu_story_expect_flashed(story, &visit);
	assert_int_equal(story->erases, 3);
	assert_int_equal(visit.tally.bytes_written, 45056);
}

static void only_pages_that_differ_are_touched(void **state)
{
	(void)state;
	_cleanup_(freep) uint8_t *old = story_klipper("stm32g0b1xx", 0, KLIPPER_BYTES, 2);
	old[20 * 2048 + 5] ^= 0xff;
	const struct stm32_options options = {
		.chip = STM32_G0B1_512K, .image = old, .image_bytes = KLIPPER_BYTES
	};
	_cleanup_(dfu_story_freep) struct dfu_story *story =
		dfu_story_new(&options, 0, KLIPPER_BYTES, 2);
	struct dfu_visit visit = dfu_story_visit(story, false);
	dfu_story_expect_flashed(story, &visit);
	/* That page, and the one that would start the chip meanwhile. */
	assert_int_equal(story->erases, 2);
	assert_int_equal(story->plan.units_identical, 20);
	assert_int_equal(story->plan.units_erased, 2);
	assert_non_null(
		strstr(story->plan.sentence, "0x0800a000 (1 unit, 2 KiB) erased and written"));
}

static void what_lies_beside_the_image_survives(void **state)
{
	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(roms); i++) {
		const struct stm32_options options = {
			.chip = roms[i], .random_flash = true, .seed = 7
		};
		_cleanup_(dfu_story_freep) struct dfu_story *story =
			dfu_story_new(&options, 0, KLIPPER_BYTES, 2);
		struct dfu_visit visit = dfu_story_visit(story, false);
		dfu_story_expect_flashed(story, &visit);
	}
}

/* ---- behind a boot loader ----------------------------------------------------------------- */

struct behind {
	uint8_t *flash;
	size_t length;
};

/* Katapult, and Klipper behind it (unless `seed` is 0). */
static struct behind katapult_and_klipper(enum stm32_chip chip, uint32_t offset, uint32_t seed)
{
	struct behind behind = { .length = offset + KLIPPER_BYTES };
	behind.flash = malloc(behind.length);
	assert_non_null(behind.flash);
	memset(behind.flash, 0xff, behind.length);
	_cleanup_(freep) uint8_t *katapult = story_katapult(offset);
	memcpy(behind.flash, katapult, KATAPULT_BYTES);
	if (seed == 0)
		return behind;
	_cleanup_(freep) uint8_t *klipper =
		story_klipper(stm32_mcu_name(chip), offset, KLIPPER_BYTES, seed);
	memcpy(behind.flash + offset, klipper, KLIPPER_BYTES);
	return behind;
}

static const struct {
	enum stm32_chip chip;
	uint32_t offset;
} behinds[] = { { STM32_G0B1_128K, 0x2000 }, { STM32_F072, 0x2000 }, { STM32_F446, 0x8000 },
	{ STM32_F429_1MB, 0x8000 }, { STM32_H723, 0x20000 } };

static void katapult_is_seen_and_kept(void **state)
{
	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(behinds); i++) {
		uint32_t offset = behinds[i].offset;
		struct behind there = katapult_and_klipper(behinds[i].chip, offset, 1);
		const struct stm32_options options = {
			.chip = behinds[i].chip, .image = there.flash, .image_bytes = there.length
		};
		_cleanup_(dfu_story_freep) struct dfu_story *story =
			dfu_story_new(&options, offset, KLIPPER_BYTES, 2);
		free(there.flash);
		struct dfu_visit visit = dfu_story_visit(story, false);
		dfu_story_expect_flashed(story, &visit);
		assert_int_equal(visit.facts.bootloader, BOOTLOADER_KATAPULT);
		assert_true(visit.facts.has_application_start);
		assert_int_equal(visit.facts.application_start, STM32_FLASH_BASE + offset);
		assert_true(visit.facts.running.is_known);
		assert_string_equal(visit.facts.running.mcu, stm32_mcu_name(behinds[i].chip));
		assert_string_equal(visit.facts.running.version, "v0.13.0-1-g0a1b2c3d");
	}
}

static void katapult_says_where_its_application_belongs(void **state)
{
	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(behinds); i++) {
		struct behind there = katapult_and_klipper(behinds[i].chip, behinds[i].offset, 0);
		const struct stm32_options options = {
			.chip = behinds[i].chip, .image = there.flash, .image_bytes = there.length
		};
		_cleanup_(dfu_story_freep) struct dfu_story *story =
			dfu_story_new(&options, behinds[i].offset, KLIPPER_BYTES, 2);
		free(there.flash);
		struct dfu_visit visit = dfu_story_look(story);
		assert_int_equal(visit.result, 0);
		assert_int_equal(visit.facts.bootloader, BOOTLOADER_KATAPULT);
		assert_true(visit.facts.has_application_start);
		assert_int_equal(
			visit.facts.application_start, STM32_FLASH_BASE + behinds[i].offset);
		/* It ends before the first block that is blank. */
		assert_in_range(visit.facts.bootloader_end, STM32_FLASH_BASE + KATAPULT_BYTES,
			STM32_FLASH_BASE + KATAPULT_BYTES + 2048);
		assert_false(visit.facts.running.is_known);
	}
}

static void a_foreign_loader_is_known_by_the_klipper_behind_it(void **state)
{
	(void)state;
	struct behind there = katapult_and_klipper(STM32_F446, 0x8000, 1);
	there.flash[0x1000 - 8] ^= 0xff; /* no signature any more */
	const struct stm32_options options = {
		.chip = STM32_F446, .image = there.flash, .image_bytes = there.length
	};
	_cleanup_(dfu_story_freep) struct dfu_story *story =
		dfu_story_new(&options, 0x8000, KLIPPER_BYTES, 2);
	free(there.flash);
	struct dfu_visit visit = dfu_story_look(story);
	assert_int_equal(visit.facts.bootloader, BOOTLOADER_OTHER);
	assert_int_equal(visit.facts.application_start, 0x08008000);
}

static void what_nobody_knows_is_said_to_be_unknown(void **state)
{
	(void)state;
	const struct made_arm made = {
		.base = STM32_FLASH_BASE, .length = 0x4000, .reset = 0x1000
	};
	_cleanup_(freep) uint8_t *program = make_arm(&made);
	const struct stm32_options options = {
		.chip = STM32_F446, .image = program, .image_bytes = 0x4000
	};
	_cleanup_(dfu_story_freep) struct dfu_story *story =
		dfu_story_new(&options, 0x8000, KLIPPER_BYTES, 2);
	struct dfu_visit visit = dfu_story_look(story);
	assert_int_equal(visit.result, 0);
	assert_int_equal(visit.facts.content, CONTENT_BOOTABLE);
	assert_int_equal(visit.facts.bootloader, BOOTLOADER_UNKNOWN);
	assert_false(visit.facts.has_application_start);
	assert_false(visit.facts.running.is_known);
}

/* ---- what is seen ------------------------------------------------------------------------- */

static void the_evidence_names_the_chips_that_it_may_be(void **state)
{
	(void)state;
	static const struct {
		enum stm32_chip chip;
		chip_set chips;
		uint32_t flash_kib;
	} cases[] = {
		{ STM32_F429_1MB, BIT(F427) | BIT(F429), 1024 },
		{ STM32_F072, BIT(F070) | BIT(F072), 128 },
		{ STM32_G0B1_128K, BIT(G0B1), 128 },
		{ STM32_G0B1_512K, BIT(G0B1), 512 },
		{ STM32_G431, BIT(G431), 128 },
		{ STM32_G474, BIT(G474), 512 },
		{ STM32_H723, BIT(H723), 1024 },
		{ STM32_H743, BIT(H743) | BIT(H750), 2048 },
	};
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		_cleanup_(dfu_story_freep) struct dfu_story *story =
			board_with_klipper(cases[i].chip);
		struct dfu_visit visit = dfu_story_look(story);
		assert_int_equal(visit.result, 0);
		assert_true(visit.facts.possible_chips == cases[i].chips);
		assert_int_equal(visit.facts.chip, CHIP_UNKNOWN);
		assert_int_equal(visit.facts.flash_size_bytes, cases[i].flash_kib << 10);
		assert_int_equal(visit.facts.writable_count, 1);
		assert_int_equal(visit.facts.writable[0].start, STM32_FLASH_BASE);
		assert_int_equal(visit.facts.bootloader, BOOTLOADER_NONE);
		assert_int_equal(visit.facts.application_start, STM32_FLASH_BASE);
		assert_string_equal(visit.facts.running.mcu, stm32_mcu_name(cases[i].chip));
		assert_false(visit.facts.is_read_protected);
		assert_int_equal(story->erases + story->programs, 0);
		assert_int_equal(stm32_dfu_state(story->chip), 2); /* dfuIDLE, as it is to be */
	}
}

static void a_read_protected_chip_is_said_to_be_one(void **state)
{
	(void)state;
	static const enum stm32_protection kinds[] = { STM32_PROTECTED, STM32_PROTECTED_STRICTLY };
	for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
		_cleanup_(freep) uint8_t *old = old_klipper(STM32_F446, 0);
		const struct stm32_options options = { .chip = STM32_F446,
			.image = old,
			.image_bytes = KLIPPER_BYTES,
			.protection = kinds[i] };
		_cleanup_(dfu_story_freep) struct dfu_story *story =
			dfu_story_new(&options, 0, KLIPPER_BYTES, 2);
		struct dfu_visit visit = dfu_story_look(story);
		assert_int_equal(visit.result, 0);
		assert_true(visit.facts.is_read_protected);
		assert_true(dfu_story_is_as_before(story));
		/* Who writes all the same is told the same, and nothing happens. */
		visit = dfu_story_visit(story, false);
		assert_int_equal(visit.failure.code, REASON_READ_PROTECTED);
		assert_true(dfu_story_is_as_before(story));
	}
}

static void a_refused_board_can_start_what_it_has(void **state)
{
	(void)state;
	_cleanup_(dfu_story_freep) struct dfu_story *story = board_with_klipper(STM32_G0B1_128K);
	const struct backend *backend = backend_for_mode(MODE_DFU);
	const struct backend_watch watch = { 0 };
	struct board_address address = { .usb = bench_address(story->board) };
	struct backend_session *session = NULL;
	struct backend_failure failure = { 0 };
	struct board_facts facts;
	assert_int_equal(backend->open(&address, &watch, &session, &failure), 0);
	assert_int_equal(backend->probe(session, &facts, &failure), 0);
	assert_int_equal(backend->restart(session, &failure), 0);
	assert_null(backend->close(session));
	assert_true(bench_await_stm32(story->board, STM32_APPLICATION, 3000));
	assert_true(dfu_story_is_as_before(story));
}

static void a_blank_board_has_nothing_to_start(void **state)
{
	(void)state;
	const struct stm32_options options = { .chip = STM32_F446 };
	_cleanup_(dfu_story_freep) struct dfu_story *story =
		dfu_story_new(&options, 0, KLIPPER_BYTES, 2);
	const struct backend *backend = backend_for_mode(MODE_DFU);
	const struct backend_watch watch = { 0 };
	struct board_address address = { .usb = bench_address(story->board) };
	struct backend_session *session = NULL;
	struct backend_failure failure = { 0 };
	struct board_facts facts;
	assert_int_equal(backend->open(&address, &watch, &session, &failure), 0);
	assert_int_equal(backend->probe(session, &facts, &failure), 0);
	assert_int_equal(backend->restart(session, &failure), -EINVAL);
	assert_int_equal(failure.code, REASON_NO_APPLICATION);
	assert_null(backend->close(session));
	assert_int_equal(stm32_mode(story->chip), STM32_DFU);
}

static void a_chip_that_was_blank_comes_with_a_remark(void **state)
{
	(void)state;
	const struct stm32_options options = { .chip = STM32_G0B1_128K };
	_cleanup_(dfu_story_freep) struct dfu_story *story =
		dfu_story_new(&options, 0, KLIPPER_BYTES, 2);
	struct dfu_visit visit = dfu_story_visit(story, false);
	dfu_story_expect_flashed(story, &visit);
	assert_non_null(strstr(visit.failure.sentence, "take all power away once"));
}

/* ---- plain DFU ---------------------------------------------------------------------------- */

static void loaders_of_plain_dfu_are_written_too(void **state)
{
	(void)state;
	static const struct {
		enum stm32_chip chip;
		uint32_t offset;
	} loaders[] = { { STM32_SMOOTHIE, 0x4000 }, { STM32_MAPLE, 0x2000 } };
	for (size_t i = 0; i < ELEMENTSOF(loaders); i++) {
		const struct stm32_options options = { .chip = loaders[i].chip };
		_cleanup_(dfu_story_freep) struct dfu_story *story =
			dfu_story_new(&options, loaders[i].offset, KLIPPER_BYTES, 2);
		uint32_t base = stm32_flash_base(story->chip) + loaders[i].offset;
		const struct made_arm made = { .base = base,
			.stack = base < STM32_FLASH_BASE ? 0x10007fe0 : ARM_STACK,
			.length = KLIPPER_BYTES,
			.signs = ARM_KLIPPER_SIGNS };
		_cleanup_(freep) uint8_t *bytes = make_arm(&made);
		dfu_story_set_image(story, bytes, KLIPPER_BYTES, loaders[i].offset);
		stm32_listen(story->chip, NULL, NULL); /* the order is the loader's */
		struct dfu_visit visit = dfu_story_visit(story, false);
		dfu_story_expect_flashed(story, &visit);
		assert_int_equal(visit.facts.application_start, base);
		assert_int_equal(visit.facts.bootloader, BOOTLOADER_OTHER);
	}
}

int main(void)
{
	const struct CMUnitTest stories[] = {
		cmocka_unit_test(every_chip_is_written_and_starts),
		cmocka_unit_test(a_blank_chip_is_written_without_an_erase),
		cmocka_unit_test(the_same_again_is_one_read_of_it),
		cmocka_unit_test(force_rewrites_what_is_there),
		cmocka_unit_test(only_pages_that_differ_are_touched),
		cmocka_unit_test(what_lies_beside_the_image_survives),
		cmocka_unit_test(katapult_is_seen_and_kept),
		cmocka_unit_test(katapult_says_where_its_application_belongs),
		cmocka_unit_test(a_foreign_loader_is_known_by_the_klipper_behind_it),
		cmocka_unit_test(what_nobody_knows_is_said_to_be_unknown),
		cmocka_unit_test(the_evidence_names_the_chips_that_it_may_be),
		cmocka_unit_test(a_read_protected_chip_is_said_to_be_one),
		cmocka_unit_test(a_refused_board_can_start_what_it_has),
		cmocka_unit_test(a_blank_board_has_nothing_to_start),
		cmocka_unit_test(a_chip_that_was_blank_comes_with_a_remark),
		cmocka_unit_test(loaders_of_plain_dfu_are_written_too),
	};
	return cmocka_run_group_tests(stories, NULL, NULL);
}
