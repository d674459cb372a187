/* SPDX-License-Identifier: MIT */
/*
 * The loop of a bench in real time: one thread, a timer for whatever the boards do next, clients of
 * the line protocol, and whatever a transport adds.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <time.h>

#include "emu/station_parts.h"

#define EVENTS_AT_ONCE 16
#define LOOK_NSEC      (20 * NSEC_PER_MSEC) /* a real kernel's doings make no event here */

uint64_t station_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NSEC_PER_SEC + (uint64_t)now.tv_nsec;
}

void station_lock(struct station *station)
{
	pthread_mutex_lock(&station->lock);
}

void station_unlock(struct station *station)
{
	pthread_mutex_unlock(&station->lock);
}

void *station_context(struct station *station)
{
	return station->transport.context;
}

void station_kick(struct station *station)
{
	uint64_t one = 1;
	if (write(station->kick, &one, sizeof(one)) < 0)
		return; /* the counter is full: the loop will wake up */
}

void station_stop(struct station *station)
{
	station->stopping = true;
	station_kick(station);
}

int station_watch(struct station *station, struct station_watch *watch)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = watch };
	return epoll_ctl(station->epoll, EPOLL_CTL_ADD, watch->fd, &event) < 0 ? -errno : 0;
}

void station_unwatch(struct station *station, struct station_watch *watch)
{
	epoll_ctl(station->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
}

void station_note(struct station_place *place, uint64_t at_nsec, const char *text, bool is_detail)
{
	struct station *station = place->station;
	FILE *files[] = { station->details.file, is_detail ? NULL : station->events.file };
	for (size_t index = 0; index < ELEMENTSOF(files); index++)
		if (files[index])
			fprintf(files[index],
				"{\"event\":\"%s\",\"place\":\"%s\",\"at_nsec\":%llu}\n", text,
				place->name, (unsigned long long)at_nsec);
}

void station_tell(struct station_place *place, uint64_t at_nsec, const char *text)
{
	station_note(place, at_nsec, text, false);
}

/* Who does not read loses events, and learns it by a line that is cut. */
static void send_events(struct station *station)
{
	fflush(station->events.file);
	fflush(station->details.file);
	for (size_t index = 0; index < STATION_CLIENTS; index++) {
		struct station_client *client = station->clients[index];
		if (!client || !client->wants_events)
			continue;
		const struct station_events *events =
			client->wants_details ? &station->details : &station->events;
		if (events->bytes)
			send(client->watch.fd, events->text, events->bytes,
				MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	rewind(station->events.file);
	rewind(station->details.file);
	fflush(station->events.file);
	fflush(station->details.file);
}

static void free_events(struct station_events *events)
{
	if (events->file)
		fclose(events->file);
	free(events->text);
}

static void drop_client(struct station_client *client)
{
	struct station *station = client->station;
	for (size_t index = 0; index < STATION_CLIENTS; index++)
		if (station->clients[index] == client)
			station->clients[index] = NULL;
	station_unwatch(station, &client->watch);
	close(client->watch.fd);
	free(client);
}

static void take_lines(struct station_client *client)
{
	char *end;
	while ((end = memchr(client->line, '\n', client->filled))) {
		size_t used = (size_t)(end - client->line) + 1;
		char line[STATION_LINE_BYTES];
		memcpy(line, client->line, used);
		line[used - 1] = '\0';
		client->filled -= used;
		memmove(client->line, client->line + used, client->filled);
		protocol_on_line(client, line);
	}
}

static void on_client(void *context, uint32_t events)
{
	struct station_client *client = context;
	struct station *station = client->station;
	(void)events;
	ssize_t got = read(client->watch.fd, client->line + client->filled,
		sizeof(client->line) - client->filled);
	station_lock(station);
	if (got <= 0) {
		drop_client(client);
	} else {
		client->filled += (size_t)got;
		take_lines(client);
	}
	station_unlock(station);
}

static void on_connection(void *context, uint32_t events)
{
	struct station *station = context;
	(void)events;
	_cleanup_(closep) int fd = accept4(station->listener.fd, NULL, NULL, SOCK_CLOEXEC);
	size_t index = 0;
	while (index < STATION_CLIENTS && station->clients[index])
		index++;
	if (fd < 0 || index == STATION_CLIENTS)
		return;
	struct station_client *client = calloc(1, sizeof(*client));
	if (!client)
		return;
	client->station = station;
	client->watch =
		(struct station_watch){ .fd = fd, .on_ready = on_client, .context = client };
	if (station_watch(station, &client->watch) < 0) {
		free(client);
		return;
	}
	TAKE_FD(fd);
	station->clients[index] = client;
}

static int listen_at(struct station *station, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	unlink(path);
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		listen(fd, STATION_CLIENTS) < 0)
		return -errno;
	station->listener = (struct station_watch){
		.fd = TAKE_FD(fd), .on_ready = on_connection, .context = station
	};
	return station_watch(station, &station->listener);
}

struct station *station_free(struct station *station)
{
	if (!station)
		return NULL;
	for (size_t index = 0; index < STATION_CLIENTS; index++)
		if (station->clients[index])
			drop_client(station->clients[index]);
	while (station->places) {
		struct station_place *place = station->places;
		station->places = place->next;
		place->board->operations->power_off(place->board, station_now());
		station->transport.remove(place);
		emulated_board_free(place->board);
		free(place->name);
		free(place);
	}
	if (station->socket_path)
		unlink(station->socket_path);
	free(station->socket_path);
	free_events(&station->events);
	free_events(&station->details);
	safe_close(station->listener.fd);
	safe_close(station->epoll);
	safe_close(station->timer);
	safe_close(station->kick);
	pthread_mutex_destroy(&station->lock);
	free(station);
	return NULL;
}

int station_new(
	const char *socket_path, const struct station_transport *transport, struct station **ret)
{
	_cleanup_(station_freep) struct station *station = calloc(1, sizeof(*station));
	if (!station)
		return -ENOMEM;
	pthread_mutex_init(&station->lock, NULL);
	station->transport = *transport;
	station->listener.fd = -1;
	station->epoll = epoll_create1(EPOLL_CLOEXEC);
	station->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	station->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (station->epoll < 0 || station->timer < 0 || station->kick < 0)
		return -errno;
	struct epoll_event event = { .events = EPOLLIN };
	if (epoll_ctl(station->epoll, EPOLL_CTL_ADD, station->timer, &event) < 0 ||
		epoll_ctl(station->epoll, EPOLL_CTL_ADD, station->kick, &event) < 0)
		return -errno;
	station->socket_path = strdup(socket_path);
	station->events.file = open_memstream(&station->events.text, &station->events.bytes);
	station->details.file = open_memstream(&station->details.text, &station->details.bytes);
	if (!station->socket_path || !station->events.file || !station->details.file)
		return -ENOMEM;
	int error = listen_at(station, socket_path);
	if (error < 0)
		return error;
	*ret = TAKE_PTR(station);
	return 0;
}

static uint64_t check_awaits(struct station *station, uint64_t now)
{
	uint64_t next = NEVER;
	for (size_t index = 0; index < STATION_CLIENTS; index++) {
		struct station_client *client = station->clients[index];
		if (!client || !client->awaited)
			continue;
		bool holds = protocol_condition_holds(client->awaited, client->condition);
		if (holds || client->deadline <= now)
			protocol_answer_await(client, holds);
		else if (now + LOOK_NSEC < next)
			next = now + LOOK_NSEC;
	}
	return next;
}

/* Everything that is due, then the timer for what comes next. */
static void run(struct station *station)
{
	uint64_t count, now = station_now(), next = NEVER;
	if (read(station->kick, &count, sizeof(count)) < 0 ||
		read(station->timer, &count, sizeof(count)) < 0)
		errno = 0; /* nothing to take: it was something else that woke the loop up */
	station_lock(station);
	for (struct station_place *place = station->places; place; place = place->next) {
		uint64_t due = station->transport.run(place, now);
		if (due < next)
			next = due;
	}
	uint64_t await = check_awaits(station, now);
	send_events(station);
	station_unlock(station);
	if (await < next)
		next = await;
	struct itimerspec timer = { 0 };
	if (next != NEVER) {
		timer.it_value.tv_sec = (time_t)(next / NSEC_PER_SEC);
		timer.it_value.tv_nsec = (long)(next % NSEC_PER_SEC) | 1;
	}
	timerfd_settime(station->timer, TFD_TIMER_ABSTIME, &timer, NULL);
}

int station_loop(struct station *station)
{
	for (;;) {
		run(station);
		/* Looked at only now: what ran has emptied the kick that came with it. */
		if (station->stopping)
			return 0;
		if (station->transport.on_turn)
			station->transport.on_turn(station);
		struct epoll_event events[EVENTS_AT_ONCE];
		int count = epoll_wait(station->epoll, events, EVENTS_AT_ONCE, -1);
		if (count < 0 && errno != EINTR)
			return -errno;
		for (int index = 0; index < count; index++) {
			struct station_watch *watch = events[index].data.ptr;
			if (watch)
				watch->on_ready(watch->context, events[index].events);
		}
	}
}
