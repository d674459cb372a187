/* SPDX-License-Identifier: MIT */
/* Findings; see finding.h. */
#include <errno.h>

#include "base/text.h"
#include "client/finding.h"

int finding_add(cJSON *findings, enum finding state, const char *check, const char *advice,
	const char *format, ...)
{
	static const char *const states[_FINDING_MAX] = {
		[FINDING_OK] = "ok",
		[FINDING_WARNING] = "warning",
		[FINDING_PROBLEM] = "problem",
		[FINDING_UNKNOWN] = "unknown",
	};
	va_list arguments;
	va_start(arguments, format);
	_cleanup_(freep) char *sentence = text_format_list(format, arguments);
	va_end(arguments);
	_cleanup_(json_deletep) cJSON *finding = cJSON_CreateObject();
	if (!sentence || !finding)
		return -ENOMEM;
	int r = json_put_text(finding, "check", check);
	if (r == 0)
		r = json_put_text(finding, "state", states[state]);
	if (r == 0)
		r = json_put_text(finding, "sentence", sentence);
	if (r == 0 && advice)
		r = json_put_text(finding, "advice", advice);
	return r < 0 ? r : json_append(findings, TAKE_PTR(finding));
}

bool finding_is_bad(const cJSON *findings)
{
	const cJSON *finding;
	cJSON_ArrayForEach(finding, findings)
	{
		if (text_equal(json_text(finding, "state"), "problem"))
			return true;
	}
	return false;
}
