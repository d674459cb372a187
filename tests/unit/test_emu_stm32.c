/* SPDX-License-Identifier: MIT */
/*
 * The emulated STM32 against the description of the real ones: descriptors, the state machine, the
 * addresses, the time that everything takes, and the manners in which the ROMs differ.
 */
#include <errno.h>
#include <string.h>

#include "unit/emu_stm32_talker.h"

static struct talker the_talker;

static struct talker *set_up(void **state, const struct stm32_options *options)
{
	rom_set_up(&the_talker, state, options);
	return &the_talker;
}

static struct talker *chip(void **state, enum stm32_chip chip)
{
	return set_up(state, &(struct stm32_options){ .chip = chip });
}

/* --- descriptors ------------------------------------------------------------------------- */

static int describe(struct talker *talker, uint16_t what, uint8_t bytes[255])
{
	return usb_control(talker->device, 0x80, 6, what, 0x409, bytes, 255, SOON_MSEC);
}

/* Units outside ASCII read as '?'. */
static int read_text(struct talker *talker, unsigned index, char text[128])
{
	uint8_t bytes[255];
	int got = describe(talker, (uint16_t)(0x300 | index), bytes);
	if (got < 0)
		return got;
	assert_int_equal(bytes[0], got);
	for (int at = 2; at < got; at += 2)
		text[at / 2 - 1] = (char)(bytes[at + 1] || bytes[at] > 0x7e ? '?' : bytes[at]);
	text[got / 2 - 1] = '\0';
	return got / 2 - 1;
}

static void test_descriptors_of_the_old_generation(void **state)
{
	static const uint8_t device[18] = { 18, 1, 0, 1, 0, 0, 0, 64, 0x83, 0x04, 0x11, 0xdf, 0,
		0x22, 1, 2, 3, 1 };
	static const uint8_t head[18] = { 9, 2, 0x36, 0, 1, 1, 0, 0xc0, 0x32, 9, 4, 0, 0, 0, 0xfe,
		1, 2, 4 };
	static const uint8_t functional[9] = { 9, 0x21, 0x0b, 0xff, 0, 0, 8, 0x1a, 1 };
	struct talker *talker = chip(state, STM32_F446);
	uint8_t bytes[255];
	char text[128];
	assert_int_equal(describe(talker, 0x100, bytes), 18);
	assert_memory_equal(bytes, device, 18);
	assert_int_equal(describe(talker, 0x200, bytes), 0x36);
	assert_memory_equal(bytes, head, sizeof(head));
	assert_int_equal(bytes[9 + 3 * 9 + 3], 3);
	assert_memory_equal(bytes + 0x36 - 9, functional, 9);
	assert_int_equal(describe(talker, 0x2100, bytes), 9);
	assert_memory_equal(bytes, functional, 9);
	read_text(talker, 2, text);
	assert_string_equal(text, "STM32  BOOTLOADER");
	read_text(talker, 3, text);
	assert_string_equal(text, "203739645542");
	read_text(talker, 4, text);
	assert_string_equal(text, "@Internal Flash  /0x08000000/04*016Kg,01*064Kg,03*128Kg");
	read_text(talker, 7, text);
	assert_string_equal(text, "@Device Feature/0xFFFF0000/01*004 e");
	assert_int_equal(read_text(talker, 8, text), -EPIPE);
}

static void test_descriptors_of_the_new_generation(void **state)
{
	struct talker *talker = chip(state, STM32_G0B1_256K);
	uint8_t bytes[255];
	char text[128];
	assert_int_equal(describe(talker, 0x100, bytes), 18);
	assert_int_equal(bytes[13], 0x02);
	assert_int_equal(describe(talker, 0x200, bytes), 9 + 3 * 9 + 9);
	assert_int_equal(bytes[9 + 3 * 9 + 6], 4);
	for (unsigned alternate = 0; alternate < 3; alternate++) {
		read_text(talker, 4 + alternate, text);
		assert_string_equal(text, "@Internal Flash   /0x08000000/128*02Kg");
	}
	read_text(talker, 2, text);
	assert_string_equal(text, "DFU in FS Mode");
}

