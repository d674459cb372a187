/* SPDX-License-Identifier: MIT */
/* Stories about files of USB DFU: the suffix, and the DfuSe container in front of it. */
#include "unit/image_story.h"

#define STM32_FLASH 0x08000000u

/* The smallest parts of a DfuSe file, by their place in it. */
#define STATED_LENGTH   6u
#define TARGETS         10u
#define TARGET_LENGTH   (MADE_DFUSE_FIRST - 8)
#define TARGET_ELEMENTS (MADE_DFUSE_FIRST - 4)

static uint8_t *make_two_elements(const uint8_t *bytes, size_t *ret_length)
{
	const struct made_segment segments[] = {
		{ STM32_FLASH + 0x4000, bytes + 512, 1000 },
		{ STM32_FLASH, bytes, 512 },
	};
	return make_dfuse(segments, 2, ret_length);
}

static void expect_number_refused(
	struct table *table, size_t place, uint32_t value, enum reason_code code, const char *words)
{
	_cleanup_(freep) uint8_t *bytes = make_bin(1512, 1);
	size_t length;
	_cleanup_(freep) uint8_t *file = make_two_elements(bytes, &length);
	write_u32(file + place, value);
	make_dfu_valid(file, length);
	expect_refused(table, file, length, code, words);
}

static void a_suffix_is_checked_and_taken_off(void **state)
{
	struct table *table = *state;
	_cleanup_(freep) uint8_t *bytes = make_bin(1000, 1);
	size_t length;
	_cleanup_(freep) uint8_t *file = make_dfu(bytes, 1000, &length);
	expect_accepted(table, file, length, FORMAT_DFU);
	assert_false(table->image->has_address);
	assert_int_equal(table->image->segment_count, 1);
	expect_segment(table, 0, 0, bytes, 1000);
}

/* The known answer: this CRC was computed by hand from the standard. */
static void the_checksum_is_that_of_the_standard(void **state)
{
	(void)state;
	size_t length;
	_cleanup_(freep) uint8_t *file = make_dfu((const uint8_t *)"123456789", 9, &length);
	assert_int_equal(length, 25);
	assert_int_equal(read_u32(file + 21), 0x39391E8B);
}

static void one_wrong_bit_under_a_suffix_is_noticed(void **state)
{
	_cleanup_(freep) uint8_t *bytes = make_bin(1000, 1);
	size_t length;
	_cleanup_(freep) uint8_t *file = make_dfu(bytes, 1000, &length);
	file[500] ^= 1;
	expect_refused(*state, file, length, REASON_IMAGE_INCONSISTENT,
		"the checksum of the DFU file is wrong");
}

static void hardly_anything_before_a_suffix_is_refused(void **state)
{
	_cleanup_(freep) uint8_t *bytes = make_bin(512, 1);
	size_t length;
	_cleanup_(freep) uint8_t *file = make_dfu(bytes, 511, &length);
	expect_refused(*state, file, length, REASON_IMAGE_TRUNCATED, "511 bytes beside its suffix");
	_cleanup_(freep) uint8_t *empty = make_dfu(bytes, 0, &length);
	expect_refused(*state, empty, length, REASON_IMAGE_TRUNCATED, "0 bytes beside its suffix");
}

static void elements_become_segments(void **state)
{
	struct table *table = *state;
	_cleanup_(freep) uint8_t *bytes = make_bin(1512, 1);
	size_t length;
	_cleanup_(freep) uint8_t *file = make_two_elements(bytes, &length);
	expect_accepted(table, file, length, FORMAT_DFUSE);
	assert_true(table->image->has_address);
	assert_int_equal(table->image->segment_count, 2);
	expect_segment(table, 0, STM32_FLASH, bytes, 512);
	expect_segment(table, 1, STM32_FLASH + 0x4000, bytes + 512, 1000);
}

/* Some packers count the suffix into the length that they state. */
static void both_ways_to_count_the_length_are_taken(void **state)
{
	_cleanup_(freep) uint8_t *bytes = make_bin(1512, 1);
	size_t length;
	_cleanup_(freep) uint8_t *file = make_two_elements(bytes, &length);
	write_u32(file + STATED_LENGTH, (uint32_t)length);
	make_dfu_valid(file, length);
	expect_accepted(*state, file, length, FORMAT_DFUSE);
}

/* Two targets, each with one element: the frame of one, once more behind itself. */
static uint8_t *make_two_targets(const uint8_t *bytes, uint32_t second, size_t *ret_length)
{
	const struct made_segment segment = { STM32_FLASH, bytes, 512 };
	size_t length;
	_cleanup_(freep) uint8_t *one = make_dfuse(&segment, 1, &length);
	size_t target = length - MADE_DFU_SUFFIX - MADE_DFUSE_TARGET;
	uint8_t *file = malloc(length + target);
	assert_non_null(file);
	memcpy(file, one, length - MADE_DFU_SUFFIX);
	memcpy(file + MADE_DFUSE_TARGET + target, one + MADE_DFUSE_TARGET,
		target + MADE_DFU_SUFFIX);
	uint8_t *head = file + MADE_DFUSE_TARGET + target;
	head[6] = 1; /* its alternate setting */
	write_u32(head + MADE_DFUSE_FIRST - MADE_DFUSE_TARGET, second);
	file[TARGETS] = 2;
	*ret_length = length + target;
	write_u32(file + STATED_LENGTH, (uint32_t)(*ret_length - MADE_DFU_SUFFIX));
	make_dfu_valid(file, *ret_length);
	return file;
}

