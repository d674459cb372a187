/* SPDX-License-Identifier: MIT */
/* The klipper backend: opening, looking, asking for the boot loader; see klipper.h. */
#include <errno.h>
#include <string.h>

#include "backend/can_reach.h"
#include "backend/klipper.h"
#include "backend/klipper_look.h"
#include "backend/uart_recognise.h"
#include "backend/touch.h"
#include "backend/visit.h"
#include "port/serial.h"

#define USB_BAUD  115200 /* means nothing there */
#define CALL_MSEC 500 /* it resets at once */
/* For a node that was just told to start: Katapult takes a tenth of a second, and its half second
 * for a double press of reset. */
#define NODE_MSEC 3000
#define HOLDERS   "Klipper's host"

struct backend_session {
	struct visit visit;
	struct serial *serial; /* of a port, */
	struct can_reach *node; /* or on a bus, also on the one that it is the adapter for */
	struct klipper_wire wire;
	bool is_line; /* not a port of the board's own */
};

/* ---- failing ----------------------------------------------------------------------------- */

static int fail_wire(struct backend_session *session, int error, const char *doing)
{
	struct visit *visit = &session->visit;
	if (session->node && visit->failure->code == REASON_NONE &&
		can_reach_fail(visit, error, session->node->interface.name) < 0)
		return error;
	if (visit_fail_wire(visit, error, doing) < 0)
		return error;
	switch (error) {
	case -ESTALE:
	case -ETIMEDOUT:
		return visit_fail(visit, error, REASON_BOARD_SILENT,
			"the board does not answer as Klipper does while %s; %s. Unplug it and plug it "
			"in again",
			doing, visit_changes_nothing(session));
	case -EBADMSG:
		return visit_fail(visit, error, REASON_BOARD_ERROR,
			"what the board hands out as its dictionary is none; %s. Its firmware is "
			"damaged, or no Klipper",
			visit_changes_nothing(session));
	default:
		return visit_fail(visit, error, REASON_BOARD_ERROR,
			"the board failed while %s (%s); %s. Unplug it and plug it in again", doing,
			strerror(-error), visit_changes_nothing(session));
	}
}

static int fail_open(
	struct backend_session *session, int error, const struct board_address *address)
{
	struct visit *visit = &session->visit;
	if (error == -EBUSY)
		return visit_fail(visit, error, REASON_BOARD_BUSY,
			HOLDERS " holds the board's serial port, or another program does; stop it "
				"(systemctl stop klipper) and plug the board in again");
	int r = visit_fail_open_port(visit, error, address, HOLDERS);
	return r < 0 ? r : fail_wire(session, error, "opening it");
}

/* ---- opening ----------------------------------------------------------------------------- */

static struct backend_session *klipper_close(struct backend_session *session)
{
	if (!session)
		return NULL;
	serial_close(session->serial);
	can_reach_close(session->node);
	free(session);
	return NULL;
}
DEFINE_CLEANUP(struct backend_session *, klipper_close)

static int fail_recognised(struct backend_session *session, enum uart_speaker speaker)
{
	struct visit *visit = &session->visit;
	if (speaker == UART_KATAPULT)
		return visit_fail(visit, -EPROTO, REASON_BOARD_ERROR,
			"the board is in Katapult and does not run Klipper now; reset it, or flash it");
	return visit_fail(visit, -ESTALE, REASON_BOARD_SILENT,
		"no Klipper answers on the line; is the board on, and is this its port and its rate?");
}

/* A line says nothing of who is at its end; but nobody puts a boot loader into a process. */
static int recognise(struct backend_session *session, const struct board_address *address)
{
	enum uart_speaker speaker;
	if (!session->is_line || strncmp(address->tty, "/dev/pts/", 9) == 0)
		return 0;
	int r = uart_recognise(session->wire.stream, &speaker);
	if (r < 0 || speaker == UART_KLIPPER)
		return r;
	return fail_recognised(session, speaker);
}

static int recognise_node(struct backend_session *session)
{
	struct visit *visit = &session->visit;
	const char *interface = session->node->interface.name;
	enum can_speaker speaker;
	int r = can_reach_recognise(session->node, CAN_SPEAKER_KLIPPER, NODE_MSEC, &speaker);
	if (r < 0 || speaker == CAN_SPEAKER_KLIPPER)
		return r;
	if (speaker == CAN_SPEAKER_KATAPULT)
		return visit_fail(visit, -EPROTO, REASON_BOARD_ERROR,
			"node %s on %s is in Katapult and does not run Klipper now; reset it, or flash "
			"it",
			session->node->uuid, interface);
	return visit_fail(visit, -ESTALE, REASON_BOARD_SILENT,
		"no Klipper answers as node %s on %s; is the board on, and are its CAN wires in "
		"place? \"plugflash can %s\" shows who is there",
		session->node->uuid, interface, interface);
}

static int open_node(struct backend_session *session, const struct board_address *address)
{
	char interface[CAN_NAME_TEXT] = "of its own";
	int r = can_reach_interface(address, interface);
	if (r == 0)
		r = can_reach_open(address, &session->node);
	if (r < 0)
		return can_reach_fail(&session->visit, r, interface) < 0
			       ? r
			       : fail_wire(session, r, "opening it");
	r = recognise_node(session);
	session->wire.stream = &session->node->klipper.stream;
	return r < 0 ? fail_wire(session, r, "opening it") : 0;
}

