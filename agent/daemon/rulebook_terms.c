/* SPDX-License-Identifier: MIT */
/* What a rule says about its image beyond the name; see rulebook_parts.h and model/terms.h. */
#include "base/text.h"
#include "daemon/rulebook_parts.h"

static struct terms_expected *expected_of(void *rule)
{
	return &((struct policy_rule *)rule)->terms.expected;
}

static struct terms_declared *declared_of(void *rule)
{
	return &((struct policy_rule *)rule)->terms.declared;
}

/* ---- expect = { … } ---------------------------------------------------------------------- */

static void expect_usb(struct parse *parse, const config_setting_t *setting, void *object)
{
	struct policy_rule *rule = object;
	const char *text = want_string(parse, setting);
	rule->states_expectation = true;
	if (text_equal(text, "any"))
		rule->expectation = EXPECT_ANY;
	else if (text_equal(text, "none"))
		rule->expectation = EXPECT_NONE;
	else if (text && text_parse_vid_pid(text, &rule->expected_vid, &rule->expected_pid) == 0)
		rule->expectation = EXPECT_ID;
	else if (text)
		complain(parse, setting, "%s wants \"any\", \"none\" or an id as \"2e8a:000a\"",
			config_setting_name(setting));
}

static void want_transport(
	struct parse *parse, const config_setting_t *setting, enum transport *ret)
{
	const char *text = want_string(parse, setting);
	int transport = text ? transport_from_name(text) : 0;
	if (transport < 0)
		complain(parse, setting,
			"transport \"%s\" is not known; known are usb, uart, can, bridge and pty",
			text);
	else
		*ret = (enum transport)transport;
}

static void expect_transport(struct parse *p, const config_setting_t *s, void *rule)
{
	want_transport(p, s, &expected_of(rule)->transport);
}

static uint32_t want_rate(struct parse *p, const config_setting_t *s, uint32_t least, uint32_t most)
{
	return (uint32_t)want_number(p, s, least, most);
}

static void expect_can_bitrate(struct parse *p, const config_setting_t *s, void *rule)
{
	expected_of(rule)->can_bitrate = want_rate(p, s, 10000, 8000000);
}

static void expect_serial_baud(struct parse *p, const config_setting_t *s, void *rule)
{
	expected_of(rule)->serial_baud = want_rate(p, s, 1200, 4000000);
}

static void expect_clock(struct parse *p, const config_setting_t *s, void *rule)
{
	expected_of(rule)->clock_hz = want_rate(p, s, 1000000, 1000000000);
}

static void expect_crystal(struct parse *p, const config_setting_t *s, void *rule)
{
	expected_of(rule)->crystal_hz = want_rate(p, s, 1000000, 100000000);
}

static void expect_can_pins(struct parse *p, const config_setting_t *s, void *rule)
{
	take_name(p, s, &expected_of(rule)->can_pins);
}

static void expect_usb_pins(struct parse *p, const config_setting_t *s, void *rule)
{
	take_name(p, s, &expected_of(rule)->usb_pins);
}

static void expect_serial_pins(struct parse *p, const config_setting_t *s, void *rule)
{
	take_name(p, s, &expected_of(rule)->serial_pins);
}

/* Here alone nothing means something: no pin is set at the start. */
static void expect_initial_pins(struct parse *parse, const config_setting_t *setting, void *rule)
{
	const char *text = config_setting_get_string(setting);
	if (text && !*text)
		keep(parse, &expected_of(rule)->initial_pins, "");
	else
		take_name(parse, setting, &expected_of(rule)->initial_pins);
}

static void expect_version(struct parse *p, const config_setting_t *s, void *rule)
{
	take_name(p, s, &expected_of(rule)->version);
}

static const struct key expect_keys[] = {
	{ "usb", expect_usb },
	{ "transport", expect_transport },
	{ "can_bitrate", expect_can_bitrate },
	{ "serial_baud", expect_serial_baud },
	{ "clock", expect_clock },
	{ "crystal", expect_crystal },
	{ "can_pins", expect_can_pins },
	{ "usb_pins", expect_usb_pins },
	{ "serial_pins", expect_serial_pins },
	{ "initial_pins", expect_initial_pins },
	{ "version", expect_version },
};

/* expect = "any" is short for expect = { usb = "any"; }. */
void flash_expect(struct parse *parse, const config_setting_t *setting, void *object)
{
	struct policy_rule *rule = object;
	if (!config_setting_is_group(setting)) {
		expect_usb(parse, setting, rule);
		return;
	}
	take_group(parse, setting, expect_keys, ELEMENTSOF(expect_keys), rule);
	/* What talks CAN or UART does not show itself on USB. */
	enum transport transport = rule->terms.expected.transport;
	bool is_silent = transport == TRANSPORT_CAN || transport == TRANSPORT_UART;
	if (is_silent && !rule->states_expectation)
		rule->expectation = EXPECT_NONE;
	else if (is_silent && rule->expectation != EXPECT_NONE)
		complain(parse, setting,
			"an image that talks %s does not show itself on USB; write usb = \"none\"",
			transport_name(transport));
}

/* ---- declare = { … } --------------------------------------------------------------------- */

static void declare_address(struct parse *p, const config_setting_t *s, void *rule)
{
	declared_of(rule)->has_address = true;
	declared_of(rule)->address = (uint32_t)want_number(p, s, 0, ADDRESS_MOST);
}

static void declare_chip(struct parse *p, const config_setting_t *s, void *rule)
{
	want_chip(p, s, &declared_of(rule)->chip);
}

static void declare_transport(struct parse *p, const config_setting_t *s, void *rule)
{
	want_transport(p, s, &declared_of(rule)->transport);
}

static void declare_can_bitrate(struct parse *p, const config_setting_t *s, void *rule)
{
	declared_of(rule)->can_bitrate = want_rate(p, s, 10000, 8000000);
}

static void declare_crystal(struct parse *p, const config_setting_t *s, void *rule)
{
	declared_of(rule)->crystal_hz = want_rate(p, s, 1000000, 100000000);
}

static const struct key declare_keys[] = {
	{ "address", declare_address },
	{ "chip", declare_chip },
	{ "transport", declare_transport },
	{ "can_bitrate", declare_can_bitrate },
	{ "crystal", declare_crystal },
};

void flash_declare(struct parse *parse, const config_setting_t *setting, void *rule)
{
	take_group(parse, setting, declare_keys, ELEMENTSOF(declare_keys), rule);
}

/* ---- the rest ---------------------------------------------------------------------------- */

void flash_downgrade(struct parse *p, const config_setting_t *s, void *rule)
{
	((struct policy_rule *)rule)->terms.permits_downgrade = want_bool(p, s);
}

void flash_bootloader(struct parse *p, const config_setting_t *s, void *rule)
{
	((struct policy_rule *)rule)->terms.permits_bootloader = want_bool(p, s);
}

void flash_sha256(struct parse *parse, const config_setting_t *setting, void *rule)
{
	struct terms *terms = &((struct policy_rule *)rule)->terms;
	const char *text = want_string(parse, setting);
	terms->has_digest = text && text_parse_hex(text, terms->digest.bytes, DIGEST_BYTES) == 0;
	if (text && !terms->has_digest)
		complain(parse, setting,
			"sha256 wants 64 hexadecimal digits, as \"plugflash inspect\" shows them");
}
