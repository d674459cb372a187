/* SPDX-License-Identifier: MIT */
/* Journal entries; see story.h. */
#include <inttypes.h>
#include <string.h>

#include "base/names.h"
#include "base/text.h"
#include "daemon/journal.h"
#include "daemon/story.h"

static struct journal_fields fields_of(const struct job *job, char digest[static DIGEST_TEXT])
{
	struct journal_fields fields = {
		.job = job->id,
		.place = job->device->place,
		.mode = mode_name(job->device->mode),
		.rule = job->rule,
		.image = job->image_path,
	};
	if (job->has_facts)
		fields.board = chip_name(job->facts.chip);
	if (job->has_image) {
		text_hex(job->digest.bytes, DIGEST_BYTES, digest);
		fields.image_sha256 = digest;
	}
	return fields;
}

void story_job_ended(const struct job *job)
{
	static const struct {
		int priority;
		const char *message_id;
	} entries[_OUTCOME_MAX] = {
		[OUTCOME_FLASHED] = { LOG_NOTICE, MESSAGE_JOB_FLASHED },
		[OUTCOME_IDENTICAL] = { LOG_NOTICE, MESSAGE_JOB_IDENTICAL },
		[OUTCOME_REFUSED] = { LOG_WARNING, MESSAGE_JOB_REFUSED },
		[OUTCOME_FAILED] = { LOG_ERR, MESSAGE_JOB_FAILED },
		[OUTCOME_INTERRUPTED] = { LOG_WARNING, MESSAGE_JOB_INTERRUPTED },
	};
	char digest[DIGEST_TEXT];
	struct journal_fields fields = fields_of(job, digest);
	fields.outcome = outcome_name(job->outcome);
	fields.reason = job->reason == REASON_NONE ? NULL : reason_name(job->reason);
	fields.verify = verification_name(job->verification);
	fields.application = job->application;
	fields.duration_usec = job->ended_usec - job->started_usec;
	journal_say(entries[job->outcome].priority, entries[job->outcome].message_id, &fields,
		"%s: job %" PRIu64 " %s: %s", job->device->place, job->id, fields.outcome,
		job->sentence ? job->sentence : "out of memory");
}

void story_job_started(const struct job *job)
{
	char digest[DIGEST_TEXT];
	struct journal_fields fields = fields_of(job, digest);
	journal_say(LOG_INFO, MESSAGE_JOB_STARTED, &fields,
		"%s: job %" PRIu64 " looks at the board", job->device->place, job->id);
}

void story_job_writing(const struct job *job, uint64_t byte_count)
{
	char digest[DIGEST_TEXT];
	struct journal_fields fields = fields_of(job, digest);
	journal_say(LOG_INFO, MESSAGE_JOB_WRITING, &fields,
		"%s: job %" PRIu64 " may write %s (%" PRIu64 " bytes) by rule \"%s\"",
		job->device->place, job->id, job->image_path, byte_count, job->rule);
}

void story_board_left_alone(const struct device *device, const struct judgement *judgement)
{
	_cleanup_(freep) char *title = device_describe(device);
	_cleanup_(freep) char *sentence = judgement_sentence(judgement, device);
	bool uncovered = judgement->verdict == VERDICT_NO_RULE;
	struct journal_fields fields = {
		.place = device->place,
		.mode = mode_name(device->mode),
		.rule = judgement->rule ? judgement->rule->name : NULL,
		.example = uncovered ? judge_example(device->mode) : NULL,
		.reason = reason_name(uncovered ? REASON_NO_RULE
				      : judgement->verdict == VERDICT_PRESENT
					      ? REASON_PRESENT_AT_START
					      : REASON_IGNORED),
	};
	journal_say(LOG_NOTICE, uncovered ? MESSAGE_BOARD_UNCOVERED : MESSAGE_BOARD_IGNORED,
		&fields, "%s: %s: %s", device->place, title ? title : "board",
		sentence ? sentence : "left alone");
}

void story_board_seen(const struct device *device)
{
	_cleanup_(freep) char *title = device_describe(device);
	const struct journal_fields fields = { .place = device->place,
		.mode = mode_name(device->mode) };
	journal_say(LOG_INFO, MESSAGE_BOARD_SEEN, &fields, "%s: %s %s (port %s)", device->place,
		title ? title : "board", device->was_present ? "is there" : "arrived",
		device->port);
}

void story_board_left(const struct device *device)
{
	const struct journal_fields fields = { .place = device->place,
		.mode = mode_name(device->mode) };
	journal_say(LOG_INFO, MESSAGE_BOARD_LEFT, &fields, "%s: the board left", device->place);
}

void story_trouble(const char *place, const char *what, int error)
{
	const struct journal_fields fields = { .place = place };
	journal_say(LOG_ERR, NULL, &fields, "%s: %s: %s", place, what, strerror(-error));
}
