/* SPDX-License-Identifier: MIT */
/*
 * One policy file's text into policy values (libconfig 1.5). Unknown keys, wrong types and values
 * out of range are errors; all of them are reported, not only the first. See rulebook.h.
 */
#include <errno.h>
#include <libconfig.h>
#include <string.h>

#include "base/text.h"
#include "daemon/rulebook.h"

struct parse {
	const char *file;
	struct policy *policy;
	struct reasons *errors;
	struct reasons *warnings;
	int failure; /* sticky -ENOMEM */
};

static void __attribute__((format(printf, 3, 4)))
complain(struct parse *parse, const config_setting_t *setting, const char *format, ...)
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

static void warn(struct parse *parse, const config_setting_t *setting, const char *text)
{
	if (reasons_add(parse->warnings, REASON_POLICY_INVALID, "%s:%u: %s", parse->file,
		    config_setting_source_line(setting), text) < 0)
		parse->failure = -ENOMEM;
}

static void keep(struct parse *parse, char **place, const char *text)
{
	free(*place);
	*place = strdup(text);
	if (!*place)
		parse->failure = -ENOMEM;
}

static struct policy_origin origin_of(struct parse *parse, const config_setting_t *setting)
{
	struct policy_origin origin = { .line = config_setting_source_line(setting) };
	keep(parse, &origin.file, parse->file);
	return origin;
}

/* The string of a setting, or NULL after a complaint. */
static const char *want_string(struct parse *parse, const config_setting_t *setting)
{
	const char *text = config_setting_get_string(setting);
	if (text && *text)
		return text;
	complain(parse, setting, "%s wants a text in quotes that is not empty",
		config_setting_name(setting));
	return NULL;
}

static bool want_bool(struct parse *parse, const config_setting_t *setting)
{
	if (config_setting_type(setting) != CONFIG_TYPE_BOOL)
		complain(parse, setting, "%s wants true or false", config_setting_name(setting));
	return config_setting_get_bool(setting);
}

