/* SPDX-License-Identifier: MIT */
/*
 * The face: what the service says arrives as JSON and nothing foreign raw, tables and bars keep
 * their columns, and every way in which nobody answers ends in a sentence that helps.
 */
#include "unit/expect.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/names.h"
#include "client/bus_json.h"
#include "client/finding.h"
#include "client/service.h"
#include "client/verb.h"
#include "client/view.h"
#include "daemon/bus_put.h"
#include "unit/make_image.h"

static struct device board = {
	.place = (char *)"pci-0000:00:14.0-usb-0:1.3",
	.port = (char *)"1-1.3",
	.mode = MODE_RP2040_BOOT,
	.vid = 0x2e8a,
	.pid = 0x0003,
	.serial = (char *)"E0C9125B0D9B",
	.manufacturer = (char *)"Raspberry Pi",
	.product = (char *)"RP2 Boot",
};

/* ---- the walker ------------------------------------------------------------------------- */

static int far_end = -1; /* nobody reads there */

/* A bus that leads nowhere: messages want one to belong to. */
static sd_bus *dead_end(void)
{
	sd_bus *bus;
	int sockets[2];
	assert_return_code(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), errno);
	far_end = sockets[1];
	assert_true(sd_bus_new(&bus) >= 0);
	assert_true(sd_bus_set_fd(bus, sockets[0], sockets[0]) >= 0);
	assert_true(sd_bus_start(bus) >= 0);
	return bus;
}

static void dead_endp(sd_bus **bus)
{
	*bus = sd_bus_close_unref(*bus);
	far_end = safe_close(far_end);
}

static sd_bus_message *new_message(sd_bus *bus)
{
	sd_bus_message *message;
	assert_true(
		sd_bus_message_new_signal(bus, &message, "/a", "org.example.Test", "Signal") >= 0);
	return message;
}

/* Reads a message as if it had just come in, and releases it. */
static int read_back(sd_bus_message *message, cJSON **ret)
{
	assert_true(sd_bus_message_seal(message, 1, 0) >= 0);
	int r = bus_json_read(message, ret);
	sd_bus_message_unref(message);
	return r;
}

static void a_device_arrives_with_its_keys(void **state)
{
	(void)state;
	_cleanup_(dead_endp) sd_bus *bus = dead_end();
	_cleanup_(json_deletep) cJSON *device = NULL;
	sd_bus_message *message = new_message(bus);
	assert_true(bus_put_device(message, &board) >= 0);
	assert_int_equal(read_back(message, &device), 0);
	assert_string_equal(json_text(device, "place"), board.place);
	assert_string_equal(json_text(device, "vid_pid"), "2e8a:0003");
	assert_false(json_flag(device, "was_present"));
	assert_true(cJSON_IsFalse(cJSON_GetObjectItem(device, "was_present")));
	assert_true(view_is_board(device));
}

static void a_job_keeps_its_numbers(void **state)
{
	(void)state;
	_cleanup_(dead_endp) sd_bus *bus = dead_end();
	_cleanup_(json_deletep) cJSON *body = NULL;
	struct job job = {
		.id = 42,
		.device = &board,
		.state = JOB_DONE,
		.outcome = OUTCOME_FLASHED,
		.image_path = (char *)"/var/lib/plugflash/firmware/widget.uf2",
		.verification = VERIFY_READBACK,
		.application = (char *)"2e8a:000a",
		.ended_usec = 1200000,
		.tally = { .bytes_written = 0xFFFFFFFFFull },
	};
	sd_bus_message *message = new_message(bus);
	assert_true(sd_bus_message_append(message, "t", job.id) >= 0);
	assert_true(bus_put_job(message, &job) >= 0);
	assert_int_equal(read_back(message, &body), 0);
	assert_true(cJSON_IsArray(body)); /* several arguments */
	const cJSON *told = cJSON_GetArrayItem(body, 1);
	assert_true(json_number(told, "bytes_written") == (double)0xFFFFFFFFFull);
	_cleanup_(freep) char *sentence = view_job_sentence(told);
	assert_string_equal(
		sentence, "flashed widget.uf2, verified by readback, 1.2 s; runs as 2e8a:000a");
}

