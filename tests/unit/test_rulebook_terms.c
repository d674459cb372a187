/* SPDX-License-Identifier: MIT */
/* Policy files: what a rule says about its image beyond the name, and where firmware lies. */
#include "unit/expect.h"

#include "daemon/rulebook.h"

#define SHA256 "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF"

/* A policy of one rule whose flash group says `terms` on its second line. */
static char *policy_of(const char *terms)
{
	char *text = text_format("rules = ({ name = \"r\"; match = { }; flash = { image = \"a\";\n"
				 "%s }; });",
		terms);
	assert_non_null(text);
	return text;
}

static struct policy *parse(const char *text, struct reasons *errors)
{
	_cleanup_(policy_freep) struct policy *policy = policy_new();
	_cleanup_(reasons_done) struct reasons warnings = { 0 };
	assert_int_equal(rulebook_parse("a.conf", text, policy, errors, &warnings), 0);
	assert_int_equal(rulebook_check(policy, errors), 0);
	assert_int_equal(warnings.count, 0);
	return TAKE_PTR(policy);
}

static struct policy *accepted(const char *text)
{
	_cleanup_(reasons_done) struct reasons errors = { 0 };
	struct policy *policy = parse(text, &errors);
	if (errors.count > 0)
		fail_msg("%s: %s", text, errors.items[0].sentence);
	return policy;
}

static struct policy *accepted_terms(const char *terms)
{
	_cleanup_(freep) char *text = policy_of(terms);
	return accepted(text);
}

/* One complaint, with line and words. */
static void refused(const char *text, const char *where, const char *words)
{
	_cleanup_(reasons_done) struct reasons errors = { 0 };
	_cleanup_(policy_freep) struct policy *policy = parse(text, &errors);
	if (errors.count == 0)
		fail_msg("%s: accepted, with %zu rules", text, policy->rule_count);
	expect_only_reason(&errors, REASON_POLICY_INVALID, words);
	if (!strstr(errors.items[0].sentence, where))
		fail_msg("%s: not \"%s\": %s", text, where, errors.items[0].sentence);
}

static void refused_terms(const char *terms, const char *words)
{
	_cleanup_(freep) char *text = policy_of(terms);
	refused(text, "a.conf:2: ", words);
}

/* ---- expect ------------------------------------------------------------------------------ */

static void nothing_said_is_nothing_expected(void **state)
{
	(void)state;
	_cleanup_(policy_freep) struct policy *policy = accepted_terms("");
	static const struct terms none;
	assert_memory_equal(&policy->rules[0].terms, &none, sizeof(none));
	assert_int_equal(policy->rules[0].expectation, EXPECT_ANY);
	assert_false(policy->rules[0].states_expectation);
	assert_false(policy->rules[0].has_application_start);
	assert_int_equal(policy->directory_count, 0);
}

static void every_expectation_lands_where_it_belongs(void **state)
{
	(void)state;
	_cleanup_(policy_freep) struct policy *policy = accepted_terms(
		"expect = { usb = \"1d50:614e\"; transport = \"bridge\";\n"
		"can_bitrate = 1000000; serial_baud = 250000; clock = 64000000;\n"
		"crystal = 8000000; can_pins = \"PB0,PB1\"; usb_pins = \"PA11,PA12\";\n"
		"serial_pins = \"PA10,PA9\"; initial_pins = \"!PC13\";\n"
		"version = \"v0.13.*\"; };");
	const struct policy_rule *rule = &policy->rules[0];
	const struct terms_expected *expected = &rule->terms.expected;
	assert_true(rule->states_expectation);
	assert_int_equal(rule->expectation, EXPECT_ID);
	assert_int_equal(rule->expected_vid, 0x1d50);
	assert_int_equal(rule->expected_pid, 0x614e);
	assert_int_equal(expected->transport, TRANSPORT_BRIDGE);
	assert_int_equal(expected->can_bitrate, 1000000);
	assert_int_equal(expected->serial_baud, 250000);
	assert_int_equal(expected->clock_hz, 64000000);
	assert_int_equal(expected->crystal_hz, 8000000);
	assert_string_equal(expected->can_pins, "PB0,PB1");
	assert_string_equal(expected->usb_pins, "PA11,PA12");
	assert_string_equal(expected->serial_pins, "PA10,PA9");
	assert_string_equal(expected->initial_pins, "!PC13");
	assert_string_equal(expected->version, "v0.13.*");
}

