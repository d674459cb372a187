/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The judgement of a board that runs its application: does it run what it should already, and if
 * not, may it be asked for its boot loader? Only judge.c calls this.
 */
#include "model/board.h"
#include "model/image_facts.h"
#include "model/policy.h"
#include "model/reason.h"

/* A rule that would have it enter its boot loader, and what that comes to. */
struct application {
	const struct policy *policy;
	const struct policy_rule *rule;
	const struct device *device;
	const struct board_facts *known;
	const struct image_facts *says; /* the image */
};

/* The board runs this very firmware, by its own word. */
bool application_is_right(const struct application *application);

/* Appends every reason why it must not be asked for its boot loader. 0 or -ENOMEM. */
int application_judge_entry(const struct application *application, struct reasons *reasons)
	_must_check_;
