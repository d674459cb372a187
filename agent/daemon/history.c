/* SPDX-License-Identifier: MIT */
/* What is written into the history, and the intents and places that are read back; see history.h.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "daemon/history.h"
#include "daemon/history_parts.h"

uint64_t history_next_id(struct history *history)
{
	return ++history->last_job_id;
}

/* ---- a job as a row ---------------------------------------------------------------------- */
/* In the order of the columns (history_statements.c). What is not known is NULL. */

static void put_device(struct query *query, const struct device *device)
{
	query_text(query, device->place);
	query_text(query, device->port && *device->port ? device->port : NULL);
	query_text(query, mode_name(device->mode));
}

static void put_facts(struct query *query, const struct board_facts *facts)
{
	query_text(query, facts->chip != CHIP_UNKNOWN ? chip_name(facts->chip) : NULL);
	query_known_number(query, facts->rom_revision != 0, facts->rom_revision);
	query_known_number(query, facts->flash_size_bytes != 0, facts->flash_size_bytes);
	query_text(query, facts->content != CONTENT_UNKNOWN ? content_name(facts->content) : NULL);
	query_text(query, *facts->unique_id ? facts->unique_id : NULL);
}

static const char *decision_of(const struct job *job)
{
	if (job->permitted_usec != 0)
		return "write";
	return job->state == JOB_DONE && job->outcome == OUTCOME_REFUSED ? "refuse" : NULL;
}

static void put_permission(struct query *query, const struct job *job, const char *digest)
{
	query_text(query, job->board);
	query_text(query, decision_of(job));
	query_text(query, job->rule);
	query_text(query, job->image_path);
	query_text(query, job->has_image ? digest : NULL);
	query_text(query, NULL); /* image_version: no format that we read says it */
	query_known_number(query, job->resumes != 0, job->resumes);
}

/* The hands tell of it with their last word: all of it, or nothing. */
static void put_tally(struct query *query, const struct job_tally *tally)
{
	bool is_known = tally->units_total || tally->bytes_read || tally->bytes_written ||
			tally->recoveries;
	query_known_number(query, is_known, tally->units_total);
	query_known_number(query, is_known, tally->units_identical);
	query_known_number(query, is_known, tally->units_erased);
	query_known_number(query, is_known, tally->bytes_read);
	query_known_number(query, is_known, tally->bytes_written);
	query_known_number(query, is_known, tally->recoveries);
}

static void put_durations(struct query *query, const struct job *job)
{
	for (int phase = 0; phase < _PHASE_MAX; phase++)
		query_known_number(query, job->phase_usec[phase] != 0, job->phase_usec[phase]);
	query_known_number(query, job->application_usec != 0, job->application_usec);
}

/* A job that awaits its application has an outcome in mind, and has not ended. */
static void put_end(struct query *query, const struct job *job)
{
	bool has_ended = job->state == JOB_DONE && job->outcome != OUTCOME_NONE;
	bool is_verified = job->permitted_usec != 0 || job->is_running;
	query_text(query, has_ended && is_verified ? verification_name(job->verification) : NULL);
	query_text(query, has_ended ? outcome_name(job->outcome) : NULL);
	query_text(
		query, has_ended && job->reason != REASON_NONE ? reason_name(job->reason) : NULL);
	query_text(query, has_ended ? job->sentence : NULL);
	query_text(query, job->application);
	query_number(query, job->started_realtime_usec);
	query_known_number(
		query, has_ended && job->ended_realtime_usec != 0, job->ended_realtime_usec);
	query_known_number(query, has_ended && job->ended_usec >= job->started_usec,
		job->ended_usec - job->started_usec);
}

static int store_job(struct history *history, const struct job *job)
{
	static const struct board_facts nothing = { 0 };
	const struct device *device = job->device;
	char vid_pid[16], digest[DIGEST_TEXT];
	snprintf(vid_pid, sizeof(vid_pid), "%04x:%04x", device->vid, device->pid);
	text_hex(job->digest.bytes, DIGEST_BYTES, digest);

	_cleanup_(query_done) struct query query = query_of(history->database, STORE_JOB);
	query_number(&query, job->id);
	put_device(&query, device);
	query_text(&query, vid_pid);
	query_text(&query, device->serial && *device->serial ? device->serial : NULL);
	put_facts(&query, job->has_facts ? &job->facts : &nothing);
	put_permission(&query, job, digest);
	put_tally(&query, &job->tally);
	put_durations(&query, job);
	put_end(&query, job);
	return query_run(&query);
}

