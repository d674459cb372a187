/* SPDX-License-Identifier: MIT */
/* What a visit to a board in Katapult has in common; see katapult_session.h. */
#include <errno.h>
#include <string.h>

#include "backend/katapult_session.h"

const char *katapult_consequence(const struct backend_session *session)
{
	if (session->may_start)
		return "its application may be half written: bring it into Katapult by two quick "
		       "presses of reset, and it is written again";
	if (session->is_touched)
		return "Katapult stays in charge of it, and what is missing is written when it comes "
		       "back";
	return "its flash was not changed";
}

int katapult_fail_wire(struct backend_session *session, int error, const char *doing)
{
	struct visit *visit = &session->visit;
	if (session->node && visit->failure->code == REASON_NONE &&
		can_reach_fail(visit, error, session->node->interface.name) < 0)
		return error;
	if (visit_fail_wire(visit, error, doing) < 0)
		return error;
	switch (error) {
	case -ESTALE:
		return visit_fail(visit, error, REASON_BOARD_SILENT,
			"Katapult does not answer any more while %s, and needs a reset: a damaged byte "
			"can make it deaf; %s. Press reset twice, or take the board's power away",
			doing, katapult_consequence(session));
	case -ETIMEDOUT:
		return visit_fail(visit, error, REASON_BOARD_SILENT,
			"the board takes no bytes any more while %s; %s. Unplug it and plug it in "
			"again",
			doing, katapult_consequence(session));
	case -EPROTO:
		return visit_fail(visit, error, REASON_BOARD_ERROR,
			"the board answered what no Katapult answers while %s; %s. Unplug it and plug "
			"it in again, or install another Katapult",
			doing, katapult_consequence(session));
	case -EAGAIN:
		return visit_fail(visit, error, REASON_BOARD_SILENT,
			"Katapult said that it was busy, again and again, while %s; %s. Press reset "
			"twice, or take the board's power away",
			doing, katapult_consequence(session));
	case -EREMOTEIO:
		return visit_fail(visit, error, REASON_BOARD_ERROR,
			"Katapult refused a command while %s; %s. Its flash may be protected or faulty",
			doing, katapult_consequence(session));
	default:
		return visit_fail(visit, error, REASON_BOARD_ERROR,
			"the board failed while %s (%s); %s. Press reset twice, or unplug it and plug "
			"it in again",
			doing, strerror(-error), katapult_consequence(session));
	}
}

int katapult_on_block(void *context, uint32_t bytes)
{
	struct backend_session *session = context;
	session->bytes_read += bytes;
	return visit_step(&session->visit, bytes);
}

struct knowing {
	struct backend_session *session;
	bool (*is_enough)(struct backend_session *session);
};

static int on_known(void *context, uint32_t bytes)
{
	struct knowing *knowing = context;
	knowing->session->known_bytes += bytes;
	TRY(katapult_on_block(knowing->session, bytes));
	return knowing->is_enough && knowing->is_enough(knowing->session);
}

int katapult_know(struct backend_session *session, uint32_t length,
	bool (*is_enough)(struct backend_session *session))
{
	struct knowing knowing = { .session = session, .is_enough = is_enough };
	uint32_t block = session->device.block_bytes;
	length = (length + block - 1) / block * block;
	if (length > session->room_bytes)
		length = session->room_bytes;
	if (length <= session->known_bytes)
		return 0;
	return katapult_read(&session->wire,
		session->device.application_start + session->known_bytes,
		session->bytes + session->known_bytes, length - session->known_bytes, block,
		on_known, &knowing);
}
