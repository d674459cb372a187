/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Boards that run a program made with the Pico SDK, over USB: nothing of what they run shows, only
 * whether they can be asked for BOOTSEL (pico_reset.h). Nothing is written through them; see
 * backend.h.
 */
#include "backend/backend.h"

extern const struct backend pico_sdk_backend;
