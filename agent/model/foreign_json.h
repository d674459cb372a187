/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * JSON that others have written, boards among them: made safe for a parser that recurses and works
 * with C strings before it sees any of it.
 */
#include <cjson/cJSON.h>
#include <stddef.h>

#include "base/cleanup.h"

cJSON *foreign_json_free(cJSON *json);
DEFINE_CLEANUP(cJSON *, foreign_json_free)

/* One object, no deeper than sixteen, without a NUL in it, and nothing but blanks around it. How
 * long it may be is the caller's matter. 0; -EBADMSG when it is none; -ENOMEM. */
int foreign_json_parse(const char *json, size_t length, cJSON **ret) _must_check_;
