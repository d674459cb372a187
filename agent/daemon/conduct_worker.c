/* SPDX-License-Identifier: MIT */
/* A job's talk with its worker: evidence, the decision, progress and the last word; see
 * conduct_parts.h. */
#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "daemon/aftermath.h"
#include "daemon/backups.h"
#include "daemon/conduct.h"
#include "daemon/conduct_parts.h"
#include "daemon/story.h"

/* A worker that writes speaks at least once a second. */
#define WRITE_SILENCE_USEC (30 * USEC_PER_SEC)
#define APPLICATION_USEC   (15 * USEC_PER_SEC)
/* No honest flash takes this long (16 MiB on a chip at its slowest: half an hour), and a worker
 * that was taken over could speak for ever. */
#define WRITE_LIMIT_USEC (3600 * USEC_PER_SEC)
/* Nor has one more to hand over than it has read by then. */
#define PROBE_LIMIT_USEC (300 * USEC_PER_SEC)
/* Progress is told to the bus no oftener than this, however much a worker talks. */
#define PROGRESS_USEC (USEC_PER_SEC / 50)

/* ---- towards the worker ----------------------------------------------------------------- */

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
	job->speaks = judgement->speaks;
	if (rule) {
		job->rule = strdup(rule->name);
		job->board = rule->board ? strdup(rule->board) : NULL;
		job->expectation = rule->expectation;
		job->expected_vid = rule->expected_vid;
		job->expected_pid = rule->expected_pid;
		if (!job->rule || (rule->board && !job->board))
			return -ENOMEM;
	}
	if (judgement->image_path) {
		job->image_path = text_escape(judgement->image_path);
		if (!job->image_path)
			return -ENOMEM;
	}
	if (judgement->chip != CHIP_UNKNOWN) {
		job->facts.chip = judgement->chip;
		job->facts.chip_origin = judgement->chip_origin;
	}
	if (judgement->image) {
		job->has_image = true;
		job->digest = judgement->image->digest;
	}
	return 0;
}

/* It ran its application until we asked for its boot loader: it shall do so again, unless a write
 * of ours has come in between. Of a line no sighting tells. */
bool conduct_was_sent_here(const struct job *job)
{
	const struct conduct *conduct = job->conduct;
	const struct sighting *before = sightings_before(conduct->sightings, job->device);
	bool was_called =
		(before && before->was_requested) || queue_was_just_called(conduct->queue, job);
	return was_called && job->has_facts && !mode_is_application(job->device->mode) &&
	       aftermath_can_start(job);
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
		[VERDICT_QUARANTINE] = REASON_QUARANTINED,
	};
	_cleanup_(freep) char *sentence = judgement_sentence(judgement, job->device);
	enum reason_code code = judgement->reasons.count > 0 ? judgement->reasons.items[0].code
							     : codes[judgement->verdict];
	job->has_to_leave = aftermath_wants_leaving(job->conduct->queue, job, judgement->rule) ||
			    conduct_was_sent_here(job);
	conduct_stop(job, OUTCOME_REFUSED, code, sentence ? sentence : "out of memory");
}

/* By what its backups are told from those of others. */
static const char *backup_board(const struct job *job)
{
	const char *serial = job->device->serial;
	if (*job->facts.unique_id)
		return job->facts.unique_id;
	return *serial && !policy_serial_is_shared(serial) ? serial : job->device->place;
}

/* What the board holds, durably, before it is overwritten. 0, or why nothing may be written. */
static int keep_firmware(struct job *job)
{
	bool is_lost = job->device->mode == MODE_KATAPULT && job->facts.content == CONTENT_BOOTABLE;
	if (!kept_is_whole(&job->firmware)) {
		if (is_lost)
			story_firmware_kept(job, NULL);
		return 0;
	}
	_cleanup_(freep) char *path = NULL;
	const struct backup backup = {
		.board = backup_board(job),
		.time_usec = job->started_realtime_usec,
		.address = job->firmware.address,
		.bytes = job->firmware.bytes,
		.length = job->firmware.length,
	};
	int r = backups_store(job->conduct->settings->backup_directory, &backup, &path);
	kept_done(&job->firmware);
	if (r == 0)
		story_firmware_kept(job, path);
	return r;
}

static void refuse_unkept(struct job *job, int error)
{
	_cleanup_(freep) char *sentence = text_format(
		"the firmware that is on the board could not be kept in %s (%s), so it is not "
		"overwritten; make room there, then plug the board again",
		job->conduct->settings->backup_directory, strerror(-error));
	job->has_to_leave = conduct_was_sent_here(job);
	conduct_stop(job, OUTCOME_REFUSED, REASON_NOT_RECORDED,
		sentence ? sentence : "the firmware on the board could not be kept");
}

