/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Boards that run Klipper, over USB: what they say of themselves, and the way into their boot
 * loader. Nothing is written through Klipper; see backend.h.
 */
#include "backend/backend.h"

extern const struct backend klipper_backend;

/*
 * Asks the board for its boot loader: 1200 baud with DTR low (klipper, src/generic/usb_cdc.c,
 * check_reboot()). 0: it has left. Whether it should be asked, and which boot loader will answer
 * (entry_foretell()), was decided before.
 */
int klipper_enter(struct backend_session *session, struct backend_failure *ret_failure)
	_must_check_;
