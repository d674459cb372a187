/* SPDX-License-Identifier: MIT */
/*
 * The emulated RP2350 against the description of the real one, by raw packets: what it tells about
 * itself, how it owns up to failures, what it refuses, what its first revision does wrong, and what
 * it would start.
 */
#include <errno.h>
#include <string.h>

#include "unit/emu_rp2350_talker.h"

enum { EXEC = 0x08, VECTORIZE, OTP_WRITE = 0x0d, GET_INFO = 0x8b, OTP_READ };
enum { A4 = 4 };

#define ID                                                     \
	{                                                      \
		0x01, 0x23, 0xab, 0xcd, 0x45, 0x67, 0x89, 0xef \
	}
#define RP2350_ID_TEXT "0123ABCD456789EF"

static const struct rp2040_options plain;
static const struct rp2040_options partitioned = { .partitions = true };

/* --- identity ---------------------------------------------------------------------------- */

static void test_descriptors(void **state)
{
	static const uint8_t device[18] = { 0x12, 0x01, 0x10, 0x02, 0, 0, 0, 0x40, 0x8a, 0x2e, 0x0f,
		0, 0, 0x01, 1, 2, 3, 1 };
	static const uint8_t head[9] = { 9, 2, 55, 0, 2, 1, 0, 0x80, 0x19 };
	struct talker *talker = rp2350_begin_raw(state, plain);
	uint8_t bytes[64];
	const uint8_t *configuration;
	size_t length;
	assert_int_equal(usb_control(talker->device, 0x80, 6, 0x100, 0, bytes, 64, 100), 18);
	assert_memory_equal(bytes, device, 18);
	assert_int_equal(usb_configuration(talker->device, &configuration, &length), 0);
	assert_int_equal(length, 55);
	assert_memory_equal(configuration, head, 9);
	rp2350_assert_string(talker, 1, "Raspberry Pi");
	rp2350_assert_string(talker, 2, "RP2350 Boot");
	rp2350_assert_string(talker, 3, RP2350_ID_TEXT);
	rp2350_assert_string(talker, 4, "");
}

static void test_descriptors_for_another_system(void **state)
{
	static const uint8_t start[] = { 5, 15, 33, 0, 1, 28, 16, 5, 0, 0xdf, 0x60, 0xdd, 0xd8 };
	static const uint8_t end[] = { 0x9f, 0, 0, 3, 6, 0xa6, 0, 1, 0 };
	struct talker *talker = rp2350_begin_raw(state, plain);
	uint8_t bytes[255];
	assert_int_equal(usb_control(talker->device, 0x80, 6, 0xf00, 0, bytes, 255, 100), 33);
	assert_memory_equal(bytes, start, sizeof(start));
	assert_memory_equal(bytes + 24, end, sizeof(end));
	assert_int_equal(usb_control(talker->device, 0xc0, 1, 0, 7, bytes, 255, 100), 0xa6);
	assert_int_equal(bytes[8], 0xa6);
	assert_memory_equal(bytes + 22, "WINUSB", 6);
	assert_int_equal(bytes[0xa6 - 4], '}');
	assert_int_equal(usb_control(talker->device, 0xc0, 1, 0, 6, bytes, 255, 100), -EPIPE);
}

static void test_without_mass_storage(void **state)
{
	static struct talker talker;
	struct rp2040_options options = { .chip = RP2040_CHIP_RP2350, .disable_mask = 1 };
	uint8_t bytes[255];
	talker_set_up_with(&talker, &options);
	*state = &talker;
	struct usb_address address = bench_address(talker.board);
	assert_int_equal(usb_open(&address, &talker.device), 0);
	assert_int_equal(usb_claim(talker.device, 0), 0);
	assert_int_equal(talker_simple(&talker, EXIT_XIP), 0);
	assert_int_equal(usb_control(talker.device, 0xc0, 1, 0, 7, bytes, 255, 100), 0x9e);
}

