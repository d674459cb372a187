/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Programs made with the Pico SDK that speak USB: most have an interface by which they are asked
 * for BOOTSEL, and those with a serial port listen to its rate (pico-sdk,
 * src/rp2_common/pico_stdio_usb/reset_interface.c).
 */
#include "backend/backend.h"

/* The SDK's reset interface in a configuration (with all that follows it), which is hostile bytes:
 * vendor class ff, subclass 00, protocol 01. 0, or -ENOENT. */
int pico_reset_find(const uint8_t *configuration, size_t length, uint8_t *ret_interface)
	_must_check_;

/* How a program with this configuration can be asked, as far as that shows: a serial port may
 * listen to its rate or not. */
enum bootsel pico_reset_way(const uint8_t *configuration, size_t length);

/* Asks for BOOTSEL, by the interface or, where there is none or the USB node belongs to others, by
 * the serial port. 0: the board has
 * left. Whether it should be asked was decided before. */
int pico_reset_enter(const struct usb_address *address, struct backend_failure *ret_failure)
	_must_check_;
