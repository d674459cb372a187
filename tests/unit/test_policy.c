/* SPDX-License-Identifier: MIT */
/* The pure decision: which rule, if any, speaks for a board. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "daemon/rulebook.h"
#include "model/policy.h"

#define PLACE "pci-0000:00:14.0-usb-0:1.3"

static struct device board_at(enum board_mode mode, const char *place)
{
	return (struct device){
		.place = (char *)place,
		.port = (char *)"1-1.3",
		.syspath = (char *)"/sys/devices/1-1.3",
		.serial = (char *)"E0C9125B0D9B",
		.manufacturer = (char *)"",
		.product = (char *)"",
		.mode = mode,
		.vid = 0x2e8a,
		.pid = 0x0003,
	};
}

static struct policy *policy_from(const char *text)
{
	struct policy *policy = policy_new();
	struct reasons errors = { 0 }, warnings = { 0 };
	assert_int_equal(rulebook_parse("test.conf", text, policy, &errors, &warnings), 0);
	assert_int_equal(rulebook_check(policy, &errors), 0);
	if (errors.count > 0)
		fail_msg("%s", errors.items[0].sentence);
	reasons_done(&warnings);
	return policy;
}

static const struct board_facts rp2040 = { .chip = CHIP_RP2040 };

static enum verdict decide(const char *text, const struct device *device,
	const struct board_facts *facts, char name[static 64])
{
	_cleanup_(policy_freep) struct policy *policy = policy_from(text);
	const struct policy_rule *rule;
	enum verdict verdict = policy_decide(policy, device, facts, &rule);
	strcpy(name, rule ? rule->name : "");
	return verdict;
}

static void no_rule_no_write(void **state)
{
	(void)state;
	char name[64];
	struct device device = board_at(MODE_RP2040_BOOT, PLACE);
	assert_int_equal(decide("", &device, &rp2040, name), VERDICT_NO_RULE);
	assert_int_equal(decide("rules = ();", &device, NULL, name), VERDICT_NO_RULE);
}

static void first_match_wins(void **state)
{
	(void)state;
	char name[64];
	struct device device = board_at(MODE_RP2040_BOOT, PLACE);
	const char *text =
		"rules = ({ name = \"other\"; match = { mode = \"rp2350-boot\"; }; ignore = true; },"
		"{ name = \"one\"; match = { }; flash = { image = \"a\"; }; },"
		"{ name = \"two\"; match = { }; ignore = true; });";
	assert_int_equal(decide(text, &device, &rp2040, name), VERDICT_FLASH);
	assert_string_equal(name, "one");
	assert_int_equal(decide(text, &device, NULL, name), VERDICT_PROBE);
}

static void a_place_is_a_glob(void **state)
{
	(void)state;
	char name[64];
	const char *text =
		"rules = ({ name = \"bench\";"
		"match = { path = \"pci-*-usb-0:1.[1-4]\"; }; flash = { image = \"a\"; }; });";
	struct device inside = board_at(MODE_RP2040_BOOT, PLACE);
	struct device outside = board_at(MODE_RP2040_BOOT, "pci-0000:00:14.0-usb-0:1.5");
	assert_int_equal(decide(text, &inside, &rp2040, name), VERDICT_FLASH);
	assert_int_equal(decide(text, &outside, &rp2040, name), VERDICT_NO_RULE);
}

static void a_port_is_for_people_and_still_matches(void **state)
{
	(void)state;
	char name[64];
	const char *text = "rules = ({ name = \"port\"; match = { path = \"1-1.3\"; };"
			   "flash = { image = \"a\"; }; });";
	struct device device = board_at(MODE_RP2040_BOOT, PLACE);
	assert_int_equal(decide(text, &device, &rp2040, name), VERDICT_FLASH);
}

/* Every RP2040 in boot mode shows one serial: a rule for a board by name cannot be decided, and
 * what stands behind it must not be taken instead. */
