/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A tty in a testbed of umockdev: its device below an interface of a USB device, or of the
 * platform, its node, which is a pty, and the requests on that which a pty does not know.
 */
#include <umockdev.h>

#include "emu/tty.h"

#define UMOCKDEV_TTY_PATH_BYTES 192

struct umockdev_tty {
	struct tty tty;
	struct station *station;
	bool is_shown;
	char interface[UMOCKDEV_TTY_PATH_BYTES]; /* empty: of the platform */
	char syspath[UMOCKDEV_TTY_PATH_BYTES];
	char node[UMOCKDEV_TTY_PATH_BYTES];
	char pty[TTY_PATH_BYTES];
};

/* `name` as in ttyACM0; `parent` NULL: of the platform. Without the lock; sends uevents, for which
 * `wait` has made room. Returns the pty's master, which tty_attach_…() wants, or -EIO. */
int umockdev_tty_show(struct umockdev_tty *tty, UMockdevTestbed *testbed, const char *name,
	const char *parent, void (*wait)(void *context), void *context);
/* After tty_detach(). */
void umockdev_tty_hide(struct umockdev_tty *tty, UMockdevTestbed *testbed,
	void (*wait)(void *context), void *context);
