/* SPDX-License-Identifier: MIT */
/* The face and firmware: boards that are only spoken of, several files at once, and what lies in
 * the store. */
#include "unit/expect.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "client/bus_json.h"
#include "client/described_board.h"
#include "client/verb.h"
#include "client/view.h"
#include "daemon/bus_put.h"
#include "unit/make_image.h"

/* ---- boards that are described ----------------------------------------------------------- */

static struct board_facts described(const char *text)
{
	struct board_facts board = { 0 };
	_cleanup_(problem_done) struct problem problem = { 0 };
	int r = described_board_parse(text, &board, &problem);
	if (r < 0)
		fail_msg("%s: %s", text, problem.sentence);
	return board;
}

static void every_word_lands_where_it_belongs(void **state)
{
	(void)state;
	struct board_facts board;
	_cleanup_(problem_done) struct problem problem = { 0 };
	board = (struct board_facts){ 0 };
	assert_int_equal(described_board_parse("chip=stm32g0b1,base=0x08002000,flash=512K,"
					       "transport=bridge,can=1000000,bootloader=katapult,"
					       "version=v0.13.0-420-g0a1b2c3d4",
				 &board, &problem),
		0);
	assert_int_equal(board.chip, CHIP_STM32G0B1);
	assert_true(board.has_application_start);
	assert_int_equal(board.application_start, 0x08002000);
	assert_int_equal(board.flash_size_bytes, 512 << 10);
	assert_int_equal(board.reach, TRANSPORT_BRIDGE);
	assert_int_equal(board.can_bitrate, 1000000);
	assert_int_equal(board.bootloader, BOOTLOADER_KATAPULT);
	assert_true(board.running.is_known);
	assert_string_equal(board.running.version, "v0.13.0-420-g0a1b2c3d4");
}

static void numbers_may_be_written_in_several_ways(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint64_t flash;
		uint32_t start, bitrate;
	} cases[] = {
		{ "chip=rp2040,flash=2M", 2 << 20, 0, 0 },
		{ "chip=rp2040,flash=16M", 16 << 20, 0, 0 },
		{ "chip=rp2040,flash=0x200000", 2 << 20, 0, 0 },
		{ "chip=stm32f446xx,base=134250496", 0, 0x08008000, 0 },
		{ "chip=linux,base=0", 0, 0, 0 },
		{ "chip=rp2040,can=500K", 0, 0, 500000 },
		{ "chip=rp2040,can=1M", 0, 0, 1000000 },
	};
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		struct board_facts board = described(cases[i].text);
		assert_int_equal(board.flash_size_bytes, cases[i].flash);
		assert_int_equal(board.application_start, cases[i].start);
		assert_int_equal(board.can_bitrate, cases[i].bitrate);
	}
}

static void a_bus_that_is_named_is_how_the_board_is_reached(void **state)
{
	(void)state;
	struct board_facts can = described("chip=stm32g0b1,can=1000000");
	assert_int_equal(can.reach, TRANSPORT_CAN);
	struct board_facts bridge = described("chip=stm32g0b1,transport=bridge,can=1000000");
	assert_int_equal(bridge.reach, TRANSPORT_BRIDGE);
}

static void the_last_word_counts(void **state)
{
	(void)state;
	struct board_facts board = described("chip=rp2350,version=1,chip=rp2040,version=2");
	assert_int_equal(board.chip, CHIP_RP2040);
	assert_string_equal(board.running.version, "2");
}

