/* SPDX-License-Identifier: MIT */
/* Stories about raw images that are given their place: by what their bytes prove, or by a policy.
 */
#include "unit/expect.h"

#include "model/fitness.h"
#include "unit/fitness_story.h"
#include "unit/make_arm.h"
#include "unit/make_image.h"

static const struct made_arm proved = { .base = ARM_32K, .signs = LINK_RESET_CODE | LINK_VTOR };
static const struct made_arm unproved = { .base = ARM_32K };

static struct image *make_raw(const struct made_arm *made)
{
	_cleanup_(freep) uint8_t *bytes = make_arm(made);
	return make_value(FORMAT_BIN, bytes, made_arm_length(made), 0);
}

static struct terms declaring(uint32_t address)
{
	return (struct terms){ .declared = { .has_address = true, .address = address } };
}

static int place(struct image *image, const struct terms *terms, struct reasons *reasons)
{
	_cleanup_(image_facts_done) struct image_facts says = { 0 };
	assert_int_equal(image_facts_read(image, &says), 0);
	return fitness_place(image, &says, terms, reasons);
}

/* Takes the image. */
static void expect_placed(struct image *image, const struct terms *terms, uint32_t address)
{
	_cleanup_(image_freep) struct image *owned = image;
	_cleanup_(reasons_done) struct reasons reasons = { 0 };
	assert_int_equal(place(owned, terms, &reasons), 0);
	assert_int_equal(reasons.count, 0);
	assert_true(owned->has_address);
	assert_int_equal(image_start(owned), address);
	/* A second time changes nothing. */
	struct digest digest = owned->digest;
	assert_int_equal(place(owned, terms, &reasons), 0);
	assert_memory_equal(&digest, &owned->digest, sizeof(digest));
}

static void expect_unplaced(struct image *image, const struct terms *terms)
{
	_cleanup_(image_freep) struct image *owned = image;
	_cleanup_(reasons_done) struct reasons reasons = { 0 };
	assert_int_equal(place(owned, terms, &reasons), 0);
	assert_int_equal(reasons.count, 0);
	assert_false(owned->has_address);
}

static void expect_contradiction(
	struct image *image, const struct terms *terms, const char *declared, const char *found)
{
	_cleanup_(image_freep) struct image *owned = image;
	_cleanup_(reasons_done) struct reasons reasons = { 0 };
	const struct digest digest = owned->digest;
	assert_int_equal(place(owned, terms, &reasons), IMAGE_REJECTED);
	expect_only_reason(&reasons, REASON_DECLARATION_CONTRADICTED, declared);
	expect_only_reason(&reasons, REASON_DECLARATION_CONTRADICTED, found);
	expect_only_reason(
		&reasons, REASON_DECLARATION_CONTRADICTED, "correct declare in the rule");
	assert_memory_equal(&digest, &owned->digest, sizeof(digest));
}

static void what_the_bytes_prove_is_the_place(void **unused)
{
	(void)unused;
	const struct terms none = { 0 };
	expect_placed(make_raw(&proved), NULL, ARM_32K);
	expect_placed(make_raw(&proved), &none, ARM_32K);
	_cleanup_(freep) uint8_t *boot = make_bin(4096, 1);
	expect_placed(make_value(FORMAT_BIN, boot, 4096, 0), NULL, STORY_FLASH);
	expect_placed(make_value(FORMAT_DFU, boot, 4096, 0), NULL, STORY_FLASH);
}

static void what_nothing_proves_stays_where_it_is(void **unused)
{
	(void)unused;
	const struct terms none = { 0 };
	expect_unplaced(make_raw(&unproved), NULL);
	expect_unplaced(make_raw(&unproved), &none);
}

static void a_declaration_places_what_nothing_proves(void **unused)
{
	(void)unused;
	const struct terms terms = declaring(ARM_32K);
	expect_placed(make_raw(&unproved), &terms, ARM_32K);
	const struct terms start = declaring(0); /* an LPC's */
	expect_placed(make_raw(&unproved), &start, 0);
}

static void a_declaration_may_say_what_is_proved(void **unused)
{
	(void)unused;
	const struct terms terms = declaring(ARM_32K);
	expect_placed(make_raw(&proved), &terms, ARM_32K);
}

static void a_declaration_that_the_bytes_disprove_is_refused(void **unused)
{
	(void)unused;
	const struct terms terms = declaring(ARM_8K);
	expect_contradiction(make_raw(&proved), &terms, "declares the address 0x08002000",
		"was built for 0x08008000 (vector table, reset code, vector table offset)");
}

static void a_declaration_that_the_file_disproves_is_refused(void **unused)
{
	(void)unused;
	_cleanup_(freep) uint8_t *bytes = make_arm(&unproved);
	const struct terms terms = declaring(ARM_8K), right = declaring(ARM_32K);
	expect_contradiction(make_value(FORMAT_HEX, bytes, ARM_LENGTH, ARM_32K), &terms,
		"declares the address 0x08002000", "the file puts the image at 0x08008000");
	expect_placed(make_value(FORMAT_HEX, bytes, ARM_LENGTH, ARM_32K), &right, ARM_32K);
	expect_placed(make_value(FORMAT_HEX, bytes, ARM_LENGTH, ARM_32K), NULL, ARM_32K);
}

static void a_place_that_the_bytes_would_not_fit_is_none(void **unused)
{
	(void)unused;
	_cleanup_(image_freep) struct image *image = make_raw(&unproved);
	_cleanup_(reasons_done) struct reasons reasons = { 0 };
	const struct terms terms = declaring(0xFFFFF000);
	assert_int_equal(place(image, &terms, &reasons), IMAGE_REJECTED);
	assert_int_equal(reasons.count, 1);
	assert_false(image->has_address);
}

static void an_image_def_alone_belongs_to_the_start_of_the_flash(void **unused)
{
	(void)unused;
	_cleanup_(freep) uint8_t *bytes = make_rp2350_bin(8192, 1);
	expect_placed(make_value(FORMAT_BIN, bytes, 8192, 0), NULL, STORY_FLASH);
	const struct terms terms = declaring(STORY_FLASH + 0x4000);
	expect_placed(make_value(FORMAT_BIN, bytes, 8192, 0), &terms, STORY_FLASH + 0x4000);
}

static void a_program_for_linux_has_no_place(void **unused)
{
	(void)unused;
	_cleanup_(freep) uint8_t *bytes = make_arm(&proved);
	const struct made_segment segment = { ARM_32K, bytes, ARM_LENGTH };
	size_t length;
	_cleanup_(freep) uint8_t *file = make_elf(&segment, 1, &length);
	file[7] = 3;
	const struct terms terms = declaring(ARM_8K);
	expect_unplaced(story_parse(file, length), &terms);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_bytes_prove_is_the_place),
		cmocka_unit_test(what_nothing_proves_stays_where_it_is),
		cmocka_unit_test(a_declaration_places_what_nothing_proves),
		cmocka_unit_test(a_declaration_may_say_what_is_proved),
		cmocka_unit_test(a_declaration_that_the_bytes_disprove_is_refused),
		cmocka_unit_test(a_declaration_that_the_file_disproves_is_refused),
		cmocka_unit_test(a_place_that_the_bytes_would_not_fit_is_none),
		cmocka_unit_test(an_image_def_alone_belongs_to_the_start_of_the_flash),
		cmocka_unit_test(a_program_for_linux_has_no_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
