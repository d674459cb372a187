/* SPDX-License-Identifier: MIT */
/* Before the judge: boards in DFU, what the policy states of their chip, and what stands against
 * it; programs of the Pico SDK, and whether they are asked for BOOTSEL. */
#include "unit/store_story.h"

#include "daemon/judge.h"
#include "unit/make_arm.h"

#define NOW "v0.13.0-420-g0a1b2c3d4"

static const struct board_facts f401_or_f446 = {
	.possible_chips = (UINT64_C(1) << CHIP_STM32F401) | (UINT64_C(1) << CHIP_STM32F446),
	.flash_size_bytes = 512 << 10,
	.bootloader = BOOTLOADER_NONE,
	.content = CONTENT_BOOTABLE,
};

static int shelf_with_klipper(void **state)
{
	int r = shelf_set_up(state, "klipper.bin");
	_cleanup_(freep) uint8_t *bytes = make_klipper("stm32f446xx", ARM_STM32_0, NOW, "");
	shelf_put(*state, "klipper.bin", bytes, ARM_LENGTH);
	return r;
}

static struct judgement judged(struct shelf *shelf, struct board_facts facts)
{
	struct judgement judgement = { 0 };
	const struct device device = {
		.place = (char *)"pci-0000:00:14.0-usb-0:1",
		.port = (char *)"1-1",
		.serial = (char *)"STM32FxSTM32",
		.manufacturer = (char *)"",
		.product = (char *)"",
		.mode = MODE_DFU,
	};
	free(shelf->rule->name);
	shelf->rule->name = strdup("r");
	assert_int_equal(judge(shelf->policy, shelf->store, &device, &facts, &judgement), 0);
	assert_int_equal(judgement.verdict, VERDICT_FLASH);
	return judgement;
}

static void expect_written(struct shelf *shelf, struct board_facts facts, enum chip chip)
{
	_cleanup_(judgement_done) struct judgement judgement = judged(shelf, facts);
	_cleanup_(freep) char *said = reasons_text(&judgement.reasons);
	if (judgement.reasons.count > 0)
		fail_msg("refused: %s", said);
	assert_int_equal(judgement.chip, chip);
	assert_non_null(judgement.image);
}

static void expect_refused(struct shelf *shelf, struct board_facts facts, enum reason_code code,
	const char *words, const char *more)
{
	_cleanup_(judgement_done) struct judgement judgement = judged(shelf, facts);
	expect_only_reason(&judgement.reasons, code, words);
	expect_only_reason(&judgement.reasons, code, more);
}

static void what_stays_open_is_refused_and_the_candidates_are_named(void **state)
{
	expect_refused(*state, f401_or_f446, REASON_CHIP_AMBIGUOUS, "stm32f401 or stm32f446",
		"chip = \"stm32f446\"; in flash");
}

static void the_rule_may_state_the_chip(void **state)
{
	struct shelf *shelf = *state;
	shelf->rule->stated_chip = CHIP_STM32F446;
	expect_written(shelf, f401_or_f446, CHIP_STM32F446);
	shelf->rule->stated_chip = CHIP_STM32F401;
	expect_refused(shelf, f401_or_f446, REASON_WRONG_CHIP, "for the MCU \"stm32f446xx\"",
		"the board is an stm32f401");
}

static void what_the_descriptors_exclude_is_refused(void **state)
{
	struct shelf *shelf = *state;
	shelf->rule->stated_chip = CHIP_STM32G0B1;
	shelf->rule->force = true;
	expect_refused(shelf, f401_or_f446, REASON_IDENTITY_CONTRADICTED,
		"states that the board has an stm32g0b1", "it may only be stm32f401 or stm32f446");
}

static void the_firmware_in_flash_stands_against_the_policy_until_it_is_forced(void **state)
{
	struct shelf *shelf = *state;
	struct board_facts facts = f401_or_f446;
	facts.chip = CHIP_STM32F401;
	facts.chip_origin = CHIP_FROM_FIRMWARE;
	shelf->rule->stated_chip = CHIP_STM32F446;
	expect_refused(shelf, facts, REASON_IDENTITY_CONTRADICTED,
		"the firmware in its flash is for an stm32f401", "say force = true in the rule");
	shelf->rule->force = true;
	expect_written(shelf, facts, CHIP_STM32F446);
	facts.chip_origin = CHIP_FROM_SIGHTING;
	expect_refused(shelf, facts, REASON_IDENTITY_CONTRADICTED,
		"the application that it ran a moment ago is for an stm32f401",
		"correct chip in the rule");
}

