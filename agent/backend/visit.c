/* SPDX-License-Identifier: MIT */
/* What visits have in common; see visit.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "backend/visit.h"

void visit_enter(struct visit *visit, struct backend_failure *failure)
{
	*failure = (struct backend_failure){ 0 };
	visit->failure = failure;
}

int visit_fail(struct visit *visit, int error, enum reason_code code, const char *format, ...)
{
	visit->failure->code = code;
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(visit->failure->sentence, sizeof visit->failure->sentence, format, arguments);
	va_end(arguments);
	return error;
}

int visit_fail_open(struct visit *visit, int error, const char *holders)
{
	switch (error) {
	case -EACCES:
	case -EPERM:
		return visit_fail(visit, error, REASON_NO_PERMISSION,
			"the worker may not open the board's USB node; check that plugflash's udev "
			"rules are installed, then plug the board in again");
	case -EBUSY:
		return visit_fail(visit, error, REASON_BOARD_BUSY,
			"another program holds the board (%s?); close it and plug the board in "
			"again",
			holders);
	default:
		return 0;
	}
}

const char *visit_changes_nothing(const struct backend_session *session)
{
	(void)session;
	return "nothing on it was changed";
}

/* The kernel makes the port a moment after the device, and no event of the device tells of it. */
static bool has_no_port_yet(const struct board_address *address, int error)
{
	const char *syspath = address->usb.syspath;
	return error == -ENODEV && syspath && access(syspath, F_OK) == 0;
}

int visit_fail_open_port(
	struct visit *visit, int error, const struct board_address *address, const char *holders)
{
	if (has_no_port_yet(address, error))
		return visit_fail(visit, -EBUSY, REASON_BOARD_BUSY,
			"the board's serial port has not come up; unplug the board and plug it in "
			"again");
	switch (error) {
	case -EACCES:
		return visit_fail(visit, error, REASON_NO_PERMISSION,
			"the worker may not open the board's serial port; let the port belong to the "
			"group dialout again, as Debian has it, then plug the board in again");
	case -EPERM:
		return visit_fail(visit, error, REASON_NO_PERMISSION,
			"the worker's unit does not let it open this serial port; a UART of the "
			"computer or a USB adapter needs a drop-in (plugflashd(8), SERIAL LINES)");
	default:
		return visit_fail_open(visit, error, holders);
	}
}

int visit_fail_wire(struct visit *visit, int error, const char *doing)
{
	if (visit->failure->code != REASON_NONE)
		return error;
	switch (error) {
	case -ENODEV:
		return visit_fail(visit, error, REASON_BOARD_LEFT,
			"the board was unplugged or fell off the bus while %s; %s. Plug it in again",
			doing, visit->consequence(visit->session));
	case -ENOMEM:
		return visit_fail(visit, error, REASON_INTERNAL,
			"there was not enough memory while %s; %s", doing,
			visit->consequence(visit->session));
	default:
		return 0;
	}
}

int visit_check_arrival(struct visit *visit, struct usb_device *device)
{
	int r = usb_is_same_arrival(device);
	if (r == 0)
		return visit_fail(visit, -ENODEV, REASON_BOARD_CHANGED,
			"the board that was looked at has left its place; nothing was written. "
			"Plug it in again");
	return r < 0 ? r : 0;
}

int visit_safe_point(
	struct visit *visit, enum job_phase phase, uint64_t done_bytes, uint64_t total_bytes)
{
	visit->phase = phase;
	visit->done_bytes = done_bytes < total_bytes ? done_bytes : total_bytes;
	visit->total_bytes = total_bytes;
	visit_on_alive(visit);
	if (visit->stop < 0)
		return visit_fail(visit, visit->stop, REASON_CANCELLED, "stopped on request; %s",
			visit->consequence(visit->session));
	return 0;
}

int visit_step(struct visit *visit, uint32_t bytes)
{
	return visit_safe_point(visit, visit->phase, visit->done_bytes + bytes, visit->total_bytes);
}

void visit_begin_work(struct visit *visit)
{
	visit->best_progress = 0;
	visit->strikes = 0;
}

int visit_repair(struct visit *visit, int error, uint64_t progress, int (*recover)(void *context),
	void *context)
{
	if (progress > visit->best_progress) {
		visit->best_progress = progress;
		visit->strikes = 0;
	}
	while (visit->failure->code == REASON_NONE && error != -ENODEV && error != -ENOMEM &&
		visit->strikes < VISIT_STRIKES_MAX) {
		visit->strikes++;
		visit->recoveries++;
		int r = recover(context);
		if (r == 0)
			return 0;
		error = r;
	}
	return error;
}

void visit_keep(const struct visit *visit, enum keepsake kind, uint32_t address,
	const uint8_t *bytes, size_t length)
{
	if (visit->watch && visit->watch->on_keep)
		visit->watch->on_keep(visit->watch->context, kind, address, bytes, length);
}

void visit_on_alive(void *context)
{
	struct visit *visit = context;
	if (visit->stop < 0 || !visit->watch || !visit->watch->on_progress)
		return;
	int r = visit->watch->on_progress(
		visit->watch->context, visit->phase, visit->done_bytes, visit->total_bytes);
	if (r < 0)
		visit->stop = r;
}
