/* SPDX-License-Identifier: MIT */
/* Stories about images that do not say where they belong, and what proves it all the same. */
#include "unit/expect.h"

#include "base/bytes.h"
#include "model/link_address.h"
#include "unit/make_arm.h"
#include "unit/make_image.h"

#define CHIP  CHIP_STM32F429
#define FLASH 0x10000000u

static struct link_address find_as(
	const uint8_t *bytes, const struct made_arm *made, enum chip chip)
{
	return link_address_find(bytes, made_arm_length(made), chip,
		made->signs & LINK_DICTIONARY ? ARM_DICTIONARY : LINK_NO_DICTIONARY);
}

static struct link_address find(const uint8_t *bytes, const struct made_arm *made)
{
	return find_as(bytes, made, CHIP);
}

static struct link_address find_made(const struct made_arm *made)
{
	_cleanup_(freep) uint8_t *bytes = make_arm(made);
	return find(bytes, made);
}

static bool is_candidate(const struct link_address *link, uint32_t base)
{
	for (size_t i = 0; i < link->candidate_count; i++)
		if (link->candidates[i] == base)
			return true;
	return false;
}

static void expect_proved(const struct link_address *link, uint32_t base)
{
	if (!link->is_proved)
		fail_msg("0x%08x is not proved", base);
	assert_int_equal(link->base, base);
	assert_true(link->signs & LINK_VECTORS || link->signs & LINK_BOOT2);
}

static void expect_unproved(const struct link_address *link)
{
	if (link->is_proved)
		fail_msg("0x%08x is held for proved by %x", link->base, link->signs);
	assert_int_equal(link->base, 0);
	assert_false(link->is_cut);
}

static const unsigned each_sign[] = { LINK_RESET_CODE, LINK_DEFAULT_HANDLER, LINK_DICTIONARY,
	LINK_VTOR, LINK_POINTERS };

static void the_vector_table_alone_allows_several_places(void **unused)
{
	(void)unused;
	const struct link_address link = find_made(&(struct made_arm){ .base = ARM_32K });
	static const uint32_t places[] = { 0x08006000, 0x08007000, 0x08008000, 0x08008800,
		0x08009000, 0x0800a000, 0x0800c000 };
	expect_unproved(&link);
	assert_int_equal(link.candidate_count, ELEMENTSOF(places));
	assert_memory_equal(link.candidates, places, sizeof(places));
}

static void one_sign_alone_proves_nothing(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ELEMENTSOF(each_sign); i++) {
		struct made_arm made = { .base = ARM_32K, .signs = each_sign[i] };
		const struct link_address link = find_made(&made);
		expect_unproved(&link);
		assert_true(is_candidate(&link, ARM_32K));
	}
}

static void two_signs_that_agree_prove_it(void **unused)
{
	(void)unused;
	static const uint32_t bases[] = { 0x08000800, 0x08001000, ARM_8K, 0x08004000, 0x08005000,
		0x08007000, ARM_32K, 0x08008800, 0x08009000, 0x0800c000, 0x08020000, 0x08020200 };
	for (size_t b = 0; b < ELEMENTSOF(bases); b++)
		for (size_t i = 0; i < ELEMENTSOF(each_sign); i++)
			for (size_t k = 0; k < i; k++) {
				struct made_arm made = { .base = bases[b],
					.signs = each_sign[i] | each_sign[k] };
				const struct link_address link = find_made(&made);
				expect_proved(&link, bases[b]);
				assert_int_equal(link.signs & made.signs, made.signs);
				assert_false(link.is_cut);
			}
}

/* Its address is a constant in many programs that lie elsewhere. */
static void at_the_start_of_the_flash_pointers_must_agree(void **unused)
{
	(void)unused;
	static const unsigned others[] = { LINK_RESET_CODE, LINK_DEFAULT_HANDLER, LINK_DICTIONARY };
	for (size_t i = 0; i < ELEMENTSOF(others); i++) {
		struct made_arm made = { .base = ARM_STM32_0, .signs = others[i] | LINK_VTOR };
		struct link_address link = find_made(&made);
		expect_unproved(&link);
		made.signs |= LINK_POINTERS;
		link = find_made(&made);
		expect_proved(&link, ARM_STM32_0);
		made.signs &= ~(unsigned)LINK_VTOR;
		link = find_made(&made);
		expect_proved(&link, ARM_STM32_0);
	}
}

