/* SPDX-License-Identifier: MIT */
/* The records of jobs: which one a device belongs to, and which are forgotten. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stick_on_the_usb_3_bus_is_not_the_board_of_the_same_number),
		cmocka_unit_test(of_ended_jobs_the_oldest_are_forgotten_and_of_others_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
