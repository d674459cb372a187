/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the loop, the protocol and its options share.
 */
#include "emu/station.h"

#define STATION_LINE_BYTES 4096
#define STATION_CLIENTS    16
#define STATION_WORDS      64

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
	bool stopping;
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

struct station_words {
	size_t count;
	char *words[STATION_WORDS];
};

/* station_protocol.c: called locked. */
void protocol_on_line(struct station_client *client, char *line);
bool protocol_condition_holds(struct station_place *place, const char *condition);
void protocol_answer_await(struct station_client *client, bool holds);
void protocol_answer(struct station_client *client, const char *format, ...) _printf_(2, 3);
/* A detail is for those who have asked for all events. */
void station_note(struct station_place *place, uint64_t at_nsec, const char *text, bool detail);
void protocol_on_event(void *context, const struct rp2040_event *event);

/* station_options.c: from "key=value" words; -EINVAL and the word in `*ret_wrong`. What the options
 * point at lives in `words` and in `image`. */
int options_parse(const struct station_words *words, size_t first, struct rp2040_options *options,
	uint8_t **ret_image, const char **ret_wrong) _must_check_;
int options_parse_fault(const struct station_words *words, size_t first, struct rp2040_fault *fault,
	const char **ret_wrong) _must_check_;
const char *options_fault_name(enum rp2040_fault_kind kind);
int options_read_file(const char *path, uint8_t **ret_bytes, size_t *ret_length) _must_check_;
