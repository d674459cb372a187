/* SPDX-License-Identifier: MIT */
/* Rates without a name, on a pty: it has no wire, but remembers what it is set to. */
#include "unit/expect.h"

#include <errno.h>
#include <fcntl.h>
#include <termios.h>

#include "base/cleanup.h"
#include "port/baud.h"

static int open_pty(void)
{
	int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void any_rate_can_be_set(void **state)
{
	(void)state;
	static const unsigned rates[] = { 250000, 1200, 115200, 76800, 9600, 500000, 2000000,
		31250 };
	_cleanup_(closep) int fd = open_pty();
	for (size_t i = 0; i < ELEMENTSOF(rates); i++) {
		assert_int_equal(baud_set(fd, rates[i]), 0);
		assert_int_equal(baud_get(fd), rates[i]);
	}
	assert_int_equal(baud_set(fd, 0), -EINVAL);
	assert_int_equal(baud_get(fd), 31250);
}

static void nothing_else_is_changed(void **state)
{
	(void)state;
	struct termios before, after;
	_cleanup_(closep) int fd = open_pty();
	assert_int_equal(tcgetattr(fd, &before), 0);
	cfmakeraw(&before);
	before.c_cflag |= CLOCAL | CREAD;
	assert_int_equal(tcsetattr(fd, TCSANOW, &before), 0);
	assert_int_equal(baud_set(fd, 250000), 0);
	assert_int_equal(tcgetattr(fd, &after), 0);
	assert_int_equal(after.c_iflag, before.c_iflag);
	assert_int_equal(after.c_oflag, before.c_oflag);
	assert_int_equal(after.c_lflag, before.c_lflag);
	assert_int_equal(after.c_cflag & CSIZE, CS8);
	/* And the C library leaves a rate that it has no name for alone. */
	assert_int_equal(tcsetattr(fd, TCSANOW, &after), 0);
	assert_int_equal(baud_get(fd), 250000);
}

static void what_is_no_tty_has_no_rate(void **state)
{
	(void)state;
	_cleanup_(closep) int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_int_equal(baud_set(fd, 250000), -ENOTTY);
	assert_int_equal(baud_get(fd), -ENOTTY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_rate_can_be_set),
		cmocka_unit_test(nothing_else_is_changed),
		cmocka_unit_test(what_is_no_tty_has_no_rate),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
