/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Small helpers around cJSON: reading what may be missing, building what may not fit into memory.
 * Every string that enters a value through here is plain text, so whatever prints one, for people
 * or for machines, needs not think of terminals.
 */
#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/cleanup.h"

static inline void json_deletep(cJSON **value)
{
	cJSON_Delete(*value);
	*value = NULL;
}

/* A string value; what is not plain (text_is_plain()) is escaped. NULL when memory is short. */
cJSON *json_new_text(const char *text) _must_check_;

/* What an object holds under a key: "", 0 and false when it is missing or of another kind. */
const char *json_text(const cJSON *object, const char *key);
double json_number(const cJSON *object, const char *key);
bool json_flag(const cJSON *object, const char *key);
/* Array or object, or NULL; cJSON_ArrayForEach() takes NULL for empty. */
const cJSON *json_list(const cJSON *object, const char *key);

/* Adds `value` and owns it at once: it is deleted on failure, and NULL is one. 0 or -ENOMEM. */
int json_put(cJSON *object, const char *key, cJSON *value) _must_check_;
int json_put_text(cJSON *object, const char *key, const char *text) _must_check_;
int json_append(cJSON *array, cJSON *value) _must_check_;

/* A new array with copies of those elements of which `wanted` is true. NULL: memory is short. */
cJSON *json_filter(const cJSON *array, bool (*wanted)(const cJSON *element)) _must_check_;

/* Prints a value and a newline; on one line when it is one of many. */
int json_print(FILE *stream, const cJSON *value, bool one_line);
