/* SPDX-License-Identifier: MIT */
/* Stories about boards in DFU that do not say which chip they have, and what tells it. */
#include "unit/expect.h"

#include "model/identity.h"

#define ID          "2B0007000C50425539393020"
#define BOOT_SERIAL "203739645542"
#define OTHER_ID    "27000E000551343438333339"

#define F401 CHIP_STM32F401
#define F446 CHIP_STM32F446

static const struct sighting klipper = {
	.vid = 0x1d50, .pid = 0x614e, .serial = ID, .product = "stm32f446xx"
};
static const struct own_write write_of_f446 = { MODE_DFU, BOOT_SERIAL, CHIP_STM32F446, ID,
	.id_origin = PROVENANCE_COMPUTED };

static struct device board_showing(const char *serial)
{
	return (struct device){
		.place = (char *)"pci-0000:00:14.0-usb-0:2",
		.serial = (char *)serial,
		.mode = MODE_DFU,
	};
}

static struct board_facts one_of(chip_set chips)
{
	return (struct board_facts){ .possible_chips = chips, .content = CONTENT_BOOTABLE };
}

static struct board_facts f401_or_f446(void)
{
	return one_of(chip_bit(F401) | chip_bit(F446));
}

static struct board_facts running(struct board_facts facts, const char *mcu)
{
	facts.running.is_known = true;
	strcpy(facts.running.mcu, mcu);
	return facts;
}

static struct board_facts completed(struct board_facts facts, const char *serial,
	const struct sighting *sighting, const struct own_write *own_write)
{
	struct device device = board_showing(serial);
	const struct identity_clues clues = { .sighting = sighting, .own_write = own_write };
	identity_complete(&facts, &device, &clues);
	return facts;
}

static void expect_chip(struct board_facts facts, enum chip chip, enum chip_origin origin)
{
	assert_string_equal(chip_name(facts.chip), chip_name(chip));
	assert_int_equal(facts.chip_origin, origin);
}

static void expect_unknown(struct board_facts facts)
{
	expect_chip(facts, CHIP_UNKNOWN, CHIP_ORIGIN_UNSAID);
	assert_string_equal(facts.unique_id, "");
}

static void without_a_clue_nobody_can_tell(void **unused)
{
	(void)unused;
	expect_unknown(completed(f401_or_f446(), BOOT_SERIAL, NULL, NULL));
	expect_unknown(completed(one_of(0), BOOT_SERIAL, &klipper, &write_of_f446));
}

static void a_chip_that_looks_like_no_other_is_known(void **unused)
{
	(void)unused;
	struct board_facts facts = one_of(chip_bit(CHIP_STM32G0B1));
	expect_chip(completed(facts, "", NULL, NULL), CHIP_STM32G0B1, CHIP_FROM_DESCRIPTORS);
	/* Whatever it runs: that may be the mistake. */
	facts = running(facts, "stm32f446xx");
	expect_chip(completed(facts, "", NULL, NULL), CHIP_STM32G0B1, CHIP_FROM_DESCRIPTORS);
}

/* ---- seen a moment ago ------------------------------------------------------------------- */

static void the_application_that_just_left_is_this_board(void **unused)
{
	(void)unused;
	struct board_facts facts = completed(f401_or_f446(), BOOT_SERIAL, &klipper, NULL);
	expect_chip(facts, F446, CHIP_FROM_SIGHTING);
	assert_string_equal(facts.unique_id, ID);
	struct sighting katapult = klipper;
	katapult.pid = 0x6177;
	strcpy(katapult.serial, "2b0007000c50425539393020");
	facts = completed(f401_or_f446(), BOOT_SERIAL, &katapult, NULL);
	assert_string_equal(facts.unique_id, ID);
}

