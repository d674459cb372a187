/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The jobs: which run, which wait, which have ended. One a place, and no more at once than allowed.
 * Knows records and order; what happens in a job is conduct.c's matter.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/digest.h"
#include "daemon/kept.h"
#include "daemon/worker.h"
#include "model/device.h"
#include "model/job.h"
#include "model/policy.h"
#include "model/reason.h"

struct conduct;
struct neighbour_question;

/* What the job has asked of printers (conduct_printer.c). */
struct job_printers {
	char *asked; /* the sockets of those that it has asked; NULL: none */
	struct neighbour_question *question; /* still open */
	enum reason_code reason; /* what they say against writing; REASON_NONE: nothing */
	char *sentence;
};

struct job {
	uint64_t id;
	enum job_state state;
	struct device *device;
	struct conduct *conduct;
	struct worker *worker;
	sd_event_source *deadline;

	struct kept firmware; /* that the board holds, where it can be kept */
	bool has_facts;
	struct board_facts facts;
	bool has_open_write; /* a write of ours to this board was begun, and not proved */

	/* What the policy said when it permitted; the policy itself may be another by now. */
	char *rule;
	char *board; /* the policy's name for it; NULL: the rule names none */
	char *image_path;
	bool has_image;
	struct digest digest;
	enum expectation expectation;
	uint16_t expected_vid;
	uint16_t expected_pid;

	struct job_printers printers;

	enum transport speaks; /* the image, as judgement.speaks */
	uint64_t resumes; /* the job whose unfinished write this one goes on with; 0: none */

	enum job_phase phase;
	uint64_t phase_usec[_PHASE_MAX]; /* how long each took */
	uint64_t phase_began_usec; /* CLOCK_MONOTONIC */
	uint64_t application_usec; /* from the restart to the application */
	uint64_t done_bytes;
	uint64_t total_bytes;
	enum job_phase furthest_phase; /* that the bus was told of */
	uint64_t progress_told_usec; /* CLOCK_MONOTONIC */

	bool board_left;
	struct device *successor; /* what came to the place meanwhile */
	char *application; /* "2e8a:000a", once seen */

	/* Why it was told to stop; the worker's last word then no longer decides. */
	enum job_outcome stop_outcome;
	enum reason_code stop_reason;
	char *stop_sentence;
	bool has_to_leave; /* told to leave its boot mode, since it is not written */
	bool is_restarted; /* as the worker says */
	bool is_called; /* its application made way for a boot loader, which is to come up */
	bool is_running; /* it says itself that it runs what it should */

	bool has_plan;
	struct job_plan plan;

	enum job_outcome outcome;
	enum reason_code reason;
	char *sentence;
	enum verification verification;
	struct job_tally tally;
	uint64_t started_usec; /* CLOCK_MONOTONIC */
	uint64_t started_realtime_usec; /* for people */
	uint64_t permitted_usec;
	uint64_t ended_usec;
	uint64_t ended_realtime_usec; /* for people */
	bool is_recorded; /* its end is in the history */
};

struct queue;

struct queue *queue_new(void);
struct queue *queue_free(struct queue *queue);
DEFINE_CLEANUP(struct queue *, queue_free)

/* A new job for a device (copied), queued; NULL when memory is short. */
struct job *queue_add(struct queue *queue, uint64_t id, const struct device *device);

/* Oldest first; ended ones stay for a while. */
size_t queue_count(const struct queue *queue);
struct job *queue_job(const struct queue *queue, size_t index);

/* The job that runs or waits on the socket that this device sits in, or NULL. A place is not
 * enough: the USB 2 and the USB 3 bus of one controller count their sockets alike. */
struct job *queue_at(const struct queue *queue, const struct device *device);

/* The next job that may start when at most `limit` have a worker, and of those on one hub at most
 * `limit_per_hub` (0: any number), or NULL. */
struct job *queue_next(const struct queue *queue, unsigned limit, unsigned limit_per_hub);

/* Did this job end well on a board that had just ended well on this place, with this image? Then
 * the board came back by itself, and not by a hand. */
bool queue_job_is_return(const struct queue *queue, const struct job *job);

/* Was a board told to leave its boot mode on this socket, just before this job began? */
bool queue_has_just_left(const struct queue *queue, const struct job *job);

/* Did the job just before this one ask the application on this socket for its boot loader, and make
 * way for this one? */
bool queue_was_just_called(const struct queue *queue, const struct job *job);

/* Was the image that this job is about proved in the flash of a board, on this socket and just
 * before, which is this one for all that is known? */
bool queue_was_just_written(const struct queue *queue, const struct job *job);

/*
 * A bus that is looked at as a whole is held: no job on a node of it begins, and none on a bridge,
 * since nobody knows which bus is behind it. -EALREADY: it is held. -EBUSY: there is a job that
 * would be disturbed, on one of its nodes or on a bridge; also one that waits for its turn.
 */
int queue_hold_bus(struct queue *queue, const char *can) _must_check_;
void queue_release_bus(struct queue *queue, const char *can);

/* Jobs that have not ended. */
size_t queue_active(const struct queue *queue);

/* Releases what an ended job no longer needs, and forgets the oldest ended ones. */
void queue_retire(struct queue *queue, struct job *job);
