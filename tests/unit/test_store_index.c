/* SPDX-License-Identifier: MIT */
/* The store: what is remembered of files, and for how long. */
#include "unit/store_story.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>

#include "unit/make_image.h"

static int open_shelf(void **state)
{
	return shelf_set_up(state, "auto");
}

/* Files are stamped by a clock that ticks: what is read soon after its last change is read once
 * more. Only time brings that about. */
static void await_tick(void)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += 30000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) != 0)
		;
}

/* How many files of the store were opened since the last time. */
static unsigned count_opened(int fd)
{
	_Alignas(struct inotify_event) char bytes[4096];
	unsigned count = 0;
	ssize_t length;
	while ((length = read(fd, bytes, sizeof(bytes))) > 0)
		for (char *at = bytes; at < bytes + length;) {
			const struct inotify_event *event = (const void *)at;
			count += event->mask & IN_OPEN && !(event->mask & IN_ISDIR);
			at += sizeof(*event) + event->len;
		}
	return count;
}

static int observe(const struct shelf *shelf)
{
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	assert_return_code(fd, errno);
	assert_return_code(inotify_add_watch(fd, shelf->directory, IN_OPEN), errno);
	return fd;
}

static void what_is_unchanged_is_not_read_again(void **state)
{
	struct shelf *shelf = *state;
	shelf_put(shelf, "b.txt", "PK\3\4", 4);
	await_tick();
	_cleanup_(closep) int observer = observe(shelf);
	assert_int_equal(shelf_count(shelf), 2);
	assert_int_equal(count_opened(observer), 2);
	assert_int_equal(shelf_count(shelf), 2);
	assert_int_equal(count_opened(observer), 0);
	expect_choice(shelf, "a.bin");
	assert_int_equal(count_opened(observer), 1); /* what is to be written is always read */
	expect_usable(shelf, "a.bin");
	expect_unused(shelf, "b.txt", REASON_IMAGE_FORMAT, "zip archive");
	assert_int_equal(count_opened(observer), 0);
}

static void what_is_read_within_its_tick_is_read_once_more(void **state)
{
	struct shelf *shelf = *state;
	_cleanup_(closep) int observer = observe(shelf);
	await_tick();
	shelf_put_widget(shelf, "a.bin", "2.0", 1);
	assert_int_equal(shelf_count(shelf), 1);
	count_opened(observer);
	await_tick();
	assert_int_equal(shelf_count(shelf), 1);
	assert_int_equal(shelf_count(shelf), 1);
	assert_true(count_opened(observer) <= 1);
}

static void expect_version(struct shelf *shelf, const char *name, const char *version)
{
	const struct store_entry *entry = shelf_entry(shelf, name);
	assert_non_null(entry);
	assert_string_equal(image_facts_version(&entry->says), version);
}

static void what_is_replaced_is_read_again(void **state)
{
	struct shelf *shelf = *state;
	expect_version(shelf, "a.bin", "1.0");
	shelf_put_widget(shelf, "a.bin", "2.0", 1);
	expect_version(shelf, "a.bin", "2.0");
	_cleanup_(freep) char *part = shelf_path(shelf, ".part");
	_cleanup_(freep) char *path = shelf_path(shelf, "a.bin");
	shelf_put_widget(shelf, ".part", "3.0", 1);
	assert_int_equal(rename(part, path), 0);
	expect_version(shelf, "a.bin", "3.0");
	assert_int_equal(unlink(path), 0);
	assert_null(shelf_entry(shelf, "a.bin"));
}

/* Size and modification time lie; the time of change cannot be set. */
static void what_is_replaced_in_secret_is_read_again(void **state)
{
	struct shelf *shelf = *state;
	_cleanup_(freep) char *path = shelf_path(shelf, "a.bin");
	struct stat before;
	await_tick();
	expect_version(shelf, "a.bin", "1.0");
	assert_int_equal(stat(path, &before), 0);
	shelf_put_widget(shelf, "a.bin", "9.9", 1);
	const struct timespec times[] = { before.st_atim, before.st_mtim };
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
	expect_version(shelf, "a.bin", "9.9");
}

static void what_was_good_and_is_not_any_more_is_told(void **state)
{
	struct shelf *shelf = *state;
	expect_usable(shelf, "a.bin");
	shelf_put(shelf, "a.bin", "PK\3\4", 4);
	expect_unused(shelf, "a.bin", REASON_IMAGE_FORMAT, "zip archive");
	expect_no_choice(shelf, REASON_IMAGE_MISSING, "none of the 1 files");
	shelf_put_widget(shelf, "a.bin", "2.0", 1);
	expect_choice(shelf, "a.bin");
}

static void files_come_and_go(void **state)
{
	struct shelf *shelf = *state;
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 150; i++) {
			_cleanup_(freep) char *name = text_format("%u-%u.txt", i * 7 % 150, round);
			shelf_put(shelf, name, "x", 1);
		}
		assert_int_equal(shelf_count(shelf), 151);
		const struct store_entry *entries;
		size_t count;
		assert_int_equal(store_look(shelf->store, shelf->policy, &entries, &count), 0);
		for (size_t i = 1; i < count; i++)
			assert_true(strcmp(entries[i - 1].path, entries[i].path) < 0);
		for (unsigned i = 0; i < 150; i++) {
			_cleanup_(freep) char *name = text_format("%u-%u.txt", i, round);
			_cleanup_(freep) char *path = shelf_path(shelf, name);
			assert_int_equal(unlink(path), 0);
		}
	}
	assert_int_equal(shelf_count(shelf), 1);
}

static void a_directory_that_goes_takes_its_files_along(void **state)
{
	struct shelf *shelf = *state;
	_cleanup_(freep) char *path = outside_path(shelf, "b.bin");
	shelf_put_widget(shelf, path, "2.0", 1);
	assert_int_equal(policy_add_directory(shelf->policy, shelf->outside), 0);
	assert_int_equal(shelf_count(shelf), 2);
	shelf->policy->directory_count = 0;
	free(shelf->policy->directories[0]);
	assert_int_equal(shelf_count(shelf), 1);
	expect_choice(shelf, "a.bin");
}

/* More than anybody keeps: the store says so instead of choosing from a part of them. */
static void too_many_files_are_refused(void **state)
{
	struct shelf *shelf = *state;
	for (unsigned i = 0; i < 20000; i++) {
		_cleanup_(freep) char *name = text_format("%u.txt", i);
		_cleanup_(freep) char *path = shelf_path(shelf, name);
		assert_int_equal(symlink("/proc/version", path), 0);
	}
	expect_no_choice(shelf, REASON_IMAGE_AMBIGUOUS, "more files than plugflash looks through");
	shelf_mean(shelf, "a.bin");
	expect_choice(shelf, "a.bin");
	_cleanup_(freep) char *one = shelf_path(shelf, "7.txt");
	assert_int_equal(unlink(one), 0);
	shelf_mean(shelf, "auto");
	expect_choice(shelf, "a.bin");
}

#define STORY(function) cmocka_unit_test_setup_teardown(function, open_shelf, shelf_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(what_is_unchanged_is_not_read_again),
		STORY(what_is_read_within_its_tick_is_read_once_more),
		STORY(what_is_replaced_is_read_again),
		STORY(what_is_replaced_in_secret_is_read_again),
		STORY(what_was_good_and_is_not_any_more_is_told),
		STORY(files_come_and_go),
		STORY(a_directory_that_goes_takes_its_files_along),
		STORY(too_many_files_are_refused),
	};
	return cmocka_run_group_tests_name("store index", tests, NULL, NULL);
}
