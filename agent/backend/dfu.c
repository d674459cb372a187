/* SPDX-License-Identifier: MIT */
/*
 * The dfu backend: opening, looking, starting and giving back a board in DFU. What differs between
 * ROMs of ST (DfuSe) and loaders of plain DFU 1.1 is in dfu_write.c and dfu_plain.c.
 */
#include <errno.h>
#include <string.h>

#include "backend/dfu.h"
#include "backend/dfu_look.h"
#include "backend/dfu_plain.h"
#include "backend/dfu_session.h"
#include "backend/dfu_write.h"
#include "base/bytes.h"

#define FLASH_START   0x08000000u
#define VERSION_DFUSE 0x011au
/* After it was told to start its application; a bus that is busy takes its time. */
#define LEAVES_MSEC   2000
#define RESTART_TRIES 2

enum {
	GET_DESCRIPTOR = 6,
	DESCRIPTOR_DEVICE = 1,
	DESCRIPTOR_STRING = 3,
};

#define DEVICE_BYTES    18
#define STRING_BYTES    255
#define ENGLISH         0x0409
#define DESCRIPTOR_MSEC 1000

/* ---- opening ----------------------------------------------------------------------------- */

/* The ids and the version that the device shows. It is the first that it is asked, and it may be
 * inside an erase that another host has begun. */
static int read_device(struct backend_session *session, uint16_t *ret_vid, uint16_t *ret_pid)
{
	uint8_t bytes[DEVICE_BYTES];
	int r = usb_control(session->device, 0x80, GET_DESCRIPTOR, DESCRIPTOR_DEVICE << 8, 0, bytes,
		sizeof bytes, DFU_LIMIT_ERASE_MSEC);
	if (r < 0)
		return r;
	if (r != sizeof bytes)
		return -EPROTO;
	*ret_vid = read_u16(bytes + 8);
	*ret_pid = read_u16(bytes + 10);
	session->looks.device_version = read_u16(bytes + 12);
	return 0;
}

static int find_function(struct backend_session *session)
{
	const uint8_t *configuration;
	size_t length;
	int r = usb_configuration(session->device, &configuration, &length);
	if (r == 0)
		r = dfu_find(configuration, length, &session->wire.function);
	return r;
}

/* Which kind of DFU it speaks: a loader that we know, or a ROM's. */
static int choose_language(struct backend_session *session)
{
	const struct dfu_function *function = &session->wire.function;
	uint16_t vid, pid;
	int r = read_device(session, &vid, &pid);
	if (r < 0)
		return r;
	session->loader = dfu_loader_find(vid, pid);
	if (session->loader && session->loader->alternate < function->alternate_count)
		return usb_set_alternate(
			session->device, function->interface, session->loader->alternate);
	return !session->loader && function->version == VERSION_DFUSE ? 0 : -ENOENT;
}

static int take_interface(struct backend_session *session)
{
	int r = find_function(session);
	if (r == 0)
		r = usb_claim(session->device, session->wire.function.interface);
	if (r == 0)
		r = choose_language(session);
	return r;
}

static int fail_open(struct backend_session *session, int error)
{
	if (visit_fail_open(&session->visit, error, "dfu-util, a flash script") < 0)
		return error;
	if (error == -ENOENT || error == -EPROTO)
		return visit_fail(&session->visit, error, REASON_BOARD_ERROR,
			"the board shows no DFU that plugflash knows; unplug it and plug it in again "
			"while BOOT0 is held, or flash it by hand");
	return dfu_fail_wire(session, error, "opening it");
}

static struct backend_session *give_back(struct backend_session *session)
{
	if (!session)
		return NULL;
	dfu_flash_done(&session->flash);
	usb_close(session->device);
	free(session);
	return NULL;
}
DEFINE_CLEANUP(struct backend_session *, give_back)

