/* SPDX-License-Identifier: MIT */
/* The katapult backend: opening, looking, starting and giving back; see katapult.h. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "backend/katapult.h"
#include "backend/katapult_session.h"
#include "backend/katapult_write.h"
#include "backend/flash_plan.h"
#include "backend/uart_recognise.h"
#include "base/bytes.h"
#include "base/text.h"
#include "model/klipper.h"

#define USB_BAUD 115200 /* means nothing there */
/* What it can hold back of its answers (katapult, src/generic/usb_cdc.c, serial_irq.c,
 * canserial.c).
 */
#define USB_ANSWER_ROOM  192u
#define UART_ANSWER_ROOM 96u
#define CAN_ANSWER_ROOM  96u
/* A program ends where that much of the flash is blank. Klipper's are 30 to 60 KiB. */
#define GAP_BYTES          2048u
#define PROGRAM_MOST_BYTES (256u << 10)
#define LEAVES_MSEC        3000
/* For a node that resets, or takes its half second for a double press of reset. */
#define NODE_MSEC 3000

/* ---- opening ----------------------------------------------------------------------------- */

static struct backend_session *give_back(struct backend_session *session)
{
	if (!session)
		return NULL;
	serial_close(session->serial);
	can_reach_close(session->node);
	free(session->bytes);
	free(session);
	return NULL;
}
DEFINE_CLEANUP(struct backend_session *, give_back)

static int fail_open(
	struct backend_session *session, int error, const struct board_address *address)
{
	int r = visit_fail_open_port(
		&session->visit, error, address, "Klipper, flashtool.py, a terminal");
	return r < 0 ? r : katapult_fail_wire(session, error, "opening it");
}

/* Where an application may begin: with a unit, and behind Katapult itself. */
static bool is_application_start(const struct backend_session *session, uint32_t flash_start)
{
	uint32_t start = session->device.application_start, unit_start, unit_bytes;
	katapult_unit(session->chip, start, &unit_start, &unit_bytes);
	return start > flash_start && start == unit_start;
}

/* Reads nothing behind what every chip of its name has: an address that is not there stops the
 * chip. */
static int make_room(struct backend_session *session)
{
	const struct chip_memory *memory = chip_memory(session->chip);
	if (!session->family || !memory)
		return 0;
	uint32_t start = session->device.application_start;
	uint32_t end = memory->flash.start + memory->flash_size_least;
	if (start >= end || !is_application_start(session, memory->flash.start))
		return 0;
	session->room_bytes = end - start;
	session->bytes = malloc(session->room_bytes);
	return session->bytes ? 0 : -ENOMEM;
}

static int connect(struct backend_session *session)
{
	int r = katapult_connect(&session->wire, &session->device);
	if (r < 0)
		return r;
	session->chip = chip_from_mcu(session->device.mcu);
	session->family = katapult_family(session->chip);
	session->wire.resends_blocks = session->family && session->family->forgives_resends;
	return make_room(session);
}

/* A line says nothing of who is at its end. */
static int recognise(struct backend_session *session)
{
	enum uart_speaker speaker;
	int r = uart_recognise(session->wire.stream, &speaker);
	if (r < 0 || speaker == UART_KATAPULT)
		return r;
	if (speaker == UART_KLIPPER)
		return visit_fail(&session->visit, -EPROTO, REASON_RUNS_APPLICATION,
			"the board runs Klipper and is not in Katapult");
	return visit_fail(&session->visit, -ESTALE, REASON_BOARD_SILENT,
		"nobody answers on the line; is the board on, and is this its port and its rate? A "
		"Katapult that has gone deaf needs a reset");
}

/* ---- on a bus ---------------------------------------------------------------------------- */

static int recognise_node(struct backend_session *session)
{
	enum can_speaker speaker;
	int r = can_reach_recognise(session->node, CAN_SPEAKER_KATAPULT, NODE_MSEC, &speaker);
	if (r < 0 || speaker == CAN_SPEAKER_KATAPULT)
		return r;
	if (speaker == CAN_SPEAKER_KLIPPER)
		return visit_fail(&session->visit, -EPROTO, REASON_RUNS_APPLICATION,
			"the board runs Klipper and is not in Katapult");
	return visit_fail(&session->visit, -ESTALE, REASON_BOARD_SILENT,
		"node %s does not answer on %s; is the board on, and are its CAN wires in place? A "
		"Katapult that has gone deaf needs a reset; \"plugflash can %s\" shows who else is "
		"there",
		session->node->uuid, session->node->interface.name, session->node->interface.name);
}

