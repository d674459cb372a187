/* SPDX-License-Identifier: MIT */
/* Stories about what a program of the Pico SDK says of itself. */
#include "unit/expect.h"

#include <errno.h>

#include "base/bytes.h"
#include "model/binary_info.h"
#include "unit/make_image.h"

#define FLASH 0x10000000u
#define RAM   0x20000000u
#define BYTES 0x4000u

/* Where things lie in the images of these stories. */
#define HEADER  0x1D8u /* behind boot2 and the vectors, as on an RP2040 */
#define LIST    0x1000u
#define ENTRIES 0x1100u
#define TEXTS   0x1400u
#define COPIES  0x1F00u

#define ID_PROGRAM     0x02031C86u
#define ID_VERSION     0x11A9BC3Au
#define ID_BUILD_DATE  0x9DA22254u
#define ID_URL         0x1856239Au
#define ID_DESCRIPTION 0xB6A07C19u
#define ID_SDK_VERSION 0x5360B3ABu
#define ID_BOARD       0xB63CFFBBu
#define ID_BOOT2       0x7F8882E1u

struct program {
	uint8_t bytes[BYTES];
	struct image_segment segments[2];
	struct image image;
	uint32_t base; /* where it thinks that it lies */
	uint32_t entries, text_end;
};

static void put_header(struct program *program, uint32_t at, uint32_t start, uint32_t end)
{
	write_u32(program->bytes + at, 0x7188EBF2);
	write_u32(program->bytes + at + 4, start);
	write_u32(program->bytes + at + 8, end);
	write_u32(program->bytes + at + 12, program->base + COPIES);
	write_u32(program->bytes + at + 16, 0xE71AA390);
}

/* One more entry that points to `pointer`. Returns where it lies. */
static uint32_t put_pointer(struct program *program, uint32_t id, uint32_t pointer)
{
	uint32_t at = ENTRIES + 12 * program->entries;
	write_u16(program->bytes + at, 6);
	write_u16(program->bytes + at + 2, 0x5052);
	write_u32(program->bytes + at + 4, id);
	write_u32(program->bytes + at + 8, pointer);
	write_u32(program->bytes + LIST + 4 * program->entries, program->base + at);
	program->entries++;
	put_header(
		program, HEADER, program->base + LIST, program->base + LIST + 4 * program->entries);
	return at;
}

static uint32_t put(struct program *program, uint32_t id, const char *text)
{
	uint32_t at = program->text_end;
	strcpy((char *)program->bytes + at, text);
	program->text_end += (uint32_t)strlen(text) + 1;
	return put_pointer(program, id, program->base + at);
}

static void put_copy(
	struct program *program, uint32_t index, uint32_t source, uint32_t start, uint32_t end)
{
	uint8_t *bytes = program->bytes + COPIES + 12 * index;
	write_u32(bytes, source);
	write_u32(bytes + 4, start);
	write_u32(bytes + 8, end);
	write_u32(bytes + 12, 0);
}

static int make_program(void **state)
{
	struct program *program = calloc(1, sizeof(*program));
	assert_non_null(program);
	make_noise(program->bytes, BYTES, 1);
	write_u32(program->bytes + COPIES, 0);
	program->segments[0] = (struct image_segment){ FLASH, BYTES, program->bytes };
	program->image = (struct image){
		.has_address = true, .segments = program->segments, .segment_count = 1
	};
	program->base = FLASH;
	program->text_end = TEXTS;
	*state = program;
	return 0;
}

static int release_program(void **state)
{
	free(*state);
	return 0;
}

static void expect_text(const char *actual, const char *expected)
{
	if (!expected)
		assert_null(actual);
	else {
		assert_non_null(actual);
		assert_string_equal(actual, expected);
	}
}

static void expect_program(const struct program *program, const char *expected)
{
	struct binary_info info = { 0 };
	assert_int_equal(binary_info_find(&program->image, &info), 0);
	expect_text(info.program, expected);
	binary_info_done(&info);
}