static void test_memory(void **state)
{
	static uint8_t bytes[512], back[512];
	struct talker *talker = rp2350_begin_raw(state, plain);
	memset(bytes, 0x5a, sizeof(bytes));
	assert_int_equal(talker_read_at(talker, 0x10, back, 4), 0);
	assert_memory_equal(back, "Mu\2\2", 4);
	assert_int_equal(talker_read_at(talker, 0x7d00, back, 256), 0);
	assert_int_equal(talker_read_at(talker, 0x7d01, back, 256), -EPIPE);
	rp2350_assert_refused(talker, 4);
	static const uint32_t places[] = { RP2350_RAM + 0x81e00, 0x13fffe00, 0x13ffc000 };
	for (size_t index = 0; index < ELEMENTSOF(places); index++) {
		memset(back, 0, sizeof(back));
		assert_int_equal(talker_write_at(talker, places[index], bytes, 512), 0);
		assert_int_equal(talker_read_at(talker, places[index], back, 512), 0);
		assert_memory_equal(back, bytes, 512);
	}
	static const uint32_t others[] = { RP2350_RAM + 0x82000, 0x13ffbf00, 0x14000000, 0x15000000,
		0x12000000 };
	for (size_t index = 0; index < ELEMENTSOF(others); index++) {
		talker_write_at(talker, others[index], bytes, 256);
		rp2350_assert_refused(talker, 4);
	}
}

static void test_the_drive(void **state)
{
	static const uint8_t inquiry[31] = { 'U', 'S', 'B', 'C', 1, 0, 0, 0, 36, 0, 0, 0, 0x80, 0,
		6, 0x12, 0, 0, 0, 36 };
	static const uint8_t info[31] = { 'U', 'S', 'B', 'C', 2, 0, 0, 0, 0, 2, 0, 0, 0x80, 0, 10,
		0x28, 0, 0, 0, 0x01, 0x2c, 0, 0, 1 };
	struct talker *talker = rp2350_begin_raw(state, plain);
	uint8_t bytes[512] = { 0 };
	assert_int_equal(usb_claim(talker->device, 0), 0);
	assert_int_equal(talker_bulk(talker, 0x02, (void *)inquiry, 31, 100), 31);
	assert_int_equal(talker_bulk(talker, 0x81, bytes, 36, 100), 36);
	assert_memory_equal(bytes + 8, "RPI     RP2350          ", 24);
	assert_int_equal(talker_bulk(talker, 0x81, bytes, 64, 100), 13);
	assert_int_equal(talker_bulk(talker, 0x02, (void *)info, 31, 100), 31);
	assert_int_equal(talker_bulk(talker, 0x81, bytes, 512, 100), 512);
	static const char text[] =
		"UF2 Bootloader v1.0\nModel: Raspberry Pi RP2350\nBoard-ID: RP2350\n";
	assert_memory_equal(bytes, text, sizeof(text));
}

/* --- failures ---------------------------------------------------------------------------- */

static void test_failures_are_owned_up_to(void **state)
{
	static uint8_t page[256];
	struct talker *talker = rp2350_begin_well(state, plain);
	assert_int_equal(talker_erase(talker, FLASH + 256, 4096), -EPIPE);
	rp2350_assert_refused(talker, 5);
	assert_int_equal(talker_erase(talker, RP2350_RAM, 4096), -EPIPE);
	rp2350_assert_refused(talker, 4);
	talker_write_at(talker, FLASH + 1, page, sizeof(page));
	rp2350_assert_refused(talker, 5);
	assert_int_equal(talker_read_at(talker, FLASH + 1, page, sizeof(page)), -EPIPE);
	rp2350_assert_refused(talker, 5);
	assert_int_equal(talker_counters(talker)->sectors_erased, 0);
	assert_int_equal(talker_simple(talker, EXIT_XIP), 0);
}

static void test_commands_of_the_older_chip(void **state)
{
	static const struct {
		uint8_t id, size;
	} old[] = { { REBOOT, 12 }, { EXEC, 4 }, { VECTORIZE, 4 } };
	struct talker *talker = rp2350_begin_well(state, plain);
	for (size_t index = 0; index < ELEMENTSOF(old); index++) {
		const uint32_t arguments[4] = { RP2350_RAM, 0, 10 };
		assert_int_equal(
			talker_talk(talker, old[index].id, old[index].size, arguments, NULL, 0),
			-EPIPE);
		rp2350_assert_refused(talker, 1);
	}
	bench_advance(talker->bench, NSEC_PER_SEC);
	assert_int_equal(rp2040_mode(bench_rp2040(talker->board)), RP2040_BOOT);
	assert_int_equal(talker_counters(talker)->executions, 0);
}

