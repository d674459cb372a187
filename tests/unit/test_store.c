/* SPDX-License-Identifier: MIT */
/* The store: which of the files that there are is meant. */
#include "unit/store_story.h"

#include "unit/make_image.h"

#define STORY(name, image)                                    \
	static void name##_on(struct shelf *shelf);           \
	static void name(void **state)                        \
	{                                                     \
		(void)state;                                  \
		_cleanup_(shelf_done) struct shelf s = { 0 }; \
		shelf_open(&s, image);                        \
		name##_on(&s);                                \
	}                                                     \
	static void name##_on(struct shelf *shelf)

/* ---- by name ----------------------------------------------------------------------------- */

STORY(a_directory_is_no_firmware, "/")
{
	expect_no_choice(shelf, REASON_IMAGE_UNREADABLE, "name a firmware file in the rule");
}

STORY(the_file_that_is_named_is_meant, "a.bin")
{
	expect_no_choice(shelf, REASON_IMAGE_MISSING, "no such firmware file");
	shelf_put_widget(shelf, "a.bin", "", 1);
	shelf_put_widget(shelf, "b.bin", "9.0", 2);
	expect_choice(shelf, "a.bin");
}

STORY(the_file_that_is_named_is_given_with_all_that_speaks_against_it, "a.bin")
{
	shelf_put_stm32(shelf, "a.bin");
	assert_int_equal(shelf_choose(shelf), 0);
	expect_only_reason(&shelf->reasons, REASON_WRONG_CHIP, "STM32");
	assert_non_null(shelf->firmware.image);
}

STORY(a_name_may_lie_deeper, "deep/er/a.bin")
{
	shelf_make_directory(shelf, "deep");
	shelf_make_directory(shelf, "deep/er");
	shelf_put_widget(shelf, "deep/er/a.bin", "", 1);
	expect_choice(shelf, "deep/er/a.bin");
}

STORY(nothing_climbs_out_of_the_store, "../../etc/passwd")
{
	expect_no_choice(shelf, REASON_IMAGE_UNREADABLE, "\"..\" is not allowed");
	shelf_mean(shelf, "a/..");
	expect_no_choice(shelf, REASON_IMAGE_UNREADABLE, "\"..\" is not allowed");
	shelf_mean(shelf, "..");
	expect_no_choice(shelf, REASON_IMAGE_UNREADABLE, "\"..\" is not allowed");
}

STORY(a_file_without_bytes_is_no_firmware, "a.bin")
{
	shelf_put(shelf, "a.bin", "", 0);
	expect_no_choice(shelf, REASON_IMAGE_TRUNCATED, "a.bin: the file holds 0 bytes");
}

STORY(a_file_larger_than_any_flash_is_not_read, "a.bin")
{
	_cleanup_(freep) char *path = shelf_path(shelf, "a.bin");
	_cleanup_(fclosep) FILE *file = fopen(path, "we");
	assert_int_equal(ftruncate(fileno(file), (off_t)1 << 40), 0);
	fclosep(&file);
	expect_no_choice(shelf, REASON_IMAGE_TOO_LARGE, "a.bin: larger than any board's flash");
}

STORY(a_name_that_is_no_text_is_told_as_one, "*.bin")
{
	shelf_put_stm32(shelf, "\033[31m\xff.bin");
	assert_int_equal(shelf_choose(shelf), 0);
	expect_reason(&shelf->reasons, REASON_WRONG_CHIP, "");
	shelf_put(shelf, "\033[31m\xff.bin", "", 0);
	expect_no_choice(shelf, REASON_IMAGE_TRUNCATED, "\\x1b[31m\\xff.bin");
}

/* ---- the newest that fits ---------------------------------------------------------------- */

STORY(auto_takes_the_newest_that_fits, "auto")
{
	shelf_put_widget(shelf, "c.bin", "2.9", 1);
	shelf_put_widget(shelf, "a.bin", "2.10", 2);
	shelf_put_widget(shelf, "b.bin", "1.99", 3);
	expect_choice(shelf, "a.bin");
	assert_string_equal(image_facts_version(&shelf->firmware.says), "2.10");
}

