/* SPDX-License-Identifier: MIT */
/*
 * plugflashd, the mind: watches, decides, remembers and speaks. It opens no device; libusb is not
 * linked. Everything here is wiring, the work is in the modules.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "base/clock.h"
#include "base/names.h"
#include "base/text.h"
#include "daemon/bus.h"
#include "daemon/can_links.h"
#include "daemon/can_rescue.h"
#include "daemon/conduct.h"
#include "daemon/journal.h"
#include "daemon/monitor.h"
#include "daemon/rulebook.h"
#include "daemon/update.h"

#define DIRECTORIES_MAX      8
#define DRAIN_EXTENSION_USEC 60000000ull

struct options {
	const char *directories[DIRECTORIES_MAX];
	size_t directory_count;
	uid_t policy_owner; /* who may own a policy beside root */
	const char *state_directory;
	const char *worker_socket, *can_worker_socket;
	bool only_check;
};

struct mind {
	sd_event *event;
	struct rulebook_source rulebook;
	struct policy *policy;
	char *policy_problem;
	char *firmware_directory;
	struct store *store;
	char *history_file;
	char *backup_directory;
	struct conduct_settings conduct_settings;
	struct conduct *conduct;
	struct monitor *monitor;
	struct can_links *links;
	struct can_rescue *rescue;
	struct update *update;
	struct bus_view view;
	struct bus *bus;
	bool draining;
};

/* ---- policies --------------------------------------------------------------------------- */

static void say_all(int priority, const char *message_id, const struct reasons *reasons)
{
	for (size_t i = 0; i < reasons->count; i++)
		journal_say(priority, message_id, NULL, "%s", reasons->items[i].sentence);
}

static void adopt_policy(struct mind *mind, struct policy *policy)
{
	struct policy *before = mind->policy;
	mind->policy = policy;
	mind->view.policy = policy;
	conduct_set_policy(mind->conduct, policy);
	store_watch(mind->store, policy);
	update_set_policy(mind->update, policy);
	policy_free(before);
	free(TAKE_PTR(mind->policy_problem));
	mind->view.policy_problem = NULL;
	journal_say(LOG_INFO, MESSAGE_POLICY_LOADED, NULL, "%zu rules and %zu boards are in force",
		policy->rule_count, policy->board_count);
}

/* 0: new policy in force. RULEBOOK_INVALID: said why, the last good one stays. */
static int load_policy(struct mind *mind)
{
	_cleanup_(reasons_done) struct reasons errors = { 0 }, warnings = { 0 };
	struct policy *policy = NULL;
	int r = rulebook_load(&mind->rulebook, &policy, &errors, &warnings);
	if (r < 0)
		return r;
	say_all(LOG_WARNING, NULL, &warnings);
	if (r == 0) {
		adopt_policy(mind, policy);
		return 0;
	}
	say_all(LOG_ERR, MESSAGE_POLICY_INVALID, &errors);
	free(mind->policy_problem);
	mind->policy_problem = reasons_text(&errors);
	mind->view.policy_problem = mind->policy_problem;
	journal_say(LOG_ERR, MESSAGE_POLICY_INVALID, NULL, "policies not taken; %s",
		mind->policy->rule_count > 0 ? "the last good ones stay in force"
					     : "nothing will be written");
	return RULEBOOK_INVALID;
}

static int reload(void *context)
{
	struct mind *mind = context;
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64 "\nSTATUS=Reading policies",
		clock_usec(CLOCK_MONOTONIC));
	int r = load_policy(mind);
	sd_notify(0, r == 0 ? "READY=1\nSTATUS=Watching"
			    : "READY=1\nSTATUS=Watching; the policies on disk are invalid");
	return r;
}

/* ---- events ----------------------------------------------------------------------------- */

static void on_arrival(void *context, const struct device *device)
{
	struct mind *mind = context;
	bus_device_added(mind->bus, device);
	conduct_arrival(mind->conduct, device);
}

static void on_departure(void *context, const struct device *device)
{
	struct mind *mind = context;
	bus_device_removed(mind->bus, device);
	conduct_departure(mind->conduct, device);
}

static void on_overrun(void *context)
{
	(void)context;
	journal_say(LOG_WARNING, MESSAGE_EVENTS_LOST, NULL,
		"the kernel dropped device events; all devices are read anew");
}

static void on_bus_up(void *context, const char *interface, bool was_present)
{
	struct mind *mind = context;
	if (!mind->draining)
		can_rescue_look(mind->rescue, mind->policy, interface, was_present);
}

static void on_bus_released(void *context)
{
	struct mind *mind = context;
	if (!mind->draining)
		bus_looks_again(mind->bus);
}

static void leave_when_idle(struct mind *mind)
{
	if (mind->draining && conduct_is_idle(mind->conduct))
		sd_event_exit(mind->event, 0);
}