static void the_entry_of_the_board_states_it_as_well(void **state)
{
	struct shelf *shelf = *state;
	struct policy_board *board = policy_add_board(shelf->policy);
	struct board_facts facts = f401_or_f446;
	board->name = strdup("octopus");
	board->serial = strdup("2B0007000C50425539393020");
	board->chip = CHIP_STM32F446;
	shelf->rule->board = strdup("octopus");
	strcpy(facts.unique_id, board->serial);
	facts.id_origin = PROVENANCE_REQUESTED;
	expect_written(shelf, facts, CHIP_STM32F446);
}

static void two_that_name_different_boards_are_named_both(void **state)
{
	struct shelf *shelf = *state;
	struct board_facts facts = f401_or_f446;
	shelf->rule->stated_chip = CHIP_STM32F446;
	facts.dispute = (struct id_dispute){ WITNESS_SIGHTING, WITNESS_PASSPORT,
		"2B0007000C50425539393020", "27000E000551343438333339" };
	expect_refused(shelf, facts, REASON_IDENTITY_CONTRADICTED,
		"just before says that this is 2B0007000C50425539393020",
		"book of boards, by the serial that it shows, says that it is "
		"27000E000551343438333339");
}

static void a_read_protected_chip_is_left_alone(void **state)
{
	struct shelf *shelf = *state;
	struct board_facts facts = f401_or_f446;
	facts.is_read_protected = true;
	shelf->rule->stated_chip = CHIP_STM32F446;
	shelf->rule->force = true;
	expect_refused(shelf, facts, REASON_READ_PROTECTED, "read-protected (RDP)",
		"erases the whole chip");
}

/* Its ROM claims what an H743 has; what is behind 128 KiB of it nobody vouches for. */
static void the_flash_of_an_h750_is_what_the_policy_says(void **state)
{
	struct shelf *shelf = *state;
	const struct board_facts h743_or_h750 = {
		.possible_chips = chip_bit(CHIP_STM32H743) | chip_bit(CHIP_STM32H750),
		.flash_size_bytes = 2 << 20,
		.has_application_start = true,
		.application_start = 0x08020000,
	};
	_cleanup_(freep) uint8_t *bytes = make_klipper("stm32h750xx", 0x08020000, NOW, "");
	shelf_put(shelf, "klipper.bin", bytes, ARM_LENGTH);
	shelf->rule->stated_chip = CHIP_STM32H750;
	expect_refused(
		shelf, h743_or_h750, REASON_FLASH_SIZE_UNKNOWN, "is unknown", "state flash_size");
	shelf->rule->flash_size_bytes = 2 << 20;
	expect_written(shelf, h743_or_h750, CHIP_STM32H750);
}

/* The newest of all files may be for a board that this one cannot be. */
static void auto_looks_only_at_what_the_board_may_take(void **state)
{
	struct shelf *shelf = *state;
	shelf_mean(shelf, "auto");
	expect_refused(shelf, f401_or_f446, REASON_CHIP_AMBIGUOUS, "stm32f401 or stm32f446",
		"chip = \"stm32f446\"; in flash");
	struct board_facts other = f401_or_f446;
	other.possible_chips = chip_bit(CHIP_STM32H743) | chip_bit(CHIP_STM32H750);
	expect_refused(shelf, other, REASON_IMAGE_MISSING, "firmware for stm32h743 or stm32h750",
		"put one there");
}

/* ---- programs of the Pico SDK ------------------------------------------------------------ */

static const struct board_facts program = {
	.chip = CHIP_RP2040,
	.possible_chips = UINT64_C(1) << CHIP_RP2040,
	.content = CONTENT_BOOTABLE,
	.reach = TRANSPORT_USB,
	.bootsel = BOOTSEL_BY_INTERFACE,
};

static int shelf_with_widget(void **state)
{
	return shelf_set_up(state, "a.bin");
}

static struct judgement judged_program(struct shelf *shelf, struct board_facts facts)
{
	struct judgement judgement = { 0 };
	const struct device device = {
		.place = (char *)"pci-0000:00:14.0-usb-0:1",
		.port = (char *)"1-1",
		.serial = (char *)"",
		.manufacturer = (char *)"",
		.product = (char *)"",
		.mode = MODE_PICO_SDK,
	};
	free(shelf->rule->name);
	shelf->rule->name = strdup("r");
	shelf->rule->enter = ENTER_YES;
	assert_int_equal(judge(shelf->policy, shelf->store, &device, &facts, &judgement), 0);
	assert_int_equal(judgement.verdict, VERDICT_FLASH);
	return judgement;
}

