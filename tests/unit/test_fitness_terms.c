/* SPDX-License-Identifier: MIT */
/* Stories about what a policy means, what an image says, and what the board ran before: where they
 * differ, a board would go dark, and nobody could reach it again. */
#include "unit/klipper_story.h"

#include "model/fitness.h"
#include "unit/fitness_story.h"
#include "unit/make_arm.h"

#define NOW    "v0.13.0-420-g0a1b2c3d4"
#define CLOCK  ",\"CLOCK_FREQ\":64000000"
#define CAN    ",\"CANBUS_FREQUENCY\":1000000,\"RESERVE_PINS_CAN\":\"PB0,PB1\"" CLOCK
#define SLOW   ",\"CANBUS_FREQUENCY\":500000,\"RESERVE_PINS_CAN\":\"PB0,PB1\"" CLOCK
#define USB    ",\"RESERVE_PINS_USB\":\"PA11,PA12\"" CLOCK
#define UART   ",\"SERIAL_BAUD\":250000,\"RESERVE_PINS_serial\":\"PA10,PA9\"" CLOCK
#define BRIDGE ",\"CANBUS_BRIDGE\":1,\"RESERVE_PINS_CAN\":\"PD0,PD1\"" CLOCK

static const struct board_facts toolhead = {
	.chip = CHIP_STM32G0B1,
	.has_application_start = true,
	.application_start = ARM_8K,
	.bootloader = BOOTLOADER_KATAPULT,
};

static struct image *klipper_of(const char *version, const char *config)
{
	_cleanup_(freep) uint8_t *bytes = make_klipper("stm32g0b1xx", ARM_8K, version, config);
	return make_value(FORMAT_BIN, bytes, ARM_LENGTH, 0);
}

static struct image *klipper_with(const char *config)
{
	return klipper_of(NOW, config);
}

/* A program that says nothing, with a rule that says for which chip it is. */
static const struct terms plain_terms = { .declared.chip = CHIP_STM32G0B1 };

static struct image *plain(void)
{
	struct made_arm made = { .base = ARM_8K, .signs = ARM_KLIPPER_SIGNS & ~LINK_DICTIONARY };
	_cleanup_(freep) uint8_t *bytes = make_arm(&made);
	return make_value(FORMAT_BIN, bytes, ARM_LENGTH, 0);
}

/* The board as it ran that one before. */
static struct board_facts that_ran(const char *version, const char *config)
{
	_cleanup_(freep) char *whole = text_format("\"MCU\":\"stm32g0b1xx\"%s", config);
	_cleanup_(freep) char *json = make_json(version, whole);
	_cleanup_(klipper_done) struct klipper klipper = { 0 };
	assert_int_equal(klipper_parse(json, strlen(json), &klipper), 0);
	struct board_facts board = toolhead;
	board.running = klipper_running(&klipper);
	return board;
}

static void expect_taken_after(const char *config, const char *before, const struct terms *terms)
{
	const struct board_facts board = that_ran(NOW, before);
	expect_taken(klipper_with(config), &board, terms);
}

static void expect_turned_down_after(const char *config, const char *before,
	const struct terms *terms, enum reason_code code, const char *words, const char *more)
{
	const struct board_facts board = that_ran(NOW, before);
	expect_turned_down(klipper_with(config), &board, terms, code, words, more);
}

static struct terms expecting(struct terms_expected expected)
{
	return (struct terms){ .declared.chip = CHIP_STM32G0B1, .expected = expected };
}

#define EXPECTING(...) expecting((struct terms_expected){ __VA_ARGS__ })

static const char *const wires[] = { CAN, USB, UART, BRIDGE };

static void nothing_stated_and_nothing_known_is_no_refusal(void **unused)
{
	(void)unused;
	const struct terms none = { 0 };
	for (size_t i = 0; i < ELEMENTSOF(wires); i++) {
		expect_taken(klipper_with(wires[i]), &toolhead, NULL);
		expect_taken(klipper_with(wires[i]), &toolhead, &none);
	}
	expect_taken(klipper_with(""), &toolhead, NULL);
	expect_taken(plain(), &toolhead, &plain_terms);
}

