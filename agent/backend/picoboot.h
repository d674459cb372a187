/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * PICOBOOT, the USB language of the boot ROMs of RP2040 and RP2350, as a backend: the same
 * functions for both modes, for which chip it is the ROM says.
 */
#include "backend/backend.h"

extern const struct backend picoboot_rp2040_backend;
extern const struct backend picoboot_rp2350_backend;