static void on_job_change(void *context, const struct job *job)
{
	struct mind *mind = context;
	bus_job_changed(mind->bus, job);
	if (job->state == JOB_DONE)
		update_job_ended(mind->update, job);
	if (mind->draining)
		sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%llu", DRAIN_EXTENSION_USEC);
	leave_when_idle(mind);
}

static int on_terminate(sd_event_source *source, const struct signalfd_siginfo *info, void *context)
{
	(void)source, (void)info;
	struct mind *mind = context;
	if (mind->draining)
		return 0;
	mind->draining = true;
	sd_notifyf(0,
		"STOPPING=1\nSTATUS=Finishing what is being written\nEXTEND_TIMEOUT_USEC=%llu",
		DRAIN_EXTENSION_USEC);
	conduct_drain(mind->conduct);
	leave_when_idle(mind);
	return 0;
}

static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *info, void *context)
{
	(void)source, (void)info;
	(void)reload(context);
	return 0;
}

static int watch_signals(struct mind *mind)
{
	sigset_t signals;
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
		return -errno;
	int r = sd_event_add_signal(mind->event, NULL, SIGTERM, on_terminate, mind);
	if (r >= 0)
		r = sd_event_add_signal(mind->event, NULL, SIGINT, on_terminate, mind);
	return r < 0 ? r : sd_event_add_signal(mind->event, NULL, SIGHUP, on_hangup, mind);
}

/* ---- start and end ---------------------------------------------------------------------- */

static void mind_done(struct mind *mind)
{
	bus_free(mind->bus);
	update_free(mind->update);
	can_rescue_free(mind->rescue);
	can_links_free(mind->links);
	monitor_free(mind->monitor);
	conduct_free(mind->conduct);
	policy_free(mind->policy);
	free(mind->policy_problem);
	store_free(mind->store);
	free(mind->firmware_directory);
	free(mind->history_file);
	free(mind->backup_directory);
	sd_event_unref(mind->event);
}

static int prepare(struct mind *mind, const struct options *options)
{
	mind->policy = policy_new();
	mind->firmware_directory =
		text_format("%s/" NAME_FIRMWARE_SUBDIRECTORY, options->state_directory);
	mind->history_file = text_format("%s/" NAME_HISTORY_FILE, options->state_directory);
	mind->backup_directory =
		text_format("%s/" NAME_BACKUP_SUBDIRECTORY, options->state_directory);
	if (!mind->policy || !mind->firmware_directory || !mind->history_file ||
		!mind->backup_directory)
		return -ENOMEM;
	int r = store_new(mind->firmware_directory, &mind->store);
	if (r >= 0)
		r = sd_event_default(&mind->event);
	if (r < 0)
		return r;
	mind->conduct_settings = (struct conduct_settings){
		.event = mind->event,
		.worker_socket = options->worker_socket,
		.can_worker_socket = options->can_worker_socket,
		.store = mind->store,
		.history_file = mind->history_file,
		.backup_directory = mind->backup_directory,
		.on_change = on_job_change,
		.on_bus_released = on_bus_released,
		.context = mind,
	};
	r = conduct_new(&mind->conduct_settings, &mind->conduct);
	if (r < 0)
		return r;
	conduct_set_policy(mind->conduct, mind->policy);
	const struct monitor_calls calls = {
		.on_arrival = on_arrival,
		.on_departure = on_departure,
		.on_overrun = on_overrun,
		.context = mind,
	};
	return monitor_new(mind->event, &calls, &mind->monitor);
}

/* What begins jobs beside what is plugged in: buses that come up, and new images. */
static int prepare_triggers(struct mind *mind)
{
	const struct can_links_calls calls = { .on_up = on_bus_up, .context = mind };
	TRY(can_links_new(mind->event, &calls, &mind->links));
	TRY(can_rescue_new(mind->event, mind->conduct_settings.can_worker_socket, mind->conduct,
		&mind->rescue));
	const struct update_settings settings = {
		.event = mind->event,
		.conduct = mind->conduct,
		.monitor = mind->monitor,
		.links = mind->links,
		.directory = mind->firmware_directory,
	};
	return update_new(&settings, &mind->update);
}

static int open_bus(struct mind *mind)
{
	mind->view = (struct bus_view){
		.monitor = mind->monitor,
		.links = mind->links,
		.conduct = mind->conduct,
		.policy = mind->policy,
		.firmware_directory = mind->firmware_directory,
		.store = mind->store,
		.rulebook = &mind->rulebook,
		.event = mind->event,
		.can_worker_socket = mind->conduct_settings.can_worker_socket,
		.on_reload = reload,
		.context = mind,
	};
	return bus_new(mind->event, &mind->view, &mind->bus);
}

