/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Does this image fit that board, and is it what the policy means? Pure: image and facts in, named
 * refusals out.
 */
#include "model/board.h"
#include "model/image.h"
#include "model/image_facts.h"
#include "model/reason.h"
#include "model/terms.h"

/*
 * Gives a raw image its address: the one that its bytes prove, or else the one that the policy
 * declares. What has an address already, or cannot have one, is left as it is: an image that stays
 * without one is refused by fitness_judge(). 0; IMAGE_REJECTED: `reasons` says why not; -ENOMEM.
 */
int fitness_place(struct image *image, const struct image_facts *says, const struct terms *terms,
	struct reasons *reasons) _must_check_;

/*
 * Appends every reason why `image`, which says `says`, must not be written to a board with these
 * facts under these terms (NULL: none); none added means that it fits. A fact that is needed but
 * unknown is a reason. 0 or -ENOMEM (which a caller takes for a refusal).
 */
int fitness_judge(const struct image *image, const struct image_facts *says,
	const struct board_facts *board, const struct terms *terms, struct reasons *reasons)
	_must_check_;
