/* SPDX-License-Identifier: MIT */
/* A mind without a roof; see mind_story.h. */
#include "unit/expect.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/clock.h"
#include "unit/mind_story.h"

static void on_change(void *context, const struct job *job)
{
	struct mind_story *mind = context;
	if (mind->on_job)
		mind->on_job(mind->context, job);
}

int listen_at(const char *path, int type)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	strcpy(address.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

void mind_begin(struct mind_story *mind)
{
	strcpy(mind->directory, "/tmp/plugflash-mind-XXXXXX");
	assert_true(sd_event_new(&mind->event) >= 0);
	assert_non_null(mkdtemp(mind->directory));
	snprintf(mind->worker_path, sizeof(mind->worker_path), "%s/worker", mind->directory);
	snprintf(mind->history_path, sizeof(mind->history_path), "%s/history", mind->directory);
	snprintf(mind->firmware_path, sizeof(mind->firmware_path), "%s/firmware", mind->directory);
	assert_int_equal(mkdir(mind->firmware_path, 0755), 0);
	mind->listener = listen_at(mind->worker_path, SOCK_SEQPACKET);
	mind->policy = policy_new();
	assert_int_equal(store_new(mind->firmware_path, &mind->store), 0);
	mind->settings = (struct conduct_settings){ .event = mind->event,
		.worker_socket = "/nowhere",
		.can_worker_socket = mind->worker_path,
		.store = mind->store,
		.history_file = mind->history_path,
		.backup_directory = mind->directory,
		.on_change = on_change,
		.context = mind };
	assert_int_equal(conduct_new(&mind->settings, &mind->conduct), 0);
	conduct_set_policy(mind->conduct, mind->policy);
}

void mind_end(struct mind_story *mind)
{
	_cleanup_(freep) char *clean = text_format("rm -r %s", mind->directory);
	conduct_free(mind->conduct);
	store_free(mind->store);
	policy_free(mind->policy);
	sd_event_unref(mind->event);
	safe_close(mind->listener);
	assert_int_equal(system(clean), 0);
}

struct policy_rule *given_a_node(struct mind_story *mind, const char *name, const char *uuid)
{
	struct policy_board *board = policy_add_board(mind->policy);
	board->name = strdup(name);
	board->can_uuid = strdup(uuid);
	board->bus = strdup("can0");
	struct policy_rule *rule = policy_add_rule(mind->policy);
	rule->name = strdup(name);
	rule->board = strdup(name);
	rule->image = strdup("klipper.bin");
	return rule;
}

bool has_news(int fd)
{
	struct pollfd news = { .fd = fd, .events = POLLIN };
	return poll(&news, 1, 0) > 0;
}

void run_until(struct mind_story *mind, int fd)
{
	while (!has_news(fd))
		assert_true(sd_event_run(mind->event, 10 * USEC_PER_SEC) > 0);
}

/* Lets the mind do all that it can do by itself. */
void settle(struct mind_story *mind)
{
	while (sd_event_run(mind->event, 0) > 0)
		;
}

/* The worker that was started, and what it is to do. */
int await_worker(struct mind_story *mind, struct wire_job *ret)
{
	struct wire_message message;
	int fd = -1;
	run_until(mind, mind->listener);
	int worker = accept4(mind->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	assert_int_equal(wire_receive(worker, &message, &fd), 0);
	assert_int_equal(message.type, WIRE_JOB);
	*ret = message.job;
	return worker;
}

const struct job *only_job(const struct mind_story *mind)
{
	const struct queue *queue = conduct_queue(mind->conduct);
	assert_int_equal(queue_count(queue), 1);
	return queue_job(queue, 0);
}
