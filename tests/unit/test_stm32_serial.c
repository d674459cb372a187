/* SPDX-License-Identifier: MIT */
/* What a boot ROM will show of a chip whose Klipper was seen, and when two serials are two boards.
 */
#include "unit/expect.h"

#include <strings.h>

#include "model/stm32_serial.h"

/* Pairs that owners of boards have published. */
static const struct {
	const char *id, *boot;
} boards[] = {
	{ "2B0007000C50425539393020", "203739645542" }, /* G0B1 */
	{ "27000E000551343438333339", "3941335F3434" }, /* G0B1 of an EBB */
	{ "7A0025000150364248373020", "205537C24236" }, /* C071 */
	{ "380023000B47313133353431", "3157356B3131" }, /* F407 */
	{ "270058000B50313353313320", "208B317A3331" }, /* U585 */
};

static void expect_agreement(const char *id, const char *boot, enum stm32_agreement expected)
{
	enum stm32_agreement found = stm32_serial_compare(id, boot);
	if (found != expected)
		fail_msg("%s and %s: %d, not %d", id, boot, found, expected);
}

static void the_serial_of_the_rom_is_foretold(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ELEMENTSOF(boards); i++) {
		char serial[STM32_BOOT_SERIAL_TEXT];
		assert_true(stm32_serial_predict(boards[i].id, serial));
		for (char *digit = serial; *digit; digit++)
			assert_non_null(strchr("0123456789ABCDEF", *digit));
		assert_int_equal(strcasecmp(serial, boards[i].boot), 0);
	}
}

static void what_is_no_id_foretells_nothing(void **unused)
{
	(void)unused;
	static const char *const others[] = { "", "12345", "E66058388348892B",
		"2B0007000C5042553939302", "2B0007000C50425539393020AB", "2B0007000C5042553939302G",
		"000000000000000000000000", "ffffffffffffffffffffffff" };
	char serial[STM32_BOOT_SERIAL_TEXT] = "untouched";
	for (size_t i = 0; i < ELEMENTSOF(others); i++) {
		assert_false(stm32_serial_predict(others[i], serial));
		assert_string_equal(serial, "untouched");
		expect_agreement(others[i], boards[0].boot, STM32_UNDECIDED);
	}
}

static void a_board_agrees_with_itself_and_with_no_other(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ELEMENTSOF(boards); i++)
		for (size_t k = 0; k < ELEMENTSOF(boards); k++)
			expect_agreement(boards[i].id, boards[k].boot,
				i == k ? STM32_AGREES : STM32_CONTRADICTS);
	expect_agreement("2b0007000c50425539393020", "203739645542", STM32_AGREES);
	expect_agreement("2B0007000C50425539393020", "3941335f3434", STM32_CONTRADICTS);
}

/* w0 = 0x00FF00F9, w1 = 0x5542500C, w2 = 0x2030FF39: every way has its own carry. */
static void every_known_way_of_making_it_agrees(void **unused)
{
	(void)unused;
	static const char id[] = "F900FF000C50425539FF3020";
	static const char *const ways[] = { "213000325542", "212F00325542", "202FFF325542" };
	for (size_t i = 0; i < ELEMENTSOF(ways); i++)
		expect_agreement(id, ways[i], STM32_AGREES);
	/* Ten off in the low half, as some F4 are. */
	expect_agreement(id, "2130003C5542", STM32_AGREES);
	expect_agreement(id, "213000285542", STM32_AGREES);
	expect_agreement(id, "213000335542", STM32_CONTRADICTS);
	expect_agreement(id, "213000325543", STM32_CONTRADICTS);
	expect_agreement(id, "213100325542", STM32_CONTRADICTS);
}

static void what_many_boards_show_decides_nothing(void **unused)
{
	(void)unused;
	static const char *const shared[] = { "FFFFFFFEFFFF", "200364500000", "200000500000",
		"STM32FxSTM32", "STM32" };
	for (size_t i = 0; i < ELEMENTSOF(shared); i++) {
		assert_true(stm32_serial_is_shared(shared[i]));
		expect_agreement(boards[0].id, shared[i], STM32_UNDECIDED);
	}
	assert_false(stm32_serial_is_shared(boards[0].boot));
	expect_agreement(boards[0].id, "", STM32_UNDECIDED);
	expect_agreement(boards[0].id, "no serial", STM32_UNDECIDED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_serial_of_the_rom_is_foretold),
		cmocka_unit_test(what_is_no_id_foretells_nothing),
		cmocka_unit_test(a_board_agrees_with_itself_and_with_no_other),
		cmocka_unit_test(every_known_way_of_making_it_agrees),
		cmocka_unit_test(what_many_boards_show_decides_nothing),
	};
	return cmocka_run_group_tests_name("stm32 serial", tests, NULL, NULL);
}
