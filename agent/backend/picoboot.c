/* SPDX-License-Identifier: MIT */
/*
 * The picoboot backend: opening, looking, restarting and giving back an RP2040 in its boot mode.
 * Mass storage, the board's other interface, is left to the kernel.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "backend/picoboot.h"
#include "backend/picoboot_session.h"
#include "backend/picoboot_write.h"
#include "model/rp2040.h"

#define PAGE_BYTES 256u
/* What is compared to find the flash repeating itself: boot2 and the vector table, whose addresses
 * belong to one place only. */
#define HEAD_BYTES       (2 * PAGE_BYTES)
#define SIZE_LEAST_BYTES (1u << 20)
#define SIZE_MOST_BYTES  (RP2040_FLASH_END - RP2040_FLASH_START)

/* The RP2040 counts its watchdog twice a tick (erratum RP2040-E1): 50 ms really, some fifty times
 * what the acknowledgement needs to get through. */
#define RESTART_DELAY_MSEC  100
#define RESTART_TRIES       2
#define RESTART_LEAVES_MSEC 250

static bool is_all(const uint8_t *bytes, size_t length, uint8_t value)
{
	for (size_t i = 0; i < length; i++) {
		if (bytes[i] != value)
			return false;
	}
	return true;
}

static int read_now(struct picoboot_wire *wire, uint32_t address, uint8_t *data, uint32_t length)
{
	int r = picoboot_read(wire, address, data, length);
	return r < 0 ? r : picoboot_flush(wire);
}

/*
 * The flash size by its echo: a chip ignores the address bits it does not have. 0 when page 0 is no
 * boot2, because blank pages resemble each other.
 */
static int find_size(struct picoboot_wire *wire, const uint8_t head[HEAD_BYTES], uint64_t *ret)
{
	if (!rp2040_boot2_is_valid(head)) {
		*ret = 0;
		return 0;
	}
	uint32_t size = SIZE_LEAST_BYTES;
	for (; size < SIZE_MOST_BYTES; size *= 2) {
		uint8_t there[HEAD_BYTES];
		int r = read_now(wire, RP2040_FLASH_START + size, there, PAGE_BYTES);
		if (r < 0)
			return r;
		if (memcmp(there, head, PAGE_BYTES) != 0)
			continue;
		r = read_now(wire, RP2040_FLASH_START + size, there, HEAD_BYTES);
		if (r < 0)
			return r;
		if (memcmp(there, head, HEAD_BYTES) == 0)
			break;
	}
	*ret = size;
	return 0;
}

static enum flash_content judge_content(const uint8_t head[HEAD_BYTES], uint64_t size_bytes)
{
	if (is_all(head, PAGE_BYTES, 0xff))
		return CONTENT_BLANK;
	uint32_t end = size_bytes ? (uint32_t)(RP2040_FLASH_START + size_bytes) : RP2040_FLASH_END;
	return rp2040_boot2_is_valid(head) &&
			       rp2040_vectors_are_plausible(head + RP2040_BOOT2_BYTES, end)
		       ? CONTENT_BOOTABLE
		       : CONTENT_UNBOOTABLE;
}

static int read_head(struct picoboot_wire *wire, uint8_t head[HEAD_BYTES])
{
	int r = read_now(wire, RP2040_FLASH_START, head, HEAD_BYTES);
	if (r < 0 || !is_all(head, HEAD_BYTES, 0x00))
		return r;
	/* Nothing but zeros is how a flash looks while the ROM's abort is latched. */
	r = picoboot_exit_xip(wire);
	return r < 0 ? r : read_now(wire, RP2040_FLASH_START, head, HEAD_BYTES);
}

static int look(struct backend_session *session, struct board_facts *ret)
{
	struct board_facts facts = { .chip = CHIP_UNKNOWN, .content = CONTENT_UNKNOWN };
	uint8_t rom[4], head[HEAD_BYTES];
	int r = read_now(&session->wire, PICOBOOT_ROM_MAGIC_ADDRESS, rom, sizeof rom);
	if (r < 0)
		return r;
	if (memcmp(rom, "Mu\1", 3) == 0) {
		facts.chip = CHIP_RP2040;
		facts.rom_revision = rom[3];
		r = read_head(&session->wire, head);
		if (r == 0)
			r = find_size(&session->wire, head, &facts.flash_size_bytes);
		if (r < 0)
			return r;
		facts.content = judge_content(head, facts.flash_size_bytes);
	}
	session->flash_size_bytes = facts.flash_size_bytes;
	*ret = facts;
	return 0;
}

static int fail_open(struct backend_session *session, int error)
{
	switch (error) {
	case -EACCES:
	case -EPERM:
		return picoboot_fail(session, error, REASON_NO_PERMISSION,
			"the worker may not open the board's USB node; check that plugflash's udev "
			"rules are installed, then plug the board in again");
	case -EBUSY:
		return picoboot_fail(session, error, REASON_BOARD_BUSY,
			"another program holds the board (picotool, a flash script?); close it and "
			"plug the board in again");
	case -ENOENT:
		return picoboot_fail(session, error, REASON_BOARD_ERROR,
			"the board shows no PICOBOOT interface; unplug it and plug it in again "
			"while its BOOTSEL button is held");
	default:
		return picoboot_fail_wire(session, error, "opening it");
	}
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

static int picoboot_open(const struct usb_address *address, const struct backend_watch *watch,
	struct backend_session **ret, struct backend_failure *ret_failure)
{
	*ret_failure = (struct backend_failure){ 0 };
	_cleanup_(give_backp) struct backend_session *session = calloc(1, sizeof *session);
	if (!session)
		return -ENOMEM;
	session->failure = ret_failure;
	session->watch = watch;
	session->wire.on_alive = picoboot_on_alive;
	session->wire.context = session;

	int r = usb_open(address, &session->device);
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

static int picoboot_probe(struct backend_session *session, struct board_facts *ret,
	struct backend_failure *ret_failure)
{
	*ret_failure = (struct backend_failure){ 0 };
	session->failure = ret_failure;
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
	*ret_failure = (struct backend_failure){ 0 };
	session->failure = ret_failure;
	int r = usb_is_same_arrival(session->device);
	if (r == 0)
		return picoboot_fail(session, -ENODEV, REASON_BOARD_CHANGED,
			"the board that was looked at has left its place; nothing was written. "
			"Plug it in again");
	if (r < 0)
		return picoboot_fail_wire(session, r, "preparing");
	return picoboot_write_image(session, write, ret_tally);
}

/* Leaving is the answer: a board that goes before its acknowledgement has done what it was told. */
static int picoboot_restart(struct backend_session *session, struct backend_failure *ret_failure)
{
	*ret_failure = (struct backend_failure){ 0 };
	session->failure = ret_failure;
	int r = 0;
	for (unsigned attempt = 0; attempt < RESTART_TRIES; attempt++) {
		r = picoboot_reboot(&session->wire, RESTART_DELAY_MSEC);
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
	return picoboot_fail(session, r, REASON_BOARD_SILENT,
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

const struct backend picoboot_backend = {
	.name = "picoboot",
	.mode = MODE_RP2040_BOOT,
	.open = picoboot_open,
	.probe = picoboot_probe,
	.write = picoboot_write_checked,
	.restart = picoboot_restart,
	.close = picoboot_close,
};
