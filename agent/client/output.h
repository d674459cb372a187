/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Text for people: colours where they are wanted, tables, amounts. Knows nothing of boards. What it
 * prints must be plain already (json.h sees to that).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "client/json.h"

enum tint {
	TINT_NONE,
	TINT_GOOD,
	TINT_BAD,
	TINT_WARNING,
	TINT_FAINT,
	TINT_STRONG,
	_TINT_MAX,
};

struct output {
	FILE *stream;
	bool colors;
	bool is_terminal; /* lines may be drawn over */
	bool has_unicode;
};

/* `colors` false: never. True: when the stream is a terminal that has them and NO_COLOR is unset.
 */
struct output output_over(FILE *stream, bool colors);

/* The size of the terminal right now, with sane values when it does not say. */
void output_terminal_size(const struct output *output, size_t *ret_columns, size_t *ret_rows);

void output_tinted(const struct output *output, enum tint tint, const char *format, ...)
	_printf_(3, 4);

/* How many columns a text takes, roughly: characters, not bytes. */
size_t output_width(const char *text);

/* Cuts a text to so many columns, in place. */
void output_cut(char *text, size_t columns);

/* One column of a table of objects. A column in which every cell is empty is left out. */
struct column {
	const char *title;
	const char *key; /* the text under this key, unless there is a `cell` */
	char *(*cell)(const cJSON *object); /* a new string; NULL counts as "" */
	enum tint (*tint)(const cJSON *object); /* NULL: none */
};

/* The rows of an array, `note` below those for which it returns a (new) string. NULL: no notes. */
void output_table(const struct output *output, const struct column *columns, size_t column_count,
	const cJSON *rows, char *(*note)(const cJSON *object));

/* "1.5 MiB", "1.2 s"; new strings, NULL when memory is short. */
char *output_bytes(double bytes) _must_check_;
char *output_duration(double usec) _must_check_;

/* "1 rule", "2 rules"; a new string. */
char *output_count(double count, const char *singular, const char *plural) _must_check_;
