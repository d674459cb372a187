/* SPDX-License-Identifier: MIT */
/* Conducting jobs; see conduct.h. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/names.h"
#include "base/text.h"
#include "daemon/aftermath.h"
#include "daemon/conduct.h"
#include "daemon/conduct_parts.h"
#include "daemon/judge.h"
#include "daemon/ledger.h"
#include "daemon/neighbour.h"
#include "daemon/story.h"

#define JOBS_AT_ONCE 8

static void consider(struct conduct *conduct, const struct device *device);

/* ---- small things ----------------------------------------------------------------------- */

void conduct_changed(struct job *job)
{
	const struct conduct_settings *settings = job->conduct->settings;
	settings->on_change(settings->context, job);
}

void conduct_move(struct job *job, enum job_event event)
{
	int next = job_next(job->state, event);
	assert(next >= 0); /* every caller has looked at the state */
	job->state = (enum job_state)next;
}

/* The phase that was under way has ended, and this one begins. */
void conduct_enter_phase(struct job *job, enum job_phase phase)
{
	uint64_t now_usec = clock_usec(CLOCK_MONOTONIC);
	if (job->phase_began_usec > 0)
		job->phase_usec[job->phase] += now_usec - job->phase_began_usec;
	job->phase_began_usec = now_usec;
	job->phase = phase;
}

/* ---- the end ---------------------------------------------------------------------------- */

/* What this job has just restarted: a board that falls back into its boot mode would otherwise be
 * flashed for ever, and a program that does not say what it is be asked for ever. */
static bool is_echo(const struct job *job)
{
	const struct device *successor = job->successor;
	return job->state == JOB_AWAITING && successor &&
	       (successor->mode == job->device->mode || successor->mode == MODE_PICO_SDK);
}

/* What came to the place meanwhile gets its own judgement, unless it is the job's own doing. */
static void hand_over(struct conduct *conduct, struct device *successor, bool is_own_echo)
{
	_cleanup_(device_freep) struct device *device = successor;
	if (device && !is_own_echo)
		conduct_arrival(conduct, device);
}

/* Ended jobs that could not be stored when they ended have another chance each time. */
static void record_ends(struct conduct *conduct)
{
	const struct policy_limits *limits = &conduct->policy->limits;
	if (conduct_is_idle(conduct))
		ledger_mend(conduct->ledger);
	for (size_t i = 0; i < queue_count(conduct->queue); i++) {
		struct job *job = queue_job(conduct->queue, i);
		if (job->state != JOB_DONE || job->is_recorded)
			continue;
		bool is_return = queue_job_is_return(conduct->queue, job);
		if (ledger_end(conduct->ledger, limits, job, is_return) < 0)
			return;
		job->is_recorded = true;
	}
	ledger_retire(conduct->ledger, limits);
}

/* A worker that died on a board that is still there: the board need not be at fault, and the budget
 * of its place bounds how often this is done. */
static bool deserves_another_try(const struct job *job)
{
	return job->reason == REASON_WORKER_LOST && job->permitted_usec > 0 && !job->board_left &&
	       !job->conduct->draining;
}

void conduct_finish(
	struct job *job, enum job_outcome outcome, enum reason_code reason, const char *sentence)
{
	struct conduct *conduct = job->conduct;
	bool is_own_echo = is_echo(job);
	job->printers.question = neighbour_forget(job->printers.question);
	conduct_move(job, JOB_EVENT_ENDED);
	job->outcome = outcome;
	job->reason = reason;
	char *kept = aftermath_sentence(job, sentence);
	free(job->sentence);
	job->sentence = kept;
	job->ended_usec = clock_usec(CLOCK_MONOTONIC);
	job->ended_realtime_usec = clock_usec(CLOCK_REALTIME);
	record_ends(conduct);
	story_job_ended(job);
	conduct_changed(job);
	struct device *successor = TAKE_PTR(job->successor);
	queue_retire(conduct->queue, job);
	if (!successor && deserves_another_try(job))
		consider(conduct, job->device);
	hand_over(conduct, successor, is_own_echo);
	conduct_start_waiting_jobs(conduct);
}

void conduct_finish_stopped(struct job *job)
{
	if (job->is_running)
		job->verification = VERIFY_RUNNING;
	conduct_finish(job, job->stop_outcome, job->stop_reason,
		job->stop_sentence ? job->stop_sentence : "stopped");
}

