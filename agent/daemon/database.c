/* SPDX-License-Identifier: MIT */
/* One sqlite file; see database.h. */
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "daemon/database.h"

/* Pages kept in memory between two jobs, in KiB; a resident service has better uses for more. */
#define CACHE_KIB "512"

struct database {
	sqlite3 *connection;
	sqlite3_stmt **statements;
	size_t statement_count;
};

/* ---- results ----------------------------------------------------------------------------- */

static int error_of_code(int code)
{
	static const struct {
		int code;
		int error;
	} errors[] = {
		{ SQLITE_FULL, ENOSPC },
		{ SQLITE_READONLY, EROFS },
		{ SQLITE_BUSY, EBUSY },
		{ SQLITE_LOCKED, EBUSY },
		{ SQLITE_NOMEM, ENOMEM },
		{ SQLITE_CORRUPT, EUCLEAN },
		{ SQLITE_NOTADB, EUCLEAN },
		{ SQLITE_FORMAT, EUCLEAN },
		/* Statements that were tried with a sound file do not fit this one. */
		{ SQLITE_ERROR, EUCLEAN },
		{ SQLITE_SCHEMA, EUCLEAN },
		{ SQLITE_MISMATCH, EUCLEAN },
		{ SQLITE_PERM, EACCES },
		{ SQLITE_AUTH, EACCES },
		{ SQLITE_TOOBIG, E2BIG },
		{ SQLITE_INTERRUPT, EINTR },
		{ SQLITE_CONSTRAINT, EINVAL },
		{ SQLITE_RANGE, EINVAL },
		{ SQLITE_MISUSE, EINVAL },
		{ SQLITE_NOLFS, EFBIG },
	};
	if (code == SQLITE_IOERR_NOMEM)
		return -ENOMEM;
	for (size_t i = 0; i < ELEMENTSOF(errors); i++)
		if (errors[i].code == (code & 0xff))
			return -errors[i].error;
	return -EIO;
}

/* What cannot be opened has a reason that the kernel gave. Of other failures sqlite remembers it
 * too seldom: an older one's may be there still. */
static int error_of(const struct database *database, int result)
{
	int code = result & 0xff;
	if (code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE)
		return 0;
	if (code != SQLITE_CANTOPEN)
		return error_of_code(result);
	int error = sqlite3_system_errno(database->connection);
	return error > 0 && error != EUCLEAN ? -error : -EIO;
}

/* ---- opening ----------------------------------------------------------------------------- */

/* A file may say less than a program: no triggers, no views, no functions from within a schema. */
static void restrict_schema(sqlite3 *connection)
{
	static const struct {
		int option;
		int on;
	} options[] = {
		{ SQLITE_DBCONFIG_DEFENSIVE, 1 },
		{ SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0 },
		{ SQLITE_DBCONFIG_ENABLE_TRIGGER, 0 },
		{ SQLITE_DBCONFIG_ENABLE_VIEW, 0 },
		{ SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1 },
	};
	for (size_t i = 0; i < ELEMENTSOF(options); i++)
		sqlite3_db_config(connection, options[i].option, options[i].on, NULL);
}

/*
 * Exclusive before the first access: the index of the write-ahead log then lives on the heap. As a
 * mapped file it would turn a full disk into SIGBUS. For the same reason no page is mapped.
 */
static int set_up(struct database *database)
{
	return database_run(database, "PRAGMA locking_mode = EXCLUSIVE;"
				      "PRAGMA synchronous = FULL;"
				      "PRAGMA mmap_size = 0;"
				      "PRAGMA temp_store = MEMORY;"
				      "PRAGMA cell_size_check = ON;"
				      "PRAGMA cache_size = -" CACHE_KIB ";");
}

int database_open(const char *path, struct database **ret)
{
	_cleanup_(database_closep) struct database *database = calloc(1, sizeof(*database));
	if (!database)
		return -ENOMEM;
	int result = sqlite3_open_v2(path, &database->connection,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW |
			SQLITE_OPEN_EXRESCODE,
		NULL);
	if (!database->connection)
		return -ENOMEM;
	if (result != SQLITE_OK)
		return error_of(database, result);
	/* sqlite takes a file that it may only read for one that it should only read. */
	if (sqlite3_db_readonly(database->connection, "main"))
		return access(path, W_OK) < 0 ? -errno : -EROFS;
	restrict_schema(database->connection);
	int r = set_up(database);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(database);
	return 0;
}

struct database *database_close(struct database *database)
{
	if (!database)
		return NULL;
	for (size_t i = 0; i < database->statement_count; i++)
		sqlite3_finalize(database->statements[i]);
	sqlite3_close(database->connection);
	free(database->statements);
	free(database);
	return NULL;
}

