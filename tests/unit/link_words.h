/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the kernel would say of interfaces (rtnetlink), for tests.
 */
#include <net/if_arp.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdint.h>
#include <string.h>

struct link_words {
	uint8_t bytes[4096];
	size_t length;
};

static inline void *link_words_put(struct link_words *words, const void *data, size_t length)
{
	void *place = words->bytes + words->length;
	memcpy(place, data, length);
	words->length += (length + 3) & ~(size_t)3;
	return place;
}

/* RTM_NEWLINK or RTM_DELLINK of one interface, with an attribute that nobody asks for before its
 * name. */
static inline void link_words_say(struct link_words *words, uint16_t type, uint16_t hardware,
	int index, const char *name, bool is_up)
{
	size_t begin = words->length, size = strlen(name) + 1;
	struct nlmsghdr header = { .nlmsg_type = type };
	const struct ifinfomsg about = { .ifi_family = AF_UNSPEC,
		.ifi_type = hardware,
		.ifi_index = index,
		.ifi_flags = is_up ? IFF_UP : 0 };
	const struct rtattr group = { .rta_len = sizeof(group) + 4, .rta_type = IFLA_GROUP };
	const struct rtattr named = { .rta_len = (uint16_t)(sizeof(named) + size),
		.rta_type = IFLA_IFNAME };
	link_words_put(words, &header, sizeof(header));
	link_words_put(words, &about, sizeof(about));
	link_words_put(words, &group, sizeof(group));
	link_words_put(words, "\0\0\0", 4);
	link_words_put(words, &named, sizeof(named));
	link_words_put(words, name, size);
	header.nlmsg_len = (uint32_t)(words->length - begin);
	memcpy(words->bytes + begin, &header, sizeof(header));
}

static inline void link_words_can(struct link_words *words, int index, const char *name, bool is_up)
{
	link_words_say(words, RTM_NEWLINK, ARPHRD_CAN, index, name, is_up);
}

/* The end of the answer to a question. */
static inline void link_words_end(struct link_words *words)
{
	const struct {
		struct nlmsghdr header;
		int32_t zero;
	} end = { { .nlmsg_len = sizeof(end), .nlmsg_type = NLMSG_DONE }, 0 };
	link_words_put(words, &end, sizeof(end));
}
