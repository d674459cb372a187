/* SPDX-License-Identifier: MIT */
/*
 * Katapult's wire to a board that only talks: its clock goes on with every read, and what it says
 * has no end.
 */
#include <errno.h>
#include <string.h>

#include "backend/katapult_wire.h"
#include "unit/expect.h"

#define BLOCK 64u

struct talker {
	struct stream stream; /* first */
	uint8_t words[KATAPULT_FRAME_MAX]; /* again and again */
	size_t length, at;
	unsigned each_msec; /* for a read */
	int64_t now_msec;
};

static int talker_read(struct stream *stream, void *ret, size_t capacity, unsigned timeout_msec)
{
	struct talker *talker = (struct talker *)stream;
	size_t count = talker->length - talker->at;
	count = count < capacity ? count : capacity;
	if (talker->each_msec > timeout_msec) {
		talker->now_msec += timeout_msec;
		return -ETIMEDOUT;
	}
	talker->now_msec += talker->each_msec;
	memcpy(ret, talker->words + talker->at, count);
	talker->at = (talker->at + count) % talker->length;
	assert_true(talker->now_msec < 100000);
	return (int)count;
}

static int talker_write(
	struct stream *stream, const void *data, size_t length, unsigned timeout_msec)
{
	(void)stream, (void)data, (void)length, (void)timeout_msec;
	return 0;
}

static int talker_discard_input(struct stream *stream)
{
	((struct talker *)stream)->at = 0;
	return 0;
}

static int talker_pause(struct stream *stream, unsigned msec)
{
	((struct talker *)stream)->now_msec += msec;
	return 0;
}

static int64_t talker_now_msec(const struct stream *stream)
{
	return ((const struct talker *)stream)->now_msec;
}

static const struct stream_operations operations = {
	.read = talker_read,
	.write = talker_write,
	.discard_input = talker_discard_input,
	.pause = talker_pause,
	.now_msec = talker_now_msec,
};

static void expect_all_end(struct talker *talker, int error, int64_t most_msec)
{
	uint8_t block[BLOCK] = { 0 };
	uint32_t pages;
	struct katapult_device device;
	for (unsigned i = 0; i < 5; i++) {
		struct katapult_wire wire = { .stream = &talker->stream, .resends_blocks = true };
		talker->now_msec = 0;
		int r = i == 0   ? katapult_connect(&wire, &device)
			: i == 1 ? katapult_send_block(&wire, 0x08002000, block, BLOCK)
			: i == 2 ? katapult_end(&wire, &pages)
			: i == 3 ? katapult_read(&wire, 0x08002000, block, BLOCK, BLOCK, NULL, NULL)
				 : katapult_complete(&wire);
		assert_int_equal(r, error);
		assert_in_range(talker->now_msec, 0, most_msec);
	}
}

static void noise_without_end_is_no_answer(void **state)
{
	(void)state;
	struct talker talker = { .stream.operations = &operations,
		.words = { 0x01, 0x88, 0x00 },
		.length = 3,
		.each_msec = 10 };
	expect_all_end(&talker, -ESTALE, 15000);
}

/* Nobody has asked for its CAN id. */
static void answers_without_end_to_what_nobody_asked_are_none(void **state)
{
	(void)state;
	static const uint8_t payload[] = { KATAPULT_GET_CANBUS_ID, 0, 0, 0 };
	struct talker talker = { .stream.operations = &operations, .each_msec = 10 };
	talker.length = katapult_frame(KATAPULT_ACK, payload, sizeof(payload), talker.words);
	expect_all_end(&talker, -ESTALE, 15000);
}

/* Its worker may be silent for a minute (worker/run.c). */
static void busy_takes_no_longer_when_it_is_said_slowly(void **state)
{
	(void)state;
	struct talker talker = { .stream.operations = &operations, .each_msec = 1900 };
	talker.length = katapult_frame(KATAPULT_BUSY, NULL, 0, talker.words);
	expect_all_end(&talker, -EAGAIN, 15000);
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