/* Wherever a program lies, its code is behind its start. */
static void code_that_starts_before_every_other_place_is_at_the_first(void **unused)
{
	(void)unused;
	struct made_arm made = { .base = ARM_STM32_0, .reset = 0x600 };
	struct link_address link = find_made(&made);
	expect_unproved(&link);
	made.signs = LINK_RESET_CODE;
	link = find_made(&made);
	expect_proved(&link, ARM_STM32_0);
	made.reset = 0x800; /* which may be the start of it */
	link = find_made(&made);
	expect_unproved(&link);
}

static void signs_that_contradict_each_other_prove_nothing(void **unused)
{
	(void)unused;
	struct made_arm made = { .base = ARM_32K, .signs = LINK_RESET_CODE | LINK_POINTERS };
	_cleanup_(freep) uint8_t *bytes = make_arm(&made);
	struct link_address link = find(bytes, &made);
	expect_proved(&link, ARM_32K);
	/* The address of another vector table. */
	write_u32(bytes + ARM_CONSTANTS, 0x08007000);
	link = find(bytes, &made);
	expect_unproved(&link);
	/* What most exceptions lead to is a loop, were it there. */
	write_u32(bytes + ARM_CONSTANTS, 0);
	write_u16(bytes + ARM_HANDLER + 0x1000, 0xe7fe);
	link = find(bytes, &made);
	expect_unproved(&link);
}

static void what_shows_at_two_places_proves_neither(void **unused)
{
	(void)unused;
	struct made_arm made = { .base = ARM_32K,
		.signs = LINK_RESET_CODE | LINK_DEFAULT_HANDLER | LINK_POINTERS };
	_cleanup_(freep) uint8_t *bytes = make_arm(&made);
	write_u16(bytes + ARM_RESET + 0x1000, 0xb672); /* as if it were at 0x08007000 */
	struct link_address link = find(bytes, &made);
	expect_proved(&link, ARM_32K);
	write_u16(bytes + ARM_HANDLER + 0x1000, 0xe7fe);
	link = find(bytes, &made);
	expect_unproved(&link);
	assert_true(is_candidate(&link, 0x08007000));
}

static void a_constant_may_be_in_two_halves(void **unused)
{
	(void)unused;
	struct made_arm made = { .base = ARM_32K, .signs = LINK_RESET_CODE };
	for (unsigned target = 0; target < 13; target++) {
		_cleanup_(freep) uint8_t *bytes = make_arm(&made);
		make_movw(bytes + ARM_CONSTANTS + 2, target, ARM_32K, 0);
		struct link_address link = find(bytes, &made);
		expect_proved(&link, ARM_32K);
		assert_true(link.signs & LINK_VTOR);
	}
	made.signs |= LINK_DICTIONARY;
	_cleanup_(freep) uint8_t *bytes = make_arm(&made);
	write_u32(bytes + ARM_CONSTANTS + 4, 0);
	make_movw(bytes + ARM_CONSTANTS, 3, ARM_32K + ARM_DICTIONARY, 20);
	struct link_address link = find(bytes, &made);
	expect_proved(&link, ARM_32K);
	assert_true(link.signs & LINK_DICTIONARY);
}

static void halves_that_do_not_belong_together_are_no_constant(void **unused)
{
	(void)unused;
	struct made_arm made = { .base = ARM_32K, .signs = LINK_RESET_CODE };
	_cleanup_(freep) uint8_t *bytes = make_arm(&made);
	make_movw(bytes + ARM_CONSTANTS, 3, ARM_32K, 80); /* far apart */
	struct link_address link = find(bytes, &made);
	expect_unproved(&link);
	_cleanup_(freep) uint8_t *others = make_arm(&made);
	make_movw(others + ARM_CONSTANTS, 3, ARM_32K, 0);
	others[ARM_CONSTANTS + 7] = 4 | (others[ARM_CONSTANTS + 7] & 0xf0); /* into r4 */
	link = find(others, &made);
	expect_unproved(&link);
}

