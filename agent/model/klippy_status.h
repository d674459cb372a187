/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What Klipper's host (klippy) is asked on its API socket, and what its answers mean. Each message
 * is JSON that ends with a byte of its own. What is missing, of another type or not known to us is
 * never taken for "idle".
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "model/print_state.h"

#define KLIPPY_END         '\x03'
#define KLIPPY_MESSAGE_MAX (64u << 10)
#define KLIPPY_FILE_TEXT   128

/* The questions, in one: who are you, and what are you doing. An exception in a handler of klippy
 * shuts the printer down, so nothing but these documented requests is ever sent. */
#define KLIPPY_QUESTIONS                                                                     \
	"{\"id\":1,\"method\":\"info\"}\x03"                                                 \
	"{\"id\":2,\"method\":\"objects/query\",\"params\":{\"objects\":{\"webhooks\":null," \
	"\"print_stats\":[\"state\",\"filename\"],\"idle_timeout\":[\"state\"],"             \
	"\"virtual_sdcard\":[\"is_active\"]}}}\x03"

enum klippy_state {
	KLIPPY_UNSAID, /* or a word that we do not know */
	KLIPPY_STARTUP,
	KLIPPY_READY,
	KLIPPY_SHUTDOWN,
	KLIPPY_ERROR, /* could not start */
};

enum klippy_activity {
	ACTIVITY_UNSAID, /* there is no such object, or it has no such field */
	ACTIVITY_NONE,
	ACTIVITY_PAUSED,
	ACTIVITY_BUSY,
	ACTIVITY_STRANGE, /* said, and not known to us */
};

/* What was heard so far; all zeros: nothing. */
struct klippy_status {
	unsigned answered; /* questions, a bit each */
	bool is_refused; /* an error came in place of an answer */
	enum klippy_state state;
	enum klippy_activity print; /* print_stats: only with [virtual_sdcard] */
	enum klippy_activity card; /* virtual_sdcard */
	enum klippy_activity motion; /* idle_timeout: it moves, heats or runs a macro */
	char file[KLIPPY_FILE_TEXT]; /* plain text; "" when there is none */
};

/* One message, without its end. What answers none of our questions is passed over. 0; -EBADMSG:
 * this is not klippy's language; -ENOMEM. */
int klippy_status_take(struct klippy_status *status, const char *message, size_t length)
	_must_check_;

/* True when all questions are answered. */
bool klippy_status_is_whole(const struct klippy_status *status);

/* What the answers mean; PRINT_ABSENT is never among it. */
enum print_state klippy_status_judge(const struct klippy_status *status);

/* The same for people: what is seen of the printer, and, unless it is idle, what to do about it.
 * NULL when memory is short. */
char *klippy_status_sentence(const struct klippy_status *status, const char *printer) _must_check_;