static void test_checks_of_a_command(void **state)
{
	static const struct {
		uint8_t id, size;
		uint32_t transfer, code;
	} bad[] = { { 0x0e, 0, 0, 1 }, { 0x00, 0, 0, 1 }, { REBOOT2, 12, 0, 2 },
		{ REBOOT2, 16, 4, 3 }, { GET_INFO, 15, 64, 2 }, { GET_INFO, 16, 260, 3 },
		{ GET_INFO, 16, 62, 3 }, { OTP_READ, 5, 6, 3 }, { OTP_WRITE, 4, 8, 2 } };
	struct talker *talker = rp2350_begin_well(state, plain);
	for (size_t index = 0; index < ELEMENTSOF(bad); index++) {
		talker_send_command(talker, bad[index].id, bad[index].size, bad[index].transfer,
			(uint32_t[4]){ 2 << 16 });
		rp2350_assert_refused(talker, bad[index].code);
	}
}

static void test_an_erase_beyond_what_is_known_of_flash(void **state)
{
	struct talker *talker =
		rp2350_begin_well(state, (struct rp2040_options){ .flash_bytes = 16u << 20 });
	assert_int_equal(talker_erase(talker, FLASH + 0xfff000, 4096), 0);
	assert_int_equal(talker_erase(talker, FLASH + 0xfff000, 8192), -EPIPE);
	rp2350_assert_refused(talker, 10);
	assert_int_equal(talker_erase(talker, FLASH + 0x1000000, 4096), -EPIPE);
	rp2350_assert_refused(talker, 10);
	assert_int_equal(talker_erase(talker, FLASH + 0x1fff000, 8192), -EPIPE);
	rp2350_assert_refused(talker, 4);
	assert_int_equal(talker_counters(talker)->sectors_erased, 1);
}

/* --- the abort --------------------------------------------------------------------------- */

static void test_first_revision_without_exit_xip(void **state)
{
	static uint8_t image[256], back[256];
	memset(image, 0xa5, sizeof(image));
	struct talker *talker = rp2350_begin_raw(
		state, (struct rp2040_options){ .image = image, .image_bytes = sizeof(image) });
	uint64_t since = bench_now_nsec(talker->bench);
	assert_int_equal(talker_erase(talker, FLASH, 65536), 0);
	assert_int_equal(talker_status_code(talker), 0);
	assert_true(bench_now_nsec(talker->bench) - since < NSEC_PER_MSEC);
	assert_int_equal(talker_flash(talker)[0], 0xa5);
	assert_int_equal(talker_read_at(talker, FLASH, back, sizeof(back)), 0);
	assert_int_equal(back[0], 0);
	assert_int_equal(talker_simple(talker, EXIT_XIP), 0);
	assert_int_equal(talker_read_at(talker, FLASH, back, sizeof(back)), 0);
	assert_memory_equal(back, image, sizeof(image));
	since = bench_now_nsec(talker->bench);
	assert_int_equal(talker_erase(talker, FLASH, 8192), 0);
	talker_assert_took(talker, since, 0.09);
	assert_int_equal(talker_flash(talker)[0], 0xff);
}

static void test_last_revision_without_exit_xip(void **state)
{
	static uint8_t image[256];
	struct talker *talker = rp2350_begin_raw(
		state, (struct rp2040_options){
			       .image = image, .image_bytes = sizeof(image), .rom_revision = A4 });
	uint8_t back[4];
	assert_int_equal(talker_read_at(talker, 0x10, back, 4), 0);
	assert_memory_equal(back, "Mu\2\4", 4);
	assert_int_equal(talker_erase(talker, FLASH, 4096), 0);
	assert_int_equal(talker_flash(talker)[0], 0xff);
}

/* --- what it tells ----------------------------------------------------------------------- */

static int get_info(
	struct talker *talker, uint8_t type, uint32_t flags, uint32_t *words, size_t count)
{
	uint8_t bytes[256];
	int error =
		talker_talk(talker, GET_INFO, 16, (uint32_t[4]){ type, flags }, bytes, 4 * count);
	for (size_t index = 0; index < count; index++)
		words[index] = (uint32_t)bytes[4 * index] | (uint32_t)bytes[4 * index + 1] << 8 |
			       (uint32_t)bytes[4 * index + 2] << 16 |
			       (uint32_t)bytes[4 * index + 3] << 24;
	return error;
}

