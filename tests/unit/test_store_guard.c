/* SPDX-License-Identifier: MIT */
/* The store: which files may be used at all: not what others could change, and not what somebody is
 * still writing. */
#include "unit/store_story.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "unit/make_image.h"

#define OTHERS 4242 /* nobody's group, nobody's user */

static int open_shelf(void **state)
{
	return shelf_set_up(state, "a.bin");
}

/* ---- who could change it ----------------------------------------------------------------- */

static void what_everybody_can_write_is_refused(void **state)
{
	struct shelf *shelf = *state;
	shelf_chmod(shelf, "a.bin", 0646);
	expect_no_choice(shelf, REASON_FIRMWARE_PERMISSIONS, "run: chmod o-w,g-w ");
	expect_unused(shelf, "a.bin", REASON_FIRMWARE_PERMISSIONS, "could change it");
	assert_int_equal(shelf_entry(shelf, "a.bin")->status.st_size, SHELF_IMAGE_BYTES);
	shelf_chmod(shelf, "a.bin", 0644);
	expect_choice(shelf, "a.bin");
	expect_usable(shelf, "a.bin");
}

static void what_the_operators_can_write_is_used(void **state)
{
	struct shelf *shelf = *state;
	shelf_chmod(shelf, "a.bin", 0664);
	_cleanup_(freep) char *path = shelf_path(shelf, "a.bin");
	assert_int_equal(chown(path, -1, getegid()), 0);
	expect_choice(shelf, "a.bin");
}

static void what_another_group_can_write_is_refused(void **state)
{
	struct shelf *shelf = *state;
	_cleanup_(freep) char *path = shelf_path(shelf, "a.bin");
	if (chown(path, -1, OTHERS) < 0)
		skip(); /* only root can give a file away */
	expect_choice(shelf, "a.bin");
	shelf_chmod(shelf, "a.bin", 0664);
	expect_no_choice(shelf, REASON_FIRMWARE_PERMISSIONS, "could change it: run: chmod");
}

static void a_directory_that_everybody_can_write_to_is_refused(void **state)
{
	struct shelf *shelf = *state;
	shelf_chmod(shelf, shelf->directory, 0757);
	expect_no_choice(shelf, REASON_FIRMWARE_PERMISSIONS, "as they can write to /tmp/plugflash");
	/* Whose it is keeps it from being moved, but not another one from being put beside it. */
	shelf_chmod(shelf, shelf->directory, 01777);
	expect_no_choice(shelf, REASON_FIRMWARE_PERMISSIONS, "chmod o-w,g-w /tmp/plugflash-store");
	shelf_chmod(shelf, shelf->directory, 0755);
	expect_choice(shelf, "a.bin");
}

static void a_directory_above_counts_too(void **state)
{
	struct shelf *shelf = *state;
	shelf_make_directory(shelf, "deep");
	shelf_make_directory(shelf, "deep/er");
	shelf_put_widget(shelf, "deep/er/b.bin", "1.0", 1);
	shelf_mean(shelf, "deep/er/b.bin");
	expect_choice(shelf, "deep/er/b.bin");
	shelf_chmod(shelf, "deep", 0777);
	expect_no_choice(shelf, REASON_FIRMWARE_PERMISSIONS, "/deep: run: chmod");
	shelf_chmod(shelf, "deep", 01777);
	expect_choice(shelf, "deep/er/b.bin");
}

static void a_directory_of_somebody_else_is_refused(void **state)
{
	struct shelf *shelf = *state;
	if (chown(shelf->directory, OTHERS, -1) < 0)
		skip();
	expect_no_choice(shelf, REASON_FIRMWARE_PERMISSIONS, "chown root /tmp/plugflash-store");
	assert_int_equal(chown(shelf->directory, 0, OTHERS), 0);
	shelf_chmod(shelf, shelf->directory, 0775);
	expect_no_choice(shelf, REASON_FIRMWARE_PERMISSIONS, "can write to");
}

static void what_cannot_be_trusted_is_no_candidate(void **state)
{
	struct shelf *shelf = *state;
	shelf_mean(shelf, "auto");
	shelf_put_widget(shelf, "b.bin", "2.0", 2);
	shelf_chmod(shelf, "b.bin", 0666);
	expect_choice(shelf, "a.bin");
	shelf_chmod(shelf, "b.bin", 0644);
	expect_choice(shelf, "b.bin");
	shelf_chmod(shelf, "a.bin", 0666);
	shelf_chmod(shelf, "b.bin", 0666);
	expect_no_choice(shelf, REASON_IMAGE_MISSING, "none of the 2 files");
}

