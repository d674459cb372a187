/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * PICOBOOT, the USB language of the boot ROMs of RP2040 and RP2350, as a backend for either mode.
 * The ROM must be the one that the mode promises, or the chip is unknown.
 */
#include "backend/backend.h"

extern const struct backend picoboot_rp2040_backend;
extern const struct backend picoboot_rp2350_backend;