static void a_constant_that_is_not_aligned_is_none(void **unused)
{
	(void)unused;
	struct made_arm made = { .base = ARM_32K, .signs = LINK_RESET_CODE };
	for (size_t off = 0; off < 4; off++) {
		_cleanup_(freep) uint8_t *bytes = make_arm(&made);
		write_u32(bytes + ARM_CONSTANTS + off, ARM_32K);
		struct link_address link = find(bytes, &made);
		assert_int_equal(link.is_proved, off == 0);
	}
}

/* It looks for the boot loader there, or reckons with the size of the flash. */
static void a_program_elsewhere_may_know_the_start_of_the_flash(void **unused)
{
	(void)unused;
	struct made_arm made = { .base = ARM_32K,
		.length = 0x10000,
		.signs = LINK_RESET_CODE | LINK_DEFAULT_HANDLER | LINK_POINTERS };
	_cleanup_(freep) uint8_t *bytes = make_arm(&made);
	write_u32(bytes + ARM_CONSTANTS, ARM_STM32_0);
	struct link_address link = find(bytes, &made);
	assert_true(is_candidate(&link, ARM_STM32_0));
	expect_proved(&link, ARM_32K);
	/* Its own address beside it: not forgiven, and not needed. */
	write_u32(bytes + ARM_CONSTANTS + 4, ARM_32K);
	link = find(bytes, &made);
	if (link.is_proved)
		assert_int_equal(link.base, ARM_32K);
	/* Nor does that constant prove the start, beside pointers that agree by chance. */
	made.signs = 0;
	_cleanup_(freep) uint8_t *plain = make_arm(&made);
	write_u32(plain + ARM_CONSTANTS, ARM_STM32_0);
	link = find(plain, &made);
	expect_unproved(&link);
}

static void a_boot2_is_where_an_rp2040_starts(void **unused)
{
	(void)unused;
	static const enum chip chips[] = { CHIP_UNKNOWN, CHIP_RP2040 };
	_cleanup_(freep) uint8_t *bytes = make_bin(4096, 1);
	for (size_t i = 0; i < ELEMENTSOF(chips); i++) {
		struct link_address link =
			link_address_find(bytes, 4096, chips[i], LINK_NO_DICTIONARY);
		expect_proved(&link, FLASH);
		assert_true(link.signs & LINK_BOOT2);
		assert_int_equal(link.vectors, 256);
	}
	/* Whether what follows would start is another matter. */
	memset(bytes + 256, 0, 256);
	struct link_address link = link_address_find(bytes, 4096, CHIP_RP2040, LINK_NO_DICTIONARY);
	expect_proved(&link, FLASH);
	bytes[0] ^= 1;
	link = link_address_find(bytes, 4096, CHIP_RP2040, LINK_NO_DICTIONARY);
	expect_unproved(&link);
}

static void a_boot2_says_nothing_of_other_chips(void **unused)
{
	(void)unused;
	static const enum chip chips[] = { CHIP_STM32F429, CHIP_LPC1768 };
	for (size_t i = 0; i < ELEMENTSOF(chips); i++) {
		const uint32_t start = chip_memory(chips[i])->flash.start;
		struct made_arm made = { .base = start + 256,
			.stack = chips[i] == CHIP_LPC1768 ? 0x10007fe0 : 0 };
		_cleanup_(freep) uint8_t *program = make_arm(&made);
		uint8_t bytes[256 + ARM_LENGTH];
		make_noise(bytes, 256, 1);
		make_boot2_valid(bytes);
		memcpy(bytes + 256, program, ARM_LENGTH);
		struct link_address link =
			link_address_find(bytes, sizeof(bytes), chips[i], LINK_NO_DICTIONARY);
		expect_unproved(&link);
	}
}