static void a_private_file_is_refused_with_the_command_that_helps(void **state)
{
	struct shelf *shelf = *state;
	_cleanup_(freep) char *path = shelf_path(shelf, "a.bin");
	shelf_chmod(shelf, "a.bin", 0);
	/* Root reads everything: nothing to be told then. */
	if (access(path, R_OK) < 0)
		expect_no_choice(shelf, REASON_IMAGE_UNREADABLE, "chmod g+r");
	else
		expect_choice(shelf, "a.bin");
}

/* ---- links and stranger things ----------------------------------------------------------- */

static void a_link_means_what_it_leads_to(void **state)
{
	struct shelf *shelf = *state;
	_cleanup_(freep) char *target = outside_path(shelf, "b.bin");
	shelf_put_widget(shelf, target, "1.0", 2);
	shelf_link(shelf, target, "link.bin");
	shelf_mean(shelf, "link.bin");
	expect_choice(shelf, "link.bin");
	shelf_chmod(shelf, target, 0666);
	expect_no_choice(shelf, REASON_FIRMWARE_PERMISSIONS, "link.bin: others than root");
	shelf_chmod(shelf, target, 0644);
	shelf_chmod(shelf, shelf->outside, 0777);
	expect_no_choice(shelf, REASON_FIRMWARE_PERMISSIONS, "can write to /tmp/plugflash-outside");
}

/* What lies behind is sound, but others could lead the link elsewhere. */
static void a_link_in_a_directory_of_everybodys_is_refused(void **state)
{
	struct shelf *shelf = *state;
	_cleanup_(freep) char *link = outside_path(shelf, "link.bin");
	_cleanup_(freep) char *target = shelf_path(shelf, "a.bin");
	shelf_link(shelf, target, link);
	shelf_mean(shelf, link);
	expect_choice(shelf, link);
	shelf_chmod(shelf, shelf->outside, 01777);
	expect_no_choice(shelf, REASON_FIRMWARE_PERMISSIONS, "can write to /tmp/plugflash-outside");
	shelf_link(shelf, link, "two.bin");
	shelf_mean(shelf, "two.bin");
	expect_no_choice(shelf, REASON_FIRMWARE_PERMISSIONS, "can write to /tmp/plugflash-outside");
}

static void links_may_be_relative_and_lead_through_directories(void **state)
{
	struct shelf *shelf = *state;
	shelf_make_directory(shelf, "v1");
	shelf_put_widget(shelf, "v1/b.bin", "1.0", 1);
	shelf_link(shelf, "v1", "current");
	shelf_link(shelf, "./v1/../current/b.bin", "b.bin");
	shelf_mean(shelf, "current/b.bin");
	expect_choice(shelf, "current/b.bin");
	shelf_mean(shelf, "b.bin");
	expect_choice(shelf, "b.bin");
	/* Listed once where it is and once as a link, not once more behind the linked directory. */
	assert_int_equal(shelf_count(shelf), 3);
}

static void links_that_lead_nowhere_or_in_circles_are_passed_over(void **state)
{
	struct shelf *shelf = *state;
	shelf_link(shelf, "nowhere", "dangling.bin");
	shelf_link(shelf, "loop.bin", "loop.bin");
	shelf_link(shelf, ".", "self");
	shelf_link(shelf, "..", "up");
	assert_int_equal(shelf_count(shelf), 1);
	shelf_mean(shelf, "*");
	expect_choice(shelf, "a.bin");
	shelf_mean(shelf, "dangling.bin");
	expect_no_choice(shelf, REASON_IMAGE_MISSING, "no such firmware file");
	shelf_mean(shelf, "loop.bin");
	assert_int_equal(shelf_choose(shelf), STORE_REFUSED);
}

static void what_is_no_regular_file_is_passed_over(void **state)
{
	struct shelf *shelf = *state;
	_cleanup_(freep) char *path = shelf_path(shelf, "fifo.bin");
	assert_int_equal(mkfifo(path, 0644), 0);
	shelf_make_directory(shelf, "directory.bin");
	shelf_mean(shelf, "fifo.bin");
	expect_no_choice(shelf, REASON_IMAGE_UNREADABLE, "not a regular file");
	shelf_mean(shelf, "directory.bin");
	expect_no_choice(shelf, REASON_IMAGE_UNREADABLE, "not a regular file");
	shelf_mean(shelf, "*.bin");
	expect_choice(shelf, "a.bin");
	shelf_mean(shelf, "auto");
	expect_choice(shelf, "a.bin");
	shelf_mean(shelf, "/dev/null");
	expect_no_choice(shelf, REASON_IMAGE_UNREADABLE, "not a regular file");
}

