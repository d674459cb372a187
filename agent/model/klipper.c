/* SPDX-License-Identifier: MIT */
/* What a dictionary of Klipper says; see klipper.h. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/text.h"
#include "model/foreign_json.h"
#include "model/klipper.h"

/* Klipper keeps pins for a handful of things. */
#define PINS_MAX 64u
/* Of one text, before it is escaped. What is longer is no version and no name. */
#define TEXT_MAX 512u

#define PINS_PREFIX "RESERVE_PINS_"

/* ---- single values ----------------------------------------------------------------------- */

/* 0 or -ENOMEM. What is no text, an empty or an endless one leaves `*ret` as it is: unknown. */
static int read_text(const cJSON *value, char **ret)
{
	const char *text = cJSON_GetStringValue(value);
	if (!text || !*text || strlen(text) > TEXT_MAX)
		return 0;
	*ret = text_escape(text);
	return *ret ? 0 : -ENOMEM;
}

/* A whole number from 1 on, as a number or as its digits. 0 when it is none. */
static uint32_t read_number(const cJSON *value)
{
	if (cJSON_IsNumber(value)) {
		double number = value->valuedouble;
		if (!(number >= 1 && number <= UINT32_MAX) || number != (double)(uint32_t)number)
			return 0;
		return (uint32_t)number;
	}
	const char *text = cJSON_GetStringValue(value);
	if (!text || strlen(text) == 0 || strlen(text) > 10 ||
		strspn(text, "0123456789") != strlen(text))
		return 0;
	unsigned long long number = strtoull(text, NULL, 10);
	return number <= UINT32_MAX ? (uint32_t)number : 0;
}

/* ---- by which wire ----------------------------------------------------------------------- */

enum fact {
	FACT_BRIDGE = 1 << 0, /* CANBUS_BRIDGE */
	FACT_BITRATE = 1 << 1, /* CANBUS_FREQUENCY */
	FACT_BAUD = 1 << 2, /* SERIAL_BAUD */
	FACT_HOST = 1 << 3, /* its processor is the host's */
	FACT_USB_PINS = 1 << 4,
	FACT_CAN_PINS = 1 << 5,
	FACT_SERIAL_PINS = 1 << 6,
	FACT_STRANGE = 1 << 7, /* one of them has a value that makes no sense, or there is none */
};

/*
 * A firmware says nothing positive of USB but the pins, and not on every chip: USB is what is left.
 * So whatever does not agree is unknown, as are builds from before bridges were called bridges,
 * which keep pins for both wires.
 */
static const struct {
	unsigned needed, allowed; /* allowed: beside what is needed */
	enum transport transport;
} transports[] = {
	{ FACT_BRIDGE, FACT_BITRATE | FACT_USB_PINS | FACT_CAN_PINS, TRANSPORT_BRIDGE },
	{ FACT_BITRATE, FACT_CAN_PINS, TRANSPORT_CAN },
	{ FACT_BAUD, FACT_SERIAL_PINS, TRANSPORT_UART },
	{ FACT_HOST, 0, TRANSPORT_PTY },
	{ 0, FACT_USB_PINS, TRANSPORT_USB },
};

/* Processors which the host reaches by none of these: through its memory, or not at all. */
static const char *const wireless[] = { "pru", "ar100", "simulator" };

static enum transport transport_of(unsigned facts)
{
	for (size_t i = 0; i < ELEMENTSOF(transports); i++)
		if ((facts & transports[i].needed) == transports[i].needed &&
			(facts & ~(transports[i].needed | transports[i].allowed)) == 0)
			return transports[i].transport;
	return TRANSPORT_UNKNOWN;
}

static unsigned facts_of_mcu(const char *mcu)
{
	if (text_equal(mcu, "linux"))
		return FACT_HOST;
	return !mcu || text_lookup(wireless, ELEMENTSOF(wireless), mcu) >= 0 ? FACT_STRANGE : 0;
}

