/* SPDX-License-Identifier: MIT */
/* What was kept; see kept.h. */
#include <errno.h>
#include <string.h>

#include "daemon/kept.h"

void kept_done(struct kept *kept)
{
	free(kept->bytes);
	*kept = (struct kept){ 0 };
}

int kept_add(struct kept *kept, const struct wire_keep *piece)
{
	if (!kept->bytes) {
		kept->bytes = malloc(piece->total_bytes);
		if (!kept->bytes)
			return -ENOMEM;
		kept->total_bytes = piece->total_bytes;
		kept->address = piece->address;
	}
	if (piece->offset != kept->length || piece->total_bytes != kept->total_bytes ||
		piece->address != kept->address)
		return -EPROTO;
	memcpy(kept->bytes + kept->length, piece->bytes, piece->length);
	kept->length += piece->length;
	return 0;
}

bool kept_is_whole(const struct kept *kept)
{
	return kept->length > 0 && kept->length == kept->total_bytes;
}
