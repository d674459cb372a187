/* SPDX-License-Identifier: MIT */
/*
 * The emulated Katapult: its frames byte for byte, its parser with the trap in it, what it says of
 * itself, and the first packet that some chips hold back.
 */
#include <errno.h>
#include <string.h>

#include "unit/emu_katapult_talker.h"

#define CONNECT  "01881100f17c9903"
#define EOF_     "01881300414f9903"
#define COMPLETE "01881500911b9903"
#define CANBUS   "01881600f9319903"
#define PRIME    "01889000e5e99903"
#define NACK     "0188f10068959903"
#define ERROR    "0188f20000bf9903"
#define BUSY     "0188f300d8a69903"

static struct kt the_kt;

static struct kt *set_up(void **state, const struct stm32_options *options)
{
	static const struct stm32_options f446 = { .chip = STM32_F446 };
	kt_plug(&the_kt, state, options ? options : &f446);
	kt_start(&the_kt);
	return &the_kt;
}

/* --- frames ------------------------------------------------------------------------------ */

static void test_reference_frames(void **state)
{
	struct kt *kt = set_up(state, NULL);
	kt_send_hex(kt, CONNECT);
	kt_expect_hex(kt, "0188a00d 11000000 00010100 00800008 40000000 73746d333266343436787800"
			  "00000000 76302e302e312d3131302d67623062663432 3100 b7a2 9903");
	kt_send_hex(kt, CANBUS);
	kt_expect_hex(kt, ERROR);
	kt_send_hex(kt, PRIME);
	kt_expect_hex(kt, ERROR);
	kt_send_hex(kt, COMPLETE);
	kt_expect_hex(kt, "0188a00115000000002e9903");
}

static void test_pages_and_blocks_on_the_wire(void **state)
{
	static uint8_t image[20 * 2048];
	uint8_t frame[76];
	struct kt *kt = set_up(state, &(struct stm32_options){ .chip = STM32_G0B1_128K });
	memcpy(frame, (uint8_t[]){ 0x01, 0x88, 0x12, 0x11, 0x00, 0x20, 0x00, 0x08 }, 8);
	memset(frame + 8, 0xff, KT_BLOCK);
	memcpy(frame + 72, (uint8_t[]){ 0x07, 0xea, 0x99, 0x03 }, 4);
	kt_send(kt, frame, sizeof(frame));
	kt_expect_hex(kt, "0188a00212000000002000085ad69903");
	kt_send_hex(kt, "01881401002000085bde9903");
	assert_int_equal(kt_receive(kt, KT_SOON_MSEC), KATA_ACK);
	assert_int_equal(kt->answer_bytes, 80);
	assert_memory_equal(kt->answer + 12, frame + 8, KT_BLOCK);
	kt_fill(image, sizeof(image), 1);
	kt_blocks(kt, KT_FLASH + 0x2000, image, sizeof(image));
	kt_send_hex(kt, EOF_);
	/* The blank block began a unit, too. */
	assert_int_equal(kt_receive(kt, KT_SOON_MSEC), KATA_ACK);
	assert_int_equal(kt_word(kt->answer + 8), 21);
}

static void test_twenty_pages(void **state)
{
	static uint8_t image[20 * 2048];
	struct kt *kt = set_up(state, &(struct stm32_options){ .chip = STM32_G0B1_128K });
	kt_fill(image, sizeof(image), 1);
	kt_blocks(kt, KT_FLASH + 0x2000, image, sizeof(image));
	kt_send_hex(kt, EOF_);
	kt_expect_hex(kt, "0188a0021300000014000000db699903");
}

/* --- the parser -------------------------------------------------------------------------- */

static void expect_wedged(struct kt *kt)
{
	kt_send_hex(kt, CONNECT);
	kt_expect_silence(kt);
	kt_close(kt);
	bench_advance(kt->bench, NSEC_PER_SEC);
	assert_int_equal(kt_open(kt), 0);
	kt_send_hex(kt, CONNECT);
	kt_expect_silence(kt);
	assert_int_equal(kt_counters(kt)->wedges, 1);
	bench_stm32_reset(kt->board, false);
	assert_true(bench_await_stm32(kt->board, STM32_KATAPULT, 3000));
	kt_close(kt);
	assert_int_equal(kt_open(kt), 0);
	assert_int_equal(kt_connect(kt), KATA_ACK);
}

