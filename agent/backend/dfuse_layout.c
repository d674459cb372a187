/* SPDX-License-Identifier: MIT */
/* Reading layout strings; see dfuse_layout.h. */
#include <errno.h>
#include <string.h>

#include "backend/dfuse_layout.h"
#include "base/bytes.h"

bool dfuse_text(const uint8_t *descriptor, size_t length, char ret[DFUSE_TEXT_BYTES])
{
	size_t count = 0, end = length < 2 ? 0 : descriptor[0];
	if (end > length)
		end = length;
	bool is_whole = true;
	for (size_t at = 2; at + 1 < end && is_whole && count + 1 < DFUSE_TEXT_BYTES; at += 2) {
		uint16_t unit = read_u16(descriptor + at);
		is_whole = unit >= 0x20 && unit < 0x7f;
		if (is_whole)
			ret[count++] = (char)unit;
		else if (unit == 0)
			return ret[count] = '\0', true;
	}
	ret[count] = '\0';
	return is_whole;
}

static bool take(const char **at, char wanted)
{
	if (**at != wanted)
		return false;
	(*at)++;
	return true;
}

/* At least one digit, and no more than 32 bits. */
static bool take_number(const char **at, unsigned base, uint32_t *ret)
{
	static const char digits[] = "0123456789abcdef";
	uint64_t value = 0;
	const char *start = *at;
	for (;; (*at)++) {
		char lower = **at >= 'A' && **at <= 'F' ? (char)(**at - 'A' + 'a') : **at;
		const char *digit = lower ? memchr(digits, lower, base) : NULL;
		if (!digit)
			break;
		value = value * base + (uint64_t)(digit - digits);
		if (value > UINT32_MAX)
			return false;
	}
	*ret = (uint32_t)value;
	return *at > start;
}

static uint32_t take_multiplier(const char **at)
{
	if (take(at, 'K'))
		return 1u << 10;
	if (take(at, 'M'))
		return 1u << 20;
	if (!take(at, ' '))
		take(at, 'B');
	return 1;
}

/* "04*016Kg" at `start`; moves `*start` behind it. */
static bool take_segment(const char **at, uint64_t *start, struct dfuse_segment *ret)
{
	uint32_t count, size;
	if (!take_number(at, 10, &count) || !take(at, '*') || !take_number(at, 10, &size))
		return false;
	uint64_t bytes = (uint64_t)size * take_multiplier(at);
	char type = **at;
	if (type < 'a' || type > 'g')
		return false;
	(*at)++;
	uint64_t end = *start + bytes * count;
	if (count == 0 || bytes == 0 || bytes > UINT32_MAX || end > UINT32_MAX)
		return false;
	*ret = (struct dfuse_segment){
		.start = (uint32_t)*start,
		.unit_bytes = (uint32_t)bytes,
		.unit_count = count,
		.rights = (unsigned)(type - 'a' + 1),
	};
	*start = end;
	return true;
}

/* The segments of one address. False: what stands at `*at` goes on with no layout. */
static bool take_group(const char **at, struct dfuse_layout *layout)
{
	uint32_t start;
	const char *next = *at;
	if (!take(&next, '0') || !(take(&next, 'x') || take(&next, 'X')) ||
		!take_number(&next, 16, &start) || !take(&next, '/'))
		return false;
	uint64_t address = start;
	do {
		if (layout->segment_count == DFUSE_SEGMENTS_MAX ||
			!take_segment(&next, &address, &layout->segments[layout->segment_count]))
			return false;
		layout->segment_count++;
		*at = next;
	} while (take(&next, ','));
	return true;
}

static void take_name(const char **at, struct dfuse_layout *layout)
{
	size_t length = strcspn(*at, "/"), kept = length;
	while (kept > 0 && (*at)[kept - 1] == ' ')
		kept--;
	if (kept >= sizeof(layout->name))
		kept = sizeof(layout->name) - 1;
	memcpy(layout->name, *at, kept);
	layout->name[kept] = '\0';
	*at += length;
}

int dfuse_layout_parse(const char *text, struct dfuse_layout *ret)
{
	struct dfuse_layout layout = { 0 };
	const char *at = text;
	if (!take(&at, '@'))
		return -EBADMSG;
	take_name(&at, &layout);
	/* After a whole segment anything that does not go on as a layout ends it. */
	while (*at == '/') {
		const char *next = at + 1;
		bool is_group = take_group(&next, &layout);
		if (layout.segment_count > 0 && next > at + 1)
			at = next;
		if (!is_group)
			break;
	}
	if (layout.segment_count == 0)
		return -EBADMSG;
	layout.has_garbage = at[strspn(at, " ")] != '\0';
	*ret = layout;
	return 0;
}

bool dfuse_layout_unit(const struct dfuse_layout *layout, uint32_t address, uint32_t *ret_start,
	uint32_t *ret_bytes)
{
	for (size_t i = 0; i < layout->segment_count; i++) {
		const struct dfuse_segment *segment = &layout->segments[i];
		if (address < segment->start ||
			(address - segment->start) / segment->unit_bytes >= segment->unit_count)
			continue;
		*ret_bytes = segment->unit_bytes;
		*ret_start = address - (address - segment->start) % segment->unit_bytes;
		return true;
	}
	return false;
}

uint64_t dfuse_layout_end(const struct dfuse_layout *layout, uint32_t start)
{
	const unsigned all = DFUSE_READABLE | DFUSE_ERASABLE | DFUSE_WRITABLE;
	uint64_t end = start;
	for (size_t i = 0; i < layout->segment_count; i++) {
		const struct dfuse_segment *segment = &layout->segments[i];
		if (segment->start == end && segment->rights == all)
			end += (uint64_t)segment->unit_bytes * segment->unit_count;
	}
	return end;
}
