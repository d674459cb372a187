/* SPDX-License-Identifier: MIT */
/*
 * Is the image what the policy means, and would the board be heard of again? See fitness_parts.h.
 *
 * What the policy expects must be proved by the image, or declared where no image records it. What
 * it does not speak of must be as in the firmware that the board ran before, where both say it:
 * pins, clock and transport belong to the board's wiring, which a new version does not change.
 */
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "model/fitness_parts.h"
#include "model/version.h"

#define NUMBER_TEXT 12

/* One thing that image, policy and the firmware before may each say something about. */
struct property {
	enum reason_code code;
	const char *name; /* "CAN pins" */
	const char *key; /* in expect = { … }, and in declare */
	bool can_be_declared;
	const char *expected; /* NULL: the policy does not say */
	const char *image; /* NULL: the image does not say */
	const char *before; /* NULL: unknown */
};

static const char *shown(const char *value)
{
	return *value ? value : "none";
}

static int judge_expected(const struct trial *trial, const struct property *property)
{
	if (!property->image && property->can_be_declared)
		return reasons_add(trial->reasons, REASON_EXPECTATION_UNPROVED,
			"the policy expects the %s to be %s, and the image does not say: no image "
			"of this kind does, so state declare = { %s = …; } in the rule if you know "
			"it",
			property->name, shown(property->expected), property->key);
	if (!property->image)
		return reasons_add(trial->reasons, REASON_EXPECTATION_UNPROVED,
			"the policy expects the %s to be %s, and the image does not say: use an "
			"image that says it, or take %s out of expect in the rule",
			property->name, shown(property->expected), property->key);
	if (text_equal(property->image, property->expected))
		return 0;
	return reasons_add(trial->reasons, property->code,
		"the %s of the image: %s, and the policy expects %s: use an image that was built "
		"with that, or correct expect in the rule",
		property->name, shown(property->image), shown(property->expected));
}

static int judge_property(const struct trial *trial, const struct property *property)
{
	if (property->expected)
		return judge_expected(trial, property);
	if (!property->image || !property->before || text_equal(property->image, property->before))
		return 0;
	return reasons_add(trial->reasons, property->code,
		"the %s of the image: %s, and the firmware that the board ran before has %s: build "
		"the image as that one was, or state expect = { %s = …; } in the rule if the "
		"change is meant",
		property->name, shown(property->image), shown(property->before), property->key);
}

static const char *known_text(const char *text)
{
	return *text ? text : NULL;
}

/* Text of a number for a property; NULL for 0, which is unknown. */
static const char *number_text(uint32_t value, char ret[NUMBER_TEXT])
{
	snprintf(ret, NUMBER_TEXT, "%" PRIu32, value);
	return value ? ret : NULL;
}

static const struct klipper *klipper_of(const struct trial *trial)
{
	return trial->says->has_klipper ? &trial->says->klipper : NULL;
}

/* ---- the wire ---------------------------------------------------------------------------- */

/* What the board ran before, or NULL. */
static const struct running *before_of(const struct trial *trial)
{
	const struct running *running = &trial->facts->running;
	return running->is_known ? running : NULL;
}

static enum transport transport_of(const struct klipper *klipper)
{
	return klipper ? klipper->transport : TRANSPORT_UNKNOWN;
}

/* A bridge is USB to its host. */
static bool is_heard_by(enum transport reach, enum transport transport)
{
	return reach == transport || (reach == TRANSPORT_USB && transport == TRANSPORT_BRIDGE);
}

static int judge_expected_transport(const struct trial *trial, enum transport transport)
{
	enum transport expected = trial->terms->expected.transport;
	if (transport == expected)
		return 0;
	if (transport == TRANSPORT_UNKNOWN)
		return reasons_add(trial->reasons, REASON_EXPECTATION_UNPROVED,
			"the policy expects an image that talks %s, and the image does not say by "
			"which wire it talks: use one that says it (Klipper's do), or take "
			"transport out of expect in the rule",
			transport_name(expected));
	return reasons_add(trial->reasons, REASON_WRONG_TRANSPORT,
		"the image talks %s, and the policy expects %s: use an image that was built for "
		"that, or correct expect in the rule",
		transport_name(transport), transport_name(expected));
}

