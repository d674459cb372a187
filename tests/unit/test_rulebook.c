/* SPDX-License-Identifier: MIT */
/* Policy files: what is read, what is refused, and that every complaint names file, line and fix.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/text.h"
#include "daemon/judge.h"
#include "daemon/rulebook.h"

struct shelf {
	char root[64];
	char vendor[96];
	char admin[96];
};

static int shelf_new(void **state)
{
	struct shelf *shelf = calloc(1, sizeof(*shelf));
	strcpy(shelf->root, "/tmp/plugflash-rulebook-XXXXXX");
	if (!mkdtemp(shelf->root))
		return -1;
	snprintf(shelf->vendor, sizeof(shelf->vendor), "%s/vendor", shelf->root);
	snprintf(shelf->admin, sizeof(shelf->admin), "%s/admin", shelf->root);
	mkdir(shelf->vendor, 0755);
	mkdir(shelf->admin, 0755);
	*state = shelf;
	return 0;
}

static int shelf_free(void **state)
{
	struct shelf *shelf = *state;
	_cleanup_(freep) char *command = text_format("rm -rf %s", shelf->root);
	int r = system(command);
	free(shelf);
	return r;
}

static void put(const char *directory, const char *name, const char *text)
{
	_cleanup_(freep) char *path = text_format("%s/%s", directory, name);
	_cleanup_(fclosep) FILE *file = fopen(path, "we");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(chmod(path, 0644), 0);
}

static int load(const struct shelf *shelf, struct policy **ret, struct reasons *errors,
	struct reasons *warnings)
{
	const char *directories[] = { shelf->vendor, shelf->admin };
	const struct rulebook_source source = {
		.directories = directories, .directory_count = 2, .owner = getuid()
	};
	return rulebook_load(&source, ret, errors, warnings);
}

/* One file with this text is refused, and the complaint says all of `parts`. */
static void refused(
	const struct shelf *shelf, const char *text, const char *line, const char *sentence)
{
	_cleanup_(policy_freep) struct policy *policy = NULL;
	_cleanup_(reasons_done) struct reasons errors = { 0 }, warnings = { 0 };
	put(shelf->admin, "a.conf", text);
	assert_int_equal(load(shelf, &policy, &errors, &warnings), RULEBOOK_INVALID);
	assert_null(policy);
	_cleanup_(freep) char *all = reasons_text(&errors);
	_cleanup_(freep) char *where = text_format("a.conf%s", line);
	if (!strstr(all, where) || !strstr(all, sentence))
		fail_msg("\"%s\" and \"%s\" are not in: %s", where, sentence, all);
}

#define RULE(body) \
	"rules = (\n{ name = \"r\"; match = { }; flash = { image = \"a\"; };\n" body " });"

static void complaints_name_file_line_and_fix(void **state)
{
	const struct shelf *shelf = *state;
	refused(shelf, "rules = (\n{ nmae = \"x\"; });", ":2:", "\"nmae\" is not known");
	refused(shelf,
		"rules = (\n\n{ name = \"x\"; match = { mode = \"usb\"; }; ignore = true; });",
		":3:", "known are rp2040-boot");
	refused(shelf, "rules = ( { ", ":1:", "look for a missing");
	refused(shelf, "colour = 3;", ":1:", "\"colour\" is not known");
	refused(shelf, RULE("ignore = true;"), ":2:", "either flash");
	refused(shelf, "rules = (\n{ name = \"r\"; ignore = true; });", ":2:", "has no match");
	refused(shelf, "rules = (\n{ match = { }; ignore = true; });", ":2:", "has no name");
	refused(shelf, "rules = (\n{ name = \"r\"; match = { }; flash = { }; });",
		":2:", "names no image");
	refused(shelf, "rules = { };", ":1:", "wants a list in round brackets");
	refused(shelf, "rules = (\n{ name = 3; match = { }; ignore = true; });",
		":2:", "wants a text in quotes");
	refused(shelf, "limits = { jobs = 0; };", ":1:", "wants a whole number from 1 to 64");
	refused(shelf, "limits = { jobs = 0xE48BFF56; };", ":1:", "wants a whole number");
	refused(shelf, "limits = {\nattempts = 0; };", ":2:", "from 1 to 1000000");
	refused(shelf,
		"rules = (\n{ name = \"r\"; match = { }; flash = { image = \"a\"; limit = 3; }; });",
		":2:", "belong together");
	refused(shelf,
		"rules = (\n{ name = \"r\"; match = { }; flash = { image = \"a\"; limit = 3; "
		"within = \"2 hours\"; }; });",
		":2:", "a span of time");
	refused(shelf, "\n@include \"/etc/passwd\"\n", ":2:", "@include is not allowed");
	refused(shelf,
		"rules = (\n{ name = \"r\"; match = { vid_pid = \"2e8a\"; }; ignore = true; });",
		":2:", "four hexadecimal digits");
}

