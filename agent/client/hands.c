/* SPDX-License-Identifier: MIT */
/* A worker of our own; see hands.h. It takes its connection as standard input, as from inetd. */
#include <errno.h>
#include <poll.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/names.h"
#include "base/text.h"
#include "client/hands.h"

/* It gives a board up by itself before that. */
#define SILENCE_MSEC 60000

void sight_done(struct sight *sight)
{
	free(sight->dictionary);
	*sight = (struct sight){ 0 };
}

struct hands {
	pid_t pid;
	int socket;
};

static void hands_done(struct hands *hands)
{
	hands->socket = safe_close(hands->socket);
	while (hands->pid > 0 && waitpid(hands->pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* Beside this program where it was built, else where it is installed. */
static char *find_worker(void)
{
	char self[512];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
	self[length > 0 ? length : 0] = '\0';
	char *slash = strrchr(self, '/');
	if (slash)
		*slash = '\0';
	char *path = text_format("%s/" NAME_WORKER, self);
	if (!path || access(path, X_OK) == 0)
		return path;
	free(path);
	return strdup(NAME_LIBEXEC_DIRECTORY "/" NAME_WORKER);
}

static int start(struct hands *hands, struct problem *problem)
{
	extern char **environ;
	_cleanup_(freep) char *path = find_worker();
	int pair[2];
	if (!path)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	hands->socket = pair[0];
	char *arguments[] = { path, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, pair[1], STDIN_FILENO);
	int r = posix_spawn(&hands->pid, path, &actions, NULL, arguments, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(pair[1]);
	if (r == 0)
		return 0;
	hands->pid = 0;
	return problem_set(problem, EXIT_UNREACHABLE, "no-worker",
		"%s does not start: %s; is plugflash installed whole?", path, strerror(r));
}

/* The next word. -EPIPE: there is none. */
static int hear(const struct hands *hands, struct wire_message *ret)
{
	struct pollfd word = { .fd = hands->socket, .events = POLLIN };
	int r;
	do
		r = poll(&word, 1, SILENCE_MSEC);
	while (r < 0 && errno == EINTR);
	if (r <= 0)
		return r < 0 ? -errno : -ETIMEDOUT;
	_cleanup_(closep) int fd = -1;
	r = wire_receive(hands->socket, ret, &fd);
	return r == WIRE_CLOSED ? -EPIPE : r;
}

static int take_piece(struct sight *sight, const struct wire_keep *piece)
{
	if (piece->kind != KEEP_DICTIONARY)
		return 0;
	if (piece->offset != sight->dictionary_bytes)
		return -EPROTO;
	char *grown = realloc(sight->dictionary, piece->offset + piece->length + 1);
	if (!grown)
		return -ENOMEM;
	sight->dictionary = grown;
	memcpy(grown + piece->offset, piece->bytes, piece->length);
	sight->dictionary_bytes = piece->offset + piece->length;
	grown[sight->dictionary_bytes] = '\0';
	return 0;
}

static int refuse(const struct wire_outcome *outcome, struct problem *problem)
{
	return problem_set(problem, EXIT_NO, reason_name(outcome->reason), "%s", outcome->sentence);
}

/* Until the evidence has come, or the last word says why it does not. */
static int listen_to(const struct hands *hands, struct sight *sight, struct problem *problem)
{
	for (;;) {
		struct wire_message message;
		int r = hear(hands, &message);
		if (r == 0 && message.type == WIRE_KEEP)
			r = take_piece(sight, &message.keep);
		if (r < 0)
			return problem_set(problem, EXIT_UNREACHABLE, "worker-lost",
				"the worker ended, or fell silent, before it had looked (%s)",
				strerror(-r));
		if (message.type == WIRE_OUTCOME)
			return refuse(&message.outcome, problem);
		if (message.type == WIRE_EVIDENCE) {
			sight->facts = message.evidence;
			return 0;
		}
	}
}

int hands_look(const struct wire_job *job, struct sight *ret, struct problem *problem)
{
	_cleanup_(hands_done) struct hands hands = { .socket = -1 };
	_cleanup_(sight_done) struct sight sight = { 0 };
	struct wire_message message = { .type = WIRE_JOB, .job = *job };
	int r = start(&hands, problem);
	if (r < 0)
		return r;
	r = wire_send(hands.socket, &message, -1);
	if (r == 0)
		r = listen_to(&hands, &sight, problem);
	if (r < 0)
		return r;
	/* It hears that we hang up, and ends without a word. */
	*ret = sight;
	sight = (struct sight){ 0 };
	return 0;
}
