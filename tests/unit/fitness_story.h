/* SPDX-License-Identifier: MIT */
#pragma once
/* What the stories about images and boards share: offering an image, and hearing the verdict. */
#include "model/board.h"
#include "model/image.h"
#include "model/reason.h"
#include "model/terms.h"

#define STORY_FLASH 0x10000000u

struct image *story_parse(const uint8_t *bytes, size_t length);

/* As a person would offer it: a raw image goes where raw images go on this chip. */
struct image *story_raw(const uint8_t *bytes, size_t length);
struct image *story_uf2(const uint8_t *bytes, size_t length, uint32_t address, uint32_t family);

/* The whole judgement of an image that is kept: what it says, then whether it fits. */
void story_verdict(
	const struct image *image, const struct board_facts *facts, struct reasons *reasons);

/* All three free the image. */
void story_judge(struct image *image, struct board_facts facts, struct reasons *reasons);
void expect_fit(struct image *image, struct board_facts facts);
void expect_refusal(struct image *image, struct board_facts facts, enum reason_code code,
	const char *words); /* for this reason, and for no other */

/* As the service does it: read, place, judge. Every sentence that comes of it is one that a person
 * can use. Frees the image; `terms` may be NULL. */
void story_offer(struct image *image, const struct board_facts *board, const struct terms *terms,
	struct reasons *reasons);
void expect_taken(struct image *image, const struct board_facts *board, const struct terms *terms);
/* For this reason and for no other; the sentence has both words in it. */
void expect_turned_down(struct image *image, const struct board_facts *board,
	const struct terms *terms, enum reason_code code, const char *words, const char *more);
