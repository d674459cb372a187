/* SPDX-License-Identifier: MIT */
/* The words by which a story describes a board: what is said wrongly must not pass for a good
 * board. */
#include "unit/expect.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "emu/emulated_board.h"
#include "emu/stm32_options.h"

/* What one line of words came to. */
struct parsed {
	char line[512];
	struct words words;
	struct stm32_options options;
	uint8_t *image;
	const char *wrong;
	int error;
};

static void split(struct parsed *parsed, const char *text)
{
	char *rest = NULL;
	*parsed = (struct parsed){ 0 };
	assert_true(strlen(text) < sizeof(parsed->line));
	strcpy(parsed->line, text);
	for (char *word = strtok_r(parsed->line, " ", &rest); word;
		word = strtok_r(NULL, " ", &rest))
		parsed->words.words[parsed->words.count++] = word;
}

static const struct stm32_options *options_of(struct parsed *parsed, const char *text)
{
	split(parsed, text);
	parsed->error = stm32_options_parse(
		&parsed->words, 0, &parsed->options, &parsed->image, &parsed->wrong);
	free(parsed->image);
	return &parsed->options;
}

static void expect_refused(const char *text, const char *word)
{
	struct parsed parsed;
	options_of(&parsed, text);
	assert_int_equal(parsed.error, -EINVAL);
	assert_string_equal(parsed.wrong, word);
}

static void no_words_are_a_good_board(void **unused)
{
	static const struct stm32_options good;
	struct parsed parsed;
	(void)unused;
	assert_memory_equal(options_of(&parsed, ""), &good, sizeof(good));
	assert_int_equal(parsed.error, 0);
}

static void chips_of_one_name_differ_by_their_flash(void **unused)
{
	struct parsed parsed;
	(void)unused;
	assert_int_equal(options_of(&parsed, "chip=f429")->chip, STM32_F429_1MB);
	assert_int_equal(options_of(&parsed, "flash=2M chip=f429")->chip, STM32_F429_2MB);
	assert_int_equal(options_of(&parsed, "chip=g0b1 flash=128K")->chip, STM32_G0B1_128K);
	expect_refused("chip=g0b1 flash=1M", "chip");
	expect_refused("chip=z80", "chip");
}

static void manners_are_called_by_their_names(void **unused)
{
	struct parsed parsed;
	(void)unused;
	const struct stm32_options *options = options_of(&parsed,
		"busy=stall leave=stay clear=error initial=idle interface=keep refusal=silent "
		"readout_protected=strict touch=none bus_reset=start functional=hang");
	assert_int_equal(parsed.error, 0);
	assert_int_equal(options->busy, STM32_BUSY_STALLS);
	assert_int_equal(options->leave, STM32_LEAVE_STAYS);
	assert_int_equal(options->clear, STM32_CLEAR_TO_ERROR);
	assert_int_equal(options->initial, STM32_INITIAL_IDLE);
	assert_int_equal(options->interface, STM32_INTERFACE_KEEPS);
	assert_int_equal(options->refusal, STM32_REFUSAL_SILENT);
	assert_int_equal(options->protection, STM32_PROTECTED_STRICTLY);
	assert_int_equal(options->touch, STM32_TOUCH_NONE);
	assert_int_equal(options->bus_reset, STM32_RESET_STARTS);
	assert_int_equal(options->functional, STM32_FUNCTIONAL_HANGS);
	expect_refused("busy=stay", "busy");
	expect_refused("business=stall", "business");
	expect_refused("busy", "busy");
}

