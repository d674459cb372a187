/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What every visit to a board has in common: it tells the run of the job how far it is, hears from
 * it when to stop, and gives up with a sentence. Inside backends only.
 */
#include <stdint.h>

#include "backend/backend.h"

struct visit {
	const struct backend_watch *watch; /* borrowed from the caller; may be NULL */
	/* What a person needs to know about the board that would be left behind now. */
	const char *(*consequence)(const struct backend_session *session);
	const struct backend_session *session;
	struct backend_failure *failure; /* of the call that is under way */
	enum job_phase phase;
	uint64_t done_bytes, total_bytes;
	int stop; /* what on_progress() said, once it was negative */

	uint32_t recoveries;
	unsigned strikes; /* recoveries in a row that brought the work no further */
	uint64_t best_progress;
};

/* A call of the backend begins: nothing has failed yet. */
void visit_enter(struct visit *visit, struct backend_failure *failure);

/* Notes why the call fails; returns `error`. */
int visit_fail(struct visit *visit, int error, enum reason_code code, const char *format, ...)
	_printf_(4, 5);

/* The same for a node that would not be opened: 0 when `error` is none that it has a sentence for.
 * `holders`: who may hold the board, as "picotool, a flash script". */
int visit_fail_open(struct visit *visit, int error, const char *holders);

/* The same for a serial port; also for one that is not there yet, though its device is. */
int visit_fail_open_port(
	struct visit *visit, int error, const struct board_address *address, const char *holders);

/* The consequence of visits that only look or ask. */
const char *visit_changes_nothing(const struct backend_session *session);

/* The same for a wire that failed while `doing`: 0 when what to say depends on the backend. A
 * reason that is noted already stays. */
int visit_fail_wire(struct visit *visit, int error, const char *doing);

/* Still the arrival that was opened? Negative: it is not, and why the call fails is noted, unless
 * it is an error of the wire. */
int visit_check_arrival(struct visit *visit, struct usb_device *device) _must_check_;

/* A point where the work can be stopped: it is this phase, and so far. Negative: stop, pass it up;
 * why is noted. */
int visit_safe_point(struct visit *visit, enum job_phase phase, uint64_t done_bytes,
	uint64_t total_bytes) _must_check_;

/* The same, so many bytes later in the same phase. */
int visit_step(struct visit *visit, uint32_t bytes) _must_check_;

/*
 * After `error`: sets the wire right again by `recover`, so that the work can go on. `progress` is
 * any number that grows as work gets done. 0, or the error to give up with: the board left, the
 * work was stopped, a reason was noted, or VISIT_STRIKES_MAX recoveries in a row brought it no
 * further.
 */
#define VISIT_STRIKES_MAX 3
int visit_repair(struct visit *visit, int error, uint64_t progress, int (*recover)(void *context),
	void *context) _must_check_;

/* Another piece of work begins, with all its strikes. */
void visit_begin_work(struct visit *visit);

/* Hands over what was read of the board and is worth keeping, whole. */
void visit_keep(const struct visit *visit, enum keepsake kind, uint32_t address,
	const uint8_t *bytes, size_t length);

/* For long waits: says the same again; a stop is obeyed at the next safe point. `context` is the
 * visit.
 */
void visit_on_alive(void *context);