static void the_same_again_fits(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ELEMENTSOF(wires); i++)
		expect_taken_after(wires[i], wires[i], NULL);
	/* What the firmware before did not say speaks against nothing. */
	expect_taken_after(",\"CANBUS_FREQUENCY\":1000000,\"RESERVE_PINS_CAN\":\"PB0,PB1\"",
		",\"CANBUS_FREQUENCY\":1000000", NULL);
}

/* ---- the wire ---------------------------------------------------------------------------- */

static void the_policy_expects_another_wire(void **unused)
{
	(void)unused;
	struct terms terms = EXPECTING(.transport = TRANSPORT_CAN);
	expect_taken(klipper_with(CAN), &toolhead, &terms);
	expect_turned_down(klipper_with(USB), &toolhead, &terms, REASON_WRONG_TRANSPORT,
		"talks usb, and the policy expects can", "correct expect in the rule");
	expect_turned_down(klipper_with(BRIDGE), &toolhead, &terms, REASON_WRONG_TRANSPORT,
		"talks bridge, and the policy expects can", "correct expect in the rule");
	expect_turned_down(plain(), &toolhead, &terms, REASON_EXPECTATION_UNPROVED,
		"expects an image that talks can", "does not say by which wire it talks");
}

static void the_board_talked_by_another_wire_before(void **unused)
{
	(void)unused;
	expect_turned_down_after(USB, CAN, NULL, REASON_TRANSPORT_CHANGE,
		"talks usb, and the firmware that the board ran before talks can",
		"expect = { transport = \"usb\"; }");
	/* A bridge is reached by the same cable, but the bus behind it is gone. */
	expect_turned_down_after(USB, BRIDGE, NULL, REASON_TRANSPORT_CHANGE,
		"talks usb, and the firmware that the board ran before talks bridge",
		"expect = { transport = \"usb\"; }");
	struct terms terms = EXPECTING(.transport = TRANSPORT_USB);
	expect_taken_after(USB, CAN, &terms);
}

static void the_board_is_reached_by_another_wire(void **unused)
{
	(void)unused;
	struct board_facts board = toolhead;
	board.reach = TRANSPORT_CAN;
	expect_taken(klipper_with(CAN), &board, NULL);
	expect_turned_down(klipper_with(USB), &board, NULL, REASON_TRANSPORT_CHANGE,
		"talks usb, and the board is reached by can", "expect = { transport = \"usb\"; }");
	struct terms terms = EXPECTING(.transport = TRANSPORT_USB);
	expect_taken(klipper_with(USB), &board, &terms);
	board.reach = TRANSPORT_USB;
	expect_taken(klipper_with(USB), &board, NULL);
	expect_taken(klipper_with(BRIDGE), &board, NULL);
	expect_turned_down(klipper_with(UART), &board, NULL, REASON_TRANSPORT_CHANGE,
		"talks uart, and the board is reached by usb", "built for usb");
}

/* In its boot mode a toolhead is reached by USB, and by CAN ever after. */
static void what_it_ran_before_says_more_than_how_it_is_reached(void **unused)
{
	(void)unused;
	struct board_facts board = that_ran(NOW, CAN);
	board.reach = TRANSPORT_USB;
	expect_taken(klipper_with(CAN), &board, NULL);
	expect_turned_down(klipper_with(USB), &board, NULL, REASON_TRANSPORT_CHANGE,
		"talks usb, and the firmware that the board ran before talks can", "transport");
}

/* Where nobody is near, or the board has had a wire, silence about it is not enough. */
static void an_image_that_does_not_say_how_it_talks(void **unused)
{
	(void)unused;
	struct board_facts board = toolhead;
	struct terms terms = plain_terms;
	expect_taken(plain(), &board, &terms);
	board.reach = TRANSPORT_USB;
	expect_taken(plain(), &board, &terms);
	board.reach = TRANSPORT_CAN;
	expect_turned_down(plain(), &board, &terms, REASON_TRANSPORT_CHANGE,
		"does not say by which wire it talks, and the board is reached by can",
		"declare = { transport = \"can\"; }");
	terms.declared.transport = TRANSPORT_CAN;
	expect_taken(plain(), &board, &terms);
	terms.declared.transport = TRANSPORT_USB;
	expect_turned_down(plain(), &board, &terms, REASON_TRANSPORT_CHANGE,
		"talks usb, and the board is reached by can", "expect = {");

	board = that_ran(NOW, UART);
	terms.declared.transport = TRANSPORT_UNKNOWN;
	terms.permits_downgrade = true;
	expect_turned_down(plain(), &board, &terms, REASON_TRANSPORT_CHANGE,
		"the firmware that the board ran before talks uart", "declare = { transport");
	terms.declared.transport = TRANSPORT_UART;
	expect_taken(plain(), &board, &terms);
}

