/* SPDX-License-Identifier: MIT */
/*
 * bench-umockdev SOCKET [-- COMMAND ARGUMENT…], run under umockdev-wrapper: emulated boards for
 * unmodified programs, as sysfs directories, uevents and usbdevfs nodes in a testbed. The command
 * runs with the testbed's environment and its exit status becomes that of the bench.
 *
 * Requests on a node arrive in a thread of umockdev; everything that changes the testbed happens in
 * the thread of the loop. The station's lock covers both.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/usb/ch9.h>
#include <linux/usbdevice_fs.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <umockdev.h>

#include "emu/listeners.h"
#include "emu/station.h"
#include "emu/udev_record.h"
#include "emu/usbfs.h"

#define NODE_BYTES       32
#define KEPT_DIRECTORIES 1024

/* Where a request came from, and where its answer goes. */
struct payload {
	UMockdevIoctlData *data, *buffer;
	size_t head; /* bytes of the buffer before the data stage */
};

struct announcement {
	struct announcement *next;
	bool present;
	struct side *side;
	uint64_t arrival;
	char *text;
	char node[NODE_BYTES];
};

/* One place: a port, and what programs do on its node. */
struct side {
	struct bench *bench;
	struct station_place *place;
	struct usbfs usbfs;
	char *syspath;
	char node[NODE_BYTES]; /* of the present arrival, or of the last */
	bool is_shown; /* what the testbed has of it: a little later than the port */
};

struct bench {
	UMockdevTestbed *testbed;
	struct station *station;
	struct hub hub;
	struct announcement *announcements, **announcements_tail;
	int kept[KEPT_DIRECTORIES]; /* so that no inode is ever used twice */
	size_t kept_count;
	pid_t child;
	int exit_status;
	struct station_watch child_watch;
};

typedef struct {
	UMockdevIoctlBase base;
	struct side *side;
	uint64_t arrival;
} Node;

typedef struct {
	UMockdevIoctlBaseClass base;
} NodeClass;

GType node_get_type(void);
G_DEFINE_TYPE(Node, node, UMOCKDEV_TYPE_IOCTL_BASE)

static bool is_there(const Node *node)
{
	const struct hub_port *port = &node->side->usbfs.port;
	return hub_port_has_device(port) && port->arrival == node->arrival;
}

static void copy_in(UMockdevIoctlData *data, size_t offset, void *bytes, size_t length)
{
	guint8 *raw = NULL;
	gint size = 0;
	umockdev_ioctl_data_retrieve(data, &raw, &size);
	if (raw && (size_t)size >= offset + length)
		memcpy(bytes, raw + offset, length);
	g_free(raw);
}

static bool goes_in(const struct urb *urb)
{
	return (urb->endpoint ? urb->endpoint : urb->setup[0]) & ENDPOINT_TOWARDS_US;
}

static void free_payload(struct usbfs_request *request)
{
	struct payload *payload = request->payload;
	if (payload->data)
		umockdev_ioctl_data_unref(payload->data);
	if (payload->buffer)
		umockdev_ioctl_data_unref(payload->buffer);
	g_object_unref(request->client);
	free(payload);
}

static void on_ended(struct usbfs_request *request)
{
	struct urb *urb = &request->urb;
	struct payload *payload = request->payload;
	int error = urb->status == -ECONNRESET ? ETIMEDOUT : -urb->status;
	if (goes_in(urb) && !error && urb->transferred && payload->buffer)
		umockdev_ioctl_data_update(payload->buffer, 0, urb->data, (gint)urb->transferred);
	umockdev_ioctl_client_complete(
		request->client, error ? -1 : (glong)urb->transferred, error);
}

static struct usbfs_request *new_request(
	Node *node, UMockdevIoctlClient *client, UMockdevIoctlData *data, size_t length)
{
	struct payload *payload = calloc(1, sizeof(*payload));
	if (!payload)
		abort();
	payload->data = data;
	struct usbfs_request *request =
		usbfs_request_new(&node->side->usbfs, g_object_ref(client), length);
	request->payload = payload;
	return request;
}

/* The program's buffer, to which the structure has a pointer at `offset`. */
static void attach_buffer(struct usbfs_request *request, size_t offset, size_t length)
{
	struct payload *payload = request->payload;
	if (!length)
		return;
	payload->buffer = umockdev_ioctl_data_resolve(payload->data, offset, length, NULL);
	if (payload->buffer)
		copy_in(payload->buffer, 0, request->stage, length);
}

