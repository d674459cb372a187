/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the tests of Klipper's dictionary share: one as builds make it.
 */
#include "unit/expect.h"

#define ALWAYS "\"ADC_MAX\":4095,\"PWM_MAX\":255,\"STATS_SUMSQ_BASE\":256"

/* A dictionary as builds make it, around its constants. The caller frees it. */
static inline char *make_json(const char *version, const char *config)
{
	char *json = text_format(
		"{\"app\":\"Klipper\",\"build_versions\":\"gcc: (15:12.2.rel1-1) 12.2.1 binutils: "
		"(2.40-2) 2.40\",\"commands\":{\"identify offset=%%u count=%%c\":1,\"reset\":-16},"
		"\"config\":{%s},\"enumerations\":{\"pin\":{\"PA0\":[0,16],\"PB0\":[16,16]},"
		"\"static_string_id\":{\"Timer too close\":2}},\"license\":\"GNU GPLv3\","
		"\"responses\":{\"identify_response offset=%%u data=%%.*s\":0},\"version\":\"%s\"}",
		config, version);
	assert_non_null(json);
	return json;
}

static inline void expect_text(const char *actual, const char *expected)
{
	if (!expected)
		assert_null(actual);
	else {
		assert_non_null(actual);
		assert_string_equal(actual, expected);
	}
}
