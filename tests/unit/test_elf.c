/* SPDX-License-Identifier: MIT */
/* Stories about ELF files: firmware, programs for Linux, and what is neither. */
#include "unit/image_story.h"

/* Where the fields are. */
#define CLASS         4u
#define BYTE_ORDER_AT 5u
#define ABI           7u
#define TYPE          16u
#define MACHINE       18u
#define ENTRY         24u
#define SECTIONS      32u
#define HEADER_SIZE   42u
#define HEADER_COUNT  44u
#define SECTION_SIZE  46u
#define SECTION_COUNT 48u
#define SEGMENT(n)    (MADE_ELF_HEADER + (n)*MADE_ELF_SEGMENT)
#define OFFSET        4u
#define STORED_AT     12u
#define LENGTH        16u
#define MEMORY        20u

struct file {
	uint8_t bytes[4096];
	size_t length;
};

/* 1000 bytes at the start of the flash, and 512 more behind a hole. */
static struct file two_segments(void)
{
	struct file file;
	_cleanup_(freep) uint8_t *bytes = make_bin(1512, 1);
	const struct made_segment segments[] = {
		{ FLASH + 0x4000, bytes + 1000, 512 },
		{ FLASH, bytes, 1000 },
	};
	_cleanup_(freep) uint8_t *made = make_elf(segments, 2, &file.length);
	assert_true(file.length <= sizeof(file.bytes));
	memcpy(file.bytes, made, file.length);
	return file;
}

static void expect_bad(
	struct table *table, const struct file *file, enum reason_code code, const char *words)
{
	expect_refused(table, file->bytes, file->length, code, words);
}

static void expect_linux(struct table *table, const struct file *file)
{
	expect_accepted(table, file->bytes, file->length, FORMAT_ELF);
	assert_true(table->image->is_linux_program);
	assert_false(table->image->has_address);
	assert_int_equal(table->image->segment_count, 1);
	expect_segment(table, 0, 0, file->bytes, (uint32_t)file->length);
}

static void what_is_loaded_goes_to_where_it_is_stored(void **state)
{
	struct table *table = *state;
	_cleanup_(freep) uint8_t *bytes = make_bin(1512, 1);
	struct file file = two_segments();
	expect_accepted(table, file.bytes, file.length, FORMAT_ELF);
	assert_true(table->image->has_address);
	assert_false(table->image->is_linux_program);
	assert_int_equal(table->image->segment_count, 2);
	expect_segment(table, 0, FLASH, bytes, 1000);
	expect_segment(table, 1, FLASH + 0x4000, bytes + 1000, 512);

	write_u16(file.bytes + MACHINE, 243); /* RISC-V */
	expect_accepted(table, file.bytes, file.length, FORMAT_ELF);
}

static void what_is_not_loaded_or_empty_is_left_out(void **state)
{
	struct table *table = *state;
	struct file file = two_segments();
	write_u32(file.bytes + SEGMENT(0), 0x70000001); /* unwinding tables of ARM */
	expect_accepted(table, file.bytes, file.length, FORMAT_ELF);
	assert_int_equal(table->image->segment_count, 1);

	write_u32(file.bytes + SEGMENT(0), 1);
	write_u32(file.bytes + SEGMENT(0) + LENGTH, 0); /* zeros, which nobody stores */
	write_u32(file.bytes + SEGMENT(0) + OFFSET, 0xFFFFFFFF);
	expect_accepted(table, file.bytes, file.length, FORMAT_ELF);
	assert_int_equal(table->image->segment_count, 1);

	write_u32(file.bytes + SEGMENT(1) + LENGTH, 0);
	expect_bad(table, &file, REASON_IMAGE_FORMAT, "only what a debugger wants to know");
	write_u16(file.bytes + HEADER_COUNT, 0);
	expect_bad(table, &file, REASON_IMAGE_FORMAT, "holds no code");
}