/* ---- who is changing it ------------------------------------------------------------------ */

static int open_writer(const struct shelf *shelf, const char *name, int flags)
{
	_cleanup_(freep) char *path = shelf_path(shelf, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0644);
	assert_return_code(fd, errno);
	return fd;
}

static void write_some(int fd)
{
	_cleanup_(freep) uint8_t *bytes = make_widget("1.0", 1);
	assert_int_equal(write(fd, bytes, SHELF_IMAGE_BYTES), SHELF_IMAGE_BYTES);
}

static void what_is_being_copied_waits_until_it_is_closed(void **state)
{
	struct shelf *shelf = *state;
	_cleanup_(closep) int fd = open_writer(shelf, "a.bin", O_TRUNC);
	write_some(fd);
	expect_no_choice(shelf, REASON_IMAGE_BEING_WRITTEN, "wait until the copy is done");
	expect_unused(shelf, "a.bin", REASON_IMAGE_BEING_WRITTEN, "still writing");
	fd = safe_close(fd);
	expect_choice(shelf, "a.bin");
	expect_usable(shelf, "a.bin");
}

static void a_whole_file_that_is_opened_again_waits_once_more(void **state)
{
	struct shelf *shelf = *state;
	expect_usable(shelf, "a.bin");
	_cleanup_(closep) int fd = open_writer(shelf, "a.bin", O_APPEND);
	expect_choice(shelf, "a.bin"); /* nothing of it has changed yet */
	write_some(fd);
	expect_unused(shelf, "a.bin", REASON_IMAGE_BEING_WRITTEN, "still writing");
}

static void what_is_moved_into_place_is_whole(void **state)
{
	struct shelf *shelf = *state;
	_cleanup_(freep) char *part = shelf_path(shelf, ".part");
	_cleanup_(freep) char *path = shelf_path(shelf, "a.bin");
	_cleanup_(closep) int fd = open_writer(shelf, "a.bin", 0);
	write_some(fd);
	expect_no_choice(shelf, REASON_IMAGE_BEING_WRITTEN, "");
	shelf_put_widget(shelf, ".part", "2.0", 2);
	assert_int_equal(rename(part, path), 0);
	expect_choice(shelf, "a.bin");
	assert_string_equal(image_facts_version(&shelf->firmware.says), "2.0");
	/* Whoever wrote the file before goes on, but to nothing that has a name. */
	write_some(fd);
	expect_choice(shelf, "a.bin");
}

static void what_is_moved_while_it_is_written_still_waits(void **state)
{
	struct shelf *shelf = *state;
	_cleanup_(freep) char *part = shelf_path(shelf, "part");
	_cleanup_(freep) char *path = shelf_path(shelf, "a.bin");
	_cleanup_(closep) int fd = open_writer(shelf, "part", 0);
	write_some(fd);
	assert_int_equal(rename(part, path), 0);
	write_some(fd);
	expect_no_choice(shelf, REASON_IMAGE_BEING_WRITTEN, "");
}

static void what_is_removed_and_made_anew_is_another_file(void **state)
{
	struct shelf *shelf = *state;
	_cleanup_(freep) char *path = shelf_path(shelf, "a.bin");
	_cleanup_(closep) int fd = open_writer(shelf, "a.bin", 0);
	write_some(fd);
	assert_int_equal(unlink(path), 0);
	shelf_put_widget(shelf, "a.bin", "2.0", 2);
	write_some(fd);
	expect_choice(shelf, "a.bin");
}

static void a_writer_is_heard_through_a_link(void **state)
{
	struct shelf *shelf = *state;
	_cleanup_(freep) char *target = outside_path(shelf, "b.bin");
	shelf_put_widget(shelf, target, "1.0", 1);
	shelf_link(shelf, target, "link.bin");
	shelf_mean(shelf, "link.bin");
	expect_choice(shelf, "link.bin");
	_cleanup_(closep) int fd = open_writer(shelf, target, 0);
	write_some(fd);
	expect_no_choice(shelf, REASON_IMAGE_BEING_WRITTEN, "");
}

