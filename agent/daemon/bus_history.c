/* SPDX-License-Identifier: MIT */
/* The past on the bus; see bus_history.h. */
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "daemon/bus_history.h"
#include "daemon/bus_put.h"

/* ---- the filter -------------------------------------------------------------------------- */

struct filter_key {
	const char *name;
	char type; /* of D-Bus: 's', 't' or 'b' */
};

static const struct filter_key keys[] = {
	{ "board", 's' },
	{ "place", 's' },
	{ "since_realtime_usec", 't' },
	{ "failed", 'b' },
	{ "before", 't' },
	{ "job", 't' },
	{ "rows", 't' },
};

union filter_value {
	const char *text;
	uint64_t number;
	int flag;
};

static const struct filter_key *find_key(const char *name)
{
	for (size_t i = 0; i < ELEMENTSOF(keys); i++)
		if (text_equal(keys[i].name, name))
			return &keys[i];
	return NULL;
}

static void adopt(struct history_filter *filter, const char *name, const union filter_value *value)
{
	if (text_equal(name, "board"))
		filter->board = value->text;
	else if (text_equal(name, "place"))
		filter->place = value->text;
	else if (text_equal(name, "since_realtime_usec"))
		filter->since_usec = value->number;
	else if (text_equal(name, "failed"))
		filter->only_failed = value->flag;
	else if (text_equal(name, "before"))
		filter->before_job_id = value->number;
	else if (text_equal(name, "job"))
		filter->job_id = value->number;
	else
		filter->rows = value->number < HISTORY_ROWS_MAX ? (unsigned)value->number : 0;
}

static int read_entry(sd_bus_message *call, struct history_filter *filter, sd_bus_error *error)
{
	const char *name;
	int r = sd_bus_message_read(call, "s", &name);
	if (r < 0)
		return r;
	const struct filter_key *key = find_key(name);
	if (!key) {
		_cleanup_(freep) char *safe = text_escape(name);
		return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
			"The history cannot be asked by \"%s\"; it can by board, place, "
			"since_realtime_usec, failed, before, job and rows",
			safe ? safe : "that");
	}
	const char type[] = { key->type, '\0' };
	union filter_value value = { 0 };
	r = sd_bus_message_enter_container(call, SD_BUS_TYPE_VARIANT, type);
	if (r < 0)
		return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
			"\"%s\" wants a value of the type %s", key->name, type);
	r = sd_bus_message_read_basic(call, key->type, &value);
	if (r < 0)
		return r;
	adopt(filter, name, &value);
	return sd_bus_message_exit_container(call);
}

int bus_read_filter(sd_bus_message *call, struct history_filter *ret, sd_bus_error *error)
{
	struct history_filter filter = { 0 };
	int r = sd_bus_message_enter_container(call, SD_BUS_TYPE_ARRAY, "{sv}");
	while (r >= 0 &&
		(r = sd_bus_message_enter_container(call, SD_BUS_TYPE_DICT_ENTRY, "sv")) > 0) {
		r = read_entry(call, &filter, error);
		if (r >= 0)
			r = sd_bus_message_exit_container(call);
	}
	if (r >= 0)
		r = sd_bus_message_exit_container(call);
	if (r < 0)
		return r;
	*ret = filter;
	return 0;
}

/* ---- the answer -------------------------------------------------------------------------- */

static int put_fields(void *context, const struct history_field *fields, size_t count)
{
	sd_bus_message *message = context;
	int r = sd_bus_message_open_container(message, SD_BUS_TYPE_ARRAY, "{sv}");
	for (size_t i = 0; i < count && r >= 0; i++)
		r = fields[i].is_number ? bus_put_number(message, fields[i].name, fields[i].number)
					: bus_put_string(message, fields[i].name, fields[i].text);
	return r < 0 ? r : sd_bus_message_close_container(message);
}

int bus_put_history(
	sd_bus_message *message, struct history *history, const struct history_filter *filter)
{
	int r = sd_bus_message_open_container(message, SD_BUS_TYPE_ARRAY, "a{sv}");
	if (r >= 0)
		r = history_query(history, filter, put_fields, message);
	return r < 0 ? r : sd_bus_message_close_container(message);
}

static int put_place(void *context, const char *place, const struct place_record *record)
{
	sd_bus_message *message = context;
	int r = sd_bus_message_open_container(message, SD_BUS_TYPE_ARRAY, "{sv}");
	if (r >= 0)
		r = bus_put_string(message, "place", place);
	if (r >= 0)
		r = bus_put_string(message, "why", record->why);
	if (r >= 0)
		r = bus_put_number(message, "since_realtime_usec", record->quarantined_usec);
	return r < 0 ? r : sd_bus_message_close_container(message);
}

int bus_put_quarantined(sd_bus_message *message, const char *key, struct history *history)
{
	int r = bus_open_entry(message, key, "aa{sv}");
	if (r >= 0)
		r = sd_bus_message_open_container(message, SD_BUS_TYPE_ARRAY, "a{sv}");
	if (r >= 0)
		r = history_quarantined(history, put_place, message);
	if (r >= 0)
		r = sd_bus_message_close_container(message);
	return r < 0 ? r : bus_close_entry(message);
}