/* A program that does not say how it talks, on a board that would be lost if it talks otherwise.
 * One that is plugged in for its boot mode is in somebody's hands. */
static int judge_unknown_transport(const struct trial *trial)
{
	enum transport before = trial->facts->running.transport;
	enum transport reach = trial->facts->reach;
	bool is_remote = reach == TRANSPORT_CAN || reach == TRANSPORT_UART;
	enum image_kind kind = trial->says->kind;
	if ((before == TRANSPORT_UNKNOWN && !is_remote) ||
		(kind != KIND_PROGRAM && kind != KIND_KLIPPER))
		return 0;
	return reasons_add(trial->reasons, REASON_TRANSPORT_CHANGE,
		"the image does not say by which wire it talks, and %s %s: use one that says it "
		"(Klipper's do), or state declare = { transport = \"%s\"; } in the rule if it does "
		"that",
		before != TRANSPORT_UNKNOWN ? "the firmware that the board ran before talks"
					    : "the board is reached by",
		transport_name(before != TRANSPORT_UNKNOWN ? before : reach),
		transport_name(before != TRANSPORT_UNKNOWN ? before : reach));
}

static int judge_known_transport(const struct trial *trial, enum transport transport)
{
	enum transport before = trial->facts->running.transport;
	enum transport reach = trial->facts->reach;
	if (before != TRANSPORT_UNKNOWN && before != transport)
		return reasons_add(trial->reasons, REASON_TRANSPORT_CHANGE,
			"the image talks %s, and the firmware that the board ran before talks %s: "
			"use an image that was built for that, or state expect = { transport = "
			"\"%s\"; } in the rule if the change is meant",
			transport_name(transport), transport_name(before),
			transport_name(transport));
	if (before == transport || reach == TRANSPORT_UNKNOWN || is_heard_by(reach, transport))
		return 0;
	return reasons_add(trial->reasons, REASON_TRANSPORT_CHANGE,
		"the image talks %s, and the board is reached by %s, where it would not be heard "
		"of again: use an image that was built for %s, or state expect = { transport = "
		"\"%s\"; } in the rule if it is wired for that",
		transport_name(transport), transport_name(reach), transport_name(reach),
		transport_name(transport));
}

static int judge_transport(const struct trial *trial)
{
	enum transport said = transport_of(klipper_of(trial));
	enum transport declared = trial->terms->declared.transport;
	if (said != TRANSPORT_UNKNOWN && declared != TRANSPORT_UNKNOWN && said != declared)
		return reasons_add(trial->reasons, REASON_DECLARATION_CONTRADICTED,
			"the policy declares that the image talks %s, and its dictionary says %s: "
			"correct declare in the rule",
			transport_name(declared), transport_name(said));
	enum transport transport = said != TRANSPORT_UNKNOWN ? said : declared;
	if (trial->terms->expected.transport != TRANSPORT_UNKNOWN)
		return judge_expected_transport(trial, transport);
	return transport == TRANSPORT_UNKNOWN ? judge_unknown_transport(trial)
					      : judge_known_transport(trial, transport);
}

static int judge_bus(const struct trial *trial, uint32_t bitrate)
{
	uint32_t bus = trial->facts->can_bitrate;
	enum transport transport = transport_of(klipper_of(trial));
	if (bus == 0 || bitrate == bus ||
		(transport != TRANSPORT_CAN && transport != TRANSPORT_BRIDGE))
		return 0;
	if (bitrate == 0)
		return reasons_add(trial->reasons, REASON_EXPECTATION_UNPROVED,
			"the CAN bus of the board runs at %" PRIu32
			" bit/s, and the image does not record its own bitrate: state declare = { "
			"can_bitrate = %" PRIu32 "; } in the rule if it was built with that",
			bus, bus);
	return reasons_add(trial->reasons, REASON_WRONG_CAN_BITRATE,
		"the image talks CAN at %" PRIu32
		" bit/s, and the bus that the board is on runs at %" PRIu32
		": build it for the bus, or the node would disturb it",
		bitrate, bus);
}