static unsigned facts_of_pins(const char *name)
{
	if (strncmp(name, "USB", 3) == 0) /* "USB1" is the other port of an H7 */
		return FACT_USB_PINS;
	if (strncmp(name, "CAN", 3) == 0)
		return FACT_CAN_PINS;
	return strcmp(name, "serial") == 0 ? FACT_SERIAL_PINS : 0;
}

/* ---- the dictionary ---------------------------------------------------------------------- */

struct reading {
	struct klipper *klipper;
	unsigned facts;
	uint32_t bridge;
};

/* What is read of the top and of `config`, each at most once. */
struct key {
	const char *name;
	char **text;
	uint32_t *number;
	unsigned fact;
	bool is_seen;
};

/* 0, -EBADMSG when the key came before, -ENOMEM. */
static int read_key(struct reading *reading, struct key *key, const cJSON *value)
{
	if (key->is_seen)
		return -EBADMSG;
	key->is_seen = true;
	if (key->text)
		return read_text(value, key->text);
	*key->number = read_number(value);
	reading->facts |= key->fact;
	if (key->fact && *key->number == 0)
		reading->facts |= FACT_STRANGE;
	return 0;
}

static int read_keys(struct reading *reading, struct key *keys, size_t count, const cJSON *value)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(keys[i].name, value->string) == 0)
			return read_key(reading, &keys[i], value);
	return 0;
}

/* 0, -EBADMSG when they were kept before or for too many things, -ENOMEM. */
static int read_pins(struct reading *reading, const char *name, const cJSON *value)
{
	struct klipper *klipper = reading->klipper;
	if (klipper->pin_count == PINS_MAX || strlen(name) > TEXT_MAX)
		return -EBADMSG;
	_cleanup_(freep) char *safe = text_escape(name);
	if (!safe)
		return -ENOMEM;
	for (size_t i = 0; i < klipper->pin_count; i++)
		if (strcmp(klipper->pins[i].name, safe) == 0)
			return -EBADMSG;
	if (!klipper->pins)
		klipper->pins = calloc(PINS_MAX, sizeof(*klipper->pins));
	if (!klipper->pins)
		return -ENOMEM;
	reading->facts |= facts_of_pins(name);
	struct klipper_pins *pins = &klipper->pins[klipper->pin_count++];
	pins->name = TAKE_PTR(safe);
	return read_text(value, &pins->pins);
}

