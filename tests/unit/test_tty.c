/* SPDX-License-Identifier: MIT */
/* Which port a person means, and who has it open. */
#include "unit/expect.h"

#include <errno.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "client/tty.h"

struct scene {
	int ours, theirs;
	char node[64];
	char link[64];
	pid_t child;
	int child_is_there;
};

static int set_up(void **state)
{
	struct scene *scene = test_calloc(1, sizeof(*scene));
	assert_int_equal(openpty(&scene->ours, &scene->theirs, scene->node, NULL, NULL), 0);
	snprintf(scene->link, sizeof(scene->link), "/tmp/plugflash-tty-%d", getpid());
	(void)!unlink(scene->link);
	assert_int_equal(symlink(scene->node, scene->link), 0);
	*state = scene;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *scene = *state;
	if (scene->child > 0) {
		kill(scene->child, SIGKILL);
		waitpid(scene->child, NULL, 0);
	}
	close(scene->ours);
	if (scene->theirs >= 0)
		close(scene->theirs);
	unlink(scene->link);
	test_free(scene);
	return 0;
}

/* A process that has the port open, and not the other end. */
static void let_somebody_hold_it(struct scene *scene)
{
	int pipes[2];
	char byte;
	assert_int_equal(pipe(pipes), 0);
	scene->child = fork();
	assert_true(scene->child >= 0);
	if (scene->child == 0) {
		close(scene->ours);
		(void)!write(pipes[1], "x", 1);
		for (;;)
			pause();
	}
	assert_int_equal(read(pipes[0], &byte, 1), 1);
	close(pipes[0]);
	close(pipes[1]);
}

static void a_link_leads_to_its_port(void **state)
{
	struct scene *scene = *state;
	_cleanup_(tty_done) struct tty tty = { 0 };
	assert_int_equal(tty_find(scene->link, &tty), 0);
	assert_string_equal(tty.node, scene->node);
	assert_null(tty.usb_syspath);
	assert_true(tty.is_pty);
}

static void what_is_no_port_is_none(void **state)
{
	(void)state;
	_cleanup_(tty_done) struct tty tty = { 0 };
	assert_int_equal(tty_find("/dev/nothing-like-this", &tty), -ENOENT);
	assert_int_equal(tty_find("/etc/passwd", &tty), -ENOTTY);
	assert_int_equal(tty_find("/tmp", &tty), -ENOTTY);
	assert_null(tty.node);
}

/* The process behind a pty has both ends open; Klipper's does. It is not in its own way. */
static void the_process_behind_a_pty_does_not_hold_it(void **state)
{
	struct scene *scene = *state;
	_cleanup_(tty_done) struct tty tty = { 0 };
	_cleanup_(tty_holders_done) struct tty_holders holders = { 0 };
	assert_int_equal(tty_find(scene->link, &tty), 0);
	assert_int_equal(tty_holders_find(&tty, &holders), 0);
	assert_null(holders.names);
}

static void who_holds_it_is_named(void **state)
{
	struct scene *scene = *state;
	_cleanup_(tty_done) struct tty tty = { 0 };
	_cleanup_(tty_holders_done) struct tty_holders holders = { 0 };
	let_somebody_hold_it(scene);
	assert_int_equal(tty_find(scene->link, &tty), 0);
	assert_int_equal(tty_holders_find(&tty, &holders), 0);
	assert_non_null(holders.names);
	_cleanup_(freep) char *name = text_format("test_tty (%d)", scene->child);
	assert_string_equal(holders.names, name);
	assert_false(holders.may_be_klippy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_link_leads_to_its_port, set_up, tear_down),
		cmocka_unit_test(what_is_no_port_is_none),
		cmocka_unit_test_setup_teardown(
			the_process_behind_a_pty_does_not_hold_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_holds_it_is_named, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