static void a_board_that_cannot_be_told_apart_is_refused(void **state)
{
	(void)state;
	char name[64];
	const char *text =
		"boards = ({ name = \"eddy\"; chip = \"rp2040\"; serial = \"504450610847861C\"; });"
		"rules = ({ name = \"eddy\"; match = { board = \"eddy\"; }; flash = { image = \"a\"; }; },"
		"{ name = \"rest\"; match = { }; flash = { image = \"b\"; }; });";
	struct device device = board_at(MODE_RP2040_BOOT, PLACE);
	assert_int_equal(decide(text, &device, NULL, name), VERDICT_PROBE);
	assert_int_equal(decide(text, &device, &rp2040, name), VERDICT_UNKNOWN);
	assert_string_equal(name, "eddy");
}

/* The id that the probe read from the flash chip is what tells them apart. */
static void an_rp2040_is_known_by_the_id_of_its_flash_chip(void **state)
{
	(void)state;
	char name[64];
	const char *text =
		"boards = ({ name = \"eddy\"; chip = \"rp2040\"; serial = \"504450610847861c\"; });"
		"rules = ({ name = \"eddy\"; match = { board = \"eddy\"; }; flash = { image = \"a\"; }; },"
		"{ name = \"rest\"; match = { }; flash = { image = \"b\"; }; });";
	struct device device = board_at(MODE_RP2040_BOOT, PLACE);
	const struct board_facts eddy = { .chip = CHIP_RP2040, .unique_id = "504450610847861C" };
	const struct board_facts twin = { .chip = CHIP_RP2040, .unique_id = "504450610847861D" };
	assert_int_equal(decide(text, &device, &eddy, name), VERDICT_FLASH);
	assert_string_equal(name, "eddy");
	assert_int_equal(decide(text, &device, &twin, name), VERDICT_FLASH);
	assert_string_equal(name, "rest");
}

/* The maker of a board may have given it another USB serial (OTP white label): only the look tells.
 */
static void what_an_rp2350_says_over_usb_yields_to_its_chip_id(void **state)
{
	(void)state;
	char name[64];
	const char *text = "boards = ({ name = \"mine\"; serial = \"0123ABCD0123ABCD\"; });"
			   "rules = ({ name = \"mine\"; match = { board = \"mine\"; }; flash = { "
			   "image = \"a\"; }; });";
	const struct board_facts mine = { .chip = CHIP_RP2350, .unique_id = "0123ABCD0123ABCD" };
	const struct board_facts other = { .chip = CHIP_RP2350, .unique_id = "1123ABCD0123ABCD" };
	struct device device = board_at(MODE_RP2350_BOOT, PLACE);
	device.serial = (char *)"ACME-7";
	assert_int_equal(decide(text, &device, NULL, name), VERDICT_PROBE);
	assert_int_equal(decide(text, &device, &mine, name), VERDICT_FLASH);
	device.serial = (char *)"0123ABCD0123ABCD";
	assert_int_equal(decide(text, &device, &other, name), VERDICT_NO_RULE);
}

static void a_running_application_is_meant_only_where_the_rule_says_so(void **state)
{
	(void)state;
	char name[64];
	static const enum board_mode modes[] = { MODE_KLIPPER, MODE_PICO_SDK };
	const char *silent =
		"rules = ({ name = \"a\"; match = { }; flash = { image = \"a\"; }; });";
	const char *entering = "rules = ({ name = \"a\"; match = { }; flash = { image = \"a\"; "
			       "enter_bootloader = true; }; });";
	const char *ignoring = "rules = ({ name = \"a\"; match = { }; ignore = true; });";
	for (size_t i = 0; i < ELEMENTSOF(modes); i++) {
		struct device device = board_at(modes[i], PLACE);
		assert_int_equal(decide(silent, &device, NULL, name), VERDICT_NO_RULE);
		assert_int_equal(decide(silent, &device, &rp2040, name), VERDICT_NO_RULE);
		assert_int_equal(decide(entering, &device, NULL, name), VERDICT_PROBE);
		assert_int_equal(decide(entering, &device, &rp2040, name), VERDICT_FLASH);
		assert_int_equal(decide(ignoring, &device, NULL, name), VERDICT_IGNORE);
	}
}