static void expect_healthy(struct kt *kt)
{
	assert_int_equal(kt_connect(kt), KATA_ACK);
	assert_int_equal(kt_counters(kt)->wedges, 0);
}

static void test_a_flipped_bit_is_the_end(void **state)
{
	struct kt *kt = set_up(state, NULL);
	kt_send_hex(kt, "01881100f17d9903");
	kt_expect_hex(kt, NACK);
	expect_wedged(kt);
}

static void test_a_loss_from_the_middle_is_the_end(void **state)
{
	uint8_t block[4 + KT_BLOCK] = { 0x00, 0x80, 0x00, 0x08 };
	struct kt *kt = set_up(state, NULL);
	memset(block + 4, 0x55, KT_BLOCK);
	kt_send_hex(kt, "01881211");
	kt_send(kt, block, sizeof(block) - 8);
	kt_expect_silence(kt);
	kt_send_frame(kt, KATA_SEND_BLOCK, block, sizeof(block) / 4);
	kt_expect_hex(kt, NACK);
	expect_wedged(kt);
}

static void test_a_loss_of_the_start_is_survived(void **state)
{
	uint8_t block[4 + KT_BLOCK] = { 0x00, 0x80, 0x00, 0x08 };
	struct kt *kt = set_up(state, NULL);
	memset(block + 4, 0x55, KT_BLOCK);
	kt_send(kt, block + 4, KT_BLOCK);
	kt_send_hex(kt, "12349903");
	kt_expect_hex(kt, NACK);
	assert_int_equal(kt_command(kt, KATA_SEND_BLOCK, block, sizeof(block) / 4), KATA_ACK);
	expect_healthy(kt);
}

static void test_garbage_without_a_one(void **state)
{
	struct kt *kt = set_up(state, NULL);
	kt_send_hex(kt, "00000000000000000000");
	kt_expect_hex(kt, NACK);
	kt_send_hex(kt, "7e201c20");
	kt_send(kt, "Request Serial Bootloader!!", 27);
	kt_send_hex(kt, "207e");
	kt_expect_silence(kt); /* one NACK until the next whole frame */
	expect_healthy(kt);
	assert_int_equal(kt_counters(kt)->nacks, 1);
	kt_send_hex(kt, "0000000000000000");
	kt_expect_hex(kt, NACK);
	expect_healthy(kt);
}

static void test_klippers_identify_is_the_end(void **state)
{
	struct kt *kt = set_up(state, NULL);
	kt_send_hex(kt, "08100100285e9f7e");
	kt_expect_hex(kt, NACK);
	kt_send_hex(kt, "08100100285e9f7e");
	kt_expect_silence(kt);
	expect_wedged(kt);
}

static void test_an_arduinos_farewell_is_the_end(void **state)
{
	struct kt *kt = set_up(state, NULL);
	kt_send_hex(kt, "1b0100010e1104");
	kt_send_hex(kt, CONNECT);
	kt_expect_hex(kt, NACK);
	expect_wedged(kt);
}

static void test_an_unknown_command_is_healthy(void **state)
{
	struct kt *kt = set_up(state, NULL);
	kt_send_hex(kt, PRIME);
	kt_expect_hex(kt, ERROR);
	assert_int_equal(kt_command(kt, 0x17, NULL, 0), KATA_ERROR);
	expect_healthy(kt);
	assert_int_equal(kt_counters(kt)->unknown, 2);
}

static void test_a_frame_may_be_too_long(void **state)
{
	uint8_t payload[31 * 4] = { 0 };
	struct kt *kt = set_up(state, NULL);
	assert_int_equal(kt_command(kt, KATA_CONNECT, payload, 30), KATA_ACK);
	kt_send_frame(kt, KATA_CONNECT, payload, 31);
	kt_expect_hex(kt, NACK);
	expect_wedged(kt);
}

