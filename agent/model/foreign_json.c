/* SPDX-License-Identifier: MIT */
/* JSON of others; see foreign_json.h. */
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "model/foreign_json.h"

/* What we read nests four deep. cJSON recurses a thousand times, which is not for every stack. */
#define DEPTH_MAX 16u
/* cJSON before 1.7.18 looks behind the end of a text that ends in a comma: NULs stand there. */
#define PADDING 8u

/* Steps over a string; where it ends, or 0. A NUL in it, written out or not, would cut the text
 * that comes out of it short. */
static size_t skip_string(const char *json, size_t length, size_t at)
{
	for (at++; at < length && json[at] != '\0'; at++) {
		if (json[at] == '"')
			return at + 1;
		if (json[at] != '\\')
			continue;
		if (length - at > 6 && memcmp(json + at, "\\u0000", 6) == 0)
			return 0;
		at++;
	}
	return 0;
}

/* True for one object that is not too deep for a recursive parser; whether it is JSON, that one
 * finds out. */
static bool is_shallow_object(const char *json, size_t length)
{
	size_t at = 0, depth = 0;
	while (at < length && isspace((unsigned char)json[at]))
		at++;
	if (at == length || json[at] != '{')
		return false;
	while (at < length) {
		if (json[at] == '"') {
			at = skip_string(json, length, at);
			if (at == 0)
				return false;
			continue;
		}
		if (json[at] == '{' || json[at] == '[')
			depth++;
		if (json[at] == '}' || json[at] == ']')
			depth--; /* wraps when there are too many, and is then too deep */
		if (json[at] == '\0' || depth > DEPTH_MAX)
			return false;
		at++;
	}
	return depth == 0;
}

cJSON *foreign_json_free(cJSON *json)
{
	cJSON_Delete(json);
	return NULL;
}

int foreign_json_parse(const char *json, size_t length, cJSON **ret)
{
	_cleanup_(freep) char *text = calloc(1, length + PADDING);
	if (!text)
		return -ENOMEM;
	memcpy(text, json, length);
	if (!is_shallow_object(text, length))
		return -EBADMSG;

	const char *end = NULL;
	errno = 0; /* cJSON itself does not tell why it has failed */
	_cleanup_(foreign_json_freep) cJSON *tree =
		cJSON_ParseWithLengthOpts(text, length, &end, false);
	if (!tree)
		return errno == ENOMEM ? -ENOMEM : -EBADMSG;
	for (; end < text + length; end++)
		if (!isspace((unsigned char)*end))
			return -EBADMSG;
	*ret = TAKE_PTR(tree);
	return 0;
}
