/* SPDX-License-Identifier: MIT */
/* Who is on a serial line: asked in an order that harms none of them. */
#include "unit/klipper_boards.h"

#include <errno.h>

#include "backend/katapult_wire.h"
#include "backend/klipper_wire.h"
#include "backend/uart_recognise.h"

#define G0B1_BEHIND (&klipper_kinds[1])
#define IDENTIFY    "\x08\x10\x01\x00\x28\x5e\x9f\x7e"
#define CONNECT     "\x01\x88\x11\x00\xf1\x7c\x99\x03"
#define AWAKE_MSEC  3000
#define RESET_APART 100
#define MOST_MSEC   1000

struct line_end {
	struct klipper_board board;
	struct serial *serial;
};

static void line_end_done(struct line_end *end)
{
	end->serial = serial_close(end->serial);
	klipper_board_done(&end->board);
}

static void open_line(struct line_end *end)
{
	struct serial_address address = bench_tty(end->board.board);
	assert_int_equal(serial_open(&address, UART_BAUD, &end->serial), 0);
}

static void plug_klipper(struct line_end *end, struct klipper_twist twist)
{
	twist.is_on_uart = true;
	klipper_board_plug(&end->board, G0B1_BEHIND, &twist);
	open_line(end);
}

/* The same board, brought into its Katapult by two presses of reset. */
static void plug_katapult(struct line_end *end)
{
	plug_klipper(end, (struct klipper_twist){ 0 });
	struct bench_board *board = end->board.board;
	bench_stm32_reset(board, false);
	bench_advance(end->board.bench, RESET_APART * NSEC_PER_MSEC);
	bench_stm32_reset(board, false);
	assert_true(bench_await_stm32(board, STM32_KATAPULT, AWAKE_MSEC));
	bench_advance(end->board.bench, AWAKE_MSEC * NSEC_PER_MSEC);
	assert_int_equal(serial_discard_input(end->serial), 0);
}

static void say(struct line_end *end, const char *bytes, size_t length)
{
	assert_int_equal(serial_write(end->serial, bytes, length, 1000), 0);
	assert_int_equal(serial_pause(end->serial, 100), 0);
}

static void expect(struct line_end *end, enum uart_speaker wanted)
{
	enum uart_speaker speaker = _UART_SPEAKER_MAX;
	uint64_t start = bench_now_nsec(end->board.bench);
	assert_int_equal(uart_recognise(serial_stream(end->serial), &speaker), 0);
	assert_string_equal(uart_speaker_name(speaker), uart_speaker_name(wanted));
	assert_true(bench_now_nsec(end->board.bench) - start <= MOST_MSEC * NSEC_PER_MSEC);
}

static void expect_katapult_answers(struct line_end *end)
{
	struct katapult_wire wire = { .stream = serial_stream(end->serial) };
	struct katapult_device device;
	assert_int_equal(katapult_connect(&wire, &device), 0);
	assert_string_equal(device.mcu, "stm32g0b1xx");
	assert_int_equal(bench_resident(end->board.board)->katapult.counters.wedges, 0);
}

static void expect_klipper_answers(struct line_end *end)
{
	_cleanup_(klipper_dictionary_done) struct klipper_dictionary dictionary = { 0 };
	struct klipper_wire wire = { .stream = serial_stream(end->serial) };
	assert_int_equal(klipper_identify(&wire, NULL, NULL, &dictionary), 0);
	assert_string_equal(dictionary.running.mcu, "stm32g0b1xx");
}

static void katapult_is_recognised_and_left_well(void **state)
{
	(void)state;
	_cleanup_(line_end_done) struct line_end end = { 0 };
	plug_katapult(&end);
	for (unsigned i = 0; i < 3; i++)
		expect(&end, UART_KATAPULT);
	expect_katapult_answers(&end);
}

static void klipper_is_recognised_and_left_well(void **state)
{
	(void)state;
	_cleanup_(line_end_done) struct line_end end = { 0 };
	plug_klipper(&end, (struct klipper_twist){ 0 });
	for (unsigned i = 0; i < 3; i++)
		expect(&end, UART_KLIPPER);
	expect_klipper_answers(&end);
	expect(&end, UART_KLIPPER);
}

