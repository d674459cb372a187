/* SPDX-License-Identifier: MIT */
/* What the history says to its file; see history_parts.h. */
#include "daemon/history_parts.h"

#define JOB_COLUMNS                                                                                 \
	"job, place, port, mode, vid_pid, serial, chip, rom_revision, flash_size_bytes, "           \
	"flash_content, unique_id, board, decision, rule, image, image_sha256, image_version, "     \
	"resumes, units_total, units_identical, units_erased, bytes_read, bytes_written, "          \
	"recoveries, probe_usec, compare_usec, write_usec, finish_usec, application_usec, verify, " \
	"outcome, reason, sentence, application, began_realtime_usec, ended_realtime_usec, "        \
	"duration_usec"

/* A place is found by its index even where the planner believes otherwise: it has no statistics. */
#define JOBS(index) "SELECT " JOB_COLUMNS " FROM jobs INDEXED BY " index " WHERE "
#define FAILED      "outcome IN ('refused', 'failed', 'interrupted')"
#define IN_RANGE    " AND job < ?1 AND job >= ?2 AND +began_realtime_usec >= ?3"
#define IF_FAILED   " AND (NOT ?4 OR " FAILED ")"
#define NEWEST      " ORDER BY job DESC LIMIT ?5"
#define IF_PLACE    " AND (?6 IS NULL OR place = ?6)"

const char *const history_statements[_STATEMENT_MAX] = {
	[STORE_JOB] = "REPLACE INTO jobs (" JOB_COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
		      "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
		      "?, ?)",
	[FIND_UNFINISHED] = "SELECT job, place FROM jobs INDEXED BY jobs_unfinished "
			    "WHERE outcome IS NULL ORDER BY job",
	[CLOSE_UNFINISHED] = "UPDATE jobs SET outcome = ?, reason = ?, sentence = ? "
			     "WHERE outcome IS NULL",
	[COUNT_FLASHED] = "SELECT count(*) FROM jobs INDEXED BY jobs_flashed "
			  "WHERE outcome = 'flashed' AND rule = ? AND began_realtime_usec >= ?",
	[FIND_PLACE] = "SELECT image_sha256, attempts, returns, quarantined_realtime_usec, why "
		       "FROM places WHERE place = ?",
	[STORE_PLACE] = "REPLACE INTO places (place, image_sha256, attempts, returns, "
			"quarantined_realtime_usec, why) VALUES (?, ?, ?, ?, ?, ?)",
	[FIND_QUARANTINED] = "SELECT image_sha256, attempts, returns, quarantined_realtime_usec, "
			     "why, place FROM places WHERE quarantined_realtime_usec <> 0 "
			     "ORDER BY place",
	[FIND_INTENT] = "SELECT job, image_sha256, chip, rom_revision, flash_size_bytes, "
			"flash_content, unique_id, is_partitioned FROM intents WHERE place = ?",
	[STORE_INTENT] = "REPLACE INTO intents (place, job, image_sha256, chip, rom_revision, "
			 "flash_size_bytes, flash_content, unique_id, is_partitioned) "
			 "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
	[DROP_INTENT] = "DELETE FROM intents WHERE place = ?",
	[LAST_JOB] = "SELECT max((SELECT coalesce(max(job), 0) FROM jobs), "
		     "(SELECT coalesce(max(last_job), 0) FROM numbers))",
	[RAISE_LAST_JOB] = "UPDATE numbers SET last_job = ?1 WHERE last_job < ?1",
	[FIRST_JOB_SINCE] = "SELECT coalesce(min(job), 9223372036854775807) "
			    "FROM jobs INDEXED BY jobs_by_begin WHERE began_realtime_usec >= ?",
	[QUERY_ALL] = "SELECT " JOB_COLUMNS " FROM jobs NOT INDEXED WHERE true" IN_RANGE NEWEST,
	[QUERY_FAILED] = JOBS("jobs_failed") FAILED IN_RANGE NEWEST,
	[QUERY_PLACE] = JOBS("jobs_by_place") "place = ?6" IN_RANGE IF_FAILED NEWEST,
	[QUERY_BOARD] =
		JOBS("jobs_by_board") "board = ?7" IN_RANGE IF_FAILED IF_PLACE " UNION ALL " JOBS(
			"jobs_by_unique_id") "unique_id = upper(?7) AND board IS NOT ?7" IN_RANGE
			IF_FAILED IF_PLACE NEWEST,
	[KEPT_JOB] = "SELECT job FROM jobs ORDER BY job DESC LIMIT 1 OFFSET ?",
	[COUNT_JOBS] = "SELECT count(*) FROM jobs",
	[RETIRE_OLD] = "DELETE FROM jobs WHERE job IN (SELECT job FROM jobs INDEXED BY "
		       "jobs_by_begin WHERE began_realtime_usec < ? AND job < ? LIMIT ?)",
	[RETIRE_MANY] = "DELETE FROM jobs WHERE job IN "
			"(SELECT job FROM jobs WHERE job < ? ORDER BY job LIMIT ?)",
};