static void expect_nothing(const struct program *program)
{
	struct binary_info info = { .url = (char *)program };
	assert_int_equal(binary_info_find(&program->image, &info), -ENOENT);
	assert_ptr_equal(info.url, program);
}

static void a_program_says_what_it_is(void **state)
{
	struct program *program = *state;
	expect_nothing(program);
	put(program, ID_BOOT2, "boot2_w25q080");
	put(program, ID_PROGRAM, "blink");
	put(program, ID_VERSION, "1.2");
	put(program, ID_BUILD_DATE, "Aug  7 2026");
	put(program, ID_URL, "https://example.org/blink");
	put(program, ID_DESCRIPTION, "lights\x1b[5m");
	put(program, ID_SDK_VERSION, "2.1.1");
	put(program, ID_BOARD, "pico_w");
	put(program, ID_PROGRAM, "another");
	_cleanup_(binary_info_done) struct binary_info info = { 0 };
	assert_int_equal(binary_info_find(&program->image, &info), 0);
	expect_text(info.program, "blink");
	expect_text(info.version, "1.2");
	expect_text(info.build_date, "Aug  7 2026");
	expect_text(info.url, "https://example.org/blink");
	expect_text(info.description, "lights\\x1b[5m");
	expect_text(info.sdk_version, "2.1.1");
	expect_text(info.board, "pico_w");
}

static void an_entry_may_be_missing(void **state)
{
	struct program *program = *state;
	put(program, ID_BOOT2, "boot2_w25q080");
	expect_nothing(program);
	put(program, ID_BOARD, "pico");
	_cleanup_(binary_info_done) struct binary_info info = { 0 };
	assert_int_equal(binary_info_find(&program->image, &info), 0);
	expect_text(info.board, "pico");
	expect_text(info.program, NULL);
	expect_text(info.url, NULL);
}

static void the_header_lies_near_the_start(void **state)
{
	struct program *program = *state;
	put(program, ID_PROGRAM, "blink");
	uint32_t start = FLASH + LIST, end = start + 4;
	static const struct {
		uint32_t at;
		bool is_found;
	} stories[] = { { 0, true }, { 0x100, true }, { 0x1D8, true }, { 0x3EC, true },
		{ 0x4EC, true }, { 0x4F0, false }, { 0x800, false }, { 0x1DA, false } };
	for (size_t i = 0; i < ELEMENTSOF(stories); i++) {
		make_noise(program->bytes, LIST, 1);
		put_header(program, stories[i].at, start, end);
		if (stories[i].is_found)
			expect_program(program, "blink");
		else
			expect_nothing(program);
	}
}

static void an_image_behind_a_boot_loader_is_read_from_its_own_start(void **state)
{
	struct program *program = *state;
	program->base = FLASH + 0x4000;
	program->segments[0].address = program->base;
	put(program, ID_PROGRAM, "blink");
	expect_program(program, "blink");
}

static void a_raw_image_is_taken_to_lie_at_the_start_of_the_flash(void **state)
{
	struct program *program = *state;
	program->segments[0].address = 0;
	program->image.has_address = false;
	put(program, ID_PROGRAM, "blink");
	expect_program(program, "blink");

	/* One for elsewhere points to where nothing makes sense. */
	program->base = FLASH + 0x10000;
	program->entries = 0;
	put(program, ID_PROGRAM, "blink");
	expect_nothing(program);
	program->base = 0;
	program->entries = 0;
	put(program, ID_PROGRAM, "blink");
	expect_nothing(program);
}