/* Tells the worker to end; its last word, or silence, then ends the job as said here. */
void conduct_stop(
	struct job *job, enum job_outcome outcome, enum reason_code reason, const char *sentence)
{
	struct wire_message message = { .type = WIRE_STOP, .stop.leave = job->has_to_leave };
	job->printers.question = neighbour_forget(job->printers.question);
	job->stop_outcome = outcome;
	job->stop_reason = reason;
	job->stop_sentence = strdup(sentence);
	conduct_move(job, JOB_EVENT_STOPPED);
	conduct_set_deadline(job, CONDUCT_LAST_WORD_USEC);
	conduct_changed(job);
	if (worker_send(job->worker, &message, -1) < 0)
		conduct_finish(job, outcome, reason, sentence);
}

/* ---- deadlines -------------------------------------------------------------------------- */

static int on_deadline(sd_event_source *source, uint64_t usec, void *context)
{
	(void)source, (void)usec;
	struct job *job = context;
	switch (job->state) {
	case JOB_PROBING:
	case JOB_WRITING:
	case JOB_ENTERING:
		if (job->board_left)
			conduct_finish(job, OUTCOME_INTERRUPTED, REASON_BOARD_LEFT,
				"the board left, and the worker said nothing more; plug it again");
		else
			conduct_stop(job, OUTCOME_FAILED, REASON_WORKER_SILENT,
				"the worker fell silent, or found no end, and was stopped; plug "
				"the board again");
		break;
	case JOB_STOPPING:
		conduct_finish_stopped(job);
		break;
	case JOB_AWAITING:
		if (job->is_called)
			conduct_lose_loader(job);
		else
			conduct_finish(job, OUTCOME_FAILED, REASON_NO_APPLICATION,
				"written and verified, but no application showed itself on the place; if "
				"it is silent on USB, say expect = \"none\" in the rule");
		break;
	case JOB_QUEUED:
	case JOB_DONE:
	case _JOB_STATE_MAX:
		break;
	}
	return 0;
}

void conduct_set_deadline(struct job *job, uint64_t usec)
{
	if (job->deadline) {
		sd_event_source_set_time_relative(job->deadline, usec);
		sd_event_source_set_enabled(job->deadline, SD_EVENT_ONESHOT);
		return;
	}
	int r = sd_event_add_time_relative(job->conduct->settings->event, &job->deadline,
		CLOCK_MONOTONIC, usec, USEC_PER_SEC / 4, on_deadline, job);
	if (r < 0)
		story_trouble(job->device->place, "this job has no deadline", r);
}
/* ---- the beginning ---------------------------------------------------------------------- */

static const char *worker_socket(const struct job *job)
{
	const struct conduct_settings *settings = job->conduct->settings;
	return device_is_on_can(job->device) ? settings->can_worker_socket
					     : settings->worker_socket;
}

static int put_address(const struct device *device, struct wire_job *ret)
{
	bool is_line = device_is_line(device);
	size_t capacity = is_line ? sizeof(ret->tty) : sizeof(ret->syspath);
	memcpy(ret->can, device->can, sizeof(ret->can));
	memcpy(ret->can_uuid, device->can_uuid, sizeof(ret->can_uuid));
	if (device_is_node(device))
		return 0;
	if (strlen(device->syspath) >= capacity)
		return -ENAMETOOLONG;
	strcpy(is_line ? ret->tty : ret->syspath, device->syspath);
	return 0;
}

static int start(struct job *job)
{
	const struct device *device = job->device;
	struct wire_message message = {
		.type = WIRE_JOB,
		.job = { .id = job->id,
			.mode = device->mode,
			.bus = device->bus,
			.device = device->number,
			.arrival = device->arrival,
			.baud = device->baud },
	};
	TRY(put_address(device, &message.job));

	const struct worker_calls calls = {
		.on_message = conduct_on_message, .on_end = conduct_on_worker_end, .context = job
	};
	int r = worker_connect(
		job->conduct->settings->event, worker_socket(job), &calls, &job->worker);
	return r < 0 ? r : worker_send(job->worker, &message, -1);
}

/* On a bus already a look is heard by all, and takes a node away from Klipper's host. */
static bool is_held_back(struct job *job)
{
	return device_is_on_can(job->device) && conduct_ask_before(job) == CONDUCT_ASKS;
}

