/* SPDX-License-Identifier: MIT */
/* Stories about what is meant to be written, and what each place has behind it. */
#include "unit/history_story.h"

#include <errno.h>

static int room_with_history(void **state)
{
	return room_new(state) < 0 || room_open(*state) < 0 ? -1 : 0;
}

static void an_intent_is_kept_until_it_is_proved(void **state)
{
	struct room *room = *state;
	struct job job = job_permitted(3, place_left);
	const struct place_record record = {
		.has_digest = true, .digest = job.digest, .attempts = 1
	};
	struct intent intent;
	assert_int_equal(history_store_intent(room->history, &job, &record), 0);
	room_reopen(room);
	assert_int_equal(history_intent(room->history, place_left, &intent), HISTORY_INTENT);
	assert_int_equal(intent.job_id, 3);
	assert_memory_equal(&intent.digest, &job.digest, sizeof(job.digest));
	assert_int_equal(intent.facts.chip, CHIP_RP2040);
	assert_int_equal(intent.facts.rom_revision, 3);
	assert_int_equal(intent.facts.flash_size_bytes, 2 << 20);
	assert_int_equal(intent.facts.content, CONTENT_BOOTABLE);
	assert_string_equal(intent.facts.unique_id, "E66058388348892B");
	assert_int_equal(history_intent(room->history, place_right, &intent), 0);

	struct job failed = job_ended(3, place_left, OUTCOME_FAILED);
	assert_int_equal(history_store_end(room->history, &failed, &record, false), 0);
	assert_int_equal(history_intent(room->history, place_left, &intent), HISTORY_INTENT);
	struct job good = job_ended(4, place_left, OUTCOME_FLASHED);
	assert_int_equal(history_store_end(room->history, &good, &record, true), 0);
	room_reopen(room);
	assert_int_equal(history_intent(room->history, place_left, &intent), 0);
}

/* A board in DFU has destroyed what it was known by: what it showed then is all that is left. */
static void an_intent_keeps_what_a_board_in_dfu_is_known_by(void **state)
{
	struct room *room = *state;
	struct job job = job_permitted(3, place_left);
	struct device device = *job.device;
	const struct place_record record = { 0 };
	struct intent intent;
	device.mode = MODE_DFU;
	device.serial = (char *)"203739645542";
	job.device = &device;
	job.facts.possible_chips = chip_bit(CHIP_STM32F401) | chip_bit(CHIP_STM32F446);
	job.facts.chip = CHIP_STM32F446;
	assert_int_equal(history_store_intent(room->history, &job, &record), 0);
	room_reopen(room);
	assert_int_equal(history_intent(room->history, place_left, &intent), HISTORY_INTENT);
	assert_int_equal(intent.mode, MODE_DFU);
	assert_string_equal(intent.boot_serial, "203739645542");
	assert_int_equal(intent.facts.chip, CHIP_STM32F446);
	assert_true(intent.facts.possible_chips == job.facts.possible_chips);
}

static void a_place_has_one_intent_the_newest(void **state)
{
	struct room *room = *state;
	struct job first = job_permitted(3, place_left), second = job_permitted(4, place_left);
	struct job beside = job_permitted(5, place_right);
	const struct place_record record = { .attempts = 1 };
	struct intent intent;
	second.facts = (struct board_facts){ .chip = CHIP_UNKNOWN, .is_partitioned = true };
	assert_int_equal(history_store_intent(room->history, &first, &record), 0);
	assert_int_equal(history_store_intent(room->history, &second, &record), 0);
	assert_int_equal(history_store_intent(room->history, &beside, &record), 0);
	assert_int_equal(history_intent(room->history, place_left, &intent), HISTORY_INTENT);
	assert_int_equal(intent.job_id, 4);
	assert_int_equal(intent.facts.chip, CHIP_UNKNOWN);
	assert_int_equal(intent.facts.content, CONTENT_UNKNOWN);
	assert_string_equal(intent.facts.unique_id, "");
	assert_true(intent.facts.is_partitioned);
	assert_int_equal(history_drop_intent(room->history, place_left), 0);
	assert_int_equal(history_drop_intent(room->history, place_left), 0);
	assert_int_equal(history_intent(room->history, place_left, &intent), 0);
	assert_int_equal(history_intent(room->history, place_right, &intent), HISTORY_INTENT);
}

static void a_place_is_remembered_with_all_that_is_behind_it(void **state)
{
	struct room *room = *state;
	struct place_record record;
	assert_int_equal(history_place(room->history, place_left, &record), 0);
	assert_false(record.has_digest);
	assert_int_equal(record.attempts, 0);

	struct place_record stored = { .has_digest = true,
		.attempts = 5,
		.returns = 2,
		.quarantined_usec = 1700000000000001ull,
		.why = "five attempts, none ended well" };
	memset(&stored.digest, 0x1F, sizeof(stored.digest));
	assert_int_equal(history_store_place(room->history, place_left, &stored), 0);
	room_reopen(room);
	assert_int_equal(history_place(room->history, place_left, &record), 0);
	assert_true(record.has_digest);
	assert_memory_equal(&record.digest, &stored.digest, sizeof(record.digest));
	assert_int_equal(record.attempts, 5);
	assert_int_equal(record.returns, 2);
	assert_int_equal(record.quarantined_usec, 1700000000000001ull);
	assert_string_equal(record.why, "five attempts, none ended well");
}

static int on_place(void *context, const char *place, const struct place_record *record)
{
	return text_append(context, "%s: %s\n", place, record->why);
}

static int on_place_refuse(void *context, const char *place, const struct place_record *record)
{
	(void)context, (void)place, (void)record;
	return -EXFULL;
}

static void quarantined_places_are_listed_in_order(void **state)
{
	struct room *room = *state;
	const struct place_record free_place = { .attempts = 1 };
	const struct place_record closed = { .quarantined_usec = 9, .why = "no" };
	_cleanup_(freep) char *list = strdup("");
	assert_int_equal(history_store_place(room->history, "b", &closed), 0);
	assert_int_equal(history_store_place(room->history, "c", &free_place), 0);
	assert_int_equal(history_store_place(room->history, "a", &closed), 0);
	assert_int_equal(history_quarantined(room->history, on_place, &list), 0);
	assert_string_equal(list, "a: no\nb: no\n");
	assert_int_equal(history_quarantined(room->history, on_place_refuse, NULL), -EXFULL);
}

#define STORY(function) cmocka_unit_test_setup_teardown(function, room_with_history, room_free)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(an_intent_is_kept_until_it_is_proved),
		STORY(an_intent_keeps_what_a_board_in_dfu_is_known_by),
		STORY(a_place_has_one_intent_the_newest),
		STORY(a_place_is_remembered_with_all_that_is_behind_it),
		STORY(quarantined_places_are_listed_in_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