static void test_garbage_behind_the_layout(void **state)
{
	static const char layout[] = "@Internal Flash  /0x08000000/04*016Kg,01*064Kg,07*128Kg";
	static const char tail[] = ",04*016Kg,01*064Kg,07*128Kg";
	struct talker *talker = chip(state, STM32_F429_1MB);
	uint8_t first[255], second[255];
	int got = describe(talker, 0x304, first);
	assert_int_equal(got, 2 + 2 * (sizeof(layout) - 1 + sizeof(tail) - 1));
	assert_int_equal(first[0], got);
	for (size_t at = 0; at < sizeof(layout) - 1; at++)
		assert_int_equal(first[2 + 2 * at], layout[at]);
	unsigned strange = 0;
	for (int at = 2 * (int)sizeof(layout); at < got; at += 2)
		strange += first[at + 1] != 0;
	assert_true(strange > 20);
	assert_int_equal(describe(talker, 0x304, second), got);
	assert_memory_equal(first, second, (size_t)got);
}

static void test_the_serial_follows_the_unique_id(void **state)
{
	static const struct {
		uint8_t id[STM32_UNIQUE_ID_BYTES];
		const char *serial;
	} known[] = {
		{ { 0x27, 0x00, 0x0e, 0x00, 0x05, 0x51, 0x34, 0x34, 0x38, 0x33, 0x33, 0x39 },
			"3941335F3434" },
		{ { 0x7a, 0x00, 0x25, 0x00, 0x01, 0x50, 0x36, 0x42, 0x48, 0x37, 0x30, 0x20 },
			"205537C24236" },
		{ { 0x38, 0x00, 0x23, 0x00, 0x0b, 0x47, 0x31, 0x31, 0x33, 0x35, 0x34, 0x31 },
			"3157356B3131" },
	};
	for (size_t index = 0; index < ELEMENTSOF(known); index++) {
		struct stm32_options options = { .chip = STM32_F407 };
		char text[128];
		memcpy(options.unique_id, known[index].id, STM32_UNIQUE_ID_BYTES);
		struct talker *talker = set_up(state, &options);
		read_text(talker, 3, text);
		assert_string_equal(text, known[index].serial);
		rom_tear_down(state);
	}
	struct talker *talker = chip(state, STM32_H743);
	char text[128];
	read_text(talker, 3, text);
	assert_string_equal(text, "200364500000");
}

static void test_a_liar(void **state)
{
	static const uint8_t configuration[] = { 9, 2, 27, 0, 1, 1, 0, 0xc0, 1, 9, 4, 0, 0, 0, 0xfe,
		1, 2, 4, 9, 0x21, 0, 0, 0, 0, 0, 0, 0 };
	static const uint8_t string[] = { 255, 3, 'x', 0xd8, 0 };
	struct talker *talker = set_up(
		state, &(struct stm32_options){
			       .boot_configuration = { configuration, sizeof(configuration) },
			       .alternate_strings = { { string, sizeof(string) } },
			       .alternate_texts = { NULL, "" },
			       .boot_serial = "\xff\x01" });
	uint8_t bytes[255];
	assert_int_equal(describe(talker, 0x200, bytes), sizeof(configuration));
	assert_memory_equal(bytes, configuration, sizeof(configuration));
	assert_int_equal(describe(talker, 0x304, bytes), sizeof(string));
	assert_memory_equal(bytes, string, sizeof(string));
	assert_int_equal(describe(talker, 0x305, bytes), 2);
	assert_int_equal(describe(talker, 0x303, bytes), 6);
	assert_int_equal(bytes[2], 0xff);
}

/* --- states ------------------------------------------------------------------------------ */