STORY(auto_goes_by_commits_behind_the_tag, "auto")
{
	shelf_put_widget(shelf, "a.bin", "v0.12.0-99-gabcdef12", 1);
	shelf_put_widget(shelf, "b.bin", "v0.12.0-100-g12345678", 2);
	shelf_put_widget(shelf, "c.bin", "v0.12.0", 3);
	expect_choice(shelf, "b.bin");
}

STORY(auto_passes_over_a_newer_one_for_another_chip, "auto")
{
	_cleanup_(freep) uint8_t *other = make_rp2350_bin(SHELF_IMAGE_BYTES, 1);
	shelf_put(shelf, "rp2350.bin", other, SHELF_IMAGE_BYTES);
	shelf_put_stm32(shelf, "stm32.bin");
	shelf_put_widget(shelf, "a.bin", "1.0", 1);
	expect_choice(shelf, "a.bin");
}

STORY(auto_passes_over_a_newer_one_that_would_not_start, "auto")
{
	_cleanup_(freep) uint8_t *broken = make_widget("9.0", 1);
	broken[256 + 7] = 0x55; /* the reset vector leads nowhere */
	shelf_put(shelf, "broken.bin", broken, SHELF_IMAGE_BYTES);
	shelf_put_widget(shelf, "a.bin", "1.0", 1);
	expect_choice(shelf, "a.bin");
}

STORY(auto_heeds_what_the_rule_expects, "auto")
{
	shelf_put_widget(shelf, "a.bin", "2.0", 1);
	shelf_put_widget(shelf, "b.bin", "1.5", 2);
	shelf->rule->terms.expected.version = strdup("1.*");
	expect_choice(shelf, "b.bin");
}

STORY(equal_content_is_one_firmware, "auto")
{
	_cleanup_(freep) uint8_t *bytes = make_widget("1.0", 1);
	size_t length;
	_cleanup_(freep) uint8_t *uf2 =
		make_uf2(bytes, SHELF_IMAGE_BYTES, 0x10000000, MADE_FAMILY_RP2040, &length);
	shelf_put(shelf, "a.uf2", uf2, length);
	_cleanup_(freep) uint8_t *packed = make_gzip(bytes, SHELF_IMAGE_BYTES, &length);
	shelf_put(shelf, "b.bin.gz", packed, length);
	shelf_put(shelf, "c.bin", bytes, SHELF_IMAGE_BYTES);
	shelf_put(shelf, "d.bin", bytes, SHELF_IMAGE_BYTES);
	expect_choice(shelf, "a.uf2");
}

/* UF2 fills its last page up; what is built lies beside it in other formats. */
STORY(padding_makes_no_other_firmware, "auto")
{
	const uint32_t length = SHELF_IMAGE_BYTES - 57;
	_cleanup_(freep) uint8_t *bytes = make_widget("1.0", 1);
	const struct made_segment whole = { 0x10000000, bytes, length };
	size_t file_length;
	_cleanup_(freep) uint8_t *uf2 =
		make_uf2(bytes, length, 0x10000000, MADE_FAMILY_RP2040, &file_length);
	shelf_put(shelf, "widget.uf2", uf2, file_length);
	_cleanup_(freep) uint8_t *elf = make_elf(&whole, 1, &file_length);
	shelf_put(shelf, "widget.elf", elf, file_length);
	shelf_put(shelf, "widget.bin", bytes, length);
	expect_choice(shelf, "widget.bin");
	memset(bytes + length, 0xff, 57);
	shelf_put(shelf, "widget.bin", bytes, SHELF_IMAGE_BYTES);
	expect_no_choice(shelf, REASON_IMAGE_AMBIGUOUS, "widget.bin (1.0) and ");
}

STORY(more_than_padding_makes_another_firmware, "auto")
{
	_cleanup_(freep) uint8_t *bytes = make_widget("1.0", 1);
	memset(bytes + SHELF_IMAGE_BYTES - 512, 0, 512);
	shelf_put(shelf, "a.bin", bytes, SHELF_IMAGE_BYTES);
	shelf_put(shelf, "b.bin", bytes, SHELF_IMAGE_BYTES - 512);
	expect_no_choice(shelf, REASON_IMAGE_AMBIGUOUS, "b.bin (1.0)");
	shelf_put(shelf, "b.bin", bytes, SHELF_IMAGE_BYTES - 100);
	expect_choice(shelf, "a.bin");
	bytes[SHELF_IMAGE_BYTES - 600] ^= 1;
	shelf_put(shelf, "b.bin", bytes, SHELF_IMAGE_BYTES - 100);
	expect_no_choice(shelf, REASON_IMAGE_AMBIGUOUS, "b.bin (1.0)");
}

