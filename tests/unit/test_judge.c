/* SPDX-License-Identifier: MIT */
/* Boards in DFU before the judge: what the policy states of their chip, and what stands against it.
 */
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

#define STORY(function) \
	cmocka_unit_test_setup_teardown(function, shelf_with_klipper, shelf_tear_down)

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
	};
	return cmocka_run_group_tests_name("judge", tests, NULL, NULL);
}
