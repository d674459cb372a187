/* SPDX-License-Identifier: MIT */
/*
 * EXEC of the emulated RP2040: code that talks to the flash chip by itself reads what the chip
 * would answer, and only when it does so properly; code that misbehaves takes the worker with it.
 */
#include <errno.h>
#include <string.h>

#include "unit/emu_talker.h"

#define EXEC   0x08
#define CODE   0x20000000u
#define OUTPUT 0x20000100u
#define CLEAN  0x15000000u

/*
 * Assembled by hand: forces the select line low (word 13 is the register), sends an opcode and
 * twelve zeros, one at a time, and stores the thirteen bytes that come back at OUTPUT.
 *
 *	push {r4-r7, lr}; ldr r4, ssi; ldr r5, select; ldr r6, out
 *	movs r0, #2; lsls r0, r0, #8; str r0, [r5]; ldr r1, [r4, #0x60]
 *	movs r7, #0; movs r1, #0x4b
 * next:	str r1, [r4, #0x60]
 * wait:	ldr r2, [r4, #0x28]; movs r3, #8; tst r2, r3; beq wait
 *	ldr r2, [r4, #0x60]; strb r2, [r6, r7]; movs r1, #0; adds r7, #1; cmp r7, #13; bne next
 *	movs r0, #0; str r0, [r5]; pop {r4-r7, pc}
 */
static const uint32_t careful[] = { 0x4c0bb5f0, 0x4e0c4d0b, 0x02002002, 0x6e216028, 0x214b2700,
	0x6aa26621, 0x421a2308, 0x6e22d0fb, 0x210055f2, 0x2f0d3701, 0x2000d1f4, 0xbdf06028,
	0x18000000, 0x4001800c, OUTPUT };
#define SELECT_REGISTER 13

/*
 * Leaves the select line to the interface, sends an opcode and twelve zeros as fast as they are
 * taken, waits for the end, then stores the count and every frame that has come back.
 *
 *	push {r4, lr}; ldr r4, ssi; ldr r3, out; movs r0, #0x4b; movs r1, #13
 * a:	ldr r2, [r4, #0x28]; lsls r2, r2, #30; bpl a
 *	str r0, [r4, #0x60]; movs r0, #0; subs r1, #1; bne a
 * b:	ldr r2, [r4, #0x28]; lsrs r2, r2, #1; bcs b; ldr r2, [r4, #0x24]; str r2, [r3]
 * c:	ldr r2, [r4, #0x28]; lsls r2, r2, #28; bpl d
 *	ldr r2, [r4, #0x60]; adds r3, #4; str r2, [r3]; b c
 * d:	pop {r4, pc}
 */
static const uint32_t hasty[] = { 0x4c0cb510, 0x204b4b0c, 0x6aa2210d, 0xd5fc0792, 0x20006620,
	0xd1f83901, 0x08526aa2, 0x6a62d2fc, 0x6aa2601a, 0xd5030712, 0x33046e22, 0xe7f8601a,
	0x46c0bd10, 0x18000000, OUTPUT };

static const uint8_t an_id[8] = { 0xe6, 0x60, 0x38, 0xb7, 0x13, 0x59, 0x6a, 0x2f };
static const uint8_t nothing[8] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

static struct talker *begin(void **state, struct rp2040_options options)
{
	static struct talker talker;
	talker_set_up_with(&talker, &options);
	*state = &talker;
	assert_int_equal(talker_open_board(&talker), 0);
	return &talker;
}

static struct talker *begin_with_id(void **state)
{
	struct rp2040_options options = { 0 };
	memcpy(options.unique_id, an_id, sizeof(an_id));
	struct talker *talker = begin(state, options);
	assert_int_equal(talker_simple(talker, EXIT_XIP), 0);
	return talker;
}

static int run(struct talker *talker, uint32_t address)
{
	int error = talker_send_command(talker, EXEC, 4, 0, (uint32_t[4]){ address });
	return error < 0 ? error : talker_acknowledge(talker, EXEC, ACK_MSEC);
}

static int run_words(struct talker *talker, const uint32_t *words, size_t count)
{
	assert_int_equal(talker_write_at(talker, CODE, words, count * 4), 0);
	return run(talker, CODE);
}

/* What the careful code brings, with this opcode. */
static void ask_chip(struct talker *talker, uint8_t opcode, uint8_t answer[13])
{
	uint32_t words[ELEMENTSOF(careful)];
	memcpy(words, careful, sizeof(words));
	words[4] = (words[4] & 0xff00ffff) | (uint32_t)opcode << 16;
	assert_int_equal(run_words(talker, words, ELEMENTSOF(words)), 0);
	assert_int_equal(talker_read_at(talker, OUTPUT, answer, 13), 0);
}