static void segments_that_touch_become_one(void **state)
{
	struct table *table = *state;
	struct file file = two_segments();
	write_u32(file.bytes + SEGMENT(0) + STORED_AT, FLASH + 1000);
	expect_accepted(table, file.bytes, file.length, FORMAT_ELF);
	assert_int_equal(table->image->segment_count, 1);
	assert_int_equal(table->image->byte_count, 1512);
}

static void segments_that_overlap_are_refused(void **state)
{
	struct table *table = *state;
	struct file file = two_segments();
	write_u32(file.bytes + SEGMENT(0) + STORED_AT, FLASH + 999);
	expect_bad(table, &file, REASON_IMAGE_INCONSISTENT,
		"the ELF file says twice what belongs at address 0x100003e7");
	/* Also when they say the same: no linker does that. */
	memcpy(file.bytes + SEGMENT(0), file.bytes + SEGMENT(1), MADE_ELF_SEGMENT);
	expect_bad(table, &file, REASON_IMAGE_INCONSISTENT, "says twice");
}

static void an_address_that_would_wrap_is_refused(void **state)
{
	struct file file = two_segments();
	write_u32(file.bytes + SEGMENT(1) + STORED_AT, 0xFFFFFFFF - 999);
	expect_bad(*state, &file, REASON_IMAGE_INCONSISTENT, "past the end of the address space");
}

static void a_segment_may_not_be_larger_than_in_memory(void **state)
{
	struct file file = two_segments();
	write_u32(file.bytes + SEGMENT(1) + MEMORY, 999);
	expect_bad(*state, &file, REASON_IMAGE_INCONSISTENT, "segment 1 of the ELF file");
}

static void its_own_header_is_no_content(void **state)
{
	struct file file = two_segments();
	write_u32(file.bytes + SEGMENT(1) + OFFSET, 0);
	expect_bad(*state, &file, REASON_IMAGE_INCONSISTENT, "its own header into the flash");
}

/* What a linker with large pages makes of code that does not begin on one of them. */
static void sections_tell_the_header_from_the_code(void **state)
{
	struct table *table = *state;
	struct file file = two_segments();
	uint8_t *segment = file.bytes + SEGMENT(0);
	uint32_t code = read_u32(segment + OFFSET), length = read_u32(segment + LENGTH);
	uint32_t address = read_u32(segment + STORED_AT);
	write_u32(segment + OFFSET, 0);
	write_u32(segment + STORED_AT, address - code);
	write_u32(segment + LENGTH, length + code);
	write_u32(segment + MEMORY, length + code);

	uint8_t *section = file.bytes + file.length;
	memset(section, 0, 2 * 40);
	write_u32(section + 40 + 4, 1); /* the second one: bits of the program, */
	write_u32(section + 40 + 8, 2); /* loaded, */
	write_u32(section + 40 + 16, code); /* from here on, */
	write_u32(section + 40 + 20, length); /* as many */
	write_u32(file.bytes + SECTIONS, (uint32_t)file.length);
	write_u16(file.bytes + SECTION_SIZE, 40);
	write_u16(file.bytes + SECTION_COUNT, 2);
	file.length += 2 * 40;
	expect_accepted(table, file.bytes, file.length, FORMAT_ELF);
	expect_segment(table, 1, address, file.bytes + code, length);

	write_u32(section + 40 + 8, 0); /* not loaded: nothing says where the code begins */
	expect_bad(table, &file, REASON_IMAGE_INCONSISTENT, "its own header into the flash");
}

static void cut_anywhere_it_is_truncated(void **state)
{
	struct table *table = *state;
	struct file file = two_segments();
	size_t whole = file.length;
	for (file.length = 4; file.length < whole; file.length++)
		expect_bad(table, &file, REASON_IMAGE_TRUNCATED, "cut short");
	/* The table of sections stands behind everything else. */
	write_u32(file.bytes + SECTIONS, (uint32_t)whole);
	write_u16(file.bytes + SECTION_SIZE, 40);
	write_u16(file.bytes + SECTION_COUNT, 10);
	memset(file.bytes + whole, 0, 400);
	for (file.length = whole; file.length < whole + 400; file.length++)
		expect_bad(table, &file, REASON_IMAGE_TRUNCATED, "table of its sections");
	expect_accepted(table, file.bytes, file.length, FORMAT_ELF);
}

