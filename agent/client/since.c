/* SPDX-License-Identifier: MIT */
/* Points in time; see since.h. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/text.h"
#include "client/since.h"

static int to_usec(struct tm *local, uint64_t *ret_usec)
{
	local->tm_isdst = -1;
	time_t seconds = mktime(local);
	if (seconds < 0)
		return -EINVAL;
	*ret_usec = (uint64_t)seconds * USEC_PER_SEC;
	return 0;
}

/* Midnight, so many days ago. */
static int parse_day(int days_ago, uint64_t now_usec, uint64_t *ret_usec)
{
	time_t now = (time_t)(now_usec / USEC_PER_SEC);
	struct tm local;
	if (!localtime_r(&now, &local))
		return -EINVAL;
	local.tm_mday -= days_ago;
	local.tm_hour = local.tm_min = local.tm_sec = 0;
	return to_usec(&local, ret_usec);
}

static int parse_date(const char *text, uint64_t *ret_usec)
{
	static const char *const formats[] = { "%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S" };
	for (size_t i = 0; i < ELEMENTSOF(formats); i++) {
		struct tm local = { 0 };
		const char *end = strptime(text, formats[i], &local);
		if (end && *end == '\0' && text[0] >= '0' && text[0] <= '9')
			return to_usec(&local, ret_usec);
	}
	return -EINVAL;
}

int since_parse(const char *text, uint64_t now_usec, uint64_t *ret_usec)
{
	uint64_t span_usec;
	if (text_equal(text, "today"))
		return parse_day(0, now_usec, ret_usec);
	if (text_equal(text, "yesterday"))
		return parse_day(1, now_usec, ret_usec);
	if (text[0] != '-')
		return parse_date(text, ret_usec);
	if (text_parse_span(text + 1, &span_usec) < 0)
		return -EINVAL;
	*ret_usec = now_usec > span_usec ? now_usec - span_usec : 0;
	return 0;
}
