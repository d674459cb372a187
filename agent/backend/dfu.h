/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * STM32s in the DFU mode of their boot ROM, and the boot loaders that speak plain DFU 1.1; see
 * backend.h.
 */
#include "backend/backend.h"

extern const struct backend dfu_backend;