static void a_declared_wire_is_held_against_the_dictionary(void **unused)
{
	(void)unused;
	struct terms terms = { .declared.transport = TRANSPORT_USB };
	expect_taken(klipper_with(USB), &toolhead, &terms);
	expect_turned_down(klipper_with(CAN), &toolhead, &terms, REASON_DECLARATION_CONTRADICTED,
		"declares that the image talks usb, and its dictionary says can",
		"correct declare in the rule");
	/* What is declared also meets what is expected. */
	terms = (struct terms){ .declared = { .chip = CHIP_STM32G0B1, .transport = TRANSPORT_CAN },
		.expected.transport = TRANSPORT_CAN };
	expect_taken(plain(), &toolhead, &terms);
}

/* ---- the bus ----------------------------------------------------------------------------- */

static void the_bitrate_is_not_the_expected_one(void **unused)
{
	(void)unused;
	struct terms terms = EXPECTING(.can_bitrate = 500000);
	expect_taken(klipper_with(SLOW), &toolhead, &terms);
	expect_turned_down(klipper_with(CAN), &toolhead, &terms, REASON_WRONG_CAN_BITRATE,
		"CAN bitrate of the image: 1000000, and the policy expects 500000",
		"correct expect in the rule");
}

static void the_bitrate_is_not_the_one_before(void **unused)
{
	(void)unused;
	expect_turned_down_after(CAN, SLOW, NULL, REASON_WRONG_CAN_BITRATE,
		"CAN bitrate of the image: 1000000, and the firmware that the board ran before has "
		"500000",
		"expect = { can_bitrate = …; }");
	struct terms terms = EXPECTING(.can_bitrate = 1000000);
	expect_taken_after(CAN, SLOW, &terms);
}

static void the_bitrate_is_not_that_of_the_bus(void **unused)
{
	(void)unused;
	struct board_facts board = toolhead;
	struct terms expected = EXPECTING(.can_bitrate = 1000000);
	board.can_bitrate = 500000;
	expect_taken(klipper_with(SLOW), &board, NULL);
	expect_turned_down(klipper_with(CAN), &board, NULL, REASON_WRONG_CAN_BITRATE,
		"talks CAN at 1000000 bit/s", "the board is on runs at 500000");
	/* The bus is what it is, whatever the policy expects. */
	expect_turned_down(klipper_with(CAN), &board, &expected, REASON_WRONG_CAN_BITRATE,
		"talks CAN at 1000000 bit/s", "the board is on runs at 500000");
	/* What does not talk CAN does not disturb it. */
	expect_taken(klipper_with(USB), &board, NULL);
}

static void a_bridge_does_not_record_its_bitrate(void **unused)
{
	(void)unused;
	struct board_facts board = toolhead;
	struct terms terms = EXPECTING(.can_bitrate = 1000000);
	expect_turned_down(klipper_with(BRIDGE), &board, &terms, REASON_EXPECTATION_UNPROVED,
		"expects the CAN bitrate to be 1000000, and the image does not say",
		"declare = { can_bitrate = …; }");
	board.can_bitrate = 1000000;
	expect_turned_down(klipper_with(BRIDGE), &board, NULL, REASON_EXPECTATION_UNPROVED,
		"the CAN bus of the board runs at 1000000 bit/s",
		"declare = { can_bitrate = 1000000; }");
	terms.declared.can_bitrate = 1000000;
	expect_taken(klipper_with(BRIDGE), &board, &terms);
	terms.declared.can_bitrate = 500000;
	expect_turned_down(klipper_with(BRIDGE), &board, &terms, REASON_WRONG_CAN_BITRATE,
		"CAN bitrate of the image: 500000, and the policy expects 1000000",
		"correct expect in the rule");
	terms.expected.can_bitrate = 0;
	expect_turned_down(klipper_with(BRIDGE), &board, &terms, REASON_WRONG_CAN_BITRATE,
		"talks CAN at 500000 bit/s", "runs at 1000000");
}

