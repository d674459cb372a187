/* SPDX-License-Identifier: MIT */
#pragma once
/* What must hold for whatever comes of a file. */
#include <stdlib.h>

#include "base/text.h"
#include "model/image.h"

static inline void must(bool truth)
{
	if (!truth)
		abort();
}

static inline void check_reasons(const struct reasons *reasons)
{
	for (size_t i = 0; i < reasons->count; i++) {
		must(reasons->items[i].code > REASON_NONE && reasons->items[i].code < _REASON_MAX);
		must(reasons->items[i].sentence[0] && text_is_plain(reasons->items[i].sentence));
	}
}

static inline void check_shape(const struct image *image)
{
	uint64_t end = 0, bytes = 0;
	must(image->segment_count > 0 && image->segment_count <= IMAGE_SEGMENTS_MAX);
	for (size_t i = 0; i < image->segment_count; i++) {
		const struct image_segment *segment = &image->segments[i];
		must(segment->length > 0);
		must(i == 0 || segment->address > end);
		end = (uint64_t)segment->address + segment->length;
		must(end <= UINT32_MAX);
		bytes += segment->length;
	}
	must(bytes == image->byte_count && bytes <= IMAGE_BYTES_MAX);
	must(image_end(image) == end);
	must(!image->is_linux_program || (image->segment_count == 1 && !image->has_address));
}

/* The image, to be freed; or NULL, and then there was exactly one reason. */
static inline struct image *parse_checked(const uint8_t *data, size_t length)
{
	_cleanup_(reasons_done) struct reasons reasons = { 0 };
	struct image *image = NULL;
	int r = image_parse(data, length, &reasons, &image);
	check_reasons(&reasons);
	must(r == 0 || r == IMAGE_REJECTED);
	must((r == 0) == (image != NULL) && reasons.count == (r == 0 ? 0 : 1));
	if (image)
		check_shape(image);
	return image;
}
