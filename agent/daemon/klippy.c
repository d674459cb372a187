/* SPDX-License-Identifier: MIT */
/* A question to klippy; see klippy.h. */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/names.h"
#include "base/text.h"
#include "daemon/klippy.h"
#include "model/klippy_status.h"

#define SILENCE_USEC (2 * USEC_PER_SEC)
#define READ_BYTES   4096

struct klippy_question {
	char *printer;
	char *path;
	uint64_t silence_usec;
	uint64_t end_usec; /* CLOCK_MONOTONIC: no patience goes beyond */
	klippy_on_answer on_answer;
	void *context;

	int socket;
	sd_event_source *io;
	sd_event_source *deadline; /* or, when it could not be asked, the time to say so */
	int error; /* why it could not be asked */

	struct klippy_status status;
	size_t length; /* of what is there of the next message */
	char message[KLIPPY_MESSAGE_MAX];
};

/* ---- the answer -------------------------------------------------------------------------- */

/* The last thing that is done with a question: whoever asked may forget it now. */
static void answer(struct klippy_question *question, enum print_state state, const char *sentence)
{
	question->io = sd_event_source_disable_unref(question->io);
	question->deadline = sd_event_source_disable_unref(question->deadline);
	question->on_answer(question->context, state, sentence ? sentence : "out of memory");
}

/* No answer, and why. */
static void answer_unknown(struct klippy_question *question, const char *what, const char *remedy)
{
	_cleanup_(freep) char *sentence =
		text_format("whether printer \"%s\" prints is not known: %s %s: %s",
			question->printer, question->path, what, remedy);
	answer(question, PRINT_UNKNOWN, sentence);
}

/*
 * Why nobody listens there, other than that Klipper is not running; or NULL. The kernel refuses a
 * connection to what is no socket with the same words, and to a socket that was bound as a file: it
 * is the one of a Klipper that ran before, while the one of today has taken its place elsewhere.
 */
static const char *why_deaf(const char *path)
{
	struct stat status;
	if (stat(path, &status) < 0 || !S_ISSOCK(status.st_mode))
		return "is no socket";
	return status.st_nlink == 0 ? "is the socket of a Klipper that is gone" : NULL;
}

static void answer_closed(struct klippy_question *question)
{
	answer_unknown(question, "was closed before it had answered",
		"Klipper was stopped or restarted just now; try again");
}

static void answer_error(struct klippy_question *question)
{
	static const char show[] =
		"is Klipper started with -a, and is the directory of its socket shown to "
		"plugflashd (" NAME_DROPINS_DIRECTORY ")?";
	switch (question->error) {
	case -ENOENT:
	case -ENOTDIR:
		answer_unknown(question, "is not there", show);
		break;
	case -EACCES:
	case -EPERM:
		answer_unknown(question, "lets nobody in",
			"give Klipper's service UMask=0007 and plugflashd its group "
			"(" NAME_DROPINS_DIRECTORY "), and restart both");
		break;
	case -EAGAIN:
		answer_unknown(question, "takes no more connections",
			"Klipper hangs or is very busy; try again, or restart it");
		break;
	case -EPIPE:
	case -ECONNRESET:
		answer_closed(question);
		break;
	default:
		answer_unknown(question, strerror(-question->error), show);
	}
}

static void answer_refused(struct klippy_question *question)
{
	const char *why = why_deaf(question->path);
	if (why) {
		answer_unknown(question, why,
			"correct socket in printers = ( … ), and show plugflashd the directory of "
			"Klipper's socket, not the socket alone");
		return;
	}
	_cleanup_(freep) char *sentence =
		text_format("Klipper of printer \"%s\" is not running", question->printer);
	answer(question, PRINT_ABSENT, sentence);
}

static void answer_garbage(struct klippy_question *question)
{
	answer_unknown(question, "speaks another language than Klipper's API",
		"correct socket in printers = ( … )");
}

static void answer_status(struct klippy_question *question)
{
	_cleanup_(freep) char *sentence =
		klippy_status_sentence(&question->status, question->printer);
	answer(question, klippy_status_judge(&question->status), sentence);
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *context)
{
	(void)source, (void)usec;
	struct klippy_question *question = context;
	if (question->error == -ECONNREFUSED)
		answer_refused(question);
	else if (question->error < 0)
		answer_error(question);
	else
		answer_unknown(question, "gives no answer",
			"Klipper hangs or is very busy; try again, or restart it");
	return 0;
}