static void test_an_f4_starts_in_error(void **state)
{
	struct talker *talker = &the_talker;
	*state = talker;
	rom_plug(talker, NULL);
	assert_int_equal(rom_open(talker), 0);
	assert_int_equal(rom_get_status(talker), ERROR);
	assert_int_equal(talker->status, FIRMWARE);
	assert_int_equal(rom_download(talker, 2, "abcd", 4), -EPIPE);
	assert_int_equal(usb_control(talker->device, 0x01, 11, 0, 0, NULL, 0, SOON_MSEC), 0);
	assert_int_equal(rom_get_status(talker), ERROR);
	assert_int_equal(rom_order(talker, CLRSTATUS, 0), 0);
	assert_int_equal(rom_get_status(talker), IDLE);
	assert_int_equal(talker->status, OK);
	assert_int_equal(usb_reset(talker->device), 0);
	assert_int_equal(rom_get_status(talker), ERROR);
}

static void test_a_download_is_only_buffered(void **state)
{
	struct talker *talker = chip(state, STM32_F446);
	assert_int_equal(rom_download(talker, 2, "abcd", 4), 4);
	bench_advance(talker->bench, NSEC_PER_SEC);
	assert_int_equal(rom_flash(talker)[0], 0xff);
	assert_int_equal(rom_get_status(talker), DNBUSY);
	assert_int_equal(talker->poll, 104);
	assert_int_equal(rom_get_status(talker), DNLOAD_IDLE);
	assert_int_equal(talker->poll, 0);
	assert_memory_equal(rom_flash(talker), "abcd", 4);
	assert_int_equal(rom_counters(talker)->early_polls, 1);
	assert_int_equal(rom_download(talker, 3, "efgh", 4), 4);
	assert_int_equal(rom_order(talker, ABORT, 0), 0);
	assert_int_equal(rom_get_status(talker), IDLE);
	assert_int_equal(rom_counters(talker)->programs, 1);
}

static void test_requests_out_of_turn(void **state)
{
	struct talker *talker = chip(state, STM32_F446);
	uint8_t bytes[64];
	assert_int_equal(rom_set_address(talker, FLASH), DNLOAD_IDLE);
	assert_int_equal(rom_upload(talker, 2, bytes, sizeof(bytes)), -EPIPE);
	assert_int_equal(rom_get_status(talker), ERROR);
	assert_int_equal(talker->status, STALLEDPKT);
	assert_int_equal(rom_order(talker, ABORT, 0), -EPIPE);
	assert_int_equal(rom_order(talker, CLRSTATUS, 0), 0);
	assert_int_equal(rom_upload(talker, 2, bytes, sizeof(bytes)), 64);
	assert_int_equal(rom_get_status(talker), UPLOAD_IDLE);
	assert_int_equal(rom_download(talker, 2, bytes, 64), -EPIPE);
	assert_int_equal(rom_order(talker, CLRSTATUS, 0), 0);
	assert_int_equal(rom_download(talker, 1, bytes, 64), -EPIPE);
	assert_int_equal(rom_order(talker, CLRSTATUS, 0), 0);
	assert_int_equal(rom_download(talker, 0, "\x99", 1), -EPIPE);
	assert_int_equal(rom_counters(talker)->stalls, 5);
}

static void test_the_longest_download(void **state)
{
	static const uint8_t block[2048];
	struct talker *talker = chip(state, STM32_G431);
	assert_int_equal(rom_download(talker, 2, block, 1025), -EPIPE);
	assert_int_equal(rom_order(talker, CLRSTATUS, 0), 0);
	assert_int_equal(rom_write(talker, 2, block, 1024), DNLOAD_IDLE);
	rom_tear_down(state);
	talker = set_up(state, &(struct stm32_options){ .chip = STM32_G431, .dnload_most = 2048 });
	assert_int_equal(rom_write(talker, 2, block, 2048), DNLOAD_IDLE);
}

static void test_the_commands(void **state)
{
	static const uint8_t commands[4] = { 0x00, 0x21, 0x41, 0x92 };
	struct talker *talker = chip(state, STM32_F446);
	uint8_t bytes[64];
	assert_int_equal(rom_upload(talker, 0, bytes, sizeof(bytes)), 4);
	assert_memory_equal(bytes, commands, 4);
	assert_int_equal(rom_get_status(talker), IDLE);
	assert_int_equal(rom_upload(talker, 1, bytes, sizeof(bytes)), -EPIPE);
}