static void what_will_be_done_and_what_was_done_have_names_of_their_own(void **state)
{
	(void)state;
	_cleanup_(dead_endp) sd_bus *bus = dead_end();
	_cleanup_(json_deletep) cJSON *body = NULL;
	struct job job = {
		.device = &board,
		.state = JOB_DONE,
		.has_facts = true,
		.facts = { .chip = CHIP_STM32F446, .chip_origin = CHIP_FROM_SIGHTING },
		.has_plan = true,
		.plan = { .units_total = 3,
			.units_erased = 2,
			.units_blank = 1,
			.sentence = "0x08000000: erase and write" },
		.tally = { .units_total = 3, .units_erased = 1 },
	};
	sd_bus_message *message = new_message(bus);
	assert_true(bus_put_job(message, &job) >= 0);
	assert_int_equal(read_back(message, &body), 0);
	assert_string_equal(json_text(body, "plan"), job.plan.sentence);
	assert_string_equal(json_text(body, "chip_from"), "seen-before");
	assert_true(json_number(body, "plan_units_erased") == 2);
	assert_true(json_number(body, "plan_units_blank") == 1);
	assert_true(json_number(body, "units_erased") == 1);
}

static void the_chips_that_a_board_may_have_are_read_aloud(void **state)
{
	(void)state;
	static const struct {
		const char *board, *text;
	} boards[] = {
		{ "{}", "" },
		{ "{\"chip\":\"unknown\"}", "unknown" },
		{ "{\"chip\":\"rp2040\"}", "rp2040" },
		{ "{\"chip\":\"stm32f446\",\"possible_chips\":[\"stm32f401\",\"stm32f446\"]}",
			"stm32f446" },
		{ "{\"chip\":\"unknown\",\"possible_chips\":[\"stm32f401\",\"stm32f446\"]}",
			"stm32f401 or stm32f446" },
	};
	for (size_t i = 0; i < ELEMENTSOF(boards); i++) {
		_cleanup_(json_deletep) cJSON *object = cJSON_Parse(boards[i].board);
		_cleanup_(freep) char *text = view_chip(object);
		assert_string_equal(text, boards[i].text);
	}
}

static void every_type_has_a_value(void **state)
{
	(void)state;
	_cleanup_(dead_endp) sd_bus *bus = dead_end();
	_cleanup_(json_deletep) cJSON *body = NULL;
	sd_bus_message *message = new_message(bus);
	assert_true(sd_bus_message_append(message, "ybnqiuxtdogv(sb)as", 200, 1, -2, 65535, -3, 7u,
			    (int64_t)-4, (uint64_t)5, 1.5, "/a/b", "a{sv}", "s", "in", "st", 0, 2,
			    "one", "two") >= 0);
	assert_true(sd_bus_message_append(message, "a{us}", 1, 7u, "seven") >= 0);
	assert_int_equal(read_back(message, &body), 0);
	_cleanup_(freep) char *text = cJSON_PrintUnformatted(body);
	assert_string_equal(text,
		"[200,true,-2,65535,-3,7,-4,5,1.5,\"/a/b\",\"a{sv}\",\"in\",[\"st\",false],"
		"[\"one\",\"two\"],{\"7\":\"seven\"}]");
}

static void an_empty_message_is_null(void **state)
{
	(void)state;
	_cleanup_(dead_endp) sd_bus *bus = dead_end();
	_cleanup_(json_deletep) cJSON *body = NULL;
	assert_int_equal(read_back(new_message(bus), &body), 0);
	assert_true(cJSON_IsNull(body));
}