static void it_also_names_a_board_whose_chip_is_known(void **unused)
{
	(void)unused;
	struct board_facts facts = completed(one_of(chip_bit(F446)), BOOT_SERIAL, &klipper, NULL);
	expect_chip(facts, F446, CHIP_FROM_DESCRIPTORS);
	assert_string_equal(facts.unique_id, ID);
}

static void the_serial_of_another_board_means_that_a_hand_was_quicker(void **unused)
{
	(void)unused;
	expect_unknown(completed(f401_or_f446(), "3941335F3434", &klipper, NULL));
	expect_unknown(completed(f401_or_f446(), "", &klipper, NULL));
}

static void a_serial_that_all_show_takes_nothing_from_what_was_seen(void **unused)
{
	(void)unused;
	expect_chip(completed(f401_or_f446(), "STM32FxSTM32", &klipper, NULL), F446,
		CHIP_FROM_SIGHTING);
}

static void what_is_not_klipper_tells_of_no_chip(void **unused)
{
	(void)unused;
	static const struct sighting strangers[] = {
		{ .vid = 0x1d50, .pid = 0x614f, .serial = ID, .product = "stm32f446xx" },
		{ .vid = 0x0483, .pid = 0x5740, .serial = ID, .product = "stm32f446xx" },
		{ .vid = 0x1d50, .pid = 0x614e, .serial = "12345", .product = "stm32f446xx" },
		{ .vid = 0x1d50, .pid = 0x614e, .serial = ID, .product = "stm32g0b1xx" },
		{ .vid = 0x1d50, .pid = 0x614e, .serial = ID, .product = "Klipper" },
	};
	for (size_t i = 0; i < ELEMENTSOF(strangers); i++)
		expect_unknown(completed(f401_or_f446(), BOOT_SERIAL, &strangers[i], NULL));
}

/* ---- written by us ----------------------------------------------------------------------- */

static void a_board_that_was_being_written_has_the_chip_that_was_decided(void **unused)
{
	(void)unused;
	struct board_facts facts = f401_or_f446();
	facts.content = CONTENT_UNBOOTABLE;
	facts = completed(facts, BOOT_SERIAL, NULL, &write_of_f446);
	expect_chip(facts, F446, CHIP_FROM_OWN_WRITE);
	assert_string_equal(facts.unique_id, ID);
}

static void a_write_of_another_board_says_nothing(void **unused)
{
	(void)unused;
	expect_unknown(completed(f401_or_f446(), "3941335F3434", NULL, &write_of_f446));
	struct own_write other = write_of_f446;
	other.chip = CHIP_STM32F429;
	expect_unknown(completed(f401_or_f446(), BOOT_SERIAL, NULL, &other));
	other = write_of_f446;
	other.mode = MODE_RP2040_BOOT;
	expect_unknown(completed(f401_or_f446(), BOOT_SERIAL, NULL, &other));
}

static void where_many_show_one_serial_it_is_the_one_that_would_not_start(void **unused)
{
	(void)unused;
	struct own_write shared = { MODE_DFU, "STM32FxSTM32", CHIP_STM32F446, "",
		.is_recent = true };
	struct board_facts facts = f401_or_f446();
	expect_unknown(completed(facts, "STM32FxSTM32", NULL, &shared));
	facts.content = CONTENT_BLANK;
	expect_chip(completed(facts, "STM32FxSTM32", NULL, &shared), F446, CHIP_FROM_OWN_WRITE);
	/* Days later a blank board on that socket is just a blank board. */
	shared.is_recent = false;
	expect_unknown(completed(facts, "STM32FxSTM32", NULL, &shared));
}

/* ---- what it runs ------------------------------------------------------------------------ */

static void the_firmware_in_flash_decides_between_several(void **unused)
{
	(void)unused;
	struct board_facts facts = running(f401_or_f446(), "stm32f446xx");
	expect_chip(completed(facts, BOOT_SERIAL, NULL, NULL), F446, CHIP_FROM_FIRMWARE);
	expect_unknown(completed(running(f401_or_f446(), "stm32f407xx"), "", NULL, NULL));
	expect_unknown(completed(running(f401_or_f446(), "nonsense"), "", NULL, NULL));
}