/* First the backup and the intent on disk, then the word that lets the worker erase. */
static void permit(struct job *job, struct judgement *judgement)
{
	struct conduct *conduct = job->conduct;
	int kept = keep_firmware(job);
	if (kept < 0) {
		refuse_unkept(job, kept);
		return;
	}
	job->permitted_usec = clock_usec(CLOCK_MONOTONIC);
	int r = ledger_permit(conduct->ledger, &conduct->policy->limits, job, &judgement->reasons);
	if (r != 0) {
		job->permitted_usec = 0;
		refuse(job, judgement);
		return;
	}
	r = send_go(job, judgement->image, judgement->rule->force);
	if (r < 0) {
		conduct_stop(job, OUTCOME_FAILED, REASON_INTERNAL, strerror(-r));
		return;
	}
	conduct_move(job, JOB_EVENT_PERMITTED);
	conduct_enter_phase(job, PHASE_COMPARE);
	conduct_set_deadline(job, WRITE_SILENCE_USEC);
	story_job_writing(job, judgement->image->byte_count);
	conduct_changed(job);
}

/* What the board showed, and what else is known of it. */
static void identify(struct job *job, const struct board_facts *facts)
{
	const struct conduct *conduct = job->conduct;
	struct intent intent;
	struct own_write write;
	struct passport_claim claim;
	struct identity_clues clues = {
		.sighting = sightings_before(conduct->sightings, job->device),
	};
	if (ledger_intent(conduct->ledger, job->device->place, &intent)) {
		write = ledger_own_write(&intent);
		clues.own_write = &write;
	}
	if (ledger_passport(conduct->ledger, job->device, &claim))
		clues.passport = &claim;
	job->facts = *facts;
	job->facts.chip_origin = CHIP_ORIGIN_UNSAID;
	job->has_facts = true;
	identity_complete(&job->facts, job->device, &clues);
	job->has_open_write = ledger_has_open_write(conduct->ledger, job->device, &job->facts);
}

/* Write, or have an application make way for its boot loader. */
static bool would_act(const struct judgement *judgement)
{
	return judgement->verdict == VERDICT_FLASH && judgement->reasons.count == 0 &&
	       (!judgement->is_running || judgement->is_again);
}

/* What is about to be done to the board: may it be, as far as printers are concerned? A board that
 * runs its application and is tied to no printer may be a part of any. */
static int ask_printer(struct job *job, struct judgement *judgement)
{
	enum conduct_scope scope =
		mode_is_application(job->device->mode) ? SCOPE_ANY_PRINTER : SCOPE_OWN_PRINTER;
	return would_act(judgement)
		       ? conduct_ask_printer(job, judgement->rule, scope, &judgement->reasons)
		       : 0;
}

void conduct_decide(struct job *job)
{
	_cleanup_(judgement_done) struct judgement judgement = { 0 };
	int r = conduct_judge(job->conduct, job->device, &job->facts, &judgement);
	if (r >= 0 && !job->board_left)
		r = ask_printer(job, &judgement);
	if (r == CONDUCT_ASKS)
		return;
	if (r >= 0)
		r = adopt_judgement(job, &judgement);
	if (r < 0)
		conduct_stop(job, OUTCOME_FAILED, REASON_INTERNAL, "out of memory");
	else if (job->board_left)
		conduct_stop(job, OUTCOME_INTERRUPTED, REASON_BOARD_LEFT,
			"the board left before anything was written; plug it again");
	else if (judgement.verdict != VERDICT_FLASH || judgement.reasons.count > 0)
		refuse(job, &judgement);
	else if (judgement.is_running && !judgement.is_again)
		conduct_finish_running(job, &judgement);
	else if (mode_is_application(job->device->mode))
		conduct_call(job, &judgement);
	else
		permit(job, &judgement);
}

static void on_evidence(struct job *job, const struct board_facts *facts)
{
	identify(job, facts);
	conduct_decide(job);
}