static void several_targets_are_one_image_if_they_are_apart(void **state)
{
	struct table *table = *state;
	_cleanup_(freep) uint8_t *bytes = make_bin(512, 1);
	size_t length;
	_cleanup_(freep) uint8_t *apart = make_two_targets(bytes, 0x90000000, &length);
	expect_accepted(table, apart, length, FORMAT_DFUSE);
	assert_int_equal(table->image->segment_count, 2);
	expect_segment(table, 1, 0x90000000, bytes, 512);

	_cleanup_(freep) uint8_t *same = make_two_targets(bytes, STM32_FLASH, &length);
	expect_refused(table, same, length, REASON_IMAGE_INCONSISTENT,
		"says twice what belongs at address 0x08000000");
	_cleanup_(freep) uint8_t *across = make_two_targets(bytes, STM32_FLASH + 511, &length);
	expect_refused(table, across, length, REASON_IMAGE_INCONSISTENT, "says twice");
}

static void cut_anywhere_it_is_truncated(void **state)
{
	_cleanup_(freep) uint8_t *bytes = make_bin(1512, 1);
	size_t length;
	_cleanup_(freep) uint8_t *file = make_two_elements(bytes, &length);
	for (size_t cut = 5; cut < length; cut++)
		expect_refused(*state, file, cut, REASON_IMAGE_TRUNCATED, "cut short");
}

static void one_wrong_bit_anywhere_is_noticed(void **state)
{
	struct table *table = *state;
	_cleanup_(freep) uint8_t *bytes = make_bin(1512, 1);
	size_t length;
	_cleanup_(freep) uint8_t *file = make_two_elements(bytes, &length);
	for (size_t i = 5; i < length; i++) {
		file[i] ^= 0x20;
		assert_int_equal(parse(table, file, length), IMAGE_REJECTED);
		file[i] ^= 0x20;
	}
	file[600] ^= 1;
	expect_refused(table, file, length, REASON_IMAGE_INCONSISTENT,
		"the checksum of the DFU file is wrong");
}

static void numbers_that_lie_are_refused(void **state)
{
	struct table *table = *state;
	size_t length = MADE_DFUSE_FIRST + 8 + 1000 + 8 + 512;
	expect_number_refused(table, STATED_LENGTH, (uint32_t)length - 1, REASON_IMAGE_INCONSISTENT,
		"the DfuSe file says that it holds");
	expect_number_refused(table, MADE_DFUSE_TARGET, 0, REASON_IMAGE_INCONSISTENT,
		"what should be target 0 of the DfuSe file");
	expect_number_refused(table, TARGET_LENGTH, 0xFFFFFFFF, REASON_IMAGE_INCONSISTENT,
		"claims 2 elements in 4294967295 bytes");
	expect_number_refused(table, TARGET_LENGTH, 8 + 1000 + 8, REASON_IMAGE_INCONSISTENT,
		"element 1 of target 0 in the DfuSe file (both counted from 0) claims 512 bytes");
	expect_number_refused(table, TARGET_ELEMENTS, 0xFFFFFFFF, REASON_IMAGE_INCONSISTENT,
		"claims 4294967295 elements");
	expect_number_refused(table, TARGET_ELEMENTS, 1, REASON_IMAGE_INCONSISTENT,
		"its elements leave 520 of them over");
	expect_number_refused(table, MADE_DFUSE_FIRST + 4, 0xFFFFFFFF, REASON_IMAGE_INCONSISTENT,
		"element 0 of target 0 in the DfuSe file (both counted from 0) claims 4294967295");
	expect_number_refused(table, MADE_DFUSE_FIRST, 0xFFFFFF00, REASON_IMAGE_INCONSISTENT,
		"past the end of the address space");
}

static void the_number_of_targets_is_right_or_refused(void **state)
{
	struct table *table = *state;
	_cleanup_(freep) uint8_t *bytes = make_bin(1512, 1);
	size_t length;
	_cleanup_(freep) uint8_t *file = make_two_elements(bytes, &length);
	file[TARGETS] = 2;
	make_dfu_valid(file, length);
	expect_refused(table, file, length, REASON_IMAGE_INCONSISTENT, "should be target 1");
	file[TARGETS] = 0;
	make_dfu_valid(file, length);
	expect_refused(table, file, length, REASON_IMAGE_INCONSISTENT,
		"says that it holds 0 targets, and behind them are 1802 bytes");
}

static void other_versions_are_refused(void **state)
{
	_cleanup_(freep) uint8_t *bytes = make_bin(1512, 1);
	size_t length;
	_cleanup_(freep) uint8_t *file = make_two_elements(bytes, &length);
	file[5] = 2;
	make_dfu_valid(file, length);
	expect_refused(*state, file, length, REASON_IMAGE_FORMAT, "of version 2");
}

static void a_container_of_nothing_is_no_firmware(void **state)
{
	size_t length;
	_cleanup_(freep) uint8_t *file = make_dfuse(NULL, 0, &length);
	expect_refused(*state, file, length, REASON_IMAGE_FORMAT, "the DfuSe file holds nothing");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(a_suffix_is_checked_and_taken_off),
		STORY(the_checksum_is_that_of_the_standard),
		STORY(one_wrong_bit_under_a_suffix_is_noticed),
		STORY(hardly_anything_before_a_suffix_is_refused),
		STORY(elements_become_segments),
		STORY(both_ways_to_count_the_length_are_taken),
		STORY(several_targets_are_one_image_if_they_are_apart),
		STORY(cut_anywhere_it_is_truncated),
		STORY(one_wrong_bit_anywhere_is_noticed),
		STORY(numbers_that_lie_are_refused),
		STORY(the_number_of_targets_is_right_or_refused),
		STORY(other_versions_are_refused),
		STORY(a_container_of_nothing_is_no_firmware),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
