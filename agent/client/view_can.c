/* SPDX-License-Identifier: MIT */
/* CAN buses for people; see view.h. */
#include <string.h>

#include "base/text.h"
#include "client/view.h"

static enum tint tint_of_health(const char *health)
{
	if (text_equal(health, "well"))
		return TINT_GOOD;
	return text_equal(health, "quiet") || text_equal(health, "in-use") ? TINT_WARNING
									   : TINT_BAD;
}

/* Behind a bridge, what is set here is a fiction. */
static void show_rate(const struct output *output, const cJSON *bus)
{
	double bitrate = json_number(bus, "bitrate"), wanted = json_number(bus, "wanted_bitrate");
	bool is_bridge = json_flag(bus, "bridge");
	if (is_bridge)
		fputs("  the bitrate is the one that the bridge was built with", output->stream);
	else if (bitrate > 0)
		fprintf(output->stream, "  %.0f bit/s, sample point %.1f %%, restart-ms %.0f",
			bitrate, json_number(bus, "sample_point_permille") / 10,
			json_number(bus, "restart_msec"));
	if (!is_bridge && wanted > 0 && wanted != bitrate)
		fprintf(output->stream, "  (the policy wants %.0f bit/s)", wanted);
	fprintf(output->stream, "  queue %.0f\n", json_number(bus, "queue_length"));
}

static void show_bus(const struct output *output, const cJSON *bus)
{
	const char *driver = json_text(bus, "driver"), *advice = json_text(bus, "advice");
	const char *health = json_text(bus, "health");
	output_tinted(output, TINT_STRONG, "%s", json_text(bus, "interface"));
	fprintf(output->stream, "  %s%s  %s", *driver ? driver : "virtual",
		json_flag(bus, "bridge") ? ", a Klipper bridge" : "",
		json_flag(bus, "up") ? json_text(bus, "controller") : "down");
	show_rate(output, bus);
	output_tinted(output, tint_of_health(health), "  %s", health);
	fprintf(output->stream, ": %s\n", json_text(bus, "evidence"));
	if (json_flag(bus, "blind"))
		fputs("  a bridge reports no error of the bus: what is not named here may still be wrong\n",
			output->stream);
	if (*advice)
		fprintf(output->stream, "  -> %s\n", advice);
}

static enum tint tint_of_kind(const cJSON *node)
{
	const char *kind = json_text(node, "kind");
	return text_equal(kind, "silent")     ? TINT_BAD
	       : text_equal(kind, "katapult") ? TINT_WARNING
					      : TINT_NONE;
}

static char *cell_version(const cJSON *node)
{
	const char *version = json_text(node, "version");
	return strdup(*version ? version : json_text(node, "bootloader_version"));
}

void view_buses(const struct output *output, const cJSON *buses)
{
	static const struct column columns[] = {
		{ .title = "UUID", .key = "uuid" },
		{ .title = "BOARD", .key = "board" },
		{ .title = "RUNS", .key = "kind", .tint = tint_of_kind },
		{ .title = "VERSION", .cell = cell_version },
		{ .title = "MCU", .key = "mcu" },
		{ .title = "APPLICATION AT", .key = "application_start" },
	};
	const cJSON *bus;
	cJSON_ArrayForEach(bus, buses)
	{
		const cJSON *nodes = json_list(bus, "nodes");
		show_bus(output, bus);
		if (nodes && nodes->child)
			output_table(output, columns, ELEMENTSOF(columns), nodes, NULL);
		if (bus->next)
			fputc('\n', output->stream);
	}
}
