/* SPDX-License-Identifier: MIT */
/*
 * The state of a bus from what a look has shown; see can_health.h. The first that holds is the one:
 * what keeps the bus from working goes before what follows from it.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "model/can_health.h"

#define PASSIVE 128u

static const char *const names[_CAN_HEALTH_MAX] = {
	[CAN_WELL] = "well",
	[CAN_QUIET] = "quiet",
	[CAN_DOWN] = "down",
	[CAN_WRONG_SETTING] = "wrong-setting",
	[CAN_UNACKNOWLEDGED] = "unacknowledged",
	[CAN_WRONG_BITRATE] = "wrong-bitrate",
	[CAN_OFF] = "bus-off",
	[CAN_QUEUE_FULL] = "queue-full",
	[CAN_UNTERMINATED] = "unterminated",
	[CAN_COLLIDING] = "colliding",
	[CAN_NODE_MISSING] = "node-missing",
	[CAN_ALL_MISSING] = "all-missing",
	[CAN_IN_USE] = "in-use",
};

const char *can_health_name(enum can_health health)
{
	assert(health < _CAN_HEALTH_MAX);
	return names[health];
}

struct findings {
	const struct can_sight *sight;
	const struct can_interface *interface;
	const struct can_setting *setting; /* never NULL */
	uint32_t garbled; /* errors that a wrong rate or a bad wire makes */
	uint32_t node_bitrate; /* that a node says it was built for; 0: none does */
	size_t answering, missing;
	const char *missing_uuid; /* the first */
};

static struct findings find(const struct can_sight *sight, const struct can_setting *setting)
{
	static const struct can_setting unstated;
	const struct can_errors *errors = &sight->errors;
	struct findings findings = {
		.sight = sight,
		.interface = &sight->interface,
		.setting = setting ? setting : &unstated,
		.garbled = errors->stuff + errors->form + errors->bits + errors->checksum,
	};
	for (size_t i = 0; i < sight->node_count; i++) {
		const struct can_node *node = &sight->nodes[i];
		bool is_there = node->kind != CAN_NODE_SILENT;
		findings.answering += is_there;
		if (is_there && node->running.can_bitrate)
			findings.node_bitrate = node->running.can_bitrate;
		if (is_there || !node->is_expected)
			continue;
		if (findings.missing++ == 0)
			findings.missing_uuid = node->uuid;
	}
	return findings;
}

#define SAY(diagnosis, field, ...) \
	snprintf((diagnosis)->field, sizeof((diagnosis)->field), __VA_ARGS__)

/* ---- the interface ------------------------------------------------------------------------ */

static bool is_down(const struct findings *found, struct can_diagnosis *ret)
{
	const struct can_interface *interface = found->interface;
	if (interface->is_up)
		return false;
	ret->health = CAN_DOWN;
	SAY(ret, evidence, "%s is there and not up", interface->name);
	SAY(ret, advice,
		"bring it up: sudo ip link set %s up type can bitrate %" PRIu32
		"; a bridge comes back down after each of its resets, so let ifupdown or "
		"systemd-networkd do it for good",
		interface->name, found->setting->bitrate ? found->setting->bitrate : 1000000);
	return true;
}

static bool is_off(const struct findings *found, struct can_diagnosis *ret)
{
	const struct can_interface *interface = found->interface;
	bool is_garbled = found->garbled > found->sight->errors.no_acknowledge;
	if (interface->controller != CAN_BUS_OFF && found->sight->errors.bus_off == 0)
		return false;
	ret->health = is_garbled ? CAN_WRONG_BITRATE : CAN_OFF;
	SAY(ret, evidence,
		"the controller has taken itself off the bus; %" PRIu32
		" stuff, form, bit or checksum errors while it was looked at",
		found->garbled);
	SAY(ret, advice,
		"%s; then sudo ip link set %s down and up again, and switch all boards off and on: "
		"some (STM32G0, G4, H7) stay off the bus until they are reset%s",
		is_garbled
			? "set the bitrate that the boards were built for, and check that CANH and "
			  "CANL are not swapped and both ends have 120 ohm"
			: "check bitrate, wires and terminators",
		interface->name,
		interface->restart_msec ? ""
					: "; with restart-ms 100 the adapter comes back by itself");
	return true;
}

static bool is_wrongly_set(const struct findings *found, struct can_diagnosis *ret)
{
	uint32_t is = found->interface->bitrate, wanted = found->setting->bitrate;
	if (ret->is_blind || !is || !wanted || is == wanted)
		return false;
	ret->health = CAN_WRONG_SETTING;
	SAY(ret, evidence, "%s runs at %" PRIu32 " bit/s, and the policy says %" PRIu32,
		found->interface->name, is, wanted);
	SAY(ret, advice, "set it to %" PRIu32 ", or correct bitrate in buses of the policy",
		wanted);
	return true;
}

/* ---- the wire ----------------------------------------------------------------------------- */

/* The rule of CAN: a lone sender that is passive counts no more of what nobody acknowledges, and so
 * never goes off the bus. */
static bool is_unacknowledged(const struct findings *found, struct can_diagnosis *ret)
{
	const struct can_interface *interface = found->interface;
	const struct can_errors *errors = &found->sight->errors;
	bool is_passive = interface->controller == CAN_ERROR_PASSIVE ||
			  (interface->has_error_counters && interface->send_errors >= PASSIVE);
	bool has_signs = errors->no_acknowledge > found->garbled ||
			 (is_passive && found->garbled == 0 && found->sight->is_queue_full);
	if (!has_signs || found->answering > 0)
		return false;
	ret->health = CAN_UNACKNOWLEDGED;
	SAY(ret, evidence,
		"nobody acknowledges: %" PRIu32 " missing acknowledges, send error counter %u",
		errors->no_acknowledge, interface->send_errors);
	SAY(ret, advice,
		"no other node is on the bus: are the boards on (24 V), is the cable in, are CANH and "
		"CANL connected through? If boards were on a bus with the wrong bitrate before, switch "
		"them off and on");
	return true;
}