static void a_declared_bitrate_is_not_the_recorded_one(void **unused)
{
	(void)unused;
	struct terms terms = { .declared.can_bitrate = 500000 };
	expect_turned_down(klipper_with(CAN), &toolhead, &terms, REASON_DECLARATION_CONTRADICTED,
		"declares a CAN bitrate of 500000", "the dictionary of the image says 1000000");
	terms.declared.can_bitrate = 1000000;
	expect_taken(klipper_with(CAN), &toolhead, &terms);
}

/* ---- what is wired ----------------------------------------------------------------------- */

static void what_is_wired_does_not_change(void **unused)
{
	(void)unused;
	static const struct {
		enum reason_code code;
		const char *image, *before, *words, *key;
	} changes[] = {
		{ REASON_WRONG_SERIAL_BAUD, ",\"SERIAL_BAUD\":115200", UART,
			"serial baud rate of the image: 115200, and the firmware that the board "
			"ran before has 250000",
			"expect = { serial_baud = …; }" },
		{ REASON_WRONG_CLOCK, ",\"CLOCK_FREQ\":48000000", CLOCK,
			"clock of the image: 48000000, and the firmware that the board ran before "
			"has 64000000",
			"expect = { clock = …; }" },
		{ REASON_WRONG_PINS,
			",\"CANBUS_FREQUENCY\":1000000,\"RESERVE_PINS_CAN\":\"PD0,PD1\"", CAN,
			"CAN pins of the image: PD0,PD1, and the firmware that the board ran "
			"before has PB0,PB1",
			"expect = { can_pins = …; }" },
		{ REASON_WRONG_PINS, ",\"RESERVE_PINS_USB\":\"PB14,PB15\"", USB,
			"USB pins of the image: PB14,PB15, and the firmware that the board ran "
			"before has PA11,PA12",
			"expect = { usb_pins = …; }" },
		{ REASON_WRONG_PINS, ",\"SERIAL_BAUD\":250000,\"RESERVE_PINS_serial\":\"PA3,PA2\"",
			UART,
			"serial pins of the image: PA3,PA2, and the firmware that the board ran "
			"before has PA10,PA9",
			"expect = { serial_pins = …; }" },
		{ REASON_WRONG_PINS, ",\"INITIAL_PINS\":\"!PA14\"", ",\"INITIAL_PINS\":\"!PC13\"",
			"set at the start of the image: !PA14, and the firmware that the board ran "
			"before has !PC13",
			"expect = { initial_pins = …; }" },
		/* That one is missing is said by its absence. */
		{ REASON_WRONG_PINS, "", ",\"INITIAL_PINS\":\"!PC13\"",
			"set at the start of the image: none, and the firmware that the board ran "
			"before has !PC13",
			"expect = { initial_pins = …; }" },
		{ REASON_WRONG_PINS, ",\"INITIAL_PINS\":\"!PC13\"", "",
			"set at the start of the image: !PC13, and the firmware that the board ran "
			"before has none",
			"expect = { initial_pins = …; }" },
	};
	for (size_t i = 0; i < ELEMENTSOF(changes); i++) {
		expect_turned_down_after(changes[i].image, changes[i].before, NULL, changes[i].code,
			changes[i].words, changes[i].key);
		expect_taken_after(changes[i].before, changes[i].before, NULL);
	}
}

