/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Katapult and Klipper in words, for the benches in real time. Every make understands these:
 *
 *	katapult_protocol=1.0|1.1 katapult_version=TEXT katapult_mcu=TEXT katapult_block=N
 *	katapult_manufacturer=TEXT katapult_serial=TEXT canbus=1 can=1 bridge=1 double_reset=0
 *	withholding=0
 *	refuses_occupied=1 ends_short=1
 *	dictionary=FILE unsolicited=1 mute=1 klipper_withholds=1
 *	baud=N (a UART instead of USB)
 *
 * a fault "line kind=flip|lose|duplicate direction=to-board|to-host n=N bit=N per_million=N
 *seed=N", and these conditions: frames=N connects=N sent=N reads=N completes=N wedges=N nacks=N
 *touches=N identifies=N.
 */
#include <stdio.h>

#include "emu/resident.h"
#include "emu/words.h"

/* Numbers of line faults begin here, so that they differ from those of the make. */
#define RESIDENT_LINE_FAULTS 1000

/* 1 when the key was one of these, 0 when it was not, -EINVAL for its value. */
int resident_words_set(struct resident_options *options, const char *key, char *value);
/* A number, or negative errno; -ENOENT: another kind of fault. */
int resident_words_arm(
	struct resident *resident, const struct words *words, size_t first, const char **ret_wrong);
/* Whether it has struck; also false for numbers that are not of a line. */
bool resident_words_fired(const struct resident *resident, int fault);
bool resident_words_hold(const struct resident *resident, const char *condition);
/* Members of a JSON object, each after a comma. */
void resident_words_count(const struct resident *resident, FILE *json);