static void no_initial_pins_is_an_expectation_too(void **state)
{
	(void)state;
	_cleanup_(policy_freep) struct policy *policy =
		accepted_terms("expect = { initial_pins = \"\"; };");
	assert_string_equal(policy->rules[0].terms.expected.initial_pins, "");
}

static void a_text_is_short_for_what_shows_on_usb(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum expectation expectation;
	} cases[] = {
		{ "expect = \"any\";", EXPECT_ANY },
		{ "expect = \"none\";", EXPECT_NONE },
		{ "expect = \"2e8a:000a\";", EXPECT_ID },
		{ "expect = { usb = \"none\"; };", EXPECT_NONE },
		{ "expect = { };", EXPECT_ANY },
	};
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		_cleanup_(policy_freep) struct policy *policy = accepted_terms(cases[i].text);
		assert_int_equal(policy->rules[0].expectation, cases[i].expectation);
	}
}

static void what_talks_another_wire_is_silent_on_usb(void **state)
{
	(void)state;
	static const struct {
		const char *transport;
		enum expectation expectation;
	} cases[] = {
		{ "can", EXPECT_NONE },
		{ "uart", EXPECT_NONE },
		{ "bridge", EXPECT_ANY },
		{ "usb", EXPECT_ANY },
	};
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		_cleanup_(freep) char *terms =
			text_format("expect = { transport = \"%s\"; };", cases[i].transport);
		_cleanup_(policy_freep) struct policy *policy = accepted_terms(terms);
		assert_int_equal(policy->rules[0].expectation, cases[i].expectation);
	}
	_cleanup_(policy_freep) struct policy *both =
		accepted_terms("expect = { transport = \"can\"; usb = \"none\"; };");
	assert_int_equal(both->rules[0].expectation, EXPECT_NONE);
	refused_terms("expect = { transport = \"can\"; usb = \"any\"; };", "write usb = \"none\"");
	refused_terms("expect = { usb = \"2e8a:000a\"; transport = \"uart\"; };",
		"an image that talks uart does not show itself on USB");
}

static void a_wrong_expectation_is_refused(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{ "expect = 3;", "expect wants a text in quotes" },
		{ "expect = \"2e8a\";", "expect wants \"any\", \"none\" or an id" },
		{ "expect = { usb = \"some\"; };", "usb wants \"any\", \"none\" or an id" },
		{ "expect = { usb = true; };", "usb wants a text" },
		{ "expect = { transport = \"wifi\"; };",
			"transport \"wifi\" is not known; known are usb" },
		{ "expect = { transport = \"unknown\"; };", "transport \"unknown\" is not known" },
		{ "expect = { transport = 1; };", "transport wants a text" },
		{ "expect = { can_bitrate = 9999; };", "from 10000 to 8000000" },
		{ "expect = { can_bitrate = 8000001; };", "from 10000 to 8000000" },
		{ "expect = { can_bitrate = \"1M\"; };", "can_bitrate wants a whole number" },
		{ "expect = { can_bitrate = 1e6; };", "can_bitrate wants a whole number" },
		{ "expect = { serial_baud = 1199; };", "from 1200 to 4000000" },
		{ "expect = { serial_baud = 4000001; };", "from 1200 to 4000000" },
		{ "expect = { clock = 999999; };", "from 1000000 to 1000000000" },
		{ "expect = { clock = 1000000001; };", "clock wants a whole number" },
		{ "expect = { crystal = 8; };", "from 1000000 to 100000000" },
		{ "expect = { can_pins = 3; };", "can_pins wants a text" },
		{ "expect = { can_pins = \"\"; };", "can_pins wants a text in quotes that is not" },
		{ "expect = { usb_pins = \"\"; };", "usb_pins wants a text" },
		{ "expect = { serial_pins = \"\"; };", "serial_pins wants a text" },
		{ "expect = { initial_pins = 3; };", "initial_pins wants a text" },
		{ "expect = { initial_pins = \"\\x1b\"; };", "control characters" },
		{ "expect = { version = \"\"; };", "version wants a text" },
		{ "expect = { version = [ 1 ]; };", "version wants a text" },
		{ "expect = { chip = \"rp2040\"; };",
			"key \"chip\" is not known; here stand: usb" },
		{ "expect = ( );", "expect wants a text in quotes" },
	};
	for (size_t i = 0; i < ELEMENTSOF(cases); i++)
		refused_terms(cases[i][0], cases[i][1]);
}

