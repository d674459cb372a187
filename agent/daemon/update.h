/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Boards get their new images by themselves, where a rule says on_update = true: one job a board
 * and change, as if somebody had asked for it. What is refused waits for the next change; a board
 * that has a job already gets its turn behind it.
 */
#include "base/cleanup.h"
#include "daemon/can_links.h"
#include "daemon/conduct.h"
#include "daemon/image_watch.h"
#include "daemon/monitor.h"

struct update;

struct update_settings {
	sd_event *event;
	struct conduct *conduct;
	const struct monitor *monitor;
	const struct can_links *links; /* may be NULL */
	const char *directory; /* of the store */
};

/* What `settings` point to must outlive it. */
int update_new(const struct update_settings *settings, struct update **ret) _must_check_;
struct update *update_free(struct update *update);
DEFINE_CLEANUP(struct update *, update_free)

/* The policy from now on; it must live until the next one is set. */
void update_set_policy(struct update *update, const struct policy *policy);

/* A job has ended. */
void update_job_ended(struct update *update, const struct job *job);
