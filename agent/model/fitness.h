/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Does this image fit that board? Pure: image and facts in, named refusals out.
 */
#include "model/board.h"
#include "model/image.h"
#include "model/reason.h"

/*
 * Appends every reason why `image` must not be written to a board with these `facts`; none added
 * means that it fits. A fact that is needed but unknown is a reason. 0 or -ENOMEM (which a caller
 * takes for a refusal).
 */
int fitness_judge(const struct image *image, const struct board_facts *facts,
	struct reasons *reasons) _must_check_;

/*
 * Where a raw image belongs on this chip when nobody says: RP2040 0x10000000 (boot2 proves it).
 * False: unknown.
 */
bool fitness_default_address(enum chip chip, uint32_t *ret_address);