/* The structure that the argument points to. NULL when there is none. */
static UMockdevIoctlData *fetch(UMockdevIoctlClient *client, void *bytes, size_t length)
{
	UMockdevIoctlData *data =
		umockdev_ioctl_data_resolve(umockdev_ioctl_client_get_arg(client), 0, length, NULL);
	if (data)
		copy_in(data, 0, bytes, length);
	return data;
}

static uint64_t raw_argument(UMockdevIoctlClient *client)
{
	uint64_t value = 0;
	copy_in(umockdev_ioctl_client_get_arg(client), 0, &value, sizeof(value));
	return value;
}

static void answer(UMockdevIoctlClient *client, int error)
{
	umockdev_ioctl_client_complete(client, error ? -1 : 0, error);
}

static void submit(struct usbfs_request *request)
{
	UMockdevIoctlClient *client = request->client;
	bool answers_later = request->is_synchronous;
	g_object_ref(client);
	int error = usbfs_submit(request);
	if (error < 0 || !answers_later)
		answer(client, -error);
	g_object_unref(client);
}

static void on_submit(Node *node, UMockdevIoctlClient *client)
{
	struct usbdevfs_urb wanted = { 0 };
	uint64_t user_address = raw_argument(client);
	UMockdevIoctlData *data = fetch(client, &wanted, sizeof(wanted));
	bool control = wanted.type == USBDEVFS_URB_TYPE_CONTROL;
	if (!data || wanted.buffer_length < (control ? 8 : 0) ||
		wanted.type == USBDEVFS_URB_TYPE_ISO)
		return answer(client, EINVAL);
	size_t length = (size_t)wanted.buffer_length;
	struct usbfs_request *request = new_request(node, client, data, length);
	attach_buffer(request, offsetof(struct usbdevfs_urb, buffer), length);
	request->user_address = user_address;
	request->urb.endpoint = control ? 0 : wanted.endpoint;
	request->urb.zero_packet = wanted.flags & USBDEVFS_URB_ZERO_PACKET;
	if (control) {
		struct payload *payload = request->payload;
		payload->head = sizeof(request->urb.setup);
		memcpy(request->urb.setup, request->stage, payload->head);
		request->urb.data += payload->head;
		request->urb.length -= payload->head;
	}
	submit(request);
}

static void on_reap(Node *node, UMockdevIoctlClient *client)
{
	struct usbfs_request *request = usbfs_reap(&node->side->usbfs, client);
	if (!request)
		return answer(client, is_there(node) ? EAGAIN : ENODEV);
	struct urb *urb = &request->urb;
	struct payload *payload = request->payload;
	gint32 status = urb->status == -ECONNRESET ? -ENOENT : urb->status;
	gint32 transferred = (gint32)urb->transferred;
	umockdev_ioctl_data_update(payload->data, offsetof(struct usbdevfs_urb, status),
		(guint8 *)&status, sizeof(status));
	umockdev_ioctl_data_update(payload->data, offsetof(struct usbdevfs_urb, actual_length),
		(guint8 *)&transferred, sizeof(transferred));
	if (goes_in(urb) && transferred && payload->buffer)
		umockdev_ioctl_data_update(payload->buffer, payload->head, urb->data, transferred);
	UMockdevIoctlData *pointer = umockdev_ioctl_data_resolve(
		umockdev_ioctl_client_get_arg(client), 0, sizeof(void *), NULL);
	if (pointer) {
		umockdev_ioctl_data_set_ptr(pointer, 0, payload->data);
		umockdev_ioctl_data_unref(pointer);
	}
	answer(client, pointer ? 0 : EFAULT);
	usbfs_request_free(request);
}

static void on_control(Node *node, UMockdevIoctlClient *client)
{
	struct usbdevfs_ctrltransfer wanted = { 0 };
	UMockdevIoctlData *data = fetch(client, &wanted, sizeof(wanted));
	if (!data)
		return answer(client, EFAULT);
	struct usbfs_request *request = new_request(node, client, data, wanted.wLength);
	attach_buffer(request, offsetof(struct usbdevfs_ctrltransfer, data), wanted.wLength);
	request->is_synchronous = true;
	memcpy(request->urb.setup, &wanted, sizeof(request->urb.setup));
	if (wanted.timeout)
		request->deadline = station_now() + wanted.timeout * NSEC_PER_MSEC;
	submit(request);
}

