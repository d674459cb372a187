/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One open board in DFU and what all of its visit has in common: what it is, what was done to it,
 * and how to give up with a sentence. Inside the dfu backend only.
 */
#include <stdbool.h>

#include "backend/backend.h"
#include "backend/dfu_chips.h"
#include "backend/dfu_flash.h"
#include "backend/dfu_wire.h"
#include "backend/visit.h"

struct backend_session {
	struct visit visit;
	struct usb_device *device;
	struct dfu_wire wire;
	const struct dfu_loader *loader; /* of plain DFU; NULL: an STM32's ROM */
	struct dfu_looks looks;
	chip_set chips; /* that it may have */
	struct dfu_flash flash; /* of a ROM that we can read */
	bool has_flash;

	bool was_blank; /* the chip had no program at all when we came */
	bool has_start; /* there is something to start, */
	uint32_t start; /* with its vector table here */
	bool is_behind_loader; /* what is written is not what the chip starts itself */

	bool is_touched; /* the flash is no longer what it was when we came */
	bool may_start; /* the vector table may be there, and nobody has read it back */
	bool is_restarted;
};

/* visit_fail() for an error of the wire, with the sentence that belongs to it; `doing`: "reading".
 * Does not replace what visit_fail() has noted already. */
int dfu_fail_wire(struct backend_session *session, int error, const char *doing);

/* visit_step(): what dfu_flash calls. */
int dfu_on_step(void *context, uint32_t bytes) _must_check_;

/* Back to dfuIDLE. A device that does not come to itself by talking may do so by a reset of its
 * port, which takes neither its power nor its flash. */
int dfu_recover(struct backend_session *session) _must_check_;

/* visit_repair() by that. */
int dfu_repair(struct backend_session *session, int error, uint64_t progress) _must_check_;

/* What a person needs to know about the board that is left behind. */
const char *dfu_consequence(const struct backend_session *session);

/* What the chip writes at once, without ever leaving half of it there (reference manuals, "flash
 * memory program operations"); 8 bytes hold stack and reset vector of those that write less. */
uint16_t dfu_write_unit(chip_set chips);

/* Does a chip without a program start its ROM by itself (AN2606, "empty check")? */
bool dfu_has_empty_check(chip_set chips);
