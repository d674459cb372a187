/* SPDX-License-Identifier: MIT */
/*
 * plugflash-can INTERFACE: brings a CAN interface up as the policies want it, if they say setup =
 * true for it. Started by plugflash-can@.service when the interface appears; the only program with
 * CAP_NET_ADMIN. Reads policies and speaks to the kernel, and to nobody else.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/names.h"
#include "base/text.h"
#include "daemon/rulebook.h"
#include "port/can.h"

static int load(struct policy **ret)
{
	static const char *const directories[] = { NAME_POLICY_DIRECTORY_VENDOR,
		NAME_POLICY_DIRECTORY_ADMIN };
	const struct rulebook_source source = { .directories = directories,
		.directory_count = ELEMENTSOF(directories) };
	_cleanup_(reasons_done) struct reasons errors = { 0 }, warnings = { 0 };
	int r = rulebook_load(&source, ret, &errors, &warnings);
	for (size_t i = 0; i < errors.count; i++)
		fprintf(stderr, "%s\n", errors.items[i].sentence);
	if (r != 0)
		fprintf(stderr, "the policies are not valid, so nothing is set up; see plugflash "
				"check\n");
	return r;
}

static bool is_as_wanted(const struct can_interface *interface, const struct can_setting *setting)
{
	bool has_point = !setting->sample_point_permille ||
			 setting->sample_point_permille == interface->sample_point_permille;
	bool has_restart =
		!setting->has_restart || setting->restart_msec == interface->restart_msec;
	bool has_queue = !setting->queue_length || setting->queue_length == interface->queue_length;
	return interface->is_up && interface->bitrate == setting->bitrate && has_point &&
	       has_restart && has_queue;
}

/* An interface that is up with another rate is somebody's work: taking it down would cut off
 * whoever talks on it. */
static int refuse_to_take_down(
	const struct can_interface *interface, const struct can_setting *setting)
{
	fprintf(stderr,
		"%s is up already, at %" PRIu32 " bit/s and not %" PRIu32
		": somebody else sets it up "
		"(systemd-networkd, ifupdown?), so it is left as it is; take setup out of the policy, "
		"or the other's hands off it\n",
		interface->name, interface->bitrate, setting->bitrate);
	return -EBUSY;
}

static int set_up(const char *name, const struct can_setting *setting)
{
	struct can_interface interface;
	int r = can_interface_read(name, &interface);
	if (r < 0) {
		fprintf(stderr, "%s: there is no such CAN interface (%s)\n", name, strerror(-r));
		return r;
	}
	if (is_as_wanted(&interface, setting)) {
		printf("%s is up as it shall be\n", name);
		return 0;
	}
	if (interface.is_up && interface.bitrate == setting->bitrate) {
		printf("%s is up at %" PRIu32
		       " bit/s already; what else the policy says is not set while it is up\n",
			name, interface.bitrate);
		return 0;
	}
	if (interface.is_up)
		return refuse_to_take_down(&interface, setting);
	r = can_interface_set(name, setting);
	if (r == 0)
		r = can_interface_read(name, &interface);
	if (r < 0) {
		fprintf(stderr, "%s could not be set up: %s\n", name, strerror(-r));
		return r;
	}
	if (setting->has_restart && setting->restart_msec != interface.restart_msec)
		printf("%s: its driver (%s) knows no restart-ms; its controller comes back from bus-off by "
		       "itself, or when the interface is taken down and up again\n",
			name, interface.driver);
	printf("%s is up at %" PRIu32 " bit/s, sample point %.1f %%, restart-ms %" PRIu32
	       ", txqueuelen %" PRIu32 "\n",
		name, interface.bitrate, interface.sample_point_permille / 10.0,
		interface.restart_msec, interface.queue_length);
	return interface.is_up ? 0 : -EIO;
}

int main(int argc, char **argv)
{
	_cleanup_(policy_freep) struct policy *policy = NULL;
	if (argc != 2 || !can_name_is_valid(argv[1])) {
		fprintf(stderr, "usage: plugflash-can INTERFACE\n");
		return 2;
	}
	if (load(&policy) != 0)
		return EXIT_FAILURE;
	const struct policy_bus *bus = policy_bus(policy, argv[1]);
	if (!bus || !bus->setting.setup) {
		printf("no policy says setup = true for %s; it is left as it is\n", argv[1]);
		return EXIT_SUCCESS;
	}
	return set_up(argv[1], &bus->setting) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