static unsigned fetch_number(UMockdevIoctlClient *client)
{
	unsigned number = UINT32_MAX;
	UMockdevIoctlData *data = fetch(client, &number, sizeof(number));
	if (data)
		umockdev_ioctl_data_unref(data);
	return number;
}

static void on_clear_halt(Node *node, UMockdevIoctlClient *client)
{
	uint8_t endpoint = (uint8_t)fetch_number(client);
	struct usbfs_request *request = new_request(node, client, NULL, 0);
	request->is_synchronous = true;
	request->clears = endpoint;
	request->urb.setup[0] = USB_RECIP_ENDPOINT;
	request->urb.setup[1] = USB_REQ_CLEAR_FEATURE;
	request->urb.setup[4] = endpoint;
	request->deadline = station_now() + NSEC_PER_SEC;
	submit(request);
}

static void on_reset(Node *node, UMockdevIoctlClient *client)
{
	int error = usbfs_reset(&node->side->usbfs, client);
	if (error < 0)
		return answer(client, -error);
	g_object_ref(client);
}

static void on_reset_ended(void *client, int error)
{
	answer(client, -error);
	g_object_unref(client);
}

static void on_claim(Node *node, UMockdevIoctlClient *client)
{
	answer(client, -usbfs_claim(&node->side->usbfs, client, fetch_number(client)));
}

static void on_get_driver(Node *node, UMockdevIoctlClient *client)
{
	struct usbdevfs_getdriver driver = { 0 };
	UMockdevIoctlData *data = fetch(client, &driver, sizeof(driver));
	bool bound = data && usbfs_is_storage(&node->side->usbfs, driver.interface);
	if (bound) {
		strcpy(driver.driver, "usb-storage");
		umockdev_ioctl_data_update(data, 0, (guint8 *)&driver, sizeof(driver));
	}
	answer(client, bound ? 0 : ENODATA);
	if (data)
		umockdev_ioctl_data_unref(data);
}

static void give(UMockdevIoctlClient *client, void *bytes, size_t length)
{
	UMockdevIoctlData *data =
		umockdev_ioctl_data_resolve(umockdev_ioctl_client_get_arg(client), 0, length, NULL);
	if (!data)
		return answer(client, EFAULT);
	umockdev_ioctl_data_update(data, 0, bytes, (gint)length);
	umockdev_ioctl_data_unref(data);
	answer(client, 0);
}

static void on_connect_info(Node *node, UMockdevIoctlClient *client)
{
	struct usbdevfs_connectinfo info = { .devnum = node->side->usbfs.port.device };
	give(client, &info, sizeof(info));
}

static void dispatch(Node *node, UMockdevIoctlClient *client)
{
	guint32 capabilities = USBDEVFS_CAP_ZERO_PACKET | USBDEVFS_CAP_NO_PACKET_SIZE_LIM |
			       USBDEVFS_CAP_REAP_AFTER_DISCONNECT;
	gulong request = umockdev_ioctl_client_get_request(client);
	if (request == USBDEVFS_REAPURBNDELAY || request == USBDEVFS_REAPURB)
		return on_reap(node, client);
	if (request == USBDEVFS_DISCARDURB)
		return answer(
			client, -usbfs_discard(&node->side->usbfs, client, raw_argument(client)));
	if (!is_there(node))
		return answer(client, ENODEV);
	switch (request) {
	case USBDEVFS_SUBMITURB:
		return on_submit(node, client);
	case USBDEVFS_CONTROL:
		return on_control(node, client);
	case USBDEVFS_CLEAR_HALT:
		return on_clear_halt(node, client);
	case USBDEVFS_RESET:
		return on_reset(node, client);
	case USBDEVFS_CLAIMINTERFACE:
		return on_claim(node, client);
	case USBDEVFS_RELEASEINTERFACE:
		usbfs_release(&node->side->usbfs, client, fetch_number(client));
		return answer(client, 0);
	case USBDEVFS_GETDRIVER:
		return on_get_driver(node, client);
	case USBDEVFS_GET_CAPABILITIES:
		return give(client, &capabilities, sizeof(capabilities));
	case USBDEVFS_CONNECTINFO:
		return on_connect_info(node, client);
	case USBDEVFS_GET_SPEED:
		return umockdev_ioctl_client_complete(client, USB_SPEED_FULL, 0);
	case USBDEVFS_IOCTL:
		return answer(client, ENODATA);
	}
	answer(client, ENOTTY);
}

