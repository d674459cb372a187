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

void running_encode(const struct running *running, struct buffer *ret)
{
	buffer_put_u8(ret, running->is_known);
	buffer_put_string(ret, running->mcu);
	buffer_put_string(ret, running->version);
	buffer_put_u32(ret, running->clock_hz);
	buffer_put_u32(ret, running->can_bitrate);
	buffer_put_u32(ret, running->serial_baud);
	buffer_put_u8(ret, (uint8_t)running->transport);
	buffer_put_string(ret, running->can_pins);
	buffer_put_string(ret, running->usb_pins);
	buffer_put_string(ret, running->serial_pins);
	buffer_put_u8(ret, running->has_initial_pins);
	buffer_put_string(ret, running->initial_pins);
}

void running_decode(struct cursor *cursor, struct running *ret)
{
	ret->is_known = cursor_bool(cursor);
	cursor_plain(cursor, ret->mcu, RUNNING_TEXT);
	cursor_plain(cursor, ret->version, RUNNING_TEXT);
	ret->clock_hz = cursor_u32(cursor);
	ret->can_bitrate = cursor_u32(cursor);
	ret->serial_baud = cursor_u32(cursor);
	ret->transport = cursor_enum(cursor, _TRANSPORT_MAX);
	cursor_plain(cursor, ret->can_pins, RUNNING_TEXT);
	cursor_plain(cursor, ret->usb_pins, RUNNING_TEXT);
	cursor_plain(cursor, ret->serial_pins, RUNNING_TEXT);
	ret->has_initial_pins = cursor_bool(cursor);
	cursor_plain(cursor, ret->initial_pins, RUNNING_TEXT);
}
