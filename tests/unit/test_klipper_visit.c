/* SPDX-License-Identifier: MIT */
/* Stories about boards that run Klipper: what they say, and how they go to their boot loaders. */
#include "unit/klipper_boards.h"

#include <errno.h>

#include "backend/klipper.h"
#include "backend/klipper_wire.h"
#include "model/klipper.h"
#include "unit/make_arm.h"

#define G0B1_ALONE  (&klipper_kinds[0])
#define G0B1_BEHIND (&klipper_kinds[1])
#define F072_BEHIND (&klipper_kinds[13])

struct visited {
	int result;
	struct board_facts facts;
	struct backend_failure failure;
	uint64_t nsec;
};

static void expect_sentence(const struct visited *visited)
{
	if (visited->result == 0)
		return;
	assert_int_not_equal(visited->failure.code, REASON_NONE);
	assert_true(text_is_plain(visited->failure.sentence) && visited->failure.sentence[0]);
}

/* Opens, looks, and asks for the boot loader if it is told to. */
static struct visited visit_watched(
	struct klipper_board *board, bool enters, const struct backend_watch *watch)
{
	const struct backend *backend = backend_for_mode(MODE_KLIPPER);
	struct board_address address = { .usb = bench_address(board->board) };
	struct backend_session *session = NULL;
	struct visited visited = { 0 };
	uint64_t start = bench_now_nsec(board->bench);
	visited.result = backend->open(&address, watch, &session, &visited.failure);
	if (visited.result == 0)
		visited.result = backend->probe(session, &visited.facts, &visited.failure);
	visited.nsec = bench_now_nsec(board->bench) - start;
	if (visited.result == 0 && enters)
		visited.result = backend->enter(session, &visited.failure);
	if (session)
		assert_null(backend->close(session));
	expect_sentence(&visited);
	return visited;
}

static struct visited visit(struct klipper_board *board, bool enters)
{
	const struct backend_watch watch = { 0 };
	return visit_watched(board, enters, &watch);
}

/* The dictionary alone, byte by byte. */
static int identify(
	struct klipper_board *board, struct klipper_wire *wire, struct klipper_dictionary *ret)
{
	struct serial_address address = bench_tty(board->board);
	struct serial *serial = NULL;
	int r = serial_open(&address, UART_BAUD, &serial);
	if (r < 0)
		return r;
	wire->stream = serial_stream(serial);
	r = klipper_identify(wire, NULL, NULL, ret);
	serial_close(serial);
	return r;
}

static void expect_dictionary(
	const struct klipper_board *board, const struct klipper_dictionary *dictionary)
{
	assert_int_equal(dictionary->length, board->json_length);
	assert_memory_equal(dictionary->json, board->json, board->json_length + 1);
	assert_true(dictionary->running.is_known);
	assert_string_equal(dictionary->running.mcu, board->kind->mcu);
	assert_string_equal(dictionary->running.version, "v0.13.0-730-g84104bbbd");
}

/* ---- every kind -------------------------------------------------------------------------- */

static void every_kind_hands_out_its_dictionary(void **state)
{
	(void)state;
	for (size_t i = 0; i < klipper_kind_count; i++) {
		_cleanup_(klipper_board_done) struct klipper_board board = { 0 };
		_cleanup_(klipper_dictionary_done) struct klipper_dictionary dictionary = { 0 };
		struct klipper_wire wire = { 0 };
		klipper_board_plug(&board, &klipper_kinds[i], NULL);
		uint64_t start = bench_now_nsec(board.bench);
		int r = identify(&board, &wire, &dictionary);
		if (r < 0)
			fail_msg("%s: %d", klipper_kinds[i].name, r);
		expect_dictionary(&board, &dictionary);
		uint64_t nsec = bench_now_nsec(board.bench) - start;
		print_message("# %s: %zu bytes of %zu, %u requests, %u again, %d ms\n",
			klipper_kinds[i].name, board.packed_length, board.json_length,
			wire.requests, wire.resends, (int)(nsec / 1000000));
		assert_int_equal(wire.resends, 0);
		assert_in_range(
			wire.requests, board.packed_length / 56 + 1, board.packed_length / 55 + 2);
		assert_true(nsec < 300 * NSEC_PER_MSEC);
	}
}

