/* SPDX-License-Identifier: MIT */
/* The history's tables and their migrations; see history_schema.h. */
#include <errno.h>
#include <inttypes.h>

#include "base/text.h"
#include "daemon/history_schema.h"

/* "plug": says that the file is ours. */
#define APPLICATION_ID 0x706c7567

/* No release gets this far: a larger version is damage and not the future. */
#define VERSION_BELIEVED 1000

#define FAILED "outcome IN ('refused', 'failed', 'interrupted')"

/*
 * A step that was released is never changed again; columns are added at the end of a table, where
 * history.c writes them.
 *
 * An index ends with the job's number, unsaid: what it finds comes in the order of jobs. The
 * partial ones hold only the rows that somebody asks for.
 */
static const char *const steps[] = {
	"CREATE TABLE jobs ("
	"  job INTEGER PRIMARY KEY,"
	"  place TEXT NOT NULL,"
	"  port TEXT,"
	"  mode TEXT,"
	"  vid_pid TEXT,"
	"  serial TEXT,"
	"  chip TEXT,"
	"  rom_revision INTEGER,"
	"  flash_size_bytes INTEGER,"
	"  flash_content TEXT,"
	"  unique_id TEXT,"
	"  board TEXT,"
	"  decision TEXT,"
	"  rule TEXT,"
	"  image TEXT,"
	"  image_sha256 TEXT,"
	"  image_version TEXT,"
	"  resumes INTEGER,"
	"  units_total INTEGER,"
	"  units_identical INTEGER,"
	"  units_erased INTEGER,"
	"  bytes_read INTEGER,"
	"  bytes_written INTEGER,"
	"  recoveries INTEGER,"
	"  probe_usec INTEGER,"
	"  compare_usec INTEGER,"
	"  write_usec INTEGER,"
	"  finish_usec INTEGER,"
	"  application_usec INTEGER,"
	"  verify TEXT,"
	"  outcome TEXT," /* NULL: it has not ended */
	"  reason TEXT,"
	"  sentence TEXT,"
	"  application TEXT,"
	"  began_realtime_usec INTEGER NOT NULL,"
	"  ended_realtime_usec INTEGER,"
	"  duration_usec INTEGER"
	") STRICT;"
	"CREATE INDEX jobs_by_place ON jobs (place);"
	"CREATE INDEX jobs_by_board ON jobs (board) WHERE board IS NOT NULL;"
	"CREATE INDEX jobs_by_unique_id ON jobs (unique_id) WHERE unique_id IS NOT NULL;"
	"CREATE INDEX jobs_by_begin ON jobs (began_realtime_usec);"
	"CREATE INDEX jobs_flashed ON jobs (rule, began_realtime_usec) WHERE outcome = 'flashed';"
	"CREATE INDEX jobs_failed ON jobs (job) WHERE " FAILED ";"
	"CREATE INDEX jobs_failed_by_place ON jobs (place) WHERE " FAILED ";"
	"CREATE INDEX jobs_failed_by_board ON jobs (board) WHERE board IS NOT NULL AND " FAILED ";"
	"CREATE INDEX jobs_failed_by_unique_id ON jobs (unique_id)"
	"  WHERE unique_id IS NOT NULL AND " FAILED ";"
	"CREATE INDEX jobs_unfinished ON jobs (job) WHERE outcome IS NULL;"
	/* Jobs of before this file, whose numbers must not come again. */
	"CREATE TABLE numbers (last_job INTEGER NOT NULL) STRICT;"
	"INSERT INTO numbers VALUES (0);"
	"CREATE TABLE intents ("
	"  place TEXT NOT NULL PRIMARY KEY,"
	"  job INTEGER NOT NULL,"
	"  image_sha256 TEXT NOT NULL,"
	"  chip TEXT,"
	"  rom_revision INTEGER NOT NULL,"
	"  flash_size_bytes INTEGER NOT NULL,"
	"  flash_content TEXT NOT NULL,"
	"  unique_id TEXT NOT NULL,"
	"  is_partitioned INTEGER NOT NULL"
	") STRICT, WITHOUT ROWID;",

	"CREATE TABLE places ("
	"  place TEXT NOT NULL PRIMARY KEY,"
	"  image_sha256 TEXT,"
	"  attempts INTEGER NOT NULL,"
	"  returns INTEGER NOT NULL,"
	"  quarantined_realtime_usec INTEGER NOT NULL,"
	"  why TEXT NOT NULL"
	") STRICT, WITHOUT ROWID;",

	/* A board in DFU is known again by what it showed then. Of older intents nobody knows. */
	"ALTER TABLE intents ADD COLUMN mode TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE intents ADD COLUMN boot_serial TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE intents ADD COLUMN possible_chips TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE intents ADD COLUMN stored_realtime_usec INTEGER NOT NULL DEFAULT 0;",

	/* How an id was learnt; of older intents nobody knows, and the weakest is taken. The book
	 * of boards: one that no policy names, and that was never written, is forgotten first. */
	"ALTER TABLE intents ADD COLUMN id_origin TEXT NOT NULL DEFAULT '';"
	"CREATE TABLE boards ("
	"  board INTEGER PRIMARY KEY,"
	"  id TEXT NOT NULL UNIQUE,"
	"  chip TEXT,"
	"  place TEXT NOT NULL,"
	"  is_named INTEGER NOT NULL,"
	"  is_written INTEGER NOT NULL,"
	"  first_realtime_usec INTEGER NOT NULL,"
	"  last_realtime_usec INTEGER NOT NULL"
	") STRICT;"
	"CREATE INDEX boards_by_worth ON boards (is_named, is_written, last_realtime_usec);"
	"CREATE TABLE ties ("
	"  board INTEGER NOT NULL,"
	"  kind TEXT NOT NULL,"
	"  value TEXT NOT NULL,"
	"  learnt TEXT NOT NULL,"
	"  first_realtime_usec INTEGER NOT NULL,"
	"  last_realtime_usec INTEGER NOT NULL,"
	"  count INTEGER NOT NULL,"
	"  PRIMARY KEY (board, kind, value)"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX ties_by_value ON ties (value, kind);",
};

#define VERSION_NEWEST ((int64_t)ELEMENTSOF(steps))

int history_schema_check(struct database *database)
{
	int64_t version, application, tables;
	int r = database_number(database, "PRAGMA user_version", &version);
	if (r >= 0)
		r = database_number(database, "PRAGMA application_id", &application);
	if (r >= 0)
		r = database_number(database, "SELECT count(*) FROM sqlite_schema", &tables);
	if (r < 0)
		return r;
	if (version == 0 && application == 0 && tables == 0)
		return HISTORY_SCHEMA_NEW;
	if (application != APPLICATION_ID || version < 1 || version >= VERSION_BELIEVED)
		return -EUCLEAN;
	return version > VERSION_NEWEST ? -EPROTONOSUPPORT : database_check(database);
}

static int migrate_once(struct database *database, int64_t version)
{
	_cleanup_(freep) char *sql =
		text_format("%s; PRAGMA application_id = %d; PRAGMA user_version = %" PRId64 ";",
			steps[version], APPLICATION_ID, version + 1);
	if (!sql)
		return -ENOMEM;
	_cleanup_(roll_backp) struct database *unfinished = database;
	int r = database_begin(database);
	if (r >= 0)
		r = database_run(database, sql);
	return r < 0 ? r : database_commit(unfinished);
}

int history_schema_migrate(struct database *database)
{
	int64_t version;
	int r = database_number(database, "PRAGMA user_version", &version);
	for (; r >= 0 && version < VERSION_NEWEST; version++)
		r = migrate_once(database, version);
	return r;
}
