/* SPDX-License-Identifier: MIT */
/* The records of jobs: which one a device belongs to, and which are forgotten. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/queue.h"

static struct device device_at(const char *syspath)
{
	return (struct device){
		.place = (char *)"pci-0000:00:14.0-usb-0:2",
		.port = (char *)"",
		.syspath = (char *)syspath,
		.serial = (char *)"",
		.manufacturer = (char *)"",
		.product = (char *)"",
	};
}

static void a_stick_on_the_usb_3_bus_is_not_the_board_of_the_same_number(void **state)
{
	(void)state;
	_cleanup_(queue_freep) struct queue *queue = queue_new();
	struct device board = device_at("/sys/devices/usb1/1-2");
	struct device stick = device_at("/sys/devices/usb2/2-2");
	struct job *job = queue_add(queue, 1, &board);
	assert_ptr_equal(queue_at(queue, &board), job);
	assert_null(queue_at(queue, &stick));
	job->state = JOB_DONE;
	assert_null(queue_at(queue, &board));
}

static void of_ended_jobs_the_oldest_are_forgotten_and_of_others_none(void **state)
{
	(void)state;
	_cleanup_(queue_freep) struct queue *queue = queue_new();
	struct device board = device_at("/sys/devices/usb1/1-2");
	struct job *waiting = queue_add(queue, 1, &board);
	for (uint64_t id = 2; id <= 200; id++) {
		struct job *job = queue_add(queue, id, &board);
		job->state = JOB_DONE;
		queue_retire(queue, job);
	}
	assert_int_equal(queue_active(queue), 1);
	assert_int_equal(queue_count(queue), 1 + 100);
	assert_ptr_equal(queue_job(queue, 0), waiting);
	assert_int_equal(queue_job(queue, 1)->id, 101);
	assert_int_equal(queue_job(queue, 100)->id, 200);
}

/* ---- boards that come back --------------------------------------------------------------- */

static struct device dfu_showing(const char *serial)
{
	struct device device = device_at("/sys/devices/usb1/1-2");
	device.mode = MODE_DFU;
	device.serial = (char *)serial;
	return device;
}

static struct job *ended(
	struct queue *queue, uint64_t id, const char *serial, const char *unique_id)
{
	struct device device = dfu_showing(serial);
	struct job *job = queue_add(queue, id, &device);
	job->started_usec = id * 1000000;
	job->ended_usec = job->started_usec + 500000;
	job->state = JOB_DONE;
	job->outcome = OUTCOME_FLASHED;
	strcpy(job->facts.unique_id, unique_id);
	return job;
}

static bool is_return(const char *serial, const char *unique_id, const char *next_serial,
	const char *next_unique_id)
{
	_cleanup_(queue_freep) struct queue *queue = queue_new();
	ended(queue, 1, serial, unique_id);
	return queue_job_is_return(queue, ended(queue, 2, next_serial, next_unique_id));
}

/* By the serial of its boot ROM: its id shows only when its application was seen before. */
static void a_board_that_falls_back_into_dfu_is_known_again(void **state)
{
	(void)state;
	assert_true(is_return("203739645542", "", "203739645542", "2B0007000C50425539393020"));
	assert_false(is_return("203739645542", "", "3941335F3434", ""));
	assert_false(is_return("200364500000", "", "200364500000", ""));
	assert_true(is_return("200364500000", "2B0007000C50425539393020", "200364500000",
		"2B0007000C50425539393020"));
}

static void a_board_that_was_told_to_leave_is_not_told_again_at_once(void **state)
{
	(void)state;
	_cleanup_(queue_freep) struct queue *queue = queue_new();
	struct job *left = ended(queue, 1, "203739645542", "");
	struct job *back = ended(queue, 10, "203739645542", "");
	assert_false(queue_has_just_left(queue, back));
	left->has_to_leave = true;
	assert_true(queue_has_just_left(queue, back));
	assert_false(queue_has_just_left(queue, left));
	assert_false(queue_has_just_left(queue, ended(queue, 32, "203739645542", "")));
}

/* ---- boards that were written just now --------------------------------------------------- */

static bool was_just_written(const char *unique_id, const char *next_unique_id, uint64_t next_id)
{
	_cleanup_(queue_freep) struct queue *queue = queue_new();
	ended(queue, 1, "", unique_id)->verification = VERIFY_READBACK;
	return queue_was_just_written(queue, ended(queue, next_id, "", next_unique_id));
}

/* One that shows no id of its own is taken for the board before, and not asked again and again. */
static void a_board_is_another_when_both_ids_are_known(void **state)
{
	(void)state;
	assert_true(was_just_written("504450610847861C", "504450610847861C", 2));
	assert_true(was_just_written("504450610847861C", "", 2));
	assert_true(was_just_written("", "504450610847861C", 2));
	assert_false(was_just_written("504450610847861C", "E6614103E7452B2F", 2));
	assert_false(was_just_written("504450610847861C", "504450610847861C", 62));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stick_on_the_usb_3_bus_is_not_the_board_of_the_same_number),
		cmocka_unit_test(of_ended_jobs_the_oldest_are_forgotten_and_of_others_none),
		cmocka_unit_test(a_board_that_falls_back_into_dfu_is_known_again),
		cmocka_unit_test(a_board_that_was_told_to_leave_is_not_told_again_at_once),
		cmocka_unit_test(a_board_is_another_when_both_ids_are_known),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
