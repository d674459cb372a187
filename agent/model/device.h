/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A board as a plain value, a USB device or a line that stands for itself: where it is, which
 * arrival it is, and what it says of itself.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "model/board.h"
#include "model/can.h"

struct device {
	char *place; /* udev's ID_PATH: the socket, not the board */
	char *port; /* "1-1.3": for people; bus numbers move between boots */
	char *syspath; /* of a line its node instead, "/dev/ttyAMA0"; of a bus's node its place */
	unsigned baud; /* of a line; 0: none */
	/* A node of a CAN bus, and of which; beside a USB device: a bridge, by the name that it has
	 * on the bus that it makes. "": neither. */
	char can[CAN_NAME_TEXT]; /* "can0"; of a bridge "" */
	char can_uuid[CAN_UUID_TEXT]; /* lower case */
	uint32_t bus;
	uint32_t number;
	uint64_t arrival; /* inode of the sysfs directory: a new one each time a board comes */
	enum board_mode mode;
	uint16_t vid;
	uint16_t pid;
	/* Said by the device, escaped at the door (text_escape()); "" when it says nothing. */
	char *serial;
	char *manufacturer;
	char *product;
	bool was_present; /* was there before we looked: nobody just plugged it in */
};

struct device *device_free(struct device *device);
DEFINE_CLEANUP(struct device *, device_free)

/* The board that is reached by a serial line which is there whether it is or not, in this mode: a
 * new value, or NULL when memory is short. */
struct device *device_new_line(const char *tty, unsigned baud, enum board_mode mode) _must_check_;
bool device_is_line(const struct device *device);

/* The node of this name on a bus, in this mode: place "can0-154aab036e6a". NULL: memory is short.
 */
struct device *device_new_node(const char *can, const char *uuid, enum board_mode mode)
	_must_check_;
bool device_is_node(const struct device *device);

/* Is it a Klipper that is an adapter for CAN, too? */
bool device_is_bridge(const struct device *device);

/* Is it spoken to over a CAN bus: a node, or a bridge, which is one of the bus that it makes? */
bool device_is_on_can(const struct device *device);

/* Is it reached by something that stands whether it is there or not, a line or a bus? Then nobody
 * tells when it comes, goes, or speaks another language. */
bool device_is_standing(const struct device *device);

/* The same board where it stands, in another mode; NULL when memory is short. */
struct device *device_in_mode(const struct device *standing, enum board_mode mode) _must_check_;

/* A copy on the heap, or NULL when memory is short. */
struct device *device_copy(const struct device *device) _must_check_;

bool device_is_same_arrival(const struct device *left, const struct device *right);

/* "RP2040 in boot mode (2e8a:0003)" or "Raspberry Pi Pico (2e8a:000a)"; NULL: memory is short. */
char *device_describe(const struct device *device) _must_check_;