static void test_part_of_a_frame_is_waited_for(void **state)
{
	struct kt *kt = set_up(state, NULL);
	kt_send_hex(kt, "01881100f1");
	bench_advance(kt->bench, 100 * NSEC_PER_SEC);
	kt_expect_silence(kt);
	kt_send_hex(kt, "7c9903");
	assert_int_equal(kt_receive(kt, KT_SOON_MSEC), KATA_ACK);
	kt_send_hex(kt, CONNECT CONNECT PRIME);
	assert_int_equal(kt_receive(kt, KT_SOON_MSEC), KATA_ACK);
	assert_int_equal(kt_receive(kt, KT_SOON_MSEC), KATA_ACK);
	assert_int_equal(kt_receive(kt, KT_SOON_MSEC), KATA_ERROR);
}

/* A packet is fetched when there is room for a whole one: nobody should cut a frame like this. */
static void test_a_frame_in_unhappy_packets(void **state)
{
	uint8_t block[4 + KT_BLOCK] = { 0x00, 0x80, 0x00, 0x08 };
	struct kt *kt = set_up(state, NULL);
	kt_send_hex(kt, "01881211");
	kt_send(kt, block, 4);
	kt_send(kt, block + 4, KT_BLOCK);
	kt_send_hex(kt, "00009903");
	kt_expect_silence(kt);
	assert_int_equal(bench_resident(kt->board)->line.received_count, 72);
}

static void test_what_it_does_not_fetch_waits(void **state)
{
	uint8_t zeros[64] = { 0 };
	struct kt *kt = set_up(state, NULL);
	kt_send_hex(kt, "01881100f17d9903");
	kt_expect_hex(kt, NACK);
	/* Its buffer, one packet in hardware, and what the kernel takes. */
	for (unsigned count = 0; count < 18; count++)
		kt_send(kt, zeros, sizeof(zeros));
	assert_int_equal(serial_write(kt->serial, zeros, sizeof(zeros), KT_SOON_MSEC), -ETIMEDOUT);
}

/* --- accidents on the wire --------------------------------------------------------------- */

static void test_accidents(void **state)
{
	static const struct {
		struct line_fault fault;
		bool wedges;
	} cases[] = {
		{ { LINE_FLIP, LINE_TO_BOARD, .nth = 5, .bit = 3 }, true },
		{ { LINE_FLIP, LINE_TO_BOARD, .nth = 0, .bit = 3 }, false },
		{ { LINE_LOSE, LINE_TO_BOARD, .nth = 0 }, false },
		{ { LINE_DUPLICATE, LINE_TO_BOARD, .nth = 0 }, true },
		{ { LINE_DUPLICATE, LINE_TO_BOARD, .nth = 7 }, false },
	};
	for (size_t index = 0; index < ELEMENTSOF(cases); index++) {
		struct kt *kt = set_up(state, NULL);
		int fault = bench_line_fault(kt->board, &cases[index].fault);
		(void)!kt_connect(kt);
		assert_int_equal(line_fault_struck(&bench_resident(kt->board)->line, fault), 1);
		(void)!kt_connect(kt);
		assert_int_equal(kt_counters(kt)->wedges, cases[index].wedges);
		if (index + 1 < ELEMENTSOF(cases))
			kt_tear_down(state);
	}
}

static void test_accidents_on_the_way_back(void **state)
{
	uint8_t got[KT_FRAME_MOST];
	struct kt *kt = set_up(state, NULL);
	bench_line_fault(kt->board, &(struct line_fault){ LINE_LOSE, LINE_TO_HOST, .nth = 2 });
	bench_line_fault(
		kt->board, &(struct line_fault){ LINE_DUPLICATE, LINE_TO_HOST, .nth = 15 });
	kt_send_hex(kt, PRIME PRIME);
	assert_int_equal(kt_gather(kt, got, sizeof(got), KT_SOON_MSEC), 16);
	assert_int_equal(got[2], 0x00);
	assert_int_equal(got[15], 0x03);
	assert_int_equal(got[14], 0x03);
	expect_healthy(kt);
}

