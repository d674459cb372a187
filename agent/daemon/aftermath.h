/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a job leaves behind that a person must know of. In the boot ROM of an STM32 the pins float,
 * and there are boards that switch a heater on then: a board that is not written shall not stay
 * there in silence.
 */
#include <stdbool.h>

#include "daemon/queue.h"

/* Is there something in its flash that may be started, as far as anybody knows? Not what a write of
 * ours has left there. */
bool aftermath_can_start(const struct job *job);

/* Shall a board that is not written be told to start what is in its flash? The rule must say so,
 * and there must be something to start, as far as anybody knows. */
bool aftermath_wants_leaving(
	const struct queue *queue, const struct job *job, const struct policy_rule *rule);

/* The sentence with which an ended job is told, a new string; NULL when memory is short. */
char *aftermath_sentence(const struct job *job, const char *sentence) _must_check_;
