/* SPDX-License-Identifier: MIT */
/* Conducting jobs; see conduct.h. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "daemon/conduct.h"
#include "daemon/counter.h"
#include "daemon/judge.h"
#include "daemon/story.h"

#define JOBS_AT_ONCE 8

/* Silence that ends a wait. A worker that writes speaks at least once a second. */
#define PROBE_SILENCE_USEC (20 * USEC_PER_SEC)
#define WRITE_SILENCE_USEC (30 * USEC_PER_SEC)
#define LAST_WORD_USEC     (10 * USEC_PER_SEC)
#define APPLICATION_USEC   (15 * USEC_PER_SEC)
/* No honest flash takes this long (16 MiB on a chip at its slowest: half an hour), and a worker
 * that was taken over could speak for ever. */
#define WRITE_LIMIT_USEC (3600 * USEC_PER_SEC)
/* Progress is told to the bus no oftener than this, however much a worker talks. */
#define PROGRESS_USEC (USEC_PER_SEC / 50)

struct conduct {
	const struct conduct_settings *settings;
	const struct policy *policy;
	struct queue *queue;
	uint64_t last_job_id;
	bool draining;
};

static void start_waiting_jobs(struct conduct *conduct);

/* ---- small things ----------------------------------------------------------------------- */

static void changed(struct job *job)
{
	const struct conduct_settings *settings = job->conduct->settings;
	settings->on_change(settings->context, job);
}

static void move(struct job *job, enum job_event event)
{
	int next = job_next(job->state, event);
	assert(next >= 0); /* every caller has looked at the state */
	job->state = (enum job_state)next;
}

/* ---- the end ---------------------------------------------------------------------------- */

/* What came to the place meanwhile gets its own judgement, unless it is what this job has just
 * restarted: a board that falls back into its boot mode would otherwise be flashed for ever. */
static void hand_over(struct conduct *conduct, struct device *successor, bool is_own_echo)
{
	_cleanup_(device_freep) struct device *device = successor;
	if (device && !is_own_echo)
		conduct_arrival(conduct, device);
}

static void finish(
	struct job *job, enum job_outcome outcome, enum reason_code reason, const char *sentence)
{
	struct conduct *conduct = job->conduct;
	bool is_own_echo = job->state == JOB_AWAITING && job->successor &&
			   job->successor->mode == job->device->mode;
	move(job, JOB_EVENT_ENDED);
	job->outcome = outcome;
	job->reason = reason;
	char *kept = strdup(sentence);
	free(job->sentence);
	job->sentence = kept;
	job->ended_usec = clock_usec(CLOCK_MONOTONIC);
	job->ended_realtime_usec = clock_usec(CLOCK_REALTIME);
	story_job_ended(job);
	changed(job);
	struct device *successor = TAKE_PTR(job->successor);
	queue_retire(conduct->queue, job);
	hand_over(conduct, successor, is_own_echo);
	start_waiting_jobs(conduct);
}

/* ---- deadlines -------------------------------------------------------------------------- */

static void stop(
	struct job *job, enum job_outcome outcome, enum reason_code reason, const char *sentence);

