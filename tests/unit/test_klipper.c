/* SPDX-License-Identifier: MIT */
/* Stories about what a Klipper firmware says of itself. */
#include "unit/klipper_story.h"

#include <errno.h>
#include <pthread.h>
#include <zlib.h>

#include "model/klipper.h"

static struct klipper parse(const char *json)
{
	struct klipper klipper = { .offset = 7 };
	assert_int_equal(klipper_parse(json, strlen(json), &klipper), 0);
	assert_int_equal(klipper.offset, 0);
	assert_int_equal(klipper.packed_bytes, 0);
	return klipper;
}

static struct klipper parse_config(const char *config)
{
	_cleanup_(freep) char *json = make_json("v0.13.0-730-g84104bbbd", config);
	return parse(json);
}

static const struct {
	const char *config, *mcu;
	uint32_t clock_hz, can_bitrate, serial_baud;
	enum transport transport;
	const char *can_pins, *usb_pins, *serial_pins, *initial_pins;
} builds[] = {
	{ "\"CLOCK_FREQ\":50000000,\"MCU\":\"linux\",\"PCA9685_MAX\":4096", "linux", 50000000, 0, 0,
		TRANSPORT_PTY, NULL, NULL, NULL, NULL },
	{ "\"CLOCK_FREQ\":12000000,\"MCU\":\"rp2040\"", "rp2040", 12000000, 0, 0, TRANSPORT_USB,
		NULL, NULL, NULL, NULL },
	{ "\"CANBUS_FREQUENCY\":1000000,\"CLOCK_FREQ\":12000000,\"MCU\":\"rp2040\","
	  "\"RECEIVE_WINDOW\":192,\"RESERVE_PINS_CAN\":\"gpio4,gpio5\"",
		"rp2040", 12000000, 1000000, 0, TRANSPORT_CAN, "gpio4,gpio5", NULL, NULL, NULL },
	{ "\"CLOCK_FREQ\":180000000,\"MCU\":\"stm32f446xx\",\"RESERVE_PINS_USB\":"
	  "\"PA11,PA12\",\"RESERVE_PINS_crystal\":\"PH0,PH1\"",
		"stm32f446xx", 180000000, 0, 0, TRANSPORT_USB, NULL, "PA11,PA12", NULL, NULL },
	{ "\"CANBUS_BRIDGE\":1,\"CLOCK_FREQ\":180000000,\"MCU\":\"stm32f446xx\","
	  "\"RECEIVE_WINDOW\":192,\"RESERVE_PINS_CAN\":\"PD0,PD1\",\"RESERVE_PINS_USB\":"
	  "\"PA11,PA12\",\"RESERVE_PINS_crystal\":\"PH0,PH1\"",
		"stm32f446xx", 180000000, 0, 0, TRANSPORT_BRIDGE, "PD0,PD1", "PA11,PA12", NULL,
		NULL },
	{ "\"CANBUS_FREQUENCY\":500000,\"CLOCK_FREQ\":64000000,\"MCU\":\"stm32g0b1xx\","
	  "\"RECEIVE_WINDOW\":192,\"RESERVE_PINS_CAN\":\"PB0,PB1\","
	  "\"RESERVE_PINS_crystal\":\"PF0,PF1\"",
		"stm32g0b1xx", 64000000, 500000, 0, TRANSPORT_CAN, "PB0,PB1", NULL, NULL, NULL },
	{ "\"CLOCK_FREQ\":72000000,\"INITIAL_PINS\":\"!PC13\",\"MCU\":\"stm32f103xe\","
	  "\"RECEIVE_WINDOW\":192,\"RESERVE_PINS_serial\":\"PA10,PA9\",\"SERIAL_BAUD\":"
	  "250000",
		"stm32f103xe", 72000000, 0, 250000, TRANSPORT_UART, NULL, NULL, "PA10,PA9",
		"!PC13" },
	{ "\"CLOCK_FREQ\":520000000,\"MCU\":\"stm32h723xx\",\"RESERVE_PINS_USB\":"
	  "\"PA11,PA12\",\"RESERVE_PINS_crystal\":\"PH0,PH1\"",
		"stm32h723xx", 520000000, 0, 0, TRANSPORT_USB, NULL, "PA11,PA12", NULL, NULL },
	{ "\"CLOCK_FREQ\":120000000,\"MCU\":\"lpc1769\",\"RESERVE_PINS_USB\":"
	  "\"P0.30,P0.29,P2.9\"",
		"lpc1769", 120000000, 0, 0, TRANSPORT_USB, NULL, "P0.30,P0.29,P2.9", NULL, NULL },
};