/* The same rule means it before it is asked and in boot mode; an application of its maker's own
 * naming is one of which nobody can tell. */
static void a_program_of_the_pico_sdk_is_known_by_the_serial_of_its_board(void **state)
{
	(void)state;
	char name[64];
	const char *text =
		"boards = ({ name = \"eddy\"; chip = \"rp2040\"; serial = \"504450610847861C\"; });"
		"rules = ({ name = \"eddy\"; match = { board = \"eddy\"; }; flash = { image = \"a\"; "
		"enter_bootloader = true; }; });";
	const struct board_facts eddy = { .chip = CHIP_RP2040, .unique_id = "504450610847861C" };
	struct device running = board_at(MODE_PICO_SDK, PLACE);
	struct device asked = board_at(MODE_RP2040_BOOT, PLACE);
	running.serial = (char *)"504450610847861C";
	assert_int_equal(decide(text, &running, NULL, name), VERDICT_PROBE);
	assert_int_equal(decide(text, &running, &eddy, name), VERDICT_FLASH);
	assert_int_equal(decide(text, &asked, NULL, name), VERDICT_PROBE);
	assert_int_equal(decide(text, &asked, &eddy, name), VERDICT_FLASH);
	running.serial = (char *)"504450610847861D";
	assert_int_equal(decide(text, &running, NULL, name), VERDICT_NO_RULE);
	running.serial = (char *)"EEEEEEEEEEEEEEEE";
	assert_int_equal(decide(text, &running, NULL, name), VERDICT_PROBE);
	assert_int_equal(decide(text, &running, &rp2040, name), VERDICT_UNKNOWN);
}

static void a_board_of_another_chip_is_passed_over(void **state)
{
	(void)state;
	char name[64];
	const char *text =
		"boards = ({ name = \"octopus\"; chip = \"stm32f429\"; serial = \"3B0025000C\"; });"
		"rules = ({ name = \"octopus\"; match = { board = \"octopus\"; }; flash = { image = \"a\"; "
		"}; },{ name = \"rest\"; match = { }; flash = { image = \"b\"; }; });";
	struct device device = board_at(MODE_RP2040_BOOT, PLACE);
	assert_int_equal(decide(text, &device, &rp2040, name), VERDICT_FLASH);
	assert_string_equal(name, "rest");
}

static void an_rp2350_is_known_by_its_own_serial(void **state)
{
	(void)state;
	char name[64];
	const char *text = "boards = ({ name = \"mine\"; serial = \"0123ABCD0123ABCD\"; });"
			   "rules = ({ name = \"mine\"; match = { board = \"mine\"; }; flash = { "
			   "image = \"a\"; }; });";
	const struct board_facts facts = { .chip = CHIP_RP2350 };
	struct device device = board_at(MODE_RP2350_BOOT, PLACE);
	device.serial = (char *)"0123abcd0123abcd";
	assert_int_equal(decide(text, &device, &facts, name), VERDICT_FLASH);
	device.serial = (char *)"FFFFABCD0123ABCD";
	assert_int_equal(decide(text, &device, &facts, name), VERDICT_NO_RULE);
}

static void an_unproved_chip_is_never_enough(void **state)
{
	(void)state;
	char name[64];
	const char *text = "rules = ({ name = \"chip\"; match = { chip = \"rp2040\"; };"
			   "flash = { image = \"a\"; }; });";
	const struct board_facts unknown = { .chip = CHIP_UNKNOWN };
	const struct board_facts other = { .chip = CHIP_RP2350 };
	struct device device = board_at(MODE_RP2040_BOOT, PLACE);
	assert_int_equal(decide(text, &device, NULL, name), VERDICT_PROBE);
	assert_int_equal(decide(text, &device, &unknown, name), VERDICT_UNKNOWN);
	assert_int_equal(decide(text, &device, &other, name), VERDICT_NO_RULE);
	assert_int_equal(decide(text, &device, &rp2040, name), VERDICT_FLASH);
}

