/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The printers that boards are parts of: asked before something is done to a board, so that
 * nobody's print is spoilt. What nobody can tell is taken for a print.
 */
#include <systemd/sd-event.h>

#include "base/cleanup.h"
#include "model/policy.h"
#include "model/reason.h"

struct neighbour_question;

/* No printer had to be asked: nothing speaks against it. */
#define NEIGHBOUR_NOBODY 1

/* Called once, from the event loop. REASON_NONE: every printer that was asked is quiet; else
 * REASON_PRINTING (also paused) or REASON_PRINT_UNKNOWN. `sentence` says what was seen and, unless
 * all is quiet, what to do; it lives as long as the call. */
typedef void (*neighbour_on_answer)(void *context, enum reason_code code, const char *sentence);

/* Asks the printer that the board of this name is a part of. The policy need not outlive the call.
 * 0; NEIGHBOUR_NOBODY: it is a part of none, and `on_answer` is never called; negative errno. */
int neighbour_ask(sd_event *event, const struct policy *policy, const char *board,
	neighbour_on_answer on_answer, void *context, struct neighbour_question **ret) _must_check_;

/* The same with every printer of the policy, for a board of which nobody knows whose part it is:
 * all must be quiet, and the first that is not is the answer. NEIGHBOUR_NOBODY: there is none. */
int neighbour_ask_all(sd_event *event, const struct policy *policy, neighbour_on_answer on_answer,
	void *context, struct neighbour_question **ret) _must_check_;

/* Ends the question, answered or not; `on_answer` is not called any more. May be called from within
 * it. */
struct neighbour_question *neighbour_forget(struct neighbour_question *question);
DEFINE_CLEANUP(struct neighbour_question *, neighbour_forget)
