/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the journal is told of boards and jobs: each function is one entry of the catalog.
 */
#include "daemon/history.h"
#include "daemon/judge.h"
#include "daemon/queue.h"

void story_board_seen(const struct device *device);
void story_board_left(const struct device *device);

/* Named, and left alone: no rule, or a rule that says so. */
void story_board_left_alone(const struct device *device, const struct judgement *judgement);

void story_job_started(const struct job *job);
/* What the printers said that were asked first. */
void story_job_printer(const struct job *job, const char *sentence);
void story_job_writing(const struct job *job, uint64_t byte_count);
/* What is to be erased and written, before the first erase. */
void story_job_plan(const struct job *job);
/* What the board held before is in this file now; NULL: no end of it was found, so nothing is kept.
 */
void story_firmware_kept(const struct job *job, const char *path);
/* Has the application enter its boot loader, for this image. */
void story_job_calls(const struct job *job, const char *image_path);
void story_job_ended(const struct job *job);

/* Goes on with what job `resumes` has not finished. */
void story_job_resumed(const struct job *job);

/* Found in the history without an end: the service that ran it is gone. */
void story_job_lost(uint64_t job_id, const char *place);

void story_history_damaged(const char *path, const char *aside);
void story_history_unavailable(const char *path, int error, const char *remedy);
void story_place_quarantined(const char *place, const struct place_record *record);
void story_place_released(const char *place);

/* A bus has come up, and this is who is on it; or it was not looked at. */
void story_bus_looked_at(const char *interface, size_t nodes, size_t in_katapult);
void story_bus_left_alone(const char *interface, enum reason_code code, const char *sentence);

/* An image of this rule is new, and this board does not get it. */
void story_update_left_alone(const char *place, const char *rule, const char *sentence);

/* Out of memory and the like, where no job can tell it. */
void story_trouble(const char *place, const char *what, int error);
