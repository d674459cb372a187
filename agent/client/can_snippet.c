/* SPDX-License-Identifier: MIT */
/* Files for others; see can_snippet.h. */
#include "base/text.h"
#include "client/can_snippet.h"

#define BITRATE      1000000.0
#define QUEUE_LENGTH 128.0 /* Klipper's (docs/CANBUS.md) */

static const char *const names[_CAN_SNIPPET_MAX] = {
	[CAN_SNIPPET_IFUPDOWN] = "ifupdown",
	[CAN_SNIPPET_NETWORKD] = "networkd",
};

int can_snippet_from_name(const char *name)
{
	return text_lookup(names, _CAN_SNIPPET_MAX, name);
}

static double bitrate_of(const cJSON *bus)
{
	double wanted = json_number(bus, "wanted_bitrate"), is = json_number(bus, "bitrate");
	return wanted > 0 ? wanted : is > 0 ? is : BITRATE;
}

/* The kernel's own default is too short for Klipper. */
static double queue_of(const cJSON *bus)
{
	double queue = json_number(bus, "queue_length");
	return queue > QUEUE_LENGTH ? queue : QUEUE_LENGTH;
}

static int append_ifupdown(char **text, const char *name, const cJSON *bus)
{
	double sample_point = json_number(bus, "sample_point_permille");
	double restart = json_number(bus, "restart_msec");
	TRY(text_append(text,
		"# /etc/network/interfaces.d/%s\n"
		"allow-hotplug %s\n"
		"iface %s can static\n"
		"    bitrate %.0f",
		name, name, name, bitrate_of(bus)));
	/* ifupdown 0.8.41 has an option "samplepoint" and hands it to nobody; a bitrate it hands to
	 * "ip link set can0 type can bitrate" with all that stands behind it. */
	if (sample_point > 0)
		TRY(text_append(text, " sample-point %.3f", sample_point / 1000));
	TRY(text_append(text, "\n"));
	if (restart > 0)
		TRY(text_append(text, "    restart-ms %.0f\n", restart));
	return text_append(text, "    up ip link set $IFACE txqueuelen %.0f\n", queue_of(bus));
}

static int append_networkd(char **text, const char *name, const cJSON *bus)
{
	double sample_point = json_number(bus, "sample_point_permille");
	double restart = json_number(bus, "restart_msec");
	TRY(text_append(text,
		"# /etc/systemd/network/80-%s.network\n"
		"[Match]\n"
		"Name=%s\n\n"
		"[CAN]\n"
		"BitRate=%.0f\n",
		name, name, bitrate_of(bus)));
	if (sample_point > 0)
		TRY(text_append(text, "SamplePoint=%.1f%%\n", sample_point / 10));
	if (restart > 0)
		TRY(text_append(text, "RestartSec=%.0fms\n", restart));
	return text_append(text,
		"\n# /etc/systemd/network/80-%s.link\n"
		"[Match]\n"
		"OriginalName=%s\n\n"
		"[Link]\n"
		"TransmitQueueLength=%.0f\n",
		name, name, queue_of(bus));
}

char *can_snippet_text(enum can_snippet kind, const cJSON *bus)
{
	_cleanup_(freep) char *text = NULL;
	const char *name = json_text(bus, "interface");
	int r = kind == CAN_SNIPPET_IFUPDOWN ? append_ifupdown(&text, name, bus)
					     : append_networkd(&text, name, bus);
	return r < 0 ? NULL : TAKE_PTR(text);
}
