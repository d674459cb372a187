/* SPDX-License-Identifier: MIT */
/*
 * One policy file's text into policy values (libconfig 1.5). Unknown keys, wrong types and values
 * out of range are errors; all of them are reported, not only the first. See rulebook.h.
 */
#include <errno.h>
#include <libconfig.h>
#include <string.h>
#include <sys/un.h>

#include "base/text.h"
#include "daemon/rulebook.h"
#include "daemon/rulebook_parts.h"
#include "model/can_uuid.h"

/* Klipper's and Katapult's own choice (klipper, src/Kconfig). */
#define KLIPPER_BAUD 250000

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
	if (uuid && !can_uuid_is_valid(uuid))
		complain(parse, setting, "can_uuid wants twelve hexadecimal digits");
}

static void board_tty(struct parse *parse, const config_setting_t *setting, void *board)
{
	take_name(parse, setting, &((struct policy_board *)board)->tty);
	const char *tty = ((struct policy_board *)board)->tty;
	if (tty && (strncmp(tty, "/dev/", 5) != 0 || strstr(tty, "..") || strlen(tty) > 200 ||
			   tty[strlen(tty) - 1] == '/'))
		complain(parse, setting,
			"tty wants the path of a serial port, as \"/dev/ttyAMA0\" or one of "
			"/dev/serial/by-path");
}

static void board_baud(struct parse *p, const config_setting_t *s, void *board)
{
	((struct policy_board *)board)->baud = (unsigned)want_number(p, s, 1200, 4000000);
}

static void board_flash_size(struct parse *p, const config_setting_t *s, void *board)
{
	((struct policy_board *)board)->flash_size_bytes =
		(uint64_t)want_number(p, s, 4096, 16 << 20);
}

static void board_application_start(struct parse *p, const config_setting_t *s, void *object)
{
	struct policy_board *board = object;
	board->has_application_start = true;
	board->application_start = (uint32_t)want_number(p, s, 0, ADDRESS_MOST);
}

static void board_printer(struct parse *p, const config_setting_t *s, void *board)
{
	take_name(p, s, &((struct policy_board *)board)->printer);
}

static const struct key board_keys[] = {
	{ "name", board_name },
	{ "chip", board_chip },
	{ "serial", board_serial },
	{ "can_uuid", board_can_uuid },
	{ "tty", board_tty },
	{ "baud", board_baud },
	{ "bus", board_bus },
	{ "printer", board_printer },
	{ "flash_size", board_flash_size },
	{ "application_start", board_application_start },
};

/* ---- printers --------------------------------------------------------------------------- */

static bool is_whole_path(const char *path)
{
	size_t length = strlen(path);
	bool climbs = strstr(path, "/../") || (length >= 3 && text_equal(path + length - 3, "/.."));
	return path[0] == '/' && !climbs && text_is_plain(path);
}

static void printer_name(struct parse *p, const config_setting_t *s, void *printer)
{
	take_name(p, s, &((struct policy_printer *)printer)->name);
}

static void printer_socket(struct parse *parse, const config_setting_t *setting, void *object)
{
	static const size_t most = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;
	const char *path = want_string(parse, setting);
	if (path && !is_whole_path(path))
		complain(parse, setting,
			"socket \"%s\" is no absolute path; write the one that plugflashd sees, as "
			"\"/run/klippy/voron/klippy.sock\"",
			path);
	else if (path && strlen(path) > most)
		complain(parse, setting,
			"socket is %zu bytes long, and no socket can have a path of more than %zu; "
			"bind its directory to a shorter one, as \"/run/klippy/voron\"",
			strlen(path), most);
	else if (path)
		keep(parse, &((struct policy_printer *)object)->socket, path);
}

static const struct key printer_keys[] = {
	{ "name", printer_name },
	{ "socket", printer_socket },
};

/* ---- rules ------------------------------------------------------------------------------ */

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

static void match_provenance(struct parse *parse, const config_setting_t *setting, void *rule)
{
	const char *text = want_string(parse, setting);
	int provenance = text ? provenance_from_name(text) : 0;
	if (provenance < 0)
		complain(parse, setting,
			"provenance \"%s\" is not known; known are seen, declared, computed, "
			"requested and shown",
			text);
	else
		((struct policy_rule *)rule)->provenance = (enum provenance)provenance;
}

static const struct key match_keys[] = {
	{ "mode", match_mode },
	{ "chip", match_chip },
	{ "vid_pid", match_vid_pid },
	{ "path", match_path },
	{ "board", match_board },
	{ "provenance", match_provenance },
};