static void a_wrong_word_is_refused_with_what_is_wanted(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{ "base=0x08002000", "wanted is at least a chip" },
		{ "chip=", "\"chip=\": wanted is a chip" },
		{ "chip=stm32", "\"chip=stm32\": wanted is a chip, as rp2040" },
		{ "chip=unknown", "wanted is a chip" },
		{ "chip=rp2040,", "\"\": wanted is KEY=VALUE" },
		{ "chip=rp2040,,flash=2M", "\"\": wanted is KEY=VALUE" },
		{ "chip=rp2040,colour=red", "where KEY is chip, base, flash, transport, can" },
		{ "chip=rp2040,chi=rp2040", "\"chi=rp2040\": wanted is KEY=VALUE" },
		{ "chip=rp2040,=", "\"=\": wanted is KEY=VALUE" },
		{ "chip=rp2040,flash", "\"flash\": wanted is KEY=VALUE" },
		{ "chip=rp2040,base=", "\"base=\": wanted is the address" },
		{ "chip=rp2040,base=0x", "wanted is the address" },
		{ "chip=rp2040,base=0x-5", "wanted is the address" },
		{ "chip=rp2040,base=-1", "wanted is the address" },
		{ "chip=rp2040,base=+1", "wanted is the address" },
		{ "chip=rp2040,base=8K", "wanted is the address" },
		{ "chip=rp2040,base=0x100000000", "wanted is the address" },
		{ "chip=rp2040,base=99999999999999999999999", "wanted is the address" },
		{ "chip=rp2040,base=08002000h", "wanted is the address" },
		{ "chip=rp2040,flash=0", "wanted is the size of the flash" },
		{ "chip=rp2040,flash=17M", "wanted is the size of the flash" },
		{ "chip=rp2040,flash=2MB", "wanted is the size of the flash" },
		{ "chip=rp2040,flash=18014398509481985K", "wanted is the size of the flash" },
		{ "chip=rp2040,transport=wifi", "wanted is usb, uart, can or bridge" },
		{ "chip=rp2040,transport=unknown", "wanted is usb, uart, can or bridge" },
		{ "chip=rp2040,can=0", "wanted is the bitrate" },
		{ "chip=rp2040,can=8000001", "wanted is the bitrate" },
		{ "chip=rp2040,bootloader=dfu", "wanted is none, katapult or other" },
		{ "chip=rp2040,bootloader=unknown", "wanted is none, katapult or other" },
		{ "chip=rp2040,version=", "wanted is a version" },
		{ "chip=\033[31m", "\"chip=\\x1b[31m\": wanted is a chip" },
	};
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		struct board_facts board = { 0 };
		_cleanup_(problem_done) struct problem problem = { 0 };
		assert_true(described_board_parse(cases[i][0], &board, &problem) < 0);
		assert_int_equal(problem.exit_code, EXIT_USAGE);
		assert_true(text_is_plain(problem.sentence));
		if (!strstr(problem.sentence, cases[i][1]))
			fail_msg("%s: \"%s\" is not in: %s", cases[i][0], cases[i][1],
				problem.sentence);
	}
}

/* ---- over the bus and back --------------------------------------------------------------- */

/* A bus that leads nowhere: messages want one to belong to. */
struct dead_end {
	sd_bus *bus;
	int far_end;
	sd_bus_message *message;
};

static void dead_end_open(struct dead_end *end)
{
	int sockets[2];
	assert_return_code(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), errno);
	end->far_end = sockets[1];
	assert_true(sd_bus_new(&end->bus) >= 0);
	assert_true(sd_bus_set_fd(end->bus, sockets[0], sockets[0]) >= 0);
	assert_true(sd_bus_start(end->bus) >= 0);
	assert_true(sd_bus_message_new_signal(
			    end->bus, &end->message, "/a", "org.example.Test", "Signal") >= 0);
}

static void dead_end_done(struct dead_end *end)
{
	sd_bus_message_unref(end->message);
	sd_bus_close_unref(end->bus);
	safe_close(end->far_end);
}

/* What was put into the message, as if it had just come in. */
static cJSON *arrived(const struct dead_end *end)
{
	cJSON *body = NULL;
	assert_true(sd_bus_message_seal(end->message, 1, 0) >= 0);
	assert_int_equal(bus_json_read(end->message, &body), 0);
	return body;
}

