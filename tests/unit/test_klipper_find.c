/* SPDX-License-Identifier: MIT */
/* Stories about where a Klipper firmware keeps its dictionary, and about bytes that only look like
 * one. */
#include "unit/klipper_story.h"

#include <errno.h>
#include <zlib.h>

#include "model/klipper.h"
#include "unit/make_image.h"

/* Packs like Klipper's build does (level 9), or in another way. The caller frees it. */
static uint8_t *pack(const void *text, size_t length, int level, size_t *ret_length)
{
	uLongf packed = compressBound(length);
	uint8_t *bytes = malloc(packed);
	assert_non_null(bytes);
	assert_int_equal(compress2(bytes, &packed, text, length, level), Z_OK);
	*ret_length = packed;
	return bytes;
}

/* Bytes under construction that hold dictionaries here and there. */
struct firmware {
	uint8_t bytes[65536];
	size_t packed; /* the length of the last stream */
};

static int make_firmware(void **state)
{
	struct firmware *firmware = calloc(1, sizeof(*firmware));
	assert_non_null(firmware);
	make_noise(firmware->bytes, sizeof(firmware->bytes), 1);
	*state = firmware;
	return 0;
}

static int release_firmware(void **state)
{
	free(*state);
	return 0;
}

static void put_text(struct firmware *firmware, size_t at, const char *text, int level)
{
	_cleanup_(freep) uint8_t *packed = pack(text, strlen(text), level, &firmware->packed);
	assert_true(at + firmware->packed <= sizeof(firmware->bytes));
	memcpy(firmware->bytes + at, packed, firmware->packed);
}

static void put(struct firmware *firmware, size_t at, const char *version)
{
	_cleanup_(freep) char *json = make_json(version, ALWAYS ",\"MCU\":\"stm32g0b1xx\"");
	put_text(firmware, at, json, 9);
}

/* Which version is found, and where. */
static void expect_found(const struct firmware *firmware, size_t at, const char *version)
{
	_cleanup_(klipper_done) struct klipper klipper = { 0 };
	assert_int_equal(klipper_find(firmware->bytes, sizeof(firmware->bytes), &klipper), 0);
	assert_int_equal(klipper.offset, at);
	expect_text(klipper.version, version);
	expect_text(klipper.mcu, "stm32g0b1xx");
}

static void expect_answer(const void *bytes, size_t length, int answer)
{
	struct klipper klipper = { .offset = 7 };
	assert_int_equal(klipper_find(bytes, length, &klipper), answer);
	assert_int_equal(klipper.offset, 7);
	assert_null(klipper.version);
}

static void it_is_found_wherever_it_lies(void **state)
{
	struct firmware *firmware = *state;
	expect_answer(firmware->bytes, sizeof(firmware->bytes), -ENOENT);
	for (size_t at = 0; at < 9; at++) {
		make_noise(firmware->bytes, sizeof(firmware->bytes), 1);
		put(firmware, at, "v1");
		expect_found(firmware, at, "v1");
		expect_answer(firmware->bytes, at + firmware->packed - 1, -ENOENT);
	}
	_cleanup_(klipper_done) struct klipper klipper = { 0 };
	assert_int_equal(klipper_find(firmware->bytes, 8 + firmware->packed, &klipper), 0);
	assert_int_equal(klipper.packed_bytes, firmware->packed);

	make_noise(firmware->bytes, sizeof(firmware->bytes), 1);
	put(firmware, sizeof(firmware->bytes) - firmware->packed, "v1");
	expect_found(firmware, sizeof(firmware->bytes) - firmware->packed, "v1");
}

static void it_is_found_however_it_is_packed(void **state)
{
	struct firmware *firmware = *state;
	_cleanup_(freep) char *json = make_json("v1", "\"MCU\":\"stm32g0b1xx\"");
	static const char *const blanks[] = { "", " ", "\n" };
	for (int level = 0; level <= 9; level++)
		for (size_t i = 0; i < ELEMENTSOF(blanks); i++) {
			_cleanup_(freep) char *text = text_format("%s%s", blanks[i], json);
			put_text(firmware, 1000, text, level);
			expect_found(firmware, 1000, "v1");
			memset(firmware->bytes + 1000, 0, firmware->packed);
		}
	/* A short one has no code of its own. */
	put_text(firmware, 1000, "{\"version\":\"v1\",\"config\":{\"MCU\":\"stm32g0b1xx\"}}", 9);
	assert_int_equal(firmware->bytes[1002] >> 1 & 3, 1);
	expect_found(firmware, 1000, "v1");
}

