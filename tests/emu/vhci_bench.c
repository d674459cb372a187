/* SPDX-License-Identifier: MIT */
/*
 * bench-vhci SOCKET: emulated boards for a real kernel, by the USB/IP words that vhci_hcd speaks
 * over a socket. A place is a port of the first virtual hub, 1 to 15, as in its ID_PATH; or a node
 * of a CAN bus, "vcan0:NAME" or, behind the adapter on port 1, "1:NAME". Needs root and the module;
 * no usbip tool and no network.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "emu/controller.h"
#include "emu/gs_usb_chip.h"
#include "emu/station.h"
#include "emu/tty.h"
#include "emu/vcan.h"

#define VHCI             "/sys/devices/platform/vhci_hcd.0"
#define PORTS            15
#define SPEED_FULL       2
#define STATUS_FREE      4 /* of a port, as the status file has it */
#define PULLED_NSEC      (100 * NSEC_PER_MSEC)
#define RETRY_NSEC       (20 * NSEC_PER_MSEC)
#define TRANSFER_BYTES   (4u << 20)
#define FLAG_SHORT_WRONG 0x0001
#define FLAG_ZERO_PACKET 0x0040
#define UNLINKED         (-ECONNRESET)

enum {
	SUBMIT = 1,
	UNLINK = 2,
	SUBMITTED = 3,
	UNLINK_DONE = 4,
};

/* Big endian on the wire. */
struct header {
	uint32_t command, sequence, device, direction, endpoint;
	union {
		struct {
			uint32_t flags, length, start_frame, packets, interval;
			uint8_t setup[8];
		} submit;
		struct {
			uint32_t status, length, start_frame, packets, errors;
		} submitted;
		uint32_t unlink_sequence;
		uint32_t unlink_status;
		uint8_t all[28];
	};
};
_Static_assert(sizeof(struct header) == 48, "USB/IP header");

enum port_state {
	PORT_EMPTY,
	PORT_ATTACHED,
	PORT_PULLED, /* the board is off the bus, the kernel is about to find out */
};

struct side;

struct request {
	struct urb urb; /* first */
	struct side *side;
	struct request *next;
	uint32_t sequence, unlink_sequence;
	uint32_t flags;
	uint8_t data[];
};

struct side {
	struct station_place *place;
	unsigned port; /* from 0, as vhci counts */
	enum port_state state;
	uint64_t due; /* of the next attempt to attach, or of the end of PORT_PULLED */
	struct controller controller;
	struct station_watch watch;
	struct request *requests;
	uint8_t *input;
	size_t filled;
	bool is_uart; /* and no port */
	bool is_node; /* of a CAN interface, behind the watch, or of an adapter's bus: */
	struct resident *on_cable;
	struct tty tty;
	char node[TTY_PATH_BYTES];
};

/* --- towards the kernel --- */

static void send_all(struct side *side, const void *bytes, size_t length)
{
	for (const uint8_t *at = bytes; length;) {
		ssize_t sent = send(side->watch.fd, at, length, MSG_NOSIGNAL);
		if (sent <= 0)
			return; /* the kernel has let go; reading will say so */
		at += sent;
		length -= (size_t)sent;
	}
}

static void send_submitted(struct request *request)
{
	struct urb *urb = &request->urb;
	bool in = (urb->endpoint ? urb->endpoint : urb->setup[0]) & ENDPOINT_TOWARDS_US;
	int status = urb->status;
	if (in && !status && request->flags & FLAG_SHORT_WRONG && urb->transferred < urb->length)
		status = -EREMOTEIO;
	struct header header = {
		.command = htonl(SUBMITTED),
		.sequence = htonl(request->sequence),
		.submitted.status = htonl((uint32_t)status),
		.submitted.length = htonl((uint32_t)urb->transferred),
	};
	send_all(request->side, &header, sizeof(header));
	if (in)
		send_all(request->side, urb->data, urb->transferred);
}

static void send_unlinked(struct side *side, uint32_t sequence, int status)
{
	struct header header = {
		.command = htonl(UNLINK_DONE),
		.sequence = htonl(sequence),
		.unlink_status = htonl((uint32_t)status),
	};
	send_all(side, &header, sizeof(header));
}

static void free_request(struct request *request)
{
	struct request **place = &request->side->requests;
	while (*place != request)
		place = &(*place)->next;
	*place = request->next;
	free(request);
}

static void on_done(struct urb *urb)
{
	struct request *request = (struct request *)urb;
	struct side *side = request->side;
	if (side->watch.fd >= 0) {
		if (urb->status != UNLINKED)
			send_submitted(request);
		if (request->unlink_sequence)
			send_unlinked(side, request->unlink_sequence,
				urb->status == UNLINKED ? UNLINKED : 0);
	}
	free_request(request);
}

/* --- from the kernel --- */