STORY(a_tie_is_refused_and_names_both, "auto")
{
	shelf_put_widget(shelf, "one.bin", "1.0", 1);
	shelf_put_widget(shelf, "two.bin", "1.0", 2);
	shelf_put_widget(shelf, "old.bin", "0.9", 3);
	expect_no_choice(shelf, REASON_IMAGE_AMBIGUOUS, "/one.bin (1.0) and ");
	expect_reason(&shelf->reasons, REASON_IMAGE_AMBIGUOUS, "/two.bin (1.0) both fit");
	assert_int_equal(shelf->reasons.count, 1);
}

STORY(versions_without_an_order_are_a_tie, "auto")
{
	shelf_put_widget(shelf, "a.bin", "apple 1.0", 1);
	shelf_put_widget(shelf, "b.bin", "pear 2.0", 2);
	expect_no_choice(shelf, REASON_IMAGE_AMBIGUOUS, "nobody can tell");
	shelf_put_widget(shelf, "b.bin", "", 2);
	expect_no_choice(shelf, REASON_IMAGE_AMBIGUOUS, "b.bin (no version)");
}

STORY(a_rival_that_does_not_fit_makes_no_tie, "auto")
{
	shelf_put_widget(shelf, "a.bin", "1.0", 1);
	_cleanup_(freep) uint8_t *broken = make_widget("1.0", 2);
	broken[256 + 7] = 0x55;
	shelf_put(shelf, "b.bin", broken, SHELF_IMAGE_BYTES);
	expect_choice(shelf, "a.bin");
}

STORY(hostile_files_among_good_ones_do_not_matter, "auto")
{
	static const uint8_t bomb[64] = { 0x1f, 0x8b, 8 };
	shelf_put_widget(shelf, "m.bin", "1.0", 1);
	shelf_put(shelf, "a.gz", bomb, sizeof(bomb));
	shelf_put(shelf, "b.elf", "\177ELF\1\1\1", 7);
	shelf_put(shelf, "c.txt", "hello\n", 6);
	shelf_put(shelf, "d.bin", "", 0);
	shelf_put(shelf, "z.bin", "PK\3\4", 4);
	expect_choice(shelf, "m.bin");
	assert_int_equal(shelf_count(shelf), 6);
}

STORY(an_empty_store_says_what_to_do, "auto")
{
	expect_no_choice(
		shelf, REASON_IMAGE_MISSING, "none of the 0 files is firmware for an rp2040");
	shelf_put(shelf, "a.txt", "x", 1);
	shelf_put(shelf, "rp2350.txt", "PK\3\4", 4);
	expect_no_choice(shelf, REASON_IMAGE_MISSING, "\"plugflash firmware\" shows what is there");
}

STORY(when_none_fits_the_reasons_of_the_newest_are_told, "auto")
{
	const char *versions[] = { "1.0", "3.0", "2.0" };
	for (size_t i = 0; i < ELEMENTSOF(versions); i++) {
		_cleanup_(freep) uint8_t *bytes = make_widget(versions[i], 1);
		_cleanup_(freep) char *name = text_format("%s.bin", versions[i]);
		bytes[256 + 7] = text_equal(versions[i], "3.0") ? 0x55 : bytes[256 + 7];
		bytes[256 + 3] = text_equal(versions[i], "3.0") ? bytes[256 + 3] : 0x55;
		shelf_put(shelf, name, bytes, SHELF_IMAGE_BYTES);
	}
	expect_no_choice(shelf, REASON_NO_VECTOR_TABLE, "code at 0x55");
	assert_int_equal(shelf->reasons.count, 1);
}

/* ---- patterns ---------------------------------------------------------------------------- */

STORY(a_pattern_means_the_newest_of_its_files, "widget-*.bin")
{
	shelf_put_widget(shelf, "widget-1.bin", "1.0", 1);
	shelf_put_widget(shelf, "widget-2.bin", "2.0", 2);
	shelf_put_widget(shelf, "gadget-3.bin", "3.0", 3);
	expect_choice(shelf, "widget-2.bin");
}

