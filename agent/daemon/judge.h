/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The whole judgement of one board: policy, then the image that the policy names, then whether it
 * fits. Jobs and `explain` ask the same function, so that what is explained is what happens.
 */
#include "daemon/store.h"
#include "model/board.h"
#include "model/device.h"
#include "model/image.h"
#include "model/policy.h"
#include "model/reason.h"

struct judgement {
	enum verdict verdict;
	const struct policy_rule *rule; /* lives as long as the policy */
	char *image_path;
	struct image *image;
	enum chip
		chip; /* that the board was taken to have; CHIP_UNKNOWN: it did not come to that */
	enum chip_origin chip_origin;
	struct reasons reasons; /* why nothing is written; none with VERDICT_FLASH: write */
	enum transport speaks; /* by which wire the image talks; UNKNOWN: it does not say */
	bool is_running; /* the board runs this very firmware, by its own word */
	uint64_t resumes; /* the job whose unfinished write is gone on with; 0: none */
};

void judgement_done(struct judgement *judgement);

/* `facts` NULL: nobody has looked; the answer is then at most VERDICT_PROBE. 0 or -ENOMEM. */
int judge(const struct policy *policy, struct store *store, const struct device *device,
	const struct board_facts *facts, struct judgement *ret) _must_check_;

/* One sentence for people on what a verdict means for this board; NULL when memory is short. */
char *judgement_sentence(const struct judgement *judgement, const struct device *device)
	_must_check_;

/* The shipped example policy that would cover a board in this mode; NULL: none. */
const char *judge_example(enum board_mode mode);
