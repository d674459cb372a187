/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A job: one visit to one board, from its arrival to the outcome. What it may do next is a table
 * of states and events; an event that is not in the table is a bug, or a lying worker.
 */
#include <stdbool.h>
#include <stdint.h>

enum job_state {
	JOB_QUEUED, /* waits for a free worker */
	JOB_PROBING, /* a worker looks, and writes nothing */
	JOB_WRITING, /* permission was given */
	JOB_ENTERING, /* the application was asked to enter its boot loader */
	JOB_AWAITING, /* the board has left, to show itself as what is expected next */
	JOB_STOPPING, /* told to stop; waits for the worker's last word */
	JOB_DONE,
	_JOB_STATE_MAX,
};

const char *job_state_name(enum job_state state);

enum job_event {
	JOB_EVENT_ADMITTED, /* a worker took it */
	JOB_EVENT_PERMITTED, /* evidence came, the decision is to write */
	JOB_EVENT_CALLED, /* evidence came, the decision is to have it enter its boot loader */
	JOB_EVENT_STOPPED, /* the mind wants it to end: refusal, board gone, cancelled */
	JOB_EVENT_EXPECTING, /* the worker's outcome is good, and the board is to come back */
	JOB_EVENT_ENDED, /* the outcome is final */
	_JOB_EVENT_MAX,
};

const char *job_event_name(enum job_event event);

/* The state after `event`, or -EPROTO when the table has no such move. */
int job_next(enum job_state state, enum job_event event);

/* How a job ended; stable names for the journal, the bus and the history. */
enum job_outcome {
	OUTCOME_NONE,
	OUTCOME_FLASHED,
	OUTCOME_IDENTICAL,
	OUTCOME_REFUSED,
	OUTCOME_FAILED,
	OUTCOME_INTERRUPTED,
	OUTCOME_ENTERED, /* the application made way for its boot loader, nothing was written */
	_OUTCOME_MAX,
};

/* Flashed or identical: the board holds what it should. */
bool outcome_is_good(enum job_outcome outcome);

const char *outcome_name(enum job_outcome outcome);

/* How strong the proof is that the board holds what it should. */
enum verification {
	VERIFY_NONE,
	VERIFY_ACKNOWLEDGED, /* the board said so */
	VERIFY_CHECKSUM, /* the board computed it */
	VERIFY_READBACK, /* we read it and compared */
	VERIFY_RUNNING, /* the application reported its version */
	_VERIFY_MAX,
};

const char *verification_name(enum verification verification);

enum job_phase {
	PHASE_PROBE,
	PHASE_COMPARE,
	PHASE_WRITE, /* erase, write and read back, batch by batch */
	PHASE_FINISH, /* the page that makes it bootable, then the restart */
	_PHASE_MAX,
};

const char *phase_name(enum job_phase phase);

/* The names of what is kept of a job, in the order of the columns: in the history, on the bus, in
 * JSON and CSV. */
#define JOB_RECORD_FIELDS 37
extern const char *const job_record_fields[JOB_RECORD_FIELDS];

#define JOB_PLAN_TEXT 512

/* What is to be done, worked out before the first erase, in erase units that the image touches. */
struct job_plan {
	uint32_t units_total;
	uint32_t units_identical; /* skipped */
	uint32_t units_blank; /* of those that are written: not erased first */
	uint32_t units_erased;
	uint64_t bytes_written;
	char sentence[JOB_PLAN_TEXT]; /* plain text: which units, by address */
};

/* What is read of a board and kept for later. */
enum keepsake {
	KEEP_FIRMWARE, /* what its flash held */
	KEEP_DICTIONARY, /* Klipper's, as JSON */
	KEEP_CAN, /* a look at a bus (can.h) */
	_KEEP_MAX,
};

/* What the hands did. */
struct job_tally {
	uint32_t units_total; /* erase units that the image touches */
	uint32_t units_identical; /* already as they should be */
	uint32_t units_erased;
	uint64_t bytes_read;
	uint64_t bytes_written;
	uint32_t recoveries; /* times the wire had to be set right again */
};
