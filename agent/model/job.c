/* SPDX-License-Identifier: MIT */
/* The table of a job's states; see job.h. */
#include <assert.h>
#include <errno.h>

#include "model/job.h"

static const char *const state_names[_JOB_STATE_MAX] = {
	[JOB_QUEUED] = "queued",
	[JOB_PROBING] = "probing",
	[JOB_WRITING] = "writing",
	[JOB_ENTERING] = "entering",
	[JOB_AWAITING] = "awaiting",
	[JOB_STOPPING] = "stopping",
	[JOB_DONE] = "done",
};

static const char *const event_names[_JOB_EVENT_MAX] = {
	[JOB_EVENT_ADMITTED] = "admitted",
	[JOB_EVENT_PERMITTED] = "permitted",
	[JOB_EVENT_CALLED] = "called",
	[JOB_EVENT_STOPPED] = "stopped",
	[JOB_EVENT_EXPECTING] = "expecting",
	[JOB_EVENT_ENDED] = "ended",
};

static const char *const outcome_names[_OUTCOME_MAX] = {
	[OUTCOME_NONE] = "none",
	[OUTCOME_FLASHED] = "flashed",
	[OUTCOME_IDENTICAL] = "identical",
	[OUTCOME_REFUSED] = "refused",
	[OUTCOME_FAILED] = "failed",
	[OUTCOME_INTERRUPTED] = "interrupted",
	[OUTCOME_ENTERED] = "entered",
};

static const char *const verification_names[_VERIFY_MAX] = {
	[VERIFY_NONE] = "none",
	[VERIFY_ACKNOWLEDGED] = "acknowledged",
	[VERIFY_CHECKSUM] = "checksum",
	[VERIFY_READBACK] = "readback",
	[VERIFY_RUNNING] = "running",
};

static const char *const phase_names[_PHASE_MAX] = {
	[PHASE_PROBE] = "probe",
	[PHASE_COMPARE] = "compare",
	[PHASE_WRITE] = "write",
	[PHASE_FINISH] = "finish",
};

/* JOB_QUEUED as a target means: no such move. Nothing ever moves back there. */
static const enum job_state moves[_JOB_STATE_MAX][_JOB_EVENT_MAX] = {
	[JOB_QUEUED] = {
		[JOB_EVENT_ADMITTED] = JOB_PROBING,
		[JOB_EVENT_ENDED] = JOB_DONE,
	},
	[JOB_PROBING] = {
		[JOB_EVENT_PERMITTED] = JOB_WRITING,
		[JOB_EVENT_CALLED] = JOB_ENTERING,
		[JOB_EVENT_STOPPED] = JOB_STOPPING,
		[JOB_EVENT_ENDED] = JOB_DONE,
	},
	[JOB_WRITING] = {
		[JOB_EVENT_EXPECTING] = JOB_AWAITING,
		[JOB_EVENT_STOPPED] = JOB_STOPPING,
		[JOB_EVENT_ENDED] = JOB_DONE,
	},
	[JOB_ENTERING] = {
		[JOB_EVENT_EXPECTING] = JOB_AWAITING,
		[JOB_EVENT_STOPPED] = JOB_STOPPING,
		[JOB_EVENT_ENDED] = JOB_DONE,
	},
	[JOB_AWAITING] = {
		[JOB_EVENT_ENDED] = JOB_DONE,
	},
	[JOB_STOPPING] = {
		[JOB_EVENT_ENDED] = JOB_DONE,
	},
};

const char *job_state_name(enum job_state state)
{
	assert(state < _JOB_STATE_MAX);
	return state_names[state];
}

const char *job_event_name(enum job_event event)
{
	assert(event < _JOB_EVENT_MAX);
	return event_names[event];
}

int job_next(enum job_state state, enum job_event event)
{
	assert(state < _JOB_STATE_MAX && event < _JOB_EVENT_MAX);
	enum job_state next = moves[state][event];
	return next == JOB_QUEUED ? -EPROTO : (int)next;
}

bool outcome_is_good(enum job_outcome outcome)
{
	return outcome == OUTCOME_FLASHED || outcome == OUTCOME_IDENTICAL;
}

const char *outcome_name(enum job_outcome outcome)
{
	assert(outcome < _OUTCOME_MAX);
	return outcome_names[outcome];
}

const char *verification_name(enum verification verification)
{
	assert(verification < _VERIFY_MAX);
	return verification_names[verification];
}

const char *phase_name(enum job_phase phase)
{
	assert(phase < _PHASE_MAX);
	return phase_names[phase];
}

const char *const job_record_fields[JOB_RECORD_FIELDS] = { "job", "place", "port", "mode",
	"vid_pid", "serial", "chip", "rom_revision", "flash_size_bytes", "flash_content",
	"unique_id", "board", "decision", "rule", "image", "image_sha256", "image_version",
	"resumes", "units_total", "units_identical", "units_erased", "bytes_read", "bytes_written",
	"recoveries", "probe_usec", "compare_usec", "write_usec", "finish_usec", "application_usec",
	"verify", "outcome", "reason", "sentence", "application", "began_realtime_usec",
	"ended_realtime_usec", "duration_usec" };