/* The application has shown itself, or something else has. */
void conduct_judge_successor(struct job *job)
{
	const struct device *found = job->successor;
	if (job->is_called) {
		conduct_judge_loader(job);
		return;
	}
	job->application_usec = clock_usec(CLOCK_MONOTONIC) - job->phase_began_usec;
	if (found->mode == job->device->mode) {
		conduct_finish(job, OUTCOME_FAILED, REASON_NO_APPLICATION,
			found->mode == MODE_DFU
				? "written and verified, but the board came back in DFU: take all "
				  "power from it once (some chips look at their flash only then); "
				  "if that does not help, is BOOT0 held or jumpered, or the image "
				  "meant for another board?"
				: "written and verified, but the board came back in its boot mode; "
				  "is its boot button held, or the image meant for another board?");
		return;
	}
	bool is_expected_id = job->expectation == EXPECT_ID && found->vid == job->expected_vid &&
			      found->pid == job->expected_pid;
	if (!mode_is_application(found->mode) && !is_expected_id) {
		conduct_finish(job, OUTCOME_FAILED, REASON_NO_APPLICATION,
			"written and verified, but another boot loader took the place before an "
			"application showed itself; plug the written board again to see it start");
		return;
	}
	job->application = text_format("%04x:%04x", found->vid, found->pid);
	if (job->expectation == EXPECT_ID && !is_expected_id) {
		_cleanup_(freep) char *sentence = text_format(
			"written and verified, but %04x:%04x came up where the rule expects "
			"%04x:%04x; is it the right image?",
			found->vid, found->pid, job->expected_vid, job->expected_pid);
		conduct_finish(job, OUTCOME_FAILED, REASON_WRONG_APPLICATION,
			sentence ? sentence : "wrong application");
		return;
	}
	_cleanup_(freep) char *title = device_describe(found);
	_cleanup_(freep) char *sentence = text_format("%s; %s came up",
		job->sentence ? job->sentence : "", title ? title : "its application");
	conduct_finish(job, job->outcome, REASON_NONE, sentence ? sentence : "done");
}

/* The history says when nobody has seen it start. */
static void finish_unseen(struct job *job, const struct wire_outcome *outcome)
{
	_cleanup_(freep) char *sentence =
		text_format("%s; whether it runs was not looked at%s", outcome->sentence,
			device_is_line(job->device)   ? ": a line does not show it"
			: device_is_node(job->device) ? ": a node is asked only where a rule says "
							"enter_bootloader = true"
						      : ", as the rule says");
	conduct_finish(job, outcome->outcome, REASON_NONE,
		outcome->restarted && sentence ? sentence : outcome->sentence);
}

/* Nothing shows that a node starts, but it can be asked: another job does, in Klipper's language,
 * if the policy lets it. */
static void finish_asked_next(struct job *job, const struct wire_outcome *outcome)
{
	_cleanup_(judgement_done) struct judgement judgement = { 0 };
	_cleanup_(device_freep) struct device *running = device_in_mode(job->device, MODE_KLIPPER);
	if (!running || conduct_judge(job->conduct, running, NULL, &judgement) < 0 ||
		judgement.verdict != VERDICT_PROBE) {
		finish_unseen(job, outcome);
		return;
	}
	_cleanup_(freep) char *sentence =
		text_format("%s; the job behind this one asks what runs now", outcome->sentence);
	job->successor = TAKE_PTR(running);
	conduct_finish(job, outcome->outcome, REASON_NONE, sentence ? sentence : "done");
}

static void on_good_outcome(struct job *job, const struct wire_outcome *outcome)
{
	if (device_is_node(job->device) && outcome->restarted && job->expectation != EXPECT_NONE) {
		finish_asked_next(job, outcome);
		return;
	}
	if (job->expectation == EXPECT_NONE || device_is_standing(job->device)) {
		finish_unseen(job, outcome);
		return;
	}
	if (!outcome->restarted) {
		conduct_finish(job, OUTCOME_FAILED, REASON_NO_APPLICATION, outcome->sentence);
		return;
	}
	job->outcome = outcome->outcome;
	job->sentence = strdup(outcome->sentence);
	job->worker = worker_close(job->worker);
	conduct_move(job, JOB_EVENT_EXPECTING);
	conduct_set_deadline(job, APPLICATION_USEC);
	conduct_changed(job);
	conduct_start_waiting_jobs(job->conduct);
	if (job->successor)
		conduct_judge_successor(job);
}

static bool is_failure(enum job_outcome outcome)
{
	return !outcome_is_good(outcome) && outcome != OUTCOME_ENTERED;
}