static void firmware_of_another_chip_than_the_one_that_was_seen_leaves_it_open(void **unused)
{
	(void)unused;
	struct board_facts facts = running(f401_or_f446(), "stm32f401xc");
	expect_chip(
		completed(facts, BOOT_SERIAL, &klipper, NULL), CHIP_UNKNOWN, CHIP_ORIGIN_UNSAID);
}

/* ---- programs of the Pico SDK ------------------------------------------------------------ */

static struct board_facts program(uint16_t pid, const char *serial, struct board_facts facts)
{
	const struct identity_clues no_clues = { 0 };
	struct device device = board_showing(serial);
	device.mode = MODE_PICO_SDK;
	device.vid = 0x2e8a;
	device.pid = pid;
	identity_complete(&facts, &device, &no_clues);
	return facts;
}

static void the_ids_of_the_sdk_promise_a_chip(void **unused)
{
	(void)unused;
	const struct board_facts nothing = { 0 };
	expect_chip(program(0x000a, "", nothing), CHIP_RP2040, CHIP_FROM_DESCRIPTORS);
	expect_chip(program(0x0009, "", nothing), CHIP_RP2350, CHIP_FROM_DESCRIPTORS);
	/* An id of its maker, marked by a rule of the owner's: the policy may state it. */
	struct board_facts open = program(0x1234, "", nothing);
	expect_chip(open, CHIP_UNKNOWN, CHIP_ORIGIN_UNSAID);
	assert_int_equal(identity_state(&open, CHIP_RP2350, false), 0);
	expect_chip(open, CHIP_RP2350, CHIP_FROM_POLICY);
	open = program(0x1234, "", nothing);
	assert_int_equal(identity_state(&open, F446, false), IDENTITY_EXCLUDED);
}

static void a_program_shows_the_id_of_its_board_or_its_makers_text(void **unused)
{
	(void)unused;
	const struct board_facts nothing = { 0 };
	assert_string_equal(
		program(0x000a, "e6614103e7452b2f", nothing).unique_id, "E6614103E7452B2F");
	static const char *const others[] = { "", "ACME-7", "0001", "EEEEEEEEEEEEEEEE",
		"FFFFFFFFFFFFFFFF", "000000000000000G", "E6614103E7452B2F00" };
	for (size_t i = 0; i < ELEMENTSOF(others); i++)
		assert_string_equal(program(0x000a, others[i], nothing).unique_id, "");
}

static void what_a_worker_cannot_have_seen_is_not_believed(void **unused)
{
	(void)unused;
	struct board_facts claims = running(one_of(chip_bit(F446)), "rp2040");
	claims.chip = F446;
	claims.has_application_start = true;
	claims.bootsel = BOOTSEL_BY_SERIAL;
	strcpy(claims.unique_id, "504450610847861C");
	struct board_facts facts = program(0x000a, "", claims);
	expect_chip(facts, CHIP_RP2040, CHIP_FROM_DESCRIPTORS);
	assert_string_equal(facts.unique_id, "");
	assert_false(facts.running.is_known || facts.has_application_start);
	assert_int_equal(facts.bootsel, BOOTSEL_BY_SERIAL);
	/* No other board is one of these. */
	assert_int_equal(completed(claims, BOOT_SERIAL, NULL, NULL).bootsel, BOOTSEL_UNKNOWN);
	struct device device = board_showing("");
	const struct identity_clues no_clues = { 0 };
	device.mode = MODE_KLIPPER;
	identity_complete(&claims, &device, &no_clues);
	assert_int_equal(claims.bootsel, BOOTSEL_UNKNOWN);
}

/* ---- the policy's word ------------------------------------------------------------------- */

