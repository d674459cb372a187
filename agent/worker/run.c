/* SPDX-License-Identifier: MIT */
/*
 * The run of one job; see run.h. Whatever happens, a board that was touched and not proved is left
 * in its boot mode by the backend, and the outcome is the last word.
 *
 * When the mind goes away in the middle of writing, the run stops at the next safe point, as if it
 * had been told to: nobody is left to record what a finished job did, or to wait for the
 * application, and the board stays in its boot mode, where it is found again.
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backend/backend.h"
#include "base/clock.h"
#include "base/file.h"
#include "model/wire.h"
#include "worker/run.h"

/* "PFI1" and the table of segments around the bytes: what image_encode() makes at most. */
#define ENCODED_IMAGE_MAX      ((size_t)IMAGE_BYTES_MAX + 8 + 8 * (size_t)IMAGE_SEGMENTS_MAX)
#define PROGRESS_INTERVAL_MSEC 100
/* A worker that hangs ends by SIGALRM, whoever is at fault. Safe points are a second apart at most;
 * the mind decides within milliseconds. */
#define HANG_SECONDS 60
/* A board that another program holds is asked for again: when the mind was killed, it is the worker
 * of the job before, which stops at its next safe point. No event tells when it has gone. */
#define BUSY_TRIES      50
#define BUSY_PAUSE_MSEC 100

/* receive(): what the mind wants. */
enum demand {
	DEMAND_NOTHING, /* has said nothing (new) */
	DEMAND_MESSAGE, /* a message that is not STOP */
	DEMAND_STOP, /* STOP, or SIGTERM */
	DEMAND_CLOSED, /* the mind is gone */
	DEMAND_GARBAGE, /* broke the rules of the wire */
};

struct run {
	int socket;
	int signals;
	const struct backend *backend;
	struct backend_session *session;
	enum demand stopped_by; /* why on_progress() ended the writing */

	enum job_phase last_phase;
	uint64_t last_done_bytes;
	int64_t last_progress_msec;
	bool has_progress;
};

static int64_t now_msec(void)
{
	return (int64_t)(clock_usec(CLOCK_MONOTONIC) / 1000);
}

/* Looks, without waiting, what there is from the mind or from systemd. */
static enum demand receive(struct run *run, struct wire_message *ret, int *ret_fd)
{
	struct pollfd signals = { .fd = run->signals, .events = POLLIN };
	if (poll(&signals, 1, 0) > 0)
		return DEMAND_STOP; /* left unread: SIGTERM stays asked for */

	_cleanup_(closep) int fd = -1;
	int r = wire_receive(run->socket, ret, &fd);
	if (r == -EAGAIN)
		return DEMAND_NOTHING;
	if (r == WIRE_CLOSED || r == -ECONNRESET || r == -EPIPE)
		return DEMAND_CLOSED;
	if (r < 0)
		return DEMAND_GARBAGE;
	if (ret->type == WIRE_STOP)
		return DEMAND_STOP;
	*ret_fd = TAKE_FD(fd);
	return DEMAND_MESSAGE;
}

/*
 * Waits for the next word. A board that leaves meanwhile is not looked for here: the mind sees it
 * go before we could, and says STOP.
 */
static enum demand await(struct run *run, struct wire_message *ret, int *ret_fd)
{
	for (;;) {
		enum demand demand = receive(run, ret, ret_fd);
		if (demand != DEMAND_NOTHING)
			return demand;
		struct pollfd sources[] = {
			{ .fd = run->socket, .events = POLLIN },
			{ .fd = run->signals, .events = POLLIN },
		};
		if (poll(sources, ELEMENTSOF(sources), -1) < 0 && errno != EINTR)
			return DEMAND_GARBAGE;
	}
}

static bool progress_is_news(
	const struct run *run, enum job_phase phase, uint64_t done_bytes, uint64_t total_bytes)
{
	if (!run->has_progress || phase != run->last_phase)
		return true;
	if (now_msec() - run->last_progress_msec >= PROGRESS_INTERVAL_MSEC)
		return true;
	uint64_t step_bytes =
		done_bytes > run->last_done_bytes ? done_bytes - run->last_done_bytes : 0;
	return step_bytes >= total_bytes / 100 && step_bytes > 0;
}

