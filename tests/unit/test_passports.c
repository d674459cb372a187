/* SPDX-License-Identifier: MIT */
/* Stories about the book of boards: what it keeps, what it forgets, and a disk that fails. */
#include "unit/history_story.h"

#include <errno.h>

#include "daemon/passports.h"
#include "unit/fault_vfs.h"

#define ID          "2B0007000C50425539393020"
#define OTHER_ID    "27000E000551343438333339"
#define BOOT_SERIAL "203739645542"
#define HERE        "pci-0000:00:14.0-usb-0:1"

static struct lesson lesson_of(const char *id)
{
	struct lesson lesson = { .chip = CHIP_STM32G0B1 };
	snprintf(lesson.id, sizeof(lesson.id), "%s", id);
	return lesson;
}

static void tie(
	struct lesson *lesson, enum tie_kind kind, enum provenance learnt, const char *value)
{
	struct tie *added = &lesson->ties[lesson->count++];
	*added = (struct tie){ .kind = kind, .learnt = learnt };
	snprintf(added->value, sizeof(added->value), "%s", value);
}

static void store(struct room *room, const struct lesson *lesson, uint64_t now_usec)
{
	assert_int_equal(passports_store(room->history, lesson, now_usec), 0);
}

static int put_board(void *context, const struct passport *passport)
{
	char **text = context;
	TRY(text_append(text, "%s %s at %s\n", passport->id, passport->chip, passport->place));
	for (size_t i = 0; i < passport->tie_count; i++) {
		const struct passport_tie *it = &passport->ties[i];
		TRY(text_append(text, "  %s %s %s %u\n", it->kind, it->value, it->learnt,
			(unsigned)it->count));
	}
	return 0;
}

/* The whole book as text; the caller frees. */
static char *book(struct room *room)
{
	char *text = strdup("");
	assert_int_equal(passports_list(room->history, put_board, &text), 0);
	return text;
}

static int count_board(void *context, const struct passport *passport)
{
	(void)passport;
	(*(unsigned *)context)++;
	return 0;
}

static unsigned boards_in(struct room *room)
{
	unsigned count = 0;
	assert_int_equal(passports_list(room->history, count_board, &count), 0);
	return count;
}

static void expect_book(struct room *room, const char *expected)
{
	_cleanup_(freep) char *text = book(room);
	assert_string_equal(text, expected);
}

static void expect_in_book(struct room *room, const char *words, bool is_there)
{
	_cleanup_(freep) char *text = book(room);
	if (!strstr(text, words) == is_there)
		fail_msg("%s %s in:\n%s", is_there ? "no" : "a", words, text);
}

static void a_tie_keeps_its_best_origin_and_counts(void **state)
{
	struct room *room = *state;
	assert_int_equal(room_open(room), 0);
	struct lesson first = lesson_of(ID), second = lesson_of(ID);
	tie(&first, TIE_DFU_SERIAL, PROVENANCE_COMPUTED, BOOT_SERIAL);
	tie(&first, TIE_PLACE, PROVENANCE_COMPUTED, HERE);
	tie(&second, TIE_DFU_SERIAL, PROVENANCE_SEEN, BOOT_SERIAL);
	second.chip = CHIP_UNKNOWN;
	store(room, &first, 1000);
	store(room, &second, 2000);
	room_reopen(room);
	expect_book(room, ID " stm32g0b1 at " HERE "\n"
			     "  dfu-serial " BOOT_SERIAL " computed 2\n"
			     "  place " HERE " computed 1\n");
}

static void the_last_board_comes_first_and_places_are_a_history(void **state)
{
	struct room *room = *state;
	assert_int_equal(room_open(room), 0);
	struct lesson one = lesson_of(ID), moved = lesson_of(ID), other = lesson_of(OTHER_ID);
	tie(&one, TIE_PLACE, PROVENANCE_SHOWN, "left");
	tie(&moved, TIE_PLACE, PROVENANCE_SHOWN, "right");
	store(room, &one, 1000);
	store(room, &other, 2000);
	store(room, &moved, 3000);
	expect_book(room, ID " stm32g0b1 at right\n"
			     "  place right shown 1\n"
			     "  place left shown 1\n" OTHER_ID " stm32g0b1 at \n");
}

