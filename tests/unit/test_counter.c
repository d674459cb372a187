/* SPDX-License-Identifier: MIT */
/* Job numbers: they go on after a restart, and a full disk does not set them back. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "daemon/counter.h"

static char directory[] = "/tmp/plugflash-counter-XXXXXX";
static char path[64];

static int room_new(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/plugflash-counter-XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/last-job", directory);
	return 0;
}

static int room_free(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(directory);
}

static void put(const char *text)
{
	_cleanup_(fclosep) FILE *file = fopen(path, "we");
	assert_non_null(file);
	fputs(text, file);
}

/* The number that a mind gives out first after a start. */
static uint64_t first_after_start(void)
{
	uint64_t last = 0;
	assert_int_equal(counter_next(path, &last), 0);
	return last;
}

static void numbers_go_on_after_a_restart(void **state)
{
	(void)state;
	uint64_t last = 0;
	assert_int_equal(counter_next(path, &last), 0);
	assert_int_equal(counter_next(path, &last), 0);
	assert_int_equal(last, 2);
	assert_int_equal(first_after_start(), 3);
}

static void an_earlier_way_to_write_it_is_understood(void **state)
{
	(void)state;
	put("41\n");
	assert_int_equal(first_after_start(), 42);
	assert_int_equal(first_after_start(), 43);
}

static void nonsense_counts_from_one_and_is_replaced(void **state)
{
	(void)state;
	static const char *const nonsense[] = { "", "many", "18446744073709551615\n",
		"99999999999999999999\n", "1 and a long text that nobody has asked for\n" };
	for (size_t i = 0; i < ELEMENTSOF(nonsense); i++) {
		put(nonsense[i]);
		assert_int_equal(first_after_start(), 1);
		assert_int_equal(first_after_start(), 2);
	}
}

static void a_full_disk_does_not_set_it_back(void **state)
{
	(void)state;
	put("41\n");
	signal(SIGXFSZ, SIG_IGN);
	struct rlimit before;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	struct rlimit full = { .rlim_cur = 0, .rlim_max = before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &full), 0);
	uint64_t last = 0;
	int first = counter_next(path, &last);
	int second = counter_next(path, &last);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_true(first < 0 && second < 0);
	assert_int_equal(last, 43);
	assert_int_equal(first_after_start(), 42);
}

#define STORY(function) cmocka_unit_test_setup_teardown(function, room_new, room_free)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(numbers_go_on_after_a_restart),
		STORY(an_earlier_way_to_write_it_is_understood),
		STORY(nonsense_counts_from_one_and_is_replaced),
		STORY(a_full_disk_does_not_set_it_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