static int on_deadline(sd_event_source *source, uint64_t usec, void *context)
{
	(void)source, (void)usec;
	struct job *job = context;
	switch (job->state) {
	case JOB_PROBING:
	case JOB_WRITING:
		if (job->board_left)
			finish(job, OUTCOME_INTERRUPTED, REASON_BOARD_LEFT,
				"the board left, and the worker said nothing more; plug it again");
		else
			stop(job, OUTCOME_FAILED, REASON_WORKER_SILENT,
				"the worker fell silent, or found no end, and was stopped; plug "
				"the board again");
		break;
	case JOB_STOPPING:
		finish(job, job->stop_outcome, job->stop_reason,
			job->stop_sentence ? job->stop_sentence : "stopped");
		break;
	case JOB_AWAITING:
		finish(job, OUTCOME_FAILED, REASON_NO_APPLICATION,
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

static void set_deadline(struct job *job, uint64_t usec)
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

/* ---- towards the worker ----------------------------------------------------------------- */

/* Tells the worker to end; its last word, or silence, then ends the job as said here. */
static void stop(
	struct job *job, enum job_outcome outcome, enum reason_code reason, const char *sentence)
{
	struct wire_message message = { .type = WIRE_STOP };
	job->stop_outcome = outcome;
	job->stop_reason = reason;
	job->stop_sentence = strdup(sentence);
	move(job, JOB_EVENT_STOPPED);
	set_deadline(job, LAST_WORD_USEC);
	changed(job);
	if (worker_send(job->worker, &message, -1) < 0)
		finish(job, outcome, reason, sentence);
}

/* The image crosses in its canonical form: the hands never parse a firmware file. */
static int send_go(struct job *job, const struct image *image, bool force)
{
	_cleanup_(buffer_done) struct buffer bytes = { 0 };
	image_encode(image, &bytes);
	if (bytes.failed)
		return -ENOMEM;
	_cleanup_(closep) int fd = file_seal("plugflash-image", bytes.data, bytes.length);
	if (fd < 0)
		return fd;
	struct wire_message message = {
		.type = WIRE_GO,
		.go = { .digest = image->digest, .force = force },
	};
	return worker_send(job->worker, &message, fd);
}

/* ---- from the worker -------------------------------------------------------------------- */

static int adopt_judgement(struct job *job, const struct judgement *judgement)
{
	const struct policy_rule *rule = judgement->rule;
	if (rule) {
		job->rule = strdup(rule->name);
		job->expectation = rule->expectation;
		job->expected_vid = rule->expected_vid;
		job->expected_pid = rule->expected_pid;
		if (!job->rule)
			return -ENOMEM;
	}
	if (judgement->image_path) {
		job->image_path = text_escape(judgement->image_path);
		if (!job->image_path)
			return -ENOMEM;
	}
	if (judgement->image) {
		job->has_image = true;
		job->digest = judgement->image->digest;
	}
	return 0;
}

static void refuse(struct job *job, const struct judgement *judgement)
{
	static const enum reason_code codes[] = {
		[VERDICT_NO_RULE] = REASON_NO_RULE,
		[VERDICT_IGNORE] = REASON_IGNORED,
		[VERDICT_PRESENT] = REASON_PRESENT_AT_START,
		[VERDICT_PROBE] = REASON_INTERNAL,
		[VERDICT_UNKNOWN] = REASON_IDENTITY_UNKNOWN,
		[VERDICT_FLASH] = REASON_INTERNAL,
	};
	_cleanup_(freep) char *sentence = judgement_sentence(judgement, job->device);
	enum reason_code code = judgement->reasons.count > 0 ? judgement->reasons.items[0].code
							     : codes[judgement->verdict];
	stop(job, OUTCOME_REFUSED, code, sentence ? sentence : "out of memory");
}

static void permit(struct job *job, const struct judgement *judgement)
{
	int r = send_go(job, judgement->image, judgement->rule->force);
	if (r < 0) {
		stop(job, OUTCOME_FAILED, REASON_INTERNAL, strerror(-r));
		return;
	}
	move(job, JOB_EVENT_PERMITTED);
	job->permitted_usec = clock_usec(CLOCK_MONOTONIC);
	set_deadline(job, WRITE_SILENCE_USEC);
	story_job_writing(job, judgement->image->byte_count);
	changed(job);
}

static void on_evidence(struct job *job, const struct board_facts *facts)
{
	_cleanup_(judgement_done) struct judgement judgement = { 0 };
	job->facts = *facts;
	job->has_facts = true;
	int r = judge(job->conduct->policy, job->conduct->settings->firmware_directory, job->device,
		facts, &judgement);
	if (r >= 0)
		r = adopt_judgement(job, &judgement);
	if (r < 0)
		stop(job, OUTCOME_FAILED, REASON_INTERNAL, "out of memory");
	else if (job->board_left)
		stop(job, OUTCOME_INTERRUPTED, REASON_BOARD_LEFT,
			"the board left before anything was written; plug it again");
	else if (judgement.verdict == VERDICT_FLASH && judgement.reasons.count == 0)
		permit(job, &judgement);
	else
		refuse(job, &judgement);
}

/* The application has shown itself, or something else has. */
static void judge_successor(struct job *job)
{
	const struct device *found = job->successor;
	if (found->mode == job->device->mode) {
		finish(job, OUTCOME_FAILED, REASON_NO_APPLICATION,
			"written and verified, but the board came back in its boot mode; is its "
			"boot button held, or the image meant for another board?");
		return;
	}
	if (found->mode != MODE_NONE) {
		finish(job, OUTCOME_FAILED, REASON_NO_APPLICATION,
			"written and verified, but another board in boot mode took the place before "
			"an application showed itself; plug the written one again to see it start");
		return;
	}
	job->application = text_format("%04x:%04x", found->vid, found->pid);
	if (job->expectation == EXPECT_ID &&
		(found->vid != job->expected_vid || found->pid != job->expected_pid)) {
		_cleanup_(freep) char *sentence = text_format(
			"written and verified, but %04x:%04x came up where the rule expects "
			"%04x:%04x; is it the right image?",
			found->vid, found->pid, job->expected_vid, job->expected_pid);
		finish(job, OUTCOME_FAILED, REASON_WRONG_APPLICATION,
			sentence ? sentence : "wrong application");
		return;
	}
	_cleanup_(freep) char *title = device_describe(found);
	_cleanup_(freep) char *sentence = text_format("%s; %s came up",
		job->sentence ? job->sentence : "", title ? title : "its application");
	finish(job, job->outcome, REASON_NONE, sentence ? sentence : "done");
}

static void on_good_outcome(struct job *job, const struct wire_outcome *outcome)
{
	if (job->expectation == EXPECT_NONE) {
		finish(job, outcome->outcome, REASON_NONE, outcome->sentence);
		return;
	}
	if (!outcome->restarted) {
		finish(job, OUTCOME_FAILED, REASON_NO_APPLICATION, outcome->sentence);
		return;
	}
	job->outcome = outcome->outcome;
	job->sentence = strdup(outcome->sentence);
	job->worker = worker_close(job->worker);
	move(job, JOB_EVENT_WRITTEN);
	set_deadline(job, APPLICATION_USEC);
	changed(job);
	start_waiting_jobs(job->conduct);
	if (job->successor)
		judge_successor(job);
}

static void on_outcome(struct job *job, const struct wire_outcome *outcome)
{
	bool good = outcome->outcome == OUTCOME_FLASHED || outcome->outcome == OUTCOME_IDENTICAL;
	job->tally = outcome->tally;
	job->verification = outcome->verification;
	if (job->state == JOB_STOPPING)
		finish(job, job->stop_outcome, job->stop_reason,
			job->stop_sentence ? job->stop_sentence : "stopped");
	else if (!good)
		finish(job, outcome->outcome, outcome->reason, outcome->sentence);
	else if (job->state == JOB_WRITING)
		on_good_outcome(job, outcome);
	else
		finish(job, OUTCOME_FAILED, REASON_WIRE_VIOLATION,
			"the worker claims to have written without permission; do not trust this "
			"board, and report this");
}

static void on_progress(struct job *job, const struct wire_progress *progress)
{
	uint64_t now_usec = clock_usec(CLOCK_MONOTONIC);
	bool is_further = progress->phase > job->furthest_phase;
	job->phase = progress->phase;
	job->done_bytes = progress->done_bytes;
	job->total_bytes = progress->total_bytes;
	if (job->state == JOB_WRITING && !job->board_left &&
		now_usec - job->permitted_usec < WRITE_LIMIT_USEC)
		set_deadline(job, WRITE_SILENCE_USEC);
	if (!is_further && now_usec - job->progress_told_usec < PROGRESS_USEC)
		return;
	job->progress_told_usec = now_usec;
	if (is_further)
		job->furthest_phase = progress->phase;
	changed(job);
}

static void on_message(void *context, const struct wire_message *message)
{
	struct job *job = context;
	if (message->type == WIRE_OUTCOME)
		on_outcome(job, &message->outcome);
	else if (message->type == WIRE_PROGRESS)
		on_progress(job, &message->progress);
	else if (message->type == WIRE_EVIDENCE && job->state == JOB_PROBING && !job->has_facts)
		on_evidence(job, &message->evidence);
	else if (job->state != JOB_STOPPING)
		finish(job, OUTCOME_FAILED, REASON_WIRE_VIOLATION,
			"the worker spoke out of turn and was hung up on; report this");
}

static void on_worker_end(void *context, int error)
{
	struct job *job = context;
	if (job->state == JOB_STOPPING)
		finish(job, job->stop_outcome, job->stop_reason,
			job->stop_sentence ? job->stop_sentence : "stopped");
	else if (error == -EBADMSG)
		finish(job, OUTCOME_FAILED, REASON_WIRE_VIOLATION,
			"the worker spoke garbage and was hung up on; report this");
	else if (job->board_left)
		finish(job, OUTCOME_INTERRUPTED, REASON_BOARD_LEFT,
			"the board left; plug it again");
	else
		finish(job, job->state == JOB_WRITING ? OUTCOME_INTERRUPTED : OUTCOME_FAILED,
			REASON_WORKER_LOST,
			"the worker ended without an outcome; see its own journal, and plug the "
			"board again");
}

/* ---- the beginning ---------------------------------------------------------------------- */

static int start(struct job *job)
{
	const struct device *device = job->device;
	struct wire_message message = {
		.type = WIRE_JOB,
		.job = { .id = job->id,
			.mode = device->mode,
			.bus = device->bus,
			.device = device->number,
			.arrival = device->arrival },
	};
	if (strlen(device->syspath) >= sizeof(message.job.syspath))
		return -ENAMETOOLONG;
	strcpy(message.job.syspath, device->syspath);

	const struct worker_calls calls = {
		.on_message = on_message, .on_end = on_worker_end, .context = job
	};
	int r = worker_connect(job->conduct->settings->event, job->conduct->settings->worker_socket,
		&calls, &job->worker);
	return r < 0 ? r : worker_send(job->worker, &message, -1);
}

static void admit(struct job *job)
{
	int r = start(job);
	if (r < 0) {
		_cleanup_(freep) char *sentence = text_format(
			"no worker could be started at %s: %s; is plugflash-worker.socket active?",
			job->conduct->settings->worker_socket, strerror(-r));
		finish(job, OUTCOME_FAILED, REASON_NO_WORKER, sentence ? sentence : "no worker");
		return;
	}
	move(job, JOB_EVENT_ADMITTED);
	set_deadline(job, PROBE_SILENCE_USEC);
	story_job_started(job);
	changed(job);
}

static void start_waiting_jobs(struct conduct *conduct)
{
	unsigned limit = conduct->policy->limits.jobs ? conduct->policy->limits.jobs : JOBS_AT_ONCE;
	struct job *job;
	while (!conduct->draining && (job = queue_next(conduct->queue, limit)))
		admit(job);
}

static void begin(struct conduct *conduct, const struct device *device)
{
	int r = counter_next(conduct->settings->job_counter_file, &conduct->last_job_id);
	if (r < 0)
		story_trouble(device->place,
			"the job's number could not be stored and may come again after a restart; "
			"make room in the state directory",
			r);
	struct job *job = queue_add(conduct->queue, conduct->last_job_id, device);
	if (!job) {
		story_trouble(device->place, "left alone", -ENOMEM);
		return;
	}
	job->conduct = conduct;
	job->started_usec = clock_usec(CLOCK_MONOTONIC);
	changed(job);
	start_waiting_jobs(conduct);
}

void conduct_arrival(struct conduct *conduct, const struct device *device)
{
	struct job *job = queue_at(conduct->queue, device);
	if (job) {
		device_free(job->successor);
		job->successor = device_copy(device);
		if (job->state == JOB_AWAITING && job->successor)
			judge_successor(job);
		return;
	}
	if (device->mode == MODE_NONE || conduct->draining)
		return;

	story_board_seen(device);
	_cleanup_(judgement_done) struct judgement judgement = { 0 };
	if (judge(conduct->policy, conduct->settings->firmware_directory, device, NULL,
		    &judgement) < 0)
		story_trouble(device->place, "left alone", -ENOMEM);
	else if (judgement.verdict == VERDICT_PROBE)
		begin(conduct, device);
	else
		story_board_left_alone(device, &judgement);
}

void conduct_departure(struct conduct *conduct, const struct device *device)
{
	if (device->mode != MODE_NONE)
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
		finish(job, OUTCOME_INTERRUPTED, REASON_BOARD_LEFT,
			"the board left before its turn came; plug it again");
	else if (job->state == JOB_PROBING || job->state == JOB_WRITING)
		/* It may have left because the worker restarted it: the last word decides. */
		set_deadline(job, LAST_WORD_USEC);
}

/* ---- the roof's side -------------------------------------------------------------------- */

int conduct_new(const struct conduct_settings *settings, struct conduct **ret)
{
	_cleanup_(conduct_freep) struct conduct *conduct = calloc(1, sizeof(*conduct));
	if (!conduct)
		return -ENOMEM;
	conduct->settings = settings;
	conduct->queue = queue_new();
	if (!conduct->queue)
		return -ENOMEM;
	*ret = TAKE_PTR(conduct);
	return 0;
}

struct conduct *conduct_free(struct conduct *conduct)
{
	if (!conduct)
		return NULL;
	queue_free(conduct->queue);
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

void conduct_drain(struct conduct *conduct)
{
	struct job *job;
	conduct->draining = true;
	/* finish() drops old records and moves the others up: the list is read anew for each. */
	while ((job = first_that_writes_nothing(conduct)))
		if (job->state == JOB_QUEUED)
			finish(job, OUTCOME_INTERRUPTED, REASON_CANCELLED,
				"plugflashd ends; plug the board again");
		else
			stop(job, OUTCOME_INTERRUPTED, REASON_CANCELLED,
				"plugflashd ends; nothing was written; plug the board again");
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
	(void)conduct;
	return NULL;
}

int conduct_release(struct conduct *conduct, const char *place)
{
	(void)conduct, (void)place;
	return -ENOENT;
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