static void boards_that_were_there_are_reported(void **state)
{
	(void)state;
	char name[64];
	struct device device = board_at(MODE_RP2040_BOOT, PLACE);
	device.was_present = true;
	const char *report =
		"rules = ({ name = \"r\"; match = { }; flash = { image = \"a\"; }; });";
	const char *flash = "rules = ({ name = \"r\"; match = { };"
			    "flash = { image = \"a\"; present = true; }; });";
	assert_int_equal(decide(report, &device, NULL, name), VERDICT_PRESENT);
	assert_int_equal(decide(flash, &device, NULL, name), VERDICT_PROBE);
	/* Also when only a look could tell whether the rule means it. */
	const char *chip = "rules = ({ name = \"r\"; match = { chip = \"rp2040\"; };"
			   "flash = { image = \"a\"; }; });";
	assert_int_equal(decide(chip, &device, NULL, name), VERDICT_PRESENT);
}

/* ---- in DFU ------------------------------------------------------------------------------ */

#define ID          "2B0007000C50425539393020"
#define BOOT_SERIAL "203739645542"
#define DECLARED                                                                        \
	"boards = ({ name = \"octopus\"; chip = \"stm32f446\"; serial = \"" ID "\"; }," \
	"{ name = \"toolhead\"; chip = \"stm32g0b1\"; can_uuid = \"9d3c17f0a2b4\"; });"
#define BY_NAME DECLARED "rules = (" RULE("octopus", "board = \"octopus\";") ");"
#define BY_PLACE \
	DECLARED "rules = (" RULE("octopus", "board = \"octopus\"; path = \"" PLACE "\";") ");"
#define RULE(name, match) \
	"{ name = \"" name "\"; match = { " match " }; flash = { image = \"a\"; }; }"

static struct device dfu_showing(const char *serial)
{
	struct device device = board_at(MODE_DFU, PLACE);
	device.serial = (char *)serial;
	device.vid = 0x0483;
	device.pid = 0xdf11;
	return device;
}

static const struct board_facts f401_or_f446 = {
	.possible_chips = (UINT64_C(1) << CHIP_STM32F401) | (UINT64_C(1) << CHIP_STM32F446),
};

static void a_chip_that_a_board_may_have_is_not_the_one_that_it_has(void **state)
{
	(void)state;
	char name[64];
	const char *text = "rules = (" RULE("f429", "chip = \"stm32f429\";") "," RULE(
		"f446", "chip = \"stm32f446\";") ");";
	struct device device = dfu_showing(BOOT_SERIAL);
	struct board_facts facts = f401_or_f446;
	assert_int_equal(decide(text, &device, &facts, name), VERDICT_UNKNOWN);
	assert_string_equal(name, "f446");
	facts.chip = CHIP_STM32F446;
	assert_int_equal(decide(text, &device, &facts, name), VERDICT_FLASH);
	facts.chip = CHIP_STM32F401;
	assert_int_equal(decide(text, &device, &facts, name), VERDICT_NO_RULE);
}

static void no_rp2040_is_in_dfu(void **state)
{
	(void)state;
	char name[64];
	const char *text = "rules = (" RULE("pico", "chip = \"rp2040\";") "," RULE("rest", "") ");";
	struct device device = dfu_showing(BOOT_SERIAL);
	assert_int_equal(decide(text, &device, NULL, name), VERDICT_PROBE);
	assert_string_equal(name, "rest");
}

static void the_serial_of_a_boot_rom_is_no_identity(void **state)
{
	(void)state;
	char name[64];
	const char *text = "boards = ({ name = \"b\"; serial = \"" BOOT_SERIAL "\"; });"
			   "rules = (" RULE("b", "board = \"b\"; path = \"" PLACE "\";") ");";
	struct device device = dfu_showing(BOOT_SERIAL);
	assert_int_equal(decide(text, &device, &f401_or_f446, name), VERDICT_UNKNOWN);
}

