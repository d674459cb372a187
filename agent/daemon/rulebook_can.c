/* SPDX-License-Identifier: MIT */
/* buses = ( … ), and the bus of a board; see rulebook_parts.h. */
#include <errno.h>

#include "daemon/rulebook.h"
#include "daemon/rulebook_parts.h"

#define BITRATE_LEAST 10000
#define BITRATE_MOST  1000000 /* of classical CAN */

static struct can_setting *setting_of(void *bus)
{
	return &((struct policy_bus *)bus)->setting;
}

static void take_interface(struct parse *parse, const config_setting_t *setting, char **place)
{
	const char *name = want_string(parse, setting);
	if (name && !can_name_is_valid(name))
		complain(parse, setting, "%s wants the name of an interface, as \"can0\"",
			config_setting_name(setting));
	else if (name)
		keep(parse, place, name);
}

void board_bus(struct parse *parse, const config_setting_t *setting, void *board)
{
	take_interface(parse, setting, &((struct policy_board *)board)->bus);
}

static void bus_interface(struct parse *parse, const config_setting_t *setting, void *bus)
{
	take_interface(parse, setting, &((struct policy_bus *)bus)->interface);
}

static void bus_bitrate(struct parse *parse, const config_setting_t *setting, void *bus)
{
	setting_of(bus)->bitrate =
		(uint32_t)want_number(parse, setting, BITRATE_LEAST, BITRATE_MOST);
}

static const struct key bus_keys[] = {
	{ "interface", bus_interface },
	{ "bitrate", bus_bitrate },
};

void parse_bus(struct parse *parse, const config_setting_t *setting)
{
	struct policy_bus *bus = policy_add_bus(parse->policy);
	if (!bus) {
		parse->failure = -ENOMEM;
		return;
	}
	bus->origin = origin_of(parse, setting);
	take_group(parse, setting, bus_keys, ELEMENTSOF(bus_keys), bus);
	if (!bus->interface)
		complain(parse, setting,
			"this bus has no interface; add interface = \"can0\", as \"ip link\" names "
			"it");
}
