/* SPDX-License-Identifier: MIT */
/* Looking after buses that come up; see can_rescue.h. */
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "daemon/can_look.h"
#include "daemon/can_names.h"
#include "daemon/can_rescue.h"
#include "daemon/story.h"

struct round {
	struct round *next;
	struct can_rescue *rescue;
	struct can_look *look;
	char interface[CAN_NAME_TEXT];
	bool was_present;
};

struct can_rescue {
	sd_event *event;
	const char *worker_socket;
	struct conduct *conduct;
	struct round *rounds;
};

int can_rescue_new(sd_event *event, const char *worker_socket, struct conduct *conduct,
	struct can_rescue **ret)
{
	struct can_rescue *rescue = calloc(1, sizeof(*rescue));
	if (!rescue)
		return -ENOMEM;
	rescue->event = event;
	rescue->worker_socket = worker_socket;
	rescue->conduct = conduct;
	*ret = rescue;
	return 0;
}

struct can_rescue *can_rescue_free(struct can_rescue *rescue)
{
	while (rescue && rescue->rounds) {
		struct round *round = rescue->rounds;
		rescue->rounds = round->next;
		can_look_free(round->look);
		free(round);
	}
	free(rescue);
	return NULL;
}

static void round_end(struct round *round)
{
	struct can_rescue *rescue = round->rescue;
	struct round **place = &rescue->rounds;
	while (*place != round)
		place = &(*place)->next;
	*place = round->next;
	can_look_free(round->look);
	conduct_release_bus(rescue->conduct, round->interface);
	free(round);
}

static void meet(struct conduct *conduct, const char *interface, const struct can_node *node,
	bool was_present)
{
	_cleanup_(device_freep) struct device *device =
		device_new_node(interface, node->uuid, MODE_KATAPULT);
	if (!device) {
		story_trouble(interface, "a node in Katapult is left alone", -ENOMEM);
		return;
	}
	device->was_present = was_present;
	conduct_arrival(conduct, device);
}

static size_t count_in_katapult(const struct can_sight *sight)
{
	size_t count = 0;
	for (size_t i = 0; i < sight->node_count; i++)
		count += sight->nodes[i].kind == CAN_NODE_KATAPULT;
	return count;
}

/* The bus is given free before anybody's job wants it. */
static void on_end(
	void *context, const struct can_sight *sight, enum reason_code code, const char *sentence)
{
	struct round *round = context;
	struct conduct *conduct = round->rescue->conduct;
	bool was_present = round->was_present;
	char interface[CAN_NAME_TEXT];
	memcpy(interface, round->interface, sizeof(interface));
	round_end(round);
	if (!sight) {
		story_bus_left_alone(interface, code, sentence);
		return;
	}
	story_bus_looked_at(interface, sight->node_count, count_in_katapult(sight));
	for (size_t i = 0; i < sight->node_count; i++)
		if (sight->nodes[i].kind == CAN_NODE_KATAPULT)
			meet(conduct, interface, &sight->nodes[i], was_present);
}

static int begin(struct can_rescue *rescue, const struct policy *policy, const char *interface,
	bool was_present)
{
	struct round *round = calloc(1, sizeof(*round));
	if (!round)
		return -ENOMEM;
	round->rescue = rescue;
	round->was_present = was_present;
	text_copy_plain(round->interface, sizeof(round->interface), interface);
	int r = can_look_begin(rescue->event, rescue->worker_socket, policy, interface, on_end,
		round, &round->look);
	if (r < 0) {
		free(round);
		return r;
	}
	round->next = rescue->rounds;
	rescue->rounds = round;
	return 0;
}

void can_rescue_look(struct can_rescue *rescue, const struct policy *policy, const char *interface,
	bool was_present)
{
	if (!can_names_anybody_on(policy, interface))
		return;
	int r = conduct_hold_bus(rescue->conduct, interface);
	if (r == -EALREADY)
		return; /* somebody has asked for a look just now */
	if (r == -EBUSY) {
		story_bus_left_alone(interface, REASON_BOARD_BUSY,
			"it came up while a board on a CAN bus has a job");
		return;
	}
	if (r == 0) {
		r = begin(rescue, policy, interface, was_present);
		if (r < 0)
			conduct_release_bus(rescue->conduct, interface);
	}
	if (r < 0)
		story_bus_left_alone(interface, REASON_NO_WORKER, strerror(-r));
}