static void test_clear_status_without_an_error(void **state)
{
	struct talker *talker = chip(state, STM32_H743);
	assert_int_equal(rom_order(talker, CLRSTATUS, 0), 0);
	assert_int_equal(rom_get_status(talker), ERROR);
	assert_int_equal(talker->status, UNKNOWN);
	assert_int_equal(rom_order(talker, CLRSTATUS, 0), 0);
	assert_int_equal(rom_get_status(talker), IDLE);
	rom_tear_down(state);
	talker = chip(state, STM32_G0B1_128K);
	assert_int_equal(rom_order(talker, CLRSTATUS, 0), -EPIPE);
	assert_int_equal(rom_get_status(talker), ERROR);
	assert_int_equal(talker->status, STALLEDPKT);
}

static int set_interface(struct talker *talker, uint16_t alternate)
{
	return usb_control(talker->device, 0x01, 11, alternate, 0, NULL, 0, SOON_MSEC);
}

static void test_interfaces(void **state)
{
	struct talker *talker = chip(state, STM32_F072);
	uint8_t alternate;
	assert_int_equal(rom_set_address(talker, FLASH), DNLOAD_IDLE);
	assert_int_equal(set_interface(talker, 1), 0);
	assert_int_equal(rom_get_status(talker), IDLE);
	assert_int_equal(usb_control(talker->device, 0x81, 10, 0, 0, &alternate, 1, SOON_MSEC), 1);
	assert_int_equal(alternate, 1);
	assert_int_equal(set_interface(talker, 2), -EPIPE);
	assert_int_equal(rom_download(talker, 1, "x", 1), -EPIPE);
	assert_int_equal(set_interface(talker, 0), 0);
	assert_int_equal(rom_get_status(talker), ERROR);
	rom_tear_down(state);
	talker = set_up(state,
		&(struct stm32_options){ .chip = STM32_F072, .interface = STM32_INTERFACE_IDLES });
	assert_int_equal(rom_download(talker, 1, "x", 1), -EPIPE);
	assert_int_equal(set_interface(talker, 0), 0);
	assert_int_equal(rom_get_status(talker), IDLE);
}

static void test_the_functional_descriptor_that_hangs(void **state)
{
	struct talker *talker = set_up(state, &(struct stm32_options){ .chip = STM32_G0B1_128K,
						      .functional = STM32_FUNCTIONAL_HANGS });
	uint8_t bytes[9];
	assert_int_equal(
		usb_control(talker->device, 0x81, 6, 0x2100, 0, bytes, 9, SOON_MSEC), -ETIMEDOUT);
	assert_int_equal(rom_get_status_within(talker, 100), -ETIMEDOUT);
}

/* --- addresses --------------------------------------------------------------------------- */

static void test_blocks_follow_the_pointer(void **state)
{
	uint8_t block[2048], back[2048];
	struct talker *talker = chip(state, STM32_F446);
	assert_int_equal(rom_set_address(talker, FLASH + 0x8000), DNLOAD_IDLE);
	for (unsigned index = 0; index < 3; index++) {
		memset(block, 'a' + (int)index, sizeof(block));
		assert_int_equal(rom_write(talker, (uint16_t)(4 - index), block, sizeof(block)),
			DNLOAD_IDLE);
	}
	assert_int_equal(rom_flash(talker)[0x7fff], 0xff);
	assert_int_equal(rom_flash(talker)[0x8000], 'c');
	assert_int_equal(rom_flash(talker)[0x8800], 'b');
	assert_int_equal(rom_flash(talker)[0x9000], 'a');
	assert_int_equal(rom_flash(talker)[0x9800], 0xff);
	/* a short block is placed by wTransferSize, a short UPLOAD by its own length */
	assert_int_equal(rom_write(talker, 5, "tail", 4), DNLOAD_IDLE);
	assert_memory_equal(rom_flash(talker) + 0x9800, "tail", 4);
	assert_int_equal(rom_order(talker, ABORT, 0), 0);
	assert_int_equal(rom_upload(talker, 4, back, 1024), 1024);
	assert_int_equal(back[0], 'b');
	assert_int_equal(rom_order(talker, ABORT, 0), 0);
	assert_int_equal(rom_upload(talker, 3, back, 2048), 2048);
	assert_int_equal(back[0], 'b');
	assert_int_equal(rom_get_status(talker), UPLOAD_IDLE);
}