static void a_board_that_was_seen_as_its_application_is_known(void **state)
{
	(void)state;
	char name[64];
	struct device device = dfu_showing(BOOT_SERIAL);
	struct board_facts facts = f401_or_f446;
	facts.chip = CHIP_STM32F446;
	facts.id_origin = PROVENANCE_COMPUTED;
	strcpy(facts.unique_id, ID);
	assert_int_equal(decide(BY_NAME, &device, &facts, name), VERDICT_FLASH);
	strcpy(facts.unique_id, "27000E000551343438333339");
	device.serial = (char *)"3941335F3434";
	assert_int_equal(decide(BY_NAME, &device, &facts, name), VERDICT_NO_RULE);
}

static struct board_facts known_as(const char *id, enum provenance origin)
{
	struct board_facts facts = f401_or_f446;
	strcpy(facts.unique_id, id);
	facts.id_origin = origin;
	return facts;
}

#define SEEN_ENOUGH                          \
	DECLARED "rules = (" RULE("octopus", \
		"board = \"octopus\"; provenance = \"seen\";") "," RULE("rest", "") ");"
#define ASKED_FOR                            \
	DECLARED "rules = (" RULE("octopus", \
		"board = \"octopus\"; provenance = \"requested\";") "," RULE("rest", "") ");"

/* A hand may have been quicker, and many boards show that serial: neither yes nor no. */
static void what_was_only_seen_on_its_place_is_too_little(void **state)
{
	(void)state;
	char name[64];
	struct device device = dfu_showing("STM32FxSTM32");
	struct board_facts this = known_as(ID, PROVENANCE_SEEN);
	struct board_facts other = known_as("27000E000551343438333339", PROVENANCE_SEEN);
	assert_int_equal(decide(BY_NAME, &device, &this, name), VERDICT_UNKNOWN);
	assert_int_equal(decide(BY_NAME, &device, &other, name), VERDICT_UNKNOWN);
	/* Unless its one place is named, or the rule says that it is enough. */
	assert_int_equal(decide(BY_PLACE, &device, &this, name), VERDICT_FLASH);
	assert_int_equal(decide(BY_PLACE, &device, &other, name), VERDICT_UNKNOWN);
	assert_int_equal(decide(SEEN_ENOUGH, &device, &this, name), VERDICT_FLASH);
	assert_string_equal(name, "octopus");
	assert_int_equal(decide(SEEN_ENOUGH, &device, &other, name), VERDICT_FLASH);
	assert_string_equal(name, "rest");
}

static void a_rule_says_how_well_a_board_must_be_known(void **state)
{
	(void)state;
	char name[64];
	struct device device = dfu_showing(BOOT_SERIAL);
	struct board_facts computed = known_as(ID, PROVENANCE_COMPUTED);
	struct board_facts requested = known_as(ID, PROVENANCE_REQUESTED);
	assert_int_equal(decide(ASKED_FOR, &device, &computed, name), VERDICT_UNKNOWN);
	assert_int_equal(decide(ASKED_FOR, &device, &requested, name), VERDICT_FLASH);
	_cleanup_(policy_freep) struct policy *policy = policy_from(ASKED_FOR);
	const char *why = NULL;
	assert_int_equal(
		policy_match(policy, &policy->rules[0], &device, &computed, &why), MATCH_MAYBE);
	assert_non_null(strstr(why, "the rule's provenance"));
	/* Another board it is in any case. */
	device.serial = (char *)"3941335F3434";
	computed = known_as("27000E000551343438333339", PROVENANCE_COMPUTED);
	assert_int_equal(decide(ASKED_FOR, &device, &computed, name), VERDICT_FLASH);
	assert_string_equal(name, "rest");
}

/* The middle bytes go into no serial of DFU. */
#define TWIN "2B0007000C51425539393020"

