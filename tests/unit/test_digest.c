/* SPDX-License-Identifier: MIT */
/* Digests against the vectors that everybody publishes. */
#include "unit/expect.h"

#include "base/digest.h"
#include "base/text.h"

static void expect_digest(struct digest_state *state, const char *expected)
{
	struct digest digest = digest_finish(state);
	char text[DIGEST_TEXT];
	text_hex(digest.bytes, DIGEST_BYTES, text);
	assert_string_equal(text, expected);
}

static void sha256_of_nothing_and_of_abc(void **unused)
{
	(void)unused;
	expect_digest(
		digest_new(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	struct digest_state *state = digest_new();
	digest_add(state, "abc", 3);
	expect_digest(state, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void sha256_of_two_blocks_however_they_are_cut(void **unused)
{
	(void)unused;
	static const char text[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
	for (size_t cut = 0; cut < sizeof(text); cut++) {
		struct digest_state *state = digest_new();
		digest_add(state, text, cut);
		digest_add(state, text + cut, sizeof(text) - 1 - cut);
		expect_digest(
			state, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
	}
}

static void numbers_enter_a_digest_as_little_endian_bytes(void **unused)
{
	(void)unused;
	struct digest_state *state = digest_new();
	digest_add_u32(state, 0x04030201);
	struct digest number = digest_finish(state);
	state = digest_new();
	digest_add(state, "\x01\x02\x03\x04", 4);
	struct digest bytes = digest_finish(state);
	assert_memory_equal(number.bytes, bytes.bytes, DIGEST_BYTES);
}

static void crc_of_the_check_string_and_of_blank_boot2s(void **unused)
{
	(void)unused;
	assert_int_equal(crc32_mpeg2("123456789", 9), 0x0376E6E7);
	uint8_t page[252];
	memset(page, 0xFF, sizeof(page));
	assert_int_equal(crc32_mpeg2(page, sizeof(page)), 0x0B8FD31A);
	memset(page, 0x00, sizeof(page));
	assert_int_equal(crc32_mpeg2(page, sizeof(page)), 0x7065399A);
	assert_int_equal(crc32_mpeg2(page, 0), 0xFFFFFFFF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sha256_of_nothing_and_of_abc),
		cmocka_unit_test(sha256_of_two_blocks_however_they_are_cut),
		cmocka_unit_test(numbers_enter_a_digest_as_little_endian_bytes),
		cmocka_unit_test(crc_of_the_check_string_and_of_blank_boot2s),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