static void what_is_foretold_comes(void **state)
{
	(void)state;
	for (size_t i = 0; i < klipper_kind_count; i++) {
		const struct klipper_kind *kind = &klipper_kinds[i];
		_cleanup_(klipper_board_done) struct klipper_board board = { 0 };
		klipper_board_plug(&board, kind, NULL);
		struct visited visited = visit(&board, false);
		if (visited.result < 0)
			fail_msg("%s: %s", kind->name, visited.failure.sentence);
		const struct board_facts *facts = &visited.facts;
		assert_int_equal(facts->chip, chip_from_mcu(kind->mcu));
		assert_int_equal(facts->content, CONTENT_BOOTABLE);
		assert_int_equal(facts->reach, TRANSPORT_USB);
		if (facts->bootloader != kind->bootloader)
			fail_msg("%s: %s", kind->name, bootloader_name(facts->bootloader));
		assert_int_equal(facts->has_application_start, kind->has_start);
		if (kind->has_start)
			assert_int_equal(facts->application_start, kind->base + kind->offset);
		assert_int_equal(klipper_board_counters(&board)->crashes, 0);

		struct entry entry = entry_foretell(facts);
		if (entry.loader != kind->loader)
			fail_msg("%s: %s", kind->name, entry.sentence);
		visited = visit(&board, true);
		assert_int_equal(klipper_board_loader(&board), entry.loader);
		assert_int_equal(visited.result < 0, entry.loader == ENTRY_NOTHING);
		if (visited.result < 0)
			assert_non_null(strstr(visited.failure.sentence,
				"the board did not enter its boot loader"));
	}
}

static void a_board_that_stays_can_be_asked_again(void **state)
{
	(void)state;
	const struct klipper_twist twist = { .stays = true };
	_cleanup_(klipper_board_done) struct klipper_board board = { 0 };
	klipper_board_plug(&board, G0B1_BEHIND, &twist);
	for (unsigned i = 1; i <= 2; i++) {
		struct visited visited = visit(&board, true);
		assert_int_equal(visited.failure.code, REASON_BOARD_SILENT);
		assert_int_equal(klipper_board_counters(&board)->touches, i);
	}
}

/* ---- conversations ----------------------------------------------------------------------- */

static void whoever_was_there_before_left_a_sequence(void **state)
{
	(void)state;
	_cleanup_(klipper_board_done) struct klipper_board board = { 0 };
	klipper_board_plug(&board, G0B1_ALONE, NULL);
	for (unsigned i = 0; i < 20; i++) {
		_cleanup_(klipper_dictionary_done) struct klipper_dictionary dictionary = { 0 };
		struct klipper_wire wire = { .sequence = (uint8_t)(i % 16) };
		assert_int_equal(identify(&board, &wire, &dictionary), 0);
		expect_dictionary(&board, &dictionary);
		/* One more, to learn it, unless it happens to be right. */
		assert_in_range(wire.resends, 0, 1);
	}
}

static void half_a_block_of_somebody_else_does_no_harm(void **state)
{
	(void)state;
	static const char *const halves[] = { "\x08\x10\x01", "\x40\x10\x01\x02\x03", "\x30",
		"noise without an end" };
	for (size_t i = 0; i < ELEMENTSOF(halves); i++) {
		_cleanup_(klipper_board_done) struct klipper_board board = { 0 };
		_cleanup_(klipper_dictionary_done) struct klipper_dictionary dictionary = { 0 };
		struct klipper_wire wire = { 0 };
		klipper_board_plug(&board, G0B1_ALONE, NULL);
		struct serial_address address = bench_tty(board.board);
		struct serial *serial;
		assert_int_equal(serial_open(&address, UART_BAUD, &serial), 0);
		assert_int_equal(serial_write(serial, halves[i], strlen(halves[i]), 100), 0);
		assert_int_equal(serial_pause(serial, 50), 0);
		serial_close(serial);
		assert_int_equal(identify(&board, &wire, &dictionary), 0);
		expect_dictionary(&board, &dictionary);
		assert_in_range(wire.resends, 0, 2);
	}
}

/* On chips with ST's simple USB the first answer waits for a second one. */
static void a_first_answer_that_is_held_back_is_asked_for_again(void **state)
{
	(void)state;
	const struct klipper_twist twist = { .withholds_first = true, .is_talkative = true };
	_cleanup_(klipper_board_done) struct klipper_board board = { 0 };
	_cleanup_(klipper_dictionary_done) struct klipper_dictionary dictionary = { 0 };
	struct klipper_wire wire = { 0 };
	klipper_board_plug(&board, F072_BEHIND, &twist);
	assert_int_equal(identify(&board, &wire, &dictionary), 0);
	expect_dictionary(&board, &dictionary);
	assert_in_range(wire.resends, 0, 2);
}