static void every_build_says_what_it_is_for(void **state)
{
	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(builds); i++) {
		_cleanup_(freep) char *config = text_format(ALWAYS ",%s", builds[i].config);
		_cleanup_(klipper_done) struct klipper klipper = parse_config(config);
		expect_text(klipper.application, "Klipper");
		expect_text(klipper.version, "v0.13.0-730-g84104bbbd");
		assert_memory_equal(klipper.build_versions, "gcc: (15:12.2", 13);
		expect_text(klipper.mcu, builds[i].mcu);
		assert_int_equal(klipper.clock_hz, builds[i].clock_hz);
		assert_int_equal(klipper.can_bitrate, builds[i].can_bitrate);
		assert_int_equal(klipper.serial_baud, builds[i].serial_baud);
		assert_string_equal(
			transport_name(klipper.transport), transport_name(builds[i].transport));
		expect_text(klipper_reserved(&klipper, "CAN"), builds[i].can_pins);
		expect_text(klipper_reserved(&klipper, "USB"), builds[i].usb_pins);
		expect_text(klipper_reserved(&klipper, "serial"), builds[i].serial_pins);
		expect_text(klipper.initial_pins, builds[i].initial_pins);
	}
}

static void vendors_and_old_builds_say_less(void **state)
{
	(void)state;
	_cleanup_(klipper_done) struct klipper klipper =
		parse("{\"build_versions\":\"\",\"config\":{\"MCU\":\"stm32f042x6\"},"
		      "\"version\":\"CARTOGRAPHER 5.1.0\"}");
	expect_text(klipper.application, NULL);
	expect_text(klipper.build_versions, NULL);
	expect_text(klipper.version, "CARTOGRAPHER 5.1.0");
	assert_int_equal(klipper.transport, TRANSPORT_USB);
	assert_null(klipper_reserved(&klipper, "CAN"));
	_cleanup_(klipper_done) struct klipper empty = parse(" {\"config\":{}}\n");
	expect_text(empty.mcu, NULL);
	assert_int_equal(empty.transport, TRANSPORT_UNKNOWN);
}

static void transports_that_do_not_agree_are_unknown(void **state)
{
	(void)state;
	static const struct {
		const char *config;
		enum transport transport;
	} stories[] = {
		{ "\"CANBUS_BRIDGE\":1,\"CANBUS_FREQUENCY\":1000000", TRANSPORT_BRIDGE },
		{ "\"CANBUS_BRIDGE\":0", TRANSPORT_UNKNOWN },
		{ "\"CANBUS_BRIDGE\":1,\"SERIAL_BAUD\":250000", TRANSPORT_UNKNOWN },
		{ "\"CANBUS_FREQUENCY\":1000000,\"SERIAL_BAUD\":250000", TRANSPORT_UNKNOWN },
		{ "\"CANBUS_FREQUENCY\":true", TRANSPORT_UNKNOWN },
		{ "\"SERIAL_BAUD\":-1", TRANSPORT_UNKNOWN },
		/* A bridge from before CANBUS_BRIDGE, and what looks like one. */
		{ "\"CANBUS_FREQUENCY\":1000000,\"RESERVE_PINS_CAN\":\"PB8,PB9\","
		  "\"RESERVE_PINS_USB\":\"PA11,PA12\"",
			TRANSPORT_UNKNOWN },
		{ "\"RESERVE_PINS_CAN\":\"PB8,PB9\"", TRANSPORT_UNKNOWN },
		{ "\"RESERVE_PINS_serial\":\"PA10,PA9\"", TRANSPORT_UNKNOWN },
		{ "\"RESERVE_PINS_USB1\":\"PB14,PB15\"", TRANSPORT_USB },
		{ "\"SERIAL_BAUD\":250000,\"RESERVE_PINS_USB1\":\"PB14,PB15\"", TRANSPORT_UNKNOWN },
		{ "\"SERIAL_BAUD\":250000", TRANSPORT_UART },
	};
	for (size_t i = 0; i < ELEMENTSOF(stories); i++) {
		_cleanup_(freep) char *config =
			text_format("%s,\"MCU\":\"stm32h723xx\"", stories[i].config);
		_cleanup_(klipper_done) struct klipper klipper = parse_config(config);
		assert_int_equal(klipper.transport, stories[i].transport);
	}
	static const char *const elsewhere[] = { "\"MCU\":\"pru\"", "\"MCU\":\"ar100\"",
		"\"MCU\":\"linux\",\"SERIAL_BAUD\":250000", "\"MCU\":5", "\"MCU\":\"\"" };
	for (size_t i = 0; i < ELEMENTSOF(elsewhere); i++) {
		_cleanup_(klipper_done) struct klipper klipper = parse_config(elsewhere[i]);
		assert_int_equal(klipper.transport, TRANSPORT_UNKNOWN);
	}
}