/* A port reset is not among the words of USB/IP. A kernel asks for 64 bytes of a device descriptor
 * only after one. */
static void note_port_reset(struct side *side, const uint8_t setup[8])
{
	static const uint8_t after_reset[8] = { 0x80, 6, 0, 1, 0, 0, 64, 0 };
	struct controller *controller = &side->controller;
	if (memcmp(setup, after_reset, sizeof(after_reset)) != 0)
		return;
	controller->core->operations->bus_reset(controller->core, controller->clock);
	controller_reset_toggles(controller);
}

static void on_submit(struct side *side, const struct header *header, const uint8_t *data)
{
	size_t length = ntohl(header->submit.length);
	struct request *request =
		calloc(1, sizeof(*request) + (length < PACKET_BYTES ? PACKET_BYTES : length));
	if (!request)
		abort();
	uint8_t number = (uint8_t)(ntohl(header->endpoint) & 15);
	bool in = ntohl(header->direction);
	request->side = side;
	request->sequence = ntohl(header->sequence);
	request->flags = ntohl(header->submit.flags);
	request->urb.endpoint = (uint8_t)(number && in ? number | ENDPOINT_TOWARDS_US : number);
	request->urb.data = request->data;
	request->urb.length = length;
	request->urb.zero_packet = request->flags & FLAG_ZERO_PACKET;
	request->urb.on_done = on_done;
	memcpy(request->urb.setup, header->submit.setup, sizeof(request->urb.setup));
	if (!in)
		memcpy(request->data, data, length);
	if (!number)
		note_port_reset(side, request->urb.setup);
	request->next = side->requests;
	side->requests = request;
	if (controller_submit(&side->controller, &request->urb) < 0)
		free_request(request);
}

static void on_unlink(struct side *side, const struct header *header)
{
	uint32_t victim = ntohl(header->unlink_sequence);
	for (struct request *request = side->requests; request; request = request->next) {
		if (request->sequence != victim)
			continue;
		request->unlink_sequence = ntohl(header->sequence);
		return controller_unlink(&side->controller, &request->urb);
	}
	send_unlinked(side, ntohl(header->sequence), 0);
}

/* Returns how many bytes of the input were used, 0 when it does not hold a whole message yet. */
static size_t take_message(struct side *side, size_t from)
{
	struct header header;
	size_t left = side->filled - from, data = 0;
	if (left < sizeof(header))
		return 0;
	memcpy(&header, side->input + from, sizeof(header));
	bool submit = ntohl(header.command) == SUBMIT;
	if (submit && !ntohl(header.direction))
		data = ntohl(header.submit.length);
	if (left < sizeof(header) + data)
		return 0;
	if (submit)
		on_submit(side, &header, side->input + from + sizeof(header));
	else
		on_unlink(side, &header);
	return sizeof(header) + data;
}

static void hang_up(struct side *side)
{
	struct station *station = side->place->station;
	if (side->watch.fd < 0)
		return;
	station_unwatch(station, &side->watch);
	shutdown(side->watch.fd, SHUT_RDWR);
	side->watch.fd = safe_close(side->watch.fd);
	controller_flush(&side->controller, -ESHUTDOWN);
	side->filled = 0;
	side->state = PORT_EMPTY;
	side->due = station_now();
}

static void on_readable(void *context, uint32_t events)
{
	struct side *side = context;
	struct station *station = side->place->station;
	(void)events;
	station_lock(station);
	ssize_t got = side->watch.fd < 0 ? -1
					 : recv(side->watch.fd, side->input + side->filled,
						   TRANSFER_BYTES - side->filled, MSG_DONTWAIT);
	if (got == 0 || (got < 0 && side->watch.fd >= 0 && errno != EAGAIN)) {
		hang_up(side);
	} else if (got > 0) {
		controller_run(&side->controller, station_now());
		side->filled += (size_t)got;
		size_t used = 0, taken;
		while ((taken = take_message(side, used)))
			used += taken;
		side->filled -= used;
		memmove(side->input, side->input + used, side->filled);
	}
	station_unlock(station);
}

/* --- the port --- */

static bool port_is_free(unsigned port)
{
	char line[256], hub[8];
	unsigned number, status;
	_cleanup_(fclosep) FILE *file = fopen(VHCI "/status", "re");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "%7s %u %u", hub, &number, &status) == 3 && !strcmp(hub, "hs") &&
			number == port)
			return status == STATUS_FREE;
	return false;
}