static void expect_stated(struct board_facts facts, enum chip stated, bool is_forced, int answer)
{
	struct board_facts before = facts;
	assert_int_equal(identity_state(&facts, stated, is_forced), answer);
	if (answer == 0)
		assert_int_equal(facts.chip, stated);
	else
		assert_memory_equal(&facts, &before, sizeof(facts));
}

static void what_the_policy_states_fills_a_gap(void **unused)
{
	(void)unused;
	struct board_facts facts = f401_or_f446();
	expect_stated(facts, F446, false, 0);
	expect_stated(facts, F401, false, 0);
	assert_int_equal(identity_state(&facts, F446, false), 0);
	assert_int_equal(facts.chip_origin, CHIP_FROM_POLICY);
	/* A policy that was mended since counts, and not what it said before. */
	expect_stated(facts, F401, false, 0);
}

static void what_a_board_cannot_have_is_never_taken(void **unused)
{
	(void)unused;
	struct board_facts facts = f401_or_f446();
	expect_stated(facts, CHIP_STM32G0B1, true, IDENTITY_EXCLUDED);
	const struct board_facts rp2040 = { .chip = CHIP_RP2040 };
	expect_stated(rp2040, CHIP_RP2350, true, IDENTITY_CONTRADICTED);
	expect_stated(rp2040, CHIP_RP2040, false, 0);
	/* Of a board that shows nothing a statement makes no other. */
	facts = one_of(0);
	assert_int_equal(identity_state(&facts, F446, true), 0);
	assert_int_equal(facts.chip, CHIP_UNKNOWN);
}

static void what_is_known_stands_against_the_policy(void **unused)
{
	(void)unused;
	struct board_facts seen = completed(f401_or_f446(), BOOT_SERIAL, &klipper, NULL);
	expect_stated(seen, F446, false, 0);
	expect_stated(seen, F401, false, IDENTITY_CONTRADICTED);
	expect_stated(seen, F401, true, IDENTITY_CONTRADICTED);
}

static void firmware_that_is_the_mistake_yields_to_force(void **unused)
{
	(void)unused;
	struct board_facts facts =
		completed(running(f401_or_f446(), "stm32f401xc"), BOOT_SERIAL, NULL, NULL);
	expect_stated(facts, F446, false, IDENTITY_CONTRADICTED);
	expect_stated(facts, F446, true, 0);
	facts = f401_or_f446();
	facts.content = CONTENT_BLANK;
	facts = completed(facts, BOOT_SERIAL, NULL, &write_of_f446);
	expect_stated(facts, F401, false, IDENTITY_CONTRADICTED);
	expect_stated(facts, F401, true, 0);
}

/* ---- others ------------------------------------------------------------------------------ */

static void a_board_that_says_its_chip_is_left_as_it_is(void **unused)
{
	(void)unused;
	struct board_facts facts = { .chip = CHIP_RP2040, .unique_id = "E66058388348892B" };
	struct device device = board_showing(BOOT_SERIAL);
	const struct identity_clues clues = { .sighting = &klipper, .own_write = &write_of_f446 };
	device.mode = MODE_RP2040_BOOT;
	identity_complete(&facts, &device, &clues);
	expect_chip(facts, CHIP_RP2040, CHIP_ORIGIN_UNSAID);
	assert_string_equal(facts.unique_id, "E66058388348892B");
}

/* ---- how it is known --------------------------------------------------------------------- */

static void expect_known(struct board_facts facts, const char *id, enum provenance origin)
{
	assert_string_equal(facts.unique_id, id);
	assert_string_equal(provenance_name(facts.id_origin), provenance_name(origin));
}