int history_store(struct history *history, const struct job *job)
{
	int r = store_job(history, job);
	if (r >= 0 && job->id > history->last_job_id)
		history->last_job_id = job->id;
	return r;
}

/* ---- digests and names as text ----------------------------------------------------------- */

static int hex_value(char digit)
{
	static const char digits[] = "0123456789abcdef";
	const char *found = digit ? strchr(digits, digit) : NULL;
	return found ? (int)(found - digits) : -EUCLEAN;
}

static int parse_digest(const char *text, struct digest *ret)
{
	struct digest digest;
	if (strlen(text) != DIGEST_TEXT - 1)
		return -EUCLEAN;
	for (size_t i = 0; i < DIGEST_BYTES; i++) {
		int high = hex_value(text[2 * i]), low = hex_value(text[2 * i + 1]);
		if (high < 0 || low < 0)
			return -EUCLEAN;
		digest.bytes[i] = (uint8_t)(high << 4 | low);
	}
	*ret = digest;
	return 0;
}

static int parse_chip(const char *text, enum chip *ret)
{
	int chip = *text ? chip_from_name(text) : CHIP_UNKNOWN;
	if (chip < 0)
		return -EUCLEAN;
	*ret = (enum chip)chip;
	return 0;
}

static int parse_mode(const char *text, enum board_mode *ret)
{
	int mode = *text ? mode_from_name(text) : MODE_NONE;
	if (mode < 0)
		return -EUCLEAN;
	*ret = (enum board_mode)mode;
	return 0;
}

static int parse_content(const char *text, enum flash_content *ret)
{
	for (enum flash_content content = 0; content < _CONTENT_MAX; content++)
		if (text_equal(text, content_name(content))) {
			*ret = content;
			return 0;
		}
	return -EUCLEAN;
}

static int parse_u32(uint64_t number, uint32_t *ret)
{
	if (number > UINT32_MAX)
		return -EUCLEAN;
	*ret = (uint32_t)number;
	return 0;
}

/* ---- places ------------------------------------------------------------------------------ */

static int read_place(const struct query *query, struct place_record *ret)
{
	struct place_record record = { .quarantined_usec = query_column_number(query, 3) };
	const char *digest = query_column_text(query, 0);
	record.has_digest = *digest;
	int r = record.has_digest ? parse_digest(digest, &record.digest) : 0;
	if (r >= 0)
		r = parse_u32(query_column_number(query, 1), &record.attempts);
	if (r >= 0)
		r = parse_u32(query_column_number(query, 2), &record.returns);
	text_copy_plain(record.why, sizeof(record.why), query_column_text(query, 4));
	if (r >= 0)
		*ret = record;
	return r;
}

int history_place(struct history *history, const char *place, struct place_record *ret)
{
	_cleanup_(query_done) struct query query = query_of(history->database, FIND_PLACE);
	query_text(&query, place);
	int r = query_step(&query);
	if (r == QUERY_ROW)
		return read_place(&query, ret);
	if (r == 0)
		*ret = (struct place_record){ 0 };
	return r;
}

int history_store_place(
	struct history *history, const char *place, const struct place_record *record)
{
	char digest[DIGEST_TEXT];
	text_hex(record->digest.bytes, DIGEST_BYTES, digest);
	_cleanup_(query_done) struct query query = query_of(history->database, STORE_PLACE);
	query_text(&query, place);
	query_text(&query, record->has_digest ? digest : NULL);
	query_number(&query, record->attempts);
	query_number(&query, record->returns);
	query_number(&query, record->quarantined_usec);
	query_text(&query, record->why);
	return query_run(&query);
}

int history_quarantined(struct history *history,
	int (*on_place)(void *context, const char *place, const struct place_record *record),
	void *context)
{
	_cleanup_(query_done) struct query query = query_of(history->database, FIND_QUARANTINED);
	int r;
	while ((r = query_step(&query)) == QUERY_ROW) {
		struct place_record record;
		r = read_place(&query, &record);
		if (r >= 0)
			r = on_place(context, query_column_text(&query, 5), &record);
		if (r < 0)
			return r;
	}
	return r;
}

/* ---- intents ----------------------------------------------------------------------------- */

