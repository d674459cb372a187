/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the loop and the protocol share.
 */
#include <signal.h>

#include "emu/station.h"

#define STATION_LINE_BYTES 4096
#define STATION_CLIENTS    16

struct station_client {
	struct station *station;
	struct station_watch watch;
	char line[STATION_LINE_BYTES];
	size_t filled;
	bool wants_events, wants_details; /* each page and each command too */
	/* an await that is not over */
	struct station_place *awaited;
	char condition[64];
	uint64_t deadline;
};

struct station {
	struct station_transport transport;
	pthread_mutex_t lock;
	int epoll, timer, kick;
	volatile sig_atomic_t stopping; /* set in a signal's handler */
	struct station_place *places;
	struct station_watch listener;
	struct station_client *clients[STATION_CLIENTS];
	char *socket_path;
	/* collected under the lock, sent by the loop */
	struct station_events {
		FILE *file;
		char *text;
		size_t bytes;
	} events, details;
};

/* station_protocol.c: called locked. */
void protocol_on_line(struct station_client *client, char *line);
bool protocol_condition_holds(struct station_place *place, const char *condition);
void protocol_answer_await(struct station_client *client, bool holds);
void protocol_answer(struct station_client *client, const char *format, ...) _printf_(2, 3);
/* A detail is for those who have asked for all events. */
void station_note(struct station_place *place, uint64_t at_nsec, const char *text, bool is_detail);
void protocol_on_event(void *context, uint64_t at_nsec, const char *text, bool is_detail);
