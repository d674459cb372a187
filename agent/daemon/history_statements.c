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

/* The planner has no statistics: it is told which index is meant. */
#define JOBS(index) "SELECT " JOB_COLUMNS " FROM jobs INDEXED BY " index " WHERE "
#define IN_RANGE    " AND job < ?1 AND job >= ?2 AND +began_realtime_usec >= ?3"
#define NEWEST      " ORDER BY job DESC LIMIT ?4"
#define IF_PLACE    " AND (?5 IS NULL OR +place = ?5)"
#define FAILED      " AND outcome IN ('refused', 'failed', 'interrupted')"

/* A board by the policy's name for it, and by its id where that finds other jobs. */
#define BY_NAME(kind)  JOBS(kind "_by_board") "board = ?6" IF_PLACE IN_RANGE
#define OR_BY_ID(kind) UNION JOBS(kind "_by_unique_id") OTHER_ID IF_PLACE IN_RANGE
#define UNION          " UNION ALL "
#define OTHER_ID       "unique_id = upper(?6) AND board IS NOT ?6"

/* Where a search back to some time begins. With many jobs since then it is not looked for: they are
 * found from the newest backwards, too. */
#define MANY "10000"

const char *const history_statements[_STATEMENT_MAX] = {
	[STORE_JOB] = "REPLACE INTO jobs (" JOB_COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
		      "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
		      "?, ?)",
	[FIND_UNFINISHED] = "SELECT job, place FROM jobs INDEXED BY jobs_unfinished "
			    "WHERE outcome IS NULL ORDER BY job",
	[CLOSE_UNFINISHED] = "UPDATE jobs SET outcome = ?, reason = ?, sentence = ? "
			     "WHERE outcome IS NULL",
	[COUNT_FLASHED] = "SELECT count(*) FROM jobs INDEXED BY jobs_flashed "
			  "WHERE outcome = 'flashed' AND rule = ? AND "
			  "began_realtime_usec BETWEEN ? AND ?",
	/* A job on an application has a rule in here once it is about to ask for the boot loader.
	 */
	[WAS_CALLED] = "SELECT 1 FROM jobs AS called INDEXED BY jobs_by_place "
		       "WHERE place = ?1 AND +began_realtime_usec BETWEEN ?2 AND ?3 AND "
		       "mode = 'klipper' AND (outcome = 'entered' OR "
		       "reason = 'service-lost' AND rule IS NOT NULL) AND NOT EXISTS "
		       "(SELECT 1 FROM jobs INDEXED BY jobs_by_place WHERE place = ?1 AND "
		       "job > called.job AND outcome IS NOT NULL AND "
		       "coalesce(reason, '') NOT IN ('service-lost', 'cancelled')) LIMIT 1",
	[FIND_PLACE] = "SELECT image_sha256, attempts, returns, quarantined_realtime_usec, why "
		       "FROM places WHERE place = ?",
	[STORE_PLACE] = "REPLACE INTO places (place, image_sha256, attempts, returns, "
			"quarantined_realtime_usec, why) VALUES (?, ?, ?, ?, ?, ?)",
	[FIND_QUARANTINED] = "SELECT image_sha256, attempts, returns, quarantined_realtime_usec, "
			     "why, place FROM places WHERE quarantined_realtime_usec <> 0 "
			     "ORDER BY place",
	[FIND_INTENT] =
		"SELECT job, image_sha256, chip, rom_revision, flash_size_bytes, "
		"flash_content, unique_id, is_partitioned, mode, boot_serial, "
		"possible_chips, stored_realtime_usec, id_origin FROM intents WHERE place = ?",
	[STORE_INTENT] = "REPLACE INTO intents (place, job, image_sha256, chip, rom_revision, "
			 "flash_size_bytes, flash_content, unique_id, is_partitioned, mode, "
			 "boot_serial, possible_chips, stored_realtime_usec, id_origin) "
			 "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	[DROP_INTENT] = "DELETE FROM intents WHERE place = ?",
	[LAST_JOB] = "SELECT max((SELECT coalesce(max(job), 0) FROM jobs), "
		     "(SELECT coalesce(max(last_job), 0) FROM numbers))",
	[RAISE_LAST_JOB] = "UPDATE numbers SET last_job = ?1 WHERE last_job < ?1",
	[FIRST_JOB_SINCE] = "SELECT iif(count(*) < " MANY ", "
			    "coalesce(min(job), 9223372036854775807), 0) FROM "
			    "(SELECT job FROM jobs INDEXED BY jobs_by_begin "
			    "WHERE began_realtime_usec >= ? LIMIT " MANY ")",
	[QUERY_ALL] = "SELECT " JOB_COLUMNS " FROM jobs NOT INDEXED WHERE true" IN_RANGE NEWEST,
	[QUERY_PLACE] = JOBS("jobs_by_place") "place = ?5" IN_RANGE NEWEST,
	[QUERY_BOARD] = BY_NAME("jobs") OR_BY_ID("jobs") NEWEST,
	[QUERY_FAILED] = JOBS("jobs_failed") "true" FAILED IN_RANGE NEWEST,
	[QUERY_FAILED_PLACE] = JOBS("jobs_failed_by_place") "place = ?5" FAILED IN_RANGE NEWEST,
	[QUERY_FAILED_BOARD] = BY_NAME("jobs_failed") FAILED OR_BY_ID("jobs_failed") FAILED NEWEST,
	[KEPT_JOB] = "SELECT job FROM jobs ORDER BY job DESC LIMIT 1 OFFSET ?",
	[COUNT_JOBS] = "SELECT count(*) FROM jobs",
	[RETIRE_OLD] = "DELETE FROM jobs WHERE job IN (SELECT job FROM jobs INDEXED BY "
		       "jobs_by_begin WHERE began_realtime_usec < ? AND job < ? LIMIT ?)",
	[RETIRE_MANY] = "DELETE FROM jobs WHERE job IN "
			"(SELECT job FROM jobs WHERE job < ? ORDER BY job LIMIT ?)",
	[FIND_BOARD] = "SELECT board FROM boards WHERE id = ?",
	[STORE_BOARD] = "INSERT INTO boards (id, chip, place, is_named, is_written, "
			"first_realtime_usec, last_realtime_usec) "
			"VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6) ON CONFLICT (id) DO UPDATE SET "
			"chip = coalesce(excluded.chip, chip), "
			"place = iif(excluded.place = '', place, excluded.place), "
			"is_named = max(is_named, excluded.is_named), "
			"is_written = max(is_written, excluded.is_written), "
			"last_realtime_usec = excluded.last_realtime_usec",
	[RENAME_BOARD] = "UPDATE boards SET id = ?2 WHERE board = ?1",
	[DROP_BOARD] = "DELETE FROM boards WHERE board = ?",
	[WORST_BOARD] = "SELECT board FROM boards INDEXED BY boards_by_worth "
			"WHERE is_named = 0 AND board <> ?1 AND (SELECT count(*) FROM boards "
			"INDEXED BY boards_by_worth WHERE is_named = 0) > ?2 "
			"ORDER BY is_written, last_realtime_usec LIMIT 1",
	[LIST_BOARDS] = "SELECT board, id, chip, place, first_realtime_usec, last_realtime_usec "
			"FROM boards ORDER BY last_realtime_usec DESC, board DESC",
	[FIND_TIE] = "SELECT learnt FROM ties WHERE board = ? AND kind = ? AND value = ?",
	[STORE_TIE] = "INSERT INTO ties (board, kind, value, learnt, first_realtime_usec, "
		      "last_realtime_usec, count) VALUES (?1, ?2, ?3, ?4, ?5, ?5, 1) "
		      "ON CONFLICT (board, kind, value) DO UPDATE SET learnt = excluded.learnt, "
		      "last_realtime_usec = excluded.last_realtime_usec, count = count + 1",
	[MOVE_TIES] = "UPDATE OR IGNORE ties SET board = ?1 WHERE board = ?2",
	[DROP_TIES] = "DELETE FROM ties WHERE board = ?",
	[TRIM_TIES] = "DELETE FROM ties WHERE board = ?1 AND kind = ?2 AND value NOT IN "
		      "(SELECT value FROM ties WHERE board = ?1 AND kind = ?2 "
		      "ORDER BY last_realtime_usec DESC, value LIMIT ?3)",
	[LIST_TIES] = "SELECT kind, value, learnt, first_realtime_usec, last_realtime_usec, count "
		      "FROM ties WHERE board = ? ORDER BY kind, last_realtime_usec DESC, value",
	[FIND_DFU_TIES] = "SELECT id, learnt, place FROM ties INDEXED BY ties_by_value "
			  "JOIN boards USING (board) WHERE value = ? AND "
			  "kind IN ('dfu-serial', 'dfu-serial-computed')",
};
