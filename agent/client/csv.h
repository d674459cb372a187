/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Jobs as comma-separated values (RFC 4180): one fixed order of columns, for spreadsheets and
 * scripts.
 */
#include <cjson/cJSON.h>
#include <stdio.h>

void csv_print_header(FILE *stream);

/* What the job does not have is an empty field. A text that a spreadsheet would take for a formula
 * gets an apostrophe in front: it may have come from a board. */
void csv_print_row(FILE *stream, const cJSON *job);