static void pointers_into_ram_are_followed_through_the_copies(void **state)
{
	struct program *program = *state;
	strcpy((char *)program->bytes + 0x3000, "blink");
	put_pointer(program, ID_PROGRAM, RAM + 0x500);
	expect_nothing(program);
	put_copy(program, 0, FLASH + 0x2000, RAM + 0x400, RAM + 0x480);
	expect_nothing(program);
	put_copy(program, 1, FLASH + 0x2F00, RAM + 0x480, RAM + 0x700);
	write_u32(program->bytes + HEADER + 12, FLASH + COPIES);
	strcpy((char *)program->bytes + 0x2F80, "blink");
	expect_program(program, "blink");

	/* What ends with the copy does not go on behind it. */
	put_copy(program, 1, FLASH + 0x2F00, RAM + 0x480, RAM + 0x505);
	expect_nothing(program);
	put_copy(program, 1, FLASH + 0x2F00, RAM + 0x480, RAM + 0x506);
	expect_program(program, "blink");

	/* A program that runs in RAM as a whole: list and entries are there too. */
	put_copy(program, 0, FLASH + 0x1000, RAM + 0x1000, RAM + 0x1F00);
	put_copy(program, 1, FLASH + 0x2F00, RAM + 0x480, RAM + 0x506);
	write_u32(program->bytes + LIST, RAM + ENTRIES);
	put_header(program, HEADER, RAM + LIST, RAM + LIST + 4);
	expect_program(program, "blink");
}

static void copies_are_bounded_and_not_copied_again(void **state)
{
	struct program *program = *state;
	strcpy((char *)program->bytes + 0x3000, "blink");
	put_pointer(program, ID_PROGRAM, RAM);
	for (uint32_t i = 0; i < 9; i++)
		put_copy(program, i, FLASH, RAM + 0x1000, RAM + 0x1000);
	put_copy(program, 9, FLASH + 0x3000, RAM, RAM + 0x100);
	expect_program(program, "blink");
	put_copy(program, 9, FLASH, RAM + 0x1000, RAM + 0x1000);
	put_copy(program, 10, FLASH + 0x3000, RAM, RAM + 0x100);
	expect_nothing(program); /* the eleventh */

	put_copy(program, 0, RAM + 0x200, RAM, RAM + 0x100); /* in a ring */
	put_copy(program, 1, RAM, RAM + 0x200, RAM + 0x300);
	expect_nothing(program);
	put_copy(program, 0, 0xFFFFFFF0, RAM - 0x20, RAM + 0x100); /* and over the edge */
	expect_nothing(program);

	/* A table of copies that is cut off still holds what is there. */
	write_u32(program->bytes + HEADER + 12, FLASH + BYTES - 20);
	uint8_t *last = program->bytes + BYTES - 20;
	write_u32(last, FLASH + 0x3000);
	write_u32(last + 4, RAM);
	write_u32(last + 8, RAM + 0x100);
	expect_program(program, "blink");
	write_u32(program->bytes + HEADER + 12, UINT32_MAX - 3);
	expect_nothing(program);
}

static void an_entry_must_be_one(void **state)
{
	struct program *program = *state;
	static const struct {
		uint32_t at;
		uint16_t value;
	} faults[] = { { 0, 5 }, { 0, 7 }, { 2, 0x4D50 }, { 4, 0x1C87 } };
	uint32_t at = put(program, ID_PROGRAM, "blink");
	for (size_t i = 0; i < ELEMENTSOF(faults); i++) {
		uint8_t saved[12];
		memcpy(saved, program->bytes + at, sizeof(saved));
		write_u16(program->bytes + at + faults[i].at, faults[i].value);
		expect_nothing(program);
		memcpy(program->bytes + at, saved, sizeof(saved));
		expect_program(program, "blink");
	}
}