/* --- the chip answers -------------------------------------------------------------------- */

static void test_the_id_is_read(void **state)
{
	struct talker *talker = begin_with_id(state);
	uint8_t answer[13];
	uint64_t since = bench_now_nsec(talker->bench);
	ask_chip(talker, 0x4b, answer);
	assert_memory_equal(answer, "\xff\xff\xff\xff\xff", 5);
	assert_memory_equal(answer + 5, an_id, 8);
	assert_int_equal(talker_counters(talker)->executions, 1);
	uint64_t took = bench_now_nsec(talker->bench) - since;
	assert_true(took > 13 * NSEC_PER_USEC && took < NSEC_PER_MSEC);
	/* By its other name, and again: nothing of the first is left behind. */
	assert_int_equal(run(talker, CODE | 1), 0);
	assert_int_equal(talker_read_at(talker, OUTPUT, answer, 13), 0);
	assert_memory_equal(answer + 5, an_id, 8);
}

static void test_the_code_may_lie_beside_the_cache(void **state)
{
	struct talker *talker = begin_with_id(state);
	uint8_t answer[13];
	assert_int_equal(talker_write_at(talker, CLEAN, careful, sizeof(careful)), 0);
	assert_int_equal(run(talker, CLEAN), 0);
	assert_int_equal(talker_read_at(talker, OUTPUT, answer, 13), 0);
	assert_memory_equal(answer + 5, an_id, 8);
}

static void test_other_questions(void **state)
{
	static uint8_t image[512];
	talker_make_image(image, sizeof(image));
	struct talker *talker = begin(
		state, (struct rp2040_options){ .image = image, .image_bytes = sizeof(image) });
	uint8_t answer[13];
	assert_int_equal(talker_simple(talker, EXIT_XIP), 0);
	ask_chip(talker, 0x9f, answer);
	assert_memory_equal(answer, "\xff\xef\x40\x15\xff", 5);
	ask_chip(talker, 0x05, answer);
	assert_memory_equal(answer, "\xff\0\0", 3);
	ask_chip(talker, 0x03, answer);
	assert_memory_equal(answer, "\xff\xff\xff\xff", 4);
	assert_memory_equal(answer + 4, image, 9);
	ask_chip(talker, 0x5a, answer);
	assert_memory_equal(answer + 5, nothing, 8);
}

static void test_chips_without_an_id(void **state)
{
	uint8_t answer[13];
	struct talker *talker = begin(state, (struct rp2040_options){ 0 });
	assert_int_equal(talker_simple(talker, EXIT_XIP), 0);
	ask_chip(talker, 0x4b, answer);
	assert_memory_equal(answer + 5, nothing, 8);
	talker_tear_down(state);
	talker = begin(state, (struct rp2040_options){ .unique_id_given = true });
	assert_int_equal(talker_simple(talker, EXIT_XIP), 0);
	ask_chip(talker, 0x4b, answer);
	assert_memory_equal(answer + 5, "\0\0\0\0\0\0\0\0", 8);
}

static void test_a_busy_chip_is_deaf(void **state)
{
	struct talker *talker = begin_with_id(state);
	uint8_t answer[13];
	const uint32_t where[4] = { FLASH, 65536 };
	assert_int_equal(talker_send_command(talker, ERASE, 8, 0, where), 32);
	bench_advance(talker->bench, 10 * NSEC_PER_MSEC);
	assert_int_equal(talker_interface_reset(talker), 0);
	assert_int_equal(talker_acknowledge(talker, ERASE, 2), 0);
	assert_int_equal(talker_simple(talker, EXIT_XIP), 0);
	ask_chip(talker, 0x05, answer);
	assert_int_equal(answer[1], 1);
	ask_chip(talker, 0x4b, answer);
	assert_memory_equal(answer + 5, nothing, 8);
	bench_advance(talker->bench, 45 * NSEC_PER_MSEC);
	ask_chip(talker, 0x05, answer);
	assert_int_equal(answer[1], 0);
	ask_chip(talker, 0x4b, answer);
	assert_memory_equal(answer + 5, an_id, 8);
}

/* --- only to those who ask properly ------------------------------------------------------- */

static void test_the_select_line_rises_between_slow_bytes(void **state)
{
	struct talker *talker = begin_with_id(state);
	uint32_t words[ELEMENTSOF(careful)];
	uint8_t answer[13];
	memcpy(words, careful, sizeof(words));
	words[3] = (words[3] & 0xffff0000) | 0xbf00; /* nop instead of str r0, [r5] */
	assert_int_equal(run_words(talker, words, ELEMENTSOF(words)), 0);
	assert_int_equal(talker_read_at(talker, OUTPUT, answer, 13), 0);
	assert_memory_equal(answer + 5, nothing, 8);
}