static void all_complaints_are_told(void **state)
{
	(void)state;
	_cleanup_(reasons_done) struct reasons errors = { 0 };
	_cleanup_(freep) char *text =
		policy_of("expect = { clock = 1;\ncrystal = 2; };\ndeclare = { chip = \"x\"; };");
	_cleanup_(policy_freep) struct policy *policy = parse(text, &errors);
	assert_int_equal(policy->rule_count, 1);
	assert_int_equal(errors.count, 3);
	assert_non_null(strstr(errors.items[0].sentence, "a.conf:2: clock"));
	assert_non_null(strstr(errors.items[1].sentence, "a.conf:3: crystal"));
	assert_non_null(strstr(errors.items[2].sentence, "a.conf:4: chip"));
}

/* ---- declare, and what is permitted ------------------------------------------------------- */

static void every_declaration_lands_where_it_belongs(void **state)
{
	(void)state;
	_cleanup_(policy_freep) struct policy *policy =
		accepted_terms("declare = { address = 0x08002000; chip = \"stm32g0b1\";\n"
			       "can_bitrate = 500000; crystal = 12000000; transport = \"can\"; };");
	const struct terms_declared *declared = &policy->rules[0].terms.declared;
	assert_int_equal(declared->transport, TRANSPORT_CAN);
	assert_true(declared->has_address);
	assert_int_equal(declared->address, 0x08002000);
	assert_int_equal(declared->chip, CHIP_STM32G0B1);
	assert_int_equal(declared->can_bitrate, 500000);
	assert_int_equal(declared->crystal_hz, 12000000);
	_cleanup_(policy_freep) struct policy *zero = accepted_terms("declare = { address = 0; };");
	assert_true(zero->rules[0].terms.declared.has_address);
}

static void what_is_permitted_lands_where_it_belongs(void **state)
{
	(void)state;
	_cleanup_(policy_freep) struct policy *policy =
		accepted_terms("downgrade = true; bootloader = true; sha256 = \"" SHA256 "\";\n"
			       "application_start = 0x08008000;");
	const struct policy_rule *rule = &policy->rules[0];
	assert_true(rule->terms.permits_downgrade);
	assert_true(rule->terms.permits_bootloader);
	assert_true(rule->terms.has_digest);
	assert_int_equal(rule->terms.digest.bytes[1], 0x11);
	assert_int_equal(rule->terms.digest.bytes[31], 0xff);
	assert_true(rule->has_application_start);
	assert_int_equal(rule->application_start, 0x08008000);
	_cleanup_(policy_freep) struct policy *denied =
		accepted_terms("downgrade = false; bootloader = false; application_start = 0;");
	assert_false(denied->rules[0].terms.permits_downgrade);
	assert_false(denied->rules[0].terms.permits_bootloader);
	assert_true(denied->rules[0].has_application_start);
}

static void a_wrong_declaration_is_refused(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{ "declare = true;", "declare wants a group in braces" },
		{ "declare = { address = -1; };", "address wants a whole number from 0" },
		{ "declare = { address = 0x40000000; };", "address wants a whole number from 0" },
		{ "declare = { address = 0xFFFFFFFF; };", "address wants a whole number from 0" },
		{ "declare = { address = \"0x08002000\"; };", "address wants a whole number" },
		{ "declare = { chip = \"stm32\"; };", "chip \"stm32\" is not known" },
		{ "declare = { chip = 2040; };", "chip wants a text" },
		{ "declare = { can_bitrate = 0; };", "from 10000 to 8000000" },
		{ "declare = { crystal = 0; };", "from 1000000 to 100000000" },
		{ "declare = { clock = 1; };", "key \"clock\" is not known; here stand: address" },
		{ "downgrade = \"yes\";", "downgrade wants true or false" },
		{ "downgrade = 1;", "downgrade wants true or false" },
		{ "bootloader = \"katapult\";", "bootloader wants true or false" },
		{ "sha256 = 3;", "sha256 wants a text" },
		{ "sha256 = \"abcd\";", "sha256 wants 64 hexadecimal digits" },
		{ "sha256 = \"" SHA256 "0\";", "sha256 wants 64 hexadecimal digits" },
		{ "sha256 = \"" SHA256 "00\";", "sha256 wants 64 hexadecimal digits" },
		{ "sha256 = \"x0112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF\";",
			"sha256 wants 64 hexadecimal digits" },
		{ "application_start = 0x40000000;", "application_start wants a whole number" },
		{ "application_start = \"0\";", "application_start wants a whole number" },
	};
	for (size_t i = 0; i < ELEMENTSOF(cases); i++)
		refused_terms(cases[i][0], cases[i][1]);
}