static void test_the_other_multipliers(void **state)
{
	static uint8_t image[8192];
	uint8_t back[64];
	for (size_t index = 0; index < sizeof(image); index++)
		image[index] = (uint8_t)(index / 64);
	struct talker *talker = set_up(state, &(struct stm32_options){ .chip = STM32_F446,
						      .image = image,
						      .image_bytes = 64 * 40,
						      .upload_multiplier = STM32_BY_TRANSFER,
						      .dnload_multiplier = STM32_BY_LENGTH });
	assert_int_equal(rom_upload(talker, 3, back, 64), 64);
	assert_int_equal(back[0], 32);
	assert_int_equal(rom_order(talker, ABORT, 0), 0);
	assert_int_equal(rom_set_address(talker, FLASH + 0x4000), DNLOAD_IDLE);
	assert_int_equal(rom_write(talker, 5, "tail", 4), DNLOAD_IDLE);
	assert_memory_equal(rom_flash(talker) + 0x4000 + 12, "tail", 4);
}

static void test_addresses_outside(void **state)
{
	uint8_t bytes[65] = { 0 };
	struct talker *talker = chip(state, STM32_F446);
	assert_int_equal(rom_set_address(talker, FLASH + 0x80000), ERROR);
	assert_int_equal(talker->status, TARGET);
	assert_int_equal(rom_order(talker, CLRSTATUS, 0), 0);
	assert_int_equal(rom_erase(talker, 0x20000000), ERROR);
	assert_int_equal(talker->status, TARGET);
	assert_int_equal(rom_order(talker, CLRSTATUS, 0), 0);
	assert_int_equal(rom_set_address(talker, FLASH + 0x80000 - 64), DNLOAD_IDLE);
	assert_int_equal(rom_write(talker, 2, bytes, 65), ERROR);
	assert_int_equal(talker->status, TARGET);
	assert_int_equal(rom_order(talker, CLRSTATUS, 0), 0);
	assert_int_equal(rom_upload(talker, 2, bytes, 64), 64);
	assert_int_equal(rom_order(talker, ABORT, 0), 0);
	assert_int_equal(rom_set_address(talker, 0x1fff7a10), ERROR);
	assert_int_equal(rom_order(talker, CLRSTATUS, 0), 0);
	assert_int_equal(rom_set_address(talker, 0x1fff7800), DNLOAD_IDLE);
}

static void test_an_upload_ends_with_flash(void **state)
{
	uint8_t bytes[256];
	struct talker *talker = chip(state, STM32_F072);
	assert_int_equal(rom_set_address(talker, FLASH + 0x20000 - 100), DNLOAD_IDLE);
	assert_int_equal(rom_order(talker, ABORT, 0), 0);
	assert_int_equal(rom_upload(talker, 2, bytes, sizeof(bytes)), 100);
	assert_int_equal(rom_get_status(talker), IDLE);
	assert_int_equal(rom_upload(talker, 3, bytes, sizeof(bytes)), -EPIPE);
	assert_int_equal(rom_get_status(talker), ERROR);
	assert_int_equal(talker->status, TARGET);
}

static void test_ranges_of_a_board(void **state)
{
	uint8_t bytes[12];
	struct talker *talker =
		set_up(state, &(struct stm32_options){ .chip = STM32_F446,
				      .also_readable = { { 0x1fff7a10, 64 } },
				      .unreadable = { { FLASH + 0x4000, 0x4000 } } });
	assert_int_equal(rom_read(talker, 0x1fff7a10, bytes, 12), 12);
	assert_int_equal(bytes[0], 0x2b);
	assert_int_equal(bytes[11], 0x20);
	assert_int_equal(rom_read(talker, FLASH + 0x4000, bytes, 12), -EPIPE);
	assert_int_equal(rom_get_status(talker), ERROR);
}

/* --- time -------------------------------------------------------------------------------- */