static void of_two_boards_with_one_serial_in_dfu_neither_is_sure(void **state)
{
	(void)state;
	char name[64];
	const char *twins = "boards = ({ name = \"a\"; serial = \"" ID "\"; },"
			    "{ name = \"b\"; serial = \"" TWIN "\"; });"
			    "rules = (" RULE("b", "board = \"b\";") ");";
	struct device device = dfu_showing(BOOT_SERIAL);
	struct board_facts facts = known_as(TWIN, PROVENANCE_COMPUTED);
	assert_int_equal(decide(twins, &device, &facts, name), VERDICT_UNKNOWN);
	facts.id_origin = PROVENANCE_REQUESTED;
	assert_int_equal(decide(twins, &device, &facts, name), VERDICT_FLASH);
	facts = known_as(ID, PROVENANCE_REQUESTED);
	assert_int_equal(decide(twins, &device, &facts, name), VERDICT_NO_RULE);
}

/* ---- by CAN uuid ------------------------------------------------------------------------- */

#define CAN_ID    "3D0052001450425539383920"
#define CAN_BOARD "boards = ({ name = \"toolhead\"; can_uuid = \"154AAB036E6A\"; });"
#define CAN_RULES CAN_BOARD "rules = (" RULE("toolhead", "board = \"toolhead\";") ");"

static void a_uuid_means_the_board_whose_serial_it_follows_from(void **state)
{
	(void)state;
	char name[64];
	struct device device = board_at(MODE_KATAPULT, PLACE);
	const struct board_facts nothing = { 0 };
	device.serial = (char *)CAN_ID;
	assert_int_equal(decide(CAN_RULES, &device, NULL, name), VERDICT_PROBE);
	assert_int_equal(decide(CAN_RULES, &device, &nothing, name), VERDICT_FLASH);
	device.serial = (char *)ID;
	assert_int_equal(decide(CAN_RULES, &device, &nothing, name), VERDICT_NO_RULE);
	/* What the chip was read to have decides, as it does for serials. */
	const struct board_facts read = { .unique_id = CAN_ID };
	assert_int_equal(decide(CAN_RULES, &device, &read, name), VERDICT_FLASH);
	device.serial = (char *)"12345";
	assert_int_equal(decide(CAN_RULES, &device, &nothing, name), VERDICT_UNKNOWN);
	device.mode = MODE_NONE;
	assert_int_equal(decide(CAN_RULES, &device, &nothing, name), VERDICT_NO_RULE);
	device.serial = (char *)CAN_ID;
	assert_int_equal(decide(CAN_RULES, &device, &nothing, name), VERDICT_FLASH);
}

static void in_dfu_a_uuid_is_known_by_what_was_seen(void **state)
{
	(void)state;
	char name[64];
	struct device device = dfu_showing("375E36693532");
	struct board_facts facts = known_as("", PROVENANCE_NONE);
	assert_int_equal(decide(CAN_RULES, &device, &facts, name), VERDICT_UNKNOWN);
	facts = known_as(CAN_ID, PROVENANCE_COMPUTED);
	assert_int_equal(decide(CAN_RULES, &device, &facts, name), VERDICT_FLASH);
	facts = known_as(ID, PROVENANCE_COMPUTED);
	assert_int_equal(decide(CAN_RULES, &device, &facts, name), VERDICT_NO_RULE);
}

static void a_uuid_beside_a_serial_that_names_no_chip_must_agree_too(void **state)
{
	(void)state;
	char name[64];
	const char *text =
		"boards = ({ name = \"b\"; serial = \"mine\"; can_uuid = \"154aab036e6a\"; });"
		"rules = (" RULE("b", "board = \"b\";") ");";
	struct device device = board_at(MODE_KATAPULT, PLACE);
	const struct board_facts nothing = { 0 };
	device.serial = (char *)"mine";
	assert_int_equal(decide(text, &device, &nothing, name), VERDICT_UNKNOWN);
	device.serial = (char *)"yours";
	assert_int_equal(decide(text, &device, &nothing, name), VERDICT_NO_RULE);
}