static void a_header_must_make_sense(void **state)
{
	struct program *program = *state;
	put(program, ID_PROGRAM, "blink");
	static const struct {
		uint32_t start, end;
	} lists[] = {
		{ FLASH + LIST, FLASH + LIST },
		{ FLASH + LIST + 4, FLASH + LIST },
		{ FLASH + LIST, FLASH + LIST + 3 },
		{ FLASH + LIST - 2, FLASH + LIST + 4 },
		{ FLASH + BYTES, FLASH + BYTES + 4 },
		{ FLASH + BYTES - 2, FLASH + BYTES + 4 },
		{ 0xFFFFFFF8, 0xFFFFFFFC },
		{ 0, 0xFFFFFFFC },
	};
	for (size_t i = 0; i < ELEMENTSOF(lists); i++) {
		put_header(program, HEADER, lists[i].start, lists[i].end);
		expect_nothing(program);
	}
	put_header(
		program, HEADER, FLASH + LIST, 0xFFFFFFFC); /* goes on too far, but begins well */
	expect_program(program, "blink");
	write_u32(program->bytes + HEADER + 16, 0xE71AA391);
	expect_nothing(program);
}

static void a_list_is_read_to_its_bound(void **state)
{
	struct program *program = *state;
	put(program, ID_PROGRAM, "blink");
	for (uint32_t i = 0; i < 0x800; i++)
		write_u32(program->bytes + 0x2000 + 4 * i, FLASH + 0x1800); /* an entry of noise */
	write_u32(program->bytes + 0x2000 + 4 * 511, FLASH + ENTRIES);
	put_header(program, HEADER, FLASH + 0x2000, FLASH + 0x4000);
	expect_program(program, "blink");
	write_u32(program->bytes + 0x2000 + 4 * 511, FLASH + 0x1800);
	write_u32(program->bytes + 0x2000 + 4 * 512, FLASH + ENTRIES);
	expect_nothing(program);
}

static void a_text_must_end(void **state)
{
	struct program *program = *state;
	put_pointer(program, ID_PROGRAM, FLASH + 0x3000);
	memset(program->bytes + 0x3000, 'a', 255);
	program->bytes[0x3000 + 255] = '\0';
	char expected[256];
	memcpy(expected, program->bytes + 0x3000, sizeof(expected));
	expect_program(program, expected);
	program->bytes[0x3000 + 255] = 'a';
	program->bytes[0x3000 + 256] = '\0';
	expect_nothing(program);
	program->bytes[0x3000] = '\0';
	expect_nothing(program);

	write_u32(program->bytes + ENTRIES + 8, FLASH + BYTES - 2);
	memcpy(program->bytes + BYTES - 2, "a", 2);
	expect_program(program, "a");
	program->bytes[BYTES - 1] = 'a'; /* cut off by the end of the image */
	expect_nothing(program);
}

static void what_lies_in_a_hole_is_left_out(void **state)
{
	struct program *program = *state;
	put(program, ID_PROGRAM, "blink");
	program->segments[0].length = 0x1000;
	expect_nothing(program);
	program->segments[1] =
		(struct image_segment){ FLASH + 0x1000, 0x1000, program->bytes + 0x1000 };
	program->image.segment_count = 2;
	expect_program(program, "blink");
	program->segments[1].length = TEXTS - 0x1000 + 5;
	expect_nothing(program);
	program->segments[1].length++;
	expect_program(program, "blink");
	program->segments[0].length = HEADER + 19;
	expect_nothing(program);
	program->image.segment_count = 0;
	expect_nothing(program);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, make_program, release_program)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(a_program_says_what_it_is),
		STORY(an_entry_may_be_missing),
		STORY(the_header_lies_near_the_start),
		STORY(an_image_behind_a_boot_loader_is_read_from_its_own_start),
		STORY(a_raw_image_is_taken_to_lie_at_the_start_of_the_flash),
		STORY(pointers_into_ram_are_followed_through_the_copies),
		STORY(copies_are_bounded_and_not_copied_again),
		STORY(an_entry_must_be_one),
		STORY(a_header_must_make_sense),
		STORY(a_list_is_read_to_its_bound),
		STORY(a_text_must_end),
		STORY(what_lies_in_a_hole_is_left_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
