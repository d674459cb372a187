/* SPDX-License-Identifier: MIT */
/* Values out of policy files; see rulebook_parts.h. */
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "daemon/rulebook_parts.h"

void complain(struct parse *parse, const config_setting_t *setting, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	_cleanup_(freep) char *text = text_format_list(format, arguments);
	va_end(arguments);
	_cleanup_(freep) char *safe = text ? text_escape(text) : NULL;
	if (!safe || reasons_add(parse->errors, REASON_POLICY_INVALID, "%s:%u: %s", parse->file,
			     config_setting_source_line(setting), safe) < 0)
		parse->failure = -ENOMEM;
}

void warn(struct parse *parse, const config_setting_t *setting, const char *text)
{
	if (reasons_add(parse->warnings, REASON_POLICY_INVALID, "%s:%u: %s", parse->file,
		    config_setting_source_line(setting), text) < 0)
		parse->failure = -ENOMEM;
}

void keep(struct parse *parse, char **place, const char *text)
{
	free(*place);
	*place = strdup(text);
	if (!*place)
		parse->failure = -ENOMEM;
}

struct policy_origin origin_of(struct parse *parse, const config_setting_t *setting)
{
	struct policy_origin origin = { .line = config_setting_source_line(setting) };
	keep(parse, &origin.file, parse->file);
	return origin;
}

/* The string of a setting, or NULL after a complaint. */
const char *want_string(struct parse *parse, const config_setting_t *setting)
{
	const char *text = config_setting_get_string(setting);
	if (text && *text)
		return text;
	complain(parse, setting, "%s wants a text in quotes that is not empty",
		config_setting_name(setting));
	return NULL;
}

bool want_bool(struct parse *parse, const config_setting_t *setting)
{
	if (config_setting_type(setting) != CONFIG_TYPE_BOOL)
		complain(parse, setting, "%s wants true or false", config_setting_name(setting));
	return config_setting_get_bool(setting);
}

/* libconfig 1.5 reads hexadecimal above 0x7fffffff as negative: the range catches it. */
long long want_number(
	struct parse *parse, const config_setting_t *setting, long long low, long long high)
{
	int type = config_setting_type(setting);
	if (type == CONFIG_TYPE_INT || type == CONFIG_TYPE_INT64) {
		long long value = config_setting_get_int64(setting);
		if (value >= low && value <= high)
			return value;
	}
	complain(parse, setting, "%s wants a whole number from %lld to %lld",
		config_setting_name(setting), low, high);
	return low;
}

void want_id(
	struct parse *parse, const config_setting_t *setting, uint16_t *ret_vid, uint16_t *ret_pid)
{
	const char *text = want_string(parse, setting);
	if (text && text_parse_vid_pid(text, ret_vid, ret_pid) < 0)
		complain(parse, setting,
			"%s wants four and four hexadecimal digits, as \"2e8a:0003\"",
			config_setting_name(setting));
}

void want_chip(struct parse *parse, const config_setting_t *setting, enum chip *ret)
{
	const char *text = want_string(parse, setting);
	int chip = text ? chip_from_name(text) : 0;
	if (chip < 0)
		complain(parse, setting,
			"chip \"%s\" is not known; known are rp2040, rp2350, stm32f429 "
			"and so on: see plugflash explain",
			text);
	else
		*ret = (enum chip)chip;
}

void want_mode(struct parse *parse, const config_setting_t *setting, enum board_mode *ret)
{
	const char *text = want_string(parse, setting);
	int mode = text ? mode_from_name(text) : 0;
	if (mode < 0)
		complain(parse, setting,
			"mode \"%s\" is not known; known are rp2040-boot, rp2350-boot, dfu, "
			"katapult, klipper and pico-sdk",
			text);
	else
		*ret = (enum board_mode)mode;
}

void take_group(struct parse *parse, const config_setting_t *group, const struct key *keys,
	size_t key_count, void *object)
{
	if (!config_setting_is_group(group)) {
		const char *name = config_setting_name(group);
		complain(parse, group, "%s wants a group in braces: { … }", name ? name : "this");
		return;
	}
	for (int i = 0; i < config_setting_length(group); i++) {
		const config_setting_t *setting = config_setting_get_elem(group, (unsigned)i);
		const char *name = config_setting_name(setting);
		const struct key *key = NULL;
		for (size_t k = 0; k < key_count && !key; k++)
			if (text_equal(keys[k].name, name))
				key = &keys[k];
		if (key) {
			key->take(parse, setting, object);
			continue;
		}
		_cleanup_(freep) char *known = NULL;
		for (size_t k = 0; k < key_count; k++)
			if (text_append(&known, "%s%s", k ? ", " : "", keys[k].name) < 0)
				parse->failure = -ENOMEM;
		complain(parse, setting, "key \"%s\" is not known; here stand: %s", name, known);
	}
}

void take_name(struct parse *parse, const config_setting_t *setting, char **place)
{
	const char *text = want_string(parse, setting);
	if (text && !text_is_plain(text))
		complain(parse, setting, "%s holds control characters; remove them",
			config_setting_name(setting));
	else if (text)
		keep(parse, place, text);
}