static void what_was_seen_is_worth_what_the_serial_confirms(void **unused)
{
	(void)unused;
	struct sighting asked = klipper;
	asked.was_requested = true;
	expect_known(
		completed(f401_or_f446(), BOOT_SERIAL, &klipper, NULL), ID, PROVENANCE_COMPUTED);
	expect_known(
		completed(f401_or_f446(), "STM32FxSTM32", &klipper, NULL), ID, PROVENANCE_SEEN);
	expect_known(
		completed(f401_or_f446(), "STM32FxSTM32", &asked, NULL), ID, PROVENANCE_REQUESTED);
	/* Also what we asked for may have been overtaken by a hand. */
	expect_known(completed(f401_or_f446(), "3941335F3434", &asked, NULL), "", PROVENANCE_NONE);
	expect_known(completed(f401_or_f446(), BOOT_SERIAL, NULL, &write_of_f446), ID,
		PROVENANCE_COMPUTED);
}

static void a_bridge_tells_too_and_its_double_does_not(void **unused)
{
	(void)unused;
	struct sighting bridge = klipper;
	bridge.pid = 0x606f;
	expect_known(completed(f401_or_f446(), BOOT_SERIAL, &bridge, NULL), "", PROVENANCE_NONE);
	strcpy(bridge.manufacturer, "Klipper");
	expect_known(
		completed(f401_or_f446(), BOOT_SERIAL, &bridge, NULL), ID, PROVENANCE_COMPUTED);
}

static void a_board_that_shows_its_id_is_known_best(void **unused)
{
	(void)unused;
	const struct identity_clues nothing = { 0 };
	struct board_facts facts = { .id_origin = PROVENANCE_SEEN };
	struct device device = board_showing("2b0007000c50425539393020");
	device.mode = MODE_KATAPULT;
	identity_complete(&facts, &device, &nothing);
	expect_known(facts, ID, PROVENANCE_SHOWN);
	/* What a worker might claim of it counts for nothing. */
	facts = (struct board_facts){ .id_origin = PROVENANCE_SHOWN };
	device.serial = (char *)"12345";
	identity_complete(&facts, &device, &nothing);
	expect_known(facts, "", PROVENANCE_NONE);
	facts = (struct board_facts){ .unique_id = "E66058388348892B" };
	device.mode = MODE_RP2040_BOOT;
	device.serial = (char *)"E0C9125B0D9B";
	identity_complete(&facts, &device, &nothing);
	expect_known(facts, "E66058388348892B", PROVENANCE_SHOWN);
}

static struct board_facts with_passport(
	const char *serial, const struct sighting *sighting, const struct passport_claim *claim)
{
	struct board_facts facts = f401_or_f446();
	struct device device = board_showing(serial);
	const struct identity_clues clues = { .sighting = sighting, .passport = claim };
	identity_complete(&facts, &device, &clues);
	return facts;
}

static void the_book_names_a_board_that_nobody_else_does(void **unused)
{
	(void)unused;
	struct passport_claim claim = { ID, PROVENANCE_COMPUTED, .names_board = true };
	expect_known(with_passport(BOOT_SERIAL, NULL, &claim), ID, PROVENANCE_COMPUTED);
	expect_known(with_passport(BOOT_SERIAL, &klipper, &claim), ID, PROVENANCE_COMPUTED);
	claim.names_board = false;
	expect_known(with_passport(BOOT_SERIAL, NULL, &claim), "", PROVENANCE_NONE);
}

static void who_contradicts_is_named_and_nobody_is_believed(void **unused)
{
	(void)unused;
	const struct passport_claim claim = { OTHER_ID, PROVENANCE_REQUESTED, false };
	struct board_facts facts = with_passport(BOOT_SERIAL, &klipper, &claim);
	expect_known(facts, "", PROVENANCE_NONE);
	_cleanup_(freep) char *text = identity_dispute_text(&facts.dispute);
	assert_non_null(strstr(text, "just before says that this is " ID));
	assert_non_null(strstr(text, "book of boards"));
	assert_non_null(strstr(text, OTHER_ID));
	/* What we have asked for is no chance: two boards of one lot may show one serial. */
	struct sighting asked = klipper;
	asked.was_requested = true;
	const struct passport_claim computed = { OTHER_ID, PROVENANCE_COMPUTED, true };
	expect_known(with_passport(BOOT_SERIAL, &asked, &computed), ID, PROVENANCE_REQUESTED);
	facts = with_passport(BOOT_SERIAL, &klipper, &computed);
	assert_int_equal(facts.dispute.other, WITNESS_PASSPORT);
}