static void an_rp2040_starts_nothing_without_a_boot2(void **unused)
{
	(void)unused;
	struct made_arm made = { .base = FLASH, .stack = 0x20042000, .signs = ARM_KLIPPER_SIGNS };
	_cleanup_(freep) uint8_t *bytes = make_arm(&made);
	struct link_address link = find_as(bytes, &made, CHIP_RP2040);
	expect_unproved(&link);
	link = find_as(bytes, &made, CHIP_RP2350);
	expect_proved(&link, FLASH);
	made.base = FLASH + 0x4000;
	_cleanup_(freep) uint8_t *behind = make_arm(&made);
	link = find_as(behind, &made, CHIP_RP2040);
	expect_proved(&link, FLASH + 0x4000);
	/* Without a name it is held against the larger of the two. */
	link = find_as(behind, &made, CHIP_UNKNOWN);
	expect_proved(&link, FLASH + 0x4000);
}

/* A build of Klipper for the RP2 family may run from RAM: only its start-up code shows. */
static void start_up_code_is_enough_for_klipper_that_runs_from_ram(void **unused)
{
	(void)unused;
	static const enum chip chips[] = { CHIP_RP2040, CHIP_RP2350 };
	struct made_arm made = { .base = FLASH + 0x4000, .stack = 0x20042000 };
	made.signs = LINK_RESET_CODE;
	_cleanup_(freep) uint8_t *bytes = make_arm(&made);
	for (size_t i = 0; i < ELEMENTSOF(chips); i++) {
		struct link_address link =
			link_address_find(bytes, made_arm_length(&made), chips[i], ARM_DICTIONARY);
		expect_proved(&link, FLASH + 0x4000);
		/* That it is Klipper its dictionary says. */
		link = find_as(bytes, &made, chips[i]);
		expect_unproved(&link);
	}
	const struct link_address link =
		link_address_find(bytes, made_arm_length(&made), CHIP, ARM_DICTIONARY);
	expect_unproved(&link);
}

static void every_family_has_places_of_its_own(void **unused)
{
	(void)unused;
	struct made_arm lpc = { .base = 0x4000, .stack = 0x10007fe0, .signs = ARM_KLIPPER_SIGNS };
	_cleanup_(freep) uint8_t *bytes = make_arm(&lpc);
	struct link_address link = find_as(bytes, &lpc, CHIP_LPC1769);
	expect_proved(&link, 0x4000);
	link = find_as(bytes, &lpc, CHIP_STM32F429);
	expect_unproved(&link);
	link = find_as(bytes, &lpc, CHIP_LINUX);
	expect_unproved(&link);
	/* Behind the end of a small chip's flash there is none. */
	struct made_arm far = { .base = 0x08020000, .signs = ARM_KLIPPER_SIGNS };
	_cleanup_(freep) uint8_t *behind = make_arm(&far);
	link = find_as(behind, &far, CHIP_STM32F072);
	expect_unproved(&link);
	assert_int_equal(link.candidate_count, 0);
	link = find_as(behind, &far, CHIP_UNKNOWN);
	expect_proved(&link, 0x08020000);
}

static void katapult_lies_at_the_start_of_the_flash(void **unused)
{
	(void)unused;
	struct made_arm made = { .base = ARM_STM32_0 };
	_cleanup_(freep) uint8_t *bytes = make_arm(&made);
	make_katapult(bytes, ARM_STM32_0);
	struct link_address link = find(bytes, &made);
	expect_proved(&link, ARM_STM32_0);
	assert_true(link.signs & LINK_KATAPULT);
	assert_int_equal(link.candidate_count, 1);
	/* The letters elsewhere say nothing: every application looks for them. */
	made.base = ARM_32K;
	_cleanup_(freep) uint8_t *application = make_arm(&made);
	memcpy(application + ARM_RESET - 0x100, "CanBoot!", 8);
	link = find(application, &made);
	expect_unproved(&link);
	make_katapult(application, ARM_32K);
	link = find(application, &made);
	expect_unproved(&link);
}