/* Set by one name of the register and never cleared by its own: the chip stays selected. */
static void test_the_select_line_stays_where_it_was_forced(void **state)
{
	struct talker *talker = begin_with_id(state);
	uint32_t words[ELEMENTSOF(careful)];
	uint8_t answer[13];
	memcpy(words, careful, sizeof(words));
	words[SELECT_REGISTER] += 0x2000;
	assert_int_equal(run_words(talker, words, ELEMENTSOF(words)), 0);
	assert_int_equal(talker_read_at(talker, OUTPUT, answer, 13), 0);
	assert_memory_equal(answer + 5, an_id, 8);
	assert_int_equal(run(talker, CODE), 0);
	assert_int_equal(talker_read_at(talker, OUTPUT, answer, 13), 0);
	assert_memory_equal(answer + 5, nothing, 8);
	assert_int_equal(talker_simple(talker, EXIT_XIP), 0);
	ask_chip(talker, 0x4b, answer);
	assert_memory_equal(answer + 5, an_id, 8);
}

static void test_fast_bytes_need_no_force(void **state)
{
	struct talker *talker = begin_with_id(state);
	uint32_t frames[14];
	assert_int_equal(run_words(talker, hasty, ELEMENTSOF(hasty)), 0);
	assert_int_equal(talker_read_at(talker, OUTPUT, frames, sizeof(frames)), 0);
	assert_int_equal(frames[0], 13);
	for (int byte = 0; byte < 8; byte++)
		assert_int_equal(frames[6 + byte], an_id[byte]);
}

static void test_what_nobody_takes_is_lost(void **state)
{
	struct talker *talker = begin_with_id(state);
	uint32_t words[ELEMENTSOF(hasty)], frames[17];
	memcpy(words, hasty, sizeof(words));
	words[2] = (words[2] & 0xffffff00) | 20;
	assert_int_equal(run_words(talker, words, ELEMENTSOF(words)), 0);
	assert_int_equal(talker_read_at(talker, OUTPUT, frames, sizeof(frames)), 0);
	assert_int_equal(frames[0], 16);
	assert_int_equal(frames[6 + 7], an_id[7]);
}

static void test_zeros_while_the_abort_is_latched(void **state)
{
	uint8_t answer[13];
	struct talker *talker = begin(state, (struct rp2040_options){ .unique_id = { 1, 2, 3 } });
	ask_chip(talker, 0x4b, answer);
	assert_memory_equal(answer, "\0\0\0\0\0\0\0\0\0\0\0\0\0", 13);
	assert_int_equal(talker_simple(talker, EXIT_XIP), 0);
	ask_chip(talker, 0x4b, answer);
	assert_memory_equal(answer + 5, "\1\2\3", 3);
}

static void test_the_rom_must_be_told(void **state)
{
	static const uint32_t harmless[] = { 0x8f5ff3bf, 0x4770bf00 }; /* dmb; nop; bx lr */
	struct talker *talker = begin_with_id(state);
	uint8_t answer[13];
	assert_int_equal(run_words(talker, harmless, 2), 0);
	assert_int_equal(talker_erase(talker, FLASH, 4096), 0);
	assert_int_equal(talker_counters(talker)->sectors_erased, 1);
	ask_chip(talker, 0x4b, answer);
	assert_int_equal(talker_erase(talker, FLASH, 4096), 0);
	assert_int_equal(talker_counters(talker)->sectors_erased, 1);
	assert_int_equal(talker_counters(talker)->commands_lost_to_abort, 1);
	assert_int_equal(talker_simple(talker, EXIT_XIP), 0);
	assert_int_equal(talker_erase(talker, FLASH, 4096), 0);
	assert_int_equal(talker_counters(talker)->sectors_erased, 2);
}

/* --- code that does not come back -------------------------------------------------------- */

