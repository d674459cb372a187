/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What is in a firmware file: first as JSON, which is then shown to people.
 */
#include "client/json.h"
#include "client/output.h"
#include "model/image.h"
#include "model/image_facts.h"

/* `states_address`: the file does, and not only its bytes prove it. 0 or -ENOMEM. */
int inspection_describe(const struct image *image, const struct image_facts *says,
	bool states_address, cJSON *answer) _must_check_;

/* All of an answer, with the verdict if there is one. */
void inspection_show(const struct output *output, const cJSON *answer);