/* Progress is the one word that may get lost: a mind that does not listen must not slow a flash. */
static void say_progress(
	struct run *run, enum job_phase phase, uint64_t done_bytes, uint64_t total_bytes)
{
	if (!progress_is_news(run, phase, done_bytes, total_bytes))
		return;
	struct pollfd socket = { .fd = run->socket, .events = POLLOUT };
	if (poll(&socket, 1, 0) <= 0 || !(socket.revents & POLLOUT))
		return;
	struct wire_message message = {
		.type = WIRE_PROGRESS,
		.progress = { phase, done_bytes, total_bytes },
	};
	if (wire_send(run->socket, &message, -1) < 0)
		return; /* a mind that is gone is noticed by receive() */
	run->has_progress = true;
	run->last_phase = phase;
	run->last_done_bytes = done_bytes;
	run->last_progress_msec = now_msec();
}

static int on_progress(
	void *context, enum job_phase phase, uint64_t done_bytes, uint64_t total_bytes)
{
	struct run *run = context;
	struct wire_message message;
	_cleanup_(closep) int fd = -1;
	alarm(HANG_SECONDS);
	enum demand demand = receive(run, &message, &fd);
	if (demand == DEMAND_NOTHING) {
		say_progress(run, phase, done_bytes, total_bytes);
		return 0;
	}
	/* After GO there is nothing to say but STOP. */
	run->stopped_by = demand == DEMAND_MESSAGE ? DEMAND_GARBAGE : demand;
	return -ECANCELED;
}

/* What it is for is said before it happens; a mind that is gone is noticed by receive(). */
static void on_plan(void *context, const struct job_plan *plan)
{
	struct run *run = context;
	struct wire_message message = { .type = WIRE_PLAN, .plan = *plan };
	struct pollfd socket = { .fd = run->socket, .events = POLLOUT };
	if (poll(&socket, 1, 0) > 0 && socket.revents & POLLOUT)
		(void)!wire_send(run->socket, &message, -1);
}

/* In pieces that the wire takes; a mind that is gone is noticed by receive(). */
static void on_keep(
	void *context, enum keepsake kind, uint32_t address, const uint8_t *bytes, size_t length)
{
	struct run *run = context;
	struct wire_message message = {
		.type = WIRE_KEEP,
		.keep = { .kind = kind, .address = address, .total_bytes = (uint32_t)length },
	};
	if (length > WIRE_KEEP_MAX)
		return;
	for (size_t at = 0; at < length; at += WIRE_KEEP_BYTES) {
		size_t left = length - at;
		message.keep.offset = (uint32_t)at;
		message.keep.length = (uint32_t)(left < WIRE_KEEP_BYTES ? left : WIRE_KEEP_BYTES);
		memcpy(message.keep.bytes, bytes + at, message.keep.length);
		if (wire_send(run->socket, &message, -1) < 0)
			return;
	}
}

static void _printf_(4, 5) set_outcome(struct wire_outcome *outcome, enum job_outcome how,
	enum reason_code reason, const char *format, ...)
{
	outcome->outcome = how;
	outcome->reason = reason;
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(outcome->sentence, sizeof outcome->sentence, format, arguments);
	va_end(arguments);
}

/* A backend's failure as an outcome. "Interrupted" is for what is nobody's fault at the board. */
static void set_failure(
	struct wire_outcome *outcome, int error, const struct backend_failure *failure)
{
	enum reason_code reason = failure->code;
	if (reason == REASON_NONE)
		reason = error == -ENODEV ? REASON_BOARD_LEFT : REASON_INTERNAL;
	/* The mind asks it in its own language next, if it may. */
	if (reason == REASON_RUNS_APPLICATION) {
		set_outcome(outcome, OUTCOME_REFUSED, reason, "%s", failure->sentence);
		return;
	}
	enum job_outcome how = reason == REASON_BOARD_LEFT || reason == REASON_BOARD_CHANGED ||
					       reason == REASON_CANCELLED
				       ? OUTCOME_INTERRUPTED
				       : OUTCOME_FAILED;
	if (failure->sentence[0])
		set_outcome(outcome, how, reason, "%s", failure->sentence);
	else
		set_outcome(outcome, how, reason, "the job failed: %s", strerror(-error));
}