static struct rulebook_source rulebook_source_of(const struct options *options)
{
	return (struct rulebook_source){
		.directories = options->directories,
		.directory_count = options->directory_count,
		.owner = options->policy_owner,
	};
}

static int run(const struct options *options)
{
	_cleanup_(mind_done) struct mind mind = {
		.rulebook = rulebook_source_of(options),
	};
	int r = prepare(&mind, options);
	if (r >= 0)
		r = prepare_triggers(&mind);
	if (r >= 0)
		r = open_bus(&mind);
	if (r < 0) {
		journal_say(LOG_ERR, NULL, NULL, "cannot start: %s",
			r == -EEXIST ? "another plugflashd owns " NAME_BUS " already"
				     : strerror(-r));
		return r;
	}
	r = load_policy(&mind);
	if (r >= 0)
		r = watch_signals(&mind);
	if (r >= 0)
		r = monitor_coldplug(mind.monitor);
	if (r >= 0)
		r = sd_event_set_watchdog(mind.event, true);
	if (r < 0) {
		journal_say(LOG_ERR, NULL, NULL, "cannot start: %s", strerror(-r));
		return r;
	}
	sd_notify(0, "READY=1\nSTATUS=Watching");
	return sd_event_loop(mind.event);
}

static int check(const struct options *options)
{
	const struct rulebook_source source = rulebook_source_of(options);
	_cleanup_(policy_freep) struct policy *policy = NULL;
	_cleanup_(reasons_done) struct reasons errors = { 0 }, warnings = { 0 };
	int r = rulebook_load(&source, &policy, &errors, &warnings);
	for (size_t i = 0; i < errors.count; i++)
		printf("error: %s\n", errors.items[i].sentence);
	for (size_t i = 0; i < warnings.count; i++)
		printf("warning: %s\n", warnings.items[i].sentence);
	if (r == 0)
		printf("%zu rules and %zu boards are valid\n", policy->rule_count,
			policy->board_count);
	return r == 0 ? 0 : -EINVAL;
}

static void usage(void)
{
	puts("usage: plugflashd [OPTION…]\n\n"
	     "Watches for boards and flashes what the policies allow. Started by systemd.\n\n"
	     "  --policy-dir=DIR   read policies here instead of " NAME_POLICY_DIRECTORY_VENDOR
	     "\n                     and " NAME_POLICY_DIRECTORY_ADMIN "; may be repeated\n"
	     "  --worker=SOCKET    where workers are started (default: " NAME_WORKER_SOCKET ")\n"
	     "  --can-worker=SOCKET  the same for CAN (default: " NAME_WORKER_CAN_SOCKET ")\n"
	     "  --check            read the policies, say what is wrong with them, and end\n"
	     "  --help, --version\n\n"
	     "The state directory is $STATE_DIRECTORY or " NAME_STATE_DIRECTORY ".");
}

/* 0: go on; 1: done; -EINVAL: wrong usage. */
static int parse_options(int argc, char **argv, struct options *options)
{
	static const struct option long_options[] = {
		{ "policy-dir", required_argument, NULL, 'p' },
		{ "worker", required_argument, NULL, 'w' },
		{ "can-worker", required_argument, NULL, 'b' },
		{ "check", no_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
		{ 0 },
	};
	for (int option; (option = getopt_long(argc, argv, "h", long_options, NULL)) != -1;) {
		if (option == 'p' && options->directory_count < DIRECTORIES_MAX)
			options->directories[options->directory_count++] = optarg;
		else if (option == 'w')
			options->worker_socket = optarg;
		else if (option == 'b')
			options->can_worker_socket = optarg;
		else if (option == 'c')
			options->only_check = true;
		else if (option == 'h')
			return usage(), 1;
		else if (option == 'v')
			return puts("plugflashd " VERSION), 1;
		else
			return -EINVAL;
	}
	return optind < argc ? -EINVAL : 0;
}

int main(int argc, char **argv)
{
	const char *state = getenv("STATE_DIRECTORY");
	struct options options = {
		.state_directory = state ? state : NAME_STATE_DIRECTORY,
		.worker_socket = NAME_WORKER_SOCKET,
		.can_worker_socket = NAME_WORKER_CAN_SOCKET,
	};
	int r = parse_options(argc, argv, &options);
	if (r > 0)
		return EXIT_SUCCESS;
	if (r < 0) {
		fputs("plugflashd: wrong usage; see --help\n", stderr);
		return 2;
	}
	if (options.directory_count == 0) {
		options.directories[options.directory_count++] = NAME_POLICY_DIRECTORY_VENDOR;
		options.directories[options.directory_count++] = NAME_POLICY_DIRECTORY_ADMIN;
	} else {
		/* Whoever writes the command line answers for it: a trial without installation. */
		options.policy_owner = getuid();
	}
	r = options.only_check ? check(&options) : run(&options);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