static void the_place_makes_an_identity_and_the_serial_confirms_it(void **state)
{
	(void)state;
	char name[64];
	struct device board = dfu_showing(BOOT_SERIAL), other = dfu_showing("3941335F3434");
	struct device shared = dfu_showing("STM32FxSTM32");
	assert_int_equal(decide(BY_NAME, &board, &f401_or_f446, name), VERDICT_UNKNOWN);
	assert_int_equal(decide(BY_PLACE, &board, &f401_or_f446, name), VERDICT_FLASH);
	assert_int_equal(decide(BY_PLACE, &board, NULL, name), VERDICT_PROBE);
	assert_int_equal(decide(BY_PLACE, &other, NULL, name), VERDICT_NO_RULE);
	assert_int_equal(decide(BY_PLACE, &other, &f401_or_f446, name), VERDICT_NO_RULE);
	assert_int_equal(decide(BY_PLACE, &shared, &f401_or_f446, name), VERDICT_UNKNOWN);
	/* A pattern is many places. */
	const char *wide =
		DECLARED "rules = (" RULE("octopus", "board = \"octopus\"; path = \"*\";") ");";
	assert_int_equal(decide(wide, &board, &f401_or_f446, name), VERDICT_UNKNOWN);
}

static void a_board_at_its_place_whose_chip_is_excluded_is_another(void **state)
{
	(void)state;
	char name[64];
	struct device board = dfu_showing(BOOT_SERIAL);
	struct board_facts facts = { .possible_chips = chip_bit(CHIP_STM32G0B1) };
	assert_int_equal(decide(BY_PLACE, &board, &facts, name), VERDICT_NO_RULE);
	/* Unless it is only what runs on it that says so: that may be the mistake. */
	facts = f401_or_f446;
	facts.chip = CHIP_STM32F401;
	assert_int_equal(decide(BY_PLACE, &board, &facts, name), VERDICT_NO_RULE);
	facts.chip_origin = CHIP_FROM_FIRMWARE;
	assert_int_equal(decide(BY_PLACE, &board, &facts, name), VERDICT_FLASH);
}

static void what_would_settle_it_is_said(void **state)
{
	(void)state;
	static const struct {
		const char *match, *serial, *words;
	} cases[] = {
		{ "board = \"octopus\";", BOOT_SERIAL, "its one place in path" },
		{ "board = \"octopus\";", "STM32FxSTM32", "match it by path" },
		{ "board = \"toolhead\";", BOOT_SERIAL, "CAN uuid; match it by path" },
		{ "chip = \"stm32g0b1\";", BOOT_SERIAL, "state chip in flash" },
	};
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		_cleanup_(freep) char *text =
			text_format(DECLARED "rules = (" RULE("r", "%s") ");", cases[i].match);
		_cleanup_(policy_freep) struct policy *policy = policy_from(text);
		struct device device = dfu_showing(cases[i].serial);
		const struct board_facts facts = { .possible_chips = UINT64_MAX };
		const char *why = NULL;
		assert_int_equal(policy_match(policy, &policy->rules[0], &device, &facts, &why),
			MATCH_MAYBE);
		if (!strstr(why, cases[i].words))
			fail_msg("no \"%s\" in: %s", cases[i].words, why);
	}
}

static void shared_serials_are_known(void **state)
{
	(void)state;
	assert_true(policy_serial_is_shared("E0C9125B0D9B"));
	assert_true(policy_serial_is_shared("e0c9125b0d9b"));
	assert_true(policy_serial_is_shared("STM32FxSTM32"));
	assert_true(policy_serial_is_shared("200364500000"));
	assert_false(policy_serial_is_shared("504450610847861C"));
}

/* ---- looked over, it decides the same ---------------------------------------------------- */

static void random_text(char *ret, size_t capacity, const char *alphabet)
{
	size_t length = (size_t)rand() % capacity;
	for (size_t i = 0; i < length; i++)
		ret[i] = alphabet[(size_t)rand() % strlen(alphabet)];
	ret[length] = '\0';
}