static void a_number_is_one_or_unknown(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint32_t number;
	} stories[] = {
		{ "64000000", 64000000 },
		{ "\"64000000\"", 64000000 },
		{ "4294967295", UINT32_MAX },
		{ "\"4294967295\"", UINT32_MAX },
		{ "6.4e7", 64000000 },
		{ "4294967296", 0 },
		{ "\"4294967296\"", 0 },
		{ "\"99999999999\"", 0 },
		{ "0", 0 },
		{ "-1", 0 },
		{ "1.5", 0 },
		{ "1e999", 0 },
		{ "\"-1\"", 0 },
		{ "\" 1\"", 0 },
		{ "\"1k\"", 0 },
		{ "\"\"", 0 },
		{ "\"0x10\"", 0 },
		{ "null", 0 },
		{ "true", 0 },
		{ "[64000000]", 0 },
		{ "{\"a\":1}", 0 },
	};
	for (size_t i = 0; i < ELEMENTSOF(stories); i++) {
		_cleanup_(freep) char *config =
			text_format("\"MCU\":\"rp2040\",\"CLOCK_FREQ\":%s", stories[i].text);
		_cleanup_(klipper_done) struct klipper klipper = parse_config(config);
		assert_int_equal(klipper.clock_hz, stories[i].number);
		assert_int_equal(klipper.transport, TRANSPORT_USB);
	}
}

static void what_is_no_text_is_unknown(void **state)
{
	(void)state;
	_cleanup_(klipper_done) struct klipper klipper = parse(
		"{\"app\":5,\"version\":[\"v1\"],\"build_versions\":null,\"commands\":7,"
		"\"config\":{\"MCU\":\"rp2040\",\"INITIAL_PINS\":13,\"RESERVE_PINS_CAN\":4}}");
	expect_text(klipper.application, NULL);
	expect_text(klipper.version, NULL);
	expect_text(klipper.build_versions, NULL);
	expect_text(klipper.initial_pins, NULL);
	assert_null(klipper_reserved(&klipper, "CAN"));
	assert_int_equal(klipper.pin_count, 1); /* kept, but who knows which */
	assert_int_equal(klipper.transport, TRANSPORT_UNKNOWN);

	char version[600];
	memset(version, 'v', sizeof(version));
	version[513] = '\0';
	_cleanup_(freep) char *too_long = make_json(version, "\"MCU\":\"rp2040\"");
	_cleanup_(klipper_done) struct klipper endless = parse(too_long);
	expect_text(endless.version, NULL);
	version[512] = '\0';
	_cleanup_(freep) char *just_so = make_json(version, "\"MCU\":\"rp2040\"");
	_cleanup_(klipper_done) struct klipper ended = parse(just_so);
	expect_text(ended.version, version);
}

static void foreign_text_is_escaped(void **state)
{
	(void)state;
	_cleanup_(klipper_done) struct klipper klipper =
		parse("{\"app\":\"\\u001b[31m\",\"version\":\"a\xff\\n\",\"config\":{\"MCU\":"
		      "\"\\\\\\u00fc\",\"RESERVE_PINS_\\u0007\":\"\\u0008\"}}");
	expect_text(klipper.application, "\\x1b[31m");
	expect_text(klipper.version, "a\\xff\\x0a");
	expect_text(klipper.mcu, "\\\\\xc3\xbc");
	expect_text(klipper_reserved(&klipper, "\\x07"), "\\x08");
}

