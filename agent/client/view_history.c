/* SPDX-License-Identifier: MIT */
/* The past for people; see view.h. */
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "client/view.h"

char *view_time(double realtime_usec)
{
	char text[64] = "";
	time_t seconds = (time_t)(realtime_usec / 1e6);
	struct tm local;
	if (realtime_usec > 0 && localtime_r(&seconds, &local))
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &local);
	return strdup(text);
}

/* ---- the table --------------------------------------------------------------------------- */

static char *cell_job(const cJSON *job)
{
	return text_format("%.0f", json_number(job, "job"));
}

static char *cell_began(const cJSON *job)
{
	return view_time(json_number(job, "began_realtime_usec"));
}

/* The name that the policy gives, else the board's own id, else the chip. */
static char *cell_board(const cJSON *job)
{
	static const char *const keys[] = { "board", "unique_id", "chip" };
	for (size_t i = 0; i < ELEMENTSOF(keys); i++)
		if (*json_text(job, keys[i]))
			return strdup(json_text(job, keys[i]));
	return strdup("");
}

static char *cell_outcome(const cJSON *job)
{
	const char *outcome = json_text(job, "outcome");
	return strdup(*outcome ? outcome : "running");
}

static char *cell_time(const cJSON *job)
{
	double usec = json_number(job, "duration_usec");
	return usec > 0 ? output_duration(usec) : strdup("");
}

static char *cell_image(const cJSON *job)
{
	return strdup(view_file_name(json_text(job, "image")));
}

static enum tint tint_outcome(const cJSON *job)
{
	const char *outcome = json_text(job, "outcome");
	if (text_equal(outcome, "flashed") || text_equal(outcome, "identical"))
		return TINT_GOOD;
	return text_equal(outcome, "failed") || text_equal(outcome, "interrupted") ? TINT_BAD
										   : TINT_WARNING;
}

static char *note_reason(const cJSON *job)
{
	const char *reason = json_text(job, "reason");
	return *reason ? text_format("%s: %s", reason, json_text(job, "sentence")) : NULL;
}

void view_history(const struct output *output, const cJSON *jobs)
{
	static const struct column columns[] = {
		{ .title = "JOB", .cell = cell_job },
		{ .title = "BEGAN", .cell = cell_began },
		{ .title = "BOARD", .cell = cell_board },
		{ .title = "OUTCOME", .cell = cell_outcome, .tint = tint_outcome },
		{ .title = "VERIFY", .key = "verify" },
		{ .title = "TIME", .cell = cell_time },
		{ .title = "IMAGE", .cell = cell_image },
		{ .title = "PLACE", .key = "place" },
	};
	output_table(output, columns, ELEMENTSOF(columns), jobs, note_reason);
}

/* ---- one job ----------------------------------------------------------------------------- */

static void print_line(const struct output *output, const char *title, const char *value)
{
	if (value && *value)
		fprintf(output->stream, "%-13s%s\n", title, value);
}

static void print_text(
	const struct output *output, const char *title, const cJSON *job, const char *key)
{
	print_line(output, title, json_text(job, key));
}

static void print_when(
	const struct output *output, const char *title, const cJSON *job, const char *key)
{
	_cleanup_(freep) char *time = view_time(json_number(job, key));
	print_line(output, title, time);
}

static void print_board(const struct output *output, const cJSON *job)
{
	print_text(output, "board", job, "board");
	print_text(output, "chip", job, "chip");
	print_text(output, "id", job, "unique_id");
	print_text(output, "usb id", job, "vid_pid");
	print_text(output, "usb serial", job, "serial");
	print_text(output, "mode", job, "mode");
	print_text(output, "flash held", job, "flash_content");
	_cleanup_(freep) char *size = output_bytes(json_number(job, "flash_size_bytes"));
	if (json_number(job, "flash_size_bytes") > 0)
		print_line(output, "flash size", size);
}

static void print_phases(const struct output *output, const cJSON *job)
{
	static const char *const phases[] = { "probe", "compare", "write", "finish",
		"application" };
	for (size_t i = 0; i < ELEMENTSOF(phases); i++) {
		char key[32];
		snprintf(key, sizeof(key), "%s_usec", phases[i]);
		double usec = json_number(job, key);
		_cleanup_(freep) char *duration = usec > 0 ? output_duration(usec) : NULL;
		print_line(output, phases[i], duration);
	}
}

static void print_work(const struct output *output, const cJSON *job)
{
	double total = json_number(job, "units_total");
	if (total <= 0)
		return;
	_cleanup_(freep) char *written = output_bytes(json_number(job, "bytes_written"));
	fprintf(output->stream,
		"%-13s%.0f units, %.0f already right, %.0f erased; %s written, %.0f recoveries\n",
		"work", total, json_number(job, "units_identical"),
		json_number(job, "units_erased"), written ? written : "",
		json_number(job, "recoveries"));
}

void view_job_record(const struct output *output, const cJSON *job)
{
	_cleanup_(freep) char *number = cell_job(job), *outcome = cell_outcome(job);
	fprintf(output->stream, "%-13s%s ", "job", number ? number : "");
	output_tinted(output, tint_outcome(job), "%s\n", outcome ? outcome : "");
	print_text(output, "why", job, "sentence");
	print_text(output, "reason", job, "reason");
	print_when(output, "began", job, "began_realtime_usec");
	print_when(output, "ended", job, "ended_realtime_usec");
	print_text(output, "place", job, "place");
	print_text(output, "port", job, "port");
	print_board(output, job);
	print_text(output, "decision", job, "decision");
	print_text(output, "rule", job, "rule");
	print_text(output, "image", job, "image");
	print_text(output, "sha256", job, "image_sha256");
	print_text(output, "version", job, "image_version");
	if (json_number(job, "resumes") > 0)
		fprintf(output->stream, "%-13sjob %.0f\n", "goes on with",
			json_number(job, "resumes"));
	print_work(output, job);
	print_phases(output, job);
	print_text(output, "verified by", job, "verify");
	print_text(output, "runs as", job, "application");
	fprintf(output->stream, "\nIts journal: journalctl PLUGFLASH_JOB=%s\n",
		number ? number : "");
}
