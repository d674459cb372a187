/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A serial port that a person names: which node it is, which USB device it belongs to, and which
 * programs have it open.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"

struct tty {
	char *node; /* "/dev/ttyACM0", behind all links */
	char *usb_syspath; /* of the device whose port it is; NULL: it stands for itself */
	uint64_t usb_arrival;
	dev_t number;
	bool is_pty; /* the end of a process of this computer */
};

void tty_done(struct tty *tty);

/* Finds out what `path` ("/dev/serial/by-id/…", "/tmp/klipper_host_mcu") leads to. Negative errno;
 * -ENOTTY: no serial port. */
int tty_find(const char *path, struct tty *ret) _must_check_;

/* Programs that have a port open: "klippy.py (1234)", … */
struct tty_holders {
	char *names; /* NULL: nobody, as far as can be seen */
	/* A klippy whose open files only root may see: it may be one of them. */
	bool may_be_klippy;
};

void tty_holders_done(struct tty_holders *holders);

/* Who has it open, but for the process that keeps the other end of a pty. 0 or -ENOMEM. */
int tty_holders_find(const struct tty *tty, struct tty_holders *ret) _must_check_;