static void the_policy_expects_another_wiring(void **unused)
{
	(void)unused;
	char pins[] = "PX1,PX2", nothing[] = "";
	const struct {
		struct terms_expected expected;
		enum reason_code code;
		const char *image, *words;
	} expectations[] = {
		{ { .serial_baud = 115200 }, REASON_WRONG_SERIAL_BAUD, UART,
			"serial baud rate of the image: 250000, and the policy expects 115200" },
		{ { .clock_hz = 48000000 }, REASON_WRONG_CLOCK, CAN,
			"clock of the image: 64000000, and the policy expects 48000000" },
		{ { .can_pins = pins }, REASON_WRONG_PINS, CAN,
			"CAN pins of the image: PB0,PB1, and the policy expects PX1,PX2" },
		{ { .usb_pins = pins }, REASON_WRONG_PINS, USB,
			"USB pins of the image: PA11,PA12, and the policy expects PX1,PX2" },
		{ { .serial_pins = pins }, REASON_WRONG_PINS, UART,
			"serial pins of the image: PA10,PA9, and the policy expects PX1,PX2" },
		{ { .initial_pins = pins }, REASON_WRONG_PINS, CAN,
			"set at the start of the image: none, and the policy expects PX1,PX2" },
		{ { .initial_pins = nothing }, REASON_WRONG_PINS, ",\"INITIAL_PINS\":\"!PC13\"",
			"set at the start of the image: !PC13, and the policy expects none" },
	};
	for (size_t i = 0; i < ELEMENTSOF(expectations); i++) {
		struct terms terms = expecting(expectations[i].expected);
		expect_turned_down(klipper_with(expectations[i].image), &toolhead, &terms,
			expectations[i].code, expectations[i].words, "correct expect in the rule");
	}
	struct terms terms = EXPECTING(.initial_pins = nothing);
	expect_taken(klipper_with(CAN), &toolhead, &terms);
}

static void what_the_policy_expects_must_be_proved(void **unused)
{
	(void)unused;
	char pins[] = "PB0,PB1", nothing[] = "";
	const struct {
		struct terms_expected expected;
		const char *words;
	} expectations[] = {
		{ { .can_bitrate = 1000000 }, "the CAN bitrate to be 1000000" },
		{ { .serial_baud = 250000 }, "the serial baud rate to be 250000" },
		{ { .clock_hz = 64000000 }, "the clock to be 64000000" },
		{ { .crystal_hz = 8000000 }, "the crystal to be 8000000" },
		{ { .can_pins = pins }, "the CAN pins to be PB0,PB1" },
		{ { .usb_pins = pins }, "the USB pins to be PB0,PB1" },
		{ { .serial_pins = pins }, "the serial pins to be PB0,PB1" },
		{ { .initial_pins = pins }, "set at the start to be PB0,PB1" },
		{ { .initial_pins = nothing }, "set at the start to be none" },
		{ { .version = pins }, "expects version PB0,PB1" },
	};
	for (size_t i = 0; i < ELEMENTSOF(expectations); i++) {
		struct terms terms = expecting(expectations[i].expected);
		expect_turned_down(plain(), &toolhead, &terms, REASON_EXPECTATION_UNPROVED,
			expectations[i].words, "the image does not say");
	}
}

static void an_expectation_overrules_what_was_before(void **unused)
{
	(void)unused;
	char pins[] = "PD0,PD1";
	struct terms terms = EXPECTING(.can_pins = pins, .clock_hz = 48000000);
	expect_taken_after(",\"CANBUS_FREQUENCY\":1000000,\"RESERVE_PINS_CAN\":\"PD0,PD1\","
			   "\"CLOCK_FREQ\":48000000",
		CAN, &terms);
}

static void no_image_records_its_crystal(void **unused)
{
	(void)unused;
	struct terms terms = EXPECTING(.crystal_hz = 8000000);
	expect_turned_down(klipper_with(CAN), &toolhead, &terms, REASON_EXPECTATION_UNPROVED,
		"expects the crystal to be 8000000", "declare = { crystal = …; }");
	terms.declared.crystal_hz = 25000000;
	expect_turned_down(klipper_with(CAN), &toolhead, &terms, REASON_WRONG_CRYSTAL,
		"crystal of the image: 25000000, and the policy expects 8000000",
		"correct expect in the rule");
	terms.declared.crystal_hz = 8000000;
	expect_taken(klipper_with(CAN), &toolhead, &terms);
	terms.expected.crystal_hz = 0;
	expect_taken(klipper_with(CAN), &toolhead, &terms);
}

/* ---- which one --------------------------------------------------------------------------- */