static void a_rule_and_its_board_have_one_chip(void **state)
{
	refused(*state,
		"boards = ({ name = \"o\"; chip = \"stm32f429\"; serial = \"2A003F000E51393532383936\"; });\n"
		"rules = ({ name = \"r\"; match = { board = \"o\"; };\n"
		"flash = { image = \"a\"; chip = \"stm32f446\"; }; });",
		":2:", "states another chip than the entry of its board");
}

static void a_uuid_that_does_not_follow_from_the_serial_is_refused(void **state)
{
	refused(*state,
		"boards = (\n{ name = \"b\"; serial = \"3D0052001450425539383920\";"
		" can_uuid = \"38c9bdae9652\"; });",
		":2:",
		"the can_uuid 38c9bdae9652 of board \"b\" is not that of its serial "
		"3D0052001450425539383920, whose can_uuid is 154aab036e6a");
}

static void a_provenance_is_asked_for_of_a_board(void **state)
{
	refused(*state,
		"rules = ({ name = \"r\"; match = { provenance = \"computed\"; }; ignore = true; });",
		":1:", "add board");
	refused(*state,
		"rules = ({ name = \"r\"; match = { provenance = \"guessed\"; }; ignore = true; });",
		":1:", "\"guessed\" is not known");
}

static int load_with(const struct shelf *shelf, const char *name, const char *text,
	struct policy **ret, struct reasons *errors)
{
	_cleanup_(reasons_done) struct reasons warnings = { 0 };
	const char *directories[] = { shelf->vendor, shelf->admin };
	const struct rulebook_source source = {
		.directories = directories,
		.directory_count = 2,
		.owner = getuid(),
		.more_name = name,
		.more_text = text,
	};
	return rulebook_load(&source, ret, errors, &warnings);
}

#define ENTRY(name, id) "boards = ({ name = \"" name "\"; " id "; });"

static void a_file_more_is_tried_before_it_is_there(void **state)
{
	const struct shelf *shelf = *state;
	static const struct {
		const char *name, *text, *complaint;
	} cases[] = {
		{ "b.conf", ENTRY("new", "serial = \"2B0007000C50425539393020\""), NULL },
		{ "a.conf", "", "a.conf: the file exists already" },
		{ "b.conf", "nonsense", "b.conf:1" },
		{ "b.conf", ENTRY("old", "serial = \"2B0007000C50425539393020\""),
			"board \"old\" exists already" },
		{ "0.conf", ENTRY("new", "serial = \"3d0052001450425539383920\""),
			"enrolled already, as \"old\"" },
		{ "b.conf", ENTRY("new", "can_uuid = \"154AAB036E6A\""),
			"enrolled already, as \"old\"" },
	};
	put(shelf->admin, "a.conf", ENTRY("old", "serial = \"3D0052001450425539383920\""));
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		_cleanup_(policy_freep) struct policy *policy = NULL;
		_cleanup_(reasons_done) struct reasons errors = { 0 };
		int r = load_with(shelf, cases[i].name, cases[i].text, &policy, &errors);
		assert_int_equal(r, cases[i].complaint ? RULEBOOK_INVALID : 0);
		_cleanup_(freep) char *all = reasons_text(&errors);
		if (cases[i].complaint && !strstr(all, cases[i].complaint))
			fail_msg("no %s in: %s", cases[i].complaint, all);
	}
	assert_false(rulebook_is_file_name("../a.conf"));
	assert_false(rulebook_is_file_name(".a.conf"));
	assert_false(rulebook_is_file_name("a.txt"));
}

static void a_shared_serial_is_refused(void **state)
{
	refused(*state, "boards = (\n{ name = \"b\"; serial = \"E0C9125B0D9B\"; });",
		":2:", "is shown by many boards");
}

static void names_must_be_unique_and_exist(void **state)
{
	refused(*state,
		"rules = ({ name = \"r\"; match = { }; ignore = true; },\n"
		"{ name = \"r\"; match = { }; ignore = true; });",
		":2:", "exists already");
	refused(*state, "rules = (\n{ name = \"r\"; match = { board = \"x\"; }; ignore = true; });",
		":2:", "no file declares");
}

