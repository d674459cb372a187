/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Who is at the other end of a serial line that says nothing of itself. What is asked first
 * matters: most questions of others make a Katapult deaf until it is reset (katapult,
 * src/command.c).
 */
#include "port/stream.h"

enum uart_speaker {
	UART_SILENT, /* not a byte came: nobody, a chip that is off, a Katapult that is deaf */
	UART_DEAD, /* bytes came, and no answer is among them: another rate, or a Katapult that has
		      just gone deaf and needs a reset */
	UART_KATAPULT,
	UART_KLIPPER,
	_UART_SPEAKER_MAX,
};

const char *uart_speaker_name(enum uart_speaker speaker); /* "katapult" */

/* Asks, within a second, and leaves whoever it is ready for the next question. The line must be
 * open at their rate. 0, or an error of the stream. */
int uart_recognise(struct stream *stream, enum uart_speaker *ret) _must_check_;