int database_keep(struct database *database)
{
	/* A header that says "only to be read" is not written by us. */
	if (sqlite3_db_readonly(database->connection, "main"))
		return -EUCLEAN;
	int r = database_run(
		database, "PRAGMA journal_mode = WAL; PRAGMA journal_size_limit = 1048576;");
	if (r >= 0)
		sqlite3_db_config(database->connection, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
	return r;
}

static void finalizep(sqlite3_stmt **statement)
{
	sqlite3_finalize(*statement);
}

/* A page that could not be read is told like a damaged one, but for a number at its end. */
static int error_of_complaint(const char *complaint)
{
	static const char mark[] = "error code=";
	const char *found = strstr(complaint, mark);
	return found ? error_of_code(atoi(found + strlen(mark))) : -EUCLEAN;
}

/*
 * Every page and every row, but not whether each row is in each index: that would take ten times as
 * long (with a million jobs 13 seconds instead of one), and an index only finds what it is asked
 * for.
 */
int database_check(struct database *database)
{
	_cleanup_(finalizep) sqlite3_stmt *statement = NULL;
	int result = sqlite3_prepare_v2(
		database->connection, "PRAGMA quick_check(1)", -1, &statement, NULL);
	if (result == SQLITE_OK)
		result = sqlite3_step(statement);
	if (result != SQLITE_ROW)
		return result == SQLITE_DONE ? -EUCLEAN : error_of(database, result);
	const char *verdict = (const char *)sqlite3_column_text(statement, 0);
	if (!verdict)
		return -ENOMEM;
	return text_equal(verdict, "ok") ? 0 : error_of_complaint(verdict);
}

int database_run(struct database *database, const char *sql)
{
	return error_of(database, sqlite3_exec(database->connection, sql, NULL, NULL, NULL));
}

int database_number(struct database *database, const char *sql, int64_t *ret)
{
	_cleanup_(finalizep) sqlite3_stmt *statement = NULL;
	int result = sqlite3_prepare_v2(database->connection, sql, -1, &statement, NULL);
	if (result == SQLITE_OK)
		result = sqlite3_step(statement);
	if (result == SQLITE_DONE)
		return -EUCLEAN;
	if (result == SQLITE_ROW)
		*ret = sqlite3_column_int64(statement, 0);
	return error_of(database, result);
}

int database_prepare(struct database *database, const char *const *sql, size_t count)
{
	database->statements = calloc(count, sizeof(*database->statements));
	if (!database->statements)
		return -ENOMEM;
	database->statement_count = count;
	for (size_t i = 0; i < count; i++) {
		int result = sqlite3_prepare_v3(database->connection, sql[i], -1,
			SQLITE_PREPARE_PERSISTENT, &database->statements[i], NULL);
		if (result != SQLITE_OK)
			return error_of(database, result);
	}
	return 0;
}

/* ---- transactions -------------------------------------------------------------------------- */

int database_begin(struct database *database)
{
	return database_run(database, "BEGIN IMMEDIATE");
}

int database_commit(struct database *database)
{
	return database_run(database, "COMMIT");
}

void database_roll_back(struct database *database)
{
	if (!sqlite3_get_autocommit(database->connection))
		(void)sqlite3_exec(database->connection, "ROLLBACK", NULL, NULL, NULL);
}

/* ---- statements ---------------------------------------------------------------------------- */

struct query query_of(struct database *database, size_t statement)
{
	return (struct query){ .database = database, .statement = database->statements[statement] };
}

/* A statement that is left open would keep its transaction open, and its texts may go away. */
void query_done(struct query *query)
{
	sqlite3_reset(query->statement);
	sqlite3_clear_bindings(query->statement);
}

static void keep_result(struct query *query, int result)
{
	if (query->result == SQLITE_OK)
		query->result = result;
}

void query_text(struct query *query, const char *text)
{
	keep_result(query,
		sqlite3_bind_text(query->statement, ++query->bound, text, -1, SQLITE_STATIC));
}

void query_number(struct query *query, uint64_t number)
{
	keep_result(
		query, sqlite3_bind_int64(query->statement, ++query->bound, (sqlite3_int64)number));
}

void query_known_number(struct query *query, bool is_known, uint64_t number)
{
	if (is_known)
		query_number(query, number);
	else
		keep_result(query, sqlite3_bind_null(query->statement, ++query->bound));
}

int query_step(struct query *query)
{
	if (query->result != SQLITE_OK)
		return error_of(query->database, query->result);
	int result = sqlite3_step(query->statement);
	return result == SQLITE_ROW ? QUERY_ROW : error_of(query->database, result);
}

int query_run(struct query *query)
{
	int r;
	while ((r = query_step(query)) == QUERY_ROW)
		continue;
	return r;
}

uint64_t query_changes(const struct query *query)
{
	return (uint64_t)sqlite3_changes64(query->database->connection);
}

uint64_t query_column_number(const struct query *query, int column)
{
	return (uint64_t)sqlite3_column_int64(query->statement, column);
}

const char *query_column_text(const struct query *query, int column)
{
	const char *text = (const char *)sqlite3_column_text(query->statement, column);
	return text ? text : "";
}
