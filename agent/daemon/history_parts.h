/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the files of the history share: see history.h, which is all that others need.
 */
#include "daemon/database.h"

struct history {
	struct database *database;
	uint64_t last_job_id;
};

/* Every statement is prepared once, when the file is opened; this also proves that the tables have
 * the columns. Their texts stand in history_statements.c. */
enum history_statement {
	STORE_JOB,
	FIND_UNFINISHED,
	CLOSE_UNFINISHED,
	COUNT_FLASHED,
	WAS_CALLED,
	FIND_PLACE,
	STORE_PLACE,
	FIND_QUARANTINED,
	FIND_INTENT,
	STORE_INTENT,
	DROP_INTENT,
	LAST_JOB,
	RAISE_LAST_JOB,
	FIRST_JOB_SINCE,
	QUERY_ALL,
	QUERY_PLACE,
	QUERY_BOARD,
	QUERY_FAILED,
	QUERY_FAILED_PLACE,
	QUERY_FAILED_BOARD,
	KEPT_JOB,
	COUNT_JOBS,
	RETIRE_OLD,
	RETIRE_MANY,
	FIND_BOARD,
	STORE_BOARD,
	RENAME_BOARD,
	DROP_BOARD,
	WORST_BOARD,
	LIST_BOARDS,
	FIND_TIE,
	STORE_TIE,
	MOVE_TIES,
	DROP_TIES,
	TRIM_TIES,
	LIST_TIES,
	FIND_DFU_TIES,
	_STATEMENT_MAX,
};

extern const char *const history_statements[_STATEMENT_MAX];
