/* SPDX-License-Identifier: MIT */
/* Programs of the Pico SDK, asked for BOOTSEL. */
#include "unit/expect.h"

#include <errno.h>

#include "backend/pico_reset.h"
#include "emu/bench.h"
#include "unit/klipper_boards.h"
#include "unit/make_image.h"

#define PROGRAM_BYTES 0x4000u

static struct bench_board *plug(struct bench *bench, enum rp2040_chip chip, enum rp2040_touch touch)
{
	_cleanup_(freep) uint8_t *image = chip == RP2040_CHIP_RP2350
						  ? make_rp2350_bin(PROGRAM_BYTES, 1)
						  : make_bin(PROGRAM_BYTES, 1);
	const struct rp2040_options options = {
		.chip = chip,
		.image = image,
		.image_bytes = PROGRAM_BYTES,
		.button_released = true,
		.touch = touch,
	};
	struct bench_board *board = bench_plug(bench, KLIPPER_PLACE, &options);
	assert_true(bench_await_mode(board, RP2040_APPLICATION, 3000));
	return board;
}

static void the_interface_is_asked(void **state)
{
	(void)state;
	static const enum rp2040_chip chips[] = { RP2040_CHIP_RP2040, RP2040_CHIP_RP2350 };
	for (size_t i = 0; i < ELEMENTSOF(chips); i++) {
		_cleanup_(bench_freep) struct bench *bench = bench_new();
		struct backend_failure failure;
		/* Its serial port would not have listened. */
		struct bench_board *board = plug(bench, chips[i], RP2040_TOUCH_NONE);
		struct usb_address address = bench_address(board);
		assert_int_equal(pico_reset_enter(&address, &failure), 0);
		assert_true(bench_await_mode(board, RP2040_BOOT, 3000));
		assert_int_equal(bench_counters(bench)->ttys_opened, 0);
		assert_int_equal(bench_counters(bench)->devices_open, 0);
	}
}

/* Klipper on the same chip has a serial port and no such interface. */
static void without_an_interface_the_serial_port_is(void **state)
{
	(void)state;
	for (size_t i = 0; i < klipper_kind_count; i++) {
		if (!klipper_kinds[i].is_rp2)
			continue;
		_cleanup_(klipper_board_done) struct klipper_board board = { 0 };
		struct backend_failure failure;
		klipper_board_plug(&board, &klipper_kinds[i], NULL);
		struct usb_address address = bench_address(board.board);
		assert_int_equal(pico_reset_enter(&address, &failure), 0);
		assert_int_equal(klipper_board_loader(&board), klipper_kinds[i].loader);
	}
}

static void a_board_that_stays_is_a_failure(void **state)
{
	(void)state;
	const struct klipper_twist twist = { .stays = true };
	_cleanup_(klipper_board_done) struct klipper_board board = { 0 };
	struct backend_failure failure;
	klipper_board_plug(&board, &klipper_kinds[0], &twist);
	struct usb_address address = bench_address(board.board);
	assert_true(pico_reset_enter(&address, &failure) < 0);
	assert_int_equal(failure.code, REASON_BOARD_SILENT);
	bench_hold_tty(board.board, true);
	assert_int_equal(pico_reset_enter(&address, &failure), -EBUSY);
	assert_int_equal(failure.code, REASON_BOARD_BUSY);
	bench_hold_tty(board.board, false);
	bench_unplug(board.board);
	bench_advance(board.bench, NSEC_PER_SEC);
	assert_int_equal(pico_reset_enter(&address, &failure), -ENODEV);
	assert_int_equal(failure.code, REASON_BOARD_LEFT);
}

static void hostile_descriptors_have_none(void **state)
{
	(void)state;
	static const uint8_t good[] = { 9, 2, 18, 0, 1, 1, 0, 0x80, 50, 9, 4, 5, 0, 0, 0xff, 0, 1,
		0 };
	uint8_t interface = 77;
	assert_int_equal(pico_reset_find(good, sizeof(good), &interface), 0);
	assert_int_equal(interface, 5);
	for (size_t length = 0; length < sizeof(good); length++) {
		_cleanup_(freep) uint8_t *exact = malloc(length + 1);
		assert_non_null(exact);
		memcpy(exact, good, length);
		assert_int_equal(pico_reset_find(exact, length, &interface), -ENOENT);
	}
	static const uint8_t endless[] = { 9, 2, 18, 0, 1, 1, 0, 0x80, 50, 0, 4, 5, 0, 0, 0xff, 0,
		1, 0 };
	assert_int_equal(pico_reset_find(endless, sizeof(endless), &interface), -ENOENT);
}

/* ---- a visit ----------------------------------------------------------------------------- */

