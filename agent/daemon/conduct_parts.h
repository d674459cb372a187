/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the parts of conduct.c share: conduct.c begins and ends jobs, conduct_worker.c talks with
 * their workers. Inside these two only.
 */
#include "daemon/ledger.h"
#include "daemon/queue.h"
#include "daemon/sightings.h"

struct conduct_settings;

/* For the last word of a worker that was told to end, or whose board has left. */
#define CONDUCT_LAST_WORD_USEC (10 * USEC_PER_SEC)

struct conduct {
	const struct conduct_settings *settings;
	const struct policy *policy;
	struct queue *queue;
	struct ledger *ledger;
	struct sightings *sightings;
	bool draining;
};

void conduct_changed(struct job *job);
void conduct_move(struct job *job, enum job_event event);

/* The phase that was under way has ended, and this one begins. */
void conduct_enter_phase(struct job *job, enum job_phase phase);

/* Ends the wait that is under way after so much silence. */
void conduct_set_deadline(struct job *job, uint64_t usec);

/* Tells the worker to end, and the board to leave its boot mode if it has to; the worker's last
 * word, or silence, then ends the job as said here. */
void conduct_stop(
	struct job *job, enum job_outcome outcome, enum reason_code reason, const char *sentence);

/* Ends a job that was told to end. */
void conduct_finish_stopped(struct job *job);

/* Ends the job: recorded, told, and what came to its place meanwhile gets its turn. */
void conduct_finish(
	struct job *job, enum job_outcome outcome, enum reason_code reason, const char *sentence);

void conduct_start_waiting_jobs(struct conduct *conduct);

/* The application has shown itself, or something else has. */
void conduct_judge_successor(struct job *job);

/* For the worker's connection. */
void conduct_on_message(void *context, const struct wire_message *message);
void conduct_on_worker_end(void *context, int error);