/* ---- listening --------------------------------------------------------------------------- */

/* Silence begins anew, but not for ever. */
static void be_patient(struct klippy_question *question)
{
	uint64_t until_usec = clock_usec(CLOCK_MONOTONIC) + question->silence_usec;
	if (until_usec > question->end_usec)
		until_usec = question->end_usec;
	(void)sd_event_source_set_time(question->deadline, until_usec);
}

/* Takes the whole messages out of what has come. */
static int take_messages(struct klippy_question *question)
{
	char *begin = question->message, *end;
	size_t left = question->length;
	int r = 0;
	while (r == 0 && (end = memchr(begin, KLIPPY_END, left))) {
		r = klippy_status_take(&question->status, begin, (size_t)(end - begin));
		left -= (size_t)(end + 1 - begin);
		begin = end + 1;
	}
	memmove(question->message, begin, left);
	question->length = left;
	return r;
}

/* A little an event: a talkative peer must not keep the mind from its other work. */
static int on_readable(sd_event_source *source, int socket, uint32_t events, void *context)
{
	(void)source, (void)events;
	struct klippy_question *question = context;
	size_t room = sizeof(question->message) - question->length;
	ssize_t count = recv(socket, question->message + question->length,
		room < READ_BYTES ? room : READ_BYTES, MSG_DONTWAIT);
	if (count < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (count <= 0) {
		answer_closed(question);
		return 0;
	}
	question->length += (size_t)count;
	int r = take_messages(question);
	if (r == -EBADMSG || question->length == sizeof(question->message))
		answer_garbage(question);
	else if (r < 0)
		answer(question, PRINT_UNKNOWN, NULL);
	else if (klippy_status_is_whole(&question->status))
		answer_status(question);
	else
		be_patient(question);
	return 0;
}

/* ---- asking ------------------------------------------------------------------------------ */

/* A connected socket, all questions sent; or a negative errno. */
static int connect_and_send(const char *path)
{
	static const char questions[] = KLIPPY_QUESTIONS;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	/* A fresh connection has room for them. */
	ssize_t sent = send(fd, questions, sizeof(questions) - 1, MSG_NOSIGNAL);
	if (sent < 0)
		return -errno;
	return (size_t)sent == sizeof(questions) - 1 ? TAKE_FD(fd) : -EAGAIN;
}

/* Answers, or what came in their place, are told from the event loop only. */
static int listen_for_answers(struct klippy_question *question, sd_event *event)
{
	uint64_t now_usec = clock_usec(CLOCK_MONOTONIC);
	uint64_t until_usec = question->error < 0 ? 0 : now_usec + question->silence_usec;
	question->end_usec = now_usec + KLIPPY_SILENCES * question->silence_usec;
	int r = sd_event_add_time(event, &question->deadline, CLOCK_MONOTONIC, until_usec,
		question->silence_usec / 8, on_deadline, question);
	if (r < 0 || question->error < 0)
		return r;
	return sd_event_add_io(
		event, &question->io, question->socket, EPOLLIN, on_readable, question);
}

int klippy_ask(sd_event *event, const struct klippy_peer *peer, klippy_on_answer on_answer,
	void *context, struct klippy_question **ret)
{
	_cleanup_(klippy_forgetp) struct klippy_question *question = malloc(sizeof(*question));
	if (!question)
		return -ENOMEM;
	/* Its buffer needs no zeros. */
	memset(question, 0, offsetof(struct klippy_question, message));
	question->silence_usec = peer->silence_usec ? peer->silence_usec : SILENCE_USEC;
	question->on_answer = on_answer;
	question->context = context;
	question->printer = strdup(peer->printer);
	question->path = strdup(peer->socket);
	question->socket = connect_and_send(peer->socket);
	if (!question->printer || !question->path)
		return -ENOMEM;
	question->error = question->socket < 0 ? question->socket : 0;
	int r = listen_for_answers(question, event);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(question);
	return 0;
}

struct klippy_question *klippy_forget(struct klippy_question *question)
{
	if (!question)
		return NULL;
	sd_event_source_disable_unref(question->io);
	sd_event_source_disable_unref(question->deadline);
	safe_close(question->socket);
	free(question->printer);
	free(question->path);
	free(question);
	return NULL;
}