STORY(a_pattern_with_ties_is_refused, "widget-*.bin")
{
	shelf_put_widget(shelf, "widget-1.bin", "", 1);
	shelf_put_widget(shelf, "widget-2.bin", "", 2);
	expect_no_choice(shelf, REASON_IMAGE_AMBIGUOUS, "widget-1.bin (no version)");
	shelf_put_widget(shelf, "widget-2.bin", "", 1);
	expect_choice(shelf, "widget-1.bin");
}

STORY(a_pattern_of_an_absolute_path_knows_versions_too, "")
{
	_cleanup_(freep) char *pattern = outside_path(shelf, "*.bin");
	_cleanup_(freep) char *older = outside_path(shelf, "a.bin");
	_cleanup_(freep) char *newer = outside_path(shelf, "b.bin");
	shelf_put_widget(shelf, older, "1.0", 1);
	shelf_put_widget(shelf, newer, "2.0", 2);
	shelf_mean(shelf, pattern);
	expect_choice(shelf, newer);
}

STORY(what_is_no_firmware_does_not_speak_for_a_pattern, "*")
{
	shelf_put(shelf, "README", "PK\3\4", 4);
	shelf_make_directory(shelf, "directory");
	_cleanup_(freep) uint8_t *bytes = make_widget("1.0", 1);
	bytes[256 + 7] = 0x55;
	shelf_put(shelf, "widget.bin", bytes, SHELF_IMAGE_BYTES);
	expect_no_choice(shelf, REASON_NO_VECTOR_TABLE, "code at 0x55");
	shelf_put_widget(shelf, "widget.bin", "1.0", 1);
	expect_choice(shelf, "widget.bin");
}

/* ---- several directories ----------------------------------------------------------------- */

STORY(the_directories_of_a_policy_count_as_well, "auto")
{
	_cleanup_(freep) char *path = outside_path(shelf, "b.bin");
	shelf_put_widget(shelf, "a.bin", "1.0", 1);
	shelf_put_widget(shelf, path, "2.0", 2);
	expect_choice(shelf, "a.bin");
	assert_int_equal(policy_add_directory(shelf->policy, shelf->outside), 0);
	expect_choice(shelf, path);
	shelf_mean(shelf, "b.bin");
	expect_choice(shelf, path);
}

STORY(the_same_name_in_two_directories_is_two_files, "a.bin")
{
	_cleanup_(freep) char *path = outside_path(shelf, "a.bin");
	assert_int_equal(policy_add_directory(shelf->policy, shelf->outside), 0);
	shelf_put_widget(shelf, "a.bin", "1.0", 1);
	shelf_put_widget(shelf, path, "2.0", 2);
	expect_choice(shelf, path);
	shelf_put_widget(shelf, path, "1.0", 2);
	expect_no_choice(shelf, REASON_IMAGE_AMBIGUOUS, "both fit");
}

STORY(a_directory_that_is_not_there_hides_no_other, "deep/*.bin")
{
	_cleanup_(freep) char *deep = outside_path(shelf, "deep");
	_cleanup_(freep) char *path = outside_path(shelf, "deep/a.bin");
	assert_int_equal(policy_add_directory(shelf->policy, "/nonexistent/firmware"), 0);
	assert_int_equal(policy_add_directory(shelf->policy, shelf->outside), 0);
	expect_no_choice(shelf, REASON_IMAGE_MISSING, "no such firmware file");
	shelf_make_directory(shelf, deep);
	shelf_put_widget(shelf, path, "1.0", 1);
	expect_choice(shelf, path);
	shelf_mean(shelf, "auto");
	expect_choice(shelf, path);
}

STORY(a_directory_is_no_pattern, "*.bin")
{
	_cleanup_(freep) char *directory = outside_path(shelf, "f[1]w*");
	_cleanup_(freep) char *path = outside_path(shelf, "f[1]w*/a.bin");
	shelf_make_directory(shelf, directory);
	shelf_put_widget(shelf, path, "1.0", 1);
	assert_int_equal(policy_add_directory(shelf->policy, directory), 0);
	expect_choice(shelf, path);
	shelf_mean(shelf, "a.bin");
	expect_choice(shelf, path);
}

