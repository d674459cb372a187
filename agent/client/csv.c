/* SPDX-License-Identifier: MIT */
/* Comma-separated values; see csv.h. */

#include <string.h>

#include "base/bytes.h"
#include "client/csv.h"
#include "model/job.h"

#define LINE_END "\r\n"

void csv_print_header(FILE *stream)
{
	for (size_t i = 0; i < JOB_RECORD_FIELDS; i++)
		fprintf(stream, "%s%s", i > 0 ? "," : "", job_record_fields[i]);
	fputs(LINE_END, stream);
}

static void print_text(FILE *stream, const char *text)
{
	bool looks_like_formula = *text && strchr("=+-@\t\r", *text);
	fputc('"', stream);
	if (looks_like_formula)
		fputc('\'', stream);
	for (; *text; text++) {
		if (*text == '"')
			fputc('"', stream);
		fputc(*text, stream);
	}
	fputc('"', stream);
}

void csv_print_row(FILE *stream, const cJSON *job)
{
	for (size_t i = 0; i < JOB_RECORD_FIELDS; i++) {
		const cJSON *value = cJSON_GetObjectItemCaseSensitive(job, job_record_fields[i]);
		if (i > 0)
			fputc(',', stream);
		if (cJSON_IsNumber(value))
			fprintf(stream, "%.0f", value->valuedouble);
		else if (cJSON_IsString(value))
			print_text(stream, value->valuestring);
	}
	fputs(LINE_END, stream);
}