static void complaints_about_printers_name_the_fix(void **state)
{
	const struct shelf *shelf = *state;
	refused(shelf, "printers = (\n{ name = \"v\"; socket = \"comms/klippy.sock\"; });",
		":2:", "\"comms/klippy.sock\" is no absolute path; write the one that");
	refused(shelf, "printers = (\n{ name = \"v\"; socket = \"/run/../klippy.sock\"; });",
		":2:", "no absolute path");
	refused(shelf, "printers = (\n{ socket = \"/run/k\"; });", ":2:", "has no name");
	refused(shelf, "printers = (\n{ name = \"v\"; });", ":2:", "has no socket");
	refused(shelf, "printers = ({ name = \"v\"; socket = 7; });",
		":1:", "wants a text in quotes");
	refused(shelf, "printers = { };", ":1:", "wants a list in round brackets");
	refused(shelf, "printers = (\n{ name = \"v\"; socket = \"/k\"; port = 7125; });",
		":2:", "\"port\" is not known; here stand: name, socket");
	refused(shelf,
		"printers = ({ name = \"v\"; socket = \"/a\"; },\n{ name = \"v\"; socket = \"/b\"; });",
		":2:", "printer \"v\" exists already (");
	refused(shelf,
		"boards = (\n{ name = \"b\"; serial = \"504450610847861C\"; printer = \"x\"; });",
		":2:", "belongs to printer \"x\", which no file declares; add it to printers");
}

/* A policy with one printer whose socket has so long a path. */
static char *printer_with_path_of(size_t length)
{
	char path[256] = "/";
	memset(path + 1, 'k', length - 1);
	return text_format("printers = (\n{ name = \"v\"; socket = \"%s\"; });", path);
}

static void a_socket_has_room_in_an_address(void **state)
{
	const struct shelf *shelf = *state;
	_cleanup_(policy_freep) struct policy *policy = NULL;
	_cleanup_(reasons_done) struct reasons errors = { 0 }, warnings = { 0 };
	_cleanup_(freep) char *fits = printer_with_path_of(107);
	_cleanup_(freep) char *too_long = printer_with_path_of(108);
	put(shelf->admin, "a.conf", fits);
	assert_int_equal(load(shelf, &policy, &errors, &warnings), 0);
	assert_int_equal(strlen(policy->printers[0].socket), 107);
	refused(shelf, too_long,
		":2:", "108 bytes long, and no socket can have a path of more than 107");
}

static void boards_are_parts_of_printers(void **state)
{
	const struct shelf *shelf = *state;
	_cleanup_(policy_freep) struct policy *policy = NULL;
	_cleanup_(reasons_done) struct reasons errors = { 0 }, warnings = { 0 };
	put(shelf->admin, "boards.conf",
		"boards = ({ name = \"eddy\"; serial = \"504450610847861C\"; printer = \"voron\"; },\n"
		"{ name = \"loose\"; serial = \"504450610847861D\"; });");
	put(shelf->admin, "printers.conf",
		"printers = ({ name = \"ender\"; socket = \"/run/klippy/ender/klippy.sock\"; },\n"
		"{ name = \"voron\"; socket = \"/run/klippy/voron/klippy.sock\"; });");
	assert_int_equal(load(shelf, &policy, &errors, &warnings), 0);
	const struct policy_printer *printer = policy_printer_of(policy, "eddy");
	assert_string_equal(printer->name, "voron");
	assert_string_equal(printer->socket, "/run/klippy/voron/klippy.sock");
	assert_int_equal(printer->origin.line, 2);
	assert_null(policy_printer_of(policy, "loose"));
	assert_null(policy_printer_of(policy, "nobody"));
	assert_null(policy_printer_of(policy, NULL));
	assert_null(policy_printer(policy, NULL));
}

static void a_file_that_others_can_write_is_refused(void **state)
{
	const struct shelf *shelf = *state;
	_cleanup_(policy_freep) struct policy *policy = NULL;
	_cleanup_(reasons_done) struct reasons errors = { 0 }, warnings = { 0 };
	put(shelf->admin, "a.conf", "");
	_cleanup_(freep) char *path = text_format("%s/a.conf", shelf->admin);
	assert_int_equal(chmod(path, 0666), 0);
	assert_int_equal(load(shelf, &policy, &errors, &warnings), RULEBOOK_INVALID);
	assert_non_null(strstr(errors.items[0].sentence, "chmod go-w"));
}