static void test_dice(void **state)
{
	uint64_t struck[2];
	for (unsigned run = 0; run < 2; run++) {
		struct kt *kt = set_up(state, NULL);
		int fault =
			bench_line_fault(kt->board, &(struct line_fault){ LINE_FLIP, LINE_TO_HOST,
							    .per_million = 20000, .seed = 7 });
		for (unsigned times = 0; times < 100; times++)
			kt_send_hex(kt, PRIME);
		bench_advance(kt->bench, NSEC_PER_SEC);
		struck[run] = line_fault_struck(&bench_resident(kt->board)->line, fault);
		if (!run)
			kt_tear_down(state);
	}
	assert_int_equal(struck[0], struck[1]);
	assert_in_range(struck[0], 5, 40);
}

/* --- what it says of itself -------------------------------------------------------------- */

static void expect_payload(void **state, struct stm32_options options, const char *hex)
{
	uint8_t wanted[KT_FRAME_MOST];
	size_t count = kt_parse_hex(hex, wanted);
	struct kt *kt = set_up(state, &options);
	assert_int_equal(kt_connect(kt), KATA_ACK);
	assert_int_equal(kt->answer_bytes, 8 + count);
	assert_memory_equal(kt->answer + 4, wanted, count);
	kt_tear_down(state);
}

static void test_layouts(void **state)
{
	struct stm32_options options = { .chip = STM32_F446 };
	options.resident.katapult.protocol_1_0 = true;
	expect_payload(
		state, options, "11000000 00000100 00800008 40000000 73746d333266343436787800");
	options.resident.katapult.mcu = "lpc12345";
	expect_payload(state, options, "11000000 00000100 00800008 40000000 6c706331 32333435");
	options.resident.katapult.protocol_1_0 = false;
	options.resident.katapult.version = "v1.2";
	expect_payload(state, options,
		"11000000 00010100 00800008 40000000 6c706331 32333435 00000000 76312e32");
	options.resident.katapult.version = "";
	expect_payload(
		state, options, "11000000 00010100 00800008 40000000 6c706331 32333435 00000000");
	options.resident.katapult.version = "?";
	options.resident.katapult.mcu = "abc";
	options.katapult_offset = 0x4000;
	expect_payload(
		state, options, "11000000 00010100 00400008 40000000 61626300 00000000 3f000000");
	options.resident.katapult.block_bytes = 128;
	options.resident.katapult.protocol = 0x00020304;
	expect_payload(
		state, options, "11000000 04030200 00400008 80000000 61626300 00000000 3f000000");
	set_up(state, NULL);
}

static void read_text(struct kt *kt, uint16_t index, char text[128])
{
	struct usb_address address = bench_address(kt->board);
	_cleanup_(usb_closep) struct usb_device *device = NULL;
	uint8_t bytes[255];
	assert_int_equal(usb_open(&address, &device), 0);
	int got = usb_control(
		device, 0x80, 6, 0x300 | index, 0x409, bytes, sizeof(bytes), KT_SOON_MSEC);
	assert_true(got >= 2);
	for (int at = 2; at < got; at += 2)
		text[at / 2 - 1] = (char)bytes[at];
	text[got / 2 - 1] = '\0';
}

static void test_descriptors(void **state)
{
	static const uint8_t device[18] = { 18, 1, 0x00, 0x02, 2, 0, 0, 16, 0x50, 0x1d, 0x77, 0x61,
		0x00, 0x01, 1, 2, 3, 1 };
	struct kt *kt = set_up(state, NULL);
	const struct hub_port *port = bench_port(kt->board);
	char text[128];
	assert_memory_equal(port->descriptor, device, sizeof(device));
	assert_int_equal(port->configuration[4], 2);
	assert_int_equal(port->configuration[7], 0xc0);
	assert_int_equal(port->configuration[8], 50);
	read_text(kt, 1, text);
	assert_string_equal(text, "katapult");
	read_text(kt, 2, text);
	assert_string_equal(text, "stm32f446xx");
	read_text(kt, 3, text);
	assert_string_equal(text, "2B0007000C50425539393020");
	kt_tear_down(state);
	struct stm32_options lpc = { .chip = STM32_LPC1769 };
	lpc.resident.katapult.manufacturer = "CanBoot";
	kt = set_up(state, &lpc);
	read_text(kt, 1, text);
	assert_string_equal(text, "CanBoot");
	read_text(kt, 3, text);
	assert_int_equal(strlen(text), 32);
}