/* That DTR rises resets none that is Klipper's own USB port. */
static int open_port(struct backend_session *session, const struct board_address *address)
{
	const struct serial_address tty = {
		.usb_syspath = address->usb.syspath,
		.usb_arrival = address->usb.arrival,
		.node = address->tty,
	};
	session->is_line = !address->usb.syspath;
	int r = serial_open(&tty, session->is_line ? address->baud : USB_BAUD, &session->serial);
	if (r < 0)
		return fail_open(session, r, address);
	session->wire.stream = serial_stream(session->serial);
	r = recognise(session, address);
	return r < 0 ? fail_open(session, r, address) : 0;
}

static int open_klipper(const struct board_address *address, const struct backend_watch *watch,
	struct backend_session **ret, struct backend_failure *ret_failure)
{
	*ret_failure = (struct backend_failure){ 0 };
	_cleanup_(klipper_closep) struct backend_session *session = calloc(1, sizeof *session);
	if (!session)
		return -ENOMEM;
	session->visit = (struct visit){
		.watch = watch, .consequence = visit_changes_nothing, .session = session
	};
	visit_enter(&session->visit, ret_failure);
	int r = address->can_uuid ? open_node(session, address) : open_port(session, address);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(session);
	return 0;
}

/* ---- looking ----------------------------------------------------------------------------- */

static int on_bytes(void *context, uint32_t bytes)
{
	return visit_step(context, bytes);
}

static int klipper_probe(struct backend_session *session, struct board_facts *ret,
	struct backend_failure *ret_failure)
{
	struct visit *visit = &session->visit;
	visit_enter(visit, ret_failure);
	_cleanup_(klipper_dictionary_done) struct klipper_dictionary dictionary = { 0 };
	int r = visit_safe_point(visit, PHASE_PROBE, 0, 0);
	if (r == 0)
		r = klipper_identify(&session->wire, on_bytes, visit, &dictionary);
	if (r < 0)
		return fail_wire(session, r, "saying what it runs");
	visit_keep(visit, KEEP_DICTIONARY, 0, (const uint8_t *)dictionary.json, dictionary.length);
	struct board_facts facts = {
		.content = CONTENT_BOOTABLE, /* it runs */
		.running = dictionary.running,
		.reach = dictionary.running.transport,
	};
	if (facts.reach == TRANSPORT_UNKNOWN)
		facts.reach = session->node ? TRANSPORT_CAN : TRANSPORT_USB;
	if (session->node)
		facts.can_bitrate = can_interface_bitrate(&session->node->interface);
	r = klipper_look(&session->wire, &dictionary, &facts);
	if (r < 0)
		return fail_wire(session, r, "reading its flash");
	*ret = facts;
	return 0;
}

/* ---- into the boot loader ---------------------------------------------------------------- */

static int enter_by_touch(struct backend_session *session)
{
	int r = touch(session->serial, USB_BAUD);
	if (r == 0)
		return 0;
	return visit_fail(&session->visit, r < 0 ? r : -EIO, REASON_BOARD_SILENT,
		"the board did not enter its boot loader; %s. Bring it there by its buttons",
		visit_changes_nothing(session));
}

/*
 * Words that are no block: Klipper fails at their check, and then knows them (klipper,
 * src/generic/serial_irq.c). Nothing is answered, and a line does not leave.
 */
static int enter_by_words(struct backend_session *session)
{
	static const char words[] = "\x7e\x20\x1c\x20"
				    "Request Serial Bootloader!!"
				    "\x20\x7e";
	struct stream *stream = session->wire.stream;
	int r = stream_write(stream, words, sizeof(words) - 1, CALL_MSEC);
	if (r == 0)
		r = stream_pause(stream, CALL_MSEC);
	return r < 0 ? fail_wire(session, r, "asking it for its boot loader") : 0;
}

static int enter_by_name(struct backend_session *session)
{
	int r = can_reach_enter(session->node);
	if (r == -ETIMEDOUT)
		return visit_fail(&session->visit, r, REASON_BOARD_SILENT,
			"node %s was asked for its boot loader and its Klipper goes on answering; "
			"nothing on it was changed. Press its reset button twice",
			session->node->uuid);
	return r < 0 ? fail_wire(session, r, "asking it for its boot loader") : 0;
}

static int klipper_enter(struct backend_session *session, struct backend_failure *ret_failure)
{
	visit_enter(&session->visit, ret_failure);
	if (session->node)
		return enter_by_name(session);
	return session->is_line ? enter_by_words(session) : enter_by_touch(session);
}

/* What runs, runs. */
static int klipper_restart(struct backend_session *session, struct backend_failure *ret_failure)
{
	visit_enter(&session->visit, ret_failure);
	return 0;
}

const struct backend klipper_backend = {
	.name = "klipper",
	.mode = MODE_KLIPPER,
	.open = open_klipper,
	.probe = klipper_probe,
	.enter = klipper_enter,
	.restart = klipper_restart,
	.close = klipper_close,
};