static void it_may_talk_in_between(void **state)
{
	(void)state;
	const struct klipper_twist twist = { .is_talkative = true };
	for (unsigned i = 0; i < 40; i++) {
		_cleanup_(klipper_board_done) struct klipper_board board = { 0 };
		_cleanup_(klipper_dictionary_done) struct klipper_dictionary dictionary = { 0 };
		struct klipper_wire wire = { 0 };
		klipper_board_plug(&board, G0B1_ALONE, &twist);
		/* Its statistics come every five seconds. */
		bench_advance(board.bench, (4900 - i * 20) * NSEC_PER_MSEC);
		assert_int_equal(identify(&board, &wire, &dictionary), 0);
		expect_dictionary(&board, &dictionary);
	}
}

/* Over a UART the same bytes are spoken. */
static void the_wire_does_not_matter(void **state)
{
	(void)state;
	const struct klipper_twist twist = { .is_on_uart = true };
	_cleanup_(klipper_board_done) struct klipper_board board = { 0 };
	_cleanup_(klipper_dictionary_done) struct klipper_dictionary dictionary = { 0 };
	struct klipper_wire wire = { 0 };
	klipper_board_plug(&board, G0B1_BEHIND, &twist);
	uint64_t start = bench_now_nsec(board.bench);
	assert_int_equal(identify(&board, &wire, &dictionary), 0);
	expect_dictionary(&board, &dictionary);
	print_message("# UART: %u requests, %d ms\n", wire.requests,
		(int)((bench_now_nsec(board.bench) - start) / 1000000));
	assert_int_equal(klipper_board_counters(&board)->magics, 0);
}

static void a_build_without_debug_read_is_not_looked_into(void **state)
{
	(void)state;
	const struct klipper_twist twist = { .json = "{\"app\":\"Klipper\",\"commands\":{},"
						     "\"config\":{\"MCU\":\"stm32g0b1xx\"},"
						     "\"version\":\"v0.9.1\"}" };
	_cleanup_(klipper_board_done) struct klipper_board board = { 0 };
	klipper_board_plug(&board, G0B1_BEHIND, &twist);
	struct visited visited = visit(&board, false);
	assert_int_equal(visited.result, 0);
	assert_int_equal(visited.facts.bootloader, BOOTLOADER_UNKNOWN);
	assert_int_equal(entry_foretell(&visited.facts).loader, ENTRY_UNKNOWN);
	assert_int_equal(klipper_board_counters(&board)->debug_reads, 0);
}

/* ---- accidents --------------------------------------------------------------------------- */

#define ACCIDENTS 150u

/* About 700 bytes go out, 4700 come back. The wrong dictionary must never come of it. */
static void with_accidents(enum line_direction direction, enum line_fault_kind kind)
{
	unsigned most = 0;
	for (unsigned i = 0; i < ACCIDENTS; i++) {
		_cleanup_(klipper_board_done) struct klipper_board board = { 0 };
		_cleanup_(klipper_dictionary_done) struct klipper_dictionary dictionary = { 0 };
		struct klipper_wire wire = { 0 };
		klipper_board_plug(&board, &klipper_kinds[i % klipper_kind_count], NULL);
		uint64_t bytes = direction == LINE_TO_HOST ? 4700 : 700;
		const struct line_fault fault = { .kind = kind,
			.direction = direction,
			.nth = i * bytes / ACCIDENTS + i % 3,
			.bit = (uint8_t)(i % 8) };
		assert_true(bench_line_fault(board.board, &fault) >= 0);
		uint64_t start = bench_now_nsec(board.bench);
		int r = identify(&board, &wire, &dictionary);
		if (r < 0)
			fail_msg("accident %u: %d", i, r);
		expect_dictionary(&board, &dictionary);
		assert_true(bench_now_nsec(board.bench) - start < 600 * NSEC_PER_MSEC);
		most = wire.resends > most ? wire.resends : most;
	}
	print_message("# %u accidents, at most %u requests more\n", ACCIDENTS, most);
}

static void what_it_says_may_be_damaged_anywhere(void **state)
{
	(void)state;
	with_accidents(LINE_TO_HOST, LINE_FLIP);
	with_accidents(LINE_TO_HOST, LINE_LOSE);
	with_accidents(LINE_TO_HOST, LINE_DUPLICATE);
}

static void what_it_hears_may_be_damaged_anywhere(void **state)
{
	(void)state;
	with_accidents(LINE_TO_BOARD, LINE_FLIP);
	with_accidents(LINE_TO_BOARD, LINE_LOSE);
	with_accidents(LINE_TO_BOARD, LINE_DUPLICATE);
}

