/* SPDX-License-Identifier: MIT */
/*
 * The run of one job over a socketpair: the mind's words lie ready before the worker reads them, so
 * one thread plays both sides. The board is an emulated one.
 */
#include "unit/picoboot_story.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/file.h"
#include "model/wire.h"
#include "unit/make_image.h"
#include "worker/run.h"

#define IMAGE_BYTES 45000u

struct mind {
	int ours, theirs;
	int signals; /* stands for the signalfd */
	struct wire_message evidence, outcome;
	bool has_evidence, has_outcome;
	unsigned progress;
};

static struct mind mind_new(void)
{
	struct mind mind = { 0 };
	int sockets[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets), 0);
	mind.ours = sockets[0];
	mind.theirs = sockets[1];
	mind.signals = eventfd(0, EFD_CLOEXEC);
	assert_true(mind.signals >= 0);
	return mind;
}

static void mind_done(struct mind *mind)
{
	mind->ours = safe_close(mind->ours);
	mind->theirs = safe_close(mind->theirs);
	mind->signals = safe_close(mind->signals);
}

static void say(struct mind *mind, const struct wire_message *message, int fd)
{
	assert_int_equal(wire_send(mind->ours, message, fd), 0);
}

static void say_job(struct mind *mind, struct story *story, enum board_mode mode)
{
	struct usb_address address = bench_address(story->board);
	struct wire_message message = { .type = WIRE_JOB };
	message.job = (struct wire_job){
		.id = 7,
		.mode = mode,
		.bus = address.bus,
		.device = address.device,
		.arrival = address.arrival,
	};
	strcpy(message.job.syspath, address.syspath);
	say(mind, &message, -1);
}

static void say_go(struct mind *mind, struct story *story, bool lie)
{
	_cleanup_(buffer_done) struct buffer encoded = { 0 };
	image_encode(story->image, &encoded);
	_cleanup_(closep) int fd = file_seal("image", encoded.data, encoded.length);
	assert_true(fd >= 0);
	struct wire_message message = { .type = WIRE_GO, .go = { story->image->digest, false } };
	message.go.digest.bytes[3] ^= lie;
	say(mind, &message, fd);
}

static void say_stop(struct mind *mind)
{
	say(mind, &(struct wire_message){ .type = WIRE_STOP }, -1);
}

/* Lets the worker run and hears everything that it said. */
static int run(struct mind *mind)
{
	int result = run_job(mind->theirs, mind->signals);
	struct wire_message message;
	int fd;
	while (mind->ours >= 0 && wire_receive(mind->ours, &message, &fd) == 0) {
		assert_false(mind->has_outcome); /* it is the last word */
		assert_int_equal(fd, -1);
		if (message.type == WIRE_EVIDENCE) {
			mind->evidence = message;
			mind->has_evidence = true;
		} else if (message.type == WIRE_PROGRESS) {
			assert_true(mind->has_evidence);
			mind->progress++;
		} else {
			assert_int_equal(message.type, WIRE_OUTCOME);
			mind->outcome = message;
			mind->has_outcome = true;
		}
	}
	return result;
}

static void expect_outcome(
	const struct mind *mind, enum job_outcome outcome, enum reason_code reason)
{
	assert_true(mind->has_outcome);
	const struct wire_outcome *said = &mind->outcome.outcome;
	if (said->outcome != outcome || said->reason != reason)
		fail_msg("%s, %s: %s", outcome_name(said->outcome), reason_name(said->reason),
			said->sentence);
	assert_true(said->sentence[0] != '\0' && text_is_plain(said->sentence));
}

static void a_job_ends_with_a_flashed_board(void **unused)
{
	(void)unused;
	_cleanup_(story_freep) struct story *story = story_new(NULL, IMAGE_BYTES, 1);
	_cleanup_(mind_done) struct mind mind = mind_new();
	say_job(&mind, story, MODE_RP2040_BOOT);
	say_go(&mind, story, false);
	assert_int_equal(run(&mind), 0);
	expect_outcome(&mind, OUTCOME_FLASHED, REASON_NONE);
	assert_int_equal(mind.evidence.evidence.chip, CHIP_RP2040);
	assert_int_equal(mind.outcome.outcome.verification, VERIFY_READBACK);
	assert_int_equal(mind.outcome.outcome.tally.units_erased, 11);
	assert_true(mind.outcome.outcome.restarted);
	assert_true(mind.progress > 0);
	assert_true(story_holds_image(story));
	assert_true(bench_await_mode(story->board, RP2040_APPLICATION, 3000));

	/* The same once more, from boot mode again: nothing is left to do but to restart. */
	bench_unplug(story->board);
	bench_advance(story->bench, 1000000000);
	bench_replug(story->board, true);
	assert_true(bench_await_present(story->board, 3000));
	_cleanup_(mind_done) struct mind second = mind_new();
	say_job(&second, story, MODE_RP2040_BOOT);
	say_go(&second, story, false);
	assert_int_equal(run(&second), 0);
	expect_outcome(&second, OUTCOME_IDENTICAL, REASON_NONE);
	assert_true(second.outcome.outcome.restarted);
}

static void stop_before_go_writes_nothing(void **unused)
{
	(void)unused;
	_cleanup_(story_freep) struct story *story = story_new(NULL, IMAGE_BYTES, 1);
	_cleanup_(mind_done) struct mind mind = mind_new();
	say_job(&mind, story, MODE_RP2040_BOOT);
	say_stop(&mind);
	assert_int_equal(run(&mind), 0);
	assert_true(mind.has_evidence);
	expect_outcome(&mind, OUTCOME_REFUSED, REASON_CANCELLED);
	assert_true(story_is_as_before(story));
}

