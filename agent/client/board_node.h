/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Boards in a boot mode as the kernel and udev's database show them, without the service: only to
 * see whether udev has done its part.
 */
#include <stdbool.h>

struct board_node {
	char port[64]; /* "1-1.3" */
	char path[64]; /* what workers open: "/dev/bus/usb/001/005", or "/dev/ttyACM0" */
	bool is_serial; /* then `path` may be "": the kernel has made no port for it */
	bool is_marked; /* with ID_PLUGFLASH */
	bool has_place; /* ID_PATH */
};

/* Calls `visit` for each until it returns a negative errno, and returns that, or 0. */
int board_node_each(int (*visit)(const struct board_node *node, void *context), void *context);