static void numbers_ranges_and_strings(void **unused)
{
	static const uint8_t string[] = { 4, 3, 'A', 0 };
	struct parsed parsed;
	(void)unused;
	const struct stm32_options *options = options_of(&parsed,
		"uid=2B0007000C50425539393020 polls=1,2,3,4 button=0 bcd_device=0x2100 "
		"write_protected=0x08008000+32K,0x08020000+128K alternate_string1=04034100 "
		"alternate0=@A%20B silent=1");
	assert_int_equal(parsed.error, 0);
	assert_int_equal(options->unique_id[0], 0x2b);
	assert_int_equal(options->unique_id[11], 0x20);
	assert_true(options->polls.given && options->polls.write == 4);
	assert_true(options->boot0_released && options->application_is_silent);
	assert_int_equal(options->bcd_device, 0x2100);
	assert_int_equal(options->write_protected[0].bytes, 32 << 10);
	assert_int_equal(options->write_protected[1].address, 0x08020000);
	assert_int_equal(options->write_protected[2].bytes, 0);
	assert_int_equal(options->alternate_strings[1].length, sizeof(string));
	assert_memory_equal(options->alternate_strings[1].bytes, string, sizeof(string));
	assert_string_equal(options->alternate_texts[0], "@A B");
	expect_refused("uid=2B00", "uid");
	expect_refused("polls=1,2,3", "polls");
	expect_refused("bcd_device=65536", "bcd_device");
	expect_refused("write_protected=0x08008000", "write_protected");
	expect_refused("image=/nowhere@0x08000000", "image");
}

static void what_runs_from_flash_is_described_too(void **unused)
{
	struct parsed parsed;
	(void)unused;
	const struct stm32_options *options = options_of(&parsed,
		"chip=lpc1769 katapult_protocol=1.0 katapult_version=v1 katapult_block=128 canbus=1 "
		"double_reset=0 withholding=0 unsolicited=1 baud=115200");
	assert_int_equal(parsed.error, 0);
	assert_int_equal(options->chip, STM32_LPC1769);
	assert_true(options->resident.katapult.protocol_1_0);
	assert_string_equal(options->resident.katapult.version, "v1");
	assert_int_equal(options->resident.katapult.block_bytes, 128);
	assert_true(options->resident.katapult.canbus);
	assert_true(options->resident.katapult.without_double_reset);
	assert_true(options->resident.katapult.without_withholding);
	assert_true(options->resident.klipper.unsolicited);
	assert_int_equal(options->resident.baud, 115200);
	expect_refused("katapult_protocol=2", "katapult_protocol");
	expect_refused("baud=fast", "baud");
}

static void faults_and_their_moments(void **unused)
{
	struct parsed parsed;
	struct stm32_fault fault = { 0 };
	(void)unused;
	split(&parsed, "error-status at=program n=3 value=3 address=0x08008000");
	assert_int_equal(stm32_options_parse_fault(&parsed.words, 0, &fault, &parsed.wrong), 0);
	assert_int_equal(fault.kind, STM32_FAULT_ERROR_STATUS);
	assert_int_equal(fault.trigger, STM32_AT_PROGRAM);
	assert_true(fault.nth == 3 && fault.value == 3 && fault.address == 0x08008000);
	split(&parsed, "unplug at=breakfast");
	assert_int_equal(
		stm32_options_parse_fault(&parsed.words, 0, &fault, &parsed.wrong), -EINVAL);
	assert_string_equal(parsed.wrong, "at");
}

static const char *board_mode(struct parsed *parsed, const char *text)
{
	_cleanup_(emulated_board_freep) struct emulated_board *board = NULL;
	split(parsed, text);
	if (emulated_board_new(&parsed->words, 0, &board, &parsed->wrong) < 0)
		return NULL;
	board->operations->power_on(board, 0, board->button_held);
	struct device_core *core = board->operations->core(board);
	core->operations->advance(core, NSEC_PER_SEC);
	return board->operations->mode(board);
}

static void a_board_is_of_the_make_that_is_asked_for(void **unused)
{
	struct parsed parsed;
	(void)unused;
	assert_string_equal(board_mode(&parsed, ""), "boot");
	assert_string_equal(board_mode(&parsed, "flash=1M kind=rp2040"), "boot");
	assert_string_equal(board_mode(&parsed, "kind=stm32 chip=f446"), "dfu");
	assert_null(board_mode(&parsed, "kind=stm32 chip=rp2040"));
	assert_null(board_mode(&parsed, "kind=toaster"));
	assert_string_equal(parsed.wrong, "toaster");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_words_are_a_good_board),
		cmocka_unit_test(chips_of_one_name_differ_by_their_flash),
		cmocka_unit_test(manners_are_called_by_their_names),
		cmocka_unit_test(numbers_ranges_and_strings),
		cmocka_unit_test(what_runs_from_flash_is_described_too),
		cmocka_unit_test(faults_and_their_moments),
		cmocka_unit_test(a_board_is_of_the_make_that_is_asked_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
