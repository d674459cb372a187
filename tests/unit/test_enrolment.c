/* SPDX-License-Identifier: MIT */
/* Which boards can be enrolled, by what, and what their entries say. */
#include "unit/expect.h"

#include "daemon/rulebook.h"
#include "model/enrolment.h"

#define ID "3D0052001450425539383920"

static struct device device_showing(enum board_mode mode, const char *serial)
{
	return (struct device){
		.place = (char *)"pci-0000:00:14.0-usb-0:1.3",
		.port = (char *)"1-1.3",
		.serial = (char *)serial,
		.manufacturer = (char *)"Klipper",
		.product = (char *)"stm32g0b1xx",
		.mode = mode,
		.vid = 0x1d50,
		.pid = 0x614e,
	};
}

static struct board_facts known_as(const char *id, enum provenance origin)
{
	struct board_facts facts = { .chip = CHIP_RP2040, .id_origin = origin };
	strcpy(facts.unique_id, id);
	return facts;
}

static void expect_enrolled(struct device device, const struct board_facts *facts, const char *id,
	enum provenance origin)
{
	_cleanup_(reasons_done) struct reasons reasons = { 0 };
	struct enrolment enrolment;
	assert_int_equal(enrolment_identify(&device, facts, &enrolment, &reasons), 0);
	assert_string_equal(enrolment.id, id);
	assert_int_equal(enrolment.origin, origin);
}

static void expect_refused(struct device device, const struct board_facts *facts, const char *words)
{
	_cleanup_(reasons_done) struct reasons reasons = { 0 };
	struct enrolment enrolment;
	assert_int_equal(
		enrolment_identify(&device, facts, &enrolment, &reasons), ENROLMENT_REFUSED);
	expect_only_reason(&reasons, REASON_IDENTITY_UNKNOWN, words);
	expect_only_reason(&reasons, REASON_IDENTITY_UNKNOWN, "the board at 1-1.3: ");
}

static void what_shows_its_id_can_be_enrolled(void **unused)
{
	(void)unused;
	const struct board_facts looked = known_as("E66058388348892B", PROVENANCE_SHOWN);
	const struct board_facts asked = known_as(ID, PROVENANCE_REQUESTED);
	expect_enrolled(
		device_showing(MODE_NONE, "3d0052001450425539383920"), NULL, ID, PROVENANCE_SHOWN);
	expect_enrolled(device_showing(MODE_KATAPULT, ID), NULL, ID, PROVENANCE_SHOWN);
	expect_enrolled(device_showing(MODE_RP2040_BOOT, "E0C9125B0D9B"), &looked,
		"E66058388348892B", PROVENANCE_SHOWN);
	expect_enrolled(device_showing(MODE_DFU, "FFFFFFFEFFFF"), &asked, ID, PROVENANCE_REQUESTED);
}

static void what_shows_none_is_refused_with_the_way_out(void **unused)
{
	(void)unused;
	const struct board_facts nothing = { 0 }, seen = known_as(ID, PROVENANCE_SEEN);
	struct board_facts disputed = { .dispute = { .one = WITNESS_SIGHTING } };
	expect_refused(device_showing(MODE_RP2040_BOOT, "E0C9125B0D9B"), NULL,
		"only when it is looked at");
	expect_refused(device_showing(MODE_DFU, "375E36693532"), &nothing,
		"in DFU a board shows no id of its own");
	expect_refused(device_showing(MODE_DFU, "FFFFFFFEFFFF"), &seen, "start its application");
	expect_refused(device_showing(MODE_DFU, "375E36693532"), &disputed, "contradicts itself");
	expect_refused(device_showing(MODE_NONE, "12345"), NULL, "shown by many boards");
	expect_refused(device_showing(MODE_NONE, "mine"), NULL, "no chip's id");
}

static void what_is_no_board_is_none(void **unused)
{
	(void)unused;
	struct device device = device_showing(MODE_NONE, ID);
	assert_true(enrolment_is_board(&device));
	device.pid = 0x606f;
	assert_true(enrolment_is_board(&device));
	device.manufacturer = (char *)"bytewerk";
	assert_false(enrolment_is_board(&device));
	device.vid = 0x046d;
	assert_false(enrolment_is_board(&device));
	device.mode = MODE_DFU;
	assert_true(enrolment_is_board(&device));
}

static void the_entry_is_a_policy_that_loads(void **unused)
{
	(void)unused;
	struct device device = device_showing(MODE_NONE, ID);
	_cleanup_(reasons_done) struct reasons errors = { 0 }, warnings = { 0 };
	struct enrolment enrolment;
	assert_int_equal(enrolment_identify(&device, NULL, &enrolment, &errors), 0);
	_cleanup_(freep) char *file = enrolment_file_name("tool-head_1");
	_cleanup_(freep) char *text = enrolment_text("tool-head_1", &enrolment);
	_cleanup_(policy_freep) struct policy *policy = policy_new();
	assert_string_equal(file, "board-tool-head_1.conf");
	assert_true(rulebook_is_file_name(file));
	assert_int_equal(rulebook_parse(file, text, policy, &errors, &warnings), 0);
	assert_int_equal(rulebook_check(policy, &errors), 0);
	assert_int_equal(errors.count + warnings.count, 0);
	const struct policy_board *board = policy_board(policy, "tool-head_1");
	assert_string_equal(board->serial, ID);
	assert_string_equal(board->can_uuid, "154aab036e6a");
	assert_int_equal(board->chip, CHIP_STM32G0B1);
}

static void a_name_is_good_for_a_file_too(void **unused)
{
	(void)unused;
	static const char *const bad[] = { "", ".", "..", "a/b", "-a", "_a", "a b", "a.b", "a\"b",
		"\xc3\xa4", "a\n", "0123456789012345678901234567890123456789012345678" };
	for (size_t i = 0; i < ELEMENTSOF(bad); i++)
		assert_false(enrolment_name_is_valid(bad[i]));
	assert_true(enrolment_name_is_valid("toolhead"));
	assert_true(enrolment_name_is_valid("0-_x"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_shows_its_id_can_be_enrolled),
		cmocka_unit_test(what_shows_none_is_refused_with_the_way_out),
		cmocka_unit_test(what_is_no_board_is_none),
		cmocka_unit_test(the_entry_is_a_policy_that_loads),
		cmocka_unit_test(a_name_is_good_for_a_file_too),
	};
	return cmocka_run_group_tests_name("enrolment", tests, NULL, NULL);
}
