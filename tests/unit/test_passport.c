/* SPDX-License-Identifier: MIT */
/* What one encounter with a board teaches, and what the ties of all boards say of a serial. */
#include "unit/expect.h"

#include "model/passport.h"

#define ID          "2B0007000C50425539393020"
#define BOOT_SERIAL "203739645542"
#define UUID        "0f4d1fd8b8dd" /* not that of ID */
#define OTHER_ID    "27000E000551343438333339"
#define PLACE       "pci-0000:00:14.0-usb-0:2"

static struct device device_in(enum board_mode mode, const char *serial)
{
	return (struct device){ .place = (char *)PLACE, .serial = (char *)serial, .mode = mode };
}

static struct board_facts known_as(const char *id, enum provenance origin)
{
	struct board_facts facts = { .chip = CHIP_STM32G0B1, .id_origin = origin };
	strcpy(facts.unique_id, id);
	return facts;
}

/* "dfu-serial=203739645542 (computed)\n" a tie, in order; the caller frees. */
static char *ties_of(const struct lesson *lesson)
{
	char *text = strdup("");
	for (size_t i = 0; i < lesson->count; i++)
		assert_int_equal(
			text_append(&text, "%s=%s (%s)\n", tie_kind_name(lesson->ties[i].kind),
				lesson->ties[i].value, provenance_name(lesson->ties[i].learnt)),
			0);
	return text;
}

static void expect_tie(const struct lesson *lesson, const char *line)
{
	_cleanup_(freep) char *ties = ties_of(lesson);
	if (!strstr(ties, line))
		fail_msg("no %s in:\n%s", line, ties);
}

static void expect_no_tie(const struct lesson *lesson, const char *words)
{
	_cleanup_(freep) char *ties = ties_of(lesson);
	if (strstr(ties, words))
		fail_msg("%s in:\n%s", words, ties);
}

static struct lesson learnt_from(const struct encounter *encounter)
{
	struct lesson lesson;
	assert_int_equal(passport_learn(encounter, &lesson), LESSON_LEARNT);
	return lesson;
}

static void a_board_in_dfu_shows_one_name_and_has_others(void **unused)
{
	(void)unused;
	struct device device = device_in(MODE_DFU, BOOT_SERIAL);
	struct board_facts facts = known_as(ID, PROVENANCE_COMPUTED);
	const struct encounter encounter = { .device = &device, .facts = &facts };
	struct lesson lesson = learnt_from(&encounter);
	assert_string_equal(lesson.id, ID);
	assert_int_equal(lesson.chip, CHIP_STM32G0B1);
	expect_tie(&lesson, "dfu-serial=" BOOT_SERIAL " (computed)");
	expect_tie(&lesson, "dfu-serial-computed=" BOOT_SERIAL " (computed)");
	expect_tie(&lesson, "runtime-serial=" ID " (computed)");
	expect_tie(&lesson, "can-uuid-computed=");
	expect_tie(&lesson, "place=" PLACE " (computed)");
}

static void nobody_knows_it_and_nothing_is_learnt(void **unused)
{
	(void)unused;
	struct lesson lesson;
	struct device device = device_in(MODE_DFU, BOOT_SERIAL);
	struct board_facts facts = known_as("", PROVENANCE_NONE);
	struct encounter encounter = { .device = &device, .facts = &facts };
	assert_int_equal(passport_learn(&encounter, &lesson), 0);
	/* The book learns nothing from itself, and nothing from a dispute. */
	facts = known_as(ID, PROVENANCE_COMPUTED);
	facts.id_witness = WITNESS_PASSPORT;
	assert_int_equal(passport_learn(&encounter, &lesson), 0);
	facts = known_as(ID, PROVENANCE_COMPUTED);
	facts.dispute.one = WITNESS_SIGHTING;
	assert_int_equal(passport_learn(&encounter, &lesson), 0);
}

static void what_comes_back_after_our_restart_tells_who_it_was(void **unused)
{
	(void)unused;
	struct lesson lesson;
	struct device device = device_in(MODE_DFU, "FFFFFFFEFFFF");
	struct device came = device_in(MODE_NONE, "2b0007000c50425539393020");
	struct board_facts facts = known_as("", PROVENANCE_NONE);
	const struct encounter encounter = {
		.device = &device, .facts = &facts, .successor = &came
	};
	lesson = learnt_from(&encounter);
	assert_string_equal(lesson.id, ID);
	expect_tie(&lesson, "dfu-serial=FFFFFFFEFFFF (requested)");
	expect_tie(&lesson, "runtime-serial=" ID " (shown)");
	/* It was supposed to be another one. */
	facts = known_as(OTHER_ID, PROVENANCE_SEEN);
	assert_int_equal(passport_learn(&encounter, &lesson), LESSON_CONTRADICTED);
	/* What was read from the chip stands, whatever its application shows. */
	facts = known_as("E66058388348892B", PROVENANCE_SHOWN);
	device = device_in(MODE_RP2040_BOOT, "E0C9125B0D9B");
	lesson = learnt_from(&encounter);
	assert_string_equal(lesson.id, "E66058388348892B");
	expect_tie(&lesson, "flash-id=E66058388348892B (shown)");
	expect_no_tie(&lesson, ID);
}

