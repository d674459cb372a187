/* SPDX-License-Identifier: MIT */
/* Boards on the bus; see bus_boards.h. */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "daemon/bus_boards.h"
#include "daemon/bus_put.h"
#include "daemon/passports.h"

struct listing {
	sd_bus_message *message;
	const struct policy *policy;
	bool *is_met; /* a board of the policy */
};

/* ---- names ------------------------------------------------------------------------------- */

/* The policy that is in force says what a board is called, not the one of its last job. */
static bool is_called(const struct policy_board *board, const char *id)
{
	char uuid[CAN_UUID_TEXT] = "";
	if (board->serial && strcasecmp(board->serial, id) == 0)
		return true;
	(void)can_uuid_from_serial(id, uuid);
	return board->can_uuid &&
	       (strcasecmp(board->can_uuid, id) == 0 || strcasecmp(board->can_uuid, uuid) == 0);
}

static int put_names(struct listing *listing, const char *id)
{
	TRY(bus_open_entry(listing->message, "names", "as"));
	TRY(sd_bus_message_open_container(listing->message, SD_BUS_TYPE_ARRAY, "s"));
	for (size_t i = 0; i < listing->policy->board_count; i++) {
		const struct policy_board *board = &listing->policy->boards[i];
		if (!is_called(board, id))
			continue;
		listing->is_met[i] = true;
		TRY(sd_bus_message_append(listing->message, "s", board->name));
	}
	TRY(sd_bus_message_close_container(listing->message));
	return bus_close_entry(listing->message);
}

/* ---- boards of the book ------------------------------------------------------------------ */

static int put_tie(sd_bus_message *message, const struct passport_tie *tie)
{
	TRY(sd_bus_message_open_container(message, SD_BUS_TYPE_ARRAY, "{sv}"));
	TRY(bus_put_string(message, "kind", tie->kind));
	TRY(bus_put_string(message, "value", tie->value));
	TRY(bus_put_string(message, "learnt", tie->learnt));
	TRY(bus_put_number(message, "first_realtime_usec", tie->first_usec));
	TRY(bus_put_number(message, "last_realtime_usec", tie->last_usec));
	TRY(bus_put_number(message, "count", tie->count));
	return sd_bus_message_close_container(message);
}

static int put_ties(sd_bus_message *message, const struct passport *passport)
{
	TRY(bus_open_entry(message, "ties", "aa{sv}"));
	TRY(sd_bus_message_open_container(message, SD_BUS_TYPE_ARRAY, "a{sv}"));
	for (size_t i = 0; i < passport->tie_count; i++)
		TRY(put_tie(message, &passport->ties[i]));
	TRY(sd_bus_message_close_container(message));
	return bus_close_entry(message);
}

static int put_passport(void *context, const struct passport *passport)
{
	struct listing *listing = context;
	sd_bus_message *message = listing->message;
	TRY(sd_bus_message_open_container(message, SD_BUS_TYPE_ARRAY, "{sv}"));
	TRY(bus_put_string(message, "id", passport->id));
	TRY(put_names(listing, passport->id));
	if (*passport->chip)
		TRY(bus_put_string(message, "chip", passport->chip));
	if (*passport->place)
		TRY(bus_put_string(message, "place", passport->place));
	TRY(bus_put_number(message, "first_realtime_usec", passport->first_usec));
	TRY(bus_put_number(message, "last_realtime_usec", passport->last_usec));
	TRY(put_ties(message, passport));
	return sd_bus_message_close_container(message);
}

/* A board that was never met is known by what the policy says of it. */
static int put_unmet(struct listing *listing, const struct policy_board *board)
{
	sd_bus_message *message = listing->message;
	const char *id = board->serial ? board->serial : board->can_uuid;
	TRY(sd_bus_message_open_container(message, SD_BUS_TYPE_ARRAY, "{sv}"));
	TRY(bus_put_string(message, "id", id));
	TRY(put_names(listing, id));
	if (board->chip != CHIP_UNKNOWN)
		TRY(bus_put_string(message, "chip", chip_name(board->chip)));
	return sd_bus_message_close_container(message);
}

int bus_put_boards(sd_bus_message *message, struct history *history, const struct policy *policy)
{
	_cleanup_(freep) bool *is_met = calloc(policy->board_count + 1, sizeof(*is_met));
	struct listing listing = { message, policy, is_met };
	if (!is_met)
		return -ENOMEM;
	TRY(sd_bus_message_open_container(message, SD_BUS_TYPE_ARRAY, "a{sv}"));
	TRY(passports_list(history, put_passport, &listing));
	for (size_t i = 0; i < policy->board_count; i++)
		if (!is_met[i])
			TRY(put_unmet(&listing, &policy->boards[i]));
	return sd_bus_message_close_container(message);
}

/* ---- one that is to be enrolled ----------------------------------------------------------- */

int bus_put_enrolment(
	sd_bus_message *message, const struct device *device, const struct enrolment *enrolment)
{
	TRY(sd_bus_message_open_container(message, SD_BUS_TYPE_ARRAY, "{sv}"));
	TRY(bus_put_string(message, "place", device->place));
	TRY(bus_put_string(message, "port", device->port));
	TRY(bus_put_string(message, "mode", mode_name(device->mode)));
	TRY(bus_put_string(message, "id", enrolment->id));
	TRY(bus_put_string(message, "learnt", provenance_name(enrolment->origin)));
	if (enrolment->chip != CHIP_UNKNOWN)
		TRY(bus_put_string(message, "chip", chip_name(enrolment->chip)));
	return sd_bus_message_close_container(message);
}
