/* SPDX-License-Identifier: MIT */
/* Boards and jobs for people; see view.h. */
#include <string.h>

#include "base/text.h"
#include "client/view.h"
#include "model/policy.h"

#define BAR_LEAST 8
#define BAR_MOST  32

static bool is_one_of(const char *text, const char *first, const char *second)
{
	return text_equal(text, first) || text_equal(text, second);
}

bool view_is_board(const cJSON *device)
{
	const char *mode = json_text(device, "mode");
	return *mode && !text_equal(mode, "none");
}

bool view_is_running(const cJSON *job)
{
	return !text_equal(json_text(job, "state"), "done");
}

const char *view_where(const cJSON *object)
{
	const char *port = json_text(object, "port");
	return *port ? port : json_text(object, "place");
}

const char *view_file_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash && slash[1] ? slash + 1 : path;
}

/* ---- boards ----------------------------------------------------------------------------- */

static char *board_name(const cJSON *device)
{
	const char *maker = json_text(device, "manufacturer");
	const char *product = json_text(device, "product");
	return text_format("%s%s%s", maker, *maker && *product ? " " : "", product);
}

char *view_board_title(const cJSON *device)
{
	_cleanup_(freep) char *name = board_name(device);
	return text_format(
		"%s (%s)", name && *name ? name : "USB device", json_text(device, "vid_pid"));
}

char *view_chip(const cJSON *board)
{
	const char *chip = json_text(board, "chip");
	_cleanup_(freep) char *text = NULL;
	const cJSON *possible;
	if (*chip && !text_equal(chip, "unknown"))
		return strdup(chip);
	cJSON_ArrayForEach(possible, json_list(board, "possible_chips"))
	{
		const char *name = cJSON_GetStringValue(possible);
		if (text_append(&text, "%s%s", text ? " or " : "", name ? name : "") < 0)
			return NULL;
	}
	return text ? TAKE_PTR(text) : strdup(chip);
}

static char *board_mode_cell(const cJSON *device)
{
	return strdup(view_is_board(device) ? json_text(device, "mode") : "");
}

/* A serial that many boards show looks like an identity and is none. */
static char *board_serial(const cJSON *device)
{
	const char *serial = json_text(device, "serial");
	return text_format(
		"%s%s", serial, *serial && policy_serial_is_shared(serial) ? " (shared)" : "");
}

static enum tint board_mode_tint(const cJSON *device)
{
	return view_is_board(device) ? TINT_STRONG : TINT_NONE;
}

void view_boards(const struct output *output, const cJSON *devices)
{
	static const struct column columns[] = {
		{ .title = "PORT", .key = "port" },
		{ .title = "MODE", .cell = board_mode_cell, .tint = board_mode_tint },
		{ .title = "CHIP", .cell = view_chip },
		{ .title = "ID", .key = "vid_pid" },
		{ .title = "NAME", .cell = board_name },
		{ .title = "SERIAL", .cell = board_serial },
		{ .title = "PLACE", .key = "place" },
	};
	output_table(output, columns, ELEMENTSOF(columns), devices, NULL);
}

/* ---- jobs ------------------------------------------------------------------------------- */

static bool went_well(const cJSON *job)
{
	return is_one_of(json_text(job, "outcome"), "flashed", "identical");
}

enum tint view_job_tint(const cJSON *job)
{
	if (view_is_running(job))
		return TINT_NONE;
	if (went_well(job))
		return TINT_GOOD;
	return text_equal(json_text(job, "outcome"), "refused") ? TINT_WARNING : TINT_BAD;
}

/* 0 … 100, or -1 while nobody knows how much there is to do. */
static int percent(const cJSON *job)
{
	double total = json_number(job, "total_bytes");
	double share = total > 0 ? json_number(job, "done_bytes") / total : -1;
	return share < 0 ? -1 : share > 1 ? 100 : (int)(share * 100);
}

/* What a running job does: its phase while it writes, else its state. */
static const char *activity(const cJSON *job)
{
	const char *state = json_text(job, "state");
	const char *phase = json_text(job, "phase");
	if (!text_equal(state, "writing") || !*phase)
		return state;
	/* Permission was given, and the worker has not said anything since its look. */
	return text_equal(phase, "probe") ? "starting" : phase;
}

static char *job_state(const cJSON *job)
{
	if (!view_is_running(job))
		return strdup(json_text(job, "outcome"));
	int done = percent(job);
	if (done < 0)
		return strdup(activity(job));
	return text_format("%s %d%%", activity(job), done);
}

static char *job_number(const cJSON *job)
{
	return text_format("%.0f", json_number(job, "job"));
}

