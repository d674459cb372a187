/* SPDX-License-Identifier: MIT */
/*
 * Boards and jobs as it happens. On a terminal every running job has a line with a bar at the
 * bottom, and what has happened scrolls by above; elsewhere there are plain lines; as JSON one
 * object a line.
 */
#include <errno.h>
#include <signal.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "base/names.h"
#include "base/text.h"
#include "client/bus_json.h"
#include "client/service.h"
#include "client/verb.h"
#include "client/view.h"

#define OUTPUT_BUFFER_BYTES 65536

struct watch {
	struct request *request;
	const struct output *output;
	sd_bus *bus;
	sd_event *event;
	cJSON *devices; /* place → device: those that were shown */
	cJSON *jobs; /* number → job: those that run */
	size_t bars; /* lines at the bottom that may be drawn over */
};

static void watch_done(struct watch *watch)
{
	cJSON_Delete(watch->devices);
	cJSON_Delete(watch->jobs);
	watch->bus = sd_bus_flush_close_unref(watch->bus);
	sd_event_unref(watch->event);
}

/* ---- lines and bars --------------------------------------------------------------------- */

static void erase_bars(struct watch *watch)
{
	if (watch->bars > 0)
		fprintf(watch->output->stream, "\033[%zuA\r\033[J", watch->bars);
	watch->bars = 0;
}

static void draw_bars(struct watch *watch)
{
	size_t columns, rows;
	if (!watch->output->is_terminal || watch->request->json)
		return;
	output_terminal_size(watch->output, &columns, &rows);
	const cJSON *job;
	cJSON_ArrayForEach(job, watch->jobs)
	{
		/* What has scrolled off the top cannot be drawn over. */
		if (watch->bars + 2 >= rows)
			break;
		view_progress(watch->output, job, columns - 1);
		watch->bars++;
	}
}

static void say(struct watch *watch, enum tint tint, const char *subject, const char *text)
{
	char clock[16] = "";
	time_t now = time(NULL);
	struct tm local;
	if (localtime_r(&now, &local))
		strftime(clock, sizeof(clock), "%H:%M:%S", &local);
	output_tinted(watch->output, TINT_FAINT, "%s  ", clock);
	fprintf(watch->output->stream, "%-8s  ", subject);
	output_tinted(watch->output, tint, "%s\n", text ? text : "");
}

/* One event for machines: {"event": …, key: value}. Owns `value`. */
static int emit(struct watch *watch, const char *event, const char *key, cJSON *value)
{
	_cleanup_(json_deletep) cJSON *object = cJSON_CreateObject();
	if (!object || json_put_text(object, "event", event) < 0) {
		cJSON_Delete(value);
		return -ENOMEM;
	}
	int r = json_put(object, key, value);
	return r < 0 ? r : json_print(watch->output->stream, object, true);
}

/* ---- boards ----------------------------------------------------------------------------- */

/* Why nothing happens to a board, for those to which nothing will: the rest shows as jobs. */
static void say_why_idle(struct watch *watch, const cJSON *device)
{
	_cleanup_(problem_done) struct problem ignored = { 0 };
	_cleanup_(json_deletep) cJSON *explanation = NULL;
	if (!view_is_board(device) ||
		service_call(watch->bus, "Explain", json_text(device, "place"), &explanation,
			&ignored) < 0)
		return; /* it has left meanwhile, or whatever it is will show itself */
	const char *verdict = json_text(explanation, "verdict");
	if (text_equal(verdict, "no-rule") || text_equal(verdict, "ignore") ||
		text_equal(verdict, "report"))
		say(watch, TINT_WARNING, view_where(device), json_text(explanation, "sentence"));
}

static int add_device(struct watch *watch, const cJSON *device, const char *what)
{
	const char *place = json_text(device, "place");
	if (!view_is_board(device) && !watch->request->all)
		return 0;
	/* A signal that was on its way while the list was read. */
	if (cJSON_Compare(cJSON_GetObjectItemCaseSensitive(watch->devices, place), device, true))
		return 0;
	cJSON_DeleteItemFromObjectCaseSensitive(watch->devices, place);
	int r = json_put(watch->devices, place, cJSON_Duplicate(device, true));
	if (r < 0)
		return r;
	if (watch->request->json)
		return emit(watch, "device-added", "device", cJSON_Duplicate(device, true));
	_cleanup_(freep) char *title = view_board_title(device);
	_cleanup_(freep) char *text = text_format("%s: %s%s%s", what, title ? title : "",
		view_is_board(device) ? ", in mode " : "",
		view_is_board(device) ? json_text(device, "mode") : "");
	say(watch, TINT_STRONG, view_where(device), text);
	say_why_idle(watch, device);
	return 0;
}