static void test_system_info(void **state)
{
	struct talker *talker = rp2350_begin_raw(state, plain);
	uint32_t words[64];
	assert_int_equal(get_info(talker, 1, 0x0001, words, 64), 0);
	static const uint32_t chip[] = { 4, 0x0001, 0, 0x456789ef, 0x0123abcd, 0 };
	assert_memory_equal(words, chip, sizeof(chip));
	assert_int_equal(get_info(talker, 1, 0x000e, words, 64), 0);
	static const uint32_t rest[] = { 4, 0x000e, 0, 0, 0x0c00, 0 };
	assert_memory_equal(words, rest, sizeof(rest));
	assert_int_equal(get_info(talker, 1, 0xffff, words, 16), 0);
	assert_int_equal(words[0], 15);
	assert_int_equal(words[1], 0x005f);
	assert_int_equal(words[3], 0x456789ef);
	assert_int_equal(words[7], 0x0c00);
	uint32_t again[16];
	assert_int_equal(get_info(talker, 1, 0xffff, again, 16), 0);
	assert_memory_equal(words, again, sizeof(again));
	assert_int_equal(get_info(talker, 1, 0x0001, words, 4), -EPIPE);
	rp2350_assert_refused(talker, 12);
	assert_int_equal(get_info(talker, 9, 0, words, 4), -EPIPE);
	rp2350_assert_refused(talker, 11);
}

static void test_the_last_revision_knows_its_package(void **state)
{
	struct talker *talker =
		rp2350_begin_raw(state, (struct rp2040_options){ .rom_revision = A4 });
	uint32_t words[8];
	assert_int_equal(get_info(talker, 1, 0x0001, words, 8), 0);
	assert_int_equal(words[2], 1);
}

static void test_without_a_partition_table(void **state)
{
	static const uint32_t table[] = { 4, 0x0001, 0, 0xffffe000, 0xfc070000, 0 };
	struct talker *talker = rp2350_begin_well(state, plain);
	uint32_t words[8];
	assert_int_equal(get_info(talker, 2, 0x0001, words, 8), 0);
	assert_memory_equal(words, table, sizeof(table));
	static const uint32_t families[] = { 0xe48bff57, 0xe48bff58, 0xe48bff59, 0xe48bff5a };
	for (size_t index = 0; index < ELEMENTSOF(families); index++) {
		assert_int_equal(get_info(talker, 3, families[index], words, 8), 0);
		assert_int_equal(words[0], 3);
		assert_int_equal(words[1], 0xff);
	}
	assert_int_equal(get_info(talker, 3, 0xe48bff56, words, 8), 0);
	assert_int_equal(words[1], 0xffffffff);
	assert_int_equal(get_info(talker, 4, 0, words, 8), 0);
	assert_int_equal(words[0], 4);
}

static void test_a_partition_table(void **state)
{
	static const uint32_t table[] = { 6, 0x0011, 0x101, 0x57ffe000, 0x54070000,
		16 | 511 << 13 | 0xfc000000, 0xfc070000, 0 };
	static const uint32_t one[] = { 3, 0x8010, 16 | 511 << 13 | 0xfc000000, 0xfc070000 };
	struct talker *talker = rp2350_begin_well(state, partitioned);
	uint32_t words[9];
	assert_int_equal(get_info(talker, 2, 0x0011, words, 9), 0);
	assert_memory_equal(words, table, sizeof(table));
	assert_int_equal(get_info(talker, 2, 0x8010, words, 9), 0);
	assert_memory_equal(words, one, sizeof(one));
	assert_int_equal(get_info(talker, 2, 0x01008010, words, 9), 0);
	assert_int_equal(words[0], 1);
	assert_int_equal(get_info(talker, 3, 0xe48bff59, words, 9), 0);
	assert_int_equal(words[1], 0);
	assert_int_equal(words[2], table[5]);
	assert_int_equal(get_info(talker, 3, 0xe48bff57, words, 9), 0);
	assert_int_equal(words[1], 0xffffffff);
}