static void what_is_no_dictionary_is_refused(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"",
		" ",
		"{",
		"{}",
		"[]",
		"\"config\"",
		"null",
		"7",
		"{\"config\":{}",
		"{\"config\":{}}}",
		"{\"config\":{}} x",
		"{\"config\":{}}{}",
		"[{\"config\":{}}]",
		"{\"config\":[]}",
		"{\"config\":5}",
		"{\"config\":null}",
		"{\"Config\":{}}",
		"{\"config\":{]}",
		"{\"config\":{\"MCU\":}}",
		"{\"config\":{\"MCU\"}}",
		"{\"config\":{\"MCU\":\"a}}",
		"{\"config\":{\"MCU\":\"a\\",
		"{\"config\":{},",
		"{'config':{}}",
		"x{\"config\":{}}",
		"\xef\xbb\xbf{\"config\":{}}",
		"{\"config\":{\"MCU\":\"rp2040\\u0000\"}}", /* what would stand behind? */
		"{\"a\\u0000\":1,\"config\":{}}",
		"{\"config\":{\"CLOCK_FREQ\":1-}}",
		/* twice: which one is meant? */
		"{\"config\":{},\"config\":{}}",
		"{\"version\":\"a\",\"version\":\"a\",\"config\":{}}",
		"{\"config\":{\"MCU\":\"rp2040\",\"MCU\":\"stm32f446xx\"}}",
		"{\"config\":{\"CANBUS_BRIDGE\":1,\"CANBUS_BRIDGE\":0}}",
		"{\"config\":{\"RESERVE_PINS_CAN\":\"PB0\",\"RESERVE_PINS_CAN\":\"PB1\"}}",
	};
	for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
		struct klipper klipper = { .offset = 7 };
		assert_int_equal(klipper_parse(texts[i], strlen(texts[i]), &klipper), -EBADMSG);
		assert_int_equal(klipper.offset, 7);
	}
	struct klipper klipper;
	static const char with_nul[] = "{\"config\":{\"MCU\":\"rp2040\0\"}}";
	assert_int_equal(klipper_parse(with_nul, sizeof(with_nul) - 1, &klipper), -EBADMSG);
	static const char nul_behind[] = "{\"config\":{}}";
	assert_int_equal(klipper_parse(nul_behind, sizeof(nul_behind), &klipper), -EBADMSG);
}

static void pins_are_kept_for_a_handful_of_things(void **state)
{
	(void)state;
	_cleanup_(freep) char *config = NULL;
	for (int i = 0; i < 64; i++)
		assert_int_equal(
			text_append(&config, "%s\"RESERVE_PINS_%d\":\"PA%d\"", i ? "," : "", i, i),
			0);
	_cleanup_(klipper_done) struct klipper klipper = parse_config(config);
	assert_int_equal(klipper.pin_count, 64);
	expect_text(klipper_reserved(&klipper, "63"), "PA63");
	assert_int_equal(text_append(&config, ",\"RESERVE_PINS_64\":\"PA64\""), 0);
	_cleanup_(freep) char *json = make_json("v1", config);
	struct klipper refused;
	assert_int_equal(klipper_parse(json, strlen(json), &refused), -EBADMSG);
}

/* Something to parse, and what comes of it on another stack. */
struct attempt {
	char *json;
	size_t length;
	int answer;
};

static void *on_small_stack(void *user)
{
	struct attempt *attempt = user;
	struct klipper klipper = { 0 };
	attempt->answer = klipper_parse(attempt->json, attempt->length, &klipper);
	klipper_done(&klipper);
	return NULL;
}

