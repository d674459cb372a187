/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What every bootloader language offers to the run of a job: open, look, write, verify. A backend
 * never decides and never logs; it answers with an errno, a code and a sentence.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "model/board.h"
#include "model/can.h"
#include "model/image.h"
#include "model/job.h"
#include "model/reason.h"
#include "port/usb.h"

/* Where the board is. */
struct board_address {
	struct usb_address usb; /* syspath NULL: it is no USB device, but */
	const char *tty; /* this line, "/dev/ttyAMA0", */
	unsigned baud; /* at this rate, */
	const char *can; /* or on this bus, "can0", or this bus itself */
	const char *can_uuid; /* of the node there; beside a USB device: of a bridge, which is
			       * reached through the bus that it makes; NULL: neither */
	const char (*expected)[CAN_UUID_TEXT]; /* of a bus: nodes that somebody has heard of */
	size_t expected_count;
};

/* How the run of the job listens and speaks while a backend works. */
struct backend_watch {
	/* Called at every safe point, at least once a second while the board answers. Negative:
	 * stop here, leave the board in its boot mode and return that value. */
	int (*on_progress)(
		void *context, enum job_phase phase, uint64_t done_bytes, uint64_t total_bytes);
	/* Called once, before the first erase, by backends that can know it then. */
	void (*on_plan)(void *context, const struct job_plan *plan);
	/* Called while the board is looked at, with what is worth keeping before it is changed. */
	void (*on_keep)(void *context, enum keepsake kind, uint32_t address, const uint8_t *bytes,
		size_t length);
	void *context;
};

/* Why the last call failed, beside its errno. */
struct backend_failure {
	enum reason_code code;
	char sentence[512]; /* plain text, says what to do next */
};

struct backend_session; /* one open board; each backend defines its own behind this name */

struct backend_write {
	const struct image *image;
	bool force;
};

struct backend {
	const char *name; /* "picoboot" */
	enum board_mode mode; /* the mode it speaks to */

	/* Opens the board and makes it ready to answer; changes nothing in its flash. */
	int (*open)(const struct board_address *address, const struct backend_watch *watch,
		struct backend_session **ret, struct backend_failure *ret_failure);

	/* Looks, read-only. */
	int (*probe)(struct backend_session *session, struct board_facts *ret,
		struct backend_failure *ret_failure);

	/* Has the application enter its boot loader; 0: the board has left for it. NULL: what it
	 * speaks to is a boot loader. */
	int (*enter)(struct backend_session *session, struct backend_failure *ret_failure);

	/*
	 * NULL where an application runs. Makes the flash hold the image, fail-safe at every step,
	 * and proves it by reading back. 0: done, and `ret_tally` says what it took (no unit
	 * erased: it was there already); a sentence in `ret_failure` is then a remark for whoever
	 * uses the board.
	 */
	int (*write)(struct backend_session *session, const struct backend_write *write,
		struct job_tally *ret_tally, struct backend_failure *ret_failure);

	/* Starts the application that was written, or else the one that was there; the board
	 * leaves. */
	int (*restart)(struct backend_session *session, struct backend_failure *ret_failure);

	/* Gives the board back as it is, in its boot mode if it still is. Returns NULL. */
	struct backend_session *(*close)(struct backend_session *session);
};

/* The backend for a mode, or NULL. */
const struct backend *backend_for_mode(enum board_mode mode);