static void nothing_foreign_stays_raw(void **state)
{
	(void)state;
	_cleanup_(dead_endp) sd_bus *bus = dead_end();
	_cleanup_(json_deletep) cJSON *body = NULL;
	sd_bus_message *message = new_message(bus);
	assert_true(sd_bus_message_append(message, "a{sv}", 2, "k\033[2J", "s",
			    "v\n\xc2\x9b"
			    "31m",
			    "plain", "s", "C:\\größe") >= 0);
	assert_int_equal(read_back(message, &body), 0);
	_cleanup_(freep) char *text = cJSON_PrintUnformatted(body);
	assert_true(text_is_plain(text));
	assert_string_equal(json_text(body, "k\\x1b[2J"), "v\\x0a\\xc2\\x9b31m");
	assert_string_equal(json_text(body, "plain"), "C:\\größe"); /* plain is left alone */
}

static void a_reply_without_a_floor_is_refused(void **state)
{
	(void)state;
	_cleanup_(dead_endp) sd_bus *bus = dead_end();
	cJSON *body = NULL;
	sd_bus_message *message = new_message(bus);
	for (int i = 0; i < 30; i++)
		assert_true(sd_bus_message_open_container(
				    message, SD_BUS_TYPE_VARIANT, i < 29 ? "v" : "u") >= 0);
	assert_true(sd_bus_message_append(message, "u", 1u) >= 0);
	for (int i = 0; i < 30; i++)
		assert_true(sd_bus_message_close_container(message) >= 0);
	assert_int_equal(read_back(message, &body), -EBADMSG);
	assert_null(body);
}

/* ---- nobody answers --------------------------------------------------------------------- */

/* A service that refuses each method in another way. */
static int refuse(sd_bus_message *call, void *context, sd_bus_error *error)
{
	(void)context, (void)error;
	static const struct {
		const char *method, *name, *message;
	} errors[] = {
		{ "Reload", SD_BUS_ERROR_ACCESS_DENIED, "Rejected send message" },
		{ "Status", SD_BUS_ERROR_ACCESS_DENIED, "Rejected send message" },
		{ "ListJobs", SD_BUS_ERROR_SERVICE_UNKNOWN, "The name was not provided" },
		{ "ListDevices", "org.freedesktop.systemd1.NoSuchUnit", "not found" },
		{ "Explain", NAME_BUS ".Error.NoBoard", "Nothing at \033[31mthere" },
		{ "Check", "org.example.Strange", "strange" },
	};
	for (size_t i = 0; i < ELEMENTSOF(errors); i++)
		if (sd_bus_message_is_method_call(call, NULL, errors[i].method))
			return sd_bus_reply_method_errorf(
				call, errors[i].name, "%s", errors[i].message);
	return sd_bus_reply_method_return(call, "as", 2, "a", "b");
}

static void serve(int socket)
{
	sd_bus *bus;
	sd_id128_t id;
	if (sd_bus_new(&bus) < 0 || sd_bus_set_fd(bus, socket, socket) < 0 ||
		sd_id128_randomize(&id) < 0 || sd_bus_set_server(bus, true, id) < 0 ||
		sd_bus_add_filter(bus, NULL, refuse, NULL) < 0 || sd_bus_start(bus) < 0)
		_exit(1);
	while (sd_bus_process(bus, NULL) >= 0 && sd_bus_wait(bus, UINT64_MAX) >= 0)
		continue;
	_exit(0);
}

struct peer {
	pid_t pid;
	sd_bus *bus;
};

static int peer_start(void **state)
{
	static struct peer peer;
	int sockets[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0)
		return -1;
	peer.pid = fork();
	if (peer.pid < 0)
		return -1;
	if (peer.pid == 0) {
		close(sockets[0]);
		serve(sockets[1]);
	}
	close(sockets[1]);
	*state = &peer;
	return sd_bus_new(&peer.bus) < 0 || sd_bus_set_fd(peer.bus, sockets[0], sockets[0]) < 0 ||
			       sd_bus_start(peer.bus) < 0
		       ? -1
		       : 0;
}

static int peer_end(void **state)
{
	struct peer *peer = *state;
	sd_bus_flush_close_unref(peer->bus);
	kill(peer->pid, SIGKILL);
	return waitpid(peer->pid, NULL, 0) < 0 ? -1 : 0;
}

