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

/* Recoveries in a row that brought the work no further. */
#define PICOBOOT_STRIKES_MAX 3

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

	uint32_t recoveries;
	unsigned strikes;
	uint64_t best_progress;
};

/* visit_fail() for an error of the wire, with the sentence that belongs to it; `doing`: "reading".
 * Does not replace what visit_fail() has noted already. */
int picoboot_fail_wire(struct backend_session *session, int error, const char *doing);

/* A point where the work can be stopped. Negative: stop, pass it up. */
int picoboot_safe_point(struct backend_session *session, enum job_phase phase, uint64_t done_bytes,
	uint64_t total_bytes) _must_check_;

/*
 * After `error`: sets the wire right again so that the work can go on. `progress` is any number
 * that grows as work gets done. 0, or the error to give up with: the board left, the work was
 * stopped, a reason was noted, or there was no progress for PICOBOOT_STRIKES_MAX times.
 */
int picoboot_repair(struct backend_session *session, int error, uint64_t progress) _must_check_;
