/* SPDX-License-Identifier: MIT */
/* What runs; see running.h. */
#include "base/text.h"
#include "model/running.h"

bool running_is_same(const struct running *left, const struct running *right)
{
	return left->is_known && right->is_known && *left->version &&
	       text_equal(left->mcu, right->mcu) && text_equal(left->version, right->version) &&
	       left->clock_hz == right->clock_hz && left->can_bitrate == right->can_bitrate &&
	       left->serial_baud == right->serial_baud && left->transport == right->transport &&
	       text_equal(left->can_pins, right->can_pins) &&
	       text_equal(left->usb_pins, right->usb_pins) &&
	       text_equal(left->serial_pins, right->serial_pins) &&
	       text_equal(left->initial_pins, right->initial_pins);
}
