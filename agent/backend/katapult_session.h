/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One open board in Katapult and what all of its visit has in common. Inside the katapult backend
 * only.
 */
#include <stdbool.h>

#include "backend/backend.h"
#include "backend/can_reach.h"
#include "backend/katapult_family.h"
#include "backend/katapult_wire.h"
#include "backend/visit.h"
#include "port/serial.h"

struct backend_session {
	struct visit visit;
	struct serial *serial; /* on USB and on a line, */
	struct can_reach *node; /* on a bus */
	struct katapult_wire wire;
	enum transport reach;
	struct katapult_device device;
	enum chip chip;
	const struct katapult_family *family; /* NULL: a chip that we do not know */

	/* What its flash holds from the application's start on, as far as it was read. */
	uint8_t *bytes;
	uint32_t known_bytes, room_bytes;
	uint32_t gap_bytes; /* blank ones at the end of what was read while looking */
	uint64_t bytes_read;

	bool has_start; /* an application that could be started is there */
	bool is_touched; /* the flash is no longer what it was when we came */
	bool may_start; /* the new application may be there, and is not verified */
	bool is_restarted;
};

/* visit_fail() for an error of the wire. Does not replace what visit_fail() has noted already. */
int katapult_fail_wire(struct backend_session *session, int error, const char *doing);

/* visit_step(): what katapult_read() calls. */
int katapult_on_block(void *context, uint32_t bytes) _must_check_;

/* Makes the first `length` bytes of the application's place known; no more than there is room for,
 * and not much more than `is_enough` (may be NULL) wants, which is asked behind each block. */
int katapult_know(struct backend_session *session, uint32_t length,
	bool (*is_enough)(struct backend_session *session)) _must_check_;

const char *katapult_consequence(const struct backend_session *session);