static void a_file_of_somebody_else_is_refused(void **state)
{
	const struct shelf *shelf = *state;
	_cleanup_(policy_freep) struct policy *policy = NULL;
	_cleanup_(reasons_done) struct reasons errors = { 0 }, warnings = { 0 };
	put(shelf->admin, "a.conf", "");
	_cleanup_(freep) char *path = text_format("%s/a.conf", shelf->admin);
	const char *directories[] = { shelf->admin };
	struct rulebook_source source = { .directories = directories, .directory_count = 1 };
	if (getuid() == 0)
		assert_int_equal(chown(path, 4242, 4242), 0);
	source.owner = 0;
	assert_int_equal(rulebook_load(&source, &policy, &errors, &warnings), RULEBOOK_INVALID);
	assert_non_null(strstr(errors.items[0].sentence, "not owned by root"));
	assert_non_null(strstr(errors.items[0].sentence, "chown root"));
}

static void all_or_nothing(void **state)
{
	const struct shelf *shelf = *state;
	put(shelf->admin, "b.conf", "rules = ({ name = \"good\"; match = { }; ignore = true; });");
	refused(shelf, "nonsense = 1;", ":1:", "not known");
}

static void later_layers_mask_earlier_ones(void **state)
{
	const struct shelf *shelf = *state;
	_cleanup_(policy_freep) struct policy *policy = NULL;
	_cleanup_(reasons_done) struct reasons errors = { 0 }, warnings = { 0 };
	put(shelf->vendor, "10.conf", "rules = ({ name = \"v10\"; match = { }; ignore = true; });");
	put(shelf->vendor, "20.conf", "rules = ({ name = \"v20\"; match = { }; ignore = true; });");
	put(shelf->vendor, "30.conf", "rules = ({ name = \"v30\"; match = { }; ignore = true; });");
	put(shelf->admin, "20.conf", "rules = ({ name = \"a20\"; match = { }; ignore = true; });");
	_cleanup_(freep) char *mask = text_format("%s/30.conf", shelf->admin);
	assert_int_equal(symlink("/dev/null", mask), 0);
	put(shelf->admin, "ignored.txt", "nonsense");
	assert_int_equal(load(shelf, &policy, &errors, &warnings), 0);
	assert_int_equal(policy->rule_count, 2);
	assert_string_equal(policy->rules[0].name, "v10");
	assert_string_equal(policy->rules[1].name, "a20");
	assert_int_equal(policy->rules[1].origin.line, 1);
}

static void a_port_in_a_policy_is_warned_about(void **state)
{
	const struct shelf *shelf = *state;
	_cleanup_(policy_freep) struct policy *policy = NULL;
	_cleanup_(reasons_done) struct reasons errors = { 0 }, warnings = { 0 };
	put(shelf->admin, "a.conf",
		"rules = ({ name = \"r\"; match = { path = \"1-1.3\"; }; ignore = true; });");
	assert_int_equal(load(shelf, &policy, &errors, &warnings), 0);
	assert_int_equal(warnings.count, 1);
	assert_non_null(strstr(warnings.items[0].sentence, "move between boots"));
}

static void no_directory_is_an_empty_policy(void **state)
{
	(void)state;
	_cleanup_(policy_freep) struct policy *policy = NULL;
	_cleanup_(reasons_done) struct reasons errors = { 0 }, warnings = { 0 };
	const char *directories[] = { "/nonexistent/policy.d" };
	const struct rulebook_source source = { .directories = directories, .directory_count = 1 };
	assert_int_equal(rulebook_load(&source, &policy, &errors, &warnings), 0);
	assert_int_equal(policy->rule_count, 0);
}

/* A name is quoted in sentences and on the bus, which hangs up on whoever sends what is no UTF-8.
 */
static void a_name_that_is_no_text_is_refused(void **state)
{
	const struct shelf *shelf = *state;
	_cleanup_(policy_freep) struct policy *policy = NULL;
	_cleanup_(reasons_done) struct reasons errors = { 0 }, warnings = { 0 };
	put(shelf->admin, "gr\xf6\x1b.conf", "");
	assert_int_equal(load(shelf, &policy, &errors, &warnings), RULEBOOK_INVALID);
	assert_int_equal(errors.count, 1);
	assert_true(text_is_plain(errors.items[0].sentence));
	assert_non_null(strstr(errors.items[0].sentence, "gr\\xf6\\x1b.conf: "));
	assert_non_null(strstr(errors.items[0].sentence, "rename"));
}

/* ---- the shipped examples --------------------------------------------------------------- */

