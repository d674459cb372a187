/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a person can ask. A verb returns an exit code, or a negative errno when it could not answer;
 * `problem` then says why, unless memory was short.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/json.h"
#include "client/output.h"
#include "client/problem.h"

/* Which jobs of the past; 0 and NULL: any. */
struct history_request {
	const char *board;
	const char *place;
	uint64_t since_usec; /* CLOCK_REALTIME */
	bool failed;
	uint64_t before; /* a job: only older ones */
	uint64_t job;
	uint64_t rows;
};

struct request {
	const struct output *output;
	bool json;
	bool csv;
	bool all;
	struct history_request history;
	const char *like; /* NULL: a board that is there */
	const char *for_board; /* inspect: a place, or a board that is described; NULL: none */
	const char *port; /* enroll: a place; NULL: the only board */
	const char *output_file; /* enroll: NULL: where policies are read */
	const char *dictionary; /* identify: the file to put it into; NULL: none */
	const char *snippet; /* can: "ifupdown" or "networkd"; NULL: a report */
	const char *argument; /* the first one: place or file; NULL: none given */
	char **arguments; /* all of them */
	size_t argument_count;
	struct problem problem;
};

int verb_status(struct request *request) _must_check_;
int verb_list(struct request *request) _must_check_;
int verb_explain(struct request *request) _must_check_;
int verb_flash(struct request *request) _must_check_;
int verb_identify(struct request *request) _must_check_;
int verb_jobs(struct request *request) _must_check_;
int verb_history(struct request *request) _must_check_;
int verb_log(struct request *request) _must_check_;
int verb_release(struct request *request) _must_check_;
int verb_watch(struct request *request) _must_check_;
int verb_inspect(struct request *request) _must_check_;
int verb_firmware(struct request *request) _must_check_;
int verb_boards(struct request *request) _must_check_;
int verb_enroll(struct request *request) _must_check_;
int verb_can(struct request *request) _must_check_;
int verb_check(struct request *request) _must_check_;
int verb_reload(struct request *request) _must_check_;