static int open_dfu(const struct board_address *address, const struct backend_watch *watch,
	struct backend_session **ret, struct backend_failure *ret_failure)
{
	*ret_failure = (struct backend_failure){ 0 };
	_cleanup_(give_backp) struct backend_session *session = calloc(1, sizeof *session);
	if (!session)
		return -ENOMEM;
	session->visit = (struct visit){
		.watch = watch, .consequence = dfu_consequence, .session = session
	};
	visit_enter(&session->visit, ret_failure);
	session->wire.on_alive = visit_on_alive;
	session->wire.context = &session->visit;

	int r = usb_open(&address->usb, &session->device);
	session->wire.device = session->device;
	if (r == 0)
		r = take_interface(session);
	if (r < 0)
		return fail_open(session, r);
	r = dfu_synchronise(&session->wire);
	if (r < 0)
		r = dfu_repair(session, r, 0);
	if (r < 0)
		return dfu_fail_wire(session, r, "opening it");
	*ret = TAKE_PTR(session);
	return 0;
}

/* ---- looking ----------------------------------------------------------------------------- */

/* A string that cannot be had is an empty one. */
static int read_text(struct backend_session *session, uint8_t index, char ret[DFUSE_TEXT_BYTES])
{
	uint8_t descriptor[STRING_BYTES];
	ret[0] = '\0';
	if (index == 0)
		return 0;
	int r = usb_control(session->device, 0x80, GET_DESCRIPTOR,
		(uint16_t)(DESCRIPTOR_STRING << 8 | index), ENGLISH, descriptor, sizeof descriptor,
		DESCRIPTOR_MSEC);
	if (r == -EPIPE)
		return 0;
	if (r < 0)
		return r;
	/* What is behind the printable part is noise, which the layout's parser tells. */
	if (!dfuse_text(descriptor, (size_t)r, ret) && strlen(ret) + 1 < DFUSE_TEXT_BYTES)
		strcat(ret, "?");
	return 0;
}

/* Strings, layout and chips, once. */
static int read_looks(struct backend_session *session)
{
	struct dfu_looks *looks = &session->looks;
	const struct dfu_function *function = &session->wire.function;
	if (session->has_flash)
		return 0;
	looks->alternate_count = function->alternate_count;
	for (size_t i = 0; i < looks->alternate_count && i < ELEMENTSOF(looks->alternates); i++) {
		int r = read_text(session, function->names[i], looks->alternates[i]);
		if (r < 0)
			return r;
	}
	if (dfuse_layout_parse(looks->alternates[0], &looks->flash) < 0)
		return 0;
	session->chips = dfu_possible_chips(looks);
	if (session->chips == 0)
		return 0;
	int r = dfu_flash_init(&session->flash, &session->wire, &looks->flash, FLASH_START);
	session->has_flash = r == 0;
	session->flash.write_unit_bytes = dfu_write_unit(session->chips);
	session->flash.on_step = dfu_on_step;
	session->flash.context = session;
	return r == -EPROTO ? 0 : r;
}

static void put_memory(const struct backend_session *session, struct board_facts *facts)
{
	const struct dfu_flash *flash = &session->flash;
	facts->flash_size_bytes = flash->size_bytes;
	facts->writable[0] = (struct chip_range){ flash->start, flash->start + flash->size_bytes };
	facts->writable_count = 1;
}

/* Read protection shows when somebody wants to read (AN3156). */
static int look_into_flash(struct backend_session *session, struct board_facts *facts)
{
	int r = dfu_look(session, facts);
	if (r != -EREMOTEIO || session->wire.status != DFU_STATUS_VENDOR)
		return r;
	facts->is_read_protected = true;
	/* Nobody can see what it is, but the chip starts it at every reset. */
	session->has_start = true;
	session->start = session->flash.start;
	return dfu_synchronise(&session->wire);
}

