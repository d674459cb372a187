/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Boards in Katapult, a boot loader that Klipper's users put on them, over USB; see backend.h.
 */
#include "backend/backend.h"

extern const struct backend katapult_backend;