/* It was given its number by its name; but what would be written to another is worth asking. */
static int require_name(struct backend_session *session)
{
	char uuid[CAN_UUID_TEXT];
	TRY(katapult_canbus_id(&session->wire, uuid));
	if (text_equal(uuid, session->node->uuid))
		return 0;
	return visit_fail(&session->visit, -EPROTO, REASON_BOARD_CHANGED,
		"node %s was called and %s answers; nothing was written. Two boards have the same "
		"number on the bus: take the power from all boards once",
		session->node->uuid, uuid);
}

static int open_node(struct backend_session *session, const struct board_address *address)
{
	session->reach = TRANSPORT_CAN;
	session->wire.answer_room = CAN_ANSWER_ROOM;
	session->wire.is_awake = true;
	int r = can_reach_open(address, &session->node);
	if (r < 0)
		return can_reach_fail(&session->visit, r, address->can) < 0
			       ? r
			       : katapult_fail_wire(session, r, "opening it");
	session->wire.stream = &session->node->katapult.stream;
	r = recognise_node(session);
	if (r == 0)
		r = connect(session);
	if (r == 0)
		r = require_name(session);
	return r < 0 ? katapult_fail_wire(session, r, "opening it") : 0;
}

/* ---- opening it -------------------------------------------------------------------------- */

static int open_port(struct backend_session *session, const struct board_address *address)
{
	bool is_usb = address->usb.syspath;
	session->reach = is_usb ? TRANSPORT_USB : TRANSPORT_UART;
	session->wire.answer_room = is_usb ? USB_ANSWER_ROOM : UART_ANSWER_ROOM;
	const struct serial_address tty = {
		.usb_syspath = address->usb.syspath,
		.usb_arrival = address->usb.arrival,
		.node = address->tty,
	};
	int r = serial_open(&tty, is_usb ? USB_BAUD : address->baud, &session->serial);
	if (r < 0)
		return fail_open(session, r, address);
	session->wire.stream = serial_stream(session->serial);
	if (!is_usb)
		r = recognise(session);
	if (r == 0)
		r = connect(session);
	return r < 0 ? katapult_fail_wire(session, r, "opening it") : 0;
}

static int open_katapult(const struct board_address *address, const struct backend_watch *watch,
	struct backend_session **ret, struct backend_failure *ret_failure)
{
	*ret_failure = (struct backend_failure){ 0 };
	_cleanup_(give_backp) struct backend_session *session = calloc(1, sizeof *session);
	if (!session)
		return -ENOMEM;
	session->visit = (struct visit){
		.watch = watch, .consequence = katapult_consequence, .session = session
	};
	visit_enter(&session->visit, ret_failure);
	int r = address->can ? open_node(session, address) : open_port(session, address);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(session);
	return 0;
}

/* ---- looking ----------------------------------------------------------------------------- */

/* Behind a block that was read: has the program ended, or does it go on for too long? */
static bool is_program_read(struct backend_session *session)
{
	uint32_t block = session->device.block_bytes;
	bool is_blank = flash_is_blank(session->bytes + session->known_bytes - block, block);
	session->gap_bytes = is_blank ? session->gap_bytes + block : 0;
	return session->gap_bytes >= GAP_BYTES || session->known_bytes >= PROGRAM_MOST_BYTES;
}

/* All of the program was read, and not only what every chip of this name has flash for. */
static bool is_whole(const struct backend_session *session)
{
	const struct chip_range *flash = &chip_memory(session->chip)->flash;
	bool is_end = session->device.application_start + session->known_bytes == flash->end;
	return session->gap_bytes >= GAP_BYTES || is_end;
}

/* Without the blank bytes behind it. */
static uint32_t program_bytes(const struct backend_session *session)
{
	uint32_t length = session->known_bytes, block = session->device.block_bytes;
	while (length > block && flash_is_blank(session->bytes + length - block, block))
		length -= block;
	return length;
}