/* What the service would refuse a board for, inspect knows too. */
static void what_a_probe_found_is_judged_by(void **state)
{
	(void)state;
	const struct board_facts found = {
		.chip = CHIP_RP2350,
		.flash_size_bytes = 4 << 20,
		.is_partitioned = true,
		.refusals = REFUSES_UNSIGNED | REFUSES_RISCV,
	};
	_cleanup_(dead_end_done) struct dead_end end = { 0 };
	struct board_facts board = { 0 };
	dead_end_open(&end);
	assert_true(sd_bus_message_open_container(end.message, SD_BUS_TYPE_ARRAY, "{sv}") >= 0);
	assert_true(bus_put_string(end.message, "mode", "rp2350-boot") >= 0);
	assert_true(bus_put_facts(end.message, &found) >= 0);
	assert_true(sd_bus_message_close_container(end.message) >= 0);
	_cleanup_(json_deletep) cJSON *explanation = arrived(&end);
	described_board_adopt(&board, explanation);
	assert_int_equal(board.chip, CHIP_RP2350);
	assert_int_equal(board.flash_size_bytes, 4 << 20);
	assert_true(board.is_partitioned);
	assert_int_equal(board.refusals, found.refusals);
	assert_int_equal(board.reach, TRANSPORT_USB);
}

static void a_board_in_dfu_is_judged_by_the_chips_that_it_may_have(void **state)
{
	(void)state;
	const struct board_facts found = {
		.possible_chips = chip_bit(CHIP_STM32F401) | chip_bit(CHIP_STM32F446),
		.flash_size_bytes = 512 << 10,
		.has_application_start = true,
		.application_start = 0x08008000,
		.bootloader = BOOTLOADER_OTHER,
		.is_read_protected = true,
	};
	_cleanup_(dead_end_done) struct dead_end end = { 0 };
	struct board_facts board = { 0 };
	dead_end_open(&end);
	assert_true(sd_bus_message_open_container(end.message, SD_BUS_TYPE_ARRAY, "{sv}") >= 0);
	assert_true(bus_put_string(end.message, "mode", "dfu") >= 0);
	assert_true(bus_put_facts(end.message, &found) >= 0);
	assert_true(sd_bus_message_close_container(end.message) >= 0);
	_cleanup_(json_deletep) cJSON *explanation = arrived(&end);
	described_board_adopt(&board, explanation);
	assert_int_equal(board.chip, CHIP_UNKNOWN);
	assert_true(board.possible_chips == found.possible_chips);
	assert_true(board.has_application_start && board.is_read_protected);
	assert_int_equal(board.application_start, 0x08008000);
	assert_int_equal(board.bootloader, BOOTLOADER_OTHER);
}

static void an_answer_that_says_nothing_is_a_board_of_which_nothing_is_known(void **state)
{
	(void)state;
	struct board_facts board = { 0 };
	_cleanup_(json_deletep) cJSON *empty = cJSON_Parse("{\"chip\":\"z80\",\"mode\":3}");
	described_board_adopt(&board, empty);
	static const struct board_facts nothing;
	assert_memory_equal(&board, &nothing, sizeof(nothing));
}

static void put_file(const struct dead_end *end, struct store_entry *entry)
{
	assert_true(bus_put_firmware(end->message, entry) >= 0);
}

