/* SPDX-License-Identifier: MIT */
/*
 * What runs on a board, in its own words: a worker of ours asks it, and nothing on it is changed.
 * The person who types this names the port, and must be able to open it; the service has no part in
 * it. Never while another program has the port: it may be printing.
 */
#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "client/hands.h"
#include "client/tty.h"
#include "client/verb.h"

#define BAUD 250000 /* Klipper's own choice (klipper, src/Kconfig) */

/* ---- may it be asked --------------------------------------------------------------------- */

/* The worker would only be told that it may not. */
static int require_right(const struct tty *tty, struct problem *problem)
{
	struct stat status;
	if (access(tty->node, R_OK | W_OK) == 0 || errno != EACCES)
		return 0;
	const struct group *group = stat(tty->node, &status) == 0 ? getgrgid(status.st_gid) : NULL;
	if (!group)
		return problem_set(problem, EXIT_NO, "no-permission",
			"you may not open %s; ask as root", tty->node);
	return problem_set(problem, EXIT_NO, "no-permission",
		"you may not open %s, which is its group's: ask as root, or join with \"sudo usermod "
		"-aG %s $USER\" and log in again",
		tty->node, group->gr_name);
}

static int refuse_held(const struct tty *tty, const char *holders, struct problem *problem)
{
	return problem_set(problem, EXIT_NO, "board-busy",
		"%s is open in %s, and is not asked while it is; end that program first (for "
		"Klipper's host: sudo systemctl stop klipper)",
		tty->node, holders);
}

static int require_nobody(const struct tty *tty, struct problem *problem)
{
	_cleanup_(tty_holders_done) struct tty_holders holders = { 0 };
	int r = tty_holders_find(tty, &holders);
	if (r < 0)
		return r;
	if (holders.names)
		return refuse_held(tty, holders.names, problem);
	/* Klipper's host takes no lock on a pty: whether it has this one, only root can see. */
	if (tty->is_pty && holders.may_be_klippy)
		return problem_set(problem, EXIT_NO, "print-unknown",
			"Klipper's host is running and may have %s open; ask as root, who can see "
			"that, or end it first (sudo systemctl stop klipper)",
			tty->node);
	return 0;
}

/* ---- which board ------------------------------------------------------------------------- */

static int usage(const char *path, int error, struct problem *problem)
{
	_cleanup_(freep) char *safe = text_escape(path);
	return problem_set(problem, EXIT_USAGE, "no-such-port",
		"%s: %s; name a serial port, as "
		"/dev/ttyACM0 or one of /dev/serial/by-id",
		safe ? safe : "the port",
		error == -ENOTTY ? "this is no serial port" : strerror(-error));
}

/* The id of a USB device, as its sysfs directory has it. */
static enum board_mode mode_of(const char *syspath)
{
	unsigned vid = 0, pid = 0;
	_cleanup_(freep) char *path = text_format("%s/uevent", syspath);
	_cleanup_(fclosep) FILE *file = path ? fopen(path, "re") : NULL;
	char line[256];
	while (file && fgets(line, sizeof(line), file))
		(void)sscanf(line, "PRODUCT=%x/%x", &vid, &pid);
	return mode_of_usb_id((uint16_t)vid, (uint16_t)pid);
}

/* A port of a board that we know by its id is named by its board; every other stands for itself. */
static int make_job(const struct tty *tty, struct wire_job *ret)
{
	*ret = (struct wire_job){ .id = 1, .mode = MODE_KLIPPER };
	enum board_mode mode = tty->usb_syspath ? mode_of(tty->usb_syspath) : MODE_NONE;
	if (mode == MODE_KLIPPER || mode == MODE_KATAPULT) {
		ret->mode = mode;
		ret->arrival = tty->usb_arrival;
		return snprintf(ret->syspath, sizeof(ret->syspath), "%s", tty->usb_syspath) <
				       (int)sizeof(ret->syspath)
			       ? 0
			       : -ENAMETOOLONG;
	}
	ret->baud = BAUD;
	return snprintf(ret->tty, sizeof(ret->tty), "%s", tty->node) < (int)sizeof(ret->tty)
		       ? 0
		       : -ENAMETOOLONG;
}

/* ---- the answer -------------------------------------------------------------------------- */

