/* SPDX-License-Identifier: MIT */
/*
 * The verbs of the bench protocol, one line in, one line of JSON out.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "emu/picoboot_words.h"
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

static struct station_place *find_place(struct station *station, const char *name)
{
	struct station_place *place = station->places;
	while (place && strcmp(place->name, name))
		place = place->next;
	return place;
}

static const char *fault_text(uint32_t kind)
{
	return options_fault_name((enum rp2040_fault_kind)kind);
}

void protocol_on_event(void *context, const struct rp2040_event *event)
{
	static const char *const modes[] = { "left the bus: off", "left the bus: away",
		"rebooted to boot mode", "rebooted to application", "left the bus: lost" };
	struct station_place *place = context;
	char text[64] = "first-usb-request";
	if (event->kind == RP2040_EVENT_MODE)
		snprintf(text, sizeof(text), "%s", modes[event->value]);
	else if (event->kind == RP2040_EVENT_ERASE)
		snprintf(text, sizeof(text), "erase 0x%x", event->value);
	else if (event->kind == RP2040_EVENT_PROGRAM)
		snprintf(text, sizeof(text), "program 0x%x", event->value);
	else if (event->kind == RP2040_EVENT_COMMAND)
		snprintf(text, sizeof(text), "command 0x%02x", event->value);
	else if (event->kind == RP2040_EVENT_FAULT)
		snprintf(text, sizeof(text), "fault %s", fault_text(event->value));
	bool detail = event->kind == RP2040_EVENT_PROGRAM || event->kind == RP2040_EVENT_COMMAND;
	station_note(place, event->at_nsec, text, detail);
}

static void write_counters(FILE *json, const struct rp2040 *board)
{
	const struct rp2040_counters *counters = rp2040_counters(board);
	const struct rp2040_ledger *ledger = rp2040_ledger(board);
	fprintf(json,
		",\"commands\":%llu,\"sectors_erased\":%llu,\"pages_programmed\":%llu,"
		"\"pages_overprogrammed\":%llu,\"bytes_read\":%llu,\"bulk_bytes\":%llu,"
		"\"control_requests\":%llu,\"interface_resets\":%llu,\"bus_resets\":%llu,"
		"\"executions\":%llu,\"otp_writes\":%llu",
		(unsigned long long)counters->commands,
		(unsigned long long)counters->sectors_erased,
		(unsigned long long)counters->pages_programmed,
		(unsigned long long)counters->pages_overprogrammed,
		(unsigned long long)counters->bytes_read, (unsigned long long)counters->bulk_bytes,
		(unsigned long long)counters->control_requests,
		(unsigned long long)counters->interface_resets,
		(unsigned long long)counters->bus_resets, (unsigned long long)counters->executions,
		(unsigned long long)counters->commands_by_id[PICOBOOT_OTP_WRITE]);
	fprintf(json, ",\"busy_nsec\":%llu,\"flash_nsec\":%llu,\"wire_nsec\":%llu",
		(unsigned long long)ledger->union_nsec,
		(unsigned long long)(ledger->erase_nsec + ledger->program_nsec + ledger->read_nsec),
		(unsigned long long)ledger->wire_nsec);
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
	_cleanup_(freep) char *text = NULL;
	size_t length;
	_cleanup_(fclosep) FILE *json = open_memstream(&text, &length);
	if (!json)
		return refuse(client, -ENOMEM);
	fprintf(json, "{\"ok\":true,\"place\":\"%s\",\"mode\":\"%s\",\"flash\":\"%s\"", place->name,
		rp2040_mode_name(rp2040_mode(place->board)),
		rp2040_boot_name(rp2040_flash_state(place->board)));
	bool present = place->station->transport.describe(place, json);
	write_counters(json, place->board);
	fprintf(json, ",\"faults_fired\":[");
	for (int fault = 0, printed = 0; rp2040_fault_exists(place->board, fault); fault++)
		if (rp2040_fault_fired(place->board, fault))
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

static int connect_board(struct station_place *place, bool button)
{
	int error = place->station->transport.add(place);
	if (error < 0)
		return error;
	rp2040_power_on(place->board, station_now(), button);
	return 0;
}

static void disconnect(struct station_place *place)
{
	if (!place->board || rp2040_mode(place->board) == RP2040_OFF)
		return;
	rp2040_power_off(place->board, station_now());
	place->station->transport.remove(place);
}

static void forget_place(struct station_place *place)
{
	struct station_place **at = &place->station->places;
	while (*at != place)
		at = &(*at)->next;
	*at = place->next;
	rp2040_free(place->board);
	free(place->name);
	free(place);
}

static void on_plug(struct station_client *client, const struct station_words *words)
{
	struct rp2040_options options = { 0 };
	_cleanup_(freep) uint8_t *image = NULL;
	_cleanup_(rp2040_freep) struct rp2040 *board = NULL;
	const char *wrong = "";
	int error = options_parse(words, 2, &options, &image, &wrong);
	if (error < 0)
		return protocol_answer(
			client, "{\"ok\":false,\"error\":\"bad option: %s\"}", wrong);
	struct station_place *place = find_place(client->station, words->words[1]);
	if (place && rp2040_mode(place->board) != RP2040_OFF)
		return refuse(client, -EBUSY);
	error = rp2040_new(&options, &board);
	if (error < 0)
		return refuse(client, error);
	if (!place)
		place = new_place(client->station, words->words[1]);
	if (!place)
		return refuse(client, -ENOMEM);
	rp2040_free(place->board);
	place->board = TAKE_PTR(board);
	rp2040_listen(place->board, protocol_on_event, place);
	error = connect_board(place, !options.button_released);
	if (error < 0) {
		forget_place(place);
		return refuse(client, error);
	}
	write_state(client, place);
}

static void on_replug(struct station_client *client, struct station_place *place,
	const struct station_words *words)
{
	bool button = words->count < 3 || strcmp(words->words[2], "button=0") != 0;
	if (rp2040_mode(place->board) != RP2040_OFF)
		return refuse(client, -EBUSY);
	int error = connect_board(place, button);
	if (error < 0)
		return refuse(client, error);
	write_state(client, place);
}

static void on_fault(struct station_client *client, struct station_place *place,
	const struct station_words *words)
{
	struct rp2040_fault fault = { 0 };
	const char *wrong = "";
	if (options_parse_fault(words, 2, &fault, &wrong) < 0)
		return protocol_answer(client, "{\"ok\":false,\"error\":\"bad fault: %s\"}", wrong);
	int number = rp2040_arm(place->board, station_now(), &fault);
	if (number < 0)
		return refuse(client, number);
	protocol_answer(client, "{\"ok\":true,\"fault\":%d}", number);
}

static int dump(struct station_place *place, const char *path)
{
	size_t size;
	const uint8_t *flash = rp2040_flash(place->board, &size);
	_cleanup_(fclosep) FILE *file = fopen(path, "we");
	if (!file || fwrite(flash, 1, size, file) != size || fflush(file))
		return -errno;
	return 0;
}

static int load(struct station_place *place, const char *path)
{
	_cleanup_(freep) uint8_t *bytes = NULL;
	size_t length, size;
	uint8_t *flash = rp2040_flash(place->board, &size);
	int error = options_read_file(path, &bytes, &length);
	if (error < 0)
		return error;
	if (length > size)
		return -EFBIG;
	memcpy(flash, bytes, length);
	return 0;
}

/* "present", "absent", "requested", "fired", "mode=NAME", "flash=NAME" or "pages=N", "sectors=N",
 * "commands=N" (that many at least). */