static struct board_facts look(struct bench_board *board, bool enters)
{
	const struct backend *backend = backend_for_mode(MODE_PICO_SDK);
	const struct board_address address = { .usb = bench_address(board) };
	struct backend_session *session = NULL;
	struct backend_failure failure;
	struct board_facts facts;
	assert_null(backend->write);
	assert_int_equal(backend->open(&address, NULL, &session, &failure), 0);
	assert_int_equal(backend->probe(session, &facts, &failure), 0);
	assert_int_equal(
		enters ? backend->enter(session, &failure) : backend->restart(session, &failure),
		0);
	assert_null(backend->close(session));
	return facts;
}

static void a_look_disturbs_nobody_and_shows_the_way(void **state)
{
	(void)state;
	_cleanup_(bench_freep) struct bench *bench = bench_new();
	struct bench_board *board = plug(bench, RP2040_CHIP_RP2040, RP2040_TOUCH_NONE);
	struct board_facts facts = look(board, false);
	assert_int_equal(facts.bootsel, BOOTSEL_BY_INTERFACE);
	assert_int_equal(facts.content, CONTENT_BOOTABLE);
	assert_int_equal(facts.reach, TRANSPORT_USB);
	assert_int_equal(facts.chip, CHIP_UNKNOWN);
	assert_int_equal(bench_counters(bench)->controls, 0);
	assert_int_equal(bench_counters(bench)->ttys_opened, 0);
	assert_int_equal(rp2040_mode(bench_rp2040(board)), RP2040_APPLICATION);
	look(board, true);
	assert_true(bench_await_mode(board, RP2040_BOOT, 3000));
	assert_int_equal(bench_counters(bench)->devices_open, 0);
}

/* A serial port belongs to a group of its own. */
static void where_the_node_belongs_to_others_its_serial_port_is_asked(void **state)
{
	(void)state;
	const struct klipper_kind *kind = klipper_kinds;
	while (!kind->is_rp2)
		kind++;
	_cleanup_(klipper_board_done) struct klipper_board board = { 0 };
	klipper_board_plug(&board, kind, NULL);
	bench_forbid_node(board.board, true);
	assert_int_equal(look(board.board, false).bootsel, BOOTSEL_BY_SERIAL);
	assert_int_equal(bench_counters(board.bench)->ttys_opened, 0);
	look(board.board, true);
	assert_int_equal(bench_counters(board.bench)->opens, 0);
	assert_int_equal(klipper_board_loader(&board), kind->loader);
}

static void the_way_shows_in_the_descriptors(void **state)
{
	(void)state;
	static const uint8_t serial[] = { 9, 2, 18, 0, 1, 1, 0, 0x80, 50, 9, 4, 0, 0, 1, 2, 2, 0,
		0 };
	static const uint8_t disk[] = { 9, 2, 18, 0, 1, 1, 0, 0x80, 50, 9, 4, 0, 0, 2, 8, 6, 0x50,
		0 };
	assert_int_equal(pico_reset_way(serial, sizeof(serial)), BOOTSEL_BY_SERIAL);
	assert_int_equal(pico_reset_way(serial, sizeof(serial) - 1), BOOTSEL_NO_WAY);
	assert_int_equal(pico_reset_way(disk, sizeof(disk)), BOOTSEL_NO_WAY);
	assert_int_equal(pico_reset_way(disk, 0), BOOTSEL_NO_WAY);
}

static void a_board_that_has_left_is_not_opened(void **state)
{
	(void)state;
	_cleanup_(bench_freep) struct bench *bench = bench_new();
	struct bench_board *board = plug(bench, RP2040_CHIP_RP2350, RP2040_TOUCH_SDK);
	const struct board_address address = { .usb = bench_address(board) };
	struct backend_session *session = NULL;
	struct backend_failure failure;
	bench_unplug(board);
	bench_advance(bench, NSEC_PER_SEC);
	assert_int_equal(
		backend_for_mode(MODE_PICO_SDK)->open(&address, NULL, &session, &failure), -ENODEV);
	assert_int_equal(failure.code, REASON_BOARD_LEFT);
	assert_null(session);
}

int main(void)
{
	const struct CMUnitTest stories[] = {
		cmocka_unit_test(the_interface_is_asked),
		cmocka_unit_test(without_an_interface_the_serial_port_is),
		cmocka_unit_test(a_board_that_stays_is_a_failure),
		cmocka_unit_test(hostile_descriptors_have_none),
		cmocka_unit_test(a_look_disturbs_nobody_and_shows_the_way),
		cmocka_unit_test(where_the_node_belongs_to_others_its_serial_port_is_asked),
		cmocka_unit_test(the_way_shows_in_the_descriptors),
		cmocka_unit_test(a_board_that_has_left_is_not_opened),
	};
	return cmocka_run_group_tests(stories, NULL, NULL);
}