/* All signs of the application are in the file too. */
static void what_lies_behind_katapult_does_not_decide(void **unused)
{
	(void)unused;
	struct made_arm boot = {
		.base = ARM_STM32_0, .length = ARM_8K - ARM_STM32_0, .reset = 0x1000
	};
	struct made_arm application = { .base = ARM_8K, .signs = ARM_KLIPPER_SIGNS };
	_cleanup_(freep) uint8_t *first = make_arm(&boot);
	_cleanup_(freep) uint8_t *second = make_arm(&application);
	make_katapult(first, ARM_STM32_0);
	uint8_t bytes[0x2000 + ARM_LENGTH];
	memcpy(bytes, first, 0x2000);
	memcpy(bytes + 0x2000, second, ARM_LENGTH);
	struct link_address link =
		link_address_find(bytes, sizeof(bytes), CHIP, 0x2000 + ARM_DICTIONARY);
	expect_proved(&link, ARM_STM32_0);
	assert_true(link.signs & LINK_KATAPULT);
}

static void a_missing_end_is_what_constants_point_behind(void **unused)
{
	(void)unused;
	struct made_arm made = { .base = ARM_32K, .signs = LINK_RESET_CODE | LINK_VTOR };
	for (unsigned missed = 0; missed < 12; missed++) {
		_cleanup_(freep) uint8_t *bytes = make_arm(&made);
		for (unsigned i = 0; i < missed; i++)
			write_u32(bytes + 0x200 + 4 * i, ARM_32K + ARM_LENGTH + 8 + 4 * i);
		struct link_address link = find(bytes, &made);
		expect_proved(&link, ARM_32K);
		assert_int_equal(link.is_cut, missed >= 8);
	}
}

static void the_end_itself_is_not_missing(void **unused)
{
	(void)unused;
	struct made_arm made = { .base = ARM_32K, .signs = LINK_RESET_CODE | LINK_VTOR };
	_cleanup_(freep) uint8_t *bytes = make_arm(&made);
	for (unsigned i = 0; i < 40; i++) /* the same few, however often */
		write_u32(bytes + 0x200 + 4 * i, ARM_32K + ARM_LENGTH + i % 5);
	struct link_address link = find(bytes, &made);
	assert_true(link.is_proved && !link.is_cut);
	for (unsigned i = 0; i < 40; i++) /* far behind */
		write_u32(bytes + 0x200 + 4 * i, ARM_32K + ARM_LENGTH + 0x20000 + 4 * i);
	link = find(bytes, &made);
	assert_true(link.is_proved && !link.is_cut);
	/* A few of very many are data that only look so. */
	for (unsigned i = 0; i < 8; i++)
		write_u32(bytes + 0x200 + 4 * i, ARM_32K + ARM_LENGTH + 8 + 4 * i);
	for (unsigned i = 0; i < 256; i++)
		write_u32(bytes + 0x400 + 4 * i, ARM_32K + 0x1234);
	link = find(bytes, &made);
	assert_true(link.is_proved && !link.is_cut);
}

/* Of the places one is left by chance, and there some sign shows by chance: cut short, the true one
 * is none of them. */
static void the_only_place_left_needs_two_signs_too(void **unused)
{
	(void)unused;
	struct made_arm made = { .base = ARM_8K, .reset = 0x7100, .signs = LINK_VTOR };
	_cleanup_(freep) uint8_t *bytes = make_arm(&made);
	write_u16(bytes + 0x900, 0xb672);
	struct link_address link = link_address_find(bytes, 1024, CHIP, LINK_NO_DICTIONARY);
	assert_int_equal(link.candidate_count, 1);
	assert_int_equal(link.candidates[0], 0x08009000);
	expect_unproved(&link);
	write_u16(bytes + 0x100, 0xb672);
	link = link_address_find(bytes, 1024, CHIP, LINK_NO_DICTIONARY);
	expect_unproved(&link);
}