/* A file that is used, one that is not, and one of which little is known. */
static cJSON *listed_files(const struct dead_end *end)
{
	_cleanup_(reasons_done) struct reasons reasons = { 0 };
	assert_int_equal(reasons_add(&reasons, REASON_FIRMWARE_PERMISSIONS,
				 "/f/evil.bin: others could change it"),
		0);
	struct store_entry good = {
		.path = (char *)"/f/klipper \033[31m.uf2",
		.status = { .st_size = 131072 },
		.format = FORMAT_UF2,
		.byte_count = 65536,
		.says = { .kind = KIND_KLIPPER,
			.has_klipper = true,
			.klipper = { .application = (char *)"Klipper",
				.version = (char *)"v0.13.0",
				.mcu = (char *)"rp2040",
				.transport = TRANSPORT_CAN,
				.can_bitrate = 1000000 },
			.chip = CHIP_RP2040,
			.chip_sign = CHIP_SIGN_DICTIONARY,
			.link = { .is_proved = true, .base = 0x10004000 } },
	};
	struct store_entry evil = {
		.path = (char *)"/f/evil.bin", .status = { .st_size = 777 }, .reasons = reasons
	};
	struct store_entry plain = {
		.path = (char *)"/f/plain.bin", .format = FORMAT_BIN, .byte_count = 2048
	};
	assert_true(sd_bus_message_open_container(end->message, SD_BUS_TYPE_ARRAY, "a{sv}") >= 0);
	put_file(end, &good);
	put_file(end, &evil);
	put_file(end, &plain);
	assert_true(sd_bus_message_close_container(end->message) >= 0);
	return arrived(end);
}

static void a_list_of_firmware_says_what_and_why_not(void **state)
{
	(void)state;
	_cleanup_(dead_end_done) struct dead_end end = { 0 };
	dead_end_open(&end);
	_cleanup_(json_deletep) cJSON *files = listed_files(&end);
	assert_int_equal(cJSON_GetArraySize(files), 3);
	const cJSON *good = cJSON_GetArrayItem(files, 0), *evil = cJSON_GetArrayItem(files, 1);
	assert_true(json_flag(good, "usable"));
	assert_string_equal(json_text(good, "path"), "/f/klipper \\x1b[31m.uf2");
	assert_string_equal(json_text(good, "format"), "uf2");
	assert_string_equal(json_text(good, "chip"), "rp2040");
	assert_string_equal(json_text(good, "version"), "v0.13.0");
	assert_string_equal(json_text(good, "transport"), "can");
	assert_true(json_number(good, "link_address") == 0x10004000);
	assert_true(json_number(good, "can_bitrate") == 1000000);
	assert_int_equal(strlen(json_text(good, "image_sha256")), 64);
	assert_false(json_flag(evil, "usable"));
	assert_string_equal(json_text(evil, "reason"), "firmware-permissions");
	assert_true(json_number(evil, "file_bytes") == 777);
	assert_null(cJSON_GetObjectItem(evil, "format"));
	assert_null(cJSON_GetObjectItem(cJSON_GetArrayItem(files, 2), "chip"));
}

/* ---- what is printed --------------------------------------------------------------------- */

struct paper {
	char *text;
	size_t length;
	struct output output;
};

static void paper_open(struct paper *paper)
{
	paper->output = (struct output){ .stream = open_memstream(&paper->text, &paper->length) };
	assert_non_null(paper->output.stream);
}

static void paper_done(struct paper *paper)
{
	if (paper->output.stream)
		fclose(paper->output.stream);
	free(paper->text);
}

static const char *printed(struct paper *paper)
{
	fflush(paper->output.stream);
	return paper->text;
}

static void a_list_of_firmware_reads_as_a_table(void **state)
{
	(void)state;
	_cleanup_(dead_end_done) struct dead_end end = { 0 };
	_cleanup_(paper_done) struct paper paper = { 0 };
	dead_end_open(&end);
	paper_open(&paper);
	_cleanup_(json_deletep) cJSON *files = listed_files(&end);
	view_firmware(&paper.output, files);
	assert_string_equal(printed(&paper),
		"FILE                  CHIP                  FIRMWARE  VERSION  AT          TALKS      SIZE\n"
		"klipper \\x1b[31m.uf2  rp2040                Klipper   v0.13.0  0x10004000  can 1000k  64 KiB\n"
		"evil.bin              firmware-permissions                                            777 B\n"
		"     /f/evil.bin: others could change it\n"
		"plain.bin                                   program                                   2.0 KiB\n");
}