static struct policy *example(const char *name)
{
	_cleanup_(freep) char *path = text_format("policies/%s", name);
	_cleanup_(freep) uint8_t *text = NULL;
	_cleanup_(reasons_done) struct reasons errors = { 0 }, warnings = { 0 };
	size_t length;
	assert_int_equal(file_read(path, 1 << 20, &text, &length), 0);
	struct policy *policy = policy_new();
	assert_int_equal(rulebook_parse(name, (char *)text, policy, &errors, &warnings), 0);
	assert_int_equal(rulebook_check(policy, &errors), 0);
	if (errors.count > 0)
		fail_msg("%s", errors.items[0].sentence);
	assert_int_equal(warnings.count, 0);
	return policy;
}

/* An RP2040 in boot mode whose flash chip has this id ("": it has none). */
static enum verdict decide(
	const struct policy *policy, const char *place, const char *id, const char **ret_rule)
{
	struct board_facts facts = { .chip = CHIP_RP2040 };
	strcpy(facts.unique_id, id);
	struct device device = {
		.place = (char *)place,
		.port = (char *)"1-1",
		.serial = (char *)"E0C9125B0D9B",
		.mode = MODE_RP2040_BOOT,
		.vid = 0x2e8a,
		.pid = 0x0003,
	};
	const struct policy_rule *rule;
	enum verdict verdict = policy_decide(policy, &device, &facts, &rule);
	*ret_rule = rule ? rule->name : "";
	return verdict;
}

static void the_bench_example_flashes_its_ports_and_ignores_the_rest(void **state)
{
	(void)state;
	_cleanup_(policy_freep) struct policy *policy = example("bench-hold-boot-and-plug.conf");
	const char *rule;
	assert_int_equal(decide(policy, "pci-0000:00:14.0-usb-0:2.3", "", &rule), VERDICT_FLASH);
	assert_string_equal(rule, "bench");
	assert_int_equal(decide(policy, "pci-0000:00:14.0-usb-0:3", "", &rule), VERDICT_IGNORE);
}

static void the_printer_example_flashes_its_board_and_no_other(void **state)
{
	(void)state;
	_cleanup_(policy_freep) struct policy *policy = example("klipper-printer.conf");
	const char *rule;
	const char *place = "platform-elsewhere-usb-0:9";
	assert_int_equal(decide(policy, place, "4E5354303A0B9C17", &rule), VERDICT_FLASH);
	assert_string_equal(rule, "eddy");
	assert_int_equal(decide(policy, place, "504450610847861C", &rule), VERDICT_IGNORE);
	assert_int_equal(decide(policy, place, "", &rule), VERDICT_UNKNOWN);
	assert_int_equal(policy->board_count, 3);
}

static void the_example_named_in_the_journal_exists(void **state)
{
	(void)state;
	for (enum board_mode mode = MODE_NONE + 1; mode < MODE_CAN; mode++) {
		const char *path = judge_example(mode);
		_cleanup_(freep) char *source = text_format("policies%s", strrchr(path, '/'));
		assert_int_equal(access(source, R_OK), 0);
	}
}

#define STORY(function) cmocka_unit_test_setup_teardown(function, shelf_new, shelf_free)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(complaints_name_file_line_and_fix),
		STORY(a_rule_and_its_board_have_one_chip),
		STORY(a_uuid_that_does_not_follow_from_the_serial_is_refused),
		STORY(a_provenance_is_asked_for_of_a_board),
		STORY(a_file_more_is_tried_before_it_is_there),
		STORY(a_shared_serial_is_refused),
		STORY(names_must_be_unique_and_exist),
		STORY(complaints_about_printers_name_the_fix),
		STORY(a_socket_has_room_in_an_address),
		STORY(boards_are_parts_of_printers),
		STORY(a_file_that_others_can_write_is_refused),
		STORY(a_file_of_somebody_else_is_refused),
		STORY(all_or_nothing),
		STORY(later_layers_mask_earlier_ones),
		STORY(a_port_in_a_policy_is_warned_about),
		cmocka_unit_test(no_directory_is_an_empty_policy),
		STORY(a_name_that_is_no_text_is_refused),
		cmocka_unit_test(the_bench_example_flashes_its_ports_and_ignores_the_rest),
		cmocka_unit_test(the_printer_example_flashes_its_board_and_no_other),
		cmocka_unit_test(the_example_named_in_the_journal_exists),
	};
	return cmocka_run_group_tests_name("rulebook", tests, NULL, NULL);
}
