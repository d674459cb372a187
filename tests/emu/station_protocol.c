/* SPDX-License-Identifier: MIT */
/*
 * The verbs of the bench protocol, one line in, one line of JSON out.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "emu/station_parts.h"

#define AWAIT_MSEC 10000

static void send_line(struct station_client *client, const char *text, size_t length)
{
	/* A client that has gone is dropped when its descriptor says so. */
	if (send(client->watch.fd, text, length, MSG_NOSIGNAL) < 0)
		client->wants_events = false;
}

void protocol_answer(struct station_client *client, const char *format, ...)
{
	char line[STATION_LINE_BYTES];
	va_list arguments;
	va_start(arguments, format);
	int length = vsnprintf(line, sizeof(line) - 1, format, arguments);
	va_end(arguments);
	if (length < 0 || (size_t)length >= sizeof(line) - 1)
		length = snprintf(line, sizeof(line), "{\"ok\":false,\"error\":\"too long\"}");
	line[length++] = '\n';
	send_line(client, line, (size_t)length);
}

static void refuse(struct station_client *client, int error)
{
	protocol_answer(client, "{\"ok\":false,\"error\":\"%s\"}", strerror(-error));
}

struct station_place *station_find(struct station *station, const char *name)
{
	struct station_place *place = station->places;
	while (place && strcmp(place->name, name))
		place = place->next;
	return place;
}

void protocol_on_event(void *context, uint64_t at_nsec, const char *text, bool is_detail)
{
	station_note(context, at_nsec, text, is_detail);
}

static bool is_present(struct station_place *place)
{
	/* Not /dev/null: umockdev would answer for it in a thread that waits for our lock. */
	_cleanup_(freep) char *text = NULL;
	size_t length;
	_cleanup_(fclosep) FILE *nowhere = open_memstream(&text, &length);
	return nowhere && place->station->transport.describe(place, nowhere);
}

static void write_state(struct station_client *client, struct station_place *place)
{
	struct emulated_board *board = place->board;
	const struct emulated_board_operations *operations = board->operations;
	_cleanup_(freep) char *text = NULL;
	size_t length;
	_cleanup_(fclosep) FILE *json = open_memstream(&text, &length);
	if (!json)
		return refuse(client, -ENOMEM);
	fprintf(json, "{\"ok\":true,\"place\":\"%s\",\"mode\":\"%s\",\"flash\":\"%s\"", place->name,
		operations->mode(board), operations->flash_state(board));
	bool present = place->station->transport.describe(place, json);
	operations->write_counters(board, json);
	fprintf(json, ",\"faults_fired\":[");
	for (int fault = 0, printed = 0; operations->fault_exists(board, fault); fault++)
		if (operations->fault_fired(board, fault))
			fprintf(json, "%s%d", printed++ ? "," : "", fault);
	fprintf(json, "],\"present\":%s}\n", present ? "true" : "false");
	fflush(json);
	send_line(client, text, length);
}

static struct station_place *new_place(struct station *station, const char *name)
{
	struct station_place *place = calloc(1, sizeof(*place));
	if (!place)
		return NULL;
	place->station = station;
	place->name = strdup(name);
	if (!place->name) {
		free(place);
		return NULL;
	}
	place->next = station->places;
	station->places = place;
	return place;
}

static bool is_off(const struct station_place *place)
{
	return !place->board || place->board->operations->is_off(place->board);
}

static int connect_board(struct station_place *place, bool button)
{
	int error = place->station->transport.add(place);
	if (error < 0)
		return error;
	place->board->operations->power_on(place->board, station_now(), button);
	return 0;
}

static void disconnect(struct station_place *place)
{
	if (is_off(place))
		return;
	place->board->operations->power_off(place->board, station_now());
	place->station->transport.remove(place);
}

static void forget_place(struct station_place *place)
{
	struct station_place **at = &place->station->places;
	while (*at != place)
		at = &(*at)->next;
	*at = place->next;
	emulated_board_free(place->board);
	free(place->name);
	free(place);
}

static void on_plug(struct station_client *client, const struct words *words)
{
	_cleanup_(emulated_board_freep) struct emulated_board *board = NULL;
	const char *wrong = NULL;
	struct station_place *place = station_find(client->station, words->words[1]);
	if (place && !is_off(place))
		return refuse(client, -EBUSY);
	int error = emulated_board_new(words, 2, &board, &wrong);
	if (error < 0 && wrong)
		return protocol_answer(
			client, "{\"ok\":false,\"error\":\"bad option: %s\"}", wrong);
	if (error < 0)
		return refuse(client, error);
	if (!place)
		place = new_place(client->station, words->words[1]);
	if (!place)
		return refuse(client, -ENOMEM);
	emulated_board_free(place->board);
	place->board = TAKE_PTR(board);
	emulated_board_listen(place->board, protocol_on_event, place);
	error = connect_board(place, place->board->button_held);
	if (error < 0) {
		forget_place(place);
		return refuse(client, error);
	}
	write_state(client, place);
}

static void on_replug(
	struct station_client *client, struct station_place *place, const struct words *words)
{
	bool button = words->count < 3 || strcmp(words->words[2], "button=0") != 0;
	if (!is_off(place))
		return refuse(client, -EBUSY);
	int error = connect_board(place, button);
	if (error < 0)
		return refuse(client, error);
	write_state(client, place);
}