static void stop_after_go_leaves_boot_mode(void **unused)
{
	(void)unused;
	_cleanup_(story_freep) struct story *story = story_new(NULL, IMAGE_BYTES, 1);
	_cleanup_(mind_done) struct mind mind = mind_new();
	say_job(&mind, story, MODE_RP2040_BOOT);
	say_go(&mind, story, false);
	say_stop(&mind);
	assert_int_equal(run(&mind), 0);
	expect_outcome(&mind, OUTCOME_INTERRUPTED, REASON_CANCELLED);
	assert_false(mind.outcome.outcome.restarted);
	story_expect_safe(story);
}

static void sigterm_is_a_stop(void **unused)
{
	(void)unused;
	_cleanup_(story_freep) struct story *story = story_new(NULL, IMAGE_BYTES, 1);
	_cleanup_(mind_done) struct mind mind = mind_new();
	say_job(&mind, story, MODE_RP2040_BOOT);
	say_go(&mind, story, false);
	assert_int_equal(eventfd_write(mind.signals, 1), 0);
	assert_int_equal(run(&mind), 0);
	expect_outcome(&mind, OUTCOME_REFUSED, REASON_CANCELLED);
	assert_true(story_is_as_before(story));
}

static void a_mind_that_goes_stops_the_job(void **unused)
{
	(void)unused;
	/* Before the job, before the permission, and while it writes. */
	for (unsigned words = 0; words < 3; words++) {
		_cleanup_(story_freep) struct story *story = story_new(NULL, IMAGE_BYTES, 1);
		_cleanup_(mind_done) struct mind mind = mind_new();
		if (words > 0)
			say_job(&mind, story, MODE_RP2040_BOOT);
		if (words > 1)
			say_go(&mind, story, false);
		mind.ours = safe_close(mind.ours);
		assert_true(run(&mind) < 0);
		story_expect_safe(story);
		assert_false(story_holds_image(story));
	}
}

static void another_image_than_permitted_is_not_written(void **unused)
{
	(void)unused;
	_cleanup_(story_freep) struct story *story = story_new(NULL, IMAGE_BYTES, 1);
	_cleanup_(mind_done) struct mind mind = mind_new();
	say_job(&mind, story, MODE_RP2040_BOOT);
	say_go(&mind, story, true);
	assert_int_equal(run(&mind), 0);
	expect_outcome(&mind, OUTCOME_FAILED, REASON_WIRE_VIOLATION);
	assert_true(story_is_as_before(story));
}

static void words_out_of_order_are_a_violation(void **unused)
{
	(void)unused;
	_cleanup_(story_freep) struct story *story = story_new(NULL, IMAGE_BYTES, 1);
	_cleanup_(mind_done) struct mind first = mind_new();
	say_go(&first, story, false);
	assert_int_equal(run(&first), 0);
	expect_outcome(&first, OUTCOME_FAILED, REASON_WIRE_VIOLATION);

	_cleanup_(mind_done) struct mind twice = mind_new();
	say_job(&twice, story, MODE_RP2040_BOOT);
	say_job(&twice, story, MODE_RP2040_BOOT);
	assert_int_equal(run(&twice), 0);
	expect_outcome(&twice, OUTCOME_FAILED, REASON_WIRE_VIOLATION);

	_cleanup_(mind_done) struct mind late = mind_new();
	say_job(&late, story, MODE_RP2040_BOOT);
	say_go(&late, story, false);
	say_go(&late, story, false);
	assert_int_equal(run(&late), 0);
	assert_int_equal(late.outcome.outcome.reason, REASON_WIRE_VIOLATION);
	assert_true(story_is_as_before(story));
}

static void every_mode_has_a_backend(void **unused)
{
	(void)unused;
	assert_null(backend_for_mode(MODE_NONE));
	for (enum board_mode mode = MODE_NONE + 1; mode < _MODE_MAX; mode++) {
		const struct backend *backend = backend_for_mode(mode);
		assert_non_null(backend);
		assert_int_equal(backend->mode, mode);
	}
}

static void a_board_that_has_left_interrupts(void **unused)
{
	(void)unused;
	_cleanup_(story_freep) struct story *story = story_new(NULL, IMAGE_BYTES, 1);
	_cleanup_(mind_done) struct mind mind = mind_new();
	say_job(&mind, story, MODE_RP2040_BOOT);
	say_go(&mind, story, false);
	struct rp2040_fault fault = {
		.kind = RP2040_FAULT_UNPLUG,
		.trigger = RP2040_AT_PAGE,
		.nth = 20,
	};
	assert_true(bench_fault(story->board, &fault) >= 0);
	assert_int_equal(run(&mind), 0);
	expect_outcome(&mind, OUTCOME_INTERRUPTED, REASON_BOARD_LEFT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_job_ends_with_a_flashed_board),
		cmocka_unit_test(stop_before_go_writes_nothing),
		cmocka_unit_test(stop_after_go_leaves_boot_mode),
		cmocka_unit_test(sigterm_is_a_stop),
		cmocka_unit_test(a_mind_that_goes_stops_the_job),
		cmocka_unit_test(another_image_than_permitted_is_not_written),
		cmocka_unit_test(words_out_of_order_are_a_violation),
		cmocka_unit_test(every_mode_has_a_backend),
		cmocka_unit_test(a_board_that_has_left_interrupts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