static void expect_program_refused(
	struct shelf *shelf, struct board_facts facts, enum reason_code code, const char *words)
{
	_cleanup_(judgement_done) struct judgement judgement = judged_program(shelf, facts);
	expect_only_reason(&judgement.reasons, code, words);
}

/* Where it begins nobody knows, and nobody has to: the ROM writes the whole board. */
static void a_program_is_asked_for_an_image_that_its_rom_would_take(void **state)
{
	_cleanup_(judgement_done) struct judgement judgement = judged_program(*state, program);
	_cleanup_(freep) char *said = reasons_text(&judgement.reasons);
	if (judgement.reasons.count > 0)
		fail_msg("refused: %s", said);
	assert_non_null(judgement.image);
	assert_false(judgement.is_running);
}

static void a_program_is_not_asked_in_vain(void **state)
{
	struct shelf *shelf = *state;
	struct board_facts facts = program;
	facts.bootsel = BOOTSEL_NO_WAY;
	expect_program_refused(shelf, facts, REASON_NO_LOADER, "by hand");
	facts = program;
	facts.chip = CHIP_UNKNOWN;
	facts.possible_chips |= chip_bit(CHIP_RP2350);
	expect_program_refused(shelf, facts, REASON_CHIP_AMBIGUOUS, "rp2040 or rp2350");
	facts.possible_chips = chip_bit(CHIP_RP2350);
	facts.chip = CHIP_RP2350;
	expect_program_refused(shelf, facts, REASON_WRONG_CHIP, "rp2350");
	shelf->rule->has_application_start = true;
	shelf->rule->application_start = 0x10004000;
	_cleanup_(judgement_done) struct judgement judgement = judged_program(shelf, program);
	assert_true(judgement.reasons.count > 0);
}

/* Or it would stay in boot mode, where nobody wants it. */
static void a_program_is_asked_only_if_what_comes_up_is_written(void **state)
{
	struct shelf *shelf = *state;
	shelf->rule->mode = MODE_PICO_SDK;
	expect_program_refused(shelf, program, REASON_NO_RULE, "in the mode rp2040-boot");
	shelf->rule->mode = MODE_NONE;
	struct policy_board *board = policy_add_board(shelf->policy);
	board->name = strdup("b");
	board->serial = strdup("504450610847861C");
	shelf->rule->board = strdup("b");
	struct board_facts facts = program;
	strcpy(facts.unique_id, board->serial);
	_cleanup_(judgement_done) struct judgement judgement = judged_program(shelf, facts);
	assert_int_equal(judgement.reasons.count, 0);
}

static void a_rule_of_its_own_may_write_the_board_then(void **state)
{
	struct shelf *shelf = *state;
	struct policy_rule *next = policy_add_rule(shelf->policy);
	shelf->rule = &shelf->policy->rules[0];
	shelf->rule->mode = MODE_PICO_SDK;
	next->name = strdup("next");
	next->mode = MODE_RP2040_BOOT;
	next->image = strdup("a.bin");
	_cleanup_(judgement_done) struct judgement judgement = judged_program(shelf, program);
	assert_int_equal(judgement.reasons.count, 0);
	/* With something else, the program would never be what its own rule says. */
	free(next->image);
	next->image = strdup("b.bin");
	expect_program_refused(shelf, program, REASON_NO_RULE, "with the same image");
}

#define STORY(function) \
	cmocka_unit_test_setup_teardown(function, shelf_with_klipper, shelf_tear_down)
#define PROGRAM_STORY(function) \
	cmocka_unit_test_setup_teardown(function, shelf_with_widget, shelf_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(what_stays_open_is_refused_and_the_candidates_are_named),
		STORY(the_rule_may_state_the_chip),
		STORY(what_the_descriptors_exclude_is_refused),
		STORY(the_firmware_in_flash_stands_against_the_policy_until_it_is_forced),
		STORY(the_entry_of_the_board_states_it_as_well),
		STORY(two_that_name_different_boards_are_named_both),
		STORY(a_read_protected_chip_is_left_alone),
		STORY(the_flash_of_an_h750_is_what_the_policy_says),
		STORY(auto_looks_only_at_what_the_board_may_take),
		PROGRAM_STORY(a_program_is_asked_for_an_image_that_its_rom_would_take),
		PROGRAM_STORY(a_program_is_not_asked_in_vain),
		PROGRAM_STORY(a_program_is_asked_only_if_what_comes_up_is_written),
		PROGRAM_STORY(a_rule_of_its_own_may_write_the_board_then),
	};
	return cmocka_run_group_tests_name("judge", tests, NULL, NULL);
}