STORY(directories_in_each_other_list_a_file_once, "auto")
{
	_cleanup_(freep) char *deep = shelf_path(shelf, "deep");
	_cleanup_(freep) char *slash = text_format("%s/", shelf->directory);
	shelf_make_directory(shelf, "deep");
	shelf_put_widget(shelf, "deep/a.bin", "1.0", 1);
	assert_int_equal(policy_add_directory(shelf->policy, deep), 0);
	assert_int_equal(policy_add_directory(shelf->policy, slash), 0);
	assert_int_equal(shelf_count(shelf), 1);
	shelf_put_widget(shelf, "deep/b.bin", "2.0", 2);
	assert_int_equal(shelf_count(shelf), 2);
	expect_choice(shelf, "deep/b.bin");
}

STORY(auto_looks_into_directories_but_not_into_hidden_ones, "auto")
{
	shelf_make_directory(shelf, "deep");
	shelf_make_directory(shelf, ".git");
	shelf_put_widget(shelf, "deep/a.bin", "1.0", 1);
	shelf_put_widget(shelf, ".git/b.bin", "2.0", 2);
	shelf_put_widget(shelf, ".c.bin.XXXX", "3.0", 3);
	expect_choice(shelf, "deep/a.bin");
}

STORY(auto_looks_only_so_deep, "auto")
{
	_cleanup_(freep) char *name = strdup("d");
	for (int i = 0; i < 12; i++) {
		shelf_make_directory(shelf, name);
		assert_int_equal(text_append(&name, "/d"), 0);
	}
	_cleanup_(freep) char *path = text_format("%s.bin", name);
	shelf_put_widget(shelf, path, "1.0", 1);
	assert_int_equal(shelf_count(shelf), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_directory_is_no_firmware),
		cmocka_unit_test(the_file_that_is_named_is_meant),
		cmocka_unit_test(the_file_that_is_named_is_given_with_all_that_speaks_against_it),
		cmocka_unit_test(a_name_may_lie_deeper),
		cmocka_unit_test(nothing_climbs_out_of_the_store),
		cmocka_unit_test(a_file_without_bytes_is_no_firmware),
		cmocka_unit_test(a_file_larger_than_any_flash_is_not_read),
		cmocka_unit_test(a_name_that_is_no_text_is_told_as_one),
		cmocka_unit_test(auto_takes_the_newest_that_fits),
		cmocka_unit_test(auto_goes_by_commits_behind_the_tag),
		cmocka_unit_test(auto_passes_over_a_newer_one_for_another_chip),
		cmocka_unit_test(auto_passes_over_a_newer_one_that_would_not_start),
		cmocka_unit_test(auto_heeds_what_the_rule_expects),
		cmocka_unit_test(equal_content_is_one_firmware),
		cmocka_unit_test(padding_makes_no_other_firmware),
		cmocka_unit_test(more_than_padding_makes_another_firmware),
		cmocka_unit_test(a_tie_is_refused_and_names_both),
		cmocka_unit_test(versions_without_an_order_are_a_tie),
		cmocka_unit_test(a_rival_that_does_not_fit_makes_no_tie),
		cmocka_unit_test(hostile_files_among_good_ones_do_not_matter),
		cmocka_unit_test(an_empty_store_says_what_to_do),
		cmocka_unit_test(when_none_fits_the_reasons_of_the_newest_are_told),
		cmocka_unit_test(a_pattern_means_the_newest_of_its_files),
		cmocka_unit_test(a_pattern_with_ties_is_refused),
		cmocka_unit_test(a_pattern_of_an_absolute_path_knows_versions_too),
		cmocka_unit_test(what_is_no_firmware_does_not_speak_for_a_pattern),
		cmocka_unit_test(the_directories_of_a_policy_count_as_well),
		cmocka_unit_test(the_same_name_in_two_directories_is_two_files),
		cmocka_unit_test(a_directory_that_is_not_there_hides_no_other),
		cmocka_unit_test(a_directory_is_no_pattern),
		cmocka_unit_test(directories_in_each_other_list_a_file_once),
		cmocka_unit_test(auto_looks_into_directories_but_not_into_hidden_ones),
		cmocka_unit_test(auto_looks_only_so_deep),
	};
	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