static int attach(struct side *side)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	_cleanup_(closep) int ours = pair[0];
	_cleanup_(closep) int theirs = pair[1];
	_cleanup_(closep) int file = open(VHCI "/attach", O_WRONLY | O_CLOEXEC);
	if (file < 0)
		return -errno;
	char words[64];
	int length = snprintf(words, sizeof(words), "%u %d %u %d", side->port, theirs,
		0x10000u | (side->port + 1), SPEED_FULL);
	if (write(file, words, (size_t)length) != length)
		return -errno;
	side->watch =
		(struct station_watch){ .fd = ours, .on_ready = on_readable, .context = side };
	int error = station_watch(side->place->station, &side->watch);
	if (error < 0) {
		side->watch.fd = -1;
		return error;
	}
	TAKE_FD(ours);
	return 0;
}

/* The kernel lets a port go in its own time; its status file says when. */
static void attach_when_free(struct side *side, uint64_t now)
{
	side->due = now + RETRY_NSEC;
	if (!port_is_free(side->port) || attach(side) < 0)
		return;
	side->state = PORT_ATTACHED;
	side->due = NEVER;
	station_tell(side->place, now, "attached");
}

static struct resident *resident_of(const struct station_place *place)
{
	return place->board->operations->resident(place->board);
}

static void on_frames(void *context, uint32_t events)
{
	struct side *side = context;
	struct station *station = side->place->station;
	(void)events;
	station_lock(station);
	controller_run(&side->controller, station_now());
	vcan_hear(side->watch.fd, resident_of(side->place), station_now());
	station_unlock(station);
}

static uint64_t run_node(struct station_place *place, uint64_t now)
{
	struct side *side = place->side;
	uint64_t next = controller_run(&side->controller, now);
	if (side->on_cable)
		return next;
	vcan_speak(side->watch.fd, resident_of(place), now);
	uint64_t then = controller_run(&side->controller, now);
	return then < next ? then : next;
}

/* Of "1:toolhead" the adapter that is plugged into port 1; NULL: the name says another thing. */
static struct gs_usb_chip *chip_of(const struct station_place *node)
{
	char name[16];
	if (sscanf(node->name, "%15[^:]", name) != 1)
		return NULL;
	struct station_place *adapter = station_find(node->station, name);
	return adapter ? candlelight_board_chip(adapter->board) : NULL;
}

static int watch_interface(struct side *side)
{
	char interface[16];
	if (sscanf(side->place->name, "%15[^:]", interface) != 1)
		return -EINVAL;
	int fd = vcan_open(interface);
	side->watch = (struct station_watch){ .fd = fd, .on_ready = on_frames, .context = side };
	return fd < 0 ? fd : station_watch(side->place->station, &side->watch);
}

/* "vcan0:toolhead", or "1:toolhead" behind an adapter. */
static int add_node(struct station_place *place)
{
	struct resident *resident = resident_of(place);
	struct device_core *core = place->board->operations->core(place->board);
	struct gs_usb_chip *chip = chip_of(place);
	struct side *side = place->side;
	if (!resident || !resident->on_can)
		return -EINVAL;
	if (!side) {
		side = calloc(1, sizeof(*side));
		if (!side)
			return -ENOMEM;
		side->place = place;
		side->is_node = true;
		side->watch.fd = -1;
		int error = chip ? 0 : watch_interface(side);
		if (error < 0) {
			free(side);
			return error;
		}
		controller_init(&side->controller, core, station_now());
		place->side = side;
	}
	side->controller.core = core;
	if (!chip)
		return 0;
	gs_usb_chip_remove(chip, side->on_cable);
	side->on_cable = resident;
	gs_usb_chip_remove(chip, resident);
	return gs_usb_chip_add(chip, core, resident);
}

static uint64_t run_place(struct station_place *place, uint64_t now)
{
	struct side *side = place->side;
	struct device_core *core = side->controller.core;
	uint64_t next = controller_run(&side->controller, now);
	if (side->is_uart) {
		uint64_t tty = tty_run(&side->tty, now);
		next = controller_run(&side->controller, now);
		return tty < next ? tty : next;
	}
	if (side->is_node)
		return run_node(place, now);
	bool attached = core->operations->is_attached(core);
	if (side->state == PORT_ATTACHED && !attached) {
		/* Everything is answered with an error for a while, as by a hub that has not
		 * noticed. Closing at once would leave control requests to their timeouts. */
		side->state = PORT_PULLED;
		side->due = now + PULLED_NSEC;
	}
	if (side->state == PORT_PULLED && side->due <= now && side->requests)
		side->due = now + NSEC_PER_MSEC; /* its answer is on the way */
	if (side->state == PORT_PULLED && side->due <= now)
		hang_up(side);
	if (side->state == PORT_EMPTY && attached && side->due <= now)
		attach_when_free(side, now);
	if (side->state == PORT_EMPTY && !attached)
		return next;
	return side->due < next ? side->due : next;
}

