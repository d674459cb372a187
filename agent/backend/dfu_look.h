/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What is in the flash of an STM32 in DFU: does the chip start something, is that a boot loader,
 * where does the application begin, and what does it say of itself? Read-only; hostile bytes.
 */
#include "backend/dfu_session.h"

/* Fills what the contents of flash tell. 0 or an error of dfu_wire.h. */
int dfu_look(struct backend_session *session, struct board_facts *facts) _must_check_;
