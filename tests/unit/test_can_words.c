/* SPDX-License-Identifier: MIT */
/* What is said to all nodes of a bus, what they answer, and what the kernel says of errors and of
 * listeners. */
#include <linux/can/error.h>

#include "unit/expect.h"

#include "backend/can_words.h"
#include "port/can_rcvlist.h"

#define UUID "154aab036e6a"

static void expect_word(struct can_word word, size_t length, const char *hex)
{
	char text[2 * CAN_PAYLOAD + 1];
	text_hex(word.bytes, word.length, text);
	assert_int_equal(word.length, length);
	assert_string_equal(text, hex);
}

static void each_language_has_its_own_word_for_a_number(void **state)
{
	(void)state;
	expect_word(can_word_query(), 1, "00");
	expect_word(can_word_number_klipper(UUID, 64), 8, "01154aab036e6a40");
	expect_word(can_word_number_katapult(UUID, 129), 8, "11154aab036e6a81");
	expect_word(can_word_enter(UUID), 7, "02154aab036e6a");
	assert_int_equal(can_to_node(129), 0x202);
	assert_int_equal(can_from_node(129), 0x203);
}

static struct can_frame_seen frame(uint32_t number, uint8_t length, const char *hex)
{
	struct can_frame_seen frame = { .number = number, .length = length };
	assert_int_equal(text_parse_hex(hex, frame.data, length), 0);
	return frame;
}

static void an_answer_tells_who_speaks(void **state)
{
	(void)state;
	static const struct {
		uint8_t length;
		const char *hex;
		enum can_node_kind kind;
	} answers[] = {
		{ 8, "20154aab036e6a01", CAN_NODE_KLIPPER },
		{ 8, "20154aab036e6a11", CAN_NODE_KATAPULT },
		{ 8, "20154aab036e6a77", CAN_NODE_UNKNOWN },
		{ 7, "20154aab036e6a", CAN_NODE_KLIPPER }, /* from before 2022 */
	};
	for (size_t i = 0; i < ELEMENTSOF(answers); i++) {
		struct can_frame_seen seen = frame(0x3f1, answers[i].length, answers[i].hex);
		struct can_word_answer answer;
		assert_true(can_word_take_answer(&seen, &answer));
		assert_string_equal(answer.uuid, UUID);
		assert_int_equal(answer.kind, answers[i].kind);
	}
}

static void what_is_no_answer_is_none(void **state)
{
	(void)state;
	const struct can_frame_seen others[] = {
		frame(0x3f1, 6, "20154aab036e"),
		frame(0x3f1, 8, "21154aab036e6a11"),
		frame(0x3f0, 8, "20154aab036e6a11"),
		frame(0x3f1, 0, ""),
		{ .number = 0x3f1, .is_error = true, .length = 8, .data = { 0x20 } },
	};
	struct can_word_answer answer;
	for (size_t i = 0; i < ELEMENTSOF(others); i++)
		assert_false(can_word_take_answer(&others[i], &answer));
}

static void errors_are_counted_by_what_they_say(void **state)
{
	(void)state;
	struct can_errors errors = { 0 };
	const struct can_frame_seen seen[] = {
		{ .number = CAN_ERR_ACK, .length = 8 },
		{ .number = CAN_ERR_PROT | CAN_ERR_BUSERROR,
			.length = 8,
			.data = { 0, 0, CAN_ERR_PROT_STUFF } },
		{ .number = CAN_ERR_PROT, .length = 8, .data = { 0, 0, CAN_ERR_PROT_FORM } },
		{ .number = CAN_ERR_PROT, .length = 8, .data = { 0, 0, CAN_ERR_PROT_BIT1 } },
		{ .number = CAN_ERR_PROT, .length = 8, .data = { 0, 0, 0, 8 } },
		{ .number = CAN_ERR_CRTL, .length = 8, .data = { 0, CAN_ERR_CRTL_TX_PASSIVE } },
		{ .number = CAN_ERR_BUSOFF, .length = 8 },
		{ .number = CAN_ERR_RESTARTED, .length = 8 },
		{ .number = CAN_ERR_LOSTARB, .length = 8 },
		{ .number = CAN_ERR_PROT, .length = 0 },
	};
	for (size_t i = 0; i < ELEMENTSOF(seen); i++)
		can_errors_note(&errors, &seen[i]);
	assert_int_equal(errors.no_acknowledge, 1);
	assert_int_equal(errors.stuff, 1);
	assert_int_equal(errors.form, 1);
	assert_int_equal(errors.bits, 1);
	assert_int_equal(errors.checksum, 1);
	assert_int_equal(errors.passive, 1);
	assert_int_equal(errors.bus_off, 1);
	assert_int_equal(errors.restarted, 1);
	assert_int_equal(errors.others, 1);
}

/* Lines as the kernel writes them (net/can/proc.c). */
static void a_program_that_listens_to_a_node_is_seen(void **state)
{
	(void)state;
	static const char line[] =
		"   can0      109    000007ff  0000000012345678  0000000087654321         2  raw\n";
	assert_true(can_rcvlist_matches(line, "can0", 0x101, 0x23f));
	assert_false(can_rcvlist_matches(line, "can1", 0x101, 0x23f));
	assert_false(can_rcvlist_matches(line, "can0", 0x10a, 0x23f));
	assert_false(can_rcvlist_matches(
		"  device   can_id   can_mask  function  userdata   matches  ident\n", "can0", 0,
		0x7ff));
	assert_false(can_rcvlist_matches("   can0      000    00000000  0000  0000  0  raw\n",
		"can0", 0, 0x7ff)); /* candump */
	assert_false(can_rcvlist_matches("", "can0", 0, 0x7ff));
	assert_false(can_rcvlist_matches("can0 zzz 7ff", "can0", 0, 0x7ff));
}

int main(void)
{
	const struct CMUnitTest stories[] = {
		cmocka_unit_test(each_language_has_its_own_word_for_a_number),
		cmocka_unit_test(an_answer_tells_who_speaks),
		cmocka_unit_test(what_is_no_answer_is_none),
		cmocka_unit_test(errors_are_counted_by_what_they_say),
		cmocka_unit_test(a_program_that_listens_to_a_node_is_seen),
	};
	return cmocka_run_group_tests(stories, NULL, NULL);
}