static void expect_problem(
	sd_bus *bus, const char *method, int exit_code, const char *code, const char *words)
{
	_cleanup_(problem_done) struct problem problem = { 0 };
	cJSON *reply = NULL;
	assert_true(service_call(bus, method, NULL, &reply, &problem) < 0);
	assert_null(reply);
	assert_int_equal(problem.exit_code, exit_code);
	assert_string_equal(problem.code, code);
	assert_true(text_is_plain(problem.sentence));
	assert_non_null(strstr(problem.sentence, words));
}

static void every_refusal_says_what_to_do(void **state)
{
	sd_bus *bus = ((struct peer *)*state)->bus;
	expect_problem(bus, "Reload", 3, "access-denied", "sudo plugflash reload");
	expect_problem(bus, "Status", 3, "access-denied", "usermod -aG plugflash");
	expect_problem(bus, "ListJobs", 3, "not-running", "systemctl enable --now");
	expect_problem(bus, "ListDevices", 3, "not-running", "systemctl enable --now");
	expect_problem(bus, "Explain", 2, "no-board", "\\x1b[31mthere");
	expect_problem(bus, "Check", 3, "failed", "strange");
}

static void an_answer_comes_through(void **state)
{
	sd_bus *bus = ((struct peer *)*state)->bus;
	_cleanup_(problem_done) struct problem problem = { 0 };
	_cleanup_(json_deletep) cJSON *reply = NULL;
	assert_int_equal(service_call(bus, "Whatever", "argument", &reply, &problem), 0);
	assert_int_equal(cJSON_GetArraySize(reply), 2);
	assert_null(problem.code);
}

static void without_a_bus_there_is_a_sentence(void **state)
{
	(void)state;
	_cleanup_(problem_done) struct problem problem = { 0 };
	_cleanup_(service_closep) sd_bus *bus = NULL;
	setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus", 1);
	assert_true(service_open(&bus, &problem) < 0);
	assert_int_equal(problem.exit_code, EXIT_UNREACHABLE);
	assert_string_equal(problem.code, "no-bus");
}

static void the_first_problem_is_kept(void **state)
{
	(void)state;
	_cleanup_(problem_done) struct problem problem = { 0 };
	problem_set(&problem, EXIT_USAGE, "first", "the %s", "cause");
	problem_set(&problem, EXIT_UNREACHABLE, "second", "what followed");
	assert_string_equal(problem.code, "first");
	assert_string_equal(problem.sentence, "the cause");
}

/* ---- columns ---------------------------------------------------------------------------- */

/* What was printed. */
struct paper {
	char *text;
	size_t length;
	struct output output;
};

static void paper_open(struct paper *paper)
{
	paper->output = (struct output){ .stream = open_memstream(&paper->text, &paper->length),
		.has_unicode = true };
	assert_non_null(paper->output.stream);
}

static void paper_done(struct paper *paper)
{
	if (paper->output.stream)
		fclose(paper->output.stream);
	free(paper->text);
}

static void widths_count_characters(void **state)
{
	(void)state;
	char text[] = "größe █";
	assert_int_equal(output_width(text), 7);
	output_cut(text, 4);
	assert_string_equal(text, "größ");
	output_cut(text, 0);
	assert_string_equal(text, "");
}

static void tables_align_and_leave_out_the_empty(void **state)
{
	(void)state;
	static const struct column columns[] = {
		{ .title = "A", .key = "a" },
		{ .title = "EMPTY", .key = "none" },
		{ .title = "B", .key = "b" },
	};
	_cleanup_(json_deletep) cJSON *rows = cJSON_Parse(
		"[{\"a\":\"größe\",\"b\":\"x\"},{\"a\":\"1\",\"b\":\"y\"},{\"b\":\"z\"}]");
	_cleanup_(paper_done) struct paper paper = { 0 };
	paper_open(&paper);
	output_table(&paper.output, columns, ELEMENTSOF(columns), rows, NULL);
	fflush(paper.output.stream);
	assert_string_equal(paper.text, "A      B\n"
					"größe  x\n"
					"1      y\n"
					"       z\n");
}

