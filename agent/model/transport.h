/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * By which wire a firmware speaks to its host.
 */

enum transport {
	TRANSPORT_UNKNOWN,
	TRANSPORT_USB,
	TRANSPORT_UART,
	TRANSPORT_CAN,
	TRANSPORT_BRIDGE, /* USB to the host, and the host's way to a CAN bus */
	TRANSPORT_PTY, /* a process of the host itself */
	_TRANSPORT_MAX,
};

const char *transport_name(enum transport transport); /* "usb" */
int transport_from_name(const char *name); /* enum transport or -EINVAL; "unknown" is no name */