static void flash_image(struct parse *p, const config_setting_t *s, void *rule)
{
	take_name(p, s, &((struct policy_rule *)rule)->image);
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

static void flash_leave_on_refusal(struct parse *p, const config_setting_t *s, void *rule)
{
	((struct policy_rule *)rule)->leave_on_refusal = want_bool(p, s);
}

static void flash_enter_bootloader(struct parse *p, const config_setting_t *s, void *object)
{
	struct policy_rule *rule = object;
	if (config_setting_type(s) != CONFIG_TYPE_STRING)
		rule->enter = want_bool(p, s) ? ENTER_YES : ENTER_NO;
	else if (text_equal(config_setting_get_string(s), "dfu"))
		rule->enter = ENTER_ALSO_DFU;
	else
		complain(p, s,
			"enter_bootloader wants true, false, or \"dfu\", which permits the boot ROM "
			"of an STM32 too");
}

static void flash_chip(struct parse *p, const config_setting_t *s, void *rule)
{
	want_chip(p, s, &((struct policy_rule *)rule)->stated_chip);
}

static void flash_flash_size(struct parse *p, const config_setting_t *s, void *rule)
{
	((struct policy_rule *)rule)->flash_size_bytes =
		(uint64_t)want_number(p, s, 4096, 16 << 20);
}

static void flash_application_start(struct parse *p, const config_setting_t *s, void *object)
{
	struct policy_rule *rule = object;
	rule->has_application_start = true;
	rule->application_start = (uint32_t)want_number(p, s, 0, ADDRESS_MOST);
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
	{ "declare", flash_declare },
	{ "downgrade", flash_downgrade },
	{ "bootloader", flash_bootloader },
	{ "overwrite_bootloader", flash_bootloader },
	{ "enter_bootloader", flash_enter_bootloader },
	{ "on_update", flash_on_update },
	{ "leave_on_refusal", flash_leave_on_refusal },
	{ "chip", flash_chip },
	{ "sha256", flash_sha256 },
	{ "flash_size", flash_flash_size },
	{ "application_start", flash_application_start },
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
	if (!board->serial && !board->can_uuid && !board->tty)
		complain(parse, setting,
			"this board has neither serial nor can_uuid nor tty, so it could "
			"never be told from others; add one");
	if (board->baud && !board->tty)
		complain(parse, setting, "baud belongs to tty; add tty = \"/dev/…\"");
	if (board->tty && !board->baud)
		board->baud = KLIPPER_BAUD;
}

static void parse_printer(struct parse *parse, const config_setting_t *setting)
{
	struct policy_printer *printer = policy_add_printer(parse->policy);
	if (!printer) {
		parse->failure = -ENOMEM;
		return;
	}
	printer->origin = origin_of(parse, setting);
	take_group(parse, setting, printer_keys, ELEMENTSOF(printer_keys), printer);
	if (!config_setting_is_group(setting))
		return;
	if (!printer->name)
		complain(parse, setting, "this printer has no name; add name = \"…\"");
	if (!config_setting_get_member(setting, "socket"))
		complain(parse, setting,
			"this printer has no socket, so it could never be asked; add socket = "
			"\"/run/klippy/voron/klippy.sock\"");
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
	if (rule->provenance && !rule->board)
		complain(parse, setting,
			"provenance says how well a board must be known; add board = \"…\"");
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

static void top_printers(struct parse *parse, const config_setting_t *setting, void *unused)
{
	(void)unused;
	take_list(parse, setting, parse_printer);
}

static void top_buses(struct parse *parse, const config_setting_t *setting, void *unused)
{
	(void)unused;
	take_list(parse, setting, parse_bus);
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

static void top_firmware_directories(
	struct parse *parse, const config_setting_t *setting, void *unused)
{
	(void)unused;
	if (!config_setting_is_array(setting) && !config_setting_is_list(setting)) {
		complain(parse, setting,
			"%s wants a list in square brackets: [ \"/srv/firmware\" ]",
			config_setting_name(setting));
		return;
	}
	for (int i = 0; i < config_setting_length(setting); i++) {
		const config_setting_t *element = config_setting_get_elem(setting, (unsigned)i);
		const char *path = config_setting_get_string(element);
		if (!path || !is_whole_path(path))
			complain(parse, element,
				"firmware_directories wants absolute paths in quotes");
		else if (policy_add_directory(parse->policy, path) < 0)
			parse->failure = -ENOMEM;
	}
}

static const struct key top_keys[] = {
	{ "boards", top_boards },
	{ "printers", top_printers },
	{ "buses", top_buses },
	{ "rules", top_rules },
	{ "limits", top_limits },
	{ "firmware_directories", top_firmware_directories },
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
