/* SPDX-License-Identifier: MIT */
/* Helpers around cJSON; see json.h. */
#include <errno.h>

#include "base/text.h"
#include "client/json.h"

cJSON *json_new_text(const char *text)
{
	if (text_is_plain(text))
		return cJSON_CreateString(text);
	_cleanup_(freep) char *safe = text_escape(text);
	return safe ? cJSON_CreateString(safe) : NULL;
}

const char *json_text(const cJSON *object, const char *key)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
	return text ? text : "";
}

double json_number(const cJSON *object, const char *key)
{
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, key);
	return cJSON_IsNumber(value) ? value->valuedouble : 0;
}

bool json_flag(const cJSON *object, const char *key)
{
	return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, key));
}

const cJSON *json_list(const cJSON *object, const char *key)
{
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, key);
	return cJSON_IsArray(value) || cJSON_IsObject(value) ? value : NULL;
}

int json_put(cJSON *object, const char *key, cJSON *value)
{
	if (value && cJSON_AddItemToObject(object, key, value))
		return 0;
	cJSON_Delete(value);
	return -ENOMEM;
}

int json_put_text(cJSON *object, const char *key, const char *text)
{
	return json_put(object, key, json_new_text(text));
}

int json_append(cJSON *array, cJSON *value)
{
	if (value && cJSON_AddItemToArray(array, value))
		return 0;
	cJSON_Delete(value);
	return -ENOMEM;
}

cJSON *json_filter(const cJSON *array, bool (*wanted)(const cJSON *element))
{
	_cleanup_(json_deletep) cJSON *kept = cJSON_CreateArray();
	if (!kept)
		return NULL;
	const cJSON *element;
	cJSON_ArrayForEach(element, array)
	{
		if (wanted(element) && json_append(kept, cJSON_Duplicate(element, true)) < 0)
			return NULL;
	}
	return TAKE_PTR(kept);
}

int json_print(FILE *stream, const cJSON *value, bool one_line)
{
	_cleanup_(freep) char *text = one_line ? cJSON_PrintUnformatted(value) : cJSON_Print(value);
	if (!text)
		return -ENOMEM;
	fprintf(stream, "%s\n", text);
	return 0;
}
