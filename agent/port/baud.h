/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Rates that termios has no name for: Klipper's and Katapult's 250000 is one. Apart from serial.c,
 * because the kernel's termios and the C library's cannot be included together.
 */
#include "base/cleanup.h"

/* Sets a tty's rate, and nothing else, to any number (ioctl_tty(2), TCSETS2 with BOTHER). 0 or a
 * negative errno. */
int baud_set(int fd, unsigned baud) _must_check_;

/* What it is set to, or a negative errno. */
int baud_get(int fd) _must_check_;