/* No module makes a UART: a pty stands for it. */
static int add_uart(struct station_place *place)
{
	struct emulated_board *board = place->board;
	struct side *side = place->side;
	if (!resident_of(place) || !resident_of(place)->on_uart)
		return -EINVAL;
	if (side) {
		side->controller.core = board->operations->core(board);
		side->tty.resident = board->operations->resident(board);
		return 0;
	}
	side = calloc(1, sizeof(*side));
	if (!side)
		return -ENOMEM;
	int fd = tty_make_pty(side->node);
	if (fd < 0) {
		free(side);
		return fd;
	}
	side->place = place;
	side->is_uart = true;
	side->watch.fd = -1;
	controller_init(&side->controller, board->operations->core(board), station_now());
	tty_init(&side->tty, place->station);
	tty_attach_uart(&side->tty, fd, board->operations->resident(board));
	place->side = side;
	return 0;
}

static int add_place(struct station_place *place)
{
	if (!strncmp(place->name, "tty", 3))
		return add_uart(place);
	if (strchr(place->name, ':'))
		return add_node(place);
	char *end;
	unsigned long port = strtoul(place->name, &end, 10);
	struct side *side = place->side;
	if (*end || port < 1 || port > PORTS)
		return -EINVAL;
	if (side) {
		hang_up(side);
		side->controller.core = place->board->operations->core(place->board);
		return 0;
	}
	side = calloc(1, sizeof(*side));
	if (!side)
		return -ENOMEM;
	side->input = malloc(TRANSFER_BYTES);
	if (!side->input) {
		free(side);
		return -ENOMEM;
	}
	side->place = place;
	side->port = (unsigned)port - 1;
	side->watch.fd = -1;
	controller_init(
		&side->controller, place->board->operations->core(place->board), station_now());
	side->controller.toggles_follow_requests = true;
	place->side = side;
	return 0;
}

/* The port finds out by itself, in run_place(). */
static void remove_place(struct station_place *place)
{
	(void)place;
}

/* The high-speed half of the hub, whatever number its bus has got. */
static unsigned bus_number(void)
{
	glob_t found;
	unsigned lowest = 0, number;
	if (glob(VHCI "/usb*", 0, NULL, &found) != 0)
		return 0;
	for (size_t index = 0; index < found.gl_pathc; index++)
		if (sscanf(found.gl_pathv[index], VHCI "/usb%u", &number) == 1 &&
			(!lowest || number < lowest))
			lowest = number;
	globfree(&found);
	return lowest;
}

static unsigned read_attribute(const char *syspath, const char *name)
{
	char path[160];
	unsigned value = 0;
	snprintf(path, sizeof(path), "%s/%s", syspath, name);
	_cleanup_(fclosep) FILE *file = fopen(path, "re");
	return file && fscanf(file, "%u", &value) == 1 ? value : 0;
}

/* The name of an interface says that it is configured. To read an attribute that takes the device's
 * lock would wait for a kernel that waits for this very program. */
static bool describe_place(struct station_place *place, FILE *json)
{
	struct side *side = place->side;
	if (side->is_node) {
		const uint8_t *uuid = resident_of(place)->can.uuid;
		fprintf(json, ",\"uuid\":\"%02x%02x%02x%02x%02x%02x\"", uuid[0], uuid[1], uuid[2],
			uuid[3], uuid[4], uuid[5]);
		return !place->board->operations->is_off(place->board);
	}
	if (side->is_uart) {
		fprintf(json, ",\"node\":\"%s\"", side->node);
		return !place->board->operations->is_off(place->board);
	}
	char syspath[96], interface[128];
	unsigned bus = bus_number();
	snprintf(syspath, sizeof(syspath), VHCI "/usb%u/%u-%u", bus, bus, side->port + 1);
	snprintf(interface, sizeof(interface), "%s/%u-%u:1.0", syspath, bus, side->port + 1);
	unsigned device = read_attribute(syspath, "devnum");
	fprintf(json,
		",\"syspath\":\"%s\",\"id_path\":\"platform-vhci_hcd.0-usb-0:%u\",\"bus\":%u,"
		"\"device\":%u",
		syspath, side->port + 1, bus, device);
	return device && access(interface, F_OK) == 0;
}

static struct station *the_station;

static void on_signal(int number)
{
	(void)number;
	station_stop(the_station);
}

int main(int argc, char **argv)
{
	const struct station_transport transport = {
		.add = add_place,
		.remove = remove_place,
		.run = run_place,
		.describe = describe_place,
	};
	if (argc != 2) {
		fprintf(stderr, "usage: bench-vhci SOCKET\n");
		return 2;
	}
	_cleanup_(station_freep) struct station *station = NULL;
	int error = station_new(argv[1], &transport, &station);
	if (error >= 0) {
		the_station = station;
		signal(SIGTERM, on_signal);
		signal(SIGINT, on_signal);
		error = station_loop(station);
	}
	if (error < 0)
		fprintf(stderr, "bench-vhci: %s\n", strerror(-error));
	return error < 0;
}