static int judge_can_bitrate(const struct trial *trial)
{
	const struct klipper *klipper = klipper_of(trial);
	const struct running *before = before_of(trial);
	const struct terms *terms = trial->terms;
	uint32_t image = klipper ? klipper->can_bitrate : 0, declared = terms->declared.can_bitrate;
	if (image && declared && image != declared)
		return reasons_add(trial->reasons, REASON_DECLARATION_CONTRADICTED,
			"the policy declares a CAN bitrate of %" PRIu32
			", and the dictionary of the image says %" PRIu32
			": correct declare in the rule",
			declared, image);
	if (!image)
		image = declared;
	char texts[3][NUMBER_TEXT];
	const struct property property = {
		.code = REASON_WRONG_CAN_BITRATE,
		.name = "CAN bitrate",
		.key = "can_bitrate",
		.can_be_declared = true,
		.expected = number_text(terms->expected.can_bitrate, texts[0]),
		.image = number_text(image, texts[1]),
		.before = number_text(before ? before->can_bitrate : 0, texts[2]),
	};
	size_t known = trial->reasons->count;
	int r = judge_property(trial, &property);
	return r < 0 || trial->reasons->count > known ? r : judge_bus(trial, image);
}

/* ---- what is wired ----------------------------------------------------------------------- */

static int judge_numbers(const struct trial *trial)
{
	const struct klipper *klipper = klipper_of(trial);
	const struct running *before = before_of(trial);
	const struct terms *terms = trial->terms;
	char texts[8][NUMBER_TEXT];
	const struct property properties[] = {
		{ REASON_WRONG_SERIAL_BAUD, "serial baud rate", "serial_baud", false,
			number_text(terms->expected.serial_baud, texts[0]),
			number_text(klipper ? klipper->serial_baud : 0, texts[1]),
			number_text(before ? before->serial_baud : 0, texts[2]) },
		{ REASON_WRONG_CLOCK, "clock", "clock", false,
			number_text(terms->expected.clock_hz, texts[3]),
			number_text(klipper ? klipper->clock_hz : 0, texts[4]),
			number_text(before ? before->clock_hz : 0, texts[5]) },
		/* No image records it: what it runs on shows only when it runs. */
		{ REASON_WRONG_CRYSTAL, "crystal", "crystal", true,
			number_text(terms->expected.crystal_hz, texts[6]),
			number_text(terms->declared.crystal_hz, texts[7]), NULL },
	};
	int r = 0;
	for (size_t i = 0; i < ELEMENTSOF(properties) && r == 0; i++)
		r = judge_property(trial, &properties[i]);
	return r;
}

/* Pins to set at the start are left out of a dictionary when there are none. */
static const char *initial_pins(const struct klipper *klipper)
{
	if (!klipper)
		return NULL;
	return klipper->initial_pins ? klipper->initial_pins : "";
}

static const char *reserved(const struct klipper *klipper, const char *name)
{
	return klipper ? klipper_reserved(klipper, name) : NULL;
}

