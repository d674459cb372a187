/* SPDX-License-Identifier: MIT */
/* rtnetlink's words; see can_link_words.h. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <string.h>

#include "base/cleanup.h"
#include "daemon/can_link_words.h"

/* Whatever is said begins at a multiple of four (NLMSG_ALIGNTO, RTA_ALIGNTO). */
static size_t aligned(size_t length)
{
	return (length + 3) & ~(size_t)3;
}

/* The name among what is said of an interface. False: none that we would use, or torn. */
static bool take_name(const uint8_t *data, size_t length, char ret[CAN_NAME_TEXT])
{
	struct rtattr attribute;
	while (length >= sizeof(attribute)) {
		memcpy(&attribute, data, sizeof(attribute));
		if (attribute.rta_len < sizeof(attribute) || attribute.rta_len > length)
			return false;
		const char *name = (const char *)data + sizeof(attribute);
		size_t size = attribute.rta_len - sizeof(attribute);
		if (attribute.rta_type == IFLA_IFNAME) {
			if (size == 0 || size > CAN_NAME_TEXT || name[size - 1] != '\0')
				return false;
			memcpy(ret, name, size);
			return can_name_is_valid(ret);
		}
		size_t step = aligned(attribute.rta_len);
		if (step >= length)
			return false;
		data += step;
		length -= step;
	}
	return false;
}

/* Bridges of the other kind, for Ethernet, tell of their ports by the same words. */
static bool take_link(uint16_t type, const uint8_t *body, size_t length, struct can_link *ret)
{
	struct ifinfomsg about;
	if ((type != RTM_NEWLINK && type != RTM_DELLINK) || length < sizeof(about))
		return false;
	memcpy(&about, body, sizeof(about));
	if (about.ifi_family != AF_UNSPEC || about.ifi_type != ARPHRD_CAN || about.ifi_index <= 0)
		return false;
	*ret = (struct can_link){
		.index = about.ifi_index,
		.is_up = about.ifi_flags & IFF_UP,
		.is_gone = type == RTM_DELLINK,
	};
	return take_name(body + sizeof(about), length - sizeof(about), ret->name);
}

static int take_error(const uint8_t *body, size_t length)
{
	int32_t error;
	if (length < sizeof(error))
		return -EBADMSG;
	memcpy(&error, body, sizeof(error));
	return error < 0 && error > -4096 ? error : 0;
}

int can_link_words_read(
	const void *data, size_t length, can_link_words_on_link on_link, void *context)
{
	const uint8_t *at = data;
	struct nlmsghdr header;
	struct can_link link;
	while (length > 0) {
		if (length < sizeof(header))
			return -EBADMSG;
		memcpy(&header, at, sizeof(header));
		if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > length)
			return -EBADMSG;
		const uint8_t *body = at + sizeof(header);
		size_t size = header.nlmsg_len - sizeof(header);
		if (header.nlmsg_type == NLMSG_DONE)
			return CAN_LINK_WORDS_END;
		if (header.nlmsg_type == NLMSG_ERROR)
			TRY(take_error(body, size));
		else if (take_link(header.nlmsg_type, body, size, &link))
			on_link(context, &link);
		size_t step = aligned(header.nlmsg_len);
		if (step >= length)
			break;
		at += step;
		length -= step;
	}
	return 0;
}

size_t can_link_words_question(uint8_t ret[CAN_LINK_WORDS_QUESTION])
{
	static const struct {
		struct nlmsghdr header;
		struct ifinfomsg about;
	} question = {
		.header = { .nlmsg_len = sizeof(question),
			.nlmsg_type = RTM_GETLINK,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
			.nlmsg_seq = 1 },
		.about = { .ifi_family = AF_UNSPEC },
	};
	_Static_assert(sizeof(question) <= CAN_LINK_WORDS_QUESTION, "it has room");
	memcpy(ret, &question, sizeof(question));
	return sizeof(question);
}
