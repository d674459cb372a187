/* SPDX-License-Identifier: MIT */
/* What a visit has in common; see picoboot_session.h. */
#include <errno.h>
#include <string.h>

#include "backend/picoboot_session.h"

const char *picoboot_consequence(const struct backend_session *session)
{
	if (session->may_start)
		return "all but its first page was verified, so it either starts the new image or "
		       "comes back in boot mode";
	return session->is_touched
		       ? "its flash has no valid start any more, so it comes back in boot "
			 "mode and is flashed from the beginning"
		       : "its flash was not changed";
}

int picoboot_fail_wire(struct backend_session *session, int error, const char *doing)
{
	if (visit_fail_wire(&session->visit, error, doing) < 0)
		return error;
	switch (error) {
	case -ETIMEDOUT:
		return visit_fail(&session->visit, error, REASON_BOARD_SILENT,
			"the board stopped answering while %s, and resetting its port did not "
			"help; %s. Unplug it and plug it in again, with another cable or port if this "
			"repeats",
			doing, picoboot_consequence(session));
	default:
		return visit_fail(&session->visit, error, REASON_BOARD_ERROR,
			"the board failed again and again while %s (%s; the board says: %s); %s. Unplug "
			"it and plug it in again, with another cable or port if this repeats",
			doing, strerror(-error), picoboot_status_name(session->wire.last_status),
			picoboot_consequence(session));
	}
}

static int recover(void *context)
{
	struct backend_session *session = context;
	return picoboot_recover(&session->wire);
}

int picoboot_repair(struct backend_session *session, int error, uint64_t progress)
{
	return visit_repair(&session->visit, error, progress, recover, session);
}
