/* SPDX-License-Identifier: MIT */
/*
 * bench-umockdev SOCKET [-- COMMAND ARGUMENT…], run under umockdev-wrapper: emulated boards for
 * unmodified programs, as sysfs directories, uevents and usbdevfs nodes in a testbed. The command
 * runs with the testbed's environment and its exit status becomes that of the bench.
 *
 * Requests on a node arrive in a thread of umockdev (umockdev_node.c); everything that changes the
 * testbed happens in the thread of the loop. The station's lock covers both.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <umockdev.h>

#include "emu/listeners.h"
#include "emu/station.h"
#include "emu/udev_record.h"
#include "emu/umockdev_node.h"
#include "emu/umockdev_tty.h"

#define NODE_BYTES       32
#define KEPT_DIRECTORIES 1024

struct announcement {
	struct announcement *next;
	bool present;
	struct side *side; /* NULL: a hub */
	uint64_t arrival;
	char *text;
	char node[NODE_BYTES];
	bool has_tty;
	uint8_t in, out;
};

/* One place: a port, and what programs do on its node. */
struct side {
	struct bench *bench;
	struct station_place *place;
	struct usbfs usbfs;
	char *syspath;
	char node[NODE_BYTES]; /* of the present arrival, or of the last */
	struct umockdev_tty tty;
	bool is_uart; /* and nothing of USB */
	bool is_shown; /* what the testbed has of it: a little later than the port */
};

struct bench {
	UMockdevTestbed *testbed;
	struct station *station;
	struct hub hub;
	struct announcement *announcements, **announcements_tail;
	unsigned ttys; /* numbers given out */
	GHashTable *hubs; /* the places of those that are there */
	int kept[KEPT_DIRECTORIES]; /* so that no inode is ever used twice */
	size_t kept_count;
	pid_t child;
	int exit_status;
	struct station_watch child_watch;
};

static void append(struct bench *bench, struct announcement *announcement)
{
	*bench->announcements_tail = announcement;
	bench->announcements_tail = &announcement->next;
}

/* Called with the lock, in any thread: the loop will do it. */
static void on_change(struct hub_port *port, bool present)
{
	struct side *side = port->context;
	struct bench *bench = side->bench;
	struct announcement *announcement = calloc(1, sizeof(*announcement));
	if (!announcement)
		abort();
	announcement->present = present;
	if (!present) {
		usbfs_device_left(&side->usbfs);
		tty_detach(&side->tty.tty);
	}
	announcement->side = side;
	if (present) {
		announcement->arrival = port->arrival;
		announcement->has_tty = acm_find(port->configuration, port->configuration_bytes,
			&announcement->in, &announcement->out);
		announcement->text = udev_record(port, side->syspath, side->place->name);
		snprintf(side->node, sizeof(side->node), "/dev/bus/usb/%03u/%03u", UDEV_RECORD_BUS,
			port->device);
	}
	memcpy(announcement->node, side->node, sizeof(side->node));
	append(bench, announcement);
	station_tell(side->place, port->controller.clock, present ? "enumerated" : "disconnected");
	station_kick(bench->station);
}

/* umockdev aborts at a uevent that a listener has no room for. */
static void wait_for_listeners(struct bench *bench)
{
	g_autofree char *root = umockdev_testbed_get_root_dir(bench->testbed);
	listeners_wait(root);
}

static void wait_for_room(void *context)
{
	wait_for_listeners(context);
}

static void send_uevent(struct bench *bench, const char *syspath, const char *action)
{
	wait_for_listeners(bench);
	umockdev_testbed_uevent(bench->testbed, syspath, action);
}

/* The kernel's driver binds behind the device. Every arrival has a number of its own: umockdev
 * 0.17.16 knows no name twice. */
static void announce_tty(struct bench *bench, const struct announcement *announcement)
{
	struct side *side = announcement->side;
	g_autofree char *name = g_strdup_printf("ttyACM%u", bench->ttys++);
	int fd = umockdev_tty_show(
		&side->tty, bench->testbed, name, side->syspath, wait_for_room, bench);
	if (fd < 0)
		return;
	station_lock(bench->station);
	tty_attach_usb(&side->tty.tty, fd, &side->usbfs.port.controller, announcement->in,
		announcement->out);
	station_unlock(bench->station);
}

/* It is there before the board has power, and stays when that is off. */
static void announce_uart(struct bench *bench, struct side *side)
{
	int fd = umockdev_tty_show(
		&side->tty, bench->testbed, side->place->name, NULL, wait_for_room, bench);
	if (fd < 0)
		return;
	station_lock(bench->station);
	struct emulated_board *board = side->place->board;
	tty_attach_uart(&side->tty.tty, fd, board->operations->resident(board));
	station_unlock(bench->station);
}

