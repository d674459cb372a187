/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a person can ask. A verb returns an exit code, or a negative errno when it could not answer;
 * `problem` then says why, unless memory was short.
 */
#include <stdbool.h>
#include <stddef.h>

#include "client/json.h"
#include "client/output.h"
#include "client/problem.h"

struct request {
	const struct output *output;
	bool json;
	bool all;
	const char *like; /* NULL: a board that is there */
	const char *argument; /* place or file; NULL: none given */
	struct problem problem;
};

int verb_status(struct request *request) _must_check_;
int verb_list(struct request *request) _must_check_;
int verb_explain(struct request *request) _must_check_;
int verb_jobs(struct request *request) _must_check_;
int verb_watch(struct request *request) _must_check_;
int verb_inspect(struct request *request) _must_check_;
int verb_check(struct request *request) _must_check_;
int verb_reload(struct request *request) _must_check_;