static void test_an_id_on_a_can_bus(void **state)
{
	static const struct {
		const char *id, *uuid;
	} cases[] = {
		{ "3D0052001450425539383920", "154aab036e6a" },
		{ "0123456789ABCDEF01234567", "38c9bdae9652" },
		{ "E6605838833F4A2B", "ab766359251a" },
	};
	uint8_t id[16], uuid[6], wanted[6];
	struct stm32_options options = { .chip = STM32_F446 };
	for (size_t index = 0; index < ELEMENTSOF(cases); index++) {
		size_t length = kt_parse_hex(cases[index].id, id);
		kata_uuid(id, length, uuid);
		kt_parse_hex(cases[index].uuid, wanted);
		assert_memory_equal(uuid, wanted, sizeof(uuid));
	}
	kt_parse_hex(cases[0].id, options.unique_id);
	options.resident.katapult.canbus = true;
	struct kt *kt = set_up(state, &options);
	assert_int_equal(kt_command(kt, KATA_GET_CANBUS_ID, NULL, 0), KATA_ACK);
	kt_parse_hex("16000000 154aab036e6a 0000", id);
	assert_int_equal(kt->answer_bytes, 8 + 12);
	assert_memory_equal(kt->answer + 4, id, 12);
}

/* --- the first packet -------------------------------------------------------------------- */

static void test_a_packet_that_waits_for_another(void **state)
{
	static const enum stm32_chip chips[] = { STM32_F072, STM32_F103, STM32_G0B1_512K,
		STM32_G431 };
	for (size_t index = 0; index < ELEMENTSOF(chips); index++) {
		struct kt *kt = &the_kt;
		kt_plug(kt, state, &(struct stm32_options){ .chip = chips[index] });
		assert_int_equal(kt_open(kt), 0);
		assert_int_equal(kt_connect(kt), -ETIMEDOUT);
		assert_int_equal(kt_connect(kt), KATA_ACK);
		assert_int_equal(kt_receive(kt, KT_SOON_MSEC), KATA_ACK);
		assert_int_equal(kt_connect(kt), KATA_ACK);
		kt_close(kt);
		assert_int_equal(kt_open(kt), 0);
		assert_int_equal(kt_connect(kt), KATA_ACK);
		if (index + 1 < ELEMENTSOF(chips))
			kt_tear_down(state);
	}
}

static void test_a_packet_waits_again_behind_a_reset(void **state)
{
	struct kt *kt = set_up(state, &(struct stm32_options){ .chip = STM32_G0B1_512K });
	assert_int_equal(kt_connect(kt), KATA_ACK);
	kt_close(kt);
	bench_stm32_reset(kt->board, false);
	assert_true(bench_await_stm32(kt->board, STM32_KATAPULT, 3000));
	assert_int_equal(kt_open(kt), 0);
	kt_send_hex(kt, PRIME);
	kt_expect_silence(kt);
	kt_send_hex(kt, CONNECT);
	assert_int_equal(kt_receive(kt, KT_SOON_MSEC), KATA_ERROR);
	assert_int_equal(kt_receive(kt, KT_SOON_MSEC), KATA_ACK);
}

static void test_other_chips_do_not_hold_back(void **state)
{
	static const enum stm32_chip chips[] = { STM32_F446, STM32_H723, STM32_LPC1769 };
	for (size_t index = 0; index < ELEMENTSOF(chips); index++) {
		kt_plug(&the_kt, state, &(struct stm32_options){ .chip = chips[index] });
		assert_int_equal(kt_open(&the_kt), 0);
		assert_int_equal(kt_connect(&the_kt), KATA_ACK);
		if (index + 1 < ELEMENTSOF(chips))
			kt_tear_down(state);
	}
}

