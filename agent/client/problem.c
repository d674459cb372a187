/* SPDX-License-Identifier: MIT */
/* Problems; see problem.h. */
#include <errno.h>

#include "base/text.h"
#include "client/problem.h"

int problem_set(struct problem *problem, enum exit_code exit_code, const char *code,
	const char *format, ...)
{
	if (problem->code)
		return -EREMOTEIO;
	va_list arguments;
	va_start(arguments, format);
	problem->sentence = text_format_list(format, arguments);
	va_end(arguments);
	problem->exit_code = exit_code;
	problem->code = code;
	return -EREMOTEIO;
}

void problem_done(struct problem *problem)
{
	free(problem->sentence);
	*problem = (struct problem){ 0 };
}