static void what_was_known_by_its_uuid_becomes_the_board(void **state)
{
	struct room *room = *state;
	assert_int_equal(room_open(room), 0);
	struct lesson on_bus = lesson_of("154aab036e6a"), shown = lesson_of(ID);
	strcpy(on_bus.can_uuid, "154aab036e6a");
	strcpy(shown.can_uuid, "154aab036e6a");
	tie(&on_bus, TIE_CAN_UUID, PROVENANCE_SHOWN, "154aab036e6a");
	tie(&shown, TIE_RUNTIME_SERIAL, PROVENANCE_SHOWN, ID);
	store(room, &on_bus, 1000);
	store(room, &shown, 2000);
	expect_book(room, ID " stm32g0b1 at \n"
			     "  can-uuid 154aab036e6a shown 1\n"
			     "  runtime-serial " ID " shown 1\n");
	/* Also when both are in the book already. */
	store(room, &on_bus, 3000);
	assert_int_equal(boards_in(room), 2);
	store(room, &shown, 4000);
	assert_int_equal(boards_in(room), 1);
}

/* ---- bounds ------------------------------------------------------------------------------ */

static void numbered(struct lesson *lesson, unsigned number)
{
	*lesson = lesson_of("");
	snprintf(lesson->id, sizeof(lesson->id), "2B0007000C504255%08X", number);
}

static void a_board_that_is_another_each_time_fills_no_disk(void **state)
{
	struct room *room = *state;
	struct lesson named = lesson_of(ID), written = lesson_of(OTHER_ID), hostile;
	assert_int_equal(room_open(room), 0);
	tie(&named, TIE_NAME, PROVENANCE_DECLARED, "octopus");
	tie(&written, TIE_IMAGE, PROVENANCE_REQUESTED, "ab");
	store(room, &named, 1);
	store(room, &written, 2);
	for (unsigned i = 0; i < PASSPORTS_UNNAMED_MAX + 200; i++) {
		numbered(&hostile, i);
		store(room, &hostile, 1000 + i);
	}
	assert_int_equal(boards_in(room), PASSPORTS_UNNAMED_MAX + 1);
	expect_in_book(room, "name octopus", true);
	expect_in_book(room, "image ab", true);
	expect_in_book(room, "2B0007000C504255000000C8\n", false);
	numbered(&hostile, 200);
	expect_in_book(room, hostile.id, false);
	numbered(&hostile, 201);
	expect_in_book(room, hostile.id, true);
}

static void of_one_board_a_bounded_number_of_texts_is_kept(void **state)
{
	struct room *room = *state;
	assert_int_equal(room_open(room), 0);
	for (unsigned i = 0; i < 3 * PASSPORTS_TIES_MAX; i++) {
		struct lesson lesson = lesson_of(ID);
		char version[16];
		snprintf(version, sizeof(version), "v%u.0", i);
		tie(&lesson, TIE_FIRMWARE, PROVENANCE_SHOWN, version);
		tie(&lesson, TIE_PLACE, PROVENANCE_SHOWN, HERE);
		store(room, &lesson, 1000 + i);
	}
	expect_in_book(room, "firmware v31.0", false);
	expect_in_book(room, "firmware v32.0", true);
	expect_in_book(room, "firmware v47.0", true);
	expect_in_book(room, "place " HERE " shown 48", true);
}

/* ---- the book's word --------------------------------------------------------------------- */

static int claim(
	struct room *room, const char *serial, const char *place, struct passport_claim *ret)
{
	const struct device device = {
		.place = (char *)place, .serial = (char *)serial, .mode = MODE_DFU
	};
	return passports_claim(room->history, &device, ret);
}

static void a_serial_in_dfu_is_tied_to_one_board(void **state)
{
	struct room *room = *state;
	struct passport_claim said = { 0 };
	assert_int_equal(room_open(room), 0);
	struct lesson lesson = lesson_of(ID), twin = lesson_of(OTHER_ID);
	assert_int_equal(claim(room, BOOT_SERIAL, HERE, &said), 0);
	tie(&lesson, TIE_DFU_SERIAL_COMPUTED, PROVENANCE_COMPUTED, BOOT_SERIAL);
	tie(&lesson, TIE_PLACE, PROVENANCE_SHOWN, HERE);
	store(room, &lesson, 1000);
	assert_int_equal(claim(room, BOOT_SERIAL, HERE, &said), PASSPORTS_CLAIM);
	assert_string_equal(said.unique_id, ID);
	assert_true(said.names_board);
	assert_int_equal(claim(room, BOOT_SERIAL, "elsewhere", &said), PASSPORTS_CLAIM);
	assert_false(said.names_board);
	/* Another name of that board is no serial in DFU. */
	assert_int_equal(claim(room, HERE, HERE, &said), 0);
	tie(&twin, TIE_DFU_SERIAL, PROVENANCE_SEEN, BOOT_SERIAL);
	store(room, &twin, 2000);
	assert_int_equal(claim(room, BOOT_SERIAL, HERE, &said), 0);
}