static void the_version_is_not_the_expected_one(void **unused)
{
	(void)unused;
	char exact[] = NOW, pattern[] = "v0.13.*", other[] = "v0.12.*";
	struct terms terms = EXPECTING(.version = exact);
	expect_taken(klipper_with(CAN), &toolhead, &terms);
	terms.expected.version = pattern;
	expect_taken(klipper_with(CAN), &toolhead, &terms);
	terms.expected.version = other;
	expect_turned_down(klipper_with(CAN), &toolhead, &terms, REASON_WRONG_VERSION,
		"is version " NOW ", and the policy expects v0.12.*", "use that version");
}

static void an_older_version_is_a_downgrade(void **unused)
{
	(void)unused;
	const struct board_facts board = that_ran("v0.13.0-420-gfeedbeef1", CAN);
	struct terms permitted = { .permits_downgrade = true };
	const char *older = "v0.12.0-404-g0123456ab";
	expect_turned_down(klipper_of(older, CAN), &board, NULL, REASON_DOWNGRADE,
		"is version v0.12.0-404-g0123456ab, and the board runs v0.13.0-420-gfeedbeef1",
		"say downgrade = true in the rule");
	expect_taken(klipper_of(older, CAN), &board, &permitted);
	expect_taken(klipper_of("v0.13.0-421-g0123456ab", CAN), &board, NULL);
	expect_taken(klipper_of("v0.13.0-420-gfeedbeef1", CAN), &board, NULL);
	expect_taken(klipper_of(older, CAN), &toolhead, NULL);
}

static void which_version_is_the_older_one_must_be_known(void **unused)
{
	(void)unused;
	const struct board_facts board = that_ran(NOW, CAN);
	struct terms permitted = { .permits_downgrade = true };
	static const char *const others[] = { "v0.13.0-420-gfeedbeef1", NOW "-dirty", "0a1b2c3d",
		"CARTOGRAPHER 5.1.0" };
	for (size_t i = 0; i < ELEMENTSOF(others); i++) {
		expect_turned_down(klipper_of(others[i], CAN), &board, NULL,
			REASON_VERSION_UNORDERED, others[i], "the board runs " NOW);
		expect_taken(klipper_of(others[i], CAN), &board, &permitted);
	}
	expect_turned_down(klipper_of("", CAN), &board, NULL, REASON_VERSION_UNORDERED,
		"does not say its version, and the board runs " NOW,
		"say downgrade = true in the rule");
	struct terms terms = plain_terms;
	terms.declared.transport = TRANSPORT_CAN;
	expect_turned_down(plain(), &board, &terms, REASON_VERSION_UNORDERED,
		"does not say its version, and the board runs " NOW,
		"say downgrade = true in the rule");
}

/* It was permitted by name, and its version is not that of an application. */
static void a_boot_loader_is_no_version_of_the_application(void **unused)
{
	(void)unused;
	const struct board_facts board = that_ran(NOW, CAN);
	struct made_arm made = { .base = ARM_8K, .signs = LINK_RESET_CODE | LINK_VTOR };
	_cleanup_(freep) uint8_t *deployer = make_arm(&made);
	memcpy(deployer + 0x1000, "CanBoot!", 8);
	struct terms terms = { .declared.chip = CHIP_STM32G0B1, .permits_bootloader = true };
	expect_taken(make_value(FORMAT_BIN, deployer, ARM_LENGTH, 0), &board, &terms);
	made.base = ARM_STM32_0;
	_cleanup_(freep) uint8_t *katapult = make_arm(&made);
	make_katapult(katapult, ARM_STM32_0);
	expect_taken(make_value(FORMAT_BIN, katapult, ARM_LENGTH, 0), &board, &terms);
}

static void an_expected_version_is_no_permission(void **unused)
{
	(void)unused;
	const struct board_facts board = that_ran(NOW, CAN);
	char older[] = "v0.12.0";
	struct terms terms = EXPECTING(.version = older);
	expect_turned_down(klipper_of("v0.12.0", CAN), &board, &terms, REASON_DOWNGRADE,
		"is version v0.12.0", "say downgrade = true in the rule");
}

