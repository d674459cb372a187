/* SPDX-License-Identifier: MIT */
/*
 * Has the service flash a board that is there, and waits for how it ends: of a job, and where an
 * application makes way for its boot loader, of the one that follows at the same place.
 */
#include <errno.h>

#include "base/clock.h"
#include "base/names.h"
#include "base/text.h"
#include "client/bus_json.h"
#include "client/service.h"
#include "client/verb.h"
#include "client/view.h"

/* The job that follows another begins with that one's end. */
#define FOLLOWS_USEC (10 * USEC_PER_SEC)

struct flash {
	struct request *request;
	double job; /* that is waited for; 0: the next one at `place`, */
	uint64_t until_usec; /* until then (CLOCK_MONOTONIC) */
	char *place; /* NULL: not yet known */
	cJSON *jobs; /* that have ended, in order */
	bool is_over;
	bool is_lost; /* the service is gone */
};

static void flash_done(struct flash *flash)
{
	free(flash->place);
	cJSON_Delete(flash->jobs);
}

/* ---- what is heard ----------------------------------------------------------------------- */

static void show_progress(const struct flash *flash, const cJSON *job)
{
	const struct output *output = flash->request->output;
	size_t columns, rows;
	if (!output->is_terminal || flash->request->json)
		return;
	output_terminal_size(output, &columns, &rows);
	view_progress(output, job, columns - 1);
	/* What comes next is drawn over it. */
	fputs("\033[1A\r", output->stream);
	fflush(output->stream);
}

static int take_end(struct flash *flash, const cJSON *job)
{
	const struct output *output = flash->request->output;
	int r = json_append(flash->jobs, cJSON_Duplicate(job, true));
	if (!flash->request->json) {
		_cleanup_(freep) char *sentence = view_job_sentence(job);
		fputs(output->is_terminal ? "\033[J" : "", output->stream);
		fprintf(output->stream, "job %.0f: ", json_number(job, "job"));
		output_tinted(output, view_job_tint(job), "%s\n", sentence ? sentence : "");
		fflush(output->stream);
	}
	flash->job = 0;
	flash->until_usec = clock_usec(CLOCK_MONOTONIC) + FOLLOWS_USEC;
	/* The next job goes on with the same board. */
	bool goes_on = text_equal(json_text(job, "outcome"), "entered") ||
		       text_equal(json_text(job, "reason"), "runs-application");
	flash->is_over = !goes_on;
	return r;
}

/* Is it the job that is waited for, or the one that follows it? */
static bool is_ours(const struct flash *flash, const cJSON *job)
{
	if (flash->job > 0)
		return json_number(job, "job") == flash->job;
	return text_equal(json_text(job, "place"), flash->place);
}

static int take_job(struct flash *flash, const cJSON *job)
{
	if (flash->is_over || !is_ours(flash, job))
		return 0;
	flash->job = json_number(job, "job");
	if (!flash->place)
		flash->place = strdup(json_text(job, "place"));
	if (!flash->place)
		return -ENOMEM;
	if (!view_is_running(job))
		return take_end(flash, job);
	show_progress(flash, job);
	return 0;
}

static int on_job_changed(sd_bus_message *message, void *context, sd_bus_error *error)
{
	(void)error;
	_cleanup_(json_deletep) cJSON *body = NULL;
	if (!sd_bus_message_has_signature(message, "ta{sv}") || bus_json_read(message, &body) < 0)
		return 0;
	int r = take_job(context, cJSON_GetArrayItem(body, 1));
	return r < 0 ? r : 0;
}

static int on_owner_changed(sd_bus_message *message, void *context, sd_bus_error *error)
{
	(void)error;
	const char *name, *before, *now;
	if (sd_bus_message_read(message, "sss", &name, &before, &now) >= 0 && !*now)
		((struct flash *)context)->is_lost = true;
	return 0;
}

/* ---- asking and waiting ------------------------------------------------------------------ */

static int subscribe(sd_bus *bus, struct flash *flash)
{
	int r = sd_bus_match_signal(bus, NULL, NAME_BUS, NAME_BUS_PATH, NAME_BUS_INTERFACE,
		"JobChanged", on_job_changed, flash);
	if (r < 0)
		return r;
	return sd_bus_match_signal(bus, NULL, "org.freedesktop.DBus", "/org/freedesktop/DBus",
		"org.freedesktop.DBus", "NameOwnerChanged", on_owner_changed, flash);
}

/* The job may be over before we have its number: signals came before the answer. */
static int look(sd_bus *bus, struct flash *flash)
{
	_cleanup_(json_deletep) cJSON *jobs = NULL;
	int r = service_call(bus, "ListJobs", NULL, &jobs, &flash->request->problem);
	const cJSON *job;
	cJSON_ArrayForEach(job, jobs)
	{
		if (r >= 0 && json_number(job, "job") >= flash->job)
			r = take_job(flash, job);
	}
	return r;
}

/* For how long there is something to wait for. */
static uint64_t patience(const struct flash *flash)
{
	uint64_t now_usec = clock_usec(CLOCK_MONOTONIC);
	if (flash->job != 0)
		return UINT64_MAX;
	return flash->until_usec > now_usec ? flash->until_usec - now_usec : 0;
}

static int wait_for_end(sd_bus *bus, struct flash *flash)
{
	while (!flash->is_over && !flash->is_lost) {
		int r = sd_bus_process(bus, NULL);
		uint64_t left_usec = patience(flash);
		if (r == 0 && left_usec == 0)
			return problem_set(&flash->request->problem, EXIT_NO, "no-job-follows",
				"no job goes on with the board, and nothing was written; \"plugflash "
				"list\" and \"plugflash explain\" tell why");
		if (r == 0)
			r = sd_bus_wait(bus, left_usec);
		if (r < 0 && r != -EINTR)
			return r;
	}
	if (flash->is_over)
		return 0;
	return problem_set(&flash->request->problem, EXIT_UNREACHABLE, "service-lost",
		"plugflashd has ended; when it is back, \"plugflash history\" tells how the job did");
}

static bool is_good(const cJSON *jobs)
{
	const cJSON *last = cJSON_GetArrayItem(jobs, cJSON_GetArraySize(jobs) - 1);
	const char *outcome = json_text(last, "outcome");
	return text_equal(outcome, "flashed") || text_equal(outcome, "identical");
}

int verb_flash(struct request *request)
{
	_cleanup_(flash_done) struct flash flash = {
		.request = request, .job = -1, .jobs = cJSON_CreateArray()
	};
	_cleanup_(service_closep) sd_bus *bus = NULL;
	_cleanup_(json_deletep) cJSON *number = NULL;
	int r = flash.jobs ? service_open(&bus, &request->problem) : -ENOMEM;
	if (r >= 0)
		r = subscribe(bus, &flash);
	if (r >= 0)
		r = service_call(bus, "Flash", request->argument, &number, &request->problem);
	if (r >= 0) {
		flash.job = cJSON_GetNumberValue(number);
		r = look(bus, &flash);
	}
	if (r >= 0)
		r = wait_for_end(bus, &flash);
	if (r < 0)
		return r;
	if (request->json)
		json_print(request->output->stream, flash.jobs, false);
	return is_good(flash.jobs) ? EXIT_YES : EXIT_NO;
}