/* ---- damage and failing disks ------------------------------------------------------------ */

static void what_is_not_plain_any_more_is_told_plainly(void **state)
{
	struct room *room = *state;
	struct passport_claim said;
	assert_int_equal(room_open(room), 0);
	struct lesson lesson = lesson_of(ID);
	tie(&lesson, TIE_DFU_SERIAL, PROVENANCE_COMPUTED, BOOT_SERIAL);
	store(room, &lesson, 1000);
	room_close(room);
	sql(room->path,
		"UPDATE ties SET learnt = char(27) || 'x'; UPDATE boards SET chip = char(7)");
	assert_int_equal(room_open(room), 0);
	expect_in_book(room, "\x1b", false);
	expect_in_book(room, "dfu-serial " BOOT_SERIAL " ?x", true);
	assert_int_equal(claim(room, BOOT_SERIAL, HERE, &said), -EUCLEAN);
}

static int faulty_room(void **state)
{
	fault_vfs_install();
	return room_new(state);
}

static int sound_again(void **state)
{
	fault_vfs_disarm();
	int r = room_free(state);
	fault_vfs_remove();
	return r;
}

#define BEFORE ID " stm32g0b1 at left\n  place left shown 1\n"
#define AFTER                                          \
	ID " stm32g0b1 at right\n"                     \
	   "  dfu-serial " BOOT_SERIAL " computed 1\n" \
	   "  place right shown 1\n"                   \
	   "  place left shown 1\n"

/* True: something had failed. What is said to be stored is there, and nothing is by halves. */
static bool one_lesson_with_a_failure(struct room *room, enum fault_kind kind, unsigned nth)
{
	struct lesson first = lesson_of(ID), second = lesson_of(ID);
	tie(&first, TIE_PLACE, PROVENANCE_SHOWN, "left");
	tie(&second, TIE_PLACE, PROVENANCE_SHOWN, "right");
	tie(&second, TIE_DFU_SERIAL, PROVENANCE_COMPUTED, BOOT_SERIAL);
	assert_int_equal(room_open(room), 0);
	store(room, &first, 1000);
	fault_vfs_arm(kind, nth, false);
	int r = passports_store(room->history, &second, 2000);
	bool has_failed = fault_vfs_disarm();
	if (r != 0)
		assert_int_equal(r, kind == FAULT_FULL ? -ENOSPC : -EIO);
	expect_book(room, r == 0 ? AFTER : BEFORE);
	if (r != 0)
		store(room, &second, 2000);
	expect_book(room, AFTER);
	room_close(room);
	room_clear(room);
	return has_failed;
}

static void every_write_may_fail_and_nothing_is_stored_by_halves(void **state)
{
	static const enum fault_kind kinds[] = { FAULT_FULL, FAULT_IO };
	for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
		unsigned nth = 1;
		while (one_lesson_with_a_failure(*state, kinds[i], nth))
			nth++;
		assert_true(nth > 2);
	}
}

#define STORY(function)  cmocka_unit_test_setup_teardown(function, room_new, room_free)
#define FAULTY(function) cmocka_unit_test_setup_teardown(function, faulty_room, sound_again)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(a_tie_keeps_its_best_origin_and_counts),
		STORY(the_last_board_comes_first_and_places_are_a_history),
		STORY(what_was_known_by_its_uuid_becomes_the_board),
		STORY(a_board_that_is_another_each_time_fills_no_disk),
		STORY(of_one_board_a_bounded_number_of_texts_is_kept),
		STORY(a_serial_in_dfu_is_tied_to_one_board),
		STORY(what_is_not_plain_any_more_is_told_plainly),
		FAULTY(every_write_may_fail_and_nothing_is_stored_by_halves),
	};
	return cmocka_run_group_tests_name("passports", tests, NULL, NULL);
}