static void a_pinned_digest_lets_one_image_pass(void **unused)
{
	(void)unused;
	_cleanup_(image_freep) struct image *image = klipper_with(CAN);
	_cleanup_(reasons_done) struct reasons reasons = { 0 };
	assert_int_equal(image_place(image, ARM_8K, &reasons), 0);
	struct terms terms = { .has_digest = true, .digest = image->digest };
	char text[DIGEST_TEXT], zeros[DIGEST_TEXT];
	text_hex(image->digest.bytes, DIGEST_BYTES, text);
	memset(zeros, '0', DIGEST_TEXT - 1);
	zeros[DIGEST_TEXT - 1] = '\0';
	expect_taken(klipper_with(CAN), &toolhead, &terms);
	memset(&terms.digest, 0, sizeof(terms.digest));
	expect_turned_down(klipper_with(CAN), &toolhead, &terms, REASON_WRONG_DIGEST, text, zeros);
	terms.has_digest = false;
	expect_taken(klipper_with(CAN), &toolhead, &terms);
}

static void all_that_differs_is_told(void **unused)
{
	(void)unused;
	_cleanup_(reasons_done) struct reasons reasons = { 0 };
	const struct board_facts board = that_ran("v0.14.0", CAN);
	char pins[] = "PX1,PX2";
	struct terms terms = EXPECTING(.transport = TRANSPORT_UART, .can_pins = pins);
	terms.has_digest = true;
	story_offer(klipper_with(SLOW), &board, &terms, &reasons);
	expect_reason(&reasons, REASON_WRONG_TRANSPORT, "talks can, and the policy expects uart");
	expect_reason(&reasons, REASON_WRONG_CAN_BITRATE, "500000");
	expect_reason(&reasons, REASON_WRONG_PINS, "PX1,PX2");
	expect_reason(&reasons, REASON_DOWNGRADE, "v0.14.0");
	expect_reason(&reasons, REASON_WRONG_DIGEST, "sha256");
	assert_int_equal(reasons.count, 5);
}

/* The dictionary is whoever built the image's word. */
static void foreign_text_is_harmless_in_a_sentence(void **unused)
{
	(void)unused;
	struct terms terms = { .expected.transport = TRANSPORT_USB };
	expect_turned_down(klipper_with(",\"CANBUS_FREQUENCY\":1,\"INITIAL_PINS\":\"%s%n\""),
		&toolhead, &terms, REASON_WRONG_TRANSPORT, "talks can", "expects usb");
	expect_turned_down_after(",\"INITIAL_PINS\":\"%s%n\\u001b[2J\"",
		",\"INITIAL_PINS\":\"\\u0007\"", NULL, REASON_WRONG_PINS, "%s%n\\x1b[2J", "\\x07");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_stated_and_nothing_known_is_no_refusal),
		cmocka_unit_test(the_same_again_fits),
		cmocka_unit_test(the_policy_expects_another_wire),
		cmocka_unit_test(the_board_talked_by_another_wire_before),
		cmocka_unit_test(the_board_is_reached_by_another_wire),
		cmocka_unit_test(what_it_ran_before_says_more_than_how_it_is_reached),
		cmocka_unit_test(an_image_that_does_not_say_how_it_talks),
		cmocka_unit_test(a_declared_wire_is_held_against_the_dictionary),
		cmocka_unit_test(the_bitrate_is_not_the_expected_one),
		cmocka_unit_test(the_bitrate_is_not_the_one_before),
		cmocka_unit_test(the_bitrate_is_not_that_of_the_bus),
		cmocka_unit_test(a_bridge_does_not_record_its_bitrate),
		cmocka_unit_test(a_declared_bitrate_is_not_the_recorded_one),
		cmocka_unit_test(what_is_wired_does_not_change),
		cmocka_unit_test(the_policy_expects_another_wiring),
		cmocka_unit_test(what_the_policy_expects_must_be_proved),
		cmocka_unit_test(an_expectation_overrules_what_was_before),
		cmocka_unit_test(no_image_records_its_crystal),
		cmocka_unit_test(the_version_is_not_the_expected_one),
		cmocka_unit_test(an_older_version_is_a_downgrade),
		cmocka_unit_test(which_version_is_the_older_one_must_be_known),
		cmocka_unit_test(a_boot_loader_is_no_version_of_the_application),
		cmocka_unit_test(an_expected_version_is_no_permission),
		cmocka_unit_test(a_pinned_digest_lets_one_image_pass),
		cmocka_unit_test(all_that_differs_is_told),
		cmocka_unit_test(foreign_text_is_harmless_in_a_sentence),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