/* `depth` lists in each other, parsed where a deep recursion would end badly. */
static int parse_nested(char bracket, size_t depth)
{
	_cleanup_(freep) char *json = malloc(depth + 64);
	assert_non_null(json);
	size_t length = (size_t)sprintf(json, "{\"config\":{},\"a\":");
	memset(json + length, bracket, depth);
	length += depth;
	if (bracket == '[' && depth < 100) {
		memset(json + length, ']', depth);
		length += depth;
		json[length++] = '}';
	}
	struct attempt attempt = { .json = json, .length = length };
	pthread_attr_t attributes;
	pthread_t thread;
	assert_int_equal(pthread_attr_init(&attributes), 0);
	assert_int_equal(pthread_attr_setstacksize(&attributes, 128 << 10), 0);
	assert_int_equal(pthread_create(&thread, &attributes, on_small_stack, &attempt), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	pthread_attr_destroy(&attributes);
	return attempt.answer;
}

static void what_nests_deep_is_refused_before_it_is_parsed(void **state)
{
	(void)state;
	assert_int_equal(parse_nested('[', 15), 0);
	assert_int_equal(parse_nested('[', 16), -EBADMSG);
	assert_int_equal(parse_nested('[', 100000), -EBADMSG);
	assert_int_equal(parse_nested('{', 100000), -EBADMSG);
	assert_int_equal(parse_nested(']', 100000), -EBADMSG);
}

static int number_of(const char *json, const char *kind, const char *format, int32_t *ret)
{
	return klipper_message_id(json, strlen(json), kind, format, ret);
}

static void messages_have_numbers(void **state)
{
	(void)state;
	_cleanup_(freep) char *json = make_json("v0.13.0", ALWAYS);
	int32_t id = 77;
	assert_int_equal(number_of(json, "commands", "reset", &id), 0);
	assert_int_equal(id, -16);
	assert_int_equal(
		number_of(json, "responses", "identify_response offset=%u data=%.*s", &id), 0);
	assert_int_equal(id, 0);
	assert_int_equal(number_of(json, "responses", "reset", &id), -ENOENT);
	assert_int_equal(number_of(json, "commands", "rese", &id), -ENOENT);
	assert_int_equal(number_of(json, "version", "reset", &id), -ENOENT);
	assert_int_equal(number_of("{\"commands\":7}", "commands", "reset", &id), -ENOENT);
	static const char *const wrong[] = { "\"1\"", "1.5", "null", "3000000000", "-3e9", "[1]" };
	for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
		_cleanup_(freep) char *text =
			text_format("{\"commands\":{\"reset\":%s}}", wrong[i]);
		assert_non_null(text);
		assert_int_equal(number_of(text, "commands", "reset", &id), -EBADMSG);
	}
	assert_int_equal(number_of("[", "commands", "reset", &id), -EBADMSG);
	assert_int_equal(id, 0);
}

static void a_stream_is_unpacked_as_it_was(void **state)
{
	(void)state;
	_cleanup_(freep) char *json = make_json("v0.13.0", ALWAYS);
	_cleanup_(freep) char *back = NULL;
	uint8_t packed[4096];
	size_t back_length;
	uLongf length = sizeof(packed);
	assert_int_equal(compress2(packed, &length, (const uint8_t *)json, strlen(json), 9), Z_OK);
	assert_int_equal(klipper_unpack(packed, length, &back, &back_length), 0);
	assert_int_equal(back_length, strlen(json));
	assert_string_equal(back, json);
	/* Cut short at any byte, with one too many, with one that is another. */
	for (size_t cut = 0; cut < length; cut++)
		assert_int_equal(klipper_unpack(packed, cut, &back, &back_length), -EBADMSG);
	packed[length] = 0;
	assert_int_equal(klipper_unpack(packed, length + 1, &back, &back_length), -EBADMSG);
	packed[length - 1] ^= 1;
	assert_int_equal(klipper_unpack(packed, length, &back, &back_length), -EBADMSG);
}

static void transports_have_names(void **state)
{
	(void)state;
	for (int i = TRANSPORT_USB; i < _TRANSPORT_MAX; i++)
		assert_int_equal(transport_from_name(transport_name(i)), i);
	assert_string_equal(transport_name(TRANSPORT_UNKNOWN), "unknown");
	assert_int_equal(transport_from_name("unknown"), -EINVAL);
	assert_int_equal(transport_from_name("USB"), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_build_says_what_it_is_for),
		cmocka_unit_test(vendors_and_old_builds_say_less),
		cmocka_unit_test(transports_that_do_not_agree_are_unknown),
		cmocka_unit_test(a_number_is_one_or_unknown),
		cmocka_unit_test(what_is_no_text_is_unknown),
		cmocka_unit_test(foreign_text_is_escaped),
		cmocka_unit_test(what_is_no_dictionary_is_refused),
		cmocka_unit_test(pins_are_kept_for_a_handful_of_things),
		cmocka_unit_test(what_nests_deep_is_refused_before_it_is_parsed),
		cmocka_unit_test(messages_have_numbers),
		cmocka_unit_test(a_stream_is_unpacked_as_it_was),
		cmocka_unit_test(transports_have_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