/* --- what was asked for ------------------------------------------------------------------ */

static void test_answers_on_request(void **state)
{
	struct kt *kt = set_up(state, NULL);
	kt_arm(kt, (struct stm32_fault){ STM32_FAULT_ANSWER, .value = KATA_BUSY, .byte = 1 });
	kt_send_hex(kt, CONNECT);
	kt_expect_hex(kt, BUSY);
	kt_send_hex(kt, CONNECT);
	kt_expect_hex(kt, BUSY);
	expect_healthy(kt);
	kt_arm(kt, (struct stm32_fault){
			   STM32_FAULT_MUTE, .trigger = STM32_AT_COMMAND, .address = KATA_EOF });
	assert_int_equal(kt_connect(kt), KATA_ACK);
	kt_send_hex(kt, EOF_);
	kt_expect_silence(kt);
	expect_healthy(kt);
	kt_arm(kt, (struct stm32_fault){ STM32_FAULT_HANG, .trigger = STM32_AT_COMMAND, .nth = 2 });
	expect_healthy(kt);
	assert_int_equal(kt_connect(kt), -ETIMEDOUT);
	assert_int_equal(kt_connect(kt), -ETIMEDOUT);
}

static void test_answers_that_do_not_fit_are_dropped(void **state)
{
	uint8_t got[KT_FRAME_MOST];
	struct kt *kt = set_up(state, NULL);
	kt_close(kt); /* nobody fetches anything */
	kt->serial = NULL;
	struct usb_address address = bench_address(kt->board);
	_cleanup_(usb_closep) struct usb_device *device = NULL;
	_cleanup_(usb_transfer_freep) struct usb_transfer *out = NULL;
	uint8_t request[12];
	kt_parse_hex("01881401002000085bde9903", request);
	assert_int_equal(usb_open(&address, &device), 0);
	for (unsigned times = 0; times < 6; times++) {
		out = usb_transfer_free(out);
		assert_int_equal(usb_submit(device, 2, request, sizeof(request), &out), 0);
		assert_int_equal(usb_wait(out, KT_SOON_MSEC, NULL), 0);
		assert_int_equal(usb_pause(device, 10), 0);
	}
	/* 64 bytes in hardware, 192 in its buffer: three answers and no fourth. */
	assert_int_equal(bench_resident(kt->board)->line.unsent, 3);
	assert_int_equal(kt_open(kt), 0);
	assert_int_equal(kt_gather(kt, got, sizeof(got), KT_SOON_MSEC), 240);
}

#define TEST(function) cmocka_unit_test_teardown(function, kt_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_reference_frames),
		TEST(test_pages_and_blocks_on_the_wire),
		TEST(test_twenty_pages),
		TEST(test_a_flipped_bit_is_the_end),
		TEST(test_a_loss_from_the_middle_is_the_end),
		TEST(test_a_loss_of_the_start_is_survived),
		TEST(test_garbage_without_a_one),
		TEST(test_klippers_identify_is_the_end),
		TEST(test_an_arduinos_farewell_is_the_end),
		TEST(test_an_unknown_command_is_healthy),
		TEST(test_a_frame_may_be_too_long),
		TEST(test_part_of_a_frame_is_waited_for),
		TEST(test_a_frame_in_unhappy_packets),
		TEST(test_what_it_does_not_fetch_waits),
		TEST(test_accidents),
		TEST(test_accidents_on_the_way_back),
		TEST(test_dice),
		TEST(test_layouts),
		TEST(test_descriptors),
		TEST(test_an_id_on_a_can_bus),
		TEST(test_a_packet_that_waits_for_another),
		TEST(test_a_packet_waits_again_behind_a_reset),
		TEST(test_other_chips_do_not_hold_back),
		TEST(test_answers_on_request),
		TEST(test_answers_that_do_not_fit_are_dropped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