static bool is_at_another_rate(const struct findings *found, struct can_diagnosis *ret)
{
	if (found->garbled == 0 || found->answering > 0)
		return false;
	bool is_collision = found->sight->is_garbled || found->sight->errors.bits == found->garbled;
	if (is_collision && found->sight->was_asked)
		return false;
	ret->health = CAN_WRONG_BITRATE;
	SAY(ret, evidence,
		"%" PRIu32
		" stuff, form, bit or checksum errors, and nobody could be understood (%s "
		"runs at %" PRIu32 " bit/s)",
		found->garbled, found->interface->name, found->interface->bitrate);
	SAY(ret, advice,
		"nodes are there and speak at another bitrate: set the one that they were built for "
		"(1000000, 500000 or 250000); if it is that, look for swapped wires and missing "
		"terminators");
	return true;
}

static bool is_colliding(const struct findings *found, struct can_diagnosis *ret)
{
	bool has_bits = found->sight->was_asked && found->sight->errors.bits > 0;
	if (!found->sight->is_garbled && !has_bits)
		return false;
	ret->health = CAN_COLLIDING;
	SAY(ret, evidence,
		"several nodes answered the query at once, under one number (%" PRIu32
		" bit errors)",
		found->sight->errors.bits);
	SAY(ret, advice,
		"nothing is broken; nodes that are in the policy are asked by their uuid and need no "
		"query. If one is missing afterwards, switch it off and on");
	return true;
}

static bool is_full(const struct findings *found, struct can_diagnosis *ret)
{
	if (!found->sight->is_queue_full)
		return false;
	ret->health = CAN_QUEUE_FULL;
	SAY(ret, evidence, "the queue of %s (%" PRIu32 " frames) does not empty",
		found->interface->name, found->interface->queue_length);
	SAY(ret, advice,
		ret->is_blind
			? "a bridge does not say why: most often no other node is on the bus; are "
			  "the boards on, and is the cable in?"
			: "nothing is sent because nobody acknowledges, or another program fills it; "
			  "Klipper wants txqueuelen 128");
	return true;
}

static bool is_unterminated(const struct findings *found, struct can_diagnosis *ret)
{
	if (found->garbled == 0)
		return false;
	ret->health = CAN_UNTERMINATED;
	SAY(ret, evidence, "%" PRIu32 " frames came damaged, among others that did not",
		found->garbled);
	SAY(ret, advice,
		"suspected, not proved: a terminator is missing or one too many. With all power off "
		"there must be 60 ohm between CANH and CANL");
	return true;
}

/* ---- the nodes ---------------------------------------------------------------------------- */

static bool is_in_use(const struct findings *found, struct can_diagnosis *ret)
{
	if (!found->sight->is_in_use)
		return false;
	ret->health = CAN_IN_USE;
	SAY(ret, evidence, "a program of this computer listens to %u nodes: Klipper's host",
		found->sight->listeners);
	SAY(ret, advice,
		"its nodes answer no query and were not asked; to look at them, or to flash one, stop it "
		"first: sudo systemctl stop klipper");
	return true;
}

static bool is_node_missing(const struct findings *found, struct can_diagnosis *ret)
{
	if (found->missing == 0)
		return false;
	bool is_alone = found->answering == 0;
	ret->health = is_alone ? CAN_ALL_MISSING : CAN_NODE_MISSING;
	SAY(ret, evidence, "%zu nodes answer, and %zu of those that the policy knows do not: %s%s",
		found->answering, found->missing, found->missing_uuid,
		found->missing > 1 ? "…" : "");
	SAY(ret, advice,
		"is the board on, and its uuid the right one? A Katapult that a damaged byte has made deaf "
		"needs two presses of reset; firmware for another bitrate, or for USB, is not heard here");
	return true;
}

static bool has_other_firmware(const struct findings *found, struct can_diagnosis *ret)
{
	uint32_t is = found->interface->bitrate, built = found->node_bitrate;
	if (ret->is_blind || !is || !built || is == built)
		return false;
	ret->health = CAN_WRONG_SETTING;
	SAY(ret, evidence,
		"a node says that it was built for %" PRIu32 " bit/s, and answers at %" PRIu32,
		built, is);
	SAY(ret, advice, "one of the two is not what it seems; check the bitrate of %s",
		found->interface->name);
	return true;
}

void can_diagnose(
	const struct can_sight *sight, const struct can_setting *setting, struct can_diagnosis *ret)
{
	static bool (*const states[])(const struct findings *found, struct can_diagnosis *ret) = {
		is_down,
		is_off,
		is_wrongly_set,
		is_unacknowledged,
		is_in_use,
		is_at_another_rate,
		is_colliding,
		is_full,
		is_unterminated,
		has_other_firmware,
		is_node_missing,
	};
	const struct findings found = find(sight, setting);
	*ret = (struct can_diagnosis){ .is_blind = can_interface_is_bridge(&sight->interface) };
	for (size_t i = 0; i < ELEMENTSOF(states); i++)
		if (states[i](&found, ret))
			return;
	ret->health = found.answering > 0 ? CAN_WELL : CAN_QUIET;
	SAY(ret, evidence, "%zu nodes answer%s", found.answering,
		ret->is_blind ? "; errors are never reported by a bridge" : "");
	if (ret->health == CAN_QUIET)
		SAY(ret, advice,
			"a node that has a number already answers no query: name its uuid in boards of the "
			"policy, and it is asked by that");
}