/* It says once that something came damaged, and then waits for a good block. */
static void a_klipper_that_has_nothing_more_to_say_about_damage(void **state)
{
	(void)state;
	_cleanup_(line_end_done) struct line_end end = { 0 };
	plug_klipper(&end, (struct klipper_twist){ 0 });
	say(&end, CONNECT, 8);
	expect(&end, UART_KLIPPER);
	expect_klipper_answers(&end);
}

static void a_katapult_that_has_heard_noise(void **state)
{
	(void)state;
	static const char *const noise[] = { "\x1b\x02\x03", "zzzzzzzzzzzzzzz", "\x7e",
		"\x05\x10" };
	for (size_t i = 0; i < ELEMENTSOF(noise); i++) {
		_cleanup_(line_end_done) struct line_end end = { 0 };
		plug_katapult(&end);
		say(&end, noise[i], strlen(noise[i]));
		expect(&end, UART_KATAPULT);
		expect_katapult_answers(&end);
	}
}

static void an_answer_that_is_lost_is_asked_for_again(void **state)
{
	(void)state;
	for (unsigned nth = 0; nth < 40; nth += 3) {
		_cleanup_(line_end_done) struct line_end end = { 0 };
		plug_katapult(&end);
		const struct line_fault fault = {
			.kind = LINE_LOSE, .direction = LINE_TO_HOST, .nth = nth
		};
		bench_line_fault(end.board.board, &fault);
		expect(&end, UART_KATAPULT);
		expect_katapult_answers(&end);
	}
}

/* Which is why nobody may ask Klipper's question first. */
static void a_katapult_that_was_asked_for_its_dictionary_is_silent(void **state)
{
	(void)state;
	_cleanup_(line_end_done) struct line_end end = { 0 };
	plug_katapult(&end);
	say(&end, IDENTIFY, 8);
	expect(&end, UART_SILENT);
	assert_int_equal(bench_resident(end.board.board)->katapult.counters.wedges, 1);
}

static void a_katapult_that_goes_deaf_as_we_ask_is_dead(void **state)
{
	(void)state;
	_cleanup_(line_end_done) struct line_end end = { 0 };
	plug_katapult(&end);
	const struct line_fault fault = {
		.kind = LINE_FLIP, .direction = LINE_TO_BOARD, .nth = 4, .bit = 3
	};
	bench_line_fault(end.board.board, &fault);
	expect(&end, UART_DEAD);
}

static void nobody_is_silent(void **state)
{
	(void)state;
	_cleanup_(line_end_done) struct line_end end = { 0 };
	plug_klipper(&end, (struct klipper_twist){ .is_mute = true });
	expect(&end, UART_SILENT);
}

static void at_another_rate_nobody_is_understood(void **state)
{
	(void)state;
	_cleanup_(line_end_done) struct line_end end = { 0 };
	plug_klipper(&end, (struct klipper_twist){ 0 });
	enum uart_speaker speaker;
	assert_int_equal(serial_set_line(end.serial, 115200, true), 0);
	assert_int_equal(uart_recognise(serial_stream(end.serial), &speaker), 0);
	assert_true(speaker == UART_DEAD || speaker == UART_SILENT);
	assert_int_equal(serial_set_line(end.serial, UART_BAUD, true), 0);
	expect(&end, UART_KLIPPER);
}

int main(void)
{
	const struct CMUnitTest stories[] = {
		cmocka_unit_test(katapult_is_recognised_and_left_well),
		cmocka_unit_test(klipper_is_recognised_and_left_well),
		cmocka_unit_test(a_klipper_that_has_nothing_more_to_say_about_damage),
		cmocka_unit_test(a_katapult_that_has_heard_noise),
		cmocka_unit_test(an_answer_that_is_lost_is_asked_for_again),
		cmocka_unit_test(a_katapult_that_was_asked_for_its_dictionary_is_silent),
		cmocka_unit_test(a_katapult_that_goes_deaf_as_we_ask_is_dead),
		cmocka_unit_test(nobody_is_silent),
		cmocka_unit_test(at_another_rate_nobody_is_understood),
	};
	return cmocka_run_group_tests(stories, NULL, NULL);
}