static void test_code_that_takes_the_worker_along(void **state)
{
	static const uint32_t codes[][4] = {
		{ 0xe7fee7fe }, /* for ever */
		{ 0x47702400 }, /* comes back without the caller's r4 */
		{ 0x4770b672 }, /* or with interrupts off */
		{ 0x4770b401 }, /* or with a word too much on the stack */
		{ 0x47706800 }, /* reads where nothing is */
		{ 0x4700208e, 0 }, /* jumps into nowhere */
		{ 0x47004800, 0x00000179 }, /* calls a function of the ROM */
		{ 0xdf00be00 }, /* stops for a debugger */
		{ 0xffffffff },
	};
	struct talker *talker = begin_with_id(state);
	uint32_t code;
	bool in_progress;
	for (size_t index = 0; index < ELEMENTSOF(codes); index++) {
		assert_int_equal(run_words(talker, codes[index], ELEMENTSOF(codes[index])), SILENT);
		talker_get_status(talker, &code, &in_progress);
		assert_int_equal(code, 0);
		assert_true(in_progress);
		assert_int_equal(talker_interface_reset(talker), 0);
		talker_acknowledge(talker, EXEC, 20);
		assert_int_equal(talker_simple(talker, EXIT_XIP), 0);
	}
	assert_int_equal(talker_counters(talker)->executions, ELEMENTSOF(codes));
}

/* sub sp by 2 KiB, then a word into what lies there: the ROM's variables. */
static void test_the_stack_is_short(void **state)
{
	static const uint32_t greedy[] = { 0xb084b0ff, 0xb0ffb0ff, 0xbc01b401, 0xb07fb07f,
		0xb004b07f, 0x47704770 };
	static const uint32_t modest[] = { 0xb401b0ff, 0xb07fbc01, 0x47704770 };
	struct talker *talker = begin_with_id(state);
	assert_int_equal(run_words(talker, modest, ELEMENTSOF(modest)), 0);
	assert_int_equal(run_words(talker, greedy, ELEMENTSOF(greedy)), SILENT);
}

static void test_elsewhere_is_no_code(void **state)
{
	static const uint32_t places[] = { 0, FLASH, 0x20042000, 0x15004000, 0x50100000 };
	struct talker *talker = begin_with_id(state);
	for (size_t index = 0; index < ELEMENTSOF(places); index++) {
		assert_int_equal(run(talker, places[index]), SILENT);
		assert_int_equal(talker_interface_reset(talker), 0);
		talker_acknowledge(talker, EXEC, 20);
		assert_int_equal(talker_simple(talker, EXIT_XIP), 0);
	}
}

static void test_a_hang_that_stays(void **state)
{
	static const uint32_t endless = 0xe7fee7fe;
	struct talker *talker = begin(state, (struct rp2040_options){ .hang_stays = true });
	assert_int_equal(run_words(talker, &endless, 1), SILENT);
	assert_int_equal(talker_interface_reset(talker), 0);
	assert_int_equal(talker_send_command(talker, EXIT_XIP, 0, 0, (uint32_t[4]){ 0 }), 32);
	assert_int_equal(talker_acknowledge(talker, EXIT_XIP, ACK_MSEC), SILENT);
	talker->device = usb_close(talker->device);
	bench_unplug(talker->board);
	bench_replug(talker->board, true);
	assert_int_equal(talker_open_board(talker), 0);
	assert_int_equal(talker_simple(talker, EXIT_XIP), 0);
}

static void test_nothing_runs_on_the_way_out(void **state)
{
	static const uint32_t endless = 0xe7fee7fe;
	struct talker *talker = begin_with_id(state);
	assert_int_equal(talker_write_at(talker, CODE, &endless, 4), 0);
	assert_int_equal(talker_reboot(talker, 500), 0);
	assert_int_equal(run(talker, CODE), 0);
	assert_int_equal(talker_counters(talker)->executions, 0);
}

static void test_shape_of_the_command(void **state)
{
	struct talker *talker = begin_with_id(state);
	talker_send_command(talker, EXEC, 3, 0, (uint32_t[4]){ CODE });
	assert_true(talker_is_halted(talker, OUT) && talker_is_halted(talker, IN));
	assert_int_equal(talker_status_code(talker), 2);
	assert_int_equal(talker_counters(talker)->executions, 0);
}

#define TEST(function) cmocka_unit_test_teardown(function, talker_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_the_id_is_read),
		TEST(test_the_code_may_lie_beside_the_cache),
		TEST(test_other_questions),
		TEST(test_chips_without_an_id),
		TEST(test_a_busy_chip_is_deaf),
		TEST(test_the_select_line_rises_between_slow_bytes),
		TEST(test_the_select_line_stays_where_it_was_forced),
		TEST(test_fast_bytes_need_no_force),
		TEST(test_what_nobody_takes_is_lost),
		TEST(test_zeros_while_the_abort_is_latched),
		TEST(test_the_rom_must_be_told),
		TEST(test_code_that_takes_the_worker_along),
		TEST(test_the_stack_is_short),
		TEST(test_elsewhere_is_no_code),
		TEST(test_a_hang_that_stays),
		TEST(test_nothing_runs_on_the_way_out),
		TEST(test_shape_of_the_command),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
