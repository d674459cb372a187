/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Which CAN interfaces there are, and which are up: by the kernel's own word (rtnetlink), asked
 * once and then listened to. An overrun costs one more question, and no event.
 */
#include <stddef.h>
#include <systemd/sd-event.h>

#include "base/cleanup.h"
#include "daemon/can_link_words.h"

struct can_links;

struct can_links_calls {
	/* The interface has come up; `was_present`: it was up before we looked. */
	void (*on_up)(void *context, const char *interface, bool was_present);
	void *context;
};

/* Starts to listen and asks; who is there is told from the event loop. */
int can_links_new(sd_event *event, const struct can_links_calls *calls, struct can_links **ret)
	_must_check_;
struct can_links *can_links_free(struct can_links *links);
DEFINE_CLEANUP(struct can_links *, can_links_free)

/* In no order. */
size_t can_links_count(const struct can_links *links);
const struct can_link *can_links_at(const struct can_links *links, size_t index);
const struct can_link *can_links_find(const struct can_links *links, const char *interface);

/* One datagram, as the kernel sends it: what the event loop calls. 0 or a negative errno. */
int can_links_hear(struct can_links *links, const void *data, size_t length) _must_check_;