static void on_fault(
	struct station_client *client, struct station_place *place, const struct words *words)
{
	struct emulated_board *board = place->board;
	const char *wrong = NULL;
	int number = board->operations->arm(board, station_now(), words, 2, &wrong);
	if (number < 0 && wrong)
		return protocol_answer(client, "{\"ok\":false,\"error\":\"bad fault: %s\"}", wrong);
	if (number < 0)
		return refuse(client, number);
	protocol_answer(client, "{\"ok\":true,\"fault\":%d}", number);
}

static int dump(struct station_place *place, const char *path)
{
	size_t size;
	const uint8_t *flash = place->board->operations->flash(place->board, &size);
	_cleanup_(fclosep) FILE *file = fopen(path, "we");
	if (!file || fwrite(flash, 1, size, file) != size || fflush(file))
		return -errno;
	return 0;
}

static int load(struct station_place *place, const char *path)
{
	_cleanup_(freep) uint8_t *bytes = NULL;
	size_t length, size;
	uint8_t *flash = place->board->operations->flash(place->board, &size);
	int error = word_read_file(path, &bytes, &length);
	if (error < 0)
		return error;
	if (length > size)
		return -EFBIG;
	memcpy(flash, bytes, length);
	return 0;
}

/* "present", "absent", "fired", "mode=NAME", "flash=NAME", and what only this make knows. */
bool protocol_condition_holds(struct station_place *place, const char *condition)
{
	struct emulated_board *board = place->board;
	const struct emulated_board_operations *operations = board->operations;
	if (!strcmp(condition, "present"))
		return is_present(place);
	if (!strcmp(condition, "absent"))
		return !is_present(place);
	if (!strcmp(condition, "fired"))
		return operations->fault_fired(board, 0);
	if (!strncmp(condition, "mode=", 5))
		return !strcmp(condition + 5, operations->mode(board));
	if (!strncmp(condition, "flash=", 6))
		return !strcmp(condition + 6, operations->flash_state(board));
	return operations->condition_holds(board, condition);
}

void protocol_answer_await(struct station_client *client, bool holds)
{
	struct station_place *place = client->awaited;
	client->awaited = NULL;
	if (holds)
		write_state(client, place);
	else
		protocol_answer(client, "{\"ok\":false,\"error\":\"limit\"}");
}

static void on_await(
	struct station_client *client, struct station_place *place, const struct words *words)
{
	unsigned long msec = AWAIT_MSEC;
	if (words->count < 3 || strlen(words->words[2]) >= sizeof(client->condition))
		return refuse(client, -EINVAL);
	if (words->count > 3 && !strncmp(words->words[3], "limit=", 6))
		msec = strtoul(words->words[3] + 6, NULL, 0);
	strcpy(client->condition, words->words[2]);
	client->awaited = place;
	client->deadline = station_now() + msec * NSEC_PER_MSEC;
}

static void on_place_verb(struct station_client *client, const struct words *words)
{
	const char *verb = words->words[0];
	struct station_place *place =
		words->count > 1 ? station_find(client->station, words->words[1]) : NULL;
	if (!place)
		return refuse(client, -ENOENT);
	place->station->transport.run(place, station_now());
	if (!strcmp(verb, "state"))
		return write_state(client, place);
	if (!strcmp(verb, "fault"))
		return on_fault(client, place, words);
	if (!strcmp(verb, "await"))
		return on_await(client, place, words);
	if (!strcmp(verb, "replug"))
		return on_replug(client, place, words);
	int error = 0;
	if (!strcmp(verb, "unplug"))
		disconnect(place);
	else if (!strcmp(verb, "reset"))
		place->board->operations->reset(place->board, station_now());
	else if (!strcmp(verb, "heal"))
		place->board->operations->disarm_all(place->board);
	else if (!strcmp(verb, "orphan") && place->station->transport.orphan)
		place->station->transport.orphan(place);
	else if (!strcmp(verb, "reset-counters"))
		place->board->operations->reset_counters(place->board);
	else if (!strcmp(verb, "dump") && words->count == 3)
		error = dump(place, words->words[2]);
	else if (!strcmp(verb, "load") && words->count == 3)
		error = load(place, words->words[2]);
	else
		error = -EINVAL;
	if (error < 0)
		return refuse(client, error);
	protocol_answer(client, "{\"ok\":true}");
}

static void on_list(struct station_client *client)
{
	_cleanup_(freep) char *text = NULL;
	size_t length;
	_cleanup_(fclosep) FILE *json = open_memstream(&text, &length);
	if (!json)
		return refuse(client, -ENOMEM);
	fprintf(json, "{\"ok\":true,\"places\":[");
	for (struct station_place *place = client->station->places; place; place = place->next)
		fprintf(json, "\"%s\"%s", place->name, place->next ? "," : "");
	fprintf(json, "]}\n");
	fflush(json);
	send_line(client, text, length);
}

void protocol_on_line(struct station_client *client, char *line)
{
	struct words words = { 0 };
	char *rest = NULL;
	for (char *word = strtok_r(line, " \t\r", &rest); word && words.count < WORDS_MOST;
		word = strtok_r(NULL, " \t\r", &rest))
		words.words[words.count++] = word;
	if (!words.count)
		return;
	const char *verb = words.words[0];
	if (!strcmp(verb, "plug") && words.count > 1) {
		on_plug(client, &words);
	} else if (!strcmp(verb, "list")) {
		on_list(client);
	} else if (!strcmp(verb, "events")) {
		client->wants_events = true;
		client->wants_details = words.count > 1 && !strcmp(words.words[1], "all");
		protocol_answer(client, "{\"ok\":true}");
	} else if (!strcmp(verb, "quit")) {
		protocol_answer(client, "{\"ok\":true}");
		station_stop(client->station);
	} else {
		on_place_verb(client, &words);
	}
	station_kick(client->station);
}
