/* SPDX-License-Identifier: MIT */
/*
 * A running application makes way for its boot loader: the job that asks it to ends when something
 * else has shown itself on the place, and what that is gets a job of its own; see conduct_parts.h.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "daemon/conduct.h"
#include "daemon/conduct_parts.h"
#include "daemon/story.h"

/* The touch itself is over in milliseconds; a worker waits three seconds for the board to go. */
#define ENTER_USEC (15 * USEC_PER_SEC)
/* A double reset waits half a second, a bus resets and enumerates in one more. */
#define LOADER_USEC (15 * USEC_PER_SEC)

static void refuse_second_call(struct job *job)
{
	/* It may well run what it should: it has no way to say so. */
	if (job->device->mode == MODE_PICO_SDK)
		conduct_stop(job, OUTCOME_REFUSED, REASON_RUNS_APPLICATION,
			"this very image was written on this place a moment ago, and what runs does "
			"not say what it is, so it is not asked for its boot loader again; plug the "
			"board in again in a minute to have it written once more");
	else
		conduct_stop(job, OUTCOME_REFUSED, REASON_WRONG_APPLICATION,
			"this very image was written to it a moment ago, and it does not run the "
			"version that the image names, so it is not called again; is another "
			"firmware started? Plug the board in again to have it tried once more");
}

void conduct_call(struct job *job, const struct judgement *judgement)
{
	struct wire_message message = { .type = WIRE_ENTER };
	if (queue_was_just_written(job->conduct->queue, job)) {
		if (judgement->is_running)
			conduct_finish_running(job, judgement);
		else
			refuse_second_call(job);
		return;
	}
	if (queue_has_just_left(job->conduct->queue, job)) {
		conduct_stop(job, OUTCOME_REFUSED, REASON_NO_LOADER,
			"it was in its boot loader a moment ago and was refused there, so it is not "
			"called again; what was wrong stands in the job before. Plug the board in "
			"again to have it tried once more");
		return;
	}
	/* What comes next on the socket comes because we asked, which is on record if we die. */
	ledger_note(job->conduct->ledger, job);
	sightings_on_request(job->conduct->sightings, job->device, clock_usec(CLOCK_MONOTONIC));
	int r = worker_send(job->worker, &message, -1);
	if (r < 0) {
		conduct_stop(job, OUTCOME_FAILED, REASON_INTERNAL, strerror(-r));
		return;
	}
	conduct_move(job, JOB_EVENT_CALLED);
	conduct_set_deadline(job, ENTER_USEC);
	story_job_calls(job, judgement->image_path);
	conduct_changed(job);
}

/* It has left. What comes next on the place says whether that was of use. */
void conduct_await_loader(struct job *job)
{
	job->is_called = true;
	job->worker = worker_close(job->worker);
	conduct_move(job, JOB_EVENT_EXPECTING);
	conduct_set_deadline(job, LOADER_USEC);
	conduct_changed(job);
	conduct_start_waiting_jobs(job->conduct);
	/* No event tells of what is at the end of a line, or on a bus. */
	if (device_is_standing(job->device) && !job->successor)
		job->successor = device_in_mode(job->device, MODE_KATAPULT);
	if (job->successor)
		conduct_judge_successor(job);
}

void conduct_judge_loader(struct job *job)
{
	const struct device *found = job->successor;
	job->application_usec = clock_usec(CLOCK_MONOTONIC) - job->phase_began_usec;
	_cleanup_(freep) char *title = device_describe(found);
	_cleanup_(freep) char *sentence = NULL;
	if (mode_is_application(found->mode)) {
		sentence = text_format(
			"it was asked for its boot loader, and %s came back: nothing was written. "
			"Bring it into its boot loader by hand (two quick presses of reset, or "
			"its boot button)",
			title ? title : "its application");
		conduct_finish(job, OUTCOME_FAILED, REASON_NO_LOADER,
			sentence ? sentence : "no boot loader");
		return;
	}
	sentence = text_format("it was asked for its boot loader, and a %s came up; the job of "
			       "that one goes on",
		title ? title : "boot loader");
	conduct_finish(job, OUTCOME_ENTERED, REASON_NONE, sentence ? sentence : "entered");
}

void conduct_lose_loader(struct job *job)
{
	conduct_finish(job, OUTCOME_FAILED, REASON_NO_LOADER,
		"it was asked for its boot loader and left, and nothing has come back to its "
		"place; nothing was written. Take all power from the board once: its application "
		"starts again then");
}

/* It runs what it should already: its own word, which is the strongest proof there is. */
void conduct_finish_running(struct job *job, const struct judgement *judgement)
{
	_cleanup_(freep) char *sentence = text_format("it runs %s already, as %s would have it",
		job->facts.running.version, judgement->image_path);
	job->is_running = true;
	conduct_stop(job, OUTCOME_IDENTICAL, REASON_NONE, sentence ? sentence : "it runs it");
}

/*
 * A line, or a bus, shows which language its board speaks only when it is spoken to: Katapult's
 * first, because Klipper's would leave a Katapult deaf. So this job was in the wrong one, and
 * another goes on, if the policy lets it.
 */
void conduct_change_language(struct job *job, const char *sentence)
{
	_cleanup_(judgement_done) struct judgement judgement = { 0 };
	_cleanup_(device_freep) struct device *running = device_in_mode(job->device, MODE_KLIPPER);
	int r = running ? conduct_judge(job->conduct, running, NULL, &judgement) : -ENOMEM;
	if (r < 0) {
		conduct_finish(job, OUTCOME_FAILED, REASON_INTERNAL, "out of memory");
	} else if (queue_was_just_called(job->conduct->queue, job)) {
		conduct_finish(job, OUTCOME_FAILED, REASON_NO_LOADER,
			"it was asked for its boot loader, and its Klipper still runs: nothing was "
			"written. A Klipper from before September 2022 does not know the words; press "
			"reset twice, and flash it then");
	} else if (judgement.verdict == VERDICT_PROBE) {
		job->successor = TAKE_PTR(running);
		conduct_finish(job, OUTCOME_REFUSED, REASON_RUNS_APPLICATION, sentence);
	} else {
		conduct_finish(job, OUTCOME_REFUSED, REASON_NO_RULE,
			"the board runs Klipper and is not in Katapult, and no rule would have it "
			"enter its boot loader; say enter_bootloader = true in the rule, or press "
			"reset twice");
	}
}
