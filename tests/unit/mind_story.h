/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A mind without a roof, for stories about what begins jobs: its conduct with a policy, a store and
 * a history of its own. Whoever tells the story plays the hands.
 */
#include <stdbool.h>
#include <systemd/sd-event.h>

#include "daemon/conduct.h"
#include "daemon/store.h"
#include "model/wire.h"

struct mind_story {
	sd_event *event;
	char directory[64];
	char worker_path[96], history_path[96], firmware_path[96];
	int listener; /* where workers are started */
	struct store *store;
	struct policy *policy;
	struct conduct_settings settings;
	struct conduct *conduct;
	void (*on_job)(void *context, const struct job *job); /* NULL: nobody listens */
	void *context;
};

void mind_begin(struct mind_story *mind);
void mind_end(struct mind_story *mind);

/* A board on can0, and a rule for it; its image is "klipper.bin". */
struct policy_rule *given_a_node(struct mind_story *mind, const char *name, const char *uuid);

/* A socket that waits for clients. */
int listen_at(const char *path, int type);
bool has_news(int fd);

/* Runs the mind until something has come. */
void run_until(struct mind_story *mind, int fd);
/* Lets the mind do all that it can do by itself. */
void settle(struct mind_story *mind);

/* The worker that is started, and what it is to do. */
int await_worker(struct mind_story *mind, struct wire_job *ret);

const struct job *only_job(const struct mind_story *mind);