static void a_board_states_its_application_start(void **state)
{
	(void)state;
	_cleanup_(policy_freep) struct policy *policy = accepted(
		"boards = ({ name = \"b\"; serial = \"1\"; application_start = 0x8002000; });");
	assert_true(policy->boards[0].has_application_start);
	assert_int_equal(policy->boards[0].application_start, 0x08002000);
	refused("boards = ({ name = \"b\"; serial = \"1\";\napplication_start = true; });",
		"a.conf:2: ", "application_start wants a whole number");
}

/* ---- where firmware lies ------------------------------------------------------------------ */

static void directories_of_all_files_count(void **state)
{
	(void)state;
	_cleanup_(policy_freep) struct policy *policy =
		accepted("firmware_directories = [ \"/srv/fw\", \"/opt/a b///\", \"/\" ];");
	_cleanup_(reasons_done) struct reasons errors = { 0 }, warnings = { 0 };
	assert_int_equal(rulebook_parse("b.conf", "firmware_directories = ( \"/b\" );", policy,
				 &errors, &warnings),
		0);
	assert_int_equal(errors.count, 0);
	assert_int_equal(policy->directory_count, 4);
	assert_string_equal(policy->directories[0], "/srv/fw");
	assert_string_equal(policy->directories[1], "/opt/a b");
	assert_string_equal(policy->directories[2], "/");
	assert_string_equal(policy->directories[3], "/b");
	_cleanup_(policy_freep) struct policy *none = accepted("firmware_directories = [ ];");
	assert_int_equal(none->directory_count, 0);
}

static void a_wrong_directory_is_refused(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{ "firmware_directories = \"/srv/fw\";", "wants a list in square brackets" },
		{ "firmware_directories = { };", "wants a list in square brackets" },
		{ "firmware_directories = [ 1, 2 ];", "absolute paths in quotes" },
		{ "firmware_directories = [ \"srv/fw\" ];", "absolute paths in quotes" },
		{ "firmware_directories = [ \"\" ];", "absolute paths in quotes" },
		{ "firmware_directories = [ \"/srv/../etc\" ];", "absolute paths in quotes" },
		{ "firmware_directories = [ \"/srv/fw/..\" ];", "absolute paths in quotes" },
		{ "firmware_directories = [ \"/srv/\\x1b[31m\" ];", "absolute paths in quotes" },
		{ "firmware_directories = ( { } );", "absolute paths in quotes" },
	};
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		_cleanup_(reasons_done) struct reasons errors = { 0 };
		_cleanup_(freep) char *text = text_format("\n%s", cases[i][0]);
		_cleanup_(policy_freep) struct policy *policy = parse(text, &errors);
		expect_reason(&errors, REASON_POLICY_INVALID, cases[i][1]);
		assert_non_null(strstr(errors.items[0].sentence, "a.conf:2: "));
		assert_int_equal(policy->directory_count, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_said_is_nothing_expected),
		cmocka_unit_test(every_expectation_lands_where_it_belongs),
		cmocka_unit_test(no_initial_pins_is_an_expectation_too),
		cmocka_unit_test(a_text_is_short_for_what_shows_on_usb),
		cmocka_unit_test(what_talks_another_wire_is_silent_on_usb),
		cmocka_unit_test(a_wrong_expectation_is_refused),
		cmocka_unit_test(all_complaints_are_told),
		cmocka_unit_test(every_declaration_lands_where_it_belongs),
		cmocka_unit_test(what_is_permitted_lands_where_it_belongs),
		cmocka_unit_test(a_wrong_declaration_is_refused),
		cmocka_unit_test(a_board_states_its_application_start),
		cmocka_unit_test(directories_of_all_files_count),
		cmocka_unit_test(a_wrong_directory_is_refused),
	};
	return cmocka_run_group_tests_name("rulebook terms", tests, NULL, NULL);
}