static void the_two_bytes_of_a_header_are_common(void **state)
{
	struct firmware *firmware = *state;
	static const uint8_t headers[][2] = { { 0x78, 0x01 }, { 0x78, 0x5e }, { 0x78, 0x9c },
		{ 0x78, 0xda }, { 0x78, 0x78 } };
	for (size_t i = 0; i < ELEMENTSOF(headers); i++) {
		for (size_t at = 0; at < sizeof(firmware->bytes); at++)
			firmware->bytes[at] = headers[i][at % 2];
		expect_answer(firmware->bytes, sizeof(firmware->bytes), -ENOENT);
		put(firmware, 30001, "v1");
		expect_found(firmware, 30001, "v1");
	}
	for (size_t at = 0; at + 64 < sizeof(firmware->bytes); at += 64)
		memcpy(firmware->bytes + at, headers[3], 2);
	expect_answer(firmware->bytes, sizeof(firmware->bytes), -ENOENT);
}

static void a_damaged_one_is_none(void **state)
{
	struct firmware *firmware = *state;
	put(firmware, 500, "v1");
	size_t packed = firmware->packed;
	for (size_t i = 0; i < packed; i++) {
		firmware->bytes[500 + i] ^= 0x20;
		expect_answer(firmware->bytes, sizeof(firmware->bytes), -ENOENT);
		firmware->bytes[500 + i] ^= 0x20;
	}
	for (size_t length = 0; length < packed; length++) {
		/* Of the exact size, so that the sanitizers see a read past the end. */
		_cleanup_(freep) uint8_t *cut = malloc(length ? length : 1);
		assert_non_null(cut);
		memcpy(cut, firmware->bytes + 500, length);
		expect_answer(cut, length, -ENOENT);
	}
	expect_found(firmware, 500, "v1");
}

static void the_same_one_twice_is_one(void **state)
{
	struct firmware *firmware = *state;
	put(firmware, 4096, "v1");
	put(firmware, 30000, "v1");
	put(firmware, 30000 + firmware->packed, "v1"); /* one right behind the other */
	expect_found(firmware, 4096, "v1");
}

static void two_that_differ_are_ambiguous(void **state)
{
	struct firmware *firmware = *state;
	put(firmware, 4096, "v1");
	put(firmware, 30000, "v2");
	expect_answer(firmware->bytes, sizeof(firmware->bytes), KLIPPER_AMBIGUOUS);
	firmware->bytes[30000 + firmware->packed - 1] ^= 1;
	expect_found(firmware, 4096, "v1");
	put_text(firmware, 30000, "{\"version\":\"v2\"}", 9);
	expect_found(firmware, 4096, "v1");
}

static void other_packed_things_are_passed_over(void **state)
{
	struct firmware *firmware = *state;
	put_text(firmware, 100, "<html>a web page for the printer</html>", 9);
	put_text(firmware, 1000, "{\"config\":[]}", 9);
	put_text(firmware, 2000, "[{\"config\":{}}]", 9);
	put_text(firmware, 3000, "  {\"config\":{}}", 9); /* nobody's way to begin */
	put_text(firmware, 4000, "{\"config\":{},\"config\":{}}", 9);
	memcpy(firmware->bytes + 5000, "\x1f\x8b\x08\0\0\0\0\0\2\3", 10);
	expect_answer(firmware->bytes, sizeof(firmware->bytes), -ENOENT);
	put(firmware, 6000, "v1");
	expect_found(firmware, 6000, "v1");
}