static void a_path_that_was_looked_over_means_what_it_meant(void **state)
{
	(void)state;
	const struct policy_rule *rule;
	unsigned matches = 0;
	srand(1);
	for (int i = 0; i < 200000; i++) {
		char glob[8], place[6];
		_cleanup_(policy_freep) struct policy *policy = policy_new();
		random_text(glob, sizeof(glob), "ab-!]]**??[[\\");
		random_text(place, sizeof(place), "ab-!][\\");
		struct policy_rule *only = policy_add_rule(policy);
		only->path = strdup(glob);
		struct device device = board_at(MODE_RP2040_BOOT, place);
		device.port = (char *)"";
		enum verdict plain = policy_decide(policy, &device, NULL, &rule);
		assert_int_equal(policy_index(policy), 0);
		if (policy_decide(policy, &device, NULL, &rule) != plain)
			fail_msg("\"%s\" on \"%s\"", glob, place);
		matches += plain != VERDICT_NO_RULE;
	}
	assert_true(matches > 1000);
}

static void a_board_is_found_by_name_also_when_more_come_later(void **state)
{
	(void)state;
	_cleanup_(policy_freep) struct policy *policy = policy_new();
	static const char *const names[] = { "m", "z", "a", "m", "k" };
	for (size_t i = 0; i < ELEMENTSOF(names); i++) {
		policy_add_board(policy)->name = strdup(names[i]);
		if (i == 3)
			assert_int_equal(policy_index(policy), 0);
		for (size_t k = 0; k <= i; k++)
			assert_string_equal(policy_board(policy, names[k])->name, names[k]);
		assert_ptr_equal(policy_board(policy, "m"), &policy->boards[0]);
		assert_null(policy_board(policy, "n"));
		assert_null(policy_board(policy, NULL));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_rule_no_write),
		cmocka_unit_test(first_match_wins),
		cmocka_unit_test(a_place_is_a_glob),
		cmocka_unit_test(a_port_is_for_people_and_still_matches),
		cmocka_unit_test(a_board_that_cannot_be_told_apart_is_refused),
		cmocka_unit_test(a_running_application_is_meant_only_where_the_rule_says_so),
		cmocka_unit_test(a_program_of_the_pico_sdk_is_known_by_the_serial_of_its_board),
		cmocka_unit_test(a_board_of_another_chip_is_passed_over),
		cmocka_unit_test(an_rp2040_is_known_by_the_id_of_its_flash_chip),
		cmocka_unit_test(what_an_rp2350_says_over_usb_yields_to_its_chip_id),
		cmocka_unit_test(an_rp2350_is_known_by_its_own_serial),
		cmocka_unit_test(an_unproved_chip_is_never_enough),
		cmocka_unit_test(boards_that_were_there_are_reported),
		cmocka_unit_test(a_chip_that_a_board_may_have_is_not_the_one_that_it_has),
		cmocka_unit_test(no_rp2040_is_in_dfu),
		cmocka_unit_test(the_serial_of_a_boot_rom_is_no_identity),
		cmocka_unit_test(a_board_that_was_seen_as_its_application_is_known),
		cmocka_unit_test(what_was_only_seen_on_its_place_is_too_little),
		cmocka_unit_test(a_rule_says_how_well_a_board_must_be_known),
		cmocka_unit_test(of_two_boards_with_one_serial_in_dfu_neither_is_sure),
		cmocka_unit_test(a_uuid_means_the_board_whose_serial_it_follows_from),
		cmocka_unit_test(in_dfu_a_uuid_is_known_by_what_was_seen),
		cmocka_unit_test(a_uuid_beside_a_serial_that_names_no_chip_must_agree_too),
		cmocka_unit_test(the_place_makes_an_identity_and_the_serial_confirms_it),
		cmocka_unit_test(a_board_at_its_place_whose_chip_is_excluded_is_another),
		cmocka_unit_test(what_would_settle_it_is_said),
		cmocka_unit_test(shared_serials_are_known),
		cmocka_unit_test(a_path_that_was_looked_over_means_what_it_meant),
		cmocka_unit_test(a_board_is_found_by_name_also_when_more_come_later),
	};
	return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