static int remove_device(struct watch *watch, const char *place)
{
	_cleanup_(json_deletep) cJSON *device =
		cJSON_DetachItemFromObjectCaseSensitive(watch->devices, place);
	if (!device)
		return 0;
	if (watch->request->json)
		return emit(watch, "device-removed", "device", TAKE_PTR(device));
	_cleanup_(freep) char *title = view_board_title(device);
	_cleanup_(freep) char *text = text_format("gone: %s", title ? title : "");
	say(watch, TINT_FAINT, view_where(device), text);
	return 0;
}

/* ---- jobs ------------------------------------------------------------------------------- */

/* Lines for what has changed; on a terminal the bar tells how a running job goes on. */
static void say_job(struct watch *watch, const cJSON *before, const cJSON *job)
{
	if (view_is_running(job) && watch->output->is_terminal)
		return;
	_cleanup_(freep) char *was = before ? view_job_sentence(before) : NULL;
	_cleanup_(freep) char *is = view_job_sentence(job);
	if (is && was && text_equal(is, was))
		return;
	_cleanup_(freep) char *text =
		text_format("job %.0f: %s", json_number(job, "job"), is ? is : "");
	say(watch, view_job_tint(job), view_where(job), text);
}

/* Once: what is going to be done, before the first erase. */
static void say_plan(struct watch *watch, const cJSON *before, const cJSON *job)
{
	const char *plan = json_text(job, "plan");
	if (!*plan || (before && *json_text(before, "plan")))
		return;
	_cleanup_(freep) char *text =
		text_format("job %.0f: plan: %s", json_number(job, "job"), plan);
	say(watch, TINT_FAINT, view_where(job), text);
}

/* A job that goes on keeps its place, so that the bars do not jump about. */
static int keep_job(struct watch *watch, const char *key, const cJSON *job)
{
	if (!view_is_running(job)) {
		cJSON_DeleteItemFromObjectCaseSensitive(watch->jobs, key);
		return 0;
	}
	cJSON *copy = cJSON_Duplicate(job, true);
	if (!cJSON_GetObjectItemCaseSensitive(watch->jobs, key))
		return json_put(watch->jobs, key, copy);
	if (copy && cJSON_ReplaceItemInObjectCaseSensitive(watch->jobs, key, copy))
		return 0;
	cJSON_Delete(copy);
	return -ENOMEM;
}

static int change_job(struct watch *watch, const cJSON *job)
{
	char key[24];
	snprintf(key, sizeof(key), "%.0f", json_number(job, "job"));
	if (watch->request->json) {
		int r = emit(watch, "job", "job", cJSON_Duplicate(job, true));
		return r < 0 ? r : keep_job(watch, key, job);
	}
	const cJSON *before = cJSON_GetObjectItemCaseSensitive(watch->jobs, key);
	if (view_is_running(job))
		say_plan(watch, before, job);
	say_job(watch, before, job);
	return keep_job(watch, key, job);
}

/* ---- signals ---------------------------------------------------------------------------- */

/* Between these two, lines may be printed. */
static void begin(struct watch *watch)
{
	erase_bars(watch);
}

static int end(struct watch *watch, int r)
{
	draw_bars(watch);
	fflush(watch->output->stream);
	if (r < 0)
		sd_event_exit(watch->event, r);
	return 0;
}

/* What a signal that we know carries, or NULL for one that breaks the promise: passed over. */
static cJSON *read_signal(sd_bus_message *message, const char *signature)
{
	cJSON *body = NULL;
	if (!sd_bus_message_has_signature(message, signature) || bus_json_read(message, &body) < 0)
		return NULL;
	return body;
}

static int on_device_added(sd_bus_message *message, void *context, sd_bus_error *error)
{
	(void)error;
	struct watch *watch = context;
	_cleanup_(json_deletep) cJSON *body = read_signal(message, "sa{sv}");
	if (!body)
		return 0;
	begin(watch);
	return end(watch, add_device(watch, cJSON_GetArrayItem(body, 1), "plugged in"));
}

static int on_device_removed(sd_bus_message *message, void *context, sd_bus_error *error)
{
	(void)error;
	struct watch *watch = context;
	_cleanup_(json_deletep) cJSON *place = read_signal(message, "s");
	if (!place)
		return 0;
	begin(watch);
	return end(watch, remove_device(watch, cJSON_GetStringValue(place)));
}

static int on_job_changed(sd_bus_message *message, void *context, sd_bus_error *error)
{
	(void)error;
	struct watch *watch = context;
	_cleanup_(json_deletep) cJSON *body = read_signal(message, "ta{sv}");
	if (!body)
		return 0;
	begin(watch);
	return end(watch, change_job(watch, cJSON_GetArrayItem(body, 1)));
}

