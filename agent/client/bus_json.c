/* SPDX-License-Identifier: MIT */
/* D-Bus to JSON; see bus_json.h. */
#include <errno.h>

#include "client/bus_json.h"

#define DEPTH_MAX 16 /* the deepest reply of the service has 7 */

static int read_value(sd_bus_message *message, unsigned depth, cJSON **ret);

static int give(cJSON *value, cJSON **ret)
{
	*ret = value;
	return value ? 0 : -ENOMEM;
}

static int read_basic(sd_bus_message *message, char type, cJSON **ret)
{
	union {
		uint8_t y;
		int b; /* sd-bus writes a whole int */
		int16_t n;
		uint16_t q;
		int32_t i;
		uint32_t u;
		int64_t x;
		uint64_t t;
		double d;
		const char *s;
	} value = { 0 };
	int r = sd_bus_message_read_basic(message, type, &value);
	if (r < 0)
		return r;
	switch (type) {
	case SD_BUS_TYPE_BOOLEAN:
		return give(cJSON_CreateBool(value.b), ret);
	case SD_BUS_TYPE_BYTE:
		return give(cJSON_CreateNumber(value.y), ret);
	case SD_BUS_TYPE_INT16:
		return give(cJSON_CreateNumber(value.n), ret);
	case SD_BUS_TYPE_UINT16:
		return give(cJSON_CreateNumber(value.q), ret);
	case SD_BUS_TYPE_INT32:
		return give(cJSON_CreateNumber(value.i), ret);
	case SD_BUS_TYPE_UINT32:
		return give(cJSON_CreateNumber(value.u), ret);
	/* JSON numbers are doubles to most readers: exact up to 2^53, like every amount we meet. */
	case SD_BUS_TYPE_INT64:
		return give(cJSON_CreateNumber((double)value.x), ret);
	case SD_BUS_TYPE_UINT64:
		return give(cJSON_CreateNumber((double)value.t), ret);
	case SD_BUS_TYPE_DOUBLE:
		return give(cJSON_CreateNumber(value.d), ret);
	case SD_BUS_TYPE_STRING:
	case SD_BUS_TYPE_OBJECT_PATH:
	case SD_BUS_TYPE_SIGNATURE:
		return give(json_new_text(value.s), ret);
	default: /* a file descriptor says nothing in text */
		return give(cJSON_CreateNull(), ret);
	}
}

/* Reads values up to the end of the container into an array. */
static int read_list(sd_bus_message *message, unsigned depth, cJSON **ret)
{
	_cleanup_(json_deletep) cJSON *list = cJSON_CreateArray();
	if (!list)
		return -ENOMEM;
	int at_end;
	while ((at_end = sd_bus_message_at_end(message, false)) == 0) {
		cJSON *element = NULL;
		int r = read_value(message, depth, &element);
		if (r >= 0)
			r = json_append(list, element);
		if (r < 0)
			return r;
	}
	if (at_end < 0)
		return at_end;
	*ret = TAKE_PTR(list);
	return 0;
}

static int read_entry(sd_bus_message *message, unsigned depth, cJSON *object)
{
	_cleanup_(json_deletep) cJSON *key = NULL, *value = NULL;
	int r = read_value(message, depth, &key);
	if (r >= 0)
		r = read_value(message, depth, &value);
	if (r < 0)
		return r;
	if (cJSON_IsString(key))
		return json_put(object, key->valuestring, TAKE_PTR(value));
	_cleanup_(freep) char *text = cJSON_PrintUnformatted(key);
	return text ? json_put(object, text, TAKE_PTR(value)) : -ENOMEM;
}

static int read_dictionary(sd_bus_message *message, const char *entry, unsigned depth, cJSON **ret)
{
	_cleanup_(json_deletep) cJSON *object = cJSON_CreateObject();
	char contents[256]; /* a signature has at most 255 characters */
	if (!object)
		return -ENOMEM;
	size_t length = (size_t)snprintf(contents, sizeof(contents), "%s", entry + 1);
	if (length < 3 || length >= sizeof(contents))
		return -EBADMSG;
	contents[length - 1] = '\0'; /* "{sv}" without its braces */
	int r;
	while ((r = sd_bus_message_enter_container(message, SD_BUS_TYPE_DICT_ENTRY, contents)) >
		0) {
		r = read_entry(message, depth, object);
		if (r >= 0)
			r = sd_bus_message_exit_container(message);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return r;
	*ret = TAKE_PTR(object);
	return 0;
}

static int read_container(
	sd_bus_message *message, char type, const char *contents, unsigned depth, cJSON **ret)
{
	_cleanup_(json_deletep) cJSON *value = NULL;
	int r = sd_bus_message_enter_container(message, type, contents);
	if (r < 0)
		return r;
	if (type == SD_BUS_TYPE_VARIANT)
		r = read_value(message, depth, &value);
	else if (type == SD_BUS_TYPE_ARRAY && contents[0] == SD_BUS_TYPE_DICT_ENTRY_BEGIN)
		r = read_dictionary(message, contents, depth, &value);
	else
		r = read_list(message, depth, &value);
	if (r >= 0)
		r = sd_bus_message_exit_container(message);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(value);
	return 0;
}

static int read_value(sd_bus_message *message, unsigned depth, cJSON **ret)
{
	char type;
	const char *contents;
	if (depth >= DEPTH_MAX)
		return -EBADMSG;
	int r = sd_bus_message_peek_type(message, &type, &contents);
	if (r <= 0)
		return r < 0 ? r : -EBADMSG;
	if (type == SD_BUS_TYPE_ARRAY || type == SD_BUS_TYPE_VARIANT || type == SD_BUS_TYPE_STRUCT)
		return read_container(message, type, contents, depth + 1, ret);
	return read_basic(message, type, ret);
}

int bus_json_read(sd_bus_message *message, cJSON **ret)
{
	_cleanup_(json_deletep) cJSON *list = NULL;
	int r = read_list(message, 0, &list);
	if (r < 0)
		return r == -ENOMEM ? r : -EBADMSG;
	int count = cJSON_GetArraySize(list);
	if (count > 1)
		*ret = TAKE_PTR(list);
	else
		*ret = count == 1 ? cJSON_DetachItemFromArray(list, 0) : cJSON_CreateNull();
	return *ret ? 0 : -ENOMEM;
}
