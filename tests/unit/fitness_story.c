/* SPDX-License-Identifier: MIT */
/* Images as they are offered, and what is said to them; see fitness_story.h. */
#include "unit/fitness_story.h"

#include "model/fitness.h"
#include "unit/expect.h"
#include "unit/make_image.h"

struct image *story_parse(const uint8_t *bytes, size_t length)
{
	struct reasons reasons = { 0 };
	struct image *image = NULL;
	assert_int_equal(image_parse(bytes, length, &reasons, &image), 0);
	return image;
}

struct image *story_raw(const uint8_t *bytes, size_t length)
{
	struct image *image = story_parse(bytes, length);
	struct reasons reasons = { 0 };
	assert_int_equal(image_place(image, STORY_FLASH, &reasons), 0);
	return image;
}

struct image *story_uf2(const uint8_t *bytes, size_t length, uint32_t address, uint32_t family)
{
	size_t file_length;
	_cleanup_(freep) uint8_t *file = make_uf2(bytes, length, address, family, &file_length);
	return story_parse(file, file_length);
}

void story_verdict(
	const struct image *image, const struct board_facts *facts, struct reasons *reasons)
{
	_cleanup_(image_facts_done) struct image_facts says = { 0 };
	assert_int_equal(image_facts_read(image, &says), 0);
	assert_int_equal(fitness_judge(image, &says, facts, NULL, reasons), 0);
}

void story_judge(struct image *image, struct board_facts facts, struct reasons *reasons)
{
	_cleanup_(image_freep) struct image *owned = image;
	story_verdict(owned, &facts, reasons);
}

void expect_fit(struct image *image, struct board_facts facts)
{
	_cleanup_(reasons_done) struct reasons reasons = { 0 };
	story_judge(image, facts, &reasons);
	if (reasons.count > 0)
		fail_msg("refused: %s", reasons.items[0].sentence);
}

void expect_refusal(
	struct image *image, struct board_facts facts, enum reason_code code, const char *words)
{
	_cleanup_(reasons_done) struct reasons reasons = { 0 };
	story_judge(image, facts, &reasons);
	expect_only_reason(&reasons, code, words);
}

/* What to do stands in every sentence. */
static void expect_advice(const char *sentence)
{
	static const char *const verbs[] = { "use ", "build ", "state ", "say ", "correct ",
		"take ", "convert ", "put ", "run " };
	assert_true(text_is_plain(sentence));
	for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
		if (strstr(sentence, verbs[i]))
			return;
	fail_msg("what is one to do? %s", sentence);
}

void story_offer(struct image *image, const struct board_facts *board, const struct terms *terms,
	struct reasons *reasons)
{
	_cleanup_(image_freep) struct image *owned = image;
	_cleanup_(image_facts_done) struct image_facts says = { 0 };
	assert_int_equal(image_facts_read(owned, &says), 0);
	int r = fitness_place(owned, &says, terms, reasons);
	assert_int_equal(r, reasons->count > 0 ? IMAGE_REJECTED : 0);
	if (r == 0)
		assert_int_equal(fitness_judge(owned, &says, board, terms, reasons), 0);
	for (size_t i = 0; i < reasons->count; i++)
		expect_advice(reasons->items[i].sentence);
}

void expect_taken(struct image *image, const struct board_facts *board, const struct terms *terms)
{
	_cleanup_(reasons_done) struct reasons reasons = { 0 };
	story_offer(image, board, terms, &reasons);
	if (reasons.count > 0)
		fail_msg("refused: %s", reasons.items[0].sentence);
}

void expect_turned_down(struct image *image, const struct board_facts *board,
	const struct terms *terms, enum reason_code code, const char *words, const char *more)
{
	_cleanup_(reasons_done) struct reasons reasons = { 0 };
	story_offer(image, board, terms, &reasons);
	expect_reason(&reasons, code, words);
	expect_reason(&reasons, code, more);
	if (reasons.count > 1) {
		_cleanup_(freep) char *said = reasons_text(&reasons);
		fail_msg("more than one reason: %s", said);
	}
}
