/* SPDX-License-Identifier: MIT */
/* Budgets; see budget.h. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "daemon/budget.h"

static unsigned attempts_allowed(const struct policy_limits *limits)
{
	return limits->attempts ? limits->attempts : BUDGET_ATTEMPTS;
}

static unsigned returns_allowed(const struct policy_limits *limits)
{
	return limits->returns ? limits->returns : BUDGET_RETURNS;
}

static void _printf_(3, 4)
	quarantine(struct place_record *record, uint64_t now_usec, const char *format, ...)
{
	char why[sizeof(record->why)];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(why, sizeof(why), format, arguments);
	va_end(arguments);
	text_copy_plain(record->why, sizeof(record->why), why);
	record->quarantined_usec = now_usec > 0 ? now_usec : 1;
}

static void quarantine_for_attempts(struct place_record *record, uint64_t now_usec)
{
	quarantine(record, now_usec,
		"%" PRIu32 " writes in a row were begun here and did not end well",
		record->attempts);
}

bool budget_begin(struct place_record *record, const struct policy_limits *limits,
	const struct digest *digest, uint64_t now_usec)
{
	if (!record->has_digest || memcmp(&record->digest, digest, sizeof(*digest)) != 0) {
		record->has_digest = true;
		record->digest = *digest;
		record->attempts = record->returns = 0;
	}
	if (record->attempts >= attempts_allowed(limits)) {
		quarantine_for_attempts(record, now_usec);
		return false;
	}
	record->attempts++;
	return true;
}

void budget_end(struct place_record *record, const struct policy_limits *limits,
	struct budget_end end, uint64_t now_usec)
{
	if (end.is_good) {
		record->attempts = 0;
		record->returns = end.is_return ? record->returns + 1 : 0;
	}
	if (record->returns >= returns_allowed(limits))
		quarantine(record, now_usec,
			"one board came back in its boot mode %" PRIu32
			" times, each time at once after it had been written well",
			record->returns);
	else if (record->attempts >= attempts_allowed(limits))
		quarantine_for_attempts(record, now_usec);
}
