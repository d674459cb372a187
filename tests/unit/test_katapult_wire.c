/* SPDX-License-Identifier: MIT */
/*
 * Katapult's wire to a board that only talks: its clock goes on with every read, and what it says
 * has no end. The functions of the port have other names here, because in every test the emulated
 * ones have theirs.
 */
#define serial_read          talker_read
#define serial_write         talker_write
#define serial_discard_input talker_discard_input
#define serial_pause         talker_pause
#define serial_now_msec      talker_now_msec
#include "backend/katapult_wire.c"

#include "unit/expect.h"

#define BLOCK 64u

struct serial {
	uint8_t words[KATAPULT_FRAME_MAX]; /* again and again */
	size_t length, at;
	unsigned each_msec; /* for a read */
	int64_t now_msec;
};

int talker_read(struct serial *serial, void *ret, size_t capacity, unsigned timeout_msec)
{
	size_t count = serial->length - serial->at;
	count = count < capacity ? count : capacity;
	if (serial->each_msec > timeout_msec) {
		serial->now_msec += timeout_msec;
		return -ETIMEDOUT;
	}
	serial->now_msec += serial->each_msec;
	memcpy(ret, serial->words + serial->at, count);
	serial->at = (serial->at + count) % serial->length;
	assert_true(serial->now_msec < 100000);
	return (int)count;
}

int talker_write(struct serial *serial, const void *data, size_t length, unsigned timeout_msec)
{
	(void)serial, (void)data, (void)length, (void)timeout_msec;
	return 0;
}

int talker_discard_input(struct serial *serial)
{
	serial->at = 0;
	return 0;
}

int talker_pause(struct serial *serial, unsigned msec)
{
	serial->now_msec += msec;
	return 0;
}

int64_t talker_now_msec(const struct serial *serial)
{
	return serial->now_msec;
}

static void expect_all_end(struct serial *serial, int error, int64_t most_msec)
{
	uint8_t block[BLOCK] = { 0 };
	uint32_t pages;
	struct katapult_device device;
	for (unsigned i = 0; i < 5; i++) {
		struct katapult_wire wire = { .serial = serial, .resends_blocks = true };
		serial->now_msec = 0;
		int r = i == 0   ? katapult_connect(&wire, &device)
			: i == 1 ? katapult_send_block(&wire, 0x08002000, block, BLOCK)
			: i == 2 ? katapult_end(&wire, &pages)
			: i == 3 ? katapult_read(&wire, 0x08002000, block, BLOCK, BLOCK, NULL, NULL)
				 : katapult_complete(&wire);
		assert_int_equal(r, error);
		assert_in_range(serial->now_msec, 0, most_msec);
	}
}

static void noise_without_end_is_no_answer(void **state)
{
	(void)state;
	struct serial serial = { .words = { 0x01, 0x88, 0x00 }, .length = 3, .each_msec = 10 };
	expect_all_end(&serial, -ESTALE, 15000);
}

/* Nobody has asked for its CAN id. */
static void answers_without_end_to_what_nobody_asked_are_none(void **state)
{
	(void)state;
	static const uint8_t payload[] = { KATAPULT_GET_CANBUS_ID, 0, 0, 0 };
	struct serial serial = { .each_msec = 10 };
	serial.length = katapult_frame(KATAPULT_ACK, payload, sizeof(payload), serial.words);
	expect_all_end(&serial, -ESTALE, 15000);
}

/* Its worker may be silent for a minute (worker/run.c). */
static void busy_takes_no_longer_when_it_is_said_slowly(void **state)
{
	(void)state;
	struct serial serial = { .each_msec = 1900 };
	serial.length = katapult_frame(KATAPULT_BUSY, NULL, 0, serial.words);
	expect_all_end(&serial, -EAGAIN, 15000);
}

int main(void)
{
	const struct CMUnitTest stories[] = {
		cmocka_unit_test(noise_without_end_is_no_answer),
		cmocka_unit_test(answers_without_end_to_what_nobody_asked_are_none),
		cmocka_unit_test(busy_takes_no_longer_when_it_is_said_slowly),
	};
	return cmocka_run_group_tests(stories, NULL, NULL);
}