static void bytes_at_random_are_never_proved(void **unused)
{
	(void)unused;
	static const enum chip chips[] = { CHIP_UNKNOWN, CHIP_RP2040, CHIP_RP2350, CHIP_LPC1768,
		CHIP_STM32F072, CHIP_STM32F429, CHIP_STM32H743 };
	uint8_t bytes[2048];
	for (uint32_t seed = 0; seed < 2000; seed++) {
		make_noise(bytes, sizeof(bytes), seed);
		for (size_t i = 0; i < ELEMENTSOF(chips); i++) {
			struct link_address link = link_address_find(
				bytes, sizeof(bytes), chips[i], LINK_NO_DICTIONARY);
			expect_unproved(&link);
		}
	}
}

/* A vector table suits many places, and among many places one shows some sign by chance. */
static void bytes_at_random_behind_a_vector_table_are_never_proved(void **unused)
{
	(void)unused;
	struct made_arm made = { .base = ARM_32K };
	_cleanup_(freep) uint8_t *bytes = make_arm(&made);
	for (uint32_t seed = 0; seed < 3000; seed++) {
		make_noise(bytes + 64, ARM_LENGTH - 64, seed);
		struct link_address link = find(bytes, &made);
		expect_unproved(&link);
	}
}

static void too_few_bytes_are_nothing(void **unused)
{
	(void)unused;
	struct made_arm made = { .base = ARM_STM32_0, .signs = ARM_KLIPPER_SIGNS };
	_cleanup_(freep) uint8_t *bytes = make_arm(&made);
	for (size_t length = 0; length < 320; length++) {
		_cleanup_(freep) uint8_t *cut = malloc(length + 1);
		assert_non_null(cut);
		memcpy(cut, bytes, length);
		struct link_address link = link_address_find(cut, length, CHIP, LINK_NO_DICTIONARY);
		expect_unproved(&link);
		assert_int_equal(link.candidate_count, 0);
	}
}

static void every_sign_has_words(void **unused)
{
	(void)unused;
	char text[LINK_SIGNS_TEXT];
	link_signs_text(0, text);
	assert_string_equal(text, "");
	link_signs_text(LINK_VECTORS | LINK_VTOR, text);
	assert_string_equal(text, "vector table, vector table offset");
	link_signs_text(255, text);
	assert_string_equal(text,
		"vector table, reset code, default handler, pointer to the dictionary, vector "
		"table offset, pointers, boot2, Katapult's signature");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_vector_table_alone_allows_several_places),
		cmocka_unit_test(one_sign_alone_proves_nothing),
		cmocka_unit_test(two_signs_that_agree_prove_it),
		cmocka_unit_test(at_the_start_of_the_flash_pointers_must_agree),
		cmocka_unit_test(code_that_starts_before_every_other_place_is_at_the_first),
		cmocka_unit_test(signs_that_contradict_each_other_prove_nothing),
		cmocka_unit_test(what_shows_at_two_places_proves_neither),
		cmocka_unit_test(a_constant_may_be_in_two_halves),
		cmocka_unit_test(halves_that_do_not_belong_together_are_no_constant),
		cmocka_unit_test(a_constant_that_is_not_aligned_is_none),
		cmocka_unit_test(a_program_elsewhere_may_know_the_start_of_the_flash),
		cmocka_unit_test(a_boot2_is_where_an_rp2040_starts),
		cmocka_unit_test(a_boot2_says_nothing_of_other_chips),
		cmocka_unit_test(an_rp2040_starts_nothing_without_a_boot2),
		cmocka_unit_test(start_up_code_is_enough_for_klipper_that_runs_from_ram),
		cmocka_unit_test(every_family_has_places_of_its_own),
		cmocka_unit_test(katapult_lies_at_the_start_of_the_flash),
		cmocka_unit_test(what_lies_behind_katapult_does_not_decide),
		cmocka_unit_test(a_missing_end_is_what_constants_point_behind),
		cmocka_unit_test(the_end_itself_is_not_missing),
		cmocka_unit_test(the_only_place_left_needs_two_signs_too),
		cmocka_unit_test(bytes_at_random_are_never_proved),
		cmocka_unit_test(bytes_at_random_behind_a_vector_table_are_never_proved),
		cmocka_unit_test(too_few_bytes_are_nothing),
		cmocka_unit_test(every_sign_has_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
