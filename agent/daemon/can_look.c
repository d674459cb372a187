/* SPDX-License-Identifier: MIT */
/* Looking at a bus; see can_look.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "daemon/can_look.h"
#include "daemon/can_names.h"
#include "daemon/kept.h"
#include "daemon/neighbour.h"
#include "daemon/worker.h"

/* 32 nodes that all take their time to say what they are. */
#define LOOK_USEC (30 * USEC_PER_SEC)

struct can_look {
	sd_event *event;
	char *worker_socket;
	struct wire_job job;
	can_look_on_end on_end;
	void *context;
	struct neighbour_question *question;
	struct worker *worker;
	sd_event_source *deadline;
	struct kept kept;
};

static void end(struct can_look *look, const struct can_sight *sight, enum reason_code code,
	const char *sentence)
{
	look->question = neighbour_forget(look->question);
	look->worker = worker_close(look->worker);
	if (look->deadline)
		(void)sd_event_source_set_enabled(look->deadline, SD_EVENT_OFF);
	look->on_end(look->context, sight, code, sentence);
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *context)
{
	(void)source, (void)usec;
	end(context, NULL, REASON_WORKER_SILENT, "the worker found no end and was stopped");
	return 0;
}

/* ---- the worker -------------------------------------------------------------------------- */

static void on_evidence(struct can_look *look)
{
	const struct wire_message stop = { .type = WIRE_STOP };
	_cleanup_(freep) struct can_sight *sight = malloc(sizeof(*sight));
	int r = sight ? kept_is_whole(&look->kept) ? 0 : -EBADMSG : -ENOMEM;
	if (r == 0)
		r = can_sight_decode(look->kept.bytes, look->kept.length, sight);
	if (r == 0 && strcmp(sight->interface.name, look->job.can) != 0)
		r = -EBADMSG;
	(void)!worker_send(look->worker, &stop, -1);
	if (r == 0)
		end(look, sight, REASON_NONE, "");
	else
		end(look, NULL, r == -ENOMEM ? REASON_INTERNAL : REASON_WIRE_VIOLATION,
			"what the worker handed over is no look at this bus; report this");
}

static void on_message(void *context, const struct wire_message *message)
{
	struct can_look *look = context;
	bool is_sight = message->type == WIRE_KEEP && message->keep.kind == KEEP_CAN;
	if (message->type == WIRE_PROGRESS)
		return;
	if (message->type == WIRE_EVIDENCE)
		on_evidence(look);
	else if (message->type == WIRE_OUTCOME)
		end(look, NULL, message->outcome.reason, message->outcome.sentence);
	else if (!is_sight || kept_add(&look->kept, &message->keep) < 0)
		end(look, NULL, REASON_WIRE_VIOLATION,
			"the worker spoke out of turn and was hung up on; report this");
}

static void on_worker_end(void *context, int error)
{
	(void)error;
	end(context, NULL, REASON_WORKER_LOST,
		"the worker ended before it had looked; \"journalctl -t plugflash-worker\" may say "
		"why");
}

static int start(struct can_look *look)
{
	const struct worker_calls calls = {
		.on_message = on_message, .on_end = on_worker_end, .context = look
	};
	const struct wire_message message = { .type = WIRE_JOB, .job = look->job };
	TRY(worker_connect(look->event, look->worker_socket, &calls, &look->worker));
	TRY(worker_send(look->worker, &message, -1));
	return sd_event_add_time_relative(look->event, &look->deadline, CLOCK_MONOTONIC, LOOK_USEC,
		USEC_PER_SEC, on_deadline, look);
}

/* ---- the printers ------------------------------------------------------------------------ */

static void on_answer(void *context, enum reason_code code, const char *sentence)
{
	struct can_look *look = context;
	_cleanup_(freep) char *why = text_format("%s; nothing was said on the bus", sentence);
	look->question = neighbour_forget(look->question);
	if (code != REASON_NONE) {
		end(look, NULL, code, why ? why : sentence);
		return;
	}
	if (start(look) < 0)
		end(look, NULL, REASON_NO_WORKER,
			"no worker for CAN could be started; is plugflash-worker-can.socket active?");
}

static void put_expected(struct wire_job *job, const struct policy *policy, const char *interface)
{
	for (size_t i = 0; i < policy->board_count && job->expected_count < CAN_NODES_MAX; i++)
		job->expected_count += can_names_expected(
			policy, interface, &policy->boards[i], job->expected[job->expected_count]);
}

int can_look_begin(sd_event *event, const char *worker_socket, const struct policy *policy,
	const char *interface, can_look_on_end on_end, void *context, struct can_look **ret)
{
	_cleanup_(can_look_freep) struct can_look *look = calloc(1, sizeof *look);
	if (!look || !can_name_is_valid(interface))
		return look ? -EINVAL : -ENOMEM;
	look->event = event;
	look->on_end = on_end;
	look->context = context;
	look->worker_socket = strdup(worker_socket);
	if (!look->worker_socket)
		return -ENOMEM;
	look->job = (struct wire_job){ .id = 1, .mode = MODE_CAN };
	snprintf(look->job.can, sizeof(look->job.can), "%s", interface);
	put_expected(&look->job, policy, interface);
	int r = neighbour_ask_all(event, policy, on_answer, look, &look->question);
	if (r == NEIGHBOUR_NOBODY)
		r = start(look);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(look);
	return 0;
}

struct can_look *can_look_free(struct can_look *look)
{
	if (!look)
		return NULL;
	neighbour_forget(look->question);
	worker_close(look->worker);
	sd_event_source_disable_unref(look->deadline);
	kept_done(&look->kept);
	free(look->worker_socket);
	free(look);
	return NULL;
}

const char *can_look_interface(const struct can_look *look)
{
	return look->job.can;
}
