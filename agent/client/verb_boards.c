/* SPDX-License-Identifier: MIT */
/* The boards that are known, and how a new one gets its entry: boards, enroll. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/names.h"
#include "base/text.h"
#include "client/new_file.h"
#include "client/service.h"
#include "client/verb.h"
#include "client/view.h"
#include "model/enrolment.h"
#include "model/serial.h"

int verb_boards(struct request *request)
{
	_cleanup_(service_closep) sd_bus *bus = NULL;
	_cleanup_(json_deletep) cJSON *answer = cJSON_CreateObject();
	cJSON *boards = NULL;
	int r = answer ? service_open(&bus, &request->problem) : -ENOMEM;
	if (r >= 0)
		r = service_call(bus, "ListBoards", NULL, &boards, &request->problem);
	if (r >= 0)
		r = json_put(answer, "boards", boards);
	if (r < 0)
		return r;
	if (request->json)
		return json_print(request->output->stream, answer, false);
	if (boards->child)
		view_passports(request->output, boards);
	else
		fputs("No board is known yet: none was met, and no policy names one.\n",
			request->output->stream);
	return EXIT_YES;
}

/* ---- enroll: which board ------------------------------------------------------------------ */

struct plan {
	struct enrolment enrolment;
	char *file_name;
	char *text;
	char *path; /* where it goes; NULL: it is only printed */
};

static void plan_done(struct plan *plan)
{
	free(plan->file_name);
	free(plan->text);
	free(plan->path);
}

/* The service's word is taken for what it is: an id that must look like one. */
static int read_enrolment(const cJSON *found, struct enrolment *ret, struct problem *problem)
{
	struct enrolment enrolment = { 0 };
	const char *id = json_text(found, "id"), *name = json_text(found, "chip");
	int chip = *name ? chip_from_name(name) : CHIP_UNKNOWN;
	if (!serial_is_chip_id(id) || chip < 0 || !can_uuid_from_serial(id, enrolment.can_uuid))
		return problem_set(problem, EXIT_UNREACHABLE, "failed",
			"the answer of plugflashd cannot be read: it names no board");
	text_copy_plain(enrolment.id, sizeof(enrolment.id), id);
	enrolment.chip = (enum chip)chip;
	*ret = enrolment;
	return 0;
}

static int put_more(sd_bus_message *call, void *context)
{
	const struct plan *plan = context;
	return sd_bus_message_append(call, "ss", plan->file_name, plan->text);
}

/* Would the policies still load with this file beside them? What was wrong with them before is
 * not told to be its fault. */
static int check_with(sd_bus *bus, struct plan *plan, struct problem *problem)
{
	_cleanup_(json_deletep) cJSON *check = NULL;
	TRY(service_call_with(bus, "CheckWith", put_more, plan, &check, problem));
	if (json_flag(check, "valid"))
		return 0;
	const cJSON *errors = json_list(check, "errors");
	const char *first = errors && errors->child ? cJSON_GetStringValue(errors->child) : NULL;
	return problem_set(problem, EXIT_NO, "policy-invalid",
		"the policies would not load with this entry, so nothing was written: %s",
		first ? first : "see plugflash check");
}

/* ---- enroll: where to --------------------------------------------------------------------- */

/* Root's entry goes where policies are read, unless told otherwise; others see what it would be. */
static int choose_path(const struct request *request, struct plan *plan)
{
	if (request->output_file)
		plan->path = strdup(request->output_file);
	else if (geteuid() == 0)
		plan->path = text_format(NAME_POLICY_DIRECTORY_ADMIN "/%s", plan->file_name);
	else
		return 0;
	return plan->path ? 0 : -ENOMEM;
}

static int write_entry(const struct plan *plan, struct problem *problem)
{
	if (!plan->path)
		return 0;
	int r = new_file_write(plan->path, plan->text, strlen(plan->text));
	if (r >= 0 || r == -ENOMEM)
		return r;
	_cleanup_(freep) char *safe = text_escape(plan->path);
	if (r == -EEXIST)
		return problem_set(problem, EXIT_NO, "file-exists",
			"%s is there already and was left as it is; take another name, or remove "
			"it first",
			safe ? safe : "the file");
	return problem_set(problem, EXIT_USAGE, "file-unwritable", "%s could not be written: %s",
		safe ? safe : "the file", strerror(-r));
}

/* ---- enroll: the answer ------------------------------------------------------------------- */

static int answer_json(const struct request *request, const struct plan *plan, cJSON *found)
{
	TRY(json_put_text(found, "name", request->argument));
	TRY(json_put_text(found, "can_uuid", plan->enrolment.can_uuid));
	TRY(json_put_text(found, "file_name", plan->file_name));
	/* Its lines stay lines. */
	TRY(json_put(found, "entry", cJSON_CreateString(plan->text)));
	if (plan->path)
		TRY(json_put_text(found, "written", plan->path));
	return json_print(request->output->stream, found, false);
}

static void answer_text(const struct request *request, const struct plan *plan, const cJSON *found)
{
	FILE *stream = request->output->stream;
	_cleanup_(freep) char *safe = plan->path ? text_escape(plan->path) : NULL;
	fputs(plan->text, stream);
	if (!plan->path) {
		fprintf(stream,
			"\nNothing was written. To enrol it: sudo plugflash enroll %s --port %s\n",
			request->argument, view_where(found));
		return;
	}
	fprintf(stream, "\nWritten to %s.\n", safe ? safe : "its file");
	if (!request->output_file)
		fputs("Next: sudo plugflash reload\n", stream);
	else
		fputs("When it is in " NAME_POLICY_DIRECTORY_ADMIN
		      ", owned by root: sudo plugflash reload\n",
			stream);
}

static int make_plan(sd_bus *bus, struct request *request, cJSON **ret_found, struct plan *plan)
{
	const char *port = request->port ? request->port : "";
	TRY(service_call(bus, "Enrollable", port, ret_found, &request->problem));
	TRY(read_enrolment(*ret_found, &plan->enrolment, &request->problem));
	plan->file_name = enrolment_file_name(request->argument);
	plan->text = enrolment_text(request->argument, &plan->enrolment);
	if (!plan->file_name || !plan->text)
		return -ENOMEM;
	TRY(check_with(bus, plan, &request->problem));
	return choose_path(request, plan);
}

int verb_enroll(struct request *request)
{
	_cleanup_(service_closep) sd_bus *bus = NULL;
	_cleanup_(json_deletep) cJSON *found = NULL;
	_cleanup_(plan_done) struct plan plan = { 0 };
	if (!enrolment_name_is_valid(request->argument))
		return problem_set(&request->problem, EXIT_USAGE, "usage",
			"a board's name is made of letters, digits, \"-\" and \"_\", begins with a "
			"letter or a digit, and has at most 48 of them");
	TRY(service_open(&bus, &request->problem));
	TRY(make_plan(bus, request, &found, &plan));
	TRY(write_entry(&plan, &request->problem));
	if (request->json)
		return answer_json(request, &plan, found);
	answer_text(request, &plan, found);
	return EXIT_YES;
}
