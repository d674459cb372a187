/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the tests of judgements share: cmocka with the headers that it wants before it, and the
 * question whether a certain reason was given in a sentence that a person can use.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/text.h"
#include "model/reason.h"

/* Some reason has this code, and one such sentence contains `words`. */
static inline void expect_reason(
	const struct reasons *reasons, enum reason_code code, const char *words)
{
	for (size_t i = 0; i < reasons->count; i++)
		if (reasons->items[i].code == code && strstr(reasons->items[i].sentence, words)) {
			assert_true(text_is_plain(reasons->items[i].sentence));
			return;
		}
	_cleanup_(freep) char *said = reasons_text(reasons);
	fail_msg("no reason %s with \"%s\" in: %s", reason_name(code), words, said ? said : "?");
}

/* This reason, and no other. */
static inline void expect_only_reason(
	const struct reasons *reasons, enum reason_code code, const char *words)
{
	expect_reason(reasons, code, words);
	assert_int_equal(reasons->count, 1);
}