static void test_an_f4_in_its_time(void **state)
{
	static uint8_t block[2048];
	struct talker *talker = chip(state, STM32_F429_1MB);
	uint64_t since = bench_now_nsec(talker->bench);
	assert_int_equal(rom_erase(talker, FLASH + 0x8000 + 77), DNLOAD_IDLE);
	rom_assert_took(talker, since, 0.4);
	since = bench_now_nsec(talker->bench);
	assert_int_equal(rom_erase(talker, FLASH + 0x10000), DNLOAD_IDLE);
	rom_assert_took(talker, since, 1.2);
	since = bench_now_nsec(talker->bench);
	assert_int_equal(rom_erase(talker, FLASH + 0xe0000), DNLOAD_IDLE);
	rom_assert_took(talker, since, 2.0);
	assert_int_equal(rom_set_address(talker, FLASH + 0x8000), DNLOAD_IDLE);
	since = bench_now_nsec(talker->bench);
	for (uint16_t index = 0; index < 8; index++)
		assert_int_equal(rom_write(talker, 2 + index, block, sizeof(block)), DNLOAD_IDLE);
	rom_assert_took(talker, since, 8 * (0.0328 + 0.0044));
	assert_int_equal(rom_order(talker, ABORT, 0), 0);
	since = bench_now_nsec(talker->bench);
	assert_int_equal(rom_upload(talker, 2, block, sizeof(block)), 2048);
	rom_assert_took(talker, since, 0.00395);
}

static void test_a_g0_in_its_time(void **state)
{
	static uint8_t block[1024];
	struct talker *talker = chip(state, STM32_G0B1_512K);
	uint64_t since = bench_now_nsec(talker->bench);
	for (unsigned page = 0; page < 22; page++)
		assert_int_equal(rom_erase(talker, FLASH + 0x2000 + 0x800 * page), DNLOAD_IDLE);
	rom_assert_took(talker, since, 22 * 0.0227);
	assert_int_equal(rom_set_address(talker, FLASH + 0x2000), DNLOAD_IDLE);
	since = bench_now_nsec(talker->bench);
	uint64_t before = stm32_ledger(bench_stm32(talker->board))->union_nsec;
	for (uint16_t index = 0; index < 44; index++)
		assert_int_equal(rom_write(talker, 2 + index, block, sizeof(block)), DNLOAD_IDLE);
	rom_assert_took(talker, since, 44 * 0.0134);
	const struct stm32_ledger *ledger = stm32_ledger(bench_stm32(talker->board));
	rom_assert_took(talker, since, (double)(ledger->union_nsec - before) / 1e9);
	assert_int_equal(ledger->erase_nsec, 22 * 22 * NSEC_PER_MSEC);
	assert_int_equal(ledger->program_nsec, 44 * 128 * 85 * NSEC_PER_USEC);
}

static void test_time_runs_faster(void **state)
{
	struct talker *talker = set_up(
		state, &(struct stm32_options){ .speed = 10, .polls = { true, 101, 0, 0, 9, 0 } });
	uint64_t since = bench_now_nsec(talker->bench);
	assert_int_equal(rom_erase(talker, FLASH + 0x20000), DNLOAD_IDLE);
	rom_assert_took(talker, since, 0.2);
	assert_int_equal(rom_download(talker, 0, "\x21\0\0\0\x08", 5), 5);
	assert_int_equal(rom_get_status(talker), DNBUSY);
	assert_int_equal(talker->poll, 11);
	assert_int_equal(rom_get_status(talker), DNLOAD_IDLE);
	assert_int_equal(rom_download(talker, 2, "x", 1), 1);
	assert_int_equal(rom_get_status(talker), DNBUSY);
	assert_int_equal(talker->poll, 1);
}

