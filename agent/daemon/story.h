/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the journal is told of boards and jobs: each function is one entry of the catalog.
 */
#include "daemon/judge.h"
#include "daemon/queue.h"

void story_board_seen(const struct device *device);
void story_board_left(const struct device *device);

/* Named, and left alone: no rule, or a rule that says so. */
void story_board_left_alone(const struct device *device, const struct judgement *judgement);

void story_job_started(const struct job *job);
void story_job_writing(const struct job *job, uint64_t byte_count);
void story_job_ended(const struct job *job);

/* Out of memory and the like, where no job can tell it. */
void story_trouble(const char *place, const char *what, int error);
