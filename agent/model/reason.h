/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Why something is not done: a stable code for machines, one sentence for people that says what to
 * do next. Refusals, failures and errors in files all speak this language.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"

enum reason_code {
	REASON_NONE,

	/* the policy */
	REASON_NO_RULE, /* no rule matches the board */
	REASON_IGNORED, /* a rule says to leave it alone */
	REASON_PRESENT_AT_START, /* was there before we came, and the rule is for arrivals */
	REASON_IDENTITY_UNKNOWN, /* a rule may or may not mean this board; nobody can tell */
	REASON_IDENTITY_CONTRADICTED, /* two things that are known of the board exclude each other
				       */
	REASON_POLICY_INVALID,
	REASON_LIMIT, /* the rule's own limit is spent */
	REASON_QUARANTINED, /* the place's budget is spent; a person must release it */

	/* the image as a file */
	REASON_IMAGE_MISSING,
	REASON_IMAGE_AMBIGUOUS, /* a pattern matches more than one file */
	REASON_IMAGE_UNREADABLE,
	REASON_IMAGE_FORMAT, /* not a firmware file that we know */
	REASON_IMAGE_TRUNCATED,
	REASON_IMAGE_INCONSISTENT, /* contradicts itself */
	REASON_IMAGE_TOO_LARGE, /* larger than any board we know: not read */
	REASON_IMAGE_BEING_WRITTEN, /* somebody is still copying it */
	REASON_FIRMWARE_PERMISSIONS, /* others than root and the operators could change it */

	/* the image on this board */
	REASON_WRONG_CHIP,
	REASON_CHIP_UNKNOWN,
	REASON_CHIP_AMBIGUOUS, /* the board's, and the image is for one of the chips it may have */
	REASON_IMAGE_CHIP_UNKNOWN, /* the image does not say which chip it is for */
	REASON_LINK_ADDRESS_UNKNOWN,
	REASON_WRONG_ADDRESS, /* not where this board starts its application */
	REASON_APPLICATION_START_UNKNOWN, /* of the board */
	REASON_OUTSIDE_FLASH,
	REASON_TOO_LARGE,
	REASON_FLASH_SIZE_UNKNOWN,
	REASON_NO_BOOT2,
	REASON_BAD_BOOT2,
	REASON_NO_VECTOR_TABLE,
	REASON_NO_IMAGE_DEF, /* an RP2350 would not start it */
	REASON_PARTITIONED, /* the board's flash holds a partition table */
	REASON_OVERLAPS_BOOTLOADER,
	REASON_BOOTLOADER_IMAGE, /* a boot loader, where an application belongs */
	REASON_WRONG_TRANSPORT,
	REASON_TRANSPORT_CHANGE, /* the board would not be heard of again on this wire */
	REASON_WRONG_CAN_BITRATE,
	REASON_WRONG_SERIAL_BAUD,
	REASON_WRONG_PINS,
	REASON_WRONG_CLOCK,
	REASON_WRONG_CRYSTAL,
	REASON_WRONG_VERSION,
	REASON_WRONG_DIGEST,
	REASON_EXPECTATION_UNPROVED, /* the policy expects what the image does not say */
	REASON_DECLARATION_CONTRADICTED, /* the policy declares what the image disproves */
	REASON_DOWNGRADE,
	REASON_VERSION_UNORDERED, /* which of two versions is the older one, nobody can tell */
	REASON_READ_PROTECTED, /* the chip shows nobody its flash */
	REASON_LOADER_UNKNOWN, /* which boot loader would answer the application's request */
	REASON_NO_LOADER, /* none would answer it, or did */
	REASON_LOADER_UNREACHABLE, /* one that could not be seen from here */
	REASON_LOADER_UNSAFE, /* one in which the board may switch a heater on */
	REASON_UNSUPPORTED, /* the backend cannot write this kind of board yet */

	/* the job */
	REASON_BOARD_LEFT,
	REASON_PRINTING, /* the board's printer is, or has paused */
	REASON_PRINT_UNKNOWN, /* nobody can tell whether it is */
	REASON_BOARD_CHANGED, /* another arrival is on the place now */
	REASON_NO_PERMISSION,
	REASON_BOARD_BUSY, /* another program holds the interface */
	REASON_BUS_DOWN, /* the CAN interface is not there, not up, or off the bus */
	REASON_BUS_BLOCKED, /* nothing leaves for the CAN bus */
	REASON_RUNS_APPLICATION, /* where a boot loader was looked for */
	REASON_BOARD_SILENT, /* no answer within the deadline */
	REASON_BOARD_ERROR, /* the board says no */
	REASON_VERIFY_FAILED,
	REASON_WRITE_PROTECTED, /* acknowledged, and nothing changed */
	REASON_NO_APPLICATION, /* did not come back as its application */
	REASON_WRONG_APPLICATION,
	REASON_CANCELLED,
	REASON_WORKER_LOST, /* the worker ended without an outcome */
	REASON_WORKER_SILENT, /* stopped by the mind */
	REASON_WIRE_VIOLATION,
	REASON_NO_WORKER, /* none could be started */
	REASON_NOT_RECORDED, /* what was to be written could not be stored first */
	REASON_SERVICE_LOST, /* the service ended, or the power, in the middle of the job */
	REASON_INTERNAL, /* out of memory and the like */
	_REASON_MAX,
};

/* "wrong-chip" and so on; stable. */
const char *reason_name(enum reason_code code);

struct reason {
	enum reason_code code;
	char *sentence; /* plain text: foreign parts in it are escaped */
};

struct reasons {
	struct reason *items;
	size_t count;
};

/* 0 or -ENOMEM. A caller that judges must take -ENOMEM for a refusal too. */
int reasons_add(struct reasons *reasons, enum reason_code code, const char *format, ...)
	_printf_(3, 4) _must_check_;
bool reasons_have(const struct reasons *reasons, enum reason_code code);
void reasons_done(struct reasons *reasons);

/* All sentences in one, separated by "; ". NULL when memory is short. */
char *reasons_text(const struct reasons *reasons) _must_check_;
