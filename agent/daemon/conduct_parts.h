/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the parts of conduct.c share: conduct.c begins and ends jobs, conduct_worker.c talks with
 * their workers, conduct_printer.c asks the printers, conduct_enter.c has applications enter their
 * boot loaders. Inside these only.
 */
#include "daemon/judge.h"
#include "daemon/ledger.h"
#include "daemon/queue.h"
#include "daemon/sightings.h"

struct conduct_settings;

/* Silence that ends a wait: longer than the hands need to give a board up by themselves, also on a
 * small machine with a dozen of them. */
#define CONDUCT_PROBE_SILENCE_USEC (45 * USEC_PER_SEC)
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

/* Did the board run its application until we asked for its boot loader, and can it do so again? */
bool conduct_was_sent_here(const struct job *job);

/* Ends a job that was told to end. */
void conduct_finish_stopped(struct job *job);

/* Ends the job: recorded, told, and what came to its place meanwhile gets its turn. */
void conduct_finish(
	struct job *job, enum job_outcome outcome, enum reason_code reason, const char *sentence);

void conduct_start_waiting_jobs(struct conduct *conduct);

/* The application has shown itself, or something else has. */
void conduct_judge_successor(struct job *job);

/* Permits the worker to have the application enter its boot loader. */
void conduct_call(struct job *job, const struct judgement *judgement);
/* The application has made way; then: something has shown itself, or nothing has. */
void conduct_await_loader(struct job *job);
void conduct_judge_loader(struct job *job);
void conduct_lose_loader(struct job *job);

/* Ends a job on a line whose board runs Klipper; another asks it in Klipper's language. */
void conduct_change_language(struct job *job, const char *sentence);

/* Ends a job on a board that runs what it should. */
void conduct_finish_running(struct job *job, const struct judgement *judgement);

/* Judges a board that was looked at, under the policy that is in force, and has it written, asks
 * its printer first, or refuses it. */
void conduct_decide(struct job *job);

enum conduct_scope {
	SCOPE_OWN_PRINTER, /* the one that the policy ties the board to; none: nobody is asked */
	SCOPE_ANY_PRINTER, /* if it is tied to none, all of them: it might be anybody's */
};

/*
 * Has the printer anything against what `rule` would do to the board? 0: it was asked, or there is
 * nobody to ask; what speaks against it was added to `reasons`. CONDUCT_ASKS: it is being asked
 * now, and conduct_decide() is called again when it has answered. Nobody is asked twice. -ENOMEM
 * and the like.
 */
#define CONDUCT_ASKS 1
int conduct_ask_printer(struct job *job, const struct policy_rule *rule, enum conduct_scope scope,
	struct reasons *reasons) _must_check_;

/*
 * Asks printers before a queued job may begin: its board's own, or all where it is tied to none. 0:
 * it may. CONDUCT_ASKS: not now; it was refused, or conduct_start_waiting_jobs() is called again
 * behind the answer.
 */
int conduct_ask_before(struct job *job) _must_check_;

/* For the worker's connection. */
void conduct_on_message(void *context, const struct wire_message *message);
void conduct_on_worker_end(void *context, int error);
