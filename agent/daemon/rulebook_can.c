/* SPDX-License-Identifier: MIT */
/* buses = ( … ), and the bus of a board; see rulebook_parts.h. */
#include <errno.h>

#include "daemon/rulebook.h"
#include "daemon/rulebook_parts.h"

#define BITRATE_LEAST      10000
#define BITRATE_MOST       1000000 /* of classical CAN */
#define SAMPLE_POINT_LEAST 0.5
#define SAMPLE_POINT_MOST  0.95
#define RESTART_MSEC_MOST  60000
/* Katapult's longest frame is ten of CAN's, and Klipper wants 128. */
#define QUEUE_LEAST 10
#define QUEUE_MOST  4096

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

void flash_on_update(struct parse *parse, const config_setting_t *setting, void *rule)
{
	((struct policy_rule *)rule)->on_update = want_bool(parse, setting);
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

static void bus_setup(struct parse *parse, const config_setting_t *setting, void *bus)
{
	setting_of(bus)->setup = want_bool(parse, setting);
}

static void bus_sample_point(struct parse *parse, const config_setting_t *setting, void *bus)
{
	double share = config_setting_get_float(setting);
	if (share < SAMPLE_POINT_LEAST || share > SAMPLE_POINT_MOST)
		complain(parse, setting,
			"sample_point wants a share of the bit with a decimal point, from 0.5 to 0.95, "
			"as 0.875");
	else
		setting_of(bus)->sample_point_permille = (uint32_t)(share * 1000 + 0.5);
}

static void bus_restart_ms(struct parse *parse, const config_setting_t *setting, void *bus)
{
	setting_of(bus)->has_restart = true;
	setting_of(bus)->restart_msec = (uint32_t)want_number(parse, setting, 0, RESTART_MSEC_MOST);
}

static void bus_txqueuelen(struct parse *parse, const config_setting_t *setting, void *bus)
{
	setting_of(bus)->queue_length =
		(uint32_t)want_number(parse, setting, QUEUE_LEAST, QUEUE_MOST);
}

static const struct key bus_keys[] = {
	{ "interface", bus_interface },
	{ "setup", bus_setup },
	{ "bitrate", bus_bitrate },
	{ "sample_point", bus_sample_point },
	{ "restart_ms", bus_restart_ms },
	{ "txqueuelen", bus_txqueuelen },
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
	if (bus->setting.setup && !bus->setting.bitrate)
		complain(parse, setting,
			"this bus shall be set up and has no bitrate; add the one that its boards "
			"were built for, as bitrate = 1000000");
}