static void on_outcome(struct job *job, const struct wire_outcome *outcome)
{
	job->tally = outcome->tally;
	job->verification = outcome->verification;
	job->is_restarted = outcome->restarted;
	conduct_enter_phase(job, job->phase);
	if (job->state == JOB_STOPPING)
		conduct_finish_stopped(job);
	else if (device_is_standing(job->device) && job->device->mode == MODE_KATAPULT &&
		 job->state == JOB_PROBING && outcome->reason == REASON_RUNS_APPLICATION)
		conduct_change_language(job, outcome->sentence);
	else if (is_failure(outcome->outcome))
		conduct_finish(job, outcome->outcome, outcome->reason, outcome->sentence);
	else if (job->state == JOB_ENTERING && outcome->outcome == OUTCOME_ENTERED)
		conduct_await_loader(job);
	else if (job->state == JOB_WRITING && outcome->outcome != OUTCOME_ENTERED)
		on_good_outcome(job, outcome);
	else
		conduct_finish(job, OUTCOME_FAILED, REASON_WIRE_VIOLATION,
			"the worker claims to have done what it was not permitted; do not trust this "
			"board, and report this");
}

static void on_progress(struct job *job, const struct wire_progress *progress)
{
	uint64_t now_usec = clock_usec(CLOCK_MONOTONIC);
	bool is_further = progress->phase > job->furthest_phase;
	if (progress->phase != job->phase)
		conduct_enter_phase(job, progress->phase);
	job->done_bytes = progress->done_bytes;
	job->total_bytes = progress->total_bytes;
	if (job->state == JOB_WRITING && !job->board_left &&
		now_usec - job->permitted_usec < WRITE_LIMIT_USEC)
		conduct_set_deadline(job, WRITE_SILENCE_USEC);
	if (!is_further && now_usec - job->progress_told_usec < PROGRESS_USEC)
		return;
	job->progress_told_usec = now_usec;
	if (is_further)
		job->furthest_phase = progress->phase;
	conduct_changed(job);
}

/* Once, before the first erase. */
static void on_plan(struct job *job, const struct job_plan *plan)
{
	job->has_plan = true;
	job->plan = *plan;
	if (!job->board_left)
		conduct_set_deadline(job, WRITE_SILENCE_USEC);
	story_job_plan(job);
	conduct_changed(job);
}

/* The mind keeps firmware; of a dictionary it needs no more than the evidence says. */
static void on_keep(struct job *job, const struct wire_keep *piece)
{
	uint64_t looked_usec = clock_usec(CLOCK_MONOTONIC) - job->phase_began_usec;
	if (!job->board_left && looked_usec < PROBE_LIMIT_USEC)
		conduct_set_deadline(job, CONDUCT_PROBE_SILENCE_USEC);
	int r = piece->kind == KEEP_FIRMWARE ? kept_add(&job->firmware, piece) : 0;
	if (r == -ENOMEM)
		conduct_stop(job, OUTCOME_FAILED, REASON_INTERNAL, "out of memory");
	else if (r < 0)
		conduct_finish(job, OUTCOME_FAILED, REASON_WIRE_VIOLATION,
			"the worker handed over the board's firmware in disorder, and was hung up "
			"on; report this");
}

void conduct_on_message(void *context, const struct wire_message *message)
{
	struct job *job = context;
	if (message->type == WIRE_OUTCOME)
		on_outcome(job, &message->outcome);
	else if (message->type == WIRE_PROGRESS)
		on_progress(job, &message->progress);
	else if (message->type == WIRE_PLAN && job->state == JOB_WRITING && !job->has_plan)
		on_plan(job, &message->plan);
	else if (message->type == WIRE_KEEP && job->state == JOB_PROBING && !job->has_facts)
		on_keep(job, &message->keep);
	else if (message->type == WIRE_EVIDENCE && job->state == JOB_PROBING && !job->has_facts)
		on_evidence(job, &message->evidence);
	else if (job->state != JOB_STOPPING)
		conduct_finish(job, OUTCOME_FAILED, REASON_WIRE_VIOLATION,
			"the worker spoke out of turn and was hung up on; report this");
}

void conduct_on_worker_end(void *context, int error)
{
	struct job *job = context;
	if (job->state == JOB_STOPPING)
		conduct_finish_stopped(job);
	else if (error == -EBADMSG)
		conduct_finish(job, OUTCOME_FAILED, REASON_WIRE_VIOLATION,
			"the worker spoke garbage and was hung up on; report this");
	else if (job->board_left)
		conduct_finish(job, OUTCOME_INTERRUPTED, REASON_BOARD_LEFT,
			"the board left; plug it again");
	else
		conduct_finish(job,
			job->state == JOB_WRITING ? OUTCOME_INTERRUPTED : OUTCOME_FAILED,
			REASON_WORKER_LOST,
			"the worker ended without an outcome (its own journal may say why); a board "
			"that was being written and is still there is tried again");
}
