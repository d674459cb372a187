/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One open board and what all of its visit has in common: speaking to the run of the job, giving
 * up with a sentence, setting the wire right again but not for ever. Inside the picoboot backend
 * only.
 */
#include <stdbool.h>

#include "backend/backend.h"
#include "backend/picoboot_chip.h"
#include "backend/picoboot_wire.h"
#include "backend/visit.h"

struct backend_session {
	struct visit visit;
	struct usb_device *device;
	struct picoboot_wire wire;
	const struct picoboot_chip *chip; /* as its USB id says */
	bool is_proved; /* and its ROM */
	uint64_t flash_size_bytes; /* 0 = unknown */
	bool is_touched; /* the flash is no longer what it was when we came */
	bool may_start; /* the boot page may be there, and nobody has read it back */
	bool is_restarted;
};

/* visit_fail() for an error of the wire, with the sentence that belongs to it; `doing`: "reading".
 * Does not replace what visit_fail() has noted already. */
int picoboot_fail_wire(struct backend_session *session, int error, const char *doing);

/* What a person needs to know about the board that is left behind. */
const char *picoboot_consequence(const struct backend_session *session);

/* visit_repair() of this wire. */
int picoboot_repair(struct backend_session *session, int error, uint64_t progress) _must_check_;