static void an_empty_store_says_where_firmware_belongs(void **state)
{
	(void)state;
	_cleanup_(paper_done) struct paper paper = { 0 };
	_cleanup_(json_deletep) cJSON *files = cJSON_CreateArray();
	paper_open(&paper);
	view_firmware(&paper.output, files);
	assert_non_null(strstr(printed(&paper), "No firmware is there."));
}

/* ---- several files ----------------------------------------------------------------------- */

struct desk {
	char directory[64];
	char *paths[3];
	struct request request;
	struct paper paper;
};

static void desk_put(
	struct desk *desk, size_t at, const char *name, const void *bytes, size_t length)
{
	desk->paths[at] = text_format("%s/%s", desk->directory, name);
	_cleanup_(fclosep) FILE *file = fopen(desk->paths[at], "we");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, length, file), length);
}

/* Two files for an RP2040, of which one would not start, and one for an STM32 behind 32 KiB. */
static int desk_open(void **state)
{
	struct desk *desk = calloc(1, sizeof(*desk));
	assert_non_null(desk);
	strcpy(desk->directory, "/tmp/plugflash-inspect-XXXXXX");
	assert_non_null(mkdtemp(desk->directory));
	_cleanup_(freep) uint8_t *good = make_bin(5000, 1);
	_cleanup_(freep) uint8_t *other = make_offset_bin(0x08008000, 5000, 1);
	desk_put(desk, 0, "good.bin", good, 5000);
	good[3] ^= 1;
	desk_put(desk, 1, "bad.bin", good, 5000);
	desk_put(desk, 2, "stm32.bin", other, 5000);
	paper_open(&desk->paper);
	desk->request = (struct request){ .output = &desk->paper.output, .json = true };
	*state = desk;
	return 0;
}

static int desk_close(void **state)
{
	struct desk *desk = *state;
	_cleanup_(freep) char *command = text_format("rm -rf %s", desk->directory);
	for (size_t i = 0; i < ELEMENTSOF(desk->paths); i++)
		free(desk->paths[i]);
	problem_done(&desk->request.problem);
	paper_done(&desk->paper);
	free(desk);
	return system(command);
}

static int inspect(struct desk *desk, char **paths, size_t count)
{
	desk->request.arguments = paths;
	desk->request.argument_count = count;
	return verb_inspect(&desk->request);
}

static void several_files_are_one_object_a_line(void **state)
{
	struct desk *desk = *state;
	assert_int_equal(inspect(desk, desk->paths, 3), EXIT_NO);
	char *rest = (char *)printed(&desk->paper);
	static const char *const fits[] = { "good.bin", "bad.bin", "stm32.bin" };
	for (size_t i = 0; i < 3; i++) {
		_cleanup_(json_deletep) cJSON *answer = cJSON_Parse(strsep(&rest, "\n"));
		assert_non_null(answer);
		assert_non_null(strstr(json_text(answer, "file"), fits[i]));
		assert_int_equal(json_flag(answer, "fits"), i == 0);
	}
	assert_string_equal(rest, "");
}

static void the_answer_is_no_when_one_does_not_fit(void **state)
{
	struct desk *desk = *state;
	desk->request.for_board = "chip=rp2040,flash=2M";
	char *twice[] = { desk->paths[0], desk->paths[0] };
	assert_int_equal(inspect(desk, twice, 2), EXIT_YES);
	char *mixed[] = { desk->paths[1], desk->paths[0] };
	assert_int_equal(inspect(desk, mixed, 2), EXIT_NO);
}

static void a_file_that_is_not_there_ends_it(void **state)
{
	struct desk *desk = *state;
	char *paths[] = { desk->paths[0], (char *)"/nonexistent", desk->paths[1] };
	assert_true(inspect(desk, paths, 3) < 0);
	assert_string_equal(desk->request.problem.code, "file-unreadable");
	assert_non_null(strstr(desk->request.problem.sentence, "/nonexistent"));
	assert_non_null(strstr(printed(&desk->paper), "good.bin"));
}

