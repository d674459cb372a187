/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A board whose Klipper is a bridge: while that runs it is an adapter on USB (gs_usb.h) and a node
 * behind itself; its Katapult is on USB as any other's. Nobody else is on its bus.
 */
#include "emu/gs_usb.h"
#include "emu/stm32.h"

struct stm32_bridge;

/* The board stays its owner's and must live longer; it was made with bridge=1. */
int stm32_bridge_new(struct stm32 *board, struct stm32_bridge **ret) _must_check_;
struct stm32_bridge *stm32_bridge_free(struct stm32_bridge *bridge);
DEFINE_CLEANUP(struct stm32_bridge *, stm32_bridge_free)

/* What is on the USB port: the adapter, or whatever else the board runs. */
struct device_core *stm32_bridge_core(struct stm32_bridge *bridge);