static void headers_that_lie_are_refused(void **state)
{
	struct table *table = *state;
	struct file file = two_segments();
	write_u32(file.bytes + 28, 0xFFFFFFF0); /* where the program headers are */
	expect_bad(table, &file, REASON_IMAGE_TRUNCATED, "program headers");
	file = two_segments();
	write_u16(file.bytes + HEADER_SIZE, 56);
	expect_bad(table, &file, REASON_IMAGE_INCONSISTENT, "56 bytes each, where 32 belong");
	file = two_segments();
	write_u16(file.bytes + HEADER_COUNT, 0xFFFF);
	expect_bad(table, &file, REASON_IMAGE_INCONSISTENT, "claims 65535 program headers");
	file = two_segments();
	write_u32(file.bytes + SEGMENT(0) + LENGTH, 0xFFFFFFFF);
	expect_bad(table, &file, REASON_IMAGE_TRUNCATED, "one of its segments");
	file = two_segments();
	file.bytes[CLASS] = 3;
	expect_bad(table, &file, REASON_IMAGE_INCONSISTENT, "class 3, byte order 1");
	file.bytes[CLASS] = 1;
	file.bytes[BYTE_ORDER_AT] = 0;
	expect_bad(table, &file, REASON_IMAGE_INCONSISTENT, "byte order 0");
}

static void a_big_endian_file_is_for_no_board(void **state)
{
	struct file file = two_segments();
	file.bytes[BYTE_ORDER_AT] = 2;
	expect_bad(*state, &file, REASON_IMAGE_FORMAT, "big-endian");
}

static void what_is_no_program_is_refused_by_name(void **state)
{
	static const struct {
		uint16_t type;
		const char *words;
	} files[] = { { 1, "an object file" }, { 4, "crashed" }, { 0, "no program" },
		{ 0xFE00, "no program" } };
	struct file file = two_segments();
	for (size_t i = 0; i < ELEMENTSOF(files); i++) {
		write_u16(file.bytes + TYPE, files[i].type);
		expect_bad(*state, &file, REASON_IMAGE_FORMAT, files[i].words);
	}
}

static void other_processors_are_named(void **state)
{
	struct file file = two_segments();
	write_u16(file.bytes + MACHINE, 83);
	expect_bad(*state, &file, REASON_IMAGE_FORMAT, "machine 83, AVR");
	write_u16(file.bytes + MACHINE, 94);
	expect_bad(*state, &file, REASON_IMAGE_FORMAT, "ESP32");
	write_u16(file.bytes + MACHINE, 4242);
	expect_bad(*state, &file, REASON_IMAGE_FORMAT, "machine 4242, unknown");
}

static void programs_for_linux_are_kept_whole(void **state)
{
	struct table *table = *state;
	for (uint32_t type = 2; type <= 3; type++) { /* a segment for the dynamic linker */
		struct file file = two_segments();
		write_u32(file.bytes + SEGMENT(0), type);
		expect_linux(table, &file);
	}
	struct file file = two_segments();
	write_u16(file.bytes + MACHINE, 3); /* x86 */
	expect_linux(table, &file);
	file = two_segments();
	write_u16(file.bytes + TYPE, 3); /* goes anywhere in memory */
	expect_linux(table, &file);
	file = two_segments();
	file.bytes[ABI] = 3;
	expect_linux(table, &file);
}

