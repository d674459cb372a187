/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Boards and jobs as people read them, from the JSON that the service's dictionaries became. Pure
 * but for printing: nothing here asks anybody.
 */
#include "client/json.h"
#include "client/output.h"

/* Is the device in a boot mode that plugflash speaks? */
bool view_is_board(const cJSON *device);
bool view_is_running(const cJSON *job);

/* "1-1.3" when the bus says it, else the place. */
const char *view_where(const cJSON *object);

/* The last part of a path. */
const char *view_file_name(const char *path);

/* "Raspberry Pi RP2 Boot (2e8a:0003)", a new string. */
char *view_board_title(const cJSON *device) _must_check_;

/* The chip of a board or, where that does not show, those that it may have; a new string. */
char *view_chip(const cJSON *board) _must_check_;

/* What became of a job, or what it does: "flashed widget.uf2, readback, 1.2 s", a new string. */
char *view_job_sentence(const cJSON *job) _must_check_;
enum tint view_job_tint(const cJSON *job);

void view_boards(const struct output *output, const cJSON *devices);
/* Jobs of the past as a table, and one of them with all that is known of it. */
void view_history(const struct output *output, const cJSON *jobs);
void view_job_record(const struct output *output, const cJSON *job);

/* The book of boards: every board with its names, and how each was learnt. */
void view_passports(const struct output *output, const cJSON *boards);

/* CAN buses, each with what is wrong with it and its nodes. */
void view_buses(const struct output *output, const cJSON *buses);

/* What the firmware directories hold. */
void view_firmware(const struct output *output, const cJSON *files);

/* "2026-11-23 14:05:12" of microseconds since 1970, a new string; "" for 0. */
char *view_time(double realtime_usec) _must_check_;

void view_jobs(const struct output *output, const cJSON *jobs);

/* One line with a bar for a job that runs, no wider than `columns`. */
void view_progress(const struct output *output, const cJSON *job, size_t columns);