static void set_stopped(struct wire_outcome *outcome, enum demand demand)
{
	if (demand == DEMAND_GARBAGE)
		set_outcome(outcome, OUTCOME_FAILED, REASON_WIRE_VIOLATION,
			"the service sent something that the worker does not understand; nothing "
			"was written. Restart plugflashd, its version may be another one");
	else
		set_outcome(outcome, OUTCOME_REFUSED, REASON_CANCELLED,
			"told to stop before anything was written");
}

static int decode_image(const struct wire_go *go, int fd, struct image **ret)
{
	if (fd < 0)
		return -EBADF;
	_cleanup_(mapping_done) struct mapping mapping = { 0 };
	int r = file_map_sealed(fd, ENCODED_IMAGE_MAX, &mapping);
	if (r < 0)
		return r;
	_cleanup_(image_freep) struct image *image = NULL;
	r = image_decode(mapping.data, mapping.length, &image);
	if (r < 0)
		return r;
	if (memcmp(&image->digest, &go->digest, sizeof go->digest) != 0)
		return -EBADMSG;
	*ret = TAKE_PTR(image);
	return 0;
}

static void restart_board(struct run *run, struct wire_outcome *outcome)
{
	struct backend_failure failure = { 0 };
	int r = run->backend->restart(run->session, &failure);
	outcome->restarted = r == 0;
	if (r < 0)
		snprintf(outcome->sentence, sizeof outcome->sentence,
			"the flash holds the image, but the board did not restart: %s",
			failure.sentence[0] ? failure.sentence : strerror(-r));
}

static void obey_go(struct run *run, const struct wire_go *go, int fd, struct wire_outcome *outcome)
{
	_cleanup_(image_freep) struct image *image = NULL;
	int r = decode_image(go, fd, &image);
	if (r < 0) {
		set_outcome(outcome, OUTCOME_FAILED,
			r == -ENOMEM ? REASON_INTERNAL : REASON_WIRE_VIOLATION,
			"the image that came from the service is not usable (%s); nothing was "
			"written",
			strerror(-r));
		return;
	}

	struct backend_write write = { .image = image, .force = go->force };
	struct backend_failure failure = { 0 };
	r = run->backend->write(run->session, &write, &outcome->tally, &failure);
	if (r < 0) {
		set_failure(outcome, r, &failure);
		if (run->stopped_by == DEMAND_GARBAGE)
			outcome->reason = REASON_WIRE_VIOLATION;
		return;
	}
	bool is_identical = outcome->tally.units_erased == 0 && outcome->tally.bytes_written == 0;
	outcome->verification = VERIFY_READBACK;
	set_outcome(outcome, is_identical ? OUTCOME_IDENTICAL : OUTCOME_FLASHED, REASON_NONE,
		"%s%s%s",
		is_identical ? "the board held this image already, every byte was compared"
			     : "written, and read back without a difference",
		failure.sentence[0] ? "; " : "", failure.sentence);
	restart_board(run, outcome);
}

static void obey_enter(struct run *run, struct wire_outcome *outcome)
{
	struct backend_failure failure = { 0 };
	int r = run->backend->enter(run->session, &failure);
	if (r < 0)
		set_failure(outcome, r, &failure);
	else
		set_outcome(outcome, OUTCOME_ENTERED, REASON_NONE,
			"the application was asked for its boot loader, and made way for it");
}

/* What the mind permits, if this board's language can do it. */
static bool obey(
	struct run *run, const struct wire_message *message, int fd, struct wire_outcome *outcome)
{
	if (message->type == WIRE_GO && run->backend->write)
		obey_go(run, &message->go, fd, outcome);
	else if (message->type == WIRE_ENTER && run->backend->enter)
		obey_enter(run, outcome);
	else
		return false;
	return true;
}

/* The board was looked at, and nothing of it was changed. */
static void leave_board(struct run *run, struct wire_outcome *outcome)
{
	struct backend_failure failure = { 0 };
	int r = run->backend->restart(run->session, &failure);
	outcome->restarted = r == 0;
	if (r < 0)
		set_outcome(outcome, OUTCOME_REFUSED, REASON_CANCELLED,
			"nothing was written, and the board stays in its boot mode: %s",
			failure.sentence[0] ? failure.sentence : strerror(-r));
}