static void admit(struct job *job)
{
	if (is_held_back(job))
		return;
	int r = start(job);
	if (r < 0) {
		_cleanup_(freep) char *sentence =
			text_format("no worker could be started at %s: %s; is %s active?",
				worker_socket(job), strerror(-r),
				device_is_on_can(job->device) ? NAME_WORKER "-can.socket"
							      : NAME_WORKER ".socket");
		conduct_finish(
			job, OUTCOME_FAILED, REASON_NO_WORKER, sentence ? sentence : "no worker");
		return;
	}
	conduct_move(job, JOB_EVENT_ADMITTED);
	conduct_set_deadline(job, CONDUCT_PROBE_SILENCE_USEC);
	conduct_enter_phase(job, PHASE_PROBE);
	/* The worker is under way by now: what it costs to store this is not waited for. */
	ledger_note(job->conduct->ledger, job);
	story_job_started(job);
	conduct_changed(job);
}

void conduct_start_waiting_jobs(struct conduct *conduct)
{
	const struct policy_limits *limits = &conduct->policy->limits;
	unsigned limit = limits->jobs ? limits->jobs : JOBS_AT_ONCE;
	struct job *job;
	while (!conduct->draining &&
		(job = queue_next(conduct->queue, limit, limits->jobs_per_hub)))
		admit(job);
}

/* The number of the job; 0: there is no memory for it. */
static uint64_t begin(struct conduct *conduct, const struct device *device, uint64_t resumes)
{
	struct job *job = queue_add(conduct->queue, ledger_next_id(conduct->ledger), device);
	if (!job) {
		story_trouble(device->place, "left alone", -ENOMEM);
		return 0;
	}
	uint64_t id = job->id;
	job->conduct = conduct;
	job->resumes = resumes;
	job->started_usec = clock_usec(CLOCK_MONOTONIC);
	job->started_realtime_usec = clock_usec(CLOCK_REALTIME);
	if (resumes > 0)
		story_job_resumed(job);
	conduct_changed(job);
	conduct_start_waiting_jobs(conduct);
	return id;
}

int conduct_flash(struct conduct *conduct, const struct device *device, struct judgement *ret,
	uint64_t *ret_job)
{
	_cleanup_(judgement_done) struct judgement judgement = { 0 };
	_cleanup_(device_freep) struct device *wanted = device_copy(device);
	if (!wanted)
		return -ENOMEM;
	if (conduct->draining || queue_at(conduct->queue, device))
		return -EBUSY;
	wanted->was_present = false;
	int r = conduct_judge(conduct, wanted, NULL, &judgement);
	if (r < 0)
		return r;
	if (judgement.verdict == VERDICT_PROBE)
		*ret_job = begin(conduct, wanted, judgement.resumes);
	*ret = judgement;
	judgement = (struct judgement){ 0 };
	return 0;
}

/* We have asked it to come up like this: it cannot be left alone now, and a job that may not write
 * tells it to start again. */
static bool came_for_us(const struct conduct *conduct, const struct device *device)
{
	const struct sighting *before = sightings_before(conduct->sightings, device);
	return before && before->was_requested && !mode_is_application(device->mode);
}

/* The first judgement, before anybody has looked: a job, or left alone. */
static void consider(struct conduct *conduct, const struct device *device)
{
	_cleanup_(judgement_done) struct judgement judgement = { 0 };
	if (conduct_is_idle(conduct))
		ledger_mend(conduct->ledger);
	if (conduct_judge(conduct, device, NULL, &judgement) < 0)
		story_trouble(device->place, "left alone", -ENOMEM);
	else if (judgement.verdict == VERDICT_PROBE || came_for_us(conduct, device))
		(void)begin(conduct, device, judgement.resumes);
	else if (!mode_is_application(device->mode) || judgement.verdict == VERDICT_QUARANTINE)
		story_board_left_alone(device, &judgement);
}

void conduct_arrival(struct conduct *conduct, const struct device *device)
{
	struct job *job = queue_at(conduct->queue, device);
	sightings_on_arrival(conduct->sightings, device, clock_usec(CLOCK_MONOTONIC));
	if (job) {
		device_free(job->successor);
		job->successor = device_copy(device);
		if (job->state == JOB_AWAITING && job->successor)
			conduct_judge_successor(job);
		return;
	}
	if (device->mode == MODE_NONE || conduct->draining)
		return;
	if (!mode_is_application(device->mode))
		story_board_seen(device);
	consider(conduct, device);
}

