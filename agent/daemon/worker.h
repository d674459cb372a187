/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One worker, as the mind sees it: a connection on which words come and go. Who starts the process
 * behind it (systemd, by its socket) is not seen from here.
 */
#include <systemd/sd-event.h>

#include "model/wire.h"

struct worker;

struct worker_calls {
	void (*on_message)(void *context, const struct wire_message *message);
	/* The connection is over: 0 = closed by the worker, -EBADMSG = it spoke garbage, or
	 * another negative errno. Nothing comes after this. */
	void (*on_end)(void *context, int error);
	void *context;
};

int worker_connect(sd_event *event, const char *socket_path, const struct worker_calls *calls,
	struct worker **ret) _must_check_;

/* `fd` goes along unless it is -1. */
int worker_send(struct worker *worker, const struct wire_message *message, int fd) _must_check_;

/* Hangs up; the worker then ends at its next safe point. May be called from within a call. */
struct worker *worker_close(struct worker *worker);
DEFINE_CLEANUP(struct worker *, worker_close)