/* What it runs, as far as its dictionary says so; and the program itself, for keeping. */
static int find_running(struct backend_session *session, struct board_facts *facts)
{
	TRY(katapult_know(session, session->room_bytes, is_program_read));
	if (is_whole(session))
		visit_keep(&session->visit, KEEP_FIRMWARE, session->device.application_start,
			session->bytes, program_bytes(session));
	_cleanup_(klipper_done) struct klipper klipper = { 0 };
	int r = klipper_find(session->bytes, session->known_bytes, &klipper);
	if (r == 0)
		facts->running = klipper_running(&klipper);
	return r == -ENOMEM ? r : 0;
}

static int look(struct backend_session *session, struct board_facts *facts)
{
	if (session->room_bytes == 0)
		return 0;
	int r = katapult_know(session, session->device.block_bytes, NULL);
	if (r < 0)
		return r;
	uint32_t first = read_u32(session->bytes);
	session->has_start = first != 0 && first != UINT32_MAX;
	facts->content = first == UINT32_MAX  ? CONTENT_BLANK
			 : session->has_start ? CONTENT_BOOTABLE
					      : CONTENT_UNBOOTABLE;
	return session->has_start ? find_running(session, facts) : 0;
}

static int katapult_probe(struct backend_session *session, struct board_facts *ret,
	struct backend_failure *ret_failure)
{
	visit_enter(&session->visit, ret_failure);
	struct board_facts facts = {
		.chip = session->chip,
		.bootloader = BOOTLOADER_KATAPULT,
		.bootloader_end = session->device.application_start,
		.has_application_start = true,
		.application_start = session->device.application_start,
		.reach = session->reach,
		.can_bitrate = session->node ? can_interface_bitrate(&session->node->interface) : 0,
	};
	int r = look(session, &facts);
	if (r < 0)
		return katapult_fail_wire(session, r, "reading its flash");
	*ret = facts;
	return 0;
}

/* ---- writing, starting, giving back ------------------------------------------------------ */

static int katapult_write(struct backend_session *session, const struct backend_write *write,
	struct job_tally *ret_tally, struct backend_failure *ret_failure)
{
	visit_enter(&session->visit, ret_failure);
	if (!session->family)
		return visit_fail(&session->visit, -EINVAL, REASON_CHIP_UNKNOWN,
			"Katapult runs on a chip that plugflash does not know (%s); flash the board "
			"by hand",
			session->device.mcu);
	if (session->room_bytes == 0)
		return visit_fail(&session->visit, -EINVAL, REASON_BOARD_ERROR,
			"Katapult says that its application starts at 0x%08" PRIx32
			", where none can on an %s; nothing was written. Install another Katapult",
			session->device.application_start, session->device.mcu);
	return katapult_write_image(session, write, ret_tally);
}

/* It jumps into whatever is there, so only what was verified, or was there before, is started. */
static int katapult_restart(struct backend_session *session, struct backend_failure *ret_failure)
{
	visit_enter(&session->visit, ret_failure);
	if (!session->has_start || session->may_start)
		return visit_fail(&session->visit, -EINVAL, REASON_NO_APPLICATION,
			"there is nothing in its flash that it could start");
	int r = katapult_complete(&session->wire);
	/* A UART stays where it is: there the answer is all that can be known. */
	bool is_usb = session->reach == TRANSPORT_USB;
	if (is_usb && (r == 0 || r == -ESTALE))
		r = stream_pause(session->wire.stream, LEAVES_MSEC);
	session->is_restarted = r == (is_usb ? -ENODEV : 0);
	if (session->is_restarted)
		return 0;
	if (!is_usb && r == -ESTALE)
		return visit_fail(&session->visit, r, REASON_BOARD_SILENT,
			"the board did not say whether it starts its application; if that does not "
			"run, press its reset button");
	return visit_fail(&session->visit, r < 0 ? r : -EIO, REASON_BOARD_SILENT,
		"the board stays in Katapult though it was told to start its application; press its "
		"reset button");
}

static struct backend_session *katapult_close(struct backend_session *session)
{
	return give_back(session);
}

const struct backend katapult_backend = {
	.name = "katapult",
	.mode = MODE_KATAPULT,
	.open = open_katapult,
	.probe = katapult_probe,
	.write = katapult_write,
	.restart = katapult_restart,
	.close = katapult_close,
};