static int judge_pins(const struct trial *trial)
{
	const struct klipper *klipper = klipper_of(trial);
	const struct running *before = before_of(trial);
	const struct terms_expected *expected = &trial->terms->expected;
	const struct property properties[] = {
		{ REASON_WRONG_PINS, "CAN pins", "can_pins", false, expected->can_pins,
			reserved(klipper, "CAN"), known_text(before ? before->can_pins : "") },
		{ REASON_WRONG_PINS, "USB pins", "usb_pins", false, expected->usb_pins,
			reserved(klipper, "USB"), known_text(before ? before->usb_pins : "") },
		{ REASON_WRONG_PINS, "serial pins", "serial_pins", false, expected->serial_pins,
			reserved(klipper, "serial"),
			known_text(before ? before->serial_pins : "") },
		{ REASON_WRONG_PINS, "pins that are set at the start", "initial_pins", false,
			expected->initial_pins, initial_pins(klipper),
			before && before->has_initial_pins ? before->initial_pins : NULL },
	};
	int r = 0;
	for (size_t i = 0; i < ELEMENTSOF(properties) && r == 0; i++)
		r = judge_property(trial, &properties[i]);
	return r;
}

/* ---- which one --------------------------------------------------------------------------- */

static int judge_expected_version(const struct trial *trial, const char *version)
{
	const char *expected = trial->terms->expected.version;
	if (!expected || (version && fnmatch(expected, version, 0) == 0))
		return 0;
	if (!version)
		return reasons_add(trial->reasons, REASON_EXPECTATION_UNPROVED,
			"the policy expects version %s, and the image does not say which it is: "
			"use one that says it, or take version out of expect in the rule",
			expected);
	return reasons_add(trial->reasons, REASON_WRONG_VERSION,
		"the image is version %s, and the policy expects %s: use that version, or correct "
		"expect in the rule",
		version, expected);
}

static int judge_order(const struct trial *trial, const char *version, const char *before)
{
	switch (version_compare(version, before)) {
	case VERSION_OLDER:
		return reasons_add(trial->reasons, REASON_DOWNGRADE,
			"the image is version %s, and the board runs %s, which is newer: use a "
			"newer image, or say downgrade = true in the rule",
			version, before);
	case VERSION_UNORDERED:
		return reasons_add(trial->reasons, REASON_VERSION_UNORDERED,
			"the image %s%s, and the board runs %s: which is the older one, nobody can "
			"tell; say downgrade = true in the rule if that does not matter",
			version && *version ? "is version " : "does not say its version",
			version ? version : "", before);
	case VERSION_SAME:
	case VERSION_NEWER:
		break;
	}
	return 0;
}

static int judge_version(const struct trial *trial)
{
	const char *version = image_facts_version(trial->says);
	const char *before = known_text(trial->facts->running.version);
	bool is_bootloader =
		trial->says->kind == KIND_KATAPULT || trial->says->kind == KIND_DEPLOYER;
	int r = judge_expected_version(trial, version);
	if (r < 0 || !before || trial->terms->permits_downgrade)
		return r;
	/* A boot loader that is permitted is no other version of the application. */
	if (is_bootloader && trial->terms->permits_bootloader)
		return 0;
	return judge_order(trial, version, before);
}

static int judge_digest(const struct trial *trial)
{
	if (!trial->terms->has_digest ||
		memcmp(&trial->terms->digest, &trial->image->digest, sizeof(struct digest)) == 0)
		return 0;
	char pinned[DIGEST_TEXT], found[DIGEST_TEXT];
	text_hex(trial->terms->digest.bytes, DIGEST_BYTES, pinned);
	text_hex(trial->image->digest.bytes, DIGEST_BYTES, found);
	return reasons_add(trial->reasons, REASON_WRONG_DIGEST,
		"the image's sha256 is %s, and the policy allows only %s: \"plugflash inspect\" "
		"shows the one of a file; take that file, or correct sha256 in the rule",
		found, pinned);
}

int fitness_judge_terms(const struct trial *trial)
{
	static int (*const judgements[])(const struct trial *) = { judge_transport,
		judge_can_bitrate, judge_numbers, judge_pins, judge_version, judge_digest };
	int r = 0;
	for (size_t i = 0; i < ELEMENTSOF(judgements) && r == 0; i++)
		r = judgements[i](trial);
	return r;
}