void conduct_departure(struct conduct *conduct, const struct device *device)
{
	sightings_on_departure(conduct->sightings, device, clock_usec(CLOCK_MONOTONIC));
	if (!mode_is_application(device->mode))
		story_board_left(device);
	struct job *job = queue_at(conduct->queue, device);
	if (!job)
		return;
	if (job->successor && device_is_same_arrival(job->successor, device))
		job->successor = device_free(job->successor);
	if (!device_is_same_arrival(job->device, device))
		return;
	job->board_left = true;
	if (job->state == JOB_QUEUED)
		conduct_finish(job, OUTCOME_INTERRUPTED, REASON_BOARD_LEFT,
			"the board left before its turn came; plug it again");
	else if (job->printers.question)
		conduct_stop(job, OUTCOME_INTERRUPTED, REASON_BOARD_LEFT,
			"the board left while its printer was asked; plug it again");
	else if (job->state == JOB_PROBING || job->state == JOB_WRITING ||
		 job->state == JOB_ENTERING)
		/* It may have left because the worker restarted it: the last word decides. */
		conduct_set_deadline(job, CONDUCT_LAST_WORD_USEC);
}

/* ---- the roof's side -------------------------------------------------------------------- */

int conduct_new(const struct conduct_settings *settings, struct conduct **ret)
{
	_cleanup_(conduct_freep) struct conduct *conduct = calloc(1, sizeof(*conduct));
	if (!conduct)
		return -ENOMEM;
	conduct->settings = settings;
	conduct->queue = queue_new();
	conduct->sightings = sightings_new();
	if (!conduct->queue || !conduct->sightings)
		return -ENOMEM;
	int r = ledger_new(settings->history_file, &conduct->ledger);
	if (r < 0)
		return r;
	/* At the start, so that what a service that died has left is told before anything new. */
	(void)ledger_history(conduct->ledger);
	*ret = TAKE_PTR(conduct);
	return 0;
}

struct conduct *conduct_free(struct conduct *conduct)
{
	if (!conduct)
		return NULL;
	queue_free(conduct->queue);
	sightings_free(conduct->sightings);
	ledger_free(conduct->ledger);
	free(conduct);
	return NULL;
}

void conduct_set_policy(struct conduct *conduct, const struct policy *policy)
{
	conduct->policy = policy;
}

static struct job *first_that_writes_nothing(const struct conduct *conduct)
{
	for (size_t i = 0; i < queue_count(conduct->queue); i++) {
		struct job *job = queue_job(conduct->queue, i);
		if (job->state == JOB_QUEUED || job->state == JOB_PROBING)
			return job;
	}
	return NULL;
}

static void stop_looking(struct job *job)
{
	job->has_to_leave = conduct_was_sent_here(job);
	conduct_stop(job, OUTCOME_INTERRUPTED, REASON_CANCELLED,
		"plugflashd ends; nothing was written; plug the board again");
}

void conduct_drain(struct conduct *conduct)
{
	struct job *job;
	conduct->draining = true;
	/* conduct_finish() drops old records and moves the others up: the list is read anew for
	 * each. */
	while ((job = first_that_writes_nothing(conduct)))
		if (job->state == JOB_QUEUED)
			conduct_finish(job, OUTCOME_INTERRUPTED, REASON_CANCELLED,
				"plugflashd ends; plug the board again");
		else
			stop_looking(job);
}

int conduct_hold_bus(struct conduct *conduct, const char *can)
{
	return queue_hold_bus(conduct->queue, can);
}

void conduct_release_bus(struct conduct *conduct, const char *can)
{
	const struct conduct_settings *settings = conduct->settings;
	queue_release_bus(conduct->queue, can);
	conduct_start_waiting_jobs(conduct);
	if (settings->on_bus_released)
		settings->on_bus_released(settings->context);
}

bool conduct_is_idle(const struct conduct *conduct)
{
	return queue_active(conduct->queue) == 0;
}

const struct queue *conduct_queue(const struct conduct *conduct)
{
	return conduct->queue;
}

struct history *conduct_history(const struct conduct *conduct)
{
	return ledger_history(conduct->ledger);
}

int conduct_release(struct conduct *conduct, const char *place)
{
	return ledger_release(conduct->ledger, place);
}

int conduct_judge(const struct conduct *conduct, const struct device *device,
	const struct board_facts *facts, struct judgement *ret)
{
	return ledger_judge(
		conduct->ledger, conduct->policy, conduct->settings->store, device, facts, ret);
}

const struct board_facts *conduct_facts(const struct conduct *conduct, const struct device *device)
{
	for (size_t i = queue_count(conduct->queue); i-- > 0;) {
		const struct job *job = queue_job(conduct->queue, i);
		if (job->has_facts && device_is_same_arrival(job->device, device))
			return &job->facts;
	}
	return NULL;
}