static gboolean on_ioctl(UMockdevIoctlBase *base, UMockdevIoctlClient *client)
{
	Node *node = (Node *)base;
	struct station *station = node->side->bench->station;
	station_lock(station);
	hub_port_run(&node->side->usbfs.port, station_now());
	dispatch(node, client);
	hub_port_run(&node->side->usbfs.port, station_now());
	station_unlock(station);
	station_kick(station);
	return TRUE;
}

static void on_vanished(UMockdevIoctlBase *base, UMockdevIoctlClient *client)
{
	Node *node = (Node *)base;
	struct side *side = node->side;
	station_lock(side->bench->station);
	usbfs_client_left(&side->usbfs, client);
	station_unlock(side->bench->station);
}

static void node_class_init(NodeClass *class)
{
	class->base.handle_ioctl = on_ioctl;
	class->base.client_vanished = on_vanished;
}

static void node_init(Node *node)
{
	node->side = NULL;
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
	if (!present)
		usbfs_device_left(&side->usbfs);
	announcement->side = side;
	if (present) {
		announcement->arrival = port->arrival;
		announcement->text = udev_record(port, side->syspath, side->place->name);
		snprintf(side->node, sizeof(side->node), "/dev/bus/usb/%03u/%03u", UDEV_RECORD_BUS,
			port->device);
	}
	memcpy(announcement->node, side->node, sizeof(side->node));
	*bench->announcements_tail = announcement;
	bench->announcements_tail = &announcement->next;
	station_tell(side->place, port->controller.clock, present ? "enumerated" : "disconnected");
	station_kick(bench->station);
}

/* umockdev aborts at a uevent that a listener has no room for. */
static void wait_for_listeners(struct bench *bench)
{
	g_autofree char *root = umockdev_testbed_get_root_dir(bench->testbed);
	listeners_wait(root);
}

static void send_uevent(struct bench *bench, const char *syspath, const char *action)
{
	wait_for_listeners(bench);
	umockdev_testbed_uevent(bench->testbed, syspath, action);
}

/* The handler comes first: adding the device sends its uevent, and whoever hears it may open the
 * node at once. */
static void announce_arrival(struct bench *bench, const struct announcement *announcement)
{
	struct side *side = announcement->side;
	Node *node = g_object_new(node_get_type(), NULL);
	node->side = side;
	node->arrival = announcement->arrival;
	wait_for_listeners(bench);
	if (!umockdev_testbed_attach_ioctl(
		    bench->testbed, announcement->node, (UMockdevIoctlBase *)node, NULL) ||
		!umockdev_testbed_add_from_string(bench->testbed, announcement->text, NULL))
		fprintf(stderr, "bench-umockdev: %s cannot be added\n", side->syspath);
	g_object_unref(node);
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
		announcement->side->is_shown = announcement->present;
		station_unlock(station);
		station_kick(station); /* somebody may wait for it */
		free(announcement->text);
		free(announcement);
		announcement = next;
	}
}

static int add_place(struct station_place *place)
{
	struct bench *bench = station_context(place->station);
	struct side *side = place->side;
	if (strspn(place->name, "0123456789.") != strlen(place->name))
		return -EINVAL;
	if (side) {
		hub_port_swap(&side->usbfs.port, rp2040_core(place->board));
		return 0;
	}
	side = calloc(1, sizeof(*side));
	if (!side || asprintf(&side->syspath, "%s%s", UDEV_RECORD_SYSPATH, place->name) < 0)
		abort();
	side->bench = bench;
	side->place = place;
	side->usbfs.on_ended = on_ended;
	side->usbfs.on_reset_ended = on_reset_ended;
	side->usbfs.free_payload = free_payload;
	hub_port_init(&side->usbfs.port, &bench->hub, rp2040_core(place->board), station_now());
	side->usbfs.port.on_change = on_change;
	side->usbfs.port.context = side;
	place->side = side;
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
	return usbfs_run(&side->usbfs, now);
}

static bool describe_place(struct station_place *place, FILE *json)
{
	struct side *side = place->side;
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
	bench.testbed = umockdev_testbed_new();
	int error = serve(&bench, argv[1], argc > 3 ? argv + 3 : argv + argc);
	if (error < 0)
		fprintf(stderr, "bench-umockdev: %s\n", strerror(-error));
	/* Threads of umockdev may still use stations and sides: the process ends with them. */
	unlink(argv[1]);
	g_object_unref(bench.testbed);
	return error < 0 ? 1 : bench.exit_status;
}
