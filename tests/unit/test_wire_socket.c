/* SPDX-License-Identifier: MIT */
/* Stories about the words between mind and hands on their way, and about the fds that come along.
 */
#include "unit/wire_words.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>

struct pair {
	int mind;
	int hands;
	int fds_before;
};

static int open_fds(void)
{
	int count = 0;
	DIR *directory = opendir("/proc/self/fd");
	assert_non_null(directory);
	while (readdir(directory))
		count++;
	closedir(directory);
	return count;
}

static int connect_pair(void **state)
{
	struct pair *pair = calloc(1, sizeof(*pair));
	int sockets[2];
	if (!pair || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
		return -1;
	pair->mind = sockets[0];
	pair->hands = sockets[1];
	pair->fds_before = open_fds();
	*state = pair;
	return 0;
}

static int part_pair(void **state)
{
	struct pair *pair = *state;
	safe_close(pair->mind);
	safe_close(pair->hands);
	free(pair);
	return 0;
}

/* Sends raw bytes with as many fds as wished. */
static void send_raw(int socket, const void *bytes, size_t length, size_t fd_count)
{
	int fds[32];
	for (size_t i = 0; i < fd_count; i++) {
		fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		assert_true(fds[i] >= 0);
	}
	union {
		struct cmsghdr alignment;
		char bytes[CMSG_SPACE(sizeof(fds))];
	} control = { 0 };
	struct iovec data = { .iov_base = (void *)(uintptr_t)bytes, .iov_len = length };
	struct msghdr header = { .msg_iov = &data, .msg_iovlen = 1 };
	if (fd_count > 0) {
		header.msg_control = &control;
		header.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		struct cmsghdr *part = CMSG_FIRSTHDR(&header);
		part->cmsg_level = SOL_SOCKET;
		part->cmsg_type = SCM_RIGHTS;
		part->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		memcpy(CMSG_DATA(part), fds, fd_count * sizeof(int));
	}
	assert_int_equal(sendmsg(socket, &header, MSG_NOSIGNAL), length);
	for (size_t i = 0; i < fd_count; i++)
		close(fds[i]);
}

static void expect_garbage_and_no_leak(struct pair *pair)
{
	struct wire_message heard = { .type = 99 };
	int fd = -77;
	assert_int_equal(wire_receive(pair->hands, &heard, &fd), -EBADMSG);
	assert_int_equal(heard.type, 99);
	assert_int_equal(fd, -77);
	assert_int_equal(open_fds(), pair->fds_before);
}

static void words_arrive_one_by_one(void **state)
{
	struct pair *pair = *state;
	struct wire_message heard;
	int fd = -77;
	assert_int_equal(wire_send(pair->mind, &job, -1), 0);
	assert_int_equal(wire_send(pair->mind, &stop, -1), 0);
	assert_int_equal(wire_receive(pair->hands, &heard, &fd), 0);
	assert_int_equal(heard.type, WIRE_JOB);
	assert_int_equal(fd, -1);
	assert_int_equal(wire_receive(pair->hands, &heard, &fd), 0);
	assert_int_equal(heard.type, WIRE_STOP);
	assert_int_equal(wire_receive(pair->hands, &heard, &fd), -EAGAIN);
}

static void the_image_comes_with_the_permission(void **state)
{
	struct pair *pair = *state;
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_true(null >= 0);
	assert_int_equal(wire_send(pair->mind, &go, null), 0);
	close(null);
	struct wire_message heard;
	_cleanup_(closep) int fd = -1;
	assert_int_equal(wire_receive(pair->hands, &heard, &fd), 0);
	assert_int_equal(heard.type, WIRE_GO);
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void a_permission_without_an_image_is_garbage(void **state)
{
	struct pair *pair = *state;
	assert_int_equal(wire_send(pair->mind, &go, -1), 0);
	expect_garbage_and_no_leak(pair);
}

static void an_fd_with_another_word_is_garbage(void **state)
{
	struct pair *pair = *state;
	_cleanup_(buffer_done) struct buffer buffer = { 0 };
	wire_encode(&progress, &buffer);
	send_raw(pair->mind, buffer.data, buffer.length, 1);
	expect_garbage_and_no_leak(pair);
}

static void more_fds_than_one_are_garbage(void **state)
{
	struct pair *pair = *state;
	_cleanup_(buffer_done) struct buffer buffer = { 0 };
	wire_encode(&go, &buffer);
	static const size_t counts[] = { 2, 3, 8, 9, 10, 32 };
	for (size_t i = 0; i < ELEMENTSOF(counts); i++) {
		send_raw(pair->mind, buffer.data, buffer.length, counts[i]);
		expect_garbage_and_no_leak(pair);
	}
}

static void a_message_too_long_is_garbage(void **state)
{
	struct pair *pair = *state;
	uint8_t bytes[WIRE_MESSAGE_MAX + 1] = { 1, WIRE_STOP };
	send_raw(pair->mind, bytes, sizeof(bytes), 1);
	expect_garbage_and_no_leak(pair);
}

/* A process that has no room left for the fd gets the word without it; that must not pass for one
 * that came alone. */
static void an_fd_that_was_dropped_on_the_way_is_noticed(void **state)
{
	struct pair *pair = *state;
	_cleanup_(buffer_done) struct buffer buffer = { 0 };
	wire_encode(&progress, &buffer);
	send_raw(pair->mind, buffer.data, buffer.length, 1);

	struct rlimit before, none;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){ .rlim_cur = 0, .rlim_max = before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	struct wire_message heard;
	int fd = -77;
	int r = wire_receive(pair->hands, &heard, &fd);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(r, -EBADMSG);
	assert_int_equal(fd, -77);
}

static void an_empty_message_leaks_nothing(void **state)
{
	struct pair *pair = *state;
	struct wire_message heard;
	int fd = -77;
	send_raw(pair->mind, "", 0, 1);
	assert_int_equal(wire_receive(pair->hands, &heard, &fd), WIRE_CLOSED);
	assert_int_equal(fd, -77);
	assert_int_equal(open_fds(), pair->fds_before);
}

static void noise_is_garbage(void **state)
{
	struct pair *pair = *state;
	send_raw(pair->mind, "hello", 5, 0);
	expect_garbage_and_no_leak(pair);
	send_raw(pair->mind, "hello", 5, 1);
	expect_garbage_and_no_leak(pair);
}

static void a_peer_that_left_is_noticed(void **state)
{
	struct pair *pair = *state;
	struct wire_message heard;
	int fd = -77;
	assert_int_equal(wire_send(pair->mind, &stop, -1), 0);
	pair->mind = safe_close(pair->mind);
	/* Its last word is still heard. */
	assert_int_equal(wire_receive(pair->hands, &heard, &fd), 0);
	assert_int_equal(wire_receive(pair->hands, &heard, &fd), WIRE_CLOSED);
	assert_int_equal(wire_send(pair->hands, &stop, -1), -EPIPE); /* and no SIGPIPE */
}

static void a_peer_that_left_without_listening_is_noticed(void **state)
{
	struct pair *pair = *state;
	struct wire_message heard;
	int fd = -77;
	assert_int_equal(wire_send(pair->hands, &progress, -1), 0);
	pair->mind = safe_close(pair->mind); /* unread words: the kernel answers with a reset */
	assert_int_equal(wire_receive(pair->hands, &heard, &fd), WIRE_CLOSED);
}

#define SOCKET_STORY(name) cmocka_unit_test_setup_teardown(name, connect_pair, part_pair)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SOCKET_STORY(words_arrive_one_by_one),
		SOCKET_STORY(the_image_comes_with_the_permission),
		SOCKET_STORY(a_permission_without_an_image_is_garbage),
		SOCKET_STORY(an_fd_with_another_word_is_garbage),
		SOCKET_STORY(more_fds_than_one_are_garbage),
		SOCKET_STORY(a_message_too_long_is_garbage),
		SOCKET_STORY(an_fd_that_was_dropped_on_the_way_is_noticed),
		SOCKET_STORY(an_empty_message_leaks_nothing),
		SOCKET_STORY(noise_is_garbage),
		SOCKET_STORY(a_peer_that_left_is_noticed),
		SOCKET_STORY(a_peer_that_left_without_listening_is_noticed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