static void test_permissions(void **state)
{
	static uint8_t page[256], back[256];
	struct talker *talker = rp2350_begin_well(state, partitioned);
	static const uint32_t outside[] = { 0, RP2350_PARTITION - 4096, 0x200000 };
	for (size_t index = 0; index < ELEMENTSOF(outside); index++) {
		assert_int_equal(talker_erase(talker, FLASH + outside[index], 4096), -EPIPE);
		rp2350_assert_refused(talker, 10);
		talker_write_at(talker, FLASH + outside[index], page, sizeof(page));
		rp2350_assert_refused(talker, 10);
		assert_int_equal(
			talker_read_at(talker, FLASH + outside[index], back, sizeof(back)), 0);
	}
	assert_int_equal(talker_erase(talker, FLASH + RP2350_PARTITION - 4096, 8192), -EPIPE);
	rp2350_assert_refused(talker, 10);
	assert_int_equal(talker_counters(talker)->sectors_erased, 0);
	assert_int_equal(talker_erase(talker, FLASH + RP2350_PARTITION, 8192), 0);
	assert_int_equal(talker_write_at(talker, FLASH + 0x1fff00, page, sizeof(page)), 0);
	assert_int_equal(talker_counters(talker)->sectors_erased, 2);
	assert_int_equal(talker_flash(talker)[0x1fff00], 0);
}

/* RP2350-E10 */
static void test_first_revision_misses_the_partitions(void **state)
{
	struct talker *talker = rp2350_begin_raw(state, partitioned);
	uint32_t words[8];
	assert_int_equal(get_info(talker, 3, 0xe48bff59, words, 8), 0);
	assert_int_equal(words[1], 0xff);
	assert_int_equal(talker_simple(talker, EXIT_XIP), 0);
	assert_int_equal(get_info(talker, 3, 0xe48bff59, words, 8), 0);
	assert_int_equal(words[1], 0);
}

static void test_looking_for_a_place_tramples_on_memory(void **state)
{
	static uint8_t bytes[256], back[256];
	struct talker *talker = rp2350_begin_well(state, plain);
	uint32_t words[8];
	assert_int_equal(talker_write_at(talker, RP2350_RAM + 0x40000, bytes, sizeof(bytes)), 0);
	assert_int_equal(get_info(talker, 3, 0xe48bff59, words, 8), 0);
	assert_int_equal(talker_read_at(talker, RP2350_RAM + 0x40000, back, sizeof(back)), 0);
	assert_memory_not_equal(bytes, back, sizeof(back));
}

static void test_otp(void **state)
{
	static const uint8_t id[10] = { 0xef, 0x89, 0x67, 0x45, 0xcd, 0xab, 0x23, 0x01 };
	struct talker *talker = rp2350_begin_raw(state, plain);
	uint8_t rows[20];
	assert_int_equal(
		talker_talk(talker, OTP_READ, 5, (uint32_t[4]){ 5 << 16, 1 }, rows, 10), 0);
	assert_memory_equal(rows, id, sizeof(id));
	assert_int_equal(
		talker_talk(talker, OTP_READ, 5, (uint32_t[4]){ 2 << 16 | 1, 0 }, rows, 8), 0);
	assert_memory_equal(rows, "\x67\x45\0\0\xcd\xab\0\0", 8);
	talker_talk(talker, OTP_READ, 5, (uint32_t[4]){ 2 << 16 | 0xffff, 1 }, rows, 4);
	rp2350_assert_refused(talker, 4);
	talker_talk(talker, OTP_WRITE, 5, (uint32_t[4]){ 1 << 16 | 0x40, 1 }, rows, 2);
	rp2350_assert_refused(talker, 10);
	assert_int_equal(talker_counters(talker)->commands_by_id[OTP_WRITE], 1);
}

#define TEST(function) cmocka_unit_test_teardown(function, talker_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_descriptors),
		TEST(test_descriptors_for_another_system),
		TEST(test_without_mass_storage),
		TEST(test_memory),
		TEST(test_the_drive),
		TEST(test_failures_are_owned_up_to),
		TEST(test_commands_of_the_older_chip),
		TEST(test_checks_of_a_command),
		TEST(test_an_erase_beyond_what_is_known_of_flash),
		TEST(test_first_revision_without_exit_xip),
		TEST(test_last_revision_without_exit_xip),
		TEST(test_system_info),
		TEST(test_the_last_revision_knows_its_package),
		TEST(test_without_a_partition_table),
		TEST(test_a_partition_table),
		TEST(test_permissions),
		TEST(test_first_revision_misses_the_partitions),
		TEST(test_looking_for_a_place_tramples_on_memory),
		TEST(test_otp),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