static int put_running(cJSON *answer, const struct running *running)
{
	TRY(json_put(answer, "klipper", cJSON_CreateBool(running->is_known)));
	TRY(json_put_text(answer, "mcu", running->mcu));
	TRY(json_put_text(answer, "version", running->version));
	TRY(json_put_text(answer, "transport", transport_name(running->transport)));
	TRY(json_put(answer, "clock_hz", cJSON_CreateNumber(running->clock_hz)));
	TRY(json_put(answer, "can_bitrate", cJSON_CreateNumber(running->can_bitrate)));
	TRY(json_put(answer, "serial_baud", cJSON_CreateNumber(running->serial_baud)));
	return json_put_text(answer, "initial_pins", running->initial_pins);
}

static int put_address(cJSON *answer, const char *key, bool is_known, uint32_t address)
{
	char text[16] = "";
	if (is_known)
		snprintf(text, sizeof(text), "0x%08" PRIx32, address);
	return json_put_text(answer, key, text);
}

static int describe(
	const struct tty *tty, enum board_mode mode, const struct sight *sight, cJSON *answer)
{
	const struct board_facts *facts = &sight->facts;
	TRY(json_put_text(answer, "port", tty->node));
	TRY(json_put_text(answer, "mode", mode_name(mode)));
	TRY(json_put_text(
		answer, "chip", facts->chip == CHIP_UNKNOWN ? "" : chip_name(facts->chip)));
	TRY(json_put_text(answer, "bootloader", bootloader_name(facts->bootloader)));
	TRY(put_address(answer, "application_start", facts->has_application_start,
		facts->application_start));
	TRY(json_put(
		answer, "dictionary_bytes", cJSON_CreateNumber((double)sight->dictionary_bytes)));
	return put_running(answer, &facts->running);
}

static void show_line(FILE *stream, const char *title, const char *text)
{
	if (*text)
		fprintf(stream, "%-18s%s\n", title, text);
}

static void show(FILE *stream, const cJSON *answer)
{
	show_line(stream, "port", json_text(answer, "port"));
	show_line(stream, "mode", json_text(answer, "mode"));
	show_line(stream, "version", json_text(answer, "version"));
	show_line(stream, "MCU", json_text(answer, "mcu"));
	show_line(stream, "transport", json_text(answer, "transport"));
	show_line(stream, "boot loader", json_text(answer, "bootloader"));
	show_line(stream, "application at", json_text(answer, "application_start"));
	show_line(stream, "initial pins", json_text(answer, "initial_pins"));
}

/* "-" is standard output, and then the only thing there. */
static int save(const struct sight *sight, const char *path, struct problem *problem)
{
	_cleanup_(freep) char *safe = text_escape(path);
	if (!sight->dictionary)
		return problem_set(problem, EXIT_NO, "no-dictionary",
			"the board handed out no dictionary: it runs no Klipper now");
	bool is_stdout = text_equal(path, "-");
	_cleanup_(fclosep) FILE *opened = is_stdout ? NULL : fopen(path, "we");
	FILE *file = is_stdout ? stdout : opened;
	bool is_written = file &&
			  fwrite(sight->dictionary, 1, sight->dictionary_bytes, file) ==
				  sight->dictionary_bytes &&
			  fflush(file) == 0;
	return is_written ? 0
			  : problem_set(problem, EXIT_UNREACHABLE, "not-written",
				    "%s could not be written: %s", safe ? safe : "the dictionary",
				    strerror(errno));
}

int verb_identify(struct request *request)
{
	_cleanup_(tty_done) struct tty tty = { 0 };
	_cleanup_(sight_done) struct sight sight = { 0 };
	_cleanup_(json_deletep) cJSON *answer = cJSON_CreateObject();
	struct wire_job job;
	int r = tty_find(request->argument, &tty);
	if (r < 0)
		return usage(request->argument, r, &request->problem);
	TRY(require_right(&tty, &request->problem));
	TRY(require_nobody(&tty, &request->problem));
	TRY(make_job(&tty, &job));
	TRY(hands_look(&job, &sight, &request->problem));
	if (request->dictionary)
		TRY(save(&sight, request->dictionary, &request->problem));
	TRY(describe(&tty, job.mode, &sight, answer));
	if (request->json)
		json_print(request->output->stream, answer, false);
	else if (!text_equal(request->dictionary, "-"))
		show(request->output->stream, answer);
	return EXIT_YES;
}
