/* SPDX-License-Identifier: MIT */
/*
 * The picoboot backend: opening, looking, restarting and giving back an RP2040 or RP2350 in its
 * boot mode. Mass storage, the board's other interface, is left to the kernel.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "backend/picoboot.h"
#include "backend/picoboot_session.h"
#include "backend/picoboot_write.h"

#define RESTART_TRIES       2
#define RESTART_LEAVES_MSEC 250

static int look(struct backend_session *session, struct board_facts *ret)
{
	struct board_facts facts = { .chip = CHIP_UNKNOWN, .content = CONTENT_UNKNOWN };
	uint8_t rom[4];
	int r = picoboot_read_now(&session->wire, PICOBOOT_ROM_MAGIC_ADDRESS, rom, sizeof rom);
	if (r < 0)
		return r;
	/* A board whose ROM contradicts its USB id is none that anybody should write to. */
	session->is_proved = rom[0] == 'M' && rom[1] == 'u' && rom[2] == session->chip->rom_magic;
	if (session->is_proved) {
		facts.chip = session->chip->chip;
		facts.rom_revision = rom[3];
		r = session->chip->look(&session->wire, &facts);
		if (r < 0)
			return r;
	}
	session->flash_size_bytes = facts.flash_size_bytes;
	*ret = facts;
	return 0;
}

static int fail_open(struct backend_session *session, int error)
{
	if (visit_fail_open(&session->visit, error, "picotool, a flash script") < 0)
		return error;
	if (error == -ENOENT)
		return visit_fail(&session->visit, error, REASON_BOARD_ERROR,
			"the board shows no PICOBOOT interface; unplug it and plug it in again "
			"while its BOOTSEL button is held");
	return picoboot_fail_wire(session, error, "opening it");
}

static int take_interface(struct backend_session *session)
{
	const uint8_t *configuration;
	size_t length;
	int r = usb_configuration(session->device, &configuration, &length);
	if (r == 0)
		r = picoboot_find(configuration, length, &session->wire.endpoints);
	if (r == 0)
		r = usb_claim(session->device, session->wire.endpoints.interface);
	return r;
}

static struct backend_session *give_back(struct backend_session *session)
{
	if (!session)
		return NULL;
	picoboot_abandon(&session->wire);
	usb_close(session->device);
	free(session);
	return NULL;
}
DEFINE_CLEANUP(struct backend_session *, give_back)

static int open_chip(const struct picoboot_chip *chip, const struct board_address *address,
	const struct backend_watch *watch, struct backend_session **ret,
	struct backend_failure *ret_failure)
{
	*ret_failure = (struct backend_failure){ 0 };
	_cleanup_(give_backp) struct backend_session *session = calloc(1, sizeof *session);
	if (!session)
		return -ENOMEM;
	session->chip = chip;
	session->visit = (struct visit){
		.watch = watch, .consequence = picoboot_consequence, .session = session
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
	r = picoboot_start(&session->wire);
	if (r < 0)
		return picoboot_fail_wire(session, r, "opening it");
	*ret = TAKE_PTR(session);
	return 0;
}

static int open_rp2040(const struct board_address *address, const struct backend_watch *watch,
	struct backend_session **ret, struct backend_failure *ret_failure)
{
	return open_chip(&picoboot_rp2040, address, watch, ret, ret_failure);
}

static int open_rp2350(const struct board_address *address, const struct backend_watch *watch,
	struct backend_session **ret, struct backend_failure *ret_failure)
{
	return open_chip(&picoboot_rp2350, address, watch, ret, ret_failure);
}

static int picoboot_probe(struct backend_session *session, struct board_facts *ret,
	struct backend_failure *ret_failure)
{
	visit_enter(&session->visit, ret_failure);
	for (;;) {
		int r = look(session, ret);
		if (r < 0)
			r = picoboot_repair(session, r, 0);
		else
			return 0;
		if (r < 0)
			return picoboot_fail_wire(session, r, "reading its flash");
	}
}

static int picoboot_write_checked(struct backend_session *session,
	const struct backend_write *write, struct job_tally *ret_tally,
	struct backend_failure *ret_failure)
{
	visit_enter(&session->visit, ret_failure);
	int r = visit_check_arrival(&session->visit, session->device);
	if (r < 0)
		return picoboot_fail_wire(session, r, "preparing");
	return picoboot_write_image(session, write, ret_tally);
}

/* Leaving is the answer: a board that goes before its acknowledgement has done what it was told. */
static int picoboot_restart(struct backend_session *session, struct backend_failure *ret_failure)
{
	visit_enter(&session->visit, ret_failure);
	int r = 0;
	for (unsigned attempt = 0; attempt < RESTART_TRIES; attempt++) {
		r = session->chip->restart(&session->wire);
		if (r == 0)
			r = picoboot_flush(&session->wire);
		if (r < 0 && r != -ENODEV && usb_pause(session->device, RESTART_LEAVES_MSEC) < 0)
			r = -ENODEV;
		if (r < 0 && r != -ENODEV && picoboot_recover(&session->wire) == -ENODEV)
			r = -ENODEV;
		if (r == 0 || r == -ENODEV) {
			session->is_restarted = true;
			return 0;
		}
	}
	return visit_fail(&session->visit, r, REASON_BOARD_SILENT,
		"the board did not obey the restart; unplug it and plug it in again");
}

/* Ends exclusive access, so that the board's drive takes files again. What this returns does not
 * matter: a board that does not answer gets nothing done by being asked twice. */
static struct backend_session *picoboot_close(struct backend_session *session)
{
	if (!session)
		return NULL;
	struct picoboot_wire *wire = &session->wire;
	if (!session->is_restarted) {
		bool is_done = wire->is_sound && picoboot_exclusive(wire, false) == 0 &&
			       picoboot_flush(wire) == 0;
		if (!is_done)
			(void)picoboot_reset_interface(wire);
	}
	return give_back(session);
}

const struct backend picoboot_rp2040_backend = {
	.name = "picoboot",
	.mode = MODE_RP2040_BOOT,
	.open = open_rp2040,
	.probe = picoboot_probe,
	.write = picoboot_write_checked,
	.restart = picoboot_restart,
	.close = picoboot_close,
};

const struct backend picoboot_rp2350_backend = {
	.name = "picoboot",
	.mode = MODE_RP2350_BOOT,
	.open = open_rp2350,
	.probe = picoboot_probe,
	.write = picoboot_write_checked,
	.restart = picoboot_restart,
	.close = picoboot_close,
};
