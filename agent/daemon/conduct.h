/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Conducts jobs: a board arrives, a worker looks, the judgement falls, the worker writes, the
 * application shows itself. Every step leaves a journal entry; every wait has a deadline that
 * measures silence.
 */
#include <stdbool.h>
#include <systemd/sd-event.h>

#include "daemon/history.h"
#include "daemon/judge.h"
#include "daemon/queue.h"
#include "model/device.h"
#include "model/policy.h"

struct conduct_settings {
	sd_event *event;
	const char *worker_socket;
	const char *can_worker_socket; /* of workers that may open CAN buses, and no device */
	struct store *store;
	const char *history_file;
	const char *backup_directory;
	/* Something about the job has changed: its state, or how far it is. */
	void (*on_change)(void *context, const struct job *job);
	/* A bus is not held any more. NULL: nobody waits for that. */
	void (*on_bus_released)(void *context);
	void *context;
};

/* `settings` and what it points to must outlive the conduct. */
int conduct_new(const struct conduct_settings *settings, struct conduct **ret) _must_check_;
struct conduct *conduct_free(struct conduct *conduct);
DEFINE_CLEANUP(struct conduct *, conduct_free)

/* The policy from now on; it must live until the next one is set. Running jobs go on under the
 * decision that was made. */
void conduct_set_policy(struct conduct *conduct, const struct policy *policy);

void conduct_arrival(struct conduct *conduct, const struct device *device);
void conduct_departure(struct conduct *conduct, const struct device *device);

/* A person wants this board to have what the policy means for it, whenever it came. 0 and what was
 * judged; with VERDICT_PROBE there is a job now. -EBUSY: its place has a job already, or the
 * service ends; -ENOMEM. */
int conduct_flash(struct conduct *conduct, const struct device *device, struct judgement *ret,
	uint64_t *ret_job) _must_check_;

/* A bus is looked at as a whole: queue_hold_bus(). Released, the jobs that waited for it begin. */
int conduct_hold_bus(struct conduct *conduct, const char *can) _must_check_;
void conduct_release_bus(struct conduct *conduct, const char *can);

/* No new jobs; those that only look are stopped, those that write go on. */
void conduct_drain(struct conduct *conduct);
bool conduct_is_idle(const struct conduct *conduct);

const struct queue *conduct_queue(const struct conduct *conduct);

/* The history, or NULL while none can be had: then nothing is written. */
struct history *conduct_history(const struct conduct *conduct);

/* ledger_judge() under the policy that is in force: what jobs obey and `explain` tells. */
int conduct_judge(const struct conduct *conduct, const struct device *device,
	const struct board_facts *facts, struct judgement *ret) _must_check_;

/* A person ends the quarantine of a place; its budget starts anew. 0; -ENOENT: it is in none; other
 * negative errno: could not be stored. */
int conduct_release(struct conduct *conduct, const char *place) _must_check_;

/* What is known of the board on a place from the last look at this arrival, or NULL. */
const struct board_facts *conduct_facts(const struct conduct *conduct, const struct device *device);