static void katapult_shows_the_id(void **unused)
{
	(void)unused;
	struct device device = device_in(MODE_KATAPULT, ID);
	struct board_facts facts = known_as(ID, PROVENANCE_SHOWN);
	const struct digest digest = { .bytes = { 0xab } };
	const struct encounter encounter = {
		.device = &device, .facts = &facts, .name = "toolhead", .image = &digest
	};
	strcpy(facts.running.version, "v0.13.0");
	facts.running.is_known = true;
	struct lesson lesson = learnt_from(&encounter);
	expect_tie(&lesson, "katapult-serial=" ID " (shown)");
	expect_tie(&lesson, "firmware=v0.13.0 (shown)");
	expect_tie(&lesson, "image=ab0000");
	expect_tie(&lesson, "name=toolhead (declared)");
}

static void a_board_on_a_bus_is_known_by_its_uuid(void **unused)
{
	(void)unused;
	const struct encounter on_bus = { .can_uuid = "154AAB036E6A" };
	struct lesson lesson = learnt_from(&on_bus);
	assert_string_equal(lesson.id, "154aab036e6a");
	assert_string_equal(lesson.can_uuid, "154aab036e6a");
	expect_tie(&lesson, "can-uuid=154aab036e6a (shown)");
	/* Later by its id, from which the uuid follows. */
	struct board_facts facts = known_as("3D0052001450425539383920", PROVENANCE_SHOWN);
	struct encounter both = { .facts = &facts, .can_uuid = "154aab036e6a" };
	lesson = learnt_from(&both);
	assert_string_equal(lesson.id, "3D0052001450425539383920");
	assert_string_equal(lesson.can_uuid, "154aab036e6a");
	both.can_uuid = UUID;
	assert_int_equal(passport_learn(&both, &lesson), LESSON_CONTRADICTED);
}

static void half_a_text_is_no_name(void **unused)
{
	(void)unused;
	char place[TIE_TEXT + 1];
	memset(place, 'x', TIE_TEXT);
	place[TIE_TEXT] = '\0';
	struct device device = device_in(MODE_KATAPULT, ID);
	struct board_facts facts = known_as(ID, PROVENANCE_SHOWN);
	const struct encounter encounter = { .device = &device, .facts = &facts };
	device.place = place;
	struct lesson lesson = learnt_from(&encounter);
	expect_no_tie(&lesson, "place=");
}

/* ---- the book's word --------------------------------------------------------------------- */

static void one_board_is_claimed_and_named_on_its_place_only(void **unused)
{
	(void)unused;
	struct testimony testimony = { 0 };
	assert_false(testimony_claims(&testimony));
	testimony_add(&testimony, ID, PROVENANCE_COMPUTED, false);
	assert_true(testimony_claims(&testimony));
	assert_false(testimony.claim.names_board);
	testimony_add(&testimony, ID, PROVENANCE_SEEN, true);
	assert_false(testimony.claim.names_board);
	testimony_add(&testimony, ID, PROVENANCE_REQUESTED, true);
	assert_true(testimony.claim.names_board);
	assert_int_equal(testimony.claim.provenance, PROVENANCE_REQUESTED);
}

static void chance_and_several_boards_claim_nothing(void **unused)
{
	(void)unused;
	struct testimony seen = { 0 }, two = { 0 }, uuid = { 0 };
	testimony_add(&seen, ID, PROVENANCE_SEEN, true);
	assert_false(testimony_claims(&seen));
	testimony_add(&two, ID, PROVENANCE_REQUESTED, true);
	testimony_add(&two, OTHER_ID, PROVENANCE_SEEN, false);
	assert_false(testimony_claims(&two));
	testimony_add(&uuid, "154aab036e6a", PROVENANCE_COMPUTED, true);
	assert_false(testimony_claims(&uuid));
}

static void kinds_have_names(void **unused)
{
	(void)unused;
	for (enum tie_kind kind = 0; kind < _TIE_MAX; kind++)
		assert_int_equal(tie_kind_from_name(tie_kind_name(kind)), kind);
	assert_true(tie_kind_from_name("nonsense") < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_board_in_dfu_shows_one_name_and_has_others),
		cmocka_unit_test(nobody_knows_it_and_nothing_is_learnt),
		cmocka_unit_test(what_comes_back_after_our_restart_tells_who_it_was),
		cmocka_unit_test(katapult_shows_the_id),
		cmocka_unit_test(a_board_on_a_bus_is_known_by_its_uuid),
		cmocka_unit_test(half_a_text_is_no_name),
		cmocka_unit_test(one_board_is_claimed_and_named_on_its_place_only),
		cmocka_unit_test(chance_and_several_boards_claim_nothing),
		cmocka_unit_test(kinds_have_names),
	};
	return cmocka_run_group_tests_name("passport", tests, NULL, NULL);
}