static char *job_where(const cJSON *job)
{
	return strdup(view_where(job));
}

static char *job_image(const cJSON *job)
{
	return strdup(view_file_name(json_text(job, "image")));
}

static char *job_verify(const cJSON *job)
{
	const char *verify = json_text(job, "verify");
	return strdup(text_equal(verify, "none") ? "" : verify);
}

static char *job_duration(const cJSON *job)
{
	return view_is_running(job) ? NULL : output_duration(json_number(job, "duration_usec"));
}

static char *job_reason(const cJSON *job)
{
	if (view_is_running(job) || went_well(job))
		return NULL;
	return text_format("%s: %s", json_text(job, "reason"), json_text(job, "sentence"));
}

void view_jobs(const struct output *output, const cJSON *jobs)
{
	static const struct column columns[] = {
		{ .title = "JOB", .cell = job_number },
		{ .title = "PORT", .cell = job_where },
		{ .title = "STATE", .cell = job_state, .tint = view_job_tint },
		{ .title = "VERIFY", .cell = job_verify },
		{ .title = "TIME", .cell = job_duration },
		{ .title = "RULE", .key = "rule" },
		{ .title = "IMAGE", .cell = job_image },
		{ .title = "RUNS", .key = "application" },
	};
	output_table(output, columns, ELEMENTSOF(columns), jobs, job_reason);
}

/* How a good job ended: how sure we are, how long it took, what runs now. */
static char *success(const cJSON *job)
{
	const char *image = json_text(job, "image");
	const char *verify = json_text(job, "verify");
	const char *application = json_text(job, "application");
	_cleanup_(freep) char *duration = job_duration(job);
	return text_format("%s %s, verified by %s, %s%s%s", json_text(job, "outcome"),
		*image ? view_file_name(image) : "", text_equal(verify, "none") ? "nobody" : verify,
		duration ? duration : "", *application ? "; runs as " : "", application);
}

char *view_job_sentence(const cJSON *job)
{
	const char *image = view_file_name(json_text(job, "image"));
	if (view_is_running(job) && text_equal(activity(job), "write") && percent(job) >= 0)
		/* In quarters: without a terminal each change is a line of its own. */
		return text_format("write %d%%, %s", percent(job) / 25 * 25, image);
	if (view_is_running(job))
		return text_format("%s%s%s", activity(job), *image ? ", " : "", image);
	if (went_well(job))
		return success(job);
	return text_format("%s (%s): %s", json_text(job, "outcome"), json_text(job, "reason"),
		json_text(job, "sentence"));
}

/* ---- progress --------------------------------------------------------------------------- */

static char *amounts(const cJSON *job)
{
	double total = json_number(job, "total_bytes");
	if (total <= 0)
		return strdup("");
	_cleanup_(freep) char *done = output_bytes(json_number(job, "done_bytes"));
	_cleanup_(freep) char *all = output_bytes(total);
	return text_format(" %3d%%  %s of %s", percent(job), done ? done : "", all ? all : "");
}

static void put_run(const struct output *output, enum tint tint, const char *piece, size_t count)
{
	_cleanup_(freep) char *run = NULL;
	for (size_t i = 0; i < count; i++)
		if (text_append(&run, "%s", piece) < 0)
			return;
	if (run)
		output_tinted(output, tint, "%s", run);
}

static void put_bar(const struct output *output, int done, size_t width)
{
	size_t full = done < 0 ? 0 : width * (size_t)done / 100;
	put_run(output, TINT_GOOD, output->has_unicode ? "█" : "#", full);
	put_run(output, TINT_FAINT, output->has_unicode ? "░" : "-", width - full);
}

void view_progress(const struct output *output, const cJSON *job, size_t columns)
{
	const char *image = view_file_name(json_text(job, "image"));
	_cleanup_(freep) char *left = text_format(
		"job %.0f  %-8s %-9s ", json_number(job, "job"), view_where(job), activity(job));
	_cleanup_(freep) char *numbers = amounts(job);
	_cleanup_(freep) char *right =
		text_format("%s%s%s", numbers ? numbers : "", *image ? "  " : "", image);
	if (!left || !right)
		return;
	output_cut(left, columns);
	size_t room = columns - output_width(left);
	size_t bar = room / 3 > BAR_MOST ? BAR_MOST : room / 3;
	fputs(left, output->stream);
	if (bar >= BAR_LEAST) {
		put_bar(output, percent(job), bar);
		room -= bar;
	}
	output_cut(right, room);
	fprintf(output->stream, "%s\n", right);
}