/* The handler comes first: adding the device sends its uevent, and whoever hears it may open the
 * node at once. */
static void announce_arrival(struct bench *bench, const struct announcement *announcement)
{
	struct side *side = announcement->side;
	if (!side) {
		wait_for_listeners(bench);
		umockdev_testbed_add_from_string(bench->testbed, announcement->text, NULL);
		return;
	}
	if (side->is_uart)
		return announce_uart(bench, side);
	UMockdevIoctlBase *node =
		umockdev_node_new(bench->station, &side->usbfs, announcement->arrival);
	wait_for_listeners(bench);
	if (!umockdev_testbed_attach_ioctl(bench->testbed, announcement->node, node, NULL) ||
		!umockdev_testbed_add_from_string(bench->testbed, announcement->text, NULL))
		fprintf(stderr, "bench-umockdev: %s cannot be added\n", side->syspath);
	g_object_unref(node);
	if (announcement->has_tty)
		announce_tty(bench, announcement);
	send_uevent(bench, side->syspath, "bind");
}

/* The directory stays open: an inode that is in use is not given out again. */
static void announce_departure(struct bench *bench, const struct announcement *announcement)
{
	const char *syspath = announcement->side->syspath;
	g_autofree char *root = umockdev_testbed_get_root_dir(bench->testbed);
	g_autofree char *directory = g_strconcat(root, syspath, NULL);
	int fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 && bench->kept_count < KEPT_DIRECTORIES)
		bench->kept[bench->kept_count++] = fd;
	else
		safe_close(fd);
	umockdev_tty_hide(&announcement->side->tty, bench->testbed, wait_for_room, bench);
	send_uevent(bench, syspath, "remove");
	umockdev_testbed_remove_device(bench->testbed, syspath);
	umockdev_testbed_detach_ioctl(bench->testbed, announcement->node, NULL);
}

static void on_turn(struct station *station)
{
	struct bench *bench = station_context(station);
	station_lock(station);
	struct announcement *announcement = TAKE_PTR(bench->announcements);
	bench->announcements_tail = &bench->announcements;
	station_unlock(station);
	while (announcement) {
		struct announcement *next = announcement->next;
		if (announcement->present)
			announce_arrival(bench, announcement);
		else
			announce_departure(bench, announcement);
		station_lock(station);
		if (announcement->side)
			announcement->side->is_shown = announcement->present;
		station_unlock(station);
		station_kick(station); /* somebody may wait for it */
		free(announcement->text);
		free(announcement);
		announcement = next;
	}
}

static void add_hub(struct bench *bench, const char *hub, const char *syspath)
{
	struct announcement *announcement = calloc(1, sizeof(*announcement));
	if (!announcement)
		abort();
	announcement->present = true;
	announcement->text = udev_record_hub(hub_take_number(&bench->hub), syspath, hub);
	append(bench, announcement);
	g_hash_table_add(bench->hubs, g_strdup(hub));
}

/* 1.3.2 is behind 1.3, which is behind 1: hubs that come with the first board and stay. */
static int add_hubs(struct bench *bench, const char *place)
{
	g_autofree char *root = umockdev_testbed_get_root_dir(bench->testbed);
	if (g_hash_table_contains(bench->hubs, place))
		return -EBUSY;
	for (const char *dot = strchr(place, '.'); dot; dot = strchr(dot + 1, '.')) {
		g_autofree char *hub = g_strndup(place, (gsize)(dot - place));
		g_autofree char *syspath = g_strconcat(UDEV_RECORD_SYSPATH, hub, NULL);
		g_autofree char *directory = g_strconcat(root, syspath, NULL);
		if (g_hash_table_contains(bench->hubs, hub))
			continue;
		if (access(directory, F_OK) == 0)
			return -EBUSY; /* a board */
		add_hub(bench, hub, syspath);
	}
	return 0;
}

static struct side *new_side(struct bench *bench, struct station_place *place)
{
	struct side *side = calloc(1, sizeof(*side));
	if (!side || asprintf(&side->syspath, "%s%s", UDEV_RECORD_SYSPATH, place->name) < 0)
		abort();
	side->bench = bench;
	side->place = place;
	side->tty.station = place->station;
	tty_init(&side->tty.tty, place->station);
	umockdev_node_prepare(&side->usbfs);
	hub_port_init(&side->usbfs.port, &bench->hub, place->board->operations->core(place->board),
		station_now());
	side->usbfs.port.on_change = on_change;
	side->usbfs.port.context = side;
	return side;
}