bool protocol_condition_holds(struct station_place *place, const char *condition)
{
	const struct rp2040_counters *counters = rp2040_counters(place->board);
	const char *value = strchr(condition, '=');
	value = value ? value + 1 : "";
	if (!strcmp(condition, "present"))
		return is_present(place);
	if (!strcmp(condition, "absent"))
		return !is_present(place);
	if (!strcmp(condition, "requested"))
		return counters->commands > 0;
	if (!strcmp(condition, "fired"))
		return rp2040_fault_fired(place->board, 0);
	if (!strncmp(condition, "mode=", 5))
		return !strcmp(value, rp2040_mode_name(rp2040_mode(place->board)));
	if (!strncmp(condition, "flash=", 6))
		return !strcmp(value, rp2040_boot_name(rp2040_flash_state(place->board)));
	uint64_t wanted = strtoull(value, NULL, 0);
	if (!strncmp(condition, "pages=", 6))
		return counters->pages_programmed >= wanted;
	if (!strncmp(condition, "sectors=", 8))
		return counters->sectors_erased >= wanted;
	return !strncmp(condition, "commands=", 9) && counters->commands >= wanted;
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

static void on_await(struct station_client *client, struct station_place *place,
	const struct station_words *words)
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

static void on_place_verb(struct station_client *client, const struct station_words *words)
{
	const char *verb = words->words[0];
	struct station_place *place =
		words->count > 1 ? find_place(client->station, words->words[1]) : NULL;
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
	else if (!strcmp(verb, "heal"))
		rp2040_disarm_all(place->board);
	else if (!strcmp(verb, "orphan") && place->station->transport.orphan)
		place->station->transport.orphan(place);
	else if (!strcmp(verb, "reset-counters"))
		rp2040_reset_counters(place->board);
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
	struct station_words words = { 0 };
	char *rest = NULL;
	for (char *word = strtok_r(line, " \t\r", &rest); word && words.count < STATION_WORDS;
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
