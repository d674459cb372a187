/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A bench in real time: boards at named places, a loop, a lock for transports that have threads of
 * their own, and the line protocol (station_protocol.c) by which a test moves cables.
 *
 * A PLACE is a port, or a tty ("ttyAMA0") for a board with baud=N; where there is no testbed the
 * answers tell by "node" which pty stands for it.
 *
 *	plug PLACE [kind=MAKE] [key=value…]     replug PLACE [button=0]     unplug PLACE
 *	fault PLACE KIND [key=value…]     heal PLACE     orphan PLACE     reset PLACE
 *	state PLACE     list     dump PLACE FILE     load PLACE FILE
 *	await PLACE CONDITION [limit=MSEC]     events [all]     quit
 *
 * Each is answered by one line of JSON: {"ok":true,…} or {"ok":false,"error":"…"}.
 */
#include <pthread.h>
#include <stdio.h>

#include "emu/emulated_board.h"

struct station;

struct station_place {
	struct station *station;
	struct station_place *next;
	char *name;
	struct emulated_board *board;
	void *side; /* the transport's */
};

struct station_transport {
	/* `place` is new, its board has no power yet. Negative errno: the name or the place will
	 * not do. */
	int (*add)(struct station_place *place);
	/* The board has lost its power. */
	void (*remove)(struct station_place *place);
	/* Lets everything happen that is due; returns when to call again. */
	uint64_t (*run)(struct station_place *place, uint64_t now);
	/* Whether the host has enumerated it; more members for the answers to plug and state. */
	bool (*describe)(struct station_place *place, FILE *json);
	/* Whoever held the board is dead. NULL: the transport sees that by itself. */
	void (*orphan)(struct station_place *place);
	/* Called without the lock, in the thread of the loop, once in every turn. May be NULL. */
	void (*on_turn)(struct station *station);
	void *context;
};

int station_new(const char *socket_path, const struct station_transport *transport,
	struct station **ret) _must_check_;
struct station *station_free(struct station *station);
DEFINE_CLEANUP(struct station *, station_free)

/* Until `quit`, or until station_stop(). */
int station_loop(struct station *station);
void station_stop(struct station *station);

/* The place of this name, NULL: nothing was ever plugged in there. */
struct station_place *station_find(struct station *station, const char *name);

void station_lock(struct station *station);
void station_unlock(struct station *station);
/* Wakes the loop up: something happened in another thread. */
void station_kick(struct station *station);
void *station_context(struct station *station);
uint64_t station_now(void);

/* Tells whoever listens to events; `text` is plain ASCII. Call it locked. */
void station_tell(struct station_place *place, uint64_t at_nsec, const char *text);

/* One more file descriptor in the loop; `on_ready` is called without the lock. */
struct station_watch {
	int fd;
	void (*on_ready)(void *context, uint32_t events);
	void *context;
};
int station_watch(struct station *station, struct station_watch *watch) _must_check_;
void station_unwatch(struct station *station, struct station_watch *watch);