/* Another board on a line is seen by nobody who has the tty open. */
static int add_uart(struct bench *bench, struct station_place *place)
{
	struct emulated_board *board = place->board;
	struct side *side = place->side;
	if (!board->operations->resident(board)->on_uart)
		return -EINVAL;
	if (side) {
		hub_port_swap(&side->usbfs.port, board->operations->core(board));
		side->tty.tty.resident = board->operations->resident(board);
		return 0;
	}
	struct announcement *announcement = calloc(1, sizeof(*announcement));
	if (!announcement)
		abort();
	side = new_side(bench, place);
	side->is_uart = true;
	announcement->present = true;
	announcement->side = side;
	append(bench, announcement);
	place->side = side;
	return 0;
}

static int add_place(struct station_place *place)
{
	struct bench *bench = station_context(place->station);
	struct side *side = place->side;
	if (!strncmp(place->name, "tty", 3))
		return add_uart(bench, place);
	if (strspn(place->name, "0123456789.") != strlen(place->name))
		return -EINVAL;
	int error = add_hubs(bench, place->name);
	if (error < 0)
		return error;
	if (side) {
		hub_port_swap(&side->usbfs.port, place->board->operations->core(place->board));
		return 0;
	}
	place->side = new_side(bench, place);
	return 0;
}

/* The port notices by itself, a little late, as a kernel does. */
static void remove_place(struct station_place *place)
{
	(void)place;
}

/* umockdev 0.17.16 does not tell (client_vanished) of a program that was killed. */
static void orphan_place(struct station_place *place)
{
	struct side *side = place->side;
	usbfs_holders_died(&side->usbfs);
}

static uint64_t run_place(struct station_place *place, uint64_t now)
{
	struct side *side = place->side;
	uint64_t next = usbfs_run(&side->usbfs, now);
	uint64_t tty = tty_run(&side->tty.tty, now);
	/* It may have begun something. */
	uint64_t again = usbfs_run(&side->usbfs, now);
	next = again < next ? again : next;
	return tty < next ? tty : next;
}

static bool describe_place(struct station_place *place, FILE *json)
{
	struct side *side = place->side;
	if (side->is_uart) {
		fprintf(json, ",\"node\":\"/dev/%s\"", place->name);
		/* The tty is there in any case. */
		return side->is_shown && !place->board->operations->is_off(place->board);
	}
	fprintf(json, ",\"syspath\":\"%s\",\"id_path\":\"%s%s\",\"bus\":%u,\"device\":%u",
		side->syspath, UDEV_RECORD_ID_PATH, place->name, UDEV_RECORD_BUS,
		side->is_shown ? side->usbfs.port.device : 0);
	return side->is_shown;
}

static void on_child(void *context, uint32_t events)
{
	struct bench *bench = context;
	int status;
	(void)events;
	if (waitpid(bench->child, &status, WNOHANG) != bench->child)
		return;
	bench->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	bench->child = 0;
	station_unwatch(bench->station, &bench->child_watch);
	station_stop(bench->station);
}

static int start_child(struct bench *bench, char **arguments)
{
	int error = posix_spawnp(&bench->child, arguments[0], NULL, NULL, arguments, environ);
	if (error)
		return -error;
	int fd = pidfd_open(bench->child, 0);
	if (fd < 0)
		return -errno;
	bench->child_watch =
		(struct station_watch){ .fd = fd, .on_ready = on_child, .context = bench };
	return station_watch(bench->station, &bench->child_watch);
}

static void end_child(struct bench *bench)
{
	if (!bench->child)
		return;
	kill(bench->child, SIGTERM);
	waitpid(bench->child, NULL, 0);
}

static int serve(struct bench *bench, const char *socket_path, char **command)
{
	const struct station_transport transport = {
		.add = add_place,
		.remove = remove_place,
		.run = run_place,
		.describe = describe_place,
		.orphan = orphan_place,
		.on_turn = on_turn,
		.context = bench,
	};
	int error = station_new(socket_path, &transport, &bench->station);
	if (error < 0)
		return error;
	if (*command) {
		error = start_child(bench, command);
		if (error < 0)
			return error;
	}
	error = station_loop(bench->station);
	end_child(bench);
	return error;
}

int main(int argc, char **argv)
{
	static struct bench bench;
	if (argc < 2 || (argc > 2 && strcmp(argv[2], "--") != 0)) {
		fprintf(stderr, "usage: umockdev-wrapper bench-umockdev SOCKET [-- COMMAND…]\n");
		return 2;
	}
	bench.announcements_tail = &bench.announcements;
	bench.hub.last_device = 1;
	bench.hubs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	bench.testbed = umockdev_testbed_new();
	int error = serve(&bench, argv[1], argc > 3 ? argv + 3 : argv + argc);
	if (error < 0)
		fprintf(stderr, "bench-umockdev: %s\n", strerror(-error));
	/* Threads of umockdev may still use stations and sides: the process ends with them. */
	unlink(argv[1]);
	g_hash_table_unref(bench.hubs);
	g_object_unref(bench.testbed);
	return error < 0 ? 1 : bench.exit_status;
}
