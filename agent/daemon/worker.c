/* SPDX-License-Identifier: MIT */
/* A connection to a worker; see worker.h. */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "daemon/worker.h"

struct worker {
	int socket;
	sd_event_source *io;
	struct worker_calls calls;
};

static void end(struct worker *worker, int error)
{
	sd_event_source_set_enabled(worker->io, SD_EVENT_OFF);
	worker->calls.on_end(worker->calls.context, error);
}

/* One message an event: a talkative worker must not keep the mind from its other work. */
static int on_readable(sd_event_source *source, int socket, uint32_t events, void *context)
{
	(void)source, (void)events;
	struct worker *worker = context;
	struct wire_message message;
	int fd = -1;
	int r = wire_receive(socket, &message, &fd);
	safe_close(fd); /* hands have nothing to give but words */
	if (r == -EAGAIN)
		return 0;
	if (r == WIRE_CLOSED)
		end(worker, 0);
	else if (r < 0)
		end(worker, r);
	else
		worker->calls.on_message(worker->calls.context, &message);
	return 0;
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	_cleanup_(closep) int fd =
		socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

int worker_connect(sd_event *event, const char *socket_path, const struct worker_calls *calls,
	struct worker **ret)
{
	int socket = connect_to(socket_path);
	if (socket < 0)
		return socket;
	_cleanup_(worker_closep) struct worker *worker = calloc(1, sizeof(*worker));
	if (!worker) {
		close(socket);
		return -ENOMEM;
	}
	worker->socket = socket;
	worker->calls = *calls;
	int r = sd_event_add_io(event, &worker->io, socket, EPOLLIN, on_readable, worker);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(worker);
	return 0;
}

int worker_send(struct worker *worker, const struct wire_message *message, int fd)
{
	return wire_send(worker->socket, message, fd);
}

struct worker *worker_close(struct worker *worker)
{
	if (!worker)
		return NULL;
	sd_event_source_disable_unref(worker->io);
	safe_close(worker->socket);
	free(worker);
	return NULL;
}
