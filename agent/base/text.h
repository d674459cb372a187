/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Text that goes to people: formatting, escaping, hexadecimal, and tables of names beside enums.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

/* asprintf() that returns its result; NULL when memory is short. */
char *text_format(const char *format, ...) _printf_(1, 2) _must_check_;
char *text_format_list(const char *format, va_list arguments) _must_check_;

/* Appends to a string on the heap (NULL: starts one). 0 or -ENOMEM, the string is then unchanged.
 */
int text_append(char **text, const char *format, ...) _printf_(2, 3) _must_check_;

/*
 * Makes foreign text safe for terminals and the journal: control characters, DEL, C1 controls and
 * bytes that are not valid UTF-8 become \xNN, and a backslash is doubled. NULL yields "". The
 * caller frees; NULL when memory is short.
 */
char *text_escape(const char *text) _must_check_;

/* True for valid UTF-8 without control characters: what text_escape() would leave alone, but for
 * the backslash. */
bool text_is_plain(const char *text);

/* Copies what fits into `capacity` bytes, always terminated, and makes it plain on the way: never
 * half a character at the end, and a '?' for every byte that text_is_plain() would not accept. */
void text_copy_plain(char *ret, size_t capacity, const char *text);

/* Lower-case hexadecimal; `ret` holds 2 * length + 1 characters. */
void text_hex(const void *bytes, size_t length, char *ret);

/* Exactly 2 * length hexadecimal digits. 0 or -EINVAL, `ret` is then unchanged. */
int text_parse_hex(const char *text, void *ret, size_t length) _must_check_;

/* "2e8a:0003", exactly four hexadecimal digits each. 0 or -EINVAL. */
int text_parse_vid_pid(const char *text, uint16_t *ret_vid, uint16_t *ret_pid) _must_check_;

/* A span of time as "90s", "30min", "2h", "7d" or "2w", more than nothing and at most ten years. 0
 * or -EINVAL. */
int text_parse_span(const char *text, uint64_t *ret_usec) _must_check_;

/* Looks `text` up in a table of names; its index, or -EINVAL. NULL entries never match. */
int text_lookup(const char *const *table, size_t entries, const char *text);

static inline bool text_equal(const char *left, const char *right)
{
	return left && right && __builtin_strcmp(left, right) == 0;
}
