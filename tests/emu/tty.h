/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A tty in real time where there is no kernel's: a pty whose other side a program opens, and behind
 * it the driver of a CDC-ACM function, or the wires of a UART. Everything here is called with the
 * station's lock, except where it says otherwise.
 */
#include "emu/acm.h"
#include "emu/resident.h"
#include "emu/station.h"

#define TTY_PENDING_BYTES 8192

struct tty {
	struct station *station;
	int fd; /* of the pty's master, -1: none */
	bool open; /* a program has it */
	struct station_watch watch; /* while one has */
	uint32_t baud;
	bool dtr;
	uint8_t pending[TTY_PENDING_BYTES]; /* what the program has written */
	size_t pending_count;
	struct acm acm;
	struct controller *controller; /* of a USB device; its endpoints */
	uint8_t in, out;
	struct resident *resident; /* or of a UART */
};

void tty_init(struct tty *tty, struct station *station);
/* A pty, with which nobody else reads or writes; NULL and negative errno. `slave` has room for
 * TTY_PATH_BYTES. */
#define TTY_PATH_BYTES 64
int tty_make_pty(char *slave) _must_check_;

/* The tty is there, behind this descriptor, which belongs to it from now on. */
void tty_attach_usb(
	struct tty *tty, int fd, struct controller *controller, uint8_t in, uint8_t out);
void tty_attach_uart(struct tty *tty, int fd, struct resident *resident);
/* It leaves: whoever has it open is hung up. */
void tty_detach(struct tty *tty);

/* Looks whether a program has it, takes what that has written and gives it what has come. Returns
 * when to call again. */
uint64_t tty_run(struct tty *tty, uint64_t now);

/* A program has it for certain; its rate may be another. */
void tty_note_open(struct tty *tty);
void tty_set_dtr(struct tty *tty, bool dtr);