static void what_is_longer_than_any_dictionary_is_none(void **state)
{
	struct firmware *firmware = *state;
	_cleanup_(freep) char *json = make_json("v1", "\"MCU\":\"stm32g0b1xx\"");
	size_t length = strlen(json);
	_cleanup_(freep) char *padded = malloc(KLIPPER_JSON_MAX + 2);
	assert_non_null(padded);
	memset(padded, ' ', KLIPPER_JSON_MAX + 1);
	padded[KLIPPER_JSON_MAX + 1] = '\0';
	memcpy(padded, json, length);
	put_text(firmware, 100, padded, 9);
	expect_answer(firmware->bytes, sizeof(firmware->bytes), -ENOENT);
	struct klipper klipper;
	assert_int_equal(klipper_parse(padded, strlen(padded), &klipper), -EBADMSG);
	padded[KLIPPER_JSON_MAX] = '\0';
	put_text(firmware, 100, padded, 9);
	expect_found(firmware, 100, "v1");
}

static void nesting_is_refused_when_it_is_packed_too(void **state)
{
	struct firmware *firmware = *state;
	char *json = malloc(100011);
	assert_non_null(json);
	memcpy(json, "{\"config\":", 10);
	memset(json + 10, '[', 100000);
	json[100010] = '\0';
	put_text(firmware, 100, json, 9);
	free(json);
	expect_answer(firmware->bytes, sizeof(firmware->bytes), -ENOENT);
}

/* A megabyte that is nothing but beginnings: no answer is promised but an honest and a soon one. */
static void the_effort_is_bounded(void **state)
{
	(void)state;
	enum { BYTES = 1 << 20 };
	_cleanup_(freep) uint8_t *bytes = malloc(BYTES);
	assert_non_null(bytes);
	size_t packed;
	_cleanup_(freep) uint8_t *stream = pack("{\"config\":{}}", 13, 9, &packed);
	for (size_t at = 0; at < BYTES; at++)
		bytes[at] = stream[at % packed];
	expect_answer(bytes, BYTES, KLIPPER_AMBIGUOUS);
	for (size_t at = 0; at < BYTES; at++)
		bytes[at] = stream[at % (packed - 1)];
	expect_answer(bytes, BYTES, KLIPPER_AMBIGUOUS);
}

static void an_image_is_searched_segment_by_segment(void **state)
{
	struct firmware *firmware = *state;
	put(firmware, 20000, "v1");
	uint8_t *bytes = firmware->bytes;
	struct image_segment segments[] = { { 0x10000000, 4096, bytes },
		{ 0x10002000, 8192, bytes + 16384 }, { 0x10010000, 8192, bytes + 32768 } };
	struct image image = { .segments = segments, .segment_count = 3 };
	size_t segment = 7;
	struct klipper klipper = { 0 };
	assert_int_equal(klipper_find_in_image(&image, &segment, &klipper), 0);
	assert_int_equal(segment, 1);
	assert_int_equal(klipper.offset, 20000 - 16384);
	klipper_done(&klipper);

	put(firmware, 40001, "v1");
	assert_int_equal(klipper_find_in_image(&image, &segment, &klipper), 0);
	assert_int_equal(segment, 1);
	klipper_done(&klipper);

	put(firmware, 40001, "v2");
	segment = 7;
	assert_int_equal(klipper_find_in_image(&image, &segment, &klipper), KLIPPER_AMBIGUOUS);

	segments[1].length = 20000 - 16384 + 40; /* torn: the rest lies behind a hole */
	assert_int_equal(klipper_find_in_image(&image, &segment, &klipper), 0);
	assert_int_equal(segment, 2);
	klipper_done(&klipper);
	image.segment_count = 2;
	segment = 7;
	assert_int_equal(klipper_find_in_image(&image, &segment, &klipper), -ENOENT);
	assert_int_equal(segment, 7);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, make_firmware, release_firmware)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(it_is_found_wherever_it_lies),
		STORY(it_is_found_however_it_is_packed),
		STORY(the_two_bytes_of_a_header_are_common),
		STORY(a_damaged_one_is_none),
		STORY(the_same_one_twice_is_one),
		STORY(two_that_differ_are_ambiguous),
		STORY(other_packed_things_are_passed_over),
		STORY(what_is_longer_than_any_dictionary_is_none),
		STORY(nesting_is_refused_when_it_is_packed_too),
		STORY(the_effort_is_bounded),
		STORY(an_image_is_searched_segment_by_segment),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
