/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Hears of new images: a file that was written and closed, or moved in, where a rule with
 * on_update = true looks for its image. Says which rule, and nothing of what the file holds.
 */
#include <systemd/sd-event.h>

#include "base/cleanup.h"
#include "model/policy.h"

struct image_watch;

/* From the event loop. */
typedef void (*image_watch_on_change)(void *context, const struct policy_rule *rule);

/* `directory` is that of the store, which is always looked into; it must outlive the watch. */
int image_watch_new(sd_event *event, const char *directory, image_watch_on_change on_change,
	void *context, struct image_watch **ret) _must_check_;
struct image_watch *image_watch_free(struct image_watch *watch);
DEFINE_CLEANUP(struct image_watch *, image_watch_free)

/* The policy from now on; it must live until the next one is set. Without such a rule nothing is
 * watched. */
void image_watch_set_policy(struct image_watch *watch, const struct policy *policy);
