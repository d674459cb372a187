/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Looking into the flash of a chip while Klipper runs there: is it Katapult that starts it, and
 * from where does it run? Inside the klipper backend only.
 */
#include "backend/klipper_wire.h"
#include "model/board.h"

/*
 * Completes `facts` of a board with that dictionary: chip, bootloader, application_start. Reads
 * only where every chip of the name has flash, and the register that every such processor has:
 * elsewhere a read could crash it. What cannot be read is left unknown.
 */
int klipper_look(struct klipper_wire *wire, const struct klipper_dictionary *dictionary,
	struct board_facts *facts) _must_check_;