/* A bad cable: whole visits, both ways at once, and what is read of the flash as well. */
static void a_bad_line_ends_in_the_truth_or_in_a_failure(void **state)
{
	(void)state;
	unsigned good = 0;
	for (unsigned i = 0; i < ACCIDENTS; i++) {
		const struct klipper_kind *kind = &klipper_kinds[i % klipper_kind_count];
		_cleanup_(klipper_board_done) struct klipper_board board = { 0 };
		klipper_board_plug(&board, kind, NULL);
		for (unsigned way = 0; way < 6; way++) {
			const struct line_fault fault = { .kind = (enum line_fault_kind)(way / 2),
				.direction = (enum line_direction)(way % 2),
				.per_million = 200 + 40 * i,
				.seed = i * 6 + way };
			assert_true(bench_line_fault(board.board, &fault) >= 0);
		}
		struct visited visited = visit(&board, false);
		assert_true(visited.nsec < 60 * NSEC_PER_SEC);
		if (visited.result < 0)
			continue;
		good++;
		assert_string_equal(visited.facts.running.mcu, kind->mcu);
		assert_int_equal(visited.facts.bootloader, kind->bootloader);
		assert_int_equal(entry_foretell(&visited.facts).loader, kind->loader);
		assert_int_equal(klipper_board_counters(&board)->crashes, 0);
	}
	print_message("# %u of %u visits were good\n", good, ACCIDENTS);
	assert_true(good > ACCIDENTS / 2);
}

static void the_cable_may_be_pulled_anywhere(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 60; i++) {
		_cleanup_(klipper_board_done) struct klipper_board board = { 0 };
		klipper_board_plug(&board, G0B1_BEHIND, NULL);
		const struct stm32_fault fault = { .kind = STM32_FAULT_UNPLUG,
			.trigger = STM32_AT_TIME,
			.nth = (1 + i) * NSEC_PER_MSEC };
		assert_true(bench_stm32_fault(board.board, &fault) >= 0);
		struct visited visited = visit(&board, false);
		if (visited.result < 0)
			assert_int_equal(visited.failure.code, REASON_BOARD_LEFT);
	}
}

/* ---- boards that mean no good ------------------------------------------------------------ */

static void a_board_that_says_nothing(void **state)
{
	(void)state;
	const struct klipper_twist twist = { .is_mute = true };
	_cleanup_(klipper_board_done) struct klipper_board board = { 0 };
	klipper_board_plug(&board, G0B1_ALONE, &twist);
	struct visited visited = visit(&board, false);
	assert_int_equal(visited.failure.code, REASON_BOARD_SILENT);
	assert_true(visited.nsec < 10 * NSEC_PER_SEC);
}

/* Every tenth of a millisecond it says something, and that is all, or is not. */
static void a_board_that_never_stops_talking(void **state)
{
	(void)state;
	struct klipper_twist twist = {
		.is_talkative = true, .stats_nsec = 100000, .is_deaf = true
	};
	_cleanup_(klipper_board_done) struct klipper_board deaf = { 0 };
	klipper_board_plug(&deaf, G0B1_ALONE, &twist);
	struct visited visited = visit(&deaf, false);
	assert_int_equal(visited.failure.code, REASON_BOARD_SILENT);
	assert_true(visited.nsec < 10 * NSEC_PER_SEC);
	klipper_board_done(&deaf);

	twist.is_deaf = false;
	_cleanup_(klipper_board_done) struct klipper_board board = { 0 };
	klipper_board_plug(&board, G0B1_ALONE, &twist);
	assert_int_equal(visit(&board, true).result, 0);
	assert_int_equal(klipper_board_loader(&board), ENTRY_ROM_DFU);
}

static void expect_no_dictionary(const uint8_t *packed, size_t length, enum reason_code code)
{
	const struct klipper_twist twist = { .packed = packed, .packed_length = length };
	_cleanup_(klipper_board_done) struct klipper_board board = { 0 };
	klipper_board_plug(&board, G0B1_ALONE, &twist);
	struct visited visited = visit(&board, false);
	assert_true(visited.result < 0);
	if (visited.failure.code != code)
		fail_msg("%s", visited.failure.sentence);
}