static int read_config(struct reading *reading, const cJSON *config)
{
	struct klipper *klipper = reading->klipper;
	struct key keys[] = {
		{ .name = "MCU", .text = &klipper->mcu },
		{ .name = "INITIAL_PINS", .text = &klipper->initial_pins },
		{ .name = "CLOCK_FREQ", .number = &klipper->clock_hz },
		{ "CANBUS_FREQUENCY", NULL, &klipper->can_bitrate, FACT_BITRATE, false },
		{ "CANBUS_BRIDGE", NULL, &reading->bridge, FACT_BRIDGE, false },
		{ "SERIAL_BAUD", NULL, &klipper->serial_baud, FACT_BAUD, false },
	};
	const cJSON *value;
	cJSON_ArrayForEach(value, config)
	{
		size_t prefix = strlen(PINS_PREFIX);
		int r = strncmp(value->string, PINS_PREFIX, prefix) == 0
				? read_pins(reading, value->string + prefix, value)
				: read_keys(reading, keys, ELEMENTSOF(keys), value);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_top(struct reading *reading, const cJSON *top)
{
	struct klipper *klipper = reading->klipper;
	struct key keys[] = {
		{ .name = "app", .text = &klipper->application },
		{ .name = "version", .text = &klipper->version },
		{ .name = "build_versions", .text = &klipper->build_versions },
	};
	const cJSON *value, *config = NULL;
	cJSON_ArrayForEach(value, top)
	{
		bool is_config = strcmp(value->string, "config") == 0;
		if (is_config && (config || !cJSON_IsObject(value)))
			return -EBADMSG;
		if (is_config)
			config = value;
		int r = read_keys(reading, keys, ELEMENTSOF(keys), value);
		if (r < 0)
			return r;
	}
	return config ? read_config(reading, config) : -EBADMSG;
}

/* ---- public ------------------------------------------------------------------------------ */

int klipper_parse(const char *json, size_t length, struct klipper *ret)
{
	if (length == 0 || length > KLIPPER_JSON_MAX)
		return -EBADMSG;
	_cleanup_(foreign_json_freep) cJSON *top = NULL;
	int r = foreign_json_parse(json, length, &top);
	if (r < 0)
		return r;
	_cleanup_(klipper_done) struct klipper klipper = { 0 };
	struct reading reading = { .klipper = &klipper };
	r = read_top(&reading, top);
	if (r < 0)
		return r;
	klipper.transport = transport_of(reading.facts | facts_of_mcu(klipper.mcu));
	*ret = klipper;
	klipper = (struct klipper){ 0 };
	return 0;
}

int klipper_message_id(
	const char *json, size_t length, const char *kind, const char *format, int32_t *ret)
{
	if (length == 0 || length > KLIPPER_JSON_MAX)
		return -EBADMSG;
	_cleanup_(foreign_json_freep) cJSON *top = NULL;
	int r = foreign_json_parse(json, length, &top);
	if (r < 0)
		return r;
	const cJSON *messages = cJSON_GetObjectItemCaseSensitive(top, kind);
	const cJSON *id = cJSON_GetObjectItemCaseSensitive(messages, format);
	if (!id)
		return -ENOENT;
	double number = cJSON_IsNumber(id) ? id->valuedouble : NAN;
	if (!(number >= INT32_MIN && number <= INT32_MAX) || number != (double)(int32_t)number)
		return -EBADMSG;
	*ret = (int32_t)number;
	return 0;
}

void klipper_done(struct klipper *klipper)
{
	free(klipper->application);
	free(klipper->version);
	free(klipper->build_versions);
	free(klipper->mcu);
	free(klipper->initial_pins);
	for (size_t i = 0; i < klipper->pin_count; i++) {
		free(klipper->pins[i].name);
		free(klipper->pins[i].pins);
	}
	free(klipper->pins);
	*klipper = (struct klipper){ 0 };
}

const char *klipper_reserved(const struct klipper *klipper, const char *name)
{
	for (size_t i = 0; i < klipper->pin_count; i++)
		if (strcmp(klipper->pins[i].name, name) == 0)
			return klipper->pins[i].pins;
	return NULL;
}

/* ---- the value that crosses the wire ----------------------------------------------------- */

/* Half a text could be taken for another one: what does not fit is unknown. False then. */
static bool take_text(char ret[RUNNING_TEXT], const char *text)
{
	if (!text || strlen(text) >= RUNNING_TEXT)
		return false;
	text_copy_plain(ret, RUNNING_TEXT, text);
	return true;
}

struct running klipper_running(const struct klipper *klipper)
{
	struct running running = {
		.is_known = true,
		.clock_hz = klipper->clock_hz,
		.can_bitrate = klipper->can_bitrate,
		.serial_baud = klipper->serial_baud,
		.transport = klipper->transport,
	};
	take_text(running.mcu, klipper->mcu);
	take_text(running.version, klipper->version);
	take_text(running.can_pins, klipper_reserved(klipper, "CAN"));
	take_text(running.usb_pins, klipper_reserved(klipper, "USB"));
	take_text(running.serial_pins, klipper_reserved(klipper, "serial"));
	/* A dictionary leaves them out when there are none. */
	running.has_initial_pins =
		take_text(running.initial_pins, klipper->initial_pins ? klipper->initial_pins : "");
	return running;
}
