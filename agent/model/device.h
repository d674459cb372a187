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

struct device {
	char *place; /* udev's ID_PATH: the socket, not the board */
	char *port; /* "1-1.3": for people; bus numbers move between boots */
	char *syspath; /* of a line its node instead, "/dev/ttyAMA0" */
	unsigned baud; /* of a line; 0: a USB device */
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

/* A copy on the heap, or NULL when memory is short. */
struct device *device_copy(const struct device *device) _must_check_;

bool device_is_same_arrival(const struct device *left, const struct device *right);

/* "RP2040 in boot mode (2e8a:0003)" or "Raspberry Pi Pico (2e8a:000a)"; NULL: memory is short. */
char *device_describe(const struct device *device) _must_check_;
