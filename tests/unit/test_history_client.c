/* SPDX-License-Identifier: MIT */
/* The past as people and spreadsheets read it: points in time, comma-separated values. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "client/csv.h"
#include "client/json.h"
#include "client/since.h"
#include "model/job.h"

/* 2026-11-23 12:00:00 UTC */
#define NOW (1795435200ull * USEC_PER_SEC)

static int in_utc(void **unused)
{
	(void)unused;
	setenv("TZ", "UTC", 1);
	tzset();
	return 0;
}

static uint64_t seconds(const char *text)
{
	uint64_t usec = 0;
	assert_int_equal(since_parse(text, NOW, &usec), 0);
	assert_int_equal(usec % USEC_PER_SEC, 0);
	return usec / USEC_PER_SEC;
}

static void points_in_time_are_read_as_people_write_them(void **unused)
{
	(void)unused;
	assert_int_equal(seconds("today"), 1795392000);
	assert_int_equal(seconds("yesterday"), 1795392000 - 86400);
	assert_int_equal(seconds("-2h"), 1795435200 - 7200);
	assert_int_equal(seconds("-7d"), 1795435200 - 7 * 86400);
	assert_int_equal(seconds("2026-11-23"), 1795392000);
	assert_int_equal(seconds("2026-11-23 12:00"), 1795435200);
	assert_int_equal(seconds("2026-11-23 12:00:05"), 1795435205);
}

static void what_is_no_point_in_time_is_refused(void **unused)
{
	(void)unused;
	static const char *const wrong[] = { "", "-", "-2", "2h", "tomorrow", "2026", "2026-13-01",
		"2026-11-23 25:00", "2026-11-23T12:00", "2026-11-23 12:00 ", " today",
		"1902-01-01" };
	uint64_t usec = 7;
	for (size_t i = 0; i < ELEMENTSOF(wrong); i++)
		assert_int_equal(since_parse(wrong[i], NOW, &usec), -EINVAL);
	assert_int_equal(usec, 7);
}

static char *csv_of(const char *json)
{
	char *text = NULL;
	size_t length;
	_cleanup_(json_deletep) cJSON *job = cJSON_Parse(json);
	assert_non_null(job);
	FILE *stream = open_memstream(&text, &length);
	csv_print_row(stream, job);
	fclose(stream);
	return text;
}

static size_t count_of(const char *text, char wanted)
{
	size_t count = 0;
	for (; *text; text++)
		count += *text == wanted;
	return count;
}

static void a_row_has_a_field_for_every_column(void **unused)
{
	(void)unused;
	_cleanup_(freep) char *row = csv_of("{\"job\":7,\"outcome\":\"flashed\"}");
	assert_int_equal(count_of(row, ','), JOB_RECORD_FIELDS - 1);
	assert_memory_equal(row, "7,,", 3);
	assert_non_null(strstr(row, ",\"flashed\","));
	assert_string_equal(row + strlen(row) - 2, "\r\n");
}

static void quotes_are_doubled_and_formulas_defused(void **unused)
{
	(void)unused;
	_cleanup_(freep) char *row =
		csv_of("{\"serial\":\"=HYPERLINK(\\\"x\\\")\",\"sentence\":\"a, \\\"b\\\"\"}");
	assert_non_null(strstr(row, "\"'=HYPERLINK(\"\"x\"\")\""));
	assert_non_null(strstr(row, "\"a, \"\"b\"\"\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(points_in_time_are_read_as_people_write_them),
		cmocka_unit_test(what_is_no_point_in_time_is_refused),
		cmocka_unit_test(a_row_has_a_field_for_every_column),
		cmocka_unit_test(quotes_are_doubled_and_formulas_defused),
	};
	return cmocka_run_group_tests(tests, in_utc, NULL);
}