static int store_intent(struct history *history, const struct job *job)
{
	const struct board_facts *facts = &job->facts;
	const struct device *device = job->device;
	_cleanup_(freep) char *chips = chip_set_text(facts->possible_chips);
	if (!chips)
		return -ENOMEM;
	char digest[DIGEST_TEXT];
	text_hex(job->digest.bytes, DIGEST_BYTES, digest);
	_cleanup_(query_done) struct query query = query_of(history->database, STORE_INTENT);
	query_text(&query, device->place);
	query_number(&query, job->id);
	query_text(&query, digest);
	query_text(&query, facts->chip != CHIP_UNKNOWN ? chip_name(facts->chip) : NULL);
	query_number(&query, facts->rom_revision);
	query_number(&query, facts->flash_size_bytes);
	query_text(&query, content_name(facts->content));
	query_text(&query, facts->unique_id);
	query_number(&query, facts->is_partitioned);
	query_text(&query, mode_name(device->mode));
	query_text(&query, device->serial ? device->serial : "");
	query_text(&query, chips);
	query_number(&query, clock_usec(CLOCK_REALTIME));
	query_text(&query, provenance_name(facts->id_origin));
	return query_run(&query);
}

/* An older plugflash noted no origin. */
static int parse_origin(const char *text, const char *id, enum provenance *ret)
{
	int provenance = *text ? provenance_from_name(text)
			 : *id ? PROVENANCE_SEEN
			       : PROVENANCE_NONE;
	if (provenance < 0)
		return -EUCLEAN;
	*ret = (enum provenance)provenance;
	return 0;
}

static int read_intent(const struct query *query, struct intent *ret)
{
	struct intent intent = { .job_id = query_column_number(query, 0) };
	struct board_facts *facts = &intent.facts;
	int r = parse_digest(query_column_text(query, 1), &intent.digest);
	if (r >= 0)
		r = parse_chip(query_column_text(query, 2), &facts->chip);
	if (r >= 0)
		r = parse_u32(query_column_number(query, 3), &facts->rom_revision);
	facts->flash_size_bytes = query_column_number(query, 4);
	if (r >= 0)
		r = parse_content(query_column_text(query, 5), &facts->content);
	text_copy_plain(facts->unique_id, sizeof(facts->unique_id), query_column_text(query, 6));
	facts->is_partitioned = query_column_number(query, 7) != 0;
	if (r >= 0)
		r = parse_mode(query_column_text(query, 8), &intent.mode);
	text_copy_plain(
		intent.boot_serial, sizeof(intent.boot_serial), query_column_text(query, 9));
	if (r >= 0)
		r = chip_set_from_text(query_column_text(query, 10), &facts->possible_chips);
	intent.stored_realtime_usec = query_column_number(query, 11);
	if (r >= 0)
		r = parse_origin(query_column_text(query, 12), facts->unique_id, &facts->id_origin);
	if (r < 0)
		return -EUCLEAN;
	*ret = intent;
	return HISTORY_INTENT;
}

int history_intent(struct history *history, const char *place, struct intent *ret)
{
	_cleanup_(query_done) struct query query = query_of(history->database, FIND_INTENT);
	query_text(&query, place);
	int r = query_step(&query);
	return r == QUERY_ROW ? read_intent(&query, ret) : r;
}

int history_drop_intent(struct history *history, const char *place)
{
	_cleanup_(query_done) struct query query = query_of(history->database, DROP_INTENT);
	query_text(&query, place);
	return query_run(&query);
}

int history_store_intent(
	struct history *history, const struct job *job, const struct place_record *record)
{
	_cleanup_(roll_backp) struct database *database = history->database;
	int r = database_begin(database);
	if (r >= 0)
		r = history_store(history, job);
	if (r >= 0)
		r = store_intent(history, job);
	if (r >= 0)
		r = history_store_place(history, job->device->place, record);
	return r < 0 ? r : database_commit(database);
}

int history_store_end(struct history *history, const struct job *job,
	const struct place_record *record, bool is_proved)
{
	_cleanup_(roll_backp) struct database *database = history->database;
	int r = database_begin(database);
	if (r >= 0)
		r = history_store(history, job);
	if (r >= 0)
		r = history_store_place(history, job->device->place, record);
	if (r >= 0 && is_proved)
		r = history_drop_intent(history, job->device->place);
	return r < 0 ? r : database_commit(database);
}
