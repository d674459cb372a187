/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a job's worker has read of the board for keeping, as it comes in pieces over the wire.
 */
#include "model/wire.h"

struct kept {
	uint8_t *bytes;
	uint32_t length;
	uint32_t total_bytes;
	uint32_t address; /* of the first byte */
};

void kept_done(struct kept *kept);

/* One more piece. -EPROTO when it is not the next one; -ENOMEM. */
int kept_add(struct kept *kept, const struct wire_keep *piece) _must_check_;

/* All of it has come. */
bool kept_is_whole(const struct kept *kept);
