/* SPDX-License-Identifier: MIT */
/* What boards held before they were written: how it comes over the wire, and how it is stored. */
#include "unit/expect.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "daemon/backups.h"
#include "daemon/kept.h"

#define DAY   (86400 * USEC_PER_SEC)
#define NOON  (1795694400 * USEC_PER_SEC) /* 2026-11-26T12:00:00Z */
#define BYTES 3000u

struct shelf {
	char above[40];
	char *directory;
	uint8_t bytes[BYTES];
};

static int set_up(void **state)
{
	struct shelf *shelf = calloc(1, sizeof *shelf);
	assert_non_null(shelf);
	strcpy(shelf->above, "/tmp/plugflash-backups-XXXXXX");
	assert_non_null(mkdtemp(shelf->above));
	shelf->directory = text_format("%s/backups", shelf->above);
	assert_non_null(shelf->directory);
	*state = shelf;
	return 0;
}

static int tear_down(void **state)
{
	struct shelf *shelf = *state;
	_cleanup_(freep) char *command = text_format("rm -rf %s", shelf->above);
	assert_int_equal(system(command), 0);
	free(shelf->directory);
	free(shelf);
	return 0;
}

/* ---- what lies there ---------------------------------------------------------------------- */

static int is_visible(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

/* How many of them begin so. */
static int count(const struct shelf *shelf, const char *prefix)
{
	struct dirent **entries;
	int all = scandir(shelf->directory, &entries, is_visible, alphasort), of_prefix = 0;
	for (int i = 0; i < all; i++) {
		of_prefix += strncmp(entries[i]->d_name, prefix, strlen(prefix)) == 0;
		free(entries[i]);
	}
	if (all >= 0)
		free(entries);
	return of_prefix;
}

static void put(const struct shelf *shelf, const char *name, const char *text)
{
	_cleanup_(freep) char *path = text_format("%s/%s", shelf->directory, name);
	_cleanup_(fclosep) FILE *file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
}

static bool holds(const char *path, const void *bytes, size_t length)
{
	_cleanup_(fclosep) FILE *file = fopen(path, "re");
	uint8_t there[BYTES + 1];
	return file && fread(there, 1, sizeof(there), file) == length &&
	       memcmp(there, bytes, length) == 0;
}

/* ---- storing ------------------------------------------------------------------------------ */

static int try_to_store(struct shelf *shelf, const char *board, uint64_t time_usec,
	uint8_t firmware, char **ret_path)
{
	memset(shelf->bytes, firmware, sizeof(shelf->bytes));
	const struct backup backup = { .board = board,
		.time_usec = time_usec,
		.address = 0x08002000,
		.bytes = shelf->bytes,
		.length = sizeof(shelf->bytes) };
	return backups_store(shelf->directory, &backup, ret_path);
}

/* The file's name; the caller frees it. */
static char *stored(struct shelf *shelf, const char *board, uint64_t time_usec, uint8_t firmware)
{
	_cleanup_(freep) char *path = NULL;
	assert_int_equal(try_to_store(shelf, board, time_usec, firmware, &path), 0);
	assert_true(holds(path, shelf->bytes, sizeof(shelf->bytes)));
	assert_int_equal(strncmp(path, shelf->directory, strlen(shelf->directory)), 0);
	char *name = strdup(path + strlen(shelf->directory) + 1);
	assert_non_null(name);
	assert_null(strchr(name, '/'));
	return name;
}

static void store(struct shelf *shelf, const char *board, uint64_t time_usec, uint8_t firmware)
{
	free(stored(shelf, board, time_usec, firmware));
}

static void a_name_says_what_is_inside(void **state)
{
	struct shelf *shelf = *state;
	_cleanup_(freep) char *name = stored(shelf, "3D00520014504255", NOON, 7);
	assert_string_equal(
		name, "3D00520014504255_20261126T120000Z_0x08002000_48c187767dddb44e.bin");
}

static void the_same_is_stored_once(void **state)
{
	struct shelf *shelf = *state;
	_cleanup_(freep) char *first = stored(shelf, "A0", NOON, 7);
	_cleanup_(freep) char *again = stored(shelf, "A0", NOON + DAY, 7);
	assert_string_equal(first, again);
	store(shelf, "A0", NOON + 2 * DAY, 8);
	_cleanup_(freep) char *late = stored(shelf, "A0", NOON + 3 * DAY, 7);
	assert_string_equal(first, late);
	assert_int_equal(count(shelf, ""), 2);
	/* Of another board it is another. */
	store(shelf, "A", NOON, 7);
	store(shelf, "A00", NOON, 7);
	assert_int_equal(count(shelf, ""), 4);
}

static void what_was_cut_short_is_stored_again(void **state)
{
	struct shelf *shelf = *state;
	_cleanup_(freep) char *first = stored(shelf, "A0", NOON, 7);
	put(shelf, first, "");
	_cleanup_(freep) char *again = stored(shelf, "A0", NOON + DAY, 7);
	assert_string_not_equal(first, again);
	put(shelf, again, "and at the same second");
	store(shelf, "A0", NOON + DAY, 7);
}

static void a_board_has_five_and_all_have_a_bound(void **state)
{
	struct shelf *shelf = *state;
	for (unsigned i = 0; i < 12; i++)
		store(shelf, "A0", NOON + i * DAY, (uint8_t)i);
	assert_int_equal(count(shelf, "A0_"), BACKUPS_OF_A_BOARD);
	assert_int_equal(count(shelf, "A0_20261126"), 0);
	assert_int_equal(count(shelf, "A0_20261207"), 1);
	store(shelf, "B0", NOON, 1);
	assert_int_equal(count(shelf, "A0_"), BACKUPS_OF_A_BOARD);

	for (unsigned i = 0; i < BACKUPS_IN_ALL + 20; i++) {
		char board[16];
		snprintf(board, sizeof(board), "C%04u", i);
		store(shelf, board, NOON + i * USEC_PER_SEC, 1);
	}
	assert_int_equal(count(shelf, ""), BACKUPS_IN_ALL);
	assert_int_equal(count(shelf, "B0_"), 0);
}

static void what_others_put_there_stays(void **state)
{
	struct shelf *shelf = *state;
	static const char *const foreign[] = { "notes.txt", "A0_mine.bin", "_", "A0_.bin",
		"A0_20261126T120000Z_0x08002000_old.bin", "A0_20261126T120000Z_0x08002000_",
		"A0_xxxxxxxxxxxxxxxx_0x08002000_0123456789abcdef.bin",
		"A0_20261126T120000Z_0x08002000_0123456789abcdef.bin.bak" };
	store(shelf, "A0", NOON, 0);
	for (size_t i = 0; i < ELEMENTSOF(foreign); i++)
		put(shelf, foreign[i], foreign[i]);
	for (unsigned i = 1; i < 12; i++)
		store(shelf, "A0", NOON + i * DAY, (uint8_t)i);
	assert_int_equal(count(shelf, ""), BACKUPS_OF_A_BOARD + ELEMENTSOF(foreign));
	for (size_t i = 0; i < ELEMENTSOF(foreign); i++) {
		_cleanup_(freep) char *path = text_format("%s/%s", shelf->directory, foreign[i]);
		assert_true(holds(path, foreign[i], strlen(foreign[i])));
	}
}

static void no_board_has_a_name_that_leaves_the_directory(void **state)
{
	struct shelf *shelf = *state;
	char endless[5000];
	memset(endless, '/', sizeof(endless) - 1);
	endless[sizeof(endless) - 1] = '\0';
	const char *const boards[] = { "..", ".", "", "../../etc/passwd", "/etc/passwd", "a/../b",
		".hidden", "a\nb", "\x1b[31m", "a_b_c", "platform-3f980000.usb-usb-0:1.3:1.0",
		"%s%n", "\xff\xfe", endless };
	for (size_t i = 0; i < ELEMENTSOF(boards); i++) {
		_cleanup_(freep) char *name = stored(shelf, boards[i], NOON + i * DAY, 7);
		assert_true(name[0] != '.');
		assert_true(strlen(name) < 255);
		_cleanup_(freep) char *again = stored(shelf, boards[i], NOON + 100 * DAY, 7);
		assert_string_equal(name, again);
	}
	assert_int_equal(count(shelf, ""), ELEMENTSOF(boards));
	/* Nothing beside it. */
	free(shelf->directory);
	shelf->directory = strdup(shelf->above);
	assert_non_null(shelf->directory);
	assert_int_equal(count(shelf, ""), 1);
}

static void a_clock_that_goes_back_costs_nothing_that_is_new(void **state)
{
	struct shelf *shelf = *state;
	for (unsigned i = 0; i < BACKUPS_OF_A_BOARD; i++)
		store(shelf, "A0", NOON + i * DAY, (uint8_t)i);
	/* Before the network told the time. */
	store(shelf, "A0", 0, 100);
	assert_int_equal(count(shelf, "A0_19700101"), 1);
	assert_int_equal(count(shelf, "A0_"), BACKUPS_OF_A_BOARD);
	store(shelf, "A0", USEC_PER_SEC, 100);
	assert_int_equal(count(shelf, "A0_19700101"), 1);
	store(shelf, "A0", 2 * USEC_PER_SEC, 101);
	assert_int_equal(count(shelf, "A0_19700101T000002Z"), 1);
	assert_int_equal(count(shelf, "A0_"), BACKUPS_OF_A_BOARD);
}

/* ---- what may go wrong -------------------------------------------------------------------- */

static void a_full_disk_leaves_nothing(void **state)
{
	struct shelf *shelf = *state;
	_cleanup_(freep) char *path = NULL;
	struct rlimit before, little;
	store(shelf, "A0", NOON, 1);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	little = (struct rlimit){ .rlim_cur = BYTES / 2, .rlim_max = before.rlim_max };
	void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
	int r = try_to_store(shelf, "A0", NOON + DAY, 2, &path);
	int same = try_to_store(shelf, "A0", NOON + DAY, 1, &path);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	signal(SIGXFSZ, handler);
	assert_int_equal(r, -EFBIG);
	assert_int_equal(same, 0); /* what is there needs no room */
	assert_int_equal(count(shelf, ""), 1);
	store(shelf, "A0", NOON + DAY, 2);
	assert_int_equal(count(shelf, ""), 2);
}

static void what_a_kill_has_left_is_written_over(void **state)
{
	struct shelf *shelf = *state;
	char long_text[2 * BYTES];
	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	store(shelf, "A0", NOON, 1);
	put(shelf, ".unfinished", long_text);
	store(shelf, "A0", NOON + DAY, 2);
	assert_int_equal(count(shelf, ""), 2);
	/* A link there leads nowhere. */
	_cleanup_(freep) char *link = text_format("%s/.unfinished", shelf->directory);
	_cleanup_(freep) char *outside = text_format("%s/outside", shelf->above);
	assert_int_equal(symlink(outside, link), 0);
	store(shelf, "A0", NOON + 2 * DAY, 3);
	assert_int_equal(access(outside, F_OK), -1);
}

static void a_directory_that_cannot_be_written_is_told(void **state)
{
	struct shelf *shelf = *state;
	char *path = NULL;
	_cleanup_(fclosep) FILE *file = fopen(shelf->directory, "we");
	assert_non_null(file);
	assert_int_equal(try_to_store(shelf, "A0", NOON, 1, &path), -ENOTDIR);
	free(shelf->directory);
	shelf->directory = text_format("%s/not/there", shelf->above);
	assert_int_equal(try_to_store(shelf, "A0", NOON, 1, &path), -ENOENT);
	assert_null(path);
	if (geteuid() == 0)
		return;
	assert_int_equal(chmod(shelf->above, 0500), 0);
	free(shelf->directory);
	shelf->directory = strdup(shelf->above);
	assert_int_equal(try_to_store(shelf, "A0", NOON, 1, &path), -EACCES);
	assert_int_equal(chmod(shelf->above, 0700), 0);
}

/* ---- as it comes -------------------------------------------------------------------------- */

static struct wire_keep piece_of(uint32_t offset, uint32_t length, uint32_t total)
{
	struct wire_keep piece = { .kind = KEEP_FIRMWARE,
		.address = 0x08002000,
		.total_bytes = total,
		.offset = offset,
		.length = length };
	memset(piece.bytes, (int)(offset / WIRE_KEEP_BYTES + 1), length);
	return piece;
}

static int add(struct kept *kept, uint32_t offset, uint32_t length, uint32_t total)
{
	const struct wire_keep piece = piece_of(offset, length, total);
	return kept_add(kept, &piece);
}

static void pieces_become_whole(void **state)
{
	(void)state;
	_cleanup_(kept_done) struct kept kept = { 0 };
	assert_false(kept_is_whole(&kept));
	assert_int_equal(add(&kept, 0, 2048, 5000), 0);
	assert_int_equal(add(&kept, 2048, 2048, 5000), 0);
	assert_false(kept_is_whole(&kept));
	assert_int_equal(add(&kept, 4096, 904, 5000), 0);
	assert_true(kept_is_whole(&kept));
	assert_int_equal(kept.address, 0x08002000);
	assert_int_equal(kept.bytes[0], 1);
	assert_int_equal(kept.bytes[4999], 3);
	/* Once. */
	assert_int_equal(add(&kept, 0, 2048, 5000), -EPROTO);
}

static void pieces_in_disorder_are_none(void **state)
{
	(void)state;
	static const struct {
		uint32_t offset, length, total, address;
	} wrong[] = {
		{ 0, 2048, 5000, 0x08002000 }, /* again */
		{ 4096, 904, 5000, 0x08002000 }, /* one is missing */
		{ 2048, 2048, 6000, 0x08002000 },
		{ 2048, 2048, 4096, 0x08002000 },
		{ 2048, 2048, 5000, 0x08004000 },
	};
	for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
		_cleanup_(kept_done) struct kept kept = { 0 };
		assert_int_equal(add(&kept, 0, 2048, 5000), 0);
		struct wire_keep piece = piece_of(wrong[i].offset, wrong[i].length, wrong[i].total);
		piece.address = wrong[i].address;
		assert_int_equal(kept_add(&kept, &piece), -EPROTO);
		assert_false(kept_is_whole(&kept));
	}
	_cleanup_(kept_done) struct kept late = { 0 };
	assert_int_equal(add(&late, 2048, 2048, 5000), -EPROTO);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_name_says_what_is_inside),
		TEST(the_same_is_stored_once),
		TEST(what_was_cut_short_is_stored_again),
		TEST(a_board_has_five_and_all_have_a_bound),
		TEST(what_others_put_there_stays),
		TEST(no_board_has_a_name_that_leaves_the_directory),
		TEST(a_clock_that_goes_back_costs_nothing_that_is_new),
		TEST(a_full_disk_leaves_nothing),
		TEST(what_a_kill_has_left_is_written_over),
		TEST(a_directory_that_cannot_be_written_is_told),
		cmocka_unit_test(pieces_become_whole),
		cmocka_unit_test(pieces_in_disorder_are_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
