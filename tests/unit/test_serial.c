/* SPDX-License-Identifier: MIT */
/*
 * The real port/serial.c on a pty. Its functions have other names here, because in every test the
 * emulated ones have theirs.
 */
#define serial_open          tty_open
#define serial_close         tty_close
#define serial_read          tty_read
#define serial_write         tty_write
#define serial_set_line      tty_set_line
#define serial_discard_input tty_discard_input
#define serial_pause         tty_pause
#define serial_now_msec      tty_now_msec
#include "port/serial.c"

#include "unit/expect.h"

struct pty {
	int master;
	char slave[64];
	struct serial *serial;
};

static void pty_done(struct pty *pty)
{
	tty_close(pty->serial);
	safe_close(pty->master);
}

static struct serial_address address_of(const struct pty *pty)
{
	return (struct serial_address){ .node = pty->slave };
}

static struct pty open_pty(unsigned baud)
{
	struct pty pty = { .master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC) };
	assert_true(pty.master >= 0);
	assert_int_equal(grantpt(pty.master), 0);
	assert_int_equal(unlockpt(pty.master), 0);
	assert_int_equal(ptsname_r(pty.master, pty.slave, sizeof(pty.slave)), 0);
	struct serial_address address = address_of(&pty);
	assert_int_equal(tty_open(&address, baud, &pty.serial), 0);
	return pty;
}

static void it_is_raw_at_any_rate(void **state)
{
	(void)state;
	static const uint8_t bytes[] = { 0x03, 0x7e, '\r', '\n', 0x11, 0x13, 0xff, 0x00 };
	static const unsigned rates[] = { 250000, 115200, 1200 };
	uint8_t back[16];
	for (size_t i = 0; i < ELEMENTSOF(rates); i++) {
		_cleanup_(pty_done) struct pty pty = open_pty(rates[i]);
		assert_int_equal(baud_get(pty.serial->fd), rates[i]);
		assert_int_equal(tty_write(pty.serial, bytes, sizeof(bytes), 1000), 0);
		assert_int_equal(read(pty.master, back, sizeof(back)), sizeof(bytes));
		assert_memory_equal(back, bytes, sizeof(bytes));
		assert_int_equal(write(pty.master, bytes, sizeof(bytes)), sizeof(bytes));
		assert_int_equal(tty_read(pty.serial, back, sizeof(back), 1000), sizeof(bytes));
		assert_memory_equal(back, bytes, sizeof(bytes));
		/* Nothing of it is echoed. */
		assert_int_equal(tty_read(pty.serial, back, sizeof(back), 0), -ETIMEDOUT);
		/* A pty has no DTR, but a rate. */
		assert_true(tty_set_line(pty.serial, 500000, false) < 0);
		assert_int_equal(baud_get(pty.serial->fd), 500000);
	}
}

static void there_is_one_who_has_it(void **state)
{
	(void)state;
	_cleanup_(pty_done) struct pty pty = open_pty(250000);
	struct serial_address address = address_of(&pty);
	struct serial *other = NULL;
	assert_int_equal(tty_open(&address, 250000, &other), -EBUSY);
	assert_null(other);
}

static void whoever_leaves_ends_the_wait(void **state)
{
	(void)state;
	_cleanup_(pty_done) struct pty pty = open_pty(250000);
	int64_t start = tty_now_msec(pty.serial);
	assert_int_equal(tty_pause(pty.serial, 20), 0);
	assert_in_range(tty_now_msec(pty.serial) - start, 20, 5000);
	pty.master = safe_close(pty.master);
	assert_int_equal(tty_pause(pty.serial, 60000), -ENODEV);
	assert_true(tty_now_msec(pty.serial) - start < 30000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_raw_at_any_rate),
		cmocka_unit_test(there_is_one_who_has_it),
		cmocka_unit_test(whoever_leaves_ends_the_wait),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
