/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The one place of the mind that speaks: structured entries to the journal, plain lines to a
 * terminal when it was started from one.
 */
#include <stdint.h>
#include <syslog.h>

#include "base/cleanup.h"
#include "model/job.h"

/* NULL and 0 leave a field out. Everything here is plain text by now. */
struct journal_fields {
	uint64_t job;
	const char *place;
	const char *mode;
	const char *board;
	const char *board_id;
	const char *rule;
	const char *image;
	const char *image_sha256;
	const char *outcome;
	const char *reason;
	const char *verify;
	const char *application;
	const char *example;
	const char *chip_from;
	uint64_t duration_usec;
	const struct job_plan *plan;
};

/* `message_id` is one of names.h or NULL, `fields` may be NULL, `priority` is syslog's. */
void journal_say(int priority, const char *message_id, const struct journal_fields *fields,
	const char *format, ...) _printf_(4, 5);