static int look(struct backend_session *session, struct board_facts *ret)
{
	struct board_facts facts = { .reach = TRANSPORT_USB };
	int r = session->loader ? dfu_plain_look(session, &facts) : read_looks(session);
	if (r == 0 && session->has_flash) {
		facts.possible_chips = session->chips;
		put_memory(session, &facts);
		r = look_into_flash(session, &facts);
	}
	if (r == 0)
		*ret = facts;
	return r;
}

static int dfu_probe(struct backend_session *session, struct board_facts *ret,
	struct backend_failure *ret_failure)
{
	visit_enter(&session->visit, ret_failure);
	visit_begin_work(&session->visit);
	for (;;) {
		int r = look(session, ret);
		if (r == 0)
			return 0;
		if (r != session->visit.stop)
			r = dfu_repair(session, r, session->flash.bytes_read);
		if (r < 0)
			return dfu_fail_wire(session, r, "reading its flash");
	}
}

/* ---- writing, starting, giving back ------------------------------------------------------ */

static int dfu_write(struct backend_session *session, const struct backend_write *write,
	struct job_tally *ret_tally, struct backend_failure *ret_failure)
{
	visit_enter(&session->visit, ret_failure);
	int r = visit_check_arrival(&session->visit, session->device);
	if (r < 0)
		return dfu_fail_wire(session, r, "preparing");
	if (session->loader)
		return dfu_plain_write(session, write, ret_tally);
	if (!session->has_flash)
		return visit_fail(&session->visit, -EINVAL, REASON_CHIP_UNKNOWN,
			"the board's boot ROM is none that plugflash knows; flash it by hand");
	return dfu_write_image(session, write, ret_tally);
}

/* A ROM that was told to start something goes by itself; a loader goes when its port is reset, and
 * so does a ROM that hangs on. */
static int leave(struct backend_session *session, bool *was_told)
{
	int r = session->loader ? 0 : dfuse_leave(&session->wire, session->start);
	if (r < 0)
		return r;
	*was_told = true;
	if (!session->loader)
		r = usb_pause(session->device, LEAVES_MSEC);
	if (r == 0)
		r = usb_reset(session->device);
	return r < 0 ? r : usb_pause(session->device, LEAVES_MSEC);
}

/* Leaving is the answer, once it was told to. */
static int dfu_restart(struct backend_session *session, struct backend_failure *ret_failure)
{
	visit_enter(&session->visit, ret_failure);
	if (!session->has_start)
		return visit_fail(&session->visit, -EINVAL, REASON_NO_APPLICATION,
			"there is nothing in its flash that it could start; write something to it first");
	int r = 0;
	bool was_told = false;
	for (unsigned attempt = 0; attempt < RESTART_TRIES && r != -ENODEV; attempt++) {
		r = dfu_recover(session);
		if (r == 0)
			r = leave(session, &was_told);
	}
	session->is_restarted = r == -ENODEV && was_told;
	if (session->is_restarted)
		return 0;
	if (r == -ENODEV)
		return dfu_fail_wire(session, r, "starting its application");
	return visit_fail(&session->visit, r < 0 ? r : -EIO, REASON_BOARD_SILENT,
		"the board stays in DFU though it was told to start its application; take all its "
		"power away, and give it back without BOOT0");
}

/* In dfuIDLE, so that the next program finds it as it was. What this returns does not matter: a
 * board that does not answer gets nothing done by being asked twice. */
static struct backend_session *dfu_close(struct backend_session *session)
{
	if (!session)
		return NULL;
	enum dfu_state state = session->wire.state;
	if (!session->is_restarted && (state == DFU_UPLOAD_IDLE || state == DFU_DOWNLOAD_IDLE))
		(void)!dfu_abort(&session->wire);
	return give_back(session);
}

const struct backend dfu_backend = {
	.name = "dfu",
	.mode = MODE_DFU,
	.open = open_dfu,
	.probe = dfu_probe,
	.write = dfu_write,
	.restart = dfu_restart,
	.close = dfu_close,
};