/* Probes, reports, waits for permission and obeys it. False: the mind is gone. */
static bool visit(struct run *run, struct wire_outcome *outcome)
{
	struct backend_failure failure = { 0 };
	struct wire_message message = { .type = WIRE_EVIDENCE };
	int r = run->backend->probe(run->session, &message.evidence, &failure);
	if (r < 0) {
		set_failure(outcome, r, &failure);
		return true;
	}
	if (wire_send(run->socket, &message, -1) < 0)
		return false;

	_cleanup_(closep) int fd = -1;
	enum demand demand = await(run, &message, &fd);
	if (demand == DEMAND_CLOSED)
		return false;
	bool is_obeyed = demand == DEMAND_MESSAGE && obey(run, &message, fd, outcome);
	if (!is_obeyed)
		set_stopped(outcome, demand == DEMAND_MESSAGE ? DEMAND_GARBAGE : demand);
	if (demand == DEMAND_STOP && message.type == WIRE_STOP && message.stop.leave)
		leave_board(run, outcome);
	return run->stopped_by != DEMAND_CLOSED;
}

/* Lets some time pass; false when there is a word to listen to instead. */
static bool pause_unless_called(struct run *run)
{
	struct pollfd sources[] = {
		{ .fd = run->socket, .events = POLLIN },
		{ .fd = run->signals, .events = POLLIN },
	};
	return poll(sources, ELEMENTSOF(sources), BUSY_PAUSE_MSEC) == 0;
}

/* Another program's hold, and a port that udev has not given to its group yet, may be over soon: no
 * event of the board tells of either. A bridge is there before its interface is up. */
static bool may_pass(const struct backend_failure *failure, const struct board_address *address)
{
	bool is_bridge = address->usb.syspath && address->can_uuid;
	return failure->code == REASON_BOARD_BUSY || failure->code == REASON_NO_PERMISSION ||
	       (is_bridge && failure->code == REASON_BUS_DOWN);
}

static int open_board(struct run *run, const struct board_address *address,
	const struct backend_watch *watch, struct backend_failure *failure)
{
	int r = run->backend->open(address, watch, &run->session, failure);
	for (unsigned i = 0; i < BUSY_TRIES && r < 0 && may_pass(failure, address); i++) {
		if (!pause_unless_called(run))
			break;
		r = run->backend->open(address, watch, &run->session, failure);
	}
	return r;
}

static bool serve(struct run *run, const struct wire_job *job, struct wire_outcome *outcome)
{
	run->backend = backend_for_mode(job->mode);
	if (!run->backend) {
		set_outcome(outcome, OUTCOME_REFUSED, REASON_UNSUPPORTED,
			"plugflash cannot write a board in the mode %s yet; flash it by hand, or "
			"set a rule that ignores it",
			mode_name(job->mode));
		return true;
	}
	struct board_address address = {
		.usb = { .syspath = *job->syspath ? job->syspath : NULL,
			.bus = job->bus,
			.device = job->device,
			.arrival = job->arrival },
		.tty = *job->tty ? job->tty : NULL,
		.baud = job->baud,
		.can = *job->can ? job->can : NULL,
		.can_uuid = *job->can_uuid ? job->can_uuid : NULL,
		.expected = job->expected,
		.expected_count = job->expected_count,
	};
	struct backend_watch watch = {
		.on_progress = on_progress,
		.on_plan = on_plan,
		.on_keep = on_keep,
		.context = run,
	};
	struct backend_failure failure = { 0 };
	int r = open_board(run, &address, &watch, &failure);
	if (r < 0) {
		set_failure(outcome, r, &failure);
		return true;
	}
	alarm(HANG_SECONDS);
	bool mind_listens = visit(run, outcome);
	run->session = run->backend->close(run->session);
	return mind_listens;
}

int run_job(int socket, int signals)
{
	struct run run = { .socket = socket, .signals = signals };
	struct wire_message message;
	_cleanup_(closep) int fd = -1;
	enum demand demand = await(&run, &message, &fd);
	if (demand == DEMAND_CLOSED)
		return -EPIPE;

	struct wire_message last = { .type = WIRE_OUTCOME };
	if (demand != DEMAND_MESSAGE || message.type != WIRE_JOB)
		set_stopped(&last.outcome, demand == DEMAND_STOP ? DEMAND_STOP : DEMAND_GARBAGE);
	else if (!serve(&run, &message.job, &last.outcome))
		return -EPIPE;
	assert(last.outcome.outcome != OUTCOME_NONE);
	return wire_send(socket, &last, -1);
}