/* libconfig 1.5 reads hexadecimal above 0x7fffffff as negative: the range catches it. */
static long long want_number(
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

static void want_id(
	struct parse *parse, const config_setting_t *setting, uint16_t *ret_vid, uint16_t *ret_pid)
{
	const char *text = want_string(parse, setting);
	if (text && text_parse_vid_pid(text, ret_vid, ret_pid) < 0)
		complain(parse, setting,
			"%s wants four and four hexadecimal digits, as \"2e8a:0003\"",
			config_setting_name(setting));
}

static void want_chip(struct parse *parse, const config_setting_t *setting, enum chip *ret)
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

static void want_mode(struct parse *parse, const config_setting_t *setting, enum board_mode *ret)
{
	const char *text = want_string(parse, setting);
	int mode = text ? mode_from_name(text) : 0;
	if (mode < 0)
		complain(parse, setting,
			"mode \"%s\" is not known; known are rp2040-boot and rp2350-boot", text);
	else
		*ret = (enum board_mode)mode;
}

/* ---- keys
 * ---------------------------------------------------------------------------------------- */

struct key {
	const char *name;
	void (*take)(struct parse *parse, const config_setting_t *setting, void *object);
};

static void take_group(struct parse *parse, const config_setting_t *group, const struct key *keys,
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

static void take_name(struct parse *parse, const config_setting_t *setting, char **place)
{
	const char *text = want_string(parse, setting);
	if (text && !text_is_plain(text))
		complain(parse, setting, "%s holds control characters; remove them",
			config_setting_name(setting));
	else if (text)
		keep(parse, place, text);
}

static void board_name(struct parse *p, const config_setting_t *s, void *board)
{
	take_name(p, s, &((struct policy_board *)board)->name);
}

static void board_chip(struct parse *p, const config_setting_t *s, void *board)
{
	want_chip(p, s, &((struct policy_board *)board)->chip);
}

static void board_serial(struct parse *parse, const config_setting_t *setting, void *board)
{
	take_name(parse, setting, &((struct policy_board *)board)->serial);
	const char *serial = ((struct policy_board *)board)->serial;
	if (serial && policy_serial_is_shared(serial))
		complain(parse, setting,
			"serial \"%s\" is shown by many boards and names none; "
			"take the serial that the board's application shows, or match by path",
			serial);
}

static void board_can_uuid(struct parse *parse, const config_setting_t *setting, void *board)
{
	take_name(parse, setting, &((struct policy_board *)board)->can_uuid);
	const char *uuid = ((struct policy_board *)board)->can_uuid;
	if (uuid && (strlen(uuid) != 12 || strspn(uuid, "0123456789abcdefABCDEF") != 12))
		complain(parse, setting, "can_uuid wants twelve hexadecimal digits");
}

static void board_flash_size(struct parse *p, const config_setting_t *s, void *board)
{
	((struct policy_board *)board)->flash_size_bytes =
		(uint64_t)want_number(p, s, 4096, 16 << 20);
}

static const struct key board_keys[] = {
	{ "name", board_name },
	{ "chip", board_chip },
	{ "serial", board_serial },
	{ "can_uuid", board_can_uuid },
	{ "flash_size", board_flash_size },
};

static void match_mode(struct parse *p, const config_setting_t *s, void *rule)
{
	want_mode(p, s, &((struct policy_rule *)rule)->mode);
}

static void match_chip(struct parse *p, const config_setting_t *s, void *rule)
{
	want_chip(p, s, &((struct policy_rule *)rule)->chip);
}

static void match_vid_pid(struct parse *p, const config_setting_t *s, void *object)
{
	struct policy_rule *rule = object;
	rule->has_id = true;
	want_id(p, s, &rule->vid, &rule->pid);
}

static void match_path(struct parse *parse, const config_setting_t *setting, void *rule)
{
	take_name(parse, setting, &((struct policy_rule *)rule)->path);
	const char *path = ((struct policy_rule *)rule)->path;
	if (path && !strstr(path, "usb") && path[0] >= '0' && path[0] <= '9')
		warn(parse, setting,
			"bus numbers move between boots; take the ID_PATH that "
			"\"plugflash list\" shows as the place");
}

static void match_board(struct parse *p, const config_setting_t *s, void *rule)
{
	take_name(p, s, &((struct policy_rule *)rule)->board);
}

static const struct key match_keys[] = {
	{ "mode", match_mode },
	{ "chip", match_chip },
	{ "vid_pid", match_vid_pid },
	{ "path", match_path },
	{ "board", match_board },
};

static void flash_image(struct parse *p, const config_setting_t *s, void *rule)
{
	take_name(p, s, &((struct policy_rule *)rule)->image);
}

static void flash_expect(struct parse *parse, const config_setting_t *setting, void *object)
{
	struct policy_rule *rule = object;
	const char *text = want_string(parse, setting);
	if (text_equal(text, "any"))
		rule->expectation = EXPECT_ANY;
	else if (text_equal(text, "none"))
		rule->expectation = EXPECT_NONE;
	else if (text && text_parse_vid_pid(text, &rule->expected_vid, &rule->expected_pid) == 0)
		rule->expectation = EXPECT_ID;
	else if (text)
		complain(
			parse, setting, "expect wants \"any\", \"none\" or an id as \"2e8a:000a\"");
}

static void flash_verify(struct parse *parse, const config_setting_t *setting, void *rule)
{
	(void)rule;
	const char *text = want_string(parse, setting);
	if (text && !text_equal(text, "readback"))
		complain(parse, setting, "verify \"%s\" is not known; \"readback\" is always done",
			text);
}

static void flash_present(struct parse *p, const config_setting_t *s, void *rule)
{
	((struct policy_rule *)rule)->flash_present = want_bool(p, s);
}

static void flash_force(struct parse *p, const config_setting_t *s, void *rule)
{
	((struct policy_rule *)rule)->force = want_bool(p, s);
}

static void flash_flash_size(struct parse *p, const config_setting_t *s, void *rule)
{
	((struct policy_rule *)rule)->flash_size_bytes =
		(uint64_t)want_number(p, s, 4096, 16 << 20);
}

static void flash_limit(struct parse *p, const config_setting_t *s, void *rule)
{
	((struct policy_rule *)rule)->limit = (unsigned)want_number(p, s, 1, 1000000);
}

static void flash_within(struct parse *parse, const config_setting_t *setting, void *rule)
{
	const char *text = want_string(parse, setting);
	if (text && text_parse_span(text, &((struct policy_rule *)rule)->within_usec) < 0)
		complain(parse, setting,
			"within wants a span of time as \"90s\", \"30min\", \"2h\" or \"7d\"");
}

static const struct key flash_keys[] = {
	{ "image", flash_image },
	{ "expect", flash_expect },
	{ "verify", flash_verify },
	{ "present", flash_present },
	{ "force", flash_force },
	{ "flash_size", flash_flash_size },
	{ "limit", flash_limit },
	{ "within", flash_within },
};

static void rule_name(struct parse *p, const config_setting_t *s, void *rule)
{
	take_name(p, s, &((struct policy_rule *)rule)->name);
}

static void rule_match(struct parse *p, const config_setting_t *s, void *rule)
{
	take_group(p, s, match_keys, ELEMENTSOF(match_keys), rule);
}

static void rule_flash(struct parse *p, const config_setting_t *s, void *rule)
{
	take_group(p, s, flash_keys, ELEMENTSOF(flash_keys), rule);
}

static void rule_ignore(struct parse *p, const config_setting_t *s, void *rule)
{
	((struct policy_rule *)rule)->ignore = want_bool(p, s);
}

static const struct key rule_keys[] = {
	{ "name", rule_name },
	{ "match", rule_match },
	{ "flash", rule_flash },
	{ "ignore", rule_ignore },
};

/* ---- the lists at the top --------------------------------------------------------------- */

static void parse_board(struct parse *parse, const config_setting_t *setting)
{
	struct policy_board *board = policy_add_board(parse->policy);
	if (!board) {
		parse->failure = -ENOMEM;
		return;
	}
	board->origin = origin_of(parse, setting);
	take_group(parse, setting, board_keys, ELEMENTSOF(board_keys), board);
	if (!board->name)
		complain(parse, setting, "this board has no name; add name = \"…\"");
	if (!board->serial && !board->can_uuid)
		complain(parse, setting,
			"this board has neither serial nor can_uuid, so it could "
			"never be told from others; add one");
}

static void parse_rule(struct parse *parse, const config_setting_t *setting)
{
	struct policy_rule *rule = policy_add_rule(parse->policy);
	if (!rule) {
		parse->failure = -ENOMEM;
		return;
	}
	rule->origin = origin_of(parse, setting);
	take_group(parse, setting, rule_keys, ELEMENTSOF(rule_keys), rule);
	if (!config_setting_is_group(setting))
		return;
	bool flash = config_setting_get_member(setting, "flash");
	if (!rule->name)
		complain(parse, setting, "this rule has no name; add name = \"…\"");
	if (!config_setting_get_member(setting, "match"))
		complain(parse, setting,
			"this rule has no match; write match = { } if it means every "
			"board");
	if (flash == rule->ignore)
		complain(parse, setting, "a rule has either flash = { … } or ignore = true");
	if (flash && !rule->image)
		complain(parse, setting, "flash names no image; add image = \"…\"");
	if ((rule->limit > 0) != (rule->within_usec > 0))
		complain(parse, setting,
			"limit and within belong together, as limit = 24; within = \"2h\"");
}

static void take_list(struct parse *parse, const config_setting_t *setting,
	void (*take)(struct parse *parse, const config_setting_t *setting))
{
	if (!config_setting_is_list(setting)) {
		complain(parse, setting, "%s wants a list in round brackets: ( { … }, { … } )",
			config_setting_name(setting));
		return;
	}
	for (int i = 0; i < config_setting_length(setting); i++)
		take(parse, config_setting_get_elem(setting, (unsigned)i));
}

static void top_boards(struct parse *parse, const config_setting_t *setting, void *unused)
{
	(void)unused;
	take_list(parse, setting, parse_board);
}

static void top_rules(struct parse *parse, const config_setting_t *setting, void *unused)
{
	(void)unused;
	take_list(parse, setting, parse_rule);
}

/* One bound: its key, its place, and what it may be. */
static void take_limit(
	struct parse *parse, const config_setting_t *setting, unsigned *ret, unsigned most)
{
	*ret = (unsigned)want_number(parse, setting, 1, most);
}

static void limits_jobs(struct parse *p, const config_setting_t *s, void *limits)
{
	take_limit(p, s, &((struct policy_limits *)limits)->jobs, 64);
}

static void limits_jobs_per_hub(struct parse *p, const config_setting_t *s, void *limits)
{
	take_limit(p, s, &((struct policy_limits *)limits)->jobs_per_hub, 64);
}

static void limits_attempts(struct parse *p, const config_setting_t *s, void *limits)
{
	take_limit(p, s, &((struct policy_limits *)limits)->attempts, 1000000);
}

static void limits_returns(struct parse *p, const config_setting_t *s, void *limits)
{
	take_limit(p, s, &((struct policy_limits *)limits)->returns, 1000000);
}

static void limits_history_days(struct parse *p, const config_setting_t *s, void *limits)
{
	take_limit(p, s, &((struct policy_limits *)limits)->history_days, 36500);
}

static void limits_history_jobs(struct parse *p, const config_setting_t *s, void *limits)
{
	take_limit(p, s, &((struct policy_limits *)limits)->history_jobs, 100000000);
}

static void top_limits(struct parse *parse, const config_setting_t *setting, void *unused)
{
	static const struct key keys[] = {
		{ "jobs", limits_jobs },
		{ "jobs_per_hub", limits_jobs_per_hub },
		{ "attempts", limits_attempts },
		{ "returns", limits_returns },
		{ "history_days", limits_history_days },
		{ "history_jobs", limits_history_jobs },
	};
	(void)unused;
	take_group(parse, setting, keys, ELEMENTSOF(keys), &parse->policy->limits);
}

static const struct key top_keys[] = {
	{ "boards", top_boards },
	{ "rules", top_rules },
	{ "limits", top_limits },
};

/* libconfig would open whatever an @include names, past the checks of owner and layer. */
static unsigned line_of_include(const char *text)
{
	unsigned line = 1;
	for (const char *at = text; *at; line++) {
		at += strspn(at, " \t");
		if (strncmp(at, "@include", 8) == 0)
			return line;
		at = strchrnul(at, '\n');
		if (*at)
			at++;
	}
	return 0;
}

int rulebook_parse(const char *file, const char *text, struct policy *policy,
	struct reasons *errors, struct reasons *warnings)
{
	struct parse parse = {
		.file = file, .policy = policy, .errors = errors, .warnings = warnings
	};
	unsigned line = line_of_include(text);
	if (line > 0)
		return reasons_add(errors, REASON_POLICY_INVALID,
			"%s:%u: @include is not allowed; put the file into policy.d", file, line);

	_cleanup_(config_destroy) config_t config;
	config_init(&config);
	if (config_read_string(&config, text) != CONFIG_TRUE)
		return reasons_add(errors, REASON_POLICY_INVALID,
			"%s:%d: %s; look for a missing \";\", quote or bracket just before", file,
			config_error_line(&config), config_error_text(&config));
	take_group(&parse, config_root_setting(&config), top_keys, ELEMENTSOF(top_keys), NULL);
	return parse.failure;
}
