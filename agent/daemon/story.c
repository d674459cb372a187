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
	if (job->has_facts) {
		fields.board = job->board ? job->board : chip_name(job->facts.chip);
		if (job->facts.chip_origin != CHIP_ORIGIN_UNSAID)
			fields.chip_from = chip_origin_name(job->facts.chip_origin);
		fields.board_id = *job->facts.unique_id ? job->facts.unique_id : NULL;
	}
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
		[OUTCOME_ENTERED] = { LOG_NOTICE, MESSAGE_JOB_ENTERED },
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

void story_job_printer(const struct job *job, const char *sentence)
{
	char digest[DIGEST_TEXT];
	struct journal_fields fields = fields_of(job, digest);
	journal_say(LOG_INFO, NULL, &fields, "%s: job %" PRIu64 " has asked: %s",
		job->device->place, job->id, sentence);
}

void story_job_writing(const struct job *job, uint64_t byte_count)
{
	char digest[DIGEST_TEXT];
	struct journal_fields fields = fields_of(job, digest);
	journal_say(LOG_INFO, MESSAGE_JOB_WRITING, &fields,
		"%s: job %" PRIu64 " may write %s (%" PRIu64 " bytes) by rule \"%s\"",
		job->device->place, job->id, job->image_path, byte_count, job->rule);
}

void story_firmware_kept(const struct job *job, const char *path)
{
	char digest[DIGEST_TEXT];
	struct journal_fields fields = fields_of(job, digest);
	if (path)
		journal_say(LOG_INFO, MESSAGE_FIRMWARE_KEPT, &fields,
			"%s: job %" PRIu64 " keeps what the board held before as %s",
			job->device->place, job->id, path);
	else
		journal_say(LOG_NOTICE, MESSAGE_FIRMWARE_KEPT, &fields,
			"%s: job %" PRIu64 " keeps nothing of what the board held before: its end "
			"was not found",
			job->device->place, job->id);
}

void story_job_calls(const struct job *job, const char *image_path)
{
	char digest[DIGEST_TEXT];
	struct journal_fields fields = fields_of(job, digest);
	journal_say(LOG_INFO, MESSAGE_JOB_CALLS, &fields,
		"%s: job %" PRIu64 " has the application enter its boot loader, for %s by rule "
		"\"%s\"",
		job->device->place, job->id, image_path, job->rule);
}

void story_job_plan(const struct job *job)
{
	char digest[DIGEST_TEXT];
	struct journal_fields fields = fields_of(job, digest);
	fields.plan = &job->plan;
	journal_say(LOG_INFO, MESSAGE_JOB_PLAN, &fields, "%s: job %" PRIu64 " plan: %s",
		job->device->place, job->id, job->plan.sentence);
}

static enum reason_code reason_left_alone(enum verdict verdict)
{
	switch (verdict) {
	case VERDICT_NO_RULE:
		return REASON_NO_RULE;
	case VERDICT_PRESENT:
		return REASON_PRESENT_AT_START;
	case VERDICT_QUARANTINE:
		return REASON_QUARANTINED;
	default:
		return REASON_IGNORED;
	}
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
		.reason = reason_name(reason_left_alone(judgement->verdict)),
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

void story_job_resumed(const struct job *job)
{
	char digest[DIGEST_TEXT];
	struct journal_fields fields = fields_of(job, digest);
	journal_say(LOG_NOTICE, MESSAGE_JOB_RESUMED, &fields,
		"%s: job %" PRIu64 " goes on with what job %" PRIu64 " has not finished",
		job->device->place, job->id, job->resumes);
}

void story_job_lost(uint64_t job_id, const char *place)
{
	const struct journal_fields fields = {
		.job = job_id,
		.place = place,
		.outcome = outcome_name(OUTCOME_INTERRUPTED),
		.reason = reason_name(REASON_SERVICE_LOST),
	};
	journal_say(LOG_WARNING, MESSAGE_JOB_INTERRUPTED, &fields,
		"%s: job %" PRIu64 " interrupted: the service or the power went away before it "
		"ended",
		place, job_id);
}

void story_history_damaged(const char *path, const char *aside)
{
	journal_say(LOG_CRIT, MESSAGE_HISTORY_DAMAGED, NULL,
		"%s was damaged; it is now %s, and a new history was begun", path, aside);
}

void story_history_unavailable(const char *path, int error, const char *remedy)
{
	journal_say(LOG_ERR, MESSAGE_HISTORY_UNAVAILABLE, NULL,
		"%s: nothing can be recorded (%s), so nothing will be written; %s", path,
		strerror(-error), remedy);
}

void story_place_quarantined(const char *place, const struct place_record *record)
{
	const struct journal_fields fields = { .place = place,
		.reason = reason_name(REASON_QUARANTINED) };
	journal_say(LOG_ERR, MESSAGE_PLACE_QUARANTINED, &fields,
		"%s: in quarantine: %s. When the cause is found: plugflash release %s", place,
		record->why, place);
}

void story_place_released(const char *place)
{
	const struct journal_fields fields = { .place = place };
	journal_say(
		LOG_NOTICE, MESSAGE_PLACE_RELEASED, &fields, "%s: released from quarantine", place);
}

void story_bus_looked_at(const char *interface, size_t nodes, size_t in_katapult)
{
	const struct journal_fields fields = { .place = interface };
	journal_say(LOG_INFO, MESSAGE_BUS_LOOKED_AT, &fields,
		"%s has come up: %zu nodes are known there, and %zu of them are in Katapult",
		interface, nodes, in_katapult);
}

void story_bus_left_alone(const char *interface, enum reason_code code, const char *sentence)
{
	const struct journal_fields fields = { .place = interface, .reason = reason_name(code) };
	journal_say(LOG_NOTICE, MESSAGE_BUS_LEFT_ALONE, &fields,
		"%s has come up and was not looked at: %s", interface, sentence);
}

void story_update_left_alone(const char *place, const char *rule, const char *sentence)
{
	const struct journal_fields fields = { .place = place, .rule = rule };
	journal_say(LOG_NOTICE, MESSAGE_UPDATE_LEFT_ALONE, &fields,
		"%s: its rule has a new image, and it does not get that now: %s", place, sentence);
}

void story_trouble(const char *place, const char *what, int error)
{
	const struct journal_fields fields = { .place = place };
	journal_say(LOG_ERR, NULL, &fields, "%s: %s: %s", place, what, strerror(-error));
}
