/* SPDX-License-Identifier: MIT */
/* What programs of the Pico SDK say of themselves; see binary_info.h. Nothing is followed further
 * than a pointer or two, and every count has a bound: the bytes may be anything. */
#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/text.h"
#include "model/binary_info.h"

#define MARKER_START 0x7188EBF2u
#define MARKER_END   0xE71AA390u
#define HEADER_BYTES 20u

#define FLASH_START 0x10000000u
#define BOOT2_BYTES 256u
/* On an RP2040 the header lies in the first 256 bytes behind its boot2 (or of a program without
 * one), on an RP2350 in the first 1024. Which of them it is need not be known: the markers are. */
#define SEARCHED_BYTES 1024u

#define ENTRY_BYTES    12u
#define TYPE_STRING    6u
#define TAG_RASPBERRY  0x5052u /* "RP" */
#define COPIES_MAX     10u /* others who read it stop there */
#define COPY_BYTES     12u
#define ENTRIES_MAX    512u /* there is one for each pin that has a name */
#define TEXT_BYTES_MAX 256u

/* What the program will copy from the flash to where its pointers point. */
struct copy {
	uint32_t source, start, end;
};

struct view {
	const struct image *image;
	uint32_t base; /* what is to be added to an address of the image */
	struct copy copies[COPIES_MAX];
	size_t copy_count;
};

static const struct {
	uint32_t id;
	size_t offset; /* of its text in struct binary_info */
} texts[] = {
	{ 0x02031C86, offsetof(struct binary_info, program) },
	{ 0x11A9BC3A, offsetof(struct binary_info, version) },
	{ 0xB63CFFBB, offsetof(struct binary_info, board) },
	{ 0x9DA22254, offsetof(struct binary_info, build_date) },
	{ 0x1856239A, offsetof(struct binary_info, url) },
	{ 0xB6A07C19, offsetof(struct binary_info, description) },
	{ 0x5360B3AB, offsetof(struct binary_info, sdk_version) },
};

static char **text_at(struct binary_info *info, size_t index)
{
	void *place = (char *)info + texts[index].offset;
	return place;
}

/* ---- addresses --------------------------------------------------------------------------- */

/* As many bytes from `address` on as the image holds without a gap, `length` at most. */
static size_t view_copy(const struct view *view, uint32_t address, size_t length, uint8_t *ret)
{
	uint32_t from = address - view->base;
	if (address < view->base)
		return 0;
	for (size_t i = 0; i < view->image->segment_count; i++) {
		const struct image_segment *segment = &view->image->segments[i];
		if (from < segment->address)
			return 0;
		if (from - segment->address >= segment->length)
			continue;
		size_t left = segment->length - (from - segment->address);
		return image_copy(view->image, from, left < length ? left : length, ret);
	}
	return 0;
}

/* Where that lies in the image which a pointer of the running program means. `ret_limit` is how
 * many bytes are copied together there. */
static uint32_t resolve(const struct view *view, uint32_t pointer, size_t *ret_limit)
{
	for (size_t i = 0; i < view->copy_count; i++) {
		const struct copy *copy = &view->copies[i];
		if (pointer < copy->start || pointer >= copy->end)
			continue;
		*ret_limit = copy->end - pointer;
		return copy->source + (pointer - copy->start);
	}
	*ret_limit = SIZE_MAX;
	return pointer;
}

/* As view_copy(), by a pointer. */
static size_t read_at(const struct view *view, uint32_t pointer, size_t length, uint8_t *ret)
{
	size_t limit;
	uint32_t address = resolve(view, pointer, &limit);
	return view_copy(view, address, limit < length ? limit : length, ret);
}

/* ---- the table --------------------------------------------------------------------------- */

static void read_copies(struct view *view, uint32_t table)
{
	while (view->copy_count < COPIES_MAX) {
		uint8_t bytes[COPY_BYTES];
		if (view_copy(view, table, sizeof(bytes), bytes) < sizeof(bytes))
			return;
		struct copy copy = { read_u32(bytes), read_u32(bytes + 4), read_u32(bytes + 8) };
		if (copy.source == 0)
			return;
		view->copies[view->copy_count++] = copy;
		if (table > UINT32_MAX - COPY_BYTES)
			return;
		table += COPY_BYTES;
	}
}

/* 0 or -ENOMEM. A text that does not end within its bounds, or says nothing, is left out. */
static int read_text(const struct view *view, uint32_t pointer, char **ret)
{
	uint8_t bytes[TEXT_BYTES_MAX];
	size_t length = read_at(view, pointer, sizeof(bytes), bytes);
	if (length == 0 || bytes[0] == '\0' || !memchr(bytes, '\0', length))
		return 0;
	*ret = text_escape((const char *)bytes);
	return *ret ? 0 : -ENOMEM;
}

static int read_entry(const struct view *view, uint32_t pointer, struct binary_info *info)
{
	uint8_t bytes[ENTRY_BYTES];
	if (read_at(view, pointer, sizeof(bytes), bytes) < sizeof(bytes) ||
		read_u16(bytes) != TYPE_STRING || read_u16(bytes + 2) != TAG_RASPBERRY)
		return 0;
	for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
		char **text = text_at(info, i);
		if (texts[i].id == read_u32(bytes + 4) && !*text)
			return read_text(view, read_u32(bytes + 8), text);
	}
	return 0;
}

/* The list from `start` to `end`, as far as the image holds it. 0 or -ENOMEM. */
static int read_entries(
	const struct view *view, uint32_t start, uint32_t end, struct binary_info *info)
{
	for (size_t i = 0; i < ENTRIES_MAX && end - start >= 4; i++, start += 4) {
		uint8_t pointer[4];
		if (read_at(view, start, sizeof(pointer), pointer) < sizeof(pointer))
			return 0;
		int r = read_entry(view, read_u32(pointer), info);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool says_anything(struct binary_info *info)
{
	for (size_t i = 0; i < ELEMENTSOF(texts); i++)
		if (*text_at(info, i))
			return true;
	return false;
}

/* The header at `header`, which has both markers. 0, -ENOENT, or -ENOMEM. */
static int read_header(const struct view *bare, const uint8_t *header, struct binary_info *ret)
{
	uint32_t start = read_u32(header + 4), end = read_u32(header + 8);
	if (start >= end || start % 4 != 0 || end % 4 != 0)
		return -ENOENT;
	struct view view = *bare;
	read_copies(&view, read_u32(header + 12));
	_cleanup_(binary_info_done) struct binary_info info = { 0 };
	int r = read_entries(&view, start, end, &info);
	if (r < 0)
		return r;
	if (!says_anything(&info))
		return -ENOENT;
	*ret = info;
	info = (struct binary_info){ 0 };
	return 0;
}

/* ---- public ------------------------------------------------------------------------------ */

int binary_info_find(const struct image *image, struct binary_info *ret)
{
	uint8_t head[BOOT2_BYTES + SEARCHED_BYTES];
	if (image->segment_count == 0)
		return -ENOENT;
	const struct view view = { .image = image, .base = image->has_address ? 0 : FLASH_START };
	size_t length = view_copy(&view, image_start(image) + view.base, sizeof(head), head);
	for (size_t at = 0; at + HEADER_BYTES <= length; at += 4)
		if (read_u32(head + at) == MARKER_START && read_u32(head + at + 16) == MARKER_END)
			return read_header(&view, head + at, ret); /* the first one decides */
	return -ENOENT;
}

void binary_info_done(struct binary_info *info)
{
	for (size_t i = 0; i < ELEMENTSOF(texts); i++)
		free(*text_at(info, i));
	*info = (struct binary_info){ 0 };
}
