/* SPDX-License-Identifier: MIT */
/* What runs on a board; see running.h. */
#include <string.h>

#include "base/text.h"
#include "model/klipper.h"
#include "model/running.h"

/* Half a text could be taken for another one: what does not fit is unknown. False then. */
static bool take_text(char ret[RUNNING_TEXT], const char *text)
{
	if (!text || strlen(text) >= RUNNING_TEXT)
		return false;
	text_copy_plain(ret, RUNNING_TEXT, text);
	return true;
}

struct running running_of(const struct klipper *klipper)
{
	struct running running = {
		.is_known = true,
		.clock_hz = klipper->clock_hz,
		.can_bitrate = klipper->can_bitrate,
		.serial_baud = klipper->serial_baud,
		.transport = klipper->transport,
	};
	take_text(running.mcu, klipper->mcu);
	take_text(running.version, klipper->version);
	take_text(running.can_pins, klipper_reserved(klipper, "CAN"));
	take_text(running.usb_pins, klipper_reserved(klipper, "USB"));
	take_text(running.serial_pins, klipper_reserved(klipper, "serial"));
	/* A dictionary leaves them out when there are none. */
	running.has_initial_pins =
		take_text(running.initial_pins, klipper->initial_pins ? klipper->initial_pins : "");
	return running;
}