static void a_bar_never_wraps(void **state)
{
	(void)state;
	_cleanup_(json_deletep) cJSON *job = cJSON_Parse(
		"{\"job\":42,\"state\":\"writing\",\"phase\":\"write\",\"port\":\"1-1.3\","
		"\"image\":\"/a/wídget-with-a-rather-long-name-and-more-of-it.uf2\","
		"\"done_bytes\":1024,\"total_bytes\":1000}"); /* more than all: a lie */
	for (size_t columns = 1; columns < 160; columns++) {
		_cleanup_(paper_done) struct paper paper = { 0 };
		paper_open(&paper);
		view_progress(&paper.output, job, columns);
		fflush(paper.output.stream);
		paper.text[strcspn(paper.text, "\n")] = '\0';
		assert_true(output_width(paper.text) <= columns);
	}
}

static void amounts_read_well(void **state)
{
	(void)state;
	static const struct {
		double value;
		char *(*format)(double);
		const char *text;
	} cases[] = {
		{ 512, output_bytes, "512 B" },
		{ 1536, output_bytes, "1.5 KiB" },
		{ 2 << 20, output_bytes, "2.0 MiB" },
		{ 1234567, output_duration, "1.2 s" },
		{ 59.99e6, output_duration, "1 min 00 s" },
		{ 119.7e6, output_duration, "2 min 00 s" },
	};
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		_cleanup_(freep) char *text = cases[i].format(cases[i].value);
		assert_string_equal(text, cases[i].text);
	}
}

static void a_failed_job_tells_why(void **state)
{
	(void)state;
	_cleanup_(json_deletep) cJSON *job = cJSON_Parse(
		"{\"job\":7,\"state\":\"done\",\"outcome\":\"failed\",\"reason\":\"verify-failed\","
		"\"sentence\":\"page 3 reads back wrong\"}");
	_cleanup_(freep) char *sentence = view_job_sentence(job);
	assert_string_equal(sentence, "failed (verify-failed): page 3 reads back wrong");
	assert_int_equal(view_job_tint(job), TINT_BAD);
}

/* ---- inspect ---------------------------------------------------------------------------- */

/* Inspects these bytes for a board (NULL: none named); the exit code, and the answer in `paper`. */
static int inspect_bytes(
	const void *bytes, size_t length, const char *for_board, struct paper *paper)
{
	char path[] = "/tmp/inspect-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, length), length);
	close(fd);
	char *arguments[] = { path };
	struct request request = {
		.output = &paper->output,
		.json = true,
		.for_board = for_board,
		.arguments = arguments,
		.argument_count = 1,
	};
	int r = verb_inspect(&request);
	problem_done(&request.problem);
	unlink(path);
	fflush(paper->output.stream);
	return r;
}

static void inspect_finds_that_an_image_fits(void **state)
{
	(void)state;
	_cleanup_(freep) uint8_t *bytes = make_bin(5000, 1);
	_cleanup_(paper_done) struct paper paper = { 0 };
	paper_open(&paper);
	assert_int_equal(inspect_bytes(bytes, 5000, NULL, &paper), EXIT_YES);
	_cleanup_(json_deletep) cJSON *answer = cJSON_Parse(paper.text);
	assert_true(json_flag(answer, "fits"));
	assert_true(json_flag(json_list(answer, "boot2"), "valid"));
	assert_true(json_flag(json_list(answer, "vectors"), "plausible"));
	assert_int_equal(strlen(json_text(answer, "sha256")), 64);
}

