/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Boards that run Klipper, over USB or a serial line: what they say of themselves, and the way into
 * their boot loader. Nothing is written through Klipper; see backend.h.
 */
#include "backend/backend.h"

extern const struct backend klipper_backend;