/* Everything that is there now. The signals are subscribed to already: nothing falls between. */
static int look(struct watch *watch)
{
	_cleanup_(json_deletep) cJSON *devices = NULL, *jobs = NULL;
	struct problem *problem = &watch->request->problem;
	int r = service_call(watch->bus, "ListDevices", NULL, &devices, problem);
	if (r >= 0)
		r = service_call(watch->bus, "ListJobs", NULL, &jobs, problem);
	if (r >= 0 && watch->request->json)
		r = emit(watch, "service", "running", cJSON_CreateTrue());
	const cJSON *element;
	cJSON_ArrayForEach(element, devices)
	{
		if (r >= 0)
			r = add_device(watch, element, "is there");
	}
	cJSON_ArrayForEach(element, jobs)
	{
		if (r >= 0 && view_is_running(element))
			r = change_job(watch, element);
	}
	return r;
}

static int lose_service(struct watch *watch)
{
	cJSON_Delete(watch->devices);
	cJSON_Delete(watch->jobs);
	watch->devices = cJSON_CreateObject();
	watch->jobs = cJSON_CreateObject();
	if (!watch->devices || !watch->jobs)
		return -ENOMEM;
	if (watch->request->json)
		return emit(watch, "service", "running", cJSON_CreateFalse());
	say(watch, TINT_BAD, "", "plugflashd has ended; waiting for it to come back");
	return 0;
}

static int on_owner_changed(sd_bus_message *message, void *context, sd_bus_error *error)
{
	(void)error;
	struct watch *watch = context;
	const char *name, *before, *now;
	if (sd_bus_message_read(message, "sss", &name, &before, &now) < 0)
		return 0;
	begin(watch);
	if (!*now)
		return end(watch, lose_service(watch));
	if (!watch->request->json)
		say(watch, TINT_GOOD, "", "plugflashd is running");
	return end(watch, look(watch));
}

/* ---- start ------------------------------------------------------------------------------ */

static int subscribe(struct watch *watch)
{
	static const struct {
		const char *member;
		sd_bus_message_handler_t handler;
	} signals[] = {
		{ "DeviceAdded", on_device_added },
		{ "DeviceRemoved", on_device_removed },
		{ "JobChanged", on_job_changed },
	};
	for (size_t i = 0; i < ELEMENTSOF(signals); i++) {
		int r = sd_bus_match_signal(watch->bus, NULL, NAME_BUS, NAME_BUS_PATH,
			NAME_BUS_INTERFACE, signals[i].member, signals[i].handler, watch);
		if (r < 0)
			return r;
	}
	return sd_bus_add_match(watch->bus, NULL,
		"type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
		"interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='" NAME_BUS "'",
		on_owner_changed, watch);
}

/* Ctrl-C ends the loop with 0, a bus that goes away with something else. */
static int prepare(struct watch *watch)
{
	sigset_t signals;
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
		return -errno;
	int r = sd_event_new(&watch->event);
	if (r >= 0)
		r = sd_event_add_signal(watch->event, NULL, SIGINT, NULL, NULL);
	if (r >= 0)
		r = sd_event_add_signal(watch->event, NULL, SIGTERM, NULL, NULL);
	if (r >= 0)
		r = sd_bus_set_exit_on_disconnect(watch->bus, true);
	return r < 0 ? r : sd_bus_attach_event(watch->bus, watch->event, 0);
}

int verb_watch(struct request *request)
{
	_cleanup_(watch_done) struct watch watch = {
		.request = request,
		.output = request->output,
		.devices = cJSON_CreateObject(),
		.jobs = cJSON_CreateObject(),
	};
	/* Bars are erased and drawn in one write, so that they do not flicker. */
	setvbuf(request->output->stream, NULL, _IOFBF, OUTPUT_BUFFER_BYTES);
	int r = watch.devices && watch.jobs ? service_open(&watch.bus, &request->problem) : -ENOMEM;
	if (r >= 0)
		r = subscribe(&watch);
	if (r >= 0)
		r = look(&watch);
	if (r >= 0)
		r = prepare(&watch);
	if (r < 0)
		return r;
	if (!request->json)
		say(&watch, TINT_FAINT, "", "watching; Ctrl-C ends");
	(void)end(&watch, 0);
	r = sd_event_loop(watch.event);
	if (r > 0)
		return problem_set(&request->problem, EXIT_UNREACHABLE, "no-bus",
			"the system bus has gone away; start \"plugflash watch\" again");
	return r;
}