static void inspect_names_what_does_not_fit(void **state)
{
	(void)state;
	_cleanup_(freep) uint8_t *bytes = make_bin(5000, 1);
	_cleanup_(paper_done) struct paper paper = { 0 };
	paper_open(&paper);
	bytes[3] ^= 1;
	assert_int_equal(inspect_bytes(bytes, 5000, "chip=rp2040", &paper), EXIT_NO);
	_cleanup_(json_deletep) cJSON *answer = cJSON_Parse(paper.text);
	const cJSON *reason = json_list(answer, "reasons")->child;
	assert_string_equal(json_text(reason, "code"), "bad-boot2");
}

static void inspect_tells_an_rp2350_image_by_its_content(void **state)
{
	(void)state;
	_cleanup_(freep) uint8_t *bytes = make_rp2350_bin(5000, 1);
	_cleanup_(paper_done) struct paper paper = { 0 };
	paper_open(&paper);
	assert_int_equal(inspect_bytes(bytes, 5000, NULL, &paper), EXIT_YES);
	_cleanup_(json_deletep) cJSON *answer = cJSON_Parse(paper.text);
	const cJSON *definition = json_list(answer, "image_def");
	assert_string_equal(json_text(answer, "board"), "rp2350");
	assert_string_equal(json_text(definition, "address"), "0x10000110");
	assert_string_equal(json_text(definition, "processor"), "arm");
	assert_true(json_flag(definition, "program"));
	assert_true(json_flag(json_list(answer, "vectors"), "plausible"));
	assert_null(json_list(answer, "boot2"));
}

static void inspect_says_which_file_cannot_be_read(void **state)
{
	(void)state;
	char *arguments[] = { (char *)"/nonexistent/\033[31m" };
	struct request request = { .arguments = arguments, .argument_count = 1 };
	assert_true(verb_inspect(&request) < 0);
	assert_int_equal(request.problem.exit_code, EXIT_USAGE);
	assert_true(text_is_plain(request.problem.sentence));
	problem_done(&request.problem);
}

static void one_problem_makes_it_wrong(void **state)
{
	(void)state;
	_cleanup_(json_deletep) cJSON *findings = cJSON_CreateArray();
	assert_int_equal(finding_add(findings, FINDING_OK, "a", NULL, "fine"), 0);
	assert_int_equal(finding_add(findings, FINDING_WARNING, "b", "mend it", "so so"), 0);
	assert_false(finding_is_bad(findings));
	assert_int_equal(finding_add(findings, FINDING_PROBLEM, "c", NULL, "bad \033[31m"), 0);
	assert_true(finding_is_bad(findings));
	assert_string_equal(
		json_text(cJSON_GetArrayItem(findings, 2), "sentence"), "bad \\x1b[31m");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_device_arrives_with_its_keys),
		cmocka_unit_test(a_job_keeps_its_numbers),
		cmocka_unit_test(every_type_has_a_value),
		cmocka_unit_test(an_empty_message_is_null),
		cmocka_unit_test(nothing_foreign_stays_raw),
		cmocka_unit_test(a_reply_without_a_floor_is_refused),
		cmocka_unit_test_setup_teardown(
			every_refusal_says_what_to_do, peer_start, peer_end),
		cmocka_unit_test_setup_teardown(an_answer_comes_through, peer_start, peer_end),
		cmocka_unit_test(without_a_bus_there_is_a_sentence),
		cmocka_unit_test(the_first_problem_is_kept),
		cmocka_unit_test(widths_count_characters),
		cmocka_unit_test(tables_align_and_leave_out_the_empty),
		cmocka_unit_test(a_bar_never_wraps),
		cmocka_unit_test(amounts_read_well),
		cmocka_unit_test(a_failed_job_tells_why),
		cmocka_unit_test(inspect_finds_that_an_image_fits),
		cmocka_unit_test(inspect_names_what_does_not_fit),
		cmocka_unit_test(inspect_tells_an_rp2350_image_by_its_content),
		cmocka_unit_test(inspect_says_which_file_cannot_be_read),
		cmocka_unit_test(one_problem_makes_it_wrong),
		cmocka_unit_test(what_will_be_done_and_what_was_done_have_names_of_their_own),
		cmocka_unit_test(the_chips_that_a_board_may_have_are_read_aloud),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
