/* SPDX-License-Identifier: MIT */
/*
 * Preloaded before a program that would wait long: its monotonic clocks and timers run
 * FAST_CLOCK times as fast from its start on, so that a patience of half a minute is over in a
 * second or two, by the program's own arithmetic. The wall clock is left alone.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define NSEC_PER_SEC 1000000000ll

static int64_t start_nsec[CLOCK_BOOTTIME + 1];
static int64_t speed = 1;

static int64_t to_nsec(const struct timespec *time)
{
	return (int64_t)time->tv_sec * NSEC_PER_SEC + time->tv_nsec;
}

static struct timespec from_nsec(int64_t nsec)
{
	return (struct timespec){ .tv_sec = nsec / NSEC_PER_SEC, .tv_nsec = nsec % NSEC_PER_SEC };
}

static bool is_fast(clockid_t clock)
{
	return clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME;
}

static int64_t really_now(clockid_t clock)
{
	struct timespec now;
	syscall(SYS_clock_gettime, clock, &now);
	return to_nsec(&now);
}

__attribute__((constructor)) static void begin(void)
{
	const char *text = getenv("FAST_CLOCK");
	start_nsec[CLOCK_MONOTONIC] = really_now(CLOCK_MONOTONIC);
	start_nsec[CLOCK_BOOTTIME] = really_now(CLOCK_BOOTTIME);
	speed = text && atoi(text) > 0 ? atoi(text) : 1;
}

int clock_gettime(clockid_t clock, struct timespec *ret)
{
	if (!is_fast(clock))
		return (int)syscall(SYS_clock_gettime, clock, ret);
	int64_t start = start_nsec[clock];
	*ret = from_nsec(start + (really_now(clock) - start) * speed);
	return 0;
}

/* Every descriptor is taken to run on CLOCK_MONOTONIC, as those of this project do. */
static struct timespec timer_value(const struct timespec *wanted, bool is_absolute)
{
	int64_t nsec = to_nsec(wanted), start = start_nsec[CLOCK_MONOTONIC];
	if (nsec == 0 || (is_absolute && nsec <= start))
		return *wanted; /* disarms, or is over */
	if (is_absolute)
		return from_nsec(start + (nsec - start) / speed);
	return from_nsec(nsec / speed + 1);
}

int timerfd_settime(int fd, int flags, const struct itimerspec *wanted, struct itimerspec *ret_old)
{
	const struct itimerspec real = {
		.it_value = timer_value(&wanted->it_value, flags & TFD_TIMER_ABSTIME),
		.it_interval = wanted->it_interval,
	};
	return (int)syscall(SYS_timerfd_settime, fd, flags, &real, ret_old);
}