static void test_status_while_busy(void **state)
{
	struct talker *talker = chip(state, STM32_F446);
	assert_int_equal(rom_download(talker, 0, "\x41\0\0\x02\x08", 5), 5);
	assert_int_equal(rom_get_status(talker), DNBUSY);
	assert_int_equal(rom_get_status_within(talker, 1900), -ETIMEDOUT);
	assert_int_equal(rom_get_status_within(talker, 200), DNLOAD_IDLE);
	rom_tear_down(state);
	talker = set_up(
		state, &(struct stm32_options){ .chip = STM32_H723, .busy = STM32_BUSY_ANSWERS });
	assert_int_equal(rom_download(talker, 0, "\x41\0\0\x02\x08", 5), 5);
	for (unsigned tries = 0; tries < 17; tries++) {
		assert_int_equal(rom_get_status(talker), DNBUSY);
		assert_int_equal(talker->poll, 50);
		bench_advance(talker->bench, 100 * NSEC_PER_MSEC);
	}
	bench_advance(talker->bench, 100 * NSEC_PER_MSEC);
	assert_int_equal(rom_get_status(talker), DNLOAD_IDLE);
	rom_tear_down(state);
	talker = set_up(
		state, &(struct stm32_options){ .chip = STM32_F446, .busy = STM32_BUSY_STALLS });
	assert_int_equal(rom_download(talker, 0, "\x41\0\0\0\x08", 5), 5);
	assert_int_equal(rom_get_status(talker), DNBUSY);
	assert_int_equal(rom_get_status(talker), -EPIPE);
	bench_advance(talker->bench, 400 * NSEC_PER_MSEC);
	assert_int_equal(rom_get_status(talker), DNLOAD_IDLE);
}

/* Whoever gives the answer up has not given the erase up. */
static void test_an_impatient_host(void **state)
{
	struct talker *talker = chip(state, STM32_H743);
	assert_int_equal(rom_erase(talker, FLASH), DNBUSY);
	uint64_t since = bench_now_nsec(talker->bench);
	assert_int_equal(rom_order(talker, CLRSTATUS, 0), 0);
	assert_int_equal(rom_get_status(talker), ERROR);
	rom_assert_took(talker, since, 2);
	assert_int_equal(talker->status, UNKNOWN);
	assert_int_equal(rom_counters(talker)->early_polls, 1);
}

static void test_the_wedge(void **state)
{
	struct talker *talker = chip(state, STM32_H743);
	assert_int_equal(rom_erase(talker, FLASH + 0xe0000), DNBUSY);
	bench_advance(talker->bench, 2 * NSEC_PER_SEC);
	assert_int_equal(rom_get_status(talker), DNLOAD_IDLE);
	assert_int_equal(rom_erase(talker, FLASH + 0x100000), DNBUSY);
	bench_advance(talker->bench, 60 * NSEC_PER_SEC);
	assert_int_equal(rom_get_status(talker), DNBUSY);
	assert_int_equal(rom_order(talker, ABORT, 0), -EPIPE);
	assert_int_equal(rom_get_status(talker), DNBUSY);
	assert_int_equal(rom_order(talker, CLRSTATUS, 0), 0);
	assert_int_equal(rom_get_status(talker), ERROR);
	assert_int_equal(talker->status, UNKNOWN);
	assert_int_equal(rom_order(talker, CLRSTATUS, 0), 0);
	assert_int_equal(rom_set_address(talker, FLASH), DNLOAD_IDLE);
}

#define TEST(function) cmocka_unit_test_teardown(function, rom_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_descriptors_of_the_old_generation),
		TEST(test_descriptors_of_the_new_generation),
		TEST(test_garbage_behind_the_layout),
		TEST(test_the_serial_follows_the_unique_id),
		TEST(test_a_liar),
		TEST(test_an_f4_starts_in_error),
		TEST(test_a_download_is_only_buffered),
		TEST(test_requests_out_of_turn),
		TEST(test_the_longest_download),
		TEST(test_the_commands),
		TEST(test_clear_status_without_an_error),
		TEST(test_interfaces),
		TEST(test_the_functional_descriptor_that_hangs),
		TEST(test_blocks_follow_the_pointer),
		TEST(test_the_other_multipliers),
		TEST(test_addresses_outside),
		TEST(test_an_upload_ends_with_flash),
		TEST(test_ranges_of_a_board),
		TEST(test_an_f4_in_its_time),
		TEST(test_a_g0_in_its_time),
		TEST(test_time_runs_faster),
		TEST(test_status_while_busy),
		TEST(test_an_impatient_host),
		TEST(test_the_wedge),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
