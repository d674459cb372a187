/* SPDX-License-Identifier: MIT */
/* Comparing versions; see version.h. */
#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "model/version.h"

#define NUMBERS     4
#define NUMBER_MOST 1000000000u
#define HASH_LEAST  7u /* digits of a commit's name, as git shortens it */

struct version {
	const char *words; /* what stands before the first digit */
	size_t words_length;
	uint32_t numbers[NUMBERS]; /* those that are not there count as 0 */
	uint32_t commits; /* behind the tag */
	bool is_ordinary; /* has at least one number, and none that does not fit */
};

static bool take_number(const char **text, uint32_t *ret)
{
	const char *at = *text;
	uint32_t value = 0;
	if (!isdigit((unsigned char)*at))
		return false;
	for (; isdigit((unsigned char)*at); at++) {
		if (value >= NUMBER_MOST / 10)
			return false;
		value = value * 10 + (uint32_t)(*at - '0');
	}
	*text = at;
	*ret = value;
	return true;
}

/* Without a tag, `git describe --always` makes a commit's name; it may begin with any digit. */
static bool is_commit(const char *text)
{
	size_t length = strspn(text, "0123456789abcdef");
	return length >= HASH_LEAST && (text[length] == '\0' || text[length] == '-');
}

static struct version version_from(const char *text)
{
	struct version version = { .words = text, .words_length = strcspn(text, "0123456789") };
	const char *at = text + version.words_length;
	size_t count = 0;
	if (is_commit(text))
		return version;
	do {
		if (count == NUMBERS || !take_number(&at, &version.numbers[count++]))
			return version;
	} while (*at == '.' && at++);
	/* "-COMMITS-gHASH" */
	if (*at == '-') {
		const char *behind = at + 1;
		uint32_t commits;
		if (!take_number(&behind, &commits)) {
			if (isdigit((unsigned char)*behind))
				return version; /* does not fit */
		} else if (behind[0] == '-' && behind[1] == 'g') {
			version.commits = commits;
		}
	}
	version.is_ordinary = true;
	return version;
}

static enum version_order order_of(uint32_t left, uint32_t right)
{
	if (left == right)
		return VERSION_SAME;
	return left < right ? VERSION_OLDER : VERSION_NEWER;
}

enum version_order version_compare(const char *left, const char *right)
{
	if (!left || !right || !*left || !*right)
		return VERSION_UNORDERED;
	if (strcmp(left, right) == 0)
		return VERSION_SAME;
	struct version a = version_from(left), b = version_from(right);
	if (!a.is_ordinary || !b.is_ordinary || a.words_length != b.words_length ||
		memcmp(a.words, b.words, a.words_length) != 0)
		return VERSION_UNORDERED;
	enum version_order order = VERSION_SAME;
	for (size_t i = 0; i < NUMBERS && order == VERSION_SAME; i++)
		order = order_of(a.numbers[i], b.numbers[i]);
	if (order == VERSION_SAME)
		order = order_of(a.commits, b.commits);
	/* Two commits at the same distance, or one with changes that were never committed. */
	return order == VERSION_SAME ? VERSION_UNORDERED : order;
}