/* One that is linked statically has nothing for a dynamic linker, but the C library's note. */
static void a_note_of_the_c_library_proves_linux(void **state)
{
	struct table *table = *state;
	struct file file = two_segments();
	uint8_t *note = file.bytes + SEGMENT(2);
	write_u32(file.bytes + SEGMENT(0), 4);
	write_u32(file.bytes + SEGMENT(0) + LENGTH, 64);
	memset(note, 0, 64);
	write_u32(note, 4);
	write_u32(note + 4, 20);
	write_u32(note + 8, 3); /* another one in front of it */
	memcpy(note + 12, "GNU", 4);
	write_u32(note + 36, 4);
	write_u32(note + 40, 16);
	write_u32(note + 44, 1);
	memcpy(note + 48, "GNU", 4);
	write_u32(file.bytes + SEGMENT(0) + LENGTH, 68);
	expect_linux(table, &file);

	write_u32(note + 52, 1); /* another system's */
	expect_accepted(table, file.bytes, file.length, FORMAT_ELF);
	assert_false(table->image->is_linux_program);
	write_u32(note + 52, 0);
	write_u32(note + 40, 0xFFFFFFFD); /* what makes no sense proves nothing */
	expect_accepted(table, file.bytes, file.length, FORMAT_ELF);
	assert_false(table->image->is_linux_program);
	write_u32(note, 0xFFFFFFFF);
	expect_accepted(table, file.bytes, file.length, FORMAT_ELF);
	assert_false(table->image->is_linux_program);
}

/* A header of 64 bits, one program header, and some bytes. */
static struct file of_64_bits(uint16_t machine)
{
	struct file file = { .length = 64 + 56 + 100 };
	memcpy(file.bytes, "\177ELF\2\1\1", 7);
	write_u16(file.bytes + TYPE, 2);
	write_u16(file.bytes + MACHINE, machine);
	write_u32(file.bytes + ENTRY, 0x400000);
	write_u32(file.bytes + 32, 64);
	write_u16(file.bytes + 54, 56);
	write_u16(file.bytes + 56, 1);
	write_u32(file.bytes + 64, 1);
	write_u32(file.bytes + 64 + 8, 120);
	write_u32(file.bytes + 64 + 32, 100);
	write_u32(file.bytes + 64 + 40, 100);
	return file;
}

static void programs_of_64_bits_are_for_linux(void **state)
{
	static const uint16_t machines[] = { 62, 183, 243 };
	struct table *table = *state;
	for (size_t i = 0; i < ELEMENTSOF(machines); i++) {
		struct file file = of_64_bits(machines[i]);
		expect_linux(table, &file);
	}
	struct file file = of_64_bits(62);
	for (file.length = 4; file.length < 220; file.length++)
		expect_bad(table, &file, REASON_IMAGE_TRUNCATED, "cut short");
	file = of_64_bits(62);
	write_u32(file.bytes + 64 + 8 + 4, 0xFFFFFFFF); /* 64 bits of offset, about to wrap */
	expect_bad(table, &file, REASON_IMAGE_TRUNCATED, "one of its segments");
	file = of_64_bits(62);
	write_u32(file.bytes + 32 + 4, 0xFFFFFFFF);
	expect_bad(table, &file, REASON_IMAGE_TRUNCATED, "program headers");
}

static void a_library_is_no_program(void **state)
{
	struct file file = two_segments();
	write_u16(file.bytes + TYPE, 3);
	write_u32(file.bytes + ENTRY, 0);
	expect_bad(*state, &file, REASON_IMAGE_FORMAT, "a library for Linux");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(what_is_loaded_goes_to_where_it_is_stored),
		STORY(what_is_not_loaded_or_empty_is_left_out),
		STORY(segments_that_touch_become_one),
		STORY(segments_that_overlap_are_refused),
		STORY(an_address_that_would_wrap_is_refused),
		STORY(a_segment_may_not_be_larger_than_in_memory),
		STORY(its_own_header_is_no_content),
		STORY(sections_tell_the_header_from_the_code),
		STORY(cut_anywhere_it_is_truncated),
		STORY(headers_that_lie_are_refused),
		STORY(a_big_endian_file_is_for_no_board),
		STORY(what_is_no_program_is_refused_by_name),
		STORY(other_processors_are_named),
		STORY(programs_for_linux_are_kept_whole),
		STORY(a_note_of_the_c_library_proves_linux),
		STORY(programs_of_64_bits_are_for_linux),
		STORY(a_library_is_no_program),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