static void a_write_of_another_board_contradicts_what_was_seen(void **unused)
{
	(void)unused;
	struct own_write other = write_of_f446;
	other.unique_id = OTHER_ID;
	struct board_facts facts = completed(f401_or_f446(), BOOT_SERIAL, &klipper, &other);
	expect_known(facts, "", PROVENANCE_NONE);
	assert_int_equal(facts.dispute.one, WITNESS_SIGHTING);
	assert_int_equal(facts.dispute.other, WITNESS_OWN_WRITE);
	assert_string_equal(facts.dispute.other_says, OTHER_ID);
}

static void firmware_of_another_chip_is_a_dispute_too(void **unused)
{
	(void)unused;
	struct board_facts facts = running(f401_or_f446(), "stm32f401xc");
	facts = completed(facts, BOOT_SERIAL, &klipper, NULL);
	expect_known(facts, "", PROVENANCE_NONE);
	_cleanup_(freep) char *text = identity_dispute_text(&facts.dispute);
	assert_non_null(strstr(text, "stm32f446"));
	assert_non_null(strstr(text, "the firmware in its flash says that it is stm32f401"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_clue_nobody_can_tell),
		cmocka_unit_test(a_chip_that_looks_like_no_other_is_known),
		cmocka_unit_test(the_application_that_just_left_is_this_board),
		cmocka_unit_test(it_also_names_a_board_whose_chip_is_known),
		cmocka_unit_test(the_serial_of_another_board_means_that_a_hand_was_quicker),
		cmocka_unit_test(a_serial_that_all_show_takes_nothing_from_what_was_seen),
		cmocka_unit_test(what_is_not_klipper_tells_of_no_chip),
		cmocka_unit_test(a_board_that_was_being_written_has_the_chip_that_was_decided),
		cmocka_unit_test(a_write_of_another_board_says_nothing),
		cmocka_unit_test(where_many_show_one_serial_it_is_the_one_that_would_not_start),
		cmocka_unit_test(the_firmware_in_flash_decides_between_several),
		cmocka_unit_test(
			firmware_of_another_chip_than_the_one_that_was_seen_leaves_it_open),
		cmocka_unit_test(what_the_policy_states_fills_a_gap),
		cmocka_unit_test(what_a_board_cannot_have_is_never_taken),
		cmocka_unit_test(what_is_known_stands_against_the_policy),
		cmocka_unit_test(firmware_that_is_the_mistake_yields_to_force),
		cmocka_unit_test(a_board_that_says_its_chip_is_left_as_it_is),
		cmocka_unit_test(the_ids_of_the_sdk_promise_a_chip),
		cmocka_unit_test(a_program_shows_the_id_of_its_board_or_its_makers_text),
		cmocka_unit_test(what_a_worker_cannot_have_seen_is_not_believed),
		cmocka_unit_test(what_was_seen_is_worth_what_the_serial_confirms),
		cmocka_unit_test(a_bridge_tells_too_and_its_double_does_not),
		cmocka_unit_test(a_board_that_shows_its_id_is_known_best),
		cmocka_unit_test(the_book_names_a_board_that_nobody_else_does),
		cmocka_unit_test(who_contradicts_is_named_and_nobody_is_believed),
		cmocka_unit_test(a_write_of_another_board_contradicts_what_was_seen),
		cmocka_unit_test(firmware_of_another_chip_is_a_dispute_too),
	};
	return cmocka_run_group_tests_name("identity", tests, NULL, NULL);
}
