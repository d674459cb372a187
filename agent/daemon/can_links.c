/* SPDX-License-Identifier: MIT */
/* Watching CAN interfaces; see can_links.h. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/text.h"
#include "daemon/can_links.h"

/* More than any computer has: whoever may make interfaces shall not fill our memory. */
#define LINKS_MAX      64u
#define DATAGRAM_BYTES 32768

struct seen {
	struct can_link link;
	bool is_told; /* by the answer that is coming in */
};

struct can_links {
	int socket;
	sd_event_source *io;
	struct can_links_calls calls;
	struct seen *links;
	size_t count;
	bool is_asking; /* an answer is coming in */
	bool was_answered; /* what the first answer says was there before us */
};

/* ---- what is known ----------------------------------------------------------------------- */

static size_t index_of(const struct can_links *links, int32_t index)
{
	size_t i = 0;
	while (i < links->count && links->links[i].link.index != index)
		i++;
	return i;
}

static void forget(struct can_links *links, size_t at)
{
	links->links[at] = links->links[--links->count];
}

/* NULL: there is no room for it. */
static struct seen *remember(struct can_links *links, const struct can_link *link)
{
	if (links->count == LINKS_MAX)
		return NULL;
	struct seen *grown = reallocarray(links->links, links->count + 1, sizeof(*grown));
	if (!grown)
		return NULL;
	links->links = grown;
	grown[links->count] = (struct seen){ .link = *link };
	grown[links->count].link.is_up = false;
	return &grown[links->count++];
}

/* The one door: the first answer, the news and the answer after an overrun all end here. */
static void on_link(void *context, const struct can_link *link)
{
	struct can_links *links = context;
	size_t at = index_of(links, link->index);
	if (link->is_gone) {
		if (at < links->count)
			forget(links, at);
		return;
	}
	struct seen *seen = at < links->count ? &links->links[at] : remember(links, link);
	if (!seen)
		return;
	bool has_come_up = link->is_up && !seen->link.is_up;
	seen->link = *link;
	seen->is_told = true;
	if (has_come_up)
		links->calls.on_up(links->calls.context, link->name, !links->was_answered);
}

static void drop_untold(struct can_links *links)
{
	for (size_t i = links->count; i-- > 0;)
		if (!links->links[i].is_told)
			forget(links, i);
}

int can_links_hear(struct can_links *links, const void *data, size_t length)
{
	int r = can_link_words_read(data, length, on_link, links);
	if (r == CAN_LINK_WORDS_END && links->is_asking)
		drop_untold(links);
	if (r != 0) {
		links->is_asking = false;
		links->was_answered = true;
	}
	return r < 0 ? r : 0;
}

/* ---- listening --------------------------------------------------------------------------- */

/* A question while an answer comes in would be refused, and what that one leaves out comes as news.
 */
static int ask(struct can_links *links)
{
	uint8_t question[CAN_LINK_WORDS_QUESTION];
	size_t length = can_link_words_question(question);
	if (send(links->socket, question, length, 0) < 0)
		return errno == EBUSY ? 0 : -errno;
	for (size_t i = 0; i < links->count; i++)
		links->links[i].is_told = false;
	links->is_asking = true;
	return 0;
}

/* One datagram. -EAGAIN: none is left; -ENOBUFS: some were lost. */
static int receive(struct can_links *links)
{
	uint8_t bytes[DATAGRAM_BYTES];
	struct sockaddr_nl sender = { 0 };
	socklen_t size = sizeof(sender);
	ssize_t length =
		recvfrom(links->socket, bytes, sizeof(bytes), 0, (struct sockaddr *)&sender, &size);
	if (length < 0)
		return -errno;
	/* Other programs can send to us, too. */
	if (sender.nl_pid != 0)
		return 0;
	int r = can_links_hear(links, bytes, (size_t)length);
	/* What it could not say, or we not understand, is asked for again with the next loss. */
	return r == -ENOMEM || r == -ENOBUFS ? r : 0;
}

static int on_readable(sd_event_source *source, int fd, uint32_t events, void *context)
{
	(void)source, (void)fd, (void)events;
	struct can_links *links = context;
	bool has_lost = false;
	int r;
	while ((r = receive(links)) == 0 || r == -ENOBUFS || r == -EINTR)
		has_lost |= r == -ENOBUFS;
	if (has_lost)
		(void)!ask(links);
	return 0;
}

static int open_socket(void)
{
	const struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };
	_cleanup_(closep) int fd =
		socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

int can_links_new(sd_event *event, const struct can_links_calls *calls, struct can_links **ret)
{
	_cleanup_(can_links_freep) struct can_links *links = calloc(1, sizeof(*links));
	if (!links)
		return -ENOMEM;
	links->calls = *calls;
	links->socket = open_socket();
	if (links->socket < 0)
		return links->socket;
	TRY(sd_event_add_io(event, &links->io, links->socket, EPOLLIN, on_readable, links));
	TRY(ask(links));
	*ret = TAKE_PTR(links);
	return 0;
}

struct can_links *can_links_free(struct can_links *links)
{
	if (!links)
		return NULL;
	sd_event_source_disable_unref(links->io);
	safe_close(links->socket);
	free(links->links);
	free(links);
	return NULL;
}

/* ---- asking ------------------------------------------------------------------------------ */

size_t can_links_count(const struct can_links *links)
{
	return links->count;
}

const struct can_link *can_links_at(const struct can_links *links, size_t index)
{
	return &links->links[index].link;
}

const struct can_link *can_links_find(const struct can_links *links, const char *interface)
{
	for (size_t i = 0; i < links->count; i++)
		if (text_equal(links->links[i].link.name, interface))
			return &links->links[i].link;
	return NULL;
}