static void what_is_no_file_is_told_so(void **state)
{
	struct desk *desk = *state;
	_cleanup_(freep) char *fifo = text_format("%s/fifo", desk->directory);
	assert_int_equal(mkfifo(fifo, 0644), 0);
	char *paths[] = { fifo, desk->directory };
	for (size_t i = 0; i < ELEMENTSOF(paths); i++) {
		assert_true(inspect(desk, &paths[i], 1) < 0);
		assert_non_null(strstr(desk->request.problem.sentence, "it is no file"));
		problem_done(&desk->request.problem);
	}
}

static void expect_verdict(struct desk *desk, const char *board, const char *code)
{
	char *path = desk->paths[2];
	size_t before = desk->paper.length;
	desk->request.for_board = board;
	assert_int_equal(inspect(desk, &path, 1), *code ? EXIT_NO : EXIT_YES);
	_cleanup_(json_deletep) cJSON *answer = cJSON_Parse(printed(&desk->paper) + before);
	const cJSON *reason = json_list(answer, "reasons")->child;
	assert_string_equal(reason ? json_text(reason, "code") : "", code);
}

static void the_board_that_is_described_decides(void **state)
{
	struct desk *desk = *state;
	expect_verdict(desk, NULL, "image-chip-unknown");
	expect_verdict(desk, "chip=rp2040,flash=2M", "wrong-chip");
	expect_verdict(desk, "chip=stm32f446,base=0x08008000", "image-chip-unknown");
}

static void a_wrong_description_is_told_before_any_file(void **state)
{
	struct desk *desk = *state;
	desk->request.for_board = "chip=z80";
	assert_true(inspect(desk, desk->paths, 3) < 0);
	assert_int_equal(desk->request.problem.exit_code, EXIT_USAGE);
	assert_string_equal(printed(&desk->paper), "");
}

static void several_files_read_one_below_the_other(void **state)
{
	struct desk *desk = *state;
	desk->request.json = false;
	assert_int_equal(inspect(desk, desk->paths, 2), EXIT_NO);
	const char *text = printed(&desk->paper);
	assert_non_null(strstr(text, "fits an rp2040, if that has flash enough\n\n/tmp/"));
	assert_non_null(strstr(text, "bad.bin\n  format     bin, 4.9 KiB of firmware"));
	assert_int_equal(text[strlen(text) - 1], 10);
	assert_null(strstr(text, "\n\n\n"));
}

#define STORY(function) cmocka_unit_test_setup_teardown(function, desk_open, desk_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_word_lands_where_it_belongs),
		cmocka_unit_test(numbers_may_be_written_in_several_ways),
		cmocka_unit_test(a_bus_that_is_named_is_how_the_board_is_reached),
		cmocka_unit_test(the_last_word_counts),
		cmocka_unit_test(a_wrong_word_is_refused_with_what_is_wanted),
		cmocka_unit_test(what_a_probe_found_is_judged_by),
		cmocka_unit_test(an_answer_that_says_nothing_is_a_board_of_which_nothing_is_known),
		cmocka_unit_test(a_list_of_firmware_says_what_and_why_not),
		cmocka_unit_test(a_list_of_firmware_reads_as_a_table),
		cmocka_unit_test(an_empty_store_says_where_firmware_belongs),
		STORY(several_files_are_one_object_a_line),
		STORY(the_answer_is_no_when_one_does_not_fit),
		STORY(a_file_that_is_not_there_ends_it),
		STORY(what_is_no_file_is_told_so),
		STORY(the_board_that_is_described_decides),
		STORY(a_wrong_description_is_told_before_any_file),
		STORY(several_files_read_one_below_the_other),
		cmocka_unit_test(a_board_in_dfu_is_judged_by_the_chips_that_it_may_have),
	};
	return cmocka_run_group_tests_name("inspect", tests, NULL, NULL);
}
