/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Why a verb could not answer: an exit code, a stable code for machines, and one sentence that says
 * what to do next. Modules fill it in; main.c alone speaks it.
 */
#include "base/cleanup.h"

enum exit_code {
	EXIT_YES = 0,
	EXIT_NO = 1, /* the answer is no */
	EXIT_USAGE = 2, /* nothing could be asked: wrong usage, no such place, no such file */
	EXIT_UNREACHABLE = 3, /* nobody could be asked */
};

struct problem {
	enum exit_code exit_code;
	const char *code;
	char *sentence; /* plain text: foreign parts in it are escaped */
};

/* Keeps the first problem that is set. Returns -EREMOTEIO, for `return problem_set(…)`. */
int problem_set(struct problem *problem, enum exit_code exit_code, const char *code,
	const char *format, ...) _printf_(4, 5);
void problem_done(struct problem *problem);
