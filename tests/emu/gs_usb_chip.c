/* SPDX-License-Identifier: MIT */
/* One frame after the other, as often as it takes; see gs_usb_chip.h. */
#include <string.h>

#include "emu/gs_usb_chip.h"

#define WARNING_ERRORS 96
#define PASSIVE_ERRORS 128
#define OFF_ERRORS     256
#define ERROR_STEP     8
#define FRAME_BITS     114 /* with stuffing and what follows; on an average */
#define OFF_BITS       (128 * 11)
/* A frame that nobody takes is repeated without a pause. In real time a thousand times a second
 * says as much as eight thousand times. */
#define REPEAT_NSEC NSEC_PER_MSEC

/* linux/can/error.h */
enum {
	CLASS_CONTROL = 0x04,
	CLASS_PROTOCOL = 0x08,
	CLASS_ACKNOWLEDGE = 0x20,
	CLASS_BUS_OFF = 0x40,
	CONTROL_WARNING = 0x04 | 0x08,
	CONTROL_PASSIVE = 0x10 | 0x20,
	CONTROL_ACTIVE = 0x40,
	PROTOCOL_STUFF = 0x04,
	PROTOCOL_BIT0 = 0x08,
};

static uint64_t bits_nsec(const struct gs_usb_chip *chip, unsigned bits)
{
	return bits * NSEC_PER_SEC / chip->bitrate;
}

static enum gs_usb_state state_of(const struct gs_usb_chip *chip)
{
	unsigned most =
		chip->send_errors > chip->receive_errors ? chip->send_errors : chip->receive_errors;
	if (chip->send_errors >= OFF_ERRORS)
		return GS_USB_BUS_OFF;
	if (most >= PASSIVE_ERRORS)
		return GS_USB_PASSIVE;
	return most >= WARNING_ERRORS ? GS_USB_WARNING : GS_USB_ACTIVE;
}

static void tell_state(struct gs_usb_chip *chip, uint64_t now)
{
	static const struct {
		uint32_t classes;
		uint8_t control;
	} words[] = {
		[GS_USB_ACTIVE] = { CLASS_CONTROL, CONTROL_ACTIVE },
		[GS_USB_WARNING] = { CLASS_CONTROL, CONTROL_WARNING },
		[GS_USB_PASSIVE] = { CLASS_CONTROL, CONTROL_PASSIVE },
		[GS_USB_BUS_OFF] = { CLASS_BUS_OFF, 0 },
	};
	enum gs_usb_state state = state_of(chip);
	if (state == chip->state)
		return;
	chip->state = state;
	gs_usb_tell_error(chip->adapter, now, words[state].classes, words[state].control, 0, true);
}

static void start_frame(struct gs_usb_chip *chip, uint64_t now)
{
	chip->due = chip->bitrate && chip->count ? now + bits_nsec(chip, FRAME_BITS) : NEVER;
}

static void drop_first(struct gs_usb_chip *chip)
{
	chip->count--;
	memmove(chip->mailboxes, chip->mailboxes + 1, chip->count * sizeof(*chip->mailboxes));
}

/* A passive sender does not count that nobody acknowledges: alone it never leaves the bus. */
static void on_unacknowledged(struct gs_usb_chip *chip, uint64_t now)
{
	if (chip->send_errors < PASSIVE_ERRORS)
		chip->send_errors += ERROR_STEP;
	tell_state(chip, now);
	gs_usb_tell_error(chip->adapter, now, CLASS_ACKNOWLEDGE, 0, 0, false);
	chip->due = now + REPEAT_NSEC;
}

static void on_destroyed(struct gs_usb_chip *chip, uint64_t now)
{
	uint8_t kind = chip->send_errors / ERROR_STEP % 2 ? PROTOCOL_STUFF : PROTOCOL_BIT0;
	chip->send_errors += ERROR_STEP;
	if (chip->receive_errors < PASSIVE_ERRORS)
		chip->receive_errors++;
	gs_usb_tell_error(chip->adapter, now, CLASS_PROTOCOL, 0, kind, false);
	tell_state(chip, now);
	if (chip->state != GS_USB_BUS_OFF)
		chip->due = now + REPEAT_NSEC;
	else
		chip->due = chip->stays_off ? NEVER : now + bits_nsec(chip, OFF_BITS);
}

static void come_back(struct gs_usb_chip *chip, uint64_t now)
{
	chip->send_errors = chip->receive_errors = 0;
	tell_state(chip, now);
	gs_usb_drain(chip->adapter, now);
	start_frame(chip, now);
}

static void end_frame(struct gs_usb_chip *chip, uint64_t now)
{
	enum gs_usb_fate fate =
		chip->meet ? chip->meet(chip->context, now, chip->bitrate, &chip->mailboxes[0])
			   : GS_USB_UNACKNOWLEDGED;
	if (fate == GS_USB_UNACKNOWLEDGED)
		return on_unacknowledged(chip, now);
	if (fate == GS_USB_DESTROYED)
		return on_destroyed(chip, now);
	if (chip->send_errors)
		chip->send_errors--;
	drop_first(chip);
	tell_state(chip, now);
	start_frame(chip, now);
}

/* --- the wire of an adapter -------------------------------------------------------------- */

static void set(void *context, uint64_t now, uint32_t bitrate, bool listen_only)
{
	struct gs_usb_chip *chip = context;
	(void)now;
	chip->bitrate = bitrate;
	chip->listen_only = listen_only;
	chip->count = 0;
	chip->due = NEVER;
	chip->send_errors = chip->receive_errors = 0;
	chip->state = GS_USB_ACTIVE;
}

static bool send_frame(void *context, uint64_t now, const struct gs_usb_frame *frame)
{
	struct gs_usb_chip *chip = context;
	if (!chip->bitrate || chip->state == GS_USB_BUS_OFF || chip->count == GS_USB_MAILBOXES)
		return false;
	chip->mailboxes[chip->count++] = *frame;
	if (chip->due == NEVER)
		start_frame(chip, now);
	return true;
}

static struct gs_usb_health health(const void *context)
{
	const struct gs_usb_chip *chip = context;
	return (struct gs_usb_health){ .state = chip->state,
		.send_errors =
			(uint8_t)(chip->send_errors > UINT8_MAX ? UINT8_MAX : chip->send_errors),
		.receive_errors = (uint8_t)chip->receive_errors };
}

static uint64_t next(const void *context)
{
	const struct gs_usb_chip *chip = context;
	return chip->due;
}

static void advance(void *context, uint64_t now)
{
	struct gs_usb_chip *chip = context;
	if (chip->due > now)
		return;
	if (chip->state == GS_USB_BUS_OFF)
		come_back(chip, now);
	else
		end_frame(chip, now);
}

struct gs_usb_wire gs_usb_chip_wire(struct gs_usb_chip *chip)
{
	chip->due = NEVER;
	return (struct gs_usb_wire){ .set = set,
		.send = send_frame,
		.health = health,
		.next = next,
		.advance = advance,
		.context = chip };
}
