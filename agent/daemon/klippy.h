/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One question to one Klipper host, over its API socket: is it printing? Asked and answered within
 * the event loop; nothing here waits, and nothing but documented requests is sent.
 */
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/cleanup.h"
#include "model/print_state.h"

struct klippy_question;

struct klippy_peer {
	const char *printer; /* what people call it */
	const char *socket;
	uint64_t silence_usec; /* after which there is no answer; 0: two seconds */
};

/* The whole question takes at most so many times its silence, however its peer dribbles. */
#define KLIPPY_SILENCES 5

/* Called once, from the event loop; never from within klippy_ask(). `sentence` says what was seen
 * and what a person can do about it, and lives as long as the call. */
typedef void (*klippy_on_answer)(void *context, enum print_state state, const char *sentence);

/* Asks; `peer` is copied. Whatever is wrong with the peer is an answer: `on_answer` is called
 * unless the question is forgotten before. 0, or a negative errno when memory is short. */
int klippy_ask(sd_event *event, const struct klippy_peer *peer, klippy_on_answer on_answer,
	void *context, struct klippy_question **ret) _must_check_;

/* Ends the question, answered or not; `on_answer` is not called any more. May be called from within
 * it. */
struct klippy_question *klippy_forget(struct klippy_question *question);
DEFINE_CLEANUP(struct klippy_question *, klippy_forget)