static void what_is_no_dictionary_is_refused(void **state)
{
	(void)state;
	/* A megabyte of nothing, in a thousand bytes. */
	_cleanup_(freep) char *bomb = malloc((1u << 20) + 1);
	uint8_t packed[DICTIONARY_MAX];
	assert_non_null(bomb);
	memset(bomb, ' ', 1u << 20);
	bomb[1u << 20] = '\0';
	size_t length = make_dictionary(packed, sizeof(packed), bomb);
	expect_no_dictionary(packed, length, REASON_BOARD_ERROR);
	length = make_dictionary(packed, sizeof(packed), "{\"version\":\"no config\"}");
	expect_no_dictionary(packed, length, REASON_BOARD_ERROR);
	/* Something behind it, something missing of it, something wrong in it. */
	_cleanup_(freep) char *json = klipper_board_json("stm32g0b1xx");
	length = make_dictionary(packed, sizeof(packed), json);
	expect_no_dictionary(packed, length - 1, REASON_BOARD_ERROR);
	packed[length] = 0;
	expect_no_dictionary(packed, length + 1, REASON_BOARD_ERROR);
	packed[length / 2] ^= 1;
	expect_no_dictionary(packed, length, REASON_BOARD_ERROR);
	/* One that has no end. */
	size_t endless = KLIPPER_PACKED_MAX + 4096;
	_cleanup_(freep) uint8_t *noise = calloc(1, endless);
	assert_non_null(noise);
	expect_no_dictionary(noise, endless, REASON_BOARD_ERROR);
}

static void a_board_that_somebody_holds(void **state)
{
	(void)state;
	_cleanup_(klipper_board_done) struct klipper_board board = { 0 };
	klipper_board_plug(&board, G0B1_ALONE, NULL);
	bench_hold_tty(board.board, true);
	struct visited visited = visit(&board, true);
	assert_int_equal(visited.result, -EBUSY);
	assert_int_equal(visited.failure.code, REASON_BOARD_BUSY);
	assert_non_null(strstr(visited.failure.sentence, "systemctl stop klipper"));
	assert_int_equal(klipper_board_counters(&board)->touches, 0);
	bench_hold_tty(board.board, false);
	assert_int_equal(visit(&board, false).result, 0);
}

/* ---- being told to stop ------------------------------------------------------------------ */

static int stop_at(void *context, enum job_phase phase, uint64_t done_bytes, uint64_t total_bytes)
{
	unsigned *left = context;
	(void)phase;
	assert_true(done_bytes <= total_bytes);
	return (*left)-- == 0 ? -ECANCELED : 0;
}

static void it_stops_when_it_is_told(void **state)
{
	(void)state;
	for (unsigned calls = 0; calls < 40; calls += 13) {
		unsigned left = calls;
		const struct backend_watch watch = { .on_progress = stop_at, .context = &left };
		_cleanup_(klipper_board_done) struct klipper_board board = { 0 };
		klipper_board_plug(&board, G0B1_ALONE, NULL);
		struct visited visited = visit_watched(&board, false, &watch);
		assert_int_equal(visited.result, -ECANCELED);
		assert_int_equal(visited.failure.code, REASON_CANCELLED);
		assert_int_equal(klipper_board_counters(&board)->identifies, calls);
	}
}

int main(void)
{
	const struct CMUnitTest stories[] = {
		cmocka_unit_test(every_kind_hands_out_its_dictionary),
		cmocka_unit_test(what_is_foretold_comes),
		cmocka_unit_test(a_board_that_stays_can_be_asked_again),
		cmocka_unit_test(whoever_was_there_before_left_a_sequence),
		cmocka_unit_test(half_a_block_of_somebody_else_does_no_harm),
		cmocka_unit_test(a_first_answer_that_is_held_back_is_asked_for_again),
		cmocka_unit_test(it_may_talk_in_between),
		cmocka_unit_test(the_wire_does_not_matter),
		cmocka_unit_test(a_build_without_debug_read_is_not_looked_into),
		cmocka_unit_test(what_it_says_may_be_damaged_anywhere),
		cmocka_unit_test(what_it_hears_may_be_damaged_anywhere),
		cmocka_unit_test(a_bad_line_ends_in_the_truth_or_in_a_failure),
		cmocka_unit_test(the_cable_may_be_pulled_anywhere),
		cmocka_unit_test(a_board_that_says_nothing),
		cmocka_unit_test(a_board_that_never_stops_talking),
		cmocka_unit_test(what_is_no_dictionary_is_refused),
		cmocka_unit_test(a_board_that_somebody_holds),
		cmocka_unit_test(it_stops_when_it_is_told),
	};
	return cmocka_run_group_tests(stories, NULL, NULL);
}
