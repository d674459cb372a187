/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * PICOBOOT, the USB language of an RP2040's boot ROM, as a backend.
 */
#include "backend/backend.h"

extern const struct backend picoboot_backend;
