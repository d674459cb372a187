/* SPDX-License-Identifier: MIT */
/* The verbs that look back, and the one that forgives: history, log, release. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "client/csv.h"
#include "client/service.h"
#include "client/verb.h"
#include "client/view.h"

#define ROWS_SHOWN 50
#define PAGE_ROWS  200

/* ---- asking ------------------------------------------------------------------------------ */

static int put_text(sd_bus_message *call, const char *key, const char *text)
{
	return text ? sd_bus_message_append(call, "{sv}", key, "s", text) : 0;
}

static int put_number(sd_bus_message *call, const char *key, uint64_t number)
{
	return number > 0 ? sd_bus_message_append(call, "{sv}", key, "t", number) : 0;
}

static int put_filter(sd_bus_message *call, void *context)
{
	const struct history_request *wanted = context;
	int r = sd_bus_message_open_container(call, SD_BUS_TYPE_ARRAY, "{sv}");
	if (r >= 0)
		r = put_text(call, "board", wanted->board);
	if (r >= 0)
		r = put_text(call, "place", wanted->place);
	if (r >= 0)
		r = put_number(call, "since_realtime_usec", wanted->since_usec);
	if (r >= 0 && wanted->failed)
		r = sd_bus_message_append(call, "{sv}", "failed", "b", 1);
	if (r >= 0)
		r = put_number(call, "before", wanted->before);
	if (r >= 0)
		r = put_number(call, "job", wanted->job);
	if (r >= 0)
		r = put_number(call, "rows", wanted->rows);
	return r < 0 ? r : sd_bus_message_close_container(call);
}

static int ask_page(
	sd_bus *bus, struct history_request *wanted, cJSON **ret, struct problem *problem)
{
	return service_call_with(bus, "History", put_filter, wanted, ret, problem);
}

/* ---- a page at a time -------------------------------------------------------------------- */

struct printer {
	const struct request *request;
	bool has_begun; /* the first page is there, so that what is printed need not be taken back
			 */
	bool has_rows;
};

static int print_json_rows(struct printer *printer, const cJSON *rows)
{
	FILE *stream = printer->request->output->stream;
	const cJSON *row;
	if (!printer->has_begun)
		fputs("{\"jobs\":[", stream);
	cJSON_ArrayForEach(row, rows)
	{
		_cleanup_(freep) char *text = cJSON_PrintUnformatted(row);
		if (!text)
			return -ENOMEM;
		fprintf(stream, "%s\n  %s", printer->has_rows ? "," : "", text);
		printer->has_rows = true;
	}
	return 0;
}

static int print_csv_rows(struct printer *printer, const cJSON *rows)
{
	const cJSON *row;
	if (!printer->has_begun)
		csv_print_header(printer->request->output->stream);
	cJSON_ArrayForEach(row, rows) csv_print_row(printer->request->output->stream, row);
	return 0;
}

static int print_table(struct printer *printer, const cJSON *rows)
{
	if (rows && rows->child)
		view_history(printer->request->output, rows);
	else if (!printer->has_begun)
		fputs("No such job is in the history.\n", printer->request->output->stream);
	return 0;
}

/* Newest first, page by page, so that a long history never lies in memory as a whole. */
static int for_each_page(sd_bus *bus, struct request *request,
	int (*print)(struct printer *printer, const cJSON *rows), struct printer *printer)
{
	struct history_request wanted = request->history;
	uint64_t left = request->all ? UINT64_MAX : wanted.rows ? wanted.rows : ROWS_SHOWN;
	while (left > 0) {
		_cleanup_(json_deletep) cJSON *rows = NULL;
		wanted.rows = left < PAGE_ROWS ? left : PAGE_ROWS;
		int r = ask_page(bus, &wanted, &rows, &request->problem);
		if (r >= 0)
			r = print(printer, rows);
		if (r < 0)
			return r;
		printer->has_begun = true;
		uint64_t count = (uint64_t)cJSON_GetArraySize(rows);
		if (count < wanted.rows)
			break;
		const cJSON *last = cJSON_GetArrayItem(rows, (int)count - 1);
		wanted.before = (uint64_t)json_number(last, "job");
		left = request->all ? left : left - count;
	}
	return 0;
}

int verb_history(struct request *request)
{
	struct printer printer = { .request = request };
	_cleanup_(service_closep) sd_bus *bus = NULL;
	int r = service_open(&bus, &request->problem);
	if (r >= 0)
		r = for_each_page(bus, request,
			request->csv    ? print_csv_rows
			: request->json ? print_json_rows
					: print_table,
			&printer);
	if (request->json && printer.has_begun)
		fputs("\n]}\n", request->output->stream);
	return r < 0 ? r : EXIT_YES;
}

/* ---- log --------------------------------------------------------------------------------- */

int verb_log(struct request *request)
{
	struct history_request wanted = { .rows = 1 };
	char *end;
	errno = 0;
	wanted.job = strtoull(request->argument, &end, 10);
	if (errno != 0 || *end != '\0' || wanted.job == 0 || request->argument[0] == '-')
		return problem_set(&request->problem, EXIT_USAGE, "usage",
			"a job is a number, as \"plugflash history\" shows it");
	_cleanup_(service_closep) sd_bus *bus = NULL;
	_cleanup_(json_deletep) cJSON *rows = NULL;
	int r = service_open(&bus, &request->problem);
	if (r >= 0)
		r = ask_page(bus, &wanted, &rows, &request->problem);
	if (r < 0)
		return r;
	if (!rows || !rows->child)
		return problem_set(&request->problem, EXIT_USAGE, "no-job",
			"job %" PRIu64 " is not in the history; old jobs are dropped in time",
			wanted.job);
	if (request->json)
		return json_print(request->output->stream, rows->child, false);
	view_job_record(request->output, rows->child);
	return EXIT_YES;
}

/* ---- release ----------------------------------------------------------------------------- */

int verb_release(struct request *request)
{
	_cleanup_(service_closep) sd_bus *bus = NULL;
	_cleanup_(json_deletep) cJSON *nothing = NULL, *answer = NULL;
	int r = service_open(&bus, &request->problem);
	if (r >= 0)
		r = service_call(bus, "Release", request->argument, &nothing, &request->problem);
	if (r < 0)
		return r;
	if (!request->json) {
		_cleanup_(freep) char *place = text_escape(request->argument);
		fprintf(request->output->stream, "%s is released; plug the board again.\n",
			place ? place : "The place");
		return EXIT_YES;
	}
	answer = cJSON_CreateObject();
	if (!answer || json_put_text(answer, "released", request->argument) < 0)
		return -ENOMEM;
	return json_print(request->output->stream, answer, false);
}