static void a_writer_is_heard_by_whichever_path(void **state)
{
	struct shelf *shelf = *state;
	_cleanup_(freep) char *other = outside_path(shelf, "store");
	shelf_link(shelf, shelf->directory, other);
	assert_int_equal(policy_add_directory(shelf->policy, other), 0);
	assert_int_equal(shelf_count(shelf), 2);
	_cleanup_(closep) int fd = open_writer(shelf, "a.bin", 0);
	write_some(fd);
	_cleanup_(freep) char *path = text_format("%s/a.bin", other);
	expect_unused(shelf, "a.bin", REASON_IMAGE_BEING_WRITTEN, "");
	expect_unused(shelf, path, REASON_IMAGE_BEING_WRITTEN, "");
}

static void a_directory_that_was_moved_away_takes_its_writers_along(void **state)
{
	struct shelf *shelf = *state;
	_cleanup_(freep) char *before = shelf_path(shelf, "deep");
	_cleanup_(freep) char *after = shelf_path(shelf, "gone");
	shelf_make_directory(shelf, "deep");
	assert_int_equal(shelf_count(shelf), 1);
	_cleanup_(closep) int fd = open_writer(shelf, "deep/b.bin", 0);
	write_some(fd);
	assert_int_equal(rename(before, after), 0);
	shelf_make_directory(shelf, "deep");
	shelf_put_widget(shelf, "deep/b.bin", "1.0", 1);
	write_some(fd);
	expect_usable(shelf, "deep/b.bin");
	expect_unused(shelf, "gone/b.bin", REASON_IMAGE_BEING_WRITTEN, "");
}

/* Also where nobody has looked yet: the service is told of its directories when it starts. */
static void a_writer_is_heard_in_every_directory_that_a_rule_may_mean(void **state)
{
	struct shelf *shelf = *state;
	_cleanup_(freep) char *deep = outside_path(shelf, "deep");
	_cleanup_(freep) char *path = outside_path(shelf, "deep/b.bin");
	shelf_make_directory(shelf, deep);
	assert_int_equal(policy_add_directory(shelf->policy, shelf->outside), 0);
	store_watch(shelf->store, shelf->policy);
	_cleanup_(closep) int fd = open_writer(shelf, path, 0);
	write_some(fd);
	shelf_mean(shelf, "deep/b.bin");
	expect_no_choice(shelf, REASON_IMAGE_BEING_WRITTEN, "");
}

static void a_writer_is_heard_beside_a_file_that_a_rule_names(void **state)
{
	struct shelf *shelf = *state;
	_cleanup_(freep) char *path = outside_path(shelf, "b.bin");
	shelf_mean(shelf, path);
	store_watch(shelf->store, shelf->policy);
	_cleanup_(closep) int fd = open_writer(shelf, path, 0);
	write_some(fd);
	expect_no_choice(shelf, REASON_IMAGE_BEING_WRITTEN, "");
	fd = safe_close(fd);
	expect_choice(shelf, path);
}

#define STORY(function) cmocka_unit_test_setup_teardown(function, open_shelf, shelf_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(what_everybody_can_write_is_refused),
		STORY(what_the_operators_can_write_is_used),
		STORY(what_another_group_can_write_is_refused),
		STORY(a_directory_that_everybody_can_write_to_is_refused),
		STORY(a_directory_above_counts_too),
		STORY(a_directory_of_somebody_else_is_refused),
		STORY(what_cannot_be_trusted_is_no_candidate),
		STORY(a_private_file_is_refused_with_the_command_that_helps),
		STORY(a_link_means_what_it_leads_to),
		STORY(a_link_in_a_directory_of_everybodys_is_refused),
		STORY(links_may_be_relative_and_lead_through_directories),
		STORY(links_that_lead_nowhere_or_in_circles_are_passed_over),
		STORY(what_is_no_regular_file_is_passed_over),
		STORY(what_is_being_copied_waits_until_it_is_closed),
		STORY(a_whole_file_that_is_opened_again_waits_once_more),
		STORY(what_is_moved_into_place_is_whole),
		STORY(what_is_moved_while_it_is_written_still_waits),
		STORY(what_is_removed_and_made_anew_is_another_file),
		STORY(a_writer_is_heard_through_a_link),
		STORY(a_writer_is_heard_by_whichever_path),
		STORY(a_directory_that_was_moved_away_takes_its_writers_along),
		STORY(a_writer_is_heard_in_every_directory_that_a_rule_may_mean),
		STORY(a_writer_is_heard_beside_a_file_that_a_rule_names),
	};
	return cmocka_run_group_tests_name("store guard", tests, NULL, NULL);
}
