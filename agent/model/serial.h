/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * USB serials as names of boards: some name one chip, some are shown by many boards.
 */
#include <stdbool.h>

/* True for a serial that many boards show: constants of boot ROMs and of careless firmware. */
bool serial_is_shared(const char *serial);

/* Is it a chip's whole id, as Klipper and Katapult show it: 8, 12 or 16 bytes in hexadecimal
 * digits, and not one that is shared? (Klipper: src/generic/usb_cdc.c, src/<family>/chipid.c) */
bool serial_is_chip_id(const char *serial);
